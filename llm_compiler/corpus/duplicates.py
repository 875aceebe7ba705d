"""Which units must go: exact duplicates anywhere, and near duplicates of the test split in training and validation.

Exact: equal ids, that is equal normalised text. The first in corpus order stays, and the test split comes first in it.
Near: MinHash (rensa) over the pairs of successive instructions, values' and metadata's numbers struck out; a unit
goes if its estimated Jaccard similarity with some unit of the test split is at least `THRESHOLD`.

Memory is bounded: ids are compared a partition of the hash space at a time, the test split is indexed in chunks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
from rensa import RMinHash, RMinHashLSH

from llm_compiler.corpus.store import read_columns

KEPT, EXACT, NEAR = 0, 1, 2
THRESHOLD = 0.85
_PERMUTATIONS, _BANDS, _SEED = 64, 16, 17
_IDS_AT_ONCE = 4_000_000
_TEST_UNITS_AT_ONCE = 400_000
_VALUE = re.compile(r"%[\w.$-]+|(?:, )?![\w.]+(?: ![\w.]+)*|#\d+")


def mark(tests: Sequence[Path], others: Sequence[Path]) -> dict[Path, bytearray]:
    """For each shard one byte a unit: KEPT, EXACT or NEAR. Both lists of shards are in the corpus' order."""
    marks = {part: bytearray(pq.read_metadata(part).num_rows) for part in (*tests, *others)}
    _mark_exact(marks)
    _mark_near(tests, others, marks)
    return marks


def _mark_exact(marks: dict[Path, bytearray]) -> None:
    partitions = 1 + sum(map(len, marks.values())) // _IDS_AT_ONCE
    for partition in range(partitions):
        seen: set[bytes] = set()
        for part, marked in marks.items():
            for row, values in enumerate(read_columns(part, ["id"])):
                key = bytes.fromhex(values["id"])
                if int.from_bytes(key[:4]) % partitions != partition:
                    continue
                if key in seen:
                    marked[row] = EXACT
                else:
                    seen.add(key)


def _mark_near(tests: Sequence[Path], others: Sequence[Path], marks: dict[Path, bytearray]) -> None:
    sketches: list[RMinHash] = []
    index = new_index()
    for part in tests:
        for row, values in enumerate(read_columns(part, ["text"])):
            if marks[part][row]:
                continue
            index.insert(len(sketches), sketch := sketch_of(values["text"]))
            sketches.append(sketch)
            if len(sketches) == _TEST_UNITS_AT_ONCE:
                _mark_similar(others, marks, index, sketches)
                sketches, index = [], new_index()
    if sketches:
        _mark_similar(others, marks, index, sketches)


def new_index() -> RMinHashLSH:
    """What finds sketches that are likely to be similar to one; `jaccard` says how similar they are."""
    return RMinHashLSH(threshold=THRESHOLD, num_perm=_PERMUTATIONS, num_bands=_BANDS)


def _mark_similar(
    others: Sequence[Path], marks: dict[Path, bytearray], index: RMinHashLSH, tests: Sequence[RMinHash]
) -> None:
    for part in others:
        for row, values in enumerate(read_columns(part, ["text"])):
            if marks[part][row]:
                continue
            sketch = sketch_of(values["text"])
            if any(sketch.jaccard(tests[candidate]) >= THRESHOLD for candidate in index.query(sketch)):
                marks[part][row] = NEAR


def sketch_of(text: str) -> RMinHash:
    """What stands for a unit's text when texts are compared."""
    lines = [_VALUE.sub("", line) for line in text.splitlines() if line.startswith("  ")]
    sketch = RMinHash(num_perm=_PERMUTATIONS, seed=_SEED)
    # A module without functions is the set of its own text.
    sketch.update([f"{one}\n{other}" for one, other in pairwise([*lines, ""])] if lines else [text])
    return sketch
