"""A recipe: a whole run on one page of TOML, from which data is built and a model trained.

    seed = 0
    [model]                    # preset, context, start
    [tokenizer]                # folder, vocabulary; nothing of it is the tokenizer that ships
    [data]                     # dialect, heldout_tokens
    [training]                 # batches, optimiser, schedule, how often to validate and to save
    [tasks.NAME]               # settings of a task, where they are not its defaults
    [stages.1]                 # in the order of training: name, tokens, learning_rate, replay, epochs, ...
    [stages.1.mixture]         # what it is trained on, in shares of any size
    emulation = 3              #   all that a task makes, as it comes
    ir_modeling.ir = 1         #   or one source of it

Whoever trains reads it too, so this module needs neither LLVM nor Parquet.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

DIALECTS = ("verbatim", "compact")
SCHEDULES = ("cosine", "wsd")
OPTIMISERS = ("auto", "adamw", "muon")
PRECISIONS = ("bf16", "fp32")
"""As `tasks.task` has them."""
REPLAY = 0.15
"""The paper's share of earlier stages' data in each later one."""
Table = TypeVar("Table")


class RecipeError(Exception):
    """A recipe that cannot be used. The message is one line that begins with the file's name."""


@dataclass(frozen=True)
class Model:
    """Which model to train."""

    preset: str = "nano"
    context: int = 2048
    """Tokens of a row."""
    start: str = ""
    """A folder with a Llama checkpoint to start from; none is from scratch."""


@dataclass(frozen=True)
class Training:
    """How every stage is trained."""

    batch_tokens: int = 65_536
    """Of a step, on all ranks together."""
    micro_batch: int = 8
    """Rows that a rank computes at once: what memory allows."""
    epochs: float = 1.0
    """How often all rows of a stage are seen; below 1, only that share of them."""
    optimiser: str = "auto"
    """`adamw`; or `muon`, which is AdamW for what is no matrix of a layer; `auto` is Muon from scratch."""
    schedule: str = "cosine"
    """Of the learning rate after warming up: `cosine`, or `wsd`, stable and then falling in the last third."""
    warmup: float = 0.02
    """The share of a stage's steps in which the learning rate grows."""
    final: float = 1 / 30
    """The last learning rate, as a share of the stage's."""
    weight_decay: float = 0.1
    clip: float = 1.0
    """The norm that gradients are cut to."""
    precision: str = "bf16"
    """In which the model computes; its weights are kept in fp32."""
    recompute: bool = False
    """Compute activations again for the backward pass: less memory, a third more time."""
    compile: bool = True
    """On a GPU, let torch.compile fuse operations."""
    validations: int = 8
    """In a stage, besides the one before its first step."""
    validation_tokens: int = 65_536
    """Of each stage's held-out rows, each time."""
    save_minutes: float = 10.0
    """Between checkpoints."""
    keep: int = 2
    """Checkpoints of a stage, besides the best."""


@dataclass(frozen=True)
class TokenizerChoice:
    """Which tokenizer: the one that ships unless a folder is named, with fewer merges if a vocabulary is."""

    folder: str = ""
    vocabulary: int = 0
    """0 is all of it."""


@dataclass(frozen=True)
class Data:
    """What holds for the data of all stages."""

    dialect: str = "compact"
    heldout_tokens: int = 500_000
    """Of a stage's validation and of its test split, at most."""


@dataclass(frozen=True)
class Share:
    """A part of a mixture: a task's examples of one source, or all of them where `source` is empty."""

    task: str
    source: str
    share: float
    """All shares of a stage make 1."""

    def __str__(self) -> str:
        return f"{self.task}/{self.source}" if self.source else self.task


@dataclass(frozen=True)
class Stage:
    """One stage of training. Its name is a folder's."""

    name: str
    tokens: int
    """Of all its rows, replayed ones included, padding not."""
    mixture: tuple[Share, ...]
    learning_rate: float = 1e-3
    replay: float = REPLAY
    """The share of its tokens that is taken from what the earlier stages train on, of each alike."""
    epochs: int = 1
    """How often a document may be used where there are not enough."""
    prompts: bool = False
    """Whether prompts are learnt too; held-out losses are those of answers all the same."""
    evenness: float = 0.0
    """0: every learnt token counts alike. 1: every document does, however long its answer; pass lists are short."""


@dataclass(frozen=True)
class Recipe:
    """The whole page."""

    model: Model
    tokenizer: TokenizerChoice
    data: Data
    stages: tuple[Stage, ...]
    training: Training = Training()
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 0

    @property
    def data_digest(self) -> str:
        """A hash of all that decides the data; how training goes is no part of it."""
        decides = asdict(self)
        del decides["model"]["preset"], decides["model"]["start"], decides["tokenizer"], decides["training"]
        for stage in decides["stages"]:
            del stage["learning_rate"], stage["evenness"]
            if not stage["prompts"]:  # so that data of before there was a choice stays what it is
                del stage["prompts"]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]


def read(path: Path) -> Recipe:
    """The recipe in a file. RecipeError for what is wrong in it, OSError where it cannot be read."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return _recipe(document)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML: {' '.join(str(error).split())}") from None
    except _Wrong as error:
        raise RecipeError(f"{path}: {error}") from None


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """What to say of a name that there is not, with the one that may have been meant."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"no {kind} {name!r}; " + (f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}")


class _Wrong(ValueError):  # noqa: N818 - says what, the caller says where
    pass


