"""The loop: what neither ranks, accumulation, packing nor a killed process may change."""

from __future__ import annotations

import itertools
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from llm_compiler.data.rows import Rows  # noqa: E402
from llm_compiler.model.shape import PRESETS  # noqa: E402
from llm_compiler.model.weights import fresh  # noqa: E402
from llm_compiler.training.checkpoint import Checkpoints, Progress  # noqa: E402
from llm_compiler.training.loop import Job, Order, train  # noqa: E402
from llm_compiler.training.optimiser import learning_rate, optimisers  # noqa: E402
from llm_compiler.training.watch import read as read_curves  # noqa: E402
from llm_compiler.training.world import TrainingError, world  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.small_rows import CONTEXT, TRAINING, documents, tokenizer, write_rows  # noqa: E402

torch.set_num_threads(1)
SHAPE = PRESETS["tiny"].with_vocabulary(512)


@pytest.fixture(scope="module")
def here():
    with world() as here:
        yield here


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Rows to train on, and held-out ones."""
    place = tmp_path_factory.mktemp("rows")
    write_rows(place / "train", documents(40))
    write_rows(place / "validation", documents(8, 50))
    write_rows(place / "none", [])
    return place


def job(place, folder, *, rows="train", shape=SHAPE, rate=3e-3, source=None, evenness=0.0, **settings):
    return Job(
        folder,
        shape,
        source or fresh(0),
        True,
        Rows(place / rows, tokenizer().fingerprint),
        {"reading": Rows(place / "validation"), "nothing": Rows(place / "none")},
        ("reading",),
        rate,
        replace(TRAINING, **settings),
        evenness=evenness,
    )


def weights(trained):
    return {name: one.full_tensor().detach().clone() for name, one in trained.model.named_parameters()}


def distance(one, other):
    """The largest difference of two models' weights, by the size of the largest change there could be."""
    return max(float((one[name] - other[name]).abs().max()) for name in one)


# -- it learns


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_losses_fall_and_are_written_down(place, here, tmp_path, precision):
    trained = train(job(place, tmp_path, epochs=12, validations=4, precision=precision), here)
    assert trained.finished
    curves = read_curves(tmp_path)
    assert [one.step for one in curves.steps] == list(range(1, trained.steps + 1))
    assert curves.steps[0].loss == pytest.approx(math.log(512), rel=0.02)
    assert curves.steps[-1].loss < 0.8 * curves.steps[0].loss
    assert trained.progress.first["reading"] > trained.progress.last["reading"]
    assert list(trained.progress.last) == ["reading"]  # there are no rows of the other
    assert trained.progress.best == min(one.losses["reading"] for one in curves.validations[1:])
    for one in curves.steps:
        assert set(one.losses) <= {"reading/even", "reading/odd"}
        assert 0 < one.utilisation < 1.5
        assert one.memory > 0


def test_the_loss_of_a_step_is_the_mean_over_its_learnt_tokens(place, here, tmp_path):
    """Of sources as well: their losses, weighed by their tokens, make the whole."""
    train(job(place, tmp_path, epochs=0.2, validations=0), here)
    (first, *_) = read_curves(tmp_path).steps
    rows = Rows(place / "train")
    batch = rows.batch(Order(len(rows), 1, 0)(0, 4))
    assert first.counted == batch.mask.sum()
    counts = {f"reading/{name}": int((batch.sources[batch.mask] == n).sum()) for n, name in enumerate(("even", "odd"))}
    mean = sum(first.losses[name] * count for name, count in counts.items()) / first.counted
    assert mean == pytest.approx(first.loss, rel=1e-6)


def test_a_share_of_an_epoch_sees_that_share_of_the_rows(place, here, tmp_path):
    rows = len(Rows(place / "train"))
    trained = train(job(place, tmp_path, epochs=0.5), here)
    assert trained.progress.rows == round(0.5 * rows)
    assert trained.progress.tokens == trained.progress.rows * CONTEXT


