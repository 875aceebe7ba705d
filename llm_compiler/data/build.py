"""The data of a recipe: units and labels in, rows to train on out.

    DIR/data.json                  what the folder is for; written first, so that a rerun knows whether it may resume
    DIR/tokenizer/                 the tokenizer that the rows are made with
    DIR/units, DIR/documents       see `documents`; not needed once the rows are there, but for saying whence they came
    DIR/rows/STAGE/SPLIT/          see `rows`
    DIR/report.json                written last: its presence says that the folder is complete
    DIR/times.jsonl, packing.json  seconds, which no two runs share

Everything appears whole or not at all, and but for the times two builds of the same give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from llm_compiler.autotune.label import Label, read_summary
from llm_compiler.corpus import store
from llm_compiler.corpus.store import read_table
from llm_compiler.corpus.unit import SPLITS, Split
from llm_compiler.data import rows as rowsfiles
from llm_compiler.data.documents import Made, Order, UnitParts, make
from llm_compiler.data.examples import Item, Maker, Step, load_tokenizer, settings_of
from llm_compiler.data.folder import DataError, rows_of
from llm_compiler.data.mixture import ANSWER, LENGTH, LINE, SHARD, SOURCE, Chosen, budget_of, choose, read_pools
from llm_compiler.data.recipe import Recipe
from llm_compiler.data.rows import COLUMNS, Rows, pack
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Limits, Workers
from llm_compiler.model.foreign import AnyTokenizer
from llm_compiler.tasks.task import Task

FORMAT = 1
_SECONDS = 60.0
"""CPU time of one example, where the task's settings do not say it."""
_KNOWN_LISTS = 100
_MARGIN = 1.05
"""Documents to make for one token that is wanted: some turn out to be in another split too."""
OnProgress = Callable[[float, str], object]
"""Called with the share of a phase that is done, and what is being done."""


@dataclass(frozen=True)
class Options:
    """How to build; only `limit_units` changes what is built."""

    jobs: int = 1
    limit_units: int | None = None
    """At most so many units of each split."""


def build(
    recipe: Recipe,
    corpus: Path,
    label_folders: Sequence[Path],
    out: Path,
    toolchain: Toolchain,
    vocabulary: Vocabulary,
    options: Options,
    tasks: Mapping[str, Task],
    on_progress: OnProgress = lambda _share, _doing: None,
) -> dict[str, Any]:
    """Fill the folder, or go on with it, and return its report.

    DataError, CorpusError, RecipeError, TokenizerError or ValueError, each of one line, for what cannot be.
    """
    settings = settings_of(recipe, tasks)
    tokenizer = load_tokenizer(recipe.tokenizer)
    manifest = store.read_manifest(corpus)
    summaries = [read_summary(folder) for folder in label_folders]
    for folder, found in zip((corpus, *label_folders), (manifest, *summaries), strict=True):
        if found["llvm"] != toolchain.version:
            raise DataError(f"{folder} was made with LLVM {found['llvm']}, this is {toolchain.version}")
    header = {
        "format": FORMAT,
        "recipe": recipe.data_digest,
        "corpus": _digest(manifest),
        "labels": [_digest(summary) for summary in summaries],
        "tokenizer": tokenizer.fingerprint,
        "llvm": toolchain.version,
        "tasks": {name: tasks[name].version for name in settings},
        "limit on units": options.limit_units,
        "context": recipe.model.context,
        "dialect": recipe.data.dialect,
        "seed": recipe.seed,
    }
    store.open_folder(out, "data.json", header, "folder of rows")
    with store.locked(out / "data.json"):
        report = store.read_json(out / "report.json")
        if report is not None:
            return report
        tokenizer.save(out / "tokenizer")
        labels = _read_labels(label_folders, summaries, recipe.data.dialect)
        settings = {name: _with_lists(one, labels) for name, one in settings.items()}
        maker = Maker(toolchain, vocabulary, recipe.tokenizer, recipe.model.context, recipe.seed, tasks, settings)
        made: dict[tuple[str, Split], Made] = {}

        def limits(item: Item) -> Limits:
            return Limits(seconds=getattr(settings[item.task], "seconds", _SECONDS))

        with Workers[Item, list[Step]](maker, count=options.jobs, limits=limits) as workers:
            for split in SPLITS:
                parts = UnitParts(corpus, out, split, recipe.seed, labels.keys(), options.limit_units)
                for task in settings:
                    only_labelled = bool(getattr(tasks[task], "needs_label", False))
                    order = Order(task, split, _enough(recipe, task, split), only_labelled)
                    made[task, split] = make(order, parts, labels, out, workers, on_progress)
        return _pack(recipe, header, made, out, tokenizer, on_progress)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _read_labels(
    folders: Sequence[Path], summaries: Sequence[Mapping[str, Any]], dialect: str
) -> dict[str, tuple[Label, ...]]:
    """The labels of all folders by unit, one of each protocol: of two the smaller; without what else was tried."""
    protocols = sorted({summary["protocol"] for summary in summaries})
    if len(protocols) > 1 and dialect == "verbatim":
        known = ", ".join(protocols)
        raise DataError(f"the labels are of different protocols, {known}, which a verbatim prompt does not tell apart")
    columns = [name for name in Label.__annotations__ if name != "trials"]
    found: dict[tuple[str, str], Label] = {}
    for folder in folders:
        for part in sorted((folder / "labels").glob("part-*.parquet")):
            for row in pq.read_table(part, columns=columns).to_pylist():
                label = Label(**row, trials=())
                key = (label.unit, label.protocol)
                if label.oz and (key not in found or label.size < found[key].size):
                    found[key] = label
    by_unit: dict[str, tuple[Label, ...]] = {}
    for unit, protocol in sorted(found):
        by_unit[unit] = (*by_unit.get(unit, ()), found[unit, protocol])
    return by_unit


