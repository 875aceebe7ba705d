"""Disassembly: Meta's prompt, pairs for both targets, and every answer to `how good is this lift`."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from llm_compiler.corpus.assembly import assembly
from llm_compiler.llvm.equivalence import Comparer
from llm_compiler.tasks import disassembly
from llm_compiler.tasks.code import written
from llm_compiler.tasks.disassembly import Answer, Question, Settings, check, parse, prompt
from llm_compiler.tasks.task import Example, Tools
from tests.small_units import joined, units

"""One harness in a process."""


@pytest.fixture(scope="module")
def tools(toolchain, library, vocabulary):
    comparer = Comparer(toolchain.library)
    comparer.prepare()
    return Tools(toolchain, library, vocabulary, comparer)


@pytest.fixture(scope="module", params=["x86-64", "aarch64"])
def question(request, toolchain, library):
    pair = assembly(toolchain, library, units(toolchain)["sum"].text, request.param)
    return Question(pair.assembly, request.param, pair.ir)


@pytest.fixture(params=["verbatim", "compact"])
def truth(request, question):
    return written(question.ir, request.param)


def test_the_verbatim_prompt_is_metas_byte_for_byte():
    assert joined(prompt(Question("f:\n\tretq\n"), "verbatim")) == (
        "[INST] Disassemble this code to LLVM-IR:\n\n<code>f:\n\tretq\n</code> [/INST]"
    )


def test_the_compact_prompt_names_the_target():
    assert joined(prompt(Question("f:\n\tret\n", "aarch64"), "compact")) == (
        "[INST] aarch64 to ir\n<code>f:\n\tret\n</code> [/INST]"
    )


@pytest.mark.parametrize("dialect", ["verbatim", "compact"])
@pytest.mark.parametrize(("share", "target"), [(0.0, "x86-64"), (1.0, "aarch64")])
def test_the_answer_of_an_example_is_parsed_back_and_is_exact(toolchain, library, tools, dialect, share, target):
    unit = units(toolchain)["hostile"]
    settings = Settings(dialect=dialect, aarch64_share=share)
    (example,) = disassembly.examples(unit, None, tools, settings, random.Random(0))
    assert isinstance(example, Example)
    assert example.source == f"disassembly {target}"
    pair = assembly(toolchain, library, unit.text, target)
    assert joined(example.prompt) == joined(prompt(Question(pair.assembly, target), dialect))
    answer = parse(joined(example.answer))
    assert answer.code == written(pair.ir, dialect)
    found = check(Question(pair.assembly, target, pair.ir), answer, tools)
    assert (found.reason, found.exact, found.same_ir, found.behaviour.reason) == ("exact", True, True, "same")


def test_what_cannot_be_for_a_target_is_left_out(toolchain, tools, compiled, context):
    from llm_compiler.corpus.normalise import normalise
    from tests.small_units import unit

    with context.parse(compiled('void f(void) { __asm__("nop"); }')) as module:
        with_assembly = unit(normalise(module.print()), "f", toolchain.version, module.triple)
    (left,) = disassembly.examples(with_assembly, None, tools, Settings(aarch64_share=1.0), random.Random(0))
    assert left.reason == "no code for aarch64"
    assert "inline assembly" in left.detail


def test_the_truth_is_exact(question, truth, tools):
    found = check(question, Answer(truth), tools)
    assert (found.ok, found.reason, found.round_trip, found.exact, found.same_ir) == (True, "exact", True, True, True)
    assert found.bleu == pytest.approx(1)
    assert found.behaviour.ok
    assert type(found.verdict).__name__ == "Verdict"
    assert found.verdict.reason == "exact"


def test_unoptimised_code_does_the_same_with_other_assembly(toolchain, library, tools):
    unit = units(toolchain)["mixed"]
    pair = assembly(toolchain, library, unit.text, "x86-64")
    found = check(Question(pair.assembly, "x86-64", pair.ir), Answer(unit.text), tools, inputs=60)
    assert (found.ok, found.reason, found.exact, found.same_ir) == (True, "same behaviour", False, False)
    assert 0.05 < found.bleu < 0.9


def test_a_swapped_operation_is_a_round_trip_that_differs(question, truth, tools):
    wrong = truth.replace("mul nsw i32", "add nsw i32", 1)
    assert wrong != truth
    found = check(question, Answer(wrong), tools, inputs=60)
    assert (found.ok, found.reason, found.round_trip, found.behaviour.reason) == (False, "round trip", True, "differs")
    assert 0.3 < found.bleu < 1


def test_without_a_comparer_nothing_is_said_of_behaviour(question, truth, tools):
    wrong = truth.replace("mul nsw i32", "add nsw i32", 1)
    found = check(question, Answer(wrong), replace(tools, comparer=None))
    assert (found.reason, found.behaviour.detail) == ("round trip", "not compared")


def test_assembly_of_unknown_origin_can_still_be_judged(question, truth, tools):
    found = check(replace(question, ir=""), Answer(truth), tools)
    assert (found.round_trip, found.same_ir) == (True, False)
    assert found.bleu > 0.5


@pytest.mark.parametrize(
    ("text", "reason"),
    [("I cannot", "no code"), ("<code>garbage</code>", "broken"), ("<code>define i32 @sum(ptr %0", "broken")],
)
def test_no_lift_has_a_reason(question, tools, text, reason):
    found = check(question, parse(text), tools)
    assert (found.ok, found.reason, found.round_trip, found.bleu) == (False, reason, False, 0)


def test_a_truncated_lift_is_broken_and_a_missing_tag_is_no_matter(question, truth, tools):
    assert check(question, parse("Here: <code>" + truth), tools).reason == "exact"
    assert check(question, parse("<code>" + truth[: truth.index("ret ")]), tools).reason == "broken"


def test_an_empty_module_is_a_round_trip_that_is_not_the_same(question, tools):
    found = check(question, Answer(""), tools)
    assert not found.ok
    assert found.bleu < 0.3
