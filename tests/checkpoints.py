"""Small Llama checkpoints with random weights, and what transformers makes of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from llm_compiler.inference.engine import Logits
from llm_compiler.model.shape import PRESETS, Shape, to_config

SMALL = dataclasses.replace(PRESETS["tiny"], vocabulary=300, layers=2, heads=4, kv_heads=2, context=2_048)


def make(folder: Path, shape: Shape = SMALL, dtype: str = "float32", **saving: Any) -> Path:
    """The folder, with a model that is the same for the same shape. Its logits differ as those of a trained one do."""
    named = to_config(shape, bos=1, eos=2, pad=0, dtype=dtype)
    kept = {name: value for name, value in named.items() if name not in {"architectures", "model_type"}}
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**kept | {"initializer_range": 0.15}))
    model.to(getattr(torch, dtype)).save_pretrained(folder, **saving)
    # Version 5 drops what readers of version 4 need.
    (folder / "config.json").write_text(json.dumps(named))
    return folder


class Reference:
    """transformers in float32, without any cache."""

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(1)  # more of them wait for each other, beside other tests
        self.model = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def __call__(self, tokens: Sequence[int]) -> Logits:
        """The logits after each token."""
        with torch.inference_mode():
            logits: Logits = self.model(torch.tensor([list(tokens)])).logits[0].numpy()
        return logits


def divergence(expected: Logits, found: Logits) -> float:
    """The mean Kullback-Leibler divergence of rows of logits, in nats."""
    p, q = (each.astype(np.float64) for each in (expected, found))
    p, q = (each - np.logaddexp.reduce(each, -1, keepdims=True) for each in (p, q))
    return float((np.exp(p) * (p - q)).sum(-1).mean())
