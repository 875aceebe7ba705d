"""Stage 1, IR modelling: plain text of IR, unoptimised and at -Oz, and of the assembly that becomes of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from llm_compiler.corpus.assembly import Pair, Target, assembly
from llm_compiler.corpus.normalise import normalise_assembly
from llm_compiler.llvm.frontend import Source, optimise_for_size
from llm_compiler.llvm.library import LLVMError
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.verdict import Verdict
from llm_compiler.tasks.code import read, written
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

name = "ir_modeling"
version = 1

PROPORTIONS = {"ir": 0.23, "ir optimised": 0.23, "asm x86-64": 0.457, "asm aarch64": 0.081, "asm nvptx": 0.002}
"""Shares of tokens by source. The paper has 185 G of IR and 216 G of assembly (46 and 54 %), 340 G of x86-64, 61 G of
AArch64 (15 %, here of the assembly, since our IR is x86-64's) and a little CUDA. How its IR divides into unoptimised
and optimised, and how little that is, it does not say: halves, and what rounding hides."""


@dataclass(frozen=True)
class Settings:
    """How examples are made. The mixture draws from their sources: see PROPORTIONS."""

    dialect: Dialect = "verbatim"
    """Of IR; assembly is the same in both."""
    aarch64_share: float = 0.15
    """Of units that are also lowered for AArch64. Costs about 70 ms with the bundled libLLVM, which lacks it."""
    longest: int | None = None
    """Characters; what is longer is left out. None for no limit."""

    def __post_init__(self) -> None:
        known_name("dialect", self.dialect, DIALECTS)


@dataclass(frozen=True)
class Question:
    """How does this text go on?"""

    text: str = ""
    like: str = ""
    """A verbatim module for the target, for compact text, which names none."""


@dataclass(frozen=True)
class Answer:
    """The rest."""

    text: str


def examples(
    unit: Unit, label: Label | None, tools: Tools, settings: Settings, rng: random.Random, *, skip: int = 0
) -> Iterator[Example | LeftOut]:
    """One for each source that there is: sources `ir`, `ir optimised`, `asm x86-64`, for some units `asm aarch64`.

    Of a unit for NVPTX, which is left as it is, `ir` and `asm nvptx`. Labels are not used.
    """
    maker = Maker(name, version, unit, settings.dialect, settings.longest)
    return maker.run(_steps(maker, tools, rng.random() < settings.aarch64_share), skip)


def _steps(maker: Maker, tools: Tools, aarch64: bool) -> Iterator[Callable[[], Example]]:
    unit = maker.unit

    # The optimised IR comes with the assembly.
    @cache
    def pair(target: Target) -> Pair:
        try:
            return assembly(tools.toolchain, tools.library, unit.text, target)
        except LLVMError as error:
            raise NoExampleError(f"no code for {target}", str(error)) from None

    def plain(source: str, text: Callable[[], str]) -> Example:
        return maker.example(source, (), ((text(), False),))

    def unoptimised() -> str:
        if problem := read(tools, unit.text, unit.text).problem:
            raise LLVMError(problem)
        return written(unit.text, maker.dialect)

    yield partial(plain, "ir", unoptimised)
    if unit.triple.startswith("nvptx"):
        yield partial(plain, "asm nvptx", lambda: _nvptx(unit, tools))
        return
    yield partial(plain, "ir optimised", lambda: written(pair("x86-64").ir, maker.dialect))
    yield partial(plain, "asm x86-64", lambda: pair("x86-64").assembly)
    if aarch64:
        yield partial(plain, "asm aarch64", lambda: pair("aarch64").assembly)


def _nvptx(unit: Unit, tools: Tools) -> str:
    source = Source(None, "ir", unit.text.encode(), (f"--target={unit.triple}",))
    made, _ = optimise_for_size(tools.toolchain, source, SHIP, "asm")
    return normalise_assembly(made.decode(errors="backslashreplace"))


def prompt(question: Question, dialect: Dialect) -> Pieces:
    """The beginning of the text, with nothing around it."""
    return ((question.text, False),) if question.text else ()


def parse(text: str) -> Answer:
    """All of it."""
    return Answer(text)


def check(question: Question, answer: Answer, tools: Tools) -> Verdict:
    """Whether beginning and rest make a module: `verifies` (ok), `parses` or `broken`. Assembly is not judged."""
    text = question.text + answer.text
    try:
        reading = read(tools, text, question.like or text)
    except LLVMError as error:
        return Verdict(False, "broken", str(error))
    return Verdict(False, "parses", reading.problem) if reading.problem else Verdict(True, "verifies")
