"""Lists for single functions, with the real LLVM underneath."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from llm_compiler.autotune.portfolio import load
from llm_compiler.inference.per_function import (
    FunctionJob,
    FunctionTuner,
    Tuned,
    function_lists,
    function_sizes,
    outcome,
    replay,
    short_lists,
    tune,
)
from llm_compiler.llvm.evaluate import Subject, oz_passes
from llm_compiler.llvm.frontend import Source, unoptimised
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.size import PAPER, SHIP
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure, Limits
from tests.conftest import ROOT

X86 = 'target triple = "x86_64-unknown-linux-gnu"\n'
WASTE = """
define i32 @{name}(i32 %a) minsize optsize {{
  %slot = alloca i32
  store i32 %a, ptr %slot
  %again = load i32, ptr %slot
  %sum = add i32 %again, {number}
  store i32 %sum, ptr %slot
  %result = load i32, ptr %slot
  ret i32 %result
}}
"""
TIGHT = """
define i32 @tight(i32 %a) minsize optsize {
  %sum = add i32 %a, 7
  ret i32 %sum
}
"""
SROA, DSE = "function(sroa)", "function(dse)"
CRASH = "module(trigger-crash)"
LIMITS = Limits(seconds=20)


def wasteful(*names: str) -> bytes:
    return (X86 + TIGHT + "".join(WASTE.format(name=name, number=at) for at, name in enumerate(names))).encode()


@pytest.fixture
def tuned(toolchain: Toolchain) -> Callable[..., Tuned]:
    def run(job: FunctionJob, *denied: tuple[str, ...]) -> Tuned:
        (found,) = tune([job], FunctionTuner(toolchain.library, denied), workers=1)
        return found

    return run


@pytest.fixture(scope="module")
def example(toolchain: Toolchain) -> bytes:
    """A real module as -Oz's passes leave it."""
    module = unoptimised(toolchain, Source(ROOT / "examples" / "red_black_tree.c", "c"))
    with closing(Subject(Library(toolchain.library), module)) as subject:
        kept = subject.evaluate(oz_passes(toolchain.version, SHIP), "ship", keep=True).bitcode
    assert kept
    return kept


def size_of(toolchain: Toolchain, module: bytes, protocol: str = "ship") -> int:
    """Bytes of the object of a module as it is."""
    with closing(Subject(Library(toolchain.library), module)) as subject:
        return subject.evaluate("function(no-op-function)", protocol).size.total


# -- results


def test_each_function_gets_the_list_that_makes_it_smaller(tuned: Callable[..., Tuned]) -> None:
    found = tuned(FunctionJob(wasteful("one", "two"), (DSE, SROA)))
    assert found.chosen == {"one": SROA, "two": SROA}
    assert found.after < found.before
    assert not found.failures


@pytest.mark.parametrize("protocol", [SHIP, PAPER], ids=lambda protocol: protocol.name)
def test_sizes_are_those_of_whole_objects(tuned: Callable[..., Tuned], toolchain: Toolchain, protocol: object) -> None:
    name = SHIP.name if protocol is SHIP else PAPER.name
    module = wasteful("one", "two")
    found = tuned(FunctionJob(module, (SROA,), protocol=name))
    assert found.module
    assert found.before == size_of(toolchain, module, name)
    assert found.after == size_of(toolchain, found.module, name) < found.before


def test_what_a_caller_has_for_one_function_is_tried_on_no_other(tuned: Callable[..., Tuned]) -> None:
    found = tuned(FunctionJob(wasteful("one", "two"), (), {"two": (SROA,), "three": (SROA,)}))
    assert found.chosen == {"two": SROA}


def test_the_other_functions_stay_as_they_were(tuned: Callable[..., Tuned], context: Context) -> None:
    module = wasteful("one", "two")
    found = tuned(FunctionJob(module, (), {"two": (SROA,)}))
    assert found.module
    before, after = (context.parse(one).print() for one in (module, found.module))
    start, end = (before.index(f"define i32 @{name}(") for name in ("tight", "two"))
    assert before[start:end] in after
    assert [line for line in before.splitlines() if line.startswith("attributes")] == [
        line for line in after.splitlines() if line.startswith("attributes")
    ]


def test_nothing_is_chosen_where_nothing_gets_smaller(tuned: Callable[..., Tuned]) -> None:
    found = tuned(FunctionJob((X86 + TIGHT).encode(), (DSE, SROA)))
    assert (found.module, found.chosen, found.after) == (None, {}, found.before)
    assert found.before > 0


