"""Assembly files by function: each as LLVM writes a module of that function alone (see `listing`).

What LLVM wrote is cut up as text, and loses nothing. What another compiler or a person wrote is for an assembler to
read first: its object is then listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from llm_compiler.llvm.listing import Function
from llm_compiler.llvm.objects import Architecture

_FUNCTION_TYPE = re.compile(r'^\s*\.type\s+("[^"]+"|[^\s,]+)\s*,\s*[@%]function', re.M)
_OBJECT_TYPE = re.compile(r'\s*\.type\s+("[^"]+"|[^\s,]+)\s*,\s*[@%]object')
_SECTION = re.compile(r"\s*\.(?:section|text|data|bss)\b")
_LABEL = re.compile(r'("[^"]+"|[\w.$]+):')
_END = re.compile(r"^\.Lfunc_end\d+:", re.M)
_NAME = re.compile(r"(?<![\w.$@])[A-Za-z_.$][\w.$]*")
_BEFORE = re.compile(r"\s*\.(?:globl|global|weak|hidden|protected|internal|p2align|type|local)\b")
_BINDING = re.compile(r"\s*\.(?:globl|global|weak|local)\b")
_COMMON = re.compile(r'\s*\.comm\s+("[^"]+"|[^\s,]+),(\d+),(\d+)')
_LOCAL = re.compile(r'\s*\.local\s+("[^"]+"|[^\s,]+)')
_NUMBERED = re.compile(r"(?:\.\d+)+$")
_OUTLINED = "OUTLINED_FUNCTION_"
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|(?:#(?=[\s#A-Z]|$)|//).*')
_X86_WORDS = {1: ".byte", 2: ".short", 4: ".long", 8: ".quad"}
_AARCH64_WORDS = {1: ".byte", 2: ".hword", 4: ".word", 8: ".xword"}

_MARKS: dict[str, re.Pattern[str]] = {
    "x86-64": re.compile(r"%r(?:[abcd]x|[sd]i|[sb]p|ip|\d+)\b|%[xy]mm\d|\bretq\b"),
    "aarch64": re.compile(
        r"^\s+(?:adrp|stp|ldp|ldr|str|cbn?z|b\.\w+|mov|add|sub|cmp)\s+[wxdsq](?:\d+|zr)\b|\[sp\b", re.M
    ),
    "any x86": re.compile(r"%[a-d][lx]\b|%e(?:[a-d]x|[sd]i)\b"),
    "32-bit x86": re.compile(r"\((?:%e(?:[abcd]x|sp|bp|si|di)\b)|\b(?:push|pop)l\s+%e"),
    "RISC-V": re.compile(r"^\s+(?:addi|sd|ld|lw|sw|auipc)\s+(?:sp|ra|[ast]\d+)\b", re.M),
    "ARM": re.compile(r"^\s+(?:push|pop|ldm\w*|stm\w*)\s+\{|\bbx\s+lr\b", re.M),
}


class AssemblyError(ValueError):
    """Text that is no assembly of functions for a known architecture. The message is one line."""


def architecture_of(text: str, target: Architecture | None = None) -> Architecture:
    """Guessed from registers and instructions, else the target. AssemblyError where it is another, or unknown."""
    if ".intel_syntax" in text:
        raise AssemblyError("assembly in Intel's syntax: only AT&T's is read")
    if re.search(r"^\s*\.(?:build_version|subsections_via_symbols|def\s)", text, re.M):
        raise AssemblyError("assembly for Mach-O or COFF: only ELF's is read")
    found = {name: len(mark.findall(text)) for name, mark in _MARKS.items()}
    best = max(found, key=lambda name: found[name])
    if found["32-bit x86"] and not found["x86-64"]:
        best = "32-bit x86"
    if not found[best]:
        if target is None:
            raise AssemblyError("nothing in it says for which architecture it is: --target does")
        return target
    if best == "x86-64" or (best == "any x86" and found[best]):
        return "x86-64"
    if best == "aarch64":
        return "aarch64"
    raise AssemblyError(f"assembly for {best}: x86-64 and AArch64 are known")


def functions_in(text: str) -> list[str]:
    """Names of what is marked as a function. AssemblyError where there is none."""
    names = list(dict.fromkeys(name.strip('"') for name in _FUNCTION_TYPE.findall(text)))
    if not names:
        raise AssemblyError("no functions in it: one is a symbol with a line such as `.type name, @function`")
    return names


def is_llvms(text: str) -> bool:
    """Whether LLVM wrote it."""
    return _END.search(text) is not None


@dataclass
class _Piece:
    """Lines that belong together: a function, a constant, a table, a variable."""

    kind: str
    name: str
    section: str
    lines: list[str]
    rank: int
    local: bool = False
    before: list[_Piece] = field(default_factory=list)
    behind: list[_Piece] = field(default_factory=list)

    def mentions(self) -> dict[str, None]:
        found: dict[str, None] = {}
        for piece in (*self.before, self, *self.behind):
            for line in piece.lines:
                found.update(dict.fromkeys(_NAME.findall(line)))
                found.update(dict.fromkeys(name.strip('"') for name in re.findall(r'"[^"]+"', line)))
        return found


def split_assembly(text: str, architecture: Architecture) -> list[Function]:
    """LLVM's own output by functions, in its order."""
    pieces = _Reader(architecture).read(text)
    variables = {piece.name: piece for piece in pieces if piece.kind == "variable"}
    outlined = {piece.name: piece for piece in pieces if piece.name.startswith(_OUTLINED)}
    made = []
    for piece in pieces:
        if piece.kind == "function" and piece.name not in outlined:
            made.append(Function(piece.name, _write(piece, variables, outlined)))
    return made


