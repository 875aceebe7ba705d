"""Pass lists for a module, most promising first: those of a portfolio, those that `asked` has of a model, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from llm_compiler.llvm.passes import PassList


@dataclass(frozen=True)
class Candidate:
    """A pass list, and who proposed it."""

    passes: PassList
    origin: str


Propose = Callable[[bytes], Sequence[Candidate]]
"""Candidates for an unoptimised module, in bitcode. May be called by any thread."""


def listed(lists: Iterable[PassList], origin: str = "portfolio") -> Propose:
    """The same for every module."""
    candidates = [Candidate(passes, f"{origin} {number}") for number, passes in enumerate(lists, 1)]
    return lambda _: candidates


def in_turn(first: Propose, second: Propose, budget: int) -> Propose:
    """One of each in turn, none twice, `budget` at most."""

    def propose(module: bytes) -> Sequence[Candidate]:
        pairs = zip_longest(first(module), second(module))
        known: dict[str, Candidate] = {}
        for candidate in (one for pair in pairs for one in pair if one is not None):
            known.setdefault(str(candidate.passes), candidate)
        return list(islice(known.values(), budget))

    return propose


def or_else(propose: Propose, other: Propose, warn: Callable[[str], object]) -> Propose:
    """The other's where the model fails; the first time it is said why, and then it is not asked any more."""
    from llm_compiler.inference.model import ModelError  # for which those who ask no model need not wait

    failed = False

    def proposed(module: bytes) -> Sequence[Candidate]:
        nonlocal failed
        if failed:
            return other(module)
        try:
            return propose(module)
        except ModelError as error:
            failed = True
            warn(str(error))
            return other(module)

    return proposed
