"""From source code to a model that proposes pass lists, with the recipe for tests: what each command writes, the next
reads."""

# ruff: noqa: E402 - what is missing is found out before
from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

for needed in ("torch", "transformers", "pyarrow", "rensa", "matplotlib", "tensorboardX", "onnx"):
    pytest.importorskip(needed)

from llm_compiler.autotune.label import labels as read_labels
from llm_compiler.corpus import store
from llm_compiler.inference.model import open_model
from llm_compiler.llvm.elf import object_size
from llm_compiler.llvm.frontend import Source, optimise_for_size
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.model.shape import ABOUT
from llm_compiler.model.tokenizer import Tokenizer
from tests.conftest import EXAMPLES, ROOT
from tests.small_projects import TEST, TRAIN, VALIDATION, llmc

pytestmark = pytest.mark.slow

RECIPE = ROOT / "recipes" / "tiny.toml"
STAGES = ["ir_modeling", "emulation", "flag_tuning", "disassembly"]
PROJECTS = {
    TRAIN: ["bignum", "fixed_point", "hash_table", "json", "matrix", "red_black_tree", "regex"],
    VALIDATION: ["base64", "sort"],
    TEST: ["lz", "string_search"],
}
QUICK = ("--broadcast", 1, "--modules", 1, "-j", 2)


@dataclass(frozen=True)
class Ran:
    """A command that went well."""

    folder: Path
    """What it wrote."""
    said: str


def run(folder: Path, *arguments: object) -> Ran:
    ended: subprocess.CompletedProcess[bytes] = llmc(*arguments)
    assert ended.returncode == 0, ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()
    return Ran(folder, ended.stdout.decode())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pipeline")
    for project, names in PROJECTS.items():
        (place / project).mkdir()
        for name in names:
            shutil.copy(ROOT / "examples" / f"{name}.c", place / project)
    return place


@pytest.fixture(scope="module")
def corpus(place: Path) -> Ran:
    out = place / "corpus"
    return run(out, "corpus", "build", *(place / project for project in PROJECTS), "--out", out, "-j", 2)


@pytest.fixture(scope="module")
def labels(place: Path, corpus: Ran) -> Ran:
    out = place / "labels"
    return run(out, "tune", corpus.folder, "--out", out, "--budget", 6, "--functions", 30, "--checks", 1, *QUICK)


@pytest.fixture(scope="module")
def heldout_labels(place: Path, corpus: Ran) -> Ran:
    out = place / "labels of validation"
    arguments = ("--split", "validation", "--budget", 2, "--functions", 10, "--checks", 0)
    return run(out, "tune", corpus.folder, "--out", out, *arguments, *QUICK)


@pytest.fixture(scope="module")
def data(place: Path, corpus: Ran, labels: Ran, heldout_labels: Ran) -> Ran:
    """An archive."""
    tuned = [word for one in (labels, heldout_labels) for word in ("--labels", one.folder)]
    out, packed = place / "data", place / "data.tar.xz"
    run(out, "data", "build", "--recipe", RECIPE, "--corpus", corpus.folder, *tuned, "--out", out, "-j", 2)
    run(packed, "data", "pack", out, "-o", packed)
    return Ran(packed, run(out, "data", "show", out, "--json").said)


@pytest.fixture(scope="module")
def trained(place: Path, data: Ran) -> Ran:
    out = place / "run"
    arguments = ("--recipe", RECIPE, "--data", data.folder, "--out", out, "--threads", 1)
    return run(out, "train", *arguments, "--json")


@pytest.fixture(scope="module")
def model(trained: Ran) -> Path:
    """That of the last stage."""
    return trained.folder / "4-disassembly" / "model"


def test_each_project_is_in_one_split_of_the_corpus(corpus: Ran) -> None:
    found = {(unit.project.rpartition("/")[2], unit.split) for unit in store.units(corpus.folder)}
    assert found == {(TRAIN, "train"), (VALIDATION, "validation"), (TEST, "test")}
    assert "11 compiled" in corpus.said


