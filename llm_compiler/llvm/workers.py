"""Work that may crash, hang or eat memory, done in parallel by processes that may die.

`Workers.map` gives one answer for every item, in order: what the function returned, or a `Failure` with its reason.
Nothing that the function does can take the caller down, and no answer is lost or doubled.

Each worker is two processes. A server loads what the function needs (libLLVM, say) once, then only forks and waits.
Its child does the work, one item at a time; when LLVM takes the child down, the server says how it died and forks the
next one within a few milliseconds. Time is limited by the child's own timers, whose signals end it even inside LLVM;
memory by its address space. When a server vanishes (a `kill -9`, the kernel's out-of-memory killer), its item goes once
more to a new server, because it need not have been the item's fault.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import mmap
import os
import pickle
import resource
import select
import selectors
import signal
import struct
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, NoReturn, Self, TypeVar

from llm_compiler.llvm.library import LLVMError

Reason = Literal["crashed", "timeout", "memory", "invalid"]
Item = TypeVar("Item")
Answer = TypeVar("Answer")

_HEADER = struct.Struct("<Q")
_RECYCLE_EXIT = 75
_RECYCLE_BYTES = 110 << 20
"""A child above this resident size makes room for a fresh one after its current item."""
_CLOCK_FACTOR = 4
_AHEAD_PER_WORKER = 8
_TIMEOUT_SIGNALS = {signal.SIGPROF, signal.SIGALRM}
_CRASH_SIGNALS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}
_OUT_OF_MEMORY = ("bad_alloc", "out of memory", "allocation failed", "cannot allocate memory")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Limits:
    """What one item may use: CPU seconds (and four times that on the clock), megabytes on top of the idle worker's."""

    seconds: float = 30.0
    megabytes: int = 2048


@dataclass(frozen=True)
class Failure:
    """Why an item has no answer. `detail` is for people: LLVM's last words, the signal, the limit."""

    reason: Reason
    detail: str


class WorkerError(RuntimeError):
    """The function raised something other than `LLVMError`, or cannot run at all: our mistake, not the item's."""


class Workers(Generic[Item, Answer]):
    """A fixed number of workers for one function, to be used by one thread and closed (a context manager).

    `function` must be picklable; if it has a method `prepare`, each server calls that before it forks.
    It answers with a picklable value, or raises `LLVMError` for an item that is invalid. What `prepare` raises ends
    `map`: an `LLVMError` as it is, all else as a `WorkerError`.
    """

    def __init__(
        self,
        function: Callable[[Item], Answer],
        *,
        count: int | None = None,
        limits: Limits | Callable[[Item], Limits] = Limits(),
    ) -> None:
        self._function = pickle.dumps(function)
        self._limits = limits
        self._slots = [_Slot(self._function) for _ in range(count or os.cpu_count() or 1)]

    def map(self, items: Iterable[Item]) -> Iterator[Answer | Failure]:
        """Answers in the order of `items`, which are pulled only a few ahead of what has been taken."""
        source = enumerate(items)
        ready: dict[int, Answer | Failure] = {}
        wanted = 0
        ahead = _AHEAD_PER_WORKER * len(self._slots)
        idle, busy = list(self._slots), selectors.DefaultSelector()
        exhausted = False
        try:
            while True:
                while idle and not exhausted:
                    # Every index below `wanted + ahead` may be in flight or wait in `ready`, none above.
                    if len(ready) + len(busy.get_map()) >= ahead:
                        break
                    pulled = next(source, None)
                    if pulled is None:
                        exhausted = True
                        break
                    slot = idle.pop()
                    slot.send(pulled[0], self._request(pulled[1]))
                    busy.register(slot.results, selectors.EVENT_READ, slot)
                while wanted in ready:
                    yield ready.pop(wanted)
                    wanted += 1
                if not busy.get_map():
                    if exhausted:
                        return
                    continue
                for key, _ in busy.select():
                    slot = key.data
                    busy.unregister(slot.results)
                    answer = slot.receive()
                    if answer is None:  # sent again to a new server
                        busy.register(slot.results, selectors.EVENT_READ, slot)
                    else:
                        idle.append(slot)
                        ready[slot.index] = _as_result(answer)
        finally:
            for key in list(busy.get_map().values()):  # left early: nobody wants these answers
                key.data.restart()
            busy.close()

    def _request(self, item: Item) -> bytes:
        limits = self._limits(item) if callable(self._limits) else self._limits
        return pickle.dumps((limits, item), protocol=pickle.HIGHEST_PROTOCOL)

    def close(self) -> None:
        """End all workers."""
        for slot in self._slots:
            slot.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _as_result(answer: tuple[str, Any]) -> Any:
    kind, value = answer
    if kind == "answer":
        return value
    if kind == "error":
        raise WorkerError(value)
    if kind == "unusable":
        raise LLVMError(value)
    return Failure(kind, value)  # type: ignore[arg-type]