def test_a_list_that_makes_functions_larger_is_not_chosen(tuned: Callable[..., Tuned], example: bytes) -> None:
    found = tuned(FunctionJob(example, ("function(reg2mem)", "function(scalarizer)", "function(loop(loop-rotate))")))
    assert found.after <= found.before
    assert "function(reg2mem)" not in found.chosen.values()


def test_a_second_list_is_tried_behind_the_first(tuned: Callable[..., Tuned], compiled: Callable[..., bytes]) -> None:
    # A loop that does nothing can be deleted once its counter is no variable in memory.
    module = compiled("int f(int x) { for (int i = 0; i < 9; i++) ; return x; }")
    deletion = "function(loop(loop-deletion))"
    found = tuned(FunctionJob(module, (deletion, "function(mem2reg)")))
    assert found.chosen == {"f": f"function(mem2reg),{deletion}"}


def test_a_real_module_gets_smaller_and_never_larger(
    tuned: Callable[..., Tuned], example: bytes, vocabulary: Vocabulary, toolchain: Toolchain
) -> None:
    found = tuned(FunctionJob(example, short_lists(vocabulary)))
    assert found.after <= found.before == size_of(toolchain, example)
    assert found.evaluations <= FunctionJob(b"", ()).budget
    if found.module:
        assert found.after == size_of(toolchain, found.module) < found.before


# -- replaying


def test_a_record_makes_the_same_module_again(
    tuned: Callable[..., Tuned], example: bytes, vocabulary: Vocabulary, toolchain: Toolchain
) -> None:
    lists = (SROA, *function_lists(load(vocabulary), vocabulary))
    for module in (wasteful("one", "two"), example):
        found = tuned(FunctionJob(module, lists, budget=20))
        if found.module:
            again = replay(module, dict(reversed(found.chosen.items())), toolchain.library)
            assert again == found.module


def test_tuning_twice_gives_the_same(tuned: Callable[..., Tuned], example: bytes, vocabulary: Vocabulary) -> None:
    job = FunctionJob(example, short_lists(vocabulary), budget=16)
    assert tuned(job) == tuned(job)


def test_replaying_a_list_that_llvm_refuses_is_a_failure(toolchain: Toolchain) -> None:
    answer = replay(wasteful("one"), {"one": "function(no-such-pass)"}, toolchain.library)
    assert isinstance(answer, Failure)
    assert answer.reason == "invalid"


# -- what goes wrong


def test_a_list_that_crashes_costs_itself_alone(tuned: Callable[..., Tuned]) -> None:
    module = wasteful("one", "two", "three")
    clean = tuned(FunctionJob(module, (SROA, DSE)))
    found = tuned(FunctionJob(module, (CRASH, SROA, CRASH + "," + DSE, DSE)))
    assert (found.module, found.chosen, found.after) == (clean.module, clean.chosen, clean.after)
    assert found.chosen == dict.fromkeys(("one", "two", "three"), SROA)
    assert found.failures["crashed"] >= 2


def test_a_function_that_a_list_hangs_on_costs_the_others_nothing(
    tuned: Callable[..., Tuned], compiled: Callable[..., bytes]
) -> None:
    body = "".join(
        f"    if (p[{n}] == {n}) x ^= p[{n + 1}] * {n}u; else x += p[{n + 2}] / {n + 1}u;\n" for n in range(900)
    )
    large = f"unsigned large(unsigned *p) {{ unsigned x = 0;\n{body}    return x; }}\n"
    hangs = "function(sroa),function(repeat<2000>(gvn))"
    found = tuned(
        FunctionJob(compiled(large + "int small(int x) { return x + 1; }\n"), (hangs,), limits=Limits(seconds=3))
    )
    assert found.chosen == {"small": hangs}
    assert found.failures == {"timeout": 2}
    assert found.module


def test_a_denied_list_is_never_run(tuned: Callable[..., Tuned]) -> None:
    job = FunctionJob(wasteful("one"), (CRASH, SROA))
    assert tuned(job, ("trigger-crash",), ("sroa",)).evaluations == 2
    found = tuned(job, ("trigger-crash",))
    assert (found.chosen, sum(found.failures.values())) == ({"one": SROA}, 0)


def test_what_is_denied_behind_another_pass_is_denied_behind_the_modules_list(tuned: Callable[..., Tuned]) -> None:
    job = FunctionJob(wasteful("one"), (SROA,), before="module(globalopt)")
    assert tuned(job, ("sroa", "globalopt")).chosen == {"one": SROA}
    assert tuned(job, ("globalopt", "sroa")).chosen == {}
    assert tuned(replace(job, before=""), ("globalopt", "sroa")).chosen == {"one": SROA}


