"""Plans of memory and time, beside small models whose memory is measured: on 1, 2 and 4 ranks, and of one pass.

Run by torchrun with a file's name, this module is what the ranks do.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.distributed.device_mesh import init_device_mesh  # noqa: E402

from llm_compiler.data.recipe import Model, Recipe, Training, read  # noqa: E402
from llm_compiler.data.rows import Rows  # noqa: E402
from llm_compiler.model import llama  # noqa: E402
from llm_compiler.model.llama import Llama, packed  # noqa: E402
from llm_compiler.model.shape import PRESETS, Shape  # noqa: E402
from llm_compiler.model.weights import fill, fresh  # noqa: E402
from llm_compiler.training.loop import Job, sharded  # noqa: E402
from llm_compiler.training.optimiser import optimisers  # noqa: E402
from llm_compiler.training.plan import GPUS, SLICE, PlanError, as_text, kept, memory, plan_of  # noqa: E402
from llm_compiler.training.world import World, world  # noqa: E402
from tests.conftest import ROOT, RunLlmc  # noqa: E402
from tests.small_rows import documents, trained_with, write_rows  # noqa: E402

SHARED = Shape(301, 64, 162, 5, 4, 2, tied=False)
"""What ranks have together; no multiple of 4, so that they differ."""
RANKS = (1, 2, 4)
OPTIMISERS = ("adamw", "muon")
STATES = ("weights, fp32", "gradients, fp32", "optimisers, fp32")
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))


def settings(optimiser: str) -> Training:
    return trained_with(optimiser=optimiser, precision="bf16", micro_batch=1).training


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By rank, number of ranks and optimiser: bytes."""
    folder = tmp_path_factory.mktemp("ranks")
    write_rows(folder / "rows", documents(4))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(max(RANKS))]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "-m", "tests.test_plan", folder], check=True, cwd=ROOT, env=environment, timeout=300)
    return {str(rank): json.loads((folder / f"{rank}.json").read_text()) for rank in range(max(RANKS))}


