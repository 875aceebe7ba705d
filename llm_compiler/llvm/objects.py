"""Relocatable ELF objects and archives of them, taken apart: sections, symbols, relocations.

The files are anybody's: every number in them is checked before it is used, and what does not fit is an ObjectError of
one line. Sizes of objects and what they offer to a linker are in elf.py, which reads far less.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Architecture = Literal["x86-64", "aarch64"]

EXECUTABLE, WRITABLE, LOADED, MERGED, STRINGS, THREAD_LOCAL = 0x4, 0x1, 0x2, 0x10, 0x20, 0x400
"""Flags of sections."""
NO_BITS = 8
"""The kind of a section that takes no room in the file."""
FUNCTION, OBJECT, SECTION, UNTYPED = 2, 1, 3, 0
"""Kinds of symbols."""
GLOBAL, WEAK, LOCAL = 1, 2, 0
"""Bindings of symbols."""

_MACHINES: dict[int, Architecture] = {62: "x86-64", 183: "aarch64"}
_OTHERS = {3: "32-bit x86", 8: "MIPS", 20: "PowerPC", 21: "PowerPC64", 22: "S/390", 40: "ARM", 243: "RISC-V"}
_KINDS = {2: "a linked program", 3: "a linked program or shared library", 4: "a core dump"}
_SYMBOL_TABLE, _RELOCATIONS, _WIDE_INDEX = 2, 4, 18
_RESERVED, _IN_TABLE = 0xFF00, 0xFFFF
_HEADER = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QIIq")
_LONGEST_NAME = 1 << 16
_MOST_RELOCATIONS = 1 << 21
_MOST_MEMBERS = 1 << 16


class ObjectError(ValueError):
    """A file that is no relocatable object of a known architecture, or a broken one. The message is one line."""


@dataclass(frozen=True)
class Section:
    """Where a section lies in the file, and what it is."""

    name: str
    kind: int
    flags: int
    offset: int
    size: int
    alignment: int
    entry_size: int


@dataclass(frozen=True)
class Symbol:
    """A row of the symbol table."""

    name: str
    kind: int
    binding: int
    section: int | None
    """Its index; None where the symbol is not defined here, or is no place."""
    value: int
    """Offset in its section."""
    size: int
    visibility: int


@dataclass(frozen=True)
class Relocation:
    """What is to be written over the bytes at `offset` of a section: symbol plus addend, in the manner of its kind."""

    offset: int
    kind: int
    symbol: Symbol
    addend: int


@dataclass(frozen=True)
class Object:
    """One object file."""

    architecture: Architecture
    contents: bytes
    sections: list[Section]
    symbols: list[Symbol]
    relocations: dict[int, list[Relocation]]
    """By the index of the section that they change, in the order of offsets."""

    def bytes_of(self, index: int) -> bytes:
        """What a section holds; zeros are not kept in the file, and then there is nothing."""
        section = self.sections[index]
        if section.kind == NO_BITS:
            return b""
        return self.contents[section.offset : section.offset + section.size]


def read_object(elf: bytes) -> Object:
    """An object taken apart. ObjectError."""
    architecture = _architecture(elf)
    headers = _headers(elf)
    try:
        names = headers[_name_table(elf, headers)]
        sections = [_section(elf, header, names) for header in headers]
        tables = [header for header in headers if header[1] == _SYMBOL_TABLE]
        symbols = list(_symbols(elf, headers, tables[0])) if tables else []
        relocations = _all_relocations(elf, headers, symbols)
    except (IndexError, struct.error):
        raise ObjectError("a broken ELF object: a number in it points nowhere") from None
    return Object(architecture, elf, sections, symbols, relocations)


def is_archive(contents: bytes) -> bool:
    """Whether it is one of `ar`, thin ones included."""
    return contents[:8] in (b"!<arch>\n", b"!<thin>\n")


def members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of an archive's files, in order; its own tables are left out. ObjectError."""
    if archive[:8] != b"!<arch>\n":
        thin = archive[:8] == b"!<thin>\n"
        raise ObjectError("a thin archive holds no objects: name these instead" if thin else "not an archive")
    at, long_names, count = 8, b"", 0
    while at < len(archive):
        header = archive[at : at + 60]
        size_text = header[48:58].strip()
        if len(header) < 60 or header[58:] != b"`\n" or not size_text.isdigit():
            raise ObjectError("a broken archive: no member where one should be")
        size, name = int(size_text), header[:16].rstrip()
        contents = archive[at + 60 : at + 60 + size]
        count += 1
        if len(contents) != size or count > _MOST_MEMBERS:
            raise ObjectError("a truncated archive" if len(contents) != size else "an archive of too many members")
        at += 60 + size + size % 2
        if name == b"//":
            long_names = contents
        elif name not in (b"/", b"/SYM64/"):
            yield _member(name, contents, long_names)


