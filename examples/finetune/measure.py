"""How far off a model's numbers are, on the examples that fine-tuning held out, beside two guesses without a model.

python measure.py pairs.jsonl tuned/model
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, logging

from llm_compiler.data.pairs import Pair, encoded, read_pairs
from llm_compiler.model.foreign import load_any

HELD_OUT, CONTEXT = 0.1, 512
"""What `llmc finetune` was told, or its default."""


def by_model(folder: Path) -> Callable[[Pair], int]:
    """Greedy answers; what is no number counts as 0."""
    logging.set_verbosity_error()
    tokenizer = load_any(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def guess(pair: Pair) -> int:
        prompt = torch.tensor([[tokenizer.bos, *tokenizer.encode_pieces([(pair.prompt, True)])]])
        answer = model.generate(prompt, max_new_tokens=5, max_length=None, do_sample=False)[0, prompt.shape[1] :]
        text = tokenizer.decode(answer.tolist())
        return int(text) if text.isdecimal() else 0

    return guess


def lines(pair: Pair) -> int:
    """Of a prompt: about one for each instruction."""
    return pair.prompt.count("\n")


def main() -> None:
    """Print the table."""
    file, folder = map(Path, sys.argv[1:])
    pairs, tokenizer = read_pairs(file), load_any(folder)
    ids = list(encoded(pairs, tokenizer, HELD_OUT))
    trained, heldout = (
        [pair for pair, one in zip(pairs, ids, strict=True) if one.heldout == side and len(one.ids) <= CONTEXT]
        for side in (False, True)
    )
    middle = round(statistics.median(int(pair.answer) for pair in trained))
    ratio = statistics.median(int(pair.answer) / lines(pair) for pair in trained)
    guesses: dict[str, Callable[[Pair], int]] = {
        f"always {middle}": lambda _: middle,
        f"{ratio:.2f} x lines of IR": lambda pair: round(ratio * lines(pair)),
        str(folder): by_model(folder),
    }
    print(f"{len(heldout)} held-out functions      mean error   within 20 %   exact")
    for name, guess in guesses.items():
        errors = [(abs(guess(pair) - int(pair.answer)), int(pair.answer)) for pair in heldout]
        close = sum(error <= 0.2 * right for error, right in errors) / len(errors)
        exact = sum(not error for error, _ in errors) / len(errors)
        mean = statistics.mean(error for error, _ in errors)
        print(f"{name:30}{mean:12.1f}{close:13.0%}{exact:9.0%}")


if __name__ == "__main__":
    main()
