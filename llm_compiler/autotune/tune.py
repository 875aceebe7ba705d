"""A tuning run: units in, labels out. See `autotune.label` for the folder that it fills.

Search each unit, minimise what it found, broadcast the lists that are most often best to all units, have PassListEval
check every list that is to enter a label, choose. A part of a few units is what is scheduled, resumed, and sent to
another machine; one unit's search is what a worker does, so that reading it is paid once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from llm_compiler.autotune.deny import Denied
from llm_compiler.autotune.engines import here, on_ray
from llm_compiler.autotune.gain import gain
from llm_compiler.autotune.label import FORMAT, Label, Trial, Tried, read_labels, read_tried, write_records
from llm_compiler.autotune.passlisteval import PassListEval
from llm_compiler.autotune.search import PassNames
from llm_compiler.autotune.searcher import Searcher, Settings, Task
from llm_compiler.autotune.suites import Program
from llm_compiler.corpus import store
from llm_compiler.corpus.store import CorpusError
from llm_compiler.corpus.unit import Split, Unit
from llm_compiler.llvm.evaluate import oz_passes
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.size import PROTOCOLS
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.verdict import Verdict

_UNITS_IN_PART = 64
_BYTES_IN_PART = 4 << 20
_ROUNDS = 3
_WORTH = 0.1
"""Broadcasting goes on while an evaluation of it gains at least this share of what one of the search gained."""
_DETAIL = 120
_VERDICTS = "verdicts.jsonl"
TOLERATED = ("unlinkable",)
"""A list that leaves a program without what it needs is not to blame for it: that is checked on every object."""
_CONTENDERS = 8
"""Lists for one unit that PassListEval may reject before the unit is left to what has passed for others."""


@dataclass(frozen=True)
class Selection:
    """Which units of a corpus: those with the lowest ids, which is as good as at random and stays when more come."""

    split: Split = "train"
    functions: int | None = None
    """At most so many; None is all."""
    modules: int | None = None
    largest: int = 20_000
    """Instructions of a unit, at most."""


@dataclass(frozen=True)
class Options:
    """What decides the labels, and how the work is done."""

    settings: Settings
    selection: Selection = Selection()
    known: tuple[PassNames, ...] = ()
    denied: tuple[Denied, ...] = ()
    broadcast: int = 100
    """Lists in a round of broadcasting, as in the paper; 0 for no such rounds."""
    checks: int | None = None
    """Lists that PassListEval checks for the labels, at most: those that the most units wait for. None is all."""
    jobs: int = 1
    seconds: float = 30.0
    """CPU time of one evaluation, at most."""
    ray: str | None = None


class Progress(Protocol):
    """What a run tells whoever watches it."""

    def begin(self, phase: str, steps: int) -> None:
        """A phase of so many steps begins."""

    def advance(self, before: int, now: int) -> None:
        """One step is done; bytes of what this phase has seen with -Oz, and with the best lists."""


def tune(
    corpus: Path,
    out: Path,
    options: Options,
    toolchain: Toolchain,
    vocabulary: Vocabulary,
    programs: Sequence[Program],
    progress: Progress,
) -> dict[str, Any]:
    """Fill the folder, or go on with it, and return its summary. CorpusError for what cannot be."""
    manifest = store.read_manifest(corpus)
    if manifest["llvm"] != toolchain.version:
        raise CorpusError(f"{corpus} was made with LLVM {manifest['llvm']}, this is {toolchain.version}")
    header = _header(manifest, options, toolchain)
    store.open_folder(out, "tune.json", header, "folder of labels")
    with store.locked(out / "tune.json"):
        summary = store.read_json(out / "summary.json")
        if summary is not None:
            return summary
        run = _Run(out, options, toolchain, vocabulary, progress)
        run.take_units(corpus)
        run.search()
        with PassListEval(toolchain, programs, jobs=options.jobs, deny=options.denied, tolerate=TOLERATED) as checker:
            verdicts = Verdicts(out / _VERDICTS, checker)
            rounds = run.broadcast(verdicts)
            run.choose(verdicts)
            checked = {**verdicts.summary(), "programs": len(checker.programs), "left out": checker.left_out}
        summary = {**header, **_summary(out), "broadcast rounds": rounds, "PassListEval": checked}
        store.write_json(out / "summary.json", summary)
        return summary


def _header(manifest: Mapping[str, Any], options: Options, toolchain: Toolchain) -> dict[str, Any]:
    """All that decides the labels."""

    def digest(value: object) -> str:
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]

    return {
        "format": FORMAT,
        "llvm": toolchain.version,
        **asdict(options.settings),
        **asdict(options.selection),
        "broadcast": options.broadcast,
        "checks": options.checks,
        "known lists": digest(options.known),
        "deny list": digest([entry.passes for entry in options.denied]),
        "corpus": digest(manifest),
    }


class _Run:
    """The phases of one run, each of which does what is not there yet."""

    def __init__(
        self, out: Path, options: Options, toolchain: Toolchain, vocabulary: Vocabulary, progress: Progress
    ) -> None:
        self._out, self._options, self._toolchain = out, options, toolchain
        self._vocabulary, self._progress = vocabulary, progress

    def take_units(self, corpus: Path) -> None:
        """Copy the units that are to be tuned, in parts: they stay, whatever becomes of the corpus."""
        folder, partial = self._out / "units", self._out / "units.partial"
        if folder.is_dir():
            return
        selection = self._options.selection
        ids = chosen(corpus, selection)
        if not ids:
            raise CorpusError(f"{corpus}: no unit of the split {selection.split} to tune")
        taken = list(store.units_with(corpus, selection.split, ids))
        # The large ones first, and together: nobody should wait for a large one at the end.
        taken.sort(key=lambda unit: (-len(unit.text), unit.id))
        parts = store.in_parts(taken, lambda unit: len(unit.text), _UNITS_IN_PART, _BYTES_IN_PART)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for number, part in enumerate(parts):
            store.write_units(partial / f"part-{number:05}.parquet", part)
        partial.replace(folder)

    def search(self) -> None:
        """Search every unit for its best list."""
        searcher = self._searcher(self._options.settings)
        self._evaluate(
            "search", searcher, lambda part: [Task(unit.id, unit.text.encode()) for unit in self._units(part)]
        )

    def broadcast(self, verdicts: Verdicts) -> list[dict[str, Any]]:
        """Try the lists that are most often best on all units, again while that is worth its evaluations."""
        gained, evaluations = self._gain(0)
        worth = _WORTH * gained / max(1, evaluations)
        rounds: list[dict[str, Any]] = []
        sent: set[str] = set()
        for number in range(1, _ROUNDS + 1):
            popular = self._popular(sent)
            self._check(popular, verdicts)
            trusted = [passes for passes in popular if verdicts.ok(passes)]
            if not trusted:
                break
            sent.update(trusted)
            lists = {passes: names_of(passes) for passes in trusted}

            def tasks(part: str, lists: dict[str, PassNames] = lists, number: int = number) -> list[Task]:
                history = self._history(part, number - 1)
                return [
                    Task(
                        unit.id, unit.text.encode(), tuple(names for text, names in lists.items() if text not in tried)
                    )
                    for unit in self._units(part)
                    for tried in [{trial.passes for record in history[unit.id] for trial in record.trials}]
                ]

            searcher = self._searcher(replace(self._options.settings, budget=len(lists)))
            self._evaluate(f"broadcast-{number}", searcher, tasks)
            gained, evaluations = self._gain(number)
            rounds.append({"lists": len(lists), "evaluations": evaluations, "bytes gained": gained})
            if gained <= worth * evaluations:
                break
        return rounds

    def choose(self, verdicts: Verdicts) -> None:
        """Write the labels: for each unit the best list that PassListEval lets pass; of equal ones the commonest."""
        rounds = self._rounds()
        counts: Counter[str] = Counter()
        for part in self._part_names():
            for records in self._history(part, rounds).values():
                counts.update(_best_lists(records))
        contenders = {
            unit: _contenders(records, counts)
            for part in self._part_names()
            for unit, records in self._history(part, rounds).items()
        }
        left = self._options.checks
        while True:
            wanted = Counter(
                first for lists in contenders.values() if (first := verdicts.first_not_rejected(lists)) is not None
            )
            ranked = sorted(wanted, key=lambda one: (-wanted[one], one))
            unasked = [passes for passes in ranked if not verdicts.asked(passes)][:left]
            if not unasked:
                break
            self._check(unasked, verdicts)
            left = None if left is None else left - len(unasked)
        folder = self._out / "labels"
        folder.mkdir(exist_ok=True)
        for part in self._part_names():
            history = self._history(part, rounds)
            made = [self._label(unit, history[unit.id], counts, verdicts) for unit in self._units(part)]
            write_records(folder / part, made, Label)

    def _label(self, unit: Unit, records: Sequence[Tried], counts: Mapping[str, int], verdicts: Verdicts) -> Label:
        search, sizes = records[0], _sizes(records)
        passes = next(filter(verdicts.ok, _ranked(records, counts)), "")
        found_by = ""
        if passes:
            asked = {trial.passes for trial in search.trials[: search.budgeted]}
            found_by = "search" if passes in asked else "minimise" if passes == search.minimal else "broadcast"
        settings = self._options.settings
        return Label(
            unit=unit.id,
            kind=unit.kind,
            project=unit.project,
            split=unit.split,
            llvm=self._toolchain.version,
            protocol=settings.protocol,
            seed=settings.seed,
            strategy=settings.strategy,
            oz=search.oz,
            passes=passes,
            size=sizes.get(passes, search.oz),
            found_by=found_by,
            evaluations=sum(len(record.trials) for record in records),
            trials=tuple(verdicts.marked(trial) for record in records for trial in record.trials),
        )

    # -- what is on disk

    def _part_names(self) -> list[str]:
        return sorted(path.name for path in (self._out / "units").glob("part-*.parquet"))

    def _units(self, part: str) -> list[Unit]:
        return list(store.read_units(self._out / "units" / part))

    def _rounds(self) -> int:
        return sum(1 for _ in self._out.glob("broadcast-*"))

    def _history(self, part: str, rounds: int) -> dict[str, list[Tried]]:
        """For each unit of a part, what the search and so many rounds of broadcasting found."""
        history: dict[str, list[Tried]] = {}
        for phase in ["search", *(f"broadcast-{number + 1}" for number in range(rounds))]:
            for record in read_tried(self._out / phase / part):
                history.setdefault(record.unit, []).append(record)
        return history

    def _gain(self, number: int) -> tuple[int, int]:
        """Bytes that the search (0) or a round of broadcasting gained, and with how many evaluations."""
        gained = evaluations = 0
        for part in self._part_names():
            for records in self._history(part, number).values():
                evaluations += len(records[-1].trials)
                gained += (_smallest(records[:-1]) if number else records[0].oz) - _smallest(records)
        return gained, evaluations

    def _popular(self, sent: set[str]) -> list[str]:
        """The lists that are most often best and have not been broadcast."""
        counts = Counter(
            record.minimal for part in self._part_names() for record in read_tried(self._out / "search" / part)
        )
        del counts[""]
        ranked = sorted((passes for passes in counts if passes not in sent), key=lambda one: (-counts[one], one))
        return ranked[: self._options.broadcast]

    # -- work

    def _searcher(self, settings: Settings) -> Searcher:
        options = self._options
        oz = oz_passes(self._toolchain.version, PROTOCOLS[settings.protocol])
        return Searcher(self._toolchain.library, self._vocabulary, settings, options.known, options.denied, oz)

    def _evaluate(self, phase: str, searcher: Searcher, tasks: Callable[[str], list[Task]]) -> None:
        """Do the parts of a phase that are not there yet."""
        folder, options = self._out / phase, self._options
        folder.mkdir(exist_ok=True)
        parts = [part for part in self._part_names() if not (folder / part).exists()]
        self._progress.begin(phase, sum(pq.read_metadata(self._out / "units" / part).num_rows for part in parts))
        sizes = [0, 0]

        def count(record: Tried) -> None:
            sizes[0] += record.oz
            sizes[1] += _smallest([record])
            self._progress.advance(*sizes)

        work = ((part, tasks(part)) for part in parts)
        if options.ray is None:
            finished = here(searcher, work, options.jobs, options.seconds, count)
        else:
            finished = on_ray(searcher, work, options.ray, options.seconds, count)
        for part, records in finished:
            store.check_space(self._out)
            write_records(folder / part, records, Tried)

    def _check(self, lists: Sequence[str], verdicts: Verdicts) -> None:
        self._progress.begin("PassListEval", len(lists))
        for _ in verdicts.ask(lists):
            self._progress.advance(0, 0)


def trusted(out: Path) -> set[str]:
    """The lists that PassListEval has let pass in a folder of labels."""
    return {passes for passes, verdict in _read_verdicts(out / _VERDICTS).items() if verdict.ok}


def _read_verdicts(path: Path) -> dict[str, Verdict]:
    known = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError, TypeError):  # the last line of a run that was killed
            row = json.loads(line)
            passes = row.pop("passes")
            known[passes] = Verdict(**row)
    return known


class Verdicts:
    """PassListEval's verdicts, remembered in a file of JSON lines, to which one is added at a time.

    What an earlier run of the same command has left there counts only once it is asked for again: a run that was killed
    must not know more than one that was not.
    """

    def __init__(self, path: Path, checker: PassListEval) -> None:
        self._path, self._checker = path, checker
        self._remembered = _read_verdicts(path)
        self._known: dict[str, Verdict] = {}

    def asked(self, passes: str) -> bool:
        """Whether there is a verdict on the list."""
        return passes in self._known

    def ok(self, passes: str) -> bool:
        """Whether there is one, and it has passed."""
        return passes in self._known and self._known[passes].ok

    def ask(self, lists: Sequence[str]) -> Iterator[Verdict]:
        """The verdicts on these, in order: remembered, or made now."""
        new = [passes for passes in lists if passes not in self._remembered]
        made = self._checker.check(map(PassList.parse, new))
        with self._path.open("a") as file:
            file.write("\n")  # what a killed run left is no part of what comes now
            for passes in lists:
                if passes not in self._remembered:
                    self._remembered[passes] = next(made)
                    file.write(json.dumps({"passes": passes, **asdict(self._remembered[passes])}) + "\n")
                    file.flush()
                self._known[passes] = self._remembered[passes]
                yield self._known[passes]

    def first_not_rejected(self, lists: Iterable[str]) -> str | None:
        """The first that has passed, or was not asked for."""
        return next((passes for passes in lists if not self.asked(passes) or self.ok(passes)), None)

    def marked(self, trial: Trial) -> Trial:
        """The trial, with the verdict in it where the list was rejected."""
        verdict = self._known.get(trial.passes)
        if verdict is None or verdict.ok or trial.reason:
            return trial
        return replace(trial, reason="rejected", detail=f"{verdict.reason}: {verdict.detail}"[:_DETAIL])

    def summary(self) -> dict[str, Any]:
        """How many lists were checked, and how many rejected for which reason."""
        rejected = Counter(verdict.reason for verdict in self._known.values() if not verdict.ok)
        return {"lists": len(self._known), "rejected": dict(sorted(rejected.items()))}


# -- choosing


def chosen(corpus: Path, selection: Selection) -> set[str]:
    """Ids of the units that are selected."""
    ids: dict[str, list[str]] = {"function": [], "module": []}
    for shard in store.shards(corpus, selection.split):
        for row in store.read_columns(shard, ["id", "kind", "instructions", "oz_ship"]):
            if row["oz_ship"] and row["instructions"] <= selection.largest:
                ids[row["kind"]].append(row["id"])
    return {*sorted(ids["function"])[: selection.functions], *sorted(ids["module"])[: selection.modules]}


def names_of(passes: str) -> PassNames:
    """The passes of a list, without the nesting."""
    return tuple(element.spelling for element in PassList.parse(passes).passes())


def _sizes(records: Iterable[Tried]) -> dict[str, int]:
    """The lists that are smaller than -Oz on a unit."""
    return {
        trial.passes: trial.size
        for record in records
        for trial in record.trials
        if trial.size is not None and trial.size < record.oz
    }


def _smallest(records: Sequence[Tried]) -> int:
    return min(_sizes(records).values(), default=records[0].oz)


def _best_lists(records: Sequence[Tried]) -> list[str]:
    """The minimised list of a unit and those of broadcasts, where they are the best there is."""
    search, *broadcasts = records
    smallest = _smallest(records)
    candidates = {*_sizes(broadcasts), search.minimal}
    return [passes for passes, size in _sizes(records).items() if size == smallest and passes in candidates]


def _contenders(records: Sequence[Tried], counts: Mapping[str, int]) -> list[str]:
    return _ranked(records, counts)[:_CONTENDERS]


def _ranked(records: Sequence[Tried], counts: Mapping[str, int]) -> list[str]:
    """The lists that beat -Oz on a unit, the smallest first; of equal ones the commonest of all units, the shorter."""
    sizes = _sizes(records)
    return sorted(sizes, key=lambda one: (sizes[one], -counts.get(one, 0), len(one), one))


def _summary(out: Path) -> dict[str, Any]:
    """What the labels of a folder say, taken together."""
    pairs: dict[str, list[tuple[int, int]]] = {}
    found_by: Counter[str] = Counter()
    trials: Counter[str] = Counter()
    lengths: list[int] = []
    lists: Counter[str] = Counter()
    unusable = 0
    for part in sorted((out / "labels").glob("part-*.parquet")):
        for label in read_labels(part):
            if not label.oz:
                unusable += 1
                continue
            pairs.setdefault(label.kind, []).append((label.oz, label.size))
            trials.update(_outcome(trial, label.oz) for trial in label.trials)
            if label.passes:
                found_by[label.found_by] += 1
                lists[label.passes] += 1
                lengths.append(len(PassList.parse(label.passes)))
    return {
        "gain": {kind: asdict(gain(pairs[kind])) for kind in sorted(pairs)},
        "units without -Oz": unusable,
        "found by": dict(sorted(found_by.items())),
        "lists": len(lists),
        "passes in a list": round(statistics.fmean(lengths), 2) if lengths else 0,
        "trials": dict(sorted(trials.items())),
    }


def _outcome(trial: Trial, oz: int) -> str:
    if trial.reason or trial.size is None:
        return trial.reason
    return "smaller" if trial.size < oz else "equal" if trial.size == oz else "grew"
