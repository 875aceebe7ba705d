"""Watching one stage of training: a line of JSON per event, the same for TensorBoard, and a text for a progress bar.

    FOLDER/metrics.jsonl   events of `Step` and `Validation`, in the order they came; no number is written as null
    FOLDER/tensorboard/    the same, where tensorboardX is installed

One process writes: the one of rank 0. Each line is out when its call returns, so that a killed run lacks no step.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

FILE = "metrics.jsonl"
Tell = Callable[[int, int, str], object]
"""Shows how far training is: tokens trained, tokens in all, and a text."""


class MetricsError(Exception):
    """A file that holds something else than metrics. The message is one line that begins with its name."""


@dataclass(frozen=True)
class Step:
    """One step of the optimiser."""

    step: int
    """Counted from 1."""
    tokens: int
    """Trained on since the stage began, this step included."""
    loss: float
    """Nats per learnt token."""
    losses: Mapping[str, float]
    """The same by source, of those that the step had."""
    counted: int
    """Learnt tokens."""
    gradient_norm: float
    """Before clipping."""
    learning_rate: float
    tokens_per_second: float
    """Of all ranks together."""
    utilisation: float | None
    """Share of the floating-point operations that the hardware could have done; None where that is not known."""
    memory: int
    """The most bytes that a rank has used."""
    seconds: float
    """Of this step."""


@dataclass(frozen=True)
class Validation:
    """Losses on held-out rows, by task, in nats per learnt token."""

    step: int
    """After which; 0 is before any."""
    tokens: int
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Curves:
    """All that was watched, each step once, in order. What was no number is NaN."""

    steps: list[Step]
    validations: list[Validation]


class Watch:
    """Where a stage says what it does. A context manager."""

    def __init__(self, folder: Path, total_tokens: int, resume_at: int = 0, tell: Tell | None = None) -> None:
        """Go on after step `resume_at`; what the folder holds of later steps, or of all if it is 0, is dropped.

        `total_tokens` is what the stage will be trained on. MetricsError if the file there is not one of metrics.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FILE
        kept = [event for event in _events(path) if event["step"] <= resume_at] if resume_at else []
        partial = folder / f".{FILE}"
        partial.write_text("".join(map(_line, kept)))
        partial.replace(path)
        self._file = path.open("a", buffering=1)
        self._tensorboard = _tensorboard(folder / "tensorboard", resume_at)
        self._total, self._tell = total_tokens, tell

    def step(self, step: Step) -> None:
        """A step is done. OSError if the disk is full."""
        event = asdict(step)
        self._file.write(_line(event))
        numbers = {name: value for name, value in event.items() if name not in ("step", "losses")}
        self._plot(step.step, {f"training/{name}": value for name, value in numbers.items()})
        self._plot(step.step, {f"loss by source/{source}": loss for source, loss in step.losses.items()})
        if self._tell:
            self._tell(step.tokens, self._total, text(step))

    def validation(self, step: int, tokens: int, losses: Mapping[str, float]) -> None:
        """The held-out losses after a step, by task. A step's later ones take the place of its earlier."""
        self._file.write(_line(asdict(Validation(step, tokens, losses))))
        self._plot(step, {f"held-out loss/{task}": loss for task, loss in losses.items()})
        if self._tensorboard:
            self._tensorboard.flush()

    def _plot(self, step: int, values: Mapping[str, float | None]) -> None:
        for name, value in values.items():
            if self._tensorboard and value is not None:
                self._tensorboard.add_scalar(name, value, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._tensorboard:
            self._tensorboard.close()


def _tensorboard(folder: Path, resume_at: int) -> Any:
    """A writer that hides what the folder has of later steps; None without the package."""
    with contextlib.suppress(ImportError):
        from tensorboardX import SummaryWriter

        return SummaryWriter(str(folder), purge_step=resume_at + 1 if resume_at else 0)
    return None


def text(step: Step) -> str:
    """What to show beside a progress bar."""
    used = "" if step.utilisation is None else f" · utilisation {100 * step.utilisation:.0f} %"
    return (
        f"loss {step.loss:.3f} · {step.tokens_per_second:,.0f} tokens/s{used} · gradient norm {step.gradient_norm:.2f}"
    )


def read(folder: Path) -> Curves:
    """What `Watch` wrote there; nothing if it never did. MetricsError if the file is not one of metrics."""
    steps: dict[int, Step] = {}
    validations: dict[int, Validation] = {}
    for number, event in enumerate(_events(folder / FILE), 1):
        try:
            losses = {name: _number(loss) for name, loss in event.pop("losses").items()}
            if "loss" in event:
                numbers = {name: _number(event.pop(name)) for name in ("loss", "gradient_norm")}
                steps[event["step"]] = Step(**{**event, **numbers}, losses=losses)
            else:
                validations[event["step"]] = Validation(**event, losses=losses)
        except (KeyError, TypeError, AttributeError):
            raise MetricsError(f"{folder / FILE}: line {number} is none of metrics") from None
    return Curves(list(steps.values()), list(validations.values()))


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file, but a last one that was cut off."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for number, line in enumerate(lines, 1):
        if number == len(lines) and not line.endswith(b"\n"):
            return
        try:
            event = json.loads(line)
            event["step"] + 0
        except (ValueError, TypeError, KeyError):
            raise MetricsError(f"{path}: line {number} is none of metrics") from None
        yield event


def _line(event: Mapping[str, Any]) -> str:
    return json.dumps(_plain(event), allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Without NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
