"""Metrics of a stage: every step once, whatever killed the run."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compiler.training.watch import FILE, MetricsError, Step, Validation, Watch, read, text
from tests.conftest import ROOT

STEP = Step(1, 64, 2.5, {"emulation/opt": 2.0, "ir": 3.0}, 48, 0.75, 1e-3, 41_000.0, 0.312, 3 << 30, 0.25)
TOTAL = 640


def step(number: int) -> Step:
    return replace(STEP, step=number, tokens=64 * number, loss=3 - number / 10)


def watched(folder: Path, first: int, last: int, resume_at: int = 0) -> None:
    with Watch(folder, TOTAL, resume_at) as watch:
        for number in range(first, last + 1):
            watch.step(step(number))


def test_what_was_watched_is_read_again(tmp_path: Path) -> None:
    with Watch(tmp_path / "stage", TOTAL) as watch:
        watch.validation(0, 0, {"emulation": 9.0})
        watch.step(STEP)
        watch.validation(1, 64, {"emulation": 2.0})
    curves = read(tmp_path / "stage")
    assert curves.steps == [STEP]
    assert curves.validations == [Validation(0, 0, {"emulation": 9.0}), Validation(1, 64, {"emulation": 2.0})]


def test_a_folder_that_nobody_watched_has_no_curves(tmp_path: Path) -> None:
    assert read(tmp_path).steps == read(tmp_path / "none").validations == []


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite, st.none() | finite, st.dictionaries(st.text(), finite, max_size=3))
def test_every_number_and_every_name_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    loss: float,
    rate: float,
    utilisation: float | None,
    losses: dict[str, float],
) -> None:
    folder = tmp_path_factory.mktemp("watch")
    given_step = replace(STEP, loss=loss, learning_rate=rate, utilisation=utilisation, losses=losses)
    with Watch(folder, TOTAL) as watch:
        watch.step(given_step)
    assert read(folder).steps == [given_step]


def test_a_line_is_out_when_the_call_returns_and_is_json_that_everybody_reads(tmp_path: Path) -> None:
    with Watch(tmp_path, TOTAL) as watch:
        watch.step(replace(STEP, loss=math.nan, losses={"ir": math.inf}, gradient_norm=-math.inf))
        (line,) = (tmp_path / FILE).read_text().splitlines()
    event = json.loads(line, parse_constant=pytest.fail)
    assert event["loss"] is event["gradient_norm"] is event["losses"]["ir"] is None
    assert event["tokens"] == 64
    (found,) = read(tmp_path).steps
    assert math.isnan(found.loss) and math.isnan(found.losses["ir"]) and math.isnan(found.gradient_norm)


def test_a_resumed_run_has_every_step_once(tmp_path: Path) -> None:
    watched(tmp_path / "killed", 1, 7)
    watched(tmp_path / "killed", 5, 10, resume_at=4)
    watched(tmp_path / "whole", 1, 10)
    assert (tmp_path / "killed" / FILE).read_bytes() == (tmp_path / "whole" / FILE).read_bytes()


def test_a_run_from_the_start_keeps_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    watched(tmp_path, 1, 7)
    watched(tmp_path, 1, 2)
    assert read(tmp_path).steps == [step(1), step(2)]


def test_a_second_validation_after_the_same_step_takes_the_place_of_the_first(tmp_path: Path) -> None:
    with Watch(tmp_path, TOTAL) as watch:
        watch.step(STEP)
        watch.validation(1, 64, {"emulation": 2.0})
    with Watch(tmp_path, TOTAL, resume_at=1) as watch:
        watch.validation(1, 64, {"emulation": 1.5})
    assert read(tmp_path).validations == [Validation(1, 64, {"emulation": 1.5})]


@pytest.mark.parametrize("cut", [1, 20, 10_000])
def test_a_last_line_that_was_cut_off_is_dropped(tmp_path: Path, cut: int) -> None:
    watched(tmp_path, 1, 3)
    file = tmp_path / FILE
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:2]) + lines[2][:-1][:cut])
    assert read(tmp_path).steps == [step(1), step(2)]
    watched(tmp_path, 3, 4, resume_at=2)
    assert read(tmp_path).steps == [step(number) for number in range(1, 5)]


WATCHES_FOR_EVER = """
import sys
from pathlib import Path
from tests.test_watch import step
from llm_compiler.training.watch import Watch
with Watch(Path(sys.argv[1]), 640) as watch:
    for number in range(1, 1 << 40):
        watch.step(step(number))
        print(number, flush=True)
