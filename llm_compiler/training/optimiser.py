"""Optimisers, and how fast they learn at which step."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn, optim

from llm_compiler.data.recipe import Training

_ADAM_EPSILON = 1e-8
_MOMENTS = (0.9, 0.95)
"""The paper's."""
_WSD_FALL = 1 / 3
"""The share of steps in which a warm-up-stable-decay schedule falls."""


def optimisers(parameters: Mapping[str, nn.Parameter], settings: Training, *, scratch: bool) -> list[optim.Optimizer]:
    """Who changes which parameter: AdamW all of them, or Muon the matrices of layers, which learn faster by it.

    Muon is scaled to AdamW's steps, so both go by one learning rate. Norms do not decay.
    """
    muon = settings.optimiser == "muon" or (settings.optimiser == "auto" and scratch)
    trained = {name: one for name, one in parameters.items() if one.requires_grad}
    matrices = [one for name, one in trained.items() if muon and one.ndim == 2 and ".layers." in name]
    kept = {id(one) for one in matrices}
    rest = [one for one in trained.values() if id(one) not in kept]
    groups = [
        {"params": [one for one in rest if one.ndim == 2], "weight_decay": settings.weight_decay},
        {"params": [one for one in rest if one.ndim != 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    made: list[optim.Optimizer] = []
    if groups:
        made.append(optim.AdamW(groups, betas=_MOMENTS, eps=_ADAM_EPSILON, fused=True))
    if matrices:
        made.append(optim.Muon(matrices, weight_decay=settings.weight_decay, adjust_lr_fn="match_rms_adamw"))
    return made


def learning_rate(step: int, steps: int, peak: float, settings: Training) -> float:
    """For a step from 0 to below `steps`."""
    warming = math.ceil(settings.warmup * steps)
    if step < warming:
        return peak * (step + 1) / warming
    if settings.schedule == "cosine":
        along = (step - warming) / max(1, steps - warming)
        return peak * (settings.final + (1 - settings.final) * (1 + math.cos(math.pi * along)) / 2)
    left = (steps - step) / max(1, math.ceil(_WSD_FALL * steps))
    return peak * (settings.final + (1 - settings.final) * min(1.0, left))
