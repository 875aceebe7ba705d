"""Lifting with a proposer that knows the answer, almost knows it, or knows nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator

import pytest

from llm_compiler.corpus.assembly import Target, assembly
from llm_compiler.inference.lift import (
    Asked,
    Budget,
    Lifted,
    Proposal,
    Propose,
    asked,
    edit_distance,
    lift,
    reached,
    table,
)
from llm_compiler.llvm.functions import assemble, read_functions
from llm_compiler.llvm.library import Library
from llm_compiler.llvm.listing import Function, Listing
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.tasks.disassembly import Question
from tests.small_units import units

Run = Callable[..., Lifted]


@pytest.fixture(scope="module", params=["x86-64", "aarch64"])
def target(request: pytest.FixtureRequest) -> Target:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def truth(toolchain: Toolchain, library: Library, target: Target) -> dict[str, Question]:
    pairs = {name: assembly(toolchain, library, unit.text, target) for name, unit in units(toolchain).items()}
    return {name: Question(pair.assembly, target, pair.ir) for name, pair in pairs.items()}


@pytest.fixture
def run(toolchain: Toolchain, vocabulary: Vocabulary, target: Target) -> Run:
    def run_(functions: list[Asked], propose: Propose, **options: object) -> Lifted:
        return lift(functions, propose, toolchain, vocabulary, target=target, inputs=40, **options)  # type: ignore[arg-type]

    return run_


def code(text: str) -> Proposal:
    return Proposal(f"<code>{text}</code>")


def known(truth: dict[str, Question], change: Callable[[str], str] = lambda text: text) -> Propose:
    """Proposes the true IR, changed, for assembly that is the truth's."""
    by_assembly = {each.assembly: each.ir for each in truth.values()}
    return lambda question: iter([code(change(by_assembly[question.assembly]))])


def unknown(truth: dict[str, Question]) -> list[Asked]:
    """The functions as a user has them: nobody knows what they were made from."""
    return [Asked(name, Question(each.assembly, each.target)) for name, each in truth.items()]


def test_the_truth_is_exact_and_becomes_one_valid_module(
    run: Run, truth: dict[str, Question], library: Library
) -> None:
    lifted = run(unknown(truth), known(truth))
    assert [(each.level, each.linked, each.sample) for each in lifted.functions] == [("exact", True, 0)] * len(truth)
    assert reached(lifted, "exact")
    with Context(library) as context, context.parse(lifted.text.encode()) as module:
        module.verify()
        assert set(module.functions()) == set(truth)
    assert lifted.text.count("; lifted: exact\ndefine") == len(truth)


def test_an_object_is_lifted_as_its_assembly_is(
    run: Run, truth: dict[str, Question], toolchain: Toolchain, target: Target
) -> None:
    pytest.importorskip("capstone")
    for name, question in truth.items():
        elf = assemble(toolchain, question.assembly.encode(), target)
        functions = asked(read_functions(elf, toolchain, target))
        lifted = run(functions, lambda _, ir=question.ir: iter([code(ir)]))
        assert [(each.name, each.level) for each in lifted.functions] == [(name, "exact")]


def test_a_wrong_constant_lowers_again_and_is_not_the_same(run: Run, truth: dict[str, Question]) -> None:
    only = {"mixed": truth["mixed"]}
    wrong = known(only, lambda ir: ir.replace("mul i32", "add i32").replace("mul nsw i32", "add nsw i32"))
    for functions in (unknown(only), [Asked("mixed", truth["mixed"])]):
        (found,) = run(functions, wrong).functions
        assert found.level == "lowers again"
        assert found.distance is not None
        assert found.distance > 0


def test_where_the_source_is_known_behaviour_counts(run: Run, truth: dict[str, Question], toolchain: Toolchain) -> None:
    if truth["sum"].target != "x86-64":
        pytest.skip("one target is enough")
    question = truth["sum"]
    lifted = run([Asked("sum", question)], lambda _: iter([code(units(toolchain)["sum"].text)]))
    assert lifted.functions[0].level == "same behaviour"
    assert reached(lifted, "same behaviour")
    assert not reached(lifted, "exact")


