"""Objects as assembly, one text for each function, in the form in which LLVM writes a module of that function alone.

That is what the disassembly task is trained on: the function, its constants before it and its jump tables behind
it, then the data that it reaches, with labels, names and relocations in place of numbers. What an object does
not say is made up: names of strings and constants, and of functions without a symbol (`function_1`). Where the text is
not what the compiler wrote, it still assembles to the same code.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from llm_compiler.llvm.disassembler import Disassembler, Instruction, disassembler
from llm_compiler.llvm.frames import Frame, frames
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.objects import (
    EXECUTABLE,
    FUNCTION,
    GLOBAL,
    LOADED,
    LOCAL,
    MERGED,
    NO_BITS,
    SECTION,
    STRINGS,
    THREAD_LOCAL,
    UNTYPED,
    WEAK,
    WRITABLE,
    Architecture,
    Object,
    ObjectError,
    Relocation,
    Section,
    Symbol,
    read_object,
)

_MOST_FUNCTIONS = 1 << 16
_LONGEST_FUNCTION = 1 << 18
"""Bytes of code; the longest prompt of any model has less."""
_LONGEST_DATA = 1 << 16
"""Bytes of one variable. What is longer is only named."""
_LONGEST_TEXT = 1 << 20
"""Characters of one function's text."""

_X86_MAGIC = 0x3A5B6C70
"""Put where a relocation goes, to find the place in the text. Takes the low bits for a number."""
_X86_SUFFIXES = {
    1: "", 2: "", 4: "@PLT", 9: "@GOTPCREL", 41: "@GOTPCREL", 42: "@GOTPCREL", 10: "", 11: "", 19: "@TLSGD",
    20: "@TLSLD", 21: "@DTPOFF", 22: "@GOTTPOFF", 23: "@TPOFF", 24: "",
}  # fmt: skip
_X86_RELATIVE = {2, 4, 9, 41, 42, 19, 20, 22, 24}
_X86_WIDTHS = {1: 8, 24: 8, 14: 1, 12: 2}
_AARCH64_PREFIXES = {
    273: "", 274: "", 275: "", 276: "", 277: ":lo12:", 278: ":lo12:", 279: "", 280: "", 282: "", 283: "", 284: ":lo12:",
    285: ":lo12:", 286: ":lo12:", 299: ":lo12:", 311: ":got:", 312: ":got_lo12:", 541: ":gottprel:",
    542: ":gottprel_lo12:", 549: ":tprel_hi12:", 550: ":tprel_lo12:", 551: ":tprel_lo12_nc:", 562: ":tlsdesc:",
    563: ":tlsdesc_lo12:", 564: ":tlsdesc_lo12:", 263: ":abs_g0:", 264: ":abs_g0_nc:", 265: ":abs_g1:",
    266: ":abs_g1_nc:", 267: ":abs_g2:", 268: ":abs_g2_nc:", 269: ":abs_g3:",
}  # fmt: skip
_TLS_CALL = 569
_ABSOLUTE = {("x86-64", 1): 8, ("x86-64", 10): 4, ("aarch64", 257): 8, ("aarch64", 258): 4}
_PLACED = {("x86-64", 2): 4, ("x86-64", 24): 8, ("x86-64", 4): 4, ("aarch64", 261): 4, ("aarch64", 260): 8}
"""Relocations of data, by how many bytes they fill: an address, and one less its own place."""

_WORDS: dict[Architecture, dict[int, str]] = {
    "x86-64": {1: ".byte", 2: ".short", 4: ".long", 8: ".quad"},
    "aarch64": {1: ".byte", 2: ".hword", 4: ".word", 8: ".xword"},
}
_PLAIN_NAME = re.compile(r"[A-Za-z_.$][\w.$@]*", re.ASCII)
_VISIBILITY = {1: "internal", 2: "hidden", 3: "protected"}
_NUMBERED = re.compile(r"(?:\.\d+)+$")
_MAPPING = re.compile(r"\$[adtx](?:\.|$)")
"""Symbols of AArch64 that say where code and data start."""
_OUTLINED = "OUTLINED_FUNCTION_"
"""What LLVM names pieces of code that several functions share; they stand behind their function."""
_NOPS = re.compile(r"(?:data16\t)*(?:cs\t)?nop[wl]?(?:\t.*)?|xchgw\t%ax, %ax")
_MOVES_STACK = re.compile(r"(?:push|pop)[a-z]*\t|(?:add|sub)q\t\$-?\d+, %rsp|leaq\t-?\d+\(%r[bs]p\), %rsp")
_SAVED = re.compile(r"\.cfi_offset %\w+, -(\d+)")
_ADDRESS_OF = re.compile(r"leaq\t|add\t|adrp\t|movabsq\t|mov[lq]\t\$")
_TABLE_LOAD = re.compile(r"(ldrb|ldrh|ldrsw)\t([wx]\d+), \[(x\d+), (?:[wx]\d+)")


@dataclass(frozen=True)
class Function:
    """One function of an object."""

    name: str
    text: str
    """Its assembly, not normalised; empty where there is a problem."""
    problem: str = ""
    """Why there is no text, in one line."""


@dataclass(frozen=True)
class Listing:
    """What is in an object."""

    architecture: Architecture
    functions: tuple[Function, ...]


class Lister:
    """The function that workers run: an object in, its listing out. LLVMError says in one line what is wrong."""

    def __init__(self, library: Path) -> None:
        self._path = library

    def prepare(self) -> None:
        """Load libLLVM."""
        self._library = Library(self._path)
        self._disassemblers: dict[Architecture, Disassembler] = {}

    def __call__(self, contents: bytes) -> Listing:
        """The listing of one object. LLVMError."""
        try:
            found = read_object(contents)
            architecture = found.architecture
            if architecture not in self._disassemblers:
                self._disassemblers[architecture] = disassembler(self._library, architecture)
            return Listing(architecture, tuple(_Lister(found, self._disassemblers[architecture]).functions()))
        except ObjectError as error:
            raise LLVMError(str(error)) from None


