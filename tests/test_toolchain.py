from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_compiler.llvm import toolchain as toolchains
from llm_compiler.llvm.elf import object_size
from llm_compiler.llvm.frontend import LANGUAGES, Source, lower, optimise_for_size, unoptimised
from llm_compiler.llvm.size import PROTOCOLS, SHIP
from llm_compiler.llvm.toolchain import CLANG_WHEEL, LIBRARY_WHEEL, VARIABLE, Toolchain, ToolchainError, find
from tests.conftest import EXAMPLES, ROOT

LIBRARY = "prefix/lib/libLLVM-17.so"
RUNTIME = "prefix/lib/x86_64-unknown-linux-gnu/libc++.so.1"
ZIG = "site/ziglang/zig"
HEADER = "site/ziglang/lib/include/stddef.h"


def wheels(folder: Path, without: str = "") -> Toolchain:
    """What `find` says of an installation of the wheels, or of one that lacks a file."""
    for name in (LIBRARY, RUNTIME, ZIG, HEADER):
        if name != without:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("#!/bin/sh\n")
            file.chmod(0o755)
    return toolchains._from_wheels(folder / "prefix", folder / "site")


def test_the_wheels_are_found(toolchain: Toolchain) -> None:
    assert (toolchain.version, toolchain.major, toolchain.origin) == ("17.0.6", 17, "wheels")
    assert toolchain.library.is_file()
    assert os.access(toolchain.clang[0], os.X_OK)


def test_a_whole_installation_is_taken(tmp_path: Path) -> None:
    found = wheels(tmp_path)
    assert found.library == tmp_path / LIBRARY
    assert found.clang[0] == str(tmp_path / ZIG)


@pytest.mark.parametrize(
    ("without", "problem", "wheel"),
    [
        (LIBRARY, "LLVM 17.0.6 is not installed", LIBRARY_WHEEL),
        (RUNTIME, "LLVM 17.0.6 is half installed", f"{LIBRARY_WHEEL} wheel-axle-runtime"),
        (ZIG, "clang 17.0.6 is not installed", CLANG_WHEEL),
        (HEADER, "clang 17.0.6 is not installed", CLANG_WHEEL),
    ],
)
def test_a_missing_piece_is_named_in_one_line_with_the_command_that_mends_it(
    tmp_path: Path, without: str, problem: str, wheel: str
) -> None:
    with pytest.raises(ToolchainError) as caught:
        wheels(tmp_path, without)
    message = str(caught.value)
    assert message.startswith(problem)
    assert str(tmp_path / without) in message
    assert message.endswith(f"{sys.executable} -m pip install --force-reinstall --no-deps {wheel}")
    assert len(message.splitlines()) == 1


def test_a_clang_that_may_not_be_executed_is_named(tmp_path: Path) -> None:
    wheels(tmp_path)
    (tmp_path / ZIG).chmod(0o644)
    with pytest.raises(ToolchainError, match=r"zig may not be executed; mend it with: .*ziglang"):
        toolchains._from_wheels(tmp_path / "prefix", tmp_path / "site")


# -- another LLVM


def prefix(folder: Path, *libraries: str, clang: str | None = "echo Debian clang version 19.1.7") -> Path:
    """A prefix as distributions lay it out; a `name->target` is a link."""
    (folder / "lib").mkdir()
    (folder / "bin").mkdir()
    for library in libraries:
        name, _, target = library.partition("->")
        if target:
            (folder / "lib" / name).symlink_to(target)
        else:
            (folder / "lib" / name).touch()
    if clang is not None:
        command = folder / "bin" / "clang"
        command.write_text(f"#!/bin/sh\n{clang}\n")
        command.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("libraries", "chosen"),
    [
        (["libLLVM.so.19.1"], "libLLVM.so.19.1"),
        (["libLLVM-19.so"], "libLLVM-19.so"),
        (["libLLVM.so.19.1", "libLLVM.so.1->libLLVM.so.19.1", "libLLVM.so->libLLVM.so.19.1"], "libLLVM.so.19.1"),
        (["libLLVM-19.so->libLLVM-19.1.7.so", "libLLVM-19.1.7.so"], "libLLVM-19.1.7.so"),
        (["libLLVM-18.so", "libLLVM-19.so"], "libLLVM-19.so"),
    ],
)
def test_the_library_of_clangs_version_is_found(tmp_path: Path, libraries: list[str], chosen: str) -> None:
    found = find(str(prefix(tmp_path, *libraries)))
    assert (found.version, found.major, found.origin) == ("19.1.7", 19, str(tmp_path))
    assert found.library.resolve() == tmp_path / "lib" / chosen
    assert found.clang == (str(tmp_path / "bin" / "clang"),)


