"""Weights in and out of Hugging Face's folders."""

from __future__ import annotations

import json
import shutil

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from llm_compiler.model.llama import Llama, packed  # noqa: E402
from llm_compiler.model.shape import Shape, ShapeError, from_config, to_config  # noqa: E402
from llm_compiler.model.tokenizer import DEFAULT  # noqa: E402
from llm_compiler.model.weights import (  # noqa: E402
    Weights,
    WeightsError,
    fill,
    fresh,
    read_shape,
    save,
    stored,
    whole,
)

SHAPE = Shape(8192, 64, 96, 2, 4, 2, context=512)
IDS = {"bos": 1, "eos": 2, "pad": 0}


def made(shape=SHAPE, seed=0):
    model = Llama(shape)
    fill(model, fresh(seed))
    return model


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def folder(request, tmp_path_factory):
    """A saved model, and the model."""
    shape = Shape(8192, 64, 96, 2, 4, 2, context=512, tied=request.param)
    model = made(shape)
    place = tmp_path_factory.mktemp("model") / "model"
    tensors = dict(whole(model.named_parameters(), torch.float32))
    save(place, shape, tensors, DEFAULT, "# A model\n", ids=IDS, longest=512)
    return place, model


def test_transformers_loads_what_is_saved_and_gives_the_same_logits(folder):
    place, model = folder
    theirs = transformers.AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    assert type(theirs).__name__ == "LlamaForCausalLM"
    assert theirs.config.rope_parameters["rope_theta"] == 1e6
    tokens = torch.randint(0, 8192, (1, 40), generator=torch.Generator().manual_seed(0))
    logits = theirs(tokens, use_cache=False).logits[0]
    assert torch.allclose(model.logits(packed(tokens, torch.arange(40)[None])), logits, atol=1e-5)
    assert theirs.generation_config.eos_token_id == 2
    assert transformers.AutoTokenizer.from_pretrained(place)("ret void")["input_ids"][0] == 1


def test_what_is_saved_is_read_again(folder):
    place, model = folder
    again = Llama(read_shape(place))
    fill(again, stored(Weights(place)))
    for (name, one), (_, other) in zip(model.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_a_checkpoint_that_transformers_wrote_in_parts_is_read(tmp_path):
    config = to_config(SHAPE, **IDS, dtype="float32")
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config))
    theirs.save_pretrained(tmp_path, max_shard_size="1MB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    ours = Llama(read_shape(tmp_path))
    fill(ours, stored(Weights(tmp_path)))
    tokens = torch.arange(30)[None]
    assert torch.allclose(ours.logits(packed(tokens, tokens)), theirs(tokens, use_cache=False).logits[0], atol=1e-5)


def test_first_weights_are_decided_by_seed_and_name():
    one, same, other = made(), made(), made(seed=1)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.model.embed_tokens.weight, other.model.embed_tokens.weight)
    first, second = (layer.self_attn.q_proj.weight for layer in one.model.layers)
    assert not torch.equal(first, second)
    assert not one.model.layers[0].mlp.down_proj.weight.any()  # so that each layer begins as none


def test_a_model_that_is_saved_again_takes_the_place_of_the_old_and_a_failure_leaves_it(folder, tmp_path):
    place = tmp_path / "model"
    shutil.copytree(folder[0], place)
    tensors = dict(whole(made(seed=5).named_parameters(), torch.bfloat16))
    with pytest.raises(WeightsError, match="no eos token"):
        save(place, SHAPE, tensors, DEFAULT, "", ids={**IDS, "eos": None}, longest=512)
    assert (place / "README.md").read_text() == "# A model\n"
    save(place, SHAPE, tensors, DEFAULT, "# Another\n", ids=IDS, longest=512)
    assert (place / "README.md").read_text() == "# Another\n"
    assert not list(tmp_path.glob(".*partial"))


# -- what is wrong


def test_a_checkpoint_of_another_shape_is_named(folder):
    larger = Llama(Shape(8192, 64, 128, 2, 4, 2))
    with pytest.raises(WeightsError, match=r"mlp.gate_proj.weight is 96 x 64, where this model has 128 x 64"):
        fill(larger, stored(Weights(folder[0])))
    deeper = Llama(Shape(8192, 64, 96, 3, 4, 2))
    with pytest.raises(WeightsError, match=r"has no model\.layers\.2\."):
        fill(deeper, stored(Weights(folder[0])))


@pytest.mark.parametrize("size", [0, 7, 100, 5_000])
def test_weights_that_are_cut_off_are_one_line(folder, tmp_path, size):
    place = tmp_path / "model"
    shutil.copytree(folder[0], place)
    file = place / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(WeightsError) as caught:
        Weights(place)
    assert "\n" not in str(caught.value)
    assert str(place) in str(caught.value)


def test_an_index_that_leads_out_of_its_folder_is_refused(folder, tmp_path):
    place = tmp_path / "model"
    place.mkdir()
    (place / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../secret.safetensors"}}))
    with pytest.raises(WeightsError, match="outside its folder"):
        Weights(place)


def test_a_folder_without_a_model_is_said_to_be_one(tmp_path):
    with pytest.raises(WeightsError, match=r"holds no model: it has no config\.json"):
        read_shape(tmp_path)
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(WeightsError, match=r"config\.json"):
        read_shape(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(WeightsError, match="a model of type 'gpt2', not llama"):
        read_shape(tmp_path)
    with pytest.raises(WeightsError, match="holds no weights"):
        Weights(tmp_path)


def test_a_model_that_needs_more_than_llama_is_refused():
    config = to_config(SHAPE, **IDS)
    assert from_config(config) == SHAPE
    for change in ({"attention_bias": True}, {"rope_scaling": {"type": "linear", "factor": 2}}, {"hidden_act": "gelu"}):
        with pytest.raises(ShapeError):
            from_config({**config, "rope_parameters": None, **change})