def _with_lists(settings: Any, labels: Mapping[str, Sequence[Label]]) -> Any:
    """A task that can draw from known pass lists knows those that most labels have, unless the recipe names some."""
    if getattr(settings, "known", None) != ():
        return settings
    counts = Counter(label.passes for of_unit in labels.values() for label in of_unit if label.passes)
    ranked = sorted(counts, key=lambda passes: (-counts[passes], passes))
    return replace(settings, known=tuple(ranked[:_KNOWN_LISTS]))


def _enough(recipe: Recipe, task: str, split: Split) -> Callable[[Mapping[str, int]], float]:
    """How much there is of what all stages want of a task, in tokens by source."""
    wanted: dict[str, float] = {}
    for stage in recipe.stages:
        for share in stage.mixture:
            if share.task == task:
                budget = _MARGIN * budget_of(stage, split, recipe) * share.share
                budget /= stage.epochs if split == "train" else 1
                wanted[share.source] = max(budget, wanted.get(share.source, 0.0))

    def enough(tokens: Mapping[str, int]) -> float:
        return min(
            (tokens.get(source, 0) if source else sum(tokens.values())) / max(1.0, budget)
            for source, budget in wanted.items()
        )

    return enough


# -- packing


def _pack(
    recipe: Recipe,
    header: Mapping[str, Any],
    made: Mapping[tuple[str, Split], Made],
    out: Path,
    tokenizer: AnyTokenizer,
    on_progress: OnProgress,
) -> dict[str, Any]:
    started = time.monotonic()
    shards = [path for one in made.values() for path in one.shards]
    pools, dropped = read_pools(
        {key: one.shards for key, one in made.items()}, {path: number for number, path in enumerate(shards)}
    )
    chosen = choose(recipe, pools)
    packed = 0
    for number, ((stage, split), documents) in enumerate(chosen.items()):
        on_progress(number / len(chosen), f"packing {stage}, {split}")
        folder = out / "rows" / stage / split
        if not (folder / "manifest.json").exists():
            store.check_space(out)
            write_rows(folder, documents, shards, out, {**header, "stage": stage, "split": split}, tokenizer)
            packed += int(documents.documents[:, LENGTH].sum())
    _check_splits(recipe, out)
    if packed:
        store.write_json(out / "packing.json", {"tokens": packed, "seconds": time.monotonic() - started})
    report = _report(recipe, header, made, chosen, dropped, out)
    store.write_json(out / "report.json", report)
    return report


