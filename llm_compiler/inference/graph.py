"""A Llama checkpoint as an ONNX graph for plain onnxruntime on a CPU.

One graph reads prompts and makes tokens. Its caches are buffers that onnxruntime appends to in place, and a mask says
which tokens each new one sees, so that sequences which begin alike are branches of one tree in one buffer; embedded.py
feeds it. Inputs, of `n` new tokens:

    tokens (1, n), positions (1, n)     int64
    mask (1, 1, n, slots)               float32: 0 where a token sees a slot of the cache, -inf where not
    last_slot (1,), slots ()            int32: slots in use after this run, less one; and not less one
    wanted (k,)                         int64: the new tokens whose logits to give
    past_key_0 (1, KV heads, capacity, head size), past_value_0, ...

and outputs: logits (k, vocabulary), and present_key_0 ..., which have to be the buffers of past_key_0 ....
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from llm_compiler.inference.engine import EngineError
from llm_compiler.model.shape import Shape, ShapeError, from_config

if TYPE_CHECKING:
    import onnx

Quantisation = Literal["int8", "fp32"]
Array = npt.NDArray[Any]
VERSION = 1
"""Of the graph: one that was built by another is built again."""
ABOUT = ("llm-compiler", "context", "vocabulary")
"""What a graph says of itself: the version, and two sizes."""
_TOP = 127
"""The largest number of 8 bits; -128 is not used."""
_ZERO = 128
"""What stands for 0 among activations, which are unsigned."""
_OPSET, _IR = 21, 10
_MOST = 2_000_000_000
"""Bytes of weights that a file of ONNX can hold."""
_WIDTHS = {"F32": 4, "F16": 2, "BF16": 2}


class Checkpoint:
    """The tensors of a folder in Hugging Face's layout, read one at a time, as float32."""

    def __init__(self, folder: Path) -> None:
        """EngineError for files that are none, or are cut short."""
        self._places: dict[str, tuple[Path, int, dict[str, Any]]] = {}
        for file in weight_files(folder):
            start, header = _header(file)
            self._places |= {name: (file, start, entry) for name, entry in header.items() if name != "__metadata__"}

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def read(self, name: str, *shape: int) -> npt.NDArray[np.float32]:
        """EngineError if there is none of this name and shape."""
        if name not in self._places:
            raise EngineError(f"the checkpoint has no {name}")
        file, start, entry = self._places[name]
        if tuple(entry["shape"]) != shape:
            raise EngineError(f"{name} is {entry['shape']}, but config.json says {list(shape)}")
        kind, (first, end) = entry["dtype"], entry["data_offsets"]
        if kind not in _WIDTHS:
            raise EngineError(f"{name} is of type {kind}; {', '.join(_WIDTHS)} can be read")
        raw = np.memmap(file, np.uint8, "r", start + first, (end - first,))
        if kind == "BF16":  # the upper half of a float32
            return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
        return np.asarray(raw.view("<f4" if kind == "F32" else "<f2"), np.float32).reshape(shape)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a checkpoint, whole or in shards. EngineError if there are none."""
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file() or not index.is_file():
        files = [folder / "model.safetensors"]
    else:
        try:
            files = [folder / name for name in sorted(set(json.loads(index.read_bytes())["weight_map"].values()))]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise EngineError(f"{index} is no index of weights") from None
    for file in files:
        if not file.is_file():
            raise EngineError(f"{folder} has no {file.name}")
    return files


def _header(file: Path) -> tuple[int, dict[str, Any]]:
    """Where a file's data begin, and what it says of its tensors, every one of which lies within the file."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        try:
            header = json.loads(opened.read(length)) if length < size else None
            entries = [entry for name, entry in header.items() if name != "__metadata__"]  # type: ignore[union-attr]
            whole = all(_fits(entry, size - 8 - length) for entry in entries)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise EngineError(f"{file} is no safetensors file, or is damaged") from None
    if not whole:
        raise EngineError(f"{file} is damaged or cut short")
    assert header is not None
    return 8 + length, header


