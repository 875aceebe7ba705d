"""What a recipe would cost on many GPUs: memory of each, and hours. Computed from the model's shape; needs no torch.

Weights, gradients and the optimisers' state are counted tensor by tensor, as `fully_shard` cuts them; activations are
what our Llama's operations keep for backward. tests/test_plan.py holds both to small models that are measured. What a
GPU's allocator, kernels and communication take besides is not counted: a GPU is full at `ROOM` of its memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llm_compiler.data.recipe import Recipe, Training, unknown
from llm_compiler.model.shape import PRESETS, Shape, ShapeError, from_config

GPUS = (1, 8, 64, 256)
MEMORY = 80e9
"""Bytes of an H100."""
ROOM = 0.9
"""The share of a GPU's memory that may be planned."""
PEAK = 989e12
"""Operations of an H100 in a second, in bf16."""
UTILISATION = 0.4
"""The share of them that is assumed to go into the model, what is computed again not counted."""
SLICE = 2_048
"""Learnt tokens whose logits are in memory at a time, as the model has it."""
_WHOLE_LAYERS = 3
"""That a rank has at a time: the one that computes, the one that is gathered meanwhile, and what it arrives in."""

Size = tuple[int, ...]
_WHOLE_GRADIENTS = 1_000_000_000
"""Parameters whose gradients, 4 GB, have room on every rank."""


class PlanError(Exception):
    """A recipe that cannot be planned. The message is one line."""


def plan_of(recipe: Recipe, utilisation: float = UTILISATION) -> dict[str, Any]:
    """Memory of a GPU in bytes, and hours, on as many GPUs as `GPUS` says. PlanError."""
    shape, settings, context = _shape(recipe), recipe.training, recipe.model.context
    scratch = not recipe.model.start
    flops = shape.flops_per_token(context / 2)
    counts: list[dict[str, Any]] = []
    for gpus in GPUS:
        rows, parts = _share(settings, context, gpus)
        found = memory(shape, settings, context, gpus, scratch=scratch)
        total = sum(found.values())
        batch = _batch_rows(settings, context)
        counts.append(
            {
                "gpus": gpus,
                "rows at once": rows,
                "micro-batches": parts,
                "busy": batch / (gpus * math.ceil(batch / gpus)),
                "bytes": found,
                "total": total,
                "fits": total <= ROOM * MEMORY,
            }
        )
    stages = []
    for stage in recipe.stages:
        tokens = round(stage.tokens * settings.epochs)
        hours = tokens * flops / (utilisation * PEAK) / 3_600
        stages.append(
            {
                "stage": stage.name,
                "tokens": tokens,
                "steps": math.ceil(tokens / (_batch_rows(settings, context) * context)),
                "flops": tokens * flops,
                "gpu hours": hours,
                "hours": {str(one["gpus"]): hours / one["gpus"] / one["busy"] for one in counts},
            }
        )
    return {
        "model": recipe.model.start or recipe.model.preset,
        "parameters": shape.parameters,
        "context": context,
        "batch tokens": _batch_rows(settings, context) * context,
        "optimiser": "Muon and AdamW" if _muon(settings, scratch) else "AdamW",
        "recompute": settings.recompute,
        "measured": False,
        "assumed": {"memory": MEMORY, "room": ROOM, "peak": PEAK, "utilisation": utilisation, "attended": context / 2},
        "per gpu": counts,
        "stages": stages,
    }


def as_text(plan: dict[str, Any]) -> str:
    """The plan as two tables."""
    counts, stages, assumed = plan["per gpu"], plan["stages"], plan["assumed"]
    again = ", activations computed again" if plan["recompute"] else ""
    lines = [
        f"{plan['model']}: {plan['parameters']:,} parameters, rows of {plan['context']:,} tokens, "
        f"{plan['batch tokens']:,} tokens a step, {plan['optimiser']}{again}",
        "Computed from shapes, not measured on GPUs.",
        "",
        _line("GB per GPU", (f"on {one['gpus']}" for one in counts)),
    ]
    for name in counts[0]["bytes"]:
        lines.append(_line(f"  {name}", (f"{one['bytes'][name] / 1e9:.2f}" for one in counts)))
    capacity, room = assumed["memory"] / 1e9, assumed["room"]
    lines += [
        _line("  total", (f"{one['total'] / 1e9:.2f}" for one in counts)),
        _line(f"fits {room:.0%} of {capacity:.0f} GB", ("yes" if one["fits"] else "no" for one in counts)),
        _line("rows at once", (str(one["rows at once"]) for one in counts)),
        _line("micro-batches of a step", (str(one["micro-batches"]) for one in counts)),
        _line("GPUs that have rows", (f"{one['busy']:.0%}" for one in counts)),
        "",
        _line("hours on H100s", ["tokens", "steps", "GPU-hours", *(f"on {one['gpus']}" for one in counts)]),
    ]
    for stage in stages:
        cells = [f"{stage['tokens'] / 1e6:,.0f} M", f"{stage['steps']:,}", _hours(stage["gpu hours"])]
        lines.append(_line(f"  {stage['stage']}", [*cells, *map(_hours, stage["hours"].values())]))
    sums = [sum(stage["hours"][str(one["gpus"])] for stage in stages) for one in counts]
    tokens, steps = (sum(stage[name] for stage in stages) for name in ("tokens", "steps"))
    whole = [f"{tokens / 1e6:,.0f} M", f"{steps:,}", _hours(sum(stage["gpu hours"] for stage in stages))]
    lines += [
        _line("  all", [*whole, *map(_hours, sums)]),
        f"at {assumed['utilisation']:.0%} of {assumed['peak'] / 1e12:.0f} TFLOP/s, each token attending to "
        f"{assumed['attended']:,.0f} others; saving, validating and waiting left out",
    ]
    return "\n".join(lines)


