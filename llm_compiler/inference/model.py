"""A model that answers prompts with text: on this machine by an engine, or behind a server.

What a folder holds beside a Hugging Face checkpoint, `llm_compiler.json`, says how its model was trained; where there
is none it is somebody else's, and asked in Meta's words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.model.shape import ABOUT
from llm_compiler.tasks.code import denied_names
from llm_compiler.tasks.task import DIALECTS, Dialect, Pieces

if TYPE_CHECKING:  # numpy and more, for which those who ask no model need not wait
    from llm_compiler.inference.decoding import Generated, Stop
    from llm_compiler.inference.engine import Engine
    from llm_compiler.inference.grammar import PassListGrammar
    from llm_compiler.model.foreign import AnyTokenizer

SHIPPED = Path(__file__).with_name("data") / "model"
"""The folder of the model that ships."""
Method = Literal["greedy", "sample", "priority"]
EngineName = Literal["auto", "embedded", "torch"]
_EMBEDDED_BYTES = 2 << 30
"""Of weights; what is larger is torch's business."""

_SCORED = 256
"""Tokens that are scored at once: their logits are all in memory."""
_LONGEST_LIST = 20
"""Passes. Labels have fewer than five; priority sampling would lose its time on lists without end."""


class ModelError(Exception):
    """A model that is not there, or cannot be used. The message is one line."""


@dataclass(frozen=True)
class How:
    """How answers are drawn."""

    samples: int = 1
    method: Method = "greedy"
    """`greedy` gives one answer, whatever `samples` says."""
    temperature: float = 0.8
    top_p: float = 1.0
    seed: int = 0
    tokens: int | None = None
    """Of an answer at most; None for what the context leaves."""
    seconds: float | None = None
    """For all answers to one prompt."""


@dataclass(frozen=True)
class Written:
    """An answer. It is whole where the reason is `end` or `stop`."""

    text: str
    reason: str
    """As `decoding.Reason`; a server may have others."""
    logprob: float | None
    """Of its tokens; None where nobody says."""
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Scored:
    """How probable a text is to a model."""

    nats: float
    """Its negative log-likelihood, given BOS."""
    tokens: int
    bytes: int


class Model(Protocol):
    """What answers prompts."""

    name: str
    dialect: Dialect
    """In which it is asked."""

    def length(self, prompt: Pieces) -> int | None:
        """Tokens of a prompt; None where only a server could tell."""

    @property
    def context(self) -> int | None:
        """Tokens of prompt and answer together; None where only a server could tell."""

    def write(self, prompt: Pieces, how: How, lists: Vocabulary | None = None) -> Iterator[Written]:
        """Answers to a prompt, each as soon as it is there: of no two alike where the method is `priority`.

        With `lists`, an answer is a pass list as flag tuning's answers begin, of passes that may be proposed, and
        nothing after it, as far as the model can be held to that. PromptTooLongError, ModelError.
        """

    def close(self) -> None:
        """Give back what it holds."""


class PromptTooLongError(ModelError):
    """A prompt that leaves no room for an answer."""


