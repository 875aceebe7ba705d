"""Units to encoded examples, in workers: a task makes the text, which becomes ids beside it, so that writing is left.

What a unit gives is decided by the recipe's seed, the task and the unit's id: neither by when nor by where it is made.
"""

from __future__ import annotations

import array
import contextlib
import dataclasses
import importlib
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_compiler.autotune.label import Label
from llm_compiler.corpus.unit import Unit
from llm_compiler.data.recipe import Recipe, RecipeError, TokenizerChoice, unknown
from llm_compiler.data.rows import question
from llm_compiler.llvm.library import Library
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure
from llm_compiler.model.foreign import AnyTokenizer, cut, load_any
from llm_compiler.model.tokenizer import Tokenizer
from llm_compiler.tasks.task import Example, LeftOut, Task, Tools

TOO_LONG = "longer than the context"
PROMPT_TOO_LONG = "prompt longer than the context"
_IDS = 1 << 16
"""Rows hold ids of 16 bits."""


@dataclass(frozen=True)
class Document:
    """An example in ids, or a piece of a long text."""

    source: str
    tokens: bytes
    """uint16, little-endian, from BOS to EOS; a text that goes on in another document has no EOS."""
    answer: int
    """The first token to be learnt; 1 for plain text, in which all but BOS is."""
    text_bytes: int
    unit: str
    project: str
    question: bytes
    """No two splits have documents with the same one: see `rows.question`."""
    replay: str


@dataclass(frozen=True)
class Item:
    """A unit to make a task's examples of."""

    task: str
    unit: Unit
    label: Label | None


@dataclass(frozen=True)
class Spent:
    """The last step of a unit that nothing went wrong with: CPU seconds."""

    seconds: float


Step = tuple[Document | LeftOut, ...] | Spent | Failure
"""What an example gives; where LLVM crashed, a failure."""


def settings_of(recipe: Recipe, tasks: Mapping[str, Task]) -> dict[str, Any]:
    """The settings of each task that the recipe trains on. RecipeError for tasks and settings that there are not."""
    used = list(dict.fromkeys(share.task for stage in recipe.stages for share in stage.mixture))
    for name in (*used, *recipe.tasks):
        if name not in tasks:
            raise RecipeError(f"recipe: {unknown('task', name, tasks)}")
    found = {}
    for name in used:
        kind = importlib.import_module(module_of(tasks[name])).Settings
        known = {one.name for one in dataclasses.fields(kind)}
        given = dict(recipe.tasks.get(name, {}))
        for key in given:
            if key not in known:
                raise RecipeError(f"recipe: tasks.{name}: {unknown('setting', key, sorted(known))}")
        for key, value in (("dialect", recipe.data.dialect), ("context", recipe.model.context)):
            if key in known:
                given.setdefault(key, value)
        # TOML has lists where settings, being frozen, have tuples.
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
        try:
            found[name] = kind(**given)
        except (TypeError, ValueError) as error:
            raise RecipeError(f"recipe: tasks.{name}: {' '.join(str(error).split())}") from None
    return found


def module_of(task: Task) -> str:
    """The dotted name of a task's module."""
    name: str = task.__name__  # type: ignore[attr-defined] # tasks are modules
    return name


def load_tokenizer(choice: TokenizerChoice) -> AnyTokenizer:
    """The tokenizer of a recipe. TokenizerError if there is none, RecipeError if it cannot be as the recipe says."""
    tokenizer = load_any(Path(choice.folder)) if choice.folder else Tokenizer.load()
    if choice.vocabulary:
        if not isinstance(tokenizer, Tokenizer):
            raise RecipeError(f"recipe: tokenizer.vocabulary: {choice.folder} is a foreign tokenizer, used as it is")
        try:
            tokenizer = tokenizer.smaller(choice.vocabulary)
        except ValueError as error:
            raise RecipeError(f"recipe: tokenizer.vocabulary: {error}") from None
    if tokenizer.vocabulary_size > _IDS:
        raise RecipeError(f"recipe: the tokenizer has {tokenizer.vocabulary_size} ids; rows have room for {_IDS}")
    return tokenizer


