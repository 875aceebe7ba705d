"""`llmc evaluate` as people type it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("rensa")

from llm_compiler.evaluation.answer import answers, systems
from tests.conftest import ROOT, RunLlmc
from tests.small_projects import llmc as run_llmc
from tests.small_projects import one_line

SMALL = ("--no-model", "--baseline", "portfolio", "--baseline", "copy", "--budget", 3, "--protocol", "ship", "-j", 2)
TASKS = ("--task", "flag_tuning", "--task", "emulation", "--task", "disassembly")


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of C, one file of which is none."""
    folder = tmp_path_factory.mktemp("code") / "embedded"
    folder.mkdir()
    for name in ("lz", "string_search"):
        shutil.copy(ROOT / "examples" / f"{name}.c", folder)
    (folder / "broken.c").write_text("int f(")
    return folder


@pytest.fixture(scope="module")
def results(code: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder's evaluation, with baselines alone."""
    out = tmp_path_factory.mktemp("out") / "results"
    ended = run_llmc("evaluate", *SMALL, *TASKS, "--benchmark", code, "--out", out)
    assert ended.returncode == 0, ended.stderr.decode()
    assert b"Flag tuning" in ended.stdout
    return out


def test_the_folder_has_report_units_and_every_answer(results: Path) -> None:
    for name in ("report.json", "report.md", "report.html", "benchmark.json", "units/part-00000.parquet"):
        assert (results / name).stat().st_size > 0
    place = systems(results, "flag_tuning")["portfolio"]
    kept = list(answers(place))
    units = json.loads((results / "benchmark.json").read_text())["units"]
    assert len(kept) == 3 * len(units)
    assert all(one.text and one.parsed for one in kept)


def test_what_did_not_compile_is_counted(results: Path) -> None:
    counts = json.loads((results / "benchmark.json").read_text())["counts"]
    assert counts["compiled"] == 2
    assert counts["files"] == 3


def test_the_same_command_asks_nothing_again(code: Path, results: Path, llmc: RunLlmc) -> None:
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    ended = llmc("evaluate", *SMALL, *TASKS, "--benchmark", code, "--out", results)
    assert ended.returncode == 0
    assert {path: path.read_bytes() for path in results.rglob("*") if path.is_file()} == before


def test_a_replay_makes_the_same_report_without_a_model(results: Path, llmc: RunLlmc, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    for name in ("report.json", "report.md", "report.html"):
        (copy / name).unlink()
    ended = llmc("evaluate", "--replay", copy, "--again", "-j", 2)
    assert ended.returncode == 0, ended.stderr.decode()
    assert b"judged again: 0 verdicts differ" in ended.stderr
    assert (copy / "report.json").read_bytes() == (results / "report.json").read_bytes()


def test_json_is_the_report(results: Path, llmc: RunLlmc) -> None:
    ended = llmc("evaluate", "--replay", results, "--json")
    assert json.loads(ended.stdout) == json.loads((results / "report.json").read_text())


def test_comparing_a_folder_with_itself_finds_nothing(results: Path, llmc: RunLlmc) -> None:
    ended = llmc("evaluate", "--compare", results, results, "--json")
    compared = json.loads(ended.stdout)["compared"]
    assert compared
    assert all(one["p"] == 1 and not one["differ"] for one in compared)


def test_a_condition_on_a_model_that_was_not_evaluated_is_an_error(results: Path, llmc: RunLlmc) -> None:
    ended = llmc("evaluate", "--replay", results, "--fail-if", "flag_tuning.total_bytes < 1.0%")
    assert ended.returncode == 1
    assert "no model" in ended.stderr.decode().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--out"),
        (("--replay", "x", "--compare", "x", "x"), "one of"),
        (("--out", "x", "--again"), "--replay"),
        (("--out", "x", "--dialect", "compact"), "--export"),
        (("--out", "x", "--no-model"), "--benchmark"),
        (("--replay", "x"), "holds no results"),
        (("--compare", "x", "y"), "holds no results"),
        (("--out", "x", "--benchmark", "/nowhere", "--no-model"), "/nowhere"),
        (("--out", "x", "--benchmark", ".", "--no-model"), "no unit"),
        (("--out", "x", "--benchmark", ".", "--suite", "mibanch", "--no-model"), "mibench"),
        (("--replay", "x", "--fail-if", "flag_tuning < much"), "flag_tuning"),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], says: str, llmc: RunLlmc) -> None:
    ended = llmc("evaluate", *arguments)
    assert ended.returncode in (1, 2)
    assert says in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()


