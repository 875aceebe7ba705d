"""`llmc data`: rows to train on, from a recipe, a corpus and labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from llm_compiler.cli.options import install_hint, jobs_option, json_option, llvm_option

if TYPE_CHECKING:
    from llm_compiler.cli.progress import Bar, Bars

Answer = TypeVar("Answer")


@click.group()
def data() -> None:
    """Rows to train on: examples of every stage, mixed, split by project and packed.

    \b
    Example:  llmc data build --recipe recipes/nano.toml --corpus corpus --labels labels --out data
    """


@data.command()
@click.option("--recipe", "recipe_file", required=True, type=click.Path(path_type=Path), help="The recipe: .toml.")
@click.option("--corpus", required=True, type=click.Path(path_type=Path), help="What `llmc corpus build` made.")
@click.option(
    "--labels", multiple=True, type=click.Path(path_type=Path), help="What `llmc tune` made; may be given many times."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to build, or to resume.")
@click.option("--tokenizer", type=click.Path(path_type=Path), help="Its folder.  [default: the recipe's]")
@click.option("--limit-units", type=click.IntRange(1), help="At most so many units of each split.")
@jobs_option
@json_option
@llvm_option
def build(
    recipe_file: Path,
    corpus: Path,
    labels: tuple[Path, ...],
    out: Path,
    tokenizer: Path | None,
    limit_units: int | None,
    jobs: int,
    as_json: bool,
    llvm: str | None,
) -> None:
    """Build the rows of a recipe, or go on with a build that was stopped.

    The same recipe, corpus and labels give the same rows, byte for byte. What cannot be used (too long for the context,
    passes that crash LLVM) is left out and counted; no example is in two splits. Labels may be for both protocols in
    the compact dialect, whose prompts say which is meant; Meta's do not.

    \b
    Examples:
      llmc data build --recipe recipes/tiny.toml --corpus corpus --out data
      llmc data build --recipe recipes/nano.toml --corpus corpus --labels functions --labels modules --out data
    """

    def run() -> tuple[dict[str, Any], dict[str, Any]]:
        from dataclasses import replace

        from llm_compiler.cli.progress import Bars
        from llm_compiler.data.build import Options, read_times
        from llm_compiler.data.build import build as build_data
        from llm_compiler.data.recipe import TokenizerChoice, read
        from llm_compiler.llvm.toolchain import find
        from llm_compiler.llvm.vocabulary import vocabulary
        from llm_compiler.tasks.catalogue import TASKS

        recipe = read(recipe_file)
        if tokenizer is not None:
            recipe = replace(recipe, tokenizer=TokenizerChoice(str(tokenizer), recipe.tokenizer.vocabulary))
        toolchain = find(llvm)
        with Bars() as bars:
            report = build_data(
                recipe,
                corpus,
                labels,
                out,
                toolchain,
                vocabulary(toolchain),
                Options(jobs, limit_units),
                TASKS,
                _Watch(bars).tell,
            )
        return report, read_times(out)

    report, times = _or_one_line(run)
    if as_json:
        click.echo(json.dumps({**report, "times": times}, indent=1))
        return
    for line in _report(report, times):
        click.echo(line)


class _Watch:
    """A progress bar for each thing that is done, in per cent: how many units it will take is not known before."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._bar: Bar | None = None
        self._doing, self._done = "", 0

    def tell(self, share: float, doing: str) -> None:
        """So much of this is done."""
        what = doing.partition(":")[0]
        if self._bar is None or what != self._doing:
            self._bar, self._doing, self._done = self._bars.next(100, "%", doing), what, 0
        self._bar.advance(int(100 * share) - self._done)
        self._done = int(100 * share)
        self._bar.say(doing)


@data.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("row", metavar="[ROW]", type=int, required=False)
@click.option("--stage", help="The stage's name or number.  [default: the first]")
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="train", show_default=True)
@json_option
def show(folder: Path, row: int | None, stage: str | None, split: str, as_json: bool) -> None:
    """Show a row as text, or without ROW the report on all of them.

    What is not learnt, the prompts, is dimmed on a terminal.

    \b
    Examples:
      llmc data show data
      llmc data show data 17 --stage emulation
    """

    def run() -> Iterable[str]:
        from llm_compiler.data.build import read_times
        from llm_compiler.data.folder import read_report

        report = read_report(folder)
        if row is None:
            times = read_times(folder)
            return [json.dumps({**report, "times": times}, indent=1)] if as_json else _report(report, times)
        documents = list(_documents(folder, _stage_of(report, stage), split, row))
        return [json.dumps(documents, indent=1)] if as_json else [_shown(one, len(documents)) for one in documents]

    for text in _or_one_line(run):
        click.echo(text)


def _stage_of(report: dict[str, Any], given: str | None) -> str:
    names: list[str] = list(report["stages"])
    if given is None:
        return names[0]
    if given.isdecimal() and 1 <= int(given) <= len(names):
        return names[int(given) - 1]
    if given not in names:
        from llm_compiler.data.recipe import unknown

        raise click.ClickException(unknown("stage", given, names))
    return given


def _documents(folder: Path, stage: str, split: str, row: int) -> Iterator[dict[str, Any]]:
    """What is in a row, document by document."""
    from llm_compiler.data.build import origin
    from llm_compiler.data.folder import rows_of
    from llm_compiler.data.rows import Rows
    from llm_compiler.model.foreign import load_any

    tokenizer = load_any(folder / "tokenizer")
    rows = Rows(rows_of(folder, stage, split), tokenizer.fingerprint)
    try:
        spans = rows.spans(row)
    except IndexError as error:
        raise click.ClickException(f"{folder}: {stage}, {split}: {error}") from None
    tokens = rows.row(row).tokens.tolist()
    for number, span in enumerate(spans, 1):
        source = rows.manifest["sources"][span.source]
        yield {
            "number": number,
            **{key: source[key] for key in ("task", "source", "replayed")},
            "tokens": span.end - span.start,
            "learnt": span.end - span.answer,
            "prompt": tokenizer.decode(tokens[span.start : span.answer]),
            "answer": tokenizer.decode(tokens[span.answer : span.end]),
            **origin(folder, rows.manifest["shards"][span.shard], span.line),
        }


