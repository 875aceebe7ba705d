"""An evaluation: every system answers the same questions, every answer is judged by the compiler and kept.

What is there already is not asked again: a part of a few questions appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from llm_compiler.corpus import store
from llm_compiler.corpus.store import CorpusError
from llm_compiler.corpus.unit import Unit
from llm_compiler.evaluation.answer import (
    ASKED,
    FORMAT,
    Answer,
    Asked,
    Question,
    answers,
    read_header,
    read_questions,
    systems,
    write_answers,
    write_questions,
)
from llm_compiler.evaluation.benchmark import units as taken_units
from llm_compiler.evaluation.judge import Judge, Judged, Posed, Poser, ToPose, Work
from llm_compiler.evaluation.systems import Said, System
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure, Limits, Workers
from llm_compiler.tasks import emulation
from llm_compiler.tasks.task import Dialect

_QUESTIONS_IN_PART = 32
_AHEAD = 4
"""Questions that wait for each thread of a system, so that neither it nor the judges stand still."""
_AARCH64 = 5
"""One unit in so many is disassembled from AArch64 too."""
_DETAIL = 200
NO_QUESTION = "no question"
"""Why there is no answer where LLVM cannot make the question: nobody's fault but the unit's."""


@dataclass(frozen=True)
class Plan:
    """What decides the questions."""

    protocols: tuple[str, ...] = ("ship", "paper")
    """Of flag tuning."""
    seed: int = 0
    emulated: int = 1
    """Pass lists for each unit, of 1 to 50 passes."""
    most: int | None = None
    """Units for each task; None is all."""


@dataclass(frozen=True)
class Machinery:
    """How it is done, which decides nothing."""

    toolchain: Toolchain
    vocabulary: Vocabulary
    jobs: int = 1
    behaviour: bool = True
    """Whether what was disassembled is run, in a child that may do nothing but compute."""
    limits: Limits = field(default_factory=Limits)

    @contextmanager
    def workers(self) -> Iterator[tuple[Workers[ToPose, Posed], Workers[Work, list[Judged | Failure]]]]:
        """Who puts questions, and who judges answers."""
        poser = Poser(self.toolchain, self.vocabulary)
        judge = Judge(self.toolchain, self.vocabulary, behaviour=self.behaviour)
        posing: Workers[ToPose, Posed] = Workers(poser, count=1, limits=self.limits)
        judging: Workers[Work, list[Judged | Failure]] = Workers(judge, count=self.jobs, limits=self.limits)
        with posing, judging:
            yield posing, judging


class Progress(Protocol):
    """What a run tells whoever watches it."""

    def begin(self, task: str, system: str, questions: int) -> None:
        """A system is about to answer so many questions of a task."""

    def advance(self, judged: Sequence[Answer], question: Question) -> None:
        """A question is answered, or was so before."""


def evaluate(
    out: Path,
    plan: Plan,
    tasks: Iterable[Asked],
    entrants: Iterable[System],
    machinery: Machinery,
    progress: Progress,
) -> None:
    """Ask all that is not answered yet in `out`, where a benchmark has been taken to. CorpusError, ModelError."""
    benchmark = store.read_json(out / "benchmark.json")
    if benchmark is None:
        raise CorpusError(f"{out} has no benchmark.json")
    header = {
        "format": FORMAT,
        "llvm": machinery.toolchain.version,
        "benchmark": f"{benchmark['name']}@{benchmark['version']}",
        **{name: list(value) if isinstance(value, tuple) else value for name, value in vars(plan).items()},
    }
    found = store.read_json(out / "evaluation.json")
    store.must_be_same(out, found, header, "results")
    if found is None:
        store.write_json(out / "evaluation.json", header)
    with store.locked(out / "evaluation.json"):
        wanted = list(tasks)
        for task in wanted:
            if not read_questions(out, task):
                write_questions(out, task, questions(taken_units(out), task, plan, machinery.vocabulary))
        for system in entrants:
            for task in wanted:
                if system.answers_to(task):
                    _Answering(out, task, system, machinery, progress).run()


# -- questions


def questions(units: Iterable[Unit], task: Asked, plan: Plan, vocabulary: Vocabulary) -> Iterator[Question]:
    """What is asked about units; decided by the plan's seed, the task and the unit alone."""
    kept = [unit for unit in units if unit.oz_ship]
    if plan.most is not None:
        ranked = sorted(kept, key=lambda unit: _digest(str(plan.seed), task, unit.id))[: plan.most]
        chosen = {unit.id for unit in ranked}
        kept = [unit for unit in kept if unit.id in chosen]
    for unit in kept:
        rng = random.Random(f"{plan.seed} {task} {unit.id}")
        for variant, protocol, passes in _variants(unit, task, plan, vocabulary, rng):
            paper = protocol == "paper"
            yield Question(
                _digest(task, unit.id, variant, protocol, passes),
                task,
                unit.id,
                unit.kind,
                unit.project,
                unit.file,
                unit.name,
                variant,
                protocol,
                passes,
                len(unit.text),
                unit.oz_paper if paper else unit.oz_ship,
                unit.unoptimised_paper if paper else unit.unoptimised_ship,
            )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _variants(
    unit: Unit, task: Asked, plan: Plan, vocabulary: Vocabulary, rng: random.Random
) -> Iterator[tuple[str, str, str]]:
    """Variant, protocol and passes of each question."""
    if task == "flag_tuning":
        yield from ((protocol, protocol, "") for protocol in plan.protocols)
    elif task == "size_prediction":
        yield "ship", "ship", ""
    elif task == "emulation":
        settings = emulation.Settings(per_unit=plan.emulated)
        for drawn in emulation.draw(unit, vocabulary, settings, rng):
            if not isinstance(drawn, PassList):  # which it is where the list is denied
                yield drawn.kind, "ship", drawn.passes
    elif task == "disassembly":
        yield "x86-64", "ship", ""
        if rng.randrange(_AARCH64) == 0:
            yield "aarch64", "ship", ""
    else:
        yield from ((source, "ship", "") for source in ("ir", "ir optimised", "asm x86-64"))


