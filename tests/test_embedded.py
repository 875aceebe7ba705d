"""onnxruntime's answers beside those of transformers, and models that are none."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from llm_compiler.inference import graph
from llm_compiler.inference.embedded import SHIPPED, Embedded, cached, load
from llm_compiler.inference.engine import EngineError
from tests.checkpoints import SMALL, Reference, divergence, make

TOLERANCE = 2e-4
"""Of logits whose spread is about 10."""
SHAPES = {
    "as many KV heads, untied": dataclasses.replace(SMALL, kv_heads=4, tied=False),
    "odd sizes": dataclasses.replace(SMALL, vocabulary=301, hidden=96, intermediate=200, heads=3, kv_heads=1),
    "another rotation": dataclasses.replace(SMALL, rope_base=10_000.0, norm_epsilon=1e-3),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def reference(folder: Path) -> Reference:
    return Reference(folder)


def prompts(count: int, vocabulary: int = SMALL.vocabulary) -> list[list[int]]:
    random = np.random.default_rng(1)
    return [random.integers(0, vocabulary, random.integers(1, 700)).tolist() for _ in range(count)]


def greedy(engine: Embedded, prompt: list[int], count: int) -> list[int]:
    branch, logits = engine.prefill(prompt)
    found = [int(logits.argmax())]
    while len(found) < count:
        found.append(int(engine.decode([branch], [found[-1:]])[0][0].argmax()))
    return found


@pytest.mark.parametrize("shape", [SMALL, *SHAPES.values()], ids=["small", *SHAPES])
def test_logits_are_those_of_transformers(shape: graph.Shape, tmp_path: Path) -> None:
    engine, reference = load(make(tmp_path, shape), "fp32", threads=1), Reference(tmp_path)
    assert (engine.vocabulary, engine.context) == (shape.vocabulary, shape.context)
    for prompt in prompts(3, shape.vocabulary):
        expected = reference(prompt)
        assert expected.std() > 1
        branch, logits = engine.prefill(prompt[:1])
        np.testing.assert_allclose(logits, expected[0], atol=TOLERANCE)
        np.testing.assert_allclose(engine.decode([branch], [prompt[1:]])[0], expected[1:], atol=TOLERANCE)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_in_16_bits_and_in_shards_are_read_exactly(dtype: str, tmp_path: Path) -> None:
    make(tmp_path, dtype=dtype, max_shard_size="50KB")
    assert len(graph.weight_files(tmp_path)) > 2
    prompt = prompts(1)[0]
    _, logits = load(tmp_path, "fp32", threads=1).prefill(prompt)
    np.testing.assert_allclose(logits, Reference(tmp_path)(prompt)[-1], atol=TOLERANCE)


def test_greedy_answers_are_those_of_transformers(folder: Path, reference: Reference) -> None:
    engine = load(folder, "fp32", threads=2)
    for prompt in prompts(6):
        tokens = list(prompt)
        while len(tokens) < len(prompt) + 12:
            tokens.append(int(reference(tokens)[-1].argmax()))
        assert greedy(engine, prompt, 12) == tokens[len(prompt) :]


def test_8_bits_change_little(folder: Path, reference: Reference) -> None:
    engine = load(folder, "int8", threads=1)
    prompt = prompts(1)[0]
    expected = reference(prompt)
    found = engine.decode([engine.prefill(prompt[:1])[0]], [prompt[1:]])[0]
    assert 0 < divergence(expected[1:], found) < 0.05


def test_in_8_bits_a_token_does_not_depend_on_its_company(folder: Path) -> None:
    engine = load(folder, "int8", threads=1)
    first, second = prompts(2)
    branch, _ = engine.prefill(first)
    forks = [engine.fork(branch, len(first) // part) for part in (1, 2, 3)]
    together = engine.decode(forks, [[5, 6], second, [7]])
    alone = engine.decode([engine.prefill(first[: len(first) // 3])[0]], [[7]])[0]
    np.testing.assert_allclose(together[2], alone, atol=TOLERANCE)


def test_a_graph_is_made_once_and_again_for_other_weights(folder: Path, tmp_path: Path) -> None:
    load(folder, "fp32")
    built = cached(folder, "fp32")
    stamp = built.stat().st_mtime_ns
    load(folder, "fp32")
    assert built.stat().st_mtime_ns == stamp
    assert [path.name for path in built.parent.iterdir() if path.name.startswith(".")] == []
    other = make(tmp_path)
    assert len({built, cached(folder, "int8"), cached(other, "fp32")}) == 3


def test_a_folder_with_a_graph_needs_no_weights(folder: Path, tmp_path: Path) -> None:
    graph.build(folder, tmp_path / SHIPPED, "int8")
    prompt = prompts(1)[0]
    np.testing.assert_array_equal(load(tmp_path).prefill(prompt)[1], load(folder).prefill(prompt)[1])


def damaged(folder: Path, kind: str) -> str:
    """Spoils a model, and says what the error is to say."""
    weights, config = folder / "model.safetensors", folder / "config.json"
    if kind == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
        return "damaged or cut short"
    if kind == "noise":
        weights.write_bytes(b"\xff" * 1000)
        return "no safetensors file"
    if kind == "no weights":
        weights.unlink()
        return "has no model.safetensors"
    if kind == "no config":
        config.unlink()
        return "has no config.json"
    if kind == "config of noise":
        config.write_bytes(b"\xff\x00")
        return "is no configuration"
    if kind == "graph of noise":
        (folder / SHIPPED).write_bytes(b"\xff" * 1000)
        return "is no model of this program, or is damaged"
    changes = {
        "another architecture": ({"model_type": "gpt2"}, "of type 'gpt2', not llama"),
        "other sizes": ({"intermediate_size": 176}, r"mlp.gate_proj.weight is \[160, 64\], but config.json says \[176"),
        "more layers": ({"num_hidden_layers": 3}, "has no model.layers.2.input_layernorm.weight"),
        "too large": ({"vocab_size": 10**9}, "are too many for the embedded engine"),
    }
    change, message = changes[kind]
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    return message


@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "noise",
        "no weights",
        "no config",
        "config of noise",
        "graph of noise",
        "another architecture",
        "other sizes",
        "more layers",
        "too large",
    ],
)
def test_what_is_no_model_is_one_line(kind: str, tmp_path: Path) -> None:
    message = damaged(make(tmp_path), kind)
    with pytest.raises(EngineError, match=message) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_truncated_graph_is_one_line(folder: Path, tmp_path: Path) -> None:
    graph.build(folder, tmp_path / SHIPPED, "fp32")
    whole = (tmp_path / SHIPPED).read_bytes()
    (tmp_path / SHIPPED).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EngineError, match="damaged"):
        load(tmp_path)


def test_what_is_no_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="nothing is no folder"):
        load(tmp_path / "nothing")
    with pytest.raises(EngineError, match="is no file"):
        Embedded(tmp_path / SHIPPED)


def test_a_graph_runs_without_onnx_and_torch_and_making_one_says_what_it_needs(folder: Path, tmp_path: Path) -> None:
    graph.build(folder, tmp_path / SHIPPED, "int8")
    program = """
import sys
from pathlib import Path
sys.modules["onnx"] = None  # as if it were not installed
from llm_compiler.inference.embedded import load
from llm_compiler.inference.engine import EngineError
print(load(Path(sys.argv[1])).prefill([1, 2, 3])[1].shape)
print({"torch", "transformers", "safetensors"} & sys.modules.keys())
try:
    load(Path(sys.argv[2]))
except EngineError as error:
    print(error)
"""
    fresh = make(tmp_path / "fresh")
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), str(fresh)], capture_output=True, text=True, check=True
    )
    shape, heavy, message = ran.stdout.splitlines()
    assert (shape, heavy) == ("(300,)", "set()")
    assert "pip install onnx" in message
