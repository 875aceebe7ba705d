"""Which documents a stage trains on: shares of sources, a replay of earlier stages, no example in two splits."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llm_compiler.corpus.store import read_table
from llm_compiler.corpus.unit import SPLITS, Split
from llm_compiler.data.recipe import Recipe, Share, Stage
from llm_compiler.data.rows import Integers

SHARD, LINE, SOURCE, ANSWER, LENGTH = range(5)
"""The columns of a table of documents: where it is, its source, its first token to be learnt, its tokens."""


@dataclass(frozen=True)
class Source:
    """What a document of a stage is counted as."""

    task: str
    source: str
    replayed: str = ""
    """The stage that it was replayed from."""


@dataclass(frozen=True)
class Pool:
    """The documents of a task and a split that may be used."""

    sources: tuple[str, ...]
    documents: Integers
    """(documents, 5)"""


@dataclass(frozen=True)
class Taken:
    """How much of a share was had."""

    share: str
    wanted: int
    """Tokens."""
    taken: int
    epochs: int
    """How often the documents there are were gone through, the last time perhaps in part."""


@dataclass(frozen=True)
class Chosen:
    """The documents of a stage and a split."""

    sources: tuple[Source, ...]
    documents: Integers
    """(documents, 5), shuffled."""
    taken: tuple[Taken, ...]


def read_pools(
    made: Mapping[tuple[str, Split], Sequence[Path]], numbers: Mapping[Path, int]
) -> tuple[dict[tuple[str, Split], Pool], Counter[str]]:
    """The documents of all shards, and how many were dropped why. `numbers` are those of the shards in the tables."""
    pools: dict[tuple[str, Split], Pool] = {}
    dropped: Counter[str] = Counter()
    for task in dict.fromkeys(task for task, _ in made):
        seen: set[bytes] = set()
        for split in reversed(SPLITS):  # what is in two stays in the one that is tested on
            earlier = frozenset(seen)
            sources: dict[str, int] = {}
            rows = []
            for path in made.get((task, split), ()):
                table = read_table(path, ["source", "answer", "question", "tokens"])
                lengths = np.diff(np.frombuffer(table["tokens"].combine_chunks().buffers()[1], np.int32))
                columns = (table[name].to_pylist() for name in ("source", "answer", "question"))
                for line, (source, answer, question) in enumerate(zip(*columns, strict=True)):
                    if question in seen:
                        reason = "in another split" if question in earlier else "twice in its split"
                        dropped[f"{task}, {split}: {reason}"] += 1
                        continue
                    seen.add(question)
                    number = sources.setdefault(source, len(sources))
                    rows.append((numbers[path], line, number, answer, int(lengths[line]) // 2))
            pools[task, split] = Pool(tuple(sources), np.array(rows, np.int64).reshape(-1, 5))
    return pools, dropped


def choose(recipe: Recipe, pools: Mapping[tuple[str, Split], Pool]) -> dict[tuple[str, Split], Chosen]:
    """The documents of every stage and split. Deterministic for the recipe and the pools."""
    chosen: dict[tuple[str, Split], Chosen] = {}
    for split in SPLITS:
        own: list[Chosen] = []
        for stage in recipe.stages:
            rng = random.Random(f"{recipe.seed} {stage.name} {split}")
            budget = budget_of(stage, split, recipe)
            fresh = _joined(
                [
                    _share(share, pools[share.task, split], budget * share.share, stage.epochs, rng)
                    for share in stage.mixture
                ],
                rng,
            )
            if stage.prompts and split == "train":
                fresh.documents[:, ANSWER] = 1  # all but BOS
            replayed: list[Chosen] = []
            if split == "train" and own and stage.replay:
                ratio = stage.replay / (1 - stage.replay) / len(own)
                wanted = ratio * int(fresh.documents[:, LENGTH].sum())
                earlier = zip(recipe.stages, own, strict=False)
                replayed = [_replay(before, documents, wanted, rng) for before, documents in earlier]
            own.append(fresh)
            chosen[stage.name, split] = _joined([fresh, *replayed], rng) if replayed else fresh
    return chosen


def budget_of(stage: Stage, split: Split, recipe: Recipe) -> float:
    """The tokens that a stage wants to have, without those it replays."""
    return stage.tokens * (1 - stage.replay) if split == "train" else recipe.data.heldout_tokens


def _share(share: Share, pool: Pool, wanted: float, epochs: int, rng: random.Random) -> Chosen:
    documents = pool.documents
    if share.source:
        of_source = [number for number, name in enumerate(pool.sources) if name == share.source]
        documents = documents[np.isin(documents[:, SOURCE], of_source)]
    sources = tuple(Source(share.task, name) for name in pool.sources)
    return _taken(str(share), sources, documents, wanted, epochs, rng)


def _replay(stage: Stage, before: Chosen, wanted: float, rng: random.Random) -> Chosen:
    sources = tuple(Source(source.task, source.source, stage.name) for source in before.sources)
    return _taken(f"replay of {stage.name}", sources, before.documents, wanted, 1, rng)


def _taken(
    name: str, sources: tuple[Source, ...], documents: Integers, wanted: float, epochs: int, rng: random.Random
) -> Chosen:
    """Documents in random order until there is enough; all of them again only in further epochs."""
    parts: list[Integers] = []
    tokens = epoch = 0
    while len(documents) and tokens < wanted and epoch < epochs:
        epoch += 1
        shuffled = documents[_shuffled(len(documents), rng)]
        total = np.cumsum(shuffled[:, LENGTH])
        count = int(np.searchsorted(total, wanted - tokens)) + 1
        parts.append(shuffled[:count])
        tokens += int(total[:count][-1])
    none = np.zeros((0, 5), np.int64)
    return Chosen(sources, np.concatenate([none, *parts]), (Taken(name, int(wanted), tokens, epoch),))


def _joined(parts: Sequence[Chosen], rng: random.Random) -> Chosen:
    """All of it, shuffled, with only the sources that there are documents of."""
    known: dict[Source, int] = {}
    tables = []
    for part in parts:
        table = part.documents.copy()
        used = set(table[:, SOURCE].tolist())
        numbers = [
            known.setdefault(source, len(known)) if number in used else -1 for number, source in enumerate(part.sources)
        ]
        table[:, SOURCE] = np.array([*numbers, -1])[table[:, SOURCE]]
        tables.append(table)
    documents = np.concatenate(tables)
    taken = tuple(one for part in parts for one in part.taken)
    return Chosen(tuple(known), documents[_shuffled(len(documents), rng)], taken)


def _shuffled(count: int, rng: random.Random) -> Integers:
    order = list(range(count))
    rng.shuffle(order)  # numpy's own may change from one version to the next
    return np.array(order, np.int64)
