"""Checkpoints read without torch, and what is made of their matrices."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.torch import save_file

from llm_compiler.inference import graph
from llm_compiler.inference.engine import EngineError
from tests.checkpoints import SMALL, make

KINDS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
finite = st.floats(-1e4, 1e4, width=32)


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_are_those_that_were_saved(kind: str, tmp_path: Path) -> None:
    saved = {name: torch.randn(size).to(KINDS[kind]) for name, size in (("a", (3, 5)), ("b", (7,)))}
    special = torch.tensor([0.0, -0.0, float("inf"), -float("inf"), 1e-7, 65_504.0]).to(KINDS[kind])
    save_file(saved | {"special": special}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    checkpoint = graph.Checkpoint(tmp_path)
    for name, tensor in (saved | {"special": special}).items():
        found = checkpoint.read(name, *tensor.shape)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, tensor.float().numpy())


@given(st.data())
def test_a_file_that_is_cut_anywhere_is_an_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "cut"
    folder.mkdir(exist_ok=True)
    file = folder / "model.safetensors"
    save_file({"a": torch.ones(4, 4), "b": torch.ones(3)}, file)
    whole = file.read_bytes()
    file.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(EngineError, match="damaged"):
        graph.Checkpoint(folder)


def test_a_type_that_is_not_known_is_named(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2, dtype=torch.int8)}, tmp_path / "model.safetensors")
    with pytest.raises(EngineError, match="a is of type I8; F32, F16, BF16 can be read"):
        graph.Checkpoint(tmp_path).read("a", 2)


def test_an_index_of_noise_and_a_missing_shard_are_errors(tmp_path: Path) -> None:
    make(tmp_path, max_shard_size="50KB")
    graph.weight_files(tmp_path)[1].unlink()
    with pytest.raises(EngineError, match="has no model-00002"):
        graph.Checkpoint(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(EngineError, match="is no index of weights"):
        graph.Checkpoint(tmp_path)


@given(arrays.arrays(np.float32, (3, 8), elements=finite))
def test_8_bits_are_off_by_half_a_step_at_most(matrix: npt.NDArray[np.float32]) -> None:
    numbers, scales = graph.quantised(matrix)
    assert numbers.dtype == np.int8
    assert np.abs(numbers.astype(int)).max() <= 127
    error = np.abs(numbers * scales[:, None].astype(np.float64) - matrix)
    assert (error <= scales[:, None] * 0.501).all()


def test_a_tied_embedding_is_in_the_file_once(tmp_path: Path) -> None:
    shape = dataclasses.replace(SMALL, vocabulary=8_192, layers=1)
    make(tmp_path, shape)
    for quantisation, width in (("fp32", 4), ("int8", 1)):
        out = tmp_path / f"{quantisation}.onnx"
        graph.build(tmp_path, out, quantisation)  # type: ignore[arg-type]
        assert out.stat().st_size < width * shape.parameters * 1.1 + 4 * shape.vocabulary + 20_000


def test_the_same_checkpoint_makes_the_same_file(tmp_path: Path) -> None:
    make(tmp_path)
    for name in ("first", "second"):
        graph.build(tmp_path, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_what_cannot_be_built_leaves_nothing(tmp_path: Path) -> None:
    make(tmp_path, dataclasses.replace(SMALL, heads=8, kv_heads=8))
    before = set(tmp_path.iterdir())
    with pytest.raises(EngineError, match="heads of 8 numbers"):
        graph.build(tmp_path, tmp_path / "out.onnx")
    assert set(tmp_path.iterdir()) == before
