"""Emulation, checked: what the real compiler says of a module and a pass list, and how a model's answer compares.

In workers, for LLVM may crash on the module, on the passes and on the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from llm_compiler.inference.model import How, Model, PromptTooLongError, Written
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.passes import PassListError, Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure, Limits, Workers
from llm_compiler.tasks import emulation
from llm_compiler.tasks.emulation import Emulated, Kind, ProtocolName, Question, Result
from llm_compiler.tasks.task import Dialect, Pieces, Tools


class ExamineError(Exception):
    """A module or a pass list that nobody can be asked about. The message is one line."""


@dataclass(frozen=True)
class Posed:
    """A question, in the words that the model is asked with, and what is true."""

    question: Question
    prompt: Pieces
    truth: Result


@dataclass(frozen=True)
class Examined:
    """A model's answer beside the compiler's."""

    answer: Written
    said: str
    """The code in it; empty where there is none."""
    truth: str
    """The compiler's, in the same dialect."""
    verdict: Emulated

    @property
    def whole(self) -> bool:
        """Whether the answer came to its end."""
        return self.answer.reason in ("end", "stop")


@dataclass(frozen=True)
class _Posing:
    module: bytes
    passes: str
    kind: Kind
    protocol: ProtocolName
    dialect: Dialect


@dataclass(frozen=True)
class _Judging:
    question: Question
    text: str


class _Examiner:
    """The function that workers run."""

    def __init__(self, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
        self._toolchain, self._vocabulary = toolchain, vocabulary

    def prepare(self) -> None:
        self._tools = Tools(self._toolchain, Library(self._toolchain.library), self._vocabulary)

    def __call__(self, item: _Posing | _Judging) -> Posed | Emulated:
        if isinstance(item, _Judging):
            return emulation.check(item.question, emulation.parse(item.text), self._tools)
        with Context(self._tools.library) as context, context.parse(item.module) as module:
            printed = module.print()
        try:
            question = emulation.ask(printed, item.passes, item.kind, item.protocol, self._tools)
        except (PassListError, ValueError) as error:
            raise LLVMError(" ".join(str(error).split())) from None
        return Posed(question, emulation.prompt(question, item.dialect), emulation.emulate(question, self._tools))


class Examination:
    """Asks and judges, one after the other. A context manager."""

    def __init__(self, toolchain: Toolchain, vocabulary: Vocabulary, limits: Limits | None = None) -> None:
        self._workers: Workers[_Posing | _Judging, Posed | Emulated] = Workers(
            _Examiner(toolchain, vocabulary), count=1, limits=limits or Limits(120.0)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.close()

    def pose(
        self, module: bytes, passes: str, kind: Kind, dialect: Dialect, protocol: ProtocolName | None = None
    ) -> Posed:
        """The question about an unoptimised module. ExamineError where the compiler has no answer to it."""
        measured = protocol or emulation.default_protocol(dialect)
        answer = self._one(_Posing(module, passes, kind, measured, dialect))
        assert isinstance(answer, Posed)
        return answer

    def ask(self, posed: Posed, model: Model, how: How) -> Sequence[Examined]:
        """The model's answers, judged. ExamineError for a prompt over the context; ModelError."""
        try:
            answers = list(model.write(posed.prompt, how))
        except PromptTooLongError as error:
            raise ExamineError(str(error)) from None
        truth = posed.truth.text(posed.question.kind, model.dialect)
        found = []
        for answer in answers:
            try:
                verdict = self._one(_Judging(posed.question, answer.text))
            except ExamineError as error:  # LLVM died of what the model wrote
                verdict = Emulated(False, "broken", str(error))
            assert isinstance(verdict, Emulated)
            found.append(Examined(answer, emulation.parse(answer.text).code_for(posed.question) or "", truth, verdict))
        return found

    def _one(self, item: _Posing | _Judging) -> Posed | Emulated:
        (answer,) = self._workers.map([item])
        if isinstance(answer, Failure):
            raise ExamineError(" ".join((answer.detail or answer.reason).split())[:300])
        return answer