class _Reader:
    """Cuts a text into pieces."""

    def __init__(self, architecture: Architecture) -> None:
        self.words = _X86_WORDS if architecture == "x86-64" else _AARCH64_WORDS
        self.pieces: list[_Piece] = []
        self.section = "\t.text"
        self.pending: list[str] = []
        self.constants: list[_Piece] = []
        self.current: _Piece | None = None
        self.function: _Piece | None = None
        self.locals: set[str] = set()

    def read(self, text: str) -> list[_Piece]:
        for line in text.split("\n"):
            code = _COMMENT.sub(lambda match: match[1] or "", line).rstrip()
            if code:
                self._line(code)
        return self.pieces

    def _line(self, line: str) -> None:
        if _SECTION.match(line):
            self.section, self.current = _plain_section(line), None
            return
        if match := _LOCAL.match(line):
            self.locals.add(match[1].strip('"'))
            return
        if match := _COMMON.match(line):
            self._common(match)
            return
        function, variable = _FUNCTION_TYPE.match(line), _OBJECT_TYPE.match(line)
        if function or variable:
            self.current = None
        if self.current is None and (_BEFORE.match(line) or function):
            self.pending.append(line)
            return
        label = _LABEL.match(line)
        if self.current is None or (label and self.current.kind in ("constant", "table")):
            if not label:
                return  # what belongs to nothing: `.ident`, `.addrsig`
            self._begin(label[1].strip('"'))
        assert self.current is not None
        if self.current.kind != "function" and _BEFORE.match(line) and ".p2align" in line:
            self.pending.append(line)
            self.current = None
            return
        self.current.lines.append(line)
        ends = (".cfi_endproc", ".size") if self.current.kind == "function" else (".size",)
        word = line.split(maxsplit=1)[0]
        if word in ends and (
            word == ".cfi_endproc" or not any(".cfi_startproc" in each for each in self.current.lines)
        ):
            self.current = None

    def _begin(self, name: str) -> None:
        pending, self.pending = self.pending, []
        text = "\n".join(pending)
        typed = re.search(rf'\.type\s+"?{re.escape(name)}"?\s*,\s*[@%](function|object)', text)
        if typed:
            kind = "function" if typed[1] == "function" else "variable"
        else:
            kind = "constant" if name.startswith(".LCPI") else "table"
        piece = _Piece(kind, name, self.section, pending, len(self.pieces))
        self.current = piece
        if kind == "constant":
            self.constants.append(piece)
        elif kind == "table" and self.function:
            self.function.behind.append(piece)
        else:
            self.pieces.append(piece)
        if kind == "variable":
            piece.local = not any(_BINDING.match(line) for line in pending)
        if kind == "function":
            piece.before, self.constants, self.function = self.constants, [], piece

    def _common(self, match: re.Match[str]) -> None:
        name, size, alignment = match[1].strip('"'), int(match[2]), int(match[3])
        local = name in self.locals
        lines = [f"\t.type\t{match[1]},@object", *([] if local else [f"\t.globl\t{match[1]}"])]
        if alignment > 1:
            lines.append(f"\t.p2align\t{alignment.bit_length() - 1}, 0x0")
        word = self.words.get(size) if size <= alignment else None
        lines += [f"{match[1]}:", f"\t{word}\t0" if word else f"\t.zero\t{size}", f"\t.size\t{match[1]}, {size}"]
        self.pending = []
        self.pieces.append(_Piece("variable", name, "\t.bss", lines, len(self.pieces), local))


