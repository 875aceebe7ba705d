from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_compiler.llvm.library import LLVMError
from llm_compiler.llvm.workers import Failure, Limits, WorkerError, Workers
from tests import worker_functions as functions
from tests.conftest import ROOT, marked


def test_answers_come_in_the_order_of_the_items() -> None:
    with Workers(functions.square, count=2) as workers:
        assert list(workers.map(range(500))) == [n * n for n in range(500)]
        assert list(workers.map([])) == []


def test_a_slow_item_holds_its_place() -> None:
    with Workers(functions.wait_then_answer, count=2) as workers:
        assert list(workers.map([0.3, 0.0, 0.1, 0.0])) == [0.3, 0.0, 0.1, 0.0]


@pytest.mark.parametrize(
    ("how", "reason", "words"),
    [
        ("invalid", "invalid", "not today"),
        ("abort", "crashed", "SIGABRT"),
        ("segfault", "crashed", "SIGSEGV"),
        ("exit", "crashed", "exit code 3"),
        ("spin", "timeout", "over its time limit"),
        ("sleep", "timeout", "over its time limit"),
        ("eat", "memory", "over its memory limit"),
        ("eat slowly", "memory", "over its memory limit"),
    ],
)
def test_whatever_an_item_does_is_a_failure_with_its_reason(how: str, reason: str, words: str) -> None:
    with Workers(functions.misbehave, count=1, limits=Limits(seconds=0.5, megabytes=300)) as workers:
        before, failure, after = workers.map(["answer", how, "answer"])
    assert (before, after) == ("fine", "fine")
    assert isinstance(failure, Failure)
    assert (failure.reason, words in failure.detail) == (reason, True)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("exception", r"(?s)Traceback.*misbehave.*KeyError: 'the key'"),
        ("unpicklable", r"(?s)Traceback.*pickle"),
        ("sys.exit", r"(?s)Traceback.*SystemExit"),
    ],
)
def test_a_mistake_of_ours_is_raised_with_its_traceback(how: str, words: str) -> None:
    with Workers(functions.misbehave, count=2) as workers:
        with pytest.raises(WorkerError, match=words):
            list(workers.map(["answer", how, "answer"]))
        assert list(workers.map(["answer"] * 3)) == ["fine"] * 3


def test_workers_that_cannot_be_made_ready_say_why() -> None:
    with Workers(functions.CannotStart(), count=2) as workers, pytest.raises(LLVMError, match="/nowhere/libLLVM"):
        list(workers.map(range(3)))


def test_workers_that_die_while_they_are_made_ready_are_no_fault_of_the_items() -> None:
    with (
        Workers(functions.CrashesBeforeItStarts(), count=2) as workers,
        pytest.raises(LLVMError, match=r"could not be made ready \(SIGABRT\); `llmc doctor`"),
    ):
        list(workers.map(range(3)))


def test_an_item_that_cannot_be_sent_is_an_error_here() -> None:
    with Workers(functions.square, count=1) as workers:
        with pytest.raises((AttributeError, TypeError)):
            list(workers.map([lambda: None]))
        assert list(workers.map([3])) == [9]


def test_an_endless_item_is_stopped_near_its_limit() -> None:
    with Workers(functions.misbehave, count=1, limits=Limits(seconds=1)) as workers:
        assert list(workers.map(["answer"])) == ["fine"]  # started
        started = time.monotonic()
        (failure,) = workers.map(["spin"])
        took = time.monotonic() - started
    assert failure == Failure("timeout", "over its time limit")
    assert 0.9 < took < 6


def test_limits_can_differ_from_item_to_item() -> None:
    def limits(how: str) -> Limits:
        return Limits(seconds=0.2 if how == "sleep" else 30)

    with Workers(functions.misbehave, count=1, limits=limits) as workers:
        answers = list(workers.map(["answer", "sleep", "answer"]))
    assert [answer if answer == "fine" else answer.reason for answer in answers] == ["fine", "timeout", "fine"]


def test_a_child_that_dies_between_two_items_costs_no_answer() -> None:
    """LLVM may spoil the heap of a child that answers and falls over a moment later."""
    with Workers(functions.answer_then_die, count=1) as workers:
        for _ in range(3):
            assert list(workers.map([0])) == [0]
            time.sleep(0.3)
            assert list(workers.map([1, 2, 3])) == [1, 2, 3]


def test_a_child_lives_on_from_item_to_item() -> None:
    with Workers(functions.process_id, count=1) as workers:
        assert len(set(workers.map(range(50)))) == 1


