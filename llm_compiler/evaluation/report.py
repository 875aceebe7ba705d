"""A report on disk and in the terminal: report.json holds all of it, report.md and report.html are for people.

The same report gives the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_compiler.corpus import store
from llm_compiler.corpus.store import CorpusError
from llm_compiler.evaluation import page, shown
from llm_compiler.evaluation.figures import Cell, Curve, Figure, FileRow, Report, Spread, Table

_MOST_FILES = 40
"""Of a system in Markdown."""


def write(report: Report, folder: Path) -> list[Path]:
    """Write report.json, report.md and report.html into a folder, each beside, then renamed; their paths."""
    contents = {
        "report.json": as_json(report),
        "report.md": "\n".join(markdown(report)) + "\n",
        "report.html": page.html(report),
    }
    for name, content in contents.items():
        store.write_text(folder / name, [content])
    return [folder / name for name in contents]


def as_json(report: Report) -> str:
    """All of a report. ValueError where a figure is not finite: JSON has no such number."""
    return json.dumps(report, default=_plain, indent=1, allow_nan=False) + "\n"


def _plain(record: Any) -> dict[str, Any]:
    return dict(record) if isinstance(record, Mapping) else vars(record)


def load(path: Path) -> Report:
    """The report of a report.json, as it was. CorpusError where the file is none."""
    found = store.read_json(path)
    if found is None:
        raise CorpusError(f"{path}: no such report")
    try:
        return Report(
            found["about"],
            {name: Figure(**each) for name, each in found["headline"].items()},
            tuple(_table(each) for each in found["tables"]),
            tuple(_curve(each) for each in found["curves"]),
            tuple(
                Spread(**each | {"values": {name: tuple(values) for name, values in each["values"].items()}})
                for each in found["spreads"]
            ),
            {system: tuple(FileRow(**row) for row in rows) for system, rows in found["files"].items()},
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CorpusError(f"{path}: not a report of this program") from None


def _table(found: Mapping[str, Any]) -> Table:
    rows = tuple(tuple(Figure(**cell) if isinstance(cell, dict) else cell for cell in row) for row in found["rows"])
    return Table(found["name"], found["title"], tuple(found["columns"]), rows, found["note"])


def _curve(found: Mapping[str, Any]) -> Curve:
    lines = {
        name: tuple((place, Figure(**figure)) for place, figure in points) for name, points in found["lines"].items()
    }
    return Curve(found["name"], found["title"], found["across"], found["up"], lines)


# -- the terminal


def lines(report: Report, width: int = 120) -> list[str]:
    """The main tables, one for each task, aligned; a table that is wider than `width` goes on below itself."""
    made: list[str] = []
    for table in report.tables:
        if "." not in table.name:
            made += [shown.line(table.title), *_aligned(table, width), *_sentence(table.note), ""]
    return [*made, shown.INTERVAL] if made else []


def _aligned(table: Table, width: int) -> Iterator[str]:
    cells = [list(map(shown.line, table.columns)), *([*map(shown.shown, row)] for row in table.rows)]
    columns = []
    for at, column in enumerate(zip(*cells, strict=True)):
        side = ">" if shown.is_number(table, at) else "<"
        columns.append([f"{cell:{side}{max(map(len, column))}}" for cell in column])
    for number, block in enumerate(_blocks(columns, width)):
        yield from [""] * (number > 0)
        yield from ("  ".join(row).rstrip() for row in zip(*block, strict=True))


def _blocks(columns: Sequence[list[str]], width: int) -> Iterator[list[list[str]]]:
    """As many columns as fit beside the first, which every block begins with."""
    block = [columns[0]]
    for column in columns[1:]:
        if len(block) > 1 and sum(len(each[0]) + 2 for each in block) + len(column[0]) > width:
            yield block
            block = [columns[0]]
        block.append(column)
    yield block


def _sentence(text: str) -> list[str]:
    return [shown.line(text)] if text else []


# -- Markdown


def markdown(report: Report) -> Iterator[str]:
    """The lines of report.md."""
    yield f"# {_escaped(shown.title(report))}"
    if report.headline:
        yield from ("", "## Headline", "")
        yield from (f"- `{name}`: {shown.shown(figure)}" for name, figure in report.headline.items())
    yield from ("", shown.INTERVAL)
    for task in shown.tasks(report):
        yield from ("", f"## {_escaped(shown.words(task))}")
        for table in report.tables:
            if shown.task_of(table.name) == task:
                yield from ("", f"### {_escaped(table.title)}", "", *_rows(table))
                yield from (f"\n{_escaped(each)}" for each in _sentence(table.note))
    if report.files:
        yield from ("", "## Files", "", shown.FILE_NOTE)
    for system, files in report.files.items():
        yield from ("", f"### {_escaped(system)}", "", *_files(files))
    yield from ("", "## About", "")
    yield from (f"- {_escaped(name)}: {_escaped(told)}" for name, told in shown.facts(report.about))


def _rows(table: Table) -> Iterator[str]:
    numbers = [shown.is_number(table, at) for at in range(len(table.columns))]
    yield _row(table.columns)
    yield _ruler(numbers)
    yield from map(_row, table.rows)


def _files(files: Sequence[FileRow]) -> Iterator[str]:
    yield _row(shown.FILE_COLUMNS)
    yield _ruler([False, True, True, True, True])
    for whole, rows in shown.by_project(files, _MOST_FILES):
        yield _row(shown.file_cells(whole), "**")
        yield from (_row(shown.file_cells(row)) for row in rows)
    yield _row(shown.file_cells(shown.total("all", files)), "**")
    yield from (f"\n{cut}" for cut in [shown.left_out(files, _MOST_FILES, "report.html and report.json")] if cut)


def _row(cells: Sequence[Cell], around: str = "") -> str:
    texts = (_escaped(cell) if isinstance(cell, str) else shown.shown(cell) for cell in cells)
    return "| " + " | ".join(f"{around}{text}{around}" for text in texts) + " |"


def _ruler(numbers: Sequence[bool]) -> str:
    return "|" + "|".join(" --: " if number else " :-- " for number in numbers) + "|"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is; underscores within words need nothing."""
    entities = shown.line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*~\[\]|]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", entities)
