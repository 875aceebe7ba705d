"""What an evaluation asks and what it gets: the records, and the folder that holds them.

    DIR/evaluation.json                        what the folder is for; written first, so that a rerun may resume
    DIR/benchmark.json                         the manifest: ids of all units, what compiled, overlap with training data
    DIR/units/part-00000.parquet               the units, as a corpus has them
    DIR/questions/TASK.parquet                 what is asked, the same of every system
    DIR/answers/TASK/SYSTEM/system.json        who answers, and how
    DIR/answers/TASK/SYSTEM/part-00000.parquet every answer, raw, parsed and judged
    DIR/answers/TASK/SYSTEM/done.json          written last: the system has answered all questions
    DIR/report.json, report.md, report.html    made of all that; can be made again without any model

Every file appears whole or not at all. The tables need `questions`, `answers` and `benchmark.json`, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from llm_compiler.corpus import store
from llm_compiler.corpus.store import CorpusError

FORMAT = 1
Asked = Literal["flag_tuning", "size_prediction", "emulation", "disassembly", "perplexity"]
ASKED: tuple[Asked, ...] = ("flag_tuning", "size_prediction", "emulation", "disassembly", "perplexity")
"""What can be evaluated. `size_prediction` is the rest of flag tuning's answer, `perplexity` is of IR modelling."""
TOO_LONG = "over the context"
"""Why an answer has no text: the prompt leaves no room for one."""


@dataclass(frozen=True)
class Question:
    """What is asked, with what tables are made by; the code itself is the unit's."""

    id: str
    """The prompt's: a hash of task, unit and all that follows."""
    task: Asked
    unit: str
    kind: str
    """`function` or `module`."""
    project: str
    file: str
    name: str
    """The function's, or the file's."""
    variant: str
    """Of flag tuning and sizes the protocol; of emulation `ir` or `asm`; of disassembly the target; of perplexity the
    source of the text, as in IR modelling."""
    protocol: str
    passes: str
    """Of emulation; else empty."""
    length: int
    """Of the code that is asked about, in characters of the verbatim dialect."""
    oz: int
    """Bytes of the object with -Oz under the protocol."""
    before: int
    """Bytes of the object as it is, without optimisation."""


@dataclass(frozen=True)
class Answer:
    """One answer and its verdict. Of several to a question, `sample` counts from 0 in the order of their making."""

    question: str
    sample: int
    seed: int
    text: str | None
    """Raw; None where there is none, and `ended` says why."""
    ended: str
    """`end` or `stop` where it is whole; `length`, `time`, TOO_LONG, or what a server says."""
    tokens: int
    logprob: float | None
    seconds: float
    """That the system took for it."""
    parsed: str
    """What the judge went by: the pass list in LLVM's syntax, or the code."""
    ok: bool
    reason: str
    """The verdict's, as the task gives it; `crashed`, `timeout` or `memory` where the judge did not survive it, and
    `no answer` where there is no text."""
    detail: str
    figures: Mapping[str, float] = field(default_factory=dict)
    """By what is measured, see FIGURES; what could not be measured is absent."""


FIGURES: Mapping[Asked, tuple[str, ...]] = {
    "flag_tuning": ("size",),
    "size_prediction": ("said before", "before", "said after", "after"),
    "emulation": ("bleu", "said size", "size", "said count", "count"),
    "disassembly": ("bleu", "round trip", "exact", "same behaviour", "same ir"),
    "perplexity": ("nats", "tokens", "bytes"),
}
"""What a verdict measures, by task. Sizes in bytes, BLEU and the like from 0 to 1, counts of instructions.

`said` is the model's; it is absent where the model does not say. `size` of flag tuning is the object's under the list,
absent where the list fails. The reasons of verdicts are those of `tasks`: `Tuned`, `Emulated`, `Lifted`.
"""

_TYPES = {
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "str | None": pa.string(),
    "float | None": pa.float64(),
    "Asked": pa.string(),
    "Mapping[str, float]": pa.map_(pa.string(), pa.float64()),
}
_SCHEMAS = {
    record: pa.schema([(name, _TYPES[kind]) for name, kind in record.__annotations__.items()])
    for record in (Question, Answer)
}


def write_questions(folder: Path, task: str, questions: Iterable[Question]) -> None:
    """The questions of a task."""
    path = folder / "questions" / f"{task}.parquet"
    path.parent.mkdir(exist_ok=True)
    store.write_table(path, pa.Table.from_pylist([asdict(one) for one in questions], _SCHEMAS[Question]))


def read_questions(folder: Path, task: str) -> list[Question]:
    """The questions of a task, in their order; none where the task was not evaluated."""
    path = folder / "questions" / f"{task}.parquet"
    return [Question(**row) for row in store.read_table(path).to_pylist()] if path.exists() else []


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """A part of a system's answers."""
    rows = [asdict(one) | {"figures": list(one.figures.items())} for one in answers]
    store.write_table(path, pa.Table.from_pylist(rows, _SCHEMAS[Answer]))


def read_answers(path: Path) -> list[Answer]:
    """A part of a system's answers."""
    return [Answer(**row | {"figures": dict(row["figures"])}) for row in store.read_table(path).to_pylist()]


def parts(place: Path) -> list[Path]:
    """A system's parts, in order."""
    return sorted(place.glob("part-*.parquet"))


def systems(folder: Path, task: str) -> dict[str, Path]:
    """Who has answered a task, by name, and where the answers lie; complete or not."""
    found = {}
    for place in sorted((folder / "answers" / task).glob("*/system.json")):
        about = store.read_json(place) or {}
        found[str(about["name"])] = place.parent
    return found


def answers(place: Path) -> Iterator[Answer]:
    """All answers of a system."""
    for part in parts(place):
        yield from read_answers(part)


def read_header(folder: Path) -> dict[str, Any]:
    """What a folder of results is for. CorpusError if it is none."""
    header = store.read_json(folder / "evaluation.json") if folder.is_dir() else None
    if header is None:
        raise CorpusError(f"{folder} holds no results: it has no evaluation.json")
    if header.get("format") != FORMAT:
        raise CorpusError(f"{folder} holds results of format {header.get('format')}, this program reads {FORMAT}")
    return header
