"""A recipe's stages, one after the other: each starts from the model of the one before.

OUT/run.json               what the folder is for, so that a rerun knows whether it may go on
OUT/1-NAME/checkpoints/    see `checkpoint`
OUT/1-NAME/metrics.jsonl   see `watch`
OUT/1-NAME/model/          a Hugging Face checkpoint, see `weights`
OUT/1-NAME/recipe.toml     the recipe, as it was
OUT/1-NAME/data.json       the report on the stage's rows
OUT/1-NAME/stage.json      `Summary`, written last: its presence says that the stage is done
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from llm_compiler.data.folder import DataError, read_report, rows_of
from llm_compiler.data.recipe import Recipe, unknown
from llm_compiler.data.rows import Rows
from llm_compiler.model.foreign import AnyTokenizer, load_any
from llm_compiler.model.shape import ABOUT, PRESETS, Shape
from llm_compiler.model.weights import Weights, fresh, perplexity, read_shape, save, stored, whole
from llm_compiler.training.loop import Job, Trained, train
from llm_compiler.training.watch import Tell
from llm_compiler.training.world import TrainingError, World


@dataclass(frozen=True)
class Summary:
    """What one stage did."""

    stage: str
    parameters: int
    steps: int
    tokens: int
    seconds: float
    first: Mapping[str, float]
    """Held-out losses by task before its first step, in nats per learnt token."""
    last: Mapping[str, float]
    best: float | None
    """Of its own task, at `best_step`."""
    best_step: int | None
    ranks: int
    device: str


def shape_of(recipe: Recipe, vocabulary: int) -> Shape:
    """The model of a recipe, for a tokenizer of this size. TrainingError."""
    if recipe.model.start:
        shape = read_shape(Path(recipe.model.start))
        if shape.vocabulary < vocabulary:
            raise TrainingError(
                f"{recipe.model.start} has a vocabulary of {shape.vocabulary}, the rows' tokenizer one of "
                f"{vocabulary}; build the rows with its tokenizer: [tokenizer] folder"
            )
    elif recipe.model.preset in PRESETS:
        shape = PRESETS[recipe.model.preset].with_vocabulary(vocabulary)
    else:
        raise TrainingError(f"model.preset: {unknown('preset', recipe.model.preset, PRESETS)}")
    if not recipe.model.start and recipe.model.context > shape.context:
        raise TrainingError(f"model.context: {recipe.model.context} is beyond the model's {shape.context}")
    return shape


def check(recipe: Recipe, data: Path) -> dict[str, Any]:
    """The report on the recipe's data. TrainingError, DataError or RowsError if it is not for this recipe."""
    report = read_report(data)
    if report["recipe"] != recipe.data_digest:
        if report["context"] != recipe.model.context:
            raise TrainingError(
                f"{data}: rows of {report['context']} tokens, where the recipe says {recipe.model.context}"
            )
        raise TrainingError(
            f"{data} was built from another recipe than this, or from its stages, tasks or mixtures of before"
        )
    return report


def run(
    recipe: Recipe,
    recipe_text: str,
    data: Path,
    out: Path,
    world: World,
    *,
    only: str | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], Tell] | None = None,
) -> list[Summary]:
    """Train the stages that are not done yet, or `only` that one, in order; the summaries of all that are done.

    Fewer than there are where `should_stop` said so. `tell` makes what shows a stage's progress. TrainingError,
    WeightsError, DataError, RowsError for what cannot be trained.
    """
    report = check(recipe, data)
    tokenizer = load_any(data / "tokenizer")
    shape = shape_of(recipe, tokenizer.vocabulary_size)
    names = [stage.name for stage in recipe.stages]
    if only is not None and only not in names:
        raise TrainingError(unknown("stage", only, names))
    done = []
    with claimed(out, _header(recipe, shape, report), world):
        for number, stage in enumerate(recipe.stages, 1):
            folder = out / f"{number}-{stage.name}"
            before = out / f"{number - 1}-{names[number - 2]}" / "model" if number > 1 else None
            if (folder / "stage.json").exists():
                done.append(_read_summary(folder))
                continue
            if only is not None and stage.name != only:
                continue
            job = _job(recipe, number, shape, before, data, tokenizer, folder)
            trained = train(job, world, should_stop, tell(stage.name) if tell else None)
            if not trained.finished:
                break
            summary = summary_of(stage.name, trained, world)
            _export(trained, summary, done, recipe, report, data, folder, tokenizer, world)
            if world.first:
                (folder / "recipe.toml").write_text(recipe_text, encoding="utf-8")
                write_json(folder / "data.json", {"stage": stage.name, **report["stages"][stage.name]})
                write_json(folder / "stage.json", asdict(summary))
            world.wait()
            done.append(summary)
    return done


def _job(
    recipe: Recipe, number: int, shape: Shape, before: Path | None, data: Path, tokenizer: AnyTokenizer, folder: Path
) -> Job:
    stage = recipe.stages[number - 1]
    rows = Rows(rows_of(data, stage.name, "train"), tokenizer.fingerprint)
    if not len(rows):
        raise TrainingError(f"{data}: no rows for the stage {stage.name}: `llmc data show` says what ran out")
    heldout = {
        other.name: Rows(rows_of(data, other.name, "validation"), tokenizer.fingerprint) for other in recipe.stages
    }
    start = before or (Path(recipe.model.start) if recipe.model.start else None)
    if before is not None and not (before / "config.json").exists():
        raise TrainingError(f"the stage before {stage.name} is not trained yet: no {before}")
    source = stored(Weights(start)) if start is not None else fresh(recipe.seed)
    # Muon where the very first weights were random, in later stages too: going on with another optimiser unlearns.
    scratch = not recipe.model.start
    return Job(
        folder,
        shape,
        source,
        scratch,
        rows,
        heldout,
        (stage.name,),
        stage.learning_rate,
        recipe.training,
        recipe.seed,
        evenness=stage.evenness,
    )