def write_rows(
    folder: Path, chosen: Chosen, shards: Sequence[Path], out: Path, header: Mapping[str, Any], tokenizer: AnyTokenizer
) -> None:
    """Write one stage's rows of one split beside, then rename."""
    documents, context = chosen.documents, int(header["context"])
    rows, places = pack(documents[:, LENGTH].tolist(), context)
    count = int(rows.max()) + 1 if len(rows) else 0
    order = list(range(count))
    random.Random(f"{header['seed']} {header['stage']} {header['split']} rows").shuffle(order)
    rows = np.array(order, np.int64)[rows] if count else rows
    partial = folder.with_name(f".{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / "tokens.bin").touch()
    if count:
        tokens = np.memmap(partial / "tokens.bin", "<u2", "w+", shape=(count, context))
        if tokenizer.pad:
            tokens[:] = tokenizer.pad
        # Shards are read one after the other; where their documents go is what is at random.
        by_shard = np.lexsort((documents[:, LINE], documents[:, SHARD]))
        for shard, group in groupby(by_shard.tolist(), key=lambda one: int(documents[one, SHARD])):
            column = read_table(shards[shard], ["tokens"])["tokens"]
            for one in group:
                ids = np.frombuffer(column[int(documents[one, LINE])].as_buffer(), "<u2")
                tokens[rows[one], places[one] : places[one] + len(ids)] = ids
        tokens.flush()
    used = sorted(set(documents[:, SHARD].tolist()))
    renumbered = np.searchsorted(used, documents[:, SHARD]) if used else documents[:, SHARD]
    values = {
        "row": rows,
        "start": places,
        "answer": places + documents[:, ANSWER],
        "end": places + documents[:, LENGTH],
        "source": documents[:, SOURCE],
        "shard": renumbered,
        "line": documents[:, LINE],
    }
    in_order = np.lexsort((places, rows))
    (partial / "documents.bin").write_bytes(
        np.stack([values[name][in_order] for name in COLUMNS]).astype("<u4").tobytes()
    )
    manifest = {
        **header,
        "format": rowsfiles.FORMAT,
        "vocabulary": tokenizer.vocabulary_size,
        "rows": count,
        "documents": len(documents),
        **_sizes(documents),
        "sources": [
            {**asdict(source), **_sizes(documents[documents[:, SOURCE] == number])}
            for number, source in enumerate(chosen.sources)
        ],
        "shards": [str(shards[shard].relative_to(out)) for shard in used],
    }
    store.write_json(partial / "manifest.json", manifest)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def _sizes(documents: rowsfiles.Integers) -> dict[str, int]:
    tokens = int(documents[:, LENGTH].sum())
    return {"documents": len(documents), "tokens": tokens, "learnt": tokens - int(documents[:, ANSWER].sum())}


def _check_splits(recipe: Recipe, out: Path) -> None:
    """Read all that was written: DataError if an example is in two splits."""
    questions = {
        split: set().union(*(Rows(rows_of(out, stage.name, split)).questions() for stage in recipe.stages))
        for split in SPLITS
    }
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        if shared := len(questions[one] & questions[other]):  # type: ignore[index] # both are splits
            raise DataError(f"{out}: {shared} examples are in {one} and in {other}: this is a bug")


def _report(
    recipe: Recipe,
    header: Mapping[str, Any],
    made: Mapping[tuple[str, Split], Made],
    chosen: Mapping[tuple[str, Split], Chosen],
    dropped: Counter[str],
    out: Path,
) -> dict[str, Any]:
    stages: dict[str, dict[str, Any]] = {}
    for (stage, split), documents in chosen.items():
        manifest = rowsfiles.read_manifest(rows_of(out, stage, split))
        room = manifest["rows"] * manifest["context"]
        stages.setdefault(stage, {})[split] = {
            **{key: manifest[key] for key in ("rows", "documents", "tokens", "learnt", "sources")},
            "padding": round(1 - manifest["tokens"] / room, 4) if room else 0.0,
            "shares": [asdict(one) for one in documents.taken],
        }
    ran_out = [
        {"stage": stage, "split": split, **asdict(one)}
        for (stage, split), documents in chosen.items()
        for one in documents.taken
        if one.taken < one.wanted
    ]
    return {
        **header,
        "stages": stages,
        "ran out": ran_out,
        "documents": {task: {split: made[task, split].counts.as_json() for split in SPLITS} for task, _ in made},
        "dropped": dict(sorted(dropped.items())),
        "examples in two splits": 0,
    }


def origin(out: Path, shard: str, line: int) -> dict[str, str]:
    """Unit, project and replay of a document; empty where the documents were not kept."""
    path = out / shard
    if not path.exists():
        return {}
    found: dict[str, str] = read_table(path, ["unit", "project", "replay"]).slice(line, 1).to_pylist()[0]
    return found


def read_times(out: Path) -> dict[str, Any]:
    """Documents per CPU second by task, and tokens packed per second: of the runs that filled the folder."""
    documents: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    path = out / "times.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            one = json.loads(line)
        except ValueError:  # a run that was killed while writing
            continue
        documents[one["task"]] += one["documents"]
        seconds[one["task"]] = seconds.get(one["task"], 0.0) + one["seconds"]
    packing = store.read_json(out / "packing.json")
    return {
        "documents per core-second": {task: round(documents[task] / (seconds[task] or 1), 1) for task in seconds},
        "tokens packed per second": round(packing["tokens"] / packing["seconds"]) if packing else None,
    }
