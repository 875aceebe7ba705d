"""Figures with intervals, against what is worked out by hand and against one another."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compiler.autotune.gain import gain
from llm_compiler.evaluation import metrics
from llm_compiler.evaluation.figures import Figure
from llm_compiler.evaluation.metrics import Bootstrap, Draws, Numbers, figure, mcnemar, mean, saved, sign_flip

NAN = math.nan


def units(count: int) -> list[str]:
    return [f"unit {number}" for number in range(count)]


def value(draws: Draws) -> float:
    found = figure(draws, "score")
    assert found is not None
    return found.value


def numbers(*values: float) -> Numbers:
    return np.array(values, float)


pairs = st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 10_000)), min_size=1, max_size=30)
values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(pairs)
def test_savings_are_those_of_the_autotuner(sizes: list[tuple[int, int]]) -> None:
    expected, sample = gain(sizes), Bootstrap(units(len(sizes)))
    oz, now = numbers(*(one for one, _ in sizes)), numbers(*(small for _, small in sizes))
    assert value(saved(sample, now, oz)) == pytest.approx(expected.total)
    assert value(metrics.geometric_mean(sample, now, oz)) == pytest.approx(expected.geomean)
    assert value(sample.median(1 - now / oz)) == pytest.approx(expected.median)
    assert value(mean(sample, now < oz)) == pytest.approx(expected.improved)
    assert value(metrics.worst(1 - now / oz)) == pytest.approx(expected.worst)


def test_hand_made_figures() -> None:
    sample = Bootstrap(units(2))
    assert value(saved(sample, numbers(90, 250), numbers(100, 300))) == pytest.approx(0.15)
    assert value(metrics.geometric_mean(sample, numbers(50, 200), numbers(100, 400))) == pytest.approx(0.5)
    assert value(metrics.of_gain(sample, numbers(95, 300), numbers(90, 290), numbers(100, 300))) == pytest.approx(0.25)
    assert value(mean(sample, metrics.relative_errors(numbers(110, 30), numbers(100, 60)))) == pytest.approx(0.3)
    # Two tokens of a half and two of an eighth: the geometric mean of a quarter.
    nats, tokens = numbers(2 * math.log(2), 2 * math.log(8)), numbers(2, 2)
    assert value(metrics.perplexity(sample, nats, tokens)) == pytest.approx(4)
    assert value(metrics.bits_per_byte(sample, nats, numbers(4, 12))) == pytest.approx(0.5)


def test_what_is_left_out_counts_nowhere() -> None:
    sample = Bootstrap(units(3))
    now, oz = numbers(90, NAN, 100), numbers(100, 1000, 100)
    assert value(saved(sample, now, oz)) == pytest.approx(0.05)
    assert value(metrics.geometric_mean(sample, now, oz)) == pytest.approx(1 - 0.9**0.5)
    assert value(sample.median(1 - now / oz)) == pytest.approx(0.05)
    assert value(metrics.worst(1 - now / oz)) == 0
    assert value(metrics.of_gain(sample, now, numbers(80, 0, 100), oz)) == pytest.approx(0.5)


def test_an_error_without_a_number_or_against_nothing_is_left_out() -> None:
    errors = metrics.relative_errors(numbers(NAN, 5, 12), numbers(10, 0, 10))
    assert np.isnan(errors[:2]).all()
    assert errors[2] == pytest.approx(0.2)


METRICS: dict[str, Callable[[Bootstrap, Numbers], Draws]] = {
    "mean": mean,
    "median": Bootstrap.median,
    "saved": lambda sample, now: saved(sample, now, np.full_like(now, 7)),
    "geometric mean": lambda sample, now: metrics.geometric_mean(sample, now, np.full_like(now, 7)),
    "worst": lambda _, now: metrics.worst(now),
    "perplexity": lambda sample, nats: metrics.perplexity(sample, nats, np.where(np.isnan(nats), NAN, 2)),
}
every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


@every_metric
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_figure_of_nothing_is_none(metric: Callable[[Bootstrap, Numbers], Draws], count: int) -> None:
    assert figure(metric(Bootstrap(units(count)), np.full(count, NAN)), "score") is None


@every_metric
@pytest.mark.parametrize("count", [1, 7])
def test_what_is_the_same_everywhere_has_an_interval_without_width(
    metric: Callable[[Bootstrap, Numbers], Draws], count: int
) -> None:
    found = figure(metric(Bootstrap(units(count)), np.full(count, 3.0)), "score")
    assert found is not None
    assert found.low == pytest.approx(found.value, abs=1e-12)
    assert found.high == pytest.approx(found.value, abs=1e-12)


@given(values)
def test_a_mean_and_a_median_lie_with_their_intervals_among_the_values(given: list[float]) -> None:
    sample, array = Bootstrap(units(len(given))), np.array(given)
    slack = 1e-9 * max(1, *map(abs, given))
    for draws in (mean(sample, array), sample.median(array)):
        found = figure(draws, "score")
        assert found is not None
        assert min(given) - slack <= found.low <= found.high <= max(given) + slack
        assert min(given) - slack <= found.value <= max(given) + slack
    assert value(sample.median(array)) == pytest.approx(statistics.median(given))


@given(values, st.randoms())
def test_the_order_of_questions_does_not_matter(given: list[float], random: object) -> None:
    names = units(len(given))
    order = list(range(len(given)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = Bootstrap([names[place] for place in order])
    for metric in (mean, Bootstrap.median):
        draws = metric(Bootstrap(names), np.array(given))
        assert metric(shuffled, np.array(given)[order]) == pytest.approx(draws)


def test_the_questions_of_a_unit_come_together() -> None:
    """Two units, one right and one wrong on all its 50 questions: no more evidence than of two questions."""
    names = ["right"] * 50 + ["wrong"] * 50
    found = figure(mean(Bootstrap(names), np.arange(100) < 50), "share")
    assert found == Figure(0.5, 0, 1, "share")
    apart = figure(mean(Bootstrap(units(100)), np.arange(100) < 50), "share")
    assert apart is not None
    assert 0.38 < apart.low < 0.5 < apart.high < 0.62


def test_draws_of_two_systems_are_of_the_same_samples() -> None:
    first, second = Bootstrap(units(40)), Bootstrap(units(40))
    array = np.random.default_rng(1).normal(size=40)
    assert (mean(first, array + 1) - mean(second, array)).tolist() == pytest.approx([1] * (1 + metrics.RESAMPLES))


def test_the_median_of_a_sample_is_that_of_its_questions() -> None:
    """Against the questions written out, unit by unit."""
    names, array = ["a", "a", "b", "c", "c", "c"], numbers(5, 1, 4, 2, NAN, 9)
    sample, (_, unit) = Bootstrap(names), np.unique(names, return_inverse=True)
    for draw, weights in zip(sample.median(array), metrics._weights(3), strict=True):
        drawn = np.repeat(array, weights[unit])
        assert draw == pytest.approx(np.median(drawn[~np.isnan(drawn)]))


def test_as_many_units_are_drawn_as_there_are() -> None:
    assert (metrics._weights(9).sum(axis=1) == 9).all()
    assert (metrics._weights(9)[0] == 1).all()


def test_many_units_give_what_few_at_a_time_give(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(2).normal(size=50)
    whole = mean(Bootstrap(units(50)), array)
    monkeypatch.setattr(metrics, "_BLOCK", 120)
    assert mean(Bootstrap(units(50)), array) == pytest.approx(whole)


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_of_a_share_hold_the_truth_95_times_in_100(clustered: bool) -> None:
    rng, truth, held = np.random.default_rng(3), 0.3, 0
    names = units(200)
    if clustered:  # three questions of a unit, all right or all wrong
        names = [name for name in names for _ in range(3)]
    sample = Bootstrap(names)
    for _ in range(400):
        right = rng.random(200) < truth
        found = figure(mean(sample, np.repeat(right, 3) if clustered else right), "share")
        assert found is not None
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize(
    ("only_first", "only_second", "expected"),
    [(0, 0, 1), (0, 5, 2 / 32), (5, 0, 2 / 32), (1, 5, 14 / 64), (3, 3, 1), (2, 8, 112 / 1024)],
)
def test_mcnemar_by_hand(only_first: int, only_second: int, expected: float) -> None:
    assert mcnemar(only_first, only_second) == pytest.approx(expected)


def test_mcnemar_of_very_many_is_that_of_the_normal_distribution() -> None:
    assert mcnemar(49_500, 50_500) == pytest.approx(math.erfc((1000 - 1) / math.sqrt(100_000) / math.sqrt(2)), rel=1e-2)
    assert 0 < mcnemar(900, 100) < 1e-100


def test_random_signs_against_all_signs() -> None:
    """Of 2**4 ways to sign 1, 2, 3 and 4, two are as far from zero as all together, and six as far as -1+2+3+4 is."""
    names = units(4)
    assert sign_flip(names, numbers(1, 2, 3, 4)) == pytest.approx(2 / 16, abs=0.02)
    as_far = sum(
        abs(a + 2 * b + 3 * c + 4 * d) >= 8 for a in (-1, 1) for b in (-1, 1) for c in (-1, 1) for d in (-1, 1)
    )
    assert sign_flip(names, numbers(-1, 2, 3, 4)) == pytest.approx(as_far / 16, abs=0.02)


def test_random_signs_are_by_unit() -> None:
    assert sign_flip(["a"] * 30, np.full(30, 1.0)) == 1
    assert sign_flip(units(30), np.full(30, 1.0)) == 1 / (1 + metrics.FLIPS)
    assert sign_flip(["a", "a", "b"], numbers(5, -5, NAN)) == 1
    assert sign_flip([], numbers()) == 1


@given(st.lists(st.integers(-100, 100), max_size=12))
def test_a_p_value_is_never_0_and_knows_no_sides(differences: list[int]) -> None:
    names, array = units(len(differences)), np.array(differences, float)
    p = sign_flip(names, array, flips=200)
    assert 0 < p <= 1
    assert sign_flip(names, -array, flips=200) == p


def test_two_systems_that_do_not_differ_are_told_apart_5_times_in_100() -> None:
    rng, names = np.random.default_rng(4), units(60)
    found = sum(sign_flip(names, rng.normal(size=60), flips=400) <= 0.05 for _ in range(300))
    assert 0.02 <= found / 300 <= 0.09
