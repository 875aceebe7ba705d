"""`llmc corpus`: build one, look at one."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compiler.cli.options import CommandWithRest, install_hint, jobs_option, json_option, llvm_option, rest_of

if TYPE_CHECKING:
    from llm_compiler.corpus.make import Made


@click.group()
def corpus() -> None:
    """Real source code as clean, deduplicated, unoptimised LLVM-IR with provenance.

    \b
    Example:  llmc corpus build debian:zstd src/ --out my-corpus
    """


@corpus.command(cls=CommandWithRest, rest="BUILD_COMMAND")
@click.argument("sources", nargs=-1)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to build, or to resume.")
@click.option("--default", "default_list", is_flag=True, help="The default list of Debian source packages.")
@click.option("--functions-only", is_flag=True, help="Leave whole translation units out.")
@click.option("--ray", metavar="ADDRESS", help="Build on a Ray cluster; `local` starts one on this machine.")
@jobs_option
@llvm_option
@click.pass_context
def build(
    ctx: click.Context,
    sources: tuple[str, ...],
    out: Path,
    default_list: bool,
    functions_only: bool,
    ray: str | None,
    jobs: int,
    llvm: str | None,
) -> None:
    """Build a corpus, or go on with one that was interrupted.

    SOURCES are folders of C and C++, files (.c, .cpp, .ll, .bc, .cu, .rs), a compile_commands.json,
    debian:NAME[=VERSION], or text files that list such sources one a line. What follows -- is a build to run and watch:
    each file that it compiles becomes a unit, and the build itself goes on as ever.

    \b
    Examples:
      llmc corpus build src/ build/compile_commands.json --out corpus
      llmc corpus build debian:zstd debian:cjson --out corpus
      llmc corpus build --out corpus -- make -j2
      llmc corpus build --default --out corpus
    """
    from llm_compiler.cli.progress import Bar
    from llm_compiler.llvm.toolchain import find

    try:
        from llm_compiler.corpus.build import Options, Progress, Task
        from llm_compiler.corpus.build import build as build_corpus
        from llm_compiler.corpus.sources import SourceError, parse, watch
        from llm_compiler.corpus.sources import default_list as listed
        from llm_compiler.corpus.store import CorpusError, open_for_building

        if ray:
            import ray as _  # noqa: F401
    except ModuleNotFoundError as error:
        raise click.ClickException(_missing(error)) from None

    watched = rest_of(ctx)
    if not (sources or watched or default_list):
        raise click.UsageError("name a source, or --default, or a build to watch after --")
    if watched and shutil.which(watched[0]) is None:
        raise click.ClickException(f"there is no command {watched[0]} to watch")
    toolchain = find(llvm)
    code = 0
    try:
        tasks = [Task(source.text, source) for text in sources for source in parse(text)]
        if default_list:
            tasks += [Task(package.source.text, package.source) for package in listed()]
        if not (tasks or watched):
            raise SourceError("there is no source in what was named")
        if watched:
            open_for_building(out, toolchain.version, not functions_only)
            (out / "work").mkdir(exist_ok=True)
            code, found = watch(watched, Path.cwd(), out / "work")
            tasks.append(Task(f"watched:{Path.cwd()}", found=tuple(found)))
        tasks = list({task.slug: task for task in tasks}.values())
        options = Options(jobs, translation_units=not functions_only, ray=ray)
        troubles: list[str] = []
        with Bar(len(tasks), "projects") as bar:
            progress = Progress(_Counter(bar).file, lambda _: bar.advance(), troubles.append)
            manifest = build_corpus(tasks, out, toolchain, options, progress)
    except (SourceError, CorpusError) as error:
        raise click.ClickException(str(error)) from None
    for trouble in troubles:
        click.echo(f"llmc: {' '.join(trouble.split())}", err=True)
    if manifest["files"]:
        _print_summary(out, manifest)
    # A source that gave nothing is counted; only nothing at all is a failure.
    ctx.exit(code if watched or manifest["files"] else 1)


def _missing(error: ModuleNotFoundError) -> str:
    extra = "cluster" if error.name == "ray" else "corpus"
    return f"{error.name} is not installed: {install_hint(extra)}"


class _Counter:
    """Files and units so far, and their rate, for the bar."""

    def __init__(self, bar: Any) -> None:
        import time

        self._bar, self._clock = bar, time.monotonic
        self._started = self._clock()
        self._files = self._units = self._dropped = 0

    def file(self, made: Made) -> None:
        self._files += 1
        self._units += len(made.units)
        self._dropped += sum(made.dropped.values())
        rate = self._files / max(0.001, self._clock() - self._started)
        self._bar.say(f"{self._files:,} files ({rate:.1f}/s), {self._units:,} units, {self._dropped:,} dropped")


@corpus.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--tokenizer", type=click.Path(path_type=Path), help="A tokenizer.json: count tokens too (takes a while)."
)
@json_option
def show(folder: Path, tokenizer: Path | None, as_json: bool) -> None:
    """Say what is in a corpus: units, bytes, licences, languages, what was dropped and why.

    \b
    Example:  llmc corpus show my-corpus --json
    """
    manifest = _manifest(folder)
    manifest["seconds"] = _seconds(folder)
    if tokenizer is not None:
        manifest["tokens"] = _count_tokens(folder, tokenizer)
    if as_json:
        click.echo(json.dumps(manifest, indent=1))
    else:
        _print_summary(folder, manifest)


@corpus.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--ll", "out", required=True, type=click.Path(path_type=Path), help="Folder for the .ll files.")
@click.option("--split", type=click.Choice(["train", "validation", "test"]), help="Only this split.")
@click.option("--kind", type=click.Choice(["module", "function"]), help="Only this kind of unit.")
@click.option("--text", type=click.Choice(["verbatim", "compact"]), default="verbatim", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most so many units.")
def export(folder: Path, out: Path, split: Any, kind: str | None, text: str, limit: int) -> None:
    """Write units as .ll files, to look at them.

    \b
    Example:  llmc corpus export my-corpus --ll look/ --split test --limit 20
    """
    _manifest(folder)
    from llm_compiler.corpus.normalise import compact
    from llm_compiler.corpus.store import units

    out.mkdir(parents=True, exist_ok=True)
    written = 0
    for unit in itertools.islice((unit for unit in units(folder, split) if kind in (None, unit.kind)), limit):
        content = unit.text if text == "verbatim" else compact(unit.text)
        origin = f"{unit.project} {unit.version}: {unit.file}, {unit.name} ({unit.licence})"
        (out / f"{unit.id}.ll").write_text(f"; {' '.join(origin.split())}\n{content}")
        written += 1
    click.echo(f"{written} units in {out}", err=True)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        from llm_compiler.corpus.store import CorpusError, read_manifest

        return read_manifest(folder)
    except ModuleNotFoundError as error:
        raise click.ClickException(_missing(error)) from None
    except CorpusError as error:
        raise click.ClickException(str(error)) from None


def _seconds(folder: Path) -> dict[str, float]:
    from llm_compiler.corpus.store import read_times

    seconds: dict[str, float] = read_times(folder)["total"]
    return seconds


def _count_tokens(folder: Path, tokenizer: Path) -> dict[str, dict[str, int]]:
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError as error:
        raise click.ClickException(_missing(error)) from None
    from llm_compiler.corpus.normalise import compact
    from llm_compiler.corpus.store import units
    from llm_compiler.corpus.unit import SPLITS

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        encoder = Tokenizer.from_file(str(tokenizer))
    except Exception as error:  # it raises nothing more particular
        raise click.ClickException(f"{tokenizer} is no tokenizer: {error}") from None
    counts: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        totals = {"verbatim": 0, "compact": 0}
        for unit in units(folder, split):
            totals["verbatim"] += len(encoder.encode(unit.text).ids)
            totals["compact"] += len(encoder.encode(compact(unit.text)).ids)
        counts[split] = totals
    return counts


def _print_summary(folder: Path, manifest: dict[str, Any]) -> None:
    for line in _summary(folder, manifest):
        click.echo(line)


def _summary(folder: Path, manifest: dict[str, Any]) -> Iterator[str]:
    yield f"{folder}: LLVM {manifest['llvm']}, {len(manifest['projects'])} projects"
    yield ""
    yield f"{'split':12}{'units':>10}{'functions':>11}{'modules':>9}{'text MB':>10}{'-Oz KB':>10}"
    for split, counts in manifest["splits"].items():
        yield (
            f"{split:12}{counts.get('units', 0):>10,}{counts.get('function units', 0):>11,}"
            f"{counts.get('module units', 0):>9,}{counts.get('text bytes', 0) / 1e6:>10,.1f}"
            f"{counts.get('bytes at -Oz', 0) / 1e3:>10,.0f}"
        )
    if "tokens" in manifest:
        yield ""
        for split, counts in manifest["tokens"].items():
            yield f"{split:12}{counts['verbatim']:>15,} tokens verbatim{counts['compact']:>15,} compact"
    compiled = sum(manifest["compiled"].values())
    yield ""
    yield f"files      {manifest['files']:,}, {compiled:,} compiled; {manifest['functions']:,} functions split off"
    yield "licences   " + _ranked(manifest, "licence ")
    yield "languages  " + _ranked(manifest, " units", only=("c", "c++", "ir", "cuda"))
    drops = sorted(manifest["dropped"].items(), key=lambda item: -item[1])
    yield "dropped    " + ("; ".join(f"{count:,} {reason}" for reason, count in drops) or "nothing")
    if manifest["skipped"]:
        skips = sorted(manifest["skipped"].items(), key=lambda item: -item[1])
        yield "left aside " + "; ".join(f"{count:,} {reason}" for reason, count in skips)
    yield "CPU time   " + ", ".join(f"{name} {value:,.0f} s" for name, value in _seconds(folder).items())


def _ranked(manifest: dict[str, Any], mark: str, only: tuple[str, ...] = ()) -> str:
    totals: dict[str, int] = {}
    for counts in manifest["splits"].values():
        for key, count in counts.items():
            name = key.replace(mark, "")
            if mark in key and (not only or name in only):
                totals[name] = totals.get(name, 0) + count
    ranked = sorted(totals.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count:,}" for name, count in ranked[:12]) or "none"
