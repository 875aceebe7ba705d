"""The client beside real HTTP servers on this machine: one with a small model in it, and some that nobody wants."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("httpx2")
pytest.importorskip("onnxruntime")

from llm_compiler.inference.decoding import Generated, Stop, greedy, sample
from llm_compiler.inference.embedded import load
from llm_compiler.inference.grammar import GrammarError, PassListGrammar, State
from llm_compiler.inference.model import How, LocalModel, ModelError, PromptTooLongError, Written, open_model
from llm_compiler.inference.server import KEY, ServerModel, list_grammar
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.model.tokenizer import SPECIALS, Tokenizer
from llm_compiler.tasks.code import restored, shown
from llm_compiler.tasks.flag_tuning import Question, parse, prompt
from llm_compiler.tasks.task import DIALECTS, Dialect
from tests.checkpoints import SMALL, make

Fields = dict[str, Any]
CONTEXT = 256
ASKED = prompt(Question("define i32 @f(i32 %0) {\n  ret i32 %0\n}\n"), "compact")
HELLO = (("hello", True),)
MODELS = {"data": [{"id": "tiny", "owned_by": "somebody"}]}
SECRET = "sk-not-for-everybody"


@dataclass
class Reply:
    content: object = b""
    """JSON, or the bytes themselves."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0
    """Seconds after each byte, the headers' too."""


Answer = Callable[[str, Fields], Reply]
"""The reply to a path and what was sent there."""


