"""`llmc doctor`: what was found, what is missing, what mends it."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from llm_compiler.cli.options import install_hint, json_option, llvm_option

if TYPE_CHECKING:
    from llm_compiler.llvm.toolchain import Toolchain


class _Finding(NamedTuple):
    ok: bool
    needed: bool
    what: str
    detail: str
    mend: str = ""


@click.command()
@json_option
@llvm_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, llvm: str | None) -> None:
    """Say which LLVM is used, its targets, what is missing and how to get it.

    Exit code 1 if something that `optimize` needs is missing.

    \b
    Example:  llmc doctor --llvm 19
    """
    findings = list(_examine(llvm))
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings], indent=1))
    else:
        for finding in findings:
            mark = "ok" if finding.ok else "MISSING" if finding.needed else "absent"
            click.echo(f"{mark:8} {finding.what:16} {finding.detail}")
            if finding.mend:
                click.echo(f"{'':8} {'':16} -> {finding.mend}")
    ctx.exit(1 if any(finding.needed and not finding.ok for finding in findings) else 0)


def _examine(llvm: str | None) -> Iterator[_Finding]:
    from llm_compiler.llvm.toolchain import VARIABLE, ToolchainError, find

    yield _Finding(True, True, "python", f"{platform.python_version()} at {sys.executable}")
    cores = len(os.sched_getaffinity(0))
    yield _Finding(True, True, "machine", f"{platform.machine()}, {cores} cores")
    try:
        toolchain = find(llvm)
    except ToolchainError as error:
        problem, _, mend = str(error).partition("; ")
        yield _Finding(False, True, "LLVM", problem, mend)
        return
    named = "--llvm" if llvm else f"${VARIABLE}" if os.environ.get(VARIABLE) else "wheels"
    yield _Finding(True, True, "LLVM", f"{toolchain.version} (from {named}: {toolchain.origin})")
    yield _library(toolchain)
    yield _clang(toolchain)
    yield _model()
    yield from _surroundings(toolchain)


def _library(toolchain: Toolchain) -> _Finding:
    from llm_compiler.llvm.toolchain import LIBRARY_WHEEL, mend
    from llm_compiler.llvm.workers import Failure, Workers

    repair = mend(LIBRARY_WHEEL) if toolchain.origin == "wheels" else ""
    with Workers(_targets, count=1) as workers:
        (answer,) = workers.map([toolchain.library])
    if isinstance(answer, Failure):
        return _Finding(False, True, "libLLVM", f"{toolchain.library}: {answer.detail}", repair)
    return _Finding(True, True, "libLLVM", f"{toolchain.library}; targets: {', '.join(answer)}")


def _targets(library: Path) -> tuple[str, ...]:
    from llm_compiler.llvm.library import Library

    return Library(library).targets


def _clang(toolchain: Toolchain) -> _Finding:
    from llm_compiler.llvm.frontend import CompileError, Source, optimise_for_size, targets
    from llm_compiler.llvm.size import SHIP
    from llm_compiler.llvm.toolchain import CLANG_WHEEL, mend

    try:
        optimise_for_size(toolchain, Source(None, "c", b"int f(int x) { return x + 1; }\n"), SHIP)
        known = targets(toolchain)
    except (CompileError, OSError) as error:
        repair = mend(CLANG_WHEEL) if toolchain.origin == "wheels" else ""
        return _Finding(False, True, "clang", f"{toolchain.clang[0]}: {error}", repair)
    return _Finding(True, True, "clang", f"{toolchain.clang[0]}; targets: {', '.join(known)}")


def _model() -> _Finding:
    from llm_compiler.inference.graph import read_shape
    from llm_compiler.inference.model import SHIPPED, ModelError, open_model

    try:
        context = open_model(threads=1).context
    except ModelError as error:
        return _Finding(False, False, "model", str(error), "install this package again; `optimize` goes on without it")
    parameters = read_shape(SHIPPED).parameters / 1e6
    return _Finding(True, False, "model", f"the one that ships: {parameters:.1f} M parameters, {context:,} tokens")


def _surroundings(toolchain: Toolchain) -> Iterator[_Finding]:
    libc = "the system's, in /usr/include" if not toolchain.libc_flags else "the wheels' (glibc 2.28's interface)"
    yield _Finding(True, False, "C headers", libc)
    libcxx = "the system's, in /usr/include/c++" if not toolchain.libcxx_flags else "the wheels' (libc++)"
    yield _Finding(True, False, "C++ headers", libcxx)
    linker = shutil.which("c++") or shutil.which("g++") or " ".join(toolchain.linker[:2])
    hint = "" if linker else "on Debian: apt-get install g++"
    for extra, module, use in (("corpus", "pyarrow", "`llmc corpus`"), ("cluster", "ray", "`--ray`")):
        if importlib.util.find_spec(module):
            yield _Finding(True, False, f"extra {extra}", f"installed, for {use}")
        else:
            yield _Finding(False, False, f"extra {extra}", f"not installed; {use} needs it", install_hint(extra))
    yield _Finding(bool(linker), False, "linker", linker or "none (`optimize` does not need one)", hint)
