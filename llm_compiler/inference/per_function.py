"""A pass list for each function, on top of what was done for the whole module; kept only where the object is smaller.

Function passes see one function at a time. So a list runs on all functions at once, and one object tells what it made
of each: that costs one evaluation, not one for each function. Then every function gets the list that was best for it,
all others being held (`Module.run_on`), and the whole object has the last word: what it does not bear out is left
out again. Where something was gained, the same lists are tried once more behind the chosen ones.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_compiler.llvm.elf import Symbols, object_size, symbols
from llm_compiler.llvm.evaluate import UnlinkableError, emitted
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context, Machine, Module
from llm_compiler.llvm.objects import LOADED, Object, ObjectError, read_object
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.size import PROTOCOLS
from llm_compiler.llvm.workers import Failure, Limits, Workers

SHORT_LISTS = (
    ("simplifycfg", "reassociate", "early-cse"),
    ("loop-rotate", "gvn-hoist"),
    ("function-simplification<Oz>", "gvn", "sink"),
    ("reg2mem", "instcombine"),
    ("break-crit-edges", "instcombine"),
    ("lowerswitch", "simple-loop-unswitch", "sink", "gvn-hoist"),
    ("loop-reduce", "instcombine"),
    ("separate-const-offset-from-gep", "early-cse", "gvn-hoist", "reassociate"),
    ("function-simplification<O1>", "reassociate", "early-cse"),
    ("loop-rotate", "lowerswitch", "sink"),
    ("jump-threading",),
    ("lowerswitch", "gvn-hoist"),
)
"""Passes that are good on functions that are optimised already, the best first (found on the train split)."""
_CONFIRMING = 4
"""Evaluations that are left for whole objects."""
_BORNE_OUT = 0.9
"""Share of the expected gain with which functions are accepted together."""
_DETAIL = 120
_GROUP = 17
"""The kind of a section that lists the sections of a comdat."""

Chosen = dict[str, str]
"""Lists, in LLVM's syntax, by the name of the function that they run on. Without the others."""
_Outcome = Any  # an answer that was sent through a pipe, or a Failure


@dataclass(frozen=True)
class FunctionJob:
    """An optimised module, and what to try on its functions."""

    module: bytes
    """Text or bitcode."""
    lists: tuple[str, ...]
    """Lists of function and loop passes, best first, as `function_lists` makes them."""
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """More of them for some functions, by name; they come first."""
    before: str = ""
    """The list that made the module: what it and a function's list are together may be denied."""
    protocol: str = "ship"
    budget: int = 20
    """Objects that may be made; the first two say what there is to beat."""
    limits: Limits = field(default_factory=Limits)
    """Of each."""


@dataclass(frozen=True)
class Tuned:
    """What became of a module. Sizes are of whole objects, text and data, in bytes."""

    before: int
    """0 where the module makes no object."""
    after: int
    module: bytes | None
    """Bitcode; None where nothing was gained."""
    chosen: Chosen
    """With this, `replay` makes the same module again."""
    evaluations: int
    failures: Counter[str]
    """Evaluations without an object, by reason."""


