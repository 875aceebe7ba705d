"""What a report is made of, however it is shown: figures with intervals, tables, curves, distributions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["share", "change", "score", "bytes", "count", "seconds"]


@dataclass(frozen=True)
class Figure:
    """A number with the interval that 95 of 100 bootstrap samples of the units would give."""

    value: float
    low: float
    high: float
    kind: Kind
    """`share` and `change` are fractions of one (a change is positive where bytes are saved) and shown in per cent;
    `score` is from 0 to 1 or without a unit."""


Cell = str | int | Figure | None
"""None is for what does not apply."""


@dataclass(frozen=True)
class Table:
    """A table as people read it; the first column names the row."""

    name: str
    """Of the task, or `task.part`: `flag_tuning`, `emulation.length`."""
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    """What must be known to read it, in a sentence or two."""


@dataclass(frozen=True)
class Curve:
    """Lines over an axis, one for each system."""

    name: str
    title: str
    across: str
    """What the axis below counts."""
    up: str
    lines: Mapping[str, tuple[tuple[float, Figure], ...]]


@dataclass(frozen=True)
class Spread:
    """How a figure is spread over the units, for each system."""

    name: str
    title: str
    across: str
    values: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class FileRow:
    """One file or function of the per-project table: bytes."""

    project: str
    file: str
    oz: int
    now: int
    passes: str


@dataclass(frozen=True)
class Report:
    """Everything that is shown."""

    about: Mapping[str, Any]
    """The folder's headers: benchmark, overlap, LLVM, protocol, systems, machine."""
    headline: Mapping[str, Figure]
    """By `task.metric`, of the model (the first, where there are several): what `--fail-if` asks for."""
    tables: tuple[Table, ...]
    curves: tuple[Curve, ...] = ()
    spreads: tuple[Spread, ...] = ()
    files: Mapping[str, tuple[FileRow, ...]] = field(default_factory=dict)
    """By system."""