def test_garbage_and_nothing_are_counted_and_declared(run: Run, truth: dict[str, Question]) -> None:
    answers = [Proposal("no code at all"), code("garbage"), code("define void @other() {\n  ret void\n}\n")]
    first, second = unknown(truth)[:2]
    lifted = run([first], lambda _: iter(answers))
    assert lifted.functions[0].failures == {"no code": 1, "broken": 1, "another function": 1}
    assert f"declare void @{first.name}(...)" in lifted.text
    nothing = run([second], lambda _: iter(()))
    assert (nothing.functions[0].level, nothing.functions[0].reason) == ("not", "no proposal")
    assert not reached(nothing, "lowers again")
    assert reached(nothing, "not")


def test_a_function_over_the_context_says_so(run: Run, truth: dict[str, Question]) -> None:
    lifted = run(unknown(truth)[:1], lambda _: iter([Proposal(None, "over the context")]))
    assert lifted.functions[0].reason == "over the context"
    assert table(lifted)[0][1:] == ("not", "over the context")


def test_what_could_not_be_disassembled_is_never_asked(run: Run, target: Target) -> None:
    def propose(_: Question) -> Iterator[Proposal]:
        raise AssertionError("asked")

    listing = Listing(target, (Function("f", "", "it jumps into the middle of an instruction"),))
    (found,) = run(asked(listing), propose).functions
    assert (found.level, found.reason, found.tried) == ("not", "not disassembled", 0)
    assert "middle of an instruction" in found.detail


def test_no_more_is_asked_for_than_the_budget_or_the_exact_answer_needs(run: Run, truth: dict[str, Question]) -> None:
    taken = itertools.count()

    def propose(question: Question) -> Iterator[Proposal]:
        yield from (Proposal("nothing") for _ in taken)

    function = unknown(truth)[:1]
    assert run(function, propose, budget=Budget(samples=3)).functions[0].tried == 3
    assert next(taken) == 3
    exact = next(iter(truth.values())).ir
    found = run(function, lambda _: iter([code("bad"), code(exact), code(exact)])).functions[0]
    assert (found.level, found.sample, found.tried) == ("exact", 1, 2)


def test_the_nearest_of_equals_is_kept(run: Run, truth: dict[str, Question]) -> None:
    ir = truth["mixed"].ir
    near, far = (
        ir.replace("[ 7,", "[ 9,"),
        "define i32 @mixed(ptr %0, i32 %1) {\n  ret i32 1\n}\n",
    )
    assert near != ir
    (found,) = run([unknown(truth)[3]], lambda _: iter([code(far), code(near), code(far)])).functions
    assert (found.name, found.level, found.sample) == ("mixed", "lowers again", 1)


def test_modules_that_bring_the_same_names_are_linked(run: Run, truth: dict[str, Question], library: Library) -> None:
    """Each has a global, a helper and a type of one name, and they are not the same."""
    names = ["add_two", "sum"]

    def module(name: str, number: int) -> str:
        kind = "i32" if number else "i64"
        return (
            f"%t = type {{ {kind} }}\n@shared = global %t {{ {kind} {number} }}\n"
            f"define {kind} @helper() {{\n  %1 = load {kind}, ptr @shared\n  ret {kind} %1\n}}\n"
            f"define {kind} @{name}() {{\n  %1 = call {kind} @helper()\n  ret {kind} %1\n}}\n"
        )

    answers = {truth[name].assembly: code(module(name, number)) for number, name in enumerate(names)}
    functions = [each for each in unknown(truth) if each.name in names]
    lifted = run(functions, lambda question: iter([answers[question.assembly]]))
    assert all(each.linked for each in lifted.functions)
    with Context(library) as context, context.parse(lifted.text.encode()) as linked:
        linked.verify()
        assert set(names) < set(linked.functions())


def test_the_result_is_json_that_replays(run: Run, truth: dict[str, Question]) -> None:
    lifted = run(unknown(truth)[:1], known(truth))
    (row,) = json.loads(lifted.json())["functions"]
    again = run(
        [Asked(row["name"], Question(row["assembly"], lifted.target))], lambda _: iter([Proposal(row["answer"])])
    )
    assert again.functions[0].level == row["level"] == "exact"


def test_edit_distance_counts_lines() -> None:
    assert edit_distance("abc", "abc") == 0
    assert edit_distance("", "abc") == 3
    assert edit_distance("kitten", "sitting") == 3
