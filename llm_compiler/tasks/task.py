"""What the four tasks share: the records, and the shape of a task."""

from __future__ import annotations

import difflib
import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from llm_compiler.llvm.equivalence import Comparer
from llm_compiler.llvm.frontend import CompileError
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.verdict import Verdict

if TYPE_CHECKING:  # they need Parquet, which those who only ask models have not
    from llm_compiler.autotune.label import Label
    from llm_compiler.corpus.unit import Unit

Dialect = Literal["verbatim", "compact"]
DIALECTS: tuple[Dialect, ...] = ("verbatim", "compact")
Pieces = tuple[tuple[str, bool], ...]
"""Text in order, each piece with whether it is ours (a template, whose tags count) or code (whose do not)."""


@dataclass(frozen=True)
class Example:
    """A prompt and its answer. Their texts are the pieces joined; a plain text has an empty prompt."""

    task: str
    version: int
    """Of the task: rows of another version are not mixed with these."""
    source: str
    """What kind of text it is, for mixing and counting: `ir`, `asm x86-64`, `emulation ir`, ..."""
    dialect: Dialect
    unit: str
    project: str
    split: str
    prompt: Pieces
    answer: Pieces
    replay: str
    """What makes it again, as a JSON object: LLVM's version, pass list, seed, protocol."""
    room: int | None = None
    """Tokens to leave for the answer where the prompt's code is over the context and may be cut; None: it may not."""


@dataclass(frozen=True)
class LeftOut:
    """An example that was not made, and why in a word or two; these are counted."""

    task: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Tools:
    """What making examples and checking answers need. Lives in a worker: LLVM may crash at either."""

    toolchain: Toolchain
    library: Library
    vocabulary: Vocabulary
    comparer: Comparer | None = None
    """Prepared, for those who want to know of same behaviour: it maps memory once in a process."""


class Task(Protocol):
    """One of the four. Modules have these names at their top level."""

    name: str
    version: int

    def examples(
        self, unit: Unit, label: Label | None, tools: Tools, settings: Any, rng: random.Random, *, skip: int = 0
    ) -> Iterator[Example | LeftOut]:
        """What can be made of a unit; deterministic for the random generator.

        The first `skip` are neither made nor yielded: in a worker's next life, those of the lives before and the one
        that ended the last of them.
        """

    def prompt(self, question: Any, dialect: Dialect) -> Pieces:
        """The words that the model is asked with."""

    def parse(self, text: str) -> Any:
        """The answer in a model's text, tolerantly: never an exception, whatever the text."""

    def check(self, question: Any, answer: Any, tools: Tools) -> Verdict:
        """How good the answer is; a failure is a value with a reason."""


class UnknownNameError(ValueError):
    """No such task, dialect or protocol. The message is one line and says which there are."""


def known_name(what: str, name: str, names: Iterable[str]) -> str:
    """The name, if there is such a thing. UnknownNameError."""
    names = list(names)
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    raise UnknownNameError(f"there is no {what} '{name}'; {hint}")


class NoExampleError(Exception):
    """Why an example is not made, in a word or two that are counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Maker:
    """What the examples of one unit have in common."""

    task: str
    version: int
    unit: Unit
    dialect: Dialect
    longest: int | None
    """Characters of prompt and answer together."""

    def room(self, *texts: str | Pieces) -> None:
        """NoExampleError where these alone are too long already: before LLVM works for nothing."""
        length = sum(len(text) if isinstance(text, str) else sum(len(piece) for piece, _ in text) for text in texts)
        if self.longest is not None and length > self.longest:
            raise NoExampleError("too long", f"{length} characters")

    def example(self, source: str, prompt: Pieces, answer: Pieces, **replay: object) -> Example:
        """The record. NoExampleError where it is too long."""
        self.room(prompt, answer)
        unit = self.unit
        return Example(
            self.task,
            self.version,
            source,
            self.dialect,
            unit.id,
            unit.project,
            unit.split,
            prompt,
            answer,
            json.dumps({"llvm": unit.llvm, **replay}),
        )

    def run(self, steps: Iterable[Callable[[], Example]], skip: int) -> Iterator[Example | LeftOut]:
        """What each step makes, or why it makes nothing."""
        for position, step in enumerate(steps):
            if position < skip:
                continue
            try:
                yield step()
            except NoExampleError as error:
                yield LeftOut(self.task, error.reason, error.detail)
            except LLVMError as error:
                yield LeftOut(self.task, "invalid", str(error))
            except CompileError as error:
                yield LeftOut(self.task, "does not compile", str(error))
            except ValueError as error:  # of `normalise`: text that is not as LLVM prints it
                yield LeftOut(self.task, "text not understood", str(error))
