"""Pass lists in the new pass manager's syntax, and the vocabulary that a version of LLVM offers for them.

`module(default<Oz>),function(sroa),cgscc(argpromotion),function(loop(loop-rotate))` is a `PassList` of four elements,
each an adaptor with what is nested in it. Printing a parsed list gives its canonical text (no spaces); parsing that
gives an equal list.
"""

from __future__ import annotations

import difflib
import random
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Literal

Level = Literal["module", "cgscc", "function", "loop", "loop-mssa"]
LEVELS: tuple[Level, ...] = ("module", "cgscc", "function", "loop", "loop-mssa")

_ADAPTORS: dict[Level, tuple[str, ...]] = {
    "module": ("module", "cgscc", "function", "repeat", "coro-cond"),
    "cgscc": ("cgscc", "function", "repeat", "devirt"),
    "function": ("function", "loop", "loop-mssa", "repeat"),
    "loop": ("loop", "repeat"),
    "loop-mssa": ("loop", "repeat"),
}
"""What may stand at each level with something nested in it: LLVM adds no adaptor but around a whole list."""
_SAME_LEVEL = ("repeat", "devirt", "coro-cond")
"""Adaptors that run what is nested in them at the level at which they stand themselves."""
_ADAPTOR_PARAMETERS = {"repeat": re.compile(r"0*[1-9]\d{0,9}"), "devirt": re.compile(r"\d{1,9}")}
_DEPTH = 32
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class PassListError(ValueError):
    """A pass list that is not well formed, or names what this LLVM lacks. The message fits on one line."""


@dataclass(frozen=True)
class Element:
    """A pass (`early-cse<memssa>`) or an adaptor with what is nested in it (`function<eager-inv>(...)`)."""

    name: str
    parameters: str | None = None
    nested: tuple[Element, ...] = ()

    @property
    def spelling(self) -> str:
        """The name with its parameters, as the vocabulary lists it."""
        return self.name if self.parameters is None else f"{self.name}<{self.parameters}>"

    def __str__(self) -> str:
        return f"{self.spelling}({','.join(map(str, self.nested))})" if self.nested else self.spelling


@dataclass(frozen=True)
class PassList:
    """A sequence of passes, nested as LLVM nests them."""

    elements: tuple[Element, ...]

    @classmethod
    def parse(cls, text: str) -> PassList:
        """Parse LLVM's syntax, tolerating white space between tokens. Raises PassListError."""
        return cls(_Parser(text).parse())

    def __str__(self) -> str:
        return ",".join(map(str, self.elements))

    def passes(self) -> Iterator[Element]:
        """The passes in order, without the adaptors around them."""
        pending = list(reversed(self.elements))
        while pending:
            element = pending.pop()
            if element.nested:
                pending.extend(reversed(element.nested))
            else:
                yield element

    def __len__(self) -> int:
        return sum(1 for _ in self.passes())


