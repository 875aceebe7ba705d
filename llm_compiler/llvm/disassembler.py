"""Machine code back to instructions, one by one, spelled as LLVM's back end writes them into assembly.

LLVM's own disassembler does it for the targets that libLLVM has. For AArch64, which the bundled one lacks, capstone
does, whose numbers are then written as LLVM writes them. Nothing here knows of symbols: see `listing`.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from ctypes import c_char_p, c_int, c_size_t, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any, Protocol

from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.objects import Architecture

_TRIPLES: dict[Architecture, bytes] = {"x86-64": b"x86_64-linux-gnu", "aarch64": b"aarch64-linux-gnu"}
_FEATURES: dict[Architecture, bytes] = {"x86-64": b"", "aarch64": b"+all"}
_LONGEST = 512
"""Characters of an instruction."""
_X86_BRANCH = re.compile(r"((?:data16\t|rex64\t|addr32\t)*(?:j\w+|call\w?|loop\w*|xbegin)\t)(-?\d+)")
_AARCH64_BRANCH = re.compile(
    r"((?:bl?|b\.\w+|bc\.\w+|cbn?z|tbn?z|adrp?|ldr|ldrsw|prfm)\t(?:[^\[#]*, (?:#\w+, )?)?)#(-?\w+)"
)
_PREFIXES = ("lock", "rep", "repne", "data16", "rex64", "notrack")
_X86_NUMBER = re.compile(r"((?:lock\t\t)?(?:mov|cmp|and|or|xor|test|add|sub|adc|sbb|imul)([bwl])\t\$)(\d+)(?=, )")
_X86_BITS = {"b": 8, "w": 16, "l": 32}
_STRING_INSTRUCTION = re.compile(r"^rep\t\t(?=(?:movs|stos)[bwlq]\t)")
_NUMBER = re.compile(r"#(-?)(0x[0-9a-f]+|\d+)\b(?!\.)")
_LOGICAL = frozenset(("and", "ands", "orr", "eor", "tst"))
_HEXADECIMAL = frozenset(("brk", "svc", "hvc", "smc", "hlt", "udf", "dcps1", "dcps2", "dcps3"))
_SYSTEM_REGISTER = re.compile(r"\b(?!x\d|xzr)[a-z][a-z0-9_]+\b")


@dataclass(frozen=True)
class Instruction:
    """One instruction, or bytes that are none."""

    offset: int
    size: int
    text: str
    """As in assembly: mnemonic, tab, operands; less the last operand where that is `target`."""
    target: int | None = None
    """The offset that it jumps to or computes from its own place (`adr`; for `adrp` that of a page)."""


class Disassembler(Protocol):
    """Reads the code of one architecture."""

    def instructions(self, code: bytes) -> Iterator[Instruction]:
        """All of it; offsets count from its start. Bytes that are no instruction become `.byte` or `.inst`."""


def disassembler(library: Library, architecture: Architecture) -> Disassembler:
    """One for an architecture. LLVMError where there is none."""
    if architecture in library.targets:
        return _ByLLVM(library, architecture)
    if architecture == "aarch64":
        return _ByCapstone()
    raise LLVMError(f"this libLLVM cannot disassemble {architecture}")


class _ByLLVM:
    def __init__(self, library: Library, architecture: Architecture) -> None:
        self.architecture = architecture
        create, self.decode = library.LLVMCreateDisasmCPUFeatures, library.LLVMDisasmInstruction
        _declare(create, c_void_p, [c_char_p, c_char_p, c_char_p, c_void_p, c_int, c_void_p, c_void_p])
        _declare(self.decode, c_size_t, [c_void_p, c_char_p, c_uint64, c_uint64, c_char_p, c_size_t])
        self.context = create(_TRIPLES[architecture], b"", _FEATURES[architecture], None, 0, None, None)
        if not self.context:
            raise LLVMError(f"this libLLVM cannot disassemble {architecture}")
        self.buffer = ctypes.create_string_buffer(_LONGEST)

    def instructions(self, code: bytes) -> Iterator[Instruction]:
        at, begun, prefix = 0, 0, ""
        while at < len(code):
            size = self.decode(self.context, code[at : at + 16], min(16, len(code) - at), at, self.buffer, _LONGEST)
            if not size:
                size, text = (4, "") if self.architecture == "aarch64" else (1, "")
                prefix, begun = "", at if not prefix else begun
                yield _no_instruction(begun, code[begun : at + size])
                at = begun = at + size
                continue
            text = self.buffer.value.decode(errors="replace").strip()
            at += size
            if text in _PREFIXES and at < len(code):  # LLVM takes these for instructions of their own
                prefix += f"{text}\t\t" if text in ("lock", "rep", "repne") else f"{text}\t"
                continue
            yield self._instruction(begun, at - begun, prefix + text)
            begun, prefix = at, ""
        if prefix:
            yield _no_instruction(begun, code[begun:])

    def _instruction(self, offset: int, size: int, text: str) -> Instruction:
        if self.architecture == "x86-64":
            if match := _X86_BRANCH.fullmatch(text):
                return Instruction(offset, size, match[1], offset + size + int(match[2]))
            return Instruction(offset, size, _X86_NUMBER.sub(_signed, _STRING_INSTRUCTION.sub("rep;", text)))
        if match := _AARCH64_BRANCH.fullmatch(text):
            page = ~0xFFF if match[1].startswith("adrp") else ~0
            return Instruction(offset, size, match[1], (offset & page) + int(match[2], 0))
        return Instruction(offset, size, text)


class _ByCapstone:
    """AArch64 alone."""

    def __init__(self) -> None:
        try:
            import capstone  # type: ignore[import-untyped,unused-ignore]
        except ImportError:
            hint = "pip install 'llm-compiler[lift]', or --llvm with an LLVM that has AArch64"
            raise LLVMError(f"this libLLVM cannot disassemble AArch64 and capstone is not installed: {hint}") from None
        self.engine: Any = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)

    def instructions(self, code: bytes) -> Iterator[Instruction]:
        for at in range(0, len(code), 4):
            word = code[at : at + 4]
            # One at a time: capstone ends at the first bytes that are no instruction.
            found = next(self.engine.disasm_lite(word, at, 1), None) if len(word) == 4 else None
            if found is None:
                yield _no_instruction(at, word)
                continue
            _, size, mnemonic, operands = found
            text = f"{mnemonic}\t{operands}" if operands else mnemonic
            if match := _AARCH64_BRANCH.fullmatch(text):
                head = re.sub(r"#(0x[0-9a-f]+)", lambda number: f"#{int(number[1], 0)}", match[1])
                target = int(match[2], 0)  # modulo 2**64
                yield Instruction(at, size, head, target - (target >> 63 << 64))
            else:
                yield Instruction(at, size, f"{mnemonic}\t{_llvm_operands(mnemonic, operands)}" if operands else text)


def _declare(function: Any, restype: Any, argtypes: list[Any]) -> None:
    function.restype, function.argtypes = restype, argtypes


def _no_instruction(offset: int, code: bytes) -> Instruction:
    return Instruction(offset, len(code), ".byte\t" + ", ".join(str(byte) for byte in code))


def _signed(match: re.Match[str]) -> str:
    """An immediate as a signed number, which is how the back end writes it."""
    half = 1 << _X86_BITS[match[2]] - 1
    return f"{match[1]}{(int(match[3]) + half) % (2 * half) - half}"


def _llvm_operands(mnemonic: str, operands: str) -> str:
    """Operands of an AArch64 instruction with numbers as LLVM writes them."""
    if mnemonic in ("mrs", "msr"):
        return _SYSTEM_REGISTER.sub(lambda match: match[0].upper(), operands)
    if mnemonic == "movi" and (operands.startswith("d") or ".2d" in operands):
        return operands
    last = operands.rpartition(", ")[2]
    kept = mnemonic in _HEXADECIMAL or (mnemonic in _LOGICAL and last.startswith("#") and ".." not in operands)

    def written(match: re.Match[str]) -> str:
        value = int(match[2], 0) * (-1 if match[1] else 1)
        if value >= 1 << 63:  # how capstone writes some negative numbers
            value -= 1 << 64
        if kept:
            return f"#{value:#x}" if value else "#0"
        if mnemonic == "mov":
            bits = 32 if operands.startswith("w") else 64
            value = (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
        return f"#{value}"

    return _NUMBER.sub(written, operands)
