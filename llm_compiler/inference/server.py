"""A model behind a server that speaks OpenAI's `/v1/completions`: vLLM, SGLang, llama.cpp's, or another.

Prompts and answers are text: the server's tokenizer puts BOS before a prompt, and takes what looks like a special token
in somebody's code for one. What a server holds an answer to is a favour; all answers are checked like any others.

Nothing here waits longer than it may, whatever a server does: each request runs in an event loop of its own, which is
left at the deadline. So this is for threads that are in no such loop themselves.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import httpx2

from llm_compiler.inference.grammar import GrammarError
from llm_compiler.inference.model import How, ModelError, PromptTooLongError, Written
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.tasks import flag_tuning
from llm_compiler.tasks.code import denied_names, shown
from llm_compiler.tasks.task import Dialect, Pieces

KEY = "OPENAI_API_KEY"
"""The environment variable whose value servers are told, if it is set."""

_CONNECT = 5.0
_SECONDS = 120.0
"""For all answers to one prompt, where nobody says."""
_GREETING = 20.0
"""Seconds for all that is asked before the first prompt."""
_WAITS = (0.5, 2.0)
"""Seconds before each further try."""
_BYTES = 16 << 20
"""Of a reply at most."""
_CHARACTERS = 1 << 20
"""Of an answer at most."""
_TOKENS = 2_048
"""Of an answer, where neither the caller says nor the context is known."""
_IMPROBABLE = 1e6
"""No log-probability is as far below 0."""
_SHORT = 200
"""Characters of a server's own words in a message."""
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What no file can hold, or LLVM would take for the end of the text. Models do say it: NUL is a token."""
_TOO_LONG = re.compile(r"context[ _](?:length|size|window)|maximum (?:model|input|sequence) length", re.I)

Fields = dict[str, Any]
"""Of a request or reply."""


class _RefusedError(Exception):
    """The server does not want what it was asked, and would not another time either."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}" if message else f"HTTP {status}")
        self.status = status


class _PassingError(Exception):
    """What may go better another time."""


class _LateError(ModelError):
    """The time is over."""


@dataclass(frozen=True)
class _Kind:
    """What requests to one kind of server have beside OpenAI's fields."""

    guide: Callable[[str], Fields] | None = None
    """Holds an answer to a grammar; None where nothing can."""
    always: Fields = field(default_factory=dict)


_KINDS = {
    "vllm": _Kind(lambda grammar: {"structured_outputs": {"grammar": grammar}}),
    "sglang": _Kind(lambda grammar: {"ebnf": grammar}),
    # Unasked, it draws from the 40 most probable tokens alone.
    "llamacpp": _Kind(lambda grammar: {"grammar": grammar}, {"top_k": 0, "min_p": 0.0}),
}
"""By what `/v1/models` says who owns a model."""
_VLLM_BEFORE_12 = _Kind(lambda grammar: {"guided_grammar": grammar})


