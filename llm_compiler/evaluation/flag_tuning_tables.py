"""The tables of flag tuning: what the first list saves, what -Oz as a floor makes of it, and what more lists add."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llm_compiler.evaluation.answer import Question, systems
from llm_compiler.evaluation.figures import Cell, Curve, Figure, FileRow, Kind, Report, Spread, Table
from llm_compiler.evaluation.metrics import (
    Bootstrap,
    Draws,
    Numbers,
    figure,
    geometric_mean,
    mean,
    of_gain,
    saved,
    worst,
)
from llm_compiler.evaluation.outcomes import Mask, Outcomes, Subject, open_system, outcomes, parsed

BUDGETS = (1, 2, 5, 10, 30, 45, 100)
"""Compilations that a user may spend on a unit, beside that of -Oz."""
_AT_ONCE = 4096
"""Questions whose lists are put in turn together."""

GAINS: Mapping[str, tuple[Kind, Callable[[Bootstrap, Numbers, Numbers], Draws]]] = {
    "total bytes": ("change", saved),
    "geometric mean": ("change", geometric_mean),
    "median": ("change", lambda sample, now, oz: sample.median(1 - now / oz)),
    "smaller": ("share", lambda sample, now, oz: mean(sample, np.where(np.isnan(now), np.nan, now < oz))),
    "equal": ("share", lambda sample, now, oz: mean(sample, np.where(np.isnan(now), np.nan, now == oz))),
    "larger": ("share", lambda sample, now, oz: mean(sample, np.where(np.isnan(now), np.nan, now > oz))),
    "worst": ("change", lambda _, now, oz: worst(1 - now / oz)),
}
"""By column, of bytes now (NaN for questions that do not count) and with -Oz."""
_REACHED, _FIT = "of the autotuner's gain", "total bytes of those that fit"
_COLUMNS = ("system", "lists", "questions", *GAINS, _REACHED, _FIT, "no list", "over the context")

_SHARED = (
    "A question without a usable list counts as -Oz, and so does one that is over the context; of those that fit, "
    "the latter are left out."
)
_STAGES = {
    "": ("the first list as it is", _SHARED),
    ".floor": ("the first list, -Oz where that is no smaller", _SHARED),
    ".best": (
        "the best of all lists, -Oz where none is smaller",
        f"Systems differ in how many lists they have; the table of budgets compares them at equal ones. {_SHARED}",
    ),
}
"""The tables: title and note by the end of their name."""
HEADLINE = {
    "zero_shot": ("", "total bytes"),
    "total_bytes": (".floor", "total bytes"),
    "geomean": (".floor", "geometric mean"),
    "smaller": (".floor", "smaller"),
    "of_autotuner": (".floor", _REACHED),
    "best": (".best", "total bytes"),
}
"""The figures that stand for the whole: in which table and column."""


@dataclass(frozen=True)
class Tried:
    """What a system's lists, in their order, make of every question."""

    name: str
    label: str
    sizes: Numbers
    """Bytes, (questions, lists); NaN where a list fails, or there is none."""
    counted: Mask
    too_long: Mask
    answers: Outcomes | None
    """None where they are two systems'."""

    def now(self, oz: Numbers, stage: str) -> Numbers:
        """Bytes of each question's object; NaN where it does not count."""
        if stage == "":
            first = self.sizes[:, 0]
            return np.where(self.counted, np.where(np.isnan(first), oz, first), np.nan)
        return self.floored(oz, 1 if stage == ".floor" else self.sizes.shape[1])

    def floored(self, oz: Numbers, budget: int) -> Numbers:
        """With the best of the first lists, or -Oz. A system that had no more lists stays where it is."""
        best = np.fmin(oz, np.fmin.reduce(self.sizes[:, :budget], axis=1))
        return np.where(self.counted, best, np.nan)

    def without(self, stage: str) -> Mask:
        """Questions that fit and have no usable list among those of a stage."""
        lists = self.sizes if stage == ".best" else self.sizes[:, :1]
        return self.counted & ~self.too_long & np.isnan(lists).all(axis=1)


def flag_tuning(folder: Path, questions: Sequence[Question], protocols: Iterable[str]) -> Iterator[Report]:
    """The report of each protocol, in this order."""
    # Nothing can be saved of an object that is empty with -Oz.
    for prefix, chosen in by_protocol("flag_tuning", [one for one in questions if one.oz], protocols):
        yield _Tables(folder, Subject("flag_tuning", chosen), prefix).report()


class _Tables:
    """Those of one protocol; one system after the other adds its rows."""

    def __init__(self, folder: Path, subject: Subject, prefix: str) -> None:
        self._folder, self._subject, self._prefix = folder, subject, prefix
        self._title = f"Flag tuning, {subject.questions[0].variant} sizes"
        kinds = sorted({question.kind for question in subject.questions})
        self._kinds = {f".{kind}": subject.where(kind=kind) for kind in kinds} if len(kinds) > 1 else {}
        autotuner = find_system(folder, subject, "autotuner")
        self._reached = None if autotuner is None else _tried(autotuner).now(subject.oz, ".best")
        self._rows: dict[str, list[tuple[Cell, ...]]] = {stage + kind: [] for kind in ("", *self._kinds) for stage in _STAGES}
        self._budgets: dict[str, dict[int, Figure | None]] = {}

    def report(self) -> Report:
        subject, headline = self._subject, dict[str, Figure]()
        ...
