"""The records of tuning, and the folder that holds them.

    DIR/tune.json                     what the folder is for; written first, so that a rerun knows whether it may resume
    DIR/units/part-00000.parquet      the units, as the corpus has them
    DIR/search/part-00000.parquet     what was tried on each (`Tried`), the search's own
    DIR/broadcast-1/part-00000.parquet   and what each round of broadcasting added
    DIR/verdicts.jsonl                PassListEval's verdict on each list that was to enter a label
    DIR/labels/part-00000.parquet     the labels, once all of that is there
    DIR/summary.json                  written last: its presence says that the folder is complete

Each part appears whole or not at all. Labels hold for one version of LLVM and one protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from llm_compiler.corpus import store
from llm_compiler.corpus.store import CorpusError, read_json

FORMAT = 1


@dataclass(frozen=True)
class Trial:
    """One list on one unit: the size in bytes, or the reason why there is none."""

    passes: str
    size: int | None
    reason: str = ""
    """crashed, timeout, memory, invalid, unlinkable, or denied."""
    detail: str = ""


@dataclass(frozen=True)
class Tried:
    """What a search, or a round of broadcasting, found out about one unit."""

    unit: str
    oz: int
    """Bytes with -Oz; 0 where even that failed, and `trials` says why."""
    trials: tuple[Trial, ...]
    """In the order of evaluation, no list twice."""
    budgeted: int
    """How many lists the search asked for; what follows them in `trials` was tried to minimise the best."""
    minimal: str
    """The best list, minimised; empty where nothing was smaller than -Oz, or in a broadcast."""


@dataclass(frozen=True)
class Label:
    """The best list that is known for a unit, and every list that was tried on it.

    A list that PassListEval rejects is among the trials, with the reason `rejected`, and never in `passes`.
    """

    unit: str
    kind: str
    project: str
    split: str
    llvm: str
    protocol: str
    seed: int
    strategy: str
    oz: int
    passes: str
    """Empty where nothing that may be trusted is smaller than -Oz."""
    size: int
    found_by: str
    """`search`, `minimise`, `broadcast`, or empty."""
    evaluations: int
    trials: tuple[Trial, ...]


_TRIAL = pa.struct([("passes", pa.string()), ("size", pa.int32()), ("reason", pa.string()), ("detail", pa.string())])
_TYPES = {"str": pa.string(), "int": pa.int32(), "tuple[Trial, ...]": pa.list_(_TRIAL)}
_SCHEMAS = {
    record: pa.schema([(name, _TYPES[kind]) for name, kind in record.__annotations__.items()])
    for record in (Tried, Label)
}


def write_records(path: Path, records: Iterable[Tried | Label], record: type[Tried | Label]) -> None:
    """Write a part beside, then rename."""
    store.write_table(path, pa.Table.from_pylist([asdict(one) for one in records], _SCHEMAS[record]))


def read_tried(path: Path) -> list[Tried]:
    """The records of a part."""
    return [Tried(**_with_trials(row)) for row in _rows(path)]


def read_labels(path: Path) -> list[Label]:
    """The labels of a part."""
    return [Label(**_with_trials(row)) for row in _rows(path)]


def labels(folder: Path) -> Iterator[Label]:
    """The labels of a complete folder, in a fixed order. CorpusError if the folder is none."""
    read_summary(folder)
    for part in sorted((folder / "labels").glob("part-*.parquet")):
        yield from read_labels(part)


def read_header(folder: Path) -> dict[str, Any]:
    """What a folder of labels is for."""
    header = read_json(folder / "tune.json") if folder.is_dir() else None
    if header is None:
        raise CorpusError(f"{folder} holds no labels: it has no tune.json")
    if header.get("format") != FORMAT:
        raise CorpusError(f"{folder} holds labels of format {header.get('format')}, this program reads {FORMAT}")
    return header


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of a complete folder."""
    read_header(folder)
    summary = read_json(folder / "summary.json")
    if summary is None:
        raise CorpusError(f"{folder} is not complete: the same `llmc tune` as before goes on with it")
    return summary


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.read_table(path).to_pylist()
    return rows


def _with_trials(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"trials": tuple(Trial(**trial) for trial in row["trials"])}