def _plain_section(line: str) -> str:
    """A section's directive, without what -ffunction-sections and comdats add to it."""
    if re.match(r'\s*\.section\s+"?\.text\b', line):
        return "\t.text"
    match = re.match(r'(\s*\.section\s+)(\.(?:rodata|data\.rel\.ro|data|bss))(\.[^,]*)?,"([^"]*)",(@\w+)(,\d+)?', line)
    if not match:
        return line
    name, rest = match[2], match[3] or ""
    flags = match[4].replace("G", "")
    if rest.startswith((".str", ".cst")):
        name += rest
    if name in (".data", ".bss"):
        return f"\t{name}"
    return f'\t.section\t{name},"{flags}",{match[5]}{match[6] or ""}'


def _write(function: _Piece, variables: dict[str, _Piece], outlined: dict[str, _Piece]) -> str:
    """One function with all that it reaches."""
    parts, reached, pending = [function], {}, [function]
    while pending:
        for name in pending.pop().mentions():
            if name in outlined and outlined[name] not in parts:
                parts.append(outlined[name])
                pending.append(outlined[name])
            if name in variables and name not in reached:
                reached[name] = variables[name]
                pending.append(variables[name])
    parts[1:] = sorted(parts[1:], key=lambda piece: piece.rank)
    data = sorted(reached.values(), key=lambda piece: piece.rank)
    names = {piece.name: f"{_OUTLINED}{number}" for number, piece in enumerate(parts[1:])}
    names |= _canonical(data)
    lines = list(_lines(parts, data))
    return "".join(f"{_NAME.sub(lambda match: names.get(match[0], match[0]), line)}\n" for line in lines)


def _canonical(data: list[_Piece]) -> dict[str, str]:
    """Names of constants of this file with their numbers counted anew."""
    counts: dict[str, int] = {}
    names = {}
    for piece in data:
        constant = ".rodata" in piece.section or ".data.rel.ro" in piece.section
        if not (piece.local and constant):
            continue
        base = _NUMBERED.sub("", piece.name)
        count = counts.get(base, 0)
        counts[base] = count + 1
        names[piece.name] = f"{base}.{count}" if count else base
    return names


def _lines(parts: list[_Piece], data: list[_Piece]) -> Iterator[str]:
    section = "\t.text"
    yield section
    for number, part in enumerate(parts):
        for piece in (*part.before, part, *part.behind):
            if piece.section != section:
                section = piece.section
                yield section
            lines = piece.lines
            if piece is part and not number and not any(_BINDING.match(line) for line in lines):
                yield f"\t.globl\t{part.name}"
            yield from lines
    for piece in data:
        for line in piece.lines:
            if _OBJECT_TYPE.match(line):
                yield line
                if piece.section != section:
                    section = piece.section
                    yield section
                if (
                    piece.local
                    and ".rodata" not in section
                    and ".data.rel.ro" not in section
                    and piece.name[:2] != ".L"
                ):
                    yield f"\t.weak\t{piece.name}"
            else:
                yield line
