"""Plots of a report as SVG that stands in a page: colours and ink are the page's, so that both its schemes fit.

Nothing in it names another place. The names of the lines are not in the picture: the page has them in a key.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from llm_compiler.evaluation import shown
from llm_compiler.evaluation.figures import Curve, Figure, Report, Spread, Table

INK = "#333333"
COLOURS = ("#0072b2", "#d55e00", "#00805d", "#a8518a", "#8a6100", "#2f88b8")
"""After Okabe and Ito, for people who are colour-blind, the light ones darker; the page has its own for the dark."""
Numbers = npt.NDArray[np.float64]
_MARKS = "osD^vP"
_DASHES = ("", "6 3", "2 2", "8 3 2 3")
"""Of the first lines as there are colours, the next, and so on; as SVG writes them."""
_SIZE = (6.4, 3.5)
_MOST_POINTS = 300
"""Of a line over many values."""
_RARE = 0.005
"""Share of values at either end that the axis of a spread need not reach."""


@dataclass(frozen=True)
class Style:
    """How the lines of a system look, the same in all plots. With more systems than colours,
    dashes differ, and bars are paler."""

    number: int

    @property
    def hue(self) -> int:
        """Of COLOURS, and of the page's."""
        return self.number % len(COLOURS)

    @property
    def dashes(self) -> str:
        """As SVG writes them; empty for none."""
        return _DASHES[self.number // len(COLOURS) % len(_DASHES)]

    @property
    def line(self) -> dict[str, Any]:
        """As matplotlib has them."""
        dashes = (0, tuple(map(int, self.dashes.split()))) if self.dashes else "solid"
        return {"color": COLOURS[self.hue], "linestyle": dashes, "linewidth": 1.6}


Styles = Mapping[str, Style]


@dataclass(frozen=True)
class Bars:
    """Groups of bars: what a table by target, by number of passes and the like has."""

    name: str
    title: str
    across: str
    up: str
    groups: tuple[str, ...]
    values: Mapping[str, tuple[Figure | None, ...]]
    """By what is compared, one for each group."""


def bars_of(table: Table) -> Bars | None:
    """The bars of a table `task.part`; None where its figures are no groups of one kind.

    Its rows are systems and its columns groups, or the other way round; or a row has a system, a group and metrics, of
    which the first is drawn.
    """
    columns, rows = table.columns, table.rows
    measured = [at for at in range(len(columns)) if any(isinstance(row[at], Figure) for row in rows)]
    if "." not in table.name or not measured:
        return None
    named = [at for at in range(measured[0]) if all(isinstance(row[at], str) for row in rows)]
    system = next((at for at in named if columns[at] == "system"), None)
    across = up = ""
    if system is not None and len(named) == 2:
        group, metric = sum(named) - system, measured[0]
        across, up = columns[group], columns[metric]
        cells = {(shown.shown(row[system]), shown.shown(row[group])): row[metric] for row in rows}
    elif system is not None:
        cells = {(shown.shown(row[system]), columns[at]): row[at] for row in rows for at in measured}
    else:
        across = columns[0]
        cells = {(columns[at], shown.shown(row[0])): row[at] for row in rows for at in measured}
    figures = {key: cell for key, cell in cells.items() if isinstance(cell, Figure)}
    if len({figure.kind for figure in figures.values()}) > 1:
        return None
    groups = tuple(dict.fromkeys(group for _, group in cells))
    names = dict.fromkeys(name for name, _ in figures)
    values = {name: tuple(figures.get((name, group)) for group in groups) for name in names}
    return Bars(table.name, table.title, across, up, groups, values)


Plot = Curve | Spread | Bars


def plots_of(report: Report) -> list[Plot]:
    """All that can be drawn of a report; a table that there is a curve of is drawn as that."""
    curves = {curve.name for curve in report.curves}
    bars = [bars_of(table) for table in report.tables if table.name not in curves]
    return [*report.curves, *report.spreads, *(each for each in bars if each is not None)]


def names(plot: Plot) -> list[str]:
    """Of what is compared in it."""
    return list(plot.lines if isinstance(plot, Curve) else plot.values)


def styles_of(plots: Iterable[Plot]) -> dict[str, Style]:
    """The styles of all names; bars have no dashes, so what they compare has the first choice of colours."""
    ordered = sorted(plots, key=lambda plot: not isinstance(plot, Bars))
    found = dict.fromkeys(name for plot in ordered for name in names(plot))
    return {name: Style(number) for number, name in enumerate(found)}


def draw(what: Plot, styles: Styles) -> str:
    """The SVG element of a plot; `styles` has one for each of its names."""
    with _picture(what.title) as (axes, made):
        if isinstance(what, Curve):
            _curve(axes, what, styles)
        elif isinstance(what, Spread):
            _spread(axes, what, styles)
        else:
            _bars(axes, what, styles)
    return made[0]


def _curve(axes: Axes, what: Curve, styles: Styles) -> None:
    """Lines over a logarithmic axis, with bands for the intervals."""
    places = sorted({place for line in what.lines.values() for place, _ in line})
    for name, line in what.lines.items():
        colour, line_style = COLOURS[styles[name].hue], styles[name].line
        x = [place for place, _ in line]
        value, low, high = ([_scaled(each, end) for _, each in line] for end in ("value", "low", "high"))
        axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
        if len(x) == 1:
            axes.vlines(x, low, high, color=colour, alpha=0.5)
        axes.plot(x, value, **line_style, marker=_MARKS[styles[name].hue], markersize=4.5)
    if places and places[0] > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(_ticks(places)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(places[0] / 1.15, places[-1] * 1.15)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: f"{place:,.15g}"))
    _name(axes, what.across, what.up, [figure for line in what.lines.values() for _, figure in line])


