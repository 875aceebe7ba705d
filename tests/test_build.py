"""Whole builds: what is in the result, that it is the same after any kill, and what is refused."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from llm_compiler.corpus import build as builds
from llm_compiler.corpus import store
from llm_compiler.corpus.sources import split_of
from llm_compiler.corpus.store import CorpusError, read_json, read_manifest, read_times, units, write_json
from llm_compiler.corpus.unit import SPLITS, unit_id
from llm_compiler.llvm.evaluate import Job, evaluate, oz_passes
from llm_compiler.llvm.size import SHIP
from tests.small_projects import (
    CLAMP,
    MIXED,
    ROOT,
    TEST,
    TRAIN,
    VALIDATION,
    build,
    leftovers,
    llmc,
    names,
    one_line,
    product,
    write,
)
from tests.test_duplicates import CHECKSUM, SUM

FILE_REASONS = ("file", "module does not", "text not understood")


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """Three projects, one for each split, that share code; and an empty folder."""
    place = tmp_path_factory.mktemp("projects")
    near = CHECKSUM.replace("33u", "37u").replace("checksum(", "near(")
    callee = CHECKSUM.replace("mix(", "stir(").replace("checksum(", "other_callee(")
    write(place / TRAIN, {**MIXED, "near.c": near, "callee.c": callee, "sum.c": SUM})
    write(place / VALIDATION, {"near.c": near, "own.c": "int own(int x) { return x ^ 5; }\n"})
    write(place / TEST, {"checksum.c": CHECKSUM, "clamp.c": CLAMP, "sum.c": SUM})
    (place / "empty").mkdir()
    return [place / name for name in (TRAIN, VALIDATION, TEST, "empty")]


@pytest.fixture(scope="module")
def corpus(projects, toolchain, tmp_path_factory):
    """Their corpus."""
    out = tmp_path_factory.mktemp("corpus") / "corpus"
    build(out, toolchain, *projects)
    return out


# -- what is in it


def test_every_unit_is_what_its_columns_say(corpus, library, context, toolchain):
    found = list(units(corpus))
    assert len({each.id for each in found}) == len(found)
    for each in found:
        assert each.id == unit_id(each.text)
        assert each.kind in ("module", "function")
        assert (each.llvm, each.triple) == (toolchain.version, "x86_64-unknown-linux-gnu")
        assert each.route == "folder"
        assert each.licence == ("MIT" if each.project == TRAIN else "unknown")
        assert each.language == ("c++" if each.file.endswith(".cpp") else "c")
        with context.parse(each.text.encode()) as module:
            module.verify()
            assert module.instruction_count() == each.instructions
            if each.kind == "function":
                assert module.functions() == [each.name]
    jobs = [Job(each.text.encode(), oz_passes(toolchain.version, SHIP)) for each in found]
    sizes = [answer.size.total for answer in evaluate(jobs, toolchain.library, workers=2)]
    assert sizes == [each.oz_ship for each in found]


def test_functions_that_two_files_share_are_there_once(corpus):
    train = list(units(corpus, "train"))
    assert names(train) == ["_Z4mostIiET_S0_S0_", "_Z6most_ai", "_Z6most_bi", "four", "square", "twice"]
    assert names(train, "module") == ["a.cpp", "b.cpp", "one.c", "two.c"]
    assert {each.file for each in train if each.name == "square"} == {"sub/two.c"}


def test_a_project_is_in_one_split_and_what_two_splits_share_is_in_the_test_split(corpus):
    for split in SPLITS:
        assert {split_of(each.project) for each in units(corpus, split)} == {split}
        assert {each.split for each in units(corpus, split)} == {split}
    assert names(list(units(corpus, "test"))) == ["checksum", "clamp", "sum"]
    assert names(list(units(corpus, "validation"))) == ["own"]  # `near` is too near to `checksum`


def test_the_counts_add_up(corpus):
    manifest = read_manifest(corpus)
    found = list(units(corpus))
    assert manifest["files"] == 13
    assert manifest["compiled"] == {"folder": 12}
    dropped = manifest["dropped"]
    assert dropped == {
        "duplicate elsewhere": 3,  # clamp, sum and near in training
        "duplicate in its project": 10,  # clamp, most<int>, and the modules of eight files with one function each
        "file does not compile": 1,
        "near duplicate of the test split": 2,  # near in validation, other_callee in training
    }
    made = manifest["functions"] + sum(manifest["compiled"].values())
    left_out = sum(count for reason, count in dropped.items() if not reason.startswith(FILE_REASONS))
    assert made == len(found) + left_out
    splits = manifest["splits"]
    assert sum(counts["units"] for counts in splits.values()) == len(found)
    for split, counts in splits.items():
        of_split = [each for each in found if each.split == split]
        assert counts["function units"] + counts.get("module units", 0) == counts["units"] == len(of_split)
        assert counts["text bytes"] == sum(len(each.text.encode()) for each in of_split)
        assert counts["instructions"] == sum(each.instructions for each in of_split)
        assert counts["bytes at -Oz"] == sum(each.oz_ship for each in of_split)
    assert splits["train"]["licence MIT"] == splits["train"]["units"]
    assert {project["project"]: project["files"] for project in manifest["projects"]} == {
        TRAIN: 8,
        VALIDATION: 2,
        TEST: 3,
        "empty": 0,
    }


def test_times_are_beside_the_manifest_and_not_in_it(corpus):
    manifest, times = read_manifest(corpus), read_times(corpus)
    assert set(times["total"]) == {"clang", "llvm", "ours"}
    assert [project["project"] for project in times["projects"]] == [each["project"] for each in manifest["projects"]]
    assert "seconds" not in (corpus / "manifest.json").read_text()


def test_nothing_but_the_corpus_is_left_in_the_folder(corpus):
    assert not leftovers(corpus)
    assert sorted(path.name for path in corpus.iterdir()) == [
        "corpus.json",
        "data",
        "manifest.json",
        "times.json",
        "work",
    ]


# -- again


def test_one_worker_gives_the_same_bytes_as_two(corpus, projects, toolchain, tmp_path):
    build(tmp_path / "one", toolchain, *reversed(projects), jobs=1)
    assert product(tmp_path / "one") == product(corpus)


def test_a_finished_build_is_not_done_again(corpus, projects, toolchain):
    def state():
        return {path: path.stat().st_mtime_ns for path in corpus.rglob("*.parquet")}

    before = state(), product(corpus)
    build(corpus, toolchain, *projects[:3])
    assert (state(), product(corpus)) == before


def test_sources_can_be_added_later(corpus, projects, toolchain, tmp_path):
    for folder in projects:
        build(tmp_path / "corpus", toolchain, folder)
    assert product(tmp_path / "corpus") == product(corpus)


RUNNER = """
import sys
from llm_compiler.cli.main import main
from llm_compiler.corpus import build
build._COMMANDS_IN_PART = 2
main()
"""


def parts(corpus: Path) -> dict[Path, int]:
    """The complete parts, with the time when they were made."""
    whole = [path.with_suffix(".parquet") for path in corpus.glob("work/*/part-*.json")]
    return {path: path.stat().st_mtime_ns for path in whole}


@pytest.mark.slow
def test_a_build_that_is_killed_again_and_again_ends_with_the_same_bytes(projects, toolchain, tmp_path, monkeypatch):
    out = tmp_path / "killed"
    command = [sys.executable, "-c", RUNNER, "corpus", "build", *map(str, projects), "--out", str(out), "-j", "2"]
    moments = [
        (out / "corpus.json").exists,
        lambda: len(parts(out)) >= 1,
        lambda: any(out.glob("work/*/.part-*")) and len(parts(out)) >= 2,
        lambda: len(parts(out)) >= 3,
        lambda: any(out.glob("work/*/done.json")),
        lambda: len(parts(out)) >= 6,
        lambda: any(out.glob("data*")),
        (out / "times.json").exists,
    ]
    killed, known = 0, {}
    for reached in moments:
        child = subprocess.Popen(
            command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while child.poll() is None and not reached():
            time.sleep(0.001)
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            killed += 1
        child.wait()
        now = parts(out)
        assert now.items() >= known.items()  # none went, none was made again
        known = now
    assert killed >= 6
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert parts(out).items() >= known.items()
    assert not leftovers(out)
    monkeypatch.setattr(builds, "_COMMANDS_IN_PART", 2)
    build(tmp_path / "whole", toolchain, *projects)
    assert product(out) == product(tmp_path / "whole")


def test_a_part_is_made_again_if_its_files_are_others(toolchain, tmp_path, monkeypatch):
    monkeypatch.setattr(builds, "_COMMANDS_IN_PART", 1)
    source = write(tmp_path / TRAIN, {"b.c": "int b(void) { return 2; }\n", "c.c": "int c(void) { return 3; }\n"})
    out = tmp_path / "corpus"
    build(out, toolchain, source)
    before = parts(out)
    (done,) = out.glob("work/*/done.json")
    done.unlink()
    write(source, {"a.c": "int a(void) { return 1; }\n"})
    build(out, toolchain, source)
    assert names(list(units(out))) == ["a", "b", "c"]
    assert [time_ == before.get(path) for path, time_ in sorted(parts(out).items())] == [False, False, False]
    done.unlink()
    (source / "a.c").unlink()
    (source / "b.c").unlink()
    build(out, toolchain, source)
    assert names(list(units(out))) == ["c"]  # of parts that are left over from more files, none is read


def test_a_unit_that_cannot_be_measured_counts_the_same_after_a_kill(toolchain, tmp_path, monkeypatch):
    monkeypatch.setattr(builds, "_COMMANDS_IN_PART", 1)
    refused = "define void @f() {\n  ret void\n}\n"  # for no target
    source = write(tmp_path / TRAIN, {"a.ll": refused, "b.ll": refused, "c.c": CLAMP})
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    build(whole, toolchain, source)
    shutil.copytree(whole, killed)
    (killed / "manifest.json").unlink()
    for path in [*killed.glob("work/*/done.json"), *killed.glob("work/*/part-0000[12].*")]:
        path.unlink()
    build(killed, toolchain, source)
    assert product(killed) == product(whole)
    assert read_manifest(whole)["dropped"] == {"duplicate in its project": 4, "unit does not compile": 1}


def test_one_unit_that_takes_llvm_down_takes_no_other_with_it(toolchain, tmp_path, monkeypatch):
    fatal = (
        'target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-f80:128-n8:16:32:64-S128"\n'
        'target triple = "x86_64-unknown-linux-gnu"\n\n'
        "define void @fatal() {\n"
        "  call void @llvm.write_register.i64(metadata !0, i64 1)\n  ret void\n}\n\n"
        "declare void @llvm.write_register.i64(metadata, i64)\n\n"
        '!0 = !{!"nosuchregister"}\n'
    )
    source = write(tmp_path / TRAIN, {"a.c": MIXED["one.c"], "fatal.ll": fatal})
    manifest = build(tmp_path / "corpus", toolchain, source)
    assert names(list(units(tmp_path / "corpus"))) == ["clamp", "four", "twice"]
    assert manifest["dropped"] == {"unit: crashed": 1, "duplicate in its project": 1}


# -- bad input


def test_strange_files_are_counted_and_the_rest_is_built(toolchain, tmp_path):
    source = write(tmp_path / TRAIN, {"good.c": CLAMP, "broken.c": "int broken( {\n", "new\nline.c": "int newline;\n"})
    Path(os.fsdecode(os.fsencode(source) + b"/caf\xe9.c")).write_text("int cafe(void) { return 1; }\n")
    with (source / "huge.c").open("wb") as huge:
        huge.truncate(100 << 20)
    (source / "loop").symlink_to(source, target_is_directory=True)
    (source / "round.c").symlink_to("round.c")
    os.mkfifo(source / "pipe.c")
    out = tmp_path / "corpus"
    manifest = build(out, toolchain, source)
    assert names(list(units(out))) == ["cafe", "clamp"]
    assert {each.file for each in units(out)} == {"good.c", "caf\\xe9.c", "new\nline.c"}
    assert manifest["dropped"] == {"duplicate in its project": 2, "file does not compile": 1}
    assert manifest["skipped"] == {"file too large": 1, "link": 1, "not a regular file": 1}
    assert manifest["files"] == 4


def test_a_folder_s_name_may_be_any_bytes(toolchain, tmp_path):
    source = write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/n\xe4me")), {"a.c": CLAMP})
    manifest = build(tmp_path / "corpus", toolchain, source)
    assert [project["project"] for project in manifest["projects"]] == ["n\\xe4me"]
    assert names(list(units(tmp_path / "corpus"))) == ["clamp"]


def test_a_disk_that_fills_up_between_two_projects_stops_the_build(projects, corpus, toolchain, tmp_path, monkeypatch):
    checks = Counter()

    def full(path):
        checks["disk"] += 1
        return shutil._ntuple_diskusage(1, 1, 5 << 30 if checks["disk"] < 3 else 0)

    monkeypatch.setattr(store.shutil, "disk_usage", full)
    out = tmp_path / "corpus"
    with pytest.raises(CorpusError, match="only 0 MB free on this disk"):
        build(out, toolchain, *projects)
    assert len(list(out.glob("work/*/done.json"))) == 1
    assert not (out / "manifest.json").exists()
    monkeypatch.undo()
    build(out, toolchain, *projects)
    assert product(out) == product(corpus)


def test_a_file_that_cannot_be_written_ends_the_build_and_leaves_nothing_half_written(projects, corpus, tmp_path):
    def too_small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))

    out = tmp_path / "corpus"
    said = one_line(llmc("corpus", "build", *projects, "--out", out, "-j", 2, preexec_fn=too_small))
    assert "File too large" in said
    assert not leftovers(out)
    assert not (out / "manifest.json").exists()
    ended = llmc("corpus", "build", *projects, "--out", out, "-j", 2)
    assert ended.returncode == 0, ended.stderr
    assert product(out) == product(corpus)


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_small_disk_is_refused_and_a_full_one_leaves_nothing_half_written(projects, small_disk, tmp_path):
    said = one_line(llmc("corpus", "build", *projects, "--out", small_disk / "corpus"))
    assert "0 MB free on this disk; make room" in said
    assert not list(small_disk.iterdir())
    runner = "from llm_compiler.corpus import store; store._RESERVE = 0\n" + RUNNER
    command = [sys.executable, "-c", runner, "corpus", "build", *map(str, projects), "--out", str(small_disk / "c")]
    said = one_line(subprocess.run(command, cwd=ROOT, capture_output=True, check=False))
    assert "No space left on device" in said
    assert not leftovers(small_disk)
    assert not (small_disk / "c" / "manifest.json").exists()


def test_a_corpus_of_another_llvm_or_of_other_options_is_not_touched(corpus, projects, toolchain, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(corpus, copy)
    with pytest.raises(CorpusError, match="another translation_units"):
        build(copy, toolchain, *projects, translation_units=False)
    header = read_json(copy / "corpus.json")
    write_json(copy / "corpus.json", header | {"llvm": "18.1.8"})
    with pytest.raises(CorpusError, match=r"another llvm \(18\.1\.8"):
        build(copy, toolchain, *projects)
    write_json(copy / "corpus.json", header)
    assert product(copy) == product(corpus)


def test_functions_only(toolchain, tmp_path):
    out = tmp_path / "corpus"
    build(out, toolchain, write(tmp_path / TRAIN, MIXED), translation_units=False)
    assert {each.kind for each in units(out)} == {"function"}
    assert read_manifest(out)["splits"]["train"]["function units"] == 6 + 1
