"""Who proposes which pass lists: portfolio and model in turn, a model that is asked about real modules, and
`llmc optimize` with either."""

# ruff: noqa: E402 - what is missing is found out before
from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

for needed in ("torch", "onnx", "httpx2"):
    pytest.importorskip(needed)

from llm_compiler.inference.asked import Asked
from llm_compiler.inference.model import How, Model, ModelError, PromptTooLongError, open_model
from llm_compiler.inference.propose import Candidate, Propose, in_turn, listed, or_else
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from tests.conftest import RunLlmc
from tests.test_model import small_model
from tests.test_server import Reply, completing, said, serving

MODULE = b"any module at all"
C = "int sum(const int *p, int n) { int s = 0; for (int i = 0; i < n; i++) s += p[i]; return s; }\n"
HOW = How(samples=4, method="priority")
CONTEXT = 512
OZ = "module(default<Oz>)"


def proposing(*lists: str, origin: str = "portfolio") -> Propose:
    return listed(map(PassList.parse, lists), origin)


def told(candidates: Sequence[Candidate]) -> list[tuple[str, str]]:
    return [(str(one.passes), one.origin) for one in candidates]


# -- putting proposals together


def test_a_portfolio_is_the_same_for_every_module() -> None:
    propose = proposing("function(sroa)", "module(globaldce)")
    expected = [("function(sroa)", "portfolio 1"), ("module(globaldce)", "portfolio 2")]
    assert told(propose(MODULE)) == told(propose(b"")) == expected


def test_two_are_heard_in_turn_and_no_list_twice() -> None:
    first = proposing("function(sroa)", "function(gvn)", origin="model")
    second = proposing("function(gvn)", "function(sroa)", "module(globaldce)", "function(dce)")
    assert told(in_turn(first, second, 10)(MODULE)) == [
        ("function(sroa)", "model 1"),
        ("function(gvn)", "portfolio 1"),
        ("module(globaldce)", "portfolio 3"),
        ("function(dce)", "portfolio 4"),
    ]
    assert told(in_turn(second, listed([]), 10)(MODULE)) == told(second(MODULE))


@pytest.mark.parametrize("budget", [0, 1, 3])
def test_a_budget_cuts_what_is_left_when_doubles_are_gone(budget: int) -> None:
    first = proposing("function(sroa)", "function(gvn)", origin="model")
    second = proposing("function(sroa)", "function(dce)")
    found = [passes for passes, _ in told(in_turn(first, second, budget)(MODULE))]
    assert found == ["function(sroa)", "function(gvn)", "function(dce)"][:budget]


def test_a_model_that_fails_is_complained_about_once_and_not_asked_again() -> None:
    asked: list[bytes] = []
    warned: list[str] = []

    def failing(module: bytes) -> Sequence[Candidate]:
        asked.append(module)
        if len(asked) > 1:
            raise ModelError("the model is gone")
        return proposing("function(sroa)")(module)

    propose = or_else(failing, listed([]), warned.append)
    assert told(propose(MODULE)) == [("function(sroa)", "portfolio 1")]
    assert [list(propose(MODULE)) for _ in range(3)] == [[], [], []]
    assert (len(asked), warned) == (2, ["the model is gone"])


def test_errors_of_ours_are_not_taken_for_a_models() -> None:
    def wrong(_: bytes) -> Sequence[Candidate]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        or_else(wrong, listed([]), print)(MODULE)


# -- a model, asked about modules


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("propose") / "model", context=CONTEXT)


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return open_model(str(folder), threads=1)


@pytest.fixture(scope="module")
def ask(model: Model, toolchain: Toolchain, vocabulary: Vocabulary) -> Iterator[Asked]:
    with Asked(model, vocabulary, toolchain.library, "ship", HOW) as asked:
        yield asked


def test_each_answer_about_a_small_module_is_a_candidate(
    ask: Asked, compiled: Callable[..., bytes], vocabulary: Vocabulary
) -> None:
    found = ask(compiled(C))
    assert 1 <= len(found) <= HOW.samples
    assert [one.origin for one in found] == [f"model {number}" for number in range(1, len(found) + 1)]
    assert len({str(one.passes) for one in found}) == len(found)
    assert all(vocabulary.may_propose(one.passes) == "" for one in found)