# -- answers


class _Answering:
    """One system and one task."""

    def __init__(self, out: Path, task: Asked, system: System, machinery: Machinery, progress: Progress) -> None:
        self._out, self._task, self._system = out, task, system
        self._machinery, self._progress = machinery, progress
        self._place = out / "answers" / task / _slug(system.name)
        self._questions = read_questions(out, task)

    def run(self) -> None:
        """Answer what is not answered."""
        system = self._system
        about = {"name": system.name, "dialect": system.dialect, "samples": system.samples(self._task), **system.about}
        known = store.read_json(self._place / "system.json")
        if known is not None and known != about:
            raise CorpusError(
                f"{self._out}: {self._system.name} has answered with other settings; give it another name, as in "
                f"--model NAME=FOLDER, or remove {self._place}"
            )
        self._place.mkdir(parents=True, exist_ok=True)
        store.write_json(self._place / "system.json", about)
        self._progress.begin(self._task, self._system.name, len(self._questions))
        missing = []
        for number, part in enumerate(store.batched(self._questions, _QUESTIONS_IN_PART)):
            if self._path(number).exists():
                for question in part:  # answered in an earlier run
                    self._progress.advance((), question)
            else:
                missing.append((number, part))
        started = time.monotonic()
        if missing:
            self._answer(missing)
        if not (self._place / "done.json").exists():
            seconds = round(time.monotonic() - started)
            store.write_json(self._place / "done.json", {"questions": len(self._questions), "seconds": seconds})

    def _path(self, number: int) -> Path:
        return self._place / f"part-{number:05}.parquet"

    def _answer(self, missing: Sequence[tuple[int, Sequence[Question]]]) -> None:
        with self._machinery.workers() as (posing, judging), ThreadPoolExecutor(self._system.threads) as threads:
            wanted = [question for _, part in missing for question in part]
            waiting: deque[tuple[Question, Sequence[Said] | Failure]] = deque()

            def work() -> Iterator[Work]:
                for question, posed, said in self._said(wanted, posing, threads):
                    waiting.append((question, said))
                    texts = () if isinstance(said, Failure) or self._task == "perplexity" else said
                    # A system's own numbers, or its silence, need no judge; an empty piece of work keeps the order.
                    yield Work(posed, tuple(one.text for one in texts if one.text is not None))

            judged = judging.map(work())
            for number, part in missing:
                rows: list[Answer] = []
                for _ in part:
                    verdicts = next(judged)
                    question, said = waiting.popleft()
                    found = list(_answers(question, said, verdicts))
                    self._progress.advance(found, question)
                    rows += found
                write_answers(self._path(number), rows)

    def _all(self, posed: Posed) -> list[Said]:
        return list(self._system.answer(posed))

    def _said(
        self, wanted: Sequence[Question], posing: Workers[ToPose, Posed], threads: ThreadPoolExecutor
    ) -> Iterator[tuple[Question, Posed, Sequence[Said] | Failure]]:
        """Questions with what the system says, in order; some are being answered while others are judged."""
        pending: deque[tuple[Question, Posed, Future[list[Said]] | Failure]] = deque()
        texts = posing.map(_to_pose(self._out, wanted, self._system.dialect))
        for question, posed in zip(wanted, texts, strict=True):
            if isinstance(posed, Failure):
                pending.append((question, Posed(question, None, ()), posed))
            else:
                pending.append((question, posed, threads.submit(self._all, posed)))
            if len(pending) > _AHEAD * self._system.threads:
                yield _awaited(*pending.popleft())
        while pending:
            yield _awaited(*pending.popleft())


