"""What searches gain over -Oz against evaluations for a unit, and what the bookkeeping costs.

    python bench/tune.py CORPUS [--split test] [--functions 100] [--modules 10] [--portfolio FILE] [--longest 1000]
    python bench/tune.py CORPUS --speed [--ray]
    python bench/tune.py --check 60 [--suite examples ...]

Curves: every strategy, both size protocols, on the same units; the portfolio must have been learned on other projects
(the shipped one is: it comes from the train split). Speed: evaluations a second of `llmc tune`'s engine, with a worker
for each core, against those of the bare evaluator on the same lists, and of Ray on this machine against the engine.
Check: the share of random lists that PassListEval rejects, what a list costs, and which passes are to blame.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from llm_compiler.autotune.deny import denied, load_denied
from llm_compiler.autotune.engines import here, on_ray
from llm_compiler.autotune.gain import gain
from llm_compiler.autotune.label import Tried
from llm_compiler.autotune.passlisteval import PassListEval, blame
from llm_compiler.autotune.portfolio import load
from llm_compiler.autotune.search import STRATEGIES
from llm_compiler.autotune.searcher import Searcher, Settings, Task
from llm_compiler.autotune.suites import load_suites
from llm_compiler.autotune.tune import TOLERATED, names_of
from llm_compiler.corpus.store import units
from llm_compiler.corpus.unit import Unit
from llm_compiler.llvm.evaluate import Evaluator, Job, oz_passes
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.size import PROTOCOLS
from llm_compiler.llvm.toolchain import Toolchain, find
from llm_compiler.llvm.vocabulary import vocabulary as ask
from llm_compiler.llvm.workers import Failure, Workers

BUDGETS = (1, 2, 5, 10, 30, 45, 50, 100, 400, 1000)
LARGEST = 3_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?")
    parser.add_argument("--split", default="test")
    parser.add_argument("--functions", type=int, default=100)
    parser.add_argument("--modules", type=int, default=10)
    parser.add_argument("--longest", type=int, default=1000, help="evaluations for a unit")
    parser.add_argument("--strategies", nargs="*", default=list(STRATEGIES))
    parser.add_argument("--protocols", nargs="*", default=list(PROTOCOLS))
    parser.add_argument("--portfolio", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", type=int, help="random lists for PassListEval")
    parser.add_argument("--suite", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    toolchain = find()
    vocabulary = ask(toolchain)
    if options.check:
        check(toolchain, vocabulary, options)
        return
    chosen = choose(options)
    kinds = [sum(unit.kind == kind for unit in chosen) for kind in ("function", "module")]
    projects = len({unit.project for unit in chosen})
    print(f"{kinds[0]} functions and {kinds[1]} modules of {projects} projects, split {options.split}\n")
    if options.speed:
        speed(chosen, toolchain, vocabulary, options)
        return
    for protocol in options.protocols:
        for kind in ("function", "module"):
            of_kind = [unit for unit in chosen if unit.kind == kind]
            if of_kind:
                curves(of_kind, kind, protocol, toolchain, vocabulary, options)


def choose(options: argparse.Namespace) -> list[Unit]:
    wanted = {"function": options.functions, "module": options.modules}
    found: dict[str, list[Unit]] = {kind: [] for kind in wanted}
    for unit in units(options.corpus, options.split):
        if unit.oz_ship and unit.instructions <= LARGEST:
            found[unit.kind].append(unit)
    # Ids are hashes: the lowest are as good as at random, and stay the same when the corpus grows.
    return [unit for kind, count in wanted.items() for unit in sorted(found[kind], key=lambda unit: unit.id)[:count]]


def searcher(
    name: str, budget: int, protocol: str, toolchain: Toolchain, vocabulary: Vocabulary, options: argparse.Namespace
) -> Searcher:
    known = [names_of(str(passes)) for passes in load(vocabulary, protocol, options.portfolio)]
    settings = Settings(name, budget, protocol, options.seed, minimising=0)
    oz = oz_passes(toolchain.version, PROTOCOLS[protocol])
    return Searcher(toolchain.library, vocabulary, settings, known, load_denied(toolchain.version), oz)


def run(function: Searcher, chosen: list[Unit], jobs: int) -> list[Tried]:
    tasks = [Task(unit.id, unit.text.encode()) for unit in chosen]
    ((_, records),) = here(function, [("all", tasks)], jobs, 30.0, lambda _: None)
    return records


def curves(
    chosen: list[Unit],
    kind: str,
    protocol: str,
    toolchain: Toolchain,
    vocabulary: Vocabulary,
    options: argparse.Namespace,
) -> None:
    budgets = [budget for budget in BUDGETS if budget <= options.longest]
    print(f"## {kind} units, protocol {protocol}\n")
    print("| search | lists | all bytes | geomean | median | improved | worst | failed |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.strategies:
        started = time.perf_counter()
        records = run(searcher(name, options.longest, protocol, toolchain, vocabulary, options), chosen, options.jobs)
        records = [record for record in records if record.oz]
        longest = max((len(record.trials) for record in records), default=0)
        for budget in budgets:
            pairs = [(record.oz, best(record, budget)) for record in records]
            figures = gain(pairs)
            failed = [trial.size is None for record in records for trial in record.trials[:budget]]
            print(
                f"| {name} | {budget} | {100 * figures.total:.2f} % | {100 * figures.geomean:.2f} % "
                f"| {100 * figures.median:.2f} % | {100 * figures.improved:.0f} % "
                f"| {100 * worst(records, budget):+.1f} % | {100 * statistics.fmean(failed):.1f} % |",
                flush=True,
            )
            if budget >= longest:
                break
        print(f"<!-- {name}: {time.perf_counter() - started:.0f} s -->", flush=True)
    print()


def best(record: Tried, budget: int) -> int:
    """With -Oz as the floor."""
    return min([record.oz, *(trial.size for trial in record.trials[:budget] if trial.size is not None)])


def worst(records: list[Tried], budget: int) -> float:
    """The largest growth of any unit without the floor: what its best list alone would have done."""
    growth = []
    for record in records:
        sizes = [trial.size for trial in record.trials[:budget] if trial.size is not None]
        growth += [min(sizes) / record.oz - 1] if sizes else []
    return max(growth, default=0.0)


# -- speed


def speed(chosen: list[Unit], toolchain: Toolchain, vocabulary: Vocabulary, options: argparse.Namespace) -> None:
    function = searcher("guided", 60, "ship", toolchain, vocabulary, options)
    tasks = [Task(unit.id, unit.text.encode()) for unit in chosen]
    parts = [(f"part-{at}", tasks[at : at + 64]) for at in range(0, len(tasks), 64)]  # as `llmc tune` cuts
    ratios: dict[str, list[float]] = {"engine": [], "ray": []}
    for _ in range(options.rounds):
        started = time.perf_counter()
        records = [
            record for _, of_part in here(function, parts, options.jobs, 30.0, lambda _: None) for record in of_part
        ]
        engine = sum(len(record.trials) for record in records) / (time.perf_counter() - started)
        jobs = list(same_lists(records, chosen, toolchain))
        started = time.perf_counter()
        with Workers(Evaluator(toolchain.library), count=options.jobs) as workers:
            failures = sum(isinstance(answer, Failure) for answer in workers.map(jobs))
        bare = len(jobs) / (time.perf_counter() - started)
        ratios["engine"].append(engine / bare)
        print(f"engine {engine:.1f}, bare {bare:.1f} evaluations per second: {engine / bare:.3f} ({failures} fail)")
        if options.ray:
            ratios["ray"].append(against_ray(function, parts, options))
    for name, values in ratios.items():
        if values:
            print(
                f"{name}: median {statistics.median(values):.3f}, all {', '.join(f'{value:.3f}' for value in values)}"
            )


def same_lists(records: list[Tried], chosen: list[Unit], toolchain: Toolchain) -> Iterator[Job]:
    """The evaluations that a search made, and -Oz, as jobs for the bare evaluator."""
    oz = oz_passes(toolchain.version, PROTOCOLS["ship"])
    for record, unit in zip(records, chosen, strict=True):
        yield Job(unit.text.encode(), oz)
        for trial in record.trials:
            if trial.reason != "denied":
                yield Job(unit.text.encode(), trial.passes)


def against_ray(function: Searcher, parts: list[tuple[str, list[Task]]], options: argparse.Namespace) -> float:
    """Without the seconds that Ray takes to start, which a run pays once."""
    import ray

    started = time.perf_counter()
    ray.init(address="local", log_to_driver=False, configure_logging=False)
    print(f"Ray starts in {time.perf_counter() - started:.1f} s")
    clocks = []
    for engine in (
        lambda: here(function, parts, options.jobs, 30.0, lambda _: None),
        lambda: on_ray(function, parts, "local", 30.0, lambda _: None),
    ):
        started = time.perf_counter()
        counted = sum(len(record.trials) for _, of_part in engine() for record in of_part)
        clocks.append(counted / (time.perf_counter() - started))
    print(f"here {clocks[0]:.1f}, ray {clocks[1]:.1f} evaluations per second: {clocks[1] / clocks[0]:.3f}")
    return clocks[1] / clocks[0]


def check(toolchain: Toolchain, vocabulary: Vocabulary, options: argparse.Namespace) -> None:
    rng = random.Random(options.seed)
    lists = [vocabulary.random_list(rng) for _ in range(options.check)]
    programs = load_suites(options.suite, default=True)
    with PassListEval(toolchain, programs, jobs=options.jobs, deny=(), tolerate=TOLERATED) as checker:
        print(f"{len(checker.programs)} programs, {len(checker.left_out)} left out\n")
        verdicts, seconds = [], []
        started = time.perf_counter()
        for verdict in checker.check(lists):
            verdicts.append(verdict)
            seconds.append(time.perf_counter() - started)
            started = time.perf_counter()
        counts = Counter(verdict.reason for verdict in verdicts)
        entries = [entry for passes in lists if (entry := blame(checker, passes)) is not None]
    rejected = sum(not verdict.ok for verdict in verdicts)
    print(f"rejected {rejected} of {len(lists)} ({100 * rejected / len(lists):.0f} %; the paper: 9.85 %)")
    print(", ".join(f"{count} {reason}" for reason, count in counts.most_common()))
    of = {
        ok: [took for took, verdict in zip(seconds, verdicts, strict=True) if verdict.ok is ok] for ok in (True, False)
    }
    for ok, name in ((True, "passes"), (False, "is rejected")):
        if of[ok]:
            print(f"seconds for a list that {name}, {options.jobs} workers: median {statistics.median(of[ok]):.1f}")
    known = load_denied(toolchain.version)
    new = [entry for entry in entries if not denied(vocabulary.nest(entry.passes), known)]
    print(f"to blame: {Counter(','.join(entry.passes) for entry in entries).most_common()}")
    print(f"of these not on the deny list: {[(entry.passes, entry.program, entry.detail) for entry in new]}")


if __name__ == "__main__":
    random.seed(0)
    main()
