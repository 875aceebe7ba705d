"""The Llama model, for training on packed rows. Its parameters have Hugging Face's names.

transformers' model computes the same (a test holds it), but over rows of several documents it needs a dense mask, takes
the logits of all tokens where only answers are learnt, and keeps them all. This one reads rows as one sequence, attends
within each document, and has its logits in slices, of learnt tokens alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from llm_compiler.model.shape import Shape

_SLICE = 2_048
"""Learnt tokens whose logits are in memory at a time."""


@dataclass(frozen=True)
class Documents:
    """Where the documents of a batch lie, its rows laid end to end."""

    lengths: list[int]
    """Of all documents in order, padding being some: their sum is all tokens."""
    bounds: Tensor
    """int32: where each begins and the last ends, filled up with the end, so that there are few lengths of this."""
    longest: int
    """Tokens that a document may have: those of a row."""


@dataclass(frozen=True)
class Packed:
    """Rows laid end to end, on the device of the model."""

    tokens: Tensor
    """int64, (tokens,)"""
    positions: Tensor
    """int64, (tokens,): of each in its document."""
    learnt: Tensor
    """int64: the places of those whose loss counts. None begins a document."""
    where: Documents
    weights: Tensor | None = None
    """float32: how much each learnt token's loss counts; None: all alike."""


def packed(
    tokens: Tensor,
    positions: Tensor,
    counts: Tensor | None = None,
    device: torch.device | None = None,
    weights: Tensor | None = None,
) -> Packed:
    """What the model reads, from (rows, context) ids, positions and whether a token counts; None: all that can.

    `weights`, of the same shape, say how much those count.

    Positions begin at 0 with each document, and with each row's padding. Give tensors on the CPU: what documents there
    are is to be known without waiting for a GPU.
    """
    flat = positions.flatten()
    begins = torch.nonzero(flat == 0).flatten()
    bounds = torch.full((1 << len(begins).bit_length(),), len(flat), dtype=torch.int32)
    bounds[: len(begins)] = begins
    lengths = torch.diff(begins, append=begins.new_tensor([len(flat)])).tolist()
    learnt = torch.nonzero(flat != 0 if counts is None else counts.flatten()).flatten()
    where = Documents(lengths, bounds.to(device), positions.shape[1])
    chosen = None if weights is None else weights.flatten()[learnt].to(device)
    return Packed(tokens.flatten().to(device), flat.to(device), learnt.to(device), where, chosen)


Attend = Callable[[Tensor, Tensor, Tensor, Documents], Tensor]
"""Queries (tokens, heads, size), keys and values (tokens, key-value heads, size) to (tokens, heads, size): each token
attends to those of its document that are not after it."""


def attend_each(queries: Tensor, keys: Tensor, values: Tensor, documents: Documents) -> Tensor:
    """Attention by one call for each document: on a CPU 2.5 times faster than one over all."""
    parts = (one.transpose(0, 1).unsqueeze(0).split(documents.lengths, 2) for one in (queries, keys, values))
    outputs = [
        F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        for query, key, value in zip(*parts, strict=True)
    ]
    return torch.cat(outputs, 2).squeeze(0).transpose(0, 1)


class RMSNorm(nn.Module):
    """Root mean square normalisation, in float32 whatever comes in."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """(tokens, size) to the same."""
        return _normalised(x, self.weight, self.epsilon)


class _Normalised(torch.autograd.Function):
    """What F.rms_norm computes; that one passes over its input ten times on a CPU, in float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        size = x.shape[-1]
        squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_()
        scale = squares.div_(size).add_(epsilon).rsqrt_().to(x.dtype)
        normal = x * scale
        ctx.save_for_backward(normal, scale, weight)
        output: Tensor = normal * weight
        return output

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, None]:
        normal, scale, weight = ctx.saved_tensors
        to_weight = (slope * normal).sum(0, dtype=torch.float32).to(weight.dtype)
        slope = slope * weight
        along = torch.linalg.vecdot(slope, normal).unsqueeze(-1).div_(normal.shape[-1])
        return slope.addcmul_(normal, along, value=-1).mul_(scale), to_weight, None


_normalised: Callable[[Tensor, Tensor, float], Tensor] = _Normalised.apply


class Attention(nn.Module):
    """Grouped-query attention with rotary embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.size = shape.head_size
        kv = shape.kv_heads * self.size
        self.q_proj = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.k_proj = nn.Linear(shape.hidden, kv, bias=False)
        self.v_proj = nn.Linear(shape.hidden, kv, bias=False)
        self.o_proj = nn.Linear(shape.hidden, shape.hidden, bias=False)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], where: Documents, attend: Attend) -> Tensor:
        """(tokens, hidden) to the same."""
        heads = (len(x), -1, self.size)
        queries, keys = (_rotated(part(x).view(heads), *rotation) for part in (self.q_proj, self.k_proj))
        mixed = attend(queries, keys, self.v_proj(x).view(heads), where)
        output: Tensor = self.o_proj(mixed.reshape(len(x), -1))
        return output


class _Rotated(torch.autograd.Function):
    """Llama's rotary embedding, the halves of a head being the pairs, in three passes and nothing kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        return _rotate(x, cosine, sine, 1)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        return _rotate(slope, cosine, sine, -1), None, None


