"""A folder of rows as `llmc data build` makes them, of the examples' own text: enough to train on, in no time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from llm_compiler.data.folder import rows_of
from llm_compiler.data.recipe import Data, Model, Recipe, Share, Stage, TokenizerChoice, Training
from llm_compiler.data.rows import pack
from llm_compiler.model.tokenizer import Tokenizer
from tests.conftest import EXAMPLES

CONTEXT = 64
TRAINING = Training(
    batch_tokens=4 * CONTEXT,
    micro_batch=2,
    precision="fp32",
    validations=2,
    validation_tokens=4 * CONTEXT,
    compile=False,
)
RECIPE = Recipe(
    Model("tiny", CONTEXT),
    TokenizerChoice(vocabulary=512),
    Data(),
    (
        Stage("first", 1_000, (Share("reading", "", 1.0),), 3e-3, 0.0),
        Stage("second", 1_000, (Share("writing", "", 1.0),), 1e-3),
    ),
    TRAINING,
)
TEXT = """seed = 0
[model]
preset = "tiny"
context = 64
[tokenizer]
vocabulary = 512
[training]
batch_tokens = 256
micro_batch = 2
precision = "fp32"
validations = 2
validation_tokens = 256
compile = false
[stages.1]
name = "first"
tokens = 1000
learning_rate = 3e-3
mixture.reading = 1
[stages.2]
name = "second"
tokens = 1000
learning_rate = 1e-3
mixture.writing = 1
"""
"""The same as a file."""


def tokenizer() -> Tokenizer:
    return Tokenizer.load().smaller(512)


def documents(count: int, first: int = 0) -> list[list[int]]:
    """Ids of pieces of the examples, of 8 to 48 tokens, from BOS to EOS."""
    made = tokenizer()
    ids = [one for path in EXAMPLES for one in made.encode(path.read_text())]
    found, at = [], 997 * first
    for number in range(count):
        length = 6 + (number * 7 + first) % 41
        found.append([made.bos, *ids[at : at + length], made.eos])
        at = (at + length) % (len(ids) - 64)
    return found


def write_rows(folder: Path, texts: Sequence[list[int]], context: int = CONTEXT, fingerprint: str = "") -> Path:
    """Rows of these documents, half of each learnt, by two sources in turn."""
    folder.mkdir(parents=True)
    rows, places = pack([len(one) for one in texts], context)
    count = int(rows.max()) + 1 if len(rows) else 0
    tokens = np.zeros((count, context), "<u2")
    columns = []
    for number, (text, row, place) in enumerate(zip(texts, rows.tolist(), places.tolist(), strict=True)):
        tokens[row, place : place + len(text)] = text
        columns.append((row, place, place + max(1, len(text) // 2), place + len(text), number % 2, 0, number))
    columns.sort()
    tokens.tofile(folder / "tokens.bin")
    np.array(columns, "<u4").reshape(-1, 7).T.tofile(folder / "documents.bin")
    manifest = {
        "format": 1,
        "tokenizer": fingerprint or tokenizer().fingerprint,
        "context": context,
        "rows": count,
        "documents": len(texts),
        "sources": [{"task": "reading", "source": name, "replayed": ""} for name in ("even", "odd")],
        "shards": ["none"],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def write_data(folder: Path, recipe: Recipe = RECIPE, texts: int = 40) -> Path:
    """All that training wants of a folder of data."""
    for number, stage in enumerate(recipe.stages):
        context = recipe.model.context
        write_rows(rows_of(folder, stage.name, "train"), documents(texts, number), context)
        write_rows(rows_of(folder, stage.name, "validation"), documents(8, 50 + number), context)
    tokenizer().save(folder / "tokenizer")
    made = {"rows": 1, "tokens": 1000, "sources": []}
    report = {
        "recipe": recipe.data_digest,
        "corpus": "c",
        "labels": [],
        "llvm": "17.0.6",
        "tokenizer": tokenizer().fingerprint,
        "context": recipe.model.context,
        "stages": {stage.name: {"train": made} for stage in recipe.stages},
    }
    (folder / "data.json").write_text("{}")
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def trained_with(**changes: object) -> Recipe:
    """The recipe with other settings of training."""
    return replace(RECIPE, training=replace(TRAINING, **changes))  # type: ignore[arg-type]
