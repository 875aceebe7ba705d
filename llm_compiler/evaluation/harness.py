"""The tasks for EleutherAI's lm-evaluation-harness: a folder with its task files, the questions, and what judges them.

    OUT/llm_compiler.yaml, llm_compiler_TASK.yaml    the group and its tasks
    OUT/TASK.jsonl                                   the questions
    OUT/llm_compiler_tasks.py                        what the YAML files call, with the package installed
    OUT/README.md                                    how to run it

A line of flag tuning, size prediction, emulation and disassembly holds `prompt`, `target` (of flag tuning and sizes
what is known for certain: -Oz), and `question`, `unit` and `dialect`, from which the question is posed again when an
answer is judged. A line of `ir`, of which perplexity is taken, holds `id` and `text`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from llm_compiler.corpus import store
from llm_compiler.corpus.store import CorpusError
from llm_compiler.evaluation.answer import Asked
from llm_compiler.evaluation.benchmark import units
from llm_compiler.evaluation.judge import Posed, Poser, ToPose
from llm_compiler.evaluation.run import Machinery, Plan, questions
from llm_compiler.llvm.workers import Failure, Workers
from llm_compiler.tasks import disassembly, emulation, flag_tuning
from llm_compiler.tasks.code import written
from llm_compiler.tasks.task import Dialect, Pieces

PROTOCOL = "ship"
"""Of flag tuning's sizes: the prompt does not tell it, and would be the same under another."""
TASKS: dict[str, Asked] = {
    "flag_tuning": "flag_tuning",
    "size_prediction": "size_prediction",
    "emulation": "emulation",
    "disassembly": "disassembly",
    "ir": "perplexity",
}
"""By their names for the harness, less what all begin with."""


class HarnessError(CorpusError):
    """Nothing to export, or no place for it. The message is one line."""


def export(
    taken: Path, out: Path, seed: int, most: int | None, machinery: Machinery, dialect: Dialect = "verbatim"
) -> dict[str, int]:
    """Write the tasks for a benchmark that was taken to `taken`, of so many units each; how many questions each has.

    The questions are those that `run.evaluate` asks with the same seed; of perplexity only those about IR as it is, not
    optimised. What `out` holds under the same names is replaced. HarnessError, CorpusError.
    """
    manifest = store.read_json(taken / "benchmark.json")
    if manifest is None:
        raise HarnessError(f"{taken} has no benchmark.json")
    plan = Plan((PROTOCOL,), seed, most=most)
    counts, missing = {}, 0
    poser = Poser(machinery.toolchain, machinery.vocabulary)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with Workers[ToPose, Posed](poser, count=machinery.jobs, limits=machinery.limits) as posing:
            for name, task in TASKS.items():
                wanted = list(_wanted(taken, task, plan, dialect, machinery))
                counts[name] = _write_lines(out / f"{name}.jsonl", _rows(wanted, posing.map(wanted)))
                missing += len(wanted) - counts[name]
        if absent := [name for name, count in counts.items() if not count]:
            raise HarnessError(f"{taken} gives no question for {', '.join(absent)}")
        about = {
            "benchmark": f"{manifest['name']}@{manifest['version']}",
            "llvm": machinery.toolchain.version,
            "dialect": dialect,
            "seed": seed,
            "questions": ", ".join(f"{count:,} of {name}" for name, count in counts.items()),
            "missing": missing,
        }
        for file in resources.files("llm_compiler.evaluation").joinpath("data", "harness").iterdir():
            if file.is_file():  # Python leaves a folder of its own beside
                text = file.read_text("utf-8")
                store.write_text(out / file.name, [text.format(**about) if file.name == "README.md" else text])
    except OSError as error:
        raise HarnessError(f"{out}: {error.strerror or error}") from None
    return counts


def _wanted(taken: Path, task: Asked, plan: Plan, dialect: Dialect, machinery: Machinery) -> Iterator[ToPose]:
    known = {unit.id: unit for unit in units(taken)}
    for unit in known.values():
        if unit.llvm != machinery.toolchain.version:
            raise HarnessError(f"{taken} was made with LLVM {unit.llvm}, this is {machinery.toolchain.version}")
    for question in questions(known.values(), task, plan, machinery.vocabulary):
        # Nothing can be saved of an object that is empty with -Oz.
        if (task != "flag_tuning" or question.oz) and (task != "perplexity" or question.variant == "ir"):
            yield ToPose(question, known[question.unit], dialect)


def _rows(wanted: Iterable[ToPose], posed: Iterable[Posed | Failure]) -> Iterator[dict[str, Any]]:
    """A line for each question that there is an answer to."""
    for item, one in zip(wanted, posed, strict=True):
        if isinstance(one, Failure):
            continue
        if item.question.task == "perplexity":
            yield {"id": item.question.id, "text": _joined(one.prompt)}
            continue
        yield {
            "id": item.question.id,
            "prompt": _joined(one.prompt),
            "target": _joined(_target(item, one)),
            "dialect": item.dialect,
            "question": asdict(item.question),
            "unit": asdict(item.unit),
        }


def _target(item: ToPose, posed: Posed) -> Pieces:
    """A good answer, with code that the compiler made."""
    asked, truth = posed.asked, posed.truth
    if item.question.task == "emulation":
        answer = emulation.Answer(truth.text(asked.kind, item.dialect), truth.instructions, truth.size)
        return emulation.write(answer, item.dialect)
    if item.question.task == "disassembly":
        return disassembly.write(disassembly.Answer(written(asked.ir, item.dialect)))
    oz = flag_tuning.best_is_oz(item.unit.llvm)
    return flag_tuning.write(flag_tuning.Answer((oz,), asked.before or 0, asked.oz or 0), item.dialect)


def _joined(pieces: Pieces) -> str:
    return "".join(text for text, _ in pieces)


# -- files


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """A JSON object on each line; how many."""
    return store.write_text(path, (f"{json.dumps(row)}\n" for row in rows))
