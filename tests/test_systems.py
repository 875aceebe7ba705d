from __future__ import annotations

import threading
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("rensa")

from llm_compiler.autotune import portfolio
from llm_compiler.autotune.deny import denied, load_denied
from llm_compiler.evaluation.answer import TOO_LONG, Question
from llm_compiler.evaluation.judge import Posed, Poser, ToPose
from llm_compiler.evaluation.run import Plan, questions
from llm_compiler.evaluation.systems import (
    Autotuner,
    Copying,
    ModelSystem,
    System,
    pipelines,
    random_search,
    the_portfolio,
)
from llm_compiler.inference.asked import Asked
from llm_compiler.inference.model import open_model
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.tasks import flag_tuning
from llm_compiler.tasks.task import Dialect
from tests.small_units import units


def posed(
    toolchain: Toolchain, vocabulary: Vocabulary, task: str, name: str = "mixed", dialect: Dialect = "verbatim"
) -> Posed:
    unit = units(toolchain)[name]
    question: Question = next(questions([unit], task, Plan(), vocabulary))  # type: ignore[arg-type]
    poser = Poser(toolchain, vocabulary)
    poser.prepare()
    return poser(ToPose(question, unit, dialect))


def lists_of(system: System, asked: Posed) -> list[str]:
    return [flag_tuning.parse(said.text or "").passes[0] for said in system.answer(asked)]


