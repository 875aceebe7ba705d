from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunLlmc, marked

GOOD = "module(default<O2>)"
BAD = "module(iroutliner),module(attributor)"
SORT = ("--no-default-suite", "--suite", ROOT / "examples" / "sort.c", "--jobs", "1")


def test_a_list_under_which_programs_pass_is_ok(llmc: RunLlmc) -> None:
    done = llmc("passlist", "check", GOOD, *SORT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split() == ["ok", GOOD]
    assert done.stderr == b"1 lists on 1 programs: 1 ok\n"


def test_a_list_that_breaks_one_is_rejected_with_what_is_to_blame(llmc: RunLlmc, tmp_path: Path) -> None:
    longer = f"function(dce),{BAD},function(sroa)"
    done = llmc("passlist", "check", GOOD, longer, "--ignore-denied", "--deny-out", "deny.toml", *SORT)
    assert done.returncode == 1, done.stderr
    assert b"failed      function(dce)," in done.stdout
    assert b"sort.c: " in done.stdout
    assert 'passes = ["iroutliner", "attributor"]' in (tmp_path / "deny.toml").read_text()


def test_a_denied_list_is_not_tried(llmc: RunLlmc) -> None:
    done = llmc("passlist", "check", BAD, "--json", *SORT)
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["reasons"] == {"denied": 1}
    assert document["lists"][0]["passes"] == BAD


def test_lists_come_from_files(llmc: RunLlmc, tmp_path: Path) -> None:
    (tmp_path / "lists.txt").write_text("# good ones\nmodule(default<O1>)\n\n  function(dce) \n")
    (tmp_path / "portfolio.toml").write_text('[ship]\nlists = ["module(default<Os>)"]')
    done = llmc("passlist", "check", "--from", "lists.txt", "--from", "portfolio.toml", "--json", *SORT)
    lists = [entry["passes"] for entry in json.loads(done.stdout)["lists"]]
    assert lists == ["module(default<O1>)", "function(dce)", "module(default<Os>)"]
    done = llmc("passlist", "check", "--from", "-", *SORT, stdin=b"module(default<O1>)")
    assert done.returncode == 0


def test_what_fails_already_is_said(llmc: RunLlmc, tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "good.c").write_text("int main(void) { return 0; }")
    (tmp_path / "suite" / "fails.c").write_text("int main(void) { return 1; }")
    done = llmc("passlist", "check", GOOD, "--no-default-suite", "--suite", "suite")
    assert done.returncode == 0
    assert b"left out: suite/fails.c unoptimised: failed, exit status 1\n" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["module("], "pass list: expected a pass, found the end"),
        (["--from", "garbage.txt"], "garbage.txt: list 2: pass list: "),
        (["--from", "garbage.toml"], "garbage.toml is no portfolio"),
        (["--from", "other.toml"], "other.toml is no portfolio"),
        (["--from", "missing.txt"], "missing.txt: No such file"),
        ([GOOD, "--suite", "garbage.jsonl"], "garbage.jsonl: line 1 is not a problem"),
        ([GOOD, "--suite", "missing"], "missing: a suite is a folder"),
        ([GOOD, "--no-default-suite"], "no program to try pass lists on"),
    ],
)
def test_a_mistake_is_one_line(llmc: RunLlmc, tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "garbage.txt").write_text("dce\n((")
    (tmp_path / "garbage.toml").write_text("lists = [")
    (tmp_path / "other.toml").write_text("lists = 3")
    (tmp_path / "garbage.jsonl").write_text("garbage")
    done = llmc("passlist", "check", *arguments)
    assert done.returncode == 1
    assert words in done.stderr.decode()
    assert b"internal" not in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_an_interrupt_ends_everything_and_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    marker = f"LLMC_TEST={os.getpid()}-{time.monotonic_ns()}"
    (tmp_path / "lists.txt").write_text("module(default<O2>)\n" * 1000)
    check = ["passlist", "check", "--from", tmp_path / "lists.txt", *SORT]
    command = [sys.executable, "-m", "llm_compiler", *map(str, check)]
    name, _, value = marker.partition("=")
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT), name: value}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, process_group=0) as llmc:
        deadline = time.monotonic() + 60
        while not list(temporary.rglob("unit.o")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list(temporary.rglob("unit.o"))
        os.killpg(llmc.pid, signal.SIGINT)
        assert llmc.stderr is not None
        assert llmc.stderr.read().strip() == b"llmc: interrupted"
    assert llmc.returncode == 130
    assert list(temporary.iterdir()) == []
    while marked(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not marked(marker)


def test_no_list_is_wrong_usage(llmc: RunLlmc) -> None:
    assert llmc("passlist", "check").returncode == 2


def test_the_help_says_that_programs_are_run(llmc: RunLlmc) -> None:
    assert b"RUN them" in llmc("passlist", "check", "--help").stdout