class ServerModel:
    """A model behind a server. May be shared by threads; holds no connection."""

    def __init__(self, url: str, model: str | None = None, dialect: Dialect = "verbatim") -> None:
        """The server's only model if none is named. The URL may end in `/v1`, and hold a user and password.

        ModelError where it does not answer, or has several and none is named. One that it does not have it refuses
        when it is asked.
        """
        self._root, self._shown = _address(url)
        self._key = _key()
        self.dialect = dialect
        deadline = time.monotonic() + _GREETING
        models = self._models(deadline)
        self._model = self._chosen(model, models)
        self.name = f"openai:{self._shown}#{self._model}"
        about = next((one for one in models if one["id"] == self._model), {})
        owner = str((about or (models[0] if models else {})).get("owned_by"))
        self._kind = _KINDS.get(owner, _Kind())
        self.context: int | None = _count(about.get("max_model_len"))
        if owner == "vllm" and _before_12(self._if_any("GET", "/version", deadline).get("version")):
            self._kind = _VLLM_BEFORE_12
        if owner == "llamacpp":
            settings = self._if_any("GET", "/props", deadline).get("default_generation_settings")
            self.context = _count(settings.get("n_ctx")) if isinstance(settings, dict) else None

    def length(self, prompt: Pieces) -> int | None:
        """Tokens of a prompt, BOS included; None where the server does not say."""
        return self._length(_joined(prompt), time.monotonic() + _GREETING)

    def write(self, prompt: Pieces, how: How, lists: Vocabulary | None = None) -> Iterator[Written]:
        """As `Model` says, with one request for all answers where the server gives several.

        No server does priority sampling: `priority` draws as `sample` does, up to twice as often as there are answers
        wanted, and leaves out those that are known. Log-probabilities are as the server takes them, mostly without
        temperature and grammar. There are fewer answers where the time is over; ModelError where there are none.
        """
        deadline = time.monotonic() + (_SECONDS if how.seconds is None else how.seconds)
        body, room = self._body(_joined(prompt), how, deadline)
        forms = self._forms(lists)
        wanted = 1 if how.method == "greedy" else how.samples
        most = 2 * wanted if how.method == "priority" else wanted
        drawn, together = 0, True
        known: set[str] = set()
        found = 0
        while found < wanted and drawn < most:
            number = wanted - found if together else 1
            begun = time.monotonic()
            request = body | forms[0] | {"n": number, "seed": how.seed + drawn}
            try:
                reply = self._ask("POST", "/v1/completions", deadline, request)
            except _LateError:
                if found:
                    return
                raise
            except _RefusedError as error:
                if _TOO_LONG.search(str(error)):
                    raise PromptTooLongError(f"{self._shown}: {error}") from None
                # Nobody says which field was one too many.
                about_fields = error.status in (400, 422)
                if about_fields and number > 1:
                    together = False
                elif about_fields and len(forms) > 1:
                    forms.pop(0)
                else:
                    raise ModelError(f"{self._shown}: {error}") from None
                continue
            answers = self._answers(reply, number, time.monotonic() - begun)
            drawn += len(answers)
            for answer in answers:
                whole = _finished(answer, lists is not None, self.dialect, body["max_tokens"] == room)
                if how.method == "priority" and whole.text in known:
                    continue
                known.add(whole.text)
                found += 1
                yield whole

    def close(self) -> None:
        """Nothing is held."""

    # -- what is asked

    def _body(self, text: str, how: How, deadline: float) -> tuple[Fields, int | None]:
        """What all requests for one prompt have in common, and the tokens that the context leaves if that is known."""
        length = None if self.context is None else self._length(text, deadline)
        room = None if self.context is None or length is None else self.context - length
        if room is not None and room < 1:
            raise PromptTooLongError(f"a prompt of {length:,} tokens is over the context of {self.context:,}")
        tokens = min((most for most in (how.tokens, room) if most is not None), default=_TOKENS)
        greedy = how.method == "greedy"
        body = {
            "model": self._model,
            "prompt": text,
            "max_tokens": tokens,
            "temperature": 0.0 if greedy else how.temperature,
            "top_p": 1.0 if greedy else how.top_p,
        }
        return body | self._kind.always, room

    def _forms(self, lists: Vocabulary | None) -> list[Fields]:
        """What else to ask for; each is for servers that refuse the one before."""
        plain: Fields = {} if lists is None else {"stop": [_around_list(self.dialect)[1]]}
        forms = [plain | {"logprobs": 1}, plain]
        if lists is not None and self._kind.guide is not None:
            grammar = list_grammar(lists, self.dialect, denied_names(lists.version))
            forms.insert(0, forms[0] | self._kind.guide(grammar))
        return forms

    def _models(self, deadline: float) -> list[Fields]:
        """What the server says of its models; none where it says nothing."""
        try:
            models = self._ask("GET", "/v1/models", deadline).get("data")
        except _RefusedError as error:
            if error.status in (404, 405, 501):
                return []
            raise ModelError(f"{self._shown}: {error}") from None
        if not isinstance(models, list) or not all(
            isinstance(one, dict) and isinstance(one.get("id"), str) for one in models
        ):
            raise ModelError(f"{self._shown}: no list of models at /v1/models")
        return models

    def _chosen(self, model: str | None, models: Iterable[Fields]) -> str:
        if model is not None:
            return model
        names = [one["id"] for one in models]
        if not names:
            raise ModelError(f"{self._shown}: it does not say which models it has: name one, as in {self._shown}#MODEL")
        if len(names) > 1:
            raise ModelError(f"{self._shown}: it has several models, name one behind a #: {_line(', '.join(names))}")
        return str(names[0])

    def _length(self, text: str, deadline: float) -> int | None:
        # vLLM and SGLang read the first of each two, llama.cpp the second.
        body = {"prompt": text, "content": text, "add_special_tokens": True, "add_special": True}
        reply = self._if_any("POST", "/tokenize", deadline, {"model": self._model} | body)
        tokens = reply.get("tokens")
        return len(tokens) if isinstance(tokens, list) else _count(reply.get("count"))

    # -- what is answered

    def _answers(self, reply: Fields, number: int, seconds: float) -> list[Written]:
        """The answers of a reply, as they are. ModelError for nonsense."""
        choices = reply.get("choices")
        if not isinstance(choices, list) or not choices:
            raise ModelError(f"{self._shown}: a reply without any answer")
        usage = reply.get("usage")
        used = _count(usage.get("completion_tokens")) if isinstance(usage, dict) else None
        answers = []
        for choice in choices[:number]:
            text = choice.get("text") if isinstance(choice, dict) else None
            if not isinstance(text, str):
                raise ModelError(f"{self._shown}: an answer without text")
            if len(text) > _CHARACTERS:
                raise ModelError(f"{self._shown}: an answer of over {_CHARACTERS:,} characters")
            scores = _scores(choice.get("logprobs"))
            reason = choice.get("finish_reason")
            answers.append(
                Written(
                    _NO_TEXT.sub("\ufffd", text),
                    _line(reason) if isinstance(reason, str) else "unknown",
                    None if scores is None else math.fsum(scores),
                    (used or 0) // len(choices) if scores is None else len(scores),
                    seconds / len(choices),
                )
            )
        return answers

    # -- the wire

    def _if_any(self, method: str, path: str, deadline: float, body: Fields | None = None) -> Fields:
        """The reply; empty where there is none to use: what stands before a server may have a page for every path."""
        try:
            return self._ask(method, path, deadline, body)
        except (_RefusedError, ModelError):
            return {}

    def _ask(self, method: str, path: str, deadline: float, body: Fields | None = None) -> Fields:
        """The reply. ModelError, or _RefusedError."""
        return asyncio.run(self._try(method, path, deadline, body))

    async def _try(self, method: str, path: str, deadline: float, body: Fields | None) -> Fields:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self._key and "@" not in self._root.netloc:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            limits = httpx2.Timeout(None, connect=_CONNECT)
            async with (
                asyncio.timeout(deadline - time.monotonic()),
                httpx2.AsyncClient(timeout=limits, headers=headers, follow_redirects=False) as client,
            ):
                url = urlunsplit(self._root) + path
                for wait in (*_WAITS, None):
                    try:
                        return self._read(*await self._send(client, method, url, body))
                    except _PassingError as error:
                        if wait is None:
                            raise ModelError(f"{self._shown}: {error}, {len(_WAITS) + 1} times") from None
                    await asyncio.sleep(wait)
        except TimeoutError:
            raise _LateError(f"{self._shown}: no answer in time") from None
        raise AssertionError("the last try returns or raises")

    async def _send(
        self, client: httpx2.AsyncClient, method: str, url: str, body: Fields | None
    ) -> tuple[int, bytearray]:
        """The status and the bytes of one reply."""
        content = bytearray()
        try:
            async with client.stream(method, url, json=body) as response:
                # Not decompressed: a few bytes could become gigabytes.
                async for part in response.aiter_raw():
                    content += part
                    if len(content) > _BYTES:
                        raise ModelError(f"{self._shown}: a reply of over {_BYTES >> 20} MB")
                return response.status_code, content
        except httpx2.RequestError as error:
            raise _PassingError(self._said(str(error)) or type(error).__name__) from None

    def _read(self, status: int, content: bytearray) -> Fields:
        """What a reply says."""
        try:
            reply = json.loads(content)
        except (ValueError, RecursionError):
            reply = None
        if 200 <= status < 300:
            if not isinstance(reply, dict):
                start = self._said(content[:_SHORT].decode(errors="replace"))
                raise ModelError(f"{self._shown}: the reply is no JSON object: {start or 'nothing at all'}")
            return reply
        if 300 <= status < 400:
            raise ModelError(f"{self._shown}: it sends its callers elsewhere (HTTP {status}): give that address")
        message = self._said(_complaint(reply))
        if status == 429 or status >= 500:
            raise _PassingError(f"HTTP {status}: {message}" if message else f"HTTP {status}")
        raise _RefusedError(status, message)

    def _said(self, text: str) -> str:
        """A server's words, fit for a message: some repeat the key that they did not like."""
        return _line(text.replace(self._key, "...") if self._key else text)


