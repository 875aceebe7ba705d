"""A report as one HTML page that needs nothing beside it, neither files nor a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from llm_compiler.evaluation import shown
from llm_compiler.evaluation.figures import Cell, Figure, FileRow, Report, Table

if TYPE_CHECKING:  # they need matplotlib
    from llm_compiler.evaluation.plots import Style

_DENSE = 7
"""Columns, of a table with more the intervals go below the values."""
MOST_FILES = 5_000
"""Of a system: more make a page that browsers choke on."""
NO_PLOTS = "There are no plots: they need matplotlib (pip install matplotlib)."

_STYLE = """
:root { color-scheme: light dark; --ink: #222; --faint: #666; --line: #ddd; --back: #fff; --shade: #f5f5f3;
  --c0: #0072b2; --c1: #d55e00; --c2: #00805d; --c3: #a8518a; --c4: #8a6100; --c5: #2f88b8 }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e4e4e0; --faint: #a0a09a; --line: #3c3c3a;
  --back: #191918; --shade: #242422;
  --c0: #4ba3e3; --c1: #f28a3c; --c2: #35c294; --c3: #d98cc0; --c4: #d6a83a; --c5: #9ad2f2 } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back);
  max-width: 84rem; margin: 2rem auto; padding: 0 1.25rem }
h1 { font-size: 1.7rem; line-height: 1.25 }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line) }
h3 { margin: 1.75rem 0 .25rem; font-size: 1rem }
a { color: var(--c0) }
nav ul { columns: 14rem; padding-left: 1.2rem }
code { font-size: .92em }
.wide { overflow-x: auto }
table { border-spacing: 0; font-variant-numeric: tabular-nums; margin: .5rem 0; line-height: 21px }
th, td { padding: 5px 12px; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap }
thead th { vertical-align: bottom; border-bottom-width: 2px }
thead th:first-child, tbody th, tfoot th { position: sticky; left: 0; background: var(--back) }
tbody th { font-weight: normal }
.n { text-align: right }
.dense small { display: block }
.dense th, .dense td { padding: 5px 8px; vertical-align: top }
.dense thead th { white-space: normal; vertical-align: bottom }
.total > *, .total th { background: var(--shade); font-weight: 600 }
.facts td { white-space: normal; overflow-wrap: anywhere }
small, .note { color: var(--faint); font-size: .87em }
.note { max-width: 60rem; margin: .25rem 0 }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem 2rem; margin: 1rem 0 }
figure { margin: 0; flex: 1 1 26rem; max-width: 38rem; break-inside: avoid }
figure svg[role] { width: 100%; height: auto; display: block; stroke-linejoin: round }
figure svg text { font-family: inherit !important }
figcaption { font-weight: 600; font-size: .93rem }
.key { font-size: .85rem; display: flex; flex-wrap: wrap; gap: 0 1rem; padding: 0 }
.key svg { width: 1.6rem; height: .8em; margin-right: .35rem }
summary { cursor: pointer; padding: .3rem 0; font-weight: 600 }
@media print { body { font-size: 10px; margin: 0; max-width: none } nav { display: none }
  .wide { overflow: visible } table { line-height: 14px } th, td { padding: 2px 6px } h2, h3 { break-after: avoid } }
"""


def html(report: Report) -> str:
    """The page."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    title = escape(shown.title(report))
    yield '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">'
    yield f'<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n<style>{_STYLE}</style>'
    yield f"<h1>{title}</h1>"
    plots = _plots(report)
    sections = {
        "Headline": list(_headline(report)) if report.headline else [],
        **{shown.words(task): list(_task(report, task, (plots or {}).get(task, []))) for task in shown.tasks(report)},
        "Files": list(_files(report)),
        "About": list(_about(report)),
    }
    names = [name for name, content in sections.items() if content]
    entries = "".join(f'<li><a href="#s{number}">{escape(name)}</a></li>' for number, name in enumerate(names))
    yield f"<nav><ul>{entries}</ul></nav>\n<p class=note>{escape(shown.INTERVAL)}</p>"
    if plots is None:
        yield f"<p class=note>{NO_PLOTS}</p>"
    for number, name in enumerate(names):
        yield f'<section>\n<h2 id="s{number}">{escape(name)}</h2>'
        yield from sections[name]
        yield "</section>"
    yield "</html>"


# -- sections


def _headline(report: Report) -> Iterator[str]:
    rows = "".join(
        f"<tr><th scope=row><code>{escape(shown.line(name))}</code></th>{_cell(figure)}</tr>\n"
        for name, figure in report.headline.items()
    )
    yield f"<div class=wide><table><tbody>\n{rows}</tbody></table></div>"


