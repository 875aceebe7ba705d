"""The tables of flag tuning: what the first list saves, what -Oz as a floor makes of it, and what more lists add."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llm_compiler.evaluation.answer import Question, read_header
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
from llm_compiler.evaluation.outcomes import (
    Mask,
    Outcomes,
    Subject,
    by_variant,
    find_system,
    only,
    outcomes,
    parsed,
)
from llm_compiler.tasks.flag_tuning import best_is_oz

BUDGETS = (1, 2, 5, 8, 10, 30, 45, 100)
"""Compilations that a user may spend on a unit, beside that of -Oz."""
_AT_ONCE = 4096
"""Questions whose lists are put in turn together."""

GAINS: Mapping[str, tuple[Kind, Callable[[Bootstrap, Numbers, Numbers], Draws]]] = {
    "total bytes": ("change", saved),
    "geometric mean": ("change", geometric_mean),
    "median": ("change", lambda sample, now, oz: sample.median(1 - now / oz)),
    "smaller": ("share", lambda sample, now, oz: mean(sample, only(now < oz, ~np.isnan(now)))),
    "equal": ("share", lambda sample, now, oz: mean(sample, only(now == oz, ~np.isnan(now)))),
    "larger": ("share", lambda sample, now, oz: mean(sample, only(now > oz, ~np.isnan(now)))),
    "worst": ("change", lambda _, now, oz: worst(1 - now / oz)),
}
"""By column, of bytes now (NaN for questions that do not count) and with -Oz."""
_REACHED, _FIT = "of the autotuner's gain", "total bytes of those that fit"
_COLUMNS = ("system", "lists", "questions", *GAINS, _REACHED, _FIT, "no list", "over the context")

_SHARED = (
    "A question without a usable list counts as -Oz. About code that is over its context a model is asked function by "
    "function, and shown the beginnings of those that are over it too; of those that fit, such are left out."
)
_STAGES = {
    "": ("the first list as it is", _SHARED),
    ".floor": ("the first list, -Oz where that is not smaller", _SHARED),
    ".best": (
        "the best of all lists, -Oz where none is smaller",
        f"Systems differ in how many lists they have; the table of budgets compares them at equal ones. {_SHARED}",
    ),
}
"""The tables by the end of their name: title and note."""
_BUDGET = (
    "total bytes by lists tried, -Oz where none is smaller",
    "The best of so many lists, in the order of the system; empty where it proposes fewer. To propose what -Oz does "
    "costs nothing. `+ portfolio` is one list of each in turn, none twice.",
)
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
    first: Numbers
    """Bytes with the first answer as it is, (questions,); NaN where its list fails, or there is none."""
    sizes: Numbers
    """Bytes with each list that has to be tried, (questions, lists); NaN where it fails, or there is none."""
    counted: Mask
    too_long: Mask
    outcomes: Outcomes | None = None
    """None for what is not one system's answers: -Oz, and two systems in turn."""

    @classmethod
    def of(cls, one: Outcomes) -> Tried:
        """A system's answers."""
        sizes = one.figures["size"]
        return cls(one.name, one.label, sizes[:, 0], _packed(one.lists, sizes)[1], one.counted, one.too_long, one)

    @property
    def lists(self) -> int:
        """For a question, at most."""
        return int(self.sizes.shape[1])

    def now(self, oz: Numbers, stage: str) -> Numbers:
        """Bytes of each question's object; NaN where it does not count."""
        if stage:
            return self.floored(oz, 1 if stage == ".floor" else self.lists)
        return only(np.where(np.isnan(self.first), oz, self.first), self.counted)

    def floored(self, oz: Numbers, budget: int) -> Numbers:
        """With the best of the first lists, or -Oz. A system that had no more lists stays where it is."""
        return only(np.fmin(oz, np.fmin.reduce(self.sizes[:, :budget], axis=1)), self.counted)

    def without(self, stage: str) -> Mask:
        """Questions that fit, but have no usable list among those of a stage."""
        usable = ~np.isnan(self.first[:, None])
        if stage == ".best":
            usable |= ~np.isnan(self.sizes).all(axis=1, keepdims=True)
        return self.counted & ~self.too_long & ~usable.any(axis=1)


