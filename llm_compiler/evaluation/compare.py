"""Two folders of results side by side: whether a figure differs by more than chance, and which units differ.

Only questions that both have, and that both systems have answered, are compared. Yes or no is tested by McNemar's exact
test, amounts by random signs of the units' differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llm_compiler.corpus.store import CorpusError
from llm_compiler.evaluation.answer import ASKED, Asked, Question, read_header, read_questions
from llm_compiler.evaluation.figures import Figure, Kind
from llm_compiler.evaluation.flag_tuning_tables import Tried, subject_of
from llm_compiler.evaluation.metrics import Draws, Numbers, bits_per_byte, figure, mcnemar, mean, saved, sign_flip
from llm_compiler.evaluation.outcomes import Outcomes, Subject, by_variant, entrants, only, read
from llm_compiler.evaluation.shown import shown
from llm_compiler.evaluation.tables import METRICS, NO_TRUTH, Metric

_SHOWN = 5
"""Units that differ, in what people read."""


@dataclass(frozen=True)
class Unlike:
    """A question with another outcome in the second folder: bytes, an amount, or yes or no with the verdict."""

    question: str
    unit: str
    project: str
    file: str
    name: str
    first: str
    second: str


@dataclass(frozen=True)
class Compared:
    """One metric of one system."""

    task: str
    """With its protocol, as tables are named."""
    system: str
    metric: str
    questions: int
    first: Figure
    second: Figure
    difference: Figure
    """Second less first."""
    p: float
    """How probable a difference of this size is where there is none."""
    differ: tuple[Unlike, ...]


@dataclass(frozen=True)
class Comparison:
    """All metrics that two folders have in common."""

    first: str
    second: str
    compared: tuple[Compared, ...]

    def as_json(self) -> dict[str, Any]:
        """With every unit that differs."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.first}, then {self.second}; in brackets where 95 of 100 bootstrap samples lie"
        for one in self.compared:
            yield ""
            yield f"{one.task}, {one.system}: {one.metric}"
            yield f"  {shown(one.first)}, then {shown(one.second)}"
            count = f"{one.questions:,} questions, {len(one.differ):,} of them differ"
            yield f"  difference {shown(one.difference)}, p = {one.p:.2g} ({count})"
            for unlike in one.differ[:_SHOWN]:
                yield f"    {unlike.project}: {unlike.file}, {unlike.name}: {unlike.first}, then {unlike.second}"
            if len(one.differ) > _SHOWN:
                yield f"    and {len(one.differ) - _SHOWN:,} more"


@dataclass(frozen=True)
class _Measure:
    """A metric: what it is of each question (NaN where it says nothing), and what it makes of that."""

    name: str
    kind: Kind
    values: Callable[[Subject, Outcomes], Numbers]
    draws: Callable[[Subject, Outcomes, Numbers], Draws] = lambda subject, _, values: mean(subject.sample, values)


def _saved(name: str, stage: str) -> _Measure:
    return _Measure(
        f"total bytes, {name}",
        "change",
        lambda subject, one: Tried.of(one).now(subject.oz, stage),
        lambda subject, _, now: saved(subject.sample, now, subject.oz),
    )


def _of(metric: Metric) -> _Measure:
    return _Measure(metric.column, metric.kind, lambda _, one: np.asarray(metric.values(one)[:, 0], float))


_MEASURES: Mapping[Asked, tuple[_Measure, ...]] = {
    "flag_tuning": (_saved("first list or -Oz", ".floor"), _saved("best list or -Oz", ".best")),
    "perplexity": (
        _Measure(
            "bits per byte",
            "score",
            lambda _, one: one.figures["nats"][:, 0],
            lambda subject, one, nats: bits_per_byte(
                subject.sample, nats, only(one.figures["bytes"][:, 0], ~np.isnan(nats))
            ),
        ),
    ),
    **{task: tuple(map(_of, measured)) for task, measured in METRICS.items()},
}


def compare(first: Path, second: Path) -> Comparison:
    """What two folders of results have in common. CorpusError where that is nothing, or one is no such folder."""
    for folder in (first, second):
        read_header(folder)
    compared = tuple(row for task in ASKED for row in _task(first, second, task))
    if not compared:
        raise CorpusError(f"{first} and {second} have no question in common that the same system, or a model, answered")
    return Comparison(str(first), str(second), compared)


def _task(first: Path, second: Path, task: Asked) -> Iterator[Compared]:
    theirs = {question.id: question for question in read_questions(second, task)}
    common = [question for question in read_questions(first, task) if question.id in theirs]
    protocols = read_header(first).get("protocols", ())
    one_of, other_of = entrants(first, task), entrants(second, task)
    # Bytes under two protocols have no sum.
    named = by_variant(task, common, protocols) if task == "flag_tuning" else [(task, common)] if common else []
    for prefix, questions in named:
        mine = _subject(first, task, questions)
        other = _subject(second, task, [theirs[question.id] for question in questions])
        for one_name, other_name in _pairs(one_of, other_of):
            one, two = read(*one_of[one_name], mine), read(*other_of[other_name], other)
            name = one_name if one_name == other_name else f"{one_name}, then {other_name}"
            yield from _system(prefix, name, (mine, one), (other, two))


def _subject(folder: Path, task: Asked, questions: Sequence[Question]) -> Subject:
    return subject_of(folder, questions) if task == "flag_tuning" else Subject(task, questions)


_Entrants = Mapping[str, tuple[Mapping[str, Any], Path]]


def _pairs(first: _Entrants, second: _Entrants) -> Iterator[tuple[str, str]]:
    """Systems of the same name; where no model is in both, the first model of each."""
    models = [[name for name, (about, _) in found.items() if about["kind"] == "model"] for found in (first, second)]
    if all(models) and not set(models[0]) & set(models[1]):
        yield models[0][0], models[1][0]
    yield from ((name, name) for name in first if name in second)


_Answered = tuple[Subject, Outcomes]


def _system(prefix: str, system: str, first: _Answered, second: _Answered) -> Iterator[Compared]:
    where = np.ones(len(first[0].questions), bool)
    for _, each in (first, second):
        where &= each.counted & ~each.is_(NO_TRUTH).any(axis=1)
    for measure in _MEASURES[first[0].task]:
        before, now = measure.values(*first), measure.values(*second)
        both = where & ~np.isnan(before) & ~np.isnan(now)
        before, now = only(before, both), only(now, both)
        # Both are drawn from the same samples of the same units.
        draws = measure.draws(*first, before), measure.draws(*second, now)
        one, two, difference = (figure(each, measure.kind) for each in (*draws, draws[1] - draws[0]))
        if one and two and difference:
            p = _p(measure.kind, first[0], before, now)
            differ = tuple(
                _unlike(
                    first[0].questions[at],
                    _outcome(measure.kind, before[at], first[1].reason(at)),
                    _outcome(measure.kind, now[at], second[1].reason(at)),
                )
                for at in np.flatnonzero(both & (before != now)).tolist()
            )
            yield Compared(prefix, system, measure.name, int(both.sum()), one, two, difference, p, differ)


def _p(kind: Kind, subject: Subject, before: Numbers, now: Numbers) -> float:
    if kind == "share":
        return mcnemar(int(np.sum(before > now)), int(np.sum(now > before)))
    return sign_flip([question.unit for question in subject.questions], now - before)


def _unlike(question: Question, first: str, second: str) -> Unlike:
    return Unlike(question.id, question.unit, question.project, question.file, question.name, first, second)


def _outcome(kind: Kind, value: float, reason: str) -> str:
    return f"{'yes' if value else 'no'} ({reason})" if kind == "share" else f"{value:.10g}"
