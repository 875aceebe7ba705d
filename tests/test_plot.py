"""The picture and the page of a run."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from llm_compiler.training.plot import PlotError, _counted, _figure, _smoothed, _stages, plot
from llm_compiler.training.watch import FILE, Watch
from tests.test_watch import STEP


def stage(folder: Path, task: str, steps: int = 20, loss: float = 2.0, utilisation: float | None = 0.4) -> None:
    with Watch(folder, 64 * steps) as watch:
        watch.validation(0, 0, {task: loss + 1})
        for number in range(1, steps + 1):
            watch.step(replace(STEP, step=number, tokens=64 * number, loss=loss, utilisation=utilisation))
        watch.validation(steps, 64 * steps, {task: loss, "ir_modeling": 1.25})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "my <run>"
    stage(run / "1-ir_modeling", "ir_modeling")
    stage(run / "2-emulation", "emulation", 5)
    stage(run / "10-disassembly", "disassembly", 5)
    (run / "3-not_begun").mkdir()
    (run / "checkpoints").mkdir()
    return run


class Page(HTMLParser):
    """The cells of its table, by row, and all addresses."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.addresses: list[str] = []
        self._in_cell = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self._in_cell = tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def test_the_page_has_the_numbers_of_each_stage_in_the_order_of_training(run: Path, tmp_path: Path) -> None:
    picture, page = plot(run, tmp_path / "out")
    head, *rows = Page(page).rows
    assert head == [
        *("stage", "tokens", "steps", "time", "tokens/s", "utilisation"),
        *("ir modeling", "emulation", "disassembly"),
    ]
    speed = ["41,000", "40.0 %"]
    assert rows == [
        ["ir modeling", "1,280", "20", "0:00:05", *speed, "3.000 → 1.250", "-", "-"],
        ["emulation", "320", "5", "0:00:01", *speed, "1.250 → 1.250", "3.000 → 2.000", "-"],
        ["disassembly", "320", "5", "0:00:01", *speed, "1.250 → 1.250", "-", "3.000 → 2.000"],
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_page_needs_nothing_beside_it_and_shows_the_picture(run: Path, tmp_path: Path) -> None:
    picture, page = plot(run, tmp_path)
    (address,) = Page(page).addresses
    assert base64.b64decode(address.removeprefix("data:image/png;base64,")) == picture.read_bytes()
    content = page.read_text(encoding="utf-8")
    assert not re.search("https?:", content)
    assert "my &lt;run&gt;" in content
    assert "<run>" not in content


def test_the_same_run_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    one, other = plot(run, tmp_path / "one"), plot(run, tmp_path / "other")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_stage_begins_where_the_one_before_ended(run: Path) -> None:
    stages = _stages(run)
    assert [(each.name, each.begin) for each in stages] == [
        ("ir_modeling", 0),
        ("emulation", 1280),
        ("disassembly", 1600),
    ]
    assert stages[1].heldout("emulation") == [(1280, 3.0), (1600, 2.0)]
    losses = _figure(stages).subfigs[0].axes[0]
    training = [line.get_xdata() for line in losses.lines[:3]]
    assert [(x[0], x[-1]) for x in map(np.asarray, training)] == [(64, 1280), (1344, 1600), (1664, 1920)]


def titles(run: Path) -> list[str]:
    return [axes.get_title(loc="left") for axes in _figure(_stages(run)).subfigs[1].axes]


def test_memory_is_shown_where_utilisation_is_not_known(run: Path, tmp_path: Path) -> None:
    stage(tmp_path / "cpu", "emulation", utilisation=None)
    assert titles(run)[3] == "Utilisation of the hardware, %"
    assert titles(tmp_path / "cpu")[3] == "Memory, GiB"
    _, row = Page(plot(tmp_path / "cpu", tmp_path)[1]).rows
    assert row[5] == "-"


def test_the_folder_of_one_stage_is_a_run(tmp_path: Path) -> None:
    stage(tmp_path / "tuned", "emulation")
    _, row = Page(plot(tmp_path / "tuned", tmp_path)[1]).rows
    assert row[0] == "tuned"


@pytest.mark.parametrize("loss", [math.nan, 0.0, 1e30])
def test_strange_losses_are_no_reason_not_to_plot(tmp_path: Path, loss: float) -> None:
    stage(tmp_path / "1-strange", "emulation", loss=loss)
    assert [path.name for path in plot(tmp_path, tmp_path)] == ["curves.png", "curves.html"]


def test_a_run_that_was_only_validated_or_has_no_validation_is_plotted(tmp_path: Path) -> None:
    with Watch(tmp_path / "1-a", 64) as watch:
        watch.validation(0, 0, {"emulation": 9.0})
    assert plot(tmp_path, tmp_path / "out")
    with Watch(tmp_path / "1-a", 64) as watch:
        watch.step(STEP)
    assert plot(tmp_path, tmp_path / "out")


def test_more_tasks_than_colours(tmp_path: Path) -> None:
    with Watch(tmp_path / "1-a", 64) as watch:
        watch.validation(0, 0, {f"task_{number}": 1.0 + number for number in range(9)})
    assert plot(tmp_path, tmp_path / "out")


def test_where_nothing_was_watched_there_is_nothing_to_plot(tmp_path: Path) -> None:
    (tmp_path / "1-empty").mkdir()
    for folder in (tmp_path, tmp_path / "none", tmp_path / "1-empty"):
        with pytest.raises(PlotError, match=f"nothing to plot, no stage has written {FILE}") as error:
            plot(folder, tmp_path / "out")
        assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_file_of_something_else_is_named(run: Path, tmp_path: Path) -> None:
    (run / "1-ir_modeling" / FILE).write_text("{}\n")
    with pytest.raises(PlotError, match=rf"1-ir_modeling/{FILE}: line 1 is none of metrics"):
        plot(run, tmp_path / "out")


def test_a_smooth_curve_is_the_mean_of_what_is_a_number() -> None:
    values = np.array([1.0, 3.0, math.nan] * 50)
    smooth = _smoothed(values)
    assert smooth.shape == values.shape
    assert smooth[75] == 2.0
    assert np.isfinite(smooth[1:-1]).all()
    assert np.isnan(_smoothed(np.full(200, math.nan))).all()
    assert _smoothed(np.array([5.0])).tolist() == [5.0]
    assert _smoothed(np.array([])).tolist() == []


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (0.5, "0.5"), (41_000, "41 k"), (1_500_000, "1.5 M"), (2e9, "2 G")]
)
def test_large_numbers_are_short(value: float, shown: str) -> None:
    assert _counted(value) == shown