def test_the_budget_is_kept(tuned: Callable[..., Tuned], example: bytes, vocabulary: Vocabulary) -> None:
    lists = function_lists(load(vocabulary), vocabulary)
    assert [tuned(FunctionJob(example, lists, budget=budget)).evaluations <= budget for budget in (2, 3, 8)] == [
        True
    ] * 3


@pytest.mark.parametrize(
    "name",
    [
        '"with \\22quotes\\22 and, commas"',
        '"new\\0Aline"',
        '"\\01verbatim"',
        '"caf\\C3\\A9"',
        '"\\FF not utf-8"',
        '"7"',
    ],
)
def test_names_can_be_anything(tuned: Callable[..., Tuned], toolchain: Toolchain, name: str) -> None:
    module = wasteful(name)
    found = tuned(FunctionJob(module, (SROA,)))
    assert list(found.chosen.values()) == [SROA]
    assert found.module
    assert replay(module, found.chosen, toolchain.library) == found.module


@pytest.mark.parametrize("text", ["", "@x = global i32 7\n", "declare void @f()\n", "define void @0() { ret void }\n"])
def test_a_module_without_functions_that_have_a_name_is_left_as_it_is(tuned: Callable[..., Tuned], text: str) -> None:
    found = tuned(FunctionJob((X86 + text).encode(), (SROA,)))
    assert (found.module, found.chosen, sum(found.failures.values())) == (None, {}, 0)
    assert found.before == found.after


@pytest.mark.parametrize("text", [b"nonsense", b"define i32 @f() { ret i32 %x }", (X86 + "@x = global i32").encode()])
def test_what_is_no_module_is_a_failure_that_is_counted(tuned: Callable[..., Tuned], text: bytes) -> None:
    found = tuned(FunctionJob(text, (SROA,)))
    assert (found.before, found.module, found.failures) == (0, None, {"invalid": 1})


def test_a_worker_that_gives_up_is_a_record_too() -> None:
    assert outcome(Failure("memory", "over")) == outcome([Failure("memory", "over")])
    assert outcome([7, Failure("crashed", "SIGSEGV")]).failures == {"crashed": 1}


# -- lists


def test_only_function_and_loop_passes_are_left_of_a_list(vocabulary: Vocabulary) -> None:
    lists = [
        "module(default<Oz>),function(early-cse<memssa>),cgscc(inline),function(loop(loop-rotate))",
        "early-cse<memssa>,loop-mssa(loop-rotate)",
        "module(iroutliner)",
        "function(print<domtree>,verify)",
        "module(function(sroa,instcombine))",
    ]
    assert function_lists(map(PassList.parse, lists), vocabulary) == (
        "function(early-cse<memssa>),function(loop(loop-rotate))",
        "function(sroa),function(instcombine)",
    )


def test_the_short_lists_are_all_of_this_llvm(vocabulary: Vocabulary) -> None:
    found = short_lists(vocabulary)
    assert len(found) >= 10
    for passes in found:
        assert not vocabulary.may_propose(PassList.parse(passes))


def test_the_short_lists_of_an_llvm_that_lacks_passes_are_fewer(vocabulary: Vocabulary) -> None:
    few = Vocabulary("0", [one for one in vocabulary.passes.values() if one.name != "instcombine"])
    assert 0 < len(short_lists(few)) < len(short_lists(vocabulary))


# -- sizes of functions


def test_sizes_of_functions_count_code_tables_and_unwinding(library: Library, compiled: Callable[..., bytes]) -> None:
    cases = "".join(f"case {n}: return g{n}();" for n in range(20))
    others = "".join(f"int g{n}(void); " for n in range(20))
    text = f"{others}int table(int x) {{ switch (x) {{ {cases} }} return 0; }} int plain(int x) {{ return x; }}"
    with Context(library) as context, context.parse(compiled(text)) as module, module.machine(SHIP) as machine:
        names = module.functions()
        module.run("default<Oz>", machine)
        module.put_apart()
        sizes = function_sizes(module.emit(machine))
        assert set(sizes) == set(range(len(names)))
        assert sizes[names.index("table")] > sizes[names.index("plain")] + 20 * (4 + 5)
        assert sizes[names.index("plain")] > 20


def test_what_is_no_object_has_no_sizes() -> None:
    with pytest.raises(LLVMError, match="not an ELF object"):
        function_sizes(b"nonsense")
