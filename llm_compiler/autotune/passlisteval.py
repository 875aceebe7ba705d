"""PassListEval: a pass list is trusted only if programs that check themselves, compiled with it, still pass.

The verdict on a list is `ok`, or one of these reasons, counted by people and named in `REASONS`: the list was known to
be bad (denied); LLVM did not survive it or refused it (crashed, timeout, memory, invalid); the object does not link
(unlinkable); the program says that it is broken, dies or never ends (failed). Only the last is a miscompilation, and
only that can be blamed on the passes that are in the list: what does not link mostly lacks `always-inline`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from llm_compiler.autotune.deny import Denied, denied, load_denied
from llm_compiler.autotune.suites import Program, SuiteError
from llm_compiler.llvm.evaluate import emitted, oz_passes
from llm_compiler.llvm.execute import linker, run
from llm_compiler.llvm.frontend import CompileError, Source, unoptimised
from llm_compiler.llvm.library import Library
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.passes import Element, PassList
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.verdict import Verdict
from llm_compiler.llvm.workers import Failure, Limits, Workers

REASONS = ("denied", "crashed", "timeout", "memory", "invalid", "unlinkable", "failed")
COMPILER_LIMITS = Limits(seconds=20, megabytes=1024)
LINKER_LIMITS = Limits(seconds=20, megabytes=4096)
_FRONT_END_LIMITS = Limits(seconds=60, megabytes=4096)
_UNOPTIMISED = "default<O0>"  # not nothing at all: what must be inlined is
_OK = Verdict(True, "ok")
_INCLUDES_ITS_OWN = re.compile(rb'^\s*#\s*include\s*"', re.MULTILINE)


@dataclass(frozen=True)
class _Trial:
    """One list on one program."""

    bitcode: Path
    passes: str
    link: tuple[str, ...]
    known: Mapping[bytes, Verdict]
    """What became of objects (by their digest) that were tried before."""


@dataclass(frozen=True)
class _Outcome:
    verdict: Verdict
    digest: bytes


class _Tester:
    """What workers do: optimise, emit, link, run. Jobs are of all programs in turn, so nothing is kept between them."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._path, self._folder = library, folder

    def prepare(self) -> None:
        self._library = Library(self._path)

    def __call__(self, trial: _Trial) -> _Outcome:
        """LLVMError where LLVM refuses the list or its result."""
        contents = self._emit(trial)
        digest = hashlib.blake2b(contents, digest_size=16).digest()
        return _Outcome(trial.known.get(digest) or self._run(trial.link, contents), digest)

    def _emit(self, trial: _Trial) -> bytes:
        with (
            Context(self._library) as context,
            context.parse(trial.bitcode.read_bytes()) as module,
            module.machine(SHIP) as machine,
        ):
            module.run(trial.passes, machine)
            module.verify()
            return emitted(context, module.bitcode(), machine)

    def _run(self, link: tuple[str, ...], contents: bytes) -> Verdict:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            (folder / "unit.o").write_bytes(contents)
            linked = run(link, limits=LINKER_LIMITS, file_megabytes=256, directory=folder)
            if linked.status != 0:
                errors = [line for line in linked.output.splitlines() if b"error:" in line]
                return Verdict(False, "unlinkable", _last_line(errors[0] if errors else linked.output) or linked.how)
            (folder / "unit.o").unlink()
            ended = run(["./program"], directory=folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if ended.status == 0:
            return _OK
        words = _last_line(ended.output)
        return Verdict(False, "failed", f"{ended.how}: {words}" if words else ended.how)


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").split("\n")
    line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return "".join(c if c.isprintable() else "?" for c in line)[:200]


@dataclass
class _Ready:
    """A program that passes its checks unoptimised and with -Oz, and what was found out about it since."""

    program: Program
    bitcode: Path
    link: tuple[str, ...]
    known: dict[bytes, Verdict]
    size: int
    """Bytes of bitcode."""
    rejections: int = 0


class PassListEval:
    """Tries pass lists on programs. A context manager, for one thread; leaves no file behind but the bitcode's cache.

    On entering, every program is compiled once (or found in the cache) and tried unoptimised and with -Oz: what does
    not pass its own checks even then is in `left_out` with the reason. SuiteError if no program is left.
    """

    def __init__(
        self,
        toolchain: Toolchain,
        programs: Sequence[Program],
        *,
        jobs: int | None = None,
        deny: Sequence[Denied] | None = None,
        tolerate: Collection[str] = (),
        on_program: Callable[[], object] = lambda: None,
    ) -> None:
        """`deny` is by default what ships; `on_program` is called for each program that was compiled.

        `tolerate` has the reasons for which a list is not rejected: with all but `failed`, a list that cannot build a
        program is taken as it is where each object is checked anyway and -Oz stands by, as in `llmc optimize`.
        """
        self.toolchain = toolchain
        self.left_out: dict[str, str] = {}
        self.rejected_by: dict[PassList, Program] = {}
        """The program that made `check` reject a list."""
        self._programs = programs
        self._jobs = jobs or len(os.sched_getaffinity(0))
        self._deny = load_denied(toolchain.version) if deny is None else deny
        self._tolerate = frozenset(tolerate)
        self._on_program = on_program
        self._ready: list[_Ready] = []
        self._closing = contextlib.ExitStack()

    @property
    def programs(self) -> list[Program]:
        """The programs that lists are tried on."""
        return [ready.program for ready in self._ready]

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as closing:
            temporary = tempfile.TemporaryDirectory(prefix="llmc-passlisteval-", ignore_cleanup_errors=True)
            self._folder = Path(closing.enter_context(temporary))
            tester = _Tester(self.toolchain.library, self._folder)
            self._workers: Workers[_Trial, _Outcome] = closing.enter_context(
                Workers(tester, count=self._jobs, limits=COMPILER_LIMITS)
            )
            compiled = self._compile_all()
            self._ready = self._that_pass(compiled)
            if not self._ready:
                why = next((f"; {name} {reason}" for name, reason in self.left_out.items()), "")
                raise SuiteError(f"no program to try pass lists on{why}")
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def check(self, lists: Iterable[PassList]) -> Iterator[Verdict]:
        """One verdict for each list, in order. Take them all before anything else is asked.

        Whether a list is ok is the same on every run; which of several broken programs `detail` names may differ.
        """
        verdicts: dict[int, Verdict] = {}
        tolerated: dict[int, list[str]] = {}
        underway: deque[tuple[int, PassList, _Ready]] = deque()
        count = 0

        def trials() -> Iterator[_Trial]:
            nonlocal count
            for number, passes in enumerate(lists):
                count = number + 1
                if entry := denied(passes, self._deny):
                    verdicts[number] = Verdict(False, "denied", f"{','.join(entry.passes)} breaks {entry.program}")
                    continue
                # Others follow only while those before them have found nothing.
                for ready in sorted(self._ready, key=_promise):
                    if number in verdicts:
                        break
                    underway.append((number, passes, ready))
                    yield self._trial(ready, str(passes))

        def conclude(number: int) -> Verdict:
            missing = tolerated.pop(number, [])
            accepted = Verdict(True, "ok", f"{len(missing)} not built: {missing[0]}") if missing else _OK
            return verdicts.pop(number, accepted)

        told = 0
        for answer in self._workers.map(trials()):
            number, passes, ready = underway.popleft()
            while told < number:
                yield conclude(told)
                told += 1
            verdict = self._learn(ready, answer)
            if verdict.ok or number in verdicts:
                continue
            detail = f"{ready.program.name}: {verdict.detail}"
            if verdict.reason in self._tolerate:
                tolerated.setdefault(number, []).append(f"{detail} ({verdict.reason})")
            else:
                ready.rejections += 1
                self.rejected_by[passes] = ready.program
                verdicts[number] = Verdict(False, verdict.reason, detail)
        yield from map(conclude, range(told, count))

    def on_one(self, passes: PassList, program: Program) -> Verdict:
        """What becomes of one program, whether the list is denied or not. Not while `check` is being iterated."""
        ready = next(ready for ready in self._ready if ready.program == program)
        (answer,) = self._workers.map([self._trial(ready, str(passes))])
        return self._learn(ready, answer)

    def _trial(self, ready: _Ready, passes: str) -> _Trial:
        return _Trial(ready.bitcode, passes, ready.link, ready.known)

    def _learn(self, ready: _Ready, answer: _Outcome | Failure) -> Verdict:
        if isinstance(answer, Failure):
            return Verdict(False, answer.reason, answer.detail)
        ready.known[answer.digest] = answer.verdict
        return answer.verdict

    def _that_pass(self, compiled: Sequence[_Ready]) -> list[_Ready]:
        """Those that pass their checks unoptimised and with -Oz."""
        references = {"unoptimised": _UNOPTIMISED, "with -Oz": oz_passes(self.toolchain.version, SHIP)}
        pairs = [(ready, name) for ready in compiled for name in references]
        answers = self._workers.map(self._trial(ready, references[name]) for ready, name in pairs)
        for (ready, name), answer in zip(pairs, answers, strict=True):
            verdict = self._learn(ready, answer)
            if not verdict.ok:
                self.left_out.setdefault(ready.program.name, f"{name}: {verdict.reason}, {verdict.detail}")
        return [ready for ready in compiled if ready.program.name not in self.left_out]

    # -- the front end

    def _compile_all(self) -> list[_Ready]:
        ready = []
        with ThreadPoolExecutor(self._jobs) as threads:
            try:
                compiled = threads.map(self._compile, self._programs, range(len(self._programs)))
                for program, answer in zip(self._programs, compiled, strict=True):
                    self._on_program()
                    if isinstance(answer, CompileError):
                        said = str(answer).splitlines()
                        line = next((line for line in said if "error:" in line), said[0])
                        self.left_out[program.name] = f"does not compile: {line.rpartition('error: ')[2]}"
                    else:
                        ready.append(answer)
            finally:
                threads.shutdown(wait=False, cancel_futures=True)
        return ready

    def _compile(self, program: Program, number: int) -> _Ready | CompileError:
        try:
            flags = program.libraries
            link = linker(self.toolchain, program.language == "c++", flags, "unit.o", "program")
            bitcode = self._bitcode(program, number)
            return _Ready(program, bitcode, link, {}, bitcode.stat().st_size)
        except CompileError as error:
            return error

    def _bitcode(self, program: Program, number: int) -> Path:
        """The unoptimised module, in the cache unless other files may change what it is."""
        kept = self._folder / f"{number}.bc"
        if not _INCLUDES_ITS_OWN.search(program.text):
            words = [*self.toolchain.clang, *self.toolchain.libcxx_flags, program.language, *program.flags]
            key = hashlib.blake2b("\0".join(words).encode() + b"\0" + program.text, digest_size=16).hexdigest()
            kept = self._cache / f"{key}.bc"
        if not kept.is_file():
            bitcode = self._front_end(program)
            partial = self._folder / f"{number}.partial"
            partial.write_bytes(bitcode)
            try:
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(partial, beside := kept.with_suffix(f".{os.getpid()}-{number}"))
                beside.replace(kept)
                partial.unlink()
            except OSError:  # no cache: compiled again next time
                return partial
        return kept

    @cached_property
    def _cache(self) -> Path:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return base / "llm-compiler" / f"suites-{self.toolchain.version}"

    def _front_end(self, program: Program) -> bytes:
        beside = ("-I", str(program.path.parent)) if program.path else ()

        def compiled(*more: str) -> bytes:
            source = Source(None, program.language, program.text, (*program.flags, *beside, *more))
            return unoptimised(self.toolchain, source, _FRONT_END_LIMITS)

        try:
            return compiled()
        except CompileError:
            if program.language != "c" or any(flag.startswith("-std=") for flag in program.flags):
                raise
            return compiled("-std=gnu89")  # functions that nobody declared, and the like


def _promise(ready: _Ready) -> tuple[int, int]:
    """Programs that rejected most come first, then the smallest."""
    return -ready.rejections, ready.size


def minimise_rejection(checker: PassListEval, passes: PassList) -> PassList:
    """Drop passes while the program that rejected the list does so for the same reason: what remains needs them all.

    A list that `check` has not rejected, or never tried, comes back as it is.
    """
    program = checker.rejected_by.get(passes)
    if program is None:
        return passes
    reason = checker.on_one(passes, program).reason

    def still(elements: Iterable[Element]) -> bool:
        return checker.on_one(PassList(tuple(elements)), program).reason == reason

    elements = [each for element in passes.elements for each in _spread(element)]
    if not still(elements):
        elements = list(passes.elements)
    size = max(1, len(elements) // 2)
    while True:
        dropped = False
        at = 0
        while at < len(elements) > 1:
            fewer = elements[:at] + elements[at + size :]
            if fewer and still(fewer):
                elements, dropped = fewer, True
            else:
                at += size
        if size == 1 and not dropped:
            return PassList(tuple(elements))
        size = max(1, size // 2)


def _spread(element: Element) -> Iterator[Element]:
    """An element for each pass in it: `function(a,loop(b))` does much the same as `function(a),function(loop(b))`."""
    if not element.nested:
        yield element
    for nested in element.nested:
        for each in _spread(nested):
            yield Element(element.name, element.parameters, (each,))


def blame(checker: PassListEval, passes: PassList) -> Denied | None:
    """The entry for the deny list that a list which `check` rejected leads to; None where no pass is to blame."""
    program = checker.rejected_by.get(passes)
    if program is None or checker.on_one(passes, program).reason != "failed":
        return None
    minimal = minimise_rejection(checker, passes)
    command = ["llmc", "passlist", "check", "--ignore-denied", "--miscompiled-only", str(minimal)]
    if program.suite is not None:
        command += ["--no-default-suite", "--suite", str(program.suite)]
    spellings = tuple(element.spelling for element in minimal.passes())
    return Denied(spellings, program.name, checker.on_one(minimal, program).detail, shlex.join(command))
