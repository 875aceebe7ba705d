"""Link objects into programs and run programs that nobody trusts: what a miscompilation does is not to be foreseen.

A program runs in a session and process group of its own, which is killed whole when the program ends or is over its
limits; with no input, an almost empty environment and a working folder that goes with it; with limits on CPU time,
address space, the size of any file (its output is one), processes of this user, and no core files. That stops what
loops, forks, eats memory or fills the disk. It is no sandbox: what the user may read and write, the program may too.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from llm_compiler.llvm.frontend import CompileError
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Limits

PROGRAM_LIMITS = Limits(seconds=3, megabytes=2048)
_CLOCK_FACTOR = 4
_FILE_MEGABYTES = 16
_PROCESSES = 4096  # of this user, as the kernel counts: enough beside a desktop, an end to a fork bomb
_KEPT_BYTES = 4096
# Python offers no way to set a child's limits before it runs but `preexec_fn`, which may deadlock when other threads
# are about. A shell costs 1 ms, a Python shim ten times that. `-u` is `-p` in dash; blocks are of 512 and 1,024 bytes.
_SHIM = (
    "{{ ulimit -c 0; ulimit -S -t {cpu}; ulimit -H -t {more_cpu}; ulimit -v {kilobytes}; ulimit -f {blocks}; "
    "ulimit -u {processes} || ulimit -p {processes}; }} 2>/dev/null; "
    'exec {reaper} "$@"'
)
_SIGNALS = {number.value: number.name for number in signal.Signals}


@dataclass(frozen=True)
class Finished:
    """How a program ended, and the end of what it wrote to standard output and standard error together."""

    status: int | None
    """Exit status; negative: the signal that ended it; None: it was stopped, over its time limit."""
    output: bytes

    @property
    def how(self) -> str:
        """The end as people say it: `exit status 1`, `SIGSEGV`, `over its time limit`."""
        if self.status is None:
            return "over its time limit"
        if self.status >= 0:
            return f"exit status {self.status}"
        return _SIGNALS.get(-self.status, f"signal {-self.status}")


def run(
    command: Sequence[str],
    *,
    limits: Limits = PROGRAM_LIMITS,
    file_megabytes: int = _FILE_MEGABYTES,
    directory: Path | None = None,
) -> Finished:
    """Run a program to its end, or to its limits: CPU seconds, four times that on the clock, megabytes of memory.

    Without a directory it works in a temporary one. A command that cannot be run has status 126 or 127. May be called
    from any thread. What it started has ended when this returns or raises; if the caller is killed, the program is too.
    """
    if directory is None:
        with tempfile.TemporaryDirectory(prefix="llmc-run-", ignore_cleanup_errors=True) as folder:
            return run(command, limits=limits, file_megabytes=file_megabytes, directory=Path(folder))
    reaper = shutil.which("setpriv")
    shim = _SHIM.format(
        cpu=math.ceil(limits.seconds),  # then SIGXCPU, and a second later SIGKILL
        more_cpu=math.ceil(limits.seconds) + 1,
        kilobytes=limits.megabytes << 10,
        blocks=file_megabytes << 11,
        processes=_PROCESSES,
        reaper=f"{reaper} --pdeathsig KILL --" if reaper else "",
    )
    environment = {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(directory), "TMPDIR": str(directory)}
    output = os.memfd_create("output", os.MFD_CLOEXEC)  # a file: its size is limited, and a full one blocks nobody
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", shim, "sh", *command],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        status = None
        try:
            ended = _wait(child.pid, limits.seconds * _CLOCK_FACTOR)
        finally:
            # Until it is reaped its number is nobody else's.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            status = child.wait()
        words = os.pread(output, _KEPT_BYTES, max(0, os.fstat(output).st_size - _KEPT_BYTES))
    finally:
        os.close(output)
    return Finished(status if ended and status != -signal.SIGXCPU else None, words)


def _wait(pid: int, seconds: float) -> bool:
    """Whether the child ends in time. It is not reaped."""
    process = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(process, select.POLLIN)
        return bool(poller.poll(seconds * 1000))
    finally:
        os.close(process)


@lru_cache(maxsize=64)
def linker(toolchain: Toolchain, cplusplus: bool, flags: tuple[str, ...], unit: str, program: str) -> tuple[str, ...]:
    """The command that links the object `unit` into `program` (both relative to where it runs), without its driver.

    The system's compiler driver is asked once what it would run; gold, where there is one, then does that three times
    as fast for C++. lld would too, but what LLVM-C emits has its constructors in `.ctors`, which lld, unlike GNU's
    linkers, does not turn into an `.init_array`: without a system compiler (zig's driver has lld) programs that need
    them fail. Raises CompileError where there is no linker.
    """
    names = ("c++", "g++") if cplusplus else ("cc", "gcc")
    driver = next(filter(None, map(shutil.which, names)), None)
    arguments = (unit, "-o", program, *flags)
    if driver is None:
        if not toolchain.linker:
            raise CompileError("no linker: install a C++ compiler (on Debian: apt-get install g++)")
        return (*toolchain.linker, *arguments)
    said = subprocess.run(
        [driver, "-###", *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
    ).stderr
    fast = shutil.which("ld.gold") or shutil.which("ld")
    commands = (shlex.split(line) for line in said.splitlines() if line.startswith(" "))  # as gcc and clang show them
    words = next((words for words in commands if words and Path(words[0]).name in ("collect2", "ld")), None)
    if fast is None or words is None:
        return (driver, *arguments)
    kept = []
    pending = iter(words[1:])
    for word in pending:
        if word == "-plugin":
            next(pending, None)
        elif not word.startswith("-plugin-opt") and word != "--build-id":
            kept.append(word)
    return (fast, *kept)
