"""Two folders of results side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from llm_compiler.corpus.store import CorpusError
from llm_compiler.evaluation.compare import Compared, Comparison, compare
from llm_compiler.evaluation.metrics import FLIPS
from tests.small_results import answer, lists, question, results, sized, system, too_long

TUNED = [question("flag_tuning", f"u{number}", oz=100) for number in range(20)]
EMULATED = [question("emulation", f"u{number}", passes="dce") for number in range(10)]


def find(comparison: Comparison, metric: str, name: str = "nano") -> Compared:
    (found,) = (one for one in comparison.compared if (one.metric, one.system) == (metric, name))
    return found


def tuned(folder: Path, sizes: Sequence[int], name: str = "nano") -> Path:
    results(folder, {"flag_tuning": TUNED[: len(sizes)]})
    said = [one for each, size in zip(TUNED, sizes, strict=False) for one in sized(each, size)]
    system(folder, "flag_tuning", name, said)
    return folder


def emulated(folder: Path, reasons: Sequence[str], name: str = "nano", *, done: bool = True) -> Path:
    results(folder, {"emulation": EMULATED})
    said = [answer(each, 0, reason, bleu=0.5) for each, reason in zip(EMULATED, reasons, strict=False)]
    system(folder, "emulation", name, said, done=done)
    return folder


def test_a_folder_does_not_differ_from_itself(tmp_path: Path) -> None:
    folder = tuned(tmp_path / "a", [90, 110, 95])
    for one in compare(folder, folder).compared:
        assert (one.difference.value, one.difference.low, one.difference.high, one.p, one.differ) == (0, 0, 0, 1, ())
        assert one.first == one.second


def test_bytes_by_hand(tmp_path: Path) -> None:
    first, second = tuned(tmp_path / "a", [100] * 20), tuned(tmp_path / "b", [90] * 19 + [200])
    one = find(compare(first, second), "total bytes, first list or -Oz")
    assert one.questions == 20
    assert one.first.value == 0
    assert one.second.value == one.difference.value == pytest.approx(190 / 2000)
    assert 0.05 < one.difference.low < one.difference.value < one.difference.high <= 0.1
    assert one.p == pytest.approx(1 / (1 + FLIPS), abs=3 / FLIPS)
    assert len(one.differ) == 19
    assert (one.differ[0].file, one.differ[0].first, one.differ[0].second) == ("u0.c", "100", "90")


def test_the_same_total_of_other_units_is_no_difference(tmp_path: Path) -> None:
    first, second = tuned(tmp_path / "a", [90, 100] * 10), tuned(tmp_path / "b", [100, 90] * 10)
    one = find(compare(first, second), "total bytes, first list or -Oz")
    assert one.difference.value == 0
    assert one.difference.low < 0 < one.difference.high
    assert one.p == 1
    assert len(one.differ) == 20


def test_yes_and_no_by_hand(tmp_path: Path) -> None:
    first = emulated(tmp_path / "a", ["exact"] * 4 + ["verifies"] * 6)
    second = emulated(tmp_path / "b", ["parses"] + ["exact"] * 8 + ["verifies"])
    one = find(compare(first, second), "exact")
    assert [one.first.value, one.second.value] == pytest.approx([0.4, 0.8])
    assert one.difference.value == pytest.approx(0.4)
    # One question only the first has right, five only the second: 2 * (1 + 6) / 2**6.
    assert one.p == pytest.approx(14 / 64)
    assert [(each.first, each.second) for each in one.differ] == [
        ("yes (exact)", "no (parses)"),
        *[("no (verifies)", "yes (exact)")] * 5,
    ]


def test_only_questions_that_both_have_are_compared(tmp_path: Path) -> None:
    first, second = tuned(tmp_path / "a", [90, 90, 100]), tuned(tmp_path / "b", [90, 80])
    one = find(compare(first, second), "total bytes, best list or -Oz")
    assert one.questions == 2
    assert one.difference.value == pytest.approx(0.05)


def test_only_questions_that_both_have_answered_are_compared(tmp_path: Path) -> None:
    first, second = emulated(tmp_path / "a", ["exact"] * 10), emulated(tmp_path / "b", ["exact"] * 3, done=False)
    one = find(compare(first, second), "exact")
    assert (one.questions, one.difference.value, one.p) == (3, 0, 1)


def test_a_question_without_truth_says_nothing(tmp_path: Path) -> None:
    first = emulated(tmp_path / "a", ["exact"] * 10)
    second = emulated(tmp_path / "b", ["no truth"] + ["exact"] * 9)
    one = find(compare(first, second), "exact")
    assert (one.questions, one.difference.value) == (9, 0)


def test_models_of_other_names_are_compared_all_the_same(tmp_path: Path) -> None:
    first, second = emulated(tmp_path / "a", ["exact"] * 10, "nano"), emulated(tmp_path / "b", ["parses"] * 10, "tiny")
    one = find(compare(first, second), "exact", "nano, then tiny")
    assert one.difference.value == -1
    assert one.p == pytest.approx(2 / 2**10)


def test_protocols_are_apart(tmp_path: Path) -> None:
    asked = [question("flag_tuning", "a", oz=oz, variant=name) for name, oz in (("ship", 100), ("paper", 200))]
    folders = []
    for name, size in (("a", 100), ("b", 50)):
        folders.append(results(tmp_path / name, {"flag_tuning": asked}, protocols=("ship", "paper")))
        system(folders[-1], "flag_tuning", "nano", [*sized(asked[0], size), *sized(asked[1], 200)])
    found = compare(*folders).compared
    assert [(one.task, one.difference.value) for one in found] == [
        *[("flag_tuning", pytest.approx(0.5))] * 2,
        *[("flag_tuning.paper", 0)] * 2,
    ]


def test_bits_per_byte_by_hand(tmp_path: Path) -> None:
    asked = [question("perplexity", unit, variant="ir") for unit in "abc"]
    folders = []
    for name, bits in (("a", 16), ("b", 8)):
        folders.append(results(tmp_path / name, {"perplexity": asked}))
        said = [answer(one, 0, "scored", nats=bits * math.log(2), tokens=bits, bytes=8) for one in asked[:2]]
        system(folders[-1], "perplexity", "nano", [*said, too_long(asked[2])])
    (one,) = compare(*folders).compared
    assert (one.metric, one.questions) == ("bits per byte", 2)
    assert [one.first.value, one.second.value] == pytest.approx([2, 1])
    assert one.difference.high == pytest.approx(-1)


def test_people_and_programs_read_the_same(tmp_path: Path) -> None:
    first, second = tuned(tmp_path / "a", [100] * 20), tuned(tmp_path / "b", [90] * 20)
    comparison = compare(first, second)
    text = "\n".join(comparison.lines())
    assert (
        "flag_tuning, nano: total bytes, first list or -Oz\n  0.00 %, then 10.00 %\n  difference 10.00 %, p = " in text
    )
    assert "(20 questions, 20 of them differ)\n    project: u0.c, f_u0: 100, then 90\n" in text
    assert "    and 15 more" in text
    told = json.loads(json.dumps(comparison.as_json()))
    assert len(told["compared"][0]["differ"]) == 20
    assert told["compared"][0]["difference"]["value"] == pytest.approx(0.1)


def test_nothing_in_common_is_said_in_a_line(tmp_path: Path) -> None:
    first, second = tuned(tmp_path / "a", [90]), emulated(tmp_path / "b", ["exact"] * 10)
    with pytest.raises(CorpusError, match="have no question in common that the same system, or a model, answered"):
        compare(first, second)
    baseline = results(tmp_path / "c", {"flag_tuning": TUNED[:1]})
    system(baseline, "flag_tuning", "random", lists(TUNED[0], ("x", 90)), kind="baseline")
    with pytest.raises(CorpusError, match="in common"):
        compare(first, baseline)
    with pytest.raises(CorpusError, match="holds no results"):
        compare(first, tmp_path)
