"""`llmc tune` and `llmc portfolio`: units in, labels out; labels in, a portfolio out."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compiler.autotune.search import STRATEGIES
from llm_compiler.cli.files import write_output
from llm_compiler.cli.options import install_hint, jobs_option, json_option, llvm_option

if TYPE_CHECKING:
    from llm_compiler.autotune.portfolio import Row
    from llm_compiler.cli.progress import Bars

_DEFAULT_STRATEGY = next(iter(STRATEGIES))


@click.command()
@click.argument("corpus", metavar="UNITS", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the labels.")
@click.option("--budget", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="Lists for a unit.")
@click.option(
    "--strategy",
    type=click.Choice(list(STRATEGIES)),
    default=_DEFAULT_STRATEGY,
    show_default=True,
    help="How lists are found; `random` is the paper's.",
)
@click.option("--protocol", type=click.Choice(["ship", "paper"]), default="ship", show_default=True, help="Which size.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same labels.")
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="train", show_default=True, help="Of UNITS."
)
@click.option("--functions", type=click.IntRange(0), help="At most so many function units.  [default: all]")
@click.option("--modules", type=click.IntRange(0), help="At most so many translation units.  [default: all]")
@click.option(
    "--largest", type=click.IntRange(1), default=20_000, show_default=True, help="Instructions of a unit, at most."
)
@click.option(
    "--minimising",
    type=click.IntRange(0),
    default=60,
    show_default=True,
    help="Lists that may be tried to make the best one shorter; 0 leaves it as it is.",
)
@click.option(
    "--broadcast",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="Most frequently best lists that are then tried on all units; 0 for none.",
)
@click.option(
    "--checks",
    type=click.IntRange(0),
    help="Lists that PassListEval checks for labels, at most, at some seconds each.  [default: all]",
)
@click.option(
    "--known",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A portfolio to begin from.  [default: the one that `optimize` uses]",
)
@click.option(
    "--suite",
    "suites",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="More self-checking programs for PassListEval: a folder or a .jsonl. They are compiled and RUN.",
)
@click.option("--no-default-suite", is_flag=True, help="Only the programs of --suite.")
@click.option("--timeout", type=float, default=30.0, show_default=True, help="CPU seconds for one list on one unit.")
@click.option("--ray", metavar="ADDRESS", help="Search on this Ray cluster; `local` begins one here.")
@jobs_option
@json_option
@llvm_option
def tune(corpus: Path, out: Path, as_json: bool, jobs: int, llvm: str | None, ray: str | None, **given: Any) -> None:
    """Find the best pass list for each unit of a corpus: the labels of flag tuning.

    UNITS is a folder that `llmc corpus build` made. Every list that is tried is kept with its size, or with the reason
    why it has none: crashed, timeout, memory, invalid, unlinkable, denied, rejected. A list enters a label only after
    PassListEval: self-checking programs are compiled with it and RUN, with limits. A run that was stopped, however it
    was, goes on when the same command is given again.

    \b
    Example:
      llmc corpus build --source src/ --out corpus/
      llmc tune corpus/ --out labels/ --budget 100
      llmc portfolio build labels/ --size 30 -o portfolio.toml
    """
    try:
        import pyarrow  # noqa: F401

        if ray is not None:
            __import__("ray")
    except ImportError:
        raise click.ClickException(f"needs {install_hint('corpus' if ray is None else 'cluster')}") from None
    from llm_compiler.autotune.deny import load_denied
    from llm_compiler.autotune.portfolio import load
    from llm_compiler.autotune.searcher import Settings
    from llm_compiler.autotune.suites import SuiteError, load_suites
    from llm_compiler.autotune.tune import Options, Selection, names_of
    from llm_compiler.autotune.tune import tune as run
    from llm_compiler.cli.progress import Bars
    from llm_compiler.corpus.store import CorpusError
    from llm_compiler.llvm.toolchain import find
    from llm_compiler.llvm.vocabulary import vocabulary as ask

    toolchain = find(llvm)
    vocabulary = ask(toolchain)
    lists = load(vocabulary, given["protocol"], given["known"])
    options = Options(
        Settings(given["strategy"], given["budget"], given["protocol"], given["seed"], given["minimising"]),
        Selection(given["split"], given["functions"], given["modules"], given["largest"]),
        tuple(names_of(str(passes)) for passes in lists),
        load_denied(toolchain.version),
        given["broadcast"],
        given["checks"],
        jobs,
        given["timeout"],
        ray,
    )
    started = time.monotonic()
    try:
        programs = load_suites(given["suites"], default=not given["no_default_suite"])
        with Bars() as bars:
            summary = run(corpus, out, options, toolchain, vocabulary, programs, _Watch(bars))
    except (CorpusError, SuiteError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(summary, indent=1))
        return
    _print(summary)
    click.echo(f"{time.monotonic() - started:.0f} s; labels in {out}/labels", err=True)


class _Watch:
    """A progress bar for each phase."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    def begin(self, phase: str, steps: int) -> None:
        """Show its bar."""
        self._bar = self._bars.next(steps, "lists" if phase == "PassListEval" else "units", phase)
        self._phase = phase

    def advance(self, before: int, now: int) -> None:
        """One step; the gain so far behind the bar."""
        self._bar.advance()
        if before:
            self._bar.say(f"{self._phase}, {100 * (now - before) / before:+.2f} % so far")