class _Parser:
    """Recursive descent over `list := element (',' element)*; element := name ['<' text '>'] ['(' list ')']`."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def parse(self) -> tuple[Element, ...]:
        elements = self.list(0)
        if self.peek():
            raise self.error(f"unexpected '{self.peek()}'")
        return elements

    def list(self, depth: int) -> tuple[Element, ...]:
        if depth > _DEPTH:
            raise self.error(f"nested deeper than {_DEPTH}")
        elements = [self.element(depth)]
        while self.take(","):
            elements.append(self.element(depth))
        return tuple(elements)

    def element(self, depth: int) -> Element:
        self.peek()
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in _NAME:
            self.at += 1
        name = self.text[start : self.at]
        if not name:
            found = self.peek()
            raise self.error(f"expected a pass, found '{found}'" if found else "expected a pass, found the end")
        parameters = self.parameters()
        if not self.take("("):
            return Element(name, parameters)
        nested = self.list(depth + 1)
        if not self.take(")"):
            raise self.error("expected ')'")
        return Element(name, parameters, nested)

    def parameters(self) -> str | None:
        if not self.take("<"):
            return None
        end = self.text.find(">", self.at)
        if end < 0:
            raise self.error("expected '>'")
        parameters = self.text[self.at : end]
        if not parameters.isprintable() or any(c in "<(,) " for c in parameters):
            raise self.error(f"'{parameters}' cannot be a parameter")
        self.at = end + 1
        return parameters

    def peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, token: str) -> bool:
        if self.peek() != token:
            return False
        self.at += 1
        return True

    def error(self, what: str) -> PassListError:
        return PassListError(f"pass list: {what} at column {self.at + 1}")


@dataclass(frozen=True)
class Pass:
    """A pass of the vocabulary: how pipelines spell it, where it runs, and whether it may be proposed."""

    name: str
    """With its parameter only where the bare name is refused, as in `default<Oz>`."""
    level: Level
    parameters: tuple[str, ...]
    """Each is accepted alone as `name<parameter>`; `=1` stands for any number."""
    kind: str
    """optimisation, pipeline, analysis, printer, ... (see data/pass_classes.toml)."""
    propose: bool
    why: str
    """Why it may not be proposed; empty where it may."""


class Vocabulary:
    """The passes of one version of LLVM."""

    def __init__(self, version: str, passes: Iterable[Pass]) -> None:
        self.version = version
        self.passes: Mapping[str, Pass] = {p.name: p for p in sorted(passes, key=lambda p: p.name)}

    @cached_property
    def proposable(self) -> tuple[Pass, ...]:
        """The passes that a search or a model may use, sorted by name."""
        return tuple(p for p in self.passes.values() if p.propose)

    def nest(self, names: Iterable[str]) -> PassList:
        """The list of these passes, each in the adaptors that its level needs. PassListError for an unknown name."""
        elements = []
        for name in names:
            element = Element(*_split_spelling(name))
            level = self._find(element).level
            if level.startswith("loop"):
                element = Element(level, None, (element,))
                level = "function"
            elements.append(Element(level, None, (element,)))
        return PassList(tuple(elements))

    def random_list(self, rng: random.Random, longest: int = 50) -> PassList:
        """A list as the paper draws it: uniform length from 1 to `longest`, uniform proposable passes."""
        length = rng.randint(1, longest)
        return self.nest(rng.choice(self.proposable).name for _ in range(length))

    def validate(self, passes: PassList) -> None:
        """Raise PassListError where LLVM would refuse the list: unknown names, wrong nesting."""
        # LLVM takes the level of the whole list from its first element.
        first = passes.elements[0]
        if not first.nested:
            level = self._find(first).level
        elif first.name == "devirt":
            level = "cgscc"
        else:
            level = "function" if first.name in ("loop", "loop-mssa") else "module"
        self._check(passes.elements, level)

    def may_propose(self, passes: PassList) -> str:
        """Why a list must not be proposed, as a sentence; empty where it may. PassListError as for `validate`."""
        self.validate(passes)
        for element in passes.passes():
            known = self._find(element)
            if not known.propose:
                return f"{known.name} may not be proposed: {known.why}"
            if known.name != element.spelling:
                return f"{element.spelling} may not be proposed: only default parameters are"
        return ""

    def _check(self, elements: Iterable[Element], level: Level) -> None:
        for element in elements:
            if element.nested:
                self._check(element.nested, _inside(element, level))
            elif not _fits(known := self._find(element).level, level):
                raise PassListError(f"pass list: {element.spelling} is a {known} pass and cannot stand in {level}(...)")

    def _find(self, element: Element) -> Pass:
        found = self.passes.get(element.spelling)
        if found is not None:
            return found
        bare = self.passes.get(element.name)
        if bare and bare.parameters and element.parameters is not None:
            words = element.parameters.removesuffix(";")
            for word in words.split(";") if words else ():
                if re.sub(r"=\d+$", "=1", word) not in bare.parameters:
                    takes = ", ".join(bare.parameters)
                    raise PassListError(f"pass list: {element.name} has no parameter '{word}' (it has {takes})")
            return bare
        if element.name in (*LEVELS, *_SAME_LEVEL):
            raise PassListError(f"pass list: {element.spelling} needs a pass list in parentheses")
        close = difflib.get_close_matches(element.spelling, self.passes, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise PassListError(f"pass list: LLVM {self.version} has no pass {element.spelling}{hint}")


def _inside(adaptor: Element, level: Level) -> Level:
    """The level of what is nested in an adaptor that stands at `level`."""
    name, parameters = adaptor.name, adaptor.parameters
    if not any(name in names for names in _ADAPTORS.values()):
        raise PassListError(f"pass list: {name}(...) is no adaptor (these are: {', '.join((*LEVELS, *_SAME_LEVEL))})")
    if name not in _ADAPTORS[level]:
        raise PassListError(f"pass list: {name}(...) cannot stand in {level}(...)")
    if name in _ADAPTOR_PARAMETERS:
        good = _ADAPTOR_PARAMETERS[name].fullmatch(parameters or "") is not None
    else:
        eager = name == "function" and level != "function"
        good = parameters is None or (eager and parameters in ("", "eager-inv"))
    if not good:
        raise PassListError(f"pass list: {adaptor.spelling}(...) is not what an adaptor looks like")
    if name in _SAME_LEVEL or level == "loop-mssa":  # what is nested in a loop manager uses the analyses of the outer
        return level
    return next(known for known in LEVELS if known == name)


def _fits(inner: Level, outer: Level) -> bool:
    """Whether a pass of level `inner` runs where `outer` is running; LLVM adds adaptors around it, but MemorySSA."""
    if inner == "loop-mssa":
        return outer == "loop-mssa"
    return LEVELS.index(inner) >= LEVELS.index(outer) or (inner, outer) == ("loop", "loop-mssa")


def _split_spelling(spelling: str) -> tuple[str, str | None]:
    name, bracket, parameters = spelling.partition("<")
    return name, parameters.removesuffix(">") if bracket else None


@cache
def classes() -> Mapping[str, Mapping[str, object]]:
    """What data/pass_classes.toml says of each pass name that any version of LLVM from 17 on has."""
    text = resources.files(__package__).joinpath("data/pass_classes.toml").read_text()
    table: dict[str, dict[str, object]] = tomllib.loads(text)["passes"]
    return table