@dataclass(frozen=True)
class _Place:
    """Somewhere in a section."""

    section: int
    offset: int


@dataclass(frozen=True)
class _Range:
    """The code of one function."""

    name: str
    place: _Place
    size: int
    symbol: Symbol | None

    def holds(self, place: _Place) -> bool:
        return place.section == self.place.section and 0 <= place.offset - self.place.offset < self.size


@dataclass
class _Item:
    """A variable, a constant, or a jump table."""

    place: _Place
    size: int
    symbol: Symbol | None = None
    address_taken: bool = False


@dataclass(frozen=True)
class _Reference:
    """What stands in an operand: a symbol by its name, or a place; with what surrounds it."""

    to: str | _Place
    addend: int = 0
    prefix: str = ""
    suffix: str = ""


@dataclass
class _Line:
    """An instruction; each `\\0` in its text is one of its references."""

    offset: int
    size: int
    text: str
    references: list[_Reference] = field(default_factory=list)


@dataclass
class _Table:
    """A jump table: its entries' places in the function, and how each is written (`{}` is the label)."""

    place: _Place
    width: int
    targets: list[int]
    form: str
    base: int | None = None
    most: int = 1 << 16


@dataclass
class _Code:
    """One function, read."""

    lines: list[_Line]
    tables: dict[_Place, _Table]


class _UnlistedError(Exception):
    """Why a function has no text."""


