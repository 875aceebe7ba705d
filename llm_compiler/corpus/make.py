"""One compile command made into units: compiled, normalised, split, measured. Runs in workers."""

from __future__ import annotations

import posixpath
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from llm_compiler.corpus import headers
from llm_compiler.corpus.commands import CompileCommand
from llm_compiler.corpus.normalise import normalise
from llm_compiler.corpus.split import split
from llm_compiler.corpus.unit import Kind, Split, Unit, unit_id
from llm_compiler.llvm.evaluate import emitted_size, oz_passes
from llm_compiler.llvm.frontend import CompileError, Source, unoptimised
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context, Machine, Module
from llm_compiler.llvm.size import PAPER, SHIP, Protocol
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Limits

COMPILE_LIMITS = Limits(seconds=120, megabytes=4096)
"""For clang, one file."""
TEXT_BYTES = 1 << 20
"""A unit whose text is longer than this is left out: no model's context holds a twentieth of it."""

Clock = Literal["clang", "llvm", "ours"]


def no_time() -> dict[Clock, float]:
    """All clocks at zero."""
    return {"clang": 0.0, "llvm": 0.0, "ours": 0.0}


@dataclass
class Made:
    """What became of one compile command: its units, sizes still zero."""

    units: list[Unit] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    """Units, or the whole file, by reason."""
    seconds: dict[Clock, float] = field(default_factory=no_time)
    """CPU time, where it went: clang, LLVM in process (parsing, printing, verifying), and ours."""
    functions: int = 0
    """Functions that were split off, duplicates included."""
    compiled: bool = False


class Maker:
    """Compiles, normalises and splits: the function that the first workers run."""

    def __init__(self, toolchain: Toolchain, project_split: Split, translation_units: bool) -> None:
        self._toolchain = toolchain
        self._split = project_split
        self._translation_units = translation_units

    def prepare(self) -> None:
        """Load libLLVM."""
        self._library = Library(self._toolchain.library)

    def __call__(self, command: CompileCommand) -> Made:
        """Whatever is wrong with the command or its code is counted in the answer."""
        made = Made()
        bitcode = self._compile(command, made)
        if bitcode is None:
            return made
        try:
            with _timed(made, "llvm"), Context(self._library) as context, context.parse(bitcode) as module:
                module.verify()
                triple, text = module.triple, module.print()
        except LLVMError:
            made.dropped["module does not verify"] += 1
            return made
        made.compiled = True
        with _timed(made, "ours"):
            try:
                for kind, name, unit_text in self._texts(command, text):
                    made.functions += kind == "function"
                    if len(unit_text) > TEXT_BYTES:
                        made.dropped[f"{kind}: text too long"] += 1
                    else:
                        made.units.append(self._unit(command, kind, name, unit_text, triple))
            except ValueError:
                made.dropped["text not understood"] += 1
        return made

    def _texts(self, command: CompileCommand, printed: str) -> Iterator[tuple[Kind, str, str]]:
        text = normalise(printed)
        for function in split(text):
            yield "function", function.name, normalise(function.text)
        # Last: of a file with one function both texts are the same, and the first unit is the one that stays.
        if self._translation_units:
            yield "module", posixpath.basename(command.file), text

    def _unit(self, command: CompileCommand, kind: Kind, name: str, text: str, triple: str) -> Unit:
        return Unit(
            unit_id(text),
            kind,
            name,
            text,
            command.language,
            command.project,
            command.version,
            command.file,
            command.licence,
            command.route,
            self._toolchain.version,
            triple,
            *(0, 0, 0, 0, 0),
            self._split,
        )

    def _compile(self, command: CompileCommand, made: Made) -> bytes | None:
        """Bitcode, after as many repairs as are worth it; None (and the reason counted) where clang cannot."""
        attempt: CompileCommand | None = command
        with _timed(made, "clang"):
            for _ in range(headers.ATTEMPTS):
                if attempt is None:
                    break
                language = "c++" if attempt.language == "cuda" else attempt.language
                source = Source(Path(attempt.path), language, flags=attempt.flags)
                try:
                    return unoptimised(self._toolchain, source, COMPILE_LIMITS)
                except CompileError as error:
                    attempt = headers.repair(attempt, str(error))
                except OSError:  # ready IR that may not be read, say
                    break
        made.dropped["file does not compile"] += 1
        return None


@dataclass(frozen=True)
class Measured:
    """Units with their sizes, less those that LLVM refused."""

    units: list[Unit]
    seconds: float


class Measurer:
    """Counts instructions and takes sizes: the function that the second workers run, for a group of units at a time."""

    def __init__(self, toolchain: Toolchain) -> None:
        self._toolchain = toolchain

    def prepare(self) -> None:
        """Load libLLVM."""
        self._library = Library(self._toolchain.library)
        self._passes = {protocol.name: oz_passes(self._toolchain.version, protocol) for protocol in (SHIP, PAPER)}

    def __call__(self, units: list[Unit]) -> Measured:
        """The same units, in the same order."""
        started = _cpu_seconds()
        with Context(self._library) as context:
            machines = _Machines()
            measured = [unit for unit in (self._measure(context, machines, unit) for unit in units) if unit]
            machines.close()
        return Measured(measured, _cpu_seconds() - started)

    def _measure(self, context: Context, machines: _Machines, unit: Unit) -> Unit | None:
        try:
            with context.parse(unit.text.encode()) as module:
                module.verify()
                instructions, bitcode = module.instruction_count(), module.bitcode()
                try:
                    ship, paper = machines.of(module, SHIP), machines.of(module, PAPER)
                except LLVMError:  # libLLVM lacks the target
                    return replace(unit, instructions=instructions) if module.triple else None
            return replace(
                unit,
                instructions=instructions,
                unoptimised_ship=emitted_size(context, bitcode, ship).total,
                oz_ship=self._optimised(context, bitcode, ship, SHIP),
                unoptimised_paper=emitted_size(context, bitcode, paper).total,
                oz_paper=self._optimised(context, bitcode, paper, PAPER),
            )
        except LLVMError:
            return None

    def _optimised(self, context: Context, bitcode: bytes, machine: Machine, protocol: Protocol) -> int:
        with context.parse(bitcode) as module:
            module.run(self._passes[protocol.name], machine)
            optimised = module.bitcode()
        return emitted_size(context, optimised, machine).total


class _Machines:
    """A machine for each kind of module."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bool, int | None, str], Machine] = {}

    def of(self, module: Module, protocol: Protocol) -> Machine:
        key = module.triple, bool(module.flag("PIC Level")), module.flag("Code Model"), protocol.name
        if key not in self._known:
            self._known[key] = module.machine(protocol)
        return self._known[key]

    def close(self) -> None:
        for machine in self._known.values():
            machine.close()


@contextmanager
def _timed(made: Made, clock: Clock) -> Iterator[None]:
    """Adds the CPU time of a block, of this process and of its children, to one of the clocks."""
    started = _cpu_seconds()
    try:
        yield
    finally:
        made.seconds[clock] += _cpu_seconds() - started


def _cpu_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
