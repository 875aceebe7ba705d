"""Sentence BLEU-4 of two programs: how alike two assemblies are that are not the same."""

from __future__ import annotations

import math
import re
from collections import Counter

_TOKEN = re.compile(r"[\w.@%]+|[^\s\w.@%]", re.ASCII)
_LONGEST = 4


def tokens(text: str) -> list[str]:
    """Names, numbers, registers and directives (`%rax`, `.LBB0`, `movl`) whole; every other mark by itself."""
    return _TOKEN.findall(text)


def bleu(reference: str, hypothesis: str) -> float:
    """From 0 to 1: the geometric mean of the shares of n-grams (n up to 4) that the reference has too, each counted no
    more often than there; less for a hypothesis that is too short.

    Orders for which the hypothesis is too short do not count, and an order without any match counts as half a match,
    the next as a quarter (`exp` smoothing), as in sacrebleu's `sentence_bleu`. Two empty texts are alike: 1.
    """
    expected, found = tokens(reference), tokens(hypothesis)
    if not expected or not found:
        return float(expected == found)
    logarithms, missing = [], 0
    for n in range(1, min(_LONGEST, len(found)) + 1):
        matches = (_grams(expected, n) & _grams(found, n)).total()
        if n == 1 and not matches:
            return 0.0
        missing += not matches
        logarithms.append(math.log((matches or 0.5**missing) / (len(found) - n + 1)))
    brevity = min(0.0, 1 - len(expected) / len(found))
    return math.exp(brevity + sum(logarithms) / len(logarithms))


def _grams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))
