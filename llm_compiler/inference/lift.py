"""Lifting: for each function of a program without source, the best IR that is proposed, and how far it is proven.

Who proposes is not known here: `Propose` answers a question with texts, one after the other, as long as they are asked
for. Each is judged in a worker, since LLVM may crash on it. What was accepted is linked into one module.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from llm_compiler.llvm.equivalence import Comparer
from llm_compiler.llvm.frontend import CompileError, lower
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.listing import Lister, Listing
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.objects import Architecture
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.verdict import Verdict
from llm_compiler.llvm.workers import Failure, Limits, Workers
from llm_compiler.tasks.code import lowered, read
from llm_compiler.tasks.disassembly import Question, ask, check, parse, target_lines
from llm_compiler.tasks.task import Tools

Level = Literal["exact", "same behaviour", "lowers again", "not"]
LEVELS: tuple[Level, ...] = ("exact", "same behaviour", "lowers again", "not")
"""From the best to the worst."""

_LEVEL_OF: dict[str, Level] = {"exact": "exact", "same behaviour": "same behaviour", "round trip": "lowers again"}
_LONGEST_COMPARED = 3000
"""Lines of assembly; of longer ones only the lengths are compared."""
_LEAST_ALIKE = 0.3
"""BLEU below which assembly of an object is not looked at again: it cannot be the same code."""
_LIMITS = Limits()
_TRIPLES: dict[Architecture, str] = {"x86-64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
_DEFINES = re.compile(r'^define [^\n]*?@("[^"]*"|[\w.$-]+)\(', re.M)
_FLAGS = re.compile(r"^!llvm\.module\.flags = .*\n", re.M)


@dataclass(frozen=True)
class Asked:
    """One function of a program."""

    name: str
    question: Question
    problem: str = ""
    """Why it cannot be asked about; the question is empty then."""


@dataclass(frozen=True)
class Proposal:
    """What a model has to say to a question: an answer's text, or why it has none (`over the context`)."""

    text: str | None
    reason: str = ""
    seconds: float = 0.0
    tokens: int = 0


Propose = Callable[[Question], Iterator[Proposal]]


@dataclass(frozen=True)
class Budget:
    """For one function; whatever is spent first ends it."""

    samples: int = 8
    seconds: float = 60.0


@dataclass(frozen=True)
class Judged:
    """How good one answer is."""

    level: Level
    reason: str
    """Of the task's verdict: `exact`, `same behaviour`, `round trip`, `does not lower`, `broken`, `no code`."""
    detail: str = ""
    distance: int = 1 << 30
    """Lines of assembly to insert, delete or change."""
    ir: str = ""
    """As LLVM prints it; empty below `lowers again`."""

    @property
    def rank(self) -> tuple[int, int]:
        """Smaller is better."""
        return LEVELS.index(self.level), self.distance


@dataclass(frozen=True)
class FunctionLift:
    """What became of one function."""

    name: str
    level: Level
    reason: str
    detail: str
    distance: int | None
    sample: int | None
    """Which proposal it is, from 0."""
    tried: int
    failures: dict[str, int]
    """Proposals that are no lift, by reason."""
    seconds: float
    linked: bool
    answer: str = ""
    """The proposal's text: with the question, what replays the verdict."""
    assembly: str = ""


@dataclass(frozen=True)
class Lifted:
    """One program."""

    target: Architecture
    llvm: str
    text: str
    """One module with all that was lifted; the rest declared."""
    functions: tuple[FunctionLift, ...]

    def json(self) -> str:
        """Everything, with what replays it: per function the question's assembly and the answer's text."""
        return json.dumps(asdict(self), indent=2)


def reached(lifted: Lifted, level: Level) -> bool:
    """Whether every function reached a level, and all of them are in the module."""
    return all(
        LEVELS.index(each.level) <= LEVELS.index(level) and (each.linked or each.level == "not")
        for each in lifted.functions
    )


def table(lifted: Lifted) -> list[tuple[str, str, str]]:
    """Rows for people: function, level, and what there is to say."""
    rows: list[tuple[str, str, str]] = []
    for each in lifted.functions:
        said = each.detail.partition("\n")[0] if each.level != "exact" else ""
        if each.level == "lowers again" and each.distance is not None:
            said = f"{each.distance} lines of assembly differ"
        if each.level == "not":
            said = f"{each.reason}{': ' if said else ''}{said}"
        elif not each.linked:
            said = "left out: it does not link with the others"
        rows.append((each.name, each.level, said))
    return rows


def asked(listing: Listing) -> list[Asked]:
    """The questions about the functions of a file, in the form that the model was trained on."""
    target = listing.architecture
    return [Asked(each.name, ask(each.text, target), each.problem) for each in listing.functions]


# -- judging


@dataclass(frozen=True)
class Attempt:
    """An answer to be judged."""

    name: str
    question: Question
    text: str