class Maker:
    """Makes the examples of one unit, for `Workers`: each is a step, and LLVM may crash in any."""

    def __init__(
        self,
        toolchain: Toolchain,
        vocabulary: Vocabulary,
        choice: TokenizerChoice,
        context: int,
        seed: int,
        tasks: Mapping[str, Task],
        settings: Mapping[str, Any],
    ) -> None:
        self._toolchain, self._vocabulary, self._choice = toolchain, vocabulary, choice
        self._context, self._seed, self._settings = context, seed, dict(settings)
        self._names = {name: module_of(tasks[name]) for name in settings}  # modules cannot be pickled

    def prepare(self) -> None:
        """Load libLLVM, the tasks and the tokenizer."""
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # there is a worker for each core, and they fork
        self._tools = Tools(self._toolchain, Library(self._toolchain.library), self._vocabulary)
        self._tasks: dict[str, Any] = {name: importlib.import_module(path) for name, path in self._names.items()}
        self._encoder = Encoder(load_tokenizer(self._choice), self._context)

    def steps(self, item: Item, past: list[Any]) -> Iterator[Step]:
        """What each example gives, then `Spent`."""
        started = time.process_time()
        rng = random.Random(f"{self._seed} {item.task} {item.unit.id}")
        task, settings = self._tasks[item.task], self._settings[item.task]
        for made in task.examples(item.unit, item.label, self._tools, settings, rng, skip=len(past)):
            yield (made,) if isinstance(made, LeftOut) else tuple(self._encoder.documents(made))
        yield Spent(time.process_time() - started)


class Encoder:
    """Examples to documents of at most `context` tokens."""

    def __init__(self, tokenizer: AnyTokenizer, context: int) -> None:
        self._tokenizer, self._context = tokenizer, context
        self._line_ends = {
            number for number in range(tokenizer.vocabulary_size) if tokenizer.decode_bytes([number]).endswith(b"\n")
        }

    def documents(self, example: Example) -> Iterator[Document | LeftOut]:
        """One document; several for a text that is too long; none, and why, for an example that is."""
        bos, eos = self._tokenizer.bos, self._tokenizer.eos
        prompt = self._prompt(example)
        if prompt and len(prompt) + 3 > self._context:
            yield LeftOut(example.task, PROMPT_TOO_LONG)
            return
        answer = self._tokenizer.encode_pieces(example.answer)
        if not answer:
            yield LeftOut(example.task, "empty")
        elif prompt and len(prompt) + len(answer) + 2 > self._context:
            yield LeftOut(example.task, TOO_LONG)
        elif prompt:
            yield self._document(example, [bos, *prompt, *answer, eos], len(prompt) + 1, 0)
        else:
            pieces = list(self._pieces(answer))
            for number, piece in enumerate(pieces):
                end = [eos] if number == len(pieces) - 1 else []
                yield self._document(example, [bos, *piece, *end], 1, number)

    def _prompt(self, example: Example) -> list[int]:
        ids = self._tokenizer.encode_pieces(example.prompt)
        if example.room is None or len(ids) + 1 + example.room <= self._context:
            return ids
        with contextlib.suppress(ValueError):
            ids = self._tokenizer.encode_pieces(cut(self._tokenizer, example.prompt, self._context - example.room - 1))
        return ids

    def _pieces(self, ids: list[int]) -> Iterator[list[int]]:
        """A text in pieces that leave room for BOS and EOS, cut after a line if one ends in a piece's second half."""
        room, start = self._context - 2, 0
        while len(ids) - start > room:
            half = range(start + room - 1, start + room // 2, -1)
            cut = next((place + 1 for place in half if ids[place] in self._line_ends), start + room)
            yield ids[start:cut]
            start = cut
        yield ids[start:]

    def _document(self, example: Example, ids: list[int], answer: int, piece: int) -> Document:
        stored = array.array("H", ids)
        if sys.byteorder == "big":
            stored.byteswap()
        tokens = stored.tobytes()
        text_bytes = len(self._tokenizer.decode_bytes(ids))
        replay = json.dumps(json.loads(example.replay) | {"piece": piece}) if piece else example.replay
        return Document(
            example.source, tokens, answer, text_bytes, example.unit, example.project, question(tokens, answer), replay
        )
