"""From a folder of results to its report: which tables there are, and how every figure in them is made.

Questions over a system's context count as failures in a task's main columns and are left out in those that end in
`(fits)`, which are there where any question is. Flag tuning's tables are in `flag_tuning_tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llm_compiler.corpus import store
from llm_compiler.evaluation import flag_tuning_tables, metrics
from llm_compiler.evaluation.answer import ASKED, Asked, Question, read_header, read_questions, systems
from llm_compiler.evaluation.figures import Cell, Curve, Figure, Kind, Report, Table
from llm_compiler.evaluation.metrics import Numbers, figure, mean
from llm_compiler.evaluation.outcomes import Mask, Outcomes, Subject, only, outcomes
from llm_compiler.llvm.passes import PassList

NO_TRUTH = "no truth"
"""The reason of a verdict where the question has no answer: it is left out for every system."""
TITLES: Mapping[str, str] = {
    "emulation": "Compiler emulation",
    "disassembly": "Disassembly",
    "size_prediction": "Size prediction",
    "perplexity": "Perplexity",
}


@dataclass(frozen=True)
class Metric:
    """Something that is known of every answer, and of which tables give the mean."""

    name: str
    """In the headline."""
    column: str
    kind: Kind
    values: Callable[[Outcomes], Numbers | Mask]
    """(questions, samples); NaN for answers that it says nothing of."""
    best: bool = False
    """Whether the best of several answers is of interest."""
    twice: bool = True
    """Whether there is a second column, without the questions that are over the context."""


def _number(said: str, what: str, mape: str) -> Iterator[Metric]:
    """How far off the answers are that say a number, and how many do; the others are in no second column."""
    figures = f"said {what}", what
    yield Metric(
        mape,
        f"{what} MAPE",
        "score",
        lambda one: metrics.relative_errors(*(one.figures[name] for name in figures)),
        twice=False,
    )
    yield Metric(f"says_{what}", f"says {said}", "share", lambda one: ~np.isnan(one.figures[figures[0]]), twice=False)


def _figure(*names: str) -> Callable[[Outcomes], Numbers]:
    """The largest of these figures; what was not measured is 0."""
    return lambda one: np.nan_to_num(np.fmax.reduce([one.figures[name] for name in names]))


METRICS: Mapping[Asked, tuple[Metric, ...]] = {
    "emulation": (
        Metric("exact", "exact", "share", lambda one: one.is_("exact"), best=True),
        Metric("normalised", "exact or normalised", "share", lambda one: one.is_("exact", "normalised"), best=True),
        Metric("verifies", "verifies", "share", lambda one: one.is_("exact", "normalised", "verifies")),
        Metric("bleu", "BLEU", "score", _figure("bleu")),
        *_number("a size", "size", "size_mape"),
        *_number("a count", "count", "count_mape"),
    ),
    "disassembly": (
        Metric("lowers_again", "lowers again", "share", _figure("round trip"), best=True),
        Metric("exact", "exact", "share", _figure("exact"), best=True),
        Metric("same_behaviour", "exact or same behaviour", "share", _figure("exact", "same behaviour")),
        Metric("bleu", "BLEU", "score", _figure("bleu")),
    ),
    "size_prediction": (*_number("it before", "before", "before"), *_number("it after", "after", "after")),
}
_NOTES: Mapping[str, str] = {
    "emulation": (
        "Each column that says how good the code is holds those before it. MAPE: the mean of |said - real| / real, "
        "over the answers that say a number."
    ),
    "disassembly": (
        "Lowers again: the IR can be made into assembly. Exact: the assembly is the text that was asked about. BLEU is "
        "of both assemblies, 0 where there is none."
    ),
    "size_prediction": "MAPE: the mean of |said - real| / real, over the answers that say a number.",
    "perplexity": "Perplexity is per token and compares models of one tokenizer only; bits per byte compare all.",
}
_VARIANTS = {"emulation": "what is asked for", "disassembly": "target"}
_PASSES = (1, 5, 10, 20, 50)
_LENGTHS = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000)
_BEST_OF = (1, 2, 4, 8, 16)
_BY_LENGTH = {"emulation": "normalised", "disassembly": "same_behaviour"}
"""The metric that is drawn over the length of the code."""


def headline_names() -> tuple[str, ...]:
    """All that a headline can hold, whatever was evaluated."""
    names = [
        f"{prefix}.{name}"
        for prefix in ("flag_tuning", "flag_tuning.paper", "flag_tuning.ship")
        for name in flag_tuning_tables.HEADLINE
    ]
    for task, measured in METRICS.items():
        names += [f"{task}.{metric.name}" for metric in measured]
        names += [f"{task}.best_{metric.name}" for metric in measured if metric.best]
    return *names, "perplexity.ppl", "perplexity.bits_per_byte"


def report(folder: Path) -> Report:
    """Everything that a folder of results says. CorpusError where it is none, or a part of it is broken."""
    header = read_header(folder)
    protocols = header.get("protocols", ())
    made: list[Report] = []
    for task in ASKED:
        questions = read_questions(folder, task)
        if not systems(folder, task) or not questions:
            continue
        if task == "flag_tuning":
            made += flag_tuning_tables.flag_tuning(folder, questions, protocols)
        elif task == "perplexity":
            made.append(_perplexity(folder, Subject(task, questions)))
        else:
            made.append(_judged(folder, Subject(task, questions)))
    return Report(
        _about(folder, header),
        {name: each for one in made for name, each in one.headline.items()},
        tuple(table for one in made for table in one.tables),
        tuple(curve for one in made for curve in one.curves),
        tuple(spread for one in made for spread in one.spreads),
        {name: rows for one in made for name, rows in one.files.items()},
    )


def _about(folder: Path, header: Mapping[str, Any]) -> dict[str, Any]:
    """The headers: evaluation.json, and below it the benchmark and every system, less the lists of units."""
    benchmark = store.read_json(folder / "benchmark.json") or {}
    overlap = benchmark.get("overlap")
    if isinstance(overlap, dict):
        benchmark["overlap"] = {key: told for key, told in overlap.items() if key != "ids"}
    who: dict[str, dict[str, Any]] = {}
    for task in ASKED:
        for name, place in systems(folder, task).items():
            about = store.read_json(place / "system.json") or {}
            samples = who.get(name, {}).get("samples", {}) | {task: about.get("samples", 1)}
            who[name] = {key: told for key, told in about.items() if key != "name"} | {"samples": samples}
    return {
        **header,
        "benchmark": {key: told for key, told in benchmark.items() if key != "units"} or header.get("benchmark"),
        "systems": who,
    }


# -- emulation, disassembly, sizes: means over questions of what is known of their answers


def _judged(folder: Path, subject: Subject) -> Report:
    task, answered = subject.task, list(outcomes(folder, subject))
    has_truth = ~np.any([one.is_(NO_TRUTH).any(axis=1) for one in answered], axis=0)
    model = next((one for one in answered if one.is_model), None)
    tables = [_main(subject, answered, has_truth)]
    curves = []
    if task != "size_prediction":
        for part, across, bucket in _splits(task):
            tables.append(_split(subject, answered, has_truth, part, across, bucket))
        curves.append(_by_length(subject, answered, has_truth))
        several = [one for one in answered if one.samples > 1]
        best = [_best(subject, several, has_truth, metric) for metric in METRICS[task] if metric.best and several]
        tables += [table for table, _ in best]
        curves += [curve for _, curve in best]
    return Report({}, _headline(subject, model, has_truth) if model else {}, tuple(tables), tuple(curves))


def _mean(subject: Subject, one: Outcomes, metric: Metric, where: Mask, *, best_of: int = 1) -> Figure | None:
    """Over the questions that count and are wanted, of the best of the first answers."""
    values = np.asarray(metric.values(one)[:, :best_of], float)
    return figure(mean(subject.sample, only(np.fmax.reduce(values, axis=1), where & one.counted)), metric.kind)


def _headline(subject: Subject, model: Outcomes, where: Mask) -> dict[str, Figure]:
    task, measured = subject.task, METRICS[subject.task]
    cells = {f"{task}.{metric.name}": _mean(subject, model, metric, where) for metric in measured}
    for metric in measured:
        if metric.best:
            cells[f"{task}.best_{metric.name}"] = _mean(subject, model, metric, where, best_of=model.samples)
    return {name: cell for name, cell in cells.items() if cell is not None}


def _main(subject: Subject, answered: Sequence[Outcomes], where: Mask) -> Table:
    task = subject.task
    anything = any((one.too_long & where).any() for one in answered)
    twice = {metric for metric in METRICS[task] if metric.twice and anything}
    columns = ["system", "questions"]
    for metric in METRICS[task]:
        columns += [metric.column, f"{metric.column} (fits)"] if metric in twice else [metric.column]
    rows = []
    for one in answered:
        cells: list[Cell] = [one.label, _count(where & one.counted)]
        for metric in METRICS[task]:
            cells.append(_mean(subject, one, metric, where))
            if metric in twice:
                cells.append(_mean(subject, one, metric, where & ~one.too_long))
        rows.append((*cells, _count(where & one.silent), _count(where & one.too_long)))
    note = _NOTES[task]
    if missing := _count(~where):
        note += f" Left out, since the compiler has no answer to them either: {missing:,}."
    return Table(task, TITLES[task], (*columns, "no answer", "over the context"), tuple(rows), note)


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


# -- by length and the like

Bucket = Callable[[Question], tuple[int, str]]
"""Where a question goes: a number to sort by, and what people read."""


def _splits(task: Asked) -> Iterator[tuple[str, str, Bucket]]:
    """The end of a table's name, what it is split by, and how."""
    if task == "emulation":
        yield "passes", "passes", lambda question: _range(len(PassList.parse(question.passes)), _PASSES)
    yield "length", "characters of code", lambda question: _range(question.length, _LENGTHS)
    yield ("target" if task == "disassembly" else "output"), _VARIANTS[task], lambda question: (0, question.variant)


