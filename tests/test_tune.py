"""Whole tuning runs on a small corpus: what is in the folder, that any kill leaves it good, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from llm_compiler.autotune import tune as tuning
from llm_compiler.autotune.label import Trial, labels, read_summary
from llm_compiler.autotune.portfolio import load
from llm_compiler.corpus.store import CorpusError
from llm_compiler.llvm.evaluate import Evaluation, Job, evaluate, oz_passes
from llm_compiler.llvm.size import SHIP
from tests.small_projects import ROOT, TEST, TRAIN, build, llmc, one_line, write

SOURCES = {
    "count.c": """unsigned count(const unsigned char *p, unsigned n) {
    unsigned total = 0;
    for (unsigned i = 0; i < n; i++) { if (p[i] > 9) total += p[i] % 7; else total += 3; }
    return total;
}
static int digit(int c) { return c >= '0' && c <= '9'; }
long number(const char *s) { long x = 0; while (digit(*s)) x = x * 10 + *s++ - '0'; return x; }
int all_digits(const char *s) { if (!*s) return 0; for (; *s; s++) if (!digit(*s)) return 0; return 1; }
""",
    "list.c": """struct node { struct node *next; int value; };
int sum(struct node *n) { int s = 0; for (; n; n = n->next) s += n->value; return s; }
struct node *reverse(struct node *n) {
    struct node *r = 0;
    while (n) { struct node *m = n->next; n->next = r; r = n; n = m; }
    return r;
}
int longest(struct node *n, int limit) {
    int k = 0;
    while (n && k < limit) n = n->next, k++;
    return k == limit ? -1 : k;
}
int kind(int c) {
    switch (c) { case 'a': return 1; case 'b': return 7; case 'c': return 1; case 'd': return 9; default: return 0; }
}
""",
}
SUITE = ROOT / "llm_compiler" / "autotune" / "suite"
PROGRAMS = [SUITE / name for name in ("switch_wide.c", "loops_invariant_alias.c", "computed_goto.c", "recursion.c")]
ARGUMENTS = (
    "--budget",
    20,
    "--broadcast",
    5,
    "-j",
    2,
    "--no-default-suite",
    *(word for path in PROGRAMS for word in ("--suite", path)),
)


@pytest.fixture(scope="module")
def corpus(toolchain, tmp_path_factory):
    place = tmp_path_factory.mktemp("tune")
    test = {"other.c": SOURCES["count.c"].replace("total += 3", "total -= p[i]")}
    build(place / "corpus", toolchain, write(place / TRAIN, SOURCES), write(place / TEST, test))
    return place / "corpus"


@pytest.fixture(scope="module")
def tuned(corpus, tmp_path_factory):
    """Its labels, made by the command, and what that printed."""
    out = tmp_path_factory.mktemp("labels") / "labels"
    ended = llmc("tune", corpus, "--out", out, *ARGUMENTS)
    assert ended.returncode == 0, ended.stderr.decode()
    return out, ended.stdout.decode()


def product(folder):
    """What must not depend on how often the run was killed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "verdicts.jsonl"
    }


# -- what is in it


def test_every_label_is_what_the_compiler_says(tuned, toolchain):
    out, _ = tuned
    texts = {
        row["id"]: row["text"].encode()
        for part in sorted((out / "units").iterdir())
        for row in pq.read_table(part).to_pylist()
    }
    made = list(labels(out))
    assert {label.unit for label in made} == set(texts)
    assert len(made) >= 5
    oz = oz_passes(toolchain.version, SHIP)
    jobs = [Job(texts[label.unit], label.passes or oz) for label in made]
    answers = list(evaluate(jobs, toolchain.library))
    assert [answer.size.total for answer in answers if isinstance(answer, Evaluation)] == [each.size for each in made]
    assert all(label.size <= label.oz for label in made)
    assert any(label.size < label.oz for label in made)


def test_a_label_is_the_smallest_list_that_passed_and_says_how_it_was_found(tuned):
    out, _ = tuned
    good = tuning.trusted(out)
    for label in labels(out):
        assert bool(label.passes) == (label.size < label.oz) == bool(label.found_by)
        sizes = {trial.passes: trial.size for trial in label.trials if trial.size is not None and not trial.reason}
        if label.passes:
            assert label.passes in good
            assert sizes[label.passes] == label.size
            assert label.found_by in ("search", "minimise", "broadcast")
        assert label.evaluations == len(label.trials) >= 20
        assert min([label.oz, *(sizes[one] for one in good & sizes.keys())]) == label.size
        assert (label.llvm, label.protocol, label.split) == ("17.0.6", "ship", "train")


def test_broadcast_lists_were_tried_on_every_unit(tuned):
    out, _ = tuned
    first = read_summary(out)["broadcast rounds"][0]
    assert 1 <= first["lists"] <= 5
    tried = [{trial.passes for trial in label.trials} for label in labels(out)]
    assert len(set.intersection(*tried)) >= first["lists"]


