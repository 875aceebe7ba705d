"""Work that may crash, hang or eat memory, done in parallel by processes that may die.

`Workers.map` gives one answer for every item, in order: what the function returned, or a `Failure` with its reason.
Nothing that the function does can take the caller down, and no answer is lost or doubled.

Each worker is two processes. A server loads what the function needs (libLLVM, say) once, then only forks and waits.
Its child does the work, one item at a time; the next waits in the pipe, so that the child never waits for us. When LLVM
takes the child down, the server says how it died and forks the next one within a few milliseconds. Time is limited by
the child's own timers, whose signals end it even inside LLVM; memory by its address space. When a server vanishes (a
`kill -9`, the kernel's out-of-memory killer), its item goes once more to a new server, because it need not have been
the item's fault.

A function with a method `steps` works item by item in steps, each with the limits to itself. What it has yielded is
kept: when the child dies, `steps` is begun again in the next child with all that, and the `Failure` of the step that
killed it, as its past. A search over pass lists, of which one in fifty takes LLVM down, is then one item.
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
import signal
import struct
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any, Generic, Literal, NoReturn, Protocol, Self, TypeVar

from llm_compiler.llvm.library import LLVMError

Reason = Literal["crashed", "timeout", "memory", "invalid", "unlinkable", "denied"]
Item = TypeVar("Item")
Answer = TypeVar("Answer")
Item_contra = TypeVar("Item_contra", contravariant=True)

_HEADER = struct.Struct("<Q")
_RECYCLE_EXIT = 75
_RECYCLE_BYTES = 110 << 20
"""A child above this resident size makes room for a fresh one after its current item."""
_CLOCK_FACTOR = 4
_AHEAD_PER_WORKER = 8
_DEATHS = 100
"""In a row, without a step between them: then the item is given up."""
_PIPE_BYTES = 1 << 20
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
    """Why an item has no answer. `detail` is for people: LLVM's last words, the signal, the limit.

    Workers give the first four reasons; the last two are for those who judge answers.
    """

    reason: Reason
    detail: str


class WorkerError(RuntimeError):
    """The function raised something other than `LLVMError`, or cannot run at all: our mistake, not the item's."""


class Steps(Protocol[Item_contra]):
    """A function that works in steps."""

    def steps(self, item: Item_contra, past: list[Any]) -> Iterator[Any]:
        """Yield what each step gives; the first `len(past)` have been done already, and are not to be yielded again."""


class Workers(Generic[Item, Answer]):
    """A fixed number of workers for one function, to be used by one thread and closed (a context manager).

    `function` must be picklable; if it has a method `prepare`, each server calls that before it forks.
    It answers with a picklable value, or raises `LLVMError` for an item that is invalid. What `prepare` raises ends
    `map`: an `LLVMError` as it is, all else as a `WorkerError`.

    With a method `steps(item, past)` in place of `__call__`, the answer is the list of what that yielded in all its
    lives, a `Failure` where it died. It has to yield the same for the same past: it is given the past's values again.
    """

    def __init__(
        self,
        function: Callable[[Item], Answer] | Steps[Item],
        *,
        count: int | None = None,
        limits: Limits | Callable[[Item], Limits] = Limits(),
    ) -> None:
        self._function = pickle.dumps(function)
        self._limits = limits
        # A second item in the pipe would be read before the first is begun again.
        self._waiting = 0 if hasattr(function, "steps") else 1
        self._slots = [_Slot(self._function, self._waiting) for _ in range(count or os.cpu_count() or 1)]

    def map(self, items: Iterable[Item]) -> Iterator[Answer | Failure]:
        """Answers in the order of `items`, which are pulled only a few ahead of what has been taken."""
        source = enumerate(items)
        ready: dict[int, Answer | Failure] = {}
        wanted = 0
        ahead = _AHEAD_PER_WORKER * len(self._slots)
        following: _Sent | None = None
        exhausted = False
        try:
            while True:
                while True:
                    in_flight = sum(len(slot.sent) for slot in self._slots)
                    # Every index below `wanted + ahead` may be in flight or wait in `ready`, none above.
                    if following is None and not exhausted and len(ready) + in_flight < ahead:
                        pulled = next(source, None)
                        exhausted = pulled is None
                        following = _Sent(pulled[0], self._request(pulled[1])) if pulled else None
                    slot = min(self._slots, key=lambda slot: len(slot.sent))
                    if following is None or not slot.has_room(following):
                        break
                    slot.send(following)
                    following = None
                while wanted in ready:
                    yield ready.pop(wanted)
                    wanted += 1
                busy = {slot.results: slot for slot in self._slots if slot.sent}
                if not busy and exhausted:
                    return
                for results in wait(list(busy)) if busy else ():
                    received = busy[results].receive()  # type: ignore[index] # file descriptors in, some of them out
                    if received is not None:
                        ready[received[0]] = _as_result(received[1])
        finally:
            for slot in self._slots:
                if slot.sent:  # left early: nobody wants these answers
                    slot.sent.clear()
                    slot.restart()

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


