"""A system's answers as arrays, which is all that tables need of them: texts stay on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from llm_compiler.corpus import store
from llm_compiler.evaluation.answer import FIGURES, TOO_LONG, Asked, Question, parts, systems
from llm_compiler.evaluation.metrics import Bootstrap, Numbers

Mask = npt.NDArray[np.bool_]
_NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Subject:
    """Questions of one task, and the samples that intervals are made of."""

    task: Asked
    questions: Sequence[Question]
    own: str = ""
    """Of flag tuning, the list that says that nothing beats -Oz: whoever proposes it needs no compilation."""

    @cached_property
    def sample(self) -> Bootstrap:
        """Of the questions' units."""
        return Bootstrap([question.unit for question in self.questions])

    @cached_property
    def oz(self) -> Numbers:
        """Bytes with -Oz."""
        return np.array([question.oz for question in self.questions], float)

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each question is, by its id."""
        return {question.id: place for place, question in enumerate(self.questions)}

    def kinds(self) -> dict[str, Mask]:
        """All questions, and where there are both kinds those of each, as `.function` and `.module`."""
        found = {question.kind for question in self.questions}
        masks = {"": np.ones(len(self.questions), bool)}
        for kind in sorted(found) if len(found) > 1 else ():
            masks[f".{kind}"] = np.array([question.kind == kind for question in self.questions])
        return masks


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
    """What tells one list from another; 0 where there is none that has to be tried."""

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
        return int(self.reasons.shape[1])

    def is_(self, *reasons: str) -> Mask:
        """Whether the verdicts are one of these, of every answer."""
        return np.isin(self.reasons, [number for number, word in enumerate(self.words) if word in reasons])

    @cached_property
    def answered(self) -> Mask:
        """Questions with an answer of any kind."""
        return np.asarray((self.reasons != 0).any(axis=1))

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

    def reason(self, question: int) -> str:
        """Of the first answer's verdict."""
        return self.words[self.reasons[question, 0]] or _NO_ANSWER

    @property
    def silent(self) -> Mask:
        """Questions whose first answer is none, though they are not over the context."""
        return self.counted & self.is_("", _NO_ANSWER)[:, 0] & ~self.too_long


def by_variant(
    task: Asked, questions: Sequence[Question], order: Iterable[str]
) -> Iterator[tuple[str, list[Question]]]:
    """The questions of each variant, those of `order` first, with what names begin with: the first goes without."""
    variants: dict[str, list[Question]] = {name: [] for name in order}
    for question in questions:
        variants.setdefault(question.variant, []).append(question)
    found = {name: chosen for name, chosen in variants.items() if chosen}
    for number, (name, chosen) in enumerate(found.items()):
        yield f"{task}.{name}" if number else task, chosen


def only(values: npt.ArrayLike, where: Mask) -> Numbers:
    """The values of some questions; NaN for the others, which metrics leave out."""
    return np.where(where, np.asarray(values, float), np.nan)


def entrants(folder: Path, task: Asked) -> dict[str, tuple[Mapping[str, Any], Path]]:
    """Who has answered a task, by name: models first, then in the order of their names."""
    found = [(store.read_json(place / "system.json") or {}, place) for place in systems(folder, task).values()]
    found.sort(key=lambda one: (one[0]["kind"] != "model", str(one[0]["name"])))
    return {str(about["name"]): (about, place) for about, place in found}


def outcomes(folder: Path, subject: Subject) -> Iterator[Outcomes]:
    """Of every system that was asked, one in memory at a time."""
    for about, place in entrants(folder, subject.task).values():
        yield read(about, place, subject)


def find_system(folder: Path, subject: Subject, name: str) -> Outcomes | None:
    """Of the system of this name, if it was asked."""
    found = entrants(folder, subject.task).get(name)
    return read(*found, subject) if found else None


def read(about: Mapping[str, Any], place: Path, subject: Subject) -> Outcomes:
    """Of one system, part by part."""
    shape = len(subject.questions), max(1, int(about["samples"]))
    words = {"": 0}
    made = Outcomes(
        about,
        place,
        (place / "done.json").exists(),
        np.zeros(shape, np.int16),
        (),
        np.zeros(len(subject.questions), bool),
        {name: np.full(shape, np.nan) for name in FIGURES[subject.task]},
        np.zeros(shape, np.int64),
    )
    lists = ["parsed"] if subject.task == "flag_tuning" else []  # elsewhere it is code, of which nothing is needed
    for at, table in _tables(place, subject, ["ended", "reason", "figures", *lists]):
        made.reasons[at] = [words.setdefault(word, len(words)) for word in table["reason"].to_pylist()]
        made.too_long[at[0][_array(pc.equal(table["ended"], TOO_LONG))]] = True
        for name, values in made.figures.items():
            values[at] = _array(pc.map_lookup(table["figures"], name, "first"))
        if lists:
            # The hash of no text is 0. Texts of 10,000,000 lists would be gigabytes.
            made.lists[at] = [0 if text == subject.own else hash(text) for text in table["parsed"].to_pylist()]
    return replace(made, words=tuple(words))


def parsed(place: Path, subject: Subject, samples: npt.NDArray[np.int64]) -> list[str]:
    """What was understood of one answer to each question; empty where `samples`, the answers' numbers, has -1."""
    texts = [""] * len(subject.questions)
    for (rows, numbers), table in _tables(place, subject, ["parsed"]):
        chosen = np.flatnonzero(samples[rows] == numbers)
        for row, text in zip(rows[chosen], table["parsed"].take(chosen).to_pylist(), strict=True):
            texts[row] = text
    return texts


_Places = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _tables(place: Path, subject: Subject, columns: list[str]) -> Iterator[tuple[_Places, Any]]:
    """Some columns of a system's parts, with where their rows are among the questions, and which samples they are."""
    for part in parts(place):
        table = store.read_table(part, ["question", "sample", *columns])
        rows = np.array([subject.places.get(question, -1) for question in table["question"].to_pylist()], np.int64)
        asked = rows >= 0
        yield (rows[asked], _array(table["sample"])[asked]), table.filter(asked)


def _array(column: Any) -> npt.NDArray[Any]:
    """Of an Arrow column; null is NaN."""
    return np.asarray(column.to_numpy())