def _print(summary: dict[str, Any]) -> None:
    click.echo(
        f"{'kind':10} {'units':>7} {'-Oz':>12} {'now':>12} {'total':>8} {'geomean':>8} {'median':>8} {'smaller':>8}"
    )
    for kind, gain in summary["gain"].items():
        shares = "".join(f" {100 * gain[name]:7.2f}%" for name in ("total", "geomean", "median", "improved"))
        click.echo(f"{kind:10} {gain['units']:7,} {gain['before']:12,} {gain['now']:12,}{shares}")
    click.echo(
        f"\n{summary['lists']} lists, {summary['passes in a list']} passes each; "
        + ", ".join(f"{count:,} by {name}" for name, count in summary["found by"].items())
    )
    click.echo("tried: " + ", ".join(f"{count:,} {name}" for name, count in summary["trials"].items()))
    for number, one in enumerate(summary["broadcast rounds"], 1):
        click.echo(
            f"broadcast {number}: {one['lists']} lists, {one['evaluations']:,} evaluations, "
            f"{one['bytes gained']:,} bytes gained"
        )
    checked = summary["PassListEval"]
    rejected = ", ".join(f"{count} {name}" for name, count in checked["rejected"].items()) or "none"
    click.echo(f"PassListEval: {checked['lists']} lists on {checked['programs']} programs, rejected: {rejected}")
    for name, why in checked["left out"].items():
        click.echo(f"  left out: {name}: {why}", err=True)


@click.group()
def portfolio() -> None:
    """The short list of pass lists that `llmc optimize` tries."""


@portfolio.command()
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--size", type=click.IntRange(1), default=30, show_default=True, help="Lists in it.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("portfolio.toml"),
    show_default=True,
    help="File to write.",
)
@json_option
def build(folders: tuple[Path, ...], size: int, output: Path, as_json: bool) -> None:
    """Choose the lists that cover most of the gain in DIR, a folder that `llmc tune` filled.

    Folders of both size protocols may be given; each becomes a table of its own. Only lists that PassListEval let pass
    are taken. `llmc optimize --portfolio FILE` uses the result.

    \b
    Example:  llmc portfolio build labels/ --size 30 -o portfolio.toml
    """
    from llm_compiler.autotune.label import read_summary
    from llm_compiler.autotune.portfolio import choose, dump
    from llm_compiler.corpus.store import CorpusError

    rows: dict[str, list[Row]] = {}
    origins = []
    for folder in folders:
        try:
            summary = read_summary(folder)
        except CorpusError as error:
            raise click.ClickException(str(error)) from None
        rows.setdefault(summary["protocol"], []).extend(_rows(folder))
        units = {kind: gain["units"] for kind, gain in summary["gain"].items()}
        origins.append(
            f"{summary['protocol']}: "
            + ", ".join(f"{count:,} {kind} units" for kind, count in units.items())
            + f" of the split {summary['split']}, {summary['budget']} lists each ({summary['strategy']}), "
            f"LLVM {summary['llvm']}"
        )
    tables = {protocol: choose(of_protocol, size) for protocol, of_protocol in sorted(rows.items(), reverse=True)}
    lengths = [pick.passes.count(",") + 1 for picks in tables.values() for pick in picks]
    if not lengths:
        raise click.ClickException("no list in there is smaller than -Oz anywhere")
    card = {
        "Made by": f"llmc portfolio build, {date.today()}; every list has passed PassListEval",
        "Learned on": "; ".join(origins),
        "Passes in a list": f"{statistics.fmean(lengths):.1f} on average",
        "Behind each list": "the share of the gain of all trusted lists that it reaches with those before it",
    }
    write_output(output, dump(card, tables).encode())
    if as_json:
        out = {
            name: [{"passes": pick.passes, "reached": pick.reached} for pick in picks] for name, picks in tables.items()
        }
        click.echo(json.dumps(out, indent=1))
        return
    for protocol, picks in tables.items():
        click.echo(f"{protocol}:")
        for number, pick in enumerate(picks, 1):
            click.echo(f"{number:4} {100 * pick.reached:5.1f} %  {pick.passes}")
    click.echo(f"written to {output}", err=True)


def _rows(folder: Path) -> Iterator[Row]:
    from llm_compiler.autotune.label import labels
    from llm_compiler.autotune.portfolio import Row
    from llm_compiler.autotune.tune import trusted

    good = trusted(folder)
    for label in labels(folder):
        if label.oz:
            sizes = {trial.passes: trial.size for trial in label.trials if trial.size and trial.passes in good}
            yield Row(label.kind, label.oz, sizes)