def _range(number: int, ends: Sequence[int]) -> tuple[int, str]:
    """The bucket of a number, which holds its end."""
    place = next((place for place, end in enumerate(ends) if number <= end), len(ends))
    if place == len(ends):
        return place, f"over {ends[-1]:,}"
    first = ends[place - 1] + 1 if place else 1
    return place, f"{ends[place]:,}" if first == ends[place] else f"{first:,}-{ends[place]:,}"


def _buckets(subject: Subject, bucket: Bucket) -> dict[str, Mask]:
    of_each = [bucket(question) for question in subject.questions]
    names = np.array([name for _, name in of_each])
    return {name: names == name for _, name in sorted(set(of_each))}


def _split(
    subject: Subject, answered: Sequence[Outcomes], where: Mask, part: str, across: str, bucket: Bucket
) -> Table:
    task = subject.task
    rows = tuple(
        (one.label, name, count, *(_mean(subject, one, metric, inside) for metric in METRICS[task]))
        for one in answered
        for name, chosen in _buckets(subject, bucket).items()
        if (count := _count(one.counted & (inside := chosen & where)))
    )
    columns = ("system", across, "questions", *(metric.column for metric in METRICS[task]))
    return Table(f"{task}.{part}", f"{TITLES[task]} by {across}", columns, rows, _NOTES[task])


