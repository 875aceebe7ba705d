"""Call frame information (.eh_frame) as the directives that it was made from.

Where it is broken or unusual a function has no directives: they say nothing that the code does not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from llm_compiler.llvm.objects import Architecture, Object

_X86_NAMES = ("rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", *(f"r{number}" for number in range(8, 16)), "rip")
_MOST_FRAMES = 1 << 18


@dataclass(frozen=True)
class Frame:
    """What is said of one function."""

    section: int
    start: int
    size: int
    directives: tuple[tuple[int, str], ...]
    """Offset from the function's start, and the text of each."""
    handlers: bool
    """It has a personality: exception tables that are not restored."""


class _BrokenError(Exception):
    pass


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> int:
        size = struct.calcsize(form)
        if self.at + size > len(self.data):
            raise _BrokenError
        (value,) = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += size
        return int(value)

    def leb(self, *, signed: bool = False) -> int:
        value = shift = 0
        while True:
            byte = self.take("B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 70:
                raise _BrokenError
            if byte < 0x80:
                return value - (1 << shift) if signed and byte & 0x40 else value


@dataclass(frozen=True)
class _Common:
    """A common information entry."""

    code_factor: int
    data_factor: int
    augmentation: str
    pointers: int
    """How the start of a function is encoded."""


def frames(found: Object) -> list[Frame]:
    """Of every function that has one, in the order of the file."""
    made: list[Frame] = []
    for index, section in enumerate(found.sections):
        if section.name == ".eh_frame":
            try:
                made += _frames(found, index)
            except (_BrokenError, struct.error):
                continue
    return made[:_MOST_FRAMES]


def _frames(found: Object, index: int) -> Iterator[Frame]:
    data = found.bytes_of(index)
    places = {each.offset: each for each in found.relocations.get(index, ())}
    common: dict[int, _Common] = {}
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<II", data, at)
        if not length or length == 0xFFFFFFFF or at + 4 + length > len(data):
            return
        reader = _Reader(data[at + 8 : at + 4 + length])
        owner = common.get(at + 4 - kind)
        if kind == 0:
            common[at] = _common(reader)
        elif owner and (place := places.get(at + 8)) and place.symbol.section is not None and owner.pointers == 0x1B:
            reader.at = 4
            size = reader.take("I")
            if "z" in owner.augmentation:
                extra = reader.leb()  # the length of what only exception tables need
                reader.at += extra
            directives = tuple(_directives(reader, owner, found.architecture))
            start = place.symbol.value + place.addend
            yield Frame(place.symbol.section, start, size, directives, "P" in owner.augmentation)
        at += 4 + length


def _common(reader: _Reader) -> _Common:
    reader.take("B")
    end = reader.data.find(b"\0", reader.at)
    if end < 0:
        raise _BrokenError
    augmentation = reader.data[reader.at : end].decode(errors="replace")
    reader.at = end + 1
    code, data = reader.leb(), reader.leb(signed=True)
    reader.leb()  # the return address's register
    pointers = 0
    if augmentation.startswith("z"):
        reader.leb()
        for letter in augmentation[1:]:
            if letter == "P":
                reader.at += 1 + {0xB: 4, 0xC: 8, 0: 8, 4: 8}.get(reader.data[reader.at] & 0xF, 4)
            elif letter in "RL":
                encoding = reader.take("B")
                pointers = encoding if letter == "R" else pointers
    return _Common(code, data, augmentation, pointers)


def _directives(reader: _Reader, owner: _Common, architecture: Architecture) -> Iterator[tuple[int, str]]:
    at = 0

    def name(number: int) -> str:
        return _register(number, architecture)

    while reader.at < len(reader.data):
        byte = reader.take("B")
        high, low = byte & 0xC0, byte & 0x3F
        if high == 0x40:
            at += low * owner.code_factor
        elif high == 0x80:
            yield at, f".cfi_offset {name(low)}, {reader.leb() * owner.data_factor}"
        elif high == 0xC0:
            yield at, f".cfi_restore {name(low)}"
        elif byte in (2, 3, 4):
            at += reader.take({2: "B", 3: "H", 4: "I"}[byte]) * owner.code_factor
        elif byte == 5:
            register = name(reader.leb())
            yield at, f".cfi_offset {register}, {reader.leb() * owner.data_factor}"
        elif byte in (7, 8):
            yield at, f".cfi_{'undefined' if byte == 7 else 'same_value'} {name(reader.leb())}"
        elif byte in (0xA, 0xB):
            yield at, f".cfi_{'remember' if byte == 0xA else 'restore'}_state"
        elif byte == 0xC:
            register = name(reader.leb())
            yield at, f".cfi_def_cfa {register}, {reader.leb()}"
        elif byte == 0xD:
            yield at, f".cfi_def_cfa_register {name(reader.leb())}"
        elif byte == 0xE:
            yield at, f".cfi_def_cfa_offset {reader.leb()}"
        elif byte == 0x2E:
            yield at, f".cfi_escape 0x2e, 0x{reader.leb():02x}"
        elif byte == 0x2D:
            yield at, ".cfi_negate_ra_state" if architecture == "aarch64" else ".cfi_window_save"
        elif byte == 0x0F:
            length = reader.leb()
            inside = [0x0F, length, *(reader.take("B") for _ in range(min(length, 1 << 10)))]
            yield at, f".cfi_escape {', '.join(f'0x{each:02x}' for each in inside)}"
        elif byte:
            raise _BrokenError


def _register(number: int, architecture: Architecture) -> str:
    if architecture == "x86-64":
        if number < len(_X86_NAMES):
            return f"%{_X86_NAMES[number]}"
        return f"%xmm{number - 17}" if 17 <= number < 33 else str(number)
    if number < 31:
        return f"w{number}"
    return "wsp" if number == 31 else f"b{number - 64}" if 64 <= number < 96 else str(number)
