"""Rows to train on: whole documents packed into rows of one length, on disk and memory-mapped.

    DIR/tokens.bin      uint16, little-endian: rows x context ids
    DIR/documents.bin   uint32, little-endian: 7 columns, each as long as there are documents, in the order of rows
    DIR/manifest.json   what it was made of and with; written last

A document begins with BOS, and nothing of one is in another row. What is left of a row is padding. The columns are
`COLUMNS`: its row, its first token in the row, the first token that is learnt, one past its last, its source (of
`sources` in the manifest), and where its text came from (a shard of `shards` in the manifest, and a line of it).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FORMAT = 1
COLUMNS = ("row", "start", "answer", "end", "source", "shard", "line")
Integers = npt.NDArray[np.int64]


class RowsError(Exception):
    """A folder that holds no rows, or not those that were asked for. The message is one line."""


@dataclass(frozen=True)
class Span:
    """A document in a row: tokens `start` to `end`, of which those from `answer` on are learnt."""

    start: int
    answer: int
    end: int
    source: int
    shard: int
    line: int


@dataclass(frozen=True)
class Row:
    """One row of `context` tokens."""

    tokens: npt.NDArray[np.uint16]
    mask: npt.NDArray[np.bool_]
    """Whether a token is learnt: whether the loss of predicting it, from those before it, counts."""
    starts: npt.NDArray[np.uint32]
    """Where documents begin; the padding after the last is not one."""


@dataclass(frozen=True)
class Batch:
    """Several rows, each array of (rows, context)."""

    tokens: npt.NDArray[np.uint16]
    mask: npt.NDArray[np.bool_]
    """As in `Row`."""
    positions: npt.NDArray[np.int32]
    """Of a token in its document: 0 where one begins. Padding counts as a document."""
    sources: npt.NDArray[np.int16]
    """Of a token's document, as `Span.source`; -1 in padding."""
    lengths: npt.NDArray[np.int32]
    """Learnt tokens of a token's document; 1 in padding."""


class Rows:
    """The rows of a folder. Opening reads the manifest alone; the rest is memory-mapped."""

    def __init__(self, folder: Path, fingerprint: str | None = None) -> None:
        """RowsError where there are none, files are too short, or another tokenizer than `fingerprint` made them."""
        self.folder = folder
        self.manifest = read_manifest(folder)
        made_with = self.manifest["tokenizer"]
        if fingerprint is not None and made_with != fingerprint:
            raise RowsError(f"{folder}: made with the tokenizer {made_with}, not with {fingerprint}")
        self.context: int = self.manifest["context"]
        shape = (self.manifest["rows"], self.context)
        self._tokens: npt.NDArray[np.uint16] = _mapped(folder / "tokens.bin", "<u2", shape)
        self._columns = _mapped(folder / "documents.bin", "<u4", (len(COLUMNS), self.manifest["documents"]))
        self._first = np.searchsorted(self._columns[0], np.arange(len(self) + 1))

    def __len__(self) -> int:
        return int(self.manifest["rows"])

    def spans(self, number: int) -> list[Span]:
        """The documents of a row, in order. IndexError if there is no such row."""
        if not 0 <= number < len(self):
            raise IndexError(f"no row {number}: there are {len(self)}")
        columns = self._columns[1:, self._first[number] : self._first[number + 1]]
        return [Span(*map(int, column)) for column in columns.T]

    def row(self, number: int) -> Row:
        """One row. IndexError if there is none."""
        spans = self.spans(number)
        mask = np.zeros(self.context, np.bool_)
        for span in spans:
            mask[span.answer : span.end] = True
        return Row(self._tokens[number], mask, np.array([span.start for span in spans], np.uint32))

    def batch(self, numbers: Sequence[int] | Integers) -> Batch:
        """Several rows at once, in the order of `numbers`."""
        rows = np.asarray(numbers, np.int64)
        first, last = self._first[rows], self._first[rows + 1]
        counts = last - first
        which = np.repeat(np.arange(len(rows)), counts)
        documents = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
        start, answer, end, source = self._columns[1:5, documents].astype(np.int64)
        # A difference where learning begins and ends. Both cannot be at one place: BOS is never learnt.
        change = np.zeros((len(rows), self.context + 1), np.int8)
        change[which, answer] += 1
        change[which, end] -= 1
        mask = np.cumsum(change[:, :-1], axis=1, dtype=np.int8).astype(np.bool_)
        begin = np.zeros((len(rows), self.context + 1), np.int32)
        begin[which, end] = end  # padding; else the next document, which begins there
        begin[which, start] = start
        place = np.arange(self.context, dtype=np.int32)
        positions = place - np.maximum.accumulate(begin[:, :-1], axis=1)
        # Documents follow one another from a row's first token on, so the last that began is whose a token is.
        latest = np.full((len(rows), self.context + 1), -1, np.int32)
        latest[which, end] = len(documents)
        latest[which, start] = np.arange(len(documents))
        latest = np.maximum.accumulate(latest[:, :-1], axis=1)
        sources = np.append(source, -1)[latest].astype(np.int16)
        lengths = np.append(end - answer, 1)[latest].astype(np.int32)
        return Batch(self._tokens[rows], mask, positions.astype(np.int32), sources, lengths)

    def documents(self) -> npt.NDArray[np.uint32]:
        """The index of all documents: an array of (COLUMNS, documents)."""
        return self._columns

    def questions(self) -> set[bytes]:
        """The `question` of every document."""
        found = set()
        for row, start, answer, end in self._columns[:4].T.tolist():
            found.add(question(self._tokens[row, start:end].tobytes(), answer - start))
        return found


