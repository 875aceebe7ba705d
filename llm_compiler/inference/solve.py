"""Flag tuning, checked: propose pass lists, evaluate, confirm the best with the real compiler, else keep clang's."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from llm_compiler.inference.propose import Candidate, Propose
from llm_compiler.llvm.elf import object_size, symbols
from llm_compiler.llvm.evaluate import Evaluation, Evaluator, Job, oz_passes
from llm_compiler.llvm.frontend import CompileError, Emit, Source, lower, optimise_for_size, unoptimised
from llm_compiler.llvm.passes import PassList
from llm_compiler.llvm.size import Protocol, Size
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure, Limits, Workers

if TYPE_CHECKING:
    from llm_compiler.inference.per_function import FunctionJob

_CONFIRMED = 3
"""Candidates that are emitted by clang itself before one is chosen."""


@dataclass(frozen=True)
class Functions:
    """What to try on single functions: lists of function passes, and what must not run."""

    lists: tuple[str, ...]
    denied: tuple[tuple[str, ...], ...]
    budget: int = 20
    """Objects of a module that may be made for it."""


@dataclass(frozen=True)
class Tried:
    """A candidate, and what became of it."""

    candidate: Candidate
    size: int | None
    """Bytes; None for a failure."""
    reason: str = ""
    """Of a failure."""


@dataclass(frozen=True)
class Solution:
    """What a user gets for one source, and how it was found."""

    source: Source
    baseline: Size
    """Of the object that the real `clang -Oz` emits under the same protocol with the same flags."""
    size: Size
    """Of the object that this solution stands for: never larger than `baseline`."""
    winner: Candidate | None
    """The winning list and who proposed it; None where no list for the whole module was smaller than clang's own."""
    functions: Mapping[str, str]
    """Lists that single functions got after that, by name."""
    output: bytes
    """Object, assembly, or module, as was asked for."""
    tried: tuple[Tried, ...]
    """All candidates, in order."""
    failures: Counter[str]
    """Candidates without a size, by reason."""
    seconds: float
    warnings: str
    """What clang had to say about the source."""

    @property
    def passes(self) -> PassList | None:
        """The winner's."""
        return self.winner.passes if self.winner else None


@dataclass(frozen=True)
class _Compiled:
    """The front end's part of the work on one source."""

    seconds: float
    baseline: bytes
    warnings: str
    module: bytes
    candidates: Sequence[Candidate]


