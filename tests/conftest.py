"""Fixtures that most tests share: the toolchain, one loaded libLLVM, real sources, and `llmc` as people run it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from llm_compiler.llvm import toolchain as toolchains
from llm_compiler.llvm.frontend import Language, Source
from llm_compiler.llvm.frontend import unoptimised as front_end
from llm_compiler.llvm.library import Library
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.vocabulary import vocabulary as ask_vocabulary

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.c*"))
EXAMPLE_PARAMETERS = [
    pytest.param(path, id=path.name, marks=[pytest.mark.slow] if path.suffix == ".cpp" else []) for path in EXAMPLES
]
"""Templates and exceptions make C++ the long part."""
SHARED = ROOT.parent / "shared"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the facts and data in {SHARED} are not here")

# How long an example takes says more about the machine than about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

RunLlmc = Callable[..., "subprocess.CompletedProcess[bytes]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests first, so that two workers, which take file by file, end at about the same time."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session", autouse=True)
def _no_other_llvm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither see the user's settings nor touch the user's cache; the workers of a run share one."""
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(toolchains.VARIABLE, raising=False)
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    return toolchains.find()


@pytest.fixture(scope="session")
def library(toolchain: Toolchain) -> Library:
    return Library(toolchain.library)


@pytest.fixture
def context(library: Library) -> Iterator[Context]:
    with Context(library) as context:
        yield context


@pytest.fixture(scope="session")
def vocabulary(toolchain: Toolchain) -> Vocabulary:
    return ask_vocabulary(toolchain)


@pytest.fixture(scope="session")
def compiled(toolchain: Toolchain) -> Callable[..., bytes]:
    """The unoptimised bitcode of a text in C or C++."""

    def compile_(text: str, language: Language = "c", *flags: str) -> bytes:
        return front_end(toolchain, Source(None, language, text.encode(), flags))

    return compile_


@pytest.fixture(scope="session")
def system_llvm() -> str:
    """The newest LLVM of the system, other than the one that the wheels bring, with libLLVM and clang."""
    for major in range(30, 17, -1):
        try:
            toolchains.find(str(major))
        except toolchains.ToolchainError:
            continue
        return str(major)
    pytest.skip("no LLVM 18 or newer with libLLVM and clang in /usr/lib (apt-get install libllvm19 clang-19)")


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `llmc` gets as $TMPDIR."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture
def llmc(tmp_path: Path, temporary: Path) -> RunLlmc:
    """Run the command line in `tmp_path` as a process of its own."""

    def run(*arguments: object, stdin: bytes = b"", **options: object) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "llm_compiler", *map(str, arguments)]
        environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
        defaults = {"input": stdin, "capture_output": True, "cwd": tmp_path, "env": environment, "timeout": 300}
        return subprocess.run(command, check=False, **defaults | options)

    return run


def marked(marker: str) -> list[int]:
    """Processes with this text in their environment."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if marker.encode() in environment.read_bytes():
                found.append(int(environment.parent.name))
    return found