def _task(report: Report, task: str, plots: Sequence[str]) -> Iterator[str]:
    tables = [table for table in report.tables if shown.task_of(table.name) == task]
    for number, table in enumerate(tables):
        yield f"<h3>{escape(shown.line(table.title))}</h3>"
        yield from _table(table)
        if number == 0 and plots:  # what matters most is seen first
            yield from ("<div class=plots>", *plots, "</div>")
    if not tables and plots:
        yield from ("<div class=plots>", *plots, "</div>")


def _files(report: Report) -> Iterator[str]:
    if report.files:
        yield f"<p class=note>{escape(shown.FILE_NOTE)}</p>"
    for system, rows in report.files.items():
        whole = shown.total("all", rows)
        _, oz, now, change, percent = shown.file_cells(whole)
        said = f"{oz} to {now} bytes, {percent}" if change != "0" else f"{oz} bytes, as with -Oz"
        yield f"<details><summary>{escape(shown.line(system))}: {escape(said)}</summary>"
        cut = shown.left_out(rows, MOST_FILES, "report.json")
        yield f"<p class=note>{escape(cut)}</p>" if cut else ""
        yield f"<div class=wide><table>{_head(shown.FILE_COLUMNS, [False, True, True, True, True])}"
        for project, files in shown.by_project(rows, MOST_FILES):
            yield f"<tbody>\n{_file(project, total=True)}"
            yield from map(_file, files)
            yield "</tbody>"
        yield f"<tfoot>{_file(whole, total=True)}</tfoot></table></div></details>"


def _file(row: FileRow, *, total: bool = False) -> str:
    name, *numbers = map(escape, shown.file_cells(row))
    kind = " class=total" if total else ""
    return f"<tr{kind}><th scope=row>{name}</th>" + "".join(f"<td class=n>{each}</td>" for each in numbers) + "</tr>"


def _about(report: Report) -> Iterator[str]:
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(told)}</td></tr>\n"
        for name, told in shown.facts(report.about)
    )
    if rows:
        yield f"<div class=wide><table class=facts><tbody>\n{rows}</tbody></table></div>"


# -- tables


def _table(table: Table) -> Iterator[str]:
    numbers = [shown.is_number(table, at) for at in range(len(table.columns))]
    dense = " class=dense" if len(numbers) > _DENSE else ""
    yield f"<div class=wide><table{dense}>{_head(table.columns, numbers)}\n<tbody>"
    for first, *others in table.rows:
        cells = "".join(_cell(cell, number) for cell, number in zip(others, numbers[1:], strict=True))
        yield f"<tr><th scope=row>{escape(shown.shown(first))}</th>{cells}</tr>"
    yield "</tbody></table></div>"
    if table.note:
        yield f"<p class=note>{escape(shown.line(table.note))}</p>"


def _head(columns: Sequence[str], numbers: Sequence[bool]) -> str:
    cells = (
        f"<th scope=col{' class=n' if number else ''}>{escape(shown.line(name))}</th>"
        for name, number in zip(columns, numbers, strict=True)
    )
    return f"<thead><tr>{''.join(cells)}</tr></thead>"


def _cell(cell: Cell, number: bool = True) -> str:
    start = "<td class=n>" if number else "<td>"
    if isinstance(cell, Figure):
        return f"{start}{escape(shown.value(cell))} <small>{escape(shown.interval(cell))}</small></td>"
    return f"{start}{escape(shown.shown(cell))}</td>"


# -- plots


def _plots(report: Report) -> dict[str, list[str]] | None:
    """By task; None where there is nothing to draw with."""
    try:
        from llm_compiler.evaluation import plots
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        return None
    drawn = plots.plots_of(report)
    styles = plots.styles_of(drawn)
    found: dict[str, list[str]] = {}
    for plot in drawn:
        key = "".join(_key(name, styles[name]) for name in plots.names(plot))
        caption = f"<figcaption>{escape(shown.line(plot.title))}</figcaption><div class=key>{key}</div>"
        found.setdefault(shown.task_of(plot.name), []).append(f"<figure>{caption}{plots.draw(plot, styles)}</figure>")
    return found


def _key(name: str, style: Style) -> str:
    dashes = f' stroke-dasharray="{style.dashes}"' if style.dashes else ""
    line = f'<line x1="0" y1="5" x2="26" y2="5" style="stroke: var(--c{style.hue})" stroke-width="3"{dashes}/>'
    return f'<span><svg viewBox="0 0 26 10" aria-hidden="true">{line}</svg>{escape(shown.line(name))}</span>'
