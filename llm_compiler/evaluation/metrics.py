"""How every figure is computed, with its interval: bootstrap over units, and tests of whether two systems differ.

A metric is made of values, one for each question, and NaN leaves a question out of it. It gives `Draws`: the figure
itself, then what it is in each of 1,000 bootstrap samples. A sample draws as many units as there are, with replacement,
and a unit comes with all its questions: those of one unit are no independent evidence. The samples are the same for
everything that is computed over the same units, so that differences of draws are paired.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from llm_compiler.evaluation.figures import Figure, Kind

RESAMPLES = 1000
SEED = 0
FLIPS = 10_000
_BLOCK = 1 << 22
"""Numbers that are in memory at once beside the weights."""

Numbers = npt.NDArray[np.float64]
"""One for each question; NaN leaves it out."""
Draws = npt.NDArray[np.float64]
"""1 + RESAMPLES values: the figure, then the figure of every bootstrap sample. NaN where there is nothing to count."""


@lru_cache(maxsize=2)
def _weights(units: int) -> npt.NDArray[np.uint8]:
    """How often each unit is in each sample, (1 + RESAMPLES, units); the first row is the units as they are.

    A byte each (100 MB for 100,000 units): no unit is drawn 256 times of those that can be.
    """
    rng = np.random.default_rng(SEED)
    weights = np.ones((1 + RESAMPLES, units), np.uint8)
    for row in weights[1:]:
        row[:] = np.bincount(rng.integers(0, max(units, 1), units), minlength=units)
    return weights


class Bootstrap:
    """The units that questions are about, and the samples that are drawn of them."""

    def __init__(self, units: Sequence[str]) -> None:
        """The unit of each question."""
        names, self._unit = np.unique(np.asarray(units, str), return_inverse=True)
        self.units = len(names)

    def sums(self, *values: npt.ArrayLike) -> list[Draws]:
        """The sum of each array over the questions; NaN counts nothing."""
        columns = [np.nan_to_num(np.asarray(each, float)) for each in values]
        by_unit = np.stack([np.bincount(self._unit, each, self.units) for each in columns], axis=1)
        weights = _weights(self.units)
        step = max(1, _BLOCK // max(1, self.units))
        blocks = [weights[start : start + step] @ by_unit for start in range(0, len(weights), step)]
        return list(np.concatenate(blocks).T)

    def median(self, values: Numbers) -> Draws:
        """The middle value, or the mean of the middle two."""
        order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]  # NaN sorts last
        ordered, unit = values[order], self._unit[order]
        draws = np.full(1 + RESAMPLES, np.nan)
        for number, weights in enumerate(_weights(self.units)):
            until = np.cumsum(weights[unit], dtype=np.int64)
            if len(until) and (count := until[-1]):
                middle = np.searchsorted(until, [(count - 1) // 2, count // 2], side="right")
                draws[number] = ordered[middle].mean()
        return draws


# -- metrics


def ratio(sample: Bootstrap, top: npt.ArrayLike, bottom: npt.ArrayLike) -> Draws:
    """Of two sums; nothing where the second is zero."""
    above, below = sample.sums(top, bottom)
    draws: Draws = np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)
    return draws


def mean(sample: Bootstrap, values: npt.ArrayLike) -> Draws:
    """The mean; of yes and no, as 1 and 0, the share."""
    return ratio(sample, values, ~np.isnan(np.asarray(values, float)))


def saved(sample: Bootstrap, now: Numbers, oz: Numbers) -> Draws:
    """Of all bytes, as a share; positive where bytes are saved."""
    return 1 - ratio(sample, now, np.where(np.isnan(now), np.nan, oz))


def geometric_mean(sample: Bootstrap, now: Numbers, oz: Numbers) -> Draws:
    """One less the geometric mean of the ratios, now to -Oz; as in `autotune.gain` nothing is half a byte."""
    return 1 - np.exp(mean(sample, np.log(np.maximum(now, 0.5) / oz)))


def worst(values: Numbers) -> Draws:
    """The least value. Samples of it say nothing of units that were not seen, so there is no interval."""
    return np.full(1 + RESAMPLES, np.nan if np.isnan(values).all() else np.nanmin(values))


def of_gain(sample: Bootstrap, now: Numbers, best: Numbers, oz: Numbers) -> Draws:
    """The bytes that are saved as a share of those that another (`best`) saves on the same questions."""
    return ratio(sample, oz - now, np.where(np.isnan(now), np.nan, oz - best))


def relative_errors(said: Numbers, real: Numbers) -> Numbers:
    """|said - real| / real; their mean is the MAPE. NaN where nothing was said, or the real one is 0."""
    errors: Numbers = np.divide(np.abs(said - real), real, out=np.full(said.shape, np.nan), where=real > 0)
    return errors


def perplexity(sample: Bootstrap, nats: Numbers, tokens: Numbers) -> Draws:
    """Per token."""
    return np.exp(ratio(sample, nats, tokens))


def bits_per_byte(sample: Bootstrap, nats: Numbers, text: Numbers) -> Draws:
    """`text` is its length in bytes."""
    return ratio(sample, nats, text) / math.log(2)


def figure(draws: Draws, kind: Kind) -> Figure | None:
    """The figure with its 95 % interval; None for a figure of nothing."""
    value, samples = draws[0], draws[1:][np.isfinite(draws[1:])]
    if not np.isfinite(value):
        return None
    low, high = np.percentile(samples, [2.5, 97.5]) if len(samples) else (value, value)
    if high - low <= 1e-12 * abs(value):  # the same but for rounding
        low = high = value
    return Figure(float(value), float(low), float(high), kind)


# -- whether two differ


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of so many questions that only one of two systems has right."""
    total = only_first + only_second
    tail = math.fsum(
        math.exp(math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) - total * math.log(2))
        for k in range(min(only_first, only_second) + 1)
    )
    return min(1.0, 2 * tail)


def sign_flip(units: Sequence[str], differences: Numbers, *, flips: int = FLIPS) -> float:
    """The two-sided p-value of paired differences: how often their sum is as far from zero with random signs.

    Signs are by unit. Of n flips of which k are as far, it is (1 + k) / (1 + n): never 0.
    """
    _, unit = np.unique(np.asarray(units, str), return_inverse=True)
    by_unit = np.bincount(unit, np.nan_to_num(differences)) if len(unit) else np.zeros(0)
    by_unit = by_unit[by_unit != 0]
    total = by_unit.sum()
    bound = abs(total) - 1e-9 * np.abs(by_unit).sum()  # sums of fractions differ by their order
    rng = np.random.default_rng(SEED)
    step = max(1, _BLOCK // max(1, len(by_unit)))
    as_far = 0
    for start in range(0, flips, step):
        flipped = rng.integers(0, 2, (min(step, flips - start), len(by_unit)), np.int8).astype(bool)
        as_far += int(np.count_nonzero(np.abs(total - 2 * (flipped @ by_unit)) >= bound))
    return (1 + as_far) / (1 + flips)
