"""What the tasks share: the catalogue, dialects, pass lists, code blocks, and examples that are not made."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compiler.corpus.normalise import compact
from llm_compiler.llvm.library import LLVMError
from llm_compiler.llvm.passes import PassListError
from llm_compiler.tasks import catalogue, disassembly, emulation, flag_tuning
from llm_compiler.tasks.answers import blocks, named_numbers, pass_lists, two_numbers
from llm_compiler.tasks.catalogue import TASKS
from llm_compiler.tasks.code import is_compact, lowered, read, restored, same_module, short, whole
from llm_compiler.tasks.task import DIALECTS, Example, LeftOut, Maker, NoExampleError, Tools, UnknownNameError
from tests.small_units import joined, units


@pytest.fixture(scope="module")
def tools(toolchain, library, vocabulary):
    return Tools(toolchain, library, vocabulary)


# -- the catalogue


def test_there_are_the_four_tasks():
    assert list(TASKS) == ["ir_modeling", "emulation", "flag_tuning", "disassembly"]
    assert all(catalogue.task(name) is task for name, task in TASKS.items())
    assert [task.version for task in TASKS.values()] == [1, 1, 2, 1]


@pytest.mark.parametrize(
    ("what", "name", "message"),
    [
        (catalogue.task, "flag_tunning", "there is no task 'flag_tunning'; did you mean flag_tuning?"),
        (
            catalogue.task,
            "chess",
            "there is no task 'chess'; there are ir_modeling, emulation, flag_tuning, disassembly",
        ),
        (catalogue.dialect, "compct", "there is no dialect 'compct'; did you mean compact?"),
    ],
)
def test_an_unknown_name_is_one_line_that_helps(what, name, message):
    with pytest.raises(UnknownNameError) as error:
        what(name)
    assert str(error.value) == message


@pytest.mark.parametrize("name", TASKS)
def test_settings_with_an_unknown_dialect_are_an_error_that_helps(name):
    with pytest.raises(UnknownNameError, match="no dialect 'verbatm'; did you mean verbatim"):
        TASKS[name].Settings(dialect="verbatm")


def test_settings_with_an_unknown_protocol_or_no_room_for_a_pass_are_errors():
    with pytest.raises(UnknownNameError, match="no protocol 'shop'; did you mean ship"):
        emulation.Settings(protocol="shop")
    with pytest.raises(ValueError, match="longest_list must be at least 1"):
        emulation.Settings(longest_list=0)


@given(text=st.text() | st.text(alphabet="<code>/ \n'`opt-p=,binary size 0123456789", max_size=200))
def test_no_text_is_too_strange_to_be_parsed(text):
    for task in TASKS.values():
        task.parse(text)


CODE = st.text().map(lambda text: text.replace("\n<", "\n <") + "\n")
"""Whatever it says, it has no line that starts with a tag, and neither has IR or assembly."""
SIZES = st.integers(0, 999_999_999)


@given(code=CODE, before=SIZES, after=SIZES, dialect=st.sampled_from(DIALECTS))
def test_whatever_the_code_says_the_answer_is_parsed_back(code, before, after, dialect):
    for answer in (emulation.Answer(code, before, after), emulation.Answer("", before, after)):
        assert emulation.parse(joined(emulation.write(answer, dialect))) == answer
    for text in (code, None):
        tuned = flag_tuning.Answer(("sroa,default<Oz>",), before, after, text)
        assert flag_tuning.parse(joined(flag_tuning.write(tuned, dialect))) == tuned
    lift = disassembly.Answer(code)
    assert disassembly.parse(joined(disassembly.write(lift))) == lift


@pytest.mark.parametrize("name", TASKS)
def test_all_tasks_have_settings_and_records_that_are_frozen(name):
    import dataclasses

    for record in ("Settings", "Question", "Answer"):
        kind = getattr(TASKS[name], record)
        assert dataclasses.is_dataclass(kind)
        assert kind.__dataclass_params__.frozen


# -- examples that are not made


def test_what_is_too_long_is_left_out_with_its_length(toolchain):
    maker = Maker("t", 1, units(toolchain)["sum"], "verbatim", 10)
    step = [lambda: maker.example("s", (("[INST]", True),), (("12345", False),))]
    assert list(maker.run(step, 0)) == [LeftOut("t", "too long", "11 characters")]


def test_reasons_are_values_and_later_examples_are_still_made(toolchain):
    maker = Maker("t", 1, units(toolchain)["sum"], "verbatim", None)

    def raising(error):
        def step():
            raise error

        return step

    steps = [raising(NoExampleError("denied", "x")), raising(LLVMError("no")), lambda: maker.example("s", (), ())]
    assert [each.reason if isinstance(each, LeftOut) else each.source for each in maker.run(steps, 0)] == [
        "denied",
        "invalid",
        "s",
    ]
    assert [each.reason for each in list(maker.run(steps, 1))[:1]] == ["invalid"]


@pytest.mark.parametrize("name", ["ir_modeling", "emulation", "disassembly"])
def test_a_unit_that_does_not_verify_is_left_out(toolchain, tools, name):
    from dataclasses import replace

    unit = units(toolchain)["add_two"]
    # A value that is used before it is there: this parses.
    broken = replace(unit, text=re.sub(r"(%\d+) = add nsw i32 %\d+", r"\1 = add nsw i32 \1", unit.text))
    assert broken.text != unit.text
    task = TASKS[name]
    settings = task.Settings(**({} if name == "emulation" else {"aarch64_share": 0.0}))
    made = list(task.examples(broken, None, tools, settings, random.Random(2)))
    assert all(isinstance(each, LeftOut) for each in made)
    left = [each for each in made if each.reason != "denied"]
    assert left
    assert all("Only PHI nodes may reference their own value" in each.detail for each in left)


@pytest.mark.parametrize("name", TASKS)
def test_the_same_seed_gives_the_same_examples_and_skipping_gives_the_rest(toolchain, tools, name):
    task, unit = TASKS[name], units(toolchain)["mixed"]
    settings = task.Settings(per_unit=3) if name == "emulation" else task.Settings()

    def made(**options):
        return list(task.examples(unit, None, tools, settings, random.Random(5), **options))

    whole_list = made()
    assert made() == whole_list
    assert made(skip=2) == whole_list[2:]


# -- dialects


@pytest.mark.parametrize("name", ["add_two", "sum", "hostile", "mixed"])
def test_compact_code_becomes_a_module_with_the_same_assembly(toolchain, tools, name):
    text = units(toolchain)[name].text
    short_text = compact(text)
    assert is_compact(short_text)
    assert not is_compact(text)
    reading = read(tools, short_text, text)
    assert (reading.problem, reading.compact) == ("", True)
    assert same_module(tools, reading, text)
    assert lowered(tools, reading.bitcode, "x86-64") == lowered(tools, read(tools, text, text).bitcode, "x86-64")


def test_module_flags_come_from_the_module_that_was_asked_about(toolchain, tools, compiled, context):
    from llm_compiler.corpus.normalise import normalise

    bitcode = compiled("extern int far; int get(void) { return far; }", "c", "-fno-pic")
    with context.parse(bitcode) as module:
        text = normalise(module.print())
    assert "PIC Level" not in text
    with context.parse(whole(compact(text), text).encode()) as module:
        assert module.flag("PIC Level") is None
    assert "GOTPCREL" not in lowered(tools, read(tools, compact(text), text).bitcode, "x86-64")


@pytest.mark.parametrize("code", ["", "garbage", "\0", "define", "define i32 @f(", "}\n" * 9, "@x = \ud800"])
def test_garbage_is_not_read_as_code_or_is_an_empty_module(toolchain, tools, code):
    try:
        reading = read(tools, code, units(toolchain)["sum"].text)
    except LLVMError:
        return
    assert "define" not in reading.printed


# -- pass lists


def test_lists_are_written_short_and_get_their_adaptors_back(vocabulary):
    text = "function(sroa),module(default<Oz>),function(loop(loop-rotate)),function(loop-mssa(licm)),cgscc(inline)"
    assert short(text) == "sroa,default<Oz>,loop-rotate,licm,inline"
    assert str(restored(short(text), vocabulary)) == text


def test_every_random_list_survives_being_written_short(vocabulary):
    rng = random.Random(0)
    for _ in range(100):
        passes = vocabulary.random_list(rng)
        assert restored(short(str(passes)), vocabulary) == passes


@pytest.mark.parametrize("text", ["function(sroa,gvn)", "function<eager-inv>(sroa)", "repeat<2>(sroa)", "not a list"])
def test_a_list_that_nests_otherwise_stays_as_it_is(text):
    assert short(text) == text


def test_an_unknown_pass_in_a_short_list_is_an_error_that_helps(vocabulary):
    with pytest.raises(PassListError, match="did you mean sroa"):
        restored("sroaa,gvn", vocabulary)


# -- answers


@pytest.mark.parametrize(
    ("text", "inside", "around"),
    [
        ("a <code>x\n</code> b", ["x\n"], ["a ", " b"]),
        ("<code>x</code>", ["x"], ["", ""]),
        ("<code>x\ny", ["x\ny"], ["", ""]),
        ('<code>c"</code>"\n</code>z', ['c"</code>"\n'], ["", "z"]),
        ("<code>x\n</code><code>y\n</code>", ["x\n", "y\n"], ["", "", ""]),
        ("see:\n```llvm\nx\n```\nso", ["x\n"], ["see:\n", "\nso"]),
        ("see:\n```\nx\n", ["x\n"], ["see:\n", ""]),
        ("no code", [], ["no code"]),
    ],
)
def test_code_blocks_are_found(text, inside, around):
    assert blocks(text) == (inside, around)


@pytest.mark.parametrize(
    ("text", "lists"),
    [
        ("opt -p 'a,b'", ("a,b",)),
        ("Use `opt -passes='a'` now", ("a",)),
        ('opt -S -passes="a" x.ll', ("a",)),
        ("opt -passes=a,b x.ll", ("a,b",)),
        ("opt -p 'a,b(c", ("a,b(c",)),
        ("opt -p 'a' or opt -p 'b' or opt -p 'a'", ("a", "b")),
        ("opt -p is best", ()),
        ("--p 'a'", ()),
    ],
)
def test_pass_lists_are_found(text, lists):
    assert pass_lists(text) == lists


def test_numbers_are_found_and_absurd_ones_are_not():
    assert named_numbers("binary size 12 bytes, Binary Size: 3; binary size 99999999999", "binary size") == [12, 3]
    assert two_numbers(" 12, 34 bytes") == (12, 34)
    assert two_numbers("12") == (None, None)
    assert two_numbers("9" * 5000 + " 1") == (None, None)


def test_tags_in_somebodys_code_are_in_no_template(toolchain, tools):
    unit = units(toolchain)["hostile"]
    for name, task in TASKS.items():
        for example in task.examples(unit, None, tools, task.Settings(), random.Random(3)):
            if isinstance(example, Example):
                ours = "".join(text for text, template in (*example.prompt, *example.answer) if template)
                assert "binary size 7" not in ours, name
                assert "</s>" not in ours
                assert "</s>" in joined(example.prompt + example.answer)