class Solver:
    """Shrinks sources one after the other with one set of workers. A context manager, for one thread."""

    def __init__(
        self,
        toolchain: Toolchain,
        propose: Propose,
        protocol: Protocol,
        *,
        jobs: int,
        limits: Limits | None = None,
        functions: Functions | None = None,
        on_list: Callable[[], object] = lambda: None,
    ) -> None:
        """`on_list` is called after each list that was evaluated, for progress bars.

        With `functions`, each function of a module gets a list of its own where that makes the object smaller.
        """

        self._toolchain = toolchain
        self._propose = propose
        self._protocol = protocol
        self._limits = limits or Limits()
        self._on_list = on_list
        self._jobs = jobs
        self._workers: Workers[Job, Evaluation] = Workers(
            Evaluator(toolchain.library), count=jobs, limits=lambda job: job.limits
        )
        self._functions = functions
        self._tuning: Workers[FunctionJob, list[Any]] | None = None
        if functions is not None:
            from llm_compiler.inference.per_function import FunctionTuner

            tuner = FunctionTuner(toolchain.library, functions.denied)
            self._tuning = Workers(tuner, count=1, limits=lambda job: job.limits)
        self._threads = ThreadPoolExecutor(jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._workers.close()
        if self._tuning is not None:
            self._tuning.close()

    def solve(self, sources: Iterable[Source], emit: Emit = "obj") -> Iterator[Solution | CompileError]:
        """A solution for each source, in order, or clang's reason why there is none.

        The front end works a few sources ahead.
        """
        pending: list[tuple[Source, Future[_Compiled]]] = []
        remaining = iter(sources)
        while True:
            while len(pending) < self._jobs and (source := next(remaining, None)) is not None:
                pending.append((source, self._threads.submit(self._compile, source)))
            if not pending:
                return
            source, future = pending.pop(0)
            try:
                yield self._solve(source, future.result(), emit)
            except CompileError as error:
                yield error

    def _compile(self, source: Source) -> _Compiled:
        started = time.perf_counter()
        baseline, warnings = optimise_for_size(self._toolchain, source, self._protocol)
        module = unoptimised(self._toolchain, source)
        candidates = self._propose(module)
        return _Compiled(time.perf_counter() - started, baseline, warnings, module, candidates)

    def _solve(self, source: Source, compiled: _Compiled, emit: Emit) -> Solution:
        started = time.perf_counter()
        answers = []
        for answer in self._workers.map(self._job(compiled, one.passes) for one in compiled.candidates):
            answers.append(answer)
            self._on_list()
        baseline = object_size(compiled.baseline)
        sized = [(answer.size.total, at) for at, answer in enumerate(answers) if isinstance(answer, Evaluation)]
        failures = [answer for answer in answers if isinstance(answer, Failure)]
        if failures and not sized and all(failure.reason == "invalid" for failure in failures):
            raise CompileError(failures[0].detail)  # the module's fault, not that of every list
        best = [at for total, at in sorted(sized) if total < baseline.total][:_CONFIRMED]
        winner, size, module = self._confirm(source, compiled, best)
        chosen: Mapping[str, str] = {}
        if self._functions is not None:
            chosen, size, module = self._by_function(source, compiled, winner, size, module)
        if module is not None:
            output = lower(self._toolchain, module, self._protocol, source.flags, emit)
        elif emit == "obj":
            output = compiled.baseline
        else:
            output = optimise_for_size(self._toolchain, source, self._protocol, emit)[0]
        return Solution(
            source,
            baseline,
            size,
            winner,
            chosen,
            output,
            tried=tuple(map(_tried, compiled.candidates, answers)),
            failures=Counter(failure.reason for failure in failures),
            seconds=compiled.seconds + time.perf_counter() - started,
            warnings=compiled.warnings,
        )

    def _confirm(
        self, source: Source, compiled: _Compiled, best: Sequence[int]
    ) -> tuple[Candidate | None, Size, bytes | None]:
        """The smallest of the best candidates as clang emits them, if it beats clang's own object and links alike."""
        winner: Candidate | None = None
        size, module = object_size(compiled.baseline), None
        interface = symbols(compiled.baseline)
        jobs = (self._job(compiled, compiled.candidates[at].passes, keep=True) for at in best)
        kept = list(self._workers.map(jobs))
        modules = [answer.bitcode if isinstance(answer, Evaluation) else None for answer in kept]
        for at, bitcode, emitted in zip(
            best, modules, self._threads.map(self._emit, [source] * len(best), modules), strict=True
        ):
            if emitted is None or not symbols(emitted).replaces(interface):
                continue
            if object_size(emitted).total < size.total:
                winner, size, module = compiled.candidates[at], object_size(emitted), bitcode
        return winner, size, module

    def _by_function(
        self, source: Source, compiled: _Compiled, winner: Candidate | None, size: Size, module: bytes | None
    ) -> tuple[Mapping[str, str], Size, bytes | None]:
        """Lists for single functions on top, if clang's own object is smaller with them."""
        from llm_compiler.inference.per_function import FunctionJob, outcome

        assert self._functions is not None
        assert self._tuning is not None
        passes = str(winner.passes) if winner else oz_passes(self._toolchain.version, self._protocol)
        start = module
        if start is None:
            (answer,) = self._workers.map([Job(compiled.module, passes, self._protocol.name, self._limits, True)])
            start = answer.bitcode if isinstance(answer, Evaluation) else None
        if start is None:
            return {}, size, module
        lists, budget = self._functions.lists, self._functions.budget
        job = FunctionJob(start, lists, {}, passes, self._protocol.name, budget, self._limits)
        (steps,) = self._tuning.map([job])
        tuned = outcome(steps)
        emitted = self._emit(source, tuned.module)
        if emitted is None or not symbols(emitted).replaces(symbols(compiled.baseline)):
            return {}, size, module
        if object_size(emitted).total >= size.total:
            return {}, size, module
        return tuned.chosen, object_size(emitted), tuned.module

    def _emit(self, source: Source, module: bytes | None) -> bytes | None:
        if module is None:
            return None
        try:
            return lower(self._toolchain, module, self._protocol, source.flags)
        except CompileError:
            return None

    def _job(self, compiled: _Compiled, passes: PassList, keep: bool = False) -> Job:
        return Job(compiled.module, str(passes), self._protocol.name, self._limits, keep)


def _tried(candidate: Candidate, answer: Evaluation | Failure) -> Tried:
    if isinstance(answer, Failure):
        return Tried(candidate, None, answer.reason)
    return Tried(candidate, answer.size.total)
