from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_compiler.inference.per_function import short_lists
from llm_compiler.inference.propose import listed
from llm_compiler.inference.solve import Functions, Solution, Solver
from llm_compiler.llvm.elf import object_size, symbols
from llm_compiler.llvm.frontend import CompileError, Source, lower, optimise_for_size
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.size import PAPER, PROTOCOLS, SHIP, Protocol
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Limits
from tests.conftest import ROOT

# -Oz rotates the loop, which costs more than it gains here: the first list does not, and wins.
SUM = Source(None, "c", b"int f(const int *p, int n) { int s = 0; for (int i = 0; i < n; i++) s += p[i]; return s; }\n")
PLAIN = Source(None, "c", b"int f(void) { return 1; }\n")
WINS, LOSES, SAME = "function(sroa)", "module(no-op-module)", "module(default<Oz>)"


def solve(
    toolchain: Toolchain,
    source: Source,
    *lists: str,
    protocol: Protocol = SHIP,
    emit: str = "obj",
    jobs: int = 1,
    limits: Limits | None = None,
) -> Solution:
    candidates = [PassList.parse(text) for text in lists]
    with Solver(toolchain, listed(candidates), protocol, jobs=jobs, limits=limits) as solver:
        (answer,) = solver.solve([source], emit)
    if isinstance(answer, CompileError):
        raise answer
    return answer


def test_the_list_whose_object_is_smallest_wins(toolchain: Toolchain) -> None:
    solution = solve(toolchain, SUM, LOSES, SAME, WINS, "function(mem2reg)")
    clangs, _ = optimise_for_size(toolchain, SUM, SHIP)
    assert str(solution.passes) == WINS
    assert solution.baseline == object_size(clangs)
    assert solution.size == object_size(solution.output)
    assert solution.size.total < solution.baseline.total
    assert symbols(solution.output).replaces(symbols(clangs))
    assert (len(solution.tried), solution.failures) == (4, Counter())


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
@pytest.mark.parametrize("lists", [(), (LOSES,), (SAME,)], ids=["none", "larger", "equal"])
def test_where_nothing_is_smaller_the_answer_is_clangs_own_object(
    toolchain: Toolchain, protocol: Protocol, lists: tuple[str, ...]
) -> None:
    solution = solve(toolchain, PLAIN, *lists, protocol=protocol)
    assert solution.passes is None
    assert solution.output == optimise_for_size(toolchain, PLAIN, protocol)[0]
    assert solution.size == solution.baseline == object_size(solution.output)
    assert len(solution.tried) == len(lists)


@pytest.mark.parametrize(
    "spoiler",
    [
        "module(internalize),module(globaldce)",
        "function(instnamer),module(extract-blocks),module(strip-dead-prototypes)",
    ],
)
def test_an_object_that_does_not_offer_the_same_never_wins(toolchain: Toolchain, spoiler: str) -> None:
    """Nothing is smaller than a module without functions."""
    solution = solve(toolchain, SUM, spoiler)
    clangs, _ = optimise_for_size(toolchain, SUM, SHIP)
    assert symbols(solution.output) == symbols(clangs)
    assert solution.size.total <= solution.baseline.total


def test_failures_are_counted_by_reason_and_the_rest_goes_on(toolchain: Toolchain) -> None:
    endless = "repeat<100000000>(function(instcombine,simplifycfg))"
    lists = ["trigger-crash", endless, "no-such-pass", WINS, "module(trigger-crash)"]
    solution = solve(toolchain, SUM, *lists, limits=Limits(seconds=1))
    assert str(solution.passes) == WINS
    assert solution.failures == {"crashed": 2, "timeout": 1, "invalid": 1}
    assert len(solution.tried) == 5


def test_lists_that_only_crash_leave_clangs_object(toolchain: Toolchain) -> None:
    solution = solve(toolchain, SUM, "trigger-crash", "trigger-crash")
    assert solution.output == optimise_for_size(toolchain, SUM, SHIP)[0]
    assert solution.failures == {"crashed": 2}


@pytest.mark.parametrize("emit", ["asm", "ll", "bc"])
@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
@pytest.mark.parametrize("lists", [(WINS,), ()], ids=["a list wins", "clang wins"])
def test_every_kind_of_output_compiles_on_to_the_reported_size(
    toolchain: Toolchain, tmp_path: Path, emit: str, protocol: Protocol, lists: tuple[str, ...]
) -> None:
    solution = solve(toolchain, SUM, *lists, protocol=protocol, emit=emit)
    if protocol is SHIP:
        assert (solution.passes is not None) == bool(lists)
    if emit == "asm":
        file = tmp_path / "sum.s"
        file.write_bytes(solution.output)
        final, _ = optimise_for_size(toolchain, Source(file, "c"), SHIP)
    else:
        final = lower(toolchain, solution.output, protocol)
    assert object_size(final) == solution.size