def function_lists(lists: Iterable[PassList], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The function and loop passes of these lists in their order, each in its adaptors; none twice, none refused."""
    found: dict[str, None] = {}
    for passes in lists:
        spellings = (element.spelling for element in passes.passes())
        known = (vocabulary.passes[name] for name in spellings if name in vocabulary.passes)
        names = [one.name for one in known if one.propose and one.level not in ("module", "cgscc")]
        if names:
            found[str(vocabulary.nest(names))] = None
    return tuple(found)


def short_lists(vocabulary: Vocabulary) -> tuple[str, ...]:
    """What to try on the functions of any module, less what this LLVM lacks."""
    has = vocabulary.passes
    return function_lists(
        (vocabulary.nest(names) for names in SHORT_LISTS if all(name in has for name in names)), vocabulary
    )


def tune(jobs: Iterable[FunctionJob], tuner: FunctionTuner, *, workers: int | None = None) -> Iterator[Tuned]:
    """Answers in the order of `jobs`."""
    with Workers[FunctionJob, list[Any]](tuner, count=workers, limits=lambda job: job.limits) as pool:
        yield from map(outcome, pool.map(jobs))


def outcome(steps: list[Any] | Failure) -> Tuned:
    """What a job came to, from what `Workers` say of it."""
    if not isinstance(steps, Failure) and isinstance(steps[-1], Tuned):
        return steps[-1]
    failures = [steps] if isinstance(steps, Failure) else [step for step in steps if isinstance(step, Failure)]
    return Tuned(0, 0, None, {}, len(failures), Counter(failure.reason for failure in failures))


def replay(
    module: bytes, chosen: Mapping[str, str], library: Path, protocol: str = "ship", limits: Limits | None = None
) -> bytes | Failure:
    """The bitcode that a job came to, made again from its module and what was chosen."""
    with Workers[tuple[bytes, Mapping[str, str], str], bytes](
        _Replayer(library), count=1, limits=limits or Limits()
    ) as pool:
        (answer,) = pool.map([(module, chosen, protocol)])
    return answer


class _Replayer:
    """The function that workers run for `replay`."""

    def __init__(self, library: Path) -> None:
        self._path = library

    def prepare(self) -> None:
        self._library = Library(self._path)

    def __call__(self, item: tuple[bytes, Mapping[str, str], str]) -> bytes:
        module, chosen, protocol = item
        return _applied(self._library, module, chosen, protocol)


class FunctionTuner:
    """The function that workers run, in steps: each is one evaluation, and the last is the `Tuned`."""

    def __init__(self, library: Path, denied: Iterable[tuple[str, ...]]) -> None:
        """`denied`: a list in which such passes occur, in this order and whatever is between them, is never run."""
        self._path = library
        self._denied = tuple(denied)

    def prepare(self) -> None:
        """Load libLLVM."""
        self._library = Library(self._path)

    def steps(self, job: FunctionJob, past: list[Any]) -> Iterator[_Outcome]:
        """Outcomes as they come, then the `Tuned`."""
        yield from _Tuning(self._library, self._denied, job, past).steps()


class _Tuning:
    """One module's tuning, with what it knows."""

    def __init__(
        self, library: Library, denied: Sequence[tuple[str, ...]], job: FunctionJob, past: Iterable[Any]
    ) -> None:
        self._library, self._denied, self._job = library, denied, job
        self._past = deque(past)
        self._evaluations = 0
        self._failures: Counter[str] = Counter()

    def steps(self) -> Generator[_Outcome, None, None]:
        baseline = yield from self._outcome(self._baseline, {})
        if isinstance(baseline, Failure):
            yield Tuned(0, 0, None, {}, self._evaluations, self._failures)
            return
        before, self._interface = baseline
        self._size, self._chosen = before, dict[str, str]()
        changed = yield from self._improve(None)
        while changed:
            changed = yield from self._improve(changed)
        # What is left of the past is then a failure: the worker died of making this module, which it had made before.
        made = None if self._past or not self._chosen else self._applied(self._chosen)
        after, chosen = (self._size, self._chosen) if made else (before, {})
        yield Tuned(before, after, made, chosen, self._evaluations, self._failures)

    def _improve(self, names: Collection[str] | None) -> Generator[_Outcome, None, Collection[str]]:
        """Try every list once behind what is chosen for these functions (None is all); the functions that gained."""
        sizes = yield from self._outcome(self._sizes, self._chosen)
        if isinstance(sizes, Failure):
            return ()
        names = sorted(sizes if names is None else names, key=lambda name: -sizes.get(name, 0))
        candidates = {name: self._candidates(name) for name in names if name}  # who has no name cannot be chosen
        best: dict[str, _Gain] = {}
        for place in range(max(map(len, candidates.values()), default=0)):
            trial = {name: lists[place] for name, lists in candidates.items() if place < len(lists)}
            for name, size in (yield from self._measured(trial)).items():
                if sizes[name] - size > (best[name].saved if name in best else 0):
                    best[name] = _Gain(name, trial[name], sizes[name] - size)
        before = self._chosen
        yield from self._confirm(sorted(best.values(), key=lambda gain: -gain.saved))
        return [name for name in self._chosen if self._chosen[name] != before.get(name)]

    def _candidates(self, name: str) -> list[str]:
        chosen = self._chosen.get(name, "")
        lists = dict.fromkeys((*self._job.own.get(name, ()), *self._job.lists))
        joined = (f"{chosen},{passes}" if chosen else passes for passes in lists if not chosen.endswith(passes))
        return [passes for passes in joined if not self._is_denied(passes)]

    def _is_denied(self, passes: str) -> bool:
        whole = f"{self._job.before},{passes}" if self._job.before else passes
        spellings = [element.spelling for element in PassList.parse(whole).passes()]
        for entry in self._denied:
            rest = iter(spellings)
            if all(name in rest for name in entry):
                return True
        return False

    def _measured(self, trial: Chosen) -> Generator[_Outcome, None, dict[str, int]]:
        """Sizes of the functions with these lists, less those of which LLVM dies; nothing where the budget is spent.

        The one function among many that a list fails on is looked for by halves. Where both fail, the list is bad.
        """
        found: dict[str, int] = {}
        pending = [trial]
        while pending and self._left() > _CONFIRMING:
            outcomes = []
            for part in pending:
                outcomes.append((yield from self._outcome(self._sizes, {**self._chosen, **part})))
            failed = [part for part, outcome in zip(pending, outcomes, strict=True) if isinstance(outcome, Failure)]
            for part, outcome in zip(pending, outcomes, strict=True):
                if not isinstance(outcome, Failure):
                    found |= {name: size for name, size in outcome.items() if name in part}
            if len(failed) != 1 or len(failed[0]) == 1:
                break
            names = list(failed[0])
            pending = [{name: trial[name] for name in half} for half in (names[::2], names[1::2])]
        return found

    def _confirm(self, gains: Sequence[_Gain]) -> Generator[_Outcome, None, None]:
        """Choose what makes the whole object smaller: all together where that is borne out, else by halves."""
        groups = [gains] if gains else []
        smallest = self._size, self._chosen
        while groups and self._left():
            group = groups.pop(0)
            trial = {**self._chosen, **{gain.name: gain.passes for gain in group}}
            size = yield from self._outcome(self._whole, trial)
            saved = 0 if isinstance(size, Failure) else self._size - size
            if saved > 0 and size < smallest[0]:
                smallest = size, trial
            if saved > 0 and (len(group) == 1 or saved >= _BORNE_OUT * sum(gain.saved for gain in group)):
                self._size, self._chosen = size, trial
            elif len(group) > 1:
                groups[:0] = [group[: len(group) // 2], group[len(group) // 2 :]]
        if smallest[0] < self._size:
            self._size, self._chosen = smallest

    def _left(self) -> int:
        return self._job.budget - self._evaluations

    def _outcome(self, evaluate: Callable[[Chosen], Any], chosen: Chosen) -> Generator[_Outcome, None, _Outcome]:
        """What was remembered of this evaluation, else the evaluation, which is a step."""
        self._evaluations += 1
        if self._past:
            outcome = self._past.popleft()
        else:
            try:
                outcome = evaluate(chosen)
            except UnlinkableError as error:
                outcome = Failure("unlinkable", str(error))
            except LLVMError as error:
                outcome = Failure("invalid", str(error)[:_DETAIL])
            yield outcome
        if isinstance(outcome, Failure):
            self._failures[outcome.reason] += 1
        return outcome

    # -- evaluations

    def _baseline(self, chosen: Chosen) -> tuple[int, Symbols]:
        contents = self._object(chosen)
        return object_size(contents).total, symbols(contents)

    def _whole(self, chosen: Chosen) -> int:
        """Bytes of the object. UnlinkableError where it could not stand in for that of the module as it was."""
        contents = self._object(chosen)
        if not symbols(contents).replaces(self._interface):
            raise UnlinkableError("defines less than the module's object does, or needs more")
        return object_size(contents).total

    def _object(self, chosen: Chosen) -> bytes:
        bitcode = self._applied(chosen)
        with Context(self._library) as context, context.parse(bitcode) as module, self._machine(module) as machine:
            return emitted(context, bitcode, machine)

    def _sizes(self, chosen: Chosen) -> dict[str, int]:
        """Bytes of each function: its code, jump tables and unwind information."""
        bitcode = self._applied(chosen)
        with Context(self._library) as context, context.parse(bitcode) as module, self._machine(module) as machine:
            names = module.functions()
            module.expand_bcmp()
            module.put_apart()
            contents = module.emit(machine)
        sizes = function_sizes(contents)
        return {name: sizes[place] for place, name in enumerate(names) if place in sizes}

    def _machine(self, module: Module) -> Machine:
        return module.machine(PROTOCOLS[self._job.protocol])

    def _applied(self, chosen: Chosen) -> bytes:
        return _applied(self._library, self._job.module, chosen, self._job.protocol)


@dataclass(frozen=True)
class _Gain:
    """A list for a function, and the bytes that it seems to save."""

    name: str
    passes: str
    saved: int


def _applied(library: Library, module: bytes, chosen: Mapping[str, str], protocol: str) -> bytes:
    """The module after every list has run on its functions, as bitcode. LLVMError."""
    names: dict[str, set[str]] = {}
    for name, passes in chosen.items():
        names.setdefault(passes, set()).add(name)
    with Context(library) as context, context.parse(module) as tuned, tuned.machine(PROTOCOLS[protocol]) as machine:
        for passes in sorted(names):
            tuned.run_on(names[passes], passes, machine)
        tuned.verify()
        return tuned.bitcode()


def function_sizes(elf: bytes) -> dict[int, int]:
    """Bytes by the function's place in an object whose functions were `put_apart`. LLVMError for another ELF."""
    try:
        found = read_object(elf)
    except ObjectError as error:
        raise LLVMError(f"the object that the back end made is {error}") from error
    owners: dict[int, int] = {}
    for index, section in enumerate(found.sections):
        if section.kind == _GROUP:
            contents = found.bytes_of(index)
            members = [int.from_bytes(contents[at : at + 4], "little") for at in range(4, len(contents), 4)]
            code = [found.sections[member].name for member in members]
            owners |= dict.fromkeys(members, next((int(name) for name in code if name.isdigit()), -1))
    sizes: Counter[int] = Counter()
    for index, place in owners.items():
        if found.sections[index].flags & LOADED:
            sizes[place] += found.sections[index].size
    for index, section in enumerate(found.sections):
        if section.name == ".eh_frame":
            for owner, size in _unwind_entries(found, index):
                sizes[owners.get(owner, -1)] += size
    del sizes[-1]
    return dict(sizes)


def _unwind_entries(found: Object, index: int) -> Iterator[tuple[int, int]]:
    """For each function's entry in an .eh_frame section: the section that its code is in, and bytes of the entry."""
    code = {one.offset: one.symbol.section for one in found.relocations.get(index, ())}
    contents = found.bytes_of(index)
    at = 0
    while at < len(contents):
        size = 4 + int.from_bytes(contents[at : at + 4], "little")
        section = code.get(at + 8)  # behind the length and the place of the common part: where the code starts
        if section is not None:
            yield section, size
        at += size