# -- order, streaming, reuse


@pytest.mark.parametrize("count", [1, 2])
def test_items_are_pulled_only_a_few_ahead_of_the_consumer(count: int) -> None:
    pulled = 0

    def endless() -> Iterator[int]:
        nonlocal pulled
        while True:
            pulled += 1
            yield pulled

    with Workers(functions.square, count=count) as workers:
        answers = workers.map(endless())
        for taken in range(1, 200):
            assert next(answers) == taken * taken
            assert pulled <= taken + 16 * count
        answers.close()


def test_leaving_early_costs_nothing_later() -> None:
    with Workers(functions.misbehave, count=2) as workers:
        started = time.monotonic()
        for _ in range(3):
            answers = workers.map(itertools.chain(["answer"], itertools.repeat("sleep")))
            assert next(answers) == "fine"
            answers.close()
        assert list(workers.map(["answer"] * 10)) == ["fine"] * 10
    assert time.monotonic() - started < 20


def test_an_error_in_the_items_themselves_is_raised_and_the_pool_lives() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the source dried up")

    with Workers(functions.square, count=2) as workers:
        with pytest.raises(OSError, match="dried up"):
            list(workers.map(items()))
        assert list(workers.map([5])) == [25]


@pytest.mark.parametrize("count", [1, 2])
def test_answers_and_failures_are_the_same_with_any_number_of_workers(count: int) -> None:
    expected = {"answer": "fine", "invalid": Failure("invalid", "not today"), "abort": Failure("crashed", "SIGABRT")}
    plan = random.Random(3).choices(list(expected), weights=[8, 1, 1], k=120)
    with Workers(functions.misbehave, count=count) as workers:
        assert list(workers.map(plan)) == [expected[how] for how in plan]


# -- violence


