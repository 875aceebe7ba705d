"""What pass lists save over -Oz, in the figures that every table of ours has."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Gain:
    """Savings over a set of units; shares and means are fractions of one, positive where bytes were saved."""

    units: int
    before: int
    """Bytes of all units with -Oz."""
    now: int
    total: float
    """Of all bytes."""
    geomean: float
    """One less the geometric mean of the ratios, now to before."""
    median: float
    improved: float
    """Share of units that are smaller."""
    worst: float
    """The unit with the least saving; negative where it grew."""

    def __str__(self) -> str:
        return (
            f"{100 * self.total:.2f} % of all bytes, geometric mean {100 * self.geomean:.2f} %, "
            f"median {100 * self.median:.2f} %, {100 * self.improved:.0f} % of {self.units:,} units smaller, "
            f"worst {100 * self.worst:+.2f} %"
        )


def gain(sizes: Iterable[tuple[int, int]]) -> Gain:
    """The gain over pairs of sizes, with -Oz (more than 0) and now."""
    pairs = list(sizes)
    if not pairs:
        return Gain(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    before, now = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    savings = [1 - small / oz for oz, small in pairs]
    # A unit may shrink to nothing (all of it was debug data): half a byte keeps the mean finite.
    logarithms = [math.log(max(small, 0.5) / oz) for oz, small in pairs]
    return Gain(
        len(pairs),
        before,
        now,
        1 - now / before,
        1 - math.exp(statistics.fmean(logarithms)),
        statistics.median(savings),
        sum(saving > 0 for saving in savings) / len(savings),
        min(savings),
    )
