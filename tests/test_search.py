"""Strategies on an invented landscape: what they propose, and that they learn."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from llm_compiler.autotune.search import LONGEST, STRATEGIES, PassNames, Space

PASSES = tuple(f"p{n}" for n in range(20))
KNOWN: tuple[PassNames, ...] = (("p1", "default<Oz>"), ("p2", "p3"), ("p4",))
SPACE = Space((*PASSES, "default<O1>", "default<O2>", "default<O3>", "default<Os>", "default<Oz>"), KNOWN)
OZ = 1000


def size_of(names: PassNames) -> int | None:
    """`p7` before `p3` saves; so does a pipeline without `p5`; `p13` breaks everything."""
    if "p13" in names:
        return None
    size = OZ
    if "p7" in names and "p3" in names and names.index("p7") < names.index("p3"):
        size -= 100
    if "default<Oz>" in names and "p5" not in names:
        size -= 10 * names.count("p1")
    return size + len(names)


def proposed(name: str, count: int, seed: int = 0, space: Space = SPACE) -> list[PassNames]:
    search = STRATEGIES[name](space, random.Random(seed), OZ)
    lists: list[PassNames] = []
    names = next(search, None)
    while names is not None and len(lists) < count:
        lists.append(names)
        try:
            names = search.send(size_of(names))
        except StopIteration:
            break
    return lists


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_same_seed_proposes_the_same_and_another_seed_something_else(name: str) -> None:
    assert proposed(name, 60) == proposed(name, 60)
    if name != "known":
        assert proposed(name, 60) != proposed(name, 60, seed=1)


@pytest.mark.parametrize("name", STRATEGIES)
def test_only_passes_of_the_space_are_proposed_and_never_none_at_all(name: str) -> None:
    for names in proposed(name, 300):
        assert 1 <= len(names) <= LONGEST
        assert set(names) <= set(SPACE.passes)


def test_the_papers_search_draws_length_and_passes_uniformly() -> None:
    lists = proposed("random", 20_000)
    lengths = Counter(map(len, lists))
    assert set(lengths) == set(range(1, LONGEST + 1))
    assert max(lengths.values()) < 1.4 * min(lengths.values())
    passes = Counter(itertools.chain.from_iterable(lists))
    assert max(passes.values()) < 1.1 * min(passes.values())
    first = Counter(names[0] for names in lists)
    assert max(first.values()) < 1.3 * min(first.values())


def test_known_lists_come_in_their_order_and_then_nothing() -> None:
    assert proposed("known", 10) == list(KNOWN)


def test_the_guided_search_tries_what_is_known_first() -> None:
    assert proposed("guided", 3) == list(KNOWN)


@pytest.mark.parametrize("name", ["guided", "evolution"])
def test_no_list_is_evaluated_twice_while_there_are_others(name: str) -> None:
    lists = proposed(name, 200)
    assert len(set(lists)) > 0.98 * len(lists)


def test_evolution_finds_what_random_search_does_not() -> None:
    def best(name: str) -> float:
        runs = [min(filter(None, map(size_of, proposed(name, 150, seed)))) for seed in range(5)]
        return sum(runs) / len(runs)

    assert best("evolution") < best("pipelines")
    assert best("guided") < best("random")


def test_the_bandit_comes_back_to_arms_that_win() -> None:
    """Until there is nothing new to make of them."""
    learnt = sum("p1" in names for names in proposed("bandit", 300)[100:])
    chance = sum("p1" in names for names in proposed("pipelines", 300)[100:])
    assert learnt > 1.5 * chance


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_search_with_nothing_known_and_one_pass_goes_on(name: str) -> None:
    lists = proposed(name, 50, space=Space(("default<Oz>",)))
    assert len(lists) == (0 if name == "known" else 50)
