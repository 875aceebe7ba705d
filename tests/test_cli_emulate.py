"""`llmc emulate`, `llmc ask` and `llmc lift` as people type them, with a model that has learnt nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from llm_compiler.llvm.toolchain import Toolchain
from tests.conftest import RunLlmc
from tests.small_models import unlearnt
from tests.small_projects import one_line

SOURCE = "int max(int a, int b) { return a > b ? a : b; }\nint twice(int x) { return 2 * x; }\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights."""
    return unlearnt(tmp_path_factory.mktemp("model") / "model", context=640)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "max.c").write_text(SOURCE)
    return tmp_path / "max.c"


@pytest.fixture
def object_file(source: Path, llmc: RunLlmc) -> Path:
    assert llmc("optimize", source, "-o", source.with_suffix(".o"), "--budget", "0").returncode == 0
    return source.with_suffix(".o")


# -- emulate


def test_emulate_shows_the_differences_and_a_verdict_and_is_not_fooled(
    llmc: RunLlmc, model: Path, source: Path
) -> None:
    done = llmc("emulate", source, "--passes", "function(sroa)", "--model", model)
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith(("broken", "no code"))
    assert "cut off by its context" in lines[0]
    assert any(line.startswith("instructions: none said, ") for line in lines)
    assert "--- compiler" in lines
    assert any(line.startswith("-define dso_local i32 @max(") for line in lines)
    assert llmc("emulate", source, "--passes", "function(sroa)", "--model", model, "--check").returncode == 1


def test_emulate_as_json_has_the_answer_and_the_truth(llmc: RunLlmc, model: Path, source: Path) -> None:
    arguments = ("--passes", "function(sroa)", "--model", model, "--emit", "asm", "--samples", "2", "--json")
    found = json.loads(llmc("emulate", source, *arguments).stdout)
    assert found["passes"] == "function(sroa)"
    assert len(found["answers"]) == 2
    for one in found["answers"]:
        assert one["ok"] is False
        assert "max:" in one["truth"]
        assert one["size"]["real"] > 0
    assert found == json.loads(llmc("emulate", source, *arguments).stdout) | {"answers": found["answers"]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--passes", "function(sraa)"], "did you mean sroa?"),
        (["--passes", "function(sroa"], "pass list"),
        (["--passes", "function(sroa)", "--model", "nowhere"], "nowhere"),
    ],
)
def test_what_emulate_cannot_do_is_one_line(
    llmc: RunLlmc, model: Path, source: Path, arguments: list[str], said: str
) -> None:
    given = arguments if "--model" in arguments else [*arguments, "--model", str(model)]
    assert said in one_line(llmc("emulate", source, *given))


def test_sources_that_do_not_compile_or_are_not_there_are_one_line(llmc: RunLlmc, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text("int f( {")
    (tmp_path / "empty.c").write_text("")
    for name, said in (("bad.c", "error: "), ("empty.c", "empty"), ("none.c", "No such file")):
        done = llmc("emulate", tmp_path / name, "--passes", "function(sroa)", "--model", model)
        assert said in one_line(done)


# -- ask


def test_ask_prints_the_prompt_and_lists_that_llvm_takes(llmc: RunLlmc, model: Path, source: Path) -> None:
    found = json.loads(llmc("ask", "flag_tuning", source, "--model", model, "--samples", "3", "--json").stdout)
    assert found["prompt"].startswith("[INST] opt -p\n<code>define dso_local i32 @max(")
    assert len(found["answers"]) == 3
    for answer in found["answers"]:
        assert answer["text"].startswith("opt -p '")
        assert answer["reason"] == "stop"
        assert answer["logprob"] < 0
    text = llmc("ask", "flag_tuning", source, "--model", model, "--prompt-only").stdout.decode()
    assert text.startswith("[INST] opt -p\n")
    assert "answer 1" not in text


def test_ask_knows_all_four_tasks(llmc: RunLlmc, model: Path, source: Path, object_file: Path) -> None:
    prompts = {
        "emulation": (source, "--passes", "function(sroa)"),
        "disassembly": (object_file, "--function", "twice"),
        "ir_modeling": (source,),
    }
    begin = {"emulation": "[INST] opt -p 'sroa' ir\n<code>define", "disassembly": "[INST] ", "ir_modeling": "int max("}
    for task, arguments in prompts.items():
        done = llmc("ask", task, *arguments, "--model", model, "--prompt-only")
        assert done.stdout.decode().startswith(begin[task]), (task, done)
    assert llmc("ask", "emulation", source, "--model", model).returncode == 2
    assert "no function nothing" in one_line(
        llmc("ask", "disassembly", object_file, "--function", "nothing", "--model", model)
    )


# -- lift


def test_lift_says_how_far_each_function_got_and_declares_the_rest(
    llmc: RunLlmc, model: Path, object_file: Path, tmp_path: Path, toolchain: Toolchain
) -> None:
    out = tmp_path / "out.ll"
    done = llmc("lift", object_file, "-o", out, "--model", model, "--samples", "2")
    assert done.returncode == 1, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["max", "not"], ["twice", "not"]]
    assert "cut off by its context" in lines[1]
    assert lines[-1] == "2 not"
    assert "declare void @max(...)" in out.read_text()
    assert llmc("optimize", out, "-o", tmp_path / "again.o", "--budget", "0").returncode == 0  # it is valid IR
    required = llmc("lift", object_file, "-o", out, "--model", model, "--samples", "1", "--require", "not")
    assert required.returncode == 0


def test_lift_as_json_holds_what_replays_it(llmc: RunLlmc, model: Path, object_file: Path, tmp_path: Path) -> None:
    arguments = ("--model", model, "--samples", "1", "--function", "twice", "--json")
    found = json.loads(llmc("lift", object_file, "-o", tmp_path / "out.ll", *arguments).stdout)
    (one,) = found["functions"]
    assert (one["name"], one["level"], one["tried"]) == ("twice", "not", 1)
    assert "twice:\n" in one["assembly"]
    assert found["llvm"] == "17.0.6"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.o", None, "No such file"),
        ("empty.s", b"", "empty"),
        ("text.s", b"just some words\n", "no functions in it"),
        ("broken.o", b"\x7fELF" + b"\xff" * 60, "broken.o: "),
        ("random.bin", bytes(range(256)), "neither an ELF object"),
    ],
)
def test_what_cannot_be_lifted_is_one_line_and_writes_nothing(
    llmc: RunLlmc, model: Path, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = llmc("lift", tmp_path / name, "-o", tmp_path / "out.ll", "--model", model)
    assert said in one_line(done)
    assert not (tmp_path / "out.ll").exists()


def test_assembly_of_another_architecture_is_refused(llmc: RunLlmc, model: Path, object_file: Path) -> None:
    done = llmc("lift", object_file, "-o", "-", "--target", "aarch64", "--model", model)
    assert "it is for x86-64, not for aarch64" in one_line(done)


@pytest.mark.parametrize("command", ["emulate", "lift", "ask"])
def test_the_help_has_an_example(llmc: RunLlmc, command: str) -> None:
    assert f"llmc {command} " in llmc(command, "--help").stdout.decode()
