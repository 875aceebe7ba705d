"""The grammar of a flag tuning answer: only pass lists that this LLVM takes and that may be proposed.

An answer is `opt -p '`, the list, `'`, what comes before the first number, and then anything. Lists look as those that
models are trained on: each pass in the adaptors that it needs (verbatim), or bare (compact). So they are a regular
language, and each token is followed by a small set of others, all found beforehand.

Text has many spellings in tokens, and a model has learnt one of them. Tokens run over the ends of names, so the grammar
is one of tokens from the answer's beginning on, and lets through what the tokenizer makes of whole answers: byte pair
encoding gives a sequence of tokens exactly if it gives each two neighbours. Only in a line of over 1,000 characters,
which the tokenizer's pattern cuts, are the tokens those of the text without that cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.model.tokenizer import SPECIALS, Tokenizer
from llm_compiler.tasks import flag_tuning
from llm_compiler.tasks.code import shown
from llm_compiler.tasks.task import Dialect

Ids = npt.NDArray[np.int64]

_DIGITS = "0123456789"


class GrammarError(Exception):
    """No list can be let through at all. The message is one line."""


class State(NamedTuple):
    """Where an answer stands inside its grammar; None stands for the part in which anything may come."""

    node: int
    passes: int
    """How many may still begin, after the one that has."""


class _Edge(NamedTuple):
    target: int | None
    """A node; None past the list."""
    passes: int
    """How many begin in the token."""
    least: int
    """How many begin in it and after it at least, until the list has ended."""


class _Key(NamedTuple):
    """What decides which tokens may follow. Keys become nodes."""

    place: str
    tail: tuple[int, ...]
    """The last token, with those before it in the same name where a digit is near: by the characters before it the
    tokenizer decides whether a digit is a piece of its own."""


class PassListGrammar:
    """Which tokens may follow in an answer. States are values; may be shared by threads."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        vocabulary: Vocabulary,
        dialect: Dialect,
        *,
        denied: Iterable[str] = (),
        longest: int = 50,
    ) -> None:
        """Lists of 1 to `longest` proposable passes, none of them `denied` (as the vocabulary spells them).

        Takes a fifth of a second, verbatim a second or two. GrammarError where no list is left.
        """
        names = {known.name for known in vocabulary.proposable} - set(denied)
        items = [shown(str(vocabulary.nest([name])), dialect) for name in sorted(names)]
        if not items or longest < 1:
            raise GrammarError("every pass is denied" if longest >= 1 else "a pass list has one pass at least")
        self.before, self.after = _template(dialect)
        """What stands around the list."""
        places = _places(self.before, items, self.after)
        self._edges = _alive(_graph(tokenizer, places))
        self._ids = [np.array(sorted(edges), np.int64) for edges in self._edges]
        self._most = [max((edge.least for edge in edges.values()), default=0) for edges in self._edges]
        self._tokenizer = tokenizer
        self.start = State(0, longest - 1)
        """Before the first token of an answer."""
        if not self.allowed(self.start).size:
            raise GrammarError("the tokenizer cannot spell a pass list")

    def allowed(self, state: State) -> Ids:
        """The ids that may follow, sorted: one at least in every state that is reached. Not to be changed."""
        if state.passes >= self._most[state.node]:
            return self._ids[state.node]
        edges = self._edges[state.node].items()
        return np.array(sorted(token for token, edge in edges if edge.least <= state.passes), np.int64)

    def advance(self, state: State, token: int) -> State | None:
        """The state after a token. ValueError for one that may not follow."""
        edge = self._edges[state.node].get(token)
        if edge is None or edge.least > state.passes:
            raise ValueError(f"token {token} may not follow here in a pass list")
        return None if edge.target is None else State(edge.target, state.passes - edge.passes)

    def forced(self, state: State | None) -> tuple[list[int], State | None]:
        """The tokens to which there is no alternative from here on, and the state after them."""
        tokens: list[int] = []
        while state is not None and (allowed := self.allowed(state)).size == 1:
            tokens.append(int(allowed[0]))
            state = self.advance(state, tokens[-1])
        return tokens, state

    def passes(self, ids: Sequence[int]) -> str:
        """The list of an answer that begins with these ids, in the answer's dialect.

        Of a list that has no end its last pass is left out, which may have no end either; empty if nothing is left.
        """
        text = self._tokenizer.decode(ids)
        if not text.startswith(self.before):
            return ""
        inside, quote, _ = text.removeprefix(self.before).partition(self.after[0])
        return inside if quote else inside.rpartition(",")[0]


def _template(dialect: Dialect) -> tuple[str, str]:
    """What an answer has before the list, and after it up to the first number."""
    (before, _), _, (after, _) = flag_tuning.write(flag_tuning.Answer(("",), 0, 0), dialect)
    return before, re.split("[0-9]", after)[0]