def test_labels_are_of_units_of_the_corpus_and_not_above_oz(corpus: Ran, labels: Ran, heldout_labels: Ran) -> None:
    known = {unit.id: unit for unit in store.units(corpus.folder)}
    for split, ran in (("train", labels), ("validation", heldout_labels)):
        found = list(read_labels(ran.folder))
        assert len(found) >= 10
        for label in found:
            assert (label.split, label.oz) == (split, known[label.unit].oz_ship)
            assert label.size <= label.oz
    assert any(label.passes for label in read_labels(labels.folder))


def test_every_stage_has_rows_to_learn_from_and_others_to_be_judged_by(data: Ran) -> None:
    report: dict[str, Any] = json.loads(data.said)
    assert list(report["stages"]) == STAGES
    for stage, splits in report["stages"].items():
        assert splits["train"]["rows"] >= 4, stage
        assert splits["validation"]["rows"] >= 1, stage


def test_held_out_loss_falls_in_every_stage(trained: Ran) -> None:
    said = json.loads(trained.said)
    assert said["finished"] is True
    assert [one["stage"] for one in said["stages"]] == STAGES
    for one in said["stages"]:
        assert one["last"][one["stage"]] < one["first"][one["stage"]]
    first, last = said["stages"][0], said["stages"][-1]
    for stage in STAGES:
        assert last["last"][stage] < first["first"][stage] - 1


def test_the_model_says_how_it_was_trained_and_answers(model: Path) -> None:
    about = json.loads((model / ABOUT).read_text())
    assert about["stages"] == STAGES
    assert about["tokenizer"] == Tokenizer.load().fingerprint
    opened = open_model(str(model), threads=1)
    assert (opened.dialect, opened.context) == ("compact", 1024)


def test_the_curves_are_drawn(trained: Ran, tmp_path: Path) -> None:
    drawn = run(tmp_path, "train", "plot", trained.folder, "--out", tmp_path)
    assert drawn.said.split() == [str(tmp_path / "curves.png"), str(tmp_path / "curves.html")]
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    page = (tmp_path / "curves.html").read_text()
    assert all(stage.replace("_", " ") in page for stage in STAGES)


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem in PROJECTS[TEST]], ids=lambda path: path.stem)
def test_what_the_model_proposes_is_tried_and_no_object_is_larger_than_that_of_oz(
    model: Path, toolchain: Toolchain, tmp_path: Path, path: Path
) -> None:
    out = tmp_path / "x.o"
    arguments = ("--model", model, "--proposer", "model", "--budget", 4, "-j", 2, "--json")
    (file,) = json.loads(run(out, "optimize", path, *arguments, "-o", out).said)["files"]
    assert 1 <= file["tried"] <= 4
    assert all(one["origin"].startswith("model") for one in file["candidates"])
    clangs, _ = optimise_for_size(toolchain, Source(path, "c"), SHIP)
    assert object_size(out.read_bytes()).total == file["size"]["total"] <= object_size(clangs).total


def test_the_model_is_evaluated_beside_the_baselines_and_every_verdict_comes_out_again(
    corpus: Ran, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    size = ("--functions", 5, "--modules", 1, "--budget", 4, "--lists", 2, "--seconds", 10, "--protocol", "ship")
    baselines = ("--baseline", "portfolio", "--baseline", "copy", "-j", 2)
    said = run(
        out, "evaluate", "--model", model, "--benchmark", corpus.folder, *size, *baselines, "--out", out, "--json"
    )
    report = json.loads(said.said)
    manifest = json.loads((out / "benchmark.json").read_text())
    assert (manifest["overlap"]["exact"], manifest["overlap"]["near"]) == (0, 0)
    assert report["headline"]["flag_tuning.total_bytes"]["value"] >= 0
    assert 1 < report["headline"]["perplexity.ppl"]["value"] < 8192
    assert run(out, "evaluate", "--replay", out, "--again", "-j", 2)