@dataclass
class Served:
    url: str
    requests: list[tuple[str, Fields]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def completions(self) -> list[Fields]:
        return [body for path, body in self.requests if path == "/v1/completions"]


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients leave when they have had enough."""


@contextmanager
def serving(answer: Answer) -> Iterator[Served]:
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            served.requests.append((self.path, body))
            served.headers.append(dict(self.headers))
            reply = answer(self.path, body)
            content = reply.content if isinstance(reply.content, bytes) else json.dumps(reply.content).encode()
            head = {"Content-Length": str(len(content)), "Connection": "close"} | reply.headers
            lines = [f"HTTP/1.1 {reply.status} So", *(f"{name}: {value}" for name, value in head.items()), "", ""]
            whole = "\r\n".join(lines).encode() + content
            with suppress(OSError):
                for part in [whole] if not reply.pause else [bytes([byte]) for byte in whole]:
                    self.wfile.write(part)
                    if reply.pause and over.wait(reply.pause):
                        return

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with _Quiet(("127.0.0.1", 0), Handler) as server:
        served = Served(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield served
        finally:
            over.set()
            server.shutdown()
            thread.join()


def completing(reply: Reply | Callable[[Fields], Reply], models: object = MODELS) -> Answer:
    """A server that knows its models, and answers prompts so."""

    def answer(path: str, body: Fields) -> Reply:
        if path == "/v1/completions":
            return reply if isinstance(reply, Reply) else reply(body)
        return Reply(models) if path == "/v1/models" else Reply({"error": "no such thing"}, 404)

    return answer


def said(*texts: str, reason: str = "stop") -> Reply:
    return Reply({"choices": [{"text": text, "finish_reason": reason} for text in texts]})


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key and no proxy of whoever runs the tests."""
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")


# -- a server with a model


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load()


@pytest.fixture(scope="module")
def local(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    shape = dataclasses.replace(SMALL, vocabulary=tokenizer.vocabulary_size, hidden=64, layers=1, context=CONTEXT)
    engine = load(make(tmp_path_factory.mktemp("model"), shape), "fp32", threads=1)
    return LocalModel(engine, tokenizer, "compact", "tiny")


@pytest.fixture(scope="module")
def grammar(tokenizer: Tokenizer, vocabulary: Vocabulary) -> PassListGrammar:
    return PassListGrammar(tokenizer, vocabulary, "compact", denied=["attributor"])


@dataclass
class LikeVllm:
    """Answers with a model, in the words of vLLM, or of servers that take less."""

    model: LocalModel
    grammar: PassListGrammar
    most: int = 100
    """Answers of one reply."""
    refuses: tuple[str, ...] = ()
    """Fields; `n` if it is not 1."""

    def __call__(self, path: str, body: Fields) -> Reply:
        if path == "/v1/models":
            return Reply({"data": [{"id": "tiny", "owned_by": "vllm", "max_model_len": CONTEXT}]})
        if path == "/version":
            return Reply({"version": "0.14.0"})
        if path not in ("/v1/completions", "/tokenize") or body["model"] != "tiny":
            return Reply({"error": {"message": f"no {path}"}}, 404)
        ids = self.model.ids(((body["prompt"], True),))
        if path == "/tokenize":
            return Reply({"count": len(ids), "tokens": ids, "max_model_len": CONTEXT})
        for name in self.refuses:
            if name in body and (name != "n" or body["n"] > 1):
                return Reply({"error": {"message": f"{name} is not supported", "code": 400}}, 400)
        if len(ids) + body["max_tokens"] > CONTEXT:
            return Reply({"error": {"message": f"the maximum context length is {CONTEXT}"}}, 400)
        return Reply({"choices": [self.choice(each, body) for each in self.generated(ids, body)]})

    def generated(self, ids: list[int], body: Fields) -> Sequence[Generated]:
        guided = "structured_outputs" in body
        grammar = self.grammar if guided else None
        stop = Stop(self.model.tokenizer.eos, after_list=guided, tokens=body["max_tokens"])
        if body["temperature"] == 0:
            return [greedy(self.model.engine, ids, stop, grammar)]
        seeds = range(body["seed"], body["seed"] + min(body["n"], self.most))
        options = {"temperature": body["temperature"], "top_p": body["top_p"]}
        return sample(self.model.engine, ids, seeds, stop, grammar, **options)

    def choice(self, answer: Generated, body: Fields) -> Fields:
        share = [answer.logprob / len(answer.ids)] * len(answer.ids)
        logprobs = {"token_logprobs": share} if "logprobs" in body else None
        reason = "stop" if answer.reason in ("end", "stop") else "length"
        return {"text": self.model.tokenizer.decode(answer.ids), "finish_reason": reason, "logprobs": logprobs}


def same(found: Sequence[Written], expected: Sequence[Written]) -> bool:
    """But for what LLVM and files cannot hold, and for rounding."""
    for one, other in zip(found, expected, strict=True):
        assert one.text == other.text.replace("\0", "\ufffd")
        assert (one.reason, one.tokens) == (other.reason, other.tokens)
        assert one.logprob == pytest.approx(other.logprob)
    return True


@pytest.mark.parametrize("how", [How(tokens=30), How(5, "sample", seed=7, tokens=30)], ids=lambda how: how.method)
def test_answers_are_those_of_the_model_behind_it_with_one_request(
    local: LocalModel, grammar: PassListGrammar, how: How
) -> None:
    with serving(LikeVllm(local, grammar)) as served:
        model = ServerModel(served.url, dialect="compact")
        found = list(model.write(ASKED, how))
    assert same(found, list(local.write(ASKED, how)))
    assert len(served.completions) == 1
    assert model.name == f"openai:{served.url}#tiny"


@pytest.mark.parametrize(
    ("options", "requests"), [({"most": 1}, 5), ({"most": 2}, 3), ({"refuses": ("n",)}, 6)], ids=str
)
def test_a_server_that_gives_fewer_answers_is_asked_again_for_the_others(
    local: LocalModel, grammar: PassListGrammar, options: Fields, requests: int
) -> None:
    how = How(5, "sample", seed=7, tokens=20)
    with serving(LikeVllm(local, grammar, **options)) as served:
        found = list(ServerModel(served.url).write(ASKED, how))
    assert same(found, list(local.write(ASKED, how)))
    assert len(served.completions) == requests


def test_lists_are_held_to_the_grammar_where_the_server_can(
    local: LocalModel, grammar: PassListGrammar, vocabulary: Vocabulary
) -> None:
    with serving(LikeVllm(local, grammar)) as served:
        model = ServerModel(f"{served.url}/v1/", dialect="compact")
        found = list(model.write(ASKED, How(8, "sample", temperature=2.0), vocabulary))
    assert len({answer.text for answer in found}) == 8
    for answer in found:
        assert answer.reason == "stop"
        assert re.fullmatch("opt -p '[^']+'", answer.text)
        assert vocabulary.may_propose(restored(parse(answer.text).passes[0], vocabulary)) == ""


def test_a_server_that_refuses_grammar_and_log_probabilities_answers_without(
    local: LocalModel, grammar: PassListGrammar, vocabulary: Vocabulary
) -> None:
    refuses = ("structured_outputs", "logprobs")
    with serving(LikeVllm(local, grammar, refuses=refuses)) as served:
        (answer,) = ServerModel(served.url, dialect="compact").write(ASKED, How(tokens=9), vocabulary)
    (expected,) = local.write(ASKED, How(tokens=9))
    assert answer.text == expected.text
    assert answer.logprob is None
    assert served.completions[-1]["stop"] == ["' "]


def test_prompts_are_measured_against_the_context(local: LocalModel, grammar: PassListGrammar) -> None:
    long = (("x1 " * CONTEXT, True),)
    with serving(LikeVllm(local, grammar)) as served:
        model = ServerModel(served.url)
        assert model.context == CONTEXT
        length = model.length(ASKED)
        assert length == local.length(ASKED)
        (answer,) = model.write(ASKED, How())
        assert served.completions[0]["max_tokens"] == CONTEXT - local.length(ASKED)
        assert (answer.reason, answer.tokens) == ("context", CONTEXT - local.length(ASKED))
        with pytest.raises(PromptTooLongError, match=r"tokens is over the context of 256"):
            next(model.write(long, How()))
        assert len(served.completions) == 1
        model.context = None  # as where nobody says
        with pytest.raises(PromptTooLongError, match=r"HTTP 400: the maximum context length is 256"):
            next(model.write(long, How(tokens=9)))


def test_pages_beside_the_api_do_not_matter() -> None:
    models = {"data": [{"id": "tiny", "owned_by": "vllm", "max_model_len": CONTEXT}]}

    def answer(path: str, body: Fields) -> Reply:
        return completing(said("x"), models)(path, body) if path.startswith("/v1/") else Reply(b"<html>")

    with serving(answer) as served:
        model = ServerModel(served.url)
        assert (model.context, model.length(HELLO)) == (CONTEXT, None)
        assert [answer.text for answer in model.write(HELLO, How())] == ["x"]


# -- what is asked for


@pytest.mark.parametrize(
    ("owner", "version", "fields"),
    [
        ("vllm", "0.14.0", ["structured_outputs"]),
        ("vllm", "0.1.dev7+g1234567", ["structured_outputs"]),
        ("vllm", "0.11.2", ["guided_grammar"]),
        ("sglang", None, ["ebnf"]),
        ("llamacpp", None, ["grammar", "min_p", "top_k"]),
        ("openai", None, []),
    ],
)
def test_each_kind_of_server_is_asked_in_its_own_words(
    vocabulary: Vocabulary, owner: str, version: str | None, fields: list[str]
) -> None:
    def answer(path: str, body: Fields) -> Reply:
        if path == "/version" and version:
            return Reply({"version": version})
        if path == "/props" and owner == "llamacpp":
            return Reply({"default_generation_settings": {"n_ctx": 512}})
        return completing(said("opt -p 'sroa,gvn"), {"data": [{"id": "a", "owned_by": owner}]})(path, body)

    with serving(answer) as served:
        model = ServerModel(served.url)
        (written,) = model.write(HELLO, How(tokens=50), vocabulary)
    assert (written.text, written.reason) == ("opt -p 'sroa,gvn'", "stop")
    assert model.context == (512 if owner == "llamacpp" else None)
    (body,) = served.completions
    known = {"model", "prompt", "max_tokens", "temperature", "top_p", "logprobs", "n", "seed", "stop"}
    assert sorted(body.keys() - known) == fields
    assert body["stop"] == ["'\n"]
    if fields:
        guide = body[fields[0]]
        text = guide["grammar"] if isinstance(guide, dict) else guide
        assert text.startswith("root ::= ")
        assert "sroa" in text
        assert "attributor" not in text


@pytest.mark.parametrize(
    ("text", "reason", "expected"),
    [
        ("opt -p 'sroa' 12 9\n<code>", "length", ("opt -p 'sroa'", "stop")),
        (" opt -p 'sroa", "stop", (" opt -p 'sroa'", "stop")),
        ("opt -p 'sroa,gv", "length", ("opt -p 'sroa,gv", "length")),
        ("I cannot say", "stop", ("I cannot say", "end")),
        ("opt -p 'sroa", "abort", ("opt -p 'sroa", "abort")),
    ],
)
def test_an_answer_ends_with_its_list_or_says_that_it_does_not(
    vocabulary: Vocabulary, text: str, reason: str, expected: tuple[str, str]
) -> None:
    with serving(completing(said(text, reason=reason))) as served:
        (answer,) = ServerModel(served.url).write(HELLO, How(), vocabulary)
    assert (answer.text, answer.reason) == expected


def test_priority_gives_no_answer_twice_and_does_not_ask_for_ever() -> None:
    texts = iter(["a", "b", "a", "a", "c", "a", "a", "a"])
    with serving(completing(lambda body: said(next(texts)))) as served:
        found = list(ServerModel(served.url).write(HELLO, How(4, "priority")))
    assert [answer.text for answer in found] == ["a", "b", "c"]
    assert [body["seed"] for body in served.completions] == list(range(8))


def test_log_probabilities_are_read_in_both_notations_and_nonsense_is_none() -> None:
    def choice(logprobs: object) -> Fields:
        return {"text": "x", "finish_reason": "stop", "logprobs": logprobs}

    kinds = [
        {"token_logprobs": [-1, -0.5]},
        {"content": [{"token": "x", "logprob": -2.5}]},
        {"token_logprobs": [None, -1.0]},
        {"token_logprobs": [10**400]},
        {"content": ["x"]},
        "x",
    ]
    reply = Reply({"choices": [choice(kind) for kind in kinds], "usage": {"completion_tokens": 18}})
    with serving(completing(reply)) as served:
        found = list(ServerModel(served.url).write(HELLO, How(len(kinds), "sample")))
    assert [answer.logprob for answer in found] == [-1.5, -2.5, None, None, None, None]
    assert [answer.tokens for answer in found] == [2, 1, 3, 3, 3, 3]


def test_what_no_file_can_hold_does_not_come_through() -> None:
    reply = Reply(rb'{"choices": [{"text": "a\u0000b\ud800", "finish_reason": "stop"}]}')
    with serving(completing(reply)) as served:
        (answer,) = ServerModel(served.url).write(HELLO, How())
    assert answer.text == "a\ufffdb\ufffd"


# -- which model


def test_the_model_is_the_only_one_or_the_one_that_is_named() -> None:
    several = {"data": [{"id": "one", "max_model_len": 64}, {"id": "t\x1b[31mwo", "max_model_len": 32}]}
    with serving(completing(said("x"), several)) as served:
        with pytest.raises(ModelError, match=r"several models, name one behind a #: one, t\[31mwo$"):
            open_model(f"openai:{served.url}")
        model = open_model(f"openai:{served.url}#one")
        assert (model.name, model.context) == (f"openai:{served.url}#one", 64)
        next(iter(model.write(HELLO, How())))
        assert served.completions[0]["model"] == "one"


def test_a_server_without_a_list_of_models_needs_a_name() -> None:
    with serving(lambda path, _: said("x") if path == "/v1/completions" else Reply(b"", 404)) as served:
        with pytest.raises(ModelError, match="does not say which models it has"):
            ServerModel(served.url)
        model = ServerModel(served.url, "some")
        assert (model.context, model.length(HELLO)) == (None, None)
        assert [answer.text for answer in model.write(HELLO, How())] == ["x"]


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://a/", "http://", "http://a:99999", "http://a b", "http://a/?x=1", "http://[::1"]
)
def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    with pytest.raises(ModelError, match="no URL of a server"):
        ServerModel(url, "some")


# -- secrets


def test_a_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    refusal = Reply({"error": {"message": f"{SECRET} is no key"}}, 401)
    with serving(completing(refusal)) as served:
        model = ServerModel(served.url)
        with pytest.raises(ModelError) as error:
            next(model.write(HELLO, How()))
    assert str(error.value) == f"{served.url}: HTTP 401: ... is no key"
    assert len(served.completions) == 1
    assert all(headers["Authorization"] == f"Bearer {SECRET}" for headers in served.headers)
    assert all(headers["Accept-Encoding"] == "identity" for headers in served.headers)


def test_a_password_in_the_url_is_used_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    with serving(completing(Reply(b"", 403))) as served:
        model = ServerModel(served.url.replace("//", "//me:hidden@"))
        with pytest.raises(ModelError) as error:
            next(model.write(HELLO, How()))
    assert all(headers["Authorization"].startswith("Basic ") for headers in served.headers)
    assert "hidden" not in f"{error.value} {model.name}"
    assert served.url in str(error.value)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "sch\u00f6n"])
