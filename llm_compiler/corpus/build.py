"""The whole build: sources one after the other, each in workers, then duplicates out, then the manifest.

What one project gives depends on that project alone, so projects may be built anywhere (`ray`), in any order, and
again after any kill: a part that is on disk is never made twice, and nothing is kept of a part that is not complete.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llm_compiler.corpus import duplicates, sources
from llm_compiler.corpus.commands import CompileCommand, Skipped, printable
from llm_compiler.corpus.make import Clock, Made, Maker, Measured, Measurer, no_time
from llm_compiler.corpus.store import (
    FORMAT,
    batched,
    check_space,
    locked,
    open_for_building,
    read_columns,
    read_json,
    read_units,
    write_json,
    write_units,
)
from llm_compiler.corpus.unit import SPLITS, Split, Unit
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure, Limits, Workers

_COMMANDS_IN_PART = 64
_UNITS_IN_SHARD = 20_000
_UNITS_IN_GROUP = 24
_LIMITS = Limits(seconds=300, megabytes=6144)
"""For one file with all that is in it; clang has limits of its own."""
Found = list[CompileCommand | Skipped]


@dataclass(frozen=True)
class Options:
    """How to build; none of it changes what is built but `translation_units` and `split`."""

    jobs: int
    translation_units: bool = True
    ray: str | None = None
    """Address of a Ray cluster (`local` for one on this machine); None builds in this process tree."""
    split: Split | None = None
    """The split of all projects; None lets each one's name decide, as training needs it."""


@dataclass(frozen=True)
class Progress:
    """Called with what has happened, for progress bars."""

    file: Callable[[Made], object] = lambda _: None
    project: Callable[[str], object] = lambda _: None
    trouble: Callable[[str], object] = lambda _: None
    """One line about a source that gave nothing to compile."""


@dataclass(frozen=True)
class Task:
    """One project to build: from a source, or from commands that a watched build gave."""

    text: str
    source: sources.Source | None = None
    found: tuple[CompileCommand | Skipped, ...] = ()

    @property
    def slug(self) -> str:
        """A folder name of its own."""
        # A folder is the same one from wherever it is named.
        text = str(self.source.path) if self.source and self.source.kind != "debian" else self.text
        mark = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        name = re.sub(r"[^\w.+-]", "_", text.removeprefix("debian:"), flags=re.ASCII)
        return f"{name[-60:]}-{mark}"

    @property
    def name(self) -> str:
        """The project's name where no file says it."""
        return printable((self.source.path if self.source else Path(self.text)).name) or "root"

    def is_done(self, out: Path) -> bool:
        """Whether nothing is left to do. What gave nothing (no network) is tried again; a watched build may grow."""
        summary = read_json(out / "work" / self.slug / "done.json")
        if summary is None or not summary["files"]:
            return False
        return self.source is not None or summary["commands"] == _digest(_commands(self.found))


def build(
    tasks: Sequence[Task], out: Path, toolchain: Toolchain, options: Options, progress: Progress
) -> dict[str, Any]:
    """Build or resume the corpus in `out`, and return its manifest. CorpusError where `out` must not be touched."""
    open_for_building(out, toolchain.version, options.translation_units)
    with locked(out / "corpus.json"):
        open_tasks = [task for task in tasks if not task.is_done(out)]
        for task in tasks:
            if task not in open_tasks:
                progress.project(task.text)
        if open_tasks:
            (out / "manifest.json").unlink(missing_ok=True)
            engine = _build_here if options.ray is None else _build_on_ray
            for task in engine(open_tasks, out, toolchain, options, progress):
                progress.project(task.text)
                summary = read_json(out / "work" / task.slug / "done.json")
                if summary and not summary["files"]:
                    progress.trouble(f"{printable(task.text)}: nothing to compile: {summary['trouble']}")
        return finish(out, toolchain)


# -- engines