def main(folder: Path) -> None:
    """What a rank does: groups of 1, 2 and 4 of them have a model together."""
    found = {}
    with world() as all_of_them:
        for ranks in RANKS:
            mesh = init_device_mesh("cpu", (max(RANKS) // ranks, ranks), mesh_dim_names=("groups", "ranks"))["ranks"]
            here = World(mesh.get_local_rank(), ranks, torch.device("cpu"), mesh, None)
            for optimiser in OPTIMISERS:
                found[f"{ranks} {optimiser}"] = one(here, optimiser, Rows(folder / "rows"))
        (folder / f"{all_of_them.rank}.json").write_text(json.dumps(found))


def one(here: World, optimiser: str, rows: Rows) -> dict[str, int]:
    """Bytes of a rank after two micro-batches and a step."""
    job = Job(Path(), SHARED, fresh(0), True, rows, {}, (), 1e-3, settings(optimiser))
    model = sharded(job, here)
    workers = optimisers(dict(model.named_parameters()), job.settings, scratch=True)
    positions = torch.arange(64).repeat(2, 1)
    batch = packed(positions, positions)
    before = in_fp32()
    model.set_requires_gradient_sync(False)
    model(batch)[0].backward()
    whole = in_fp32() - before
    model.set_requires_gradient_sync(True)
    model(batch)[0].backward()
    weights = [each.to_local() for each in model.parameters()]
    gradients = [each.grad.to_local() for each in model.parameters()]
    for worker in workers:
        worker.step()
    states = [each for worker in workers for state in worker.state.values() for each in state.values()]
    moments = [each.to_local() for each in states if each.ndim]  # and not how many steps there were
    found = [sum(each.nbytes for each in tensors) for tensors in (weights, gradients, moments)]
    return dict(zip((*STATES, "whole"), (*found, whole), strict=True))


def in_fp32() -> int:
    """Bytes of all numbers in fp32 that Python knows of."""
    gc.collect()
    tensors = (each for each in gc.get_objects() if type(each) is torch.Tensor and each.dtype == torch.float32)
    return sum({each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors}.values())


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("ranks", RANKS)
def test_each_rank_has_exactly_the_states_that_the_plan_says(
    ranks: int, optimiser: str, measured: dict[str, Any]
) -> None:
    plans = [memory(SHARED, settings(optimiser), 64, ranks, scratch=True, rank=rank) for rank in range(ranks)]
    for rank, found in measured.items():
        mine = found[f"{ranks} {optimiser}"]
        plan = plans[int(rank) % ranks]
        assert {state: mine[state] for state in STATES} == {state: plan[state] for state in STATES}
        assert all(plan[state] <= plans[0][state] for state in STATES)
    assert sum(plan["weights, fp32"] for plan in plans) == 4 * SHARED.parameters


@pytest.mark.slow
@pytest.mark.parametrize("ranks", RANKS)
def test_ranks_that_accumulate_have_the_gradients_of_all_weights(ranks: int, measured: dict[str, Any]) -> None:
    several = settings("adamw")
    one_each = dataclasses.replace(several, batch_tokens=64 * ranks)
    assert several.batch_tokens // 64 == 4
    plans = [memory(SHARED, each, 64, ranks, scratch=True)["whole gradients"] for each in (several, one_each)]
    assert plans[0] - plans[1] == (4 * SHARED.parameters if ranks < 4 else 0)
    for found in measured.values():
        assert found[f"{ranks} adamw"]["whole"] == pytest.approx(4 * SHARED.parameters, rel=0.001)


@pytest.mark.parametrize("recompute", [False, True], ids=["all kept", "recomputed"])
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("shape", [SHARED, PRESETS["tiny"]], ids=["untied", "tied"])
def test_autograd_keeps_what_the_plan_says_within_two_hundredths(
    shape: Shape, precision: torch.dtype, recompute: bool
) -> None:
    with torch.device("meta"):
        model = Llama(shape, recompute=recompute)
    model.to_empty(device="cpu")
    fill(model, fresh(0))
    model.to(precision)
    positions = torch.tensor([[*range(100), *range(156)], [*range(256)]])
    batch = packed(positions, positions)
    expected = kept(shape, positions.numel(), precision.itemsize, recompute=recompute)
    # Which are kept for the computing again, where the hooks do not see them.
    rotation = 2 * positions.numel() * shape.head_size * precision.itemsize if recompute else 0
    assert bytes_kept(model, batch) + rotation == pytest.approx(expected, rel=0.02)


def bytes_kept(model: Llama, batch: llama.Packed) -> int:
    """Of storages that autograd keeps for backward, weights left out."""
    weights = {each.untyped_storage().data_ptr() for each in model.parameters()}
    found: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage  # which keeps it from being another's
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(batch)
    return sum(storage.nbytes() for storage in found.values())


def test_slices_of_logits_are_as_long_as_the_models() -> None:
    assert SLICE == llama._SLICE


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_that_ships_has_a_plan(path: Path) -> None:
    recipe = read(path)
    plan = plan_of(recipe)
    assert json.loads(json.dumps(plan)) == plan
    assert [one["gpus"] for one in plan["per gpu"]] == list(GPUS)
    assert {8, 64, 256} <= set(GPUS)
    totals = [one["total"] for one in plan["per gpu"]]
    assert totals == sorted(totals, reverse=True)
    assert totals == [sum(one["bytes"].values()) for one in plan["per gpu"]]
    text = as_text(plan)
    assert "not measured on GPUs" in text
    for one, stage in zip(plan["stages"], recipe.stages, strict=True):
        assert one["tokens"] == round(stage.tokens * recipe.training.epochs)
        assert stage.name in text


@pytest.mark.parametrize("name", ["7b", "13b"])
def test_the_papers_recipes_say_what_their_plan_says(name: str) -> None:
    path = ROOT / "recipes" / f"{name}.toml"
    plan, page = plan_of(read(path)), path.read_text()
    assert plan["parameters"] == PRESETS[name].parameters
    assert [stage["tokens"] for stage in plan["stages"]] == [401e9, 145e9, 84e9, 80e9]
    assert f": {sum(stage['gpu hours'] for stage in plan['stages']):,.0f} GPU-hours." in page
    for one in plan["per gpu"][1:]:
        hours = sum(stage["hours"][str(one["gpus"])] for stage in plan["stages"])
        ends = f", {hours:,.0f} hours" if one["fits"] else ": does not fit"
        nodes = one["gpus"] // 8
        assert f"{nodes} node{'s' if nodes > 1 else ' '} of 8 GPUs   {one['total'] / 1e9:.0f} GB each{ends}\n" in page
    assert f"of the first stage's {plan['stages'][0]['steps']:,} steps" in page
    warming = read(path).training.warmup * plan["stages"][0]["steps"]
    assert warming == pytest.approx(1_000, rel=0.01)


def recipe_of(**changes: Any) -> Recipe:
    recipe = read(ROOT / "recipes" / "nano.toml")
    return dataclasses.replace(recipe, model=Model(**changes))


def test_hours_follow_from_tokens_and_the_utilisation_that_is_assumed() -> None:
    recipe = recipe_of(preset="nano", context=2_048)
    half, whole = plan_of(recipe, 0.25), plan_of(recipe, 0.5)
    for slow, fast in zip(half["stages"], whole["stages"], strict=True):
        assert slow["gpu hours"] == pytest.approx(2 * fast["gpu hours"])
        assert fast["gpu hours"] * 3_600 * 0.5 * 989e12 == pytest.approx(fast["flops"])
        assert fast["flops"] == fast["tokens"] * PRESETS["nano"].flops_per_token(1_024)


def test_gpus_that_have_no_rows_save_no_time() -> None:
    recipe = recipe_of(preset="nano", context=2_048)
    few = dataclasses.replace(recipe, training=Training(batch_tokens=64 * 2_048))
    plan = plan_of(few)
    assert [one["busy"] for one in plan["per gpu"]] == [1, 1, 1, 0.25]
    hours = plan["stages"][0]["hours"]
    assert hours["256"] == hours["64"]


def test_recomputing_saves_most_of_what_a_large_model_keeps() -> None:
    whole, again = (kept(PRESETS["7b"], 16_384, 2, recompute=recompute) for recompute in (False, True))
    assert again < 0.1 * whole


def test_a_checkpoint_that_is_here_is_what_is_planned(tmp_path: Path) -> None:
    from llm_compiler.model.shape import to_config

    config = to_config(PRESETS["5m"].with_vocabulary(999), bos=1, eos=2, pad=0)
    (tmp_path / "config.json").write_text(json.dumps(config))
    plan = plan_of(recipe_of(preset="7b", context=2_048, start=str(tmp_path)))
    assert plan["parameters"] == PRESETS["5m"].with_vocabulary(999).parameters
    assert plan["optimiser"] == "AdamW"
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(PlanError, match=r"config\.json"):
        plan_of(recipe_of(start=str(tmp_path)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preset": "nan"}, "no preset 'nan'; did you mean nano?"),
        ({"preset": "nano", "context": 32_768}, "model.context: 32768 is beyond the model's 16384"),
    ],
)
def test_what_cannot_be_planned_is_said_in_a_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(recipe_of(**changes))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_llmc_prints_a_plan_without_data_or_a_folder(llmc: RunLlmc) -> None:
    ended = llmc("train", "--recipe", ROOT / "recipes" / "13b.toml", "--plan", "--json")
    assert json.loads(ended.stdout)["parameters"] == 13_016_028_160


if __name__ == "__main__":
    main(Path(sys.argv[1]))
