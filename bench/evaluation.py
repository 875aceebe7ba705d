"""What `llmc evaluate` costs on top of the compiler: judged answers a second against the bare evaluator's evaluations.

    python bench/evaluation.py --corpus corpus/ [--functions 150] [--rounds 5]

Both do the same lists (the portfolio's and random ones) on the same units with as many workers. Ours also puts the
question, reads each list out of an answer's text, looks it up in the deny list, compares symbols with -Oz's object, and
writes the answers as Parquet. The goal is 0.9.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from llm_compiler.corpus import store
from llm_compiler.corpus.unit import Unit
from llm_compiler.evaluation.answer import Answer, Question, answers, read_questions, systems
from llm_compiler.evaluation.judge import Posed
from llm_compiler.evaluation.run import Machinery, Plan, evaluate
from llm_compiler.evaluation.systems import Lists, random_search, the_portfolio
from llm_compiler.llvm.evaluate import Evaluator, Job
from llm_compiler.llvm.toolchain import find
from llm_compiler.llvm.vocabulary import vocabulary
from llm_compiler.llvm.workers import Workers
from llm_compiler.tasks import flag_tuning


class Quiet:
    """Says nothing."""

    def begin(self, task: str, system: str, questions: int) -> None:
        """Not even this."""

    def advance(self, judged: Sequence[Answer], question: Question) -> None:
        """Nor this."""


def ours(folder: Path, system: Lists, machinery: Machinery) -> tuple[int, float]:
    """Answers and seconds."""
    shutil.rmtree(folder / "answers", ignore_errors=True)
    started = time.perf_counter()
    evaluate(folder, Plan(("ship",)), ["flag_tuning"], [system], machinery, Quiet())
    seconds = time.perf_counter() - started
    return sum(1 for _ in answers(systems(folder, "flag_tuning")[system.name])), seconds


def bare(folder: Path, system: Lists, units: dict[str, Unit], machinery: Machinery) -> tuple[int, float]:
    """The same lists; evaluations and seconds. The workers start within the time, as ours do."""
    jobs = []
    for question in read_questions(folder, "flag_tuning"):
        unit = units[question.unit]
        posed = Posed(question, flag_tuning.ask_of(unit, "ship"), ())
        lists = [said.text or "" for said in system.answer(posed)]
        jobs += [Job(unit.text.encode(), flag_tuning.parse(text).passes[0]) for text in lists]
    started = time.perf_counter()
    with Workers(Evaluator(machinery.toolchain.library), count=machinery.jobs) as workers:
        count = sum(1 for _ in workers.map(jobs))
    return count, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--functions", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    toolchain = find()
    machinery = Machinery(toolchain, vocabulary(toolchain), len(os.sched_getaffinity(0)))
    some = sorted((one for one in store.units(given.corpus, "test") if one.kind == "function"), key=lambda one: one.id)
    units = {one.id: one for one in some[: given.functions]}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "units").mkdir()
        store.write_units(folder / "units" / "part-00000.parquet", units.values())
        store.write_json(folder / "benchmark.json", {"name": "bench", "version": "0"})
        for system in (the_portfolio(machinery.vocabulary, 100), random_search(machinery.vocabulary, 50, 0)):
            ratios, rates = [], []
            for _ in range(given.rounds):
                count, seconds = ours(folder, system, machinery)
                known, bare_seconds = bare(folder, system, units, machinery)
                assert count == known
                rates.append(count / seconds)
                ratios.append(bare_seconds / seconds)
            shown = ", ".join(f"{ratio:.3f}" for ratio in sorted(ratios))
            print(
                f"{system.name}: {count:,} answers on {len(units)} functions, {machinery.jobs} workers: "
                f"{statistics.median(rates):.0f} judged a second, "
                f"{statistics.median(ratios):.3f} of the bare evaluator's rate ({shown})"
            )


if __name__ == "__main__":
    main()
