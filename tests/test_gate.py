"""Conditions that fail a build."""

from __future__ import annotations

import pytest

from llm_compiler.evaluation.figures import Figure, Report
from llm_compiler.evaluation.gate import GateError, holds, parse

REPORT = Report(
    {},
    {
        "flag_tuning.total_bytes": Figure(0.0123, 0.01, 0.02, "change"),
        "emulation.exact": Figure(0.5, 0.4, 0.6, "share"),
        "perplexity.ppl": Figure(3.25, 3, 4, "score"),
    },
    (),
)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("flag_tuning.total_bytes < 1.0%", False),
        ("flag_tuning.total_bytes < 1.3%", True),
        ("flag_tuning.total_bytes<0.0124", True),
        ("  flag_tuning.total_bytes   >=  1 %  ", True),
        ("flag_tuning.total_bytes > -1%", True),
        ("emulation.exact == 50%", True),
        ("emulation.exact <= .5", True),
        ("emulation.exact > 0.5", False),
        ("perplexity.ppl > 3.2", True),
        ("perplexity.ppl < +3.", False),
    ],
)
def test_a_condition_holds_or_not(text: str, held: bool) -> None:
    assert holds(text, REPORT)[0] is held


def test_the_line_says_the_value_and_the_bound() -> None:
    assert holds("flag_tuning.total_bytes < 1.3%", REPORT)[1] == "flag_tuning.total_bytes is 1.23%: fails, it is < 1.3%"
    assert holds("perplexity.ppl > 4", REPORT)[1] == "perplexity.ppl is 3.25: passes, it is not > 4"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "flag_tuning.total_bytes",
        "< 1",
        "flag_tuning.total_bytes = 1",
        "emulation.exact < one",
        "emulation.exact < nan",
        "emulation.exact < 1%%",
        "emulation.exact < 1 < 2",
        "emulation.exact\n< 1\n?",
        "1 < emulation.exact",
    ],
)
def test_nonsense_is_no_condition(text: str) -> None:
    with pytest.raises(
        GateError, match=r"is no condition; write one such as 'flag_tuning\.total_bytes < 1\.0%'"
    ) as error:
        parse(text)
    assert "\n" not in str(error.value)


def test_a_figure_that_there_never_is_is_refused_before_any_work() -> None:
    with pytest.raises(GateError, match=r"no figure 'flag_tuning.total_byte'; did you mean flag_tuning.total_bytes\?"):
        parse("flag_tuning.total_byte < 1%")
    with pytest.raises(GateError, match=r"there are flag_tuning\.zero_shot, "):
        parse("zzz < 1%")


def test_a_figure_that_was_not_measured_is_an_error_not_a_pass() -> None:
    with pytest.raises(
        GateError, match=r"no disassembly\.exact in these results; there are flag_tuning\.total_bytes, em"
    ):
        holds("disassembly.exact < 1%", REPORT)
    with pytest.raises(GateError, match="there are none: no model was evaluated"):
        holds("disassembly.exact < 1%", Report({}, {}, ()))
