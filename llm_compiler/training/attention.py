"""The attention over packed rows that is fastest here: on a GPU, torch's kernel for sequences of any lengths."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from llm_compiler.model.llama import Attend, Documents, attend_each, packed


def attend_packed(queries: Tensor, keys: Tensor, values: Tensor, where: Documents) -> Tensor:
    """Attention over all documents in one call of a GPU's kernel."""
    from torch.nn.attention.varlen import varlen_attn

    if queries.shape[1] != keys.shape[1] and not _GROUPED:
        times = queries.shape[1] // keys.shape[1]
        keys, values = keys.repeat_interleave(times, 1), values.repeat_interleave(times, 1)
    more: dict[str, Any] = {"enable_gqa": True} if _GROUPED else {}
    more |= {"window_size": (-1, 0)} if _WINDOW else {"is_causal": True}
    bounds, longest = where.bounds, where.longest
    output: Any = varlen_attn(queries, keys, values, bounds, bounds, longest, longest, **more)
    mixed: Tensor = output
    return mixed


def _parameters() -> set[str]:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return set()
    return set(inspect.signature(varlen_attn).parameters)


_KNOWN = _parameters()
_GROUPED, _WINDOW = "enable_gqa" in _KNOWN, "window_size" in _KNOWN and "is_causal" not in _KNOWN


def attention(device: torch.device, heads: int, kv_heads: int, size: int) -> Attend:
    """The fastest that gives the right answers here: the kernel is young, and its signature changes."""
    if device.type != "cuda" or not _KNOWN:
        return attend_each
    positions = torch.tensor([[*range(5), *range(40), *range(19)]])
    where = packed(positions, positions, None, device).where
    queries, keys, values = (
        torch.randn(64, count, size, device=device, dtype=torch.bfloat16) for count in (heads, kv_heads, kv_heads)
    )
    try:
        same = torch.allclose(
            attend_packed(queries, keys, values, where), attend_each(queries, keys, values, where), atol=0.05
        )
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        same = False
    return attend_packed if same else attend_each
