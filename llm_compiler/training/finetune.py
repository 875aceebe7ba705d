"""Fine-tuning: a model made good at a user's own examples, all of its weights or a LoRA adapter beside them.

    OUT/run.json               what the folder is for, so that a rerun knows whether it may go on
    OUT/examples.json          how many examples there are, and were left out
    OUT/rows/train, heldout    see `data.pairs`
    OUT/checkpoints/           see `checkpoint`
    OUT/metrics.jsonl          see `watch`
    OUT/adapter/               with LoRA: what `peft.PeftModel.from_pretrained` adds to the model that was started from
    OUT/model/                 a Hugging Face checkpoint, see `weights`; the adapter merged in
    OUT/summary.json           `Tuned`, written last: its presence says that all is done

The loop is that of every stage. What comes out has the weights of the step whose held-out loss was lowest: with little
data, more steps are soon worse.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, set_model_state_dict
from torch.distributed.checkpoint.state_dict_loader import load

from llm_compiler.data.folder import DataError
from llm_compiler.data.pairs import SPLITS, Encoded, encoded, read_pairs, write_rows
from llm_compiler.data.recipe import Training
from llm_compiler.data.rows import Rows
from llm_compiler.model.foreign import AnyTokenizer, load_any
from llm_compiler.model.llama import Llama
from llm_compiler.model.shape import Shape
from llm_compiler.model.weights import Weights, fresh, read_shape, save, stored, whole
from llm_compiler.training.loop import Job, Trained, train
from llm_compiler.training.stages import Summary, claimed, summary_of, write_json
from llm_compiler.training.watch import Tell
from llm_compiler.training.world import TrainingError, World

NAME = "fine-tuning"
_HELD_OUT = SPLITS[1]
_LONGEST = 2_048
"""Tokens of a row where nobody says it and an example has so many."""
_SHORTEST = 64
_AT_ONCE = 4_096
_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""All linear parts of a layer."""
_SCALE = 2
"""What is added is that times the product of the two matrices: LoRA's alpha over its rank."""
_A, _B, _OF_BASE = ".lora_A.default.weight", ".lora_B.default.weight", ".base_layer.weight"
_SETTINGS = Training(batch_tokens=4_096, epochs=3.0, optimiser="adamw", warmup=0.05, weight_decay=0.0, keep=1)