def test_the_portfolio_says_its_first_lists_for_the_protocol_of_the_question(
    toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    asked = posed(toolchain, vocabulary, "flag_tuning")
    expected = [str(passes) for passes in portfolio.load(vocabulary, "ship")][:7]
    assert lists_of(the_portfolio(vocabulary, 7), asked) == expected


def test_random_lists_are_others_for_each_unit_and_the_same_for_a_seed(
    toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    one, other = (posed(toolchain, vocabulary, "flag_tuning", name) for name in ("mixed", "sum"))
    first = lists_of(random_search(vocabulary, 20, 0), one)
    assert len(first) == 20
    assert first == lists_of(random_search(vocabulary, 20, 0), one)
    assert first != lists_of(random_search(vocabulary, 20, 1), one)
    assert first != lists_of(random_search(vocabulary, 20, 0), other)
    assert first[:5] == lists_of(random_search(vocabulary, 5, 0), one)


def test_no_baseline_proposes_what_may_not_be_proposed(toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    asked = posed(toolchain, vocabulary, "flag_tuning")
    for system in (*pipelines(), the_portfolio(vocabulary, 100)):
        for text in lists_of(system, asked):
            assert not vocabulary.may_propose(PassList.parse(text))
            assert not denied(PassList.parse(text), load_denied(vocabulary.version))


def test_the_autotuner_spends_its_budget_and_begins_with_what_is_known(
    toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    asked = posed(toolchain, vocabulary, "flag_tuning")
    system = Autotuner(toolchain, vocabulary, ["ship"], 25)
    try:
        found = lists_of(system, asked)
    finally:
        system.close()
    assert len(found) == 25 == len(set(found))
    assert found[:3] == [str(passes) for passes in portfolio.load(vocabulary, "ship")][:3]


def test_several_searches_at_once_give_what_each_gives_alone(toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    asked = [posed(toolchain, vocabulary, "flag_tuning", name) for name in ("mixed", "sum", "hostile")]
    system = Autotuner(toolchain, vocabulary, ["ship"], 12, jobs=2)
    together: dict[int, list[str]] = {}
    try:
        threads = [
            threading.Thread(target=lambda at=at: together.update({at: lists_of(system, asked[at])})) for at in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [together[at] for at in range(3)] == [lists_of(system, one) for one in asked]
    finally:
        system.close()


def test_who_copies_says_what_was_asked_about(toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    asked = posed(toolchain, vocabulary, "disassembly")
    (said,) = Copying().answer(asked)
    assert said.text == f"<code>{asked.asked.assembly}</code>"


# -- models


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt nothing, with our tokenizer."""
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from tests.small_models import unlearnt

    return unlearnt(tmp_path_factory.mktemp("model") / "model", context=640)


def test_a_model_says_as_many_different_lists_as_it_may_the_greedy_one_first(
    folder: Path, toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    asked = posed(toolchain, vocabulary, "flag_tuning", "add_two", "compact")
    model = open_model(str(folder), threads=1)
    several = list(ModelSystem(model, "m", toolchain, vocabulary, lists=4).answer(asked))
    (greedy,) = ModelSystem(model, "m", toolchain, vocabulary, lists=1).answer(asked)
    assert 1 < len(several) <= 4
    assert several[0].text == greedy.text
    assert len({said.text for said in several}) == len(several)


def test_a_prompt_over_the_context_is_said_to_be_one(
    folder: Path, toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    asked = posed(toolchain, vocabulary, "emulation", "mixed", "verbatim")
    system = ModelSystem(open_model(str(folder), threads=1), "m", toolchain, vocabulary)
    (said,) = system.answer(asked)
    assert (said.text, said.ended) == (None, TOO_LONG)


def test_lists_for_what_is_over_the_context_are_those_for_its_functions(
    folder: Path, toolchain: Toolchain, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = posed(toolchain, vocabulary, "flag_tuning", "mixed", "verbatim")
    system = ModelSystem(open_model(str(folder), threads=1), "m", toolchain, vocabulary, lists=3)
    found = list(system.answer(asked))
    system.close()
    assert 1 < len(found) <= 3
    assert {said.ended for said in found} == {TOO_LONG}
    assert all(said.text is not None and said.text.startswith("opt -p '") for said in found)
    monkeypatch.setattr(Asked, "by_functions", lambda *_: [])  # as of a model that finds nothing better than -Oz
    (said,) = system.answer(asked)
    assert (said.text, said.ended) == (None, TOO_LONG)


def test_perplexity_is_that_of_the_logits_one_token_at_a_time(
    folder: Path, toolchain: Toolchain, vocabulary: Vocabulary
) -> None:
    import numpy as np

    from llm_compiler.inference.model import LocalModel

    asked = posed(toolchain, vocabulary, "perplexity", "add_two", "compact")
    model = open_model(str(folder), threads=1)
    assert isinstance(model, LocalModel)
    (said,) = ModelSystem(model, "m", toolchain, vocabulary).answer(asked)
    ids = model.ids(asked.prompt)[: model.context]
    branch, logits = model.engine.prefill(ids[:1])
    nats = 0.0
    for token in ids[1:]:
        nats -= float(logits[token] - np.logaddexp.reduce(logits.astype(np.float64)))
        (after,) = model.engine.decode([branch], [[token]])
        logits = after[-1]
    assert said.figures["tokens"] == len(ids) - 1
    assert said.figures["nats"] == pytest.approx(nats, rel=1e-3)
    assert said.figures["bytes"] == len(asked.prompt[0][0].encode())


# -- servers


def test_a_server_is_asked_several_questions_at_once(
    toolchain: Toolchain, vocabulary: Vocabulary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from llm_compiler.evaluation.answer import answers, systems
    from llm_compiler.evaluation.run import evaluate
    from llm_compiler.inference.server import ServerModel
    from tests.small_evaluation import Watching, machinery, taken
    from tests.test_server import Fields, Reply, completing, said, serving

    monkeypatch.setenv("NO_PROXY", "*")
    together = threading.Barrier(3)

    def reply(body: Fields) -> Reply:
        together.wait(timeout=20)  # breaks, and the request with it, where fewer come at once
        return said("opt -p 'default<Oz>'")

    folder = taken(tmp_path / "results", toolchain)
    with serving(completing(reply)) as served:
        system = ModelSystem(ServerModel(served.url), "behind a server", toolchain, vocabulary, lists=1, threads=3)
        evaluate(
            folder,
            Plan(("ship",), most=3),
            ["flag_tuning", "perplexity"],
            [system],
            machinery(toolchain, vocabulary),
            Watching(),
        )
    found = list(answers(systems(folder, "flag_tuning")["behind a server"]))
    assert [one.reason for one in found] == ["equal"] * 3
    assert not systems(folder, "perplexity"), "no server says how probable a text is"
