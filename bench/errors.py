"""Where a system's answers go wrong: an analysis of the errors in a folder that `llmc evaluate` filled.

    python bench/errors.py RESULTS [--system shipped]

Flag tuning: what there is to save (the best size that any system of the folder reached), and what becomes of it with
the first list, -Oz to fall back on, apart for code that fits the context and code that is cut. Emulation: the first
line that is not the compiler's, by what it is. Disassembly: what LLVM says, and how many more of several samples are
right.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from llm_compiler.corpus.store import read_units
from llm_compiler.evaluation.answer import Answer, Question, answers, read_questions, systems
from llm_compiler.evaluation.flag_tuning_tables import subject_of
from llm_compiler.evaluation.outcomes import find_system, outcomes
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.toolchain import find
from llm_compiler.llvm.vocabulary import vocabulary
from llm_compiler.tasks import emulation
from llm_compiler.tasks.task import Tools

LENGTHS = (500, 1000, 2000, 4000)
"""Characters of the verbatim dialect."""
MESSAGES = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--system", default="shipped")
    options = parser.parse_args()
    flag_tuning(options.results, options.system)
    tools = _tools()
    emulated(options.results, options.system, tools)
    lifted(options.results, options.system)


def _tools() -> Tools:
    toolchain = find()
    known: Vocabulary = vocabulary(toolchain)
    return Tools(toolchain, Library(toolchain.library), known)


# -- flag tuning


def flag_tuning(folder: Path, name: str) -> None:
    """Prints what there is, and what the first list gets of it."""
    every = read_questions(folder, "flag_tuning")
    for protocol in dict.fromkeys(question.variant for question in every):
        for kind in dict.fromkeys(question.kind for question in every):
            chosen = [one for one in every if one.variant == protocol and one.kind == kind]
            _flag_tuning(folder, name, chosen, f"flag tuning, {protocol}, {kind}s")


def _flag_tuning(folder: Path, name: str, questions: Sequence[Question], title: str) -> None:
    subject = subject_of(folder, questions)
    one = find_system(folder, subject, name)
    if one is None:
        return
    best = subject.oz.copy()
    for other in outcomes(folder, subject):
        best = np.fmin(best, np.fmin.reduce(other.figures["size"], axis=1))
    first, own, there = one.figures["size"][:, 0], one.lists[:, 0] == 0, subject.oz - best
    got = np.maximum(0, subject.oz - np.where(np.isnan(first), subject.oz, first))
    what = {
        "nothing there is to save": there == 0,
        "as good as the best": (there > 0) & (got == there),
        "smaller, not the best": (there > 0) & (got > 0) & (got < there),
        "says that -Oz is best": (there > 0) & (got == 0) & own,
        "its list is no smaller": (there > 0) & (got == 0) & ~own,
    }
    print(f"\n{title}: {len(questions)}, {subject.oz.sum():,.0f} bytes with -Oz, {there.sum():,.0f} could be saved")
    print(f"  {'':46}{'units':>7}{'there':>10}{'got':>10}{'missed':>10}")
    for fits, where in (("fits", ~one.too_long), ("is cut", one.too_long)):
        for words, mask in what.items():
            chosen = where & mask
            if chosen.any():
                numbers = (there[chosen].sum(), got[chosen].sum(), (there - got)[chosen].sum())
                print(f"  {fits + ': ' + words:46}{chosen.sum():>7}" + "".join(f"{one:>10,.0f}" for one in numbers))


# -- emulation


def emulated(folder: Path, name: str, tools: Tools) -> None:
    """Prints the verdicts by length, and what the first wrong lines are."""
    first = dict(_first(folder, "emulation", name))
    questions = [one for one in read_questions(folder, "emulation") if one.id in first]
    if not questions:
        return
    print(f"\nemulation: {len(questions)} questions")
    for kind in ("function", "module"):
        for variant in ("ir", "asm"):
            chosen = [one for one in questions if (one.kind, one.variant) == (kind, variant)]
            _by_length(f"{kind}s, {variant}", chosen, {one.id: first[one.id].reason for one in chosen})
    units = {unit.id: unit for part in sorted((folder / "units").glob("part-*.parquet")) for unit in read_units(part)}
    wrong: Counter[str] = Counter()
    right = []
    for one in questions:
        answer = first[one.id]
        if one.variant != "ir" or answer.ok or not answer.parsed:
            continue
        asked = emulation.ask_of(units[one.unit], one.passes, "ir", one.protocol)  # type: ignore[arg-type]
        try:
            truth = emulation.emulate(asked, tools).text("ir", "compact").splitlines()
        except LLVMError:
            continue
        same, what = first_wrong(truth, answer.parsed.splitlines())
        wrong[what] += 1
        right.append(same / max(1, len(truth)))
    if right:
        print(f"  wrong IR: the first {100 * float(np.median(right)):.0f} % of lines are right, in the median; then")
        for what, count in wrong.most_common():
            print(f"  {what:46}{count:>7}")


def first_wrong(truth: Sequence[str], said: Sequence[str]) -> tuple[int, str]:
    """How many lines are right before the first that is not, and what that is."""
    for number, (right, wrong) in enumerate(zip_longest(truth, said)):
        if right == wrong:
            continue
        if wrong is None:
            return number, "ends too early"
        if right is None:
            return number, "goes on after the end"
        kinds = kind_of(right), kind_of(wrong)
        if kinds[0] != kinds[1]:
            return number, f"{kinds[0]} for which there is {kinds[1]}"
        return number, f"{kinds[0]}, not as it should be"
    return len(truth), "nothing"


def kind_of(line: str) -> str:
    """A type, a variable, a head of a function, a label, or an instruction."""
    kinds = {"%struct": "a type", "@": "a variable", "define": "the head", "declare": "a declaration"}
    for start, kind in kinds.items():
        if line.startswith(start):
            return kind
    if re.fullmatch(r"[\w.$-]+:", line):
        return "a label"
    return "an instruction" if re.match(r"(%[\w.]+ = )?[a-z]", line) else "something else"


# -- disassembly


def lifted(folder: Path, name: str) -> None:
    """Prints the verdicts by length, of one sample and of several, and what LLVM says."""
    every = list(_answers(folder, "disassembly", name))
    if not every:
        return
    first = {one.question: one for one in every if one.sample == 0}
    questions = [one for one in read_questions(folder, "disassembly") if one.id in first]
    print(f"\ndisassembly: {len(questions)} questions")
    for target in dict.fromkeys(one.variant for one in questions):
        chosen = [one for one in questions if one.variant == target]
        _by_length(target, chosen, {one.id: first[one.id].reason for one in chosen})
    samples = 1 + max(one.sample for one in every)
    print(f"  {'best of':28}" + "".join(f"{count:>9}" for count in _powers(samples)))
    for figure in ("round trip", "same behaviour", "exact"):
        found = []
        for count in _powers(samples):
            good = {one.question for one in every if one.sample < count and one.figures.get(figure) == 1}
            found.append(len(good) / max(1, len(first)))
        print(f"  {figure:28}" + "".join(f"{100 * share:>7.1f} %" for share in found))
    said = Counter(_message(one.detail) for one in first.values() if one.reason == "broken")
    for message, count in said.most_common(MESSAGES):
        print(f"  {message:70}{count:>5}")


def _powers(limit: int) -> list[int]:
    return [count for count in (1, 2, 4, 8, 16, 32) if count <= limit]


def _message(detail: str) -> str:
    """What LLVM says, without what it says it of."""
    said = re.sub(r"^.*?error: ", "", " ".join(detail.split()))
    return re.sub(r"'[^']*'|\"[^\"]*\"|[%@][\w.]+|\d+", "…", said)[:70]


# -- both


def _by_length(title: str, questions: Sequence[Question], reasons: Mapping[str, str]) -> None:
    for low, high in zip((0, *LENGTHS), (*LENGTHS, float("inf")), strict=True):
        chosen = [reasons[one.id] for one in questions if low <= one.length < high]
        if chosen:
            found = ", ".join(f"{reason} {count}" for reason, count in Counter(chosen).most_common())
            print(f"  {title + f', {low} to {high} characters':46}{len(chosen):>7}   {found}")


def _answers(folder: Path, task: str, name: str) -> Iterator[Answer]:
    place = systems(folder, task).get(name)
    return answers(place) if place else iter(())


def _first(folder: Path, task: str, name: str) -> Iterator[tuple[str, Answer]]:
    return ((one.question, one) for one in _answers(folder, task, name) if one.sample == 0)


if __name__ == "__main__":
    main()
