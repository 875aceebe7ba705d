"""Files in and out: what a user names is checked before work starts, and written beside, then renamed."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

_LARGEST_STREAM = 256 << 20


class InputError(Exception):
    """An input that cannot be worked on; the message is one line that starts with its name."""


def read_stream(name: str) -> bytes:
    """Standard input (`-`) or something else that can be read only once, such as a pipe."""
    with sys.stdin.buffer if name == "-" else open(name, "rb") as stream:  # noqa: PTH123
        contents = stream.read(_LARGEST_STREAM + 1)
    if len(contents) > _LARGEST_STREAM:
        raise InputError(f"{name}: more than {_LARGEST_STREAM >> 20} MB from a stream; name a file instead")
    return contents


def check_input(path: Path) -> None:
    """Raise InputError unless `path` is something to read with at least one byte in it."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a directory")
        with path.open("rb") as file:
            if path.is_file() and not file.read(1):
                raise InputError(f"{path}: the file is empty")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def write_output(path: Path, contents: bytes) -> None:
    """Write a file so that nobody ever sees half of it: beside, then renamed. What is no plain file is written to."""
    if path.exists() and not path.is_file():  # /dev/null, a named pipe
        path.write_bytes(contents)
        return
    target = path.resolve()  # a link stays a link
    descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(contents)
            file.flush()
            os.fchmod(descriptor, _mode(target))
        Path(partial).replace(target)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _mode(target: Path) -> int:
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
