"""Shapes of models: how large they are, and what Hugging Face's config.json says of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from llm_compiler.model.shape import PRESETS, Shape, ShapeError, from_config, to_config

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from llm_compiler.model.llama import Llama  # noqa: E402

OURS = ("nano", "small", "base")
GOOD = to_config(PRESETS["nano"], bos=1, eos=2, pad=0)
every_preset = pytest.mark.parametrize("name", PRESETS)


@pytest.mark.parametrize(("name", "parameters"), [("7b", 6_738_546_688), ("13b", 13_016_028_160)])
def test_the_large_ones_have_exactly_as_many_parameters_as_code_llama(name: str, parameters: int) -> None:
    shape = PRESETS[name]
    assert shape.parameters == parameters
    assert (shape.vocabulary, shape.context, shape.rope_base, shape.tied) == (32_016, 16_384, 1e6, False)


@pytest.mark.parametrize(("name", "millions"), [("nano", 30), ("small", 60), ("base", 125)])
def test_ours_are_as_large_as_their_names_promise(name: str, millions: int) -> None:
    assert PRESETS[name].parameters == pytest.approx(millions * 1e6, rel=0.03)
    assert PRESETS[name].vocabulary == 8_192


@pytest.mark.parametrize("name", OURS)
def test_ours_have_few_key_value_heads_and_can_be_cut_as_gpus_want_them(name: str) -> None:
    shape = PRESETS[name]
    assert 2 <= shape.kv_heads <= 4
    assert shape.heads % shape.kv_heads == 0
    assert shape.head_size == 64
    assert shape.intermediate % 64 == 0


@every_preset
def test_parameters_are_counted_as_our_model_and_transformers_have_them(name: str) -> None:
    shape = PRESETS[name]
    with torch.device("meta"):
        ours = Llama(shape)
        theirs = transformers.LlamaForCausalLM(config_of(shape))
    assert sum(each.numel() for each in ours.parameters()) == shape.parameters
    assert sum(each.numel() for each in theirs.parameters()) == shape.parameters
    sizes = {name: each.shape for name, each in theirs.named_parameters()}
    assert {name: each.shape for name, each in ours.named_parameters()} == sizes


def config_of(shape: Shape) -> Any:
    named = to_config(shape, bos=1, eos=2, pad=0)
    return transformers.LlamaConfig(**{key: value for key, value in named.items() if key != "model_type"})


@every_preset
def test_a_shape_comes_back_from_its_config(name: str) -> None:
    shape = PRESETS[name]
    assert from_config(to_config(shape, bos=1, eos=2, pad=None)) == shape


@every_preset
def test_a_shape_comes_back_from_what_transformers_makes_of_its_config(name: str) -> None:
    assert from_config(config_of(PRESETS[name]).to_dict()) == PRESETS[name]


def test_a_config_of_before_version_5_has_its_rope_base_beside_the_rest() -> None:
    old = {key: value for key, value in GOOD.items() if key != "rope_parameters"}
    assert from_config(old | {"rope_theta": 5e5}).rope_base == 5e5
    del old["rope_theta"]
    assert from_config(old).rope_base == 10_000


def test_without_key_value_heads_there_are_as_many_as_heads() -> None:
    del (config := dict(GOOD))["num_key_value_heads"]
    assert from_config(config).kv_heads == PRESETS["nano"].heads


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "mistral"}, "a model of type 'mistral', not llama"),
        ({"rope_parameters": {"rope_type": "llama3"}}, "rotary embedding of type 'llama3'"),
        ({"rope_parameters": None, "rope_scaling": {"type": "linear"}}, "rotary embedding of type 'linear'"),
        ({"attention_bias": True}, "biases"),
        ({"mlp_bias": True}, "biases"),
        ({"hidden_act": "gelu"}, "activation 'gelu'"),
        ({"hidden_size": "wide"}, "config.json: invalid literal"),
        ({"hidden_size": None}, "config.json: int"),
        ({"num_hidden_layers": 0}, "sizes that no model can have"),
        ({"num_attention_heads": 7}, "sizes that no model can have"),
        ({"num_key_value_heads": 3}, "sizes that no model can have"),
        ({"head_dim": 128}, "heads of another size"),
    ],
)
def test_what_is_no_plain_llama_is_said_in_a_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ShapeError) as caught:
        from_config(GOOD | changes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["hidden_size", "vocab_size", "num_attention_heads"])
def test_a_size_that_is_missing_is_named(key: str) -> None:
    with pytest.raises(ShapeError, match=f"config.json has no {key}"):
        from_config({other: value for other, value in GOOD.items() if other != key})


def test_no_heads_at_all_are_an_error_of_the_config() -> None:
    with pytest.raises(ShapeError):
        from_config(GOOD | {"num_attention_heads": 0, "num_key_value_heads": 0})


def test_operations_are_six_for_each_weight_that_a_token_meets_and_more_the_more_it_attends_to() -> None:
    shape = Shape(1_000, 64, 128, 2, 4, 4)
    met = 2 * (4 * 64 * 64 + 3 * 64 * 128) + 1_000 * 64
    assert shape.flops_per_token(0) == 6 * met
    # Queries by keys and weights by values: 2 products, 2 operations for each number, 3 times with backward.
    assert shape.flops_per_token(100) - shape.flops_per_token(0) == 2 * 2 * 3 * 2 * 64 * 100
    untied = dataclasses.replace(shape, tied=False)
    assert untied.flops_per_token(0) == shape.flops_per_token(0)
