"""The curves of a run: a picture, and a page with the picture and the numbers.

A run is a folder with one folder for each stage, `1-ir_modeling`, `2-emulation` and so on, in each of them what `watch`
wrote; or the folder of one stage alone.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from llm_compiler.training.watch import FILE, Curves, MetricsError, Step, read

Numbers = npt.NDArray[np.float64]
INK, FAINT = "#333333", "#d0d0d0"
COLOURS = ("#0072b2", "#d55e00", "#00805d", "#a8518a", "#8a6100", "#2f88b8")
"""After Okabe and Ito, for people who are colour-blind, the light ones darker to be read as names; marks differ too."""
MARKS = "osD^vP"
SMOOTHED = 0.02
"""Share of a stage's steps that a point of a smooth curve is the mean of."""


class PlotError(Exception):
    """Nothing to plot. The message is one line."""


@dataclass(frozen=True)
class Stage:
    """What was watched of one stage."""

    name: str
    curves: Curves
    begin: int
    """Tokens that the stages before it were trained on."""

    @property
    def tokens(self) -> int:
        """Trained on in this stage."""
        steps, validations = self.curves.steps, self.curves.validations
        return max([step.tokens for step in steps] + [each.tokens for each in validations])

    def heldout(self, task: str) -> list[tuple[int, float]]:
        """Tokens of the run, and the loss of a task then; only where it is a number."""
        found = [(self.begin + each.tokens, each.losses.get(task, math.nan)) for each in self.curves.validations]
        return [(tokens, loss) for tokens, loss in found if math.isfinite(loss)]


def plot(run: Path, out: Path) -> list[Path]:
    """Write `curves.png` and `curves.html` into the folder `out`, which is made if it is not there; their paths.

    PlotError where no stage has begun.
    """
    stages = _stages(run)
    out.mkdir(parents=True, exist_ok=True)
    picture, page = out / "curves.png", out / "curves.html"
    # Without the library's version in it: the same run gives the same bytes.
    _figure(stages).savefig(picture, dpi=160, metadata={"Software": None})
    page.write_text(_page(run.resolve().name, stages, picture.read_bytes()), encoding="utf-8")
    return [picture, page]


def _stages(run: Path) -> list[Stage]:
    """Those that have begun, in order."""
    names = [re.fullmatch(r"([0-9]+)-(.+)", path.name) for path in (run.iterdir() if run.is_dir() else ())]
    numbered = sorted((int(name[1]), name[2], run / name[0]) for name in names if name)
    stages: list[Stage] = []
    begin = 0
    try:
        for _, name, folder in numbered or [(1, run.resolve().name, run)]:
            curves = read(folder)
            if curves.steps or curves.validations:
                stages.append(Stage(name, curves, begin))
                begin += stages[-1].tokens
    except MetricsError as error:
        raise PlotError(str(error)) from None
    if not stages:
        raise PlotError(f"{run}: nothing to plot, no stage has written {FILE} yet")
    return stages


def _tasks(stages: Sequence[Stage]) -> list[str]:
    """All that are validated, in the order in which they appear."""
    return list(dict.fromkeys(task for stage in stages for each in stage.curves.validations for task in each.losses))


# -- the picture


def _figure(stages: Sequence[Stage]) -> Figure:
    figure = Figure(figsize=(10, 8), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.12), facecolor="white")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.15, 1)).flat
    losses = above.subplots()
    _losses(losses, stages)
    rate, norm, speed, last = below.subplots(2, 2).flat
    _panel(rate, stages, "Learning rate", lambda step: step.learning_rate, smooth=False)
    _panel(norm, stages, "Gradient norm before clipping", lambda step: step.gradient_norm)
    _panel(speed, stages, "Tokens per second", lambda step: step.tokens_per_second)
    speed.yaxis.set_major_formatter(FuncFormatter(_counted))
    if any(step.utilisation is not None for stage in stages for step in stage.curves.steps):
        _panel(last, stages, "Utilisation of the hardware, %", _percent)
    else:
        _panel(last, stages, "Memory, GiB", lambda step: step.memory / 2**30)
    for axes in (losses, speed, last):
        axes.set_xlabel("tokens trained on", color=INK)
    return figure


def _losses(axes: Axes, stages: Sequence[Stage]) -> None:
    """Loss in training and on held-out rows, each curve named at its end."""
    ends: list[tuple[float, str, str]] = []
    axes.set_yscale("log", nonpositive="mask")
    for stage in stages:
        tokens, losses = _points(stage, lambda step: step.loss)
        mean = _smoothed(losses)
        axes.plot(tokens, mean, color=INK, linewidth=1, alpha=0.55)
        ends = [(float(last), "training", INK) for last in mean[np.isfinite(mean)][-1:]] or ends
    for number, task in enumerate(_tasks(stages)):
        points = [point for stage in stages for point in stage.heldout(task)]
        colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
        axes.plot(*zip(*points, strict=True), color=colour, marker=mark, markersize=4.5, linewidth=1.6, clip_on=False)
        ends += [(loss, f"{_words(task)}, held out", colour) for _, loss in points[-1:]]
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.12)  # room for the stages' names
    _dress(axes, stages, "Loss, nats per learnt token")
    _readable(axes)
    for stage in stages:
        place = (stage.begin + stage.tokens / 2, 0.98)
        name = _words(stage.name).replace(" ", "\n")
        axes.text(*place, name, transform=axes.get_xaxis_transform(), ha="center", va="top", color=INK)
    _label(axes, ends)