def _member(name: bytes, contents: bytes, long_names: bytes) -> tuple[str, bytes]:
    if name.startswith(b"#1/") and name[3:].isdigit():  # BSD: the name stands before the contents
        length = int(name[3:])
        return contents[:length].rstrip(b"\0").decode(errors="replace"), contents[length:]
    if name[:1] == b"/" and name[1:].isdigit():
        start = int(name[1:])
        name = long_names[start : start + _LONGEST_NAME].partition(b"\n")[0]
    return name.rstrip(b"/").decode(errors="replace"), contents


def _architecture(elf: bytes) -> Architecture:
    if elf[:4] != b"\x7fELF" or len(elf) < 64:
        raise ObjectError("not an ELF object")
    if elf[4:6] != b"\x02\x01":
        raise ObjectError("an ELF object that is not of 64 bits, little-endian: x86-64 and AArch64 are known")
    kind, machine = struct.unpack_from("<HH", elf, 16)
    if machine not in _MACHINES:
        name = _OTHERS.get(machine, f"machine {machine}")
        raise ObjectError(f"an object for {name}: x86-64 and AArch64 are known")
    if kind != 1:
        raise ObjectError(f"{_KINDS.get(kind, 'no object')}: only relocatable objects (.o) and archives are lifted")
    return _MACHINES[machine]


def _headers(elf: bytes) -> list[tuple[int, ...]]:
    (offset,) = struct.unpack_from("<Q", elf, 40)
    entry_size, count = struct.unpack_from("<HH", elf, 58)
    if not 64 <= offset <= len(elf) - _HEADER.size or entry_size != _HEADER.size:
        raise ObjectError("an ELF object without a table of sections, or a truncated one")
    if not count:  # more than fit into 16 bits: the first header's size says how many
        (count,) = struct.unpack_from("<Q", elf, offset + 32)
    if not count or offset + count * _HEADER.size > len(elf):
        raise ObjectError("a truncated ELF object")
    headers = list(_HEADER.iter_unpack(elf[offset : offset + count * _HEADER.size]))
    for _, kind, _, _, start, size, *_ in headers:
        if kind != NO_BITS and kind and start + size > len(elf):
            raise ObjectError("a broken ELF object: a section ends behind the end of the file")
    return headers


def _name_table(elf: bytes, headers: list[tuple[int, ...]]) -> int:
    (index,) = struct.unpack_from("<H", elf, 62)
    return int(headers[0][6]) if index == _IN_TABLE else int(index)


def _section(elf: bytes, header: tuple[int, ...], names: tuple[int, ...]) -> Section:
    name, kind, flags, _, offset, size, _, _, alignment, entry_size = header
    return Section(_string(elf, names, name), kind, flags, offset, size, max(1, alignment), entry_size)


def _string(elf: bytes, table: tuple[int, ...], at: int) -> str:
    start, end = table[4] + at, table[4] + table[5]
    if not at and start >= end:
        return ""
    stop = elf.find(b"\0", start, min(end, start + _LONGEST_NAME))
    if stop < 0 or start > end:
        raise ObjectError("a broken ELF object: a name without an end")
    return elf[start:stop].decode(errors="replace")


def _symbols(elf: bytes, headers: list[tuple[int, ...]], table: tuple[int, ...]) -> Iterator[Symbol]:
    offset, size, link = table[4:7]
    if size % _SYMBOL.size:
        raise ObjectError("a broken ELF object: half a symbol")
    strings, index = headers[link], headers.index(table)
    wide = next((each for each in headers if each[1] == _WIDE_INDEX and each[6] == index), None)
    for number, row in enumerate(_SYMBOL.iter_unpack(elf[offset : offset + size])):
        at, info, other, place, value, length = row
        if place == _IN_TABLE and wide:
            (place,) = struct.unpack_from("<I", elf, wide[4] + 4 * number)
        elif place >= _RESERVED:
            place = 0
        if place >= len(headers):
            raise ObjectError("a broken ELF object: a symbol in a section that is not there")
        yield Symbol(_string(elf, strings, at), info & 15, info >> 4, place or None, value, length, other & 3)


def _all_relocations(elf: bytes, headers: list[tuple[int, ...]], symbols: list[Symbol]) -> dict[int, list[Relocation]]:
    found: dict[int, list[Relocation]] = {}
    count = 0
    for _, kind, _, _, offset, size, _, target, _, _ in headers:
        if kind != _RELOCATIONS:
            continue
        count += size // _RELOCATION.size
        if size % _RELOCATION.size or target >= len(headers) or count > _MOST_RELOCATIONS:
            raise ObjectError("a broken ELF object: its relocations make no sense")
        rows = found.setdefault(target, [])
        for place, number, symbol, addend in _RELOCATION.iter_unpack(elf[offset : offset + size]):
            rows.append(Relocation(place, number, symbols[symbol], addend))
        rows.sort(key=lambda each: each.offset)
    return found
