"""The engine under transformers, in the layout of Meta's checkpoints."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import transformers
from tokenizers import models, normalizers, trainers

from llm_compiler.inference.embedded import load
from llm_compiler.inference.engine import EngineError
from llm_compiler.inference.torch_engine import Transformers
from llm_compiler.model.foreign import load_any
from llm_compiler.model.shape import PRESETS
from tests.checkpoints import SMALL, Reference, divergence, make

TOLERANCE = 2e-4
"""Of logits whose spread is about 10."""
CODE = "define i32 @f(i32 %0) {\n  %2 = add nsw i32 %0, 1 ; né\n  ret i32 %2\n}\n"
PROMPT = f"[INST] Disassemble this code to LLVM-IR:\n\n<code>{CODE}</code> [/INST]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("model"))


def tokens_of(count: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(0, SMALL.vocabulary, count).tolist()


def foreign(folder: Path, kind: str) -> None:
    """A tokenizer of one of Llama's classes, made as those were: BPE over `▁` for spaces that falls back to bytes."""
    trained = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    trained.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=specials, show_progress=False)
    trained.train_from_iterator([PROMPT.replace("é", "e")] * 3, trainer)
    model: dict[str, Any] = json.loads(trained.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    getattr(transformers, kind)(vocab=model["vocab"], merges=merges, add_bos_token=True).save_pretrained(folder)


@pytest.mark.parametrize("kind", ["CodeLlamaTokenizer", "LlamaTokenizer"])
def test_a_checkpoint_in_metas_layout_is_loaded_as_it_is(kind: str, tmp_path: Path) -> None:
    tiny = dataclasses.replace(PRESETS["7b"], hidden=32, intermediate=48, layers=2, heads=2, kv_heads=2)
    make(tmp_path, tiny, "bfloat16", max_shard_size="1MB")
    foreign(tmp_path, kind)
    assert not (tmp_path / "model.safetensors").exists()
    assert (tmp_path / "model.safetensors.index.json").exists()

    tokenizer = load_any(tmp_path)
    prompt = [tokenizer.bos, *tokenizer.encode(PROMPT)]
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["tokenizer_class"] == kind
    assert (prompt[0], tokenizer.eos) == (1, 2)
    assert prompt == transformers.AutoTokenizer.from_pretrained(tmp_path)(PROMPT)["input_ids"]
    assert tokenizer.decode(prompt[1:]).removeprefix(" ") == PROMPT

    engine = Transformers(tmp_path, dtype="float32")
    assert (engine.vocabulary, engine.context) == (32_016, 16_384)
    expected = Reference(tmp_path)(prompt)
    _, logits = engine.prefill(prompt)
    np.testing.assert_allclose(logits, expected[-1], atol=TOLERANCE)
    for other in (engine, load(tmp_path, "fp32", threads=1)):
        found = other.decode([other.prefill(prompt[:1])[0]], [prompt[1:]])[0]
        np.testing.assert_allclose(found, expected[1:], atol=TOLERANCE)


def test_branches_are_what_transformers_says_of_their_tokens(folder: Path) -> None:
    engine, reference = Transformers(folder, dtype="float32"), Reference(folder)
    prompt = tokens_of(300)
    branch, _ = engine.prefill(prompt)
    for round_ in range(4):  # the last ones when the cache has been moved
        forks = [engine.fork(branch, length) for length in (300, 120, 1)]
        work = [tokens_of(count, round_) for count in (1, 60, 70)]
        for fork, new, logits in zip(forks, work, engine.decode(forks, work), strict=True):
            np.testing.assert_allclose(logits, reference(fork.tokens)[-len(new) :], atol=TOLERANCE)
        for fork in forks:
            engine.release(fork)
    assert list(branch.tokens) == prompt


def test_bfloat16_is_near(folder: Path) -> None:
    engine, prompt = Transformers(folder), tokens_of(200)
    found = engine.decode([engine.prefill(prompt[:1])[0]], [prompt[1:]])[0]
    assert found.dtype == np.float32
    assert 0 < divergence(Reference(folder)(prompt)[1:], found) < 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt2"}, "of type 'gpt2', not llama"),
        ({"intermediate_size": 176}, "."),
        ({"num_attention_heads": 5}, "sizes that no model can have"),
    ],
)
def test_a_wrong_configuration_is_one_line(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    make(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(EngineError, match=message) as caught:
        Transformers(tmp_path)
    assert "\n" not in str(caught.value)


def test_damaged_weights_and_missing_devices_are_one_line(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(EngineError, match="nowhere"):
        Transformers(tmp_path, device="nowhere")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(EngineError, match="damaged or cut short"):
        Transformers(tmp_path)
    with pytest.raises(EngineError, match=r"has no config\.json"):
        Transformers(tmp_path / "nothing")


def test_without_torch_it_says_what_it_needs(folder: Path) -> None:
    program = """
import sys
from pathlib import Path
sys.modules["torch"] = None  # as if it were not installed
from llm_compiler.inference.engine import EngineError
from llm_compiler.inference.torch_engine import Transformers
try:
    Transformers(Path(sys.argv[1]))
except EngineError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert "pip install 'llm-compiler[train]'" in ran.stdout
