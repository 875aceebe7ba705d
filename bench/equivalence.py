"""How well `same behaviour` tells right from wrong: planted bugs found, false alarms, coverage, speed.

    python bench/equivalence.py [--corpus DIR] [--pairs 500] [--bugs 200] [--seed 1]

Functions are those of a corpus (its validation and test splits), or without one those of the C examples. A pair for
false alarms is a function unoptimised and at -Oz. A planted bug is a function with one wrong rewrite in its
unoptimised text, then optimised with -Oz; where that gives the very code of the right function, it is none.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from llm_compiler.llvm.equivalence import Pair, same_behaviour
from llm_compiler.llvm.evaluate import oz_passes
from llm_compiler.llvm.frontend import Source, unoptimised
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain, find

EXAMPLES = Path(__file__).parents[1] / "examples"
Function = tuple[str, str]
"""Name and unoptimised text."""

_OPPOSITE = {
    "sdiv": "udiv", "srem": "urem", "ashr": "lshr", "sext": "zext",
    "slt": "ult", "sle": "ule", "sgt": "ugt", "sge": "uge",
}  # fmt: skip
_OPPOSITE |= {value: key for key, value in _OPPOSITE.items()}
_PREDICATE = {
    "slt": "sle", "sle": "slt", "sgt": "sge", "sge": "sgt", "ult": "ule", "ule": "ult", "ugt": "uge", "uge": "ugt",
    "eq": "ne", "ne": "eq", "olt": "ole", "ole": "olt", "ogt": "oge", "oge": "ogt", "oeq": "une", "une": "oeq",
}  # fmt: skip
_ORDERED = r"( = (?:sub|sdiv|udiv|srem|urem|shl|ashr|lshr|fsub|fdiv|icmp [su][lg][te]|fcmp o[lg][te])(?: \w+)* )"
_VALUE = r"([%\w.+-]+)"


def swapped_operands(line: str, dice: random.Random) -> str | None:
    match = re.search(rf"{_ORDERED}{_VALUE}, {_VALUE}$", line)
    if not match or match[2] == match[3]:
        return None
    return f"{line[: match.start()]}{match[1]}{match[3]}, {match[2]}"


def wrong_sign(line: str, dice: random.Random) -> str | None:
    match = re.search(r" = (?:icmp )?(\w+) ", line)
    if not match or match[1] not in _OPPOSITE:
        return None
    # `exact` and `nuw` do not go along: they would make the rewrite undefined, not wrong.
    return line[: match.start(1)] + _OPPOSITE[match[1]] + line[match.end(1) :].replace(" exact ", " ")


def wrong_predicate(line: str, dice: random.Random) -> str | None:
    match = re.search(r" = [if]cmp (\w+) ", line)
    if not match or match[1] not in _PREDICATE:
        return None
    return line[: match.start(1)] + _PREDICATE[match[1]] + line[match.end(1) :]


def dropped_store(line: str, dice: random.Random) -> str | None:
    return "" if line.startswith("  store ") else None


def off_by_one(line: str, dice: random.Random) -> str | None:
    match = re.search(
        r"( = (?:add|sub|mul|icmp|and|or|xor|shl|ashr|lshr|[su]div|[su]rem) .*, |store i\d+ |ret i\d+ )(-?\d+)(?=,|$)",
        line,
    )
    if not match:
        return None
    return f"{line[: match.start(2)]}{int(match[2]) + dice.choice((-1, 1))}{line[match.end(2) :]}"


REWRITES: tuple[Callable[[str, random.Random], str | None], ...] = (
    swapped_operands, wrong_sign, wrong_predicate, dropped_store, off_by_one,
)  # fmt: skip


def planted(
    text: str, name: str, rewrite: Callable[[str, random.Random], str | None], dice: random.Random
) -> Iterator[tuple[str, str]]:
    """The text with one line of its function rewritten, and that line, for every line that can be, in random order."""
    lines = text.split("\n")
    start = next(at for at, line in enumerate(lines) if line.startswith("define "))
    places = list(range(start + 1, lines.index("}", start)))
    dice.shuffle(places)
    locals_ = set(re.findall(r"^  (%\S+) = alloca ", text, re.MULTILINE))
    for at in places:
        body, mark, metadata = lines[at].partition(", !")
        changed = rewrite(body, dice)
        # Without a store that initialises a local the rewrite is undefined, and may do as the right one does.
        if changed == "" and body.rpartition("ptr ")[2].split(",")[0] in locals_:
            continue
        if changed is not None:
            changed = changed + mark + metadata if changed else changed
            yield "\n".join([*lines[:at], changed, *lines[at + 1 :]]), f"{lines[at].strip()}  ->  {changed.strip()}"


def example_functions(toolchain: Toolchain, library: Library) -> list[Function]:
    found = []
    for path in sorted(EXAMPLES.glob("*.c")):
        with Context(library) as context:
            module = context.parse(unoptimised(toolchain, Source(path, "c")))
            found += [(name, unit.print()) for name, unit in module.split()]
    return found


def corpus_functions(corpus: Path) -> list[Function]:
    from llm_compiler.corpus.store import units

    return [
        (unit.name, unit.text)
        for split in ("validation", "test")
        for unit in units(corpus, split)  # type: ignore[arg-type]
        if unit.kind == "function" and unit.triple.startswith("x86_64") and unit.instructions < 400
    ]


def optimised(library: Library, toolchain: Toolchain, text: str) -> str:
    with Context(library) as context, context.parse(text.encode()) as module:
        module.verify()
        with module.machine(SHIP) as machine:
            module.run(oz_passes(toolchain.version, SHIP), machine)
        return module.print()


def false_alarms(toolchain: Toolchain, library: Library, functions: list[Function], count: int) -> list[Function]:
    """Print coverage and false alarms; the functions on which a verdict was possible."""
    chosen = functions[:count]
    pairs = [Pair(text.encode(), optimised(library, toolchain, text).encode(), name) for name, text in chosen]
    reasons, why, decided = Counter[str](), Counter[str](), []
    workers = os.cpu_count() or 1
    started = time.perf_counter()
    for (name, text), verdict in zip(chosen, same_behaviour(pairs, toolchain.library), strict=True):
        reasons[verdict.reason] += 1
        if verdict.reason == "unknown":
            why[re.sub(r" ?\(\d+\)", "", verdict.detail)] += 1
        else:
            decided.append((name, text))
        if verdict.reason == "differs":
            print(f"  false alarm: {name}: {verdict.detail}")
    seconds = (time.perf_counter() - started) * workers
    total = len(chosen)
    known = total - reasons["unknown"]
    print(f"false alarms:        {reasons['differs']} of {known} pairs of unoptimised and -Oz")
    print(f"coverage:            {100 * known / total:.1f} % of {total} functions get a verdict; the rest:")
    for reason, number in why.most_common():
        print(f"  {number:5}  {reason}")
    print(f"pairs/core-second:   {total / seconds:.1f} (by the clock, {workers} workers)\n")
    return decided


def planted_bugs(toolchain: Toolchain, library: Library, functions: list[Function], count: int, seed: int) -> None:
    dice = random.Random(seed)
    bugs: list[tuple[str, str, Pair]] = []
    for name, text in functions:
        rewrite = REWRITES[len(bugs) % len(REWRITES)]
        right = optimised(library, toolchain, text)
        for wrong, change in planted(text, name, rewrite, dice):
            try:
                made = optimised(library, toolchain, wrong)
            except LLVMError:
                continue
            if made != right:
                bugs.append((rewrite.__name__, change, Pair(text.encode(), made.encode(), name, seed)))
                break
        if len(bugs) == count:
            break
    found, total, doubtful = Counter[str](), Counter[str](), []
    for (kind, change, pair), verdict in zip(
        bugs, same_behaviour((pair for *_, pair in bugs), toolchain.library), strict=True
    ):
        total[kind] += 1
        found[kind] += verdict.reason == "differs"
        if verdict.reason != "differs":
            doubtful.append((kind, change, pair, verdict))
    # Most of the rest change nothing (a signed comparison of lengths, say). Which ones do, more inputs can tell.
    harder = (replace(pair, seed=pair.seed + 1, inputs=5 * pair.inputs) for *_, pair, _ in doubtful)
    missed = Counter[str]()
    for (kind, change, pair, verdict), again in zip(doubtful, same_behaviour(harder, toolchain.library), strict=True):
        missed[kind] += again.reason == "differs"
        word = "missed" if again.reason == "differs" else "no bug?"
        print(f"  {word} in {pair.name} ({verdict.reason}, {verdict.detail}): {change}")
    shown = found.total() + missed.total()
    print(f"planted bugs found:  {found.total()} of {shown} that any input shows ({100 * found.total() / shown:.1f} %)")
    print(f"                     {found.total()} of {total.total()} rewrites that change the code")
    for kind, number in total.items():
        print(f"  {kind:18} {found[kind]:4} of {found[kind] + missed[kind]:4} of {number}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--bugs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    toolchain = find()
    library = Library(toolchain.library)
    functions = corpus_functions(options.corpus) if options.corpus else example_functions(toolchain, library)
    random.Random(options.seed).shuffle(functions)
    decided = false_alarms(toolchain, library, functions, options.pairs)
    planted_bugs(toolchain, library, decided, options.bugs, options.seed)


if __name__ == "__main__":
    main()