"""


def test_no_step_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", WATCHES_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=ROOT, text=True) as child:
        assert child.stdout
        for line in child.stdout:
            if int(line) == 100:
                os.kill(child.pid, signal.SIGKILL)
                break
        said = 100 + len([line for line in child.stdout if line.endswith("\n")])
    steps = read(tmp_path).steps
    assert len(steps) >= said
    assert steps == [step(number) for number in range(1, len(steps) + 1)]


@pytest.mark.parametrize("line", ["{", "[]", "3", "null", '{"step": "1"}', "\0\0", '{"step": 1, "loss": 2}'])
def test_a_file_of_something_else_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    watched(tmp_path, 1, 1)
    with (tmp_path / FILE).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(MetricsError, match=rf"{FILE}: line 2 is none of metrics"):
        read(tmp_path)


def test_a_file_of_something_else_is_not_written_over_by_a_resumed_run(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("my diary\n")
    with pytest.raises(MetricsError, match=rf"{FILE}: line 1"):
        Watch(tmp_path, TOTAL, resume_at=3)
    assert (tmp_path / FILE).read_text() == "my diary\n"


def test_the_progress_bar_hears_of_every_step(tmp_path: Path) -> None:
    heard: list[tuple[int, int, str]] = []
    with Watch(tmp_path, TOTAL, tell=lambda *what: heard.append(what)) as watch:
        watch.step(STEP)
        watch.step(replace(STEP, step=2, tokens=128, utilisation=None))
    assert heard == [
        (64, TOTAL, "loss 2.500 · 41,000 tokens/s · utilisation 31 % · gradient norm 0.75"),
        (128, TOTAL, "loss 2.500 · 41,000 tokens/s · gradient norm 0.75"),
    ]
    assert text(replace(STEP, loss=math.nan)).startswith("loss nan")


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard would show: by name and step, without what a later file says to hide."""
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, dict[int, float]] = {}
    for path in sorted(folder.iterdir()):
        content, at = path.read_bytes(), 0
        while at < len(content):
            length = int.from_bytes(content[at : at + 8], "little")
            event = Event.FromString(content[at + 12 : at + 12 + length])
            at += 16 + length
            if event.HasField("session_log"):
                for values in found.values():
                    for late in [number for number in values if number >= event.step]:
                        del values[late]
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_tensorboard_has_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    with Watch(tmp_path, TOTAL) as watch:
        watch.step(step(1))
        watch.step(replace(step(2), utilisation=None))
        watch.validation(2, 128, {"emulation": 2.0})
    shown = scalars(tmp_path / "tensorboard")
    assert shown["training/loss"] == pytest.approx({1: 2.9, 2: 2.8})
    assert list(shown["training/utilisation"]) == [1]
    assert {name for name in shown if not name.startswith("training/")} == {
        "loss_by_source/emulation/opt",
        "loss_by_source/ir",
        "held-out_loss/emulation",
    }


def test_tensorboard_hides_the_steps_that_a_resumed_run_does_again(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    watched(tmp_path, 1, 5)
    for path in (tmp_path / "tensorboard").iterdir():
        path.rename(path.with_name("events.out.tfevents.0000000001.host"))  # as if it were of an earlier second
    watched(tmp_path, 3, 3, resume_at=2)
    assert sorted(scalars(tmp_path / "tensorboard")["training/loss"]) == [1, 2, 3]


def test_without_tensorboard_nothing_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    watched(tmp_path, 1, 2)
    assert len(read(tmp_path).steps) == 2
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
