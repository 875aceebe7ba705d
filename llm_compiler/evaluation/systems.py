"""Who answers: a model, and what any model has to beat at the same budget. All answer in text, and are judged alike."""

from __future__ import annotations

import hashlib
import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from llm_compiler.autotune import portfolio
from llm_compiler.autotune.deny import allowed, load_denied
from llm_compiler.autotune.label import Tried
from llm_compiler.autotune.search import Space, random_lists
from llm_compiler.autotune.searcher import Searcher, Settings, Task
from llm_compiler.autotune.tune import names_of
from llm_compiler.evaluation.answer import TOO_LONG, Asked
from llm_compiler.evaluation.judge import Posed
from llm_compiler.inference.asked import Asked as ListsFor
from llm_compiler.inference.asked import must_leave_room
from llm_compiler.inference.model import How, LocalModel, Model, PromptTooLongError
from llm_compiler.llvm.evaluate import oz_passes
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.size import PROTOCOLS
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure, Limits, Workers
from llm_compiler.tasks.task import Dialect

_LIST_TOKENS = 512
"""Of an answer that is to hold a list and sizes; whatever code follows is of no use here."""
PIPELINES = {
    "-Os": "default<Os>",
    "-O2": "default<O2>",
    "-O2 -Os": "default<O2>,default<Os>",
    "-Oz -Oz": "default<Oz>,default<Oz>",
}
"""Pipelines of LLVM, one after the other, on functions that keep the attributes that -Oz gave them."""


@dataclass(frozen=True)
class Said:
    """An answer before it is judged."""

    text: str | None
    ended: str = "end"
    tokens: int = 0
    logprob: float | None = None
    seconds: float = 0.0
    seed: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    """Of perplexity, which needs no judge."""


class System(Protocol):
    """What answers questions."""

    @property
    def name(self) -> str:
        """Tables call it so."""

    @property
    def about(self) -> Mapping[str, Any]:
        """`kind` (`model` or `baseline`), and all that decides its answers."""

    @property
    def dialect(self) -> Dialect:
        """In which it is asked."""

    @property
    def threads(self) -> int:
        """How many may ask it at once."""

    def answers_to(self, task: Asked) -> bool:
        """Whether it can be asked such a thing."""

    def samples(self, task: Asked) -> int:
        """Answers to a question of this task, at most."""

    def answer(self, posed: Posed) -> Iterator[Said]:
        """Its answers, the best first. ModelError where a model fails altogether."""

    def close(self) -> None:
        """Give back what it holds."""


# -- models


