"""Tiny projects in real C and C++ for the tests of the corpus, and builds of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_compiler.corpus import sources
from llm_compiler.corpus.build import Options, Progress, Task
from llm_compiler.corpus.build import build as build_corpus
from llm_compiler.corpus.unit import Unit
from llm_compiler.llvm.toolchain import Toolchain

ROOT = Path(__file__).parents[1]

# Projects whose names' hashes put them into these splits.
TRAIN, VALIDATION, TEST = "beta", "alpha", "mu"

MIT = """MIT License

Copyright (c) 2020 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright notice and
this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND.
"""

CLAMP = "int clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }\n"
MOST = "template <class T> T most(T a, T b) { return a < b ? b : a; }\n"

MIXED = {
    "LICENSE": MIT,
    "one.c": CLAMP + "static int twice(int x) { return 2 * x; }\nint four(int x) { return twice(twice(x)); }\n",
    "sub/two.c": CLAMP + "long square(long x) { return x * x; }\n",
    "a.cpp": MOST + "int most_a(int x) { return most(x, 1); }\n",
    "b.cpp": MOST + "int most_b(int x) { return most(x, 2); }\n",
    "broken.c": "int broken( {\n",
}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """A folder with these files in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def build(out: Path, toolchain: Toolchain, *folders: Path | str, **options: Any) -> dict[str, Any]:
    """Build a corpus of folders in this process (its workers are others)."""
    tasks = [Task(source.text, source) for folder in folders for source in sources.parse(str(folder))]
    return build_corpus(tasks, out, toolchain, Options(**{"jobs": 2} | options), Progress())


def llmc(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the command line as people do."""
    command = [sys.executable, "-m", "llm_compiler", *(a if isinstance(a, bytes) else str(a) for a in arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("environment", {})}
    defaults: dict[str, Any] = {"capture_output": True, "env": environment, "timeout": 300}
    return subprocess.run(command, check=False, **defaults | options)


def one_line(ended: subprocess.CompletedProcess[bytes]) -> str:
    """What a command that failed said: it must be one line on standard error."""
    lines = ended.stderr.decode().splitlines()
    assert ended.returncode == 1, ended
    assert len(lines) == 1, ended.stderr.decode()
    assert "internal error" not in lines[0]
    assert not ended.stdout
    return lines[0]


def product(corpus: Path) -> dict[str, bytes]:
    """Every file that two builds of the same sources must agree on."""
    files = [*(corpus / "data").iterdir(), corpus / "manifest.json", corpus / "corpus.json"]
    return {path.name: path.read_bytes() for path in files}


def leftovers(corpus: Path) -> list[Path]:
    """Files that nothing but a killed build leaves behind."""
    return [path for path in corpus.rglob("*") if path.name.startswith(".") or ".partial" in path.name]


def unit(text: str, **changes: Any) -> Unit:
    """A unit around a text, for tests that need no more of it."""
    from llm_compiler.corpus.unit import unit_id

    values: dict[str, Any] = dict.fromkeys(Unit.__annotations__, "x") | {"id": unit_id(text), "text": text}
    values |= {name: 1 for name, kind in Unit.__annotations__.items() if kind == "int"}
    return Unit(**values | {"kind": "function", "split": "train"} | changes)


def names(units: Sequence[Unit], kind: str = "function") -> list[str]:
    """Names of the units of one kind, sorted."""
    return sorted(unit.name for unit in units if unit.kind == kind)
