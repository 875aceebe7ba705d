"""Documents on disk: what each task makes of the units of a split, in Parquet shards, one for each part of the units.

    DIR/units/SPLIT-00000.parquet            the units in the order in which they are used, drawn from the seed
    DIR/documents/TASK/SPLIT-00000.parquet   what a task made of that part, and in its metadata what was left out
    DIR/times.jsonl                          CPU seconds by shard, which no two runs share

A shard that is there is never made again. Shards are made one after the other until there is enough of every source
that a stage asks for; so which are there follows from the recipe and what came before, not from how often a run was
stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from llm_compiler.autotune.label import Label
from llm_compiler.corpus import store
from llm_compiler.corpus.unit import Split, Unit
from llm_compiler.data.examples import Document, Item, Spent, Step
from llm_compiler.llvm.workers import Failure, Workers

UNITS_IN_PART = 128
_BYTES_IN_PART = 8 << 20
_BYTES_IN_WAVE = 256 << 20
"""Text of units that are held in memory while their parts are written: each wave reads the corpus once."""
_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("tokens", pa.binary()),
        ("answer", pa.int32()),
        ("text_bytes", pa.int32()),
        ("unit", pa.string()),
        ("project", pa.string()),
        ("question", pa.binary(16)),
        ("replay", pa.string()),
    ]
)
_COUNTS = b"llm_compiler counts"


@dataclass
class Counts:
    """What is in a shard, or in several: by source, and by reason."""

    units: int = 0
    documents: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    text_bytes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        """Count those of another shard too."""
        self.units += other.units
        for name in ("documents", "tokens", "text_bytes", "left_out"):
            getattr(self, name).update(getattr(other, name))

    def as_json(self) -> dict[str, Any]:
        """In an order of its own, so that the same counts are the same bytes."""
        tables = {name: value for name, value in vars(self).items() if name != "units"}
        return {"units": self.units, **{name: dict(sorted(table.items())) for name, table in tables.items()}}


class UnitParts:
    """The units of a split in parts, in an order drawn from the seed: those with labels first, as they are scarce."""

    def __init__(
        self, corpus: Path, out: Path, split: Split, seed: int, labelled: Collection[str], limit: int | None
    ) -> None:
        self._corpus, self._folder, self._split = corpus, out / "units", split
        sizes = dict(_lengths(corpus, split))

        def rank(unit: str) -> tuple[bool, bytes]:
            return unit not in labelled, hashlib.sha256(f"{seed} {unit}".encode()).digest()

        chosen = sorted(sizes, key=rank)[:limit]
        self._parts = list(store.in_parts(chosen, sizes.__getitem__, UNITS_IN_PART, _BYTES_IN_PART))
        self._sizes = [sum(sizes[unit] for unit in part) for part in self._parts]
        self.labelled = sum(any(unit in labelled for unit in part) for part in self._parts)
        """How many parts, the first ones, have units with labels."""

    def __len__(self) -> int:
        return len(self._parts)

    def units(self, number: int) -> list[Unit]:
        """The units of a part, which is written to disk first where it is not there."""
        path = self._path(number)
        if not path.exists():
            self._take_wave(number)
        return list(store.read_units(path))

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._split}-{number:05}.parquet"

    def _take_wave(self, first: int) -> None:
        """Copy this part and the next ones out of the corpus, as many as fit in memory."""
        wave = list[int]()
        size = 0
        for number in range(first, len(self)):
            size += self._sizes[number]
            if wave and size > _BYTES_IN_WAVE:
                break
            wave.append(number)
        wanted = [unit for number in wave for unit in self._parts[number]]
        found = {unit.id: unit for unit in store.units_with(self._corpus, self._split, wanted)}
        self._folder.mkdir(exist_ok=True)
        for number in wave:
            if not self._path(number).exists():
                store.write_units(self._path(number), [found[unit] for unit in self._parts[number]])


def _lengths(corpus: Path, split: Split) -> Iterator[tuple[str, int]]:
    """The ids of a split's units and the bytes of their texts."""
    for shard in store.shards(corpus, split):
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(batch_size=1024, columns=["id", "text"]):
                lengths = pc.binary_length(batch.column("text"))
                yield from zip(batch.column("id").to_pylist(), lengths.to_pylist(), strict=True)


