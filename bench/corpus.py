"""What a corpus cost and what is in it: rates per core-second of CPU time, shares, tokens.

    python bench/corpus.py CORPUS [--sample 4000] [--vocabulary 8192]

CORPUS is a complete one (`llmc corpus build --default --out CORPUS`). Tokens are those of a byte-level BPE trained here
on a sample of the training split, merges free within a line and digits single; counted on the validation split.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from llm_compiler.corpus.normalise import compact, normalise
from llm_compiler.corpus.split import split
from llm_compiler.corpus.store import read_manifest, read_times, units
from llm_compiler.corpus.unit import Unit
from llm_compiler.llvm.evaluate import Evaluation, Job, evaluate, oz_passes
from llm_compiler.llvm.frontend import LANGUAGES, Source, unoptimised
from llm_compiler.llvm.library import Library
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain, find

EXAMPLES = Path(__file__).parents[1] / "examples"
HOUR = 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--sample", type=int, default=4000, help="function units to train the tokenizer on")
    parser.add_argument("--vocabulary", type=int, default=8192)
    options = parser.parse_args()
    manifest = read_manifest(options.corpus)
    times = read_times(options.corpus)["total"]
    cost(manifest, times)
    shares(manifest)
    splitting(options.corpus)
    same_bytes(find())
    tokens(options.corpus, options.sample, options.vocabulary, sum(times.values()))


def cost(manifest: dict[str, Any], times: dict[str, float]) -> None:
    total = sum(times.values())
    compiled = sum(manifest["compiled"].values())
    kept = Counter[str]()
    for counts in manifest["splits"].values():
        kept.update({key: value for key, value in counts.items() if not key.startswith("licence")})
    print(f"{total:,.0f} core-seconds: " + ", ".join(f"{clock} {seconds:,.0f}" for clock, seconds in times.items()))
    print(f"ours over clang + LLVM + ours:              {100 * times['ours'] / total:.1f} % (limit: 30)")
    print(f"ours over clang + ours:                     {100 * times['ours'] / (times['clang'] + times['ours']):.1f} %")
    print(f"translation units per core-second:          {compiled / total:.2f}, all included")
    print(f"  without the sizes (clang + ours):         {compiled / (times['clang'] + times['ours']):.2f}")
    per_hour = HOUR / total
    print(f"a core-hour gives:                          {compiled * per_hour:,.0f} translation units,")
    print(
        f"  {kept['units'] * per_hour:,.0f} units ({kept['function units'] * per_hour:,.0f} functions), "
        f"{kept['text bytes'] * per_hour / 1e6:,.0f} MB of text\n"
    )


def shares(manifest: dict[str, Any]) -> None:
    routes = Counter[str]()
    for project in manifest["projects"]:
        routes.update(project["routes"])
    for route, count in routes.most_common():
        compiled = manifest["compiled"].get(route, 0)
        print(f"route {route:10} {compiled:,} of {count:,} files compiled: {100 * compiled / count:.1f} %")
    dropped = manifest["dropped"]
    same = sum(count for reason, count in dropped.items() if reason.startswith("duplicate"))
    kept = sum(counts.get("units", 0) for counts in manifest["splits"].values())
    near = dropped.get("near duplicate of the test split", 0)
    print(f"exact duplicates:                           {100 * same / (same + near + kept):.1f} % of all units")
    print(f"near duplicates of the test split:          {near:,}\n")


def splitting(corpus: Path) -> None:
    modules = [unit.text for unit in itertools.islice((u for u in units(corpus) if u.kind == "module"), 200)]
    started = time.process_time()
    pieces = [function.text for text in modules for function in split(text)]
    middle = time.process_time()
    for piece in pieces:
        normalise(piece)
    ended = time.process_time()
    print(f"functions split per core-second:            {len(pieces) / (middle - started):,.0f} (goal: 150)")
    print(f"functions split and normalised:             {len(pieces) / (ended - started):,.0f}\n")


def same_bytes(toolchain: Toolchain) -> None:
    """Whether -Oz makes of a normalised unit what it makes of the original: on the examples and their functions."""
    library, originals = Library(toolchain.library), []
    for path in sorted(EXAMPLES.glob("*.c*")):
        with (
            Context(library) as context,
            context.parse(unoptimised(toolchain, Source(path, LANGUAGES[path.suffix]))) as m,
        ):
            printed = m.print()
        originals += [printed, *(function.text for function in split(printed))]
    originals = random.Random(0).sample(originals, min(1500, len(originals)))
    passes = oz_passes(toolchain.version, SHIP)
    jobs = (Job(text.encode(), passes) for original in originals for text in (original, normalise(original)))
    sizes = [a.size.total if isinstance(a, Evaluation) else -1 for a in evaluate(jobs, toolchain.library)]
    equal = sum(one == other for one, other in zip(sizes[::2], sizes[1::2], strict=True))
    share = 100 * equal / len(originals)
    print(f"-Oz gives the same bytes, normalised or not: {equal:,} of {len(originals):,} ({share:.2f} %)\n")


def tokens(corpus: Path, sample: int, vocabulary: int, seconds: float) -> None:
    training = list(itertools.islice(spread(functions(corpus, "train"), sample), sample))
    held_out = list(itertools.islice(spread(functions(corpus, "validation"), 2000), 2000)) or training
    train_bytes = sum(len(unit.text) for unit in units(corpus, "train"))
    tokenizers = {
        "verbatim": train([unit.text for unit in training], vocabulary),
        "compact": train([compact(unit.text) for unit in training], vocabulary),
    }
    lengths = {
        "verbatim": [len(tokenizers["verbatim"].encode(unit.text).ids) for unit in held_out],
        "compact": [len(tokenizers["compact"].encode(compact(unit.text)).ids) for unit in held_out],
    }
    size = sum(len(unit.text) for unit in held_out)
    print(f"{len(held_out):,} function units of the validation split, vocabulary {vocabulary:,}:")
    for name, counts in lengths.items():
        fits = ", ".join(
            f"{limit >> 10}k {100 * sum(count <= limit for count in counts) / len(counts):.1f} %"
            for limit in (2048, 4096, 8192, 16384)
        )
        print(f"  {name:9} {sum(counts):>10,} tokens, median {statistics.median(counts):,.0f}; fit {fits}")
    gain = sum(lengths["verbatim"]) / sum(lengths["compact"])
    print(f"  compact takes {gain:.2f} times fewer tokens than verbatim")
    print(
        f"tokens of the training split (compact):     {train_bytes * sum(lengths['compact']) / size / 1e6:,.1f} M, "
        f"{train_bytes * sum(lengths['compact']) / size / 1e6 * HOUR / seconds:,.1f} M a core-hour"
    )


def functions(corpus: Path, name: Any) -> Iterator[Unit]:
    return (unit for unit in units(corpus, name) if unit.kind == "function")


def spread(source: Iterator[Unit], count: int) -> list[Unit]:
    """A uniform sample (reservoir), the same on every run."""
    rng, kept = random.Random(0), []
    for number, unit in enumerate(source):
        if number < count:
            kept.append(unit)
        elif (slot := rng.randrange(number + 1)) < count:
            kept[slot] = unit
    return kept


def train(texts: list[str], vocabulary: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\n"), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


if __name__ == "__main__":
    sys.exit(main())
