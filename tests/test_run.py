from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("rensa")

from llm_compiler.corpus import store
from llm_compiler.corpus.store import CorpusError
from llm_compiler.evaluation import run
from llm_compiler.evaluation.answer import ASKED, Answer, answers, parts, read_questions, systems
from llm_compiler.evaluation.run import Plan, evaluate, judge_again, questions
from llm_compiler.evaluation.systems import Copying
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from tests.conftest import ROOT
from tests.small_evaluation import Knowing, Saying, Watching, machinery, taken
from tests.small_units import units

TASKS = ASKED[:4]


def found(folder: Path, task: str, system: str) -> list[Answer]:
    return list(answers(systems(folder, task)[system]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, toolchain: Toolchain, vocabulary: Vocabulary) -> Path:
    """Answered by one who knows, and one who has nothing to say."""
    folder = taken(tmp_path_factory.mktemp("run") / "results", toolchain)
    entrants = [Knowing([""], name="knows"), Saying([""], name="empty"), Saying([None], name="silent"), Copying()]
    evaluate(folder, Plan(), TASKS, entrants, machinery(toolchain, vocabulary), Watching())
    return folder


# -- questions


def test_questions_are_decided_by_the_seed_alone(toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    some = list(units(toolchain).values())
    once = list(questions(some, "emulation", Plan(emulated=3), vocabulary))
    assert once == list(questions(some, "emulation", Plan(emulated=3), vocabulary))
    assert once != list(questions(some, "emulation", Plan(emulated=3, seed=1), vocabulary))
    assert len(once) == 3 * len(some) == len({one.id for one in once})
    for one in once:
        assert 1 <= sum(1 for _ in PassList.parse(one.passes).passes()) <= 50


def test_flag_tuning_is_asked_under_both_protocols_with_their_own_sizes(
    toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    unit = units(toolchain)["sum"]
    ship, paper = questions([unit], "flag_tuning", Plan(), vocabulary)
    assert (ship.variant, ship.oz, ship.before) == ("ship", unit.oz_ship, unit.unoptimised_ship)
    assert (paper.variant, paper.oz, paper.before) == ("paper", unit.oz_paper, unit.unoptimised_paper)


def test_units_that_this_llvm_cannot_measure_are_not_asked_about(toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    foreign = dataclasses.replace(units(toolchain)["sum"], oz_ship=0)
    assert not list(questions([foreign], "flag_tuning", Plan(), vocabulary))


def test_fewer_units_are_some_of_all(toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    some = list(units(toolchain).values())
    every = list(questions(some, "flag_tuning", Plan(), vocabulary))
    fewer = list(questions(some, "flag_tuning", Plan(most=2), vocabulary))
    assert len(fewer) == 4
    assert set(fewer) < set(every)


# -- answers


def test_who_knows_is_right_everywhere(folder: Path) -> None:
    assert {one.reason for one in found(folder, "emulation", "knows")} == {"exact"}
    assert {one.reason for one in found(folder, "disassembly", "knows")} == {"exact"}
    assert {one.reason for one in found(folder, "flag_tuning", "knows")} == {"equal"}
    for one in found(folder, "size_prediction", "knows"):
        assert one.figures["said before"] == one.figures["before"]
        assert one.figures["said after"] == pytest.approx(one.figures["after"], rel=0.1)
    for one in found(folder, "emulation", "knows"):
        assert one.figures["bleu"] == 1
        assert one.figures["said size"] == one.figures["size"]


def test_who_says_nothing_is_wrong_everywhere(folder: Path) -> None:
    assert {one.reason for one in found(folder, "emulation", "empty")} == {"no code"}
    assert {one.reason for one in found(folder, "disassembly", "empty")} == {"no code"}
    assert {one.reason for one in found(folder, "flag_tuning", "empty")} == {"no pass list"}
    assert {one.reason for one in found(folder, "size_prediction", "empty")} == {"no size"}


def test_a_prompt_over_the_context_is_no_answer_and_says_so(folder: Path) -> None:
    for task in TASKS:
        for one in found(folder, task, "silent"):
            assert (one.text, one.ended, one.ok, one.reason) == (None, "over the context", False, "no answer")


def test_a_copied_input_is_no_disassembly(folder: Path) -> None:
    assert {one.reason for one in found(folder, "disassembly", "copy")} == {"broken"}
    assert not [one for one in found(folder, "emulation", "copy") if one.reason in ("broken", "parses")]


def test_every_question_has_its_answers_in_order(folder: Path) -> None:
    for task in TASKS:
        asked = [one.id for one in read_questions(folder, task)]
        assert [one.question for one in found(folder, task, "knows")] == asked


def test_answers_are_kept_with_what_replays_them(folder: Path) -> None:
    kept = found(folder, "flag_tuning", "knows")[0]
    assert kept.text is not None
    assert kept.text.startswith("opt -p 'default<Oz>'")
    assert kept.parsed == "module(default<Oz>)"
    assert kept.figures["size"] > 0


# -- going on


def test_nothing_is_asked_twice(folder: Path, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    again, watching = Knowing([""], name="knows"), Watching()
    evaluate(folder, Plan(), TASKS, [again], machinery(toolchain, vocabulary), watching)
    assert not again.asked
    assert watching.advanced == sum(count for _, _, count in watching.begun) > 0


def test_what_is_missing_is_answered_again_to_the_same_bytes(
    tmp_path: Path, toolchain: Toolchain, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_QUESTIONS_IN_PART", 2)
    folder = taken(tmp_path / "results", toolchain)
    first = Knowing([""])
    evaluate(folder, Plan(), ["flag_tuning"], [first], machinery(toolchain, vocabulary), Watching())
    place = systems(folder, "flag_tuning")["saying"]
    kept = {part.name: part.read_bytes() for part in parts(place)}
    assert len(kept) == 4
    parts(place)[1].unlink()
    second = Knowing([""])
    evaluate(folder, Plan(), ["flag_tuning"], [second], machinery(toolchain, vocabulary), Watching())
    assert second.asked == first.asked[2:4]
    assert {part.name: part.read_bytes() for part in parts(place)} == kept


def test_other_settings_do_not_mix_with_answers_that_are_there(
    folder: Path, toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    other = Knowing([""], name="knows", about={"kind": "model", "seed": 7})
    with pytest.raises(CorpusError, match="other settings"):
        evaluate(folder, Plan(), TASKS, [other], machinery(toolchain, vocabulary), Watching())
    with pytest.raises(CorpusError, match="another seed"):
        evaluate(folder, Plan(seed=3), TASKS, [], machinery(toolchain, vocabulary), Watching())


def test_two_runs_do_not_work_in_one_folder(folder: Path, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    with store.locked(folder / "evaluation.json"), pytest.raises(CorpusError, match="another run"):
        evaluate(folder, Plan(), TASKS, [], machinery(toolchain, vocabulary), Watching())


def test_a_folder_without_a_benchmark_is_none(tmp_path: Path, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    with pytest.raises(CorpusError, match=r"benchmark\.json"):
        evaluate(tmp_path, Plan(), TASKS, [], machinery(toolchain, vocabulary), Watching())


KILLED = """
import sys, os
from pathlib import Path
from llm_compiler.evaluation import run
from llm_compiler.llvm.toolchain import find
from llm_compiler.llvm.vocabulary import vocabulary
from tests.small_evaluation import Knowing, Watching, machinery
run._QUESTIONS_IN_PART = 1
class Slow(Knowing):
    def answer(self, posed):
        if len(self.asked) == 4:
            (Path(sys.argv[1]) / "reached").touch()
            import time; time.sleep(60)
        yield from super().answer(posed)
toolchain = find()
run.evaluate(Path(sys.argv[1]), run.Plan(), ["flag_tuning"], [Slow([""], threads=1)],
             machinery(toolchain, vocabulary(toolchain)), Watching())
"""


def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_been(
    tmp_path: Path, toolchain: Toolchain, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = taken(tmp_path / "results", toolchain)
    child = subprocess.Popen([sys.executable, "-c", KILLED, folder], cwd=ROOT, env={**os.environ})
    deadline = time.monotonic() + 60
    while not (folder / "reached").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    place = systems(folder, "flag_tuning")["saying"]
    assert not (place / "done.json").exists()
    monkeypatch.setattr(run, "_QUESTIONS_IN_PART", 1)
    evaluate(folder, Plan(), ["flag_tuning"], [Knowing([""], threads=1)], machinery(toolchain, vocabulary), Watching())
    assert len(found(folder, "flag_tuning", "saying")) == 8
    assert json.loads((place / "done.json").read_text())["questions"] == 8


# -- judging


def test_a_hostile_answer_costs_itself_alone(tmp_path: Path, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    folder = taken(tmp_path / "results", toolchain)
    deep = "opt -p '" + "module(" * 3000 + "'"
    texts = ["opt -p 'default<Oz>'", deep, "\0\0" * 1000, "<code>" + "{" * 50_000, "opt -p 'function(sroa)'"]
    saying = Saying(texts)
    evaluate(folder, Plan(), TASKS, [saying], machinery(toolchain, vocabulary), Watching())
    for one in found(folder, "flag_tuning", "saying"):
        assert ("size" in one.figures) is (one.sample in (0, 4))
    assert len(found(folder, "emulation", "saying")) == 5 * len(read_questions(folder, "emulation"))


def test_judging_again_gives_the_same_verdicts(folder: Path, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    assert list(judge_again(folder, machinery(toolchain, vocabulary), Watching())) == []


def test_a_verdict_that_was_tampered_with_is_found(
    tmp_path: Path, toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    from llm_compiler.evaluation.answer import read_answers, write_answers

    folder = taken(tmp_path / "results", toolchain)
    evaluate(folder, Plan(), ["flag_tuning"], [Knowing([""])], machinery(toolchain, vocabulary), Watching())
    (part,) = parts(systems(folder, "flag_tuning")["saying"])
    first, *rest = read_answers(part)
    write_answers(part, [dataclasses.replace(first, figures={"size": 1.0}), *rest])
    (difference,) = judge_again(folder, machinery(toolchain, vocabulary), Watching())
    assert (difference.question, difference.sample) == (first.question, 0)
