"""Flag tuning: Meta's prompt, examples from labels, and verdicts in bytes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from llm_compiler.autotune.label import Label
from llm_compiler.llvm.evaluate import Subject, oz_passes
from llm_compiler.llvm.size import SHIP
from llm_compiler.tasks import flag_tuning
from llm_compiler.tasks.flag_tuning import Answer, Question, Settings, ask_of, check, parse, prompt
from llm_compiler.tasks.task import LeftOut, Tools
from tests.small_units import joined, units

OZ = "module(default<Oz>)"


@pytest.fixture(scope="module")
def tools(toolchain, library, vocabulary):
    return Tools(toolchain, library, vocabulary)


@pytest.fixture(scope="module")
def lists(toolchain, library, vocabulary):
    """A unit, and lists whose objects are smaller and larger than -Oz's."""
    unit, rng = units(toolchain)["mixed"], random.Random(4)
    subject = Subject(library, unit.text.encode())
    subject.must_link_like(oz_passes(toolchain.version, SHIP))
    found = {}
    known = [
        p for p in vocabulary.proposable if p.name in ("sroa", "mem2reg", "instcombine", "simplifycfg", "gvn", "adce")
    ]
    for _ in range(300):
        passes = vocabulary.nest(rng.choice(known).name for _ in range(rng.randint(1, 6)))
        size = subject.evaluate(str(passes), "ship").size.total
        found.setdefault(
            "smaller" if size < unit.oz_ship else "larger" if size > unit.oz_ship else "equal", str(passes)
        )
        if {"smaller", "larger"} <= found.keys():
            break
    subject.close()
    return unit, found


@pytest.fixture
def label(toolchain, lists, library):
    unit, found = lists
    subject = Subject(library, unit.text.encode())
    size = subject.evaluate(found["smaller"], "ship").size.total
    subject.close()
    where = (unit.id, "function", unit.project, unit.split, toolchain.version, "ship", 0, "random")
    return Label(*where, unit.oz_ship, found["smaller"], size, "search", 9, ())


def example_of(unit, label, tools, **settings):
    (example,) = flag_tuning.examples(unit, label, tools, Settings(**settings), random.Random(0))
    return example


# -- prompts


def test_the_verbatim_prompt_is_metas_byte_for_byte():
    assert joined(prompt(Question("define void @f()\n"), "verbatim")) == (
        "[INST] Tell me how to optimize this LLVM-IR for object file size:\n\n<code>define void @f()\n</code> [/INST]"
    )


def test_the_compact_prompt_is_short(toolchain):
    text = joined(prompt(ask_of(units(toolchain)["add_two"], "ship"), "compact"))
    assert text.startswith("[INST] opt -p\n<code>define ")
    assert text.endswith("}\n</code> [/INST]")


def test_the_compact_prompt_says_whose_sizes_are_meant_where_they_are_not_those_of_what_is_shipped(toolchain):
    unit = units(toolchain)["add_two"]
    shipped, papers = (joined(prompt(ask_of(unit, protocol), "compact")) for protocol in ("ship", "paper"))
    assert papers == shipped.replace("opt -p\n", "opt -p paper\n", 1) != shipped
    assert parse(papers).passes == ()  # it is no list, should a model say it


# -- examples


@pytest.mark.parametrize("dialect", ["verbatim", "compact"])
@pytest.mark.parametrize("code", [True, False])
def test_the_answer_of_an_example_is_parsed_back_and_is_smaller_than_oz(lists, label, tools, dialect, code):
    unit, _ = lists
    example = example_of(unit, label, tools, dialect=dialect, code=code)
    text = joined(example.answer)
    answer = parse(text)
    assert (answer.before, answer.after) == (unit.unoptimised_ship, label.size)
    assert ("<code>" in text) == (answer.code is not None) == code
    found = check(ask_of(unit, "ship"), answer, tools)
    assert (found.ok, found.reason) == (True, "smaller")
    assert found.passes == label.passes
    assert found.before == (unit.unoptimised_ship,) * 2
    assert found.after == (label.size,) * 2
    assert found.detail == f"{label.size} bytes, {label.oz} with -Oz"


