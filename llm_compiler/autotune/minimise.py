"""Minimise a pass list: drop what does not contribute, order what is left, try a few insertions; to a fixed point.

After the paper: passes that do not contribute are dropped, the rest is bubble-sorted into a canonical order where that
keeps the size, and insertions are searched. Sizes never grow on the way. Two lists that do the same thing to a unit
then mostly become the same list, which is what makes them learnable and worth trying on other units.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from llm_compiler.autotune.search import PassNames

Minimisation = Generator[PassNames, int | None, tuple[PassNames, int]]


def minimise(names: PassNames, size: int, order: Sequence[str], insertions: Sequence[str], budget: int) -> Minimisation:
    """Yields lists to evaluate as a search does; returns the minimal list and its size.

    `order` is the canonical order of passes, `insertions` the passes worth trying at every place, `budget` the number
    of evaluations after which the best so far is returned.
    """
    ranks = {name: rank for rank, name in enumerate(order)}
    tries = _Tries(names, size, budget)
    while True:
        before = tries.names, tries.size
        yield from _drop(tries)
        yield from _sort(tries, ranks)
        yield from _insert(tries, insertions)
        if (tries.names, tries.size) == before or not tries.left:
            return tries.names, tries.size


class _Tries:
    """The list as far as it has come, and the evaluations that are left."""

    def __init__(self, names: PassNames, size: int, budget: int) -> None:
        self.names, self.size, self.left = names, size, budget
        self._known: dict[PassNames, int | None] = {(): None, names: size}

    def accept(self, names: PassNames, at_most: int) -> Generator[PassNames, int | None, bool]:
        """Take it if it is no larger than that, which is evaluated once."""
        if names not in self._known:
            if not self.left:
                return False
            self.left -= 1
            self._known[names] = yield names
        size = self._known[names]
        if size is None or size > at_most:
            return False
        self.names, self.size = names, size
        return True


def _drop(tries: _Tries) -> Generator[PassNames, int | None, None]:
    """Chunks first, from half the list down to single passes, from the end: what comes last matters least."""
    chunk = len(tries.names) // 2
    while chunk:
        end = len(tries.names)
        while end > 0:
            start = max(0, end - chunk)
            yield from tries.accept(tries.names[:start] + tries.names[end:], tries.size)
            end = start
        chunk //= 2


def _sort(tries: _Tries, ranks: dict[str, int]) -> Generator[PassNames, int | None, None]:
    for end in range(len(tries.names) - 1, 0, -1):
        for at in range(end):
            names = tries.names
            if ranks.get(names[at], 0) > ranks.get(names[at + 1], 0):
                swapped = (*names[:at], names[at + 1], names[at], *names[at + 2 :])
                yield from tries.accept(swapped, tries.size)


def _insert(tries: _Tries, insertions: Sequence[str]) -> Generator[PassNames, int | None, None]:
    for name in insertions:
        for at in (len(tries.names), 0):
            longer = (*tries.names[:at], name, *tries.names[at:])
            yield from tries.accept(longer, tries.size - 1)