@dataclass(frozen=True)
class Order:
    """What is to be made: a task's documents of a split, until `enough` says so of the tokens by source."""

    task: str
    split: Split
    enough: Callable[[Mapping[str, int]], float]
    """How much of it there is, 1 and more for all."""
    only_labelled: bool


@dataclass(frozen=True)
class Made:
    """The shards of a task and a split, and what is in them."""

    shards: tuple[Path, ...]
    counts: Counts


def make(
    order: Order,
    parts: UnitParts,
    labels: Mapping[str, Sequence[Label]],
    out: Path,
    workers: Workers[Item, list[Step]],
    on_progress: Callable[[float, str], object],
) -> Made:
    """Make the shards that are not there yet, until there is enough; `on_progress` gets the share that is done."""
    folder = out / "documents" / order.task
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{order.split}-{number:05}.parquet" for number in range(len(parts))]
    if order.only_labelled:
        paths = paths[: parts.labelled]

    def work() -> Iterator[list[Item]]:
        for number, path in enumerate(paths):
            if not path.exists():
                yield [
                    Item(order.task, unit, label)
                    for unit in parts.units(number)
                    for label in (labels.get(unit.id, ()) if order.only_labelled else (None,))
                ]

    totals, used = Counts(), 0
    with contextlib.closing(_made(work(), workers)) as made:
        for path in paths:
            if order.enough(totals.tokens) >= 1:
                break
            store.check_space(out)
            if not path.exists():
                counts, documents, seconds = next(made)
                write_shard(path, documents, counts)
                with (out / "times.jsonl").open("a") as file:
                    line = {"task": order.task, "shard": path.stem, "seconds": round(seconds, 3)}
                    file.write(json.dumps({**line, "documents": len(documents), "units": counts.units}) + "\n")
            used += 1
            totals.add(read_counts(path))
            done = max(order.enough(totals.tokens), used / len(paths))
            on_progress(min(1.0, done), f"{order.task}, {order.split}: {sum(totals.tokens.values()):,} tokens")
    return Made(tuple(paths[:used]), totals)


def _made(
    work: Iterable[list[Item]], workers: Workers[Item, list[Step]]
) -> Generator[tuple[Counts, list[Document], float], None, None]:
    """What each part gives, in order, and CPU seconds. No part is empty."""
    waiting: deque[list[Item]] = deque()

    def items() -> Iterator[Item]:
        for part in work:
            waiting.append(part)
            yield from part

    answers = workers.map(items())
    try:
        for first in answers:
            units = len({item.unit.id for item in waiting[0]})
            counts, documents, seconds = Counts(units), list[Document](), 0.0
            for answer in itertools.chain([first], itertools.islice(answers, len(waiting[0]) - 1)):
                for step in [answer] if isinstance(answer, Failure) else answer:
                    if isinstance(step, Spent):
                        seconds += step.seconds
                        continue
                    for one in step if isinstance(step, tuple) else (step,):
                        if isinstance(one, Document):
                            documents.append(one)
                        else:
                            counts.left_out[one.reason] += 1
            for document in documents:
                counts.documents[document.source] += 1
                counts.tokens[document.source] += len(document.tokens) // 2
                counts.text_bytes[document.source] += document.text_bytes
            waiting.popleft()
            yield counts, documents, seconds
    finally:
        answers.close()  # type: ignore[attr-defined] # a generator: what workers still do is not wanted


def write_shard(path: Path, documents: list[Document], counts: Counts) -> None:
    """Write a shard beside, then rename."""
    table = pa.Table.from_pylist([vars(document) for document in documents], _SCHEMA)
    store.write_table(path, table.replace_schema_metadata({_COUNTS: json.dumps(counts.as_json())}))


def read_counts(path: Path) -> Counts:
    """What is in a shard. CorpusError if it is broken."""
    with store.broken_is_said(path):
        found = json.loads((pq.read_schema(path).metadata or {})[_COUNTS])
    return Counts(found.pop("units"), **{name: Counter(table) for name, table in found.items()})
