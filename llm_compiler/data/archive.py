"""Rows in one compact file, to be kept or sent: `data.json`, `report.json`, the tokenizer and the rows, in a .tar.xz.

Made in a fixed order with nothing of time or owner in it: the same folder gives the same bytes.
"""

from __future__ import annotations

import lzma
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from llm_compiler.data.folder import DataError, read_report

_DICTIONARY = 128 << 20
"""Bytes that the compressor looks back, and that unpacking needs of memory: documents of one file lie far apart."""
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": _DICTIONARY, "lc": 0, "lp": 1, "pb": 1}]
"""For numbers of two bytes."""
_FILES = {"data.json", "report.json", "packing.json", "times.jsonl"}
_FOLDERS = {"rows", "tokenizer"}
OnFile = Callable[[str], object]


def pack(folder: Path, archive: Path, on_file: OnFile = lambda _: None) -> int:
    """Write the archive of a complete folder, beside, then renamed; its bytes. DataError if the folder is not."""
    read_report(folder)
    partial = archive.with_name(f".{archive.name}")
    try:
        # Opened as a file of ours, since tarfile cannot be told how to compress.
        with lzma.open(partial, "wb", filters=_FILTERS) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
            for path in contents(folder):
                entry = tarfile.TarInfo(str(path.relative_to(folder)))
                entry.size = path.stat().st_size
                on_file(entry.name)
                with path.open("rb") as file:
                    tar.addfile(entry, file)
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)
    return archive.stat().st_size


def contents(folder: Path) -> list[Path]:
    """The files that an archive of the folder has, in order."""
    found = [path for path in folder.rglob("*") if path.is_file() and _belongs(path.relative_to(folder).parts)]
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _belongs(parts: tuple[str, ...]) -> bool:
    return parts[0] in _FOLDERS if len(parts) > 1 else parts[0] in _FILES


def unpack(archive: Path, folder: Path, on_file: OnFile = lambda _: None) -> None:
    """Make the folder that was packed; it appears whole. DataError if it is there or the archive is none of ours."""
    if folder.exists():
        raise DataError(f"{folder} is there already; name another folder")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with lzma.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for entry in tar:
                path = PurePosixPath(entry.name)
                if not entry.isfile() or path.is_absolute() or ".." in path.parts or not _belongs(path.parts):
                    raise DataError(f"{archive}: {entry.name!r} is nothing that rows have")
                on_file(entry.name)
                target = partial / path
                target.parent.mkdir(parents=True, exist_ok=True)
                content = tar.extractfile(entry)
                assert content is not None, "a regular file has content"
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file, 1 << 20)
        read_report(partial)
        partial.replace(folder)
    except (lzma.LZMAError, EOFError, tarfile.TarError) as error:
        raise DataError(f"{archive}: not an archive of rows, or cut off ({' '.join(str(error).split())})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