@pytest.mark.parametrize("emit", ["obj", "asm", "ll", "bc"])
def test_answers_are_the_same_on_every_run_and_for_any_number_of_jobs(toolchain: Toolchain, emit: str) -> None:
    lists = (LOSES, WINS, SAME, "trigger-crash", "function(sroa,early-cse)", "function(mem2reg)")
    solutions = [solve(toolchain, SUM, *lists, emit=emit, jobs=jobs) for jobs in (1, 1, 2)]
    assert len({(s.output, str(s.passes), s.size, s.baseline, s.tried) for s in solutions}) == 1


def test_solutions_come_in_the_order_of_the_sources(toolchain: Toolchain) -> None:
    sources = [SUM, Source(None, "c", b"int broken(\n"), PLAIN, Source(None, "ir", b"not IR"), SUM]
    with Solver(toolchain, listed([PassList.parse(WINS)]), SHIP, jobs=2) as solver:
        answers = list(solver.solve(sources))
    kinds = [type(answer) for answer in answers]
    assert kinds == [Solution, CompileError, Solution, CompileError, Solution]
    for source, answer in zip(sources, answers, strict=True):
        assert isinstance(answer, CompileError) or answer.source is source
    assert isinstance(answers[0], Solution)
    assert isinstance(answers[4], Solution)
    assert answers[0].output == answers[4].output


def test_sources_are_pulled_only_as_far_ahead_as_there_are_jobs(toolchain: Toolchain) -> None:
    pulled = 0

    def sources() -> Iterator[Source]:
        nonlocal pulled
        while True:
            pulled += 1
            yield PLAIN

    with Solver(toolchain, listed([]), SHIP, jobs=2) as solver:
        solutions = solver.solve(sources())
        for taken in range(1, 6):
            assert isinstance(next(solutions), Solution)
            assert pulled <= taken + 2
        solutions.close()


def test_a_target_that_libllvm_lacks_is_an_error_only_where_lists_are_tried(toolchain: Toolchain) -> None:
    source = Source(None, "c", PLAIN.text, ("--target=aarch64-linux-gnu",))
    with pytest.raises(CompileError, match="no target for aarch64"):
        solve(toolchain, source, WINS)
    assert solve(toolchain, source).output.startswith(b"\x7fELF")


def test_a_module_without_functions_has_a_solution(toolchain: Toolchain) -> None:
    empty = solve(toolchain, Source(None, "c", b"\n"), WINS)
    assert empty.passes is None
    assert empty.size.total == empty.baseline.total == 0
    assert solve(toolchain, Source(None, "c", b"long x = 3;\n"), WINS).size.total == 8


def test_ir_of_an_optimised_module_is_never_made_larger(toolchain: Toolchain) -> None:
    module, _ = optimise_for_size(toolchain, SUM, SHIP, "bc")
    solution = solve(toolchain, Source(None, "ir", module), WINS, LOSES, SAME)
    assert solution.size.total <= solution.baseline.total == object_size(lower(toolchain, module, SHIP)).total


def test_inline_assembly_is_kept(toolchain: Toolchain) -> None:
    text = b'int f(int x) { __asm__ volatile("bswap %0 # here" : "+r"(x)); return x; }\n'
    for lists in ((WINS,), ()):
        assert b"bswap" in solve(toolchain, Source(None, "c", text), *lists, emit="asm").output


def test_clangs_warnings_are_handed_on_once(toolchain: Toolchain) -> None:
    source = Source(None, "c", b"int *f(void) { int x; return &x; }\n")
    assert solve(toolchain, source, WINS).warnings.count("-Wreturn-stack-address") == 1


def test_progress_is_told_after_every_list(toolchain: Toolchain) -> None:
    told: list[None] = []
    lists = [PassList.parse(WINS)] * 7
    with Solver(toolchain, listed(lists), PAPER, jobs=1, on_list=lambda: told.append(None)) as solver:
        list(solver.solve([SUM, PLAIN]))
    assert len(told) == 14


def test_another_llvm_solves_too(system_llvm: str) -> None:
    from llm_compiler.llvm.toolchain import find

    solution = solve(find(system_llvm), SUM, WINS, LOSES, "default<Oz>")
    assert solution.size.total <= solution.baseline.total
    assert not solution.failures


def test_functions_get_lists_of_their_own_where_the_whole_object_is_smaller(
    toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    lists = short_lists(vocabulary)
    source = Source(ROOT / "examples" / "sort.c", "c")
    found = []
    for functions in (None, Functions(lists, ())):
        with Solver(toolchain, listed([PassList.parse(WINS)]), SHIP, jobs=2, functions=functions) as solver:
            (solution,) = solver.solve([source])
        assert isinstance(solution, Solution)
        assert object_size(solution.output) == solution.size
        found.append(solution)
    plain, tuned = found
    assert not plain.functions
    assert tuned.functions
    assert tuned.size.total < plain.size.total <= plain.baseline.total
    assert symbols(tuned.output).replaces(symbols(plain.output))
    assert all(passes.startswith(lists) for passes in tuned.functions.values())
