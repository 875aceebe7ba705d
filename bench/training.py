"""Training beside Hugging Face's Trainer and a plain loop: the same first weights, rows, batches and AdamW, in one run.

    python bench/training.py [--data FOLDER --stage ir_modeling] [--preset nano] [--rows 4 --micro 2] [--device cuda]

FOLDER is what `llmc data build` made; without one, random tokens in documents of random lengths. Ours is what `llmc
train` runs: one process of FSDP2, its metrics included. Trainer has packed rows too: with `position_ids` transformers'
model attends within documents only. The plain loop is our Llama with a copy of its weights in bf16, and nothing else.

All take their turns, so that a machine that does other work as well is as slow for each; the first step of a turn does
not count. Rates are medians over steps: of CPU time on a CPU, with wall time beside it, and of wall time on a GPU. The
losses of the same steps are printed, which shows that all compute the same.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `llmc train` does; it must be set before torch is there

import numpy as np
import torch
import transformers
from torch import optim
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import SequentialSampler

from llm_compiler.data.folder import rows_of
from llm_compiler.data.recipe import Training
from llm_compiler.data.rows import FORMAT, Rows, pack
from llm_compiler.model.llama import Llama, Packed, packed
from llm_compiler.model.shape import PRESETS, Shape, to_config
from llm_compiler.model.weights import fill, fresh
from llm_compiler.training import watch
from llm_compiler.training.attention import attention
from llm_compiler.training.loop import Job, Order, train
from llm_compiler.training.world import world

RATE, DECAY, CLIP, MOMENTS = 1e-3, 0.1, 1.0, (0.9, 0.95)
GOALS = {"Trainer": 1.3, "plain loop": 1.0}
CLOSE = 0.01
"""Of losses, relative: bf16 in another order."""
DOCUMENTS, MEDIAN, SPREAD = 400, 376, 1.2
"""Of synthetic rows: a lognormal distribution of lengths, about that of compact units."""
Times = list[tuple[float, float]]
"""Seconds of CPU and of wall time by step."""


@dataclass(frozen=True)
class Work:
    """What everybody does."""

    shape: Shape
    rows: Rows
    batch_rows: int
    micro: int
    steps: int
    device: torch.device
    compile: bool

    @property
    def order(self) -> list[int]:
        """The numbers of the rows, as our loop takes them."""
        return Order(len(self.rows), self.epochs, 0)(0, self.batch_rows * self.steps)

    @property
    def epochs(self) -> float:
        """How often all rows are seen."""
        return self.batch_rows * self.steps / len(self.rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FOLDER")
    parser.add_argument("--stage", default="ir_modeling")
    parser.add_argument("--preset", default="nano", choices=PRESETS)
    parser.add_argument("--rows", type=int, default=4, help="of a step")
    parser.add_argument("--micro", type=int, default=2, help="rows at once")
    parser.add_argument("--steps", type=int, default=3, help="of a turn, the first of which does not count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--compile", action="store_true", help="ours and the plain loop, on a GPU")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--profile", action="store_true", help="where our time goes")
    options = parser.parse_args()
    if (options.device == "cuda") != torch.cuda.is_available():
        parser.error(
            f"torch.cuda.is_available() is {torch.cuda.is_available()}, and our loop takes a GPU that is there"
        )
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as home:
        folder = rows_of(options.data, options.stage, "train") if options.data else synthetic(Path(home) / "rows")
        rows = Rows(folder)
        shape = PRESETS[options.preset].with_vocabulary(rows.manifest["vocabulary"])
        device = torch.device(options.device)
        work = Work(shape, rows, options.rows, options.micro, options.steps, device, options.compile)
        learnt = rows.batch(work.order).mask.mean()
        print(
            f"{options.preset}: {shape.parameters / 1e6:.1f} M parameters; {options.rows} rows of {rows.context} a "
            f"step, {options.micro} at once, {learnt:.0%} learnt; {options.threads} thread(s) on {device}"
        )
        if options.profile:
            profiled(work, RUNS[options.only[0]])
        else:
            compare(work, options.only, options.rounds)


def compare(work: Work, names: Iterable[str], rounds: int) -> None:
    """Prints rates, ratios and whether losses agree."""
    times: dict[str, Times] = {name: [] for name in names}
    losses: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, each in times.items():
            stamps, losses[name] = RUNS[name](work)
            each += [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(stamps)]
    tokens = work.batch_rows * work.rows.context
    which = 0 if work.device.type == "cpu" else 1
    rates = {
        name: [tokens / statistics.median(column) for column in zip(*each, strict=True)] for name, each in times.items()
    }
    operations = work.shape.flops_per_token(attended(work.rows))
    peak = peak_of(work)
    for name, (cpu, wall) in rates.items():
        used = f"; {100 * wall * operations / peak:4.1f} % of what the hardware can" if peak else ""
        found = " ".join(f"{loss:.4f}" for loss in losses[name])
        print(f"  {name:10} {cpu:9,.0f} tokens per CPU second, {wall:9,.0f} per second{used}; losses {found}")
    for name in names:
        if name != "ours" and "ours" in rates:
            ratio = rates["ours"][which] / rates[name][which]
            other = rates["ours"][1 - which] / rates[name][1 - which]
            kind, beside = ("CPU", "wall") if which == 0 else ("wall", "CPU")
            print(f"  ours / {name}: {ratio:.2f} of {kind} time (goal {GOALS[name]}), {other:.2f} of {beside} time")
            assert np.allclose(losses["ours"], losses[name], rtol=CLOSE), "they do not compute the same"


def attended(rows: Rows) -> float:
    """To how many tokens one attends on average."""
    lengths = np.diff(rows.documents()[[1, 3]].astype(np.float64), axis=0)
    return float((lengths**2).sum() / 2 / lengths.sum())


def peak_of(work: Work) -> float | None:
    with world() as here:
        return here.peak() if work.device.type == "cuda" else None


def stamp() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def ours(work: Work) -> tuple[Times, list[float]]:
    """When each step ended, and its loss."""
    settings = Training(
        batch_tokens=work.batch_rows * work.rows.context,
        micro_batch=work.micro,
        epochs=work.epochs,
        optimiser="adamw",
        warmup=0,
        final=1,
        weight_decay=DECAY,
        clip=CLIP,
        compile=work.compile,
        validations=0,
        save_minutes=1e9,
    )
    stamps: Times = []
    with tempfile.TemporaryDirectory() as home, world() as here:
        job = Job(Path(home), work.shape, fresh(0), True, work.rows, {}, (), RATE, settings)
        train(job, here, tell=lambda *_: stamps.append(stamp()))
        return stamps, [step.loss for step in watch.read(Path(home)).steps]


def plain(work: Work) -> tuple[Times, list[float]]:
    """As `ours`: a loop as one writes it by hand."""
    shape, device = work.shape, work.device
    model = Llama(shape, attend=attention(device, shape.heads, shape.kv_heads, shape.head_size))
    fill(model, fresh(0))
    masters = [each.detach().clone().to(device).requires_grad_() for each in model.parameters()]
    model.to(device, torch.bfloat16)
    if work.compile:
        for layer in model.model.layers:
            layer.compile()
    copies: list[torch.Tensor] = list(model.parameters())
    groups = [[each for each in masters if (each.ndim > 1) == large] for large in (True, False)]
    decays = [{"params": group, "weight_decay": decay} for group, decay in zip(groups, (DECAY, 0.0), strict=True)]
    optimiser = optim.AdamW(decays, lr=RATE, betas=MOMENTS, fused=True)
    stamps: Times = []
    losses = []
    for step in range(work.steps):
        numbers = work.order[step * work.batch_rows : (step + 1) * work.batch_rows]
        counted = int(work.rows.batch(numbers).mask.sum())
        loss = torch.zeros((), device=device)
        for start in range(0, len(numbers), work.micro):
            total, _ = model(taken(work, numbers[start : start + work.micro]))
            (total / counted).backward()
            loss += total.detach() / counted
            for master, copy in zip(masters, copies, strict=True):
                assert copy.grad is not None
                master.grad = copy.grad.float() if master.grad is None else master.grad.add_(copy.grad)
                copy.grad = None
        clip_grad_norm_(masters, CLIP)
        optimiser.step()
        optimiser.zero_grad()
        with torch.no_grad():
            torch._foreach_copy_(copies, masters)
        losses.append(loss.item())
        stamps.append(stamp())
    return stamps, losses


def taken(work: Work, numbers: list[int]) -> Packed:
    batch = work.rows.batch(numbers)
    tokens, positions = (torch.from_numpy(each.astype(np.int64)) for each in (batch.tokens, batch.positions))
    return packed(tokens, positions, torch.from_numpy(batch.mask), work.device)


class InOrder(transformers.Trainer):
    """Takes the rows as they come."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return SequentialSampler(train_dataset or self.train_dataset)


