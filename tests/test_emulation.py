"""Emulation: Meta's prompt, examples whose answers are what LLVM does, and verdicts on right and wrong answers."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace

import pytest

from llm_compiler.autotune.deny import denied, load_denied
from llm_compiler.corpus.normalise import compact, normalise_assembly
from llm_compiler.llvm.library import LLVMError
from llm_compiler.llvm.passes import PassList, PassListError
from llm_compiler.tasks import emulation
from llm_compiler.tasks.emulation import Answer, Question, Settings, ask, ask_of, check, emulate, parse, prompt
from llm_compiler.tasks.task import Example, LeftOut, Tools
from tests.conftest import SHARED, needs_shared
from tests.small_units import joined, units

PASSES = "function(sroa),module(default<Oz>)"


@pytest.fixture(scope="module")
def tools(toolchain, library, vocabulary):
    return Tools(toolchain, library, vocabulary)


def made(unit, tools, settings, seed=0):
    return [
        each for each in emulation.examples(unit, None, tools, settings, random.Random(seed)) if type(each) is Example
    ]


def asked(unit, example):
    replay = json.loads(example.replay)
    return ask_of(unit, replay["passes"], example.source.split()[1], replay["protocol"])


# -- prompts


@pytest.mark.parametrize(("kind", "noun"), [("ir", "LLVM-IR"), ("asm", "assembly")])
def test_the_verbatim_prompt_is_metas_byte_for_byte(kind, noun):
    question = Question("define void @f()\n", "module(default<Oz>)", kind, 8, 65)
    assert joined(prompt(question, "verbatim")) == (
        f"[INST] Give the {noun} for the following code when optimized using opt -p 'module(default<Oz>)':\n"
        "\n"
        "<code>define void @f()\n"
        "</code>\n"
        "\n"
        "The input code has instruction count 8 and binary size 65 bytes. [/INST]"
    )


def test_the_compact_prompt_is_short(toolchain):
    unit = units(toolchain)["add_two"]
    text = joined(prompt(ask_of(unit, PASSES, "ir", "ship"), "compact"))
    assert text.startswith("[INST] opt -p 'sroa,default<Oz>' ir\n<code>define ")
    assert text.endswith(f"}}\n</code> {unit.instructions} {unit.unoptimised_ship} [/INST]")


@needs_shared
def test_the_demos_function_has_the_demos_numbers(tools):
    question = ask((SHARED / "data" / "add_two.ll").read_text(), PASSES, "ir", "paper", tools)
    assert (question.instructions, question.size) == (8, 65)


def test_a_question_may_name_its_passes_as_people_do_and_a_misspelt_one_is_an_error_that_helps(toolchain, tools):
    text = units(toolchain)["sum"].text
    assert ask(text, "sroa, default<Oz>", "ir", "ship", tools).passes == PASSES
    with pytest.raises(PassListError, match="did you mean sroa"):
        ask(text, "sroaa", "ir", "ship", tools)
    with pytest.raises(LLVMError):
        ask("garbage", "sroa", "ir", "ship", tools)


# -- examples


@pytest.mark.parametrize("dialect", ["verbatim", "compact"])
@pytest.mark.parametrize("name", ["sum", "hostile", "mixed"])
def test_the_answer_of_an_example_is_parsed_back_and_is_exact(toolchain, tools, dialect, name):
    unit = units(toolchain)[name]
    examples = made(unit, tools, Settings(dialect=dialect, per_unit=4))
    assert len(examples) == 4
    for example in examples:
        answer = parse(joined(example.answer))
        assert (answer.code, False) == example.answer[1]
        question = asked(unit, example)
        assert joined(prompt(question, dialect)) == joined(example.prompt)
        found = check(question, answer, tools)
        assert (found.ok, found.reason) == (True, "exact")
        assert found.instructions == (answer.instructions,) * 2
        assert found.size == (answer.size,) * 2


def test_an_answer_may_say_that_the_code_stays_as_it_is(toolchain, tools, monkeypatch):
    unit = units(toolchain)["sum"]
    monkeypatch.setattr(emulation, "_draw", lambda *_: PassList.parse("module(strip-dead-prototypes)"))
    settings = Settings(dialect="compact", assembly_share=0.0, unchanged=True)
    (example,) = made(unit, tools, settings)
    assert joined(example.answer) == f"= {unit.instructions} {unit.unoptimised_ship}"
    answer, question = parse(joined(example.answer)), asked(unit, example)
    assert answer.code_for(question) == compact(unit.text)
    spelt_out = replace(answer, code=compact(unit.text), unchanged=False)
    assert check(question, answer, tools) == check(question, spelt_out, tools)
    assert check(question, answer, tools).reason == "exact"
    changed = replace(question, passes=PASSES)
    assert check(changed, answer, tools).reason == "verifies"
    assert check(replace(question, kind="asm"), answer, tools).reason == "differs"
    (example,) = made(unit, tools, replace(settings, unchanged=False))
    assert parse(joined(example.answer)).code == compact(unit.text)
    with pytest.raises(ValueError, match="only the compact dialect"):
        Settings(unchanged=True)


def test_ir_and_assembly_are_both_asked_for(toolchain, tools):
    examples = made(units(toolchain)["sum"], tools, Settings(per_unit=20, assembly_share=0.5))
    assert {example.source for example in examples} == {"emulation ir", "emulation asm"}
    assembly = [joined(example.answer) for example in examples if example.source == "emulation asm"]
    assert all("sum:" in text and "define" not in text for text in assembly)


def test_lists_have_1_to_50_passes_of_the_vocabulary_and_none_is_denied(toolchain, tools, vocabulary):
    lengths = []
    results = list(
        emulation.examples(units(toolchain)["add_two"], None, tools, Settings(per_unit=60), random.Random(1))
    )
    for each in results:
        if isinstance(each, Example):
            passes = PassList.parse(json.loads(each.replay)["passes"])
            assert not vocabulary.may_propose(passes)
            assert not denied(passes, load_denied(vocabulary.version))
            lengths.append(len(passes))
    assert all(1 <= length <= 50 for length in lengths)
    # Long lists are denied more often than short ones, and are as frequent all the same.
    assert sum(length > 25 for length in lengths) > len(lengths) / 3
    left = {each.reason for each in results if isinstance(each, LeftOut)}
    assert "denied" in left


def test_a_shortest_list_can_be_asked_for_and_the_autotuners_lists_join_in(toolchain, tools):
    settings = Settings(per_unit=30, longest_list=1, known=(PASSES,), known_share=0.5)
    lists = [json.loads(example.replay)["passes"] for example in made(units(toolchain)["add_two"], tools, settings)]
    assert 5 < lists.count(PASSES) < 25
    assert all(len(PassList.parse(passes)) == 1 for passes in lists if passes != PASSES)


def test_what_does_not_fit_is_left_out(toolchain, tools):
    unit = units(toolchain)["mixed"]
    results = list(emulation.examples(unit, None, tools, Settings(longest=100), random.Random(1)))
    assert results[-1].reason == "too long"


def test_a_unit_that_was_not_measured_is_left_out(toolchain, tools):
    unit = replace(units(toolchain)["sum"], unoptimised_paper=0)
    assert list(emulation.examples(unit, None, tools, Settings(), random.Random(1)))[-1].reason == "no target"


# -- verdicts


@pytest.fixture(params=["verbatim", "compact"])
def case(request, toolchain, tools):
    question = ask_of(units(toolchain)["mixed"], PASSES, "ir", "ship")
    truth = emulate(question, tools)
    return question, Answer(truth.text("ir", request.param), truth.instructions, truth.size)


def test_the_truth_is_exact(case, tools):
    question, answer = case
    assert check(question, answer, tools).reason == "exact"


def test_names_and_spaces_are_no_difference_after_normalisation(case, tools):
    question, answer = case
    named = re.sub(r"%(\d+)", r"%value\1", answer.code)
    code = re.sub(r"^(\d+):", r"value\1:\n\n", named, flags=re.M).replace("{\n", "{\nvalue2:\n", 1)
    found = check(question, replace(answer, code=code), tools)
    assert (found.ok, found.reason) == (True, "normalised"), found.detail


def test_another_constant_verifies_and_is_wrong(case, tools):
    question, answer = case
    found = check(question, replace(answer, code=answer.code.replace("31", "33")), tools)
    assert (found.ok, found.reason) == (False, "verifies")


def test_the_result_of_another_list_verifies_and_is_wrong(case, tools):
    question, _ = case
    other = emulate(replace(question, passes="function(mem2reg)"), tools)
    found = check(question, Answer(other.text("ir", "compact"), other.instructions, other.size), tools)
    assert (found.reason, found.ok) == ("verifies", False)
    assert found.instructions[0] != found.instructions[1]
    assert found.size[0] != found.size[1]


def test_a_value_used_before_it_is_there_only_parses(tools):
    text = "define i32 @f(i32 %0) {\n  %2 = add i32 %0, 1\n  ret i32 %2\n}\n"
    text = 'target triple = "x86_64-unknown-linux-gnu"\n\n' + text
    question = Question(text, "function(sroa)", "ir", 2, 60, "ship")
    found = check(question, Answer(text.replace("add i32 %0, 1", "add i32 %2, 1"), 2, 60), tools)
    assert (found.reason, found.ok) == ("parses", False)


@pytest.mark.parametrize("code", ["garbage", "", "define i32 @mixed("])
def test_garbage_is_not_ok(case, tools, code):
    assert check(case[0], Answer(code, 1, 1), tools).reason in ("broken", "verifies")
    assert not check(case[0], Answer(code, 1, 1), tools).ok


def test_a_truncated_answer_is_broken_and_a_missing_closing_tag_is_no_matter(case, tools):
    question, answer = case
    assert check(question, parse("<code>" + answer.code), tools).reason == "exact"
    found = check(question, parse("<code>" + answer.code[: len(answer.code) * 2 // 3]), tools)
    assert found.reason == "broken"
    assert found.instructions[0] is None


def test_no_code_is_a_reason(case, tools):
    assert check(case[0], parse("I cannot do that"), tools).reason == "no code"


def test_text_around_the_code_is_no_matter():
    text = "Sure!\n<code>x\n</code>\n\nThe output code has instruction count 7 and binary size 66 bytes. Bye"
    assert parse(text) == Answer("x\n", 7, 66)
    assert parse("<code>x\n</code> 7 66") == Answer("x\n", 7, 66)


def test_a_list_that_llvm_refuses_has_no_truth(case, tools):
    assert check(replace(case[0], passes="nonsense"), case[1], tools).reason == "no truth"


def test_assembly_is_exact_normalised_or_differs(toolchain, tools):
    question = ask_of(units(toolchain)["sum"], PASSES, "asm", "ship")
    truth = emulate(question, tools).assembly
    assert truth == normalise_assembly(truth)
    reasons = [
        check(question, Answer(code, 1, 1), tools).reason
        for code in (truth, truth.replace("retq", "retq # done"), truth.replace("addl", "subl"), compact(question.ir))
    ]
    assert reasons == ["exact", "normalised", "differs", "differs"]
