"""Stages in order, and `llmc train` as people type it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from llm_compiler.data.archive import pack  # noqa: E402
from llm_compiler.data.recipe import read  # noqa: E402
from llm_compiler.model.shape import PRESETS  # noqa: E402
from llm_compiler.model.weights import save  # noqa: E402
from llm_compiler.training.stages import run  # noqa: E402
from llm_compiler.training.world import TrainingError, world  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.small_projects import llmc, one_line  # noqa: E402
from tests.small_rows import RECIPE, TEXT, tokenizer, trained_with, write_data  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def here():
    with world() as here:
        yield here


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("stages") / "data")


@pytest.fixture(scope="module")
def trained(data, here, tmp_path_factory):
    """A folder with both stages, and their summaries."""
    out = tmp_path_factory.mktemp("stages") / "run"
    return out, run(RECIPE, TEXT, data, out, here)


def test_the_recipe_as_text_is_the_recipe(tmp_path):
    (tmp_path / "recipe.toml").write_text(TEXT)
    assert read(tmp_path / "recipe.toml") == RECIPE


def test_each_stage_leaves_its_model_recipe_report_and_metrics(trained):
    out, summaries = trained
    assert [one.stage for one in summaries] == ["first", "second"]
    for folder in (out / "1-first", out / "2-second"):
        assert (folder / "recipe.toml").read_text() == TEXT
        assert json.loads((folder / "data.json").read_text())["train"]["rows"] == 1
        assert json.loads((folder / "stage.json").read_text())["tokens"] > 0
        assert (folder / "metrics.jsonl").stat().st_size > 0
        model = transformers.AutoModelForCausalLM.from_pretrained(folder / "model")
        assert sum(one.numel() for one in model.parameters()) == summaries[0].parameters
    card = (out / "2-second" / "model" / "README.md").read_text()
    assert "| first |" in card
    assert "| second |" in card
    assert "license: apache-2.0" in card
    assert "LLVM 17.0.6" in card


def test_a_stage_starts_from_the_model_of_the_one_before(trained):
    _, (first, second) = trained
    for task in ("first", "second"):
        assert second.first[task] == pytest.approx(first.last[task], rel=0.02)  # saved in bfloat16
    assert second.first["first"] < first.first["first"] - 0.1


def test_stages_that_are_done_are_not_done_again(trained, data, here):
    out, summaries = trained
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.name != ".lock"}
    assert run(RECIPE, TEXT, data, out, here) == summaries
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_one_stage_alone_needs_the_one_before(data, here, tmp_path):
    with pytest.raises(TrainingError, match="the stage before second is not trained yet"):
        run(RECIPE, TEXT, data, tmp_path / "run", here, only="second")
    (first,) = run(RECIPE, TEXT, data, tmp_path / "run", here, only="first")
    assert first.stage == "first"
    both = run(RECIPE, TEXT, data, tmp_path / "run", here, only="second")
    assert [one.stage for one in both] == ["first", "second"]
    with pytest.raises(TrainingError, match="no stage 'secnd'; did you mean second"):
        run(RECIPE, TEXT, data, tmp_path / "run", here, only="secnd")


def test_training_starts_from_any_llama_checkpoint(trained, data, here, tmp_path):
    out, _ = trained
    start = replace(RECIPE, model=replace(RECIPE.model, start=str(out / "2-second" / "model")))
    first, _ = run(start, TEXT, data, tmp_path / "run", here)
    assert first.first["first"] < 6.0  # random weights begin at log 512 = 6.24
    about = json.loads((tmp_path / "run" / "1-first" / "model" / "llm_compiler.json").read_text())
    assert about["stages"] == ["first", "second", "first"]
    other = PRESETS["tiny"].with_vocabulary(400)
    tensors = {"model.norm.weight": torch.ones(64)}
    ids = {"bos": 1, "eos": 2, "pad": 0}
    save(tmp_path / "other", other, tensors, data / "tokenizer", "", ids=ids, longest=64)
    start = replace(RECIPE, model=replace(RECIPE.model, start=str(tmp_path / "other")))
    with pytest.raises(TrainingError, match="a vocabulary of 400, the rows' tokenizer one of 512"):
        run(start, TEXT, data, tmp_path / "run 2", here)


# -- what does not fit


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (replace(RECIPE, model=replace(RECIPE.model, preset="smal")), "no preset 'smal'; did you mean small"),
        (replace(RECIPE, model=replace(RECIPE.model, context=128)), "rows of 64 tokens, where the recipe says 128"),
        (replace(RECIPE, seed=5), "was built from another recipe"),
    ],
)
def test_a_recipe_that_the_data_is_not_for_is_one_line(data, here, tmp_path, recipe, message):
    with pytest.raises(TrainingError, match=message):
        run(recipe, TEXT, data, tmp_path / "run", here)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_run_is_left_alone_but_how_to_compute_may_change(trained, data, here):
    out, summaries = trained
    with pytest.raises(TrainingError, match=r"holds another run \(training differ"):
        run(trained_with(clip=0.5), TEXT, data, out, here)
    assert run(trained_with(micro_batch=1, recompute=True, save_minutes=1.0), TEXT, data, out, here) == summaries


def test_rows_of_another_tokenizer_are_refused(data, here, tmp_path):
    other = write_data(tmp_path / "data")
    tokenizer().smaller(400).save(other / "tokenizer")
    with pytest.raises(Exception, match="made with the tokenizer") as caught:
        run(RECIPE, TEXT, other, tmp_path / "run", here)
    assert "\n" not in str(caught.value)


# -- the command


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(TEXT)
    return path


def test_train_prints_what_was_learnt_and_reads_an_archive(data, recipe, tmp_path):
    pack(data, tmp_path / "data.tar.xz")
    ended = llmc("train", "--recipe", recipe, "--data", tmp_path / "data.tar.xz", "--out", tmp_path / "run")
    assert ended.returncode == 0, ended.stderr.decode()
    lines = ended.stdout.decode().splitlines()
    assert lines[0].startswith("stage")
    assert [line.split()[0] for line in lines[1:]] == ["first", "second"]
    assert "→" in lines[1]
    again = llmc("train", "--recipe", recipe, "--data", tmp_path / "data.tar.xz", "--out", tmp_path / "run", "--json")
    assert json.loads(again.stdout)["finished"] is True
    drawn = llmc("train", "plot", tmp_path / "run", "--out", tmp_path / "pictures")
    assert drawn.returncode == 0, drawn.stderr.decode()
    assert (tmp_path / "pictures" / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert "first" in (tmp_path / "pictures" / "curves.html").read_text()


@pytest.mark.slow
def test_time_that_is_over_and_a_signal_save_and_the_same_command_goes_on(data, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(TEXT.replace("batch_tokens", "epochs = 200\nbatch_tokens"))
    command = ["train", "--recipe", recipe, "--data", data, "--out", tmp_path / "run"]
    ended = llmc(*command, "--minutes", "0.05")
    assert ended.returncode == 0, ended.stderr.decode()
    assert ended.stderr.decode() == "stopped, and saved; the same command goes on\n"
    saved = sorted((tmp_path / "run" / "1-first" / "checkpoints").iterdir())
    assert saved
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        [sys.executable, "-m", "llm_compiler", *map(str, command)],
        env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    metrics = tmp_path / "run" / "1-first" / "metrics.jsonl"
    before = metrics.read_text().count("\n")
    while metrics.read_text().count("\n") <= before and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM, errors.decode()
    assert errors.decode() == "stopped, and saved; the same command goes on\n"
    newest = sorted((tmp_path / "run" / "1-first" / "checkpoints").iterdir())[-1]
    assert newest > saved[-1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("batch_tokens", "batch_tokns"), "training: no key 'batch_tokns'; did you mean batch_tokens?"),
        (('precision = "fp32"', 'precision = "fp16"'), "no precision 'fp16'; did you mean"),
        (("validations = 2", "validations = -1"), "-1 is not a whole number"),
        (("micro_batch = 2", "micro_batch = 0"), "0 is not above 0"),
        (("compile = false", "compile = 0"), "0 is not true or false"),
    ],
)
def test_a_recipe_that_is_wrong_is_one_line(data, recipe, tmp_path, changed, message):
    recipe.write_text(TEXT.replace(*changed))
    ended = llmc("train", "--recipe", recipe, "--data", data, "--out", tmp_path / "run")
    assert ended.returncode == 1
    assert message in one_line(ended)


def test_somebody_who_trains_in_the_folder_is_not_disturbed(data, recipe, tmp_path):
    import fcntl

    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = llmc("train", "--recipe", recipe, "--data", data, "--out", tmp_path / "run")
    assert "somebody trains in this folder" in one_line(ended)


@pytest.mark.parametrize("missing", ["--recipe", "--data", "--out"])
def test_what_is_missing_is_said(data, recipe, tmp_path, missing):
    given = {"--recipe": recipe, "--data": data, "--out": tmp_path / "run"}
    del given[missing]
    ended = llmc("train", *(one for pair in given.items() for one in pair))
    assert ended.returncode == 2
    assert f"Missing option '{missing}'" in ended.stderr.decode()
