"""What the tasks of this folder are made of: their questions, and LLVM's verdicts on answers; README.md says more.

The YAML files name these functions. The package llm_compiler judges; for perplexity it need not be there.
"""

from __future__ import annotations

import atexit
import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

_COUNTS = re.compile(r"\s*(?:The output code has [^\n]*| [0-9]+ [0-9]+)\s*\Z")
"""What follows the code of an emulation."""


def questions(file: str, **_: Any) -> dict[str, Any]:
    """The dataset of a task. ImportError where its answers cannot be judged, before a model works for nothing."""
    with Path(__file__).with_name(file).open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    if "unit" in rows[0]:
        _must_judge(rows[0]["unit"]["llvm"])
    import datasets  # type: ignore[import-not-found,unused-ignore] # the harness brings it

    return {"test": datasets.Dataset.from_list(rows)}


def _must_judge(llvm: str) -> None:
    try:
        from llm_compiler.evaluation import judge  # noqa: F401
        from llm_compiler.llvm.toolchain import ToolchainError, find
    except ImportError as error:
        raise ImportError(
            f"answers are judged by a package that is not here ({error}): pip install llm-compiler[corpus]"
        ) from None
    try:
        found = find().version
    except ToolchainError as error:
        raise ImportError(str(error)) from None
    if found != llvm:
        raise ImportError(f"these questions are about LLVM {llvm}, this is {found}; LLMC_LLVM names another")


# -- what harnesses call with a question and the answers to it, of which there is one


def flag_tuning(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """Bytes now and with -Oz; an answer without a usable list counts as -Oz."""
    _, figures = _verdict(doc, results[0])
    oz = doc["question"]["oz"]
    now = figures.get("size", oz)
    return {
        "saved": (now, oz),
        "saved_with_floor": (min(now, oz), oz),
        "smaller": float(now < oz),
        "usable": float("size" in figures),
    }


def size_prediction(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """Relative errors, None where nothing is said, or where there is nothing to compare with."""
    _, figures = _verdict(doc, results[0])
    scores: dict[str, Any] = {}
    for when in ("before", "after"):
        said, real = figures.get(f"said {when}"), figures.get(when)
        scores[f"mape_{when}"] = abs(said - real) / real if said is not None and real else None
        scores[f"says_{when}"] = float(said is not None)
    return scores


def emulation(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """Each of the first three holds those before it."""
    reason, figures = _verdict(doc, _tagged(results[0]))
    return {
        "exact": float(reason == "exact"),
        "normalised": float(reason in ("exact", "normalised")),
        "verifies": float(reason in ("exact", "normalised", "verifies")),
        "bleu": figures.get("bleu", 0.0),
    }


def disassembly(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """Of the assembly that the answer's IR becomes."""
    _, figures = _verdict(doc, _tagged(results[0]))
    return {
        "lowers_again": figures.get("round trip", 0.0),
        "exact": figures.get("exact", 0.0),
        "bleu": figures.get("bleu", 0.0),
    }


# -- how they are put together


def of_all_bytes(sizes: Sequence[tuple[float, float]]) -> float:
    """The share of all bytes with -Oz that is saved; negative where there are more now."""
    return 1 - sum(now for now, _ in sizes) / sum(oz for _, oz in sizes)


def mean_of_said(errors: Sequence[float | None]) -> float:
    """Of the answers that say a number."""
    said = [error for error in errors if error is not None]
    return sum(said) / len(said) if said else math.nan


# -- verdicts


def _tagged(answer: str) -> str:
    """An answer whose tags were lost: some tokenizers have tokens for them, which harnesses leave out of the text."""
    if not answer.strip() or "<code>" in answer or "```" in answer:
        return answer
    return f"<code>{_COUNTS.sub('', answer)}"


def _verdict(doc: Mapping[str, Any], answer: str) -> tuple[str, Mapping[str, float]]:
    """The reason and the figures, as `llm_compiler.evaluation.answer` describes them."""
    from llm_compiler.corpus.unit import Unit
    from llm_compiler.evaluation.answer import Question
    from llm_compiler.evaluation.judge import ToPose, Work
    from llm_compiler.llvm.workers import Failure

    posing, judging = _workers()
    (posed,) = posing.map([ToPose(Question(**doc["question"]), Unit(**doc["unit"]), doc["dialect"])])
    if isinstance(posed, Failure):
        return "no truth", {}
    (verdicts,) = judging.map([Work(posed, (answer,))])
    (verdict,) = [verdicts] if isinstance(verdicts, Failure) else verdicts
    return verdict.reason, {} if isinstance(verdict, Failure) else verdict.figures


@cache
def _workers() -> tuple[Any, Any]:
    """LLVM in processes of its own, which it may take down."""
    from llm_compiler.evaluation.judge import Judge, Poser
    from llm_compiler.llvm.toolchain import find
    from llm_compiler.llvm.vocabulary import vocabulary
    from llm_compiler.llvm.workers import Workers

    toolchain = find()
    known = vocabulary(toolchain)
    made = tuple(Workers(each, count=1) for each in (Poser(toolchain, known), Judge(toolchain, known, behaviour=False)))
    for workers in made:
        atexit.register(workers.close)
    return made[0], made[1]
