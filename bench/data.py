"""What making data costs: examples per core-second of each task, tokens packed per second, bytes per token packed away.

    python bench/data.py CORPUS [--labels DIR] [--units 1000] [--context 4096]

CORPUS is a complete one (`llmc corpus build --default --out CORPUS`). Examples are made of a sample of the function
units of its training split, end to end: read by the task, optimised by LLVM, printed, written in the compact dialect,
tokenised. CPU time is the worker's and this process's. What is left out costs time and does not count.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_compiler.autotune.label import Label, labels
from llm_compiler.corpus.store import read_columns, shards, units
from llm_compiler.corpus.unit import Unit
from llm_compiler.data.archive import pack
from llm_compiler.data.build import Options, build, read_times
from llm_compiler.data.examples import Document, Item, Maker, Spent, Step
from llm_compiler.data.recipe import Data, Model, Recipe, Share, Stage, TokenizerChoice
from llm_compiler.llvm.toolchain import find
from llm_compiler.llvm.vocabulary import vocabulary
from llm_compiler.llvm.workers import Failure, Workers
from llm_compiler.tasks import disassembly, emulation, flag_tuning, ir_modeling
from llm_compiler.tasks.catalogue import TASKS

ENOUGH = 10_000_000_000
PER_UNIT = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--labels", type=Path, help="of functions: what `llmc tune` made")
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--context", type=int, default=4096)
    parser.add_argument("--only-examples", action="store_true", help="skip the packing")
    options = parser.parse_args()
    known = {} if options.labels is None else {one.unit: replace(one, trials=()) for one in labels(options.labels)}
    chosen = list(sample(options.corpus, options.units))
    longest = 6 * options.context
    settings: dict[str, Any] = {
        "ir_modeling": ir_modeling.Settings("compact", aarch64_share=0),
        "emulation": emulation.Settings("compact", per_unit=PER_UNIT, longest=longest),
        "disassembly": disassembly.Settings("compact", aarch64_share=0, longest=longest),
    }
    if known:
        settings["flag_tuning"] = flag_tuning.Settings("compact", longest=longest)
    for task in settings:
        print(f"{task:12} {examples(task, chosen, known, settings, options.context)}", flush=True)
    if not options.only_examples:
        packing(options.corpus, options.units, options.context)


def sample(corpus: Path, count: int) -> Iterator[Unit]:
    """Function units of the training split: those with the lowest ids, which is as good as at random."""
    rows = (row for shard in shards(corpus, "train") for row in read_columns(shard, ["id", "kind"]))
    ids = set(sorted(row["id"] for row in rows if row["kind"] == "function")[:count])
    return (unit for unit in units(corpus, "train") if unit.id in ids)


def examples(task: str, chosen: list[Unit], known: dict[str, Label], settings: dict[str, Any], context: int) -> str:
    toolchain = find()
    maker = Maker(toolchain, vocabulary(toolchain), TokenizerChoice(), context, 0, TASKS, settings)
    items = [Item(task, unit, known.get(unit.id)) for unit in chosen if task != "flag_tuning" or unit.id in known]
    counts: Counter[str] = Counter()
    tokens, worker = 0, 0.0
    own = time.process_time()
    with Workers[Item, list[Step]](maker, count=1) as workers:
        for answer in workers.map(items):
            for step in [answer] if isinstance(answer, Failure) else answer:
                if isinstance(step, Spent):
                    worker += step.seconds
                    continue
                for one in step if isinstance(step, tuple) else (step,):
                    counts["made" if isinstance(one, Document) else one.reason] += 1
                    tokens += len(one.tokens) // 2 if isinstance(one, Document) else 0
    own = time.process_time() - own
    made = counts.pop("made", 0)
    left_out = ", ".join(f"{count:,} {why}" for why, count in counts.most_common()) or "nothing"
    return (
        f"{made / (worker + own):7.1f} examples and {tokens / (worker + own):9,.0f} tokens per core-second; "
        f"{made:,} of {len(items):,} units, {100 * own / (worker + own):.1f} % of the time not in the worker; "
        f"left out: {left_out}"
    )


def packing(corpus: Path, count: int, context: int) -> None:
    shares = (Share("ir_modeling", "", 1.0),)
    recipe = Recipe(
        Model("nano", context),
        TokenizerChoice(),
        Data("compact", 1),
        (Stage("text", ENOUGH, shares, replay=0),),
        {"ir_modeling": {"aarch64_share": 0}},
    )
    toolchain = find()
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "data"
        report = build(recipe, corpus, (), out, toolchain, vocabulary(toolchain), Options(2, limit_units=count), TASKS)
        stage = report["stages"]["text"]["train"]
        archive = Path(place) / "data.tar.xz"
        started = time.process_time()
        size = pack(out, archive)
        seconds = time.process_time() - started
        print(
            f"packing      {read_times(out)['tokens packed per second']:,} tokens per second "
            f"({stage['tokens']:,} in {stage['rows']:,} rows of {context}, {100 * stage['padding']:.2f} % padding); "
            f"archive: {size / stage['tokens']:.3f} bytes per token, {stage['tokens'] / seconds:,.0f} tokens per second"
        )


if __name__ == "__main__":
    main()
