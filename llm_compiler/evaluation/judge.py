"""Questions in words, and verdicts on answers: the functions that workers run, since LLVM may crash at either."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from llm_compiler.corpus.assembly import Target, assembly
from llm_compiler.corpus.unit import Unit
from llm_compiler.evaluation.answer import Asked, Question
from llm_compiler.llvm.equivalence import Comparer
from llm_compiler.llvm.frontend import CompileError
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.tasks import disassembly, emulation, flag_tuning
from llm_compiler.tasks.bleu import bleu
from llm_compiler.tasks.code import is_compact, written
from llm_compiler.tasks.task import Dialect, Pieces, Tools


@dataclass(frozen=True)
class ToPose:
    """A question about a unit, to be put into words."""

    question: Question
    unit: Unit
    dialect: Dialect


@dataclass(frozen=True)
class Posed:
    """A question as a system is asked it."""

    question: Question
    asked: Any
    """The task's own question."""
    prompt: Pieces
    """Of perplexity the text itself."""
    truth: Any = None
    """Of emulation, what the compiler says."""


@dataclass(frozen=True)
class Work:
    """A question, and the texts of all answers of one system to it."""

    posed: Posed
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """A verdict as it is kept, see `Answer`."""

    parsed: str
    ok: bool
    reason: str
    detail: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


class Poser:
    """Puts questions into words. LLVMError where there is no such question: no system has to answer for that."""

    def __init__(self, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
        self._toolchain, self._vocabulary = toolchain, vocabulary

    def prepare(self) -> None:
        """Load libLLVM."""
        self._tools = Tools(self._toolchain, Library(self._toolchain.library), self._vocabulary)

    def __call__(self, item: ToPose) -> Posed:
        """The question in the system's dialect."""
        try:
            return _POSED[item.question.task](item, self._tools)
        except (CompileError, ValueError) as error:
            raise LLVMError(str(error)) from None


def _pose_flag_tuning(item: ToPose, tools: Tools) -> Posed:
    asked = flag_tuning.ask_of(item.unit, item.question.protocol)
    return Posed(item.question, asked, flag_tuning.prompt(asked, item.dialect))


def _pose_sizes(item: ToPose, tools: Tools) -> Posed:
    asked = flag_tuning.ask_of(item.unit, emulation.default_protocol(item.dialect))
    return Posed(item.question, asked, flag_tuning.prompt(asked, item.dialect))


def _pose_emulation(item: ToPose, tools: Tools) -> Posed:
    kind: emulation.Kind = "asm" if item.question.variant == "asm" else "ir"
    protocol = emulation.default_protocol(item.dialect)
    asked = emulation.ask_of(item.unit, item.question.passes, kind, protocol)
    return Posed(item.question, asked, emulation.prompt(asked, item.dialect), emulation.emulate(asked, tools))


def _pose_disassembly(item: ToPose, tools: Tools) -> Posed:
    target: Target = "aarch64" if item.question.variant == "aarch64" else "x86-64"
    pair = assembly(tools.toolchain, tools.library, item.unit.text, target)
    asked = disassembly.Question(pair.assembly, target, pair.ir)
    return Posed(item.question, asked, disassembly.prompt(asked, item.dialect))


def _pose_text(item: ToPose, tools: Tools) -> Posed:
    if item.question.variant == "ir":
        text = written(item.unit.text, item.dialect)
    else:
        pair = assembly(tools.toolchain, tools.library, item.unit.text, "x86-64")
        text = written(pair.ir, item.dialect) if item.question.variant == "ir optimised" else pair.assembly
    return Posed(item.question, None, ((text, False),))


_POSED: Mapping[Asked, Callable[[ToPose, Tools], Posed]] = {
    "flag_tuning": _pose_flag_tuning,
    "size_prediction": _pose_sizes,
    "emulation": _pose_emulation,
    "disassembly": _pose_disassembly,
    "perplexity": _pose_text,
}


class Judge:
    """Judges answers, each in a step: one that takes LLVM down has that for its verdict."""

    def __init__(self, toolchain: Toolchain, vocabulary: Vocabulary, *, behaviour: bool = True) -> None:
        """With `behaviour`, what was disassembled is run beside what it was made from (see `llvm.equivalence`)."""
        self._toolchain, self._vocabulary, self._behaviour = toolchain, vocabulary, behaviour

    def prepare(self) -> None:
        """Load libLLVM."""
        self._tools = Tools(self._toolchain, Library(self._toolchain.library), self._vocabulary)

    def steps(self, work: Work, past: list[Any]) -> Iterator[Judged]:
        """A verdict on each text."""
        texts = work.texts[len(past) :]
        task, asked = work.posed.question.task, work.posed.asked
        if task in ("flag_tuning", "size_prediction"):
            sized = _tuned if task == "flag_tuning" else _sized
            with flag_tuning.Checker(asked, self._tools) as checker:
                for text in texts:
                    yield sized(checker, flag_tuning.parse(text))
            return
        judge = partial(_emulated, truth=work.posed.truth) if task == "emulation" else _lifted
        tools = self._with_comparer() if task == "disassembly" and self._behaviour else self._tools
        for text in texts:
            yield judge(asked, text, tools)

    def _with_comparer(self) -> Tools:
        if self._tools.comparer is None:
            comparer = Comparer(self._toolchain.library)
            comparer.prepare()
            self._tools = replace(self._tools, comparer=comparer)
        return self._tools


def _tuned(checker: flag_tuning.Checker, answer: flag_tuning.Answer) -> Judged:
    found = checker.check(answer)
    return Judged(found.passes, found.ok, found.reason, found.detail, _numbers(size=found.after[1]))


def _sized(checker: flag_tuning.Checker, answer: flag_tuning.Answer) -> Judged:
    """Sizes are said of the list that is said: where that is none, nobody can tell what is after it."""
    found = checker.check(answer)
    before, after = (answer.before, checker.question.before), (answer.after, found.after[1])
    figures = _numbers(**{"said before": before[0], "before": before[1], "said after": after[0], "after": after[1]})
    said = None not in (answer.before, answer.after)
    return Judged(found.passes, said, "both sizes" if said else "no size", found.reason, figures)


def _emulated(asked: emulation.Question, text: str, tools: Tools, *, truth: emulation.Result) -> Judged:
    answer = emulation.parse(text)
    found = emulation.compare(asked, answer, truth, tools)
    code = answer.code_for(asked) or ""
    likeness = bleu(truth.text(asked.kind, "compact" if is_compact(code) else "verbatim"), code) if code else 0.0
    figures = _numbers(
        **{
            "bleu": likeness,
            "said size": found.size[0],
            "size": found.size[1],
            "said count": found.instructions[0],
            "count": found.instructions[1],
        }
    )
    return Judged(code, found.ok, found.reason, found.detail, figures)


def _lifted(asked: disassembly.Question, text: str, tools: Tools) -> Judged:
    answer = disassembly.parse(text)
    found = disassembly.check(asked, answer, tools)
    figures = {
        "bleu": found.bleu,
        "round trip": float(found.round_trip),
        "exact": float(found.exact),
        "same behaviour": float(found.behaviour.ok),
        "same ir": float(found.same_ir),
    }
    return Judged(answer.code or "", found.ok, found.reason, found.detail, figures)


def _numbers(**given: float | None) -> dict[str, float]:
    return {name: float(number) for name, number in given.items() if number is not None}
