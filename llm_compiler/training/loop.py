"""The loop: a model, rows, and what it takes to make the one predict the other. The same for every stage and any ranks.

A step takes the next rows in an order that the seed decides, however many ranks share them; its gradient is of the sum
of all learnt tokens' losses by their number, so neither ranks nor accumulation change what is learnt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, optim
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn.utils import clip_grad_norm_

from llm_compiler.data.recipe import Training
from llm_compiler.data.rows import Batch, Rows
from llm_compiler.model.llama import Llama, packed
from llm_compiler.model.shape import Shape
from llm_compiler.model.weights import fill
from llm_compiler.training.attention import attention
from llm_compiler.training.checkpoint import Checkpoints, Progress
from llm_compiler.training.optimiser import learning_rate, optimisers
from llm_compiler.training.plan import accumulates_whole
from llm_compiler.training.watch import Step, Tell, Watch
from llm_compiler.training.world import TrainingError, World

Adapt = Callable[[Llama], None]
"""Changes a model before it is sharded: puts adapters in."""


@dataclass(frozen=True)
class Job:
    """One stage's training."""

    folder: Path
    """Where checkpoints and metrics go."""
    shape: Shape
    source: Callable[[str, torch.Size], Tensor]
    """The weights to start from, as `weights.fill` takes them."""
    scratch: bool
    """Whether those are fresh."""
    rows: Rows
    heldout: Mapping[str, Rows]
    """By task; those of `judged` say how good a checkpoint is."""
    judged: Sequence[str]
    learning_rate: float
    settings: Training
    seed: int = 0
    adapt: Adapt | None = None
    evenness: float = 0.0
    """As in `recipe.Stage`."""


@dataclass(frozen=True)
class Trained:
    """What training gave."""

    model: Llama
    """Sharded; its weights are those of the last step."""
    progress: Progress
    steps: int
    """In all; where `progress` has fewer, training was asked to stop."""

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.progress.step == self.steps


class Order:
    """Which row is seen when: each epoch all, in an order of its own."""

    def __init__(self, rows: int, epochs: float, seed: int) -> None:
        self.total = max(1, round(rows * epochs))
        self._rows, self._seed = rows, seed
        self._epoch, self._permutation = -1, np.zeros(0, np.int64)

    def __call__(self, start: int, end: int) -> list[int]:
        """The numbers of the rows from `start` to `end`, counted over all epochs."""
        return [self._at(index) for index in range(start, min(end, self.total))]

    def _at(self, index: int) -> int:
        epoch, place = divmod(index, self._rows)
        if epoch != self._epoch:
            self._epoch = epoch
            self._permutation = np.random.default_rng([self._seed, epoch]).permutation(self._rows)
        return int(self._permutation[place])


def sharded(job: Job, world: World) -> Llama:
    """The model with its first weights, each rank holding its part of them in fp32."""
    shape, settings = job.shape, job.settings
    attend = attention(world.device, shape.heads, shape.kv_heads, shape.head_size)
    with torch.device("meta"):
        model = Llama(shape, recompute=settings.recompute, attend=attend)
        if job.adapt is not None:
            job.adapt(model)
    if settings.compile and world.device.type == "cuda":
        torch._dynamo.config.suppress_errors = True  # what cannot be compiled runs as it is
        for layer in model.model.layers:
            layer.compile()
    half = torch.bfloat16 if settings.precision == "bf16" else None
    policy = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32)
    for layer in model.model.layers:
        fully_shard(layer, mesh=world.mesh, mp_policy=policy, reshard_after_forward=world.size > 1)
    # What comes in is ids and places; of the weights of losses bf16 would round something off.
    fully_shard(model, mesh=world.mesh, mp_policy=replace(policy, cast_forward_inputs=False))
    model.to_empty(device=world.device)
    fill(model, job.source)
    return model


