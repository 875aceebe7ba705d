"""Same behaviour: two versions of a function run on the same inputs, and whatever they leave behind is compared.

The first is the reference (unoptimised, say), the second what was made of it: optimised, lifted, rewritten. Inputs are
made up while an instrumented copy of the reference runs: whatever it loads that has no value yet gets one that fits the
type of the load, pointers to new objects included, so that nested and linked structures need no description. Both
sides then run from that memory, at the same addresses. Compared are the result, all memory but the stack, the calls of
unknown functions in their order with their arguments (the callees are taken to be the same on both sides, and their
answers are made up), and what was written to streams.

An input on which the reference traps or does not end says nothing. Nor does one on which the two sides differ, but so
do the reference and what LLVM's optimiser makes of it: its behaviour is undefined there. `same` is evidence, no proof.

The code is untrusted: every pair runs in a process of its own behind `jit.lock_down`. A module made to deceive can
forge its own verdict, and do nothing else.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import mmap
import os
import random
import re
import signal
import struct
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from llm_compiler.llvm import jit
from llm_compiler.llvm.jit import Harness
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.preparation import (
    ARGUMENT_BYTES,
    KIND_DOUBLE,
    KIND_FLOAT,
    KIND_POINTER,
    MOST_ARGUMENTS,
    Preparation,
    UnknownError,
    Variant,
)
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.verdict import Verdict
from llm_compiler.llvm.workers import Failure, Limits, Workers

_FILTERS = ("default<O1>", "default<O2>")
"""What the reference must survive on an input where the two sides differ: else its behaviour is undefined there."""
_TRIES = 6
"""Inputs that are made up for each that is wanted."""
_ALIKE = 24
"""Inputs that reach the same blocks, after which another of them is passed over in favour of a rarer one."""
_HOPELESS = 100
"""Inputs that may be lost before the first one counts."""
_HANGS = 10
"""Inputs on which the reference may run for too long before the first one counts; later four times as many."""
_EXPLORING, _REFERENCE, _SECOND, _PATIENT = 10_000, 30_000, 200_000, 1_000_000
"""Microseconds of CPU time for one call: the instrumented reference, the reference, the second, and that again."""
_LEFTOVERS = 0xA5
"""What the stack is filled with when it is not zero."""
_RESULT_BYTES = 1 << 16


@dataclass(frozen=True)
class Pair:
    """The function `name` of two modules (LLVM-IR text or bitcode), and how hard to look for a difference.

    `inputs` is the number of inputs wanted; the seed says which.
    """

    first: bytes
    second: bytes
    name: str
    seed: int = 0
    inputs: int = 400
    limits: Limits = field(default_factory=lambda: Limits(seconds=20.0))


class Comparer:
    """The function that workers run: a pair in, a verdict out."""

    def __init__(self, library: Path) -> None:
        self._path = library

    def prepare(self) -> None:
        """Load libLLVM and compile the harness."""
        self._library = Library(self._path)
        self._harness = Harness(self._library)

    def __call__(self, pair: Pair) -> Verdict:
        """The verdict of a child, which may die of what it runs. Raises LLVMError where a module is invalid."""
        answer = mmap.mmap(-1, _RESULT_BYTES)
        seconds = math.ceil(pair.limits.seconds)
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
                os.closerange(0, 1 << 10)
                self._answer(pair, answer, seconds)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        (length,) = struct.unpack_from("<I", answer)
        try:
            kind, detail = json.loads(answer[4 : 4 + min(length, _RESULT_BYTES - 4)])
        except ValueError:
            how = signal.Signals(-status).name if status < 0 else f"exit code {status}"
            return Verdict(False, "unknown", f"the process that ran it died: {how}")
        if kind == "invalid":
            raise LLVMError(detail)
        return Verdict(kind == "same", kind if kind in ("same", "differs") else "unknown", detail)

    def _answer(self, pair: Pair, answer: mmap.mmap, seconds: int) -> None:
        try:
            verdict = _Comparison(self._library, self._harness, pair).verdict(seconds)
            kind, detail = verdict.reason, verdict.detail
        except UnknownError as error:
            kind, detail = "unknown", str(error)
        except LLVMError as error:
            kind, detail = "invalid", str(error)
        except Exception as error:  # of ours; the caller counts it
            kind, detail = "unknown", f"internal error: {type(error).__name__}: {error}"
        text = json.dumps((kind, detail[:8000])).encode()
        answer[: 4 + len(text)] = struct.pack("<I", len(text)) + text


def same_behaviour(pairs: Iterable[Pair], library: Path, *, workers: int | None = None) -> Iterator[Verdict]:
    """Verdicts in the order of `pairs`: `same` (n inputs), `differs` (the reproducer) or `unknown` (why)."""
    with Workers(Comparer(library), count=workers, limits=_outer_limits) as pool:
        for answer in pool.map(pairs):
            if isinstance(answer, Failure):
                yield Verdict(False, "unknown", f"{answer.reason}: {answer.detail}")
            else:
                yield answer


def _outer_limits(pair: Pair) -> Limits:
    return Limits(pair.limits.seconds * 2, pair.limits.megabytes)


@dataclass(frozen=True)
class _Outcome:
    """What a call left behind."""

    status: int
    state: bytes
    seen: bytes
    """Hashes of the locals that unknown callees got pointers to, by call."""
    regions: dict[str, bytes]
    """Names (`result`, `object 3`, `@x`) and contents."""

    def difference(self, other: _Outcome) -> str | None:
        """The first difference in words; None where there is none."""
        if self.status != other.status:
            return f"the first {_ended(self.status)}, the second {_ended(other.status)}"
        for name, mine in self.regions.items():
            theirs = other.regions.get(name)
            if theirs is None or (name == "result" and self.status):
                continue
            if mine != theirs and (at := _first_difference(mine, theirs)) is not None:
                return f"{name}+{at}: {mine[at : at + 8].hex()} and {theirs[at : at + 8].hex()}"
        if self.state != other.state:
            return f"other calls of unknown functions, or other output ({_calls(self.state, other.state)})"
        return None


def _ended(status: int) -> str:
    if status in (0, jit.EXITED):
        return "returns" if not status else "exits"
    return "does not end" if status == signal.SIGPROF else f"traps ({signal.Signals(status).name})"


def _calls(first: bytes, second: bytes) -> str:
    logs = [[word for (word,) in struct.iter_unpack("<Q", state[jit.LOG_AT :])] for state in (first, second)]
    at = next((at for at, (one, other) in enumerate(zip(*logs, strict=False)) if one != other), min(map(len, logs)))
    return f"log entry {at}: {[log[at : at + 1] for log in logs]}"


def _first_difference(first: bytes, second: bytes) -> int | None:
    """Offset of the first difference that counts: no rule says which sign a NaN has."""
    size = min(len(first), len(second))
    at = 0
    while at < size:
        if first[at : at + 256] == second[at : at + 256]:
            at += 256
            continue
        one, other = (int.from_bytes(side[at : at + 8], "little") for side in (first, second))
        if (one ^ other) & ~_nan_signs(one):
            return at
        at += 8
    return None if len(first) == len(second) else size


def _nan_signs(bits: int) -> int:
    """The sign bits in eight bytes that belong to NaNs, whether these are a double or two floats.

    No more than the sign differs in practice, and small negative integers look like NaNs, too.
    """
    signs = 1 << 63 if bits & ~(1 << 63) > 0x7FF << 52 else 0
    for shift in (0, 32):
        if bits >> shift & 0x7FFFFFFF > 0xFF << 23:
            signs |= 1 << 31 + shift
    return signs


class _Comparison:
    """One pair, in the process that may die of it."""

    def __init__(self, library: Library, harness: Harness, pair: Pair) -> None:
        self.harness, self.pair = harness, pair
        self.preparation = Preparation(library, harness, pair.name)
        self.arguments = ctypes.create_string_buffer(ARGUMENT_BYTES * (MOST_ARGUMENTS + 1))
        self.heap_used = 0
        self.filters: list[Variant] | None = None

    # -- the verdict

    def verdict(self, seconds: int) -> Verdict:
        """`same`, `differs` or, by UnknownError, why neither can be said."""
        first, second = self.preparation.parse(self.pair.first), self.preparation.parse(self.pair.second)
        if self.preparation.signature(first) != self.preparation.signature(second):
            raise UnknownError("the signatures differ")
        text = first.print()
        explorer = self.preparation.parse(self.pair.first)
        reference = self.preparation.reference(first)
        self.preparation.instrument(explorer)
        other = self.preparation.variant(second)
        exploring = self.preparation.variant(explorer)
        self._fill_choices(text)
        self.harness.catch_signals()
        jit.lock_down(seconds)
        return self._compare(exploring, reference, other, time.process_time() + seconds / 2)

    def _compare(self, exploring: Variant, reference: Variant, other: Variant, deadline: float) -> Verdict:
        counted, why, paths = 0, Counter[str](), Counter[bytes]()
        for number in range(self.pair.inputs * _TRIES):
            if (
                counted >= self.pair.inputs
                or why["does not end"] >= (4 if counted else 1) * _HANGS
                or (not counted and number >= _HOPELESS)
            ):
                break
            if number % 8 == 0 and time.process_time() > deadline:
                break
            status = self._explore(exploring, number)
            if status not in (0, jit.EXITED):
                why[_ended(status)] += 1
                continue
            path = bytes(self.preparation.reached)
            paths[path] += 1
            if paths[path] > _ALIKE and len(paths) > 1 and number < self.pair.inputs * (_TRIES - 1):
                continue
            expected = self._run(reference, _REFERENCE)
            if expected.status not in (0, jit.EXITED):
                why[_ended(expected.status)] += 1
                continue
            found = self._run(other, _SECOND)
            difference = expected.difference(found)
            # Where the second alone goes by what was left on the stack, it has lost a value.
            leftovers = None if difference else expected.difference(self._run(other, _SECOND, _LEFTOVERS))
            if not difference and found.seen != expected.seen:
                leftovers = "a local that an unknown function got a pointer to"
            if (difference or leftovers) and not self._defined(reference, expected):
                if difference:
                    why["its behaviour is undefined"] += 1
                    continue
                leftovers = None
            difference = difference or leftovers
            if found.status == signal.SIGPROF:
                difference = expected.difference(self._run(other, _PATIENT))
            if difference:
                called = f"input {number} of seed {self.pair.seed}: {self.pair.name}({', '.join(self.shown)})"
                return Verdict(False, "differs", f"{called}: {difference}")
            counted += 1
        if not counted:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in why.most_common())
            raise UnknownError(f"no input to be found: on all that were tried the reference {reasons}")
        return Verdict(True, "same", f"{counted} inputs")

    def _defined(self, reference: Variant, expected: _Outcome) -> bool:
        """Whether the reference does the same with other leftovers on its stack, and when LLVM has optimised it."""
        if self.filters is None:
            self.filters = [self._optimised(passes) for passes in _FILTERS]
        for variant in (reference, *self.filters):
            outcome = self._run(variant, _SECOND, _LEFTOVERS)
            if expected.difference(outcome) or expected.seen != outcome.seen:
                return False
        return True

    def _optimised(self, passes: str) -> Variant:
        module = self.preparation.parse(self.pair.first)
        with module.machine(SHIP) as machine:
            module.run(passes, machine)
        return self.preparation.variant(module)

    # -- running

    def _explore(self, variant: Variant, number: int) -> int:
        """Make up an input by running the instrumented reference: the status of that run."""
        dice = random.Random(self.pair.seed * 1_000_003 + number)
        harness = self.harness
        harness.random.value, harness.seed.value, harness.found.value = dice.getrandbits(64), dice.getrandbits(64), 0
        harness.out_count.value = 0
        ctypes.memset(harness.used, 0, jit.OBJECT_COUNT)
        ctypes.memset(self.preparation.reached, 0, len(self.preparation.reached))
        for variable in self.preparation.variables.values():
            if variable.movable:
                ctypes.memmove(variable.address + jit.IMAGE, variable.contents, variable.size)
                ctypes.memset(variable.address + jit.FLAGS, dice.randrange(2), variable.size)
            elif variable.open:
                background = self.backgrounds[dice.randrange(4)]
                for at in range(0, variable.size, jit.BYTES):
                    piece = min(jit.BYTES, variable.size - at)
                    ctypes.memmove(variable.address + jit.IMAGE + at, background, piece)
                ctypes.memset(variable.address + jit.FLAGS, 0, variable.size)
        harness.exploring[0] = 1
        self._make_arguments(dice)
        self.ranges = [(v.address, v.size) for v in self.preparation.variables.values() if not v.constant]
        self._restore(variant)
        status = harness.call(variant.entry, ctypes.addressof(self.arguments), _EXPLORING)
        self.heap_used = jit.HEAP_SIZE if status else self._heap_top()
        harness.exploring[0] = 0
        self.objects = [index for index, flag in enumerate(harness.used) if flag]
        self.ranges += [(jit.OBJECTS + index * jit.STRIDE + jit.GUARD, jit.BYTES) for index in self.objects]
        return status

    def _make_arguments(self, dice: random.Random) -> None:
        self.given = bytearray(len(self.arguments))
        self.shown = []
        for index, (kind, size, not_null) in enumerate(self.preparation.parameters):
            if kind == KIND_POINTER:
                null = not not_null and dice.randrange(12) == 0
                value = 0 if null else self.harness.object()
                shown = "null" if null else f"&object {(value - jit.OBJECTS) // jit.STRIDE}"
                raw = struct.pack("<Q", value)
            elif kind is None:
                raw = b"".join(struct.pack("<Q", dice.choice(self.choices[2])) for _ in range(0, size, 8))
                shown = raw.hex()
            else:
                value = dice.choice(self.choices[kind])
                raw = struct.pack("<QQ", value, -(value >> 63) & (1 << 64) - 1)
                shown = str(value)
            at = (index + 1) * ARGUMENT_BYTES
            self.given[at : at + len(raw)] = raw
            self.shown.append(shown)

    def _heap_top(self) -> int:
        top: int = ctypes.c_uint64.from_address(jit.ARENA).value
        return min(top, jit.HEAP_SIZE)

    def _restore(self, variant: Variant) -> None:
        ctypes.memset(jit.ARENA, 0, jit.STATE_SIZE)
        ctypes.memset(jit.HEAP, 0, self.heap_used)
        for address, size in self.ranges:
            ctypes.memmove(address, address + jit.IMAGE, size)
        for address, contents in variant.own:
            ctypes.memmove(address, contents, len(contents))
        ctypes.memmove(self.arguments, bytes(self.given), len(self.arguments))

    def _run(self, variant: Variant, microseconds: int, scrub: int = 0) -> _Outcome:
        self._restore(variant)
        self.harness.scrub[0] = scrub
        status = self.harness.call(variant.entry, ctypes.addressof(self.arguments), microseconds)
        self.heap_used = self._heap_top()
        (logged,) = struct.unpack("<Q", ctypes.string_at(jit.ARENA + jit.LOG_AT - 8, 8))
        state = ctypes.string_at(jit.ARENA + 8, jit.LOG_AT - 8 + 8 * min(logged, jit.LOG))
        regions = {"result": self.arguments.raw[:ARGUMENT_BYTES]}
        for variable in variant.variables:
            if not variable.constant:
                regions[f"@{variable.name}"] = ctypes.string_at(variable.address, variable.size)
        for index in self.objects:
            address = jit.OBJECTS + index * jit.STRIDE + jit.GUARD
            regions[f"object {index}"] = ctypes.string_at(address + jit.INSIDE, jit.BYTES - jit.INSIDE)
            regions[f"before object {index}"] = ctypes.string_at(address, jit.INSIDE)
        regions["heap"] = ctypes.string_at(jit.HEAP, self.heap_used)
        seen = ctypes.string_at(jit.ARENA + jit.SEEN_AT, jit.STATE_SIZE - jit.SEEN_AT)
        return _Outcome(status, state, seen, regions)

    def _fill_choices(self, text: str) -> None:
        """Draw what values are chosen from: small ones, edges, and the constants that the reference compares with."""
        dice = random.Random(f"choices {self.pair.seed}")
        constants = [int(number) for number in _CONSTANT.findall(text)]
        near = [constant + step for constant in constants for step in (-1, 0, 0, 1)]
        reals = [float(number) for number in _REAL.findall(text)]
        count = jit.CHOICES * 3 // 10
        self.choices: list[list[int]] = []
        for kind, usual in enumerate(_USUAL):
            close = [struct.unpack("<Q", struct.pack("<d", real))[0] for real in reals]
            if kind == KIND_FLOAT:
                close = [struct.unpack("<I", struct.pack("<f", real))[0] for real in reals if abs(real) < 1e38]
            elif kind < KIND_FLOAT:
                close = [value & (1 << (8 << kind)) - 1 for value in near]
            some = count if close else 0
            self.choices.append(dice.choices(usual, k=jit.CHOICES - some) + dice.choices(close or [0], k=some))
        flat = b"".join(struct.pack(f"<{jit.CHOICES}Q", *values) for values in self.choices)
        ctypes.memmove(self.harness.bytes("h_choices", len(flat)), flat, len(flat))
        self.backgrounds = [
            struct.pack("<256I", *dice.choices(self.choices[2], k=256)) * (jit.BYTES // 1024),
            struct.pack("<128Q", *dice.choices(self.choices[KIND_DOUBLE], k=128)) * (jit.BYTES // 1024),
            bytes(dice.choices(b"abcdeXYZ0189 ./-\0\0", k=256)) * (jit.BYTES // 256),
            dice.randbytes(jit.BYTES),
        ]
        ctypes.memmove(self.harness.bytes("h_background", 4 * jit.BYTES), b"".join(self.backgrounds), 4 * jit.BYTES)


_CONSTANT = re.compile(
    r"(?:= (?:icmp|sub|add|and|or|xor|mul|[su]div|[su]rem) [^\n]*, |^ +i\d+ )(-?\d+)(?=\n|, label)", re.M
)
_REAL = re.compile(r"(?:float|double) %[\w.]+, (-?\d\.\d+e[+-]\d+)")


def _integer(dice: random.Random, bits: int) -> int:
    """A value of the sort that programs mostly meet, or one at an edge."""
    sort = dice.randrange(100)
    if sort < 15:
        return 0
    if sort < 50:
        return dice.randrange(1, 17)
    if sort < 60:
        return -dice.randrange(1, 17)
    if sort < 72:
        return dice.choice(b"abcxyzABCXYZ0123456789 _-+./\\\"'\n\t") if bits == 8 else dice.randrange(17, 300)
    if sort < 88:
        return (1 << dice.randrange(bits)) + dice.randrange(-1, 2)
    return dice.getrandbits(bits)


def _real(dice: random.Random) -> float:
    sort = dice.randrange(100)
    if sort < 30:
        return float(dice.randrange(-8, 9))
    if sort < 70:
        return dice.uniform(-10.0, 10.0)
    if sort < 88:
        return dice.choice((0.5, 0.25, 1e-3, 100.0, 1e4, -0.0))
    return dice.choice((math.nan, math.inf, -math.inf, 1e30, -1e30, 1e-40))


def _usual() -> list[list[int]]:
    """By kind, as bits: what values are chosen from in every comparison."""
    dice = random.Random("usual")
    integers = [[_integer(dice, bits) & (1 << bits) - 1 for _ in range(1000)] for bits in (8, 16, 32, 64)]
    reals = [_real(dice) for _ in range(1000)]
    floats = [struct.unpack("<I", struct.pack("<f", real))[0] for real in reals]
    return [*integers, floats, [struct.unpack("<Q", struct.pack("<d", real))[0] for real in reals]]


_USUAL = _usual()