@lru_cache(maxsize=4)
def list_grammar(vocabulary: Vocabulary, dialect: Dialect, denied: tuple[str, ...] = (), longest: int = 50) -> str:
    """The beginning of a flag tuning answer, up to the end of its list, as `PassListGrammar` has it for tokens.

    In the notation of llama.cpp (GBNF), which vLLM and SGLang read too. GrammarError where no list is left.
    """
    names = sorted({known.name for known in vocabulary.proposable} - set(denied))
    if not names or longest < 1:
        raise GrammarError("every pass is denied" if longest >= 1 else "a pass list has one pass at least")
    before, after = _around_list(dialect)
    # A JSON string of such names is one of theirs.
    items = [json.dumps(shown(str(vocabulary.nest([name])), dialect)) for name in names]
    more = f' ("," item){{0,{longest - 1}}}' if longest > 1 else ""
    return f"root ::= {json.dumps(before)} item{more} {json.dumps(after[0])}\nitem ::= {' | '.join(items)}\n"


def _around_list(dialect: Dialect) -> tuple[str, str]:
    """What comes before the list in an answer, and two characters from behind it.

    The first of them ends it. Both together are nowhere else: before the list there is a quote too.
    """
    (before, _), _, (after, _) = flag_tuning.write(flag_tuning.Answer(("",), 0, 0), dialect)
    return before, after[:2]


