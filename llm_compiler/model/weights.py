"""Weights in and out, as Hugging Face checkpoints: what transformers, vLLM and llama.cpp's converter read.

DIR/config.json, generation_config.json
DIR/model.safetensors              or parts of it, and model.safetensors.index.json
DIR/tokenizer.json, ...
DIR/README.md                      the model card
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from llm_compiler.model.shape import ABOUT, Shape, ShapeError, from_config, to_config

_PART = "4GB"
"""Of safetensors files, at most."""
_DEVIATION = 0.02
_ADDED_TO = ("o_proj.weight", "down_proj.weight")
"""What these give is added to what came in: as zeros, each layer begins as none."""


class WeightsError(Exception):
    """A folder that holds no weights, or not those of this shape. The message is one line."""


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a model's folder. WeightsError."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"{folder} holds no model: it has no config.json") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder}/config.json: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise WeightsError(f"{folder}/config.json: not a JSON object")
    return config


def read_shape(folder: Path) -> Shape:
    """The shape of the model in a folder. WeightsError."""
    try:
        return from_config(read_config(folder))
    except ShapeError as error:
        raise WeightsError(f"{folder}: {error}") from None


class Weights:
    """The tensors of a folder by name, read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        """WeightsError where a file is missing, cut off or not safetensors."""
        self.folder = folder
        index = folder / "model.safetensors.index.json"
        try:
            if index.exists():
                names: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
                if any(Path(file).name != file for file in names.values()):
                    raise WeightsError(f"{index}: names files outside its folder")
            else:
                with safe_open(folder / "model.safetensors", "pt") as file:
                    names = dict.fromkeys(file.keys(), "model.safetensors")
            self._files = {name: safe_open(folder / name, "pt") for name in sorted(set(names.values()))}
        except FileNotFoundError as error:
            raise WeightsError(f"{folder} holds no weights: no {error.filename or 'model.safetensors'}") from None
        except (OSError, ValueError, LookupError, TypeError, AttributeError, SafetensorError) as error:
            raise WeightsError(f"{folder}: weights that cannot be read: {' '.join(str(error).split())}") from None
        self._names = names

    def __call__(self, name: str) -> Tensor:
        """The tensor of that name, in whatever type it is stored. WeightsError."""
        try:
            tensor: Tensor = self._files[self._names[name]].get_tensor(name)
        except KeyError:
            raise WeightsError(f"{self.folder}: has no {name}") from None
        except SafetensorError as error:
            raise WeightsError(f"{self.folder}: {name}: {' '.join(str(error).split())}") from None
        return tensor


def fresh(seed: int) -> Callable[[str, torch.Size], Tensor]:
    """First weights: the same for a name and a shape on any number of ranks."""

    def tensor(name: str, size: torch.Size) -> Tensor:
        if len(size) == 1:
            return torch.ones(size)
        if name.endswith(_ADDED_TO):
            return torch.zeros(size)
        digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:6], "little"))
        return torch.empty(size).normal_(0, _DEVIATION, generator=generator)

    return tensor


def stored(weights: Weights) -> Callable[[str, torch.Size], Tensor]:
    """The weights of a folder. Asked for others than it has: WeightsError."""

    def tensor(name: str, size: torch.Size) -> Tensor:
        found = weights(name)
        if found.shape != size:
            raise WeightsError(
                f"{weights.folder}: {name} is {_times(found.shape)}, where this model has {_times(size)}: "
                "a checkpoint of another shape"
            )
        return found

    return tensor


def _times(size: Iterable[int]) -> str:
    return " x ".join(map(str, size))


@torch.no_grad()
def fill(model: nn.Module, source: Callable[[str, torch.Size], Tensor]) -> None:
    """Give every parameter its values; each rank keeps its shard of them, and tells the others nothing."""
    for name, parameter in model.named_parameters():
        value = source(name, parameter.shape).to(parameter.dtype)
        if isinstance(parameter, DTensor):
            # On the device of the shard, as each rank has the whole and none is to be sent.
            whole = value.to(parameter.to_local().device)
            local = distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None)
            parameter.to_local().copy_(local.to_local())
        else:
            parameter.copy_(value)


def whole(parameters: Iterable[tuple[str, Tensor]], dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Each tensor put together from its shards, on the CPU. All ranks must take all of them."""
    for name, parameter in parameters:
        tensor = parameter.full_tensor() if isinstance(parameter, DTensor) else parameter
        yield name, tensor.detach().to("cpu", dtype).contiguous()


def save(
    folder: Path,
    shape: Shape,
    tensors: Mapping[str, Tensor],
    tokenizer: Path,
    card: str,
    *,
    ids: Mapping[str, int | None],
    longest: int,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a folder that Hugging Face's tools read; it appears whole, or not at all.

    `tokenizer` is a folder whose tokenizer files are copied; `ids` has `bos`, `eos` and `pad`; `longest` is the tokens
    that generation stops at; `about` becomes `ABOUT`, for those who ask the model.
    """
    from huggingface_hub import save_torch_state_dict

    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
        config = to_config(shape, bos=_given(ids, "bos"), eos=_given(ids, "eos"), pad=ids["pad"], dtype=dtype)
        generation = {
            "bos_token_id": ids["bos"],
            "eos_token_id": ids["eos"],
            "pad_token_id": ids["pad"],
            "do_sample": False,
            "max_length": longest,
        }
        save_torch_state_dict(dict(tensors), partial, max_shard_size=_PART)
        for path in tokenizer_files(tokenizer):
            shutil.copyfile(path, partial / path.name)
        (partial / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        (partial / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n", encoding="utf-8")
        if about is not None:
            (partial / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        (partial / "README.md").write_text(card, encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _given(ids: Mapping[str, int | None], name: str) -> int:
    number = ids[name]
    if number is None:
        raise WeightsError(f"the tokenizer has no {name} token")
    return number


def tokenizer_files(folder: Path) -> list[Path]:
    """The files of a folder that belong to its tokenizer."""
    names = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model")
    return [folder / name for name in names if (folder / name).is_file()]


def perplexity(loss: float) -> float:
    """Of a loss in nats."""
    return math.exp(min(loss, 100.0))
