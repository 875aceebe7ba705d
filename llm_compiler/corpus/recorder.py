"""Watch a build: which files it compiled, and how, without changing what it does.

The build runs with a folder of small shell scripts in front of its PATH, one for each compiler that the PATH has. Each
notes its working directory and arguments, then becomes the real compiler, which sees the PATH without us. If a note
cannot be written (a full disk, a read-only folder) the build goes on without it.

A note is one record of NUL-ended fields: how many arguments, the working directory, the compiler, the arguments. Every
process writes to a file named after its own id, and appends, so that parallel compilers never mix, however long their
command lines are, and an id used twice is two records in one file.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from llm_compiler.corpus.commands import CompileCommand, Project, Skipped, from_command_line, without_repetitions

_COMPILER = re.compile(r"(?:[\w.]+-linux-\w+-)?(?:cc|gcc|g\+\+|c\+\+|c89|c99|clang|clang\+\+)(?:-[\d.]+)?")
_VARIABLES = ("CC", "CXX")

# The folder is taken out of PATH: a compiler that looks for "the real gcc", as ccache does, must not find us.
_SHIM = """\
#!/bin/sh
{{ printf '%s\\0' "$#" "$PWD" {name} "$@" >>{log}/"$$"; }} 2>/dev/null
case ":$PATH:" in
*:{shims}:*) PATH=":$PATH:" PATH="${{PATH%%:{shims}:*}}:${{PATH#*:{shims}:}}" PATH="${{PATH#:}}" PATH="${{PATH%:}}" ;;
esac
exec {real} "$@"
"""


def watch(
    build: Sequence[str], project: Project, place: Path, environment: Mapping[str, str] | None = None
) -> tuple[int, list[CompileCommand | Skipped]]:
    """Run a build in the project's folder; its exit code as a shell says it, and what it compiled.

    The build has our terminal, takes as long as it takes, and gets a Ctrl-C as it would without us. `place` must
    outlive the build's folder: build systems remember the compilers that they found. What earlier watches noted there
    counts too: after a kill, `make` only compiles what it had not.
    """
    environment = dict(os.environ if environment is None else environment)
    shims = Path(tempfile.mkdtemp(prefix="watch-", dir=place)).absolute()
    log = shims.with_name(shims.name + "-log")
    log.mkdir()
    watched = install(shims, log, environment)
    code = _run(build, Path(project.root), watched)
    found = [
        command
        for past in sorted(place.glob("watch-*-log"))
        for directory, words in read_log(past)
        for command in from_command_line(project, directory, words, "watch")
    ]
    return code, list(without_repetitions(found))


def install(shims: Path, log: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Write a shim for every compiler that the build could find; the environment to run it in."""
    watched = dict(environment)
    path = environment.get("PATH", os.defpath)
    for name, real in _compilers(path):
        _write_shim(shims / name, real, shims, log)
    watched["PATH"] = f"{shims}:{path}"
    for variable in _VARIABLES:
        # A compiler called by its full path is not looked for, so it gets a shim of its own. `CC=gcc` needs nothing,
        # and where CC is not set, setting it would be a change of the build.
        words = environment.get(variable, "").split()
        if words and words[0].startswith("/") and os.access(words[0], os.X_OK):
            own = shims / variable / Path(words[0]).name
            own.parent.mkdir()
            _write_shim(own, words[0], shims, log)
            watched[variable] = " ".join([str(own), *words[1:]])
    return watched


def _compilers(path: str) -> Iterator[tuple[str, str]]:
    """Each compiler's name with what the PATH means by it."""
    seen = set()
    for folder in path.split(":"):
        if not folder.startswith("/"):
            continue
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(folder)):  # noqa: PTH208 - strings are wanted
                real = f"{folder}/{name}"
                if name not in seen and _COMPILER.fullmatch(name) and os.access(real, os.X_OK):
                    seen.add(name)
                    yield name, real


def _write_shim(shim: Path, real: str, shims: Path, log: Path) -> None:
    text = _SHIM.format(
        name=shlex.quote(shim.name), real=shlex.quote(real), log=shlex.quote(str(log)), shims=shlex.quote(str(shims))
    )
    shim.write_bytes(os.fsencode(text))
    shim.chmod(0o755)


def _run(build: Sequence[str], directory: Path, environment: Mapping[str, str]) -> int:
    try:
        child = subprocess.Popen(build, cwd=directory, env=environment)
    except FileNotFoundError:
        return 127
    except OSError:
        return 126
    # As a shell does: the Ctrl-C is the build's, and we wait for what it makes of it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = child.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def read_log(log: Path) -> Iterator[tuple[str, list[str]]]:
    """(working directory, command) of every record, in no particular order; what was cut off is left out."""
    for file in sorted(log.iterdir()):
        fields = file.read_bytes().split(b"\0")[:-1]
        at = 0
        while at < len(fields):
            if not fields[at].isdigit():
                break
            end = at + 3 + int(fields[at])
            if end > len(fields):
                break
            directory, *words = map(os.fsdecode, fields[at + 1 : end])
            yield directory, words
            at = end