def test_a_key_that_cannot_be_sent_is_not_sent(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(KEY, key)
    with pytest.raises(ModelError, match="characters that no key has") as error:
        ServerModel("http://127.0.0.1:9")
    assert key not in str(error.value)


# -- servers that are ill


def test_a_server_that_is_down_is_given_up_soon() -> None:
    with serving(completing(said("x"))) as served:
        pass
    started = time.monotonic()
    with pytest.raises(ModelError, match=rf"^{served.url}: .*, 3 times$"):
        ServerModel(served.url)
    assert time.monotonic() - started < 6


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_passes_is_waited_for(status: int) -> None:
    replies = iter([Reply(b"<html>busy", status), said("fine")])
    with serving(completing(lambda body: next(replies))) as served:
        assert [answer.text for answer in ServerModel(served.url).write(HELLO, How())] == ["fine"]
    assert len(served.completions) == 2


def test_what_does_not_pass_is_not_waited_for_for_ever() -> None:
    with serving(completing(Reply({"error": {"message": "no\nmemory \x1b[1m left"}}, 500))) as served:
        model = ServerModel(served.url)
        with pytest.raises(ModelError, match=r"HTTP 500: no memory \[1m left, 3 times$"):
            next(model.write(HELLO, How()))
    assert len(served.completions) == 3


@pytest.mark.parametrize("pause", [0.05, 30.0], ids=["byte by byte", "silent"])
def test_a_slow_server_is_left_when_the_time_is_over(pause: float) -> None:
    with serving(completing(dataclasses.replace(said("x" * 1_000), pause=pause))) as served:
        model = ServerModel(served.url)
        started = time.monotonic()
        with pytest.raises(ModelError, match="no answer in time"):
            next(model.write(HELLO, How(seconds=0.5)))
        assert time.monotonic() - started < 2


def test_answers_that_were_in_time_are_kept() -> None:
    replies = iter([said("first"), dataclasses.replace(said("second"), pause=30)])
    with serving(completing(lambda body: next(replies))) as served:
        found = list(ServerModel(served.url).write(HELLO, How(2, "sample", seconds=1)))
    assert [answer.text for answer in found] == ["first"]


def test_waiting_for_a_server_that_is_busy_ends_with_the_time() -> None:
    with serving(completing(Reply(b"", 503))) as served:
        model = ServerModel(served.url)
        started = time.monotonic()
        with pytest.raises(ModelError, match="no answer in time"):
            next(model.write(HELLO, How(seconds=0.2)))
        assert time.monotonic() - started < 1.5


def test_nobody_is_followed_elsewhere() -> None:
    with serving(completing(said("x"))) as other:
        away = Reply(b"", 307, {"Location": f"{other.url}/v1/completions"})
        with serving(completing(away)) as served:
            model = ServerModel(served.url)
            with pytest.raises(ModelError, match=r"elsewhere \(HTTP 307\)"):
                next(model.write(HELLO, How()))
    assert not other.requests


def test_a_huge_reply_is_not_read_to_its_end() -> None:
    with serving(completing(Reply(b" " * (32 << 20)))) as served:
        model = ServerModel(served.url)
        with pytest.raises(ModelError, match="a reply of over 16 MB"):
            next(model.write(HELLO, How()))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"<!DOCTYPE html><html>\nlog in first"),
        Reply(b""),
        Reply(b"\xff\xfe\x00"),
        Reply(b"[" * 200_000),
        Reply(gzip.compress(b'{"choices": [{"text": "x"}]}'), headers={"Content-Encoding": "gzip"}),
        Reply([1]),
        Reply({}),
        Reply({"choices": []}),
        Reply({"choices": {"text": "x"}}),
        Reply({"choices": ["x"]}),
        Reply({"choices": [{"text": None}]}),
        Reply({"choices": [{"message": {"content": "x"}}]}),
        said("x" * (2 << 20)),
        Reply({"error": {"message": ["odd", {}]}}, 418),
        Reply({"error": 3}, 400),
    ],
    ids=lambda reply: str(reply.content)[:20],
)
def test_nonsense_is_one_line_that_names_the_server(reply: Reply) -> None:
    with serving(completing(reply)) as served:
        model = ServerModel(served.url)
        with pytest.raises(ModelError) as error:
            next(model.write(HELLO, How()))
    assert str(error.value).startswith(f"{served.url}: ")
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("models", [{"data": "x"}, {"data": [{"id": 3}]}, {"data": [{}]}, {}, {"data": ["x"]}], ids=str)
def test_a_list_of_models_that_is_none_is_said_to_be_none(models: Fields) -> None:
    with serving(completing(said("x"), models)) as served, pytest.raises(ModelError, match="no list of models"):
        ServerModel(served.url)


