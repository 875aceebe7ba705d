"""The shapes of Llama models: presets, how many parameters and operations they have, and Hugging Face's config.json.

Nothing here needs torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class ShapeError(Exception):
    """A configuration that is not that of a plain Llama model. The message is one line."""


@dataclass(frozen=True)
class Shape:
    """All that decides the tensors of a Llama model and what it computes."""

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    context: int = 16_384
    """Tokens of the longest sequence that it is meant for."""
    rope_base: float = 1e6
    norm_epsilon: float = 1e-5
    tied: bool = True
    """Whether the embedding is the output projection as well."""

    @property
    def head_size(self) -> int:
        """Numbers of one head."""
        return self.hidden // self.heads

    @property
    def layer_parameters(self) -> int:
        """Parameters of one layer: attention, the gated feed-forward part and two norms."""
        kv = self.kv_heads * self.head_size
        return 2 * self.hidden * (self.hidden + kv) + 3 * self.hidden * self.intermediate + 2 * self.hidden

    @property
    def parameters(self) -> int:
        """All parameters; those of a tied embedding once."""
        return self.layers * self.layer_parameters + (2 - self.tied) * self.vocabulary * self.hidden + self.hidden

    def flops_per_token(self, attended: float) -> float:
        """Floating-point operations of training on a token that attends to that many on average.

        Twice forward for backward; a lookup in the embedding is none; recomputed activations are not counted, as in
        "PaLM: Scaling Language Modeling with Pathways" (appendix B), whose utilisation everybody quotes.
        """
        matrices = self.layers * (self.layer_parameters - 2 * self.hidden) + self.vocabulary * self.hidden
        return 6 * matrices + 12 * self.layers * self.hidden * attended

    def with_vocabulary(self, vocabulary: int) -> Shape:
        """The same model for another tokenizer."""
        return dataclasses.replace(self, vocabulary=vocabulary)


ABOUT = "llm_compiler.json"
"""What a folder of a model holds beside a Hugging Face checkpoint: how it was trained, and is to be asked."""
_VOCABULARY = 8_192
PRESETS: Mapping[str, Shape] = {
    "tiny": Shape(_VOCABULARY, 64, 160, 2, 2, 1),  # for tests
    "5m": Shape(_VOCABULARY, 256, 704, 4, 4, 2),
    "15m": Shape(_VOCABULARY, 384, 1_024, 7, 6, 2),
    "nano": Shape(_VOCABULARY, 512, 1_280, 10, 8, 2),
    "small": Shape(_VOCABULARY, 640, 1_728, 13, 10, 2),
    "base": Shape(_VOCABULARY, 768, 2_048, 19, 12, 4),
    # Code Llama's: arXiv 2308.12950, and the config.json of codellama/CodeLlama-7b-hf and -13b-hf.
    "7b": Shape(32_016, 4_096, 11_008, 32, 32, 32, tied=False),
    "13b": Shape(32_016, 5_120, 13_824, 40, 40, 40, tied=False),
}
"""By name. Those of ours have few key-value heads, which is what decoding on a CPU costs."""


def to_config(shape: Shape, *, bos: int, eos: int, pad: int | None, dtype: str = "bfloat16") -> dict[str, Any]:
    """Hugging Face's config.json of a `LlamaForCausalLM`, for its versions 4 and 5."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_size,
        "max_position_embeddings": shape.context,
        # Version 5 reads the second and drops the first; all before and llama.cpp read the first.
        "rope_theta": shape.rope_base,
        "rope_parameters": {"rope_theta": shape.rope_base, "rope_type": "default"},
        "rope_scaling": None,
        "rms_norm_eps": shape.norm_epsilon,
        "tie_word_embeddings": shape.tied,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": pad,
        "use_cache": True,
        "dtype": dtype,
        "torch_dtype": dtype,
    }


def from_config(config: Mapping[str, Any]) -> Shape:
    """The shape that a config.json describes. ShapeError if that is no plain Llama model."""
    if config.get("model_type") != "llama":
        raise ShapeError(f"a model of type {config.get('model_type')!r}, not llama")
    rope = config.get("rope_parameters") or {}
    scaling = config.get("rope_scaling") or {}
    kind = rope.get("rope_type") or scaling.get("rope_type") or scaling.get("type") or "default"
    if kind != "default":
        raise ShapeError(f"rotary embedding of type {kind!r} is not supported")
    if config.get("attention_bias") or config.get("mlp_bias"):
        raise ShapeError("a Llama model with biases is not supported")
    if config.get("hidden_act", "silu") != "silu":
        raise ShapeError(f"activation {config['hidden_act']!r} is not supported")
    try:
        heads = int(config["num_attention_heads"])
        shape = Shape(
            vocabulary=int(config["vocab_size"]),
            hidden=int(config["hidden_size"]),
            intermediate=int(config["intermediate_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            context=int(config.get("max_position_embeddings", 2_048)),
            rope_base=float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0),
            norm_epsilon=float(config.get("rms_norm_eps", 1e-6)),
            tied=bool(config.get("tie_word_embeddings", False)),
        )
    except KeyError as missing:
        raise ShapeError(f"config.json has no {missing.args[0]}") from None
    except (TypeError, ValueError) as error:
        raise ShapeError(f"config.json: {error}") from None
    if min(dataclasses.astuple(shape)[:7]) < 1 or shape.hidden % heads or heads % shape.kv_heads:
        raise ShapeError("config.json: sizes that no model can have")
    if (config.get("head_dim") or shape.head_size) != shape.head_size:
        raise ShapeError("heads of another size than hidden_size / num_attention_heads are not supported")
    return shape
