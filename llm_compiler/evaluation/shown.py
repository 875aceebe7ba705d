"""How figures, cells and facts read, whatever they are shown in: terminal, Markdown or HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from llm_compiler.evaluation.figures import Cell, Curve, Figure, FileRow, Report, Spread, Table

INTERVAL = (
    "In brackets: where the figure lies in 95 of 100 bootstrap samples of the units. "
    "Where it is the same in all of them, there are no brackets."
)
FILE_COLUMNS = ("file", "-Oz", "now", "change", "%")
_MOST_TOLD = 24
FILE_NOTE = "Bytes; a change is negative where the object is smaller than with -Oz."


def shown(cell: Cell) -> str:
    """A cell on one line: `4.77 % [4.1, 5.4]`, `1,234`; `-` where it does not apply."""
    if cell is None:
        return "-"
    if isinstance(cell, Figure):
        return f"{value(cell)} {interval(cell)}".rstrip()
    return f"{cell:,}" if isinstance(cell, int) else line(cell)


def line(text: str) -> str:
    """A text that may have come from anywhere, on one line and without control characters."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def value(figure: Figure) -> str:
    """A figure with its unit."""
    unit = {"share": " %", "change": " %", "seconds": " s"}.get(figure.kind, "")
    return _number(figure, figure.value, 2) + unit


def interval(figure: Figure) -> str:
    """In brackets, as the figure is but without the unit; empty where it has no width."""
    if figure.low == figure.high:
        return ""
    # One decimal of a per cent tells the ends of a wide interval apart, not those of a narrow one.
    percent = 1 if figure.high - figure.low >= 0.005 else 2
    return f"[{_number(figure, figure.low, percent)}, {_number(figure, figure.high, percent)}]"


def _number(figure: Figure, number: float, percent: int) -> str:
    match figure.kind:
        case "share" | "change":
            return f"{100 * number:z.{percent}f}"
        case "score":
            return f"{number:z.3f}"
        case "bytes":
            return f"{number:z,.0f}"
        case "count" | "seconds":
            return f"{number:z,.{0 if abs(number) >= 100 or float(number).is_integer() else 2}f}"


def is_number(table: Table, column: int) -> bool:
    """Whether a column has no words in it and goes to the right; the first names the row."""
    return column > 0 and not any(isinstance(row[column], str) for row in table.rows)


def facts(about: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """What a report is about: names such as `benchmark, version` or `systems, nano`, and what there is to say."""
    for key, told in about.items():
        name = before + line(str(key))
        if isinstance(told, Mapping) and not before:
            yield from facts(told, f"{name}, ")
        else:
            yield name, _told(told)


def _told(told: Any) -> str:
    if isinstance(told, Mapping):
        return ", ".join(f"{name}: {each}" for name, each in facts(told))
    if isinstance(told, list | tuple):
        if len(told) > _MOST_TOLD:
            return f"{len(told):,}, see report.json"
        return ("; " if any(isinstance(each, Mapping) for each in told) else ", ").join(map(_told, told)) or "none"
    if isinstance(told, bool):
        return "yes" if told else "no"
    return shown(told) if told is None or isinstance(told, int) else line(str(told))


def title(report: Report) -> str:
    """Of the whole."""
    benchmark = report.about.get("benchmark")
    name = benchmark.get("name") if isinstance(benchmark, Mapping) else benchmark
    return f"Evaluation: {line(str(name))}" if name else "Evaluation"


def tasks(report: Report) -> list[str]:
    """All that tables, curves and spreads are of, in their order."""
    of: Iterable[Table | Curve | Spread] = (*report.tables, *report.curves, *report.spreads)
    return list(dict.fromkeys(task_of(each.name) for each in of))


def task_of(name: str) -> str:
    """`emulation` of `emulation.length`."""
    return name.partition(".")[0]


def words(name: str) -> str:
    """`Flag tuning` of `flag_tuning`."""
    return name.replace("_", " ").capitalize()


# -- the per-project table


def by_project(rows: Sequence[FileRow], most: int) -> list[tuple[FileRow, list[FileRow]]]:
    """The `most` files with the largest change, by project, each after the total of all files of the project."""
    largest = sorted(rows, key=lambda row: (-abs(row.now - row.oz), row.project, row.file))[:most]
    chosen = groupby(sorted(largest, key=lambda row: row.project), key=lambda row: row.project)
    everything: dict[str, list[FileRow]] = {}
    for row in rows:
        everything.setdefault(row.project, []).append(row)
    return [(total(project, everything[project]), list(files)) for project, files in chosen]


def total(name: str, rows: Sequence[FileRow]) -> FileRow:
    """The sum of rows, as a row that is named so; how many there are is beside the name."""
    return FileRow(name, f"{name} ({len(rows):,})", sum(row.oz for row in rows), sum(row.now for row in rows), "")


def file_cells(row: FileRow) -> tuple[str, str, str, str, str]:
    """As FILE_COLUMNS names them."""
    change = row.now - row.oz
    percent = "0" if not change else f"{100 * change / row.oz:+.2f} %" if row.oz else "-"
    return line(row.file), f"{row.oz:,}", f"{row.now:,}", f"{change:+,}" if change else "0", percent


def left_out(rows: Sequence[FileRow], most: int, where: str) -> str:
    """What a table that was cut says; empty where it has all."""
    if len(rows) <= most:
        return ""
    return f"Those {most:,} with the largest change; {len(rows) - most:,} more are in {where}. Totals are of all."
