from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compiler.autotune.portfolio import Pick, Row, choose, dump, load
from llm_compiler.llvm.passes import PassList, PassListError, Vocabulary
from llm_compiler.llvm.toolchain import find
from llm_compiler.llvm.vocabulary import vocabulary as ask
from tests.conftest import ROOT

DATA = ROOT / "llm_compiler" / "autotune" / "data" / "portfolio.toml"


def test_every_shipped_list_may_be_proposed_in_the_shipped_order(vocabulary: Vocabulary) -> None:
    shipped = tomllib.loads(DATA.read_text())["ship"]["lists"]
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


# -- choosing


ROWS = [
    Row("function", 100, {"a": 90, "b": 95, "long": 90}),
    Row("function", 100, {"b": 80}),
    Row("function", 100, {"c": 99}),
    Row("module", 1000, {"b": 990, "d": 900}),
    Row("module", 1000, {"grown": 1100}),
]


def test_the_list_that_saves_most_comes_first_and_each_adds_most_to_those_before() -> None:
    picks = choose(ROWS, 10)
    assert [pick.passes for pick in picks] == ["b", "d", "a", "c"]
    assert picks[-1].reached == pytest.approx(1)
    assert [pick.reached for pick in picks] == sorted(pick.reached for pick in picks)
    assert choose(ROWS, 2) == picks[:2]


def test_functions_and_modules_count_alike_however_many_there_are() -> None:
    rows = [Row("function", 100, {"f": 90})] * 50 + [Row("module", 100, {"m": 89})]
    assert [pick.passes for pick in choose(rows, 2)] == ["m", "f"]


def test_nothing_to_gain_is_an_empty_portfolio() -> None:
    assert choose([Row("function", 100, {"a": 100, "b": 120})], 5) == []
    assert choose([], 5) == []


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(50, 120)), min_size=1, max_size=12))
def test_all_of_what_can_be_reached_is_reached_and_no_list_is_chosen_twice(sizes: list[dict[str, int]]) -> None:
    picks = choose([Row("function", 100, row) for row in sizes], 100)
    chosen = [pick.passes for pick in picks]
    assert len(set(chosen)) == len(chosen)
    for row in sizes:
        smallest = min(row.values(), default=100)
        if smallest < 100:
            assert min(row[name] for name in chosen if name in row) == smallest


def test_a_portfolio_comes_back_from_its_file(tmp_path: Path, vocabulary: Vocabulary) -> None:
    file = tmp_path / "p.toml"
    picks = [Pick("function(sroa),module(default<Oz>)", 0.75), Pick("module(mergefunc)", 1.0)]
    file.write_text(dump({"Made": "by hand"}, {"ship": picks, "paper": picks[:1]}))
    assert [str(one) for one in load(vocabulary, "ship", file)] == [pick.passes for pick in picks]
    assert [str(one) for one in load(vocabulary, "paper", file)] == [picks[0].passes]


@pytest.mark.parametrize(
    "text", [b"", b"lists = 3", b"[ship]\n", b"ship = 1", b"not toml at all", b"[ship]\nlists = 3", b"\x86\xff"]
)
def test_a_file_that_is_no_portfolio_is_said_to_be_none(text: bytes, tmp_path: Path, vocabulary: Vocabulary) -> None:
    file = tmp_path / "p.toml"
    file.write_bytes(text)
    with pytest.raises(PassListError, match="is no portfolio"):
        load(vocabulary, "ship", file)
