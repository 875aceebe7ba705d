from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compiler.llvm.elf import Symbols, object_size, symbols
from llm_compiler.llvm.frontend import LANGUAGES, Source, optimise_for_size
from llm_compiler.llvm.size import SHIP, Size
from llm_compiler.llvm.toolchain import Toolchain, find
from tests.conftest import EXAMPLES

SOURCE = b"""
extern int needed(int);
__attribute__((weak)) extern int wanted(int);
static const char *greeting = "hello";
const int table[5] = {1, 2, 3, 4, 5};
int counter = 1, zeroed;
static int hidden(int x) { return needed(x) + zeroed; }
__attribute__((weak)) int replaceable(void) { return 1; }
int offered(int x) { greeting++; counter++; return hidden(x) + (wanted ? wanted(x) : 0) + greeting[0]; }
"""


@pytest.fixture(scope="module")
def elf() -> bytes:
    return optimise_for_size(find(), Source(None, "c", SOURCE), SHIP)[0]


@pytest.mark.parametrize("tool", ["size", "llvm-size"])
def test_sizes_are_those_of_berkeley_size(toolchain: Toolchain, tmp_path: Path, tool: str) -> None:
    if not shutil.which(tool):
        pytest.skip(f"no {tool} on this machine")
    files = []
    for example in EXAMPLES[::3]:
        file = tmp_path / f"{example.stem}.o"
        file.write_bytes(optimise_for_size(toolchain, Source(example, LANGUAGES[example.suffix]), SHIP)[0])
        files.append(file)
    listing = subprocess.run([tool, "--format=berkeley", *files], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split()[:2])) for line in listing.splitlines()[1:]]
    assert [Size(*row) for row in rows] == [object_size(file.read_bytes()) for file in files]


def test_zeroed_variables_take_no_room_and_others_are_data(toolchain: Toolchain) -> None:
    def data(text: bytes) -> int:
        return object_size(optimise_for_size(toolchain, Source(None, "c", text), SHIP)[0]).data

    assert data(b"int zeroed[1000];\n") == 0
    assert data(b"int filled[1000] = {1};\n") == 4000
    assert data(b"const int constant[1000] = {1};\n") == 0


def test_symbols_are_what_an_object_offers_and_needs(elf: bytes) -> None:
    found = symbols(elf)
    assert found.defined == {"offered", "table", "counter", "zeroed"}
    assert found.undefined - {"_GLOBAL_OFFSET_TABLE_"} == {"needed", "wanted"}


@pytest.mark.parametrize(
    ("defined", "undefined", "answer"),
    [
        ("f g", "x y", True),
        ("f g", "x", True),
        ("f g", "x memcpy memset", True),
        ("f", "x y", False),
        ("f g h", "x y", False),
        ("f g", "x y z", False),
    ],
    ids=["alike", "needs less", "may always call memcpy", "offers less", "offers more", "needs more"],
)
def test_an_object_replaces_another_if_it_offers_the_same_and_needs_nothing_more(
    defined: str, undefined: str, answer: bool
) -> None:
    original = Symbols(frozenset("fg"), frozenset("xy"))
    candidate = Symbols(frozenset(defined.split()), frozenset(undefined.split()))
    assert candidate.replaces(original) is answer


def hand_made(*sections: tuple[int, int, int]) -> bytes:
    """An object of nothing but section headers: kind, flags, size of each."""
    header = struct.pack(
        "<6s10xHHIQQQIHHHHHH", b"\x7fELF\x02\x01", 1, 62, 1, 0, 0, 64, 0, 64, 0, 0, 64, len(sections), 0
    )
    return header + b"".join(
        struct.pack("<IIQQQQIIQQ", 0, kind, flags, 0, 0, size, 0, 0, 1, 0) for kind, flags, size in sections
    )


def test_sections_count_by_their_flags() -> None:
    alloc, write, execute, progbits, nobits = 2, 1, 4, 1, 8
    elf = hand_made(
        (0, 0, 0),
        (progbits, alloc | execute, 100),
        (progbits, alloc, 20),
        (progbits, alloc | write, 7),
        (nobits, alloc | write, 5000),
        (progbits, 0, 900),
    )
    assert object_size(elf) == Size(text=120, data=7)


def test_more_sections_than_a_header_can_count_are_counted() -> None:
    """The number is then in the first section header."""
    many = 70_000
    first, other = hand_made((0, 0, many)), hand_made((1, 2, 1))
    elf = bytearray(first + other[64:] * (many - 1))
    struct.pack_into("<H", elf, 60, 0)
    assert object_size(bytes(elf)) == Size(text=many - 1, data=0)


@pytest.mark.parametrize(
    "start", [b"", b"MZ", b"\x7fELF", b"\x7fELF\x01\x01", b"\x7fELF\x02\x02", b"\xfe\xed\xfa\xcf", b"BC\xc0\xde"]
)
def test_what_is_no_64_bit_little_endian_elf_is_refused(start: bytes) -> None:
    for read in (object_size, symbols):
        with pytest.raises(ValueError, match="ELF"):
            read(start + bytes(200))


@given(st.data())
def test_a_truncated_object_is_refused(elf: bytes, data: st.DataObject) -> None:
    cut = elf[: data.draw(st.integers(0, len(elf) - 1))]
    for read in (object_size, symbols):
        with pytest.raises(ValueError, match="ELF"):
            read(cut)


@given(data=st.data())
def test_a_damaged_object_gives_numbers_or_a_value_error(elf: bytes, data: st.DataObject) -> None:
    damaged = bytearray(elf)
    (table,) = struct.unpack_from("<Q", elf, 40)
    places = st.integers(6, 63) | st.integers(table, len(elf) - 1) | st.integers(0, len(elf) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)):
        damaged[place] = value
    for read in (object_size, symbols):
        try:
            read(bytes(damaged))
        except ValueError:
            continue


@given(st.binary(max_size=300))
def test_random_bytes_behind_a_good_start_give_numbers_or_a_value_error(rest: bytes) -> None:
    for read in (object_size, symbols):
        try:
            assert read(b"\x7fELF\x02\x01" + rest)
        except ValueError:
            continue