@dataclass(frozen=True)
class Options:
    """How to fine-tune."""

    lora: int = 0
    """The rank of adapters; 0 trains all weights."""
    learning_rate: float = 0.0
    """0 is 2e-4 with LoRA, else 5e-5."""
    heldout: float = 0.1
    """The share of prompts that are not trained on."""
    context: int = 0
    """Tokens of a row; 0 is those of the longest example, but no more than 2,048."""
    micro_batch: int = 0
    """Rows that a rank computes at once; 0 is as many as have 4,096 tokens."""
    seed: int = 0
    training: Training = field(default=_SETTINGS)

    @property
    def rate(self) -> float:
        """The learning rate that these options mean."""
        return self.learning_rate or (2e-4 if self.lora else 5e-5)


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning gave."""

    summary: Summary
    trained: int
    """Parameters that were."""
    examples: int
    """Without those that were left out."""
    heldout: int
    """Of these."""
    too_long: int
    """Left out: longer than a row."""
    context: int


def finetune(
    model: Path,
    data: Path,
    out: Path,
    world: World,
    options: Options,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], Tell] | None = None,
) -> Tuned | None:
    """Fine-tune, or go on with it; None where `should_stop` said so.

    TrainingError, WeightsError, TokenizerError, DataError or RowsError for what cannot be trained, each of one line;
    OSError where the examples cannot be read.
    """
    shape, tokenizer = read_shape(model), load_any(model)
    if tokenizer.vocabulary_size > shape.vocabulary:
        ids = tokenizer.vocabulary_size
        raise TrainingError(f"{model}: its tokenizer has {ids} ids, its embedding {shape.vocabulary}")
    if options.context > shape.context:
        raise TrainingError(f"a context of {options.context} is beyond the model's {shape.context}")
    weights = Weights(model)
    with claimed(out, _header(model, data, shape, tokenizer, options), world):
        if world.first and not (out / "examples.json").exists():
            write_json(out / "examples.json", _prepare(data, out, tokenizer, shape, options))
        world.wait()
        made = json.loads((out / "examples.json").read_text(encoding="utf-8"))
        if (out / "summary.json").exists():
            return _read(out)
        job = _job(out, shape, weights, tokenizer, options)
        trained = train(job, world, should_stop, tell(NAME) if tell else None)
        if not trained.finished:
            return None
        _take_best(trained, out)
        count = sum(one.numel() for one in trained.model.parameters() if one.requires_grad)
        tuned = Tuned(summary_of(NAME, trained, world), count, **made)
        tensors = dict(whole(((n, p) for n, p in trained.model.named_parameters() if p.requires_grad), torch.float32))
        if world.first:
            _export(tensors, model, weights, shape, tokenizer, out, tuned, options)
            write_json(out / "summary.json", asdict(tuned))
        world.wait()
        return tuned


def _header(model: Path, data: Path, shape: Shape, tokenizer: AnyTokenizer, options: Options) -> dict[str, Any]:
    training = options.training
    return {
        "format": 1,
        "model": [str(model.resolve()), asdict(shape), tokenizer.fingerprint],
        "data": [hashlib.sha256(data.read_bytes()).hexdigest()[:32], options.heldout, options.context],
        "lora": options.lora,
        # The rest of the settings change what training costs and shows, not what is learnt.
        "training": [training.batch_tokens, training.epochs, training.precision, options.rate],
        "seed": options.seed,
    }


def _prepare(data: Path, out: Path, tokenizer: AnyTokenizer, shape: Shape, options: Options) -> dict[str, int]:
    """Write the rows; what `Tuned` says of them."""
    examples = list(encoded(read_pairs(data), tokenizer, options.heldout))
    longest = max(len(example.ids) for example in examples)
    context = options.context or max(_SHORTEST, min(longest, shape.context, _LONGEST))
    fitting = [example for example in examples if len(example.ids) <= context]
    for split in SPLITS:
        chosen = [example for example in fitting if example.heldout == (split == _HELD_OUT)]
        if not chosen and split != _HELD_OUT:
            raise DataError(f"{data}: nothing to train on: {_why(examples, fitting, context)}")
        write_rows(out / "rows" / split, chosen, tokenizer, context)
    return {
        "examples": len(fitting),
        "heldout": sum(example.heldout for example in fitting),
        "too_long": len(examples) - len(fitting),
        "context": context,
    }


def _why(examples: list[Encoded], fitting: list[Encoded], context: int) -> str:
    if fitting:
        return f"all {len(fitting)} examples are held out"
    shortest = min(len(example.ids) for example in examples)
    return f"all {len(examples)} examples are longer than {context} tokens, the shortest has {shortest}"


def _job(out: Path, shape: Shape, weights: Weights, tokenizer: AnyTokenizer, options: Options) -> Job:
    rows = Rows(out / "rows" / SPLITS[0], tokenizer.fingerprint)
    heldout = {_HELD_OUT: Rows(out / "rows" / _HELD_OUT, tokenizer.fingerprint)}
    source = stored(weights)
    training = replace(options.training, micro_batch=options.micro_batch or max(1, _AT_ONCE // rows.context))
    adapt = _adapt(options.lora, training.precision) if options.lora else None
    source = _with_adapters(source, options.seed) if options.lora else source
    return Job(out, shape, source, False, rows, heldout, (_HELD_OUT,), options.rate, training, options.seed, adapt)


def _lora(rank: int) -> Any:
    """peft's settings."""
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=_SCALE * rank, target_modules=list(_TARGETS), task_type="CAUSAL_LM")


def _adapt(rank: int, precision: str) -> Callable[[Llama], None]:
    """What puts adapters into a model and freezes the rest."""

    def adapt(model: Llama) -> None:
        from peft import inject_adapter_in_model

        inject_adapter_in_model(_lora(rank), model)
        for parameter in model.parameters():
            if not parameter.requires_grad and precision == "bf16":
                # Nothing is added up in these, so there is no use in more digits than are computed with.
                parameter.data = parameter.data.to(torch.bfloat16)

    return adapt


