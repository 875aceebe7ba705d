"""A trained model's folder as users get it: with a graph of 8 bits, so that the plain install runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

from llm_compiler.inference import graph
from llm_compiler.inference.embedded import SHIPPED, Embedded
from llm_compiler.inference.engine import EngineError

_WEIGHTS = (".safetensors", ".safetensors.index.json")


def export(folder: Path, out: Path, *, weights: bool = True) -> None:
    """Write `out`, which must not exist: the files of a checkpoint's folder and the graph; without the weights of the
    checkpoint on request, which halves it and leaves nothing to train on.

    It is written beside and renamed, once the graph has been loaded. EngineError, OSError.
    """
    if out.exists():
        raise EngineError(f"{out} is there already; name another folder")
    graph.read_shape(folder)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for file in sorted(folder.iterdir()):
            if file.is_file() and file.name != SHIPPED and (weights or not file.name.endswith(_WEIGHTS)):
                shutil.copyfile(file, partial / file.name)
        graph.build(folder, partial / SHIPPED, "int8")
        Embedded(partial / SHIPPED)
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