# -- the grammar


def expression(grammar: str) -> re.Pattern[str]:
    """The language of a grammar without recursion, as a regular expression."""
    rules = dict(line.split(" ::= ", 1) for line in grammar.splitlines())
    pieces = re.compile(r'("(?:[^"\\]|\\.)*")|([a-z]+)|(\{\d+,\d+\}|[()|])|( )|(.)')

    def read(rule: str) -> str:
        def one(match: re.Match[str]) -> str:
            text, name, sign, _, other = match.groups()
            assert not other, f"unknown in a grammar: {other}"
            return re.escape(json.loads(text)) if text else f"(?:{read(rules[name])})" if name else sign or ""

        return pieces.sub(one, rule)

    return re.compile(read(rules["root"]))


@pytest.mark.parametrize("dialect", DIALECTS)
@given(seed=st.integers(0, 2**32))
def test_the_grammar_is_that_of_lists_that_may_be_proposed(vocabulary: Vocabulary, dialect: Dialect, seed: int) -> None:
    language = expression(list_grammar(vocabulary, dialect, ("attributor",), 20))
    rng = random.Random(seed)
    passes = vocabulary.random_list(rng, 24)
    names = {element.spelling for element in passes.passes()}
    text = f"opt -p '{shown(str(passes), dialect)}'"
    assert (language.fullmatch(text) is not None) == (len(passes) <= 20 and "attributor" not in names)
    place = rng.randrange(len(text))
    for changed in (text[:place] + text[place + 1 :], text[:place] + rng.choice("a,'(<2 ") + text[place:]):
        if language.fullmatch(changed):
            found = restored(parse(changed).passes[0], vocabulary)
            assert vocabulary.may_propose(found) == ""
            assert shown(str(found), dialect) in changed


def test_every_way_through_the_grammar_of_tokens_is_one_through_this(
    tokenizer: Tokenizer, vocabulary: Vocabulary, grammar: PassListGrammar
) -> None:
    language = expression(list_grammar(vocabulary, "compact", ("attributor",)))
    for seed in range(30):
        rng, ids = random.Random(seed), []
        state: State | None = grammar.start
        while state is not None:
            ids.append(rng.choice(grammar.allowed(state).tolist()))
            state = grammar.advance(state, ids[-1])
        assert min(ids) >= len(SPECIALS)
        assert language.fullmatch(tokenizer.decode(ids).removesuffix(grammar.after) + "'")


def test_a_grammar_of_nothing_is_none(vocabulary: Vocabulary) -> None:
    assert expression(list_grammar(vocabulary, "compact", (), 1)).fullmatch("opt -p 'sroa'")
    with pytest.raises(GrammarError, match="every pass is denied"):
        list_grammar(vocabulary, "compact", tuple(vocabulary.passes))
    with pytest.raises(GrammarError, match="one pass at least"):
        list_grammar(vocabulary, "compact", (), 0)