def test_every_epoch_sees_every_row_once_in_an_order_of_its_own():
    order = Order(10, 3, seed=1)
    seen = order(0, 30)
    epochs = [seen[start : start + 10] for start in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert order(25, 99) == seen[25:]
    assert order(7, 13) == seen[7:13]
    assert Order(10, 3, seed=2)(0, 30) != seen


# -- what must not change it


@pytest.fixture(scope="module")
def plain(place, here, tmp_path_factory):
    """Weights and losses of an undisturbed run."""
    folder = tmp_path_factory.mktemp("plain")
    trained = train(job(place, folder, epochs=2), here)
    return weights(trained), [one.loss for one in read_curves(folder).steps]


def test_accumulation_four_times_one_is_one_times_four(place, here, tmp_path, plain):
    trained = train(job(place, tmp_path, epochs=2, micro_batch=1, optimiser="adamw"), here)
    other = train(job(place, tmp_path / "4", epochs=2, micro_batch=4, optimiser="adamw"), here)
    assert distance(weights(trained), weights(other)) < 2e-4
    # Muon turns its matrices in bfloat16, which makes more of the last bits.
    trained = train(job(place, tmp_path / "muon", epochs=2, micro_batch=1), here)
    assert distance(weights(trained), plain[0]) < 2e-3
    losses = [one.loss for one in read_curves(tmp_path / "muon").steps]
    assert losses == pytest.approx(plain[1], rel=1e-4)


def test_where_documents_count_alike_accumulation_changes_nothing_and_something_else_is_learnt(place, here, tmp_path):
    settings = {"epochs": 2, "optimiser": "adamw", "validations": 0}
    one, four, by_token = (
        weights(train(job(place, tmp_path / str(number), **settings, **other), here))
        for number, other in enumerate(
            ({"micro_batch": 1, "evenness": 1.0}, {"micro_batch": 4, "evenness": 1.0}, {"micro_batch": 4})
        )
    )
    assert distance(one, four) < 2e-4 < distance(one, by_token)


def test_documents_count_alike_in_bf16_too(place, here, tmp_path):
    trained = train(job(place, tmp_path, epochs=12, evenness=1.0, precision="bf16"), here)
    assert trained.progress.last["reading"] < 0.9 * trained.progress.first["reading"]


def test_packed_rows_learn_what_one_document_a_row_does(place, here, tmp_path):
    """One step over all documents, in rows of several and in rows of their own."""
    texts = documents(12)
    alone = [text + [0] * (CONTEXT - len(text)) for text in texts]
    write_rows(tmp_path / "packed", texts)
    folder = write_rows(tmp_path / "alone", texts, context=CONTEXT)
    _one_a_row(folder, texts, alone)
    losses = {}
    for rows in ("packed", "alone"):
        count = len(Rows(tmp_path / rows))
        settings = {"batch_tokens": count * CONTEXT, "micro_batch": 4, "optimiser": "adamw", "validations": 0}
        one = job(place, tmp_path / f"run {rows}", **settings)
        trained = train(replace(one, rows=Rows(tmp_path / rows)), here)
        losses[rows] = (read_curves(tmp_path / f"run {rows}").steps[0].loss, weights(trained))
    assert losses["packed"][0] == pytest.approx(losses["alone"][0], rel=1e-6)
    assert distance(losses["packed"][1], losses["alone"][1]) < 1e-4


def _one_a_row(folder, texts, alone):
    import numpy as np

    np.array(alone, "<u2").tofile(folder / "tokens.bin")
    columns = [(n, 0, max(1, len(text) // 2), len(text), n % 2, 0, n) for n, text in enumerate(texts)]
    np.array(columns, "<u4").T.tofile(folder / "documents.bin")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "rows": len(texts)}))


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_stopped_and_resumed_is_uninterrupted_bit_for_bit(place, here, tmp_path, optimiser):
    settings = {"epochs": 2, "optimiser": optimiser, "precision": "bf16"}
    whole = train(job(place, tmp_path / "whole", **settings), here)
    asked = iter(range(10**6))
    stopped = train(job(place, tmp_path / "parts", **settings), here, lambda: next(asked) > 4)
    assert not stopped.finished
    assert 0 < stopped.progress.step < stopped.steps
    again = train(job(place, tmp_path / "parts", **settings), here)
    assert again.finished
    assert all(torch.equal(one, weights(again)[name]) for name, one in weights(whole).items())
    both = [[(one.step, one.loss) for one in read_curves(tmp_path / name).steps] for name in ("whole", "parts")]
    assert both[0] == both[1]


SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from llm_compiler.training.loop import train
from llm_compiler.training.world import world
from tests.test_training import job, weights
torch.set_num_threads(1)
place, folder, settings = Path(sys.argv[1]), Path(sys.argv[2]), eval(sys.argv[3])
with world() as here:
    trained = train(job(place, folder, **settings), here)
    found = weights(trained)
    if here.first:
        torch.save(found, folder / "weights.pt")
"""


def start(place, folder, ranks=0, **settings):
    """Train in a process of its own, or in as many ranks."""
    folder.mkdir(exist_ok=True)
    script = folder / "train.py"
    script.write_text(SCRIPT)
    program = [sys.executable]
    if ranks:
        program += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*program, str(script), str(place), str(folder), repr(settings)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def steps_in(folder):
    path = folder / "metrics.jsonl"
    return path.read_text().count('"gradient_norm"') if path.exists() else 0


@pytest.mark.slow
def test_two_ranks_learn_what_one_process_learns(place, tmp_path, plain):
    running = start(place, tmp_path, 2, epochs=2)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors.decode()
    assert distance(torch.load(tmp_path / "weights.pt"), plain[0]) < 2e-3  # Muon turns its matrices in bfloat16
    assert [one.loss for one in read_curves(tmp_path).steps] == pytest.approx(plain[1], rel=1e-4)


@pytest.mark.slow
def test_killed_and_resumed_is_uninterrupted_bit_for_bit(place, here, tmp_path):
    settings = {"epochs": 40, "save_minutes": 1e-9, "validations": 0, "keep": 3}
    whole = train(job(place, tmp_path / "whole", **settings), here)
    folder = tmp_path / "killed"
    for after in (5, 30):
        running = start(place, folder, **settings)
        while steps_in(folder) < after and running.poll() is None:
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        assert not (folder / "weights.pt").exists()
    running = start(place, folder, **settings)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors.decode()
    found = torch.load(folder / "weights.pt")
    assert all(torch.equal(one, found[name]) for name, one in weights(whole).items())
    assert [one.step for one in read_curves(folder).steps] == list(range(1, whole.steps + 1))


@pytest.mark.slow
def test_a_rank_that_dies_stops_all_and_other_ranks_go_on(place, tmp_path):
    """Two ranks, one killed; then one process goes on from what both saved."""
    settings = {"epochs": 40, "save_minutes": 1e-9, "validations": 0}
    running = start(place, tmp_path, 2, **settings)
    while steps_in(tmp_path) < 5 and running.poll() is None:
        time.sleep(0.01)
    answer = subprocess.run(["pgrep", "-P", str(running.pid)], capture_output=True, text=True, check=True)
    listed = answer.stdout.split()
    assert len(listed) == 2
    os.kill(int(listed[1]), signal.SIGKILL)
    assert running.wait(timeout=60) != 0
    running.communicate()
    done = steps_in(tmp_path)
    assert saved_in(tmp_path)
    running = start(place, tmp_path, **settings)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors.decode()
    steps = [one.step for one in read_curves(tmp_path).steps]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) > done


def saved_in(folder):
    return sorted((folder / "checkpoints").glob("step-*"))


# -- checkpoints


def test_the_last_few_checkpoints_are_kept_and_the_best(place, here, tmp_path):
    trained = train(job(place, tmp_path, epochs=3, save_minutes=1e-9, validations=3, rate=0.3), here)
    kept = {int(path.name[5:]) for path in saved_in(tmp_path)}
    last = trained.steps
    assert kept == {last - 1, last, trained.progress.best_step}


def test_checkpoints_written_meanwhile_are_the_same(place, here, tmp_path):
    from dataclasses import replace as changed

    import torch.distributed as dist

    trained = train(job(place, tmp_path), here)
    apart = changed(here, saving=dist.new_group(backend="gloo"))
    model = trained.model
    workers = optimisers(dict(model.named_parameters()), TRAINING, scratch=True)
    before = weights(trained)
    meanwhile = Checkpoints(tmp_path / "meanwhile", 2, apart)
    meanwhile.save(model, workers, Progress(step=1))
    meanwhile.finish()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert meanwhile.load(model, workers) == Progress(step=1)
    assert distance(weights(trained), before) == 0


def test_what_a_killed_save_left_is_not_taken_for_a_checkpoint(place, here, tmp_path):
    left = tmp_path / "checkpoints" / ".step-00000099"
    left.mkdir(parents=True)
    (left / "__0_0.distcp").write_bytes(b"half")
    assert train(job(place, tmp_path), here).finished
    assert not left.exists()


def test_a_checkpoint_of_another_model_or_a_damaged_one_is_one_line(place, here, tmp_path):
    train(job(place, tmp_path), here)
    with pytest.raises(TrainingError, match="does not fit this model, or is damaged") as caught:
        train(job(place, tmp_path, shape=replace(SHAPE, hidden=32, intermediate=64), epochs=2), here)
    assert "\n" not in str(caught.value)
    (newest, *_) = saved_in(tmp_path)[::-1]
    for file in newest.glob("*.distcp"):
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="damaged"):
        train(job(place, tmp_path, epochs=2), here)


def test_a_disk_that_fills_up_leaves_the_old_checkpoint(place, here, tmp_path):
    settings = {"epochs": 6, "save_minutes": 1e-9, "validations": 0}
    asked = iter(range(10**6))
    train(job(place, tmp_path, **settings), here, lambda: next(asked) > 8)
    before = {path: path.stat().st_size for path in saved_in(tmp_path)}
    assert before
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(TrainingError, match=r"checkpoint of step \d+ could not be saved") as caught:
            train(job(place, tmp_path, **settings), here)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert "\n" not in str(caught.value)
    assert {path: path.stat().st_size for path in saved_in(tmp_path)} == before
    assert train(job(place, tmp_path, **settings), here).finished


# -- what stops it


def test_a_loss_that_is_no_number_stops_says_which_rows_and_keeps_what_was_saved(place, here, tmp_path):
    settings = {"epochs": 6, "save_minutes": 1e-9, "validations": 0, "optimiser": "adamw"}
    asked = iter(range(10**6))
    train(job(place, tmp_path, **settings), here, lambda: next(asked) > 8)
    before = saved_in(tmp_path)

    class Poisoned(Rows):
        def batch(self, numbers):
            found = super().batch(numbers)
            if 3 in list(numbers):
                found.tokens[list(numbers).index(3)] = 511
            return found

    def broken(name, size):
        values = fresh(0)(name, size)
        if "embed" in name:
            values[511] = float("nan")
        return values

    one = replace(job(place, tmp_path / "other", source=broken, **settings), rows=Poisoned(place / "train"))
    with pytest.raises(TrainingError, match=r"step \d+: the loss is nan .*, in rows .*; checkpoints before it are"):
        train(one, here)
    assert saved_in(tmp_path) == before


def test_memory_that_is_not_there_says_what_to_lower(place, here, tmp_path):
    """A real failure of the allocator: a model larger than any machine."""
    with pytest.raises(TrainingError, match=r"out of memory: lower training.micro_batch \(2\), or set training\."):
        train(job(place, tmp_path, shape=replace(SHAPE, vocabulary=1 << 40)), here)


# -- learning rates and optimisers


@pytest.mark.parametrize("schedule", ["cosine", "wsd"])
def test_the_learning_rate_grows_stays_below_its_peak_and_falls_to_its_end(schedule):
    settings = replace(TRAINING, schedule=schedule, warmup=0.1, final=0.05)
    rates = [learning_rate(step, 100, 1.0, settings) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert max(rates) == 1.0
    assert all(one >= other for one, other in itertools.pairwise(rates[9:]))
    assert 0.05 <= rates[-1] < 0.09
    if schedule == "wsd":
        assert rates[9:66] == [1.0] * 57


def test_muon_has_the_matrices_of_layers_and_adamw_the_rest(place):
    from llm_compiler.model.llama import Llama

    parameters = dict(Llama(SHAPE).named_parameters())
    adamw, muon = optimisers(parameters, TRAINING, scratch=True)
    (matrices,) = (group["params"] for group in muon.param_groups)
    assert len(matrices) == 7 * SHAPE.layers
    decayed, free = adamw.param_groups
    assert [one.ndim for one in decayed["params"]] == [2]
    assert {one.ndim for one in free["params"]} == {1}
    assert free["weight_decay"] == 0
    (alone,) = optimisers(parameters, TRAINING, scratch=False)
    assert isinstance(alone, torch.optim.AdamW)
    assert sum(len(group["params"]) for group in alone.param_groups) == len(parameters)


def test_nothing_of_a_run_is_left_in_its_rows(place, here, tmp_path):
    before = {path.name: path.read_bytes() for path in (place / "train").iterdir()}
    train(job(place, tmp_path), here)
    shutil.rmtree(tmp_path)
    assert {path.name: path.read_bytes() for path in (place / "train").iterdir()} == before