def _awaited(
    question: Question, posed: Posed, said: Future[list[Said]] | Failure
) -> tuple[Question, Posed, Sequence[Said] | Failure]:
    return question, posed, said if isinstance(said, Failure) else said.result()


def _to_pose(out: Path, wanted: Sequence[Question], dialect: Dialect) -> Iterator[ToPose]:
    """Questions, which come in the order of their units, with them."""
    units = taken_units(out)
    unit: Unit | None = None
    for question in wanted:
        while unit is None or unit.id != question.unit:
            unit = next(units, None)
            if unit is None:
                raise CorpusError(f"{out}: no unit {question.unit} for the question {question.id}")
        yield ToPose(question, unit, dialect)


def _answers(
    question: Question, said: Sequence[Said] | Failure, verdicts: Sequence[Judged | Failure] | Failure
) -> Iterator[Answer]:
    if isinstance(said, Failure):
        yield _answer(question, 0, Said(None, NO_QUESTION), Judged("", False, "no truth", said.detail))
        return
    remaining = iter(() if isinstance(verdicts, Failure) else verdicts)
    for sample, one in enumerate(said):
        if one.figures:
            verdict: Judged | Failure = Judged("", True, "scored", "", one.figures)
        elif one.text is None:
            verdict = Judged("", False, "no answer", one.ended)
        else:
            verdict = verdicts if isinstance(verdicts, Failure) else next(remaining)
        yield _answer(question, sample, one, verdict)


def _answer(question: Question, sample: int, said: Said, verdict: Judged | Failure) -> Answer:
    if isinstance(verdict, Failure):
        verdict = Judged("", False, verdict.reason, verdict.detail)
    return Answer(
        question.id,
        sample,
        said.seed,
        said.text,
        said.ended,
        said.tokens,
        said.logprob,
        round(said.seconds, 4),
        verdict.parsed,
        verdict.ok,
        verdict.reason,
        verdict.detail[:_DETAIL],
        verdict.figures,
    )


def _slug(name: str) -> str:
    """A folder's name for a system's."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name).strip(".")[:60]
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


# -- replay


@dataclass(frozen=True)
class Difference:
    """A verdict that did not come out again."""

    task: str
    system: str
    question: str
    sample: int
    before: str
    now: str


def judge_again(folder: Path, machinery: Machinery, progress: Progress) -> Iterator[Difference]:
    """Have the compiler judge every kept answer again, without any model; what comes out otherwise."""
    read_header(folder)
    for task in ASKED:
        if task == "perplexity":
            continue  # a model's own number
        for name, place in systems(folder, task).items():
            yield from _again(folder, task, name, place, machinery, progress)


def _again(
    folder: Path, task: Asked, name: str, place: Path, machinery: Machinery, progress: Progress
) -> Iterator[Difference]:
    kept: dict[str, list[Answer]] = {}
    for one in answers(place):
        kept.setdefault(one.question, []).append(one)
    wanted = [question for question in read_questions(folder, task) if question.id in kept]
    about: Mapping[str, Any] = store.read_json(place / "system.json") or {}
    dialect: Dialect = about.get("dialect", "verbatim")
    progress.begin(task, name, len(wanted))

    def work(posing: Workers[ToPose, Posed]) -> Iterator[Work]:
        for question, posed in zip(wanted, posing.map(_to_pose(folder, wanted, dialect)), strict=True):
            if isinstance(posed, Failure):
                yield Work(Posed(question, None, ()), ())
            else:
                yield Work(posed, tuple(one.text for one in kept[question.id] if one.text is not None))

    with machinery.workers() as (posing, judging):
        for question, verdicts in zip(wanted, judging.map(work(posing)), strict=True):
            judged = [one for one in kept[question.id] if one.text is not None]
            found = [verdicts] * len(judged) if isinstance(verdicts, Failure) else verdicts
            progress.advance(judged, question)
            for one, verdict in zip(judged, found, strict=False):
                now = (verdict.reason, {} if isinstance(verdict, Failure) else dict(verdict.figures))
                if now != (one.reason, dict(one.figures)):
                    yield Difference(task, name, question.id, one.sample, f"{one.reason} {dict(one.figures)}", f"{now}")
