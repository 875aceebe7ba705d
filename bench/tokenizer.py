"""The tokenizer's vocabulary: bytes per token on held-out texts for several sizes, their cost, and Llama beside them.

    python bench/tokenizer.py CORPUS [--llama FILE] [--save FOLDER --vocabulary 8192] [--texts FILE]

CORPUS is a complete one (`llmc corpus build --default --out CORPUS`). Trained on a sample of the training split,
measured on a sample of the validation split. Each unit appears as printed (verbatim), compact, and as -Oz assembly of
x86-64 and AArch64. One training gives all sizes: a smaller vocabulary is the beginning of a larger one.

FILE for --llama has Llama's vocabulary: a `tokenizer.json`, or the npm package `llama-tokenizer-js` (MIT):

    npm pack llama-tokenizer-js@1.2.2 && tar xf llama-tokenizer-js-1.2.2.tgz package/llama-tokenizer.js

--texts keeps the sample (making the assembly takes minutes); --save writes the tokenizer of one size as it ships.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gzip
import itertools
import json
import os
import random
import re
import statistics
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import tokenizers
from tokenizers import models, normalizers

from llm_compiler.corpus.assembly import Target, assembly
from llm_compiler.corpus.normalise import compact
from llm_compiler.corpus.store import read_columns, shards
from llm_compiler.corpus.unit import Kind, Split
from llm_compiler.llvm.frontend import CompileError
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.toolchain import find
from llm_compiler.llvm.vocabulary import vocabulary
from llm_compiler.model.tokenizer import PATTERN, Tokenizer, train

Texts = dict[str, list[str]]
"""By dialect."""
SIZES = (4096, 8192, 16384, 32768)
TARGETS: tuple[Target, ...] = ("x86-64", "aarch64")
SAMPLES: dict[Split, dict[str, int]] = {
    "train": {"function": 10_000, "module": 60, "x86-64": 6_000, "aarch64": 2_500, "requests": 4_000},
    "validation": {"function": 2_000, "module": 20, "x86-64": 1_000, "aarch64": 500, "requests": 200},
}
"""Units to take; of the functions, how many as assembly."""
LONGEST = 10_000
"""Instructions of a unit: a few giants would decide alone."""
MOST_OF_A_PROJECT = 0.03
"""Of a sample, if it has projects enough."""
BODY, WIDTH = 26_000_000, 512
"""The small model without its embedding: parameters, and of a token."""
SHARES = {"compact": 1.0, "verbatim": 0.25, "x86-64": 0.5, "aarch64": 0.5, "requests": 0.1}
"""Bytes of each dialect in the training text, of the compact one's. Answers are lists of passes, and the only text that
is made token by token."""
REQUESTS = (
    " Give the LLVM-IR for the following code when optimized using opt -p '{passes}':\n\n",
    " Give the assembly for the following code when optimized using opt -p '{passes}':\n\n",
    "\n\nThe input code has instruction count {count} and binary size {size} bytes. ",
    " Tell me how to optimize this LLVM-IR for object file size:\n\n",
    " Disassemble this code to LLVM-IR:\n\n",
)
"""What Meta's prompts hold between tags and code."""
CUT_SIZE = 8192
CUTS = {
    "GPT-2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "lines, every digit single": r"[^0-9\n]{1,1000}\n?|[0-9]\n?|\n",
    "ours, every digit single": PATTERN.replace(r"|[0-9]{1,2}\n?", r"|[0-9]\n?"),
    "ours, digits in pairs": PATTERN,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--llama", type=Path, metavar="FILE")
    parser.add_argument("--texts", type=Path, metavar="FILE", help="the sample, kept as .json.gz")
    parser.add_argument("--save", type=Path, metavar="FOLDER")
    parser.add_argument("--vocabulary", type=int, default=8192, help="of the one that is saved and held beside Llama's")
    options = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # rates are of one core
    samples = kept(options.texts, options.corpus)
    for split, texts in samples.items():
        print(
            f"{split}: " + ", ".join(f"{dialect} {total_bytes(found) / 1e6:.1f} MB" for dialect, found in texts.items())
        )
    training, held_out = samples["train"], samples["validation"]
    cuts(training, held_out)
    started = time.process_time()
    largest = train(mixture(training), max(SIZES))
    print(f"trained to {largest.vocabulary_size:,} ids in {time.process_time() - started:,.0f} CPU seconds\n")
    sizes(largest, held_out)
    chosen = largest.smaller(options.vocabulary)
    fits(chosen, held_out["compact"])
    speed(chosen, held_out["compact"])
    if options.llama:
        beside_llama(options.llama, chosen, held_out)
    if options.save:
        chosen.save(options.save)
        print(f"{options.save}: {chosen.fingerprint}")


def kept(path: Path | None, corpus: Path) -> dict[str, Texts]:
    """The sample, from the file if there is one."""
    if path and path.exists():
        found: dict[str, Texts] = json.loads(gzip.decompress(path.read_bytes()))
        return found
    samples = {split: sample(corpus, split) for split in SAMPLES}
    if path:
        path.write_bytes(gzip.compress(json.dumps(samples).encode(), 1))
    return dict(samples)


def sample(corpus: Path, split: Split) -> Texts:
    """Texts of some units of a split, the same on every run."""
    wanted = SAMPLES[split]
    functions = spread(corpus, split, "function", wanted["function"])
    whole = functions + spread(corpus, split, "module", wanted["module"])
    texts: Texts = {"verbatim": whole, "compact": [compact(text) for text in whole]}
    texts |= {target: assembled(functions[: wanted[target]], target) for target in TARGETS}
    return texts | {"requests": list(requests(random.Random(split), wanted["requests"]))}


def spread(corpus: Path, split: Split, kind: Kind, count: int) -> list[str]:
    """Texts of random units of one kind, but not too many of one project, whose names would fill the vocabulary."""
    files, columns = shards(corpus, split), ["id", "kind", "project", "instructions"]
    rows = [row for file in files for row in read_columns(file, columns)]
    fitting = [row for row in rows if row["kind"] == kind and row["instructions"] <= LONGEST]
    random.Random(0).shuffle(fitting)
    taken, chosen = Counter[str](), dict[str, int]()
    most = max(MOST_OF_A_PROJECT, 2 / len({row["project"] for row in fitting})) * count
    for row in fitting:
        if len(chosen) < count and taken[row["project"]] < most:
            taken[row["project"]] += 1
            chosen[row["id"]] = len(chosen)
    texts = (row for file in files for row in read_columns(file, ["id", "text"]) if row["id"] in chosen)
    return [row["text"] for row in sorted(texts, key=lambda row: chosen[row["id"]])]


def assembled(texts: list[str], target: Target) -> list[str]:
    """The assembly of those that have one. In this process: LLVM has met these units when the corpus was built."""
    toolchain = find()
    library, found = Library(toolchain.library), []
    for text in texts:
        with contextlib.suppress(LLVMError, CompileError):
            found.append(assembly(toolchain, library, text, target).assembly)
    return found


def requests(rng: random.Random, count: int) -> Iterator[str]:
    """Prompts without code, for random pass lists."""
    known = vocabulary(find())
    for _ in range(count):
        passes = known.random_list(rng, 20)
        numbers = {"count": rng.randrange(2000), "size": rng.randrange(9000)}
        yield "".join(request.format(passes=passes, **numbers) for request in REQUESTS)


def mixture(texts: Texts, share: float = 1) -> Iterator[str]:
    """What the vocabulary is for: the compact IR, the others over and again until they have their share."""
    whole = total_bytes(texts["compact"]) * share
    for dialect, weight in SHARES.items():
        left = whole * weight
        for text in itertools.cycle(texts[dialect]):
            if left <= 0:
                break
            left -= len(text)
            yield text


def total_bytes(texts: Iterable[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def cuts(texts: Texts, held_out: Texts) -> None:
    """What the pattern does, on a tenth of the sample."""
    header = "".join(f"{dialect:>10}" for dialect in held_out)
    print(f"bytes per token, {CUT_SIZE:,} ids{header}")
    for name, pattern in CUTS.items():
        tokenizer = train(mixture(texts, 0.1), CUT_SIZE, pattern)
        print(f"  {name:26}" + "".join(f"{rate:10.2f}" for rate in rates(tokenizer, held_out).values()))
    print()


def rates(tokenizer: Tokenizer, texts: Texts) -> dict[str, float]:
    """Bytes per token by dialect."""
    return {dialect: total_bytes(found) / sum(counts(tokenizer, found)) for dialect, found in texts.items()}


def counts(tokenizer: Tokenizer, texts: list[str]) -> list[int]:
    return [len(ids) for ids in tokenizer.encode_batch(texts)]


def sizes(largest: Tokenizer, held_out: Texts) -> None:
    header = "".join(f"{dialect:>10}" for dialect in held_out)
    print(f"bytes per token {header}   embedding   work per byte")
    lowest = None
    for size in SIZES:
        found = rates(largest.smaller(size), held_out)
        rate = sum(SHARES.values()) / sum(weight / found[dialect] for dialect, weight in SHARES.items())
        embedding = size * WIDTH
        work = (BODY + embedding) / rate
        lowest = lowest or work
        row = "".join(f"{each:10.2f}" for each in found.values())
        share = f"{embedding / 1e6:.1f} M, {100 * embedding / (BODY + embedding):.0f} %"
        print(f"  {size:>8,}      {row}  {share:>12} {work / lowest:12.3f}")
    print(
        f"embedding: tied, width {WIDTH}, beside {BODY / 1e6:.0f} M other parameters\n"
        f"work: parameters met per byte of the mixture that it was trained on, of {SIZES[0]:,} ids = 1\n"
    )


def fits(tokenizer: Tokenizer, texts: list[str]) -> None:
    found = counts(tokenizer, texts)
    shares = ", ".join(
        f"{limit >> 10}k {100 * sum(count <= limit for count in found) / len(found):.1f} %"
        for limit in (1024, 2048, 4096, 8192, 16384)
    )
    print(f"compact units of {tokenizer.vocabulary_size:,} ids: median {statistics.median(found):,.0f}; fit {shares}")


def speed(tokenizer: Tokenizer, texts: list[str]) -> None:
    started = time.process_time()
    ids = tokenizer.encode_batch(texts)
    middle = time.process_time()
    decoded = [tokenizer.decode_bytes(each) for each in ids]
    ended = time.process_time()
    size = total_bytes(texts) / 1e6
    assert decoded == [text.encode() for text in texts], "not lossless"
    print(f"MB per core-second: encode {size / (middle - started):.1f}, decode {size / (ended - middle):.1f}")


def beside_llama(path: Path, tokenizer: Tokenizer, held_out: Texts) -> None:
    other = llama(path)
    tokens = {
        dialect: sum(len(encoding.ids) for encoding in other.encode_batch_fast(found, add_special_tokens=False))
        for dialect, found in held_out.items()
    }
    for dialect, found in held_out.items():
        ours, llamas = sum(counts(tokenizer, found)), tokens[dialect]
        print(
            f"  {dialect:9} Llama {llamas:>10,} tokens, {total_bytes(found) / llamas:.2f} bytes each; "
            f"ours {ours:>10,}: {llamas / ours:.2f} times fewer"
        )
    gain = tokens["verbatim"] / sum(counts(tokenizer, held_out["compact"]))
    print(f"  compact by ours against verbatim by Llama: {gain:.2f} times fewer (goal: 3)")


def llama(path: Path) -> tokenizers.Tokenizer:
    """Llama's tokenizer, from `tokenizer.json` or from the JavaScript of the npm package."""
    if path.suffix != ".js":
        return tokenizers.Tokenizer.from_file(str(path))
    source = path.read_text()
    words, pairs = (
        base64.b64decode(re.search(rf'{name} = "([^"]+)"', source)[1])  # type: ignore[index]
        for name in ("llama_vocab_base64", "llama_merges_binary")
    )
    vocabulary = words.decode().split("\n")
    numbers = struct.unpack(f"<{len(pairs) // 2}H", pairs)
    merges = [(vocabulary[a], vocabulary[b]) for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
    ids = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = tokenizers.Tokenizer(models.BPE(ids, merges, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    known = [29871, 2646, 1327, 287], [4853, 13, 4136, 13, 833, 29877]  # from the package's own tests
    assert tuple(tokenizer.encode(text).ids for text in (" grabbed", "ax\n####\nboo")) == known
    return tokenizer


if __name__ == "__main__":
    sys.exit(main())