def test_a_module_over_the_context_is_asked_about_by_its_functions(
    ask: Asked, compiled: Callable[..., bytes], vocabulary: Vocabulary
) -> None:
    functions = "".join(C.replace("sum", f"sum{number}").replace("s += p", f"s += {number} * p") for number in range(9))
    found = ask(compiled(functions))
    assert 1 <= len(found) <= HOW.samples
    assert [one.origin for one in found] == [f"model, by functions, {number}" for number in range(1, len(found) + 1)]
    assert len({str(one.passes) for one in found}) == len(found)
    assert all(vocabulary.may_propose(one.passes) == "" for one in found)


def test_a_function_over_the_context_is_asked_about_by_its_beginning(
    ask: Asked, model: Model, compiled: Callable[..., bytes]
) -> None:
    long = (
        "int f(int x) { " + "".join(f"if (x == {number}) x *= {number + 7}; " for number in range(300)) + "return x; }"
    )
    for code in (long, f"{long}\n{C}"):
        assert ask(compiled(code))[0].origin == "model, by functions, 1"
    with pytest.raises(PromptTooLongError):
        ask.prompt(compiled(long))


@pytest.mark.parametrize("module", [b"not a module", b"BC\xc0\xde" + b"\xff" * 100, b"BC\xc0\xde"])
def test_what_llvm_cannot_read_gives_nothing(ask: Asked, module: bytes) -> None:
    assert ask(module) == []


def test_the_same_module_gives_the_same_in_every_thread(ask: Asked, compiled: Callable[..., bytes]) -> None:
    modules = [compiled(C), compiled("int f(int x) { return x * 3; }")] * 3
    expected = [told(ask(module)) for module in modules[:2]] * 3
    with ThreadPoolExecutor(4) as threads:
        assert [told(found) for found in threads.map(ask, modules)] == expected
    assert expected[0] != expected[1]


def test_a_module_without_code_is_asked_about_like_others(ask: Asked, compiled: Callable[..., bytes]) -> None:
    assert len(ask(compiled("int zero;\n"))) <= HOW.samples


# -- a model behind a server, which may say anything


@pytest.fixture
def answers(
    toolchain: Toolchain, vocabulary: Vocabulary, compiled: Callable[..., bytes]
) -> Callable[..., list[tuple[str, str]]]:
    """What a model's words become."""

    def ask(*texts: str) -> list[tuple[str, str]]:
        with serving(completing(said(*texts))) as served:
            behind = open_model(f"openai:{served.url}")
            with Asked(behind, vocabulary, toolchain.library, "ship", How(len(texts), "sample")) as asked:
                found = told(asked(compiled(C)))
            assert all(body["max_tokens"] == 160 for body in served.completions)
            return found

    return ask


def test_only_lists_that_may_be_applied_are_candidates(answers: Callable[..., list[tuple[str, str]]]) -> None:
    nonsense = [
        "",
        "I am afraid I cannot do that.",
        "opt -p ''",
        "opt -p 'no-such-pass'",
        "opt -p 'function(sroa'",
        "opt -p 'module(trigger-crash)'",
        f"opt -p '{OZ}'",
    ]
    good = ["opt -p 'function(sroa)'", "opt -p 'sroa'", "opt -p 'module(globaldce),function(dce)' 10 9"]
    found = answers(*nonsense, *good, "opt -p 'function(gvn)' or opt -p 'function(dce)'")
    lists = ["function(sroa)", "module(globaldce),function(dce)", "function(gvn)"]
    assert found == [(passes, f"model {number}") for number, passes in enumerate(lists, 1)]


def test_a_model_that_only_talks_nonsense_proposes_nothing(answers: Callable[..., list[tuple[str, str]]]) -> None:
    assert answers("�" * 100, "opt -p 'opt -p '''", "[INST] [INST]") == []


def test_a_server_that_fails_when_it_is_asked_is_an_error_of_the_model(
    toolchain: Toolchain, vocabulary: Vocabulary, compiled: Callable[..., bytes]
) -> None:
    with serving(completing(Reply({"error": "out of order"}, 400))) as served:
        behind = open_model(f"openai:{served.url}")
        with Asked(behind, vocabulary, toolchain.library, "ship", HOW) as asked:
            with pytest.raises(ModelError, match="out of order") as caught:
                asked(compiled(C))
            assert "\n" not in str(caught.value)
            warned: list[str] = []
            assert or_else(asked, listed([]), warned.append)(compiled(C)) == []
            assert warned == [str(caught.value)]


