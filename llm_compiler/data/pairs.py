"""A user's own examples: lines of JSON with a prompt and its answer, made into rows to train on.

    {"prompt": "[INST] How many instructions ...? [/INST]", "answer": "12"}

Prompts are taken as they are, and the tags of the model's tokenizer in them count, as in all that transformers encodes:
whoever asks the model later with the same text asks with the same ids. An empty prompt makes the answer a plain text,
all of which is learnt. Which examples are held out is decided by a hash of their prompts: two of one prompt are never
on both sides, and those that one file holds out are held out of every other.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llm_compiler.data.folder import DataError
from llm_compiler.data.rows import FORMAT, pack
from llm_compiler.model.foreign import AnyTokenizer

SPLITS = ("train", "heldout")
_IDS = 1 << 16
"""Rows hold ids of 16 bits."""


@dataclass(frozen=True)
class Pair:
    """An example as a line has it."""

    prompt: str
    answer: str
    line: int


@dataclass(frozen=True)
class Encoded:
    """An example in ids, from BOS to EOS."""

    ids: list[int]
    answer: int
    """The first that is learnt."""
    line: int
    heldout: bool


def read_pairs(path: Path) -> list[Pair]:
    """The examples of a file. DataError, which names the line, for what is none; OSError."""
    pairs = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.strip():
            pairs.append(_pair(f"{path}: line {number}", line, number))
    if not pairs:
        raise DataError(f'{path}: no examples in it; one is a line such as {{"prompt": "...", "answer": "..."}}')
    return pairs


def _pair(where: str, line: bytes, number: int) -> Pair:
    try:
        content = json.loads(line)
    except ValueError:
        raise DataError(f"{where} is not JSON") from None
    if not isinstance(content, dict):
        raise DataError(f"{where} is not a JSON object")
    for key in ("prompt", "answer"):
        if key not in content:
            raise DataError(f"{where} has no {json.dumps(key)}")
        if not isinstance(content[key], str):
            raise DataError(f"{where}: {json.dumps(key)} is not a string")
        try:
            content[key].encode()
        except UnicodeEncodeError:
            raise DataError(f"{where}: {json.dumps(key)} has half a character in it (a lone surrogate)") from None
    if not content["answer"]:
        raise DataError(f"{where}: an empty answer")
    return Pair(content["prompt"], content["answer"], number)


def encoded(pairs: Sequence[Pair], tokenizer: AnyTokenizer, share: float) -> Iterator[Encoded]:
    """Each example in ids. About `share` of all prompts are held out."""
    for pair in pairs:
        prompt, answer = (tokenizer.encode_pieces([(text, True)]) for text in (pair.prompt, pair.answer))
        ids = [tokenizer.bos, *prompt, *answer, tokenizer.eos]
        digest = hashlib.sha256(pair.prompt.encode() or pair.answer.encode()).digest()
        heldout = int.from_bytes(digest[:8], "little") < share * 2**64
        yield Encoded(ids, len(prompt) + 1, pair.line, heldout)


def write_rows(folder: Path, examples: Sequence[Encoded], tokenizer: AnyTokenizer, context: int) -> None:
    """Write a folder of rows, in the order that packing gives: training has one of its own.

    Each example has `context` ids at most. DataError for a tokenizer with more ids than rows have room for.
    """
    if tokenizer.vocabulary_size > _IDS:
        raise DataError(f"the tokenizer has {tokenizer.vocabulary_size} ids; rows have room for {_IDS}")
    lengths = [len(example.ids) for example in examples]
    rows, places = pack(lengths, context)
    tokens = np.full((int(rows.max()) + 1 if examples else 0, context), tokenizer.pad, "<u2")
    for example, row, place in zip(examples, rows, places, strict=True):
        tokens[row, place : place + len(example.ids)] = example.ids
    answers = places + np.array([example.answer for example in examples], np.int64)
    zeros = np.zeros_like(rows)  # of one source, and one shard
    lines = np.array([example.line for example in examples], np.int64)
    columns = np.stack([rows, places, answers, places + np.array(lengths, np.int64), zeros, zeros, lines])
    sizes = {
        "documents": len(examples),
        "tokens": sum(lengths),
        "learnt": sum(len(example.ids) - example.answer for example in examples),
    }
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "tokenizer": tokenizer.fingerprint,
        "vocabulary": tokenizer.vocabulary_size,
        "context": context,
        "rows": len(tokens),
        **sizes,
        "sources": [{"task": "pairs", "source": "own", "replayed": "", **sizes}],
        "shards": [""],
    }
    partial = folder.with_name(f".{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tokens.tofile(partial / "tokens.bin")
    (partial / "documents.bin").write_bytes(columns[:, np.lexsort((places, rows))].astype("<u4").tobytes())
    (partial / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