def question(tokens: bytes, answer: int) -> bytes:
    """What makes two documents the same example: a hash of the prompt, or of the text where there is none.

    `tokens` are uint16 from BOS to EOS, of which the one numbered `answer` is the first to be learnt.
    """
    return hashlib.sha256(tokens[: 2 * answer] if answer > 1 else tokens).digest()[:16]


def pack(lengths: Sequence[int], context: int) -> tuple[Integers, Integers]:
    """The row and the place in it of each document: best fit, the longest first, none of them cut.

    ValueError for a length that is not in 1..context.
    """
    rows, places = np.zeros(len(lengths), np.int64), np.zeros(len(lengths), np.int64)
    waiting: list[list[int]] = [[] for _ in range(context + 1)]
    """Rows by the room that is left in them."""
    known = 0
    """The same as bits: bit n is set where a row has room n, so that the least room that fits is found at once."""
    count = 0
    for document in sorted(range(len(lengths)), key=lambda one: -lengths[one]):
        length = lengths[document]
        if not 0 < length <= context:
            raise ValueError(f"a document of {length} tokens, in rows of {context}")
        fitting = known >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = waiting[room].pop()
            if not waiting[room]:
                known ^= 1 << room
        else:
            room, row, count = context, count, count + 1
        rows[document], places[document] = row, context - room
        left = room - length
        waiting[left].append(row)
        known |= (left > 0) << left
    return rows, places


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder of rows. RowsError if it has none."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    except FileNotFoundError:
        raise RowsError(f"{folder} holds no rows: it has no manifest.json") from None
    except (OSError, ValueError) as error:
        raise RowsError(f"{folder}/manifest.json: {' '.join(str(error).split())}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or "tokenizer" not in manifest:
        raise RowsError(f"{folder} holds no rows of format {FORMAT}")
    return manifest


def _mapped(path: Path, kind: str, shape: tuple[int, int]) -> npt.NDArray[Any]:
    wanted = np.dtype(kind).itemsize * shape[0] * shape[1]
    try:
        found = path.stat().st_size
    except OSError as error:
        raise RowsError(f"{path}: {error.strerror}") from None
    if found != wanted:
        raise RowsError(f"{path}: {found} bytes where the manifest says {wanted}; it was cut off or changed")
    if not wanted:  # an empty file cannot be mapped
        return np.zeros(shape, kind)
    return np.memmap(path, kind, "r", shape=shape)