def _fits(entry: dict[str, Any], size: int) -> bool:
    first, end = entry["data_offsets"]
    width = _WIDTHS.get(entry["dtype"])
    return 0 <= first <= end <= size and (width is None or end - first == width * int(np.prod(entry["shape"])))


def read_shape(folder: Path) -> Shape:
    """What its config.json describes. EngineError if that is no Llama model."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        return from_config(config)
    except OSError:
        raise EngineError(f"{folder} is no model: it has no config.json") from None
    except (ValueError, AttributeError):
        raise EngineError(f"{folder / 'config.json'} is no configuration") from None
    except ShapeError as error:
        raise EngineError(f"{folder}: {error}") from None


def build(folder: Path, out: Path, quantisation: Quantisation = "int8") -> None:
    """Write the graph of a checkpoint to `out`, which appears when it is whole.

    int8: each row of a matrix has a scale, and each token's activations get theirs as they come, so that what a token
    becomes does not depend on those that are read with it. EngineError for what is no such checkpoint, ImportError
    without the package `onnx`.
    """
    shape = read_shape(folder)
    if shape.parameters * (4 if quantisation == "fp32" else 1) > _MOST:
        raise EngineError(f"{folder}: {shape.parameters:,} parameters are too many for the embedded engine")
    if shape.head_size % 16:
        raise EngineError(f"{folder}: heads of {shape.head_size} numbers; the embedded engine has multiples of 16")
    graph = _Graph(shape, Checkpoint(folder), quantisation == "int8")
    model = graph.model()
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        beside.write_bytes(model.SerializeToString(deterministic=True))
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)


class _Graph:
    """The graph as it grows: nodes and weights, in the order of the model."""

    def __init__(self, shape: Shape, weights: Checkpoint, quantised: bool) -> None:
        import onnx

        self._onnx = onnx
        self._shape = shape
        self._weights = weights
        self._quantised = quantised
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: dict[str, onnx.TensorProto] = {}
        self._bytes: dict[str, tuple[str, str]] = {}
        """Activations in 8 bits, and each token's scale: several matrices take the same."""

    def model(self) -> onnx.ModelProto:
        helper, kinds, shape = self._onnx.helper, self._onnx.TensorProto, self._shape
        self._rotation()
        skipped, hidden = "", self._embedding()
        for layer in range(shape.layers):
            skipped, hidden = self._layer(layer, skipped, hidden)
        _, hidden = self._norm("model.norm.weight", skipped, hidden)
        flat = self._add("Reshape", hidden, self._constant("flat", np.array([-1, shape.hidden], np.int64)))
        self._head(self._add("Gather", flat, "wanted", axis=0))
        cache = [1, shape.kv_heads, "capacity", shape.head_size]
        caches = [f"{kind}_{layer}" for layer in range(shape.layers) for kind in ("key", "value")]
        inputs = {
            "tokens": (kinds.INT64, [1, "new"]),
            "positions": (kinds.INT64, [1, "new"]),
            "mask": (kinds.FLOAT, [1, 1, "new", "slots"]),
            "last_slot": (kinds.INT32, [1]),
            "slots": (kinds.INT32, []),
            "wanted": (kinds.INT64, ["wanted"]),
        } | {f"past_{name}": (kinds.FLOAT, cache) for name in caches}
        outputs = {"logits": (kinds.FLOAT, ["wanted", shape.vocabulary])}
        outputs |= {f"present_{name}": (kinds.FLOAT, cache) for name in caches}
        graph = helper.make_graph(
            self._nodes,
            "llama",
            [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
            [helper.make_tensor_value_info(name, *kind) for name, kind in outputs.items()],
            list(self._tensors.values()),
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        model: onnx.ModelProto = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR, producer_name="llm-compiler"
        )
        about = (VERSION, shape.context, shape.vocabulary)
        helper.set_model_props(model, {name: str(value) for name, value in zip(ABOUT, about, strict=True)})
        return model

    def _layer(self, number: int, skipped: str, hidden: str) -> tuple[str, str]:
        """What goes around the layer's end, and what has come through it; they are added by the next norm."""
        shape, at = self._shape, f"model.layers.{number}."
        kv, inner = shape.kv_heads * shape.head_size, shape.intermediate
        skipped, hidden = self._norm(f"{at}input_layernorm.weight", skipped, hidden)
        rows = {"q_proj": shape.hidden, "k_proj": kv, "v_proj": kv}
        parts = [self._weights.read(f"{at}self_attn.{name}.weight", size, shape.hidden) for name, size in rows.items()]
        hidden = self._attention(number, self._linear(f"{at}qkv", hidden, np.concatenate(parts)))
        hidden = self._project(f"{at}self_attn.o_proj", hidden, shape.hidden, shape.hidden)
        skipped, hidden = self._norm(f"{at}post_attention_layernorm.weight", skipped, hidden)
        gate = self._project(f"{at}mlp.gate_proj", hidden, inner, shape.hidden)
        up = self._project(f"{at}mlp.up_proj", hidden, inner, shape.hidden)
        gate = self._add("QuickGelu", gate, domain="com.microsoft", alpha=1.0)  # x sigmoid(x), which is SiLU
        return skipped, self._project(f"{at}mlp.down_proj", self._add("Mul", gate, up), shape.hidden, inner)

    def _attention(self, number: int, packed: str) -> str:
        shape = self._shape
        kv = shape.kv_heads * shape.head_size
        query, key, value = (f"{name}_{number}" for name in ("query", "key", "value"))
        sizes = self._constant("packed sizes", np.array([shape.hidden, kv, kv], np.int64))
        self._node("Split", [packed, sizes], [query, key, value], axis=-1)
        # Not left to the attention, which would have as many positions as slots.
        rotation = self._constant("first row", np.array([0], np.int64)), "cos", "sin"
        turned = [self._add("RotaryEmbedding", each, *rotation, domain="com.microsoft") for each in (query, key)]
        caches = [f"past_key_{number}", f"past_value_{number}"]
        inputs = [*turned, value, *caches, "last_slot", "slots", "", "", "", "mask"]
        outputs = [f"attended_{number}", f"present_key_{number}", f"present_value_{number}"]
        heads = {"num_heads": shape.heads, "kv_num_heads": shape.kv_heads}
        self._node("GroupQueryAttention", inputs, outputs, domain="com.microsoft", **heads)
        return outputs[0]

    def _rotation(self) -> None:
        """cos and sin of the new tokens, (n, head size / 2)."""
        size = self._shape.head_size
        powers = np.arange(0, size, 2, dtype=np.int64).astype(np.float32) / np.float32(size)
        frequencies = np.float32(1) / np.power(np.float32(self._shape.rope_base), powers)
        column = self._constant("column", np.array([-1, 1], np.int64))
        places = self._add("Cast", self._add("Reshape", "positions", column), to=self._onnx.TensorProto.FLOAT)
        angles = self._add("Mul", places, self._constant("frequencies", frequencies[None]))
        self._add("Cos", angles, output="cos")
        self._add("Sin", angles, output="sin")

    def _norm(self, name: str, skipped: str, hidden: str) -> tuple[str, str]:
        """The sum of both, and its norm."""
        weight = self._constant(name, self._weights.read(name, self._shape.hidden))
        epsilon = self._shape.norm_epsilon
        if not skipped:
            return hidden, self._add("SimplifiedLayerNormalization", hidden, weight, epsilon=epsilon, axis=-1)
        outputs = [f"{name}.out", "", "", f"{name}.sum"]
        kind = "SkipSimplifiedLayerNormalization"
        self._node(kind, [hidden, skipped, weight], outputs, domain="com.microsoft", epsilon=epsilon)
        return outputs[3], outputs[0]

    def _embedding(self) -> str:
        table, scales = self._table("model.embed_tokens.weight")
        rows = self._add("Gather", table, "tokens", axis=0)
        if not scales:
            return rows
        factors = self._add("Gather", scales, "tokens", axis=0)
        column = self._constant("last axis", np.array([-1], np.int64))
        numbers = self._add("Cast", rows, to=self._onnx.TensorProto.FLOAT)
        return self._add("Mul", numbers, self._add("Unsqueeze", factors, column))

    def _head(self, hidden: str) -> None:
        name = "model.embed_tokens.weight" if self._shape.tied else "lm_head.weight"
        table, scales = self._table(name)
        # Turned when the graph is loaded: a tied embedding is in the file once.
        self._product(hidden, self._add("Transpose", table, perm=[1, 0]), scales, output="logits")

    def _table(self, name: str) -> tuple[str, str]:
        """The matrix of the embedding or the head (vocabulary, hidden), and its scales if it is quantised."""
        scales = f"{name} scales" if self._quantised else ""
        if name not in self._tensors:
            matrix = self._weights.read(name, self._shape.vocabulary, self._shape.hidden)
            if self._quantised:
                matrix, factors = quantised(matrix)
                self._constant(scales, factors)
            self._constant(name, matrix)
        return name, scales

    def _project(self, name: str, hidden: str, rows: int, columns: int) -> str:
        return self._linear(name, hidden, self._weights.read(f"{name}.weight", rows, columns))

    def _linear(self, name: str, hidden: str, matrix: Array) -> str:
        """The product with a matrix (outputs, inputs)."""
        if not self._quantised:
            return self._product(hidden, self._constant(name, np.ascontiguousarray(matrix.T)))
        numbers, scales = quantised(matrix)
        stored = self._constant(name, np.ascontiguousarray(numbers.T))
        return self._product(hidden, stored, self._constant(f"{name} scales", scales))

    def _product(self, hidden: str, matrix: str, scales: str = "", output: str = "") -> str:
        """The product with a stored matrix (inputs, outputs), in 8 bits if it has scales."""
        if not scales:
            return self._add("MatMul", hidden, matrix, output=output)
        step = self._constant("step", np.array(1 / _TOP, np.float32))
        zero = self._constant("zero", np.array(_ZERO, np.uint8))
        if hidden not in self._bytes:
            axis = self._constant("last axis", np.array([-1], np.int64))
            most = self._add("ReduceMax", self._add("Abs", hidden), axis, keepdims=1)
            most = self._add("Max", most, self._constant("least", np.array(1e-12, np.float32)))
            numbers = self._add("QuantizeLinear", self._add("Div", hidden, most), step, zero)
            self._bytes[hidden] = numbers, most
        numbers, most = self._bytes[hidden]
        factors = [step, scales, zero]
        result = self._add("MatMulIntegerToFloat", numbers, matrix, *factors, domain="com.microsoft")
        return self._add("Mul", result, most, output=output)

    def _constant(self, name: str, value: Array) -> str:
        if name not in self._tensors:
            self._tensors[name] = self._onnx.numpy_helper.from_array(value, name)
        return name

    def _add(self, kind: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        output = output or f"{kind}_{len(self._nodes)}"
        self._node(kind, inputs, [output], domain=domain, **attributes)
        return output

    def _node(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, outputs, **attributes))


def quantised(matrix: Array) -> tuple[Array, Array]:
    """A matrix in 8 bits, and the scale of each row."""
    scales = np.maximum(np.abs(matrix).max(1), np.finfo(np.float32).tiny * _TOP) / np.float32(_TOP)
    return np.rint(matrix / scales[:, None]).astype(np.int8), scales
