"""One evaluation: clone a module, apply a pass list, verify, emit the object, measure; and many of them in workers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from llm_compiler.llvm.elf import Symbols, object_size, symbols
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context, Machine
from llm_compiler.llvm.size import PROTOCOLS, Protocol, Size
from llm_compiler.llvm.workers import Failure, Limits, Workers

_OZ_LESS_VERSION = 23


@dataclass(frozen=True)
class Job:
    """A module (text or bitcode), a pass list in LLVM's syntax, and how to measure the outcome."""

    module: bytes
    passes: str
    protocol: str = "ship"
    limits: Limits = field(default_factory=Limits)
    keep: bool = False
    """Also answer with the optimised module and its instruction count."""


@dataclass(frozen=True)
class Evaluation:
    """What a pass list made of a module; `bitcode` and `instructions` only where the job asked to keep them."""

    size: Size
    bitcode: bytes | None = None
    instructions: int | None = None


class Subject:
    """A module that many lists are tried on: read, verified, and its sizes remembered. To be closed."""

    def __init__(self, library: Library, module: bytes) -> None:
        """LLVMError for what is no module, or does not verify."""
        self.module = module
        self._library = library
        with Context(library) as context, context.parse(module) as parsed:
            parsed.verify()
            self._machines = {name: parsed.machine(protocol) for name, protocol in PROTOCOLS.items()}
        self._sizes: dict[tuple[str, bytes], Size] = {}
        self._interface: Symbols | None = None

    def evaluate(self, passes: str, protocol: str, *, keep: bool = False) -> Evaluation:
        """Apply, verify, emit, measure. LLVMError for a list that LLVM refuses, or a result that does not verify.

        Many lists end in the same module, and the same module is the same object: it is emitted once.
        """
        machine = self._machines[protocol]
        # A new context each time: one that has seen a struct type before renames the next of that name.
        with Context(self._library) as context, context.parse(self.module) as candidate:
            candidate.run(passes, machine)
            candidate.verify()
            bitcode = candidate.bitcode()
            instructions = candidate.instruction_count() if keep else None
            key = protocol, hashlib.blake2b(bitcode, digest_size=16).digest()
            if key not in self._sizes:
                self._sizes[key] = self._measure(emitted(context, bitcode, machine))
        return Evaluation(self._sizes[key], bitcode if keep else None, instructions)

    def must_link_like(self, passes: str) -> None:
        """From now on an object that cannot stand in for the one that these passes make is an `UnlinkableError`."""
        with Context(self._library) as context, context.parse(self.module) as candidate:
            candidate.run(passes, self._machines["ship"])
            self._interface = symbols(emitted(context, candidate.bitcode(), self._machines["ship"]))

    def _measure(self, contents: bytes) -> Size:
        if self._interface is not None and not symbols(contents).replaces(self._interface):
            raise UnlinkableError("defines less than -Oz's object does, or needs more")
        return _size_of(contents)

    def close(self) -> None:
        """Dispose of the target machines."""
        for machine in self._machines.values():
            machine.close()


class UnlinkableError(LLVMError):
    """An object that would not link where -Oz's does."""


class Evaluator:
    """The function that workers run. Jobs on one module should come together: the one before is remembered."""

    def __init__(self, library: Path) -> None:
        self._path = library

    def prepare(self) -> None:
        """Load libLLVM."""
        self._library = Library(self._path)
        self._subject: Subject | None = None

    def __call__(self, job: Job) -> Evaluation:
        """Raises LLVMError for a module or list that LLVM refuses, or a result that does not verify."""
        if self._subject is None or self._subject.module != job.module:
            if self._subject is not None:
                self._subject.close()
                self._subject = None
            self._subject = Subject(self._library, job.module)
        return self._subject.evaluate(job.passes, job.protocol, keep=job.keep)


def emitted_size(context: Context, bitcode: bytes, machine: Machine) -> Size:
    """Size of the object that the back end makes of a module. LLVMError where it cannot, or makes no ELF."""
    return _size_of(emitted(context, bitcode, machine))


def emitted(context: Context, bitcode: bytes, machine: Machine) -> bytes:
    """The object that the back end makes of a module. LLVMError where it cannot.

    Bitcode forgets the order of use-lists, and code generation goes by it. What is measured is therefore always what
    was read back, which is also what clang gets when it emits the object that the user keeps.
    """
    with context.parse(bitcode) as module:
        module.expand_bcmp()
        return module.emit(machine)


def _size_of(contents: bytes) -> Size:
    try:
        return object_size(contents)
    except ValueError as error:
        raise LLVMError(f"the object that the back end made is {error}") from error


def oz_passes(version: str, protocol: Protocol) -> str:
    """The pipeline that stands for -Oz in process.

    For `paper` it is `default<Oz>`, as `opt` runs it. For `ship` it is what clang runs, spelled out: clang adds the
    SLP vectorizer, which no option of LLVM-C can add to `default<Oz>` (`opt -print-pipeline-passes` of LLVM 17.0.6,
    with the inliner's parameters restored). For a version that nobody has spelled out it is `default<Oz>`, or where
    that has gone (LLVM 23) `default<O2>`: there the functions' own `minsize` makes the difference.
    """
    if protocol.name == "ship":
        spelled = resources.files(__package__).joinpath(f"data/oz-{version}.txt")
        if spelled.is_file():
            return spelled.read_text().strip()
    return "default<Oz>" if int(version.partition(".")[0]) < _OZ_LESS_VERSION else "default<O2>"


def evaluate(jobs: Iterable[Job], library: Path, *, workers: int | None = None) -> Iterator[Evaluation | Failure]:
    """Answers in the order of `jobs`. See `workers` for what a failure can be."""
    with Workers(Evaluator(library), count=workers, limits=_limits) as pool:
        yield from pool.map(jobs)


def _limits(job: Job) -> Limits:
    return job.limits
