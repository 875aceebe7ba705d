"""`llmc finetune` as people run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch")

from llm_compiler.model.tokenizer import Tokenizer  # noqa: E402
from llm_compiler.model.weights import Weights  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.test_finetune import model, write_pairs  # noqa: E402

QUICK = ("--epochs", 2, "--batch-tokens", 256, "--threads", 1)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return model(tmp_path_factory.mktemp("start") / "model", Tokenizer.load().smaller(400))


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path / "pairs.jsonl", 40, answer=lambda number: "ab " * (1 + 80 * (number == 20)))


def weights(folder):
    found = Weights(folder)
    return {name: found(name) for name in found._names}


def test_what_is_said_and_written(llmc, tmp_path, start, pairs):
    done = llmc("finetune", "--model", start, "--data", pairs, "--out", "out", "--lora", 2, "--context", 64, *QUICK)
    assert done.returncode == 0, done.stderr
    words = done.stdout.decode()
    assert "1 of 40 examples are longer than 64 tokens and were left out: see --context" in done.stderr.decode()
    for line in ("parameters    4,480 trained of", "held-out loss ", "model         out/model"):
        assert line in words
    assert {"adapter", "model", "metrics.jsonl", "summary.json"} <= {path.name for path in (tmp_path / "out").iterdir()}
    again = llmc(
        "finetune", "--model", start, "--data", pairs, "--out", "out", "--lora", 2, "--context", 64, *QUICK, "--json"
    )
    found = json.loads(again.stdout)
    assert found["finished"]
    assert (found["examples"], found["too_long"]) == (39, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"prompt": "p", "answer": "a"}\nnonsense\n', "bad.jsonl: line 2 is not JSON"),
        ("[1]\n", "bad.jsonl: line 1 is not a JSON object"),
        ('\n{"prompt": "p"}\n', 'bad.jsonl: line 2 has no "answer"'),
        ('{"prompt": 3, "answer": "a"}\n', 'bad.jsonl: line 1: "prompt" is not a string'),
        ('{"prompt": "\\ud800", "answer": "a"}\n', 'line 1: "prompt" has half a character in it'),
        ('{"prompt": "p", "answer": ""}\n', "bad.jsonl: line 1: an empty answer"),
        ("\n \n", "bad.jsonl: no examples in it"),
    ],
)
def test_bad_examples_are_one_line(llmc, tmp_path, start, content, words):
    (tmp_path / "bad.jsonl").write_text(content)
    done = llmc("finetune", "--model", start, "--data", "bad.jsonl", "--out", "out", *QUICK)
    assert done.returncode == 1
    assert words in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_bad_folders_are_one_line(llmc, tmp_path, start, pairs):
    (tmp_path / "file").touch()
    other, without = tmp_path / "other", tmp_path / "without"
    for folder in (other, without):
        folder.mkdir()
        for path in start.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
    (other / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    (without / "tokenizer.json").unlink()
    for given, data, words in (
        ("nowhere", pairs, "nowhere holds no model: it has no config.json"),
        (other, pairs, "a model of type 'gpt2', not llama"),
        (without, pairs, "it has no tokenizer.json"),
        (start, "nowhere.jsonl", "nowhere.jsonl: No such file or directory"),
    ):
        done = llmc("finetune", "--model", given, "--data", data, "--out", "out", *QUICK)
        assert done.returncode == 1
        assert words in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_killed_and_gone_on_is_as_if_never_killed(llmc, tmp_path, start, pairs):
    given = ["finetune", "--model", start, "--data", pairs, "--lora", 2, "--epochs", 60, "--context", 64]
    given = [*given, "--batch-tokens", 128, "--threads", 1, "--out"]
    assert llmc(*given, "whole").returncode == 0
    command = [sys.executable, "-m", "llm_compiler", *map(str, given), "parts"]
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        until = time.monotonic() + 120
        while not list((tmp_path / "parts" / "checkpoints").glob("step-*")) and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "parts" / "summary.json").exists()
    assert llmc(*given, "parts").returncode == 0
    one, other = (weights(tmp_path / name / "model") for name in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_two_ranks_learn_what_one_does(llmc, tmp_path, start, pairs):
    given = ["finetune", "--model", start, "--data", pairs, "--lora", 2, "--learning-rate", 1e-2, *QUICK, "--out"]
    assert llmc(*given, "one").returncode == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command += ["-m", "llm_compiler", *map(str, given), "two"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    one, two = (json.loads((tmp_path / name / "summary.json").read_text())["summary"] for name in ("one", "two"))
    assert two["ranks"] == 2
    assert one["best"] < one["first"]["heldout"] - 0.01
    assert two["best"] == pytest.approx(one["best"], rel=0.01)  # in bf16
