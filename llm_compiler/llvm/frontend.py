"""clang as a child: source to unoptimised module, source or module to object, objects to program.

Nothing touches the disk but what the caller names: results come back as bytes.
"""

from __future__ import annotations

import math
import re
import resource
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llm_compiler.llvm.size import Protocol
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Limits

Language = Literal["c", "c++", "ir"]
Emit = Literal["obj", "asm", "ll", "bc"]

LANGUAGES: dict[str, Language] = {
    ".c": "c",
    ".cc": "c++",
    ".cpp": "c++",
    ".cxx": "c++",
    ".c++": "c++",
    ".C": "c++",
    ".ll": "ir",
    ".bc": "ir",
}

COMPILE_LIMITS = Limits(seconds=600, megabytes=8192)

# Use-list order is part of what passes and the back end go by: without it they see another than they do inside clang.
_EMIT_FLAGS: dict[Emit, tuple[str, ...]] = {
    "obj": ("-c",),
    "asm": ("-S",),
    "ll": ("-S", "-emit-llvm", "-Xclang", "-emit-llvm-uselists"),
    "bc": ("-c", "-emit-llvm", "-Xclang", "-emit-llvm-uselists"),
}
_UNOPTIMISED = ("-Oz", "-Xclang", "-disable-llvm-passes", "-Xclang", "-emit-llvm-uselists", "-c", "-emit-llvm")
_QUIET = ("-w", "-Wno-unused-command-line-argument")
_IR_START = re.compile(rb"\s*(;|source_filename|target |define |declare |module asm|@|%|!|\$|attributes )")


class CompileError(Exception):
    """clang refused its input, ran out of its limits, or died. The text is clang's own diagnostics."""


@dataclass(frozen=True)
class Source:
    """One input of clang: a file, or text that came from elsewhere, with the user's own flags."""

    path: Path | None
    language: Language
    text: bytes = b""
    """The contents where `path` is None; else unused."""
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to call it: the path as it was given, or `-`."""
        return "-" if self.path is None else str(self.path)


def guess_language(text: bytes) -> Language:
    """Bitcode and what starts like LLVM-IR text is `ir`, all else C."""
    return "ir" if text.startswith(b"BC\xc0\xde") or _IR_START.match(text) else "c"


def unoptimised(toolchain: Toolchain, source: Source, limits: Limits = COMPILE_LIMITS) -> bytes:
    """The module that clang's -Oz pipeline would start from, as bitcode. IR is taken as it is. Raises CompileError."""
    if source.language == "ir":
        return source.path.read_bytes() if source.path else source.text
    return _compile(toolchain, source, (*_QUIET, *_UNOPTIMISED), limits)[0]


def optimise_for_size(
    toolchain: Toolchain, source: Source, protocol: Protocol, emit: Emit = "obj"
) -> tuple[bytes, str]:
    """What clang itself makes of the source with -Oz under a protocol, and its warnings. Raises CompileError."""
    flags = ("-Oz", "-Wno-unused-command-line-argument")
    if protocol.name == "ship" or emit in ("ll", "bc"):
        return _compile(toolchain, source, (*flags, *_EMIT_FLAGS[emit]))
    bitcode, warnings = _compile(toolchain, source, (*flags, *_EMIT_FLAGS["bc"]))
    return lower(toolchain, bitcode, protocol, source.flags, emit), warnings


def lower(
    toolchain: Toolchain, module: bytes, protocol: Protocol, flags: Sequence[str] = (), emit: Emit = "obj"
) -> bytes:
    """An optimised module through clang's back end, no pass of the middle end run again. Raises CompileError."""
    source = Source(None, "ir", module, tuple(flags))
    return _compile(toolchain, source, (*_QUIET, *protocol.clang_flags, *_EMIT_FLAGS[emit]))[0]


def targets(toolchain: Toolchain) -> tuple[str, ...]:
    """Names of the targets that clang was built with. Raises CompileError."""
    listing, _ = run_clang([*toolchain.clang, "-print-targets"], b"")
    return tuple(line.split()[0] for line in listing.decode().splitlines() if " - " in line)


def link(toolchain: Toolchain, objects: Iterable[Path], program: Path, *flags: str) -> None:
    """Link objects into a program with the system's C++ compiler driver, else with zig's. Raises CompileError."""
    system = shutil.which("c++") or shutil.which("g++")
    command = (system,) if system else toolchain.linker
    if not command:
        raise CompileError("no linker: install a C++ compiler (on Debian: apt-get install g++)")
    run_clang([*command, *map(str, objects), "-o", str(program), *flags], b"")


def _compile(
    toolchain: Toolchain, source: Source, flags: Iterable[str], limits: Limits = COMPILE_LIMITS
) -> tuple[bytes, str]:
    headers = (*(toolchain.libcxx_flags if source.language == "c++" else ()), *toolchain.libc_flags)
    # For clang, LLVM-IR and bitcode are one language; a file keeps the one that its suffix or the user's -x says.
    inputs = [str(source.path)] if source.path else ["-x", source.language, "-"]
    # `flags` come after the user's, so that ours decide.
    command = [*toolchain.clang, *headers, *source.flags, *flags, "-o", "-", *inputs]
    return run_clang(command, source.text if source.path is None else b"", limits)


def run_clang(command: Sequence[str], stdin: bytes, limits: Limits = COMPILE_LIMITS) -> tuple[bytes, str]:
    """Standard output and warnings of a clang that ends well. CompileError with what it says else."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    ) as process:
        resource.prlimit(process.pid, resource.RLIMIT_AS, (limits.megabytes << 20,) * 2)
        # Whoever waits for this child may be killed: it must end by itself.
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (math.ceil(limits.seconds),) * 2)
        resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
        try:
            output, errors = process.communicate(stdin, timeout=limits.seconds)
        except subprocess.TimeoutExpired:
            raise CompileError(f"{command[0]} took more than {limits.seconds:.0f} s") from None
        finally:
            process.kill()
    words = errors.decode(errors="replace")
    if process.returncode < 0:
        raise CompileError(f"{words}{command[0]} died of signal {-process.returncode}")
    if process.returncode:
        raise CompileError(words or f"{command[0]} failed with exit code {process.returncode}")
    return output, words
