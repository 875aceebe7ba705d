from __future__ import annotations

import json

import pytest

from llm_compiler.llvm.passes import Vocabulary
from tests.conftest import RunLlmc


def test_every_pass_has_a_line_with_level_kind_and_verdict(llmc: RunLlmc, vocabulary: Vocabulary) -> None:
    done = llmc("passes")
    lines = {line.split()[0]: line for line in done.stdout.decode().splitlines()}
    assert done.returncode == 0
    assert list(lines) == list(vocabulary.passes)
    assert lines["sroa"].split() == ["sroa", "function", "optimisation", "yes"]
    assert "no   hides symbols" in lines["internalize"]
    for name, line in lines.items():
        why = vocabulary.passes[name].why
        assert line.endswith(why or "yes")


def test_the_summary_goes_to_stderr(llmc: RunLlmc, vocabulary: Vocabulary) -> None:
    summary = llmc("passes").stderr.decode()
    assert f"{len(vocabulary.passes)} of {len(vocabulary.passes)} passes of LLVM 17.0.6" in summary
    assert f"{len(vocabulary.proposable)} may be proposed" in summary


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["licm"], ["licm", "loop-versioning-licm"]),
        (["icm", "--level", "loop-mssa"], ["licm", "lnicm"]),
        (["default<", "--proposable"], [f"default<O{level}>" for level in "0123sz"]),
        (["no-such-thing"], []),
    ],
)
def test_passes_can_be_chosen(llmc: RunLlmc, arguments: list[str], names: list[str]) -> None:
    done = llmc("passes", *arguments)
    assert done.returncode == 0
    chosen = [line.split()[0] for line in done.stdout.decode().splitlines()]
    assert chosen == names


def test_json_holds_the_vocabulary(llmc: RunLlmc, vocabulary: Vocabulary) -> None:
    document = json.loads(llmc("passes", "--json").stdout)
    assert document["llvm"] == "17.0.6"
    assert {item["name"]: item["propose"] for item in document["passes"]} == {
        name: known.propose for name, known in vocabulary.passes.items()
    }


def test_another_llvm_lists_its_own_passes(llmc: RunLlmc, system_llvm: str) -> None:
    done = llmc("passes", "--llvm", system_llvm, "--json")
    document = json.loads(done.stdout)
    assert document["llvm"].startswith(f"{system_llvm}.")
    assert "sroa" in {item["name"] for item in document["passes"] if item["propose"]}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [(["--level", "basic-block"], 2, "Invalid value"), (["--llvm", "/nowhere"], 1, "no LLVM at /nowhere")],
)
def test_mistakes_have_one_line_and_a_code(llmc: RunLlmc, arguments: list[str], code: int, words: str) -> None:
    done = llmc("passes", *arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr
