from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_compiler.llvm.execute import Finished, linker, run
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Limits
from tests.conftest import ROOT, marked

QUICK = Limits(seconds=1, megabytes=512)
Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, toolchain: Toolchain) -> Build:
    """A program from C, by the linker that PassListEval uses."""

    def build_(text: str) -> Path:
        folder = tmp_path_factory.mktemp("program")
        (folder / "unit.c").write_text(f"#include <unistd.h>\n#include <stdlib.h>\n#include <stdio.h>\n{text}")
        command = [*toolchain.clang, *toolchain.libc_flags, "-O0", "-c", "unit.c", "-o", "unit.o"]
        subprocess.run(command, cwd=folder, check=True)
        link = linker(toolchain, False, ("-pthread", "-lm"), "unit.o", "program")
        subprocess.run(link, cwd=folder, check=True)
        return folder / "program"

    return build_


def sh(script: str, limits: Limits = QUICK) -> Finished:
    return run(["/bin/sh", "-c", script], limits=limits)


def test_a_program_gives_its_status_and_the_end_of_its_output() -> None:
    done = sh("echo out; echo err >&2; exit 3")
    assert (done.status, done.output, done.how) == (3, b"out\nerr\n", "exit status 3")
    assert sh("kill -SEGV $$").how == "SIGSEGV"
    assert sh("kill -40 $$").how == "signal 40"


@pytest.mark.skipif(not shutil.which("g++"), reason="no GCC to ask")
def test_linking_needs_no_compiler_driver(toolchain: Toolchain) -> None:
    for cplusplus in (False, True):
        command = linker(toolchain, cplusplus, ("-lm",), "unit.o", "program")
        assert Path(command[0]).name in ("ld.gold", "ld")
        assert {"unit.o", "program", "-lc", "-lm"} <= set(command)


def test_a_command_that_does_not_exist_is_a_value() -> None:
    assert run(["/nowhere/program"], limits=QUICK).status == 127


def test_a_program_finds_no_input_no_secrets_and_an_empty_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "password")
    done = sh("cat; ls -A; env")
    assert done.status == 0
    assert b"SECRET" not in done.output
    assert not done.output.startswith(b"/")
    folder = Path(
        next(line for line in done.output.decode().splitlines() if line.startswith("HOME=")).partition("=")[2]
    )
    assert not folder.exists()


def test_what_a_program_writes_goes_with_it_or_stays_where_it_was_sent(tmp_path: Path) -> None:
    run(["/bin/sh", "-c", "echo hello > file"], limits=QUICK, directory=tmp_path)
    assert (tmp_path / "file").read_text() == "hello\n"


def test_a_loop_is_stopped_by_its_cpu_time(build: Build) -> None:
    started = time.monotonic()
    done = run([str(build("int main(void) { volatile int x = 0; for (;;) x++; }"))], limits=QUICK)
    assert (done.status, done.how) == (None, "over its time limit")
    assert time.monotonic() - started < 30


def test_a_program_that_only_waits_is_stopped_by_the_clock() -> None:
    assert sh("sleep 1000", Limits(seconds=0.1, megabytes=512)).status is None


def test_memory_is_limited(build: Build) -> None:
    eater = build("int main(void) { for (int i = 0; i < 1024; i++) if (!malloc(1 << 20)) return 9; return 0; }")
    assert run([str(eater)], limits=QUICK).status == 9
    assert run([str(eater)], limits=Limits(seconds=1, megabytes=2048)).status == 0


def test_a_huge_file_and_endless_output_are_cut_off() -> None:
    assert sh("exec dd if=/dev/zero of=file bs=1M count=200 2>/dev/null").how == "SIGXFSZ"
    done = sh("exec yes")
    assert done.how == "SIGXFSZ"
    assert len(done.output) == 4096


def test_children_end_with_the_program(build: Build) -> None:
    marker = f"llmc-{os.getpid()}-{time.monotonic_ns()}"
    assert run(["/usr/bin/env", f"MARK={marker}", "/bin/sh", "-c", "sleep 1000 & sleep 1000 & exit 0"]).status == 0
    forks = build("int main(void) { for (int i = 0; i < 6; i++) fork(); sleep(1000); }")
    assert run(["/usr/bin/env", f"MARK={marker}", str(forks)], limits=Limits(0.1, 512)).status is None
    deadline = time.monotonic() + 10
    while marked(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not marked(marker)


def test_a_program_ends_with_a_caller_that_is_killed(tmp_path: Path) -> None:
    marker = f"llmc-{os.getpid()}-{time.monotonic_ns()}"
    code = f"from llm_compiler.llvm.execute import run; run(['/usr/bin/env', 'MARK={marker}', 'sleep', '1000'])"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment) as caller:
        deadline = time.monotonic() + 30
        while not marked(f"MARK={marker}") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert marked(f"MARK={marker}")
        caller.send_signal(signal.SIGKILL)
    while marked(f"MARK={marker}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not marked(f"MARK={marker}")


def test_many_threads_can_run_programs_at_once() -> None:
    statuses: list[int | None] = []
    threads = [threading.Thread(target=lambda n=n: statuses.append(sh(f"exit {n}").status)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == list(range(20))  # type: ignore[type-var]


def test_running_leaves_no_descriptor_behind() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        sh("exit 0")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
