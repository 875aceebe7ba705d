"""Units on disk: Parquet shards with zstd, and a manifest that is written last.

    DIR/corpus.json                  what the folder is for; written first, so that a rerun knows whether it may resume
    DIR/work/PROJECT/part-00000.parquet, done.json
                                     what each project gave; a part that is there is never made again
    DIR/data/SPLIT-00000.parquet     the corpus, once duplicates are out
    DIR/times.json                   CPU seconds, which no two builds share
    DIR/manifest.json                counts and drops; its presence says that the corpus is complete

Every file appears whole or not at all, and but for `times.json` two builds of the same sources give the same bytes.
What a killed build was writing has a name that starts with a dot, and the next one writes over it.

To read the result elsewhere:
`datasets.load_dataset("parquet", data_files={"train": "DIR/data/train-*.parquet"})`.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from llm_compiler.corpus.unit import SCHEMA, Split, Unit

FORMAT = 1
Item = TypeVar("Item")
_ROW_GROUP = 256
"""Units in a row group: what a reader holds in memory at least."""
_RESERVE = 1 << 30


class CorpusError(Exception):
    """A folder that is no corpus, or one that this run must not touch. The message is one line."""


def write_units(path: Path, units: Iterable[Unit]) -> None:
    """Write a shard beside, then rename."""
    partial = path.with_name(f".{path.name}")
    try:
        with pq.ParquetWriter(partial, SCHEMA, compression="zstd") as writer:
            for batch in batched(units, _ROW_GROUP):
                columns = [asdict(unit) for unit in batch]
                writer.write_table(pa.Table.from_pylist(columns, SCHEMA))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`, the last one shorter. (`itertools.batched` needs Python 3.12.)"""
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, size)):
        yield batch


def in_parts(items: Iterable[Item], size_of: Callable[[Item], int], count: int, most: int) -> Iterator[list[Item]]:
    """The items in lists of at most `count`, and of at most `most` in size unless one alone is larger."""
    part: list[Item] = []
    size = 0
    for item in items:
        if part and (len(part) == count or size + size_of(item) > most):
            yield part
            part, size = [], 0
        part.append(item)
        size += size_of(item)
    if part:
        yield part


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table beside, then rename."""
    partial = path.with_name(f".{path.name}")
    try:
        pq.write_table(table, partial, compression="zstd")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A table, or some of its columns. CorpusError if the file is broken."""
    with broken_is_said(path):
        return pq.read_table(path, columns=columns)


@contextlib.contextmanager
def broken_is_said(path: Path) -> Iterator[None]:
    """A part that cannot be read is a CorpusError that says what to do."""
    try:
        yield
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise CorpusError(f"{path}: {' '.join(str(error).split())}; remove it to have it made again") from None


def read_units(path: Path) -> Iterator[Unit]:
    """The units of a shard, a row group at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROW_GROUP):
            for row in batch.to_pylist():
                yield Unit(**row)


def read_columns(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Some columns of a shard's units, a row group at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROW_GROUP, columns=columns):
            yield from batch.to_pylist()


def shards(corpus: Path, split: Split | None = None) -> list[Path]:
    """The data shards of a complete corpus, in order. CorpusError if the folder is none."""
    read_manifest(corpus)
    return sorted((corpus / "data").glob(f"{split or '*'}-*.parquet"))


def units(corpus: Path, split: Split | None = None) -> Iterator[Unit]:
    """The units of a complete corpus (of one split), in a fixed order."""
    for shard in shards(corpus, split):
        yield from read_units(shard)


def units_with(corpus: Path, split: Split, ids: Collection[str]) -> Iterator[Unit]:
    """Those of a split's units that have these ids, in a fixed order; the others are never taken apart."""
    wanted = pa.array(list(ids), pa.string())
    for shard in shards(corpus, split):
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.filter(pc.is_in(batch.column("id"), value_set=wanted)).to_pylist():
                    yield Unit(**row)


def read_manifest(corpus: Path) -> dict[str, Any]:
    """The manifest of a complete corpus."""
    _must_be_folder(corpus)
    header = read_json(corpus / "corpus.json")
    if header is None:
        raise CorpusError(f"{corpus} is no corpus: it has no corpus.json")
    if header.get("format") != FORMAT:
        raise CorpusError(f"{corpus} is a corpus of format {header.get('format')}, this program reads {FORMAT}")
    manifest = read_json(corpus / "manifest.json")
    if manifest is None:
        raise CorpusError(f"{corpus} is not complete: the same `llmc corpus build` as before goes on with it")
    return manifest


def read_times(corpus: Path) -> dict[str, Any]:
    """CPU seconds: `total` by clock, and by clock for each of the manifest's `projects`."""
    return read_json(corpus / "times.json") or {"total": {}, "projects": []}


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None where there is no such file. CorpusError where it is something else."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: {error}") from None
    if not isinstance(value, dict):
        raise CorpusError(f"{path}: not a JSON object")
    return value


def write_json(path: Path, value: object) -> None:
    """Write a JSON file beside, then rename."""
    write_text(path, [json.dumps(value, indent=1, ensure_ascii=False) + "\n"])


def write_text(path: Path, texts: Iterable[str]) -> int:
    """Write a file of these texts beside, then rename; how many there were."""
    partial = path.with_name(f".{path.name}")
    count = 0
    try:
        with partial.open("w", encoding="utf-8") as file:
            for text in texts:
                file.write(text)
                count += 1
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def open_for_building(corpus: Path, llvm: str, translation_units: bool) -> None:
    """Make the folder of a corpus, or make sure that it is one to resume. CorpusError where it must not be touched."""
    header = {"format": FORMAT, "llvm": llvm, "translation_units": translation_units}
    open_folder(corpus, "corpus.json", header, "corpus")


def open_folder(folder: Path, file: str, header: dict[str, Any], what: str) -> None:
    """Make a folder whose header is in `file`, or make sure that it has this very header.

    The header is all that decides what the folder will hold. CorpusError where it has another, or is no such folder.
    """
    if folder.exists():
        _must_be_folder(folder)
    found = read_json(folder / file)
    must_be_same(folder, found, header, f"a {what}")
    check_space(folder)
    if found is None:
        if folder.exists() and any(path.name != f".{file}" for path in folder.iterdir()):
            raise CorpusError(f"{folder} has files in it but is no {what}; name another folder")
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / file, header)


def must_be_same(folder: Path, found: dict[str, Any] | None, header: dict[str, Any], what: str) -> None:
    """CorpusError where the header that is in a folder, if there is one, is not the one that is wanted."""
    if found is not None and found != header:
        other = next(key for key in {**header, **found} if header.get(key) != found.get(key))
        raise CorpusError(
            f"{folder} holds {what} of another {other} ({found.get(other)}, now {header.get(other)}); "
            "name another folder"
        )


def _must_be_folder(corpus: Path) -> None:
    if not corpus.is_dir():
        raise CorpusError(f"{corpus} is not a folder" if corpus.exists() else f"no folder {corpus}")


@contextlib.contextmanager
def locked(header: Path) -> Iterator[None]:
    """Nobody else works in this file's folder meanwhile; the lock goes with the process. CorpusError."""
    with header.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CorpusError(f"{header.parent}: another run is at work in it") from None
        yield


def check_space(corpus: Path) -> None:
    """CorpusError when the disk is nearly full: checked before each project, so that nothing is left half-written."""
    there = next(path for path in (corpus, *corpus.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < _RESERVE:
        raise CorpusError(
            f"{corpus}: only {free >> 20} MB free on this disk; make room (1 GB) and run the same command again"
        )
