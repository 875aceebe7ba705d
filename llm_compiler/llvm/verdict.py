"""The record of a judgement: on a pass list, an answer, a pair of functions. Failures are values with a reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """Whether something holds, the reason as one word of a fixed set (for counting), and the detail for people."""

    ok: bool
    reason: str
    detail: str = ""