def train(job: Job, world: World, should_stop: Callable[[], bool] = lambda: False, tell: Tell | None = None) -> Trained:
    """Train, or go on from the last checkpoint in the folder, until all is done or `should_stop` says so.

    It is asked between micro-batches; a step that was begun is begun again by whoever goes on. TrainingError for what
    stops training: a loss that is no number, a checkpoint that cannot be written, memory that is not there.
    """
    settings = job.settings
    batch_rows = max(1, round(settings.batch_tokens / job.rows.context))
    order = Order(len(job.rows), settings.epochs, job.seed)
    steps = math.ceil(order.total / batch_rows)
    try:
        model = sharded(job, world)
        workers = optimisers(dict(model.named_parameters()), settings, scratch=job.scratch)
        checkpoints = Checkpoints(job.folder / "checkpoints", settings.keep, world)
        at = checkpoints.load(model, workers) or Progress()
        with (
            Watch(job.folder, order.total * job.rows.context, at.step, tell) if world.first else nullcontext() as watch
        ):
            run = _Run(job, world, model, workers, checkpoints, watch, should_stop)
            at = run.go(at, order, steps, batch_rows)
    except torch.OutOfMemoryError as error:
        raise _memory(settings, error) from None
    except RuntimeError as error:
        if "not enough memory" in str(error) or "can't allocate memory" in str(error):
            raise _memory(settings, error) from None
        raise
    return Trained(model, at, steps)


def _memory(settings: Training, error: Exception) -> TrainingError:
    lower = (
        f"lower training.micro_batch ({settings.micro_batch})" if settings.micro_batch > 1 else "take a smaller model"
    )
    also = "" if settings.recompute else ", or set training.recompute = true"
    return TrainingError(f"out of memory: {lower}{also} ({str(error).splitlines()[0][:120]})")


class _Stopped(Exception):  # noqa: N818 - no error
    pass


