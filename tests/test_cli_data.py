"""`llmc data` as people use it, with the real tasks on a small corpus."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from llm_compiler.model.tokenizer import Tokenizer
from tests.small_projects import ROOT, TEST, TRAIN, build, llmc, one_line, write
from tests.test_data_build import SOURCES, functions, labelled, product

RECIPE = (ROOT / "recipes" / "tiny.toml").read_text().replace("heldout_tokens = 10_000", "heldout_tokens = 2_000")
for old, new in (("100_000", "9_000"), ("50_000", "4_000"), ("25_000", "2_000")):
    RECIPE = RECIPE.replace(f"tokens = {old}", f"tokens = {new}")


@pytest.fixture(scope="module")
def place(toolchain, tmp_path_factory):
    """A corpus, labels and a recipe."""
    place = tmp_path_factory.mktemp("command")
    projects = [write(place / name, {"a.c": functions(SOURCES[name])}) for name in (TRAIN, TEST)]
    build(place / "corpus", toolchain, *projects)
    labelled(place / "labels", place / "corpus")
    (place / "recipe.toml").write_text(RECIPE)
    return place


def arguments(place, out, *more):
    return ("data", "build", "--recipe", place / "recipe.toml", "--corpus", place / "corpus",
            "--labels", place / "labels", "--out", out, "-j", 2, *more)  # fmt: skip


@pytest.fixture(scope="module")
def built(place):
    """The data, and what the command printed."""
    ended = llmc(*arguments(place, place / "data"))
    assert ended.returncode == 0, ended.stderr.decode()
    assert not ended.stderr  # no bar where there is no terminal
    return place / "data", ended.stdout.decode()


def test_build_prints_the_mixture_and_what_was_left_out(built):
    out, said = built
    report = json.loads((out / "report.json").read_text())
    assert list(report["stages"]) == ["ir_modeling", "emulation", "flag_tuning", "disassembly"]
    for stage, splits in report["stages"].items():
        assert splits["train"]["rows"] >= 1, stage
        assert f"{splits['train']['tokens']:,}" in said
    assert " (ir_modeling) " in said
    assert "ran out: " in said
    assert "left out of emulation: " in said
    assert "examples in two splits: 0" in said
    assert "documents per core-second: " in said
    assert "tokens packed per second: " in said


def test_a_second_build_and_show_say_the_same(built, place):
    out, said = built
    assert llmc(*arguments(place, out)).stdout.decode() == said
    assert llmc("data", "show", out).stdout.decode() == said
    report = json.loads(llmc("data", "show", out, "--json").stdout)
    times = report.pop("times")
    assert report == json.loads((out / "report.json").read_text())
    assert times["documents per core-second"]["emulation"] > 0


@pytest.mark.slow
def test_a_build_that_is_killed_again_and_again_gives_the_same_bytes(built, place, tmp_path):
    out = tmp_path / "data"
    command = [sys.executable, "-m", "llm_compiler", *map(str, arguments(place, out))]
    kills = 0
    for seconds in (0.7, 1.4, 2.1, 2.8):
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        time.sleep(seconds)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills >= 2
    assert llmc(*command[3:]).returncode == 0
    assert product(out) == product(built[0])


def test_show_prints_a_row_as_text_with_what_is_learnt_apart(built):
    out, _ = built
    rows = json.loads((out / "report.json").read_text())["stages"]["flag_tuning"]["train"]["rows"]
    found = [
        each
        for number in range(rows)
        for each in json.loads(llmc("data", "show", out, number, "--stage", "3", "--json").stdout)
    ]
    asked = [each for each in found if each["task"] == "flag_tuning"]
    assert asked
    for each in asked:
        assert each["prompt"].startswith("[INST] ")
        assert "define" in each["prompt"]
        assert "globaldce" in each["answer"]
        assert each["project"] == TRAIN
        assert json.loads(each["replay"])["llvm"] == "17.0.6"
    said = llmc("data", "show", out, 0, "--stage", "flag_tuning").stdout.decode()
    first = json.loads(llmc("data", "show", out, 0, "--stage", "flag_tuning", "--json").stdout)[0]
    assert f"--- 1 of {said.count(' of them learnt')}: {first['source']}" in said
    assert first["answer"] in said
    assert "\x1b" not in said


def test_pack_and_unpack_keep_the_rows(built, tmp_path):
    out, _ = built
    ended = llmc("data", "pack", out, "-o", tmp_path / "data.tar.xz")
    assert ended.returncode == 0
    assert "bytes per token" in ended.stderr.decode()
    assert llmc("data", "unpack", tmp_path / "data.tar.xz", "--out", tmp_path / "again").returncode == 0
    arguments = ("data", "show", tmp_path / "again", 0, "--stage", "emulation")
    said = llmc(*arguments)
    assert said.returncode == 0, said.stderr
    assert "[INST]" in said.stdout.decode() or "replayed" in said.stdout.decode()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('dialect = "compact"', 'dialect = "compakt"', "no dialect 'compakt'; did you mean compact?"),
        ("mixture.emulation", "mixture.emulatoin", "no task 'emulatoin'; did you mean emulation?"),
        ("per_unit", "per_units", "no setting 'per_units'; did you mean per_unit?"),
        ("[stages.1]", "[stages.1", "not TOML"),
    ],
)
def test_a_wrong_recipe_is_one_line(place, tmp_path, old, new, words):
    (tmp_path / "recipe.toml").write_text(RECIPE.replace(old, new))
    ended = llmc("data", "build", "--recipe", tmp_path / "recipe.toml", "--corpus", place / "corpus", "--out", "x")
    assert words in one_line(ended)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--recipe": "nowhere.toml"}, "nowhere.toml: No such file"),
        ({"--corpus": "nowhere"}, "no folder nowhere"),
        ({"--labels": "nowhere"}, "nowhere holds no labels"),
        ({"--tokenizer": "nowhere"}, "no tokenizer in nowhere"),
    ],
)
def test_what_is_not_there_is_one_line(place, tmp_path, change, words):
    options = {"--recipe": place / "recipe.toml", "--corpus": place / "corpus", "--out": tmp_path / "out"} | change
    ended = llmc("data", "build", *(word for pair in options.items() for word in pair), cwd=tmp_path)
    assert words in one_line(ended)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_shown_is_one_line(built, tmp_path):
    out, _ = built
    assert "there are" in one_line(llmc("data", "show", out, 9999))
    assert "no stage 'emulaton'; did you mean emulation?" in one_line(
        llmc("data", "show", out, 0, "--stage", "emulaton")
    )
    assert "holds no data" in one_line(llmc("data", "show", tmp_path))
    copy = shutil.copytree(out, tmp_path / "copy")
    tokens = copy / "rows" / "emulation" / "train" / "tokens.bin"
    tokens.write_bytes(tokens.read_bytes()[:-2])
    assert "cut off or changed" in one_line(llmc("data", "show", copy, 0, "--stage", "emulation"))
    Tokenizer.load().smaller(700).save(copy / "tokenizer")
    assert "made with the tokenizer" in one_line(llmc("data", "show", copy, 0))
    (copy / "report.json").unlink()
    assert "is not complete" in one_line(llmc("data", "show", copy))
