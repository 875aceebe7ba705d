"""Stage 2, compiler emulation: unoptimised IR and a pass list in, the resulting IR or assembly and its sizes out.

The prompt of the verbatim dialect is Meta's. An answer in the compact one may say `=` for the code of the question. A
pass list is denied, crashes LLVM or runs for too long now and then: such examples are left out. Crashes and time limits
are the business of the workers in which `examples` runs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from llm_compiler.autotune.deny import denied
from llm_compiler.corpus.normalise import compact, normalise, normalise_assembly
from llm_compiler.llvm.evaluate import emitted_size
from llm_compiler.llvm.frontend import CompileError
from llm_compiler.llvm.library import LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.size import PROTOCOLS
from llm_compiler.llvm.verdict import Verdict
from llm_compiler.tasks.answers import blocks, named_numbers, two_numbers
from llm_compiler.tasks.code import deny_list, lowered, read, restored, same_code, same_module, shown, written
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

name = "emulation"
version = 1

Kind = Literal["ir", "asm"]
ProtocolName = Literal["paper", "ship"]
_NOUNS: dict[Kind, str] = {"ir": "LLVM-IR", "asm": "assembly"}
_DRAWS = 1000
"""Of lists of one length, until one is not denied."""


@dataclass(frozen=True)
class Settings:
    """How examples are made."""

    dialect: Dialect = "verbatim"
    protocol: ProtocolName | None = None
    """How sizes are taken; None is `paper` for the verbatim dialect, as in Meta's prompt, and `ship` for compact."""
    per_unit: int = 1
    """Pass lists for each unit."""
    longest_list: int = 50
    assembly_share: float = 0.25
    """Of examples that ask for assembly; the paper does not give it."""
    known: tuple[str, ...] = ()
    """Pass lists of the autotuner, which are those that users apply."""
    known_share: float = 0.3
    """Of lists that are drawn from `known`, if there are any."""
    unchanged: bool = False
    """Whether an answer that is the question's code, as one in ten is, says no more than that; in compact only."""
    longest: int | None = None
    """Characters of prompt and answer; what is longer is left out. None for no limit."""
    seconds: float = 120.0
    """For one example: the limit to give to the workers that `examples` runs in."""

    def __post_init__(self) -> None:
        known_name("dialect", self.dialect, DIALECTS)
        known_name("protocol", self.measured, PROTOCOLS)
        if self.longest_list < 1:
            raise ValueError("longest_list must be at least 1")
        if self.unchanged and self.dialect != "compact":
            raise ValueError("unchanged: only the compact dialect can say so")

    @property
    def measured(self) -> ProtocolName:
        """The protocol of the sizes."""
        return self.protocol or default_protocol(self.dialect)


@dataclass(frozen=True)
class Question:
    """What becomes of this module?"""

    ir: str
    """Verbatim."""
    passes: str
    """In LLVM's syntax."""
    kind: Kind
    """What is asked for."""
    instructions: int
    size: int
    """Bytes of the object that the module becomes as it is, under `protocol`."""
    protocol: ProtocolName = "paper"


@dataclass(frozen=True)
class Answer:
    """What a model says, None for what it does not."""

    code: str | None
    """None, too, where the answer says that it is the question's."""
    instructions: int | None
    size: int | None
    """Bytes."""
    unchanged: bool = False

    def code_for(self, question: Question) -> str | None:
        """The code, written out."""
        return written(question.ir, "compact") if self.unchanged else self.code


@dataclass(frozen=True)
class Result:
    """What the compiler says."""

    printed: str
    assembly: str
    """Empty where it was not asked for."""
    instructions: int
    size: int

    def text(self, kind: Kind, dialect: Dialect) -> str:
        """As an answer gives it."""
        if kind == "asm":
            return self.assembly
        return compact(self.printed) if dialect == "compact" else normalise(self.printed)