class _Lister:
    """One object."""

    def __init__(self, found: Object, machine: Disassembler) -> None:
        self.object, self.machine = found, machine
        self.words = _WORDS[found.architecture]
        self.frames = {_Place(each.section, each.start): each for each in frames(found)}
        self.ranges = self._ranges()
        self.starts = sorted((each.place.section, each.place.offset) for each in self.ranges)
        self.by_start = {(each.place.section, each.place.offset): each for each in self.ranges}
        self.named: dict[int, list[tuple[int, Symbol]]] = {}
        for symbol in found.symbols:
            if (
                symbol.section is not None
                and symbol.name
                and symbol.kind != SECTION
                and not _MAPPING.match(symbol.name)
            ):
                self.named.setdefault(symbol.section, []).append((symbol.value, symbol))
        for rows in self.named.values():
            rows.sort(key=lambda row: (row[0], row[1].binding != GLOBAL))
        self.cuts: dict[int, set[int]] = {}
        self.sorted_cuts: dict[int, list[int]] = {}

    def functions(self) -> Iterator[Function]:
        read: list[tuple[_Range, _Code | str]] = []
        for each in self.ranges:
            try:
                read.append((each, self._read(each)))
            except _UnlistedError as error:
                read.append((each, str(error)))
        for _, code in read:
            if isinstance(code, _Code):
                self._cut(code)
        self.sorted_cuts = {section: sorted(cuts) for section, cuts in self.cuts.items()}
        shared = {each.name: (each, code) for each, code in read if is_outlined(each) and isinstance(code, _Code)}
        for each, code in read:
            if is_outlined(each):
                continue
            if isinstance(code, str):
                yield Function(each.name, "", code)
                continue
            try:
                yield Function(each.name, _Text(self, each, code, shared).write())
            except _UnlistedError as error:
                yield Function(each.name, "", str(error))

    # -- where functions are

    def _ranges(self) -> list[_Range]:
        found: dict[_Place, tuple[str, int, Symbol | None]] = {}
        for symbol in self.object.symbols:
            if symbol.kind == FUNCTION and symbol.section is not None and self._is_code(symbol.section):
                place = _Place(symbol.section, symbol.value)
                known = found.get(place)
                if known is None or (symbol.binding == GLOBAL and known[2] and known[2].binding != GLOBAL):
                    found[place] = (symbol.name, symbol.size, symbol)
        nameless: dict[_Place, int] = {}
        for place, frame in self.frames.items():
            if place not in found and self._is_code(place.section):
                nameless[place] = frame.size
        if not found:
            for place in self._guessed():
                nameless.setdefault(place, 0)
        taken = {symbol.name for symbol in self.object.symbols}
        number = 0
        for place, size in sorted(nameless.items(), key=lambda row: (row[0].section, row[0].offset)):
            number += 1
            while f"function_{number}" in taken:
                number += 1
            found[place] = (f"function_{number}", size, None)
        if len(found) > _MOST_FUNCTIONS:
            raise ObjectError(f"an object of {len(found)} functions: at most {_MOST_FUNCTIONS} are read")
        return self._bounded(found)

    def _bounded(self, found: dict[_Place, tuple[str, int, Symbol | None]]) -> list[_Range]:
        """With the sizes that nobody said: up to the next function, or the section's end."""
        places = sorted(found, key=lambda place: (place.section, place.offset))
        ranges = []
        for place, following in zip(places, [*places[1:], None], strict=True):
            name, size, symbol = found[place]
            end = self.object.sections[place.section].size
            if place.offset >= end:
                continue
            if not size:
                same = following is not None and following.section == place.section
                size = (following.offset if same and following else end) - place.offset
            ranges.append(_Range(name, place, min(size, end - place.offset), symbol))
        return ranges

    def _guessed(self) -> Iterator[_Place]:
        """Where functions start in an object without a word about it: labels, sections' starts, what is called."""
        for symbol in self.object.symbols:
            if symbol.section is not None and symbol.kind == UNTYPED and self._is_code(symbol.section):
                yield _Place(symbol.section, symbol.value)
        for index, section in enumerate(self.object.sections):
            if not self._is_code(index) or not section.size:
                continue
            yield _Place(index, 0)
            if section.size > _LONGEST_FUNCTION * 4:
                continue
            places = {each.offset for each in self.object.relocations.get(index, ())}
            for each in self.machine.instructions(self.object.bytes_of(index)):
                calls = each.text.startswith(("call", "bl\t"))
                moved = calls and any(each.offset <= place < each.offset + each.size for place in places)
                if calls and not moved and each.target is not None and 0 < each.target < section.size:
                    yield _Place(index, each.target)

    def _is_code(self, index: int) -> bool:
        section = self.object.sections[index]
        return bool(section.flags & EXECUTABLE) and section.kind != NO_BITS

    # -- reading code

    def _read(self, each: _Range) -> _Code:
        if each.size > _LONGEST_FUNCTION:
            raise _UnlistedError(f"{each.size} bytes of code: at most {_LONGEST_FUNCTION} are read")
        start, end = each.place.offset, each.place.offset + each.size
        code = bytearray(self.object.bytes_of(each.place.section)[start:end])
        rows = self.object.relocations.get(each.place.section, [])
        first = bisect.bisect_left(rows, start, key=lambda row: row.offset)
        last = bisect.bisect_left(rows, end, key=lambda row: row.offset)
        moved = [replace(row, offset=row.offset - start) for row in rows[first:last]]
        x86 = self.object.architecture == "x86-64"
        if x86:
            for number, row in enumerate(moved):
                width = _X86_WIDTHS.get(row.kind, 4)
                if row.kind not in _X86_SUFFIXES or row.offset + width > len(code):
                    raise _UnlistedError(f"a relocation of kind {row.kind} is not known")
                code[row.offset : row.offset + width] = (_X86_MAGIC + number % 16).to_bytes(width, "little")
        lines, at = [], 0
        for instruction in self.machine.instructions(bytes(code)):
            here = []
            while at < len(moved) and moved[at].offset < instruction.offset + instruction.size:
                here.append((at, moved[at]))
                at += 1
            symbolic = self._x86_line if x86 else self._aarch64_line
            lines.append(symbolic(each, instruction, here))
        return _Code(lines, {} if x86 else self._aarch64_tables(each, lines))

    def _x86_line(self, each: _Range, found: Instruction, moved: list[tuple[int, Relocation]]) -> _Line:
        text, references = found.text, []
        if found.target is not None:
            text += "\0"
            if not moved:
                references.append(_Reference(_Place(each.place.section, each.place.offset + found.target)))
        for number, row in moved:
            addend = row.addend
            if row.kind in _X86_RELATIVE:
                addend += found.offset + found.size - row.offset
            suffix = _X86_SUFFIXES[row.kind]
            if row.kind == 4 and (row.symbol.section is not None or found.target is None):
                suffix = ""
            references.append(self._reference(row.symbol, addend, suffix=suffix))
            if found.target is None:
                magic = str(_X86_MAGIC + number % 16)
                if text.count(magic) != 1:
                    raise _UnlistedError(f"a relocation at byte {row.offset} is in no operand")
                text = text.replace(magic, "\0")
        # Two in one instruction stand in another order in the text than in the code.
        if len(moved) == 2 and text.index("$\0" if "$\0" in text else "\0") < text.rindex("\0") and "$\0" in text:
            references.reverse()
        return _Line(found.offset, found.size, text, references)

    def _aarch64_line(self, each: _Range, found: Instruction, moved: list[tuple[int, Relocation]]) -> _Line:
        if not moved:
            if found.target is None:
                return _Line(found.offset, found.size, found.text)
            if found.text.startswith("adrp"):
                raise _UnlistedError("an adrp without a relocation")
            place = _Place(each.place.section, each.place.offset + found.target)
            return _Line(found.offset, found.size, f"{found.text}\0", [_Reference(place)])
        row = moved[-1][1]
        if row.kind == _TLS_CALL:
            name = row.symbol.name
            return _Line(found.offset, found.size, f".tlsdesccall\t{name}\n\t{found.text}")
        if row.kind not in _AARCH64_PREFIXES or len(moved) > 1:
            raise _UnlistedError(f"a relocation of kind {row.kind} is not known")
        reference = self._reference(row.symbol, row.addend, prefix=_AARCH64_PREFIXES[row.kind])
        if found.target is not None:
            text = f"{found.text}\0"
        elif found.text.endswith("]"):
            text = re.sub(r"(?:, #0)?\]$", ", \0]", found.text)
        else:
            text = re.sub(r"#0(?:, lsl #\d+)?$", "\0", found.text)
        if "\0" not in text:
            raise _UnlistedError(f"a relocation at byte {row.offset} is in no operand")
        return _Line(found.offset, found.size, text, [reference])

    def _reference(self, symbol: Symbol, addend: int, prefix: str = "", suffix: str = "") -> _Reference:
        """By place where the symbol is one of ours that has no name of its own, or a variable of ours."""
        if symbol.section is None:
            if not symbol.name:
                raise _UnlistedError("a relocation against nothing")
            return _Reference(symbol.name, addend, prefix, suffix)
        if self._is_code(symbol.section) and symbol.kind != SECTION and symbol.name[:2] != ".L":
            return _Reference(symbol.name, addend, prefix, suffix)
        if symbol.kind != SECTION and symbol.name[:2] != ".L":
            return _Reference(_Place(symbol.section, symbol.value), addend, prefix, suffix)
        return _Reference(_Place(symbol.section, symbol.value + addend), 0, prefix, suffix)

    # -- jump tables of AArch64, whose entries the assembler has worked out

    def _aarch64_tables(self, each: _Range, lines: list[_Line]) -> dict[_Place, _Table]:
        """By the place in the data: `adr` the base, load an entry of the table, add it, jump."""
        pages: dict[str, _Place] = {}
        bases: dict[str, int] = {}
        pending: tuple[str, _Place] | None = None
        most = compared = 1 << 16
        found: dict[_Place, _Table] = {}
        for line in lines:
            to = line.references[0].to if line.references else None
            words = line.text.replace(",", "").split()
            if match := re.fullmatch(r"cmp\tw\d+, #(\d+)", line.text):
                compared = int(match[1]) + 1
            elif line.text.startswith("b.hi\t"):  # over the highest entry: elsewhere
                most = compared
            if line.text.startswith("adr\t") and isinstance(to, _Place):
                bases[words[1].rstrip("\0")] = to.offset - each.place.offset
            elif line.text.startswith("add\t") and isinstance(to, _Place):
                pages[words[1]] = to
            elif (match := _TABLE_LOAD.match(line.text)) and match[3] in pages:
                pending = match[1], pages[match[3]]
            elif line.text.startswith("add\t") and len(words) > 3 and words[1] == words[2] and pending:
                if words[1] in bases and words[-1] == "#2":
                    width = 1 if pending[0] == "ldrb" else 2
                    base = bases[words[1]]
                    found[pending[1]] = _Table(pending[1], width, [], "({}-{base})>>2", base, most)
                pending = None
        return found

    def _fill(self, each: _Range, table: _Table, starts: set[int]) -> None:
        """Read the entries of a table, up to the next thing in its section or the first that is none."""
        data = self.object.bytes_of(table.place.section)
        cuts = self.sorted_cuts.get(table.place.section, [])
        following = bisect.bisect_right(cuts, table.place.offset)
        end = cuts[following] if following < len(cuts) else len(data)
        for at in range(table.place.offset, end - table.width + 1, table.width):
            target = (table.base or 0) + 4 * int.from_bytes(data[at : at + table.width], "little")
            if target not in starts or len(table.targets) >= table.most:
                break
            table.targets.append(target)

    def _relocated_table(self, each: _Range, place: _Place, starts: set[int]) -> _Table | None:
        """A table whose entries are relocations against places in this function."""
        rows = self.object.relocations.get(place.section, [])
        first = bisect.bisect_left(rows, place.offset, key=lambda row: row.offset)
        cuts = self.sorted_cuts.get(place.section, [])
        following = bisect.bisect_right(cuts, place.offset)
        end = cuts[following] if following < len(cuts) else 1 << 62
        table: _Table | None = None
        for row in rows[first:]:
            key = self.object.architecture, row.kind
            width = _ABSOLUTE.get(key) or _PLACED.get(key)
            if table and width != table.width:
                break
            if (
                row.offset >= end
                or not width
                or row.offset != place.offset + len(table.targets if table else ()) * width
            ):
                break
            target = row.symbol.value + row.addend - each.place.offset
            if key in _PLACED:
                target -= row.offset - place.offset
            inside = row.symbol.section == each.place.section and 0 < target < each.size and target in starts
            if not inside:
                break
            table = table or _Table(place, width, [], "{}-{table}" if key in _PLACED else "{}")
            table.targets.append(target)
        return table

    # -- data

    def _cut(self, code: _Code) -> None:
        """Note where the things start that code refers to without a name, and those that they refer to in turn."""
        pending = [reference.to for line in code.lines for reference in line.references]
        while pending:
            to = pending.pop()
            if not isinstance(to, _Place) or self._is_code(to.section):
                continue
            cuts = self.cuts.setdefault(to.section, set())
            if to.offset in cuts:
                continue
            owner = self._owner(to)
            if owner and to.offset != owner.value:
                cuts.add(owner.value)
            elif not self._merged(to.section):
                cuts.add(to.offset)
            else:
                cuts.add(self._merged_start(to))
            if owner is None or owner.size <= _LONGEST_DATA:
                size = owner.size if owner else 0
                start = owner.value if owner else to.offset
                for row in self._rows(to.section, start, start + max(size, 1)):
                    try:
                        placed = (self.object.architecture, row.kind) in _PLACED
                        addend = row.addend - (row.offset - start if placed else 0)
                        pending.append(self._reference(row.symbol, addend).to)
                    except _UnlistedError:
                        continue

    def _rows(self, section: int, start: int, end: int) -> list[Relocation]:
        rows = self.object.relocations.get(section, [])
        first = bisect.bisect_left(rows, start, key=lambda row: row.offset)
        return rows[first : bisect.bisect_left(rows, end, key=lambda row: row.offset)]

    def _merged(self, index: int) -> bool:
        return bool(self.object.sections[index].flags & MERGED)

    def _merged_start(self, place: _Place) -> int:
        """Of the string or constant around a place."""
        section = self.object.sections[place.section]
        if section.flags & STRINGS and section.entry_size <= 1:
            return self.object.bytes_of(place.section).rfind(b"\0", 0, max(place.offset, 0)) + 1
        return place.offset - place.offset % max(1, section.entry_size)

    def _owner(self, place: _Place) -> Symbol | None:
        """The named variable that a place is in."""
        rows = self.named.get(place.section, [])
        at = bisect.bisect_right(rows, place.offset, key=lambda row: row[0])
        for value, symbol in reversed(rows[max(0, at - 4) : at]):
            if value == place.offset or value <= place.offset < value + symbol.size:
                same = [other for start, other in rows[max(0, at - 4) : at] if start == value]
                return same[0] if same else symbol
        return None

    def item(self, place: _Place) -> tuple[_Item, int]:
        """The thing at a place, and how far into it that is."""
        section = self.object.sections[place.section]
        if not 0 <= place.offset <= section.size:
            raise _UnlistedError("a reference to a place behind its section's end")
        owner = self._owner(place)
        if owner:
            size = owner.size or self._next(place.section, owner.value) - owner.value
            return _Item(_Place(place.section, owner.value), size, owner), place.offset - owner.value
        if section.flags & MERGED:
            start = self._merged_start(place)
            size = section.entry_size
            if section.flags & STRINGS:
                end = self.object.bytes_of(place.section).find(b"\0" * max(1, size), start)
                size = (end + max(1, size) if end >= 0 else section.size) - start
            return _Item(_Place(place.section, start), size), place.offset - start
        return _Item(place, self._next(place.section, place.offset) - place.offset), 0

    def _next(self, index: int, offset: int) -> int:
        """Where the next thing starts that we know of."""
        ends = [self.object.sections[index].size]
        cuts, rows = self.sorted_cuts.get(index, []), self.named.get(index, [])
        if (at := bisect.bisect_right(cuts, offset)) < len(cuts):
            ends.append(cuts[at])
        if (at := bisect.bisect_right(rows, offset, key=lambda row: row[0])) < len(rows):
            ends.append(rows[at][0])
        return min(ends)

    def function_at(self, place: _Place) -> tuple[_Range, int] | None:
        """The function that a place is in, and how far."""
        at = bisect.bisect_right(self.starts, (place.section, place.offset)) - 1
        if at < 0:
            return None
        each = self.by_start[self.starts[at]]
        return (each, place.offset - each.place.offset) if each.holds(place) else None


