"""`llmc finetune`: a model made good at a user's own examples."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llm_compiler.cli.options import install_hint, json_option
from llm_compiler.cli.train import bars, or_one_line, prepare, stopping

if TYPE_CHECKING:
    from llm_compiler.training.finetune import Tuned

_PATH = click.Path(path_type=Path)
_ABOVE_0 = click.FloatRange(0, min_open=True)


@click.command()
@click.option("--model", type=_PATH, required=True, help="Folder of a Llama model in Hugging Face's layout.")
@click.option("--data", "data_file", type=_PATH, required=True, help='Lines of {"prompt": ..., "answer": ...}.')
@click.option("--out", type=_PATH, required=True, help="Folder to train in, or to go on in.")
@click.option(
    "--lora", type=click.IntRange(1), metavar="RANK", help="Train a LoRA adapter of this rank, not all weights."
)
@click.option("--epochs", type=_ABOVE_0, default=3.0, show_default=True, help="How often each example is seen.")
@click.option("--learning-rate", type=_ABOVE_0, help="At its highest.  [default: 2e-4 with --lora, else 5e-5]")
@click.option(
    "--heldout", type=click.FloatRange(0, 0.9), default=0.1, show_default=True, help="Share of prompts not trained on."
)
@click.option(
    "--context", type=click.IntRange(8), help="Tokens of an example at most.  [default: the longest's, up to 2048]"
)
@click.option("--batch-tokens", type=click.IntRange(1), default=4096, show_default=True, help="Of one step.")
@click.option("--micro-batch", type=click.IntRange(1), help="Rows computed at once.  [default: 4096 tokens' worth]")
@click.option("--recompute", is_flag=True, help="Less memory, a third more time.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the order of examples.")
@click.option("--minutes", type=_ABOVE_0, help="Stop after so long; the same again goes on.")
@click.option("--threads", type=click.IntRange(1), help="Of this process on a CPU.  [default: one for each core]")
@json_option
def finetune(
    model: Path,
    data_file: Path,
    out: Path,
    lora: int | None,
    epochs: float,
    learning_rate: float | None,
    heldout: float,
    context: int | None,
    batch_tokens: int,
    micro_batch: int | None,
    recompute: bool,
    seed: int,
    minutes: float | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Fine-tune a model on examples of your own: all of its weights, or a LoRA adapter.

    OUT/model is the model that comes out, with the weights of the step that was best on the held-out examples; with
    --lora, OUT/adapter is what `peft` loads on top of the model you started from. Tags such as [INST] in prompts and
    answers count, as they do in whatever asks the model later. Stopped by a signal or a crash, the same command goes
    on, and under torchrun it is the same command.

    \b
    Examples:
      llmc finetune --model nano --data pairs.jsonl --out tuned
      llmc finetune --model CodeLlama-7b-hf --data pairs.jsonl --out tuned --lora 16 --recompute
    """
    if lora and importlib.util.find_spec("peft") is None:
        raise click.ClickException(f"peft is not installed: {install_hint('train')}")

    def go() -> Tuned | None:
        from llm_compiler.training.finetune import Options
        from llm_compiler.training.finetune import finetune as tune
        from llm_compiler.training.world import world

        training = replace(Options().training, epochs=epochs, batch_tokens=batch_tokens, recompute=recompute)
        options = Options(lora or 0, learning_rate or 0.0, heldout, context or 0, micro_batch or 0, seed, training)
        with world() as here, stopping(minutes) as should_stop:
            return tune(model, data_file, out, here, options, should_stop=should_stop, tell=bars(here.first))

    prepare(threads)
    tuned = or_one_line(go)
    if int(os.environ.get("RANK", "0")):
        return
    if as_json:
        click.echo(json.dumps({"finished": tuned is not None, **(asdict(tuned) if tuned else {})}, indent=1))
    elif tuned is None:
        click.echo("stopped, and saved; the same command goes on", err=True)
    else:
        _say(tuned, out)


def _say(tuned: Tuned, out: Path) -> None:
    from llm_compiler.training.finetune import losses

    if tuned.too_long:
        click.echo(
            f"{tuned.too_long:,} of {tuned.examples + tuned.too_long:,} examples are longer than {tuned.context:,} "
            "tokens and were left out: see --context",
            err=True,
        )
    summary = tuned.summary
    click.echo(f"examples      {tuned.examples - tuned.heldout:,} trained on, {tuned.heldout:,} held out")
    click.echo(f"parameters    {tuned.trained:,} trained of {summary.parameters:,}")
    click.echo(f"steps         {summary.steps:,} in {summary.seconds:,.0f} s")
    click.echo(f"held-out loss {losses(tuned)}")
    click.echo(f"model         {out / 'model'}")
