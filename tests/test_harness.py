"""The exported tasks: what the harness reads, and that the verdicts are LLVM's. The harness itself runs where it is."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("rensa")
yaml: Any = pytest.importorskip("yaml")

from llm_compiler.corpus import store  # noqa: E402
from llm_compiler.corpus.unit import Unit  # noqa: E402
from llm_compiler.evaluation.answer import Question  # noqa: E402
from llm_compiler.evaluation.harness import TASKS, HarnessError, export  # noqa: E402
from llm_compiler.evaluation.run import Plan, questions  # noqa: E402
from llm_compiler.llvm.passes import Vocabulary  # noqa: E402
from llm_compiler.llvm.toolchain import Toolchain  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.small_evaluation import machinery, taken  # noqa: E402
from tests.small_units import units  # noqa: E402

JUDGED = [name for name in TASKS if name != "ir"]
COUNTS = {"flag_tuning": 4, "size_prediction": 4, "emulation": 4, "ir": 4}

# The back end for x86 ends the process: it cannot select this.
CRASHING = """<code>
define void @f() {
  call void @llvm.aarch64.hint(i32 0)
  ret void
}

declare void @llvm.aarch64.hint(i32)
</code>"""


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def tasks_file(folder: Path) -> ModuleType:
    """The exported Python file, loaded as the harness does it."""
    spec = importlib.util.spec_from_file_location("exported_tasks", folder / "llm_compiler_tasks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def configuration(folder: Path, name: str, module: ModuleType) -> dict[str, Any]:
    """A YAML file, in which `!function FILE.NAME` is that function."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    def function(loader: Any, node: Any) -> Any:
        file, _, attribute = loader.construct_scalar(node).partition(".")
        assert (folder / f"{file}.py").is_file()
        return getattr(module, attribute)

    Loader.add_constructor("!function", function)
    with (folder / name).open(encoding="utf-8") as file:
        loaded: dict[str, Any] = yaml.load(file, Loader)
    return loaded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, toolchain: Toolchain, vocabulary: Vocabulary) -> Path:
    base = tmp_path_factory.mktemp("harness")
    written = export(taken(base / "taken", toolchain), base / "out", 0, None, machinery(toolchain, vocabulary))
    assert written == COUNTS | {"disassembly": len(lines(base / "out", "disassembly"))}
    return base / "out"


@pytest.fixture(scope="module")
def module(folder: Path) -> ModuleType:
    return tasks_file(folder)


Scores = list[Mapping[str, Any]]


def scored(folder: Path, module: ModuleType, name: str, answer: str | None = None) -> Scores:
    """Of every question, with the same answer to each or with what the compiler says."""
    judge = getattr(module, name)
    return [judge(doc, [doc["target"] if answer is None else answer]) for doc in lines(folder, name)]


def values(scores: Sequence[Mapping[str, Any]], metric: str) -> set[Any]:
    return {one[metric] for one in scores}


# -- what the harness reads


def test_the_group_names_tasks_whose_files_are_there(folder: Path, module: ModuleType) -> None:
    group = configuration(folder, "llm_compiler.yaml", module)
    assert group["task"] == [f"llm_compiler_{name}" for name in TASKS]
    for task in group["task"]:
        assert configuration(folder, f"{task}.yaml", module)["task"] == task


@pytest.mark.parametrize("name", TASKS)
def test_a_task_reads_its_own_questions(folder: Path, module: ModuleType, name: str) -> None:
    found = configuration(folder, f"llm_compiler_{name}.yaml", module)
    assert found["metadata"]["file"] == f"{name}.jsonl"
    assert found["custom_dataset"] is module.questions
    fields = lines(folder, name)[0]
    for key in ("doc_to_text", "doc_to_target"):
        assert not found[key] or found[key] in fields


@pytest.mark.parametrize("name", JUDGED)
def test_a_task_names_the_metrics_that_its_judge_gives(folder: Path, module: ModuleType, name: str) -> None:
    found = configuration(folder, f"llm_compiler_{name}.yaml", module)
    assert found["process_results"] is getattr(module, name)
    scores = found["process_results"](lines(folder, name)[0], [""])
    assert [metric["metric"] for metric in found["metric_list"]] == list(scores)


def test_prompts_are_metas(folder: Path) -> None:
    starts = {
        "flag_tuning": "[INST] Tell me how to optimize this LLVM-IR for object file size:\n\n<code>",
        "size_prediction": "[INST] Tell me how to optimize this LLVM-IR for object file size:\n\n<code>",
        "emulation": "[INST] Give the ",
        "disassembly": "[INST] Disassemble this code to LLVM-IR:\n\n<code>",
    }
    for name, start in starts.items():
        for doc in lines(folder, name):
            assert doc["prompt"].startswith(start)
            assert doc["prompt"].endswith("[/INST]")