def _panel(
    axes: Axes, stages: Sequence[Stage], title: str, value: Callable[[Step], float], smooth: bool = True
) -> None:
    """One number of the steps: faint as it is, and its mean. From zero on, without the top of rare peaks."""
    everything = []
    for stage in stages:
        tokens, values = _points(stage, value)
        mean = _smoothed(values) if smooth else values
        if smooth:
            axes.plot(tokens, values, color=FAINT, linewidth=0.6)
        axes.plot(tokens, mean, color=COLOURS[0], linewidth=1.6)
        everything += [values[np.isfinite(values)]]
    shown = np.concatenate(everything)
    if shown.size and shown.max() > 0:
        axes.set_ylim(0, 1.15 * float(np.quantile(shown, 0.995)) or None)
    _dress(axes, stages, title)


def _points(stage: Stage, value: Callable[[Step], float]) -> tuple[Numbers, Numbers]:
    """Tokens of the run, and a number of each step."""
    steps = stage.curves.steps
    tokens = np.array([stage.begin + step.tokens for step in steps], np.float64)
    return tokens, np.array([value(step) for step in steps], np.float64)


def _smoothed(values: Numbers) -> Numbers:
    """The mean about each; NaN counts as nothing, and stays where there is nothing else."""
    half = int(len(values) * SMOOTHED / 2)
    known = np.isfinite(values)
    sums = np.concatenate(([0.0], np.cumsum(np.where(known, values, 0.0))))
    counts = np.concatenate(([0], np.cumsum(known)))
    place = np.arange(len(values))
    first, last = np.maximum(place - half, 0), np.minimum(place + half + 1, len(values))
    with np.errstate(invalid="ignore"):
        mean: Numbers = (sums[last] - sums[first]) / (counts[last] - counts[first])
    return mean


def _percent(step: Step) -> float:
    return math.nan if step.utilisation is None else 100 * step.utilisation


def _dress(axes: Axes, stages: Sequence[Stage], title: str) -> None:
    """What all panels share: a title, tokens on the x axis, a line where a stage begins, no box."""
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.set_xlim(0, max(1, stages[-1].begin + stages[-1].tokens))
    axes.xaxis.set_major_formatter(FuncFormatter(_counted))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(axis="y", color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    for stage in stages[1:]:
        axes.axvline(stage.begin, color="#999999", linewidth=0.8, linestyle=(0, (4, 3)))


def _readable(axes: Axes) -> None:
    """Plain numbers on a logarithmic axis: powers of ten, with 2 and 5 between, or what a short range needs."""
    low, high = axes.get_ylim()
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    tens = [10.0**power for power in powers]
    choices = tens, [first * ten for ten in tens for first in (1, 2, 5)], MaxNLocator(5).tick_values(low, high)
    enough = (ticks for ticks in choices if sum(low <= tick <= high for tick in ticks) > 2)
    axes.yaxis.set_major_locator(FixedLocator(next(enough, choices[-1])))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(low, high)


def _label(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Names and last values beside a logarithmic axis, from below, each at its height or just above the one before."""
    low, high = map(math.log, axes.get_ylim())
    lowest = 0.0
    for value, name, colour in sorted(end for end in ends if end[0] > 0):
        height = max((math.log(value) - low) / (high - low), lowest)
        place = axes.transAxes
        axes.text(1.012, height, f"{name}  {value:#.3g}", transform=place, color=colour, va="center")
        lowest = height + 0.055


def _words(name: str) -> str:
    return name.replace("_", " ")


def _counted(value: float, _: object = None) -> str:
    """As 450 k or 1.2 G."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


# -- the page

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
img { max-width: 100%; height: auto }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0 }
th, td { padding: .35rem .8rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
"""


def _page(name: str, stages: Sequence[Stage], picture: bytes) -> str:
    """HTML that needs nothing beside it."""
    tasks = _tasks(stages)
    heads = ("stage", "tokens", "steps", "time", "tokens/s", "utilisation", *map(_words, tasks))
    head = "".join(f"<th scope=col>{escape(each)}</th>" for each in heads)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(stage, tasks)) + "</tr>\n" for stage in stages
    )
    image = base64.b64encode(picture).decode()
    title = escape(f"Training of {name}")
    return (
        f'<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<meta name=viewport content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n<h1>{title}</h1>\n"
        f'<img alt="Curves of loss, learning rate, gradient norm and speed" src="data:image/png;base64,{image}">\n'
        f"<div class=wide><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
        f"<p>The columns of tasks have the loss on held-out rows, in nats per learnt token: the stage's first, and its "
        f"last. Tokens/s and utilisation are medians of the steps; time is that of the steps.</p>\n</html>\n"
    )


def _cells(stage: Stage, tasks: Sequence[str]) -> list[str]:
    """A row of the table."""
    steps = stage.curves.steps
    used = [step.utilisation for step in steps if step.utilisation is not None]
    seconds = sum(step.seconds for step in steps)
    losses = [stage.heldout(task) for task in tasks]
    return [
        _words(stage.name),
        f"{stage.tokens:,}",
        f"{len(steps):,}",
        f"{seconds // 3600:.0f}:{seconds // 60 % 60:02.0f}:{seconds % 60:02.0f}",
        f"{median(step.tokens_per_second for step in steps):,.0f}" if steps else "-",
        f"{100 * median(used):.1f} %" if used else "-",
        *(f"{found[0][1]:.3f} → {found[-1][1]:.3f}" if found else "-" for found in losses),
    ]
