"""The four tasks and the two dialects, by name. A fifth task is one more file, and one line here."""

from __future__ import annotations

from typing import cast

from llm_compiler.tasks import disassembly, emulation, flag_tuning, ir_modeling
from llm_compiler.tasks.task import DIALECTS, Dialect, Task, known_name

TASKS: dict[str, Task] = {module.name: module for module in (ir_modeling, emulation, flag_tuning, disassembly)}


def task(name: str) -> Task:
    """The task of this name. UnknownNameError."""
    return TASKS[known_name("task", name, TASKS)]


def dialect(name: str) -> Dialect:
    """The dialect of this name. UnknownNameError."""
    return cast(Dialect, known_name("dialect", name, DIALECTS))