def _with_adapters(base: Callable[[str, torch.Size], Tensor], seed: int) -> Callable[[str, torch.Size], Tensor]:
    """First weights of a model with adapters, which begin as no change: the second matrix of each is zeros."""

    def tensor(name: str, size: torch.Size) -> Tensor:
        if name.endswith(_B):
            return torch.zeros(size)
        return fresh(seed)(name, size) if name.endswith(_A) else base(_base_name(name), size)

    return tensor


def _base_name(name: str) -> str:
    """What a weight is called where no adapter is beside it."""
    return name.removesuffix(_OF_BASE) + ".weight" if name.endswith(_OF_BASE) else name


def _take_best(trained: Trained, out: Path) -> None:
    """Give the model the weights of the step with the lowest held-out loss; where none is held out, leave the last."""
    step = trained.progress.best_step
    if step is None or step == trained.progress.step:
        return
    state = get_model_state_dict(trained.model, options=StateDictOptions(ignore_frozen_params=True))
    load({"model": state}, checkpoint_id=out / "checkpoints" / f"step-{step:08}")
    set_model_state_dict(trained.model, state, options=StateDictOptions(strict=False))


# -- what comes out


def merged(weights: Weights, shape: Shape, adapter: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All weights of a model, in float32, with what an adapter adds to them. Names of the adapter are the model's."""
    with torch.device("meta"):
        sizes = {name: one.shape for name, one in Llama(shape).named_parameters()}
    tensors = {name: stored(weights)(name, size).float() for name, size in sizes.items()}
    for name, first in adapter.items():
        if name.endswith(_A):
            part = name.removesuffix(_A)
            tensors[f"{part}.weight"] = tensors[f"{part}.weight"] + _SCALE * (adapter[part + _B] @ first)
    return tensors


def _export(
    trained: Mapping[str, Tensor],
    model: Path,
    weights: Weights,
    shape: Shape,
    tokenizer: AnyTokenizer,
    out: Path,
    tuned: Tuned,
    options: Options,
) -> None:
    tensors = dict(trained)
    if options.lora:
        _save_adapter(trained, model, out / "adapter", options.lora)
        tensors = merged(weights, shape, trained)
    # In the type that the model came in.
    dtype = weights("model.norm.weight").dtype
    tokenizer.save(out / ".tokenizer")
    save(
        out / "model",
        shape,
        {name: tensor.to(dtype) for name, tensor in tensors.items()},
        out / ".tokenizer",
        _card(model, tuned, options),
        ids={"bos": tokenizer.bos, "eos": tokenizer.eos, "pad": tokenizer.pad},
        longest=shape.context,
    )
    shutil.rmtree(out / ".tokenizer")


def _save_adapter(trained: Mapping[str, Tensor], model: Path, folder: Path, rank: int) -> None:
    partial = folder.with_name(f".{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    named = {f"base_model.model.{name.replace('.default.', '.')}": tensor for name, tensor in trained.items()}
    save_file(named, partial / "adapter_model.safetensors", {"format": "pt"})
    config = _lora(rank)
    config.base_model_name_or_path, config.inference_mode = str(model.resolve()), True
    config.save_pretrained(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def _card(model: Path, tuned: Tuned, options: Options) -> str:
    """The model card, in Hugging Face's format."""
    head = ["---", "library_name: transformers", "pipeline_tag: text-generation", "tags:", "- llama", "---", ""]
    how = f"a LoRA adapter of rank {options.lora}, merged in" if options.lora else "all weights"
    summary = tuned.summary
    lines = [
        f"# {model.resolve().name}, fine-tuned",
        "",
        f"Fine-tuned from {model}, under whose licence it is: {how}, {summary.steps:,} steps at a learning rate of "
        f"{options.rate:g}, on {tuned.examples - tuned.heldout:,} examples of at most {tuned.context:,} tokens.",
        "",
        f"Loss on {tuned.heldout:,} held-out examples, in nats per learnt token: {losses(tuned)}.",
        "",
    ]
    return "\n".join(head + lines)


def losses(tuned: Tuned) -> str:
    """The held-out loss before, and of what came out."""
    first, best = tuned.summary.first.get(_HELD_OUT), tuned.summary.best
    if first is None or best is None:
        return "not measured, nothing was held out"
    return f"{first:.3f} → {best:.3f} (step {tuned.summary.best_step:,} of {tuned.summary.steps:,})"


def _read(out: Path) -> Tuned:
    content = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return Tuned(**{**content, "summary": Summary(**content["summary"])})
