"""Speed, memory and byte truth of the evaluator, as ratios in one run.

    python bench/evaluate.py [--repeats 5] [--sources FOLDER ...]

Units are the functions of the C examples. `--sources` adds folders of C and C++ files to the comparison with
`clang -Oz -c` (what does not compile as it lies there is left out).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from llm_compiler.llvm.elf import object_size
from llm_compiler.llvm.evaluate import Evaluation, Evaluator, Job, oz_passes
from llm_compiler.llvm.frontend import LANGUAGES, CompileError, Source, optimise_for_size, unoptimised
from llm_compiler.llvm.library import Library
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain, find
from llm_compiler.llvm.workers import Workers

EXAMPLES = Path(__file__).parents[1] / "examples"
LISTS = ("default<Oz>", "default<O2>,default<Oz>", "function(mem2reg,instcombine,simplifycfg)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--sources", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    toolchain = find()
    units = functions(toolchain)[: options.units]
    jobs = [Job(unit, passes) for unit in units for passes in LISTS]
    print(f"{len(units)} function modules, {len(jobs)} evaluations a run, medians of {options.repeats} runs\n")
    speed(toolchain, units, jobs, options.repeats)
    memory(toolchain, jobs)
    byte_truth(toolchain, [EXAMPLES, *options.sources])


def functions(toolchain: Toolchain) -> list[bytes]:
    library, units = Library(toolchain.library), []
    for path in sorted(EXAMPLES.glob("*.c")):
        with Context(library) as context:
            units += [unit.bitcode() for _, unit in context.parse(unoptimised(toolchain, Source(path, "c"))).split()]
    return units


def speed(toolchain: Toolchain, units: list[bytes], jobs: list[Job], repeats: int) -> None:
    rates: dict[str, list[float]] = {}
    inside: list[float] = []
    pools = {count: Workers(Evaluator(toolchain.library), count=count) for count in (1, 2)}
    for pool in pools.values():
        run(pool, jobs[:20])
    for _ in range(repeats):
        # The ways take turns, so that a busy minute of the machine hits all of them.
        for count, pool in pools.items():
            rates.setdefault(f"{count} worker(s)", []).append(rate(jobs, lambda j, pool=pool: run(pool, j)))
        seconds, timed = time_inside_llvm(toolchain, jobs)
        inside.append(seconds * rates["1 worker(s)"][-1] / len(jobs))
        rates.setdefault("in process", []).append(len(jobs) / timed)
        rates.setdefault("clang + size", []).append(
            rate([job for job in jobs[:60] if job.passes == LISTS[0]], lambda j: processes(toolchain, j))
        )
    for pool in pools.values():
        pool.close()
    median = {name: statistics.median(values) for name, values in rates.items()}
    for name, value in median.items():
        print(f"{name:14} {value:8.1f} evaluations/s")
    one = median["1 worker(s)"]
    print(
        f"\none worker against clang -Oz -c and size as processes: {one / median['clang + size']:.1f} times (goal: 8)"
    )
    print(f"time inside LLVM over all time of one worker:          {statistics.median(inside):.2f} (goal: 0.9)")
    print(f"two workers against one:                               {median['2 worker(s)'] / one:.2f} times (goal: 1.8)")


def rate(jobs: list[Job], way: Callable[[list[Job]], Any]) -> float:
    started = time.perf_counter()
    way(jobs)
    return len(jobs) / (time.perf_counter() - started)


def run(pool: Workers[Job, Evaluation], jobs: Iterable[Job]) -> None:
    done = list(pool.map(jobs))
    assert all(isinstance(answer, Evaluation) for answer in done)


def processes(toolchain: Toolchain, jobs: list[Job]) -> None:
    """The way without a library: clang for the whole of -Oz, `size` for the bytes."""
    size = shutil.which("llvm-size") or shutil.which("size") or "size"
    with tempfile.TemporaryDirectory() as folder:
        unit, built = Path(folder, "unit.bc"), Path(folder, "unit.o")
        for job in jobs:
            unit.write_bytes(job.module)
            subprocess.run([*toolchain.clang, "-w", "-Oz", "-c", unit, "-o", built], check=True)
            subprocess.run([size, built], check=True, stdout=subprocess.DEVNULL)


class TimedLibrary(Library):
    """Adds up the time spent in functions of LLVM-C."""

    seconds = 0.0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = super().__getattr__(name)

        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


def time_inside_llvm(toolchain: Toolchain, jobs: list[Job]) -> tuple[float, float]:
    evaluator = Evaluator(toolchain.library)
    evaluator.prepare()
    library = evaluator._library = TimedLibrary(toolchain.library)
    started = time.perf_counter()
    for job in jobs:
        evaluator(job)
    return library.seconds, time.perf_counter() - started


def memory(toolchain: Toolchain, jobs: list[Job]) -> None:
    peak = 0
    with Workers(Evaluator(toolchain.library), count=2) as workers:
        for number, _ in enumerate(workers.map(jobs)):
            if number % 50 == 0:
                peak = max([peak, *(resident(pid) for server in children(os.getpid()) for pid in children(server))])
    print(f"largest worker:                                        {peak / 1024:.0f} MB resident (limit: 150)\n")


def children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)


def byte_truth(toolchain: Toolchain, folders: list[Path]) -> None:
    """Files whose size in process equals that of the object of `clang -Oz -c`."""
    library = Library(toolchain.library)
    counts = dict.fromkeys(("default<Oz>", "clang's pipeline", "the same, read back from bitcode"), 0)
    before = after = total = 0
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in LANGUAGES):
        source = Source(path, LANGUAGES[path.suffix], flags=("-w", f"-I{path.parent}", f"-I{path.parents[1]}"))
        try:
            truth = object_size(optimise_for_size(toolchain, source, SHIP)[0]).total
            module = unoptimised(toolchain, source)
        except CompileError:
            continue
        total += 1
        spelled = oz_passes(toolchain.version, SHIP)
        counts["default<Oz>"] += emit(library, module, "default<Oz>", read_back=False) == truth
        counts["clang's pipeline"] += emit(library, module, spelled, read_back=False) == truth
        shipped = emit(library, module, spelled, read_back=True)
        counts["the same, read back from bitcode"] += shipped == truth
        before, after = before + truth, after + shipped
    print(f"size in process equal to that of `clang -Oz -c`, of {total} files:")
    for name, count in counts.items():
        print(f"  {name:34} {count:5}  {100 * count / total:.1f} %")
    print(f"  all bytes, read back from bitcode, against clang's: {100 * (after - before) / before:+.3f} %")


def emit(library: Library, source: bytes, passes: str, *, read_back: bool) -> int:
    with Context(library) as context:
        module = context.parse(source)
        with module.machine(SHIP) as machine:
            module.run(passes, machine)
            module = module.clone() if read_back else module
            module.expand_bcmp()
            return object_size(module.emit(machine)).total


if __name__ == "__main__":
    main()