_rotated: Callable[[Tensor, Tensor, Tensor], Tensor] = _Rotated.apply


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor, direction: int) -> Tensor:
    """(tokens, heads, size), turned by angles of (tokens, 1, size), whose halves are alike."""
    output = x * cosine
    (first, second), (to_first, to_second) = x.chunk(2, -1), output.chunk(2, -1)
    half = sine.chunk(2, -1)[0]
    to_first.addcmul_(second, half, value=-direction)
    to_second.addcmul_(first, half, value=direction)
    return output


class FeedForward(nn.Module):
    """The gated part of a layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.intermediate, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.intermediate, bias=False)
        self.down_proj = nn.Linear(shape.intermediate, shape.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(tokens, hidden) to the same."""
        output: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return output


class Layer(nn.Module):
    """Attention and feed-forward part, each added to what came in."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden, shape.norm_epsilon)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RMSNorm(shape.hidden, shape.norm_epsilon)
        self.mlp = FeedForward(shape)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], where: Documents, attend: Attend) -> Tensor:
        """(tokens, hidden) to the same."""
        x = x + self.self_attn(self.input_layernorm(x), rotation, where, attend)
        y: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return y


class Decoder(nn.Module):
    """Embedding, layers and last norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.hidden, shape.norm_epsilon)


class Llama(nn.Module):
    """A `LlamaForCausalLM`. Made without weights' values: fill it, or build it on the meta device."""

    def __init__(self, shape: Shape, *, recompute: bool = False, attend: Attend = attend_each) -> None:
        """With `recompute`, activations within a layer are computed again for the backward pass, not kept."""
        super().__init__()
        self.shape, self.recompute, self.attend = shape, recompute, attend
        self.model = Decoder(shape)
        if not shape.tied:
            self.lm_head = nn.Linear(shape.hidden, shape.vocabulary, bias=False)

    @property
    def _projection(self) -> Tensor:
        weight: Tensor = self.model.embed_tokens.weight if self.shape.tied else self.lm_head.weight
        return weight

    def hidden(self, batch: Packed) -> Tensor:
        """What the output projection is given: (tokens, hidden)."""
        x = self.model.embed_tokens(batch.tokens)
        rotation = self._rotation(batch.positions, x.dtype)
        for layer in self.model.layers:
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(layer, x, rotation, batch.where, self.attend, use_reentrant=False)
            else:
                x = layer(x, rotation, batch.where, self.attend)
        output: Tensor = self.model.norm(x)
        return output

    def forward(self, batch: Packed) -> tuple[Tensor, Tensor]:
        """The learnt tokens' losses, in nats and float32: their sum, weighted, for `backward`; and each one, as it is
        and without gradient."""
        hidden = self.hidden(batch)
        return _loss(hidden[batch.learnt - 1], self._projection, batch.tokens[batch.learnt], batch.weights)

    def logits(self, batch: Packed) -> Tensor:
        """(tokens, vocabulary): for tests and small inputs."""
        return self.hidden(batch) @ self._projection.T

    def _rotation(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines, (tokens, 1, size of a head)."""
        size = self.shape.head_size
        powers = torch.arange(0, size, 2, dtype=torch.float32, device=positions.device).repeat(2) / size
        angles = positions[:, None].float() / self.shape.rope_base**powers
        return angles.cos().to(dtype).unsqueeze(1), angles.sin().to(dtype).unsqueeze(1)


class _Loss(torch.autograd.Function):
    """Output projection and cross-entropy in slices; the gradients are made on the way forward, while logits are there.

    The losses are summed, so the gradients of the sum are all that backward has to scale.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, counting: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        each = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        to_hidden = torch.empty_like(hidden) if any(ctx.needs_input_grad) else None
        to_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for start in range(0, len(targets), _SLICE):
            part = slice(start, start + _SLICE)
            logits = (hidden[part] @ weight.T).float()
            normaliser = torch.logsumexp(logits, -1)
            each[part] = normaliser - logits.gather(1, targets[part, None]).squeeze(1)
            if to_hidden is not None:
                slope = logits.sub_(normaliser[:, None]).exp_()
                slope.scatter_add_(1, targets[part, None], slope.new_full((len(slope), 1), -1.0))
                if counting is not None:
                    slope.mul_(counting[part, None])
                slope = slope.to(weight.dtype)
                to_hidden[part] = slope @ weight
                if to_weight is not None:
                    to_weight += slope.T @ hidden[part]
        ctx.save_for_backward(to_hidden, None if to_weight is None else to_weight.to(weight.dtype))
        ctx.mark_non_differentiable(each)
        return each.sum() if counting is None else each @ counting, each

    @staticmethod
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        to_hidden, to_weight = ctx.saved_tensors
        return to_hidden * slope, None if to_weight is None else to_weight * slope, None, None


_loss: Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]] = _Loss.apply