def test_questions_are_those_of_an_evaluation(folder: Path, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    chosen = sorted(units(toolchain).values(), key=lambda unit: unit.id)
    for name in JUDGED:
        asked = list(questions(chosen, TASKS[name], Plan(("ship",)), vocabulary))
        docs = lines(folder, name)
        assert [Question(**doc["question"]) for doc in docs] == asked
        assert [Unit(**doc["unit"]).id for doc in docs] == [one.unit for one in asked]


def test_perplexity_is_of_the_units_as_they_are(folder: Path, toolchain: Toolchain) -> None:
    assert {doc["text"] for doc in lines(folder, "ir")} == {unit.text for unit in units(toolchain).values()}


def test_the_readme_says_what_it_is(folder: Path, toolchain: Toolchain) -> None:
    text = (folder / "README.md").read_text()
    assert f"Benchmark small@1, LLVM {toolchain.version}, verbatim dialect, seed 0." in text
    assert "4 of emulation" in text


# -- verdicts


def test_what_the_compiler_says_is_right(folder: Path, module: ModuleType) -> None:
    emulated = scored(folder, module, "emulation")
    for metric in ("exact", "normalised", "verifies", "bleu"):
        assert values(emulated, metric) == {1}
    lifted = scored(folder, module, "disassembly")
    for metric in ("lowers_again", "exact", "bleu"):
        assert values(lifted, metric) == {1}


def test_the_list_of_oz_is_usable_and_saves_nothing(folder: Path, module: ModuleType) -> None:
    scores = scored(folder, module, "flag_tuning")
    assert values(scores, "usable") == {1}
    assert values(scores, "smaller") == {0}
    assert module.of_all_bytes([one["saved"] for one in scores]) == 0


def test_sizes_are_compared_with_those_of_the_compiler(folder: Path, module: ModuleType) -> None:
    (doc, *_) = lines(folder, "size_prediction")
    before, after = doc["unit"]["unoptimised_paper"], doc["unit"]["oz_paper"]
    said = (
        "opt -p 'module(default<Oz>)'\n\nThe input code has binary size {} bytes and the output code has binary size {}"
    )
    assert module.size_prediction(doc, [said.format(before, after)]) == {
        "mape_before": 0,
        "says_before": 1,
        "mape_after": 0,
        "says_after": 1,
    }
    wrong = module.size_prediction(doc, [said.format(2 * before, after)])
    assert (wrong["mape_before"], wrong["mape_after"]) == (1, 0)


def test_a_list_that_is_larger_counts_in_zero_shot_and_not_with_the_floor(folder: Path, module: ModuleType) -> None:
    scores = scored(folder, module, "flag_tuning", "opt -p 'function(instsimplify)'")
    assert values(scores, "usable") == {1}
    assert module.of_all_bytes([one["saved"] for one in scores]) < 0
    assert module.of_all_bytes([one["saved_with_floor"] for one in scores]) == 0


def test_empty_answers_are_wrong_everywhere(folder: Path, module: ModuleType) -> None:
    for name in ("emulation", "disassembly"):
        for one in scored(folder, module, name, ""):
            assert set(one.values()) == {0}
    for one in scored(folder, module, "flag_tuning", ""):
        oz = one["saved"][1]
        assert one == {"saved": (oz, oz), "saved_with_floor": (oz, oz), "smaller": 0, "usable": 0}
    for one in scored(folder, module, "size_prediction", ""):
        assert one == {"mape_before": None, "says_before": 0, "mape_after": None, "says_after": 0}


def test_code_that_llvm_cannot_read_is_wrong(folder: Path, module: ModuleType) -> None:
    for one in scored(folder, module, "disassembly", "<code>lol</code>"):
        assert set(one.values()) == {0}
    for one in scored(folder, module, "emulation", "<code>lol</code>"):
        assert (one["exact"], one["normalised"], one["verifies"]) == (0, 0, 0)


def test_an_answer_that_takes_llvm_down_is_wrong_and_the_next_is_judged(folder: Path, module: ModuleType) -> None:
    doc = next(doc for doc in lines(folder, "disassembly") if doc["question"]["variant"] == "x86-64")
    assert module._verdict(doc, CRASHING)[0] == "crashed"
    assert set(module.disassembly(doc, [CRASHING]).values()) == {0}
    assert set(module.disassembly(doc, [doc["target"]]).values()) == {1}


@pytest.mark.parametrize("name", ["emulation", "disassembly"])
def test_an_answer_is_as_good_without_the_tags_that_a_tokenizer_loses(
    folder: Path, module: ModuleType, name: str
) -> None:
    docs = [doc for doc in lines(folder, name) if doc["unit"]["name"] != "hostile"]  # it has tags in its strings
    assert len(docs) >= 3
    for doc in docs:
        without = doc["target"].replace("<code>", "").replace("</code>", "")
        assert getattr(module, name)(doc, [without])["exact"] == 1


def test_figures_are_put_together_over_all_bytes_and_over_what_is_said(module: ModuleType) -> None:
    assert module.of_all_bytes([(90, 100), (300, 300)]) == pytest.approx(0.025)
    assert module.mean_of_said([0.5, None, 1.5]) == 1
    assert math.isnan(module.mean_of_said([None]))


# -- where it cannot work


def test_who_has_no_llm_compiler_is_told_how_to_get_it(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llm_compiler.evaluation", None)
    with pytest.raises(ImportError, match=r"^[^\n]*pip install llm-compiler\[corpus\]$"):
        module.questions("emulation.jsonl")


def test_another_llvm_does_not_judge(
    module: ModuleType, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doc = lines(folder, "emulation")[0]
    doc["unit"]["llvm"] = "16.0.0"
    (tmp_path / "emulation.jsonl").write_text(json.dumps(doc) + "\n")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "llm_compiler_tasks.py"))
    with pytest.raises(ImportError, match=r"about LLVM 16\.0\.0, this is 17"):
        module.questions("emulation.jsonl")


def test_a_folder_without_a_benchmark_is_refused(tmp_path: Path, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    with pytest.raises(HarnessError, match=r"has no benchmark\.json"):
        export(tmp_path, tmp_path / "out", 0, None, machinery(toolchain, vocabulary))


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(HarnessError, match=r"out: File exists"):
        export(taken(tmp_path / "taken", toolchain), tmp_path / "out", 0, 1, machinery(toolchain, vocabulary))


@pytest.mark.parametrize(
    ("change", "message"), [({"llvm": "16.0.0"}, "was made with LLVM 16"), ({"oz_ship": 0}, "gives no question for")]
)
def test_units_that_this_llvm_has_not_measured_are_refused(
    tmp_path: Path, toolchain: Toolchain, vocabulary: Vocabulary, change: Any, message: str
) -> None:
    folder = taken(tmp_path / "taken", toolchain)
    changed = [dataclasses.replace(unit, **change) for unit in units(toolchain).values()]
    store.write_units(folder / "units" / "part-00000.parquet", changed)
    with pytest.raises(HarnessError, match=message):
        export(folder, tmp_path / "out", 0, None, machinery(toolchain, vocabulary))
    assert not (tmp_path / "out" / "llm_compiler.yaml").exists()


# -- other exports


def test_the_same_export_twice_is_the_same_folder(
    folder: Path, tmp_path: Path, toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    out = tmp_path / "out"
    for seed in (1, 0):  # the second replaces the first
        export(folder.parent / "taken", out, seed, None, machinery(toolchain, vocabulary))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()
    }


def test_a_compact_export_is_judged_in_its_dialect(
    folder: Path, tmp_path: Path, toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    written = export(folder.parent / "taken", tmp_path, 0, 2, machinery(toolchain, vocabulary), "compact")
    assert written["emulation"] == 2
    module = tasks_file(tmp_path)
    assert {doc["dialect"] for doc in lines(tmp_path, "emulation")} == {"compact"}
    assert len(lines(tmp_path, "emulation")[0]["prompt"]) < len(lines(folder, "emulation")[0]["prompt"])
    assert values(scored(tmp_path, module, "emulation"), "exact") == {1}
    assert values(scored(tmp_path, module, "size_prediction"), "mape_before") == {0}


# -- the harness

KNOWING = """
import json, sys
import lm_eval
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

class Knowing(LM):
    def generate_until(self, requests, **_):
        return [request.doc["target"] for request in requests]
    def loglikelihood_rolling(self, requests, **_):
        return [-float(len(request.args[0].encode())) for request in requests]
    def loglikelihood(self, requests, **_):
        raise NotImplementedError

manager = TaskManager(include_path=sys.argv[1])
found = lm_eval.simple_evaluate(model=Knowing(), tasks=["llm_compiler"], task_manager=manager)
with open(sys.argv[2], "w") as file:
    json.dump(found["results"], file)
"""


@pytest.mark.slow
def test_the_harness_says_that_who_knows_is_right(folder: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("lm_eval") is None:
        pytest.skip("lm-evaluation-harness is not installed (pip install lm_eval)")
    ran = subprocess.run(
        [sys.executable, "-c", KNOWING, folder, tmp_path / "results.json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")},
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    results = {name.removeprefix("llm_compiler_"): metrics for name, metrics in found.items()}
    right = {"emulation": ["exact", "normalised", "verifies", "bleu"], "disassembly": ["lowers_again", "exact", "bleu"]}
    for name, metrics in right.items():
        assert {results[name][f"{metric},none"] for metric in metrics} == {1}
    assert results["flag_tuning"]["usable,none"] == 1
    assert results["flag_tuning"]["saved,none"] == 0
    assert results["size_prediction"]["mape_before,none"] == 0
    assert results["ir"]["bits_per_byte,none"] == pytest.approx(1 / math.log(2))