def is_outlined(each: _Range) -> bool:
    """Whether it is a piece of other functions."""
    return each.name.startswith(_OUTLINED) and each.symbol is not None and each.symbol.binding == LOCAL


# -- writing


class _Text:
    """The text of one function."""

    def __init__(self, lister: _Lister, own: _Range, code: _Code, shared: dict[str, tuple[_Range, _Code]]) -> None:
        self.lister, self.own, self.code = lister, own, code
        self.parts = [(own, code), *self._outlined(code, shared)]
        self.object, self.words = lister.object, lister.words
        self.x86 = self.object.architecture == "x86-64"
        self.starts = {line.offset for line in code.lines}
        self.outlined = {each.name: f"{_OUTLINED}{number}" for number, (each, _) in enumerate(self.parts[1:])}
        self.tables: dict[_Place, _Table] = {}
        self.items: dict[_Place, _Item] = {}
        self.names: dict[_Place, str] = {}
        self.labels: dict[_Place, str] = {}
        self.section = ""
        self.out: list[str] = []

    @staticmethod
    def _outlined(code: _Code, shared: dict[str, tuple[_Range, _Code]]) -> list[tuple[_Range, _Code]]:
        """The pieces of this function that stand elsewhere, in the order of the file."""
        found: dict[str, tuple[_Range, _Code]] = {}
        pending = [code]
        places = {each.place: each.name for each, _ in shared.values()}
        while pending:
            for line in pending.pop().lines:
                for reference in line.references:
                    name = reference.to if isinstance(reference.to, str) else places.get(reference.to, "")
                    if name in shared and name not in found:
                        found[name] = shared[name]
                        pending.append(shared[name][1])
        return sorted(found.values(), key=lambda part: (part[0].place.section, part[0].place.offset))

    def write(self) -> str:
        self._collect()
        self._name()
        self._switch("\t.text")
        constants = self._constants()
        for item in constants:
            self._constant(item)
        self._switch("\t.text")
        self._head()
        for number, (each, code) in enumerate(self.parts):
            if number:
                name = self.outlined[each.name]
                self._switch("\t.text")
                self.out += ["\t.p2align\t2"] * (not self.x86) + [f"\t.type\t{name},@function", f"{name}:"]
            self._body(each, code, number)
            if not number:
                for table in self.tables.values():
                    self._table(table)
        for item in self._data():
            self._variable(item)
        text = "".join(f"{line}\n" for line in self.out)
        if len(text) > _LONGEST_TEXT:
            raise _UnlistedError(f"{len(text)} characters of assembly: at most {_LONGEST_TEXT} are written")
        return text

    # -- what is reached

    def _collect(self) -> None:
        """Labels, jump tables and data, the last with all that it reaches."""
        inside: set[_Place] = set()
        start = self.own.place
        pending: list[_Place] = []
        for table in self.code.tables.values():
            self.lister._fill(self.own, table, self.starts)
            offsets = (*table.targets, table.base or 0)
            inside.update(_Place(start.section, start.offset + offset) for offset in offsets)
            self.tables[table.place] = table
        for line in (line for _, code in self.parts for line in code.lines):
            for reference in line.references:
                to = reference.to
                if not isinstance(to, _Place):
                    continue
                if self._part_of(to):
                    inside.add(to)
                elif not self.lister._is_code(to.section):
                    taken = bool(_ADDRESS_OF.match(line.text)) and reference.prefix in ("", ":lo12:")
                    self._reach(to, pending, inside, taken and not line.text.startswith("adrp"))
        while pending:
            place = pending.pop(0)
            item = self.items[place]
            if item.size > _LONGEST_DATA:
                continue
            for row in self.lister._rows(place.section, place.offset, place.offset + item.size):
                placed = (self.object.architecture, row.kind) in _PLACED
                addend = row.addend - (row.offset - place.offset if placed else 0)
                to = self.lister._reference(row.symbol, addend).to
                if isinstance(to, _Place) and not self.lister._is_code(to.section):
                    self._reach(to, pending, inside, True)
                elif isinstance(to, _Place) and self._part_of(to):
                    inside.add(to)
        starts = {
            _Place(each.place.section, each.place.offset + line.offset)
            for each, code in self.parts
            for line in code.lines
        }
        if not inside <= starts:
            raise _UnlistedError("it jumps into the middle of an instruction")
        entries = {each.place for each, _ in self.parts[1:]}
        ordered = sorted(inside - entries, key=lambda place: (place.section, place.offset))
        self.labels = {place: f".LBB0_{number}" for number, place in enumerate(ordered)}

    def _part_of(self, place: _Place) -> bool:
        return any(each.holds(place) for each, _ in self.parts)

    def _reach(self, place: _Place, pending: list[_Place], inside: set[_Place], taken: bool) -> None:
        if place in self.tables:
            return
        item, _ = self.lister.item(place)
        if item.symbol is None or item.symbol.name[:2] == ".L":
            table = self.lister._relocated_table(self.own, item.place, self.starts)
            if table:
                self.tables[place] = table
                start = self.own.place
                inside.update(_Place(start.section, start.offset + offset) for offset in table.targets)
                return
        known = self.items.setdefault(item.place, item)
        known.address_taken |= taken
        if known is item:
            pending.append(item.place)

    def _name(self) -> None:
        for number, place in enumerate(self.tables):
            self.names[place] = f".LJTI0_{number}"
        for number, item in enumerate(self._constants()):
            self.names[item.place] = f".LCPI0_{number}"
        used = {symbol.name for symbol in self.object.symbols}
        counts: dict[str, int] = {}
        for item in self._data():
            symbol = item.symbol
            private = symbol is None or symbol.name[:2] == ".L"
            if symbol and not (private or self._is_local_constant(item)):
                self.names[item.place] = symbol.name
                continue
            made_up = symbol is None or symbol.name.startswith(".LC")  # GCC's names say nothing
            base = self._made_up(item) if made_up or not symbol else _NUMBERED.sub("", symbol.name)
            count = counts.get(base, 0)
            counts[base] = count + 1
            self.names[item.place] = f"{base}.{count}" if count else base
            while not private and symbol and self.names[item.place] != symbol.name and self.names[item.place] in used:
                self.names[item.place] += "_"

    def _made_up(self, item: _Item) -> str:
        section = self._section_of(item)
        if section.flags & STRINGS:
            return ".L.str"
        if section.flags & WRITABLE and not section.name.startswith(".data.rel.ro"):
            return f"{self.own.name}.data"
        rows = self.lister._rows(item.place.section, item.place.offset, item.place.offset + item.size)
        relative = any((self.object.architecture, row.kind) in _PLACED for row in rows)
        return f".L{'reltable' if relative else 'switch.table'}.{self.own.name}"

    def _is_local_constant(self, item: _Item) -> bool:
        section = self._section_of(item)
        writable = section.flags & WRITABLE and not section.name.startswith(".data.rel.ro")
        return item.symbol is not None and item.symbol.binding == LOCAL and not writable

    def _section_of(self, item: _Item) -> Section:
        return self.object.sections[item.place.section]

    def _is_pooled(self, item: _Item) -> bool:
        """Whether it is in the function's constant pool."""
        if item.symbol:
            return item.symbol.name.startswith((".LCPI", ".LC")) and not self._section_of(item).flags & STRINGS
        flags = self._section_of(item).flags
        return bool(flags & MERGED) and not flags & STRINGS and not item.address_taken

    def _constants(self) -> list[_Item]:
        """In the order of the pool: by section, and there by place."""
        found = [item for item in self.items.values() if self._is_pooled(item)]
        rank: dict[int, int] = {}
        for item in found:
            rank.setdefault(item.place.section, len(rank))
        return sorted(found, key=lambda item: (rank[item.place.section], item.place.offset))

    def _data(self) -> list[_Item]:
        """Variables in the order of their first use; those of one section in the order of the file in their places."""
        found = [item for item in self.items.values() if not self._is_pooled(item)]
        for section in {item.place.section for item in found}:
            places = [at for at, item in enumerate(found) if item.place.section == section]
            in_order = sorted((found[at] for at in places), key=lambda item: item.place.offset)
            for at, item in zip(places, in_order, strict=True):
                found[at] = item
        return found

    # -- code

    def _switch(self, section: str) -> None:
        if section != self.section:
            self.section = section
            self.out.append(section)

    def _head(self) -> None:
        name = self._quoted(self.own.name)
        symbol = self.own.symbol
        weak = symbol is not None and symbol.binding == WEAK
        self.out.append(f"\t{'.weak' if weak else '.globl'}\t{name}")
        if symbol and symbol.visibility in _VISIBILITY:
            self.out.append(f"\t.{_VISIBILITY[symbol.visibility]}\t{name}")
        alignment = self.object.sections[self.own.place.section].alignment
        if not self.x86:
            self.out.append("\t.p2align\t2")
        elif alignment >= 16 and self.own.place.offset % 16 == 0:
            self.out.append("\t.p2align\t4, 0x90")
        self.out += [f"\t.type\t{name},@function", f"{name}:"]

    def _body(self, each: _Range, code: _Code, number: int) -> None:
        frame = self.lister.frames.get(each.place)
        if frame:
            self.out.append("\t.cfi_startproc")
        cfi = _written_frame(frame, code.lines) if frame else {}
        padding = self._padding(each, code)
        before = ""
        for line in code.lines:
            directives = [f"\t{text}" for text in cfi.get(line.offset, ())]
            place = _Place(each.place.section, each.place.offset + line.offset)
            label = [f"{self.labels[place]}:"] if place in self.labels else []
            moved = _MOVES_STACK.match(before) is not None
            self.out += [*directives, *label] if moved else [*label, *directives]
            if line.offset in padding:
                if padding[line.offset]:
                    self.out.append("\t.p2align\t4, 0x90")
                continue
            self.out.append(f"\t{self._spelled(line)}")
            before = line.text
        self.out += [f"\t{text}" for text in cfi.get(each.size, ())]
        name = self._quoted(self.outlined.get(each.name, each.name))
        self.out += [f".Lfunc_end{number}:", f"\t.size\t{name}, .Lfunc_end{number}-{name}"]
        if frame:
            self.out.append("\t.cfi_endproc")

    def _padding(self, each: _Range, code: _Code) -> dict[int, bool]:
        """Offsets of instructions that only fill up to a label with an alignment; True for the first of each run."""
        found: dict[int, bool] = {}
        if not self.x86 or self.object.sections[each.place.section].alignment < 16:
            return found
        run: list[int] = []
        for line in code.lines:
            place = _Place(each.place.section, each.place.offset + line.offset)
            if _NOPS.fullmatch(line.text) and not (run and place in self.labels):
                run.append(line.offset)
                continue
            if run and place.offset % 16 == 0 and place in self.labels and line.offset - run[0] < 16:
                found.update((offset, offset == run[0]) for offset in run)
            run = []
        return found

    def _spelled(self, line: _Line) -> str:
        text = line.text
        for reference in line.references:
            call = text.startswith(("call", "bl\t"))
            text = text.replace("\0", self._operand(reference, call=call), 1)
        return text

    def _operand(self, reference: _Reference, *, call: bool = False) -> str:
        name, addend = self._target(reference.to, reference.addend, call=call)
        sign = f"{addend:+d}" if addend else ""
        # The addend follows what is said of the symbol on x86.
        return f"{reference.prefix}{name}{reference.suffix}{sign}"

    def _target(self, to: str | _Place, addend: int, *, call: bool = False) -> tuple[str, int]:
        if isinstance(to, str):
            return self._quoted(self.outlined.get(to, to)), addend
        if to in self.labels:
            return (self._quoted(self.own.name) if call and to == self.own.place else self.labels[to]), addend
        if self.lister._is_code(to.section):
            found = self.lister.function_at(to)
            if not found:
                raise _UnlistedError("a reference to code that is in no function")
            return self._quoted(self.outlined.get(found[0].name, found[0].name)), found[1] + addend
        if to in self.names:
            return self._quoted(self.names[to]), addend
        item, inside = self.lister.item(to)
        return self._quoted(self.names[item.place]), inside + addend

    @staticmethod
    def _quoted(name: str) -> str:
        if _PLAIN_NAME.fullmatch(name):
            return name
        escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'

    # -- data

    def _constant(self, item: _Item) -> None:
        section = self._section_of(item)
        text = _section_text(section)
        if text != self.section:
            self._switch(text)
            self.out.append(f"\t.p2align\t{section.entry_size.bit_length() - 1}, 0x0")
        self.out.append(f"{self.names[item.place]}:")
        data = self._bytes(item)
        width, integers = self._elements(item, data, section.entry_size)
        for at in range(0, len(data), width):
            value = int.from_bytes(data[at : at + width], "little")
            number = _number(data[at : at + width]) if integers else f"0x{value:0{2 * width}x}"
            self.out.append(f"\t{self.words[width]}\t{number}")

    def _elements(self, item: _Item, data: bytes, size: int) -> tuple[int, bool]:
        """Bytes of a constant's elements and whether they are integers, going by the instruction that reads it."""
        if size in (4, 8):
            return size, False
        if not self.x86:
            return (8, False) if size != 16 or data[:4] != data[4:8] else (4, True)
        users = (line.text for line in self.code.lines if any(each.to == item.place for each in line.references))
        mnemonic = next(users, "").partition("\t")[0]
        if mnemonic.endswith("pd"):
            return 8, False
        if mnemonic.endswith("ps") and not mnemonic.startswith("mov"):
            return (4, False) if data[:4] == data[4:8] or data[:4] == data[8:12] != data[4:8] else (8, False)
        return {"b": 1, "w": 2, "q": 8}.get(mnemonic[-1:] if mnemonic[:4] == "padd" else "", 4), True

    def _table(self, table: _Table) -> None:
        self._switch('\t.section\t.rodata,"a",@progbits')
        if table.width > 1:
            self.out.append(f"\t.p2align\t{table.width.bit_length() - 1}, 0x0")
        name = self.names[table.place]
        self.out.append(f"{name}:")
        start = self.own.place
        base = self.labels[_Place(start.section, start.offset + table.base)] if table.base is not None else ""
        for target in table.targets:
            label = self.labels[_Place(start.section, start.offset + target)]
            entry = table.form.format(label, base=base, table=name)
            self.out.append(f"\t{self.words[table.width]}\t{entry}")

    def _variable(self, item: _Item) -> None:
        if item.size > _LONGEST_DATA:
            return
        section, symbol, name = self._section_of(item), item.symbol, self._quoted(self.names[item.place])
        self.out.append(f"\t.type\t{name},@object")
        self._switch(_section_text(section))
        constant = symbol is None or symbol.name[:2] == ".L" or self._is_local_constant(item)
        if not constant and symbol:
            # A variable that only its file could see is `weak` in a module of one function: others write it, too.
            self.out.append(f"\t{'.globl' if symbol.binding == GLOBAL else '.weak'}\t{name}")
        alignment = self._alignment(item)
        if alignment > 1:
            self.out.append(f"\t.p2align\t{alignment.bit_length() - 1}, 0x0")
        self.out.append(f"{name}:")
        self._contents(item)
        self.out.append(f"\t.size\t{name}, {item.size}")

    def _alignment(self, item: _Item) -> int:
        """What the compiler may have asked for: no more than the place has, and than its size makes likely."""
        section = self._section_of(item)
        if section.flags & STRINGS:
            return section.alignment
        offset = item.place.offset
        here = min(section.alignment, offset & -offset) if offset else section.alignment
        likely = 16 if item.size >= 16 else 8
        return max(1, min(here, likely, 1 << max(item.size, 1).bit_length() - 1))

    def _bytes(self, item: _Item) -> bytes:
        data = self.object.bytes_of(item.place.section)
        if self._section_of(item).kind == NO_BITS:
            return bytes(item.size)
        return data[item.place.offset : item.place.offset + item.size]

    def _contents(self, item: _Item) -> None:
        data, start = self._bytes(item), item.place.offset
        at = 0
        for row in self.lister._rows(item.place.section, start, start + item.size):
            key = self.object.architecture, row.kind
            width = _ABSOLUTE.get(key) or _PLACED.get(key)
            if not width or row.offset - start < at or row.offset + width > start + item.size:
                raise _UnlistedError(f"a relocation of kind {row.kind} in data is not known")
            self._plain(data[at : row.offset - start], item)
            # Tables of relative addresses are written against their start.
            addend = row.addend - (row.offset - start if key in _PLACED else 0)
            reference = self._operand(self.lister._reference(row.symbol, addend))
            base = f"-{self._quoted(self.names[item.place])}" if key in _PLACED else ""
            self.out.append(f"\t{self.words[width]}\t{reference}{base}")
            at = row.offset - start + width
        self._plain(data[at:], item, whole=at == 0)

    def _plain(self, data: bytes, item: _Item, *, whole: bool = False) -> None:
        """Bytes in the elements that are most likely."""
        if not data:
            return
        strings = bool(self._section_of(item).flags & STRINGS)
        if len(data) == 8 and not whole and any(data) and data[4:] not in (bytes(4), b"\xff" * 4):
            self.out += [f"\t{self.words[4]}\t{_number(data[at : at + 4])}" for at in (0, 4)]
        elif (
            len(data) in self.words
            and not (strings and len(data) > 1)
            and (len(data) > 1 or data != b"\0" or not strings)
        ):
            self.out.append(f"\t{self.words[len(data)]}\t{_number(data)}")
        elif not any(data):
            self.out.append(f"\t.zero\t{len(data)}")
        elif strings or _is_text(data):
            ended = data.endswith(b"\0")
            self.out.append(f'\t.{"asciz" if ended else "ascii"}\t"{_escaped(data[:-1] if ended else data)}"')
        else:
            width = 4 if len(data) % 4 == 0 and (not whole or self._alignment(item) >= 4) else 1
            width = 2 if width == 1 and len(data) % 2 == 0 and self._alignment(item) == 2 else width
            if width == 4 and len(data) % 8 == 0 and self._alignment(item) >= 8 and (form := _wide(data)):
                self.out += [f"\t{self.words[8]}\t{each}" for each in form]
                return
            if width == 1:
                self.out.append(f'\t.ascii\t"{_escaped(data)}"')
                return
            for at in range(0, len(data), width):
                self.out.append(f"\t{self.words[width]}\t{_number(data[at : at + width])}")