@dataclass(frozen=True)
class Emulated(Verdict):
    """A verdict on an answer, with both numbers as (said, real).

    The reason is `exact`, `normalised` (both ok), `verifies`, `parses`, `broken`, `differs` (of assembly), `no code`,
    or `no truth` where the question has no answer.
    """

    instructions: tuple[int | None, int] = (None, 0)
    size: tuple[int | None, int] = (None, 0)


def default_protocol(dialect: Dialect) -> ProtocolName:
    """Meta's prompt holds sizes as the paper takes them; the compact one is ours, and for what users ship."""
    return "paper" if dialect == "verbatim" else "ship"


def ask(ir: str, passes: str, kind: Kind, protocol: ProtocolName, tools: Tools) -> Question:
    """A question about any module as LLVM prints it, measured now.

    LLVMError for what is none, PassListError for what is no list, ValueError for text that LLVM does not print.
    """
    nested = restored(passes, tools.vocabulary)
    tools.vocabulary.validate(nested)
    with Context(tools.library) as context, context.parse(ir.encode()) as module:
        module.verify()
        with module.machine(PROTOCOLS[protocol]) as machine:
            size = emitted_size(context, module.bitcode(), machine).total
        return Question(normalise(ir), str(nested), kind, module.instruction_count(), size, protocol)


def ask_of(unit: Unit, passes: str, kind: Kind, protocol: ProtocolName) -> Question:
    """A question about a unit, which has been measured."""
    size = unit.unoptimised_paper if protocol == "paper" else unit.unoptimised_ship
    return Question(unit.text, passes, kind, unit.instructions, size, protocol)


def emulate(question: Question, tools: Tools) -> Result:
    """Apply the passes, for real. LLVMError where LLVM refuses, or the module does not verify before or after."""
    with Context(tools.library) as context, context.parse(question.ir.encode()) as module:
        module.verify()
        with module.machine(PROTOCOLS[question.protocol]) as machine:
            module.run(question.passes, machine)
            module.verify()
            bitcode = module.bitcode()
            size = emitted_size(context, bitcode, machine).total
        made = lowered(tools, bitcode, "x86-64") if question.kind == "asm" else ""
        return Result(module.print(), made, module.instruction_count(), size)


def examples(
    unit: Unit, label: Label | None, tools: Tools, settings: Settings, rng: random.Random, *, skip: int = 0
) -> Iterator[Example | LeftOut]:
    """One for each list that is drawn; lists that are denied are among what is left out. Labels are not used."""
    maker = Maker(name, version, unit, settings.dialect, settings.longest)
    return maker.run(_steps(maker, tools, settings, rng), skip)


def _steps(maker: Maker, tools: Tools, settings: Settings, rng: random.Random) -> Iterator[Callable[[], Example]]:
    for drawn in draw(maker.unit, tools.vocabulary, settings, rng):
        yield (
            partial(_refuse, drawn) if isinstance(drawn, PassList) else partial(_example, maker, drawn, tools, settings)
        )


def draw(unit: Unit, vocabulary: Vocabulary, settings: Settings, rng: random.Random) -> Iterator[Question | PassList]:
    """So many questions about a unit as the settings say; before each the lists that were drawn and are denied."""
    entries = deny_list(vocabulary.version)
    for _ in range(settings.per_unit):
        kind: Kind = "asm" if rng.random() < settings.assembly_share else "ir"
        known = bool(settings.known) and rng.random() < settings.known_share
        # The length comes first: were it drawn again with the list, denied passes would make long lists rare.
        length = rng.randint(1, settings.longest_list)
        for _ in range(_DRAWS):
            passes = _draw(vocabulary, rng, length, settings.known if known else ())
            if denied(passes, entries):
                yield passes
            else:
                yield ask_of(unit, str(passes), kind, settings.measured)
                break


def _draw(vocabulary: Vocabulary, rng: random.Random, length: int, known: tuple[str, ...]) -> PassList:
    if known:
        return PassList.parse(rng.choice(known))
    return vocabulary.nest(rng.choice(vocabulary.proposable).name for _ in range(length))


def _refuse(passes: PassList) -> Example:
    raise NoExampleError("denied", str(passes))


