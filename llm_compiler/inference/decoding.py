"""Which tokens to take: greedily, by chance, or those of priority sampling; with any engine, and a grammar if wanted.

An answer's log-probability is that of drawing it token by token at temperature 1 among the tokens that the grammar
allows, that of its end included if it has one. So forced tokens are for nothing, in probability as in time: the engine
reads them together with the next that was chosen. `log_probability` without a grammar is the model's own.

Everything is deterministic for an engine that is; a deadline is not.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from llm_compiler.inference.engine import Branch, Engine, Logits
from llm_compiler.inference.grammar import Ids, PassListGrammar, State

Reason = Literal["end", "stop", "length", "context", "time"]
LogProbabilities = npt.NDArray[np.float64]

_SCORED = 256
"""Tokens whose logits are in memory at a time where an answer is scored."""


@dataclass(frozen=True)
class Stop:
    """When an answer is over. What stops it is part of it, but for `end`."""

    end: int | None
    """The id with which a model ends an answer."""
    ids: frozenset[int] = frozenset()
    """Each of them stops it."""
    until: Callable[[Sequence[int]], bool] | None = None
    """Whether an answer of these ids needs no more; asked after every token."""
    after_list: bool = False
    """Whether it stops where its grammar does."""
    tokens: int | None = None
    """Its longest length."""
    seconds: float | None = None
    """From the call on, for all that it asks for; a pass of the engine is not broken off."""


@dataclass(frozen=True)
class Generated:
    """An answer, or the beginning of one."""

    ids: tuple[int, ...]
    logprob: float
    reason: Reason
    """`end` and `stop` are whole answers. Cut off are those with `length`, `context` (the model's) and `time`."""


def greedy(engine: Engine, prompt: Sequence[int], stop: Stop, grammar: PassListGrammar | None = None) -> Generated:
    """The answer of the most probable token each time. ValueError where the engine does not take the prompt."""
    with _Decoding(engine, prompt, stop, grammar) as decoding:
        decoding.finish([decoding.root], [_most_probable])
        return decoding.root.generated()


def sample(
    engine: Engine,
    prompt: Sequence[int],
    seeds: Sequence[int],
    stop: Stop,
    grammar: PassListGrammar | None = None,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
) -> list[Generated]:
    """An answer for each seed, drawn from the fewest tokens whose probabilities add up to `top_p`.

    All are decoded together, and each is the one that its seed gives alone. ValueError as for `greedy`, for a
    temperature that is not above 0, and a `top_p` not above 0 and up to 1.
    """
    if not temperature > 0:
        raise ValueError(f"a temperature of {temperature}; it must be above 0")
    if not 0 < top_p <= 1:
        raise ValueError(f"a top_p of {top_p}; it must be above 0, and 1 at most")
    with _Decoding(engine, prompt, stop, grammar) as decoding:
        growing = [decoding.fork(decoding.root) for _ in seeds]
        decoding.finish(growing, [_Drawn(np.random.default_rng(seed), temperature, top_p) for seed in seeds])
        return [each.generated() for each in growing]


def priority_samples(
    engine: Engine, prompt: Sequence[int], number: int, stop: Stop, grammar: PassListGrammar | None = None
) -> Iterator[Generated]:
    """Up to `number` different answers by priority sampling (arXiv 2402.18734), as soon as they are there.

    The first is the greedy one. Each of the others takes, of all tokens that were passed over so far, the one with the
    highest probability (of the answer up to and with it), and goes on greedily: these probabilities never rise from
    answer to answer. There are fewer answers where the grammar has no more, or the time is over. ValueError as for
    `greedy`, at the first answer.
    """
    if number < 1:
        return
    with _Decoding(engine, prompt, stop, grammar) as decoding:
        growing, notes = decoding.root, _Notes(stop.end, decoding.room)
        for remaining in reversed(range(number)):
            notes.most = remaining
            decoding.finish([growing], [notes])
            yield growing.generated()
            notes.forget_the_rest()
            decoding.keep({each.growing for each in notes.passed_over})
            if not notes.passed_over or decoding.late():
                return
            growing = decoding.branch_off(heapq.heappop(notes.passed_over))


def log_probability(
    engine: Engine, prompt: Sequence[int], answer: Sequence[int], grammar: PassListGrammar | None = None
) -> float:
    """That of an answer, with its end if that is given; -inf for one that the grammar does not allow.

    ValueError where the engine does not take both.
    """
    branch, logits = engine.prefill(prompt)
    try:
        state = grammar.start if grammar else None
        total = 0.0
        for token, row in zip(answer, chain([logits], _logits(engine, branch, answer[:-1])), strict=False):
            allowed = grammar.allowed(state) if grammar and state else None
            at = token if allowed is None else int(np.searchsorted(allowed, token))
            if allowed is not None and (at == len(allowed) or allowed[at] != token):
                return float("-inf")
            total += float(_scores(row, allowed)[at])
            state = grammar.advance(state, token) if grammar and state else None
        return total
    finally:
        engine.release(branch)


def _logits(engine: Engine, branch: Branch, tokens: Sequence[int]) -> Iterator[Logits]:
    """Those after each of the tokens."""
    for start in range(0, len(tokens), _SCORED):
        yield from engine.decode([branch], [tokens[start : start + _SCORED]])[0]


@dataclass(eq=False)
class _Growing:
    """An answer that is being decoded."""

    branch: Branch
    logits: Logits
    """After the last token that was read."""
    state: State | None
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    unread: list[int] = field(default_factory=list)
    """The last of the ids, which the engine has not seen."""
    reason: Reason | None = None
    """None while it grows."""

    def generated(self) -> Generated:
        assert self.reason
        return Generated(tuple(self.ids), self.logprob, self.reason)


class _PassedOver(NamedTuple):
    """A token that could have been taken. Sorts by probability, then by age."""

    cost: float
    """The log-probability with it, negated."""
    order: int
    growing: _Growing
    position: int
    """How many ids of the answer are before it."""
    state: State | None
    """There."""
    token: int


_Choose = Callable[[_Growing, Ids | None, LogProbabilities], int]
"""The position of the choice among the scores, which are those of the allowed ids; of all ids if that is None."""


class _Decoding:
    """Answers to one prompt. A context manager: branches that live on at its end are given back."""

    def __init__(self, engine: Engine, prompt: Sequence[int], stop: Stop, grammar: PassListGrammar | None) -> None:
        self._engine, self._prompt, self._stop, self._grammar = engine, prompt, stop, grammar
        self._deadline = None if stop.seconds is None else time.monotonic() + stop.seconds
        room = max(0, engine.context - len(prompt))
        self._cut: Reason = "context" if stop.tokens is None or stop.tokens > room else "length"
        self.room = room if stop.tokens is None else min(room, stop.tokens)
        """Tokens that an answer may have."""
        self._grown: list[_Growing] = []

    def __enter__(self) -> _Decoding:
        # What every answer begins with is read with the prompt.
        forced, state = self._grammar.forced(self._grammar.start) if self._grammar else ([], None)
        read = [*self._prompt, *forced[: self.room]]
        branch, logits = self._engine.prefill(read)
        self.root = _Growing(branch, logits, state)
        self._grown.append(self.root)
        self._append(self.root, forced)
        self.root.unread.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self.keep(set())

    def late(self) -> bool:
        """Whether the time is over."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def fork(self, growing: _Growing, position: int | None = None) -> _Growing:
        """Another answer that begins with the first ids of this one, which have all been read; by default all."""
        ids = growing.ids[:position]
        branch = self._engine.fork(growing.branch, len(self._prompt) + len(ids))
        other = _Growing(branch, growing.logits, growing.state, ids, growing.logprob, reason=growing.reason)
        self._grown.append(other)
        return other

    def keep(self, wanted: Set[_Growing]) -> None:
        """Give back the branches of all other answers."""
        for each in self._grown:
            if each not in wanted:
                self._engine.release(each.branch)
        self._grown = [each for each in self._grown if each in wanted]

    def branch_off(self, passed: _PassedOver) -> _Growing:
        """The answer that takes the token instead of the one that was chosen, read up to there."""
        other = self.fork(passed.growing, passed.position)
        other.state, other.logprob, other.reason = passed.state, 0.0, None
        self._take(other, passed.token, -passed.cost)
        self._read([other])
        return other

    def finish(self, growing: Sequence[_Growing], choose: Sequence[_Choose]) -> None:
        """Decode until all answers are over."""
        active = [(each, how) for each, how in zip(growing, choose, strict=True) if each.reason is None]
        while active:
            if self.late():
                for each, _ in active:
                    each.reason = "time"
                return
            for each, how in active:
                allowed = self._grammar.allowed(each.state) if self._grammar and each.state else None
                scores = _scores(each.logits, allowed)
                at = how(each, allowed, scores)
                self._take(each, at if allowed is None else int(allowed[at]), float(scores[at]))
            active = [(each, how) for each, how in active if each.reason is None]
            self._read([each for each, _ in active])

    def _take(self, growing: _Growing, token: int, score: float) -> None:
        """Append a token and those that it forces, or end."""
        if token == self._stop.end and growing.state is None:
            growing.reason = "end"
        elif len(growing.ids) == self.room:
            growing.reason = self._cut
            return
        growing.logprob += score
        if growing.reason:
            return
        forced: list[int] = []
        if self._grammar and growing.state:
            forced, growing.state = self._grammar.forced(self._grammar.advance(growing.state, token))
        self._append(growing, [token, *forced])

    def _append(self, growing: _Growing, tokens: Sequence[int]) -> None:
        stop = self._stop
        for token in tokens:
            if len(growing.ids) == self.room:
                growing.reason = self._cut
                return
            growing.ids.append(token)
            growing.unread.append(token)
            if token in stop.ids or (stop.until and stop.until(growing.ids)):
                growing.reason = "stop"
                return
        if stop.after_list and self._grammar and growing.state is None:
            growing.reason = "stop"

    def _read(self, growing: Sequence[_Growing]) -> None:
        """Have the engine read what was appended to the answers that are not over, and is not read yet."""
        growing = [each for each in growing if each.reason is None and each.unread]
        if not growing:
            return
        logits = self._engine.decode([each.branch for each in growing], [each.unread for each in growing])
        for each, rows in zip(growing, logits, strict=True):
            each.logits, each.unread = rows[-1], []


def _scores(logits: Logits, allowed: Ids | None) -> LogProbabilities:
    """The log-probabilities of the allowed ids, or of all, among themselves."""
    chosen = (logits if allowed is None else logits[allowed]).astype(np.float64)
    chosen -= chosen.max()
    scores: LogProbabilities = chosen - np.log(np.exp(chosen).sum())
    return scores


def _most_probable(growing: _Growing, allowed: Ids | None, scores: LogProbabilities) -> int:
    return int(scores.argmax())


class _Notes:
    """Chooses the most probable token, and notes what it passes over."""

    def __init__(self, end: int | None, room: int) -> None:
        self.passed_over: list[_PassedOver] = []
        """A heap."""
        self.most = 0
        """How many of them will be wanted."""
        self._end, self._room = end, room
        self._order = count()

    def __call__(self, growing: _Growing, allowed: Ids | None, scores: LogProbabilities) -> int:
        best = int(scores.argmax())
        others = scores.copy()
        others[best] = -np.inf
        ids = np.arange(len(others)) if allowed is None else allowed
        if len(growing.ids) == self._room:  # any token but the end would be cut off, and leave the same answer
            others[ids != self._end] = -np.inf
        chosen = np.argpartition(-others, self.most)[: self.most] if self.most < len(others) else np.arange(len(others))
        for at in sorted(chosen.tolist()):
            if others[at] > -np.inf:
                cost = -growing.logprob - float(others[at])
                place = len(growing.ids), growing.state
                passed = _PassedOver(cost, next(self._order), growing, *place, int(ids[at]))
                heapq.heappush(self.passed_over, passed)
        return best

    def forget_the_rest(self) -> None:
        """Keep no more than will be wanted."""
        self.passed_over = heapq.nsmallest(self.most, self.passed_over)  # sorted, so a heap


@dataclass(frozen=True)
class _Drawn:
    """Chooses by chance."""

    generator: np.random.Generator
    temperature: float
    top_p: float

    def __call__(self, growing: _Growing, allowed: Ids | None, scores: LogProbabilities) -> int:
        scaled = scores / self.temperature
        if self.top_p < 1:
            order = np.argsort(-scaled, kind="stable")
            sums = np.cumsum(np.exp(scaled[order] - scaled[order[0]]))
            scaled[order[int(np.searchsorted(sums, self.top_p * sums[-1])) + 1 :]] = -np.inf
        # Gumbel's noise makes the largest a fair draw, and one that rounding hardly ever changes: places in a sum of
        # thousands of probabilities would depend on what is decoded beside it.
        return int((scaled + self.generator.gumbel(size=len(scaled))).argmax())
