from __future__ import annotations

import tomllib

from llm_compiler.autotune.portfolio import load
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.toolchain import find
from llm_compiler.llvm.vocabulary import vocabulary as ask
from tests.conftest import ROOT

DATA = ROOT / "llm_compiler" / "autotune" / "data" / "portfolio.toml"


def test_every_shipped_list_may_be_proposed_in_the_shipped_order(vocabulary: Vocabulary) -> None:
    shipped = tomllib.loads(DATA.read_text())["lists"]
    assert shipped
    assert [str(passes) for passes in load(vocabulary)] == shipped


def test_no_list_is_shipped_twice(vocabulary: Vocabulary) -> None:
    lists = load(vocabulary)
    assert len(set(lists)) == len(lists)


def test_lists_that_a_version_does_not_know_are_left_out(vocabulary: Vocabulary) -> None:
    """A version that lacks the passes of the first list, say."""
    first, *_ = load(vocabulary)
    lacking = {element.spelling for element in first.passes()}
    older = Vocabulary("0.0.0", [p for p in vocabulary.passes.values() if p.name not in lacking])
    rest = load(older)
    assert first not in rest
    assert all(lacking.isdisjoint(e.spelling for e in passes.passes()) for passes in rest)


def test_a_pass_that_may_no_longer_be_proposed_takes_its_lists_along(vocabulary: Vocabulary) -> None:
    import dataclasses

    banned = next(load(vocabulary)[0].passes()).spelling
    stricter = Vocabulary(
        "17.0.6",
        [
            dataclasses.replace(p, propose=p.propose and p.name != banned, why="banned")
            for p in vocabulary.passes.values()
        ],
    )
    assert all(banned not in {e.spelling for e in passes.passes()} for passes in load(stricter))


def test_another_version_of_llvm_has_lists_that_it_takes(system_llvm: str) -> None:
    other = ask(find(system_llvm))
    for passes in load(other):
        assert isinstance(passes, PassList)
        other.validate(passes)