def test_the_summary_adds_up(tuned):
    out, said = tuned
    made, summary = list(labels(out)), read_summary(out)
    for kind, gain in summary["gain"].items():
        of_kind = [label for label in made if label.kind == kind]
        assert (gain["units"], gain["before"], gain["now"]) == (
            len(of_kind),
            sum(label.oz for label in of_kind),
            sum(label.size for label in of_kind),
        )
        assert f"{gain['before']:,}" in said
    assert sum(summary["trials"].values()) == sum(len(label.trials) for label in made)
    assert sum(summary["found by"].values()) == sum(bool(label.passes) for label in made)
    assert summary["PassListEval"]["programs"] == len(PROGRAMS)
    assert summary["PassListEval"]["left out"] == {}


# -- resuming


def test_a_second_run_does_nothing_and_says_the_same(tuned, corpus):
    out, said = tuned
    before = product(out)
    ended = llmc("tune", corpus, "--out", out, *ARGUMENTS)
    assert ended.stdout.decode() == said
    assert product(out) == before


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_gives_the_same_bytes(tuned, corpus, tmp_path):
    out, _ = tuned
    command = [sys.executable, "-m", "llm_compiler", "tune", corpus, "--out", tmp_path / "labels", *ARGUMENTS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    kills = 0
    for seconds in (0.7, 1.0, 1.3, 1.7, 2.2, 3, 4):
        process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        time.sleep(seconds)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills >= 2
    assert llmc(*command[3:]).returncode == 0
    assert product(tmp_path / "labels") == product(out)


def test_a_part_that_is_gone_is_made_again_and_a_broken_one_is_named(tuned, corpus, tmp_path):
    out, _ = tuned
    copy = tmp_path / "labels"
    shutil.copytree(out, copy)
    (copy / "summary.json").unlink()
    (copy / "search" / "part-00000.parquet").unlink()
    with (copy / "verdicts.jsonl").open("a") as file:
        file.write('{"passes": "module(half a li')  # a run that was killed while writing
    assert llmc("tune", corpus, "--out", copy, *ARGUMENTS).returncode == 0
    assert product(copy) == product(out)
    (copy / "summary.json").unlink()
    (copy / "search" / "part-00000.parquet").write_bytes(b"PAR1 not really")
    said = one_line(llmc("tune", corpus, "--out", copy, *ARGUMENTS))
    assert "search/part-00000.parquet" in said
    assert "remove it to have it made again" in said


@pytest.mark.slow
def test_ray_gives_the_same_bytes_though_a_worker_vanishes(tuned, corpus, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed (the extra `cluster`)")
    out, _ = tuned
    command = [sys.executable, "-m", "llm_compiler", "tune", corpus, "--out", tmp_path / "labels", *ARGUMENTS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = False
    with subprocess.Popen([*map(str, command), "--ray", "local"], env=environment) as process:
        while process.poll() is None:
            for worker in [] if killed else ray_workers("_elsewhere"):
                os.kill(worker, signal.SIGKILL)
                killed = True
            time.sleep(0.05)
    assert process.returncode == 0
    assert killed
    assert product(tmp_path / "labels") == product(out)


def ray_workers(function):
    """Ray names its processes after what they run."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if command.read_bytes().startswith(b"ray::" + function.encode()):
                found.append(int(command.parent.name))
        except OSError:
            continue
    return found


# -- what is refused


def test_labels_of_something_else_are_not_touched(tuned, corpus, tmp_path):
    out, _ = tuned
    before = product(out)
    said = one_line(llmc("tune", corpus, "--out", out, *ARGUMENTS, "--protocol", "paper"))
    assert "folder of labels of another protocol (ship, now paper); name another folder" in said
    said = one_line(llmc("tune", corpus, "--out", out, *ARGUMENTS, "--seed", 7))
    assert "folder of labels of another seed (0, now 7)" in said
    header = json.loads((out / "tune.json").read_text())
    older = tmp_path / "older"
    write(older, {"tune.json": json.dumps({**header, "llvm": "16.0.0"})})
    assert "folder of labels of another llvm (16.0.0, now 17.0.6)" in one_line(
        llmc("tune", corpus, "--out", older, *ARGUMENTS)
    )
    assert product(out) == before


def test_a_folder_with_other_things_in_it_is_not_filled(corpus, tmp_path):
    write(tmp_path, {"thesis.tex": "42"})
    assert "files in it but is no folder of labels" in one_line(llmc("tune", corpus, "--out", tmp_path, *ARGUMENTS))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_is_no_corpus_or_has_no_units_is_one_line(corpus, toolchain, tmp_path):
    assert "no folder" in one_line(llmc("tune", tmp_path / "none", "--out", tmp_path / "l"))
    assert "is no corpus" in one_line(llmc("tune", tmp_path, "--out", tmp_path / "l"))
    said = one_line(llmc("tune", corpus, "--out", tmp_path / "l", "--split", "validation"))
    assert "no unit of the split validation to tune" in said


def test_a_corpus_of_another_llvm_is_refused(corpus, tmp_path):
    copy = tmp_path / "corpus"
    shutil.copytree(corpus, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "llvm": "19.1.7"}))
    assert "was made with LLVM 19.1.7, this is 17.0.6" in one_line(llmc("tune", copy, "--out", tmp_path / "l"))


def test_two_runs_in_one_folder_are_refused(tuned, corpus):
    from llm_compiler.corpus.store import locked

    out, _ = tuned
    with locked(out / "tune.json"):
        assert "another run is at work" in one_line(llmc("tune", corpus, "--out", out, *ARGUMENTS))


def test_a_full_disk_is_one_line_and_what_is_there_stays(tuned, corpus, tmp_path, monkeypatch, toolchain, vocabulary):
    from llm_compiler.autotune.searcher import Settings
    from llm_compiler.corpus import store

    class Silent:
        def begin(self, phase, steps):
            if phase == "search":
                monkeypatch.setattr(store, "_RESERVE", 1 << 60)

        def advance(self, before, now):
            pass

    options = tuning.Options(Settings("pipelines", 2))
    with pytest.raises(CorpusError, match="free on this disk; make room"):
        tuning.tune(corpus, tmp_path / "l", options, toolchain, vocabulary, [], Silent())
    assert (tmp_path / "l" / "units" / "part-00000.parquet").exists()
    assert not list((tmp_path / "l" / "search").iterdir())


def test_labels_are_read_from_complete_folders_only(tuned, tmp_path):
    out, _ = tuned
    copy = tmp_path / "labels"
    shutil.copytree(out, copy)
    (copy / "summary.json").unlink()
    with pytest.raises(CorpusError, match="is not complete: the same `llmc tune` as before goes on with it"):
        list(labels(copy))
    with pytest.raises(CorpusError, match="holds no labels"):
        list(labels(tmp_path))


# -- what PassListEval says


def test_a_rejected_list_stays_among_the_trials_and_out_of_the_label():
    """The verdicts decide, not the sizes."""
    from llm_compiler.autotune.label import Tried
    from llm_compiler.autotune.tune import Verdicts
    from llm_compiler.llvm.verdict import Verdict

    verdicts = object.__new__(Verdicts)
    verdicts._known = {
        "module(a)": Verdict(False, "failed", "x.c: exit status 1"),
        "module(b)": Verdict(True, "ok"),
    }
    record = Tried("u", 100, (Trial("module(a)", 80), Trial("module(b)", 90), Trial("module(c)", 95)), 3, "module(a)")
    contenders = tuning._contenders([record], {})
    assert contenders == ["module(a)", "module(b)", "module(c)"]
    assert verdicts.first_not_rejected(contenders) == "module(b)"
    assert verdicts.marked(record.trials[0]) == Trial("module(a)", 80, "rejected", "failed: x.c: exit status 1")
    assert verdicts.marked(record.trials[1]) == record.trials[1]


def test_of_equal_lists_the_commonest_is_chosen_then_the_shortest():
    from llm_compiler.autotune.label import Tried

    trials = (
        Trial("module(long-name)", 90),
        Trial("module(b)", 90),
        Trial("module(common)", 90),
        Trial("module(z)", 91),
    )
    record = Tried("u", 100, trials, 4, "module(b)")
    assert tuning._contenders([record], {"module(common)": 3}) == [
        "module(common)",
        "module(b)",
        "module(long-name)",
        "module(z)",
    ]


# -- the portfolio


def test_a_portfolio_is_built_from_labels_and_read_by_optimize(tuned, vocabulary, tmp_path):
    out, _ = tuned
    file = tmp_path / "p.toml"
    ended = llmc("portfolio", "build", out, "--size", 3, "-o", file)
    assert ended.returncode == 0, ended.stderr.decode()
    lists = load(vocabulary, "ship", file)
    assert 1 <= len(lists) <= 3
    assert {str(one) for one in lists} <= tuning.trusted(out)
    source = write(tmp_path / "s", SOURCES) / "count.c"
    ended = llmc("optimize", source, "-n", "--portfolio", file, "--proposer", "portfolio", "--json")
    assert json.loads(ended.stdout)["files"][0]["tried"] == len(lists)


def test_portfolio_build_refuses_what_is_no_folder_of_labels(tmp_path):
    assert "holds no labels" in one_line(llmc("portfolio", "build", tmp_path, "-o", tmp_path / "p.toml"))
    assert not (tmp_path / "p.toml").exists()