@dataclass(frozen=True)
class _Scored:
    """What one system adds to the report."""

    tried: str
    is_model: bool
    rows: Mapping[str, tuple[Cell, ...]]
    """By the end of the table's name: stage and kind."""
    budget: tuple[Cell, ...]
    """Empty for -Oz, which tries nothing."""
    spread: tuple[float, ...]
    files: Mapping[str, tuple[FileRow, ...]]


def subject_of(folder: Path, questions: Sequence[Question]) -> Subject:
    """The questions of a folder that are about something: nothing can be saved of an object that is empty with -Oz."""
    own = best_is_oz(read_header(folder)["llvm"])
    return Subject("flag_tuning", [one for one in questions if one.oz], own)


def flag_tuning(folder: Path, questions: Sequence[Question], protocols: Iterable[str]) -> Iterator[Report]:
    """The report of each protocol, in this order."""
    for prefix, chosen in by_variant("flag_tuning", questions, protocols):
        if (subject := subject_of(folder, chosen)).questions:
            yield _report(folder, subject, prefix)


def _report(folder: Path, subject: Subject, prefix: str) -> Report:
    kinds = subject.kinds()
    autotuner = find_system(folder, subject, "autotuner")
    goal = None if autotuner is None else Tried.of(autotuner).now(subject.oz, ".best")
    # One after the other: the lists of one system may take a hundred megabytes.
    scored = [_score(subject, tried, kinds, goal) for tried in _all(folder, subject)]
    proposing = [one for one in scored if one.budget]
    title = f"Flag tuning, {subject.questions[0].variant} sizes"
    tables = {
        stage + kind: Table(
            prefix + stage + kind,
            f"{title}: {what}{f' ({kind[1:]}s)' if kind else ''}",
            _COLUMNS,
            tuple(one.rows[stage + kind] for one in scored if stage + kind in one.rows),
            note,
        )
        for kind in kinds
        for stage, (what, note) in _STAGES.items()
    }
    what, note = _BUDGET
    rows = tuple(one.budget for one in proposing)
    budget = Table(f"{prefix}.budget", f"{title}: {what}", ("system", *map(str, BUDGETS)), rows, note)
    lines = {one.tried: _line(one.budget) for one in proposing}
    spread = {one.tried: one.spread for one in proposing}
    best, _ = _STAGES[".best"]
    return Report(
        {},
        next((_headline(one, prefix) for one in scored if one.is_model), {}),
        (*tables.values(), budget),
        (Curve(budget.name, f"{title}: {what}", "lists tried", "total bytes saved over -Oz", lines),),
        (Spread(f"{prefix}.gains", f"{title}: {best}", "saved over -Oz, of a unit", spread),),
        {name: files for one in scored for name, files in one.files.items()} if prefix == subject.task else {},
    )


def _line(budget: tuple[Cell, ...]) -> tuple[tuple[float, Figure], ...]:
    return tuple((k, cell) for k, cell in zip(BUDGETS, budget[1:], strict=True) if isinstance(cell, Figure))


def _headline(scored: _Scored, prefix: str) -> dict[str, Figure]:
    cells = {
        f"{prefix}.{name}": scored.rows[stage][_COLUMNS.index(column)] for name, (stage, column) in HEADLINE.items()
    }
    return {name: cell for name, cell in cells.items() if isinstance(cell, Figure)}


# -- systems


def _all(folder: Path, subject: Subject) -> Iterator[Tried]:
    """-Oz, the systems, and each model in turn with the portfolio."""
    everything, nothing = np.ones(len(subject.questions), bool), np.zeros(len(subject.questions), bool)
    yield Tried("-Oz", "-Oz", subject.oz, subject.oz[:, None], everything, nothing)
    portfolio = find_system(folder, subject, "portfolio")
    for one in outcomes(folder, subject):
        yield Tried.of(one)
        if one.is_model and portfolio is not None:
            both = one.counted & portfolio.counted
            name = "{} + portfolio"
            sizes = in_turn(one, portfolio)
            yield Tried(name.format(one.name), name.format(one.label), sizes[:, 0], sizes, both, nothing)