@dataclass
class _Sent:
    """An item on its way: which, the bytes, and whether it may be sent once more if its server vanishes."""

    index: int
    request: bytes
    again: bool = True
    past: list[Any] = field(default_factory=list)
    """What its steps have yielded."""


class _Slot:
    """The caller's side of one worker: at most one item in work and one waiting in the pipe behind it."""

    def __init__(self, function: bytes, waiting: int) -> None:
        self._function = function
        self._waiting = waiting
        self.sent: deque[_Sent] = deque()
        self._start()

    def _start(self) -> None:
        request_end, self._requests = os.pipe()
        self.results, result_end = os.pipe()
        with contextlib.suppress(OSError):  # the user's limit for pipes may be reached
            fcntl.fcntl(self._requests, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._pipe_bytes = fcntl.fcntl(self._requests, fcntl.F_GETPIPE_SZ)
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

    def has_room(self, following: _Sent) -> bool:
        """Whether it can be sent without ever waiting for a worker that in turn waits for us to take its answer."""
        if not self.sent:
            return True
        needed = sum(len(sent.request) + _HEADER.size for sent in (*self.sent, following))
        # A page that is begun cannot be filled up by the next write.
        return len(self.sent) <= self._waiting and needed + 2 * resource.getpagesize() <= self._pipe_bytes

    def send(self, item: _Sent) -> None:
        self.sent.append(item)
        self._request(item)

    def _request(self, item: _Sent) -> None:
        self._write(item.request)
        if not self._waiting:
            self._write(pickle.dumps(item.past, protocol=pickle.HIGHEST_PROTOCOL))

    def _write(self, frame: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # the server is gone: `receive` finds out
            _write_frame(self._requests, frame)

    def receive(self) -> tuple[int, tuple[str, Any]] | None:
        """The index and answer of the first item sent; None if it goes on, or was sent again as the server vanished."""
        frame = _read_frame(self.results)
        if frame is not None:
            answer = pickle.loads(frame)  # noqa: S301 - written by our own child
            if self._waiting or answer[0] in ("error", "unusable"):
                return self.sent.popleft().index, answer
            return self._step(*answer)
        status = self.restart()
        if status > 0 or -status in _CRASH_SIGNALS:  # servers run nothing of an item: they could not be made ready
            raise LLVMError(f"a worker could not be made ready ({_how(status)}); `llmc doctor` says what is missing")
        first = self.sent[0]
        lost = None if first.again else (first.index, ("crashed", "the worker was killed from outside, twice"))
        first.again = False
        if lost:
            self.sent.popleft()
        for sent in self.sent:
            self._request(sent)
        return lost

    def _step(self, kind: str, value: Any) -> tuple[int, tuple[str, Any]] | None:
        """Keep what a step yielded; begin the item again where it died, and answer where it is at its end."""
        item = self.sent[0]
        item.again = True  # it has come further since
        if kind == "step":
            item.past.append(value)
            return None
        if kind != "end":
            item.past.append(Failure(kind, value))  # type: ignore[arg-type]
            if len(item.past) < _DEATHS or any(not isinstance(one, Failure) for one in item.past[-_DEATHS:]):
                self._request(item)
                return None
        return self.sent.popleft().index, ("answer", item.past)

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


def _work(function: Any, requests: int, results: int, last_words: int, owing: mmap.mmap) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in _TIMEOUT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(last_words, 2)
    idle = _memory_pages(0)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    in_steps = hasattr(function, "steps")
    while (frame := _read_frame(requests)) is not None:
        owing[0] = 1
        past = pickle.loads(_read_frame(requests) or b"") if in_steps else None  # noqa: S301 - by our own parent
        try:
            limits, item = pickle.loads(frame)  # noqa: S301 - written by our own parent
            resource.setrlimit(resource.RLIMIT_AS, (idle + (limits.megabytes << 20), hard))
            _set_timers(limits.seconds)
            if past is None:
                answer = pickle.dumps(("answer", function(item)), protocol=pickle.HIGHEST_PROTOCOL)
            else:
                for value in function.steps(item, past):
                    _set_timers(0)
                    _write_frame(results, pickle.dumps(("step", value), protocol=pickle.HIGHEST_PROTOCOL))
                    _set_timers(limits.seconds)
                answer = pickle.dumps(("end", None))
        except LLVMError as error:
            answer = pickle.dumps(("invalid", str(error)))
        except MemoryError:
            answer = pickle.dumps(("memory", "over its memory limit"))
        except BaseException as error:
            answer = pickle.dumps(_trouble(error))
        _set_timers(0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        os.ftruncate(last_words, 0)
        _write_frame(results, answer)
        owing[0] = 0
        if _memory_pages(1) > _RECYCLE_BYTES:
            os._exit(_RECYCLE_EXIT)


def _set_timers(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * _CLOCK_FACTOR)


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
