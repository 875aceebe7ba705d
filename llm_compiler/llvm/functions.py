"""Whatever has functions in machine language, as one text for each: assembly files, objects, archives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from llm_compiler.llvm.assembly_file import AssemblyError, architecture_of, functions_in, is_llvms, split_assembly
from llm_compiler.llvm.frontend import CompileError, run_clang
from llm_compiler.llvm.listing import Function, Lister, Listing
from llm_compiler.llvm.objects import Architecture, ObjectError, is_archive, members
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure, Limits, Workers

_TRIPLES: dict[Architecture, str] = {"x86-64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
LIMITS = Limits(seconds=60.0, megabytes=2048)
_MOST_BYTES = 256 << 20


class UnreadableError(Exception):
    """A file whose functions cannot be had. The message is one line."""


def read_functions(contents: bytes, toolchain: Toolchain, target: Architecture | None = None) -> Listing:
    """The functions of an assembly file, an object or an archive, for the target or the one that is found.

    What LLVM disassembles is disassembled in a worker. UnreadableError.
    """
    if len(contents) > _MOST_BYTES:
        raise UnreadableError(f"{len(contents)} bytes: at most {_MOST_BYTES} are read")
    try:
        if is_archive(contents):
            files = [(name, member) for name, member in members(contents) if member[:4] == b"\x7fELF"]
            if not files:
                raise UnreadableError("an archive without an ELF object in it")
            return _together([name for name, _ in files], _list(toolchain, [member for _, member in files]), target)
        if contents[:4] == b"\x7fELF":
            return _together([""], _list(toolchain, [contents]), target)
        return _of_text(contents, toolchain, target)
    except (ObjectError, AssemblyError) as error:
        raise UnreadableError(str(error)) from None


def _of_text(contents: bytes, toolchain: Toolchain, target: Architecture | None) -> Listing:
    if b"\0" in contents or not contents.strip():
        raise UnreadableError("neither an ELF object, nor an archive, nor assembly" if contents.strip() else "empty")
    text = contents.decode(errors="backslashreplace").replace("\r\n", "\n")
    names = functions_in(text)
    found = architecture_of(text, target)
    _same(found, target)
    if is_llvms(text):
        return Listing(found, tuple(split_assembly(text, found)))
    try:
        listing = _list(toolchain, [assemble(toolchain, contents, found)])[0]
    except CompileError as error:
        first = next((line for line in str(error).splitlines() if "error:" in line), str(error).strip())
        raise UnreadableError(f"it does not assemble: {first}") from None
    if isinstance(listing, Failure):
        raise UnreadableError(listing.detail)
    kept = {function.name: function for function in listing.functions}
    return replace(listing, functions=tuple(kept[name] for name in names if name in kept))


def _list(toolchain: Toolchain, objects: list[bytes]) -> list[Listing | Failure]:
    call: Callable[[bytes], Listing] = Lister(toolchain.library)
    with Workers(call, count=1, limits=LIMITS) as pool:
        return list(pool.map(objects))


def _together(names: list[str], answers: list[Listing | Failure], target: Architecture | None) -> Listing:
    """Of all members. One that is broken is an error: what it defines would be missing."""
    functions: list[Function] = []
    architecture: Architecture | None = target
    for name, answer in zip(names, answers, strict=True):
        where = f"{name}: " if name else ""
        if isinstance(answer, Failure):
            detail = answer.detail if answer.reason == "invalid" else f"LLVM's disassembler: {answer.detail}"
            raise UnreadableError(f"{where}{detail}")
        _same(answer.architecture, architecture, where)
        architecture = answer.architecture
        functions += answer.functions
    if not functions or architecture is None:
        raise UnreadableError("no functions in it")
    return Listing(architecture, tuple(functions))


def _same(found: Architecture, wanted: Architecture | None, where: str = "") -> None:
    if wanted is not None and found != wanted:
        raise UnreadableError(f"{where}it is for {found}, not for {wanted}")


def assemble(toolchain: Toolchain, text: bytes, architecture: Architecture) -> bytes:
    """The object that clang's assembler makes of a text. Raises CompileError."""
    flags = (f"--target={_TRIPLES[architecture]}", "-c", "-x", "assembler", "-", "-o", "-")
    return run_clang((*toolchain.clang, *flags), text, LIMITS)[0]
