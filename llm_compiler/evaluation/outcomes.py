"""A system's answers as arrays, which is all that tables need of them: texts stay on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llm_compiler.corpus import store
from llm_compiler.evaluation.answer import FIGURES, TOO_LONG, Asked, Question, parts, systems
from llm_compiler.evaluation.metrics import Bootstrap, Numbers

Mask = npt.NDArray[np.bool_]
_NO_ANSWER = "no answer"
_COLUMNS = ["question", "sample", "ended", "reason", "figures", "parsed"]


@dataclass(frozen=True)
class Subject:
    """Questions of one task, and the samples that intervals are made of."""

    task: Asked
    questions: Sequence[Question]

    @cached_property
    def sample(self) -> Bootstrap:
        """Of the questions' units."""
        return Bootstrap([question.unit for question in self.questions])

    @cached_property
    def oz(self) -> Numbers:
        """Bytes with -Oz."""
        return np.array([question.oz for question in self.questions], float)

    def where(self, **fields: str) -> Mask:
        """The questions that have these values in their fields."""
        return np.array(
            [all(getattr(question, name) == value for name, value in fields.items()) for question in self.questions],
            bool,
        )


@dataclass(frozen=True)
class Outcomes:
    """What became of a system's answers: questions down, samples across."""

    about: Mapping[str, Any]
    place: Path
    complete: bool
    """Whether it has answered all that it is going to."""
    reasons: npt.NDArray[np.int16]
    """Of the verdicts, by their place in `words`; 0 where there is no answer."""
    words: Sequence[str]
    too_long: Mask
    """Questions that are over the system's context."""
    figures: Mapping[str, Numbers]
    """By name, as FIGURES has them; NaN where absent."""
    lists: npt.NDArray[np.int64]
    """What tells one parsed answer from another; 0 where there is none."""

    @property
    def name(self) -> str:
        """The system's."""
        return str(self.about["name"])

    @property
    def is_model(self) -> bool:
        """Or a baseline."""
        return bool(self.about["kind"] == "model")

    @property
    def samples(self) -> int:
        """Answers to a question, at most."""
        return self.reasons.shape[1]

    def is_(self, *reasons: str) -> Mask:
        """Whether the verdicts are one of these, of every answer."""
        return np.isin(self.reasons, [number for number, word in enumerate(self.words) if word in reasons])

    @cached_property
    def answered(self) -> Mask:
        """Questions with an answer of any kind."""
        return (self.reasons != 0).any(axis=1)

    @property
    def counted(self) -> Mask:
        """Questions that tables count: all of them once the system is through, and no answer is a failure."""
        return np.ones_like(self.answered) if self.complete else self.answered

    @property
    def label(self) -> str:
        """The name, and how far an incomplete one got."""
        if self.complete:
            return self.name
        return f"{self.name} ({np.count_nonzero(self.answered):,} of {len(self.answered):,} answered)"

    @property
    def silent(self) -> Mask:
        """Questions whose first answer is none, though they are not over the context."""
        return self.counted & self.is_("", _NO_ANSWER)[:, 0] & ~self.too_long

    def at(self, rows: Mask) -> Outcomes:
        """Of some questions only."""
        return replace(
            self,
            reasons=self.reasons[rows],
            too_long=self.too_long[rows],
            figures={name: values[rows] for name, values in self.figures.items()},
            lists=self.lists[rows],
        )


def outcomes(folder: Path, subject: Subject) -> Iterator[Outcomes]:
    """Of every system that was asked, one in memory at a time; models first, then in the order of their names."""
    found = [(store.read_json(place / "system.json") or {}, place) for place in systems(folder, subject.task).values()]
    for about, place in sorted(found, key=lambda one: (one[0]["kind"] != "model", str(one[0]["name"]))):
        yield read(about, place, subject)


def read(about: Mapping[str, Any], place: Path, subject: Subject) -> Outcomes:
    """Of one system, part by part."""
    ids = [question.id for question in subject.questions]
    shape = len(ids), max(1, int(about["samples"]))
    words = {"": 0}
    made = Outcomes(
        about,
        place,
        (place / "done.json").exists(),
        np.zeros(shape, np.int16),
        (),
        np.zeros(len(ids), bool),
        {name: np.full(shape, np.nan) for name in FIGURES[subject.task]},
        np.zeros(shape, np.int64),
    )
    for at, table in _tables(place, ids):
        made.reasons[at] = [words.setdefault(word, len(words)) for word in table["reason"].to_pylist()]
        made.too_long[at[0]] |= _array(pc.equal(table["ended"], TOO_LONG))
        for name, values in made.figures.items():
            values[at] = _array(pc.map_lookup(table["figures"], name, "first")).astype(float)
        # The text itself would be most of the memory. Of two lists of one unit, 1 in 2**60 is taken for the other.
        made.lists[at] = [hash(text) for text in table["parsed"].to_pylist()]
    return replace(made, words=tuple(words))


def parsed(place: Path, questions: Sequence[Question], samples: Iterable[int]) -> list[str]:
    """What was understood of one answer to each question; empty where `samples` has none (-1) or it was not given."""
    wanted, texts = np.fromiter(samples, int), [""] * len(questions)
    for (rows, numbers), table in _tables(place, [question.id for question in questions]):
        chosen = np.flatnonzero(wanted[rows] == numbers)
        for row, text in zip(rows[chosen], table["parsed"].take(chosen).to_pylist(), strict=True):
            texts[row] = text
    return texts


_Places = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _tables(place: Path, ids: Sequence[str]) -> Iterator[tuple[_Places, Any]]:
    """The parts of a system with where their rows are among the questions, and which samples they are."""
    known = pa.array(ids, pa.string())
    for part in parts(place):
        table = store.read_table(part, _COLUMNS)
        rows = pc.index_in(table["question"], value_set=known)
        table, rows = table.filter(pc.is_valid(rows)), rows.drop_null()
        yield (_array(rows).astype(np.int64), _array(table["sample"])), table


def _array(column: Any) -> npt.NDArray[Any]:
    """Of an Arrow column; null is NaN."""
    return np.asarray(column.to_numpy())