def accumulates_whole(shape: Shape) -> bool:
    """Whether ranks add up whole gradients over micro-batches and share them once: the quicker, where memory allows."""
    return shape.parameters < _WHOLE_GRADIENTS


def memory(
    shape: Shape, settings: Training, context: int, gpus: int, *, scratch: bool, rank: int = 0
) -> dict[str, int]:
    """Bytes that a rank has at most, by what they are for. No rank has more than the first."""
    matrix = 1 if _muon(settings, scratch) else 2
    states = [(size, 2) for size in _root(shape)]
    states += [(size, matrix if len(size) == 2 else 2) for size in _layer(shape)] * shape.layers
    own = 4 * sum(_local(size, gpus, rank) for size, _ in states)
    number = _number(settings)
    layer, root = sum(map(math.prod, _layer(shape))), sum(map(math.prod, _root(shape)))
    gathered = root + (shape.layers if gpus == 1 else min(shape.layers, _WHOLE_LAYERS)) * layer
    rows, parts = _share(settings, context, gpus)
    tokens = rows * context
    # Each group of gradients is reduced from a copy.
    accumulated = 4 * shape.parameters if parts > 1 and accumulates_whole(shape) else 0
    slopes = number * tokens * (4 * shape.intermediate + 2 * shape.hidden)
    again = _kept_by_layer(shape, tokens, number) if settings.recompute else 0
    return {
        "weights, fp32": own,
        "gradients, fp32": own,
        "optimisers, fp32": 4 * sum(count * _local(size, gpus, rank) for size, count in states),
        "whole weights": number * gathered,
        "whole gradients": accumulated + (number + 4) * max(layer, root),
        "activations": kept(shape, tokens, number, recompute=settings.recompute) + again + slopes,
        "logits": 8 * min(SLICE, tokens) * shape.vocabulary + (4 + number) * shape.vocabulary * shape.hidden,
    }


def kept(shape: Shape, tokens: int, number: int, *, recompute: bool) -> int:
    """Bytes that autograd keeps of so many tokens in one pass, all of them learnt, of `number` bytes each."""
    inputs = tokens * (8 + 2 * number * shape.head_size)  # ids, cosines and sines
    of_loss = tokens * (8 + number * shape.hidden) + number * shape.vocabulary * shape.hidden
    last_norm = number * tokens * (shape.hidden + 1)
    layer = number * tokens * shape.hidden if recompute else _kept_by_layer(shape, tokens, number)
    return inputs + shape.layers * layer + last_norm + of_loss


def _kept_by_layer(shape: Shape, tokens: int, number: int) -> int:
    norms = 2 * (2 * shape.hidden + 1)  # what is normalised, by what, and what comes out
    # Queries, keys, values, and what is mixed of them: twice on a CPU, a GPU's kernel gives it as it is wanted.
    attention = 3 * shape.hidden + 2 * shape.kv_heads * shape.head_size
    forward = 4 * shape.intermediate  # gate, its activation, what it gates, and the product
    return tokens * (number * (norms + attention + forward) + 4 * shape.heads)


def _root(shape: Shape) -> list[Size]:
    """The sizes of what is in no layer."""
    return [(shape.vocabulary, shape.hidden)] * (2 - shape.tied) + [(shape.hidden,)]


def _layer(shape: Shape) -> list[Size]:
    """The sizes of the tensors of a layer."""
    hidden, kv, wide = shape.hidden, shape.kv_heads * shape.head_size, shape.intermediate
    projections = [(hidden, hidden), (kv, hidden), (kv, hidden), (hidden, hidden)]
    return [*projections, (wide, hidden), (wide, hidden), (hidden, wide), (hidden,), (hidden,)]


def _local(size: Size, gpus: int, rank: int) -> int:
    """Numbers of a tensor that a rank has: its first dimension is cut into equal parts, the last ones being smaller."""
    rows = math.ceil(size[0] / gpus)
    return max(0, min(rows, size[0] - rank * rows)) * math.prod(size[1:])


def _share(settings: Training, context: int, gpus: int) -> tuple[int, int]:
    """Rows that a rank computes at once, and how often it does in a step."""
    each = math.ceil(_batch_rows(settings, context) / gpus)
    return min(settings.micro_batch, each), math.ceil(each / settings.micro_batch)


def _batch_rows(settings: Training, context: int) -> int:
    return max(1, round(settings.batch_tokens / context))


def _number(settings: Training) -> int:
    return 2 if settings.precision == "bf16" else 4


def _muon(settings: Training, scratch: bool) -> bool:
    return settings.optimiser == "muon" or (settings.optimiser == "auto" and scratch)


def _shape(recipe: Recipe) -> Shape:
    """Of the checkpoint to start from; where that is not here, or none is named, of the preset."""
    model = recipe.model
    config = Path(model.start) / "config.json"
    if model.start and config.exists():
        try:
            shape = from_config(json.loads(config.read_text(encoding="utf-8")))
        except (OSError, ValueError, AttributeError, ShapeError) as error:
            raise PlanError(f"{config}: {' '.join(str(error).split())}") from None
    elif model.preset in PRESETS:
        shape = PRESETS[model.preset]
        shape = shape.with_vocabulary(recipe.tokenizer.vocabulary or shape.vocabulary)
    else:
        raise PlanError(f"model.preset: {unknown('preset', model.preset, PRESETS)}")
    if model.context > shape.context:
        raise PlanError(f"model.context: {model.context} is beyond the model's {shape.context}")
    return shape


def _line(name: str, cells: Iterable[str]) -> str:
    return f"{name:26}" + "".join(f"{cell:>12}" for cell in cells)


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"
