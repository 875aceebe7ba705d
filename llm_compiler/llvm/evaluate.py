"""One evaluation: clone a module, apply a pass list, verify, emit the object, measure; and many of them in workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from llm_compiler.llvm.elf import object_size
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context, Machine
from llm_compiler.llvm.size import PROTOCOLS, Protocol, Size
from llm_compiler.llvm.workers import Failure, Limits, Workers

_OZ_LESS_VERSION = 23
_CONTEXT_LIFE = 500
"""Evaluations after which a context is thrown away: it keeps every type and constant that a pass ever made."""


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


class Evaluator:
    """The function that workers run. Jobs on one module should come together: the one before is remembered."""

    def __init__(self, library: Path) -> None:
        self._path = library

    def prepare(self) -> None:
        """Load libLLVM."""
        self._library = Library(self._path)
        self._context: Context | None = None
        self._machines: dict[str, Machine] = {}
        self._source, self._uses = b"", 0

    def __call__(self, job: Job) -> Evaluation:
        """Raises LLVMError for a module or list that LLVM refuses, or a result that does not verify."""
        context, machine = self._open(job)
        with context.parse(job.module) as candidate:
            candidate.run(job.passes, machine)
            candidate.verify()
            bitcode = candidate.bitcode()
            instructions = candidate.instruction_count() if job.keep else None
        size = emitted_size(context, bitcode, machine)
        return Evaluation(size, bitcode if job.keep else None, instructions)

    def _open(self, job: Job) -> tuple[Context, Machine]:
        """A context and a machine for the job's module, which is verified when it is new."""
        if self._context is None or self._source != job.module:
            self._close()
            with Context(self._library) as context, context.parse(job.module) as module:
                module.verify()
                self._machines = {name: module.machine(protocol) for name, protocol in PROTOCOLS.items()}
            self._context, self._source, self._uses = Context(self._library), job.module, 0
        # A struct type whose name the context has seen before is renamed: what is kept must not tell what came before.
        elif job.keep or self._uses >= _CONTEXT_LIFE:
            self._context.close()
            self._context, self._uses = Context(self._library), 0
        self._uses += 1
        return self._context, self._machines[job.protocol]

    def _close(self) -> None:
        if self._context is not None:
            for machine in self._machines.values():
                machine.close()
            self._context.close()
            self._context = None


def emitted_size(context: Context, bitcode: bytes, machine: Machine) -> Size:
    """Size of the object that the back end makes of a module. LLVMError where it cannot, or makes no ELF.

    Bitcode forgets the order of use-lists, and code generation goes by it. What is measured is therefore always what
    was read back, which is also what clang gets when it emits the object that the user keeps.
    """
    with context.parse(bitcode) as module:
        module.expand_bcmp()
        try:
            return object_size(module.emit(machine))
        except ValueError as error:
            raise LLVMError(f"target {module.triple}: {error}") from error


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