class Judge:
    """The function that workers run: an attempt in, how good it is out."""

    def __init__(self, toolchain: Toolchain, vocabulary: Vocabulary, *, inputs: int = 400) -> None:
        self._toolchain, self._vocabulary, self._inputs = toolchain, vocabulary, inputs

    def prepare(self) -> None:
        """Load libLLVM."""
        self._tools = Tools(self._toolchain, Library(self._toolchain.library), self._vocabulary)
        self._lister = Lister(self._toolchain.library)
        self._lister.prepare()

    def __call__(self, attempt: Attempt) -> Judged:
        """How good it is; a bad answer is a level with a reason. LLVMError where no worker can say."""
        question, tools = attempt.question, self._tools
        answer = parse(attempt.text)
        if question.ir and tools.comparer is None:  # what it was made from is known: behaviour can be compared
            comparer = Comparer(self._toolchain.library)
            comparer.prepare()
            tools = self._tools = replace(tools, comparer=comparer)
        found = check(question, answer, tools, inputs=self._inputs)
        level = _LEVEL_OF.get(found.reason, "not")
        if level == "not" or answer.code is None:
            return Judged("not", found.reason, found.detail)
        reading = read(tools, answer.code, _like(question))
        if attempt.name not in _names(reading.printed):
            return Judged("not", "another function", f"it does not define {attempt.name}")
        if level == "exact":
            return Judged("exact", found.reason, found.detail, 0, reading.printed)
        if found.bleu >= _LEAST_ALIKE and self._same_object(attempt, reading.bitcode):
            return Judged("exact", "exact", "its object reads the same", 0, reading.printed)
        made = lowered(tools, reading.bitcode, question.target)
        distance = edit_distance(question.assembly.splitlines(), made.splitlines())
        return Judged(level, found.reason, found.detail, distance, reading.printed)

    def _same_object(self, attempt: Attempt, bitcode: bytes) -> bool:
        """Whether it becomes an object whose listing is the question's: code, relocations and data are the same then.

        Listings restore what an object lacks in one way, and compilers write it in several.
        """
        target = attempt.question.target
        flags = (f"--target={_TRIPLES[target]}", "-fPIE")
        try:
            listing = self._lister(lower(self._toolchain, bitcode, SHIP, flags, "obj"))
        except (CompileError, LLVMError):
            return False
        texts = [ask(each.text, target).assembly for each in listing.functions if each.name == attempt.name]
        # Whether a callee is in the same file is for a listing to see, and not for the code of this function.
        return [text.replace("@PLT", "") for text in texts] == [attempt.question.assembly.replace("@PLT", "")]


def _like(question: Question) -> str:
    return question.ir or target_lines(question.target)


def _names(ir: str) -> list[str]:
    return [name.strip('"') for name in _DEFINES.findall(ir)]


def edit_distance(first: Sequence[str], second: Sequence[str]) -> int:
    """Levenshtein's, in lines. For very long ones at least the difference of their lengths."""
    if max(len(first), len(second)) > _LONGEST_COMPARED:
        return max(1, abs(len(first) - len(second)))
    row = list(range(len(second) + 1))
    for number, one in enumerate(first, 1):
        diagonal, row[0] = row[0], number
        for at, other in enumerate(second, 1):
            diagonal, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, diagonal + (one != other))
    return row[-1]


# -- the use case


def lift(
    functions: Iterable[Asked],
    propose: Propose,
    toolchain: Toolchain,
    vocabulary: Vocabulary,
    *,
    target: Architecture,
    budget: Budget = Budget(),
    limits: Limits = _LIMITS,
    inputs: int = 400,
    on_function: Callable[[FunctionLift], object] = lambda _: None,
) -> Lifted:
    """Ask about each function until one answer is exact or the budget is spent; keep the best, and link them.

    `inputs` says on how many inputs behaviour is compared, where a question says what it was made from; `limits` are
    for one answer. `on_function` is called after each, for progress bars.
    """
    lifts: list[FunctionLift] = []
    accepted: list[tuple[str, str, str]] = []
    with Workers(Judge(toolchain, vocabulary, inputs=inputs), count=1, limits=limits) as workers:
        for each in functions:
            found, ir = _lift_one(each, propose, workers, budget)
            if ir:
                accepted.append((each.name, ir, f"{found.level}{_said(found)}"))
            lifts.append(found)
            on_function(found)
    text, left_out = _joined(accepted, lifts, target, toolchain.library, limits)
    kept = tuple(replace(each, linked=each.level != "not" and each.name not in left_out) for each in lifts)
    return Lifted(target, toolchain.version, text, kept)


def _said(found: FunctionLift) -> str:
    return f", {found.distance} lines of assembly differ" if found.level == "lowers again" else ""


