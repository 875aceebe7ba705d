"""Minimising lists on invented sizes; on real ones it is tested with the searcher."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from llm_compiler.autotune.minimise import minimise
from llm_compiler.autotune.search import PassNames

PASSES = tuple("abcdefgh")
lists = st.lists(st.sampled_from(PASSES), min_size=1, max_size=20).map(tuple)


def minimal(
    names: PassNames, size_of: Callable[[PassNames], int | None], budget: int = 1000
) -> tuple[PassNames, int, list[PassNames]]:
    size = size_of(names)
    assert size is not None
    steps = minimise(names, size, PASSES, insertions=("a", "h"), budget=budget)
    asked = []
    try:
        names = next(steps)
        while True:
            asked.append(names)
            names = steps.send(size_of(names))
    except StopIteration as end:
        return (*end.value, asked)


def needs_d_before_b(names: PassNames) -> int | None:
    if "g" in names:
        return None
    good = "d" in names and "b" in names[names.index("d") :]
    return 90 if good else 100


def test_passes_that_do_not_contribute_go() -> None:
    assert minimal(tuple("aadcecbfa"), needs_d_before_b)[:2] == (("d", "b"), 90)


def test_the_order_becomes_canonical_where_that_keeps_the_size() -> None:
    def needs_all(names: PassNames) -> int:
        return 100 - 10 * len({"c", "a", "f"} & set(names))

    assert minimal(("f", "c", "a"), needs_all)[:2] == (("a", "c", "f"), 70)
    assert minimal(("d", "b"), needs_d_before_b)[0] == ("d", "b")  # it would not keep it


def test_what_an_insertion_gains_is_taken() -> None:
    def likes_h(names: PassNames) -> int:
        return 100 - 5 * (names[-1:] == ("h",)) - ("c" in names)

    assert minimal(("c",), likes_h)[:2] == (("c", "h"), 94)


@given(lists, st.randoms(use_true_random=False), st.integers(0, 60))
def test_sizes_never_grow_and_the_budget_holds(names: PassNames, rng: object, budget: int) -> None:
    sizes: dict[PassNames, int | None] = {}

    def size_of(candidate: PassNames) -> int | None:
        if candidate not in sizes:
            fails = bool(sizes) and rng.random() < 0.1  # type: ignore[attr-defined]
            sizes[candidate] = None if fails else rng.randint(50, 60)  # type: ignore[attr-defined]
        return sizes[candidate]

    result, size, asked = minimal(names, size_of, budget)
    assert result
    assert sizes[result] == size
    first = sizes[names]
    assert first is not None
    assert size <= first
    assert len(asked) <= budget
    assert len(set(asked)) == len(asked)


@given(lists)
def test_the_result_is_a_fixed_point(names: PassNames) -> None:
    def size_of(candidate: PassNames) -> int:
        return 100 - 10 * len(set(candidate) & {"b", "e"}) - 5 * (candidate[:1] == ("h",))

    result, size, _ = minimal(names, size_of)
    assert minimal(result, size_of)[:2] == (result, size)
