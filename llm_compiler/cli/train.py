"""`llmc train`: the stages of a recipe, on one process or those of torchrun."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from llm_compiler.cli.options import install_hint, json_option

if TYPE_CHECKING:
    from llm_compiler.training.stages import Summary

Answer = TypeVar("Answer")


@click.group(invoke_without_command=True)
@click.option("--recipe", "recipe_file", type=click.Path(path_type=Path), help="The recipe: .toml.")
@click.option(
    "--data", "data_path", type=click.Path(path_type=Path), help="What `llmc data build` made, or `llmc data pack`."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to train in, or to go on in.")
@click.option("--stage", help="Only this one of the recipe's stages.  [default: all that are not done]")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so long; the same again goes on.")
@click.option("--threads", type=click.IntRange(1), help="Of this process on a CPU.  [default: one for each core]")
@click.option("--plan", is_flag=True, help="Train nothing: print memory and time on 8, 64 and 256 GPUs.")
@json_option
@click.pass_context
def train(
    ctx: click.Context,
    recipe_file: Path | None,
    data_path: Path | None,
    out: Path | None,
    stage: str | None,
    minutes: float | None,
    threads: int | None,
    plan: bool,
    as_json: bool,
) -> None:
    """Train a model: the stages of a recipe in order, each starting from the one before.

    Stopped by a signal, a full disk or a crash, the same command goes on from the last checkpoint, on any number of
    processes: `torchrun --nproc-per-node 8 -m llm_compiler train ...` is the same command on 8 GPUs. Each stage leaves
    a folder with its model (a Hugging Face checkpoint), metrics, recipe and report on data.

    \b
    Examples:
      llmc train --recipe recipes/tiny.toml --data data --out run
      llmc train --recipe recipes/nano.toml --data data.tar.xz --out run --minutes 9
      llmc train --recipe recipes/7b.toml --plan
      llmc train plot run
    """
    if ctx.invoked_subcommand is not None:
        return
    if recipe_file is None:
        raise click.UsageError("Missing option '--recipe'.")
    if plan:
        _plan(recipe_file, as_json)
        return
    if data_path is None or out is None:
        raise click.UsageError("Missing option '--data'." if data_path is None else "Missing option '--out'.")
    files = (recipe_file, data_path, out)

    def go() -> tuple[list[Summary], int]:
        from llm_compiler.data.recipe import read
        from llm_compiler.training.stages import run
        from llm_compiler.training.world import world

        recipe = read(files[0])
        with world() as here, stopping(minutes) as should_stop:
            data = _unpacked(files[1], files[2], here)
            text = files[0].read_text(encoding="utf-8")
            summaries = run(
                recipe, text, data, files[2], here, only=stage, should_stop=should_stop, tell=bars(here.first)
            )
        return summaries, len(recipe.stages)

    prepare(threads)
    summaries, stages = or_one_line(go)
    if int(os.environ.get("RANK", "0")):
        return
    if as_json:
        click.echo(
            json.dumps({"finished": len(summaries) == stages, "stages": [vars(one) for one in summaries]}, indent=1)
        )
        return
    for line in _table(summaries):
        click.echo(line)
    if stage is None and len(summaries) < stages:
        click.echo("stopped, and saved; the same command goes on", err=True)


def prepare(threads: int | None) -> None:
    """What must be set before torch is imported, and its threads."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # else idle threads spin, on a machine that others use too
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    def set_threads() -> None:
        import torch

        alone = "RANK" not in os.environ
        torch.set_num_threads(threads or (len(os.sched_getaffinity(0)) if alone else torch.get_num_threads()))

    or_one_line(set_threads)


def _unpacked(path: Path, out: Path, here: Any) -> Path:
    """The folder of rows: the one given, or an archive's, which is unpacked once beside what is trained."""
    if not path.is_file():
        return path
    from llm_compiler.data.archive import unpack

    folder = out / "data"
    if here.first and not folder.exists():
        out.mkdir(parents=True, exist_ok=True)
        unpack(path, folder)
    here.wait()
    return folder


@contextlib.contextmanager
def stopping(minutes: float | None) -> Iterator[Callable[[], bool]]:
    """Whether to stop: after so many minutes, or as soon as SIGTERM or SIGINT came. A second signal ends at once."""
    end = time.monotonic() + 60 * minutes if minutes else float("inf")
    came: list[int] = []
    before = {int(number): signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, _: object) -> None:
        came.append(number)
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, stop)
    try:
        yield lambda: bool(came) or time.monotonic() > end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        click.echo("stopped, and saved; the same command goes on", err=True)
        raise SystemExit(128 + came[0])