def _example(maker: Maker, question: Question, tools: Tools, settings: Settings) -> Example:
    if not question.size:
        raise NoExampleError("no target", maker.unit.triple)
    asked = prompt(question, maker.dialect)
    maker.room(asked)
    result = emulate(question, tools)
    code: str | None = result.text(question.kind, maker.dialect)
    unchanged = settings.unchanged and question.kind == "ir" and code == written(question.ir, maker.dialect)
    answer = Answer(None if unchanged else code, result.instructions, result.size, unchanged)
    said = write(answer, maker.dialect)
    replay = {"passes": question.passes, "protocol": question.protocol}
    return maker.example(f"{name} {question.kind}", asked, said, **replay)


def prompt(question: Question, dialect: Dialect) -> Pieces:
    """Meta's, or the short one."""
    passes, code = shown(question.passes, dialect), written(question.ir, dialect)
    if dialect == "compact":
        end = f"</code> {question.instructions} {question.size} [/INST]"
        return (
            ("[INST] opt -p '", True),
            (passes, False),
            (f"' {question.kind}\n<code>", True),
            (code, False),
            (end, True),
        )
    start = f"[INST] Give the {_NOUNS[question.kind]} for the following code when optimized using opt -p '"
    counts = f"instruction count {question.instructions} and binary size {question.size} bytes"
    end = f"</code>\n\nThe input code has {counts}. [/INST]"
    return (start, True), (passes, False), ("':\n\n<code>", True), (code, False), (end, True)


def write(answer: Answer, dialect: Dialect) -> Pieces:
    """The text of a whole answer, whose code is in the dialect already."""
    if answer.unchanged:
        return ((f"= {answer.instructions} {answer.size}", True),)
    if dialect == "compact":
        end = f"</code> {answer.instructions} {answer.size}"
    else:
        counts = f"instruction count {answer.instructions} and binary size {answer.size} bytes"
        end = f"</code>\n\nThe output code has {counts}."
    return ("<code>", True), (answer.code or "", False), (end, True)


def parse(text: str) -> Answer:
    """The first code block; the last numbers that are named, else the two that follow the code."""
    inside, around = blocks(text)
    if not inside and text.lstrip().startswith("="):
        return Answer(None, *two_numbers(text), unchanged=True)
    words = " ".join(around)
    counts, sizes = named_numbers(words, "instruction count"), named_numbers(words, "binary size")
    first, second = two_numbers(around[1]) if inside and not counts and not sizes else (None, None)
    return Answer(inside[0] if inside else None, counts[-1] if counts else first, sizes[-1] if sizes else second)


def check(question: Question, answer: Answer, tools: Tools) -> Emulated:
    """Compare with what the compiler makes of it."""
    try:
        truth = emulate(question, tools)
    except (LLVMError, CompileError) as error:
        return Emulated(False, "no truth", str(error))
    return compare(question, answer, truth, tools)


def compare(question: Question, answer: Answer, truth: Result, tools: Tools) -> Emulated:
    """Compare with the truth, for those who have it."""
    reason, detail = _judge(question, answer.code_for(question), truth, tools)
    counts, sizes = (answer.instructions, truth.instructions), (answer.size, truth.size)
    return Emulated(reason in ("exact", "normalised"), reason, detail, counts, sizes)


def _judge(question: Question, code: str | None, truth: Result, tools: Tools) -> tuple[str, str]:
    if code is None:
        return "no code", ""
    if question.kind == "asm":
        if code.strip() == truth.assembly.strip():
            return "exact", ""
        return ("normalised" if normalise_assembly(code) == truth.assembly else "differs"), ""
    ir = truth.text("ir", "verbatim")
    if same_code(code, ir):
        return "exact", ""
    try:
        reading = read(tools, code, question.ir)
    except LLVMError as error:
        return "broken", str(error)
    if reading.problem:
        return "parses", reading.problem
    return ("normalised" if same_module(tools, reading, ir) else "verifies"), ""