def children_of(process: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


@pytest.mark.slow
def test_ten_thousand_jobs_survive_crashes_and_kill_9_of_children_and_servers() -> None:
    """Kills are further apart than items are in flight, so that no item loses two workers."""
    rng = random.Random(11)
    kills = {at + rng.randrange(40) for at in range(100, 9_900, 100)}
    answered = killed = 0
    with Workers(functions.one_of_ten_thousand, count=2) as workers:
        for number, answer in enumerate(workers.map(range(10_000))):
            if number % 250 == 17:
                assert answer == Failure("crashed", "SIGSEGV")
            elif number % 250 == 18:
                assert answer == Failure("invalid", f"no to {number}")
            else:
                assert isinstance(answer, tuple)
                assert answer[0] == number
                assert len(answer[1]) == (200_000 if number % 100 == 3 else number % 50)
            answered += 1
            if number in kills:
                server = rng.choice(workers._slots)._process.pid
                for victim in [server] if rng.random() < 0.4 else children_of(server):
                    os.kill(victim, signal.SIGKILL)
                    killed += 1
    assert answered == 10_000
    assert killed > 60


def test_an_item_that_loses_two_workers_is_given_up() -> None:
    with Workers(functions.misbehave, count=1) as workers:
        answers = workers.map(["sleep", "answer"])
        killer = subprocess.Popen([sys.executable, "-c", _KILL_SERVERS, str(os.getpid())], stdout=subprocess.DEVNULL)
        try:
            assert next(answers) == Failure("crashed", "the worker was killed from outside, twice")
        finally:
            killer.kill()
            killer.wait()
        assert next(answers) == "fine"


_KILL_SERVERS = """
import os, signal, sys, time
parent = sys.argv[1]
killed = set()
while len(killed) < 2:
    time.sleep(0.2)
    for child in open(f"/proc/{parent}/task/{parent}/children").read().split():
        if child not in (*killed, str(os.getpid())) and b"import serve" in open(f"/proc/{child}/cmdline", "rb").read():
            os.kill(int(child), signal.SIGKILL)
            killed.add(child)
"""


def becomes_true(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("how", ["spin", "sleep", "answer"])
def test_a_caller_that_is_killed_leaves_no_process_behind(how: str) -> None:
    """Not even a child in the middle of a job that would run for an hour."""
    marker = f"LLMC_TEST_{os.getpid()}_{how}_{time.monotonic_ns()}"
    script = (
        "import itertools\nfrom llm_compiler.llvm.workers import *\nfrom tests.worker_functions import misbehave\n"
        "workers = Workers(misbehave, count=2, limits=Limits(seconds=3600))\n"
        f"list(workers.map(['answer'] * 4))\nprint('ready', flush=True)\n"
        f"list(workers.map(itertools.repeat({how!r})))\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {marker: "1"}, stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == b"ready\n"
        assert becomes_true(lambda: len(marked(marker)) == 5), "the caller, two servers, two children"
        caller.kill()
    assert becomes_true(lambda: marked(marker) == [])


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_pools_leave_no_file_open_and_no_child_behind() -> None:
    def use() -> None:
        with Workers(functions.misbehave, count=2) as workers:
            list(workers.map(["answer", "abort", "answer"]))
            answers = workers.map(itertools.repeat("answer"))
            next(answers)
            answers.close()

    use()
    before, children = open_files(), children_of(os.getpid())
    for _ in range(15):
        use()
    assert open_files() == before
    assert children_of(os.getpid()) == children


def test_closing_ends_the_workers_even_in_the_middle_of_a_job() -> None:
    workers = Workers(functions.misbehave, count=2)
    answers = workers.map(["answer", "spin", "spin"])
    assert next(answers) == "fine"
    servers = [slot._process.pid for slot in workers._slots]
    assert becomes_true(lambda: all(map(children_of, servers)))
    everyone = [pid for server in servers for pid in (server, *children_of(server))]
    answers.close()
    workers.close()
    assert len(everyone) == 4
    assert becomes_true(lambda: not any(map(is_running, everyone)))


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_what_a_crashing_pass_prints_does_not_reach_our_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with Workers(functions.misbehave, count=1, limits=Limits(megabytes=200)) as workers:
        list(workers.map(["abort", "segfault", "eat slowly", "exit", "invalid"]))
    assert capfd.readouterr() == ("", "")


def test_a_workers_memory_stays_below_what_the_issue_allows() -> None:
    """A child above the limit makes room for a fresh one after its item."""
    with Workers(functions.grow, count=1) as workers:
        grown = list(workers.map([40 << 20] * 12))
    assert len({process for process, _ in grown}) > 2
    assert max(resident for _, resident in grown) < 200 << 20


# -- in steps


def test_an_item_done_in_steps_goes_on_where_it_died() -> None:
    deaths = {1: "segfault", 4: "spin", 5: "abort", 6: "eat", 8: "invalid"}
    with Workers[Any, Any](functions.Counting(), count=1, limits=Limits(seconds=0.5, megabytes=300)) as workers:
        (answer,) = workers.map([(10, deaths)])
    reasons = {1: "crashed", 4: "timeout", 5: "crashed", 6: "memory", 8: "invalid"}
    assert {at: step.reason for at, step in enumerate(answer) if isinstance(step, Failure)} == reasons
    assert [step for step in answer[1:] if not isinstance(step, Failure)] == [2, 3, 7, 9]


def test_every_step_has_the_time_limit_to_itself() -> None:
    with Workers[Any, Any](functions.SlowSteps(), count=1, limits=Limits(seconds=1)) as workers:
        assert list(workers.map([6])) == [list(range(6))]


def test_items_in_steps_are_answered_in_order_by_several_workers() -> None:
    items = [(3 + n % 5, {1: "segfault"} if n % 3 == 0 else {}) for n in range(40)]
    with Workers[Any, Any](functions.Counting(), count=2) as workers:
        answers = list(workers.map(items))
    assert [len(answer) for answer in answers] == [count for count, _ in items]
    assert [isinstance(answer[1], Failure) for answer in answers] == [bool(deaths) for _, deaths in items]


def test_a_step_outlives_the_worker_that_made_it() -> None:
    """The server is killed from outside in the middle of an item: what it had yielded stays, and is not done again."""
    with Workers[Any, Any](functions.KillItsServer(), count=1) as workers:
        (answer,) = workers.map([5])
    assert answer[0] != answer[-1]  # two processes
    assert answer[1:-1] == [1, 2, 3, 4]


def test_an_item_that_only_dies_is_given_up() -> None:
    with Workers[Any, Any](functions.Counting(), count=1) as workers:
        (answer,) = workers.map([(1000, dict.fromkeys(range(1000), "exit"))])
    assert 1 < len(answer) <= 100
    assert all(isinstance(step, Failure) for step in answer)


def test_what_is_wrong_with_a_step_of_ours_is_an_exception() -> None:
    with Workers[Any, Any](functions.Counting(), count=1) as workers, pytest.raises(WorkerError, match="KeyError"):
        list(workers.map([(5, {2: "exception"})]))
