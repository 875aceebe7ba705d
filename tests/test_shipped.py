"""The model that ships: what a fresh clone's `optimize`, `emulate` and `lift` ask where nobody named another."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from llm_compiler.evaluation.systems import ModelSystem
from llm_compiler.inference.model import SHIPPED, How, LocalModel, open_model
from llm_compiler.llvm.elf import object_size
from llm_compiler.llvm.frontend import lower
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.model.shape import PRESETS
from llm_compiler.tasks import flag_tuning
from tests.conftest import ROOT, RunLlmc

C = """
int total(const int *p, int n) { int s = 0; for (int i = 0; i < n; i++) s += p[i] * 3; return s; }
int max(int a, int b) { return a > b ? a : b; }
"""
WITHOUT_HEAVY_PACKAGES = """
import sys
for name in ("torch", "onnx", "transformers", "safetensors", "pyarrow"):
    sys.modules[name] = None
from llm_compiler.inference.model import How, open_model
(answer,) = open_model(threads=1).write((("[INST] opt -p\\n<code>define i32 @f(i32 %0)", True),), How(tokens=8))
assert answer.tokens
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "total.c").write_text(C)
    return tmp_path / "total.c"


@pytest.fixture(scope="module")
def shipped() -> LocalModel:
    model = open_model(threads=1)
    assert isinstance(model, LocalModel)
    return model


def test_it_needs_nothing_that_the_plain_install_has_not() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_HEAVY_PACKAGES], check=True, cwd=ROOT)


def test_asking_it_leaves_no_trace_and_tells_nobody(tmp_path: Path) -> None:
    """ONNX Runtime's telemetry begins with an identifier in the temporary folder and a cache in the user's."""
    own = {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "PYTHON"))}
    subprocess.run([sys.executable, "-c", WITHOUT_HEAVY_PACKAGES], check=True, cwd=ROOT, env=kept | own)
    assert list(tmp_path.rglob("*")) == []


def test_it_is_under_sixty_megabytes() -> None:
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 60e6


def test_its_card_says_what_people_ask_and_which_preset_it_is() -> None:
    card = (SHIPPED / "README.md").read_text()
    header, _, text = card.removeprefix("---\n").partition("\n---\n")
    assert "license: apache-2.0" in header
    for heading in ("Data", "Licences", "Training", "Figures", "Limits", "Intended use"):
        assert f"## {heading}" in text
    config = json.loads((SHIPPED / "config.json").read_text())
    (preset,) = (name for name, shape in PRESETS.items() if shape.hidden == config["hidden_size"] and name in text)
    assert config["num_hidden_layers"] == PRESETS[preset].layers
    assert re.search(rf"\b{preset}\b", text)


def test_optimize_tries_its_lists_and_the_portfolios_in_turn(llmc: RunLlmc, source: Path) -> None:
    (file,) = json.loads(llmc("optimize", source, "--dry-run", "--json", "--budget", 6).stdout)["files"]
    origins = [one["origin"] for one in file["candidates"]]
    assert origins[0] == "model 1"
    assert {one.partition(" ")[0] for one in origins} == {"model", "portfolio"}
    assert file["size"]["total"] <= file["baseline"]["total"]


def test_its_lists_are_lists_that_may_be_applied(shipped: LocalModel, vocabulary: Vocabulary) -> None:
    question = flag_tuning.Question("define i32 @f(i32 %0) {\n  ret i32 %0\n}\n")
    prompt = flag_tuning.prompt(question, shipped.dialect)
    answers = list(shipped.write(prompt, How(5, "priority", tokens=100), vocabulary))
    assert len(answers) == 5
    for answer in answers:
        assert vocabulary.may_propose(flag_tuning.proposed(flag_tuning.parse(answer.text), vocabulary)) == ""


def test_emulate_is_exact_where_that_is_easy(llmc: RunLlmc, tmp_path: Path) -> None:
    (tmp_path / "zero.c").write_text("int zero(void) { return 0; }\n")
    done = llmc("emulate", tmp_path / "zero.c", "--passes", "module(default<Oz>)", "--check", "--json")
    assert done.returncode == 0, done.stdout.decode()
    (answer,) = json.loads(done.stdout)["answers"]
    assert answer["verdict"] == "exact"
    assert answer["instructions"]["real"] == 1


def test_lift_gives_ir_that_clang_makes_the_same_object_of(llmc: RunLlmc, toolchain: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "easy.c").write_text("int zero(void) { return 0; }\nvoid clear(int *p) { *p = 0; }\n")
    made, lifted = tmp_path / "easy.o", tmp_path / "easy.ll"
    assert llmc("optimize", tmp_path / "easy.c", "-o", made, "--budget", 0).returncode == 0
    done = llmc("lift", made, "-o", lifted, "--samples", 16)
    assert done.returncode == 0, done.stdout.decode()
    assert done.stdout.decode().splitlines()[-1] == "2 exact"
    again = lower(toolchain, lifted.read_bytes(), SHIP)
    assert object_size(again).text == object_size(made.read_bytes()).text


def test_it_knows_what_it_was_trained_for(shipped: LocalModel, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    about = json.loads((SHIPPED / "llm_compiler.json").read_text())
    assert about["stages"] == ["ir_modeling", "emulation", "flag_tuning", "disassembly", "all", "more"]
    assert about["llvm"] == toolchain.version
    assert shipped.dialect == about["dialect"]
    assert ModelSystem(shipped, "shipped", toolchain, vocabulary).about["weights"]
