"""A model of ours that has learnt nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from llm_compiler.model.llama import Llama
from llm_compiler.model.shape import PRESETS
from llm_compiler.model.tokenizer import DEFAULT, Tokenizer
from llm_compiler.model.weights import fill, fresh, save, whole


def unlearnt(folder: Path, context: int) -> Path:
    """The folder, with random weights that are always the same, and the tokenizer that ships."""
    made = Llama(PRESETS["tiny"])
    fill(made, fresh(0))
    about = {"format": 1, "llvm": "17.0.6", "dialect": "compact", "tokenizer": Tokenizer.load().fingerprint}
    shape = dataclasses.replace(PRESETS["tiny"], context=context)
    weights = dict(whole(made.named_parameters(), torch.bfloat16))
    save(folder, shape, weights, DEFAULT, "", ids={"bos": 1, "eos": 2, "pad": 0}, longest=context, about=about)
    return folder
