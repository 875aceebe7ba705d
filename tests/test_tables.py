"""The tables of hand-made results."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_compiler.autotune.gain import gain
from llm_compiler.corpus.store import CorpusError
from llm_compiler.evaluation.answer import Answer, Question
from llm_compiler.evaluation.figures import Cell, Figure, FileRow, Report, Table
from llm_compiler.evaluation.flag_tuning_tables import BUDGETS, in_turn
from llm_compiler.evaluation.outcomes import Outcomes, Subject, find_system
from llm_compiler.evaluation.tables import headline_names, report
from llm_compiler.inference import propose
from llm_compiler.llvm.passes import PassList
from tests.small_results import answer, lists, question, results, silent, sized, system, too_long


def table(made: Report, name: str) -> Table:
    (found,) = (one for one in made.tables if one.name == name)
    return found


Values = dict[str, Cell | float]


def row(made: Report, name: str, *first: str) -> Values:
    """A row of a table, by column, without what only intervals say: figures are their values."""
    found = table(made, name)
    (cells,) = (row for row in found.rows if row[: len(first)] == first)
    values: list[Cell | float] = [cell.value if isinstance(cell, Figure) else cell for cell in cells]
    return dict(zip(found.columns, values, strict=True))


def known(cells: Values, **expected: float | None) -> None:
    """These cells, whose columns are written with `_` for a space."""
    for name, number in expected.items():
        column = name.replace("_", " ")
        assert cells[column] == (number if number is None else pytest.approx(number)), column


# -- flag tuning

TUNED = [question("flag_tuning", unit, oz=oz) for unit, oz in (("a", 100), ("b", 200), ("c", 50), ("d", 150))]


def tuned(folder: Path) -> Path:
    """A model with two lists for each of four units: one helps, one does harm, one is none, one unit is too long."""
    a, b, c, d = TUNED
    results(folder, {"flag_tuning": TUNED})
    said = [*sized(a, 90, 80), *sized(b, 220, 190), *sized(c, None, 50), too_long(d)]
    system(folder, "flag_tuning", "nano", said, samples=2)
    best = [*sized(a, 100, 70), *sized(b, 180), *sized(c, 45), *sized(d, 150)]
    system(folder, "flag_tuning", "autotuner", best, kind="baseline", samples=2)
    return folder


def test_the_first_list_as_it_is(tmp_path: Path) -> None:
    cells = row(report(tuned(tmp_path / "r")), "flag_tuning", "nano")
    known(cells, questions=4, lists=1, no_list=1, over_the_context=1)
    known(cells, total_bytes=1 - 510 / 500, total_bytes_of_those_that_fit=1 - 360 / 350, median=0, worst=-0.1)
    known(cells, smaller=0.25, equal=0.5, larger=0.25, geometric_mean=1 - (0.9 * 1.1) ** 0.25)
    known(cells, **{"of the autotuner's gain": -10 / 55})


def test_with_oz_as_the_floor_nothing_grows(tmp_path: Path) -> None:
    made = report(tuned(tmp_path / "r"))
    first = row(made, "flag_tuning.floor", "nano")
    known(first, total_bytes=0.02, total_bytes_of_those_that_fit=10 / 350, smaller=0.25, equal=0.75, larger=0, worst=0)
    known(first, **{"of the autotuner's gain": 10 / 55})
    best = row(made, "flag_tuning.best", "nano")
    known(best, lists=2, no_list=0, over_the_context=1, total_bytes=0.06, median=0.025, smaller=0.5)
    known(best, **{"of the autotuner's gain": 30 / 55})
    known(row(made, "flag_tuning.best", "autotuner"), total_bytes=0.11, **{"of the autotuner's gain": 1})


def test_oz_saves_nothing_by_definition(tmp_path: Path) -> None:
    made = report(tuned(tmp_path / "r"))
    for name in ("flag_tuning", "flag_tuning.floor", "flag_tuning.best"):
        cells = row(made, name, "-Oz")
        known(cells, total_bytes=0, geometric_mean=0, median=0, smaller=0, equal=1, larger=0, worst=0, no_list=0)
        assert table(made, name).rows[0][0] == "-Oz"
        assert table(made, name).rows[0][3] == Figure(0, 0, 0, "change")


def test_the_headline_is_the_models(tmp_path: Path) -> None:
    headline = report(tuned(tmp_path / "r")).headline
    values = {name.removeprefix("flag_tuning."): figure.value for name, figure in headline.items()}
    assert values == pytest.approx(
        {
            "zero_shot": -0.02,
            "total_bytes": 0.02,
            "geomean": 1 - 0.9**0.25,
            "smaller": 0.25,
            "best": 0.06,
            "of_autotuner": 10 / 55,
        }
    )


def test_budgets_go_as_far_as_a_system_proposes(tmp_path: Path) -> None:
    made = report(tuned(tmp_path / "r"))
    known(row(made, "flag_tuning.budget", "nano"), **{"1": 0.02, "2": 0.06, "5": None, "100": None})
    # The autotuner stopped after one list of two for three of the units.
    known(row(made, "flag_tuning.budget", "autotuner"), **{"1": 25 / 500, "2": 0.11, "5": None})
    (curve,) = made.curves
    assert {k: figure.value for k, figure in curve.lines["nano"]} == pytest.approx({1: 0.02, 2: 0.06})
    (spread,) = made.spreads
    assert spread.values["nano"] == pytest.approx((0.2, 0.05, 0, 0))


def test_every_unit_has_its_best_list_in_the_files(tmp_path: Path) -> None:
    files = report(tuned(tmp_path / "r")).files
    assert files["nano"] == (
        FileRow("project", "a.c", 100, 80, "list 1"),
        FileRow("project", "b.c", 200, 190, "list 1"),
        FileRow("project", "c.c", 50, 50, ""),
        FileRow("project", "d.c", 150, 150, ""),
    )


def test_functions_and_modules_apart_and_together(tmp_path: Path) -> None:
    asked = [question("flag_tuning", "a", oz=100), question("flag_tuning", "b", oz=300, kind="function")]
    folder = results(tmp_path / "r", {"flag_tuning": asked})
    system(folder, "flag_tuning", "nano", [*sized(asked[0], 90), *sized(asked[1], 300)])
    made = report(folder)
    known(row(made, "flag_tuning.floor", "nano"), questions=2, total_bytes=0.025)
    known(row(made, "flag_tuning.floor.module", "nano"), questions=1, total_bytes=0.1)
    known(row(made, "flag_tuning.floor.function", "nano"), questions=1, total_bytes=0)
    assert made.headline["flag_tuning.total_bytes"].value == pytest.approx(0.025)
    assert [one.file for one in made.files["nano (functions)"]] == ["b.c: f_b"]
    assert [one.file for one in made.files["nano (modules)"]] == ["a.c"]


def test_protocols_are_never_added_up(tmp_path: Path) -> None:
    asked = [question("flag_tuning", "a", oz=oz, variant=name) for name, oz in (("paper", 100), ("ship", 80))]
    folder = results(tmp_path / "r", {"flag_tuning": asked}, protocols=("ship", "paper"))
    system(folder, "flag_tuning", "nano", [*sized(asked[0], 90), *sized(asked[1], 40)])
    made = report(folder)
    assert made.headline["flag_tuning.total_bytes"].value == pytest.approx(0.5)
    assert made.headline["flag_tuning.paper.total_bytes"].value == pytest.approx(0.1)
    known(row(made, "flag_tuning.paper", "nano"), questions=1, total_bytes=0.1)
    assert {one.oz for one in made.files["nano"]} == {80}


def test_a_system_that_is_not_through_is_measured_on_what_it_has_answered(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", {"flag_tuning": TUNED})
    system(folder, "flag_tuning", "nano", [*sized(TUNED[0], 90), *sized(TUNED[1], 200)], done=False)
    known(row(report(folder), "flag_tuning", "nano (2 of 4 answered)"), questions=2, total_bytes=10 / 300)


def test_a_system_that_is_through_fails_where_it_has_no_answer(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", {"flag_tuning": TUNED})
    system(folder, "flag_tuning", "nano", sized(TUNED[0], 90))
    known(row(report(folder), "flag_tuning", "nano"), questions=4, no_list=3, total_bytes=0.02)


def test_to_propose_what_oz_does_costs_no_compilation(tmp_path: Path) -> None:
    asked = question("flag_tuning", "a")
    folder = results(tmp_path, {"flag_tuning": [asked]})
    own = ("module(default<Oz>)", 100)
    system(folder, "flag_tuning", "m", lists(asked, own, ("one", 90), ("other", 80)), samples=3)
    system(folder, "flag_tuning", "n", lists(asked, ("one", 90), own, ("other", 80)), samples=3)
    made = report(folder)
    for row in table(made, "flag_tuning.budget").rows:
        cells = [cell.value for cell in row[1:3] if isinstance(cell, Figure)]
        assert cells == pytest.approx([0.1, 0.2])
    assert made.headline["flag_tuning.zero_shot"].value == 0
    assert made.headline["flag_tuning.total_bytes"].value == pytest.approx(0.1)


def test_a_model_in_turn_with_the_portfolio(tmp_path: Path) -> None:
    asked = [question("flag_tuning", "a", oz=100)]
    folder = results(tmp_path / "r", {"flag_tuning": asked})
    system(folder, "flag_tuning", "nano", lists(asked[0], ("x", 99), ("", None), ("y", 97)), samples=3)
    system(
        folder, "flag_tuning", "portfolio", lists(asked[0], ("x", 99), ("p", 96), ("q", 90)), kind="baseline", samples=3
    )
    made = report(folder)
    # x; (x again;) y; p; q. What is no list costs no compilation.
    known(row(made, "flag_tuning.budget", "nano + portfolio"), **{"1": 0.01, "2": 0.03, "5": 0.1, "10": None})
    known(row(made, "flag_tuning.best", "nano + portfolio"), total_bytes=0.1, lists=6)
    names = [cells[0] for cells in table(made, "flag_tuning.budget").rows]
    assert names == ["nano", "nano + portfolio", "portfolio"]


names = st.lists(st.sampled_from(["", "a", "b", "c", "d", "e"]), max_size=6)


@given(st.lists(st.tuples(names, names), min_size=1, max_size=4))
def test_lists_come_in_turn_as_the_optimiser_tries_them(given: list[tuple[list[str], list[str]]]) -> None:
    sizes = {name: float(10 + number) for number, name in enumerate("abcde")}

    def side(which: int) -> Outcomes:
        hashes, bytes_ = np.zeros((len(given), 6), np.int64), np.full((len(given), 6), math.nan)
        for at, pair in enumerate(given):
            for place, name in enumerate(pair[which]):
                hashes[at, place], bytes_[at, place] = hash(name), sizes.get(name, math.nan)
        return Outcomes(
            {"name": "x"},
            Path(),
            True,
            hashes.astype(np.int16),
            ("",),
            np.zeros(len(given), bool),
            {"size": bytes_},
            hashes,
        )

    for made, (first, second) in zip(in_turn(side(0), side(1)), given, strict=True):
        of_each = [propose.listed(PassList.parse(name) for name in names if name) for names in (first, second)]
        expected = [sizes[str(one.passes)] for one in propose.in_turn(of_each[0], of_each[1], 12)(b"")]
        assert made[: len(expected)].tolist() == expected
        assert np.isnan(made[len(expected) :]).all()


tries = st.lists(st.one_of(st.none(), st.integers(1, 400)), min_size=1, max_size=12)


@given(st.lists(tries, min_size=1, max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_more_lists_never_hurt_and_the_floor_holds(
    tmp_path_factory: pytest.TempPathFactory, given: list[list[int | None]]
) -> None:
    asked = [question("flag_tuning", f"u{number}", oz=100 + number) for number in range(len(given))]
    folder = results(tmp_path_factory.mktemp("r") / "r", {"flag_tuning": asked})
    said = [one for each, sizes in zip(asked, given, strict=True) for one in sized(each, *sizes)]
    system(folder, "flag_tuning", "nano", said, samples=12)
    made = report(folder)
    reached = [cell for cell in table(made, "flag_tuning.budget").rows[0][1:] if isinstance(cell, Figure)]
    assert len(reached) == sum(budget <= 12 for budget in BUDGETS)
    assert all(figure.low >= 0 for figure in reached)
    assert [figure.value for figure in reached] == sorted(figure.value for figure in reached)
    expected = gain(
        (each.oz, min([each.oz, *(size for size in sizes if size)])) for each, sizes in zip(asked, given, strict=True)
    )
    assert made.headline["flag_tuning.best"].value == pytest.approx(expected.total)
    assert sum(one.now for one in made.files["nano"]) == expected.now


def test_lists_that_do_harm_score_as_such_and_silence_as_oz(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", {"flag_tuning": TUNED})
    harmful = [one for each in TUNED for one in sized(each, 2 * each.oz)]
    system(folder, "flag_tuning", "harm", harmful)
    system(folder, "flag_tuning", "silence", map(silent, TUNED))
    made = report(folder)
    known(row(made, "flag_tuning", "harm"), total_bytes=-1, geometric_mean=-1, larger=1, worst=-1, no_list=0)
    known(row(made, "flag_tuning.best", "harm"), total_bytes=0, larger=0)
    known(row(made, "flag_tuning", "silence"), total_bytes=0, equal=1, no_list=4, over_the_context=0)


def test_an_object_that_is_empty_with_oz_is_no_question(tmp_path: Path) -> None:
    asked = [*TUNED, question("flag_tuning", "empty", oz=0)]
    folder = results(tmp_path / "r", {"flag_tuning": asked})
    system(folder, "flag_tuning", "nano", [one for each in asked for one in sized(each, each.oz)])
    known(row(report(folder), "flag_tuning", "nano"), questions=4, total_bytes=0)


# -- emulation


def emulated() -> list[Question]:
    lists = ("dce", "dce,function(sroa,gvn)", ",".join(["dce"] * 60), "gvn", "dce,dce", "adce")
    lengths = (500, 1_000, 1_001, 70_000, 500, 500)
    return [
        question("emulation", f"u{number}", passes=passes, length=length, variant="asm" if number == 1 else "ir")
        for number, (passes, length) in enumerate(zip(lists, lengths, strict=True))
    ]


def emulation(folder: Path) -> Path:
    asked = emulated()
    results(folder, {"emulation": asked})
    said = [
        answer(asked[0], 0, "exact", bleu=1, said_size=100, size=100, said_count=8, count=8),
        answer(asked[1], 0, "normalised", bleu=0.9, said_size=150, size=100, count=10),
        answer(asked[2], 0, "verifies", bleu=0.5, size=100, said_count=5, count=10),
        answer(asked[3], 0, "no code", size=100, count=10),
        too_long(asked[4]),
        too_long(asked[5]),
    ]
    system(folder, "emulation", "nano", said)
    truth = [answer(each, 0, "no truth" if each is asked[5] else "parses", bleu=0.2) for each in asked]
    system(folder, "emulation", "copy", truth, kind="baseline")
    return folder


def test_emulation_by_hand(tmp_path: Path) -> None:
    made = report(emulation(tmp_path / "r"))
    cells = row(made, "emulation", "nano")
    known(cells, questions=5, exact=1 / 5, exact_or_normalised=2 / 5, verifies=3 / 5, BLEU=2.4 / 5)
    known(cells, **{"exact (fits)": 1 / 4, "exact or normalised (fits)": 2 / 4, "BLEU (fits)": 2.4 / 4})
    known(cells, size_MAPE=0.25, says_a_size=2 / 5, count_MAPE=0.25, says_a_count=2 / 5)
    known(cells, no_answer=0, over_the_context=1)
    known(row(made, "emulation", "copy"), exact=0, exact_or_normalised=0, verifies=0, BLEU=0.2, size_MAPE=None)
    assert table(made, "emulation").note.endswith("since the compiler has no answer to them either: 1.")


def test_emulation_by_passes_length_and_output(tmp_path: Path) -> None:
    made = report(emulation(tmp_path / "r"))
    by_passes = [(cells[1], cells[2]) for cells in table(made, "emulation.passes").rows if cells[0] == "nano"]
    assert by_passes == [("1", 2), ("2-5", 2), ("over 50", 1)]
    known(row(made, "emulation.passes", "nano", "2-5"), exact=0, exact_or_normalised=0.5)
    by_length = [(cells[1], cells[2]) for cells in table(made, "emulation.length").rows if cells[0] == "nano"]
    assert by_length == [("1-1,000", 3), ("1,001-2,000", 1), ("over 64,000", 1)]
    known(row(made, "emulation.output", "nano", "asm"), questions=1, exact_or_normalised=1)
    (curve,) = made.curves
    assert [place for place, _ in curve.lines["nano"]] == [500, 1001, 70_000]


def test_the_headline_of_emulation(tmp_path: Path) -> None:
    headline = report(emulation(tmp_path / "r")).headline
    expected = {"exact": 1 / 5, "normalised": 2 / 5, "verifies": 3 / 5, "bleu": 2.4 / 5, "size_mape": 0.25}
    assert {name: headline[f"emulation.{name}"].value for name in expected} == pytest.approx(expected)
    assert headline["emulation.best_exact"] == headline["emulation.exact"]


def test_empty_answers_score_nothing_at_all(tmp_path: Path) -> None:
    asked = emulated()
    folder = results(tmp_path / "r", {"emulation": asked})
    system(folder, "emulation", "silence", map(silent, asked))
    cells = row(report(folder), "emulation", "silence")
    known(cells, questions=6, exact=0, verifies=0, BLEU=0, size_MAPE=None, says_a_size=0, no_answer=6)


def test_emulation_that_is_not_through_is_measured_on_what_was_answered(tmp_path: Path) -> None:
    asked = emulated()
    folder = results(tmp_path / "r", {"emulation": asked})
    system(folder, "emulation", "nano", [answer(asked[0], 0, "exact"), answer(asked[1], 0, "broken")], done=False)
    known(row(report(folder), "emulation", "nano (2 of 6 answered)"), questions=2, exact=0.5, no_answer=0)


# -- disassembly


def lifted(asked: Question, sample: int, reason: str, bleu: float | None = None) -> Answer:
    known = ("broken", "round trip", "same behaviour", "exact").index(reason)
    figures = {"round_trip": known > 0, "same_behaviour": known > 1, "exact": known > 2}
    return (
        answer(asked, sample, reason, **figures)
        if bleu is None
        else answer(asked, sample, reason, bleu=bleu, **figures)
    )


def test_disassembly_by_hand(tmp_path: Path) -> None:
    asked = [
        question("disassembly", unit, variant=target)
        for unit, target in (("a", "x86-64"), ("a", "aarch64"), ("b", "x86-64"), ("c", "x86-64"))
    ]
    folder = results(tmp_path / "r", {"disassembly": asked})
    said = [
        *(
            lifted(asked[0], sample, reason, bleu)
            for sample, (reason, bleu) in enumerate([("round trip", 0.5), ("exact", 1)])
        ),
        *(lifted(asked[1], sample, "same behaviour", 0.8) for sample in range(2)),
        *(lifted(asked[2], sample, reason) for sample, reason in enumerate(["broken", "round trip"])),
        too_long(asked[3]),
    ]
    system(folder, "disassembly", "nano", said, samples=2)
    made = report(folder)
    cells = row(made, "disassembly", "nano")
    known(cells, questions=4, lowers_again=0.5, exact=0, exact_or_same_behaviour=0.25, BLEU=1.3 / 4, over_the_context=1)
    known(cells, **{"lowers again (fits)": 2 / 3, "BLEU (fits)": 1.3 / 3})
    known(row(made, "disassembly.best_exact", "nano"), **{"1": 0, "2": 0.25, "4": None})
    known(row(made, "disassembly.best_lowers_again", "nano"), **{"1": 0.5, "2": 0.75})
    known(row(made, "disassembly.target", "nano", "aarch64"), questions=1, exact_or_same_behaviour=1)
    assert made.headline["disassembly.best_exact"].value == 0.25
    assert made.headline["disassembly.same_behaviour"].value == 0.25
    assert {curve.name for curve in made.curves} == {
        "disassembly.length",
        "disassembly.best_exact",
        "disassembly.best_lowers_again",
    }


# -- sizes and perplexity


def test_size_prediction_by_hand(tmp_path: Path) -> None:
    asked = [question("size_prediction", unit) for unit in "abc"]
    folder = results(tmp_path / "r", {"size_prediction": asked})
    said = [
        answer(asked[0], 0, "both sizes", said_before=110, before=100, said_after=90, after=100),
        answer(asked[1], 0, "no size", before=100, said_after=50, after=100),
        too_long(asked[2]),
    ]
    system(folder, "size_prediction", "nano", said)
    made = report(folder)
    known(
        row(made, "size_prediction", "nano"), before_MAPE=0.1, says_it_before=1 / 3, after_MAPE=0.3, over_the_context=1
    )
    assert made.headline["size_prediction.after"].value == pytest.approx(0.3)
    assert [one.name for one in made.tables] == ["size_prediction"]


def test_perplexity_by_hand(tmp_path: Path) -> None:
    asked = [question("perplexity", unit, variant=source) for unit in "ab" for source in ("asm x86-64", "ir")]
    folder = results(tmp_path / "r", {"perplexity": asked})
    said = [
        answer(one, 0, "scored", nats=nats * math.log(2), tokens=4, bytes=8)
        for one, nats in zip(asked, (4, 8, 12, 8), strict=True)
    ]
    system(folder, "perplexity", "nano", [*said[:3], too_long(asked[3])])
    made = report(folder)
    known(row(made, "perplexity", "nano", "asm x86-64"), scored=2, perplexity=4, bits_per_byte=1, over_the_context=0)
    known(row(made, "perplexity", "nano", "ir"), scored=1, perplexity=4, bits_per_byte=1, over_the_context=1)
    assert made.headline["perplexity.ppl"].value == pytest.approx(4)
    assert made.headline["perplexity.bits_per_byte"].value == pytest.approx(1)
    system(folder, "perplexity", "other", [answer(asked[0], 0, "scored", nats=99, tokens=4, bytes=8)])
    assert report(folder).headline == made.headline


# -- the whole


def test_models_come_first_and_the_first_of_them_is_the_headline(tmp_path: Path) -> None:
    asked = [question("emulation", "a", passes="dce")]
    folder = results(tmp_path / "r", {"emulation": asked})
    for name, kind, reason in (
        ("a copy", "baseline", "parses"),
        ("tiny", "model", "verifies"),
        ("nano", "model", "exact"),
    ):
        system(folder, "emulation", name, [answer(asked[0], 0, reason)], kind=kind)
    made = report(folder)
    assert [cells[0] for cells in table(made, "emulation").rows] == ["nano", "tiny", "a copy"]
    assert made.headline["emulation.exact"].value == 1


def test_a_report_says_what_it_is_about_but_does_not_list_units(tmp_path: Path) -> None:
    about = report(tuned(tmp_path / "r")).about
    assert about["benchmark"] == {"name": "tiny", "version": "1", "overlap": {"exact": 1}}
    assert about["systems"]["nano"] == {"kind": "model", "samples": {"flag_tuning": 2}, "seed": 0}
    assert about["llvm"] == "17.0.6"


def test_results_of_baselines_alone_have_no_headline(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", {"flag_tuning": TUNED})
    system(folder, "flag_tuning", "random", sized(TUNED[0], 90), kind="baseline")
    assert report(folder).headline == {}


def test_every_headline_has_a_name_that_is_known(tmp_path: Path) -> None:
    made = [report(make(tmp_path / make.__name__)) for make in (tuned, emulation)]
    assert {name for one in made for name in one.headline} <= set(headline_names())


def test_every_cell_fits_its_column(tmp_path: Path) -> None:
    for make in (tuned, emulation):
        for one in report(make(tmp_path / make.__name__)).tables:
            assert all(len(cells) == len(one.columns) for cells in one.rows)
            assert len(set(one.columns)) == len(one.columns)


def test_answers_to_other_questions_are_passed_over(tmp_path: Path) -> None:
    folder = results(tmp_path / "r", {"flag_tuning": TUNED[:1]})
    system(folder, "flag_tuning", "nano", [*sized(TUNED[1], 10), *sized(TUNED[0], 90)])
    subject = Subject("flag_tuning", TUNED[:1])
    found = find_system(folder, subject, "nano")
    assert found is not None
    assert found.figures["size"].tolist() == [[90]]
    assert find_system(folder, subject, "someone else") is None


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no results"):
        report(tmp_path)


def test_a_part_that_is_broken_is_named(tmp_path: Path) -> None:
    folder = tuned(tmp_path / "r")
    broken = folder / "answers" / "flag_tuning" / "nano-1" / "part-00001.parquet"
    broken.write_bytes(broken.read_bytes()[:-20])
    with pytest.raises(CorpusError, match="remove it to have it made again"):
        report(folder)


def test_a_report_comes_out_the_same_twice(tmp_path: Path) -> None:
    folder = tuned(tmp_path / "r")
    assert dataclasses.asdict(report(folder)) == dataclasses.asdict(report(folder))