def _number(data: bytes) -> str:
    """As LLVM writes integers: unsigned, but those of eight bytes signed."""
    return str(int.from_bytes(data, "little", signed=len(data) == 8))


def _wide(data: bytes) -> list[str] | None:
    """Elements of eight bytes where they look like integers or floating-point numbers of that size."""
    elements = [data[at : at + 8] for at in range(0, len(data), 8)]
    if all(each[4:] in (bytes(4), b"\xff" * 4) for each in elements):
        return [_number(each) for each in elements]
    numbers = [int.from_bytes(each, "little") for each in elements]
    if all(not number or 0x3C0 <= number >> 52 & 0x7FF <= 0x43F for number in numbers):
        return [f"0x{number:016x}" for number in numbers]
    return None


def _is_text(data: bytes) -> bool:
    inside = data.rstrip(b"\0")
    return len(inside) >= 3 and all(32 <= byte < 127 or byte in b"\t\n\r" for byte in inside)


def _escaped(data: bytes) -> str:
    names = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
    return "".join(names.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in data)


def _section_text(section: Section) -> str:
    """The directive that goes there; sections for one symbol each are what they are named after."""
    name = section.name
    for short in (".data.rel.ro", ".rodata.str", ".rodata.cst", ".rodata", ".data", ".bss", ".tdata", ".tbss"):
        if name == short or name.startswith(f"{short}." if short[-3:] not in ("str", "cst") else short):
            name = name if short[-3:] in ("str", "cst") else short
            break
    if name in (".data", ".bss", ".text"):
        return f"\t{name}"
    letters = ((LOADED, "a"), (EXECUTABLE, "x"), (WRITABLE, "w"), (MERGED, "M"), (STRINGS, "S"), (THREAD_LOCAL, "T"))
    flags = "".join(letter for flag, letter in letters if section.flags & flag)
    kind = "@nobits" if section.kind == NO_BITS else "@progbits"
    size = f",{section.entry_size}" if section.flags & MERGED else ""
    return f'\t.section\t{name},"{flags}",{kind}{size}'


def _written_frame(frame: Frame, lines: list[_Line]) -> dict[int, list[str]]:
    """Directives by offset, with `.cfi_adjust_cfa_offset` where LLVM writes it: around arguments on the stack."""
    before = {line.offset + line.size: line.text for line in lines}
    saved = {int(match[1]) for _, text in frame.directives if (match := _SAVED.fullmatch(text))}
    written: dict[int, list[str]] = {}
    offset = own = 8
    pushed, saving = 0, True
    for at, directive in frame.directives:
        text = directive
        match = re.fullmatch(r"\.cfi_def_cfa_offset (\d+)", text)
        if match:
            change, last = int(match[1]) - offset, before.get(at, "")
            offset = int(match[1])
            moved = _MOVES_STACK.match(last) is not None
            saves = last.startswith("push") and "$" not in last and (offset in saved or saving)
            saving = saves
            if (last.startswith("push") and not saves) or (moved and pushed >= -change > 0):
                pushed += change
                text = f".cfi_adjust_cfa_offset {change}"
            elif moved:
                own = max(own, offset)
            else:
                pushed = max(0, offset - own)
        written.setdefault(at, []).append(text)
    return written