@pytest.mark.parametrize(
    ("libraries", "clang", "words"),
    [
        ([], "echo clang version 19.1.7", "no libLLVM in .*/lib"),
        (["libLLVM.so->nowhere"], "echo clang version 19.1.7", "no libLLVM in .*/lib"),
        (["libLLVM-19.so"], None, "no clang in .*/bin; it must be of libLLVM's version"),
        (["libLLVM-19.so"], "exit 1", "clang does not run"),
        (["libLLVM-19.so"], "kill -9 $$", "clang does not run"),
        (["libLLVM-19.so"], "echo gcc 13", "clang does not say its version"),
        (["libLLVM-18.so"], "echo clang version 19.1.7", "clang is 19.1.7 but .*/lib has libLLVM 18"),
    ],
    ids=["no library", "dangling link", "no clang", "clang fails", "clang dies", "no version", "two versions"],
)
def test_a_prefix_that_is_no_llvm_is_refused_in_one_line(
    tmp_path: Path, libraries: list[str], clang: str | None, words: str
) -> None:
    prefix(tmp_path, *libraries, clang=clang)
    with pytest.raises(ToolchainError, match=words) as caught:
        find(str(tmp_path))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("where", ["/nowhere/at/all", __file__])
def test_what_is_no_folder_is_no_prefix(where: str) -> None:
    with pytest.raises(ToolchainError, match="not a folder"):
        find(where)


def test_a_version_that_the_system_lacks_comes_with_debians_command() -> None:
    with pytest.raises(ToolchainError, match="apt-get install libllvm99 clang-99"):
        find("99")


def test_the_environment_variable_names_an_llvm_and_the_argument_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = prefix(tmp_path, "libLLVM-19.so")
    monkeypatch.setenv(VARIABLE, str(named))
    assert find().origin == str(named)
    monkeypatch.setenv(VARIABLE, "/nowhere/at/all")
    assert find(str(named)).origin == str(named)
    monkeypatch.setenv(VARIABLE, "")
    assert find().origin == "wheels"


def test_a_system_llvm_compiles_and_its_version_is_its_own(system_llvm: str) -> None:
    other = find(system_llvm)
    assert other.major == int(system_llvm)
    source = Source(None, "c", b"int f(int x) { return x + 1; }\n")
    assert object_size(optimise_for_size(other, source, SHIP)[0]).total > 0


# -- headers of its own


@pytest.fixture
def without_system_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Toolchain]:
    """The toolchain on a machine without C headers, or without C++ headers only."""

    def make(lacks: str) -> Toolchain:
        if lacks == "c++":
            (tmp_path / "stdio.h").touch()
        monkeypatch.setattr(toolchains, "_SYSTEM_HEADERS", tmp_path)
        return find()

    return make


def test_system_headers_are_used_where_there_are_some(toolchain: Toolchain) -> None:
    has_c, has_cpp = Path("/usr/include/stdio.h").exists(), any(Path("/usr/include").glob("c++/*/vector"))
    assert (toolchain.libc_flags == ()) is has_c
    assert (toolchain.libcxx_flags == ()) is has_cpp


@pytest.mark.parametrize("lacks", ["c", "c++"])
@pytest.mark.parametrize("name", ["json.c", "lz.c", "expression_templates.cpp"])
def test_examples_compile_with_the_headers_of_the_wheels(
    without_system_headers: Callable[[str], Toolchain], lacks: str, name: str
) -> None:
    toolchain = without_system_headers(lacks)
    assert bool(toolchain.libc_flags) is (lacks == "c")
    assert toolchain.libcxx_flags
    if lacks == "c++" and not Path("/usr/include/stdio.h").exists():
        pytest.skip("this machine has no C headers")
    source = Source(ROOT / "examples" / name, LANGUAGES[Path(name).suffix])
    elf, warnings = optimise_for_size(toolchain, source, SHIP)
    assert warnings == ""
    assert object_size(elf).total > 1000
    module = unoptimised(toolchain, source)
    for protocol in PROTOCOLS.values():
        assert object_size(lower(toolchain, module, protocol)).total > 1000


def test_the_headers_of_the_wheels_hide_those_of_the_system(
    without_system_headers: Callable[[str], Toolchain],
) -> None:
    toolchain = without_system_headers("c")
    source = Source(None, "c++", b"#include <cstdio>\n#include <version>\nconst char *where = __FILE__;\n", ("-H",))
    _, included = optimise_for_size(toolchain, source, SHIP)
    assert "ziglang/lib/libcxx/include/version" in included
    assert not any(line.lstrip(". ").startswith("/usr/include") for line in included.splitlines())


def test_the_example_list_is_not_empty() -> None:
    assert len(EXAMPLES) >= 12