def _build_here(
    tasks: Sequence[Task], out: Path, toolchain: Toolchain, options: Options, progress: Progress
) -> Iterator[Task]:
    """One project after the other; the next is fetched while this one is compiled."""
    with ThreadPoolExecutor(1) as fetcher:
        upcoming: Future[Found] | None = None
        for number, task in enumerate(tasks):
            check_space(out)
            folder = out / "work" / task.slug
            current = upcoming or fetcher.submit(_find, task, folder, toolchain)
            found = current.result()
            if number + 1 < len(tasks):
                following = tasks[number + 1]
                upcoming = fetcher.submit(_find, following, out / "work" / following.slug, toolchain)
            build_project(task, found, folder, toolchain, options, progress.file)
            yield task


def _build_on_ray(
    tasks: Sequence[Task], out: Path, toolchain: Toolchain, options: Options, progress: Progress
) -> Iterator[Task]:
    """Each project is a Ray task, which sends back its files; sources must be reachable from every node."""
    import ray  # the extra `cluster`

    ray.init(address=options.ray, log_to_driver=False, ignore_reinit_error=True, configure_logging=False)
    processors = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    # A task that wants more than any machine has would wait for ever.
    options = replace(options, jobs=min(options.jobs, max([1, *processors])))
    remote = ray.remote(num_cpus=options.jobs, max_retries=3)(_build_elsewhere)
    waiting = list(reversed(tasks))
    running: dict[Any, Task] = {}
    try:
        while waiting or running:
            slots = max(1, sum(processors) // options.jobs) + 1
            while waiting and len(running) < slots:
                task = waiting.pop()
                running[remote.remote(task, toolchain, options)] = task
            (done,), _ = ray.wait(list(running), num_returns=1)
            task = running.pop(done)
            check_space(out)
            _install(ray.get(done), out / "work" / task.slug)
            yield task
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        ray.shutdown()


def _build_elsewhere(task: Task, toolchain: Toolchain, options: Options) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        build_project(task, _find(task, folder, toolchain), folder, toolchain, options, lambda _: None)
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _install(files: dict[str, bytes], folder: Path) -> None:
    """Files from another machine, the one that says that all are there last."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == "done.json"):
        partial = folder / f".{name}"
        partial.write_bytes(files[name])
        partial.replace(folder / name)


# -- one project


def _find(task: Task, folder: Path, toolchain: Toolchain) -> Found:
    """The project's commands. What could not be had is among the skipped; nothing is raised."""
    if task.source is None:
        return list(task.found)
    place = folder / "source"
    place.mkdir(parents=True, exist_ok=True)
    try:
        return list(sources.read(task.source, place, toolchain))
    except OSError as error:
        return [Skipped(task.text, "", "source unreadable", str(error))]


def _commands(found: Iterable[CompileCommand | Skipped]) -> list[CompileCommand]:
    return [entry for entry in found if isinstance(entry, CompileCommand)]


def _digest(commands: Sequence[CompileCommand]) -> str:
    return hashlib.sha256(repr(commands).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def build_project(
    task: Task,
    found: Found,
    folder: Path,
    toolchain: Toolchain,
    options: Options,
    on_file: Callable[[Made], object],
) -> None:
    """Make the parts of one project that are not there yet, remove its source, then say that it is done."""
    commands = _commands(found)
    folder.mkdir(parents=True, exist_ok=True)
    totals: list[dict[str, Any]] = []
    if commands:
        split = options.split or sources.split_of(commands[0].project)
        maker = Maker(toolchain, split, options.translation_units)
        with (
            Workers(maker, count=options.jobs, limits=_LIMITS) as makers,
            Workers(Measurer(toolchain), count=options.jobs, limits=_LIMITS) as measurers,
        ):
            project = _ProjectBuild(makers, measurers, on_file)
            for number, batch in enumerate(batched(commands, _COMMANDS_IN_PART)):
                totals.append(project.part(batch, folder / f"part-{number:05}"))
    first = commands[0] if commands else None
    name = first.project if first else found[0].project if found else task.name
    skipped = [entry for entry in found if isinstance(entry, Skipped)]
    summary = {
        "project": name,
        "version": first.version if first else "unknown",
        "licence": first.licence if first else "unknown",
        "split": options.split or sources.split_of(name),
        "routes": Counter(command.route for command in commands),
        **_sum(totals),
        "skipped": _sorted(Counter(entry.reason for entry in skipped)),
        "trouble": next((entry.detail or entry.reason for entry in skipped), "no source file in it"),
        "commands": _digest(commands),
        "parts": len(totals),
    }
    shutil.rmtree(folder / "source", ignore_errors=True)
    write_json(folder / "done.json", summary)


class _ProjectBuild:
    """Files to units, in two steps: most of what C++ files bring was in an earlier one, and need not be measured."""

    def __init__(
        self,
        makers: Workers[CompileCommand, Made],
        measurers: Workers[list[Unit], Measured],
        on_file: Callable[[Made], object],
    ) -> None:
        self._makers, self._measurers, self._on_file = makers, measurers, on_file
        self._seen: set[str] = set()

    def part(self, batch: Sequence[CompileCommand], part: Path) -> dict[str, Any]:
        """Make and write one part unless it is there; its counts either way."""
        shard, summary = part.with_suffix(".parquet"), part.with_suffix(".json")
        counted = read_json(summary)
        digest = _digest(batch)
        if counted is None or counted["commands"] != digest:  # a file came to the source since the part was made
            counts = Counts(digest, files=len(batch))
            summary.unlink(missing_ok=True)
            write_units(shard, self._units(batch, counts))
            counted = counts.as_json()
            write_json(summary, counted)
        else:
            self._seen.update(row["id"] for row in read_columns(shard, ["id"]))
            self._seen.update(counted["refused"])
        return counted

    def _units(self, batch: Sequence[CompileCommand], counts: Counts) -> Iterator[Unit]:
        groups = batched(self._fresh(batch, counts), _UNITS_IN_GROUP)
        waiting: deque[list[Unit]] = deque()

        def remembered() -> Iterator[list[Unit]]:
            for group in groups:
                waiting.append(group)
                yield group

        alone: list[Unit] = []
        for answer in self._measurers.map(remembered()):
            group = waiting.popleft()
            if isinstance(answer, Failure):  # by one of them: the others are not to go with it
                alone += group
            else:
                yield from counts.measured(group, answer)
        for unit, answer in zip(alone, self._measurers.map([unit] for unit in alone), strict=True):
            yield from counts.measured([unit], answer)

    def _fresh(self, batch: Sequence[CompileCommand], counts: Counts) -> Iterator[Unit]:
        """The units of the files that no earlier file of this project had."""
        for command, answer in zip(batch, self._makers.map(batch), strict=True):
            made = Made(dropped=Counter({f"file: {answer.reason}": 1})) if isinstance(answer, Failure) else answer
            counts.add(command, made)
            self._on_file(made)
            for unit in made.units:
                if unit.id in self._seen:
                    counts.dropped["duplicate in its project"] += 1
                else:
                    self._seen.add(unit.id)
                    yield unit


@dataclass
class Counts:
    """What went into a part and what was left out of it."""

    commands: str
    """Digest of the commands that the part was made of."""
    files: int
    refused: list[str] = field(default_factory=list)
    """Ids of units that could not be measured: a later part that meets them again must count them as duplicates."""
    functions: int = 0
    compiled: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    seconds: dict[Clock, float] = field(default_factory=no_time)

    def add(self, command: CompileCommand, made: Made) -> None:
        """Count one file."""
        self.functions += made.functions
        self.compiled[command.route] += made.compiled
        self.dropped.update(made.dropped)
        for clock, seconds in made.seconds.items():
            self.seconds[clock] += seconds

    def measured(self, group: Sequence[Unit], answer: Measured | Failure) -> list[Unit]:
        """The units that have sizes now; count the others of the group."""
        units: list[Unit] = []
        if isinstance(answer, Failure):
            self.dropped[f"unit: {answer.reason}"] += len(group)
        else:
            units = answer.units
            self.seconds["llvm"] += answer.seconds
            self.dropped["unit does not compile"] += len(group) - len(units)
        self.refused += sorted({unit.id for unit in group} - {unit.id for unit in units})
        return units

    def as_json(self) -> dict[str, Any]:
        """For the part's summary."""
        seconds = {clock: round(seconds, 3) for clock, seconds in self.seconds.items()}
        return vars(self) | {"compiled": _sorted(self.compiled), "dropped": _sorted(self.dropped), "seconds": seconds}


def _sorted(counts: Counter[str]) -> dict[str, int]:
    """Workers answer at their own pace, and the same counts must give the same bytes: in order, and no zeros."""
    return {name: counts[name] for name in sorted(counts) if counts[name]}


def _sum(counts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Numbers added up, tables of numbers key by key."""
    total: dict[str, Any] = {"files": 0, "functions": 0}
    tables = {key: Counter[str]() for key in ("compiled", "dropped", "skipped", "seconds")}
    for count in counts:
        for key in total:
            total[key] += count[key]
        for key, table in tables.items():
            table.update(count.get(key, {}))
    seconds = {clock: round(value, 3) for clock, value in tables.pop("seconds").items()}
    return {**total, **{key: _sorted(table) for key, table in tables.items()}, "seconds": seconds}


# -- all projects together


def finish(out: Path, toolchain: Toolchain) -> dict[str, Any]:
    """Drop duplicates, write the splits, then the manifest. Does nothing if the manifest is there."""
    manifest = read_json(out / "manifest.json")
    if manifest is not None:
        return manifest
    folders = sorted((out / "work").iterdir()) if (out / "work").exists() else []
    projects = [(folder, read_json(folder / "done.json")) for folder in folders]
    done = [(folder, summary) for folder, summary in projects if summary is not None]
    of_split: dict[str, list[Path]] = {split: [] for split in SPLITS}
    for folder, summary in done:
        of_split[summary["split"]] += [folder / f"part-{number:05}.parquet" for number in range(summary["parts"])]
    # A unit that is in two splits stays in the one that comes first here.
    marks = duplicates.mark(of_split["test"], [*of_split["validation"], *of_split["train"]])
    partial, data = out / "data.partial", out / "data"
    for leftover in (partial, data):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir()
    counts = {split: _write_split(of_split[split], marks, split, partial) for split in SPLITS}
    partial.replace(data)
    total = _sum(summary for _, summary in done)
    marked = Counter(mark for row in marks.values() for mark in row)
    marked_names = {duplicates.EXACT: "duplicate elsewhere", duplicates.NEAR: "near duplicate of the test split"}
    total["dropped"] |= {name: marked[mark] for mark, name in marked_names.items() if marked[mark]}
    times = [{"project": summary["project"], **summary.pop("seconds")} for _, summary in done]
    write_json(out / "times.json", {"total": total.pop("seconds"), "projects": times})
    left_out = ("trouble", "commands", "parts")
    manifest = {
        "format": FORMAT,
        "llvm": toolchain.version,
        "splits": counts,
        **total,
        "projects": [{key: summary[key] for key in summary if key not in left_out} for _, summary in done],
    }
    write_json(out / "manifest.json", manifest)
    return manifest


def _write_split(parts: Sequence[Path], marks: dict[Path, bytearray], split: str, folder: Path) -> dict[str, Any]:
    """Write one split's shards; its units, bytes of text and bytes of code, by kind and language."""
    counts: Counter[str] = Counter()
    kept = _kept(parts, marks, counts)
    number = 0
    while (first := next(kept, None)) is not None:
        shard = itertools.chain([first], itertools.islice(kept, _UNITS_IN_SHARD - 1))
        write_units(folder / f"{split}-{number:05}.parquet", shard)
        number += 1
    return dict(sorted(counts.items()))


def _kept(parts: Sequence[Path], marks: dict[Path, bytearray], counts: Counter[str]) -> Iterator[Unit]:
    for part in parts:
        for mark, unit in zip(marks[part], read_units(part), strict=True):
            if mark:
                continue
            counts["units"] += 1
            counts[f"{unit.kind} units"] += 1
            counts[f"{unit.language} units"] += 1
            counts["text bytes"] += len(unit.text)
            counts["instructions"] += unit.instructions
            counts["bytes at -Oz"] += unit.oz_ship
            counts[f"licence {unit.licence}"] += 1
            yield unit