class _Slot:
    """The caller's side of one worker."""

    def __init__(self, function: bytes) -> None:
        self._function = function
        self._start()

    def _start(self) -> None:
        request_end, self._requests = os.pipe()
        self.results, result_end = os.pipe()
        # The server must import what the caller can, from the same places and from nowhere else.
        path = [entry for entry in sys.path if entry]
        code = f"import sys; sys.path[:] = {path!r}; from {__name__} import serve; serve({request_end}, {result_end})"
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-W", "ignore", "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(request_end, result_end),
            process_group=0,  # a Ctrl-C at the terminal is the caller's business
        )
        os.close(request_end)
        os.close(result_end)
        self._write(self._function)

    def send(self, index: int, request: bytes) -> None:
        self.index, self._request, self._again = index, request, True
        self._write(request)

    def _write(self, frame: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # the server is gone: `receive` finds out
            _write_frame(self._requests, frame)

    def receive(self) -> tuple[str, Any] | None:
        """The answer to what was sent; None if the server died and the item was sent once more."""
        frame = _read_frame(self.results)
        if frame is not None:
            answer: tuple[str, Any] = pickle.loads(frame)  # noqa: S301 - written by our own child
            return answer
        status = self.restart()
        if status > 0 or -status in _CRASH_SIGNALS:  # servers run nothing of an item: they could not be made ready
            raise LLVMError(f"a worker could not be made ready ({_how(status)}); `llmc doctor` says what is missing")
        if not self._again:
            return "crashed", "the worker was killed from outside, twice"
        self._again = False
        self._write(self._request)
        return None

    def stop(self) -> int:
        """End the server. Returns its exit status, which is its own if it was gone already."""
        os.close(self._requests)
        os.close(self.results)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def restart(self) -> int:
        status = self.stop()
        self._start()
        return status


def _read_frame(fd: int) -> bytes | None:
    """The next frame, or None where the other end has gone."""
    header = _read_exactly(fd, _HEADER.size)
    return None if header is None else _read_exactly(fd, _HEADER.unpack(header)[0])


def _read_exactly(fd: int, count: int) -> bytes | None:
    chunks = []
    while count:
        chunk = os.read(fd, min(count, 1 << 20))
        if not chunk:
            return None
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def _write_frame(fd: int, frame: bytes) -> None:
    view = memoryview(_HEADER.pack(len(frame)) + frame)
    while view:
        view = view[os.write(fd, view) :]


# -- the worker's side


def serve(requests: int, results: int) -> None:
    """The server's main loop: fork a child, wait, say how it died, fork the next."""
    frame = _read_frame(requests)
    if frame is None:
        return
    try:
        function = pickle.loads(frame)  # noqa: S301 - written by our own parent
        if hasattr(function, "prepare"):
            function.prepare()
    except Exception as error:
        unusable = _UnusableError(*_trouble(error))

        def function(_: object) -> NoReturn:
            raise unusable

    last_words = os.memfd_create("stderr")
    fcntl.fcntl(last_words, fcntl.F_SETFL, os.O_APPEND)  # so that what is cut off leaves no hole behind
    owing = mmap.mmap(-1, 1)  # shared with the children: 1 while an item has been read and not answered
    while True:
        os.ftruncate(last_words, 0)
        owing[0] = 0
        child = os.fork()
        if child == 0:
            try:
                _work(function, requests, results, last_words, owing)
            finally:
                os._exit(0)
        _end_with_caller(child, requests)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == _RECYCLE_EXIT:
            continue
        death = _cause_of_death(status, os.pread(last_words, 1 << 16, max(0, os.fstat(last_words).st_size - (1 << 16))))
        # A child that dies between two items (of a heap that LLVM has spoilt, say) may have read half of the next one.
        if death is None or not owing[0]:
            return
        _write_frame(results, pickle.dumps(death))


def _end_with_caller(child: int, requests: int) -> None:
    """Wait until the child ends. End both if the caller goes first: nobody would wait for what the child is doing."""
    process = os.pidfd_open(child)
    poller = select.poll()
    poller.register(process, select.POLLIN)
    poller.register(requests, 0)  # only that the other end was closed
    hung_up = all(fd != process for fd, _ in poller.poll())
    os.close(process)
    if hung_up:
        os.killpg(0, signal.SIGKILL)


def _cause_of_death(status: int, last_words: bytes) -> tuple[str, str] | None:
    """What an exit status says about the item in flight; None if it was not the item's doing."""
    if status == 0:
        return None
    if status < 0:
        if -status in _TIMEOUT_SIGNALS:
            return "timeout", "over its time limit"
        if -status not in _CRASH_SIGNALS:
            return None
    lines = [line for line in last_words.decode(errors="replace").splitlines() if line.strip()]
    if any(sign in line.lower() for line in lines for sign in _OUT_OF_MEMORY):
        return "memory", "over its memory limit"
    how = _how(status)
    words = next((line.strip() for line in lines if "error" in line.lower()), lines[0].strip() if lines else "")
    return "crashed", f"{how}: {words}" if words else how


def _how(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit code {status}"


def _work(function: Callable[[Any], Any], requests: int, results: int, last_words: int, owing: mmap.mmap) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in _TIMEOUT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(last_words, 2)
    idle = _memory_pages(0)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    while (frame := _read_frame(requests)) is not None:
        owing[0] = 1
        try:
            limits, item = pickle.loads(frame)  # noqa: S301 - written by our own parent
            resource.setrlimit(resource.RLIMIT_AS, (idle + (limits.megabytes << 20), hard))
            signal.setitimer(signal.ITIMER_PROF, limits.seconds)
            signal.setitimer(signal.ITIMER_REAL, limits.seconds * _CLOCK_FACTOR)
            answer = pickle.dumps(("answer", function(item)), protocol=pickle.HIGHEST_PROTOCOL)
        except LLVMError as error:
            answer = pickle.dumps(("invalid", str(error)))
        except MemoryError:
            answer = pickle.dumps(("memory", "over its memory limit"))
        except BaseException as error:
            answer = pickle.dumps(_trouble(error))
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        os.ftruncate(last_words, 0)
        _write_frame(results, answer)
        owing[0] = 0
        if _memory_pages(1) > _RECYCLE_BYTES:
            os._exit(_RECYCLE_EXIT)


class _UnusableError(Exception):
    """What kept a function from being made ready, told again for each item."""


def _trouble(error: BaseException) -> tuple[str, str]:
    if isinstance(error, _UnusableError):
        kind, text = error.args
        return kind, text
    if isinstance(error, LLVMError):
        return "unusable", str(error)
    return "error", "".join(traceback.format_exception(error))


def _memory_pages(field: int) -> int:
    """Bytes of address space (field 0) or resident memory (field 1) of this process."""
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - on the hot path
        return int(statm.read().split()[field]) * resource.getpagesize()