def test_without_a_model_that_ships_it_is_said_how_to_name_one(code: Path, llmc: RunLlmc, tmp_path: Path) -> None:
    ended = llmc("evaluate", "--model", "/nowhere/model", "--benchmark", code, "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert "/nowhere/model" in one_line(ended)


def test_tasks_are_exported_for_the_harness_in_a_dialect(code: Path, llmc: RunLlmc, tmp_path: Path) -> None:
    out = tmp_path / "tasks"
    ended = llmc("evaluate", "--benchmark", code, "--export", out, "--most", 2, "--dialect", "compact", "--json")
    assert ended.returncode == 0, ended.stderr.decode()
    assert json.loads(ended.stdout)["flag_tuning"] == 2
    first = json.loads((out / "flag_tuning.jsonl").read_text().splitlines()[0])
    assert first["prompt"].startswith("[INST] opt -p\n<code>")


# -- with a model


@pytest.fixture(scope="module")
def judged(code: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a model that has learnt nothing."""
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from tests.small_models import unlearnt

    place = tmp_path_factory.mktemp("model")
    model = unlearnt(place / "model", context=900)
    out = place / "results"
    options = ("--baseline", "portfolio", "--budget", 2, "--lists", 2, "--lifts", 2, "--protocol", "ship", "-j", 2)
    few = ("--benchmark", code, "--functions", 6, "--modules", 1, "--seconds", 5, "--threads", 1)
    ended = run_llmc("evaluate", "--model", f"blank={model}", *options, *few, "--out", out)
    assert ended.returncode == 0, ended.stderr.decode()
    return out


@pytest.mark.slow
def test_a_model_that_has_learnt_nothing_scores_nothing(judged: Path, llmc: RunLlmc) -> None:
    headline = json.loads((judged / "report.json").read_text())["headline"]
    assert headline["emulation.exact"]["value"] == 0
    assert headline["disassembly.exact"]["value"] == 0
    assert headline["flag_tuning.total_bytes"]["value"] >= 0
    assert headline["perplexity.ppl"]["value"] > 100
    failing = llmc("evaluate", "--replay", judged, "--fail-if", "emulation.exact < 20%")
    assert failing.returncode == 1
    assert llmc("evaluate", "--replay", judged, "--fail-if", "emulation.exact > 20%").returncode == 0


@pytest.mark.slow
def test_units_over_the_context_are_failures_and_counted(judged: Path) -> None:
    report = json.loads((judged / "report.json").read_text())
    (table,) = (one for one in report["tables"] if one["name"] == "flag_tuning")
    row = next(row for row in table["rows"] if "blank" in str(row[0]))
    assert row[table["columns"].index("over the context")] > 0


@pytest.mark.slow
def test_a_run_that_is_interrupted_ends_with_one_line(code: Path, tmp_path: Path) -> None:
    import signal
    import subprocess
    import sys
    import time

    out = tmp_path / "out"
    command = [sys.executable, "-m", "llm_compiler", "evaluate", *map(str, SMALL), "--benchmark", code, "--out", out]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT, env={**os.environ})
    deadline = time.monotonic() + 60
    while not (out / "questions").is_dir() and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert b"Traceback" not in said
    assert run_llmc("evaluate", *SMALL, "--benchmark", code, "--out", out).returncode == 0
