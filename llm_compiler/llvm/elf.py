"""The little that we read of an object file: section sizes and the symbols that it offers to others."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from llm_compiler.llvm.size import Size

_SHF_WRITE, _SHF_ALLOC = 1, 2
_SHT_SYMTAB, _SHT_NOBITS = 2, 8
_STB_GLOBAL = 1
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_ALWAYS_THERE = frozenset(("memcpy", "memmove", "memset", "memcmp"))
"""Compilers may call these at any time, even for a freestanding program."""


def object_size(elf: bytes) -> Size:
    """Size of a relocatable ELF64 little-endian object, as Berkeley `size` prints it; ValueError for anything else."""
    text = data = 0
    for _, kind, flags, _, _, size, *_ in _sections(elf):
        if not flags & _SHF_ALLOC or kind == _SHT_NOBITS:
            continue
        if flags & _SHF_WRITE:
            data += size
        else:
            text += size
    return Size(text, data)


@dataclass(frozen=True)
class Symbols:
    """What an object offers to others and what it needs of them. Weak definitions are left out.

    A weak definition (an inline function of C++, say) may go when nothing here uses it: who needs it has its own.
    """

    defined: frozenset[str]
    undefined: frozenset[str]

    def replaces(self, other: Symbols) -> bool:
        """Whether this object links wherever `other` does: it defines the same and needs nothing more.

        Passes that skip inlining can leave calls to functions that exist nowhere (`extern inline` ones of libstdc++).
        """
        return self.defined == other.defined and self.undefined <= other.undefined | _ALWAYS_THERE


def symbols(elf: bytes) -> Symbols:
    """The global symbols of a relocatable ELF64 object; ValueError for anything else."""
    sections = list(_sections(elf))
    defined, undefined = set(), set()
    for header in sections:
        kind, offset, size, link = header[1], *header[4:7]
        if kind != _SHT_SYMTAB:
            continue
        if link >= len(sections) or offset + size > len(elf) or size % _SYMBOL.size:
            raise ValueError("broken symbol table in an ELF object")
        strings = sections[link][4]
        for at, info, _, section, _, _ in _SYMBOL.iter_unpack(elf[offset : offset + size]):
            name = elf[strings + at : elf.index(b"\0", strings + at)].decode(errors="surrogateescape")
            if name and not section:
                undefined.add(name)
            elif info >> 4 == _STB_GLOBAL:
                defined.add(name)
    return Symbols(frozenset(defined), frozenset(undefined))


def _sections(elf: bytes) -> Iterator[tuple[int, ...]]:
    if len(elf) < 64 or elf[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF object")
    (offset,) = struct.unpack_from("<Q", elf, 40)
    entry_size, count = struct.unpack_from("<HH", elf, 58)
    # With more than 65,279 sections the count is in the first header's sh_size.
    if count == 0 and 0 < offset <= len(elf) - _SECTION_HEADER.size:
        (count,) = struct.unpack_from("<Q", elf, offset + 32)
    end = offset + count * _SECTION_HEADER.size
    if entry_size != _SECTION_HEADER.size or end > len(elf):
        raise ValueError("truncated ELF object")
    return _SECTION_HEADER.iter_unpack(elf[offset:end])
