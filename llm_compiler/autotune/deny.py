"""What is known to be bad: passes of a version of LLVM that miscompile, each with a program that shows it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from llm_compiler.llvm.passes import PassList, Vocabulary


@dataclass(frozen=True)
class Denied:
    """Passes that, run in this order with whatever between them, have broken a program."""

    passes: tuple[str, ...]
    """As the vocabulary spells them."""
    program: str
    detail: str
    """How the program failed."""
    reproduce: str
    """A command line that shows it."""


def load_denied(version: str) -> tuple[Denied, ...]:
    """The deny list that ships for a version of LLVM; empty where there is none."""
    file = resources.files(__package__).joinpath(f"data/deny-{version}.toml")
    if not file.is_file():
        return ()
    return tuple(
        Denied(tuple(entry["passes"]), entry["program"], entry["detail"], entry["reproduce"])
        for entry in tomllib.loads(file.read_text()).get("deny", [])
    )


def dump_denied(entries: Iterable[Denied]) -> str:
    """A deny list as a TOML document."""
    keys = ("passes", "program", "detail", "reproduce")

    def line(entry: Denied, key: str) -> str:
        # What JSON makes of strings and lists of them is TOML too, but for characters that it writes as two.
        return f"{key} = {json.dumps(getattr(entry, key), ensure_ascii=False)}\n"

    return "\n".join("[[deny]]\n" + "".join(line(entry, key) for key in keys) for entry in entries)


def denied(passes: PassList, entries: Iterable[Denied]) -> Denied | None:
    """The first entry whose passes occur in the list in their order, whatever else is there and however it nests."""
    spellings = [element.spelling for element in passes.passes()]
    for entry in entries:
        rest = iter(spellings)
        if all(name in rest for name in entry.passes):
            return entry
    return None


def allowed(vocabulary: Vocabulary, entries: Iterable[Denied]) -> tuple[str, ...]:
    """The passes that may be proposed and are not denied by themselves, sorted."""
    alone = {entry.passes for entry in entries}
    return tuple(one.name for one in vocabulary.proposable if (one.name,) not in alone)
