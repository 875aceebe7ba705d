"""Benchmarks: named, versioned sets of units, from a corpus or from code that somebody brings.

    DIR/taken.json                       what the benchmark is taken from; written first, so that a rerun may resume
    DIR/benchmark/                       code that is no corpus yet, as a corpus whose test split holds all of it
    DIR/units/part-00000.parquet         the units
    DIR/benchmark.json                   the manifest, written last

The version is a digest of the units' ids, and these are hashes of the units' texts: two benchmarks of the same name and
version hold the same code, whatever it was made from. Overlap with training data is counted, never hidden.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from llm_compiler.autotune.tune import Selection, chosen
from llm_compiler.corpus import build, sources, store
from llm_compiler.corpus.build import Options, Progress, Task
from llm_compiler.corpus.commands import CompileCommand, printable
from llm_compiler.corpus.duplicates import THRESHOLD, new_index, sketch_of
from llm_compiler.corpus.store import CorpusError
from llm_compiler.corpus.unit import Unit
from llm_compiler.llvm.toolchain import Toolchain

FORMAT = 1
NOT_PART = "not part of the suite"
_DATABASE = "compile_commands.json"
_UNITS_IN_PART = 1000
_BYTES_IN_PART = 16 << 20
_FILES_FAILED = re.compile(r"file\b.*|module does not verify")
"""Reasons of a corpus that a whole file went for; the others are of units."""


# -- suites


@dataclass(frozen=True)
class Suite:
    """How the tree of a known suite is read: an entry of data/suites.toml, where the fields are described."""

    name: str
    about: str
    get: str
    licence: str
    trees: Sequence[Sequence[str]]
    program: str
    include: Sequence[str] = ()
    left_out: Sequence[Mapping[str, str]] = ()
    flags: Sequence[Mapping[str, Any]] = ()

    def is_in(self, folder: Path) -> bool:
        """Whether a folder looks like the suite's tree."""
        return any(all((folder / mark).exists() for mark in tree) for tree in self.trees)

    def programs(self, root: Path) -> tuple[dict[tuple[str, str], list[str]], Counter[str]]:
        """The files of each program, by its folder and name, in order; and how many others there are, by reason."""
        found: dict[tuple[str, str], list[str]] = {}
        others: Counter[str] = Counter()
        for path, reason in sources.sources_below(str(root)):
            below = posixpath.relpath(path, root)
            program = re.match(self.program, below)
            reasons = [entry["why"] for entry in self.left_out if re.match(entry["files"], below)]
            if reason == "link" or reasons or not program:
                others["link" if reason == "link" else reasons[0] if reasons else NOT_PART] += 1
            else:
                found.setdefault((program[0], program[1]), []).append(path)
        return found, others

    def flags_for(self, below: str) -> list[str]:
        """What a file, named from the tree's root, is compiled with beside what is guessed."""
        return [flag for entry in self.flags if re.match(entry["files"], below) for flag in entry["flags"]]


def suites() -> list[Suite]:
    """The suites that there are recipes for."""
    text = resources.files("llm_compiler.evaluation").joinpath("data", "suites.toml").read_text("utf-8")
    return [Suite(**table) for table in tomllib.loads(text)["suite"]]


def suite_of(folder: Path, name: str | None = None) -> Suite | None:
    """The suite that lies in a folder: the one of that name, else the one that it looks like. CorpusError.

    A folder with a compile_commands.json is read as that says, and a suite of no name is none.
    """
    known = {suite.name: suite for suite in suites()}
    if name is not None:
        if name not in known:
            raise CorpusError(f"no suite {name}: there are recipes for {', '.join(known)}")
        return known[name]
    if (folder / _DATABASE).is_file():
        return None
    return next((suite for suite in known.values() if suite.is_in(folder)), None)


