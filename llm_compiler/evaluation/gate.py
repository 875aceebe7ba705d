"""A condition on a report's headline, for continuous integration: `flag_tuning.total_bytes < 1.0%`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from llm_compiler.evaluation.figures import Figure, Report
from llm_compiler.evaluation.tables import headline_names
from llm_compiler.tasks.task import UnknownNameError, known_name

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"([\w.]+)\s*(<=|>=|==|<|>)\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*(%?)")


class GateError(ValueError):
    """A condition that is none, or on a figure that is not there. The message is one line."""


@dataclass(frozen=True)
class Condition:
    """What a figure must not be."""

    metric: str
    comparison: str
    bound: float
    """As the figure has it: 1 % is 0.01."""
    text: str
    """The bound as it was written."""


def parse(text: str) -> Condition:
    """A condition on any figure that a headline can have. GateError."""
    text = " ".join(text.split())
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise GateError(f"'{text}' is no condition; write one such as 'flag_tuning.total_bytes < 1.0%'")
    metric, comparison, number, percent = found.groups()
    try:
        known_name("figure", metric, headline_names())
    except UnknownNameError as error:
        raise GateError(f"'{text}': {error}") from None
    return Condition(metric, comparison, float(number) / (100 if percent else 1), number + percent)


def holds(text: str, report: Report) -> tuple[bool, str]:
    """Whether the condition holds of a report, which is to fail then, and a line that says so. GateError."""
    condition = parse(text)
    figure = report.headline.get(condition.metric)
    if figure is None:
        there = ", ".join(report.headline) or "none: no model was evaluated"
        raise GateError(f"'{text}': there is no {condition.metric} in these results; there are {there}")
    held = _COMPARISONS[condition.comparison](figure.value, condition.bound)
    says = "fails, it is" if held else "passes, it is not"
    return held, f"{condition.metric} is {_said(figure)}: {says} {condition.comparison} {condition.text}"


def _said(figure: Figure) -> str:
    """With digits enough to see on which side of the bound it lies."""
    return f"{100 * figure.value:.6g}%" if figure.kind in ("share", "change") else f"{figure.value:.6g}"
