"""What every engine does: ids in, logits out.

An engine holds a model. A `Branch` of it is a sequence of tokens whose keys and values are cached; branches that begin
alike share the work of their beginning by `fork`. Whatever chooses tokens (greedy, sampling, priority sampling, a
grammar) is in decoding.py and works with any engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]


class EngineError(Exception):
    """A model that cannot be loaded or run. The message is one line."""


class Branch(Protocol):
    """A sequence of tokens that an engine has seen."""

    @property
    def tokens(self) -> Sequence[int]:
        """All its ids, the prompt's first."""


class Engine(Protocol):
    """A model that runs. Not for several threads at once."""

    context: int
    """Tokens that a branch may have at most."""
    vocabulary: int
    """Ids are below it: the width of the logits."""

    def prefill(self, tokens: Sequence[int]) -> tuple[Branch, Logits]:
        """A branch with these tokens (one at least), and the logits after the last: (vocabulary,).

        ValueError if there are none, or more than `context`, or an id that is none of the vocabulary.
        """

    def fork(self, branch: Branch, length: int) -> Branch:
        """Another branch with the first `length` tokens of this one, which stays as it is."""

    def decode(self, branches: Sequence[Branch], tokens: Sequence[Sequence[int]]) -> list[Logits]:
        """Append tokens to each branch, together: for each the logits after each of its tokens, (tokens, vocabulary).

        Branches may be given different numbers of tokens (forced ones are read in one pass), but each one at least.
        ValueError where a branch would have more than `context`.
        """

    def release(self, branch: Branch) -> None:
        """Give the branch's cache back; it cannot be used any more. Twice is once."""
