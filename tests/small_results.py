"""Folders of results, written with the functions that evaluation writes them with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_compiler.corpus import store
from llm_compiler.evaluation.answer import FORMAT, TOO_LONG, Answer, Asked, Question, write_answers, write_questions


def question(task: Asked, unit: str, **given: Any) -> Question:
    """A question whose id says what it is about."""
    fields: dict[str, Any] = {
        "kind": "module",
        "variant": "ship",
        "passes": "",
        "length": 500,
        "oz": 100,
        "before": 120,
    } | given
    name = f"{task} {unit} {fields['variant']} {fields['passes']}"
    return Question(
        id=name, task=task, unit=unit, project="project", file=f"{unit}.c", name=f"f_{unit}", protocol="ship", **fields
    )


def answer(asked: Question, sample: int, reason: str, parsed: str = "", /, **figures: float) -> Answer:
    """An answer with a verdict."""
    ok = reason in ("exact", "normalised", "smaller", "same behaviour")
    named = {name.replace("_", " "): float(each) for name, each in figures.items()}
    return Answer(asked.id, sample, 0, "text", "end", 3, -0.5, 0.1, parsed, ok, reason, "", named)


def too_long(asked: Question) -> Answer:
    """What there is where the prompt leaves no room."""
    return Answer(asked.id, 0, 0, None, TOO_LONG, 0, None, 0.0, "", False, "no answer", TOO_LONG)


def silent(asked: Question) -> Answer:
    """What there is where the system said nothing in its time."""
    return Answer(asked.id, 0, 0, None, "time", 0, None, 9.0, "", False, "no answer", "time")


def lists(asked: Question, *tried: tuple[str, int | None]) -> list[Answer]:
    """Pass lists in their order, each with the bytes that it gives; None where it fails."""
    return [
        answer(
            asked, sample, "invalid" if size is None else "smaller", passes, **({} if size is None else {"size": size})
        )
        for sample, (passes, size) in enumerate(tried)
    ]


def sized(asked: Question, *sizes: int | None) -> list[Answer]:
    """Pass lists that nobody needs to know, with the bytes that they give."""
    return lists(asked, *((f"list {number}", size) for number, size in enumerate(sizes)))


def system(
    folder: Path,
    task: Asked,
    name: str,
    answers: Iterable[Answer],
    *,
    kind: str = "model",
    samples: int = 1,
    done: bool = True,
    in_part: int = 3,
) -> None:
    """What a system has answered, in several parts."""
    place = folder / "answers" / task / f"{name}-1"
    place.mkdir(parents=True)
    store.write_json(place / "system.json", {"name": name, "kind": kind, "samples": samples, "seed": 0})
    for number, part in enumerate(store.batched(answers, in_part)):
        write_answers(place / f"part-{number:05}.parquet", part)
    if done:
        store.write_json(place / "done.json", {})


def results(folder: Path, questions: Mapping[Asked, Sequence[Question]], protocols: Sequence[str] = ("ship",)) -> Path:
    """A folder in which nobody has answered yet."""
    folder.mkdir(exist_ok=True)
    store.write_json(folder / "evaluation.json", {"format": FORMAT, "llvm": "17.0.6", "protocols": list(protocols)})
    manifest = {"name": "tiny", "version": "1", "units": [{"id": "a"}], "overlap": {"exact": 1, "ids": ["a"]}}
    store.write_json(folder / "benchmark.json", manifest)
    for task, asked in questions.items():
        write_questions(folder, task, asked)
    return folder
