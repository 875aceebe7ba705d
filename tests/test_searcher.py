"""One unit's search, with the real LLVM underneath."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from llm_compiler.autotune.deny import Denied
from llm_compiler.autotune.engines import here
from llm_compiler.autotune.label import Trial, Tried
from llm_compiler.autotune.search import PassNames
from llm_compiler.autotune.searcher import Searcher, Settings, Task
from llm_compiler.llvm.evaluate import Evaluation, Job, evaluate, oz_passes
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure

SETTINGS = Settings("guided", 12, minimising=30)
COUNT = """
unsigned count(const unsigned char *p, unsigned n) {
    unsigned total = 0;
    for (unsigned i = 0; i < n; i++) { if (p[i] > 9) total += p[i] % 7; else total += 3; }
    return total;
}
"""
ONLY_INLINE = """
extern inline __attribute__((always_inline, gnu_inline)) int twice(int x) { return x * 2 + 1; }
int four(int x) { return twice(twice(x)) + twice(x); }
"""
Search = Callable[..., Tried]


@pytest.fixture(scope="module")
def search(toolchain: Toolchain, vocabulary: Vocabulary) -> Search:
    def run(
        text: bytes,
        settings: Settings = SETTINGS,
        known: Sequence[PassNames] = (("sroa",), ("default<Oz>", "gvn-hoist")),
        denied: Sequence[Denied] = (),
        lists: tuple[PassNames, ...] | None = None,
        seconds: float = 10,
    ) -> Tried:
        searcher = Searcher(toolchain.library, vocabulary, settings, known, denied, oz_passes(toolchain.version, SHIP))
        task = Task("id", text, lists)
        ((name, (record,)),) = here(searcher, [("part", [task])], 1, seconds, lambda _: None)
        assert name == "part"
        return record

    return run


def outcomes(record: Tried) -> dict[str, Any]:
    return {trial.passes: trial.size if trial.size is not None else trial.reason for trial in record.trials}


def test_every_size_is_what_the_evaluator_says_of_that_list(
    search: Search, compiled: Callable[..., bytes], toolchain: Toolchain
) -> None:
    module = compiled(COUNT)
    record = search(module, replace(SETTINGS, strategy="evolution", budget=40))
    jobs = [Job(module, oz_passes(toolchain.version, SHIP)), *(Job(module, trial.passes) for trial in record.trials)]
    answers = list(evaluate(jobs, toolchain.library, workers=1))
    sizes = [answer.size.total if isinstance(answer, Evaluation) else None for answer in answers]
    assert sizes == [record.oz, *(trial.size for trial in record.trials)]
    assert len(record.trials) >= 40


def test_the_budget_counts_lists_and_minimising_comes_on_top(search: Search, compiled: Callable[..., bytes]) -> None:
    record = search(compiled(COUNT), replace(SETTINGS, budget=25, strategy="pipelines"))
    assert record.budgeted == 25
    assert 25 <= len(record.trials) <= 25 + SETTINGS.minimising


def test_the_minimal_list_is_as_good_as_the_best_of_the_search(search: Search, compiled: Callable[..., bytes]) -> None:
    long = (
        "mem2reg",
        "dse",
        "default<Oz>",
        "sink",
        "early-cse",
        "lowerswitch",
        "default<O2>",
        "gvn-hoist",
        "globaldce",
    )
    record = search(compiled(COUNT), known=[long], settings=replace(SETTINGS, strategy="known", budget=5))
    sizes = {trial.passes: trial.size for trial in record.trials}
    best = min(size for size in sizes.values() if size is not None)
    if best < record.oz:
        assert sizes[record.minimal] == best
        assert record.minimal.count(",") < len(long) - 1
    else:
        assert record.minimal == ""


def test_a_search_is_the_same_whatever_crashes_on_the_way(search: Search, compiled: Callable[..., bytes]) -> None:
    module = compiled(COUNT)
    crash: PassNames = ("trigger-crash",)
    lists: list[PassNames] = [("sroa",), crash, ("mem2reg",), crash + crash, ("default<Oz>",)]
    with_crashes = search(module, lists=tuple(lists))
    without = search(module, lists=tuple(one for one in lists if crash[0] not in one))
    found, clean = outcomes(with_crashes), outcomes(without)
    assert clean.items() <= found.items()
    assert all(isinstance(size, int) for size in clean.values())
    assert sorted(found[passes] for passes in found.keys() - clean.keys()) == ["crashed", "crashed"]


def test_a_list_that_hangs_is_a_timeout_and_the_others_are_tried(
    search: Search, compiled: Callable[..., bytes]
) -> None:
    body = "".join(
        f"    if (p[{n}] == {n}) x ^= p[{n + 1}] * {n}u; else x += p[{n + 2}] / {n + 1}u;\n" for n in range(600)
    )
    module = compiled(f"unsigned f(unsigned *p) {{ unsigned x = 0;\n{body}    return x; }}\n")
    record = search(module, lists=(("default<O3>",) * 40, ("adce",)), seconds=3.0)
    assert [trial.reason for trial in record.trials] == ["timeout", ""]


def test_a_denied_list_is_not_even_tried(search: Search, compiled: Callable[..., bytes]) -> None:
    entry = Denied(("sroa", "instcombine"), "a.c", "exit status 1", "llmc passlist check ...")
    lists: tuple[PassNames, ...] = (("sroa", "dse", "instcombine"), ("instcombine", "sroa"))
    record = search(compiled(COUNT), denied=[entry], lists=lists)
    first, second = record.trials
    assert (first.reason, first.size, first.detail) == ("denied", None, "sroa,instcombine breaks a.c")
    assert second.size


def test_a_list_that_leaves_calls_to_what_exists_nowhere_is_unlinkable(
    search: Search, compiled: Callable[..., bytes]
) -> None:
    record = search(compiled(ONLY_INLINE), lists=(("sroa",), ("always-inline", "sroa")))
    assert [trial.reason for trial in record.trials] == ["unlinkable", ""]


@pytest.mark.parametrize(
    ("text", "reason"), [(b"define i32 @f() { ret i32 %x }", "invalid"), (b"nonsense", "invalid"), (b"", "invalid")]
)
def test_a_unit_that_does_not_verify_is_a_record_with_the_reason(search: Search, text: bytes, reason: str) -> None:
    record = search(text)
    assert record.oz == 0
    assert [trial.reason for trial in record.trials] == [reason]
    assert record.trials[0].detail


def test_broadcasting_tries_the_given_lists_and_nothing_else(search: Search, compiled: Callable[..., bytes]) -> None:
    record = search(compiled(COUNT), lists=(("sroa",), ("default<O1>",)))
    assert list(outcomes(record)) == ["function(sroa)", "module(default<O1>)"]
    assert record.minimal == ""


def test_nothing_to_try_is_an_empty_record(search: Search, compiled: Callable[..., bytes]) -> None:
    record = search(compiled(COUNT), lists=())
    assert record.trials == ()
    assert record.oz > 0


def test_the_paper_protocol_measures_another_object(search: Search, compiled: Callable[..., bytes]) -> None:
    ship, paper = (
        search(compiled(COUNT), replace(SETTINGS, protocol=protocol), lists=(("sroa",),))
        for protocol in ("ship", "paper")
    )
    assert ship.trials[0].size != paper.trials[0].size


def test_a_failure_of_the_worker_itself_is_a_record_too(toolchain: Toolchain) -> None:
    from llm_compiler.autotune.engines import _record

    task = Task("id", b"")
    assert _record(task, Failure("memory", "over")) == Tried("id", 0, (Trial("", None, "memory", "over"),), 0, "")
    assert _record(task, [1, 2]).trials[0].reason == "crashed"
