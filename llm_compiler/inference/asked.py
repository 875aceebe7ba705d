"""A model's pass lists for a module; for one over the context those for its functions, or for their beginnings."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from llm_compiler.inference.model import How, LocalModel, Model, ModelError, PromptTooLongError, Written
from llm_compiler.inference.propose import Candidate
from llm_compiler.llvm.library import Library
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.workers import Failure, Limits, Workers
from llm_compiler.tasks import flag_tuning
from llm_compiler.tasks.task import Pieces

_LONGEST_LIST = 160
"""Tokens of an answer: ten times what labels need."""
_ASKED = 6
"""Functions that are asked about where a module is over the context."""
_SHOWN = 2 * _ASKED
"""The longest ones, of which a server may refuse some. Taking a function out of a module costs a copy of all of it."""
_WORST = 1e-6
"""The least share that a list's probability counts for, so that what no one gave a probability still counts."""


@dataclass(frozen=True)
class _Texts:
    """A module as models are asked about it."""

    whole: str
    functions: tuple[tuple[str, str], ...]
    """Name and text of each, where they are wanted."""


@dataclass(frozen=True)
class _Printing:
    module: bytes
    functions: bool


class _Printer:
    """The function that workers run: LLVM may crash on what it is given to read."""

    def __init__(self, library: Path) -> None:
        self._path = library

    def prepare(self) -> None:
        self._library = Library(self._path)

    def __call__(self, item: _Printing) -> _Texts:
        with Context(self._library) as context, context.parse(item.module) as module:
            if not item.functions:
                return _Texts(module.print(), ())
            found = []
            for name in module.longest_functions(_SHOWN):
                with module.extract(name) as part:
                    found.append((name, part.print()))
            return _Texts("", tuple(found))


def must_leave_room(model: Model, prompt: Pieces) -> None:
    """PromptTooLongError for a prompt that leaves no room for a pass list, as far as anyone but a server can tell."""
    length, context = model.length(prompt), model.context
    if length is not None and context is not None and length + flag_tuning.LIST_ROOM > context:
        raise PromptTooLongError(f"a prompt of {length:,} tokens, in a context of {context:,}")


class Asked:
    """Asks a model about modules. A context manager; threads wait for each other."""

    def __init__(self, model: Model, vocabulary: Vocabulary, library: Path, protocol: str, how: How) -> None:
        self._model, self._vocabulary, self._protocol = model, vocabulary, protocol
        self._how = how if how.tokens else replace(how, tokens=_LONGEST_LIST)
        self._printer: Workers[_Printing, _Texts] = Workers(_Printer(library), count=1, limits=Limits())
        self._lock = Lock()

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the worker; the model is somebody else's."""
        self._printer.close()

    def __call__(self, module: bytes) -> Sequence[Candidate]:
        """What the model proposes, the most probable first; nothing for what LLVM cannot print. ModelError."""
        with self._lock:
            texts = self._texts(module, functions=False)
            if texts is None:
                return []
            try:
                found = [*self._lists(self._prompt(texts.whole))]
                return [Candidate(passes, f"model {number}") for number, (passes, _) in enumerate(found, 1)]
            except PromptTooLongError:
                return self._by_functions(module)

    def by_functions(self, module: bytes) -> Sequence[Candidate]:
        """What it proposes for a module over its context: what is best for the largest functions. ModelError."""
        with self._lock:
            return self._by_functions(module)

    def prompt(self, module: bytes) -> Pieces:
        """The question about a module. PromptTooLongError; ModelError for what LLVM cannot print."""
        with self._lock:
            texts = self._texts(module, functions=False)
        if texts is None:
            raise ModelError("LLVM cannot print this module")
        return self._prompt(texts.whole)

    def _by_functions(self, module: bytes) -> Sequence[Candidate]:
        # Each list is counted by its function's size, and by how sure the model is of it.
        texts = self._texts(module, functions=True)
        votes: dict[str, float] = defaultdict(float)
        lists: dict[str, PassList] = {}
        asked = 0
        for _, text in sorted(texts.functions, key=lambda one: -len(one[1])) if texts else ():
            if asked == _ASKED:
                break
            try:
                for passes, probability in self._lists(self._prompt(text, cut=True)):
                    lists[str(passes)] = passes
                    votes[str(passes)] += len(text) * probability
                asked += 1
            except PromptTooLongError:
                continue
        best = sorted(votes, key=lambda one: -votes[one])[: self._how.samples]
        return [Candidate(lists[one], f"model, by functions, {number}") for number, one in enumerate(best, 1)]

    def _texts(self, module: bytes, *, functions: bool) -> _Texts | None:
        (answer,) = self._printer.map([_Printing(module, functions)])
        return None if isinstance(answer, Failure) else answer

    def _prompt(self, printed: str, *, cut: bool = False) -> Pieces:
        """The question about a module as LLVM prints it, or about as much as the context holds. PromptTooLongError."""
        try:
            question = flag_tuning.ask(printed, self._protocol)
        except ValueError as error:
            raise PromptTooLongError(str(error)) from None
        prompt = flag_tuning.prompt(question, self._model.dialect)
        if cut and isinstance(self._model, LocalModel):
            return self._model.cut(prompt, flag_tuning.LIST_ROOM)
        must_leave_room(self._model, prompt)
        return prompt

    def _lists(self, prompt: Pieces) -> Iterator[tuple[PassList, float]]:
        """The lists of all answers that are any, without those that stand for -Oz, and their probabilities."""
        known = set()
        for answer in self._model.write(prompt, self._how, self._vocabulary):
            passes = self._list(answer)
            if passes is not None and str(passes) not in known:
                known.add(str(passes))
                yield passes, _WORST if answer.logprob is None else max(_WORST, math.exp(answer.logprob))

    def _list(self, answer: Written) -> PassList | None:
        try:
            passes = flag_tuning.proposed(flag_tuning.parse(answer.text), self._vocabulary)
        except flag_tuning.RefusedError:
            return None
        return None if str(passes) == flag_tuning.best_is_oz(self._vocabulary.version) else passes
