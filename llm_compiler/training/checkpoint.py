"""Checkpoints of a stage: everything that training goes on from, on any number of ranks.

    DIR/step-00000120/     written as .step-00000120 and renamed: what has its name is whole
        *.distcp, .metadata    torch.distributed.checkpoint: weights in fp32 and the optimisers' state, in shards
        state.json             `Progress`

A folder keeps the last few, and the one whose held-out loss was best.
"""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch.distributed.checkpoint as dcp
from torch import nn, optim
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

from llm_compiler.training.world import TrainingError, World

_TRAINED = StateDictOptions(ignore_frozen_params=True, strict=False)
"""Weights that are not trained are those that training begins with again."""


@dataclass(frozen=True)
class Progress:
    """How far a stage has come."""

    step: int = 0
    """Steps that are done."""
    rows: int = 0
    """Rows that are seen: the index of the next, over all epochs."""
    tokens: int = 0
    seconds: float = 0.0
    """Of training, saving and validating left out."""
    best: float | None = None
    """The lowest held-out loss of the stage's own tasks."""
    best_step: int | None = None
    first: dict[str, float] | None = None
    """Held-out losses by task before the first step."""
    last: dict[str, float] | None = None
    """And when they were last measured."""


class Checkpoints:
    """The checkpoints of one folder."""

    def __init__(self, folder: Path, keep: int, world: World, *, meanwhile: bool | None = None) -> None:
        """`meanwhile`: whether training goes on while one is written. By default it does on a GPU."""
        self._folder, self._keep, self._world = folder, keep, world
        self._meanwhile = world.saving is not None if meanwhile is None else meanwhile
        self._pending: tuple[Future[Any], Progress] | None = None
        if world.first:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(".step-*"):  # of a process that was killed while it saved
                shutil.rmtree(left, ignore_errors=True)
        world.wait()

    def steps(self) -> list[int]:
        """Of all checkpoints, rising."""
        return sorted(int(path.name[5:]) for path in self._folder.glob("step-*") if path.name[5:].isdigit())

    def load(self, model: nn.Module, optimisers: list[optim.Optimizer]) -> Progress | None:
        """Go on from the last checkpoint; None if there is none. TrainingError for one of another model."""
        if not (steps := self.steps()):
            return None
        folder = self._folder / f"step-{steps[-1]:08}"
        with _said(f"{folder}: a checkpoint that does not fit this model, or is damaged; delete it to go without it"):
            progress = Progress(**json.loads((folder / "state.json").read_text()))
            state = _state(model, optimisers)
            dcp.load(state, checkpoint_id=folder)
            weights, moments = state["model"], state["optimisers"]
            set_state_dict(model, optimisers, model_state_dict=weights, optim_state_dict=moments, options=_TRAINED)
        return progress

    def save(self, model: nn.Module, optimisers: list[optim.Optimizer], progress: Progress) -> None:
        """Write one. TrainingError if it cannot be written; those before it stay."""
        self.finish()
        partial = self._folder / f".step-{progress.step:08}"
        with _said(f"the checkpoint of step {progress.step} could not be saved in {self._folder}"), _quiet():
            state = _state(model, optimisers)
            if self._meanwhile:
                answer: Any = dcp.async_save(state, checkpoint_id=partial, process_group=self._world.saving)
                self._pending = (answer, progress)
            else:
                dcp.save(state, checkpoint_id=partial)
                self._publish(progress)

    def finish(self) -> None:
        """Wait for the one that is being written. TrainingError as from `save`."""
        if self._pending is None:
            return
        (future, progress), self._pending = self._pending, None
        with _said(f"the checkpoint of step {progress.step} could not be saved in {self._folder}"):
            future.result()
            self._publish(progress)

    def _publish(self, progress: Progress) -> None:
        """Give it its name, when all ranks have written their part, and drop those that are too many."""
        self._world.wait()
        if self._world.first:
            partial = self._folder / f".step-{progress.step:08}"
            (partial / "state.json").write_text(json.dumps(asdict(progress), indent=1))
            target = self._folder / partial.name[1:]
            if target.exists():  # saved again at one step: by a run that was stopped before it went on
                shutil.rmtree(target)
            partial.rename(target)
            for step in self.steps()[: -self._keep]:
                if step != progress.best_step:
                    shutil.rmtree(self._folder / f"step-{step:08}")
        self._world.wait()


def _state(model: nn.Module, optimisers: list[optim.Optimizer]) -> dict[str, Any]:
    weights, moments = get_state_dict(model, optimisers, options=_TRAINED)
    return {"model": weights, "optimisers": moments}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _said(what: str) -> Iterator[None]:
    """Errors of files and of the library as one line."""
    try:
        yield
    except (CheckpointException, OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{what}: {_cause(error)}") from None


def _cause(error: BaseException) -> str:
    """The first cause of an error that wraps those of all ranks."""
    if isinstance(error, CheckpointException) and error.failures:
        failure = next(iter(error.failures.values()))
        return _cause(failure[0] if isinstance(failure, tuple) else failure)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "no space left on the device"
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