def in_turn(first: Outcomes, second: Outcomes) -> Numbers:
    """The sizes of the lists of both, one of each in turn, none twice: as `inference.propose` puts them."""
    blocks = []
    for start in range(0, len(first.lists), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        pair = [_packed(one.lists[rows], one.figures["size"][rows]) for one in (first, second)]
        shape = len(pair[0][0]), 2 * max(first.samples, second.samples)
        lists, sizes = np.zeros(shape, np.int64), np.full(shape, np.nan)
        for turn, (its_lists, its_sizes) in enumerate(pair):
            places = slice(turn, 2 * its_lists.shape[1], 2)
            lists[:, places], sizes[:, places] = its_lists, its_sizes
        blocks.append(_packed(np.where(_repeated(lists), 0, lists), sizes)[1][:, : first.samples + second.samples])
    return np.concatenate(blocks)


def _packed(lists: npt.NDArray[np.int64], sizes: Numbers) -> tuple[npt.NDArray[np.int64], Numbers]:
    """Rows without gaps: what is no list goes to their end, and has no size."""
    order = np.argsort(lists == 0, axis=1, kind="stable")
    lists = np.take_along_axis(lists, order, axis=1)
    return lists, np.where(lists == 0, np.nan, np.take_along_axis(sizes, order, axis=1))


def _repeated(lists: npt.NDArray[np.int64]) -> Mask:
    """Whether the same is further left in the row."""
    order = np.argsort(lists, axis=1, kind="stable")
    ordered = np.take_along_axis(lists, order, axis=1)
    repeated = np.zeros(lists.shape, bool)
    np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return repeated


# -- one system


def _score(subject: Subject, tried: Tried, kinds: Mapping[str, Mask], goal: Numbers | None) -> _Scored:
    oz, best = subject.oz, tried.now(subject.oz, ".best")
    proposes = tried.name != "-Oz"
    # Two systems in turn begin with the first one's list, which has a row of its own.
    stages = _STAGES if tried.outcomes or not proposes else [".best"]
    return _Scored(
        tried.name,
        bool(tried.outcomes and tried.outcomes.is_model),
        {stage + kind: _row(subject, tried, stage, where, goal) for stage in stages for kind, where in kinds.items()},
        (tried.label, *(_at(subject, tried, budget) for budget in BUDGETS)) if proposes else (),
        tuple((1 - best / oz)[tried.counted].tolist()),
        _files(subject, tried.outcomes, kinds) if tried.outcomes else {},
    )


def _row(subject: Subject, tried: Tried, stage: str, where: Mask, goal: Numbers | None) -> tuple[Cell, ...]:
    """As _COLUMNS names them."""
    sample, oz, counted = subject.sample, subject.oz, where & tried.counted
    now = only(tried.now(oz, stage), where)
    cells: list[Cell] = [figure(metric(sample, now, oz), kind) for kind, metric in GAINS.values()]
    # Both have to have answered: an autotuner may still be at work.
    cells.append(
        None if goal is None else figure(of_gain(sample, only(now, ~np.isnan(goal)), goal, oz), "share"),
    )
    cells.append(figure(saved(sample, only(now, ~tried.too_long), oz), "change"))
    counts = (int(np.count_nonzero(mask & counted)) for mask in (counted, tried.without(stage), tried.too_long))
    questions, without, too_long = counts
    return tried.label, tried.lists if stage == ".best" else 1, questions, *cells, without, too_long


def _at(subject: Subject, tried: Tried, budget: int) -> Figure | None:
    """Of all bytes, within a budget; None where the system was not asked for so many lists."""
    if budget > tried.lists:
        return None
    return figure(saved(subject.sample, tried.floored(subject.oz, budget), subject.oz), "change")


def _files(subject: Subject, one: Outcomes, kinds: Mapping[str, Mask]) -> dict[str, tuple[FileRow, ...]]:
    """Every unit with the best of a system's lists, or -Oz; functions and modules apart, or code would count twice."""
    sizes = np.where(np.isnan(one.figures["size"]), np.inf, one.figures["size"])
    chosen, least = sizes.argmin(axis=1), sizes.min(axis=1)
    chosen = np.where(least < subject.oz, chosen, -1)
    rows = [
        FileRow(
            question.project,
            question.file if question.kind == "module" else f"{question.file}: {question.name}",
            question.oz,
            int(size) if passes else question.oz,
            passes,
        )
        for question, size, passes in zip(subject.questions, least, parsed(one.place, subject, chosen), strict=True)
    ]
    apart = {kind: where & one.counted for kind, where in kinds.items() if kind or len(kinds) == 1}
    return {
        f"{one.name} ({kind[1:]}s)" if kind else one.name: tuple(rows[at] for at in np.flatnonzero(where))
        for kind, where in apart.items()
    }