class ModelSystem:
    """A model, asked greedily first; for lists for code over its context, by functions, as `llmc optimize` asks it."""

    def __init__(
        self,
        model: Model,
        name: str,
        toolchain: Toolchain,
        vocabulary: Vocabulary,
        *,
        lists: int = 10,
        lifts: int = 1,
        seed: int = 0,
        seconds: float = 120.0,
        threads: int = 1,
    ) -> None:
        """So many pass lists and lifts for each question; `threads` is for models behind a server."""
        self.name, self.dialect = name, model.dialect
        self._model, self._toolchain, self._vocabulary = model, toolchain, vocabulary
        self._seed, self._seconds = seed, seconds
        self.threads = 1 if isinstance(model, LocalModel) else threads
        self._samples: dict[Asked, int] = {"flag_tuning": lists, "disassembly": lifts}
        self._asked: dict[str, ListsFor] = {}
        self.about: Mapping[str, Any] = {
            "kind": "model",
            "model": model.name,
            "weights": _fingerprint(model.folder) if isinstance(model, LocalModel) else "",
            "context": model.context,
            "lists": lists,
            "lifts": lifts,
            "seed": seed,
            "seconds": seconds,
        }

    def answers_to(self, task: Asked) -> bool:
        """Only a local model says how probable a text is."""
        return task != "perplexity" or isinstance(self._model, LocalModel)

    def samples(self, task: Asked) -> int:
        """One, where nobody said otherwise."""
        return self._samples.get(task, 1)

    def answer(self, posed: Posed) -> Iterator[Said]:
        """Greedy, then drawn ones: lists by priority sampling, none twice."""
        try:
            if posed.question.task == "perplexity":
                yield self._scored(posed)
            elif posed.question.task == "flag_tuning":
                yield from self._lists(posed)
            else:
                yield from self._texts(posed)
        except PromptTooLongError:
            yield Said(None, TOO_LONG)

    def _scored(self, posed: Posed) -> Said:
        assert isinstance(self._model, LocalModel)
        scored = self._model.score(posed.prompt)
        return Said("", tokens=scored.tokens, figures={key: float(value) for key, value in asdict(scored).items()})

    def _lists(self, posed: Posed) -> Iterator[Said]:
        wanted = self.samples("flag_tuning")
        try:
            must_leave_room(self._model, posed.prompt)
        except PromptTooLongError:
            yield from self._by_functions(posed)
            return
        if isinstance(self._model, LocalModel):
            # The first list of priority sampling is the greedy one; servers cannot do it, and draw instead.
            how = How(wanted, "priority" if wanted > 1 else "greedy", tokens=_LIST_TOKENS)
            yield from self._written(posed, how, lists=True)
            return
        first = list(self._written(posed, How(tokens=_LIST_TOKENS), lists=True))
        yield from first
        if wanted > 1:
            known = {said.text for said in first}
            more = self._written(posed, How(wanted - 1, "priority", tokens=_LIST_TOKENS), lists=True)
            yield from (said for said in more if said.text not in known)

    def _by_functions(self, posed: Posed) -> Iterator[Said]:
        protocol = posed.question.protocol
        if protocol not in self._asked:
            how = self._how(How(self.samples("flag_tuning"), "priority"))
            self._asked[protocol] = ListsFor(self._model, self._vocabulary, self._toolchain.library, protocol, how)
        started = time.monotonic()
        found = self._asked[protocol].by_functions(posed.asked.ir.encode())
        each = (time.monotonic() - started) / max(1, len(found))
        said = Said(None, TOO_LONG, seconds=each, seed=self._seed)
        if not found:  # it says that nothing beats -Oz
            yield said
        for candidate in found:
            yield replace(said, text=_said(str(candidate.passes)).text)

    def _how(self, how: How) -> How:
        return replace(how, seed=self._seed, seconds=self._seconds)

    def _texts(self, posed: Posed) -> Iterator[Said]:
        short = posed.question.task == "size_prediction" and self.dialect == "compact"
        yield from self._written(posed, How(tokens=_LIST_TOKENS if short else None), lists=False)
        wanted = self.samples(posed.question.task)
        if wanted > 1:
            yield from self._written(posed, How(wanted - 1, "sample"), lists=False)

    def _written(self, posed: Posed, how: How, *, lists: bool) -> Iterator[Said]:
        for one in self._model.write(posed.prompt, self._how(how), self._vocabulary if lists else None):
            yield Said(one.text, one.reason, one.tokens, one.logprob, one.seconds, self._seed)

    def close(self) -> None:
        """Give the model back."""
        for asked in self._asked.values():
            asked.close()
        self._model.close()


def _fingerprint(folder: Path | None) -> str:
    """Of a folder's weights: names, sizes and their first and last megabyte; empty without one."""
    digest = hashlib.sha256()
    files = sorted(folder.glob("*")) if folder else ()
    found = [path for path in files if path.suffix in (".safetensors", ".onnx", ".json")]
    for path in found:
        with path.open("rb") as file:
            start, size = file.read(1 << 20), path.stat().st_size
            file.seek(max(0, size - (1 << 20)))
            digest.update(f"{path.name} {size} ".encode() + start + file.read())
    return digest.hexdigest()[:16] if found else ""


# -- baselines


@dataclass(frozen=True)
class _Baseline:
    """What they have in common: they answer one task, in Meta's words."""

    name: str
    about: Mapping[str, Any]
    threads: int = 1
    dialect: Dialect = "verbatim"

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Lists(_Baseline):
    """Pass lists that do not depend on how the others fared."""

    lists: Callable[[Posed], Sequence[str]] = lambda _: ()

    def answers_to(self, task: Asked) -> bool:
        """Flag tuning."""
        return task == "flag_tuning"

    def samples(self, task: Asked) -> int:
        """As many as there are."""
        return int(self.about["lists"])

    def answer(self, posed: Posed) -> Iterator[Said]:
        """One after the other."""
        return (_said(passes) for passes in self.lists(posed))


def _said(passes: str) -> Said:
    return Said(f"opt -p '{passes}'")


def pipelines() -> list[Lists]:
    """LLVM's own."""
    return [_fixed(name, [passes]) for name, passes in PIPELINES.items()]


