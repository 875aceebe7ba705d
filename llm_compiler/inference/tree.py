"""Branches that begin alike, as a tree in one cache.

Every prompt has a cache, whose slots hold the keys and values of one token each. New tokens go behind all others, those
of several branches side by side, and a mask says which slots each of them sees: its branch's. So a fork copies nothing
but a list of slots, the beginning that branches share is in memory once, and branches of different lengths, and
different numbers of tokens for each, need no padding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from llm_compiler.inference.engine import Branch, Logits

Ids = npt.NDArray[np.int64]
_ROOM = 256
"""Slots that a cache gets at least beyond what it needs now; it is a quarter of it if that is more."""


class Cache(Protocol):
    """The keys and values of a tree, in slots that are filled one after the other."""

    def run(self, tokens: Ids, positions: Ids, mask: npt.NDArray[np.float32], wanted: Ids) -> Logits:
        """Read tokens into the next slots and give the logits after the `wanted` of them: (wanted, vocabulary).

        The mask, (tokens, slots with the new ones), is 0 for what a token sees and -inf for what not.
        """

    def keep(self, slots: Ids, capacity: int) -> None:
        """Go on with these slots alone, in this order, and with room for as many in all."""


@dataclass(eq=False)
class Tree:
    """A cache, and who uses it."""

    cache: Cache
    capacity: int
    used: int = 0
    """Slots that are filled, those of branches that are gone included."""
    branches: WeakSet[TreeBranch] = field(default_factory=WeakSet)

    def make_room(self, tokens: int) -> None:
        """For so many more. If there is none, the slots that are still in use move to a new cache."""
        if self.used + tokens <= self.capacity:
            return
        living = [branch.slots for branch in self.branches]
        slots = np.unique(np.concatenate(living))
        self.capacity = with_room(len(slots) + tokens)
        self.cache.keep(slots, self.capacity)
        places = np.zeros(self.used, np.int64)
        places[slots] = np.arange(len(slots))
        for branch in self.branches:
            branch.slots = places[branch.slots]
        self.used = len(slots)

    def append(self, parts: Sequence[tuple[TreeBranch, Sequence[int]]], *, last: bool) -> Logits:
        """The logits after each of the branches' tokens in their order, or after the last of all alone."""
        count = sum(len(tokens) for _, tokens in parts)
        self.make_room(count)
        mask = np.full((count, self.used + count), -np.inf, np.float32)
        positions: list[int] = []
        start = 0
        for branch, tokens in parts:
            end = start + len(tokens)
            mask[start:end, branch.slots] = 0
            own = slice(self.used + start, self.used + end)
            mask[start:end, own] = np.triu(np.full((len(tokens), len(tokens)), -np.inf, np.float32), 1)
            positions += range(len(branch.tokens), len(branch.tokens) + len(tokens))
            start = end
        flat = np.array([token for _, tokens in parts for token in tokens], np.int64)
        wanted = np.arange(count - 1 if last else 0, count, dtype=np.int64)
        logits = self.cache.run(flat, np.array(positions, np.int64), mask, wanted)
        for branch, tokens in parts:
            end = self.used + len(tokens)
            branch.slots = np.concatenate([branch.slots, np.arange(self.used, end)])
            branch.tokens = [*branch.tokens, *tokens]
            self.used = end
        return logits


@dataclass(eq=False)
class TreeBranch:
    """A sequence of tokens, and the slot of each."""

    tree: Tree | None
    """None for one that was released."""
    tokens: list[int] = field(default_factory=list)
    slots: Ids = field(default_factory=lambda: np.zeros(0, np.int64))


class TreeEngine(ABC):
    """An engine that runs caches of its kind."""

    context: int
    vocabulary: int
    chunk: int
    """Tokens that are read in one pass at most, which bounds the memory that a pass takes."""

    @abstractmethod
    def _new_cache(self, capacity: int) -> Cache:
        """An empty one, with room for so many tokens."""

    def prefill(self, tokens: Sequence[int]) -> tuple[Branch, Logits]:
        """As `Engine` says."""
        self._check(0, tokens)
        capacity = with_room(len(tokens))
        tree = Tree(self._new_cache(capacity), capacity)
        branch = TreeBranch(tree)
        tree.branches.add(branch)
        for parts in _passes([(branch, tokens)], self.chunk):
            logits = tree.append(parts, last=True)
        return branch, logits[0]

    def fork(self, branch: Branch, length: int) -> Branch:
        """As `Engine` says. ValueError for a branch that is shorter, or was released."""
        first, tree = _own(branch)
        if not 1 <= length <= len(first.tokens):
            raise ValueError(f"a fork of {length} tokens, from a branch of {len(first.tokens)}")
        other = TreeBranch(tree, first.tokens[:length], first.slots[:length])
        tree.branches.add(other)
        return other

    def decode(self, branches: Sequence[Branch], tokens: Sequence[Sequence[int]]) -> list[Logits]:
        """As `Engine` says. Branches of one prompt are read together, those of several prompt by prompt."""
        if len({id(branch) for branch in branches}) < len(branches):
            raise ValueError("a branch is given twice")
        trees: dict[Tree, list[tuple[TreeBranch, Sequence[int]]]] = {}
        for branch, new in zip(branches, tokens, strict=True):
            own, tree = _own(branch)
            self._check(len(own.tokens), new)
            trees.setdefault(tree, []).append((own, new))
        found: dict[TreeBranch, Logits] = {}
        for tree, work in trees.items():
            logits = np.concatenate([tree.append(parts, last=False) for parts in _passes(work, self.chunk)])
            ends = np.cumsum([len(new) for _, new in work])
            found |= dict(zip((own for own, _ in work), np.split(logits, ends[:-1]), strict=True))
        return [found[cast(TreeBranch, branch)] for branch in branches]

    def release(self, branch: Branch) -> None:
        """As `Engine` says. The cache goes with the last branch of its tree."""
        own = cast(TreeBranch, branch)
        if own.tree is not None:
            own.tree.branches.discard(own)
            own.tree = None

    def _check(self, before: int, tokens: Sequence[int]) -> None:
        if not tokens:
            raise ValueError("no tokens")
        if before + len(tokens) > self.context:
            raise ValueError(f"{before + len(tokens):,} tokens; the context of the model is {self.context:,}")
        if not 0 <= min(tokens) <= max(tokens) < self.vocabulary:
            raise ValueError(f"an id that is not below {self.vocabulary}")


def with_room(slots: int) -> int:
    """A capacity that need not grow soon."""
    return slots + max(_ROOM, slots // 4)


def _own(branch: Branch) -> tuple[TreeBranch, Tree]:
    own = cast(TreeBranch, branch)
    if own.tree is None:
        raise ValueError("the branch was released")
    return own, own.tree


def _passes(
    work: Sequence[tuple[TreeBranch, Sequence[int]]], size: int
) -> Iterator[list[tuple[TreeBranch, Sequence[int]]]]:
    """The work in its order, in passes of `size` tokens at most."""
    parts: list[tuple[TreeBranch, Sequence[int]]] = []
    room = size
    for branch, tokens in work:
        start = 0
        while start < len(tokens):
            part = tokens[start : start + room]
            parts.append((branch, part))
            start, room = start + len(part), room - len(part)
            if not room:
                yield parts
                parts, room = [], size
    if parts:
        yield parts
