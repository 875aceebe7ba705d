"""Stage 3, flag tuning: unoptimised IR in, the pass list that makes its object smallest out.

The prompt of the verbatim dialect is Meta's; it does not say how sizes are taken, which is that of the labels. The
compact one names the protocol where it is not `ship`. Where nothing is smaller than -Oz, the list of the answer is
`default<Oz>` alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from llm_compiler.autotune.deny import denied
from llm_compiler.corpus.normalise import compact, normalise
from llm_compiler.llvm.evaluate import Subject, UnlinkableError, oz_passes
from llm_compiler.llvm.library import LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.passes import PassList, PassListError, Vocabulary
from llm_compiler.llvm.size import PAPER, PROTOCOLS
from llm_compiler.llvm.verdict import Verdict
from llm_compiler.tasks.answers import after_pass_list, blocks, named_numbers, pass_lists, two_numbers
from llm_compiler.tasks.code import deny_list, restored, shown, written
from llm_compiler.tasks.task import (
    DIALECTS,
    Dialect,
    Example,
    LeftOut,
    Maker,
    NoExampleError,
    Pieces,
    Tools,
    known_name,
)

if TYPE_CHECKING:  # they need Parquet, which those who only ask models have not
    from llm_compiler.autotune.label import Label
    from llm_compiler.corpus.unit import Unit

name = "flag_tuning"
version = 2
needs_label = True
"""A unit without one has no example: those who walk a corpus need not come by it."""
LIST_ROOM = 96
"""Tokens that a prompt leaves for a pass list at least, where its code is cut."""


@dataclass(frozen=True)
class Settings:
    """How examples are made."""

    dialect: Dialect = "verbatim"
    code: bool = True
    """Whether the answer ends with the optimised code; without, it is short."""
    equal: bool = True
    """Whether there are examples of units that nothing makes smaller; their list is that of -Oz."""
    cut: bool = False
    """Whether of code over the context the beginning is shown, as models are asked about such; else it is left out."""
    longest: int | None = None
    """Characters of prompt and answer; what is longer is left out. None for no limit."""

    def __post_init__(self) -> None:
        known_name("dialect", self.dialect, DIALECTS)


@dataclass(frozen=True)
class Question:
    """How does this module get small?"""

    ir: str
    """Verbatim."""
    protocol: str = "ship"
    oz: int | None = None
    """Bytes with -Oz; None to have it measured."""
    before: int | None = None
    """Bytes as it is; None where nobody knows."""


@dataclass(frozen=True)
class Answer:
    """What a model says, None for what it does not."""

    passes: tuple[str, ...]
    """One list, if it is a good answer."""
    before: int | None = None
    after: int | None = None
    """Bytes."""
    code: str | None = None


@dataclass(frozen=True)
class Tuned(Verdict):
    """A verdict on an answer, with real sizes in bytes; ok where the object is smaller than -Oz's.

    The reason is `smaller`, `equal`, `larger`, `no pass list`, `two pass lists`, `invalid list`, `denied`, `invalid`
    (LLVM refuses) or `unlinkable`. A list that takes LLVM down does so to whoever checks it.
    """

    passes: str = ""
    """The list in LLVM's syntax; empty where it is none."""
    oz: int | None = None
    before: tuple[int | None, int | None] = (None, None)
    """Said, real."""
    after: tuple[int | None, int | None] = (None, None)


def ask_of(unit: Unit, protocol: str) -> Question:
    """A question about a unit, which has been measured."""
    if protocol == "paper":
        return Question(unit.text, protocol, unit.oz_paper or None, unit.unoptimised_paper or None)
    return Question(unit.text, protocol, unit.oz_ship or None, unit.unoptimised_ship or None)


def ask(printed: str, protocol: str) -> Question:
    """A question about any module as LLVM prints it. ValueError for text that it does not print."""
    return Question(normalise(printed), protocol)


def examples(
    unit: Unit, label: Label | None, tools: Tools, settings: Settings, rng: random.Random, *, skip: int = 0
) -> Iterator[Example | LeftOut]:
    """One, from the unit's label. ValueError for the label of another unit."""
    if label is not None and label.unit != unit.id:
        raise ValueError(f"the label of unit {label.unit} does not go with unit {unit.id}")
    maker = Maker(name, version, unit, settings.dialect, settings.longest)
    return maker.run([partial(_example, maker, label, tools, settings)], skip)


def _example(maker: Maker, label: Label | None, tools: Tools, settings: Settings) -> Example:
    if label is None:
        raise NoExampleError("no label")
    question = ask_of(maker.unit, label.protocol)
    if not label.oz or question.before is None:
        raise NoExampleError("no size")
    if not label.passes and not settings.equal:
        raise NoExampleError("nothing is smaller")
    asked = prompt(question, maker.dialect)
    maker.room(asked)
    best = label.passes or best_is_oz(label.llvm)
    answer = Answer((best,), question.before, label.size)
    if settings.code:
        passes = label.passes or oz_passes(label.llvm, PROTOCOLS[label.protocol])
        printed = _optimised(maker.unit.text, passes, label.protocol, tools)
        answer = replace(answer, code=compact(printed) if maker.dialect == "compact" else normalise(printed))
    replay = {"passes": label.passes, "protocol": label.protocol, "seed": label.seed}
    made = maker.example(name, asked, write(answer, maker.dialect), **replay)
    return replace(made, room=LIST_ROOM) if settings.cut else made


