from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from llm_compiler.inference import graph
from llm_compiler.inference.embedded import SHIPPED
from llm_compiler.inference.engine import EngineError
from llm_compiler.inference.export import export
from llm_compiler.inference.model import How, open_model
from tests.conftest import ROOT, RunLlmc
from tests.small_models import unlearnt
from tests.small_projects import one_line

PROMPT = (("[INST] opt -p\n<code>define i32 @f(i32 %0)", True),)
ASKING = """
import sys
sys.modules["onnx"] = None
from llm_compiler.inference.model import How, open_model
(answer,) = open_model(sys.argv[1], threads=1).write(((sys.argv[2], True),), How(tokens=20))
sys.stdout.buffer.write(answer.text.encode())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlearnt(tmp_path_factory.mktemp("model") / "model", context=640)


@pytest.mark.parametrize("weights", [True, False])
def test_an_exported_model_answers_as_its_checkpoint_does_without_the_package_onnx(
    folder: Path, tmp_path: Path, weights: bool
) -> None:
    out = tmp_path / "exported"
    export(folder, out, weights=weights)
    (expected,) = open_model(str(folder), threads=1).write(PROMPT, How(tokens=20))
    command = [sys.executable, "-c", ASKING, out, PROMPT[0][0]]
    asked = subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    assert asked.stdout.decode() == expected.text
    assert (out / "model.safetensors").exists() is weights
    assert (out / "README.md").exists()


def test_nothing_that_is_there_is_written_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(EngineError, match="already"):
        export(folder, tmp_path / "mine")


def test_an_export_that_fails_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(graph, "build", fails)
    with pytest.raises(OSError, match="No space"):
        export(folder, tmp_path / "exported")
    assert not list(tmp_path.iterdir())


def test_the_command_says_where_it_is_and_how_large(folder: Path, tmp_path: Path, llmc: RunLlmc) -> None:
    ended = llmc("train", "export", folder, "--out", tmp_path / "exported", "--no-weights")
    assert ended.returncode == 0, ended.stderr.decode()
    assert b"MB" in ended.stdout
    assert (tmp_path / "exported" / SHIPPED).is_file()


def test_a_folder_without_a_model_is_one_line(tmp_path: Path, llmc: RunLlmc) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty" in one_line(llmc("train", "export", tmp_path / "empty", "--out", tmp_path / "out"))