_PARTS: dict[str, type] = {"model": Model, "tokenizer": TokenizerChoice, "data": Data, "training": Training}


def _recipe(document: dict[str, Any]) -> Recipe:
    _check_keys("", document, ["seed", *_PARTS, "tasks", "stages"])
    tables = _tables("stages", document.get("stages"))
    if not tables:
        raise _Wrong("has no stages: [stages.1] and so on")
    if sorted(tables) != sorted(map(str, range(1, len(tables) + 1))):
        raise _Wrong(f"stages are numbered from 1, here they are {', '.join(tables)}")
    stages = tuple(_stage(number, tables[str(number)]) for number in range(1, len(tables) + 1))
    names = [stage.name for stage in stages]
    for name in names:
        if names.count(name) > 1:
            raise _Wrong(f"two stages have the name {name}")
    given = {"seed": document["seed"]} if "seed" in document else {}
    parts: dict[str, Any] = {name: _filled(kind, name, document.get(name, {})) for name, kind in _PARTS.items()}
    recipe = Recipe(stages=stages, tasks=_tables("tasks", document.get("tasks", {})), **parts, **given)
    _must_be(type(recipe.seed) is int, "seed", "an integer", recipe.seed)
    training = recipe.training
    for where, value, known in (
        ("data.dialect", recipe.data.dialect, DIALECTS),
        ("training.schedule", training.schedule, SCHEDULES),
        ("training.optimiser", training.optimiser, OPTIMISERS),
        ("training.precision", training.precision, PRECISIONS),
    ):
        if value not in known:
            raise _Wrong(f"{where}: {unknown(where.partition('.')[2], value, known)}")
    for name in ("batch_tokens", "micro_batch", "epochs", "keep", "clip"):
        _must_be(getattr(training, name) > 0, f"training.{name}", "above 0", getattr(training, name))
    for name in ("warmup", "final"):
        _must_be(getattr(training, name) <= 1, f"training.{name}", "a share: 0 to 1", getattr(training, name))
    _must_be(recipe.model.context >= 64, "model.context", "64 or more", recipe.model.context)
    return recipe


def _stage(number: int, table: dict[str, Any]) -> Stage:
    where = f"stages.{number}"
    mixture = _mixture(f"{where}.mixture", table.get("mixture"))
    first_task = mixture[0].task
    stage = _filled(Stage, where, {"name": first_task} | table | {"mixture": mixture})
    replay = stage.replay if number > 1 or "replay" in table else 0.0
    _must_be(0 <= replay < 1, f"{where}.replay", "at least 0 and below 1", replay)
    if number == 1 and replay:
        raise _Wrong(f"{where}.replay: no stage is before the first")
    _must_be(stage.evenness <= 1, f"{where}.evenness", "a share: 0 to 1", stage.evenness)
    _must_be(stage.epochs >= 1 and stage.tokens >= 1, where, "of at least one epoch and one token", table)
    if not stage.name.replace("-", "").replace("_", "").isalnum() or not stage.name.isascii():
        raise _Wrong(f"{where}.name: {stage.name!r} is not made of letters, digits, - and _")
    return replace(stage, replay=replay)


def _mixture(where: str, table: Any) -> tuple[Share, ...]:
    if not isinstance(table, dict) or not table:
        raise _Wrong(f"{where}: names no task")
    flat = [
        (task, source, share)
        for task, shares in table.items()
        for source, share in (shares if isinstance(shares, dict) else {"": shares}).items()
    ]
    for task, source, share in flat:
        right = isinstance(share, int | float) and not isinstance(share, bool) and 0 < share < float("inf")
        _must_be(right, f"{where}.{task}{'.' if source else ''}{source}", "a share above 0", share)
    total = sum(share for _, _, share in flat)
    return tuple(Share(task, source, share / total) for task, source, share in flat)


def _tables(where: str, value: Any) -> dict[str, dict[str, Any]]:
    if value is not None and not (isinstance(value, dict) and all(isinstance(one, dict) for one in value.values())):
        raise _Wrong(f"{where}: not a table of tables")
    return value or {}


def _check_keys(where: str, table: Any, known: Iterable[str]) -> None:
    if not isinstance(table, dict):
        raise _Wrong(f"{where}: not a table")
    for key in table:
        if key not in (known := list(known)):
            raise _Wrong(f"{where}: {unknown('key', key, known)}".removeprefix(": "))


def _filled(kind: type[Table], where: str, table: Any) -> Table:
    """A record from a table that has its fields' names and types."""
    types = {one.name: str(one.type) for one in fields(kind)}  # type: ignore[arg-type] # all are dataclasses
    _check_keys(where, table, types)
    for key, value in table.items():
        right = {
            "int": type(value) is int and value >= 0,
            "float": type(value) in (int, float) and value >= 0,
            "str": isinstance(value, str),
            "bool": isinstance(value, bool),
        }
        wanted = {"int": "a whole number", "float": "a number", "str": "a string", "bool": "true or false"}
        if types[key] in right:
            _must_be(right[types[key]], f"{where}.{key}", wanted[types[key]], value)
    try:
        return kind(**table)
    except TypeError:
        raise _Wrong(f"{where}: tokens are missing") from None  # the only field without a default that people write


def _must_be(right: bool, where: str, what: str, value: Any) -> None:
    if not right:
        raise _Wrong(f"{where}: {value!r} is not {what}")
