"""Plots of a report as SVG that stands in a page: colours and ink are the page's, so that both its schemes fit.

Nothing in it names another place. The names of the lines are not in the picture: the page has them in a key.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from llm_compiler.evaluation.figures import Curve, Figure, Kind, Spread, Table

INK = "#333333"
COLOURS = ("#0072b2", "#d55e00", "#00805d", "#a8518a", "#8a6100", "#2f88b8")
"""After Okabe and Ito, for people who are colour-blind, the light ones darker; the page has its own for the dark."""
_MARKS = "osD^vP"
_DASHES = ("", "6 3", "2 2", "8 3 2 3")
"""Of the first lines as there are colours, the next, and so on; as SVG writes them."""
_SIZE = (6.4, 3.5)
_MOST_POINTS = 300
"""Of a line: quantiles stand for more values."""
_RARE = 0.005
"""Share of values at either end that the axis of a spread need not reach."""


@dataclass(frozen=True)
class Style:
    """How the lines of a system look, the same in all plots."""

    number: int

    @property
    def colour(self) -> str:
        """One of COLOURS."""
        return COLOURS[self.number % len(COLOURS)]

    @property
    def mark(self) -> str:
        """Another one for lines of the same dashes."""
        return _MARKS[self.number % len(_MARKS)]

    @property
    def dashes(self) -> str:
        """As SVG writes them; empty for none."""
        return _DASHES[self.number // len(COLOURS) % len(_DASHES)]

    @property
    def line(self) -> str | tuple[int, tuple[int, ...]]:
        """The dashes, as matplotlib has them."""
        return (0, tuple(map(int, self.dashes.split()))) if self.dashes else "solid"


Styles = Mapping[str, Style]


@dataclass(frozen=True)
class Bars:
    """Groups of bars: what a table by length, by number of passes and the like has."""

    title: str
    across: str
    kind: Kind
    groups: tuple[str, ...]
    values: Mapping[str, tuple[Figure | None, ...]]
    """By what is compared, one for each group."""


def curve(what: Curve, styles: Styles) -> str:
    """Lines over a logarithmic axis, with bands for the intervals."""
    with _picture(what.title) as (axes, made):
        places = sorted({place for line in what.lines.values() for place, _ in line})
        kinds = [figure.kind for line in what.lines.values() for _, figure in line]
        for name, line in what.lines.items():
            style = styles[name]
            x = [place for place, _ in line]
            value, low, high = (
                [_scaled(number, figure.kind) for _, figure in line for number in [getattr(figure, end)]]
                for end in ("value", "low", "high")
            )
            axes.fill_between(x, low, high, color=style.colour, alpha=0.13, linewidth=0)
            if len(x) == 1:
                axes.vlines(x, low, high, color=style.colour, alpha=0.4)
            axes.plot(x, value, color=style.colour, linestyle=style.line, marker=style.mark, markersize=4.5)
        if places and places[0] > 0:
            axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(_spaced(places)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: f"{place:g}"))
        _name(axes, what.across, f"{what.up}{_unit(kinds[0]) if kinds else ''}")
    return made[0]


def spread(what: Spread, styles: Styles) -> str:
    """For each system, how many of the units reach a value; the values are fractions, and shown in per cent."""
    with _picture(what.title) as (axes, made):
        ends: list[float] = []
        for name, values in what.values.items():
            if not values:
                continue
            # Quantiles from high to low: at a value stands the share of units that have at least so much.
            share = np.linspace(0, 1, min(len(values) + 1, _MOST_POINTS))
            reached = 100 * np.quantile(np.array(values, np.float64), 1 - share, method="inverted_cdf")
            axes.plot(reached, 100 * share, color=styles[name].colour, linestyle=styles[name].line)
            ends += [100 * float(end) for end in np.quantile(values, [_RARE, 1 - _RARE])]
        axes.axvline(0, color=INK, alpha=0.4, linewidth=0.8)
        if ends:
            margin = 0.03 * (max(ends) - min(ends)) or 1.0
            axes.set_xlim(min(ends) - margin, max(ends) + margin)
        axes.set_ylim(0, 100)
        _name(axes, f"{what.across}, %", "units with at least that, %")
    return made[0]


def bars(what: Bars, styles: Styles) -> str:
    """Bars with their intervals, side by side in each group."""
    with _picture(what.title) as (axes, made):
        width = 0.84 / max(1, len(what.values))
        for number, (name, figures) in enumerate(what.values.items()):
            left = (number - (len(what.values) - 1) / 2) * width
            there = [(group + left, each) for group, each in enumerate(figures) if each is not None]
            x = [place for place, _ in there]
            heights = [_scaled(each.value, each.kind) for _, each in there]
            # An interval of quantiles need not hold the value itself: no whisker has a negative length.
            below = [max(0.0, _scaled(each.value - each.low, each.kind)) for _, each in there]
            above = [max(0.0, _scaled(each.high - each.value, each.kind)) for _, each in there]
            axes.bar(x, heights, 0.9 * width, color=styles[name].colour)
            axes.errorbar(x, heights, (below, above), fmt="none", ecolor=INK, elinewidth=1, capsize=2)
        axes.set_xticks(range(len(what.groups)), what.groups)
        _name(axes, what.across, f"{what.title}{_unit(what.kind)}")
    return made[0]


def _scaled(number: float, kind: Kind) -> float:
    return 100 * number if kind in ("share", "change") else number


def _unit(kind: Kind) -> str:
    return {"share": ", %", "change": ", %", "bytes": ", bytes", "seconds": ", s"}.get(kind, "")


def _spaced(places: Sequence[float]) -> list[float]:
    """Those that have room for their names on a logarithmic axis."""
    chosen: list[float] = []
    for place in places:
        if not chosen or chosen[-1] <= 0 or place >= 1.3 * chosen[-1]:
            chosen.append(place)
    return chosen


def _name(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across, color=INK)
    axes.set_ylabel(up, color=INK)


@contextmanager
def _picture(title: str) -> Iterator[tuple[Axes, list[str]]]:
    """Axes to draw on; what is drawn is in the list afterwards.

    Names come from anywhere: dollars in them are no formulas, and a letter that matplotlib's font lacks is the page's.
    """
    made: list[str] = []
    settings = {"svg.fonttype": "none", "svg.hashsalt": title, "text.parse_math": False, "axes.unicode_minus": False}
    with mpl.rc_context({**mpl.rcParamsDefault, "backend": "svg", **settings}), warnings.catch_warnings():
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
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.S)
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = body.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1).replace(INK, "currentColor")
    for number, colour in enumerate(COLOURS):
        body = body.replace(colour, f"var(--c{number})")
    return body