class Stamps(transformers.TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.found: Times = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Called by Trainer."""
        self.found.append(stamp())


def trainer(work: Work) -> tuple[Times, list[float]]:
    """As `ours`: Hugging Face's."""
    named = to_config(work.shape, bos=1, eos=2, pad=0, dtype="float32")
    kept = {key: value for key, value in named.items() if key not in {"architectures", "model_type"}}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**kept | {"use_cache": False}))
    fill(model, fresh(0))
    batch = work.rows.batch(work.order)
    columns = {
        "input_ids": batch.tokens.astype(np.int64),
        "position_ids": batch.positions.astype(np.int64),
        "labels": np.where(batch.mask, batch.tokens.astype(np.int64), -100),
    }
    dataset = [
        {key: torch.from_numpy(column[row]) for key, column in columns.items()} for row in range(len(batch.tokens))
    ]
    stamps = Stamps()
    with tempfile.TemporaryDirectory() as home:
        settings = transformers.TrainingArguments(
            output_dir=home,
            per_device_train_batch_size=work.micro,
            gradient_accumulation_steps=work.batch_rows // work.micro,
            max_steps=work.steps,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            weight_decay=DECAY,
            adam_beta1=MOMENTS[0],
            adam_beta2=MOMENTS[1],
            max_grad_norm=CLIP,
            bf16=True,
            use_cpu=work.device.type == "cpu",
            torch_compile=work.compile,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            seed=0,
        )
        made = InOrder(model=model, args=settings, train_dataset=dataset, callbacks=[stamps])
        made.remove_callback(transformers.PrinterCallback)
        made.train()
    return stamps.found, [one["loss"] for one in made.state.log_history if "loss" in one]