def _lift_one(
    each: Asked, propose: Propose, workers: Workers[Attempt, Judged], budget: Budget
) -> tuple[FunctionLift, str]:
    """The best proposal for one function, and its IR."""
    started = time.monotonic()
    best, sample, text = Judged("not", "no proposal"), None, ""
    failures: Counter[str] = Counter()
    tried, said = 0, Verdict(False, "", "")
    if each.problem:
        best = Judged("not", "not disassembled", each.problem)
    proposals = iter(()) if each.problem or budget.samples <= 0 else propose(each.question)
    for number, proposal in enumerate(proposals):
        tried += 1
        if proposal.text is None:
            failures[proposal.reason] += 1
            said = Verdict(False, proposal.reason or "no proposal")
        else:
            (answer,) = workers.map([Attempt(each.name, each.question, proposal.text)])
            judged = Judged("not", answer.reason, answer.detail) if isinstance(answer, Failure) else answer
            if judged.level == "not":
                failures[judged.reason] += 1
            if sample is None or judged.rank < best.rank:
                best, sample, text = judged, number, proposal.text
        if best.level == "exact" or tried >= budget.samples or time.monotonic() - started >= budget.seconds:
            break
    if sample is None and said.reason:
        best = Judged("not", said.reason)
    known = best.level != "not"
    return FunctionLift(
        each.name,
        best.level,
        best.reason,
        best.detail,
        best.distance if known else None,
        sample,
        tried,
        dict(failures),
        time.monotonic() - started,
        linked=False,
        answer=text,
        assembly=each.question.assembly,
    ), best.ir


# -- one module


@dataclass(frozen=True)
class Parts:
    """What is to become one module."""

    target: Architecture
    accepted: list[tuple[str, str, str]]
    """Name, IR, and the words for the comment."""
    missing: list[tuple[str, str]] = field(default_factory=list)
    """Functions that are only declared, and why."""


class Joiner:
    """The function that workers run: parts in, text and the names of those that do not fit out."""

    def __init__(self, library: Path) -> None:
        self._path = library

    def prepare(self) -> None:
        """Load libLLVM."""
        self._library = Library(self._path)

    def __call__(self, parts: Parts) -> tuple[str, list[str]]:
        """All at once; one by one where that does not link."""
        try:
            return self._linked(parts.accepted, parts), []
        except LLVMError:
            pass
        fitting: list[tuple[str, str, str]] = []
        left_out = []
        for each in parts.accepted:
            try:
                self._linked([*fitting, each], parts)
                fitting.append(each)
            except LLVMError:
                left_out.append(each[0])
        missing = [*parts.missing, *((name, "does not link with the others") for name in left_out)]
        return self._linked(fitting, replace(parts, missing=missing)), left_out

    def _linked(self, accepted: list[tuple[str, str, str]], parts: Parts) -> str:

        with Context(self._library) as context:
            whole = context.parse(target_lines(parts.target).encode())
            for number, (name, ir, _) in enumerate(accepted):
                # The flags of the first stand for all: where two differ, LLVM refuses to link.
                module = context.parse((_FLAGS.sub("", ir) if number else ir).encode())
                module.yield_to_others(name)
                whole.link(module)
            whole.verify()
            text = re.sub(r"^; ModuleID = .*\n|^source_filename = .*\n", "", whole.print(), flags=re.M)
        text = _commented(text, {name: words for name, _, words in accepted})
        for name, reason in parts.missing:
            text += f"\n; {_in_a_line(name)} is not lifted: {_in_a_line(reason)}\n"
            if not re.search(rf'^(?:declare|define) [^\n]*@(?:{re.escape(name)}|"{re.escape(name)}")\(', text, re.M):
                text += f"declare void @{_quoted(name)}(...)\n"
        with Context(self._library) as context, context.parse(text.encode()) as module:
            module.verify()
        return text


def _commented(text: str, words: dict[str, str]) -> str:
    def comment(match: re.Match[str]) -> str:
        name = match[1].strip('"')
        return f"; lifted: {words[name]}\n{match[0]}" if name in words else match[0]

    return _DEFINES.sub(comment, text)


def _in_a_line(text: str) -> str:
    return " ".join(text.split())[:200]


def _quoted(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_.$-][\w.$-]*", name, re.ASCII):
        return name
    return (
        '"'
        + "".join(c if 32 <= ord(c) < 127 and c not in '"\\' else f"\\{b:02X}" for c in name for b in c.encode())
        + '"'
    )


def _joined(
    accepted: list[tuple[str, str, str]],
    lifts: list[FunctionLift],
    target: Architecture,
    library: Path,
    limits: Limits,
) -> tuple[str, set[str]]:
    """One module. Where even that kills LLVM, all functions are left out."""
    once = {each[0]: each for each in reversed(accepted)}  # two members may define the same
    chosen = [each for each in accepted if once[each[0]] is each]
    missing = [(each.name, each.reason) for each in lifts if each.level == "not"]
    parts = Parts(target, chosen, missing)
    with Workers(Joiner(library), count=1, limits=replace(limits, seconds=limits.seconds * 4)) as workers:
        (answer,) = workers.map([parts])
        if not isinstance(answer, Failure):
            return answer[0], set(answer[1])
        why = f"linking: {answer.reason}"
        everyone = [*missing, *((name, why) for name, _, _ in chosen)]
        (answer,) = workers.map([Parts(target, [], everyone)])
    if isinstance(answer, Failure):
        raise LLVMError(answer.detail)
    return answer[0], {name for name, _, _ in chosen}
