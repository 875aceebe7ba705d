"""What the tests let workers do. Light to import: every server of a pool imports it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.size import SHIP


def square(number: int) -> int:
    return number * number


def process_id(_: object) -> int:
    return os.getpid()


def wait_then_answer(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def answer_then_die(number: int) -> int:
    """Answers item 0 at once and crashes a moment later, when nobody is waiting: what a spoilt heap does."""
    if number == 0:
        threading.Timer(0.1, os.abort).start()
    return number


def misbehave(how: str) -> object:
    """One of the many ways in which a job can end."""
    ways: dict[str, Callable[[], object]] = {
        "answer": lambda: "fine",
        "invalid": _refuse,
        "exception": lambda: {}["the key"],
        "unpicklable": lambda: lambda: None,
        "abort": os.abort,
        "segfault": lambda: ctypes.string_at(1),
        "exit": lambda: os._exit(3),
        "sys.exit": lambda: sys.exit(3),
        "spin": _spin,
        "sleep": lambda: time.sleep(600),
        "eat": lambda: len(bytearray(1 << 40)),
        "eat slowly": _eat,
    }
    return ways[how]()


def one_of_ten_thousand(number: int) -> tuple[int, bytes]:
    """Mostly an answer, some of them larger than a pipe holds; now and then a crash or a refusal."""
    if number % 250 == 17:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number % 250 == 18:
        raise LLVMError(f"no to {number}")
    return number, bytes(200_000 if number % 100 == 3 else number % 50)


def _refuse() -> None:
    raise LLVMError("not today")


def _spin() -> None:
    while True:
        pass


def _eat() -> None:
    eaten = []
    while True:
        eaten.append(bytearray(1 << 20))


class CannotStart:
    """A function whose workers cannot be made ready."""

    def prepare(self) -> None:
        Library(Path("/nowhere/libLLVM.so"))

    def __call__(self, _: object) -> None:
        raise AssertionError("never called")


class CrashesBeforeItStarts:
    """What a damaged libLLVM does when it is loaded."""

    def prepare(self) -> None:
        os.abort()

    def __call__(self, _: object) -> None:
        raise AssertionError("never called")


class ParsesPipeline:
    """Whether LLVM's own parser takes a pass list. Nothing runs: the list ends in a name that no LLVM knows."""

    def __init__(self, library: Path) -> None:
        self._path = library

    def prepare(self) -> None:
        self._library = Library(self._path)

    def __call__(self, passes: str) -> tuple[bool, str]:
        with Context(self._library) as context:
            module = context.parse(b'target triple = "x86_64-unknown-linux-gnu"')
            with module.machine(SHIP) as machine:
                try:
                    module.run(f"{passes},?", machine)
                except LLVMError as reply:
                    return str(reply).endswith("'?'"), str(reply)
        raise AssertionError("LLVM knows a pass called '?'")


_kept: list[bytes] = []


def grow(size: int) -> tuple[int, int]:
    """Leak on purpose; tells who did it and its resident bytes."""
    _kept.append(b"x" * size)
    return os.getpid(), int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Counting:
    """Works in steps: yields the numbers below the item; dies at the ones that the item names."""

    def steps(self, item: tuple[int, dict[int, str]], past: list[object]) -> Iterator[object]:
        count, deaths = item
        for number in range(len(past), count):
            if number in deaths:
                misbehave(deaths[number])
            yield number if number else os.getpid()


class SlowSteps:
    """Each step burns a quarter of a second."""

    def steps(self, item: int, past: list[object]) -> Iterator[object]:
        for number in range(len(past), item):
            until = time.process_time() + 0.25
            while time.process_time() < until:
                pass
            yield number


class KillItsServer:
    """Kills the server above it once, in the middle; the first and the last step tell who did them."""

    def steps(self, item: int, past: list[object]) -> Iterator[object]:
        for number in range(len(past), item + 1):
            if number == 3 and not past:  # in the first life, which began with nothing
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(60)
            yield os.getpid() if number in (0, item) else number