def _spread(axes: Axes, what: Spread, styles: Styles) -> None:
    """For each system, how many of the units reach a value; values are fractions, and shown in per cent."""
    ends: list[float] = []
    for name, values in what.values.items():
        if not values:
            continue
        value, share = reached(values)
        axes.plot(100 * value, 100 * share, drawstyle="steps-post", **styles[name].line)
        ends += [100 * float(end) for end in np.quantile(values, [_RARE, 1 - _RARE])]
    axes.axvline(0, color=INK, alpha=0.4, linewidth=0.8)
    if ends:
        margin = 0.03 * (max(ends) - min(ends)) or 1.0
        axes.set_xlim(min(ends) - margin, max(ends) + margin)
    axes.set_ylim(0, 102)  # a line along the edge is seen
    axes.set_xlabel(f"{what.across}, %", color=INK)
    axes.set_ylabel("units with that or more, %", color=INK)


def reached(values: Sequence[float]) -> tuple[Numbers, Numbers]:
    """For a line in steps, from the largest value down: values, and the share of all that are so large or larger.

    Of very many values it has some, evenly spread.
    """
    ordered = np.sort(np.array(values, np.float64))[::-1]
    at = np.linspace(0, len(ordered) - 1, min(len(ordered), _MOST_POINTS)).round().astype(np.int64)
    return np.append(ordered[0], ordered[at]), np.append(0, (at + 1) / len(ordered))


def _bars(axes: Axes, what: Bars, styles: Styles) -> None:
    """Bars with their intervals, side by side in each group."""
    width = 0.84 / max(1, len(what.values))
    for number, (name, figures) in enumerate(what.values.items()):
        left = (number - (len(what.values) - 1) / 2) * width
        there = [(group + left, each) for group, each in enumerate(figures) if each is not None]
        x = [place for place, _ in there]
        value, low, high = ([_scaled(each, end) for _, each in there] for end in ("value", "low", "high"))
        axes.bar(x, value, 0.9 * width, color=COLOURS[styles[name].hue], alpha=0.5 if styles[name].dashes else 1)
        axes.vlines(x, low, high, color=INK, linewidth=1)
    axes.set_xticks(range(len(what.groups)), what.groups)
    everything = [each for values in what.values.values() for each in values if each is not None]
    _name(axes, what.across, what.up, everything)


def _scaled(figure: Figure, end: str) -> float:
    number: float = getattr(figure, end)
    return 100 * number if figure.kind in ("share", "change") else number


def _name(axes: Axes, across: str, up: str, figures: Sequence[Figure]) -> None:
    unit = {"share": "%", "change": "%", "seconds": "s", "bytes": "bytes"}.get(figures[0].kind, "") if figures else ""
    axes.set_xlabel(across, color=INK)
    axes.set_ylabel(", ".join(filter(None, (up, unit))), color=INK)


def _ticks(places: Sequence[float]) -> list[float]:
    """For a logarithmic axis: 1, 2, 5, 10 and so on, or the places where they are round or closer than that."""
    tens = range(math.floor(math.log10(places[0])), math.floor(math.log10(places[-1])) + 1)
    even = [first * 10.0**power for power in tens for first in (1, 2, 5)]
    inside = [tick for tick in even if places[0] <= tick <= places[-1]]
    are_round = all(place == float(f"{place:.2g}") for place in places)
    chosen: list[float] = []
    for tick in places if are_round or len(inside) < 2 else inside:
        if not chosen or tick >= 1.3 * chosen[-1]:  # there is room for its name
            chosen.append(tick)
    return chosen


@contextmanager
def _picture(title: str) -> Iterator[tuple[Axes, list[str]]]:
    """Axes to draw on; what is drawn is in the list afterwards.

    Names come from anywhere: dollars in them are no formulas, and a letter that matplotlib's font lacks is the page's.
    """
    made: list[str] = []
    settings: dict[str, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": title,
        "text.parse_math": False,
        "axes.unicode_minus": False,
    }
    with style.context(["default", settings]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        picture = Picture(figsize=_SIZE, layout="constrained")
        axes = picture.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set(color=INK, alpha=0.5)
        axes.tick_params(colors=INK, labelsize=9)
        axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.8)
        axes.set_axisbelow(True)
        yield axes, made
        stream = io.StringIO()
        picture.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    made.append(_inlined(stream.getvalue(), title))


def _inlined(svg: str, title: str) -> str:
    """What a page needs of a file: no prologue, no links to its standards, no names but those it uses itself."""
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.S)
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = body.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1).replace(INK, "currentColor")
    for number, colour in enumerate(COLOURS):
        body = body.replace(colour, f"var(--c{number})")
    return body