def _finished(answer: Written, is_list: bool, dialect: Dialect, fills_context: bool) -> Written:
    """An answer with one of our own reasons, and no more than its list if that is all that was wanted."""
    text, reason = answer.text, {"stop": "end"}.get(answer.reason, answer.reason)
    if reason == "length" and fills_context:
        reason = "context"
    if is_list:
        before, after = _around_list(dialect)
        quote = after[0]
        start, begun, rest = text.partition(before)
        inside, ended, _ = rest.partition(quote)
        # Servers leave out what stopped them.
        if begun and (ended or reason == "end"):
            text, reason = start + begun + inside + quote, "stop"
    return Written(text, reason, answer.logprob, answer.tokens, answer.seconds)


def _scores(logprobs: object) -> list[float] | None:
    """The log-probability of each token; None where not all are there."""
    if not isinstance(logprobs, dict):
        return None
    scores = logprobs.get("token_logprobs")
    if scores is None and isinstance(logprobs.get("content"), list):  # llama.cpp, as OpenAI's chats have it
        scores = [token.get("logprob") if isinstance(token, dict) else None for token in logprobs["content"]]
    if not isinstance(scores, list) or not scores:
        return None
    whole = all(isinstance(score, int | float) and abs(score) < _IMPROBABLE for score in scores)
    return [float(score) for score in scores] if whole else None


def _address(url: str) -> tuple[SplitResult, str]:
    """A server's URL without `/v1`, and as it may be shown. ModelError."""
    try:
        parts = urlsplit(url)
        port = parts.port
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        parts, port = SplitResult("", "", "", "", ""), None
    strange = parts.query or parts.fragment or re.search(r"\s", url)
    if parts.scheme not in ("http", "https") or not parts.hostname or strange:
        raise ModelError("no URL of a server behind `openai:`; it is as in openai:http://localhost:8000")
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    open_part = host if port is None else f"{host}:{port}"
    root = parts._replace(path=path)
    return root, _line(urlunsplit(root._replace(netloc=open_part)))


def _key() -> str:
    """The user's key; empty if there is none. ModelError for what cannot be sent."""
    key = os.environ.get(KEY, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ModelError(f"${KEY} has characters that no key has")
    return key


def _joined(prompt: Pieces) -> str:
    return "".join(text for text, _ in prompt)


def _before_12(version: object) -> bool:
    """Whether a version of vLLM is from before 0.12; one that says nothing (`0.1.dev7+g1234567`) is not."""
    match = re.match(r"0\.(\d{1,4})\.\d", version) if isinstance(version, str) else None
    return match is not None and int(match[1]) < 12


def _count(value: object) -> int | None:
    """A number of things, or None for what is none."""
    return value if isinstance(value, int) and 0 < value < 1 << 40 else None


def _complaint(reply: object) -> str:
    """Why a server refuses, as the known ones say it; empty where it does not."""
    while isinstance(reply, dict):
        reply = next((reply[name] for name in ("error", "message", "detail") if name in reply), "")
    return reply if isinstance(reply, str) else json.dumps(reply) if reply else ""


def _line(text: str) -> str:
    """A stranger's text, on one line of what can be printed."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:_SHORT]
