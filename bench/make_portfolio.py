"""Make the first portfolio: a small search over the examples, and only lists under which every example still passes.

    python bench/make_portfolio.py > portfolio.toml && mv portfolio.toml llm_compiler/autotune/data/

The units are the examples' translation units and a sample of their functions. Candidates are built around the default
pipelines, then from the lists that did best; the order is greedy, by bytes saved over all units with -Oz as the floor.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from llm_compiler.llvm.evaluate import Evaluation, Evaluator, Job
from llm_compiler.llvm.frontend import LANGUAGES, CompileError, Source, link, lower, unoptimised
from llm_compiler.llvm.library import Library
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain, find
from llm_compiler.llvm.vocabulary import vocabulary
from llm_compiler.llvm.workers import Limits, Workers

EXAMPLES = Path(__file__).parents[1] / "examples"
SEEDS = [
    ["default<Oz>"],
    ["default<Os>"],
    ["default<O1>"],
    ["default<O2>", "default<Oz>"],
    ["default<Oz>", "default<Oz>"],
    ["always-inline", "attributor", "mem2reg"],
    ["always-inline", "gvn-hoist", "early-cse"],
    ["always-inline", "early-cse<memssa>", "sroa", "instcombine"],
    ["strip-dead-prototypes", "lowerswitch", "default<Oz>"],
]
LIMITS = Limits(20, 1024)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=4)
    arguments.add_argument("--per-round", type=int, default=80)
    arguments.add_argument("--size", type=int, default=32)
    arguments.add_argument("--functions", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    toolchain, rng = find(), random.Random(options.seed)
    known = vocabulary(toolchain)
    programs = [Source(path, LANGUAGES[path.suffix]) for path in sorted(EXAMPLES.glob("*.c*"))]
    modules = [unoptimised(toolchain, program) for program in programs]
    pieces = functions(toolchain, modules)
    units = modules + rng.sample(pieces, min(options.functions, len(pieces)))
    sizes: dict[str, list[int]] = {}  # per list, bytes of each unit
    with Workers(Evaluator(toolchain.library), limits=LIMITS) as workers:
        baseline = measure(workers, units, ["default<Oz>"])["default<Oz>"]
        for number in range(options.rounds):
            chosen = greedy(sizes, baseline, options.size)
            fresh: set[str] = {str(known.nest(names)) for names in SEEDS} if number == 0 else set()
            while len(fresh) < options.per_round:
                fresh.add(str(candidate(rng, known, chosen)))
            sizes |= measure(workers, units, sorted(fresh - sizes.keys()))
            best = greedy(sizes, baseline, options.size)
            print(f"round {number + 1}: {len(sizes)} lists, {gain(sizes, baseline, best):.2f} %", file=sys.stderr)
            for passes in best:
                if not trusted(toolchain, workers, programs, modules, passes):
                    print(f"rejected: {passes}", file=sys.stderr)
                    sizes[passes] = baseline
        chosen = greedy(sizes, baseline, options.size)
        while rejected := [p for p in chosen if not trusted(toolchain, workers, programs, modules, p)]:
            for passes in rejected:
                sizes[passes] = baseline
            chosen = greedy(sizes, baseline, options.size)
    saved = gain(sizes, baseline, chosen)
    print(f"# The lists that `llmc optimize` tries, in this order. Made by bench/make_portfolio.py on {today()}:")
    print(f"# {len(sizes)} lists on {len(programs)} examples and {len(units) - len(modules)} of their functions.")
    print(f"# With -Oz as the floor the {len(chosen)} below save {saved:.2f} % of these units' bytes.")
    print("# Every example, compiled with each list for the whole module, still passes its own checks.")
    print("lists = [")
    for passes in chosen:
        print(f'    "{passes}",')
    print("]")


def today() -> str:
    return datetime.datetime.now(tz=datetime.UTC).date().isoformat()


def functions(toolchain: Toolchain, modules: list[bytes]) -> list[bytes]:
    library = Library(toolchain.library)
    units = []
    for module in modules:
        with Context(library) as context:
            units += [unit.bitcode() for _, unit in context.parse(module).split()]
    return sorted(set(units))


def candidate(rng: random.Random, known: Vocabulary, chosen: list[str]) -> PassList:
    """A list around a default pipeline, or a change to one or a crossing of two of the lists chosen so far."""
    names = [p.name for p in known.proposable]
    few = [rng.choice(names) for _ in range(rng.randint(1, 6))]
    if not chosen or rng.random() < 0.3:
        pipeline = [rng.choice(("default<Oz>", "default<Os>", "default<O2>", "default<O1>"))]
        return known.nest(
            rng.choice((few + pipeline, pipeline + few, ["always-inline", *few], few[:2] + pipeline + few[2:]))
        )
    parents = [[element.spelling for element in PassList.parse(rng.choice(chosen)).passes()] for _ in range(2)]
    one, other = parents
    match rng.randrange(4):
        case 0:
            child = one[: rng.randint(0, len(one))] + other[rng.randint(0, len(other)) :]
        case 1:
            at = rng.randint(0, len(one))
            child = one[:at] + few[:2] + one[at:]
        case 2:
            child = [name for name in one if rng.random() < 0.7]
        case _:
            child = one + other
    return known.nest(child[:40] or few)


def measure(workers: Workers[Job, Evaluation], units: list[bytes], lists: list[str]) -> dict[str, list[int]]:
    """Bytes of each unit under each list; a failure counts as larger than anything."""
    answers = workers.map(Job(unit, passes, limits=LIMITS) for unit in units for passes in lists)
    table: dict[str, list[int]] = {passes: [] for passes in lists}
    for _ in units:
        for passes in lists:
            answer = next(answers)
            table[passes].append(answer.size.total if isinstance(answer, Evaluation) else 1 << 40)
    return table


def greedy(sizes: dict[str, list[int]], baseline: list[int], count: int) -> list[str]:
    best, chosen = list(baseline), []
    for _ in range(count):
        saved = {p: sum(max(0, b - s) for b, s in zip(best, row, strict=True)) for p, row in sizes.items()}
        passes = max(saved, key=lambda p: (saved[p], -len(p), p), default=None)
        if passes is None or not saved[passes]:
            break
        chosen.append(passes)
        best = [min(b, s) for b, s in zip(best, sizes[passes], strict=True)]
    return chosen


def gain(sizes: dict[str, list[int]], baseline: list[int], chosen: list[str]) -> float:
    best = [min(column) for column in zip(baseline, *(sizes[p] for p in chosen), strict=True)]
    return 100 * (1 - sum(best) / sum(baseline))


_VERDICTS: dict[str, bool] = {}


def trusted(
    toolchain: Toolchain, workers: Workers[Job, Evaluation], programs: list[Source], modules: list[bytes], passes: str
) -> bool:
    """Whether every example that the list can compile still passes its own checks."""
    if passes not in _VERDICTS:
        answers = workers.map(Job(module, passes, limits=LIMITS, keep=True) for module in modules)
        _VERDICTS[passes] = all(
            runs(toolchain, answer.bitcode)
            for answer in list(answers)
            if isinstance(answer, Evaluation) and answer.bitcode
        )
    return _VERDICTS[passes]


def runs(toolchain: Toolchain, module: bytes) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        built, program = Path(folder, "unit.o"), Path(folder, "program")
        try:
            built.write_bytes(lower(toolchain, module, SHIP))
            link(toolchain, [built], program, "-lm")
            done = subprocess.run([program], capture_output=True, timeout=20, check=False, env={"PATH": os.defpath})
        except (CompileError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0


if __name__ == "__main__":
    main()