def bars(first: bool) -> Callable[[str], Callable[[int, int, str], object]] | None:
    """A progress bar for each stage, on the first rank."""
    if not first:
        return None
    from llm_compiler.cli.progress import Bar

    open_bars: list[Bar] = []

    def stage(name: str) -> Callable[[int, int, str], object]:
        shown = 0

        def tell(done: int, total: int, text: str) -> None:
            nonlocal shown
            if not shown:
                while open_bars:
                    open_bars.pop().__exit__()
                open_bars.append(Bar(total, f"tokens of {name}"))
                open_bars[0].__enter__()
            open_bars[0].advance(done - shown)
            open_bars[0].say(text)
            shown = done
            if done >= total:
                open_bars.pop().__exit__()

        return tell

    return stage


def or_one_line(run: Callable[[], Answer]) -> Answer:
    """What it answers; a line for what is missing, or wrong with what was given. Ranks but the first say so."""
    try:
        import torch  # noqa: F401

        from llm_compiler.data.folder import DataError
        from llm_compiler.data.recipe import RecipeError
        from llm_compiler.data.rows import RowsError
        from llm_compiler.model.tokenizer import TokenizerError
        from llm_compiler.model.weights import WeightsError
        from llm_compiler.training.watch import MetricsError
        from llm_compiler.training.world import TrainingError
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("llm_compiler"):
            raise
        raise click.ClickException(f"{error.name} is not installed: {install_hint('train')}") from None
    try:
        return run()
    except (DataError, RecipeError, RowsError, TokenizerError, WeightsError, MetricsError, TrainingError) as error:
        rank = os.environ.get("RANK", "0")
        raise click.ClickException(("" if rank == "0" else f"rank {rank}: ") + " ".join(str(error).split())) from None


def _table(summaries: list[Summary]) -> Iterator[str]:
    tasks = list(dict.fromkeys(task for one in summaries for task in one.last))
    yield f"{'stage':14}{'steps':>8}{'tokens':>14}{'tokens/s':>10}   held-out loss by task, before and after"
    for one in summaries:
        losses = ", ".join(f"{task} {one.first[task]:.3f} → {one.last[task]:.3f}" for task in tasks if task in one.last)
        yield f"{one.stage:14}{one.steps:>8,}{one.tokens:>14,}{one.tokens / max(one.seconds, 1e-9):>10,.0f}   {losses}"


@train.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the pictures.  [default: RUN]")
def plot(run: Path, out: Path | None) -> None:
    """Draw the curves of a run: curves.png, and curves.html, which needs no network.

    \b
    Example:  llmc train plot run
    """
    try:
        from llm_compiler.training.plot import PlotError
        from llm_compiler.training.plot import plot as draw
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed: {install_hint('train')}") from None
    try:
        for path in draw(run, out or run):
            click.echo(path)
    except PlotError as error:
        raise click.ClickException(str(error)) from None


@train.command()
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write; it must not exist.")
@click.option("--no-weights", is_flag=True, help="Only the graph: half the size, and nothing to train on.")
def export(model: Path, out: Path, no_weights: bool) -> None:
    """Write a trained model's folder as users need it: with a graph of 8 bits, which the plain install runs.

    \b
    Example:  llmc train export run/4-disassembly/model --out my-model
    """
    from llm_compiler.inference.engine import EngineError

    try:
        import onnx  # noqa: F401
    except ModuleNotFoundError:
        raise click.ClickException(f"onnx is not installed: {install_hint('onnx')}") from None
    from llm_compiler.inference.export import export as write

    try:
        write(model, out, weights=not no_weights)
    except EngineError as error:
        raise click.ClickException(str(error)) from None
    size = sum(file.stat().st_size for file in out.iterdir())
    click.echo(f"{out}: {size / 1e6:.1f} MB")


def _plan(recipe_file: Path, as_json: bool) -> None:
    from llm_compiler.data.recipe import RecipeError, read

    try:
        recipe = read(recipe_file)
    except RecipeError as error:
        raise click.ClickException(str(error)) from None
    from llm_compiler.training.plan import PlanError, as_text, plan_of

    try:
        made = plan_of(recipe)
    except PlanError as error:
        raise click.ClickException(str(error)) from None
    click.echo(json.dumps(made, indent=1) if as_json else as_text(made))