def test_units_that_nothing_makes_smaller_may_be_left_out(lists, label, tools):
    unit, _ = lists
    best = replace(label, passes="", size=label.oz, found_by="")
    assert example_of(unit, best, tools, equal=False) == LeftOut("flag_tuning", "nothing is smaller")
    assert not isinstance(example_of(unit, label, tools, equal=False), LeftOut)


@pytest.mark.parametrize(("dialect", "words"), [("verbatim", f"opt -p '{OZ}'"), ("compact", "opt -p 'default<Oz>'")])
def test_where_oz_is_best_the_answer_says_so(lists, label, tools, dialect, words):
    unit, _ = lists
    best = replace(label, passes="", size=label.oz, found_by="")
    example = example_of(unit, best, tools, dialect=dialect)
    assert joined(example.answer).startswith(words)
    found = check(ask_of(unit, "ship"), parse(joined(example.answer)), tools)
    assert (found.reason, found.after) == ("equal", (label.oz, label.oz))


def test_a_short_answer_is_one_line(lists, label, tools):
    unit, _ = lists
    text = joined(example_of(unit, label, tools, dialect="compact", code=False).answer)
    passes = ",".join(element.spelling for element in flag_tuning.restored(label.passes, tools.vocabulary).passes())
    assert text == f"opt -p '{passes}' {unit.unoptimised_ship} {label.size}"


def test_a_unit_without_a_label_is_left_out_and_anothers_label_is_an_error(lists, label, tools):
    unit, _ = lists
    assert example_of(unit, None, tools) == LeftOut("flag_tuning", "no label")
    with pytest.raises(ValueError, match="does not go with"):
        example_of(unit, replace(label, unit="0" * 32), tools)


def test_code_may_be_cut_where_the_settings_say_so(lists, label, tools):
    assert example_of(lists[0], label, tools).room is None
    assert example_of(lists[0], label, tools, cut=True).room == flag_tuning.LIST_ROOM


def test_a_unit_where_even_oz_failed_is_left_out(lists, label, tools):
    assert example_of(lists[0], replace(label, oz=0), tools).reason == "no size"


# -- verdicts


@pytest.mark.parametrize("oz", [True, False])
@pytest.mark.parametrize("reason", ["smaller", "larger"])
def test_lists_are_weighed_against_oz(lists, tools, reason, oz):
    unit, found = lists
    question = ask_of(unit, "ship") if oz else Question(unit.text)
    verdict = check(question, parse(f"Try opt -p '{found[reason]}'!"), tools)
    assert (verdict.ok, verdict.reason, verdict.oz) == (reason == "smaller", reason, unit.oz_ship)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("opt -p 'function(sroa)' or opt -p 'function(gvn)'", "two pass lists"),
        ("no idea", "no pass list"),
        ("opt -p ''", "invalid list"),
        ("opt -p 'function(sroa),modul", "invalid list"),
        ("opt -p 'function(sroa", "invalid list"),
        ("opt -p 'sroaaa'", "invalid list"),
        ("opt -p 'internalize'", "invalid list"),
        ("opt -p 'cgscc(argpromotion)'", "denied"),
        ("<code>opt -p 'sroa'</code>", "no pass list"),
        ("opt -p 'sroa' opt -p 'sroa' <code>opt -p 'gvn'\n</code>", "larger"),
    ],
)
def test_what_is_no_good_list_has_a_reason(lists, tools, text, reason):
    verdict = check(ask_of(lists[0], "ship"), parse(text), tools)
    assert (verdict.ok, verdict.reason) == (False, reason)


def test_a_module_that_does_not_verify_is_a_reason(tools):
    question = Question('target triple = "x86_64"\ndefine i32 @f() {\n  %x = add i32 %x, 1\n  ret i32 %x\n}\n')
    assert check(question, Answer(("function(sroa)",)), tools).reason == "invalid"


def test_numbers_are_read_by_name_or_by_place():
    text = "opt -p 'sroa'\n\nThe input code has binary size 65 bytes and the output code has binary size 60 bytes."
    assert parse(text) == Answer(("sroa",), 65, 60, None)
    assert parse("opt -p 'sroa' 65 60\n<code>x\n</code>") == Answer(("sroa",), 65, 60, "x\n")
    assert parse("opt -p 'sroa' binary size 60") == Answer(("sroa",), None, 60)
