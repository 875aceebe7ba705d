"""A model of random weights to start from, where there is no trained one at hand.

python fresh_model.py 5m model
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from llm_compiler.model.llama import Llama
from llm_compiler.model.shape import PRESETS
from llm_compiler.model.tokenizer import DEFAULT, Tokenizer
from llm_compiler.model.weights import fresh, save


def main() -> None:
    """Write the folder."""
    preset, out = sys.argv[1:]
    tokenizer = Tokenizer.load()
    shape = PRESETS[preset].with_vocabulary(tokenizer.vocabulary_size)
    with torch.device("meta"):
        sizes = {name: one.shape for name, one in Llama(shape).named_parameters()}
    tensors = {name: fresh(0)(name, size) for name, size in sizes.items()}
    ids = {"bos": tokenizer.bos, "eos": tokenizer.eos, "pad": tokenizer.pad}
    save(Path(out), shape, tensors, DEFAULT, "Random weights.\n", ids=ids, longest=shape.context)


if __name__ == "__main__":
    main()
