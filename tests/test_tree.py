"""Branches of one cache against sequences that are read on their own."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_compiler.inference.embedded import Embedded, load
from llm_compiler.inference.engine import Branch
from llm_compiler.inference.tree import TreeBranch
from tests.checkpoints import SMALL, Reference, make

TOLERANCE = 2e-4
"""Of logits whose spread is about 10."""
ids = st.integers(0, SMALL.vocabulary - 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> Embedded:
    return load(folder, "fp32", threads=1)


@pytest.fixture(scope="module")
def reference(folder: Path) -> Reference:
    return Reference(folder)


def tokens_of(count: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(0, SMALL.vocabulary, count).tolist()


def slots(branch: Branch) -> tuple[int, int]:
    tree = cast(TreeBranch, branch).tree
    assert tree
    return tree.used, tree.capacity


@given(
    st.lists(ids, min_size=1, max_size=20),
    st.lists(st.tuples(st.sampled_from(["fork", "decode", "release"]), st.integers(0, 99), st.integers(1, 300))),
)
@settings(max_examples=25)
def test_whatever_is_done_each_branch_goes_on_as_its_tokens_say(
    engine: Embedded, reference: Reference, prompt: list[int], deeds: list[tuple[str, int, int]]
) -> None:
    branches = [engine.prefill(prompt)[0]]
    for kind, which, amount in deeds:
        branch = branches[which % len(branches)]
        if kind == "fork":
            branches.append(engine.fork(branch, 1 + amount % len(branch.tokens)))
        elif kind == "release" and len(branches) > 1:
            branches.remove(branch)
            engine.release(branch)
        elif len(branch.tokens) + amount < engine.context:
            engine.decode([branch], [tokens_of(amount, which)])
    kept = branches[-5:]
    found = engine.decode(kept, [tokens_of(1 + place, place) for place in range(len(kept))])
    for place, (branch, logits) in enumerate(zip(kept, found, strict=True)):
        np.testing.assert_allclose(logits, reference(branch.tokens)[-1 - place :], atol=TOLERANCE)


def test_a_branch_that_is_forked_stays_as_it_was(engine: Embedded, reference: Reference) -> None:
    prompt = tokens_of(50)
    branch, _ = engine.prefill(prompt)
    fork = engine.fork(branch, 30)
    engine.decode([fork], [[7, 8, 9]])
    assert list(branch.tokens) == prompt
    assert list(fork.tokens) == [*prompt[:30], 7, 8, 9]
    found = engine.decode([branch], [[5]])[0]
    np.testing.assert_allclose(found, reference([*prompt, 5])[-1:], atol=TOLERANCE)


def test_branches_together_are_what_they_are_alone(engine: Embedded) -> None:
    prompt, other = tokens_of(40), tokens_of(70, 1)
    first, second = engine.prefill(prompt)[0], engine.prefill(other)[0]
    forks = [engine.fork(first, length) for length in (40, 17, 1)]
    work = [[3], [4, 5, 6], tokens_of(600, 2), [9, 9]]  # the third is longer than a pass
    found = engine.decode([forks[0], second, forks[1], forks[2]], work)
    starts = [prompt, other, prompt[:17], prompt[:1]]
    for start, new, logits in zip(starts, work, found, strict=True):
        alone = engine.decode([engine.prefill(start)[0]], [new])[0]
        assert logits.shape == (len(new), engine.vocabulary)
        np.testing.assert_allclose(logits, alone, atol=TOLERANCE)


def test_forks_take_no_slots_and_those_of_released_ones_are_used_again(engine: Embedded) -> None:
    branch, _ = engine.prefill(tokens_of(1_000))
    used, capacity = slots(branch)
    assert used == 1_000
    for round_ in range(30):
        before = slots(branch)
        forks = [engine.fork(branch, 1_000) for _ in range(8)]
        assert slots(branch) == before
        engine.decode(forks, [tokens_of(20, round_)] * 8)
        for fork in forks:
            engine.release(fork)
    assert slots(branch)[1] <= 1.5 * capacity


def test_a_cache_goes_with_its_last_branch(engine: Embedded) -> None:
    branch, _ = engine.prefill([1, 2, 3])
    fork = engine.fork(branch, 2)
    tree = weakref.ref(cast(TreeBranch, branch).tree)
    engine.release(branch)
    gc.collect()
    assert tree() is not None
    engine.release(fork)
    gc.collect()
    assert tree() is None


def test_a_released_branch_cannot_be_used(engine: Embedded) -> None:
    branch, _ = engine.prefill([1, 2, 3])
    engine.release(branch)
    engine.release(branch)
    with pytest.raises(ValueError, match="released"):
        engine.decode([branch], [[1]])
    with pytest.raises(ValueError, match="released"):
        engine.fork(branch, 1)


def test_the_context_is_the_end(engine: Embedded, reference: Reference) -> None:
    prompt = tokens_of(engine.context)
    branch, logits = engine.prefill(prompt)
    np.testing.assert_allclose(logits, reference(prompt)[-1], atol=TOLERANCE)
    with pytest.raises(ValueError, match="2,049 tokens; the context of the model is 2,048"):
        engine.decode([branch], [[1]])
    with pytest.raises(ValueError, match="2,049 tokens"):
        engine.prefill([*prompt, 1])
    np.testing.assert_allclose(
        engine.decode([engine.fork(branch, len(prompt) - 1)], [prompt[-1:]])[0][0], logits, atol=TOLERANCE
    )


def test_what_makes_no_sense_is_refused_and_changes_nothing(engine: Embedded) -> None:
    branch, _ = engine.prefill([1, 2, 3])
    other = engine.fork(branch, 3)
    with pytest.raises(ValueError, match="no tokens"):
        engine.prefill([])
    for wrong in ([-1], [SMALL.vocabulary]):
        with pytest.raises(ValueError, match="not below 300"):
            engine.decode([branch, other], [[1], wrong])
    with pytest.raises(ValueError, match="no tokens"):
        engine.decode([branch, other], [[1], []])
    with pytest.raises(ValueError, match="twice"):
        engine.decode([branch, branch], [[1], [2]])
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        engine.decode([branch, other], [[1]])
    for length in (0, 4):
        with pytest.raises(ValueError, match="a fork of"):
            engine.fork(branch, length)
    assert list(branch.tokens) == list(other.tokens) == [1, 2, 3]
    assert engine.decode([], []) == []
