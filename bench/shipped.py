"""The model that ships: how soon it answers, and what its 8 bits cost beside the checkpoint in 32.

    python bench/shipped.py --checkpoint run/5-all/model --corpus CORPUS [--units 100] [--threads 1]

Functions are of the validation split. Loading is timed in processes of their own, beside one that imports the same and
loads nothing; the limit is a second.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from inference import questions

from llm_compiler.inference import graph
from llm_compiler.inference.embedded import Embedded
from llm_compiler.inference.model import SHIPPED, How, LocalModel, open_model
from llm_compiler.llvm.toolchain import find
from llm_compiler.llvm.vocabulary import vocabulary
from llm_compiler.tasks.code import written
from llm_compiler.tasks.task import Pieces

ROUNDS = 5
LIMIT = 1.0
"""Seconds that loading may take."""


@dataclass
class Compared:
    """What two engines made of the same texts."""

    nats: float = 0.0
    tokens: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="the folder that it was made of")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    size = sum(file.stat().st_size for file in SHIPPED.iterdir())
    print(f"the folder: {size / 1e6:.1f} MB, {60e6 / size:.1f} times under the limit of 60 MB")
    imports, loads = (seconds(code) for code in ("import llm_compiler.inference.embedded", "open_model(threads=1)"))
    print(f"a process that opens it: {loads:.2f} s, of which Python and imports {imports:.2f} s")
    print(f"loading alone: {loads - imports:.2f} s, {(loads - imports) / LIMIT:.2f} of the limit")
    quality(options.checkpoint, options.corpus, options.units, options.threads)


def seconds(code: str) -> float:
    """The median of some processes."""
    command = [sys.executable, "-c", f"from llm_compiler.inference.model import open_model; {code}"]
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        subprocess.run(command, check=True)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def quality(checkpoint: Path, corpus: Path, units: int, threads: int) -> None:
    """Prints the losses of both on the same functions, and how often their first list is the same."""
    shipped = open_model(threads=threads)
    assert isinstance(shipped, LocalModel)
    with tempfile.TemporaryDirectory() as folder:
        graph.build(checkpoint, Path(folder) / "fp32.onnx", "fp32")
        exact = LocalModel(Embedded(Path(folder) / "fp32.onnx", threads), shipped.tokenizer, shipped.dialect, "fp32")
    known = vocabulary(find())
    found = {model.name: Compared() for model in (shipped, exact)}
    same = 0
    asked = list(islice(texts(corpus, shipped), units))
    for text, prompt in asked:
        lists = []
        for model in (shipped, exact):
            scored = model.score(text)
            found[model.name].nats += scored.nats
            found[model.name].tokens += scored.tokens
            (answer,) = model.write(prompt, How(tokens=160), known)
            lists.append(answer.text)
        same += lists[0] == lists[1]
    ours, theirs = (one.nats / one.tokens for one in found.values())
    tokens = found["fp32"].tokens
    print(f"{len(asked)} functions, {tokens:,} tokens: {ours:.4f} nats a token with 8 bits, {theirs:.4f} with 32")
    print(f"8 bits / 32 bits: {ours / theirs:.4f} of the loss; the first list is the same for {same} of {len(asked)}")


def texts(corpus: Path, model: LocalModel) -> Iterator[tuple[Pieces, Pieces]]:
    """Functions as text, and as flag tuning asks about them."""
    for unit, prompt in questions(corpus, model):
        yield ((written(unit.text, model.dialect), False),), prompt


if __name__ == "__main__":
    main()