RUNS: dict[str, Callable[[Work], tuple[Times, list[float]]]] = {"ours": ours, "Trainer": trainer, "plain loop": plain}


def profiled(work: Work, run: Callable[[Work], tuple[Times, list[float]]]) -> None:
    """Prints the operations that most of the time goes to."""
    run(work)
    with torch.profiler.profile() as profile:
        run(work)
    key = "self_cpu_time_total" if work.device.type == "cpu" else "self_device_time_total"
    print(profile.key_averages().table(sort_by=key, row_limit=30, max_name_column_width=50))


def synthetic(folder: Path, context: int = 2_048) -> Path:
    """Rows of random tokens, half of each document learnt."""
    folder.mkdir()
    random, vocabulary = np.random.default_rng(0), PRESETS["nano"].vocabulary
    lengths = np.clip(random.lognormal(np.log(MEDIAN), SPREAD, DOCUMENTS), 8, context).astype(int).tolist()
    where, places = pack(lengths, context)
    columns = np.array(
        sorted(
            (row, place, place + length // 2, place + length, 0, 0, 0)
            for length, row, place in zip(lengths, where.tolist(), places.tolist(), strict=True)
        ),
        "<u4",
    )
    count = int(where.max()) + 1
    random.integers(3, vocabulary, (count, context)).astype("<u2").tofile(folder / "tokens.bin")
    columns.T.tofile(folder / "documents.bin")
    manifest = {
        "format": FORMAT,
        "tokenizer": "none",
        "vocabulary": vocabulary,
        "context": context,
        "rows": count,
        "documents": len(lengths),
        "sources": [{"task": "none", "source": "random"}],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


if __name__ == "__main__":
    sys.exit(main())
