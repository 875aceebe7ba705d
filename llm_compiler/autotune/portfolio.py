"""The portfolio: a short ordered list of pass lists that between them hold most of the gain there is over -Oz.

One file holds it, with a card: how it was made, on what, and what it gains on units that it was not made on. This
module reads it and chooses it; it needs nothing that the plain install does not have.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from llm_compiler.autotune.deny import denied, load_denied
from llm_compiler.llvm.passes import PassList, PassListError, Vocabulary


def load(vocabulary: Vocabulary, protocol: str = "ship", file: Path | None = None) -> list[PassList]:
    """The portfolio for a size protocol in order of worth, less the lists that this LLVM lacks or that are denied.

    `file` is one that `llmc portfolio build` wrote; None is the shipped one. PassListError for a file that is none.
    """
    if file is None:
        text = resources.files(__package__).joinpath("data/portfolio.toml").read_text()
    else:
        text = file.read_text(errors="replace")
    tables = read_tables(text, str(file or "the shipped portfolio"))
    lists = []
    entries = load_denied(vocabulary.version)
    for line in tables.get(protocol) or next(iter(tables.values())):
        try:
            passes = PassList.parse(line)
            refused = vocabulary.may_propose(passes)
        except PassListError:
            continue  # made for another version
        if not refused and not denied(passes, entries):
            lists.append(passes)
    return lists


def read_tables(text: str, name: str) -> dict[str, list[str]]:
    """The lists of a portfolio's text, by protocol. PassListError, with the name in it, where it is none."""
    try:
        tables = {protocol: table["lists"] for protocol, table in tomllib.loads(text).items()}
    except (tomllib.TOMLDecodeError, AttributeError, KeyError, TypeError):
        tables = {}
    lines = [line for table in tables.values() if isinstance(table, list) for line in table]
    if not lines or not all(isinstance(line, str) for line in lines):
        raise PassListError(f"{name} is no portfolio")
    return tables


@dataclass(frozen=True)
class Row:
    """One unit: its size with -Oz, and its size with every list that made it smaller."""

    kind: str
    oz: int
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class Pick:
    """A list of a portfolio, and the share of the gain that it and those before it reach."""

    passes: str
    reached: float


def choose(rows: Sequence[Row], size: int) -> list[Pick]:
    """The lists that, taken one after the other, each add most to what those before them save.

    What counts is a unit's relative saving times the root of its size: bytes alone would leave it to a handful of
    large units, relative savings to the many tiny ones. All functions together count as much as all modules together.
    Each step takes the list that adds most; ties go to the shorter.
    """
    kinds = {row.kind for row in rows}
    weights = {kind: 1 / sum(math.sqrt(row.oz) for row in rows if row.kind == kind) for kind in kinds}
    savings: dict[str, dict[int, float]] = {}
    best = [0.0] * len(rows)
    possible = 0.0
    for number, row in enumerate(rows):
        weight = weights[row.kind] * math.sqrt(row.oz)
        saved = {passes: weight * (1 - now / row.oz) for passes, now in row.sizes.items() if now < row.oz}
        possible += max(saved.values(), default=0.0)
        for passes, saving in saved.items():
            savings.setdefault(passes, {})[number] = saving
    picks: list[Pick] = []
    reached = 0.0
    while len(picks) < size and savings:
        added, passes = min(
            (-sum(max(0.0, saving - best[at]) for at, saving in units.items()), len(passes), passes)
            for passes, units in savings.items()
        )[::2]
        if added >= 0:
            break
        for at, saving in savings.pop(passes).items():
            best[at] = max(best[at], saving)
        reached -= added
        picks.append(Pick(passes, reached / possible))
    return picks


def dump(card: Mapping[str, Any], tables: Mapping[str, Sequence[Pick]]) -> str:
    """A portfolio as a TOML document: the card as comments, and a table for each protocol."""
    lines = [f"# {key}: {value}" for key, value in card.items()]
    for protocol, picks in tables.items():
        lines += ["", f"[{protocol}]", "lists = ["]
        lines += [f"    {json.dumps(pick.passes)}, # {100 * pick.reached:.0f} %" for pick in picks]
        lines.append("]")
    return "\n".join(lines) + "\n"
