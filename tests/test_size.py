from __future__ import annotations

import pytest

from llm_compiler.llvm.elf import object_size
from llm_compiler.llvm.frontend import Source, lower, optimise_for_size
from llm_compiler.llvm.size import PAPER, PROTOCOLS, SHIP, Size
from llm_compiler.llvm.toolchain import Toolchain
from tests.conftest import SHARED, needs_shared


def test_total_is_text_and_data() -> None:
    assert Size(text=60, data=5).total == 65


def test_protocols_are_found_by_their_name() -> None:
    assert PROTOCOLS == {"ship": SHIP, "paper": PAPER}
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())


@needs_shared
@pytest.mark.parametrize(("name", "total"), [("paper", 65), ("ship", 60)])
def test_clang_gives_the_papers_demo_the_size_of_the_protocol(toolchain: Toolchain, name: str, total: int) -> None:
    module = (SHARED / "data" / "add_two.ll").read_bytes()
    assert object_size(lower(toolchain, module, PROTOCOLS[name])).total == total


def test_ship_is_the_object_that_clang_oz_emits(toolchain: Toolchain) -> None:
    """Optimise in clang, keep the module, emit it under the protocol: the bytes of one run of `clang -Oz -c`."""
    source = Source(None, "c", b"int f(const int *p, int n) { int s = 0; while (n-- > 0) s += p[n] / 3; return s; }\n")
    at_once, _ = optimise_for_size(toolchain, source, SHIP)
    module, _ = optimise_for_size(toolchain, source, SHIP, "bc")
    assert object_size(lower(toolchain, module, SHIP)) == object_size(at_once)
    assert object_size(lower(toolchain, module, PAPER)).total > object_size(at_once).total