class _Run:
    """What the steps of one call of `train` share."""

    def __init__(
        self,
        job: Job,
        world: World,
        model: Llama,
        workers: list[optim.Optimizer],
        checkpoints: Checkpoints,
        watch: Watch | None,
        should_stop: Callable[[], bool],
    ) -> None:
        self.job, self.world, self.model, self.workers = job, world, model, workers
        self.checkpoints, self.watch, self.should_stop = checkpoints, watch, should_stop
        self.peak = world.peak() if world.first else None
        self.flops = job.shape.flops_per_token(_attended(job.rows))
        self.sources = [_named(source) for source in job.rows.manifest["sources"]]

    def go(self, at: Progress, order: Order, steps: int, batch_rows: int) -> Progress:
        """All steps from `at` on."""
        settings, saved = self.job.settings, time.monotonic()
        between = max(1, steps // settings.validations) if settings.validations else steps + 1
        if at.step == 0:
            at = self.validated(at)
        try:
            while at.step < steps:
                rate = learning_rate(at.step, steps, self.job.learning_rate, settings)
                at = self.step(at, order(at.rows, at.rows + batch_rows), rate)
                last = at.step == steps
                if last or at.step % between == 0:
                    at = self.validated(at)
                due = time.monotonic() - saved > 60 * settings.save_minutes
                if last or at.best_step == at.step or self.world.any(self.world.first and due)[0]:
                    self.checkpoints.save(self.model, self.workers, at)
                    saved = time.monotonic()
        except _Stopped:
            if at.step not in self.checkpoints.steps():
                self.checkpoints.save(self.model, self.workers, at)
        self.checkpoints.finish()
        return at

    def step(self, at: Progress, numbers: list[int], rate: float) -> Progress:
        """One step of the optimisers on these rows."""
        job, world, begin = self.job, self.world, time.monotonic()
        batch = job.rows.batch(numbers)
        counted = int(batch.mask.sum())
        weights = _weights(batch, job.evenness)
        whole = counted if weights is None else float(weights[batch.mask].sum())
        sums = torch.zeros(len(self.sources), dtype=torch.float64)
        broken: list[int] = []
        parts = list(_parts(len(numbers), job.settings.micro_batch, world))
        sharded_model: Any = self.model  # as FSDPModule
        for place, part in enumerate(parts):
            if world.any(self.should_stop())[0]:
                for worker in self.workers:
                    worker.zero_grad()
                raise _Stopped
            sharded_model.set_requires_gradient_sync(place == len(parts) - 1 or not accumulates_whole(job.shape))
            total, each = self.model(_on_device(batch, part, world, weights))
            # FSDP takes the mean over ranks, where the sum is wanted.
            (total * (world.size / max(1, whole))).backward()
            of = torch.from_numpy(batch.sources[part][batch.mask[part]].astype(np.int64))
            each = each.double().cpu()
            sums.index_add_(0, of, each)
            if not torch.isfinite(each).all():
                broken += [numbers[row] for row in part]
        sums = world.sum(sums.to(world.device)).cpu()
        loss = float(sums.sum()) / max(1, counted)
        norm = self.clipped()
        if not math.isfinite(loss) or not math.isfinite(norm):
            rows = ", ".join(map(str, world.gathered(broken) or numbers))
            raise TrainingError(
                f"step {at.step + 1}: the loss is {loss} and the gradient {norm}, in rows {rows} of {job.rows.folder}; "
                f"checkpoints before it are kept; a lower learning rate than {job.learning_rate:g} may help"
            )
        for worker in self.workers:
            for group in worker.param_groups:
                group["lr"] = rate
            worker.step()
            worker.zero_grad()
        seconds = time.monotonic() - begin
        tokens = len(numbers) * job.rows.context
        at = replace(
            at, step=at.step + 1, rows=at.rows + len(numbers), tokens=at.tokens + tokens, seconds=at.seconds + seconds
        )
        if self.watch:
            every = np.bincount(batch.sources[batch.mask], minlength=len(self.sources))
            losses = {name: float(sums[n]) / int(every[n]) for n, name in enumerate(self.sources) if every[n]}
            speed = tokens / seconds
            used = speed * self.flops / (self.peak * world.size) if self.peak else None
            self.watch.step(
                Step(at.step, at.tokens, loss, losses, counted, norm, rate, speed, used, world.memory, seconds)
            )
        return at

    def clipped(self) -> float:
        """The norm of all gradients, before they are cut to what the settings say."""
        norm: Any = clip_grad_norm_(self.model.parameters(), self.job.settings.clip)
        return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)

    def validated(self, at: Progress) -> Progress:
        """Measure the held-out losses."""
        losses = {task: loss for task, rows in self.job.heldout.items() if (loss := self.heldout(rows)) is not None}
        if self.watch:
            self.watch.validation(at.step, at.tokens, losses)
        at = replace(at, last=losses, first=at.first or losses)
        own = [losses[task] for task in self.job.judged if task in losses]
        mean = sum(own) / len(own) if own else None
        if mean is not None and at.step and (at.best is None or mean < at.best):
            at = replace(at, best=mean, best_step=at.step)
        return at

    @torch.no_grad()
    def heldout(self, rows: Rows) -> float | None:
        """The loss on the first rows, of a learnt token; None where there are none."""
        settings, world = self.job.settings, self.world
        count = min(len(rows), max(1, settings.validation_tokens // rows.context))
        if not count:
            return None
        batch = rows.batch(range(count))
        total = torch.zeros((), dtype=torch.float64, device=world.device)
        for part in _parts(count, settings.micro_batch, world):
            total += self.model(_on_device(batch, part, world))[0].double()
        return float(world.sum(total)) / max(1, int(batch.mask.sum()))


def _parts(count: int, size: int, world: World) -> Iterator[list[int]]:
    """The micro-batches of this rank, out of `count` rows: all ranks have as many, some of them empty at the end."""
    mine = list(range(world.rank, count, world.size))
    for start in range(0, math.ceil(count / world.size), size):
        yield mine[start : start + size]


def _weights(batch: Batch, evenness: float) -> npt.NDArray[np.float32] | None:
    """How much each token's loss counts, the largest being 1; None where all count alike."""
    return (batch.lengths.astype(np.float32) ** -evenness).astype(np.float32) if evenness else None


def _on_device(batch: Batch, rows: list[int], world: World, weights: npt.NDArray[np.float32] | None = None) -> Any:
    """Some rows of a batch for the model; without any, a row of which nothing is learnt, for ranks go in step."""
    chosen = rows or [0]
    tokens = torch.from_numpy(batch.tokens[chosen].astype(np.int64))
    positions = torch.from_numpy(batch.positions[chosen].astype(np.int64))
    counts = torch.from_numpy(batch.mask[chosen])
    weighed = None if weights is None else torch.from_numpy(weights[chosen])
    return packed(tokens, positions, counts if rows else torch.zeros_like(counts), world.device, weighed)


def _attended(rows: Rows) -> float:
    """To how many tokens one attends on average."""
    columns = rows.documents()
    lengths = columns[3].astype(np.float64) - columns[1]
    return float((lengths**2).sum() / 2 / max(1.0, lengths.sum()))


def _named(source: Mapping[str, Any]) -> str:
    return f"{source['task']}/{source['source']}"
