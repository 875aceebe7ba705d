"""Assembly of a unit's -Oz code, with the IR that it was made from: made on demand, never stored.

x86-64 is made in process. AArch64 is too where libLLVM has it; the bundled one has not, and clang does both steps then.
Units are x86-64 modules: for AArch64 their code is taken as it is, with its types as laid out for x86-64. What that
makes wrong (variable arguments) or impossible (`x86_fp80`, intrinsics, inline assembly) is an LLVMError that says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from llm_compiler.corpus.normalise import normalise, normalise_assembly
from llm_compiler.llvm.evaluate import oz_passes
from llm_compiler.llvm.frontend import Source, lower, optimise_for_size, unoptimised
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context, Module
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain

Target = Literal["x86-64", "aarch64"]
TRIPLES: dict[Target, str] = {"x86-64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}

_ARCHITECTURES: dict[Target, str] = {"x86-64": "x86_64", "aarch64": "aarch64"}
_CODE_MODELS = {0: "tiny", 1: "small", 2: "kernel", 3: "medium", 4: "large"}
_TARGET_LINE = re.compile(r"^target (?:datalayout|triple) = .*\n", re.M)
_PROCESSOR = re.compile(r' ?"(?:target-cpu|target-features|tune-cpu)"="[^"]*"')
_STRING = re.compile(r'"[^"]*"')
_ONLY_X86 = {
    "inline assembly": re.compile(r"^module asm |\basm (?:sideeffect |alignstack |inteldialect |unwind )*\"", re.M),
    "the type x86_fp80": re.compile(r"\bx86_(?:fp80|mmx|amx)\b"),
    "an intrinsic of x86": re.compile(r"@llvm\.x86\."),
    "an x86 calling convention": re.compile(r"\b(?:x86_\w+cc|intrcc)\b"),
    "variable arguments": re.compile(r"@llvm\.va_(?:start|copy|end)\b|= va_arg "),
    "an x86 segment register": re.compile(r"\baddrspace\(25[678]\)"),
}


@dataclass(frozen=True)
class Pair:
    """What disassembly learns from: both texts normalised."""

    target: Target
    assembly: str
    ir: str
    """The optimised module."""


def assembly(toolchain: Toolchain, library: Library, text: str, target: Target) -> Pair:
    """The -Oz code of a unit for a target. LLVMError or CompileError, with the reason, where there is none.

    LLVM may crash on what it is given: whoever assembles many units does it in workers.
    """
    with Context(library) as context, context.parse(text.encode()) as module:
        triple = module.triple
    if not triple.startswith(_ARCHITECTURES[target]):
        if not triple.startswith(_ARCHITECTURES["x86-64"]):
            raise LLVMError(f"a module for {triple or 'no target'} cannot become one for {target}")
        text = _retargeted(toolchain, library, text, target)
    if target in library.targets:
        return _in_process(toolchain, library, text, target)
    return _by_clang(toolchain, library, text, target)


def _in_process(toolchain: Toolchain, library: Library, text: str, target: Target) -> Pair:
    with Context(library) as context:
        with context.parse(text.encode()) as module, module.machine(SHIP) as machine:
            module.verify()
            module.run(oz_passes(toolchain.version, SHIP), machine)
            bitcode, ir = module.bitcode(), normalise(module.print())
        with context.parse(bitcode) as optimised, optimised.machine(SHIP) as machine:
            if "@bcmp(" in ir:  # which this back end does not expand, and clang's does: see `Module.expand_bcmp`
                made = lower(toolchain, bitcode, SHIP, target_flags(optimised, target), "asm")
            else:
                made = optimised.emit(machine, "asm")
    return Pair(target, normalise_assembly(made.decode(errors="backslashreplace")), ir)


def _by_clang(toolchain: Toolchain, library: Library, text: str, target: Target) -> Pair:
    with Context(library) as context:
        with context.parse(text.encode()) as module:
            flags = target_flags(module, target)
        bitcode, _ = optimise_for_size(toolchain, Source(None, "ir", text.encode(), flags), SHIP, "bc")
        with context.parse(bitcode) as optimised:
            ir = normalise(optimised.print())
    made = lower(toolchain, bitcode, SHIP, flags, "asm")
    return Pair(target, normalise_assembly(made.decode(errors="backslashreplace")), ir)


def target_flags(module: Module, target: Target) -> tuple[str, ...]:
    """What clang must be told of a module, for it goes by its command line and not by the module's flags."""
    pic, model = module.flag("PIC Level"), module.flag("Code Model")
    relocation = "-fno-pic" if not pic else "-fPIE" if module.flag("PIE Level") else "-fPIC"
    models = () if model is None else (f"-mcmodel={_CODE_MODELS.get(model, model)}",)
    return f"--target={TRIPLES[target]}", relocation, *models


def _retargeted(toolchain: Toolchain, library: Library, text: str, target: Target) -> str:
    code = _STRING.sub('""', text)
    for what, pattern in _ONLY_X86.items():
        if pattern.search(code):
            raise LLVMError(f"no code for {target}: the unit has {what}")
    return _target_lines(toolchain, library, target) + _PROCESSOR.sub("", _TARGET_LINE.sub("", text))


@cache
def _target_lines(toolchain: Toolchain, library: Library, target: Target) -> str:
    """Triple and data layout as clang writes them."""
    empty = unoptimised(toolchain, Source(None, "c", b"", (f"--target={TRIPLES[target]}",)))
    with Context(library) as context, context.parse(empty) as module:
        return "".join(match[0] for match in _TARGET_LINE.finditer(module.print()))
