"""Stage 4, disassembly: assembly of -Oz code in, the IR that it was made from out; for x86-64 and AArch64.

The prompt of the verbatim dialect is Meta's. How good a lift is has several answers, which `Lifted` keeps apart.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from llm_compiler.corpus.assembly import TRIPLES, Target, assembly
from llm_compiler.corpus.normalise import normalise_assembly
from llm_compiler.llvm.equivalence import Pair
from llm_compiler.llvm.frontend import CompileError
from llm_compiler.llvm.library import LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.verdict import Verdict
from llm_compiler.tasks.answers import first_block
from llm_compiler.tasks.bleu import bleu
from llm_compiler.tasks.code import lowered, read, same_code, same_module, written
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

name = "disassembly"
version = 1

_LAYOUTS: dict[Target, str] = {
    "x86-64": "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-f80:128-n8:16:32:64-S128",
    "aarch64": "e-m:e-i8:8:32-i16:16:32-i64:64-i128:128-n32:64-S128",
}
"""Of LLVM 17, for assembly whose IR nobody knows; a newer LLVM puts its own in their place."""
_TARGET = re.compile(r"^target (?:datalayout|triple) = .*\n", re.M)
_PROCESSOR = re.compile(r' ?"(?:target-cpu|target-features|tune-cpu)"="[^"]*"')


@dataclass(frozen=True)
class Settings:
    """How examples are made."""

    dialect: Dialect = "verbatim"
    aarch64_share: float = 0.15
    """Of units whose assembly is AArch64's: 61 of the paper's 401 G tokens. Costs two runs of clang with the bundled
    libLLVM, about 70 ms; x86-64 is made in process."""
    longest: int | None = None
    """Characters of prompt and answer; what is longer is left out. None for no limit."""

    def __post_init__(self) -> None:
        known_name("dialect", self.dialect, DIALECTS)


@dataclass(frozen=True)
class Question:
    """What IR was this?"""

    assembly: str
    """Normalised."""
    target: Target = "x86-64"
    ir: str = ""
    """What it was made from, normalised; empty where nobody knows: then nothing can be said of IR and behaviour."""


@dataclass(frozen=True)
class Answer:
    """What a model says, None where there is no code in it."""

    code: str | None


_NOT_COMPARED = Verdict(False, "unknown", "not compared")


@dataclass(frozen=True)
class Lifted(Verdict):
    """What is known of a lift. As a verdict it says the best of it.

    The reason is `exact`, `same behaviour` (both ok), `round trip`, `does not lower`, `broken` (LLVM cannot read it, or
    it does not verify) or `no code`.
    """

    round_trip: bool = False
    """It lowers to assembly again."""
    bleu: float = 0.0
    """Of that assembly against the question's, from 0 to 1."""
    exact: bool = False
    """Both assemblies are the same text, normalised."""
    same_ir: bool = False
    behaviour: Verdict = _NOT_COMPARED

    @property
    def verdict(self) -> Verdict:
        """This, less what is special to the task."""
        return Verdict(self.ok, self.reason, self.detail)


def ask(assembly: str, target: Target) -> Question:
    """A question about any assembly, of which nobody knows what it was made of."""
    return Question(normalise_assembly(assembly), target)


def examples(
    unit: Unit, label: Label | None, tools: Tools, settings: Settings, rng: random.Random, *, skip: int = 0
) -> Iterator[Example | LeftOut]:
    """One, for a target that is drawn. Labels are not used."""
    target: Target = "aarch64" if rng.random() < settings.aarch64_share else "x86-64"
    maker = Maker(name, version, unit, settings.dialect, settings.longest)
    return maker.run([partial(_example, maker, target, tools)], skip)


def _example(maker: Maker, target: Target, tools: Tools) -> Example:
    try:
        pair = assembly(tools.toolchain, tools.library, maker.unit.text, target)
    except (LLVMError, CompileError) as error:
        raise NoExampleError(f"no code for {target}", str(error)) from None
    asked = prompt(Question(pair.assembly, target, pair.ir), maker.dialect)
    answer = write(Answer(written(pair.ir, maker.dialect)))
    return maker.example(f"{name} {target}", asked, answer, target=target)


def prompt(question: Question, dialect: Dialect) -> Pieces:
    """Meta's, or the short one; there the target is named, since compact IR does not say it."""
    start = f"[INST] {question.target} to ir\n<code>"
    if dialect == "verbatim":
        start = "[INST] Disassemble this code to LLVM-IR:\n\n<code>"
    return (start, True), (question.assembly, False), ("</code> [/INST]", True)


def write(answer: Answer) -> Pieces:
    """The text of an answer, in either dialect."""
    return ("<code>", True), (answer.code or "", False), ("</code>", True)


def parse(text: str) -> Answer:
    """The first code block."""
    return Answer(first_block(text))


def check(question: Question, answer: Answer, tools: Tools, *, inputs: int = 400) -> Lifted:
    """Lower the IR again and compare; and run it, on so many inputs, against what was assembled.

    Functions are only run with `tools.comparer`, and not where both assemblies are the same.
    """
    if answer.code is None:
        return Lifted(False, "no code")
    like = question.ir or target_lines(question.target)
    try:
        reading = read(tools, answer.code, like)
    except LLVMError as error:
        return Lifted(False, "broken", str(error))
    if reading.problem:
        return Lifted(False, "broken", reading.problem)
    same_ir = bool(question.ir) and (same_code(answer.code, question.ir) or same_module(tools, reading, question.ir))
    try:
        made = lowered(tools, reading.bitcode, question.target)
    except (LLVMError, CompileError) as error:
        return Lifted(False, "does not lower", str(error), same_ir=same_ir)
    exact = made == question.assembly
    behaviour = Verdict(True, "same", "the same assembly") if exact else _NOT_COMPARED
    if not exact and question.ir and tools.comparer:
        behaviour = _behaviour(question.ir, reading.printed, tools, inputs)
    reason = "exact" if exact else "same behaviour" if behaviour.ok else "round trip"
    alike = bleu(question.assembly, made)
    return Lifted(exact or behaviour.ok, reason, behaviour.detail, True, alike, exact, same_ir, behaviour)


def target_lines(target: Target) -> str:
    """What a module for a target begins with."""
    return f'target datalayout = "{_LAYOUTS[target]}"\ntarget triple = "{TRIPLES[target]}"\n'


def _behaviour(first: str, second: str, tools: Tools, inputs: int) -> Verdict:
    """Of every function that the first defines, up to one that is not the same."""
    assert tools.comparer
    verdict = Verdict(False, "unknown", "no function is defined")
    one, other = (_for_this_machine(text).encode() for text in (first, second))
    try:
        with Context(tools.library) as context, context.parse(one) as module:
            names = module.functions()
        for function in names:
            verdict = tools.comparer(Pair(one, other, function, inputs=inputs))
            if not verdict.ok:
                break
    except LLVMError as error:
        return Verdict(False, "unknown", str(error))
    return verdict


def _for_this_machine(text: str) -> str:
    """What is IR of another target is run as this one's: what it computes is the same."""
    if "x86_64" in text.partition("target triple")[2].partition("\n")[0]:
        return text
    return target_lines("x86-64") + _PROCESSOR.sub("", _TARGET.sub("", text))