def best_is_oz(llvm: str) -> str:
    """The list that says that nothing beats -Oz."""
    return f"module({oz_passes(llvm, PAPER)})"


def _optimised(ir: str, passes: str, protocol: str, tools: Tools) -> str:
    with Context(tools.library) as context, context.parse(ir.encode()) as module:
        module.verify()
        with module.machine(PROTOCOLS[protocol]) as machine:
            module.run(passes, machine)
        module.verify()
        return module.print()


def prompt(question: Question, dialect: Dialect) -> Pieces:
    """Meta's, or the short one."""
    sizes = "" if question.protocol == "ship" else f" {question.protocol}"
    start = f"[INST] opt -p{sizes}\n<code>"
    if dialect == "verbatim":
        start = "[INST] Tell me how to optimize this LLVM-IR for object file size:\n\n<code>"
    return (start, True), (written(question.ir, dialect), False), ("</code> [/INST]", True)


def write(answer: Answer, dialect: Dialect) -> Pieces:
    """The text of an answer with one list and both sizes, whose code, if any, is in the dialect already."""
    passes = shown(answer.passes[0], dialect)
    if dialect == "compact":
        sizes, gap = f"' {answer.before} {answer.after}", "\n"
    else:
        before = f"The input code has binary size {answer.before} bytes"
        sizes, gap = f"'\n\n{before} and the output code has binary size {answer.after} bytes.", "\n\n"
    start: Pieces = (("opt -p '", True), (passes, False), (sizes, True))
    if answer.code is None:
        return start
    return *start, (f"{gap}<code>", True), (answer.code, False), ("</code>", True)


def parse(text: str) -> Answer:
    """All pass lists outside code, the sizes (the named ones, else two numbers after the list), the first block."""
    inside, around = blocks(text)
    words = "\n".join(around)
    sizes = named_numbers(words, "binary size")
    before, after = two_numbers(after_pass_list(words).lstrip("'\"`"))
    if sizes:
        before, after = (sizes[0], sizes[-1]) if len(sizes) > 1 else (None, sizes[0])
    return Answer(pass_lists(words), before, after, inside[0] if inside else None)


class RefusedError(PassListError):
    """A list that is none, or not to be applied; `reason` is that of `Tuned`."""

    def __init__(self, reason: str, detail: str, passes: str = "") -> None:
        super().__init__(detail)
        self.reason, self.passes = reason, passes


def proposed(answer: Answer, vocabulary: Vocabulary) -> PassList:
    """The list of an answer, which may be applied. RefusedError."""
    if len(answer.passes) != 1:
        raise RefusedError("two pass lists" if answer.passes else "no pass list", " and ".join(answer.passes))
    try:
        passes = restored(answer.passes[0], vocabulary)
        refused = vocabulary.may_propose(passes)
    except PassListError as error:
        raise RefusedError("invalid list", str(error)) from None
    if refused:
        raise RefusedError("invalid list", refused)
    if entry := denied(passes, deny_list(vocabulary.version)):
        raise RefusedError("denied", f"{','.join(entry.passes)}: {entry.detail}", str(passes))
    return passes


def check(question: Question, answer: Answer, tools: Tools) -> Tuned:
    """Apply the list and compare bytes with -Oz. The model's code and numbers do not matter to the verdict."""
    with Checker(question, tools) as checker:
        return checker.check(answer)


class Checker:
    """Judges several answers to one question: the module is read, and measured with -Oz, once. A context manager."""

    def __init__(self, question: Question, tools: Tools) -> None:
        self.question = question
        self._tools = tools
        self._opened: tuple[Subject, int] | None = None

    def __enter__(self) -> Checker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            self._opened[0].close()

    def check(self, answer: Answer) -> Tuned:
        """As `check` says."""
        try:
            passes = str(proposed(answer, self._tools.vocabulary))
        except RefusedError as error:
            return Tuned(False, error.reason, str(error), error.passes)
        try:
            oz, size = self._sizes(passes)
        except UnlinkableError as error:
            return Tuned(False, "unlinkable", str(error), passes)
        except LLVMError as error:
            return Tuned(False, "invalid", str(error), passes)
        reason = "smaller" if size < oz else "larger" if size > oz else "equal"
        detail = f"{size} bytes, {oz} with -Oz"
        before, after = (answer.before, self.question.before), (answer.after, size)
        return Tuned(reason == "smaller", reason, detail, passes, oz, before, after)

    def _sizes(self, passes: str) -> tuple[int, int]:
        """Bytes with -Oz and with the list."""
        subject, oz = self._opened or self._open()
        # What stands for -Oz here differs from that pass in small things.
        if passes == best_is_oz(self._tools.vocabulary.version):
            return oz, oz
        return oz, subject.evaluate(passes, self.question.protocol).size.total

    def _open(self) -> tuple[Subject, int]:
        llvm, protocol, oz = self._tools.vocabulary.version, self.question.protocol, self.question.oz
        subject = Subject(self._tools.library, self.question.ir.encode())
        if oz is None:
            oz = subject.evaluate(oz_passes(llvm, PROTOCOLS[protocol]), protocol).size.total
        subject.must_link_like(oz_passes(llvm, PROTOCOLS["ship"]))
        self._opened = subject, oz
        return self._opened