# -- llmc optimize


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "sum.c").write_text(C)
    return tmp_path / "sum.c"


def solved(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    """The only file of the JSON document."""
    assert done.returncode == 0, done.stderr.decode()
    (file,) = json.loads(done.stdout)["files"]
    assert isinstance(file, dict)
    return file


def origins(file: dict[str, Any]) -> list[str]:
    return [one["origin"].split()[0] for one in file["candidates"]]


def test_both_are_tried_in_turn_where_a_model_is_named(llmc: RunLlmc, folder: Path, source: Path) -> None:
    done = llmc("optimize", source, "--model", folder, "--budget", 6, "-j", 1, "--json")
    assert done.stderr == b""
    file = solved(done)
    assert file["tried"] == 6
    assert origins(file)[:4] == ["model", "portfolio"] * 2
    assert file["size"]["total"] <= file["baseline"]["total"]


@pytest.mark.parametrize(("samples", "most"), [((), 3), (("--samples", 1), 1), (("--samples", 100), 3)])
def test_the_model_alone_is_tried_where_it_is_told(
    llmc: RunLlmc, folder: Path, source: Path, samples: tuple[object, ...], most: int
) -> None:
    arguments = ("--model", folder, "--proposer", "model", "--budget", 3, *samples, "-j", 1, "--json")
    file = solved(llmc("optimize", source, *arguments))
    assert 1 <= file["tried"] <= most
    assert {*origins(file)} == {"model"}


@pytest.mark.parametrize("arguments", [("--proposer", "portfolio", "--budget", 2), ("--budget", 0)])
def test_a_model_that_is_not_asked_need_not_be_there(
    llmc: RunLlmc, source: Path, arguments: tuple[object, ...]
) -> None:
    file = solved(llmc("optimize", source, "--model", "nowhere", *arguments, "-j", 1, "--json"))
    assert {*origins(file)} <= {"portfolio"}


@pytest.mark.parametrize("proposer", ["auto", "model", "both"])
def test_a_model_that_is_not_there_is_one_line_that_says_how_to_do_without(
    llmc: RunLlmc, source: Path, tmp_path: Path, proposer: str
) -> None:
    done = llmc("optimize", source, "--model", "nowhere", "--proposer", proposer)
    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (1, b"")
    assert "nowhere: no such folder" in line
    assert line.endswith("; --proposer portfolio works without a model")
    assert not (tmp_path / "sum.o").exists()


@pytest.mark.parametrize("arguments", [("--proposer", "oracle"), ("--samples", 0), ("--samples", "many")])
def test_wrong_usage_has_exit_code_2(llmc: RunLlmc, source: Path, arguments: tuple[object, ...]) -> None:
    done = llmc("optimize", source, *arguments)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_a_server_that_is_down_costs_a_warning_and_nothing_else(llmc: RunLlmc, source: Path, tmp_path: Path) -> None:
    quick = ("--budget", 4, "-j", 1)
    assert llmc("optimize", source, *quick, "--proposer", "portfolio", "-o", "without.o").returncode == 0
    done = llmc("optimize", source, *quick, "--model", "openai:http://127.0.0.1:9", "-o", "with.o")
    assert done.returncode == 0, done.stderr.decode()
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("llmc: warning: ")
    assert line.endswith("; going on without the model")
    assert (tmp_path / "with.o").read_bytes() == (tmp_path / "without.o").read_bytes()


def test_a_server_that_breaks_down_costs_a_warning_and_nothing_else(
    llmc: RunLlmc, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "more.c").write_text(C.replace("sum", "more"))
    quick = (source, "more.c", "--budget", 4, "-j", 1)
    assert llmc("optimize", *quick, "--proposer", "portfolio", "-o", "without/").returncode == 0
    with serving(completing(Reply({"error": "out of order"}, 400))) as served:
        done = llmc("optimize", *quick, "--model", f"openai:{served.url}", "-o", "with/")
    assert done.returncode == 0, done.stderr.decode()
    (line,) = done.stderr.decode().splitlines()
    assert "out of order" in line
    assert line.endswith("; going on without the model")
    for name in ("sum.o", "more.o"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
