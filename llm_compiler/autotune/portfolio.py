"""The portfolio: a short ordered list of pass lists that between them hold most of the gain there is over -Oz."""

from __future__ import annotations

import tomllib
from importlib import resources

from llm_compiler.llvm.passes import PassList, PassListError, Vocabulary


def load(vocabulary: Vocabulary) -> list[PassList]:
    """The shipped portfolio in order of worth, less the lists that this version of LLVM does not take."""
    text = resources.files(__package__).joinpath("data/portfolio.toml").read_text()
    lists = []
    for line in tomllib.loads(text)["lists"]:
        passes = PassList.parse(line)
        try:
            refused = vocabulary.may_propose(passes)
        except PassListError:
            continue  # made for another version
        if not refused:
            lists.append(passes)
    return lists
