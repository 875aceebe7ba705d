"""IR modelling: which plain texts are made of a unit."""

from __future__ import annotations

import random

import pytest

from llm_compiler.corpus.assembly import assembly
from llm_compiler.corpus.normalise import compact
from llm_compiler.tasks import ir_modeling
from llm_compiler.tasks.ir_modeling import PROPORTIONS, Answer, Question, Settings, check, parse, prompt
from llm_compiler.tasks.task import Tools
from tests.small_units import joined, unit, units


@pytest.fixture(scope="module")
def tools(toolchain, library, vocabulary):
    return Tools(toolchain, library, vocabulary)


def sources(each, tools, **settings):
    made = ir_modeling.examples(each, None, tools, Settings(**settings), random.Random(0))
    return {example.source: example for example in made}


@pytest.mark.parametrize("dialect", ["verbatim", "compact"])
def test_a_unit_gives_ir_before_and_after_and_assembly_for_both_targets(toolchain, library, tools, dialect):
    each = units(toolchain)["hostile"]
    pair = assembly(toolchain, library, each.text, "x86-64")
    made = sources(each, tools, dialect=dialect, aarch64_share=1.0)
    texts = {source: joined(example.answer) for source, example in made.items()}
    write = compact if dialect == "compact" else str
    assert list(texts) == ["ir", "ir optimised", "asm x86-64", "asm aarch64"]
    assert texts["ir"] == write(each.text)
    assert texts["ir optimised"] == write(pair.ir)
    assert texts["asm x86-64"] == pair.assembly
    assert "bl\tputs" in texts["asm aarch64"] or "b\tputs" in texts["asm aarch64"]
    assert all(example.prompt == () and not example.answer[0][1] for example in made.values())
    assert {example.split for example in made.values()} == {"train"}


def test_aarch64_can_be_left_out_and_long_texts_are(toolchain, tools):
    each = units(toolchain)["mixed"]
    assert "asm aarch64" not in sources(each, tools, aarch64_share=0.0)
    made = list(ir_modeling.examples(each, None, tools, Settings(longest=10), random.Random(0)))
    assert {left.reason for left in made} == {"too long"}


def test_a_unit_for_a_gpu_gives_its_own_assembly(toolchain, tools):
    text = 'target triple = "nvptx64-nvidia-cuda"\n\ndefine void @kernel(ptr %0) {\n  store i32 7, ptr %0, align 4\n'
    text += "  ret void\n}\n"
    made = sources(unit(text, "kernel", toolchain.version, "nvptx64-nvidia-cuda"), tools)
    assert list(made) == ["ir", "asm nvptx"]
    assert ".visible .func kernel(" in joined(made["asm nvptx"].answer)


def test_the_papers_proportions_are_shares():
    assert sum(PROPORTIONS.values()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("dialect", ["verbatim", "compact"])
def test_a_text_that_goes_on_well_verifies(toolchain, tools, dialect):
    text = units(toolchain)["sum"].text
    whole = compact(text) if dialect == "compact" else text
    half = whole.index("ret ")
    question = Question(whole[:half], like=text)
    assert joined(prompt(question, dialect)) == whole[:half]
    assert prompt(Question(), dialect) == ()
    assert check(question, parse(whole[half:]), tools).ok
    assert check(question, Answer("ret nonsense\n}\n"), tools).reason == "broken"
    assert check(question, Answer(""), tools).reason == "broken"
