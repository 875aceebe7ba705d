"""`llmc evaluate`: benchmarks, every answer judged by the compiler, the tables, and what becomes of two of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compiler.cli.options import MODEL_HELP, install_hint, jobs_option, json_option, llvm_option

if TYPE_CHECKING:
    from llm_compiler.cli.progress import Bars
    from llm_compiler.evaluation.answer import Answer, Question
    from llm_compiler.evaluation.figures import Report
    from llm_compiler.evaluation.run import Machinery
    from llm_compiler.evaluation.systems import System
    from llm_compiler.inference.model import Model

_TASKS = ("flag_tuning", "size_prediction", "emulation", "disassembly", "perplexity")
_BASELINES = ("pipelines", "portfolio", "random", "autotuner", "copy")


@click.command()
@click.option(
    "--model", "models", metavar="[NAME=]MODEL", multiple=True, help=f"May be given many times.  {MODEL_HELP}"
)
@click.option("--no-model", is_flag=True, help="Baselines only.")
@click.option(
    "--benchmark",
    metavar="PATH",
    help="A corpus, whose test split is taken, or any folder of C, C++ or LLVM-IR.  [default: the folder corpus]",
)
@click.option("--suite", help="Read the folder as this suite (mibench, cbench, ...).  [default: recognised]")
@click.option("--split", type=click.Choice(["test", "validation"]), default="test", show_default=True)
@click.option("--functions", type=click.IntRange(0), help="So many functions.  [default: 500 of a corpus, else all]")
@click.option("--modules", type=click.IntRange(0), help="So many files.  [default: 100 of a corpus, else all]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for all that comes of it, or to go on with.")
@click.option("--task", "tasks", type=click.Choice(_TASKS), multiple=True, help="[default: all]")
@click.option("--most", type=click.IntRange(1), help="So many units for each task.  [default: all]")
@click.option("--protocol", "protocols", type=click.Choice(["ship", "paper"]), multiple=True, help="[default: both]")
@click.option("--baseline", "baselines", type=click.Choice([*_BASELINES, "none"]), multiple=True, help="[default: all]")
@click.option("--budget", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Baselines' lists.")
@click.option("--lists", type=click.IntRange(1, 1000), default=10, show_default=True, help="A model's pass lists.")
@click.option("--lifts", type=click.IntRange(1, 1000), default=1, show_default=True, help="A model's disassemblies.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=120, show_default=True, help="Per question."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of questions, samples and random lists.")
@click.option("--training", type=click.Path(path_type=Path), help="Corpus to count overlap with.  [default: the same]")
@click.option("--no-run", is_flag=True, help="Do not run what was disassembled: no figures of same behaviour.")
@click.option("--concurrency", type=click.IntRange(1, 512), default=8, show_default=True, help="For servers.")
@click.option("--threads", type=click.IntRange(1), help="Of a model on this machine.  [default: one for each core]")
@click.option("--replay", type=click.Path(path_type=Path), help="Make the report of this folder again; no model.")
@click.option("--again", is_flag=True, help="With --replay: have every kept answer judged again; 1 where one differs.")
@click.option("--compare", nargs=2, type=click.Path(path_type=Path), help="Which units differ in two such folders.")
@click.option("--export", type=click.Path(path_type=Path), help="Write tasks for lm-evaluation-harness; no model.")
@click.option(
    "--dialect", type=click.Choice(["verbatim", "compact"]), help="With --export.  [default: verbatim, Meta's]"
)
@click.option("--fail-if", "conditions", metavar="TEXT", multiple=True, help="Exit with 1 if it holds of the headline.")
@jobs_option
@json_option
@llvm_option
@click.pass_context
def evaluate(ctx: click.Context, /, as_json: bool, **given: Any) -> None:
    """Evaluate models and baselines on a benchmark: tables with intervals, every answer kept and judged by LLVM.

    The same command goes on with what was interrupted. The folder has report.md, report.json and report.html, the
    units, and every answer in Parquet. Disassembled functions are run on generated inputs, in a child that may only
    compute; --no-run leaves that out.

    \b
    Examples:
      llmc evaluate --benchmark corpus/ --out results/
      llmc evaluate --model run/4-disassembly/model --benchmark mibench/ --out results/
      llmc evaluate --model meta=openai:http://localhost:8000 --benchmark corpus/ --out results/
      llmc evaluate --replay results/ --again
      llmc evaluate --compare results/ older/
      llmc evaluate --replay results/ --fail-if 'flag_tuning.total_bytes < 1.0%'
    """
    try:
        import pyarrow  # noqa: F401
        import rensa  # noqa: F401
    except ImportError:
        raise click.ClickException(f"needs {install_hint('corpus')}") from None
    from llm_compiler.corpus.sources import SourceError
    from llm_compiler.corpus.store import CorpusError
    from llm_compiler.evaluation.gate import GateError
    from llm_compiler.inference.model import ModelError

    ways = [name for name in ("replay", "compare", "export") if given[name]]
    if len(ways) > 1 or (not ways and given["out"] is None):
        raise click.UsageError("name --out, or one of --replay, --compare and --export")
    for option, way in (("again", "replay"), ("dialect", "export")):
        if given[option] and not given[way]:
            raise click.UsageError(f"--{option} goes with --{way}")
    try:
        code = _WAYS[ways[0] if ways else "out"](given, as_json)
    except (CorpusError, GateError, ModelError, SourceError) as error:
        raise click.ClickException(" ".join(str(error).split())) from None
    ctx.exit(code)


# -- the ways


def _evaluate(given: dict[str, Any], as_json: bool) -> int:
    from llm_compiler.cli.progress import Bars
    from llm_compiler.evaluation.answer import ASKED
    from llm_compiler.evaluation.run import Plan
    from llm_compiler.evaluation.run import evaluate as run

    _conditions(given)
    machinery = _machinery(given)
    models = _models(given)
    _take(given, given["out"], machinery)
    plan = Plan(tuple(given["protocols"] or ("ship", "paper")), given["seed"], most=given["most"])
    tasks = [name for name in ASKED if name in (given["tasks"] or ASKED)]
    with Bars() as bars:
        run(
            given["out"],
            plan,
            tasks,
            _closing(_entrants(given, models, machinery, plan.protocols)),
            machinery,
            _Watch(bars),
        )
    return _reported(given["out"], given, as_json)


def _replay(given: dict[str, Any], as_json: bool) -> int:
    from llm_compiler.cli.progress import Bars
    from llm_compiler.evaluation.run import judge_again

    _conditions(given)
    differences = []
    if given["again"]:
        with Bars() as bars:
            differences = list(judge_again(given["replay"], _machinery(given), _Watch(bars)))
        for one in differences[:20]:
            click.echo(f"{one.task}, {one.system}, {one.question}: {one.before}, now {one.now}", err=True)
        click.echo(f"judged again: {len(differences)} verdicts differ", err=True)
    return _reported(given["replay"], given, as_json) or int(bool(differences))


def _compare(given: dict[str, Any], as_json: bool) -> int:
    from llm_compiler.evaluation.compare import compare

    comparison = compare(*given["compare"])
    if as_json:
        click.echo(json.dumps(comparison.as_json(), indent=1))
    else:
        for line in comparison.lines():
            click.echo(line)
    return 0


def _export(given: dict[str, Any], as_json: bool) -> int:
    from llm_compiler.evaluation.harness import export

    machinery = _machinery(given)
    work = given["out"] or given["export"] / "benchmark"
    _take(given, work, machinery)
    counts = export(
        work, given["export"], given["seed"], given["most"], machinery, dialect=given["dialect"] or "verbatim"
    )
    said = ", ".join(f"{count:,} of {name}" for name, count in counts.items())
    click.echo(json.dumps(counts, indent=1) if as_json else f"questions in {given['export']}: {said}")
    return 0


_WAYS: dict[str, Callable[[dict[str, Any], bool], int]] = {
    "out": _evaluate,
    "replay": _replay,
    "compare": _compare,
    "export": _export,
}


# -- what they share


def _machinery(given: dict[str, Any]) -> Machinery:
    from llm_compiler.evaluation.run import Machinery
    from llm_compiler.llvm.toolchain import find
    from llm_compiler.llvm.vocabulary import vocabulary

    toolchain = find(given["llvm"])
    return Machinery(toolchain, vocabulary(toolchain), given["jobs"], behaviour=not given["no_run"])


def _take(given: dict[str, Any], out: Path, machinery: Machinery) -> None:
    """The benchmark, into the folder; what it is goes to standard error."""
    from llm_compiler.autotune.tune import Selection
    from llm_compiler.cli.progress import Bar
    from llm_compiler.corpus.build import Progress
    from llm_compiler.evaluation.benchmark import take

    named = given["benchmark"]
    if named is None:
        named = "corpus"
        if not Path(named).is_dir():
            raise click.UsageError("name a --benchmark: a corpus that `llmc corpus build` made, or a folder of code")
    is_corpus = (Path(named) / "corpus.json").is_file()
    functions, modules = given["functions"], given["modules"]
    if is_corpus:
        functions, modules = 500 if functions is None else functions, 100 if modules is None else modules
    training = given["training"] or (Path(named) if is_corpus else None)
    with Bar(1, "projects") as bar:
        bar.say(f"{named}: taking its units")
        manifest = take(
            out,
            named,
            Selection(given["split"], functions, modules),
            machinery.toolchain,
            suite=given["suite"],
            training=training,
            jobs=machinery.jobs,
            progress=Progress(
                lambda _: None, lambda _: bar.advance(), lambda said: click.echo(f"llmc: {said}", err=True)
            ),
        )
    click.echo(f"{manifest['name']}@{manifest['version']}: {len(manifest['units']):,} units", err=True)


def _closing(entrants: Iterator[System]) -> Iterator[System]:
    """Each is made when its turn comes, and closed before the next."""
    for system in entrants:
        with closing(system):
            yield system


def _models(given: dict[str, Any]) -> list[tuple[str, Model]]:
    """All that are named, opened: one that is not there is said before hours of work."""
    from llm_compiler.inference.model import open_model

    if given["no_model"]:
        return []
    named = [_name_of(one) for one in given["models"] or [None]]
    return [(name, open_model(model, threads=given["threads"])) for name, model in named]


def _entrants(
    given: dict[str, Any], models: Sequence[tuple[str, Model]], machinery: Machinery, protocols: Sequence[str]
) -> Iterator[System]:
    from llm_compiler.evaluation import systems

    vocabulary, budget, seed = machinery.vocabulary, given["budget"], given["seed"]
    chosen = given["baselines"] or _BASELINES
    for name, model in models:
        yield systems.ModelSystem(
            model,
            name,
            machinery.toolchain,
            vocabulary,
            lists=given["lists"],
            lifts=given["lifts"],
            seed=seed,
            seconds=given["seconds"],
            threads=given["concurrency"],
        )
    if "pipelines" in chosen:
        yield from systems.pipelines()
    if "portfolio" in chosen:
        yield systems.the_portfolio(vocabulary, budget)
    if "random" in chosen:
        yield systems.random_search(vocabulary, budget, seed)
    if "copy" in chosen:
        yield systems.Copying()
    if "autotuner" in chosen:
        yield systems.Autotuner(machinery.toolchain, vocabulary, protocols, budget, seed=seed, jobs=machinery.jobs)


def _name_of(named: str | None) -> tuple[str, str | None]:
    """A system's name and the model's, of NAME=MODEL or MODEL."""
    if named is None:
        return "shipped", None
    name, equals, model = named.partition("=")
    if equals and name and not any(c in name for c in "/:#"):
        return name, model
    return named.rstrip("/").rpartition("/")[2] or named, named


def _conditions(given: dict[str, Any]) -> None:
    """Nonsense is refused before hours of work."""
    from llm_compiler.evaluation.gate import parse

    for text in given["conditions"]:
        parse(text)


def _reported(folder: Path, given: dict[str, Any], as_json: bool) -> int:
    from llm_compiler.evaluation.gate import holds
    from llm_compiler.evaluation.report import lines, write
    from llm_compiler.evaluation.tables import report as made

    report: Report = made(folder)
    written = write(report, folder)
    if as_json:
        click.echo((folder / "report.json").read_text())
    else:
        for line in lines(report):
            click.echo(line)
        click.echo(f"\n{', '.join(str(path) for path in written)}", err=True)
    code = 0
    for text in given["conditions"]:
        failed, said = holds(text, report)
        click.echo(said, err=True)
        code |= failed
    return code


class _Watch:
    """A bar for each task of each system, with the score so far."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    def begin(self, task: str, system: str, questions: int) -> None:
        """Show its bar."""
        self._label, self._good, self._judged = f"{task}, {system}", 0, 0
        self._bar = self._bars.next(questions, "questions", self._label)

    def advance(self, judged: Sequence[Answer], question: Question) -> None:
        """One question; behind the bar the share of questions with a good answer."""
        self._bar.advance()
        if judged:
            self._judged += 1
            self._good += any(one.ok for one in judged)
            self._bar.say(f"{self._label}: {self._good} of {self._judged} good")
