"""Binary size as the paper counts it (Berkeley `text` + `data`), and the two protocols under which it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Size:
    """Bytes of an object that end up in the program: `text` is read-only (code, constants, unwind tables), `data` not.

    Zero-filled sections (.bss) count in neither: they take no room in a file.
    """

    text: int
    data: int

    @property
    def total(self) -> int:
        """`text` + `data`, the number that everything here makes smaller."""
        return self.text + self.data


@dataclass(frozen=True)
class Protocol:
    """How a module becomes the object that is measured. Two sizes compare only within one protocol."""

    name: Literal["ship", "paper"]
    codegen_level: Literal[0, 2]
    """`LLVMCodeGenOptLevel` of the back end."""
    loop_vectorization: bool
    slp_vectorization: bool
    """Pipeline tuning options: what `clang -Oz` and `opt` set differs."""
    clang_flags: tuple[str, ...]
    """Makes clang's back end lower an already optimised module in the same way."""


_PRISTINE = ("-Xclang", "-disable-llvm-passes")

SHIP = Protocol("ship", 2, loop_vectorization=False, slp_vectorization=True, clang_flags=("-Oz", *_PRISTINE))
"""The object exactly as `clang -Oz -c` emits it: what users get, and the default everywhere."""

PAPER = Protocol(
    "paper", 0, loop_vectorization=True, slp_vectorization=False, clang_flags=("-O0", "-mno-relax-all", *_PRISTINE)
)
"""`opt`, then the back end at -O0: only to stand beside the paper's tables (it reproduces the demo's 65 bytes)."""

PROTOCOLS: dict[str, Protocol] = {"ship": SHIP, "paper": PAPER}