class LocalModel:
    """A model on this machine. Not for several threads at once."""

    def __init__(
        self, engine: Engine, tokenizer: AnyTokenizer, dialect: Dialect, name: str, folder: Path | None = None
    ) -> None:
        """`folder` is where it was read from."""
        self.name, self.dialect, self.folder = name, dialect, folder
        self.engine, self.tokenizer = engine, tokenizer
        self._grammars: dict[str, PassListGrammar] = {}

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together."""
        return self.engine.context

    def ids(self, prompt: Pieces) -> list[int]:
        """What the engine reads."""
        return [self.tokenizer.bos, *self.tokenizer.encode_pieces(prompt)]

    def length(self, prompt: Pieces) -> int:
        """Tokens of a prompt, BOS included."""
        return len(self.ids(prompt))

    def cut(self, prompt: Pieces, room: int) -> Pieces:
        """The prompt with the end of its code left out, so that it leaves room for an answer of so many tokens.

        PromptTooLongError where the words around the code do not.
        """
        from llm_compiler.model.foreign import cut

        try:
            return cut(self.tokenizer, prompt, self.context - room - 1)
        except ValueError:
            raise PromptTooLongError(
                f"no room for a prompt and {room} tokens in a context of {self.context:,}"
            ) from None

    def write(self, prompt: Pieces, how: How, lists: Vocabulary | None = None) -> Iterator[Written]:
        """As `Model` says. Answers of a foreign tokenizer's model are not held to lists, and run to their end."""
        from llm_compiler.inference.decoding import Stop

        ids = self.ids(prompt)
        if len(ids) >= self.context:
            raise PromptTooLongError(f"a prompt of {len(ids):,} tokens is over the context of {self.context:,}")
        grammar = None if lists is None else self._grammar(lists)
        stop = Stop(self.tokenizer.eos, after_list=grammar is not None, tokens=how.tokens, seconds=how.seconds)
        started = time.monotonic()
        for answer in self._generated(ids, how, stop, grammar):
            now = time.monotonic()
            # Some models have more embeddings than their tokenizer has ids.
            text = self.tokenizer.decode(one for one in answer.ids if one < self.tokenizer.vocabulary_size)
            yield Written(text, answer.reason, answer.logprob, len(answer.ids), now - started)
            started = time.monotonic()

    def _grammar(self, vocabulary: Vocabulary) -> PassListGrammar | None:
        """Of flag tuning's answers, without what is denied in this LLVM. None where the tokenizer is not ours."""
        from llm_compiler.inference.grammar import PassListGrammar
        from llm_compiler.model.tokenizer import Tokenizer

        if not isinstance(self.tokenizer, Tokenizer):
            return None
        if vocabulary.version not in self._grammars:
            denied = denied_names(vocabulary.version)
            self._grammars[vocabulary.version] = PassListGrammar(
                self.tokenizer, vocabulary, self.dialect, denied=denied, longest=_LONGEST_LIST
            )
        return self._grammars[vocabulary.version]

    def _generated(
        self, ids: Sequence[int], how: How, stop: Stop, grammar: PassListGrammar | None
    ) -> Iterator[Generated]:
        from llm_compiler.inference.decoding import greedy, priority_samples, sample
        from llm_compiler.inference.engine import EngineError

        try:
            if how.method == "priority":
                yield from priority_samples(self.engine, ids, how.samples, stop, grammar)
            elif how.method == "sample":
                seeds = range(how.seed, how.seed + how.samples)
                yield from sample(self.engine, ids, seeds, stop, grammar, temperature=how.temperature, top_p=how.top_p)
            else:
                yield greedy(self.engine, ids, stop, grammar)
        except EngineError as error:
            raise ModelError(f"{self.name}: {error}") from None

    def score(self, text: Pieces) -> Scored:
        """How probable a text is, or as much of it as the context holds. ModelError."""
        import numpy as np

        from llm_compiler.inference.engine import EngineError

        ids = self.ids(text)[: self.context]
        nats = 0.0
        try:
            branch, logits = self.engine.prefill(ids[:1])
            for start in range(1, len(ids), _SCORED):
                piece = ids[start : start + _SCORED]
                (after,) = self.engine.decode([branch], [piece])
                before = np.concatenate([logits[None], after[:-1]]).astype(np.float64)
                logits = after[-1]
                highest = before.max(axis=1)
                sums = highest + np.log(np.exp(before - highest[:, None]).sum(axis=1))
                nats += float((sums - before[np.arange(len(piece)), piece]).sum())
            self.engine.release(branch)
        except EngineError as error:
            raise ModelError(f"{self.name}: {error}") from None
        known = [one for one in ids[1:] if one < self.tokenizer.vocabulary_size]
        return Scored(nats, len(ids) - 1, len(self.tokenizer.decode(known).encode(errors="replace")))

    def close(self) -> None:
        """Nothing is held that does not go by itself."""


def open_model(name: str | None = None, *, threads: int | None = None, engine: EngineName = "auto") -> Model:
    """The model of a name: None for the one that ships, a folder, a Hugging Face id that is in the local cache, or
    `openai:URL`, with `#MODEL` behind it where the server has several.

    ModelError for one that is not there or does not fit together.
    """
    if name is not None and name.startswith("openai:"):
        from llm_compiler.inference.server import ServerModel

        url, _, model = name.removeprefix("openai:").partition("#")
        return ServerModel(url, model or None)
    from llm_compiler.inference.engine import EngineError
    from llm_compiler.model.foreign import load_any
    from llm_compiler.model.tokenizer import TokenizerError

    folder = _folder(name)
    try:
        tokenizer = load_any(folder)
        about = _about(folder, tokenizer)
        running = _engine(folder, threads, engine)
    except (EngineError, TokenizerError) as error:
        raise ModelError(str(error)) from None
    if tokenizer.vocabulary_size > running.vocabulary:
        raise ModelError(
            f"{folder}: its tokenizer has {tokenizer.vocabulary_size} ids, its model only {running.vocabulary}: "
            "they do not belong together"
        )
    return LocalModel(running, tokenizer, about.get("dialect", "verbatim"), name or "shipped", folder)


def _folder(name: str | None) -> Path:
    if name is None:
        if not (SHIPPED / "config.json").is_file():
            raise ModelError("no model ships with this version: train one with `llmc train`, and name it with --model")
        return SHIPPED
    if (path := Path(name)).is_dir():
        return path
    if path.is_file() or name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ModelError(f"{name}: no such folder, and no model's id (as in facebook/llm-compiler-7b-ftd)")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        raise ModelError(
            f"{name} is neither a folder nor in the local cache; get it with: hf download {name}"
        ) from None
    except HFValidationError as error:
        raise ModelError(f"{name}: {str(error).splitlines()[0]}") from None


def _about(folder: Path, tokenizer: AnyTokenizer) -> dict[str, Any]:
    """What `ABOUT` says; empty for models of others."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / ABOUT}: {' '.join(str(error).split())}") from None
    if not isinstance(about, dict) or about.get("format") != 1 or about.get("dialect") not in DIALECTS:
        raise ModelError(f"{folder / ABOUT}: not of this version of the program")
    if about.get("tokenizer") != tokenizer.fingerprint:
        raise ModelError(f"{folder}: the model was trained with another tokenizer than lies beside it")
    return about


def _engine(folder: Path, threads: int | None, name: EngineName) -> Engine:
    if name == "auto":
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        name = "torch" if size > _EMBEDDED_BYTES else "embedded"
    if name == "embedded":
        from llm_compiler.inference import embedded

        return embedded.load(folder, threads=threads)
    from llm_compiler.inference.torch_engine import Transformers

    return Transformers(folder)