def _header(recipe: Recipe, shape: Shape, report: Mapping[str, Any]) -> dict[str, Any]:
    training = asdict(recipe.training)
    for free in ("micro_batch", "recompute", "compile", "save_minutes", "keep", "validations", "validation_tokens"):
        del training[free]  # these change what training costs and shows, not what is learnt
    rows = json.dumps([report[key] for key in ("recipe", "corpus", "labels", "tokenizer")])
    return {
        "format": 1,
        "model": asdict(shape),
        "start": recipe.model.start,
        "seed": recipe.seed,
        "training": training,
        "stages": [
            # Runs of before there was a choice of evenness go on.
            [stage.name, stage.learning_rate, *([stage.evenness] if stage.evenness else [])]
            for stage in recipe.stages
        ],
        "data": hashlib.sha256(rows.encode()).hexdigest()[:32],
    }


@contextlib.contextmanager
def claimed(out: Path, header: Mapping[str, Any], world: World) -> Iterator[None]:
    """Have the folder for this run alone. TrainingError if it is another run's, or somebody trains in it."""
    with contextlib.ExitStack() as held:
        if world.first:
            out.mkdir(parents=True, exist_ok=True)
            lock = held.enter_context((out / ".lock").open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise TrainingError(f"{out}: somebody trains in this folder") from None
            path = out / "run.json"
            if path.exists():
                try:
                    found = json.loads(path.read_text(encoding="utf-8"))
                except ValueError:
                    found = {}
                if differ := sorted(key for key in header if found.get(key) != header[key]):
                    raise TrainingError(f"{out} holds another run ({', '.join(differ)} differ); name another folder")
            else:
                write_json(path, header)
        world.wait()
        yield


def summary_of(stage: str, trained: Trained, world: World) -> Summary:
    """What a stage did."""
    at = trained.progress
    device = torch.cuda.get_device_name() if world.device.type == "cuda" else "CPU"
    return Summary(
        stage,
        trained.model.shape.parameters,
        at.step,
        at.tokens,
        round(at.seconds, 1),
        at.first or {},
        at.last or {},
        at.best,
        at.best_step,
        world.size,
        device,
    )


def _export(
    trained: Trained,
    summary: Summary,
    before: list[Summary],
    recipe: Recipe,
    report: Mapping[str, Any],
    data: Path,
    folder: Path,
    tokenizer: AnyTokenizer,
    world: World,
) -> None:
    tensors = dict(whole(trained.model.named_parameters(), torch.bfloat16))
    if world.first:
        ids = {"bos": tokenizer.bos, "eos": tokenizer.eos, "pad": tokenizer.pad}
        save(
            folder / "model",
            dataclasses.replace(trained.model.shape, context=recipe.model.context),
            tensors,
            data / "tokenizer",
            card(recipe, report, [*before, summary]),
            ids=ids,
            longest=recipe.model.context,
            about={
                "format": 1,
                "llvm": report["llvm"],
                "dialect": recipe.data.dialect,
                "tokenizer": tokenizer.fingerprint,
                "stages": [*_earlier(recipe), *(one.stage for one in (*before, summary))],
            },
        )


def _earlier(recipe: Recipe) -> list[str]:
    """The stages of the model that the recipe starts from; none where nobody says."""
    about = Path(recipe.model.start, ABOUT)
    return list(json.loads(about.read_bytes()).get("stages", ())) if recipe.model.start and about.exists() else []


def card(recipe: Recipe, report: Mapping[str, Any], stages: list[Summary]) -> str:
    """The model card: what a model of these stages is, in Hugging Face's format."""
    head = ["---", "license: apache-2.0", "library_name: transformers", "pipeline_tag: text-generation", "tags:"]
    head += [f"- {tag}" for tag in ("compiler", "llvm", "code", "llama")] + ["---", ""]
    start = f"started from {recipe.model.start}" if recipe.model.start else "trained from random weights"
    last = stages[-1]
    lines = [
        f"# LLM Compiler, {recipe.model.preset}: {last.parameters:,} parameters",
        "",
        f"A Llama model for LLVM {report['llvm']}, {start}, with rows of {recipe.model.context} tokens in the "
        f"{recipe.data.dialect} dialect. Its answers are proposals: check each with the compiler.",
        "",
        "| stage | tokens | steps | hours | device | held-out loss of its task, before and after |",
        "|---|---|---|---|---|---|",
    ]
    for one in stages:
        losses = f"{_loss(one.first, one.stage)} → {_loss(one.last, one.stage)}"
        device = f"{one.ranks} x {one.device}"
        lines.append(
            f"| {one.stage} | {one.tokens:,} | {one.steps:,} | {one.seconds / 3600:.2f} | {device} | {losses} |"
        )
    heldout = ", ".join(f"{task} {loss:.3f} (perplexity {perplexity(loss):.2f})" for task, loss in last.last.items())
    lines += ["", f"Held-out losses by task, in nats per learnt token, at the end: {heldout or 'not measured'}.", ""]
    lines += ["Recipe and the report on the data lie beside this folder, as recipe.toml and data.json.", ""]
    return "\n".join(head + lines)


def _loss(losses: Mapping[str, float], task: str) -> str:
    return f"{losses[task]:.3f}" if task in losses else "-"


def _read_summary(folder: Path) -> Summary:
    try:
        return Summary(**json.loads((folder / "stage.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{folder}/stage.json: {' '.join(str(error).split())}") from None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Beside, then renamed."""
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
