"""Other people's programs as children: a time limit for the whole family, no input, their last words kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_KEPT_BYTES = 4096


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code (negative: a signal; None: it was stopped at its limit), and what it said."""

    code: int | None
    last_words: str


def run(command: Sequence[str], directory: Path, seconds: float, environment: Mapping[str, str] | None = None) -> Ended:
    """Run a program to its end, or to ours: at the limit its whole process group is killed. Raises nothing for it."""
    with tempfile.TemporaryFile() as output:
        try:
            child = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return Ended(127, f"{command[0]}: {error.strerror}")
        code: int | None = None
        try:
            code = child.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if child.returncode is None:  # at its limit, or a Ctrl-C of the user's, which it does not get
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - _KEPT_BYTES))
        words = output.read().decode("utf-8", "replace").strip()
    return Ended(code, words if code is not None else f"stopped after {seconds:.0f} s; {words}")