def _programs_of(suite: Suite, root: Path, work: Path, toolchain: Toolchain) -> tuple[list[Task], Counter[str]]:
    """A task for each program, headers being looked for in its own folder; and the files that are of none."""
    programs, others = suite.programs(root)
    extra = [root / name for name in suite.include if (root / name).is_dir()]
    licence = sources.project_of(root).licence
    tasks = []
    for (folder, name), paths in programs.items():
        project = sources.project_of(root / folder.rstrip("/"))
        own = licence if project.licence == sources.UNKNOWN else project.licence
        found = sources.of_files(replace(project, name=printable(name), licence=own), paths, work, toolchain, extra)
        tasks.append(
            Task(
                f"{suite.name}/{folder}",
                found=tuple(
                    replace(entry, flags=(*suite.flags_for(posixpath.relpath(entry.path, root)), *entry.flags))
                    if isinstance(entry, CompileCommand) and entry.language != "ir"
                    else entry
                    for entry in found
                ),
            )
        )
    return tasks, others


# -- taking one


def take(
    out: Path,
    source: str | Path,
    selection: Selection,
    toolchain: Toolchain,
    *,
    suite: str | None = None,
    training: Path | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Fill `out` with the benchmark that `source` gives, or go on with it; its manifest. CorpusError, SourceError.

    `source` is a corpus, or whatever a corpus is built from: a folder of C, C++ or IR, one such file, a
    compile_commands.json. `suite` is the recipe that a folder must be read with, if it is not to be recognised.
    The selection's split is for a corpus; of other code all is taken, unless the selection sets limits.
    Overlap is counted with the corpus at `training`, if there is one.
    """
    text = os.fspath(source) if os.fspath(source).startswith("debian:") else str(Path(source).absolute())
    header = {"format": FORMAT, "source": printable(text), "suite": suite, **asdict(selection)}
    header["llvm"] = toolchain.version
    store.open_folder(out, "taken.json", header, "benchmark")
    with store.locked(out / "taken.json"):
        manifest = store.read_json(out / "benchmark.json")
        if manifest is None:
            manifest = _taken(out, text, selection, toolchain, suite, Options(jobs, split="test"), progress)
        asked = None if training is None else printable(str(training.absolute()))
        if training is not None and (manifest["overlap"] or {}).get("training") != asked:
            manifest["overlap"] = {"training": asked, **overlap(units(out), training)}
        if manifest != store.read_json(out / "benchmark.json"):
            store.write_json(out / "benchmark.json", manifest)
        return manifest


def units(out: Path) -> Iterator[Unit]:
    """The units of a benchmark that has been taken, in their order."""
    for part in sorted((out / "units").glob("part-*.parquet")):
        yield from store.read_units(part)


def _taken(
    out: Path,
    text: str,
    selection: Selection,
    toolchain: Toolchain,
    suite: str | None,
    options: Options,
    progress: Progress | None,
) -> dict[str, Any]:
    folder = Path(text)
    recipe: Suite | None = None
    if (folder / "corpus.json").is_file():
        corpus, name, counts = folder, f"corpus-{selection.split}", {}
        made_with = store.read_manifest(corpus)["llvm"]
        if made_with != toolchain.version:
            raise CorpusError(f"{corpus} was made with LLVM {made_with}, this is {toolchain.version}")
    else:
        selection = replace(selection, split="test")
        recipe = suite_of(folder, suite) if folder.is_dir() else None
        corpus, name = out / "benchmark", recipe.name if recipe else printable(folder.resolve().name)
        counts = _build(corpus, text, recipe, toolchain, options, progress or Progress())
    ids = chosen(corpus, selection)
    if not ids:
        raise CorpusError(f"{printable(text)}: no unit to evaluate; {_why(counts)}")
    _write_units(out, corpus, selection, ids)
    listed = [{key: getattr(unit, key) for key in ("id", "kind", "project", "file", "name")} for unit in units(out)]
    return {
        "name": name,
        "version": hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:12],
        "source": printable(text),
        "suite": None if recipe is None else asdict(recipe),
        "llvm": toolchain.version,
        "counts": {**counts, **_kinds(row["kind"] for row in listed), "left out": _left_out(corpus, selection, ids)},
        "overlap": None,
        "units": listed,
    }


def _build(
    corpus: Path, text: str, recipe: Suite | None, toolchain: Toolchain, options: Options, progress: Progress
) -> dict[str, Any]:
    """Make a corpus of code, all of it in the test split; what became of its files."""
    others: Counter[str] = Counter()
    if recipe is not None:
        store.open_for_building(corpus, toolchain.version, options.translation_units)
        tasks, others = _programs_of(recipe, Path(text), corpus / "work", toolchain)
    else:
        database = Path(text) / _DATABASE
        tasks = [Task(one.text, one) for one in sources.parse(str(database) if database.is_file() else text)]
    manifest = build.build(tasks, corpus, toolchain, options, progress)
    failed = {why: count for why, count in manifest["dropped"].items() if _FILES_FAILED.fullmatch(why)}
    return {
        "files": manifest["files"],
        "compiled": sum(manifest["compiled"].values()),
        "failed": failed,
        "dropped": {why: count for why, count in manifest["dropped"].items() if why not in failed},
        "skipped": dict(sorted((others + Counter(manifest["skipped"])).items())),
        "programs": {
            project["project"]: {"files": project["files"], "compiled": sum(project["compiled"].values())}
            for project in manifest["projects"]
        },
    }


def _why(counts: Mapping[str, Any]) -> str:
    if not counts:
        return "the selection leaves none"
    reasons = Counter(counts["failed"]) + Counter(counts["dropped"]) + Counter(counts["skipped"])
    said = ", ".join(f"{count} {why}" for why, count in reasons.most_common(3))
    return f"{counts['compiled']} of {counts['files']} files compile" + (f" ({said})" if said else "")


def _write_units(out: Path, corpus: Path, selection: Selection, ids: set[str]) -> None:
    partial, folder = out / "units.partial", out / "units"
    for leftover in (partial, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    taken = store.units_with(corpus, selection.split, ids)
    parts = store.in_parts(taken, lambda unit: len(unit.text), _UNITS_IN_PART, _BYTES_IN_PART)
    for number, part in enumerate(parts):
        store.write_units(partial / f"part-{number:05}.parquet", part)
    partial.replace(folder)


def _kinds(kinds: Iterable[str]) -> dict[str, int]:
    counted = Counter(kinds)
    return {"units": counted.total(), "function units": counted["function"], "module units": counted["module"]}


def _left_out(corpus: Path, selection: Selection, ids: set[str]) -> dict[str, int]:
    """How many units of the split are not in the benchmark, by reason."""
    reasons: Counter[str] = Counter()
    for shard in store.shards(corpus, selection.split):
        for row in store.read_columns(shard, ["id", "kind", "instructions", "oz_ship"]):
            if not row["oz_ship"]:
                reasons["no bytes with -Oz"] += 1
            elif row["instructions"] > selection.largest:
                reasons[f"above {selection.largest} instructions"] += 1
            elif row["id"] not in ids:
                reasons[f"beyond the {row['kind']}s asked for"] += 1
    return dict(sorted(reasons.items()))


# -- overlap


def overlap(benchmark: Iterable[Unit], training: Path) -> dict[str, Any]:
    """How many units of a benchmark are in the training split of a corpus: with the same id, or nearly. CorpusError.

    Nearly is what `corpus.duplicates` takes out of a training split, so a corpus' own test split gives none. `ids` are
    those units; they are all that is kept of the training units, which pass by one at a time.
    """
    ids: list[str] = []
    sketches = []
    index = new_index()
    for unit in benchmark:
        index.insert(len(ids), sketch := sketch_of(unit.text))
        ids.append(unit.id)
        sketches.append(sketch)
    known, exact, near = set(ids), set[str](), set[str]()
    looked_at = 0
    for shard in store.shards(training, "train"):
        for row in store.read_columns(shard, ["id", "text"]):
            looked_at += 1
            if row["id"] in known:
                exact.add(row["id"])
            sketch = sketch_of(row["text"])
            near.update(ids[at] for at in index.query(sketch) if sketch.jaccard(sketches[at]) >= THRESHOLD)
    near -= exact
    return {"training units": looked_at, "exact": len(exact), "near": len(near), "ids": sorted(exact | near)}