def _by_length(subject: Subject, answered: Sequence[Outcomes], where: Mask) -> Curve:
    """A bucket stands at the median length of its questions."""
    task = subject.task
    metric = next(metric for metric in METRICS[task] if metric.name == _BY_LENGTH[task])
    lengths = np.array([question.length for question in subject.questions])
    buckets = _buckets(subject, lambda question: _range(question.length, _LENGTHS))
    lines = {
        one.name: tuple(
            (float(np.median(lengths[chosen & where])), cell)
            for chosen in buckets.values()
            if (cell := _mean(subject, one, metric, chosen & where)) is not None
        )
        for one in answered
    }
    return Curve(f"{task}.length", f"{TITLES[task]} by length", "characters of code", metric.column, lines)


def _best(subject: Subject, several: Iterable[Outcomes], where: Mask, metric: Metric) -> tuple[Table, Curve]:
    """How often one of the first n answers has it, as far as a system was asked for so many."""
    rows, lines = [], {}
    for one in several:
        of_n = {n: _mean(subject, one, metric, where, best_of=n) for n in _BEST_OF if n <= one.samples}
        rows.append((one.label, *(of_n.get(n) for n in _BEST_OF)))
        lines[one.name] = tuple((float(n), cell) for n, cell in of_n.items() if cell is not None)
    name, title = f"{subject.task}.best_{metric.name}", f"{TITLES[subject.task]}, best of n: {metric.column}"
    table = Table(name, title, ("system", *map(str, _BEST_OF)), tuple(rows))
    return table, Curve(name, title, "answers", metric.column, lines)


# -- perplexity


def _perplexity(folder: Path, subject: Subject) -> Report:
    sources = {"all": np.ones(len(subject.questions), bool)}
    for name, chosen in _buckets(subject, lambda question: (0, question.variant)).items():
        sources[name] = chosen
    rows: list[tuple[Cell, ...]] = []
    headline: dict[str, Figure] = {}
    for one in outcomes(folder, subject):
        for source, chosen in sources.items():
            nats, tokens, length = (only(one.figures[name][:, 0], chosen) for name in ("nats", "tokens", "bytes"))
            cells = {
                "ppl": figure(metrics.perplexity(subject.sample, nats, tokens), "score"),
                "bits_per_byte": figure(metrics.bits_per_byte(subject.sample, nats, length), "score"),
            }
            scored, too_long = _count(~np.isnan(nats)), _count(chosen & one.too_long)
            rows.append((one.label, source, scored, *cells.values(), _count(chosen & one.silent), too_long))
            if one.is_model and source == "all":
                told = {f"perplexity.{name}": cell for name, cell in cells.items() if cell is not None}
                headline = headline or told
    columns = ("system", "text", "scored", "perplexity", "bits per byte", "no answer", "over the context")
    return Report(
        {}, headline, (Table("perplexity", TITLES["perplexity"], columns, tuple(rows), _NOTES["perplexity"]),)
    )