def _shown(document: dict[str, Any], count: int) -> str:
    replayed = f", replayed from {document['replayed']}" if document["replayed"] else ""
    head = (
        f"--- {document['number']} of {count}: {document['source']} ({document['task']}{replayed}), "
        f"{document['tokens']} tokens, {document['learnt']} of them learnt"
    )
    if "unit" in document:
        head += f"; {document['project']}, unit {document['unit']}, {document['replay']}"
    text = click.style(document["prompt"], dim=True) if document["prompt"] else ""
    between = click.style("\n--- learnt:\n", bold=True) if text else ""
    return f"{click.style(head, bold=True)}\n{text}{between}{document['answer']}"


@data.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The .tar.xz.")
def pack(folder: Path, output: Path) -> None:
    """Put the rows of a build and their tokenizer into one small file.

    \b
    Example:  llmc data pack data -o data.tar.xz
    """

    def run() -> str:
        from llm_compiler.cli.progress import Bar
        from llm_compiler.data.archive import contents
        from llm_compiler.data.archive import pack as write
        from llm_compiler.data.folder import read_report

        report = read_report(folder)
        with Bar(len(contents(folder)), "files") as bar:

            def on_file(name: str) -> None:
                bar.advance()
                bar.say(name)

            size = write(folder, output, on_file)
        tokens = sum(one["tokens"] for stage in report["stages"].values() for one in stage.values())
        return f"{output}: {size / 1e6:,.1f} MB, {size / max(1, tokens):.3f} bytes per token"

    click.echo(_or_one_line(run), err=True)


@data.command()
@click.argument("archive", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make.")
def unpack(archive: Path, out: Path) -> None:
    """Make the folder of rows again that was packed.

    \b
    Example:  llmc data unpack data.tar.xz --out data
    """

    def run() -> None:
        from llm_compiler.data.archive import unpack as read

        read(archive, out)

    _or_one_line(run)


def _or_one_line(run: Callable[[], Answer]) -> Answer:
    """What it answers; a line for what is missing, or wrong with what was given."""
    try:
        from llm_compiler.corpus.store import CorpusError
        from llm_compiler.data.folder import DataError
        from llm_compiler.data.recipe import RecipeError
        from llm_compiler.data.rows import RowsError
        from llm_compiler.model.tokenizer import TokenizerError
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("llm_compiler"):
            raise
        raise click.ClickException(f"{error.name} is not installed: {install_hint('train')}") from None
    try:
        return run()
    except (CorpusError, DataError, RecipeError, RowsError, TokenizerError) as error:
        raise click.ClickException(" ".join(str(error).split())) from None


# -- the report


def _report(report: dict[str, Any], times: dict[str, Any]) -> Iterator[str]:
    yield f"{'stage':14}{'split':12}{'source':36}{'documents':>11}{'tokens':>14}{'learnt':>14}{'share':>8}"
    for stage, splits in report["stages"].items():
        for split, counts in splits.items():
            for one in counts["sources"]:
                name = one["source"] + (f" ({one['replayed']})" if one["replayed"] else "")
                yield f"{stage:14}{split:12}{name:36}" + _sizes(one, one["tokens"] / max(1, counts["tokens"]))
            total = f"{counts['rows']:,} rows, {100 * counts['padding']:.1f} % padding"
            yield f"{stage:14}{split:12}{total:36}" + _sizes(counts, float(counts["tokens"] > 0))
    yield ""
    for line in _shortages(report):
        yield line
    made = [(task, counts) for task, splits in report["documents"].items() for counts in splits.values()]
    for task in report["documents"]:
        left_out = _summed(counts["left_out"] for name, counts in made if name == task)
        listed = "; ".join(f"{count:,} {why}" for why, count in sorted(left_out.items(), key=lambda one: -one[1]))
        yield f"left out of {task}: {listed or 'nothing'}"
    for why, count in report["dropped"].items():
        yield f"dropped: {count:,} of {why}"
    yield f"examples in two splits: {report['examples in two splits']}"
    tokens = _summed(counts["tokens"] for _, counts in made)
    text_bytes = _summed(counts["text_bytes"] for _, counts in made)
    yield "bytes per token: " + ", ".join(f"{name} {text_bytes[name] / tokens[name]:.2f}" for name in tokens)
    rates = ", ".join(f"{task} {rate:,.0f}" for task, rate in times["documents per core-second"].items())
    yield f"documents per core-second: {rates or 'unknown'}"
    if times["tokens packed per second"]:
        yield f"tokens packed per second: {times['tokens packed per second']:,}"


def _sizes(counts: dict[str, Any], share: float) -> str:
    return f"{counts['documents']:>11,}{counts['tokens']:>14,}{counts['learnt']:>14,}{100 * share:7.1f}%"


def _shortages(report: dict[str, Any]) -> Iterator[str]:
    for one in report["ran out"]:
        yield (
            f"ran out: {one['stage']}, {one['split']}: {one['taken']:,} of {one['wanted']:,} tokens of {one['share']}"
        )


def _summed(tables: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for table in tables:
        for name, count in table.items():
            total[name] = total.get(name, 0) + count
    return total