def the_portfolio(vocabulary: Vocabulary, budget: int) -> Lists:
    """The first lists of the one that ships, for the protocol of the question."""
    lists = {
        protocol: [str(passes) for passes in portfolio.load(vocabulary, protocol)][:budget] for protocol in PROTOCOLS
    }
    about = {"kind": "baseline", "lists": max(map(len, lists.values())), "digest": _digest(lists)}
    return Lists("portfolio", about, lists=lambda posed: lists[posed.question.protocol])


def random_search(vocabulary: Vocabulary, budget: int, seed: int) -> Lists:
    """The paper's: 1 to 50 passes, uniformly; for each unit others."""
    space = Space(allowed(vocabulary, load_denied(vocabulary.version)))

    def lists(posed: Posed) -> Sequence[str]:
        drawn = random_lists(space, random.Random(f"{seed} {posed.question.id}"), posed.question.oz)
        return [str(vocabulary.nest(names)) for names in itertools.islice(drawn, budget)]

    return Lists("random", {"kind": "baseline", "lists": budget, "seed": seed}, lists=lists)


def _fixed(name: str, lists: Sequence[str]) -> Lists:
    return Lists(name, {"kind": "baseline", "lists": len(lists), "digest": _digest(lists)}, lists=lambda _: lists)


def _digest(lists: object) -> str:
    return hashlib.sha256(repr(lists).encode()).hexdigest()[:16]


class Autotuner:
    """Our search on each unit, which hears what its lists gave: several at once, each with a worker of its own."""

    name = "autotuner"
    dialect: Dialect = "verbatim"

    def __init__(
        self,
        toolchain: Toolchain,
        vocabulary: Vocabulary,
        protocols: Sequence[str],
        budget: int,
        *,
        seed: int = 0,
        jobs: int = 1,
    ) -> None:
        self.threads = jobs
        self.about: Mapping[str, Any] = {"kind": "baseline", "lists": budget, "strategy": "guided", "seed": seed}
        self._budget = budget
        self._pools: dict[str, SimpleQueue[Workers[Task, list[Any]]]] = {}
        self._all: list[Workers[Task, list[Any]]] = []
        for protocol in protocols:
            known = [names_of(str(passes)) for passes in portfolio.load(vocabulary, protocol)]
            settings = Settings("guided", budget, protocol, seed)
            oz = oz_passes(toolchain.version, PROTOCOLS[protocol])
            searcher = Searcher(toolchain.library, vocabulary, settings, known, load_denied(vocabulary.version), oz)
            self._pools[protocol] = SimpleQueue()
            for _ in range(jobs):
                workers = Workers[Task, list[Any]](searcher, count=1, limits=Limits())
                self._all.append(workers)
                self._pools[protocol].put(workers)

    def answers_to(self, task: Asked) -> bool:
        """Flag tuning."""
        return task == "flag_tuning"

    def samples(self, task: Asked) -> int:
        """The budget."""
        return self._budget

    def answer(self, posed: Posed) -> Iterator[Said]:
        """The lists of the search, in its order."""
        with self._worker(posed.question.protocol) as workers:
            (answer,) = workers.map([Task(posed.question.unit, posed.asked.ir.encode())])
        last = None if isinstance(answer, Failure) or not answer else answer[-1]
        trials = last.trials[: last.budgeted] if isinstance(last, Tried) else ()
        yield from (_said(trial.passes) for trial in trials)

    @contextmanager
    def _worker(self, protocol: str) -> Iterator[Workers[Task, list[Any]]]:
        workers = self._pools[protocol].get()
        try:
            yield workers
        finally:
            self._pools[protocol].put(workers)

    def close(self) -> None:
        """End the workers."""
        for workers in self._all:
            workers.close()


@dataclass(frozen=True)
class Copying(_Baseline):
    """Says what it was shown: the code as it is, with the sizes that it has."""

    name: str = "copy"
    about: Mapping[str, Any] = field(default_factory=lambda: {"kind": "baseline"})

    def answers_to(self, task: Asked) -> bool:
        """The tasks with code in their answers."""
        return task in ("emulation", "disassembly")

    def samples(self, task: Asked) -> int:
        """One."""
        return 1

    def answer(self, posed: Posed) -> Iterator[Said]:
        """In the words of the verbatim dialect."""
        if posed.question.task == "disassembly":
            yield Said(f"<code>{posed.asked.assembly}</code>")
        else:
            counts = f"instruction count {posed.asked.instructions} and binary size {posed.asked.size} bytes"
            yield Said(f"<code>{posed.asked.ir}</code>\n\nThe output code has {counts}.")
