"""Searches over pass lists: each proposes one list at a time and hears what became of it.

A strategy is a generator function. It yields pass names in order (`PassNames`); what is sent back is the size in bytes
of the object that they gave, or None where there was none. It is deterministic for its random generator, knows nothing
of LLVM, and never ends unless it has nothing left to propose. Which is the better one is measured: `bench/tune.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

PassNames = tuple[str, ...]
Search = Generator[PassNames, int | None, None]

LONGEST = 50
_PIPELINES = ("default<Oz>", "default<Os>", "default<O2>", "default<O1>", "default<O3>")
_POOL = 6
"""Lists that have children."""
_FIRST = 20
_FRESH = 0.15
"""Share of children without parents, so that a pool of siblings does not go stale: long random lists."""
_PROLONGED = 0.2
"""Share of the others that are a good list with random passes before or behind it."""


@dataclass(frozen=True)
class Space:
    """What a search may draw from."""

    passes: PassNames
    """Those that may be proposed and are not denied, sorted."""
    known: tuple[PassNames, ...] = ()
    """Lists that were good on other units, the best first."""


Strategy = Callable[[Space, random.Random, int], Search]
"""The space, the randomness, and the size with -Oz."""


def random_lists(space: Space, rng: random.Random, oz: int) -> Search:
    """The paper's: uniform length from 1 to 50, uniform passes."""
    while True:
        yield _some(space, rng, 1, LONGEST)


def around_pipelines(space: Space, rng: random.Random, oz: int) -> Search:
    """A default pipeline, or two, with a few random passes before and after."""
    while True:
        yield _around(space, rng)


def known_lists(space: Space, rng: random.Random, oz: int) -> Search:
    """What was good on other units, in order; then nothing more."""
    for names in space.known:
        yield names


def evolution(space: Space, rng: random.Random, oz: int) -> Search:
    """Children of the best lists so far: parts put in, taken out, exchanged, joined."""
    yield from _evolve(space, rng, _Pool())


def bandit(space: Space, rng: random.Random, oz: int) -> Search:
    """Thompson sampling over what stands before, in and after a pipeline: an arm wins when -Oz is beaten."""
    fragments: list[PassNames] = [(), *((name,) for name in space.passes)]
    fragments += [names[at : at + 2] for names in space.known for at in range(len(names) - 1)]
    cores = [(), *((name,) for name in _PIPELINES), *((name, "default<Oz>") for name in _PIPELINES)]
    arms: list[Sequence[PassNames]] = [fragments, cores, fragments]
    won = [[1.0] * len(place) for place in arms]
    lost = [[1.0] * len(place) for place in arms]
    tried: set[PassNames] = {()}
    while True:
        for _ in range(20):
            drawn = [_sample(rng, *beliefs) for beliefs in zip(won, lost, strict=True)]
            names = tuple(name for place, arm in zip(arms, drawn, strict=True) for name in place[arm])
            if names not in tried:
                break
            for at, arm in enumerate(drawn):  # there is nothing more to learn from these together
                lost[at][arm] += 1
        else:
            names, drawn = _around(space, rng), []
        tried.add(names)
        size = yield names
        for at, arm in enumerate(drawn):
            if size is not None and size < oz:
                won[at][arm] += 1
            else:
                lost[at][arm] += 1


def _sample(rng: random.Random, won: Sequence[float], lost: Sequence[float]) -> int:
    """The arm whose draw from what is believed of it is the highest."""
    draws = [rng.betavariate(good, bad) for good, bad in zip(won, lost, strict=True)]
    return draws.index(max(draws))


def guided(space: Space, rng: random.Random, oz: int) -> Search:
    """The best of what was good on other units, in order, then children of what was good on this one.

    After the first twenty another known list gains less than a child does (measured on the validation split).
    """
    pool = _Pool()
    for names in space.known[:_FIRST]:
        pool.add(names, (yield names))
    yield from _evolve(space, rng, pool)


STRATEGIES: Mapping[str, Strategy] = {
    "guided": guided,
    "known": known_lists,
    "evolution": evolution,
    "pipelines": around_pipelines,
    "bandit": bandit,
    "random": random_lists,
}
"""The first is the default; `random` is the paper's."""


@dataclass
class _Pool:
    """The best lists so far, no two of one size: those are mostly the same code."""

    best: dict[int, PassNames] = field(default_factory=dict)
    tried: set[PassNames] = field(default_factory=set)

    def add(self, names: PassNames, size: int | None) -> None:
        self.tried.add(names)
        if size is None:
            return
        if size not in self.best or len(names) < len(self.best[size]):
            self.best[size] = names
        if len(self.best) > _POOL:
            del self.best[max(self.best)]


def _evolve(space: Space, rng: random.Random, pool: _Pool) -> Search:
    while True:
        for _ in range(20):
            names = _child(space, rng, pool)
            if names not in pool.tried:
                break
        pool.add(names, (yield names))


def _child(space: Space, rng: random.Random, pool: _Pool) -> PassNames:
    if len(pool.best) < 2 or rng.random() < _FRESH:
        return _some(space, rng, 1, LONGEST)
    ranked = [pool.best[size] for size in sorted(pool.best)]
    # The best parent is twice as likely as the second, and so on.
    names = ranked[min(int(rng.expovariate(0.7)), len(ranked) - 1)]
    if rng.random() < _PROLONGED:
        more = _some(space, rng, 1, 15)
        return (more + names if rng.random() < 0.5 else names + more)[:LONGEST]
    for _ in range(rng.choice((1, 1, 2, 3))):
        names = _mutate(names, space, rng, ranked)
    return names[:LONGEST]


def _mutate(names: PassNames, space: Space, rng: random.Random, ranked: Sequence[PassNames]) -> PassNames:
    at = rng.randint(0, len(names))
    kind = rng.random()
    if kind < 0.35:
        return names[:at] + _part(space, rng) + names[at:]
    if kind < 0.5 and len(names) > 1:
        end = min(len(names), at + rng.randint(1, 3))
        return names[:at] + names[end:] or names
    if kind < 0.65:
        return names[:at] + _part(space, rng) + names[at + 1 :]
    if kind < 0.75 and len(names) > 1:
        other = rng.randrange(len(names))
        moved = names[other]
        rest = names[:other] + names[other + 1 :]
        return (*rest[:at], moved, *rest[at:])
    mate = rng.choice([*ranked, *space.known[:20]])
    cut = rng.randint(0, len(mate))
    return names[:at] + mate[cut:] or names


def _part(space: Space, rng: random.Random) -> PassNames:
    """A random pass, or a piece of a list that is known to be good."""
    if space.known and rng.random() < 0.5:
        source = rng.choice(space.known)
        start = rng.randrange(len(source))
        return source[start : start + rng.randint(1, 3)]
    return _some(space, rng, 1, 2)


def _around(space: Space, rng: random.Random) -> PassNames:
    core: PassNames = (rng.choice(_PIPELINES),)
    if core != ("default<Oz>",) and rng.random() < 0.5:
        core = (*core, "default<Oz>")
    return _some(space, rng, 0, 4) + core + _some(space, rng, 0, 4)


def _some(space: Space, rng: random.Random, fewest: int, most: int) -> PassNames:
    return tuple(rng.choice(space.passes) for _ in range(rng.randint(fewest, most)))