def _places(before: str, items: Sequence[str], after: str) -> dict[str, dict[str, str | None]]:
    """An automaton over characters: from each place the characters that may follow, and the places that they lead to.

    A place is called as the text since the last comma, that included, or since the beginning of `before` or `after`.
    The end is None; only a number follows it.
    """
    places: dict[str, dict[str, str | None]] = {}
    firsts, laters = [before + item for item in items], [f",{item}" for item in items]
    for text in (*firsts, *laters, after):
        for end, character in enumerate(text):
            places.setdefault(text[:end], {})[character] = text[: end + 1]
    for text in (*firsts, *laters):
        places.setdefault(text, {}).update({",": ",", after[0]: after[0]})
    for character in (",", after[0]):
        del places[""][character]  # from where the other texts begin
    places[after[:-1]][after[-1]] = None
    return places


def _graph(tokenizer: Tokenizer, places: dict[str, dict[str, str | None]]) -> list[dict[int, _Edge]]:
    """The tokens that may follow at each node, the first of which is the beginning.

    Some lead to where nothing may follow, and `least` is not known yet.
    """
    words = _words(tokenizer)
    spelling = {token: text for text, token in words.items()}
    trie = _trie(words)
    steps: dict[str, list[tuple[int, str | None]]] = {}
    nodes = {_Key("", ()): 0}
    edges: list[dict[int, _Edge]] = [{}]
    pending = list(nodes)
    while pending:
        trials = []
        for key in pending:
            if key.place not in steps:
                steps[key.place] = list(_steps(places, trie, key.place))
            trials += [(key, token, place) for token, place in steps[key.place]]
        texts = ["".join(spelling[token] for token in (*key.tail, token)) for key, token, _ in trials]
        pending = []
        for (key, token, place), ids in zip(trials, tokenizer.encode_batch(texts), strict=True):
            if tuple(ids[-2:]) != (*key.tail[-1:], token):
                continue
            target = None
            if place is not None:
                inside_name = any(map(str.isalnum, places[place]))
                following = _Key(place, _tail((*key.tail, token), inside_name, spelling))
                target = nodes.setdefault(following, len(nodes))
                if target == len(edges):
                    edges.append({})
                    pending.append(following)
            edges[nodes[key]][token] = _Edge(target, spelling[token].count(","), 0)
    return edges


def _words(tokenizer: Tokenizer) -> dict[str, int]:
    """The tokens that a list can be made of."""
    ids = range(len(SPECIALS), tokenizer.vocabulary_size)
    texts = ((tokenizer.decode_bytes([token]), token) for token in ids)
    return {text.decode(): token for text, token in texts if text.isascii()}


def _trie(words: dict[str, int]) -> dict[str, Any]:
    """The words by their characters; under the empty text the token that ends there."""
    root: dict[str, Any] = {}
    for text, token in words.items():
        inner = root
        for character in text:
            inner = inner.setdefault(character, {})
        inner[""] = token
    return root


def _steps(
    places: dict[str, dict[str, str | None]], trie: dict[str, Any], place: str | None
) -> Iterator[tuple[int, str | None]]:
    """The tokens whose characters may follow at a place, and the places that they lead to."""
    if "" in trie:
        yield trie[""], place
    characters = places[place] if place is not None else dict.fromkeys(_DIGITS)
    for character, target in characters.items():
        if character in trie:
            yield from _steps(places, trie[character], target)


def _tail(tokens: tuple[int, ...], inside_name: bool, spelling: dict[int, str]) -> tuple[int, ...]:
    """What of the last tokens decides how the tokenizer goes on; `inside_name` if a letter or digit may follow."""
    *before, last = tokens
    text = spelling[last]
    begins_name = not text[0].isalnum()
    has_digit = not set(_DIGITS).isdisjoint(text)
    if begins_name or not (has_digit or (inside_name and text.isalnum())):
        return (last,)
    first = next((at for at in reversed(range(len(before))) if not spelling[before[at]].isalnum()), 0)
    return (*before[first:], last)


def _alive(edges: Sequence[dict[int, _Edge]]) -> list[dict[int, _Edge]]:
    """The edges that do not lead to where nothing may follow, each with the passes that it takes at least."""
    needed: dict[int | None, int] = {None: 0}
    before: dict[int | None, int] = {}
    while needed != before:
        before = dict(needed)
        for node in reversed(range(len(edges))):
            ends = [edge.passes + needed[edge.target] for edge in edges[node].values() if edge.target in needed]
            if ends:
                needed[node] = min(ends)
    return [
        {
            token: edge._replace(least=edge.passes + needed[edge.target])
            for token, edge in following.items()
            if edge.target in needed
        }
        for following in edges
    ]
