"""Where things are in a folder that `build` fills. To train needs neither LLVM nor Parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class DataError(Exception):
    """What cannot be built, or a folder that must not be touched. The message is one line."""


def rows_of(out: Path, stage: str, split: str) -> Path:
    """The folder with a stage's rows of a split."""
    return out / "rows" / stage / split


def read_report(out: Path) -> dict[str, Any]:
    """The report of a complete folder. DataError if it is none."""
    if not out.is_dir() or _json(out / "data.json") is None:
        raise DataError(f"{out} holds no data: it has no data.json")
    report = _json(out / "report.json")
    if report is None:
        raise DataError(f"{out} is not complete: the same `llmc data build` as before goes on with it")
    return report


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {' '.join(str(error).split())}") from None
    return found
