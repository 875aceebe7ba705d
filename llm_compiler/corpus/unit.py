"""The record of the corpus: one module with where it came from, and its Parquet schema.

| column | meaning |
|---|---|
| id | SHA-256 of the normalised text, the first 32 hexadecimal digits |
| kind | `module` (a translation unit) or `function` (one function of it, the others declared) |
| name | the function's name; the file's for a module |
| text | normalised LLVM-IR as clang prints it (`verbatim`); `compact` is made from it when asked for |
| language, project, version, file, licence, route | provenance; `file` is relative to the project's root |
| llvm, triple | what it was made with and for |
| instructions | LLVM-IR instructions before optimisation |
| unoptimised_ship, oz_ship, unoptimised_paper, oz_paper | bytes of its object in the two size protocols; 0 where |
| | libLLVM lacks the target, as the bundled one lacks NVPTX |
| split | `train`, `validation` or `test`: decided by the project, never by the unit |
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal["module", "function"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Unit:
    """One module of the corpus. The columns are described at the top of this file."""

    id: str
    kind: Kind
    name: str
    text: str
    language: str
    project: str
    version: str
    file: str
    licence: str
    route: str
    llvm: str
    triple: str
    instructions: int
    unoptimised_ship: int
    oz_ship: int
    unoptimised_paper: int
    oz_paper: int
    split: Split


SCHEMA = pa.schema(
    [(name, pa.int32() if kind == "int" else pa.string()) for name, kind in Unit.__annotations__.items()]
)


def unit_id(text: str) -> str:
    """The id of a normalised text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
