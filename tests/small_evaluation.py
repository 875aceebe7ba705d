"""Evaluations of a few functions: a folder as `benchmark.take` leaves it, and systems whose answers are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_compiler.corpus import store
from llm_compiler.evaluation.answer import Answer, Asked, Question
from llm_compiler.evaluation.judge import Posed
from llm_compiler.evaluation.run import Machinery
from llm_compiler.evaluation.systems import Said
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.tasks.task import Dialect
from tests.small_units import units


def taken(folder: Path, toolchain: Toolchain) -> Path:
    """A folder with the four functions as a benchmark."""
    (folder / "units").mkdir(parents=True)
    chosen = sorted(units(toolchain).values(), key=lambda unit: unit.id)
    store.write_units(folder / "units" / "part-00000.parquet", chosen)
    listed = [{"id": unit.id, "kind": unit.kind, "project": unit.project, "file": unit.file} for unit in chosen]
    manifest = {"name": "small", "version": "1", "units": listed, "counts": {}, "overlap": None}
    store.write_json(folder / "benchmark.json", manifest)
    return folder


def machinery(toolchain: Toolchain, vocabulary: Vocabulary, **options: Any) -> Machinery:
    return Machinery(toolchain, vocabulary, 2, **options)


@dataclass
class Saying:
    """Says the same to everything, and remembers what it was asked."""

    texts: Sequence[str | None]
    name: str = "saying"
    about: Mapping[str, Any] = field(default_factory=lambda: {"kind": "model"})
    dialect: Dialect = "compact"
    threads: int = 2
    tasks: tuple[str, ...] = ("flag_tuning", "size_prediction", "emulation", "disassembly")
    asked: list[str] = field(default_factory=list)

    def answers_to(self, task: Asked) -> bool:
        return task in self.tasks

    def samples(self, task: Asked) -> int:
        return len(self.texts)

    def answer(self, posed: Posed) -> Iterator[Said]:
        self.asked.append(posed.question.id)
        for text in self.texts:
            yield Said(text, "end" if text is not None else "over the context")

    def close(self) -> None:
        pass


class Knowing(Saying):
    """Says what is true."""

    def answer(self, posed: Posed) -> Iterator[Said]:
        self.asked.append(posed.question.id)
        if posed.question.task == "emulation":
            truth = posed.truth
            code = truth.text(posed.asked.kind, "compact")
            yield Said(f"<code>{code}</code> {truth.instructions} {truth.size}")
        elif posed.question.task == "disassembly":
            yield Said(f"<code>{posed.asked.ir}</code>")
        else:
            yield Said(f"opt -p 'default<Oz>' {posed.asked.before} {posed.asked.oz}")


@dataclass
class Watching:
    """Counts."""

    begun: list[tuple[str, str, int]] = field(default_factory=list)
    advanced: int = 0
    judged: int = 0

    def begin(self, task: str, system: str, questions: int) -> None:
        self.begun.append((task, system, questions))

    def advance(self, judged: Sequence[Answer], question: Question) -> None:
        self.advanced += 1
        self.judged += len(judged)
