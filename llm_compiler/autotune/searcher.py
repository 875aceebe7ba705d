"""The search on one unit, as a function for `Workers`: each of its steps is one evaluation, and LLVM may crash in any.

It is deterministic for its past, which is how it goes on in the next worker after a crash (see `llvm.workers`).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_compiler.autotune.deny import Denied, allowed, denied
from llm_compiler.autotune.label import Trial, Tried
from llm_compiler.autotune.minimise import minimise
from llm_compiler.autotune.search import STRATEGIES, PassNames, Search, Space
from llm_compiler.llvm.evaluate import Subject, UnlinkableError
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.workers import Failure

_DETAIL = 120
"""Characters of what LLVM said that are kept of a failure."""
Outcome = int | Failure
"""Bytes, or why there are none. `Failure("unlinkable" | "denied")` besides the workers' own reasons."""


@dataclass(frozen=True)
class Task:
    """A unit, and what to do with it."""

    unit: str
    module: bytes
    """Text or bitcode."""
    lists: tuple[PassNames, ...] | None = None
    """Try just these; None is to search."""


@dataclass(frozen=True)
class Settings:
    """What decides the outcome of a search, besides the unit."""

    strategy: str
    budget: int
    """Evaluations for each unit, -Oz not counted."""
    protocol: str = "ship"
    seed: int = 0
    minimising: int = 60
    """Evaluations for minimising the best list, on top of the budget."""


class Searcher:
    """Searches one unit at a time. Its last step is the record, the others are outcomes."""

    def __init__(
        self,
        library: Path,
        vocabulary: Vocabulary,
        settings: Settings,
        known: Sequence[PassNames],
        denied_lists: Sequence[Denied],
        oz_passes: str,
    ) -> None:
        self._path = library
        self._vocabulary = vocabulary
        self._settings = settings
        self._space = Space(allowed(vocabulary, denied_lists), tuple(known))
        self._denied = denied_lists
        self._oz_passes = oz_passes
        common = dict.fromkeys(name for names in known for name in names)
        self._insertions = tuple(common)[:6]

    def prepare(self) -> None:
        """Load libLLVM."""
        self._library = Library(self._path)

    def steps(self, task: Task, past: list[Any]) -> Iterator[Outcome | Tried]:
        """Outcomes as they come, then the `Tried`."""
        run = _Run(self, task, deque(past))
        yield from run.steps()


class _Run:
    """One unit's search, with what it knows."""

    def __init__(self, searcher: Searcher, task: Task, past: deque[Any]) -> None:
        self._searcher, self._task, self._past = searcher, task, past
        self._settings = searcher._settings
        self._outcomes: dict[PassNames, Outcome] = {}
        self._subject: Subject | None = None

    def steps(self) -> Iterator[Outcome | Tried]:
        task, settings = self._task, self._settings
        oz = yield from self._outcome(self._searcher._oz_passes)
        if isinstance(oz, Failure):
            yield Tried(task.unit, 0, (Trial("", None, oz.reason, oz.detail),), 0, "")
            return
        search = self._search(oz)
        found = 0
        names = next(search, None)
        while names is not None and found < settings.budget:
            found += 1
            try:
                names = search.send((yield from self._size(names)))
            except StopIteration:
                break
        minimal = ""
        best = min(self._sizes(), default=None)
        if task.lists is None and best is not None and best[0] < oz:
            minimal_names = yield from self._minimised(best[2], best[0])
            minimal = str(self._searcher._vocabulary.nest(minimal_names))
        self._close()
        yield Tried(task.unit, oz, tuple(self._trials()), found, minimal)

    def _search(self, oz: int) -> Search:
        if self._task.lists is not None:
            return _each(self._task.lists)
        rng = random.Random(f"{self._settings.seed} {self._task.unit}")
        return STRATEGIES[self._settings.strategy](self._searcher._space, rng, oz)

    def _minimised(self, names: PassNames, size: int) -> Generator[Outcome, None, PassNames]:
        searcher = self._searcher
        steps = minimise(names, size, searcher._space.passes, searcher._insertions, self._settings.minimising)
        try:
            candidate = next(steps)
            while True:
                candidate = steps.send((yield from self._size(candidate)))
        except StopIteration as end:
            minimal: PassNames = end.value[0]
            return minimal

    def _size(self, names: PassNames) -> Generator[Outcome, None, int | None]:
        """The size that a list gives; None where it fails, or would have to be refused afterwards."""
        outcome = self._outcomes.get(names)
        if outcome is None:
            passes = self._searcher._vocabulary.nest(names)
            entry = denied(passes, self._searcher._denied)
            if entry:
                outcome = Failure("denied", f"{','.join(entry.passes)} breaks {entry.program}")
            else:
                outcome = yield from self._outcome(str(passes))
            self._outcomes[names] = outcome
        return None if isinstance(outcome, Failure) else outcome

    def _outcome(self, passes: str) -> Generator[Outcome, None, Outcome]:
        """What was remembered of this evaluation, else the evaluation, which is a step."""
        if self._past:
            remembered: Outcome = self._past.popleft()
            return remembered
        try:
            outcome: Outcome = self._open().evaluate(passes, self._settings.protocol).size.total
        except UnlinkableError as error:
            outcome = Failure("unlinkable", str(error))
        except LLVMError as error:
            outcome = Failure("invalid", str(error)[:_DETAIL])
        yield outcome
        return outcome

    def _open(self) -> Subject:
        if self._subject is None:
            self._subject = Subject(self._searcher._library, self._task.module)
            self._subject.must_link_like(self._searcher._oz_passes)
        return self._subject

    def _close(self) -> None:
        if self._subject is not None:
            self._subject.close()
            self._subject = None

    def _sizes(self) -> Iterator[tuple[int, int, PassNames]]:
        for names, outcome in self._outcomes.items():
            if not isinstance(outcome, Failure):
                yield outcome, len(names), names

    def _trials(self) -> Iterator[Trial]:
        for names, outcome in self._outcomes.items():
            passes = str(self._searcher._vocabulary.nest(names))
            if isinstance(outcome, Failure):
                yield Trial(passes, None, outcome.reason, outcome.detail[:_DETAIL])
            else:
                yield Trial(passes, outcome)


def _each(lists: Sequence[PassNames]) -> Search:
    for names in lists:
        yield names
