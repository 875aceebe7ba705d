"""Decoding with onnxruntime on a small model of random weights, beside what the words of each method say."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tokenizers")
pytest.importorskip("onnxruntime")

from llm_compiler.inference.decoding import Generated, Stop, greedy, log_probability, priority_samples, sample
from llm_compiler.inference.embedded import Embedded, load
from llm_compiler.inference.engine import Branch, Logits
from llm_compiler.inference.grammar import PassListGrammar
from llm_compiler.llvm.passes import PassListError, Vocabulary
from llm_compiler.model.tokenizer import SPECIALS, Tokenizer
from llm_compiler.tasks.code import restored
from llm_compiler.tasks.flag_tuning import Question, prompt
from tests.checkpoints import SMALL, make

CONTEXT = 512
IR = "define i32 @f(i32 %0) {\n  ret i32 %0\n}\n"
CLOSE = 1e-3
"""Of log-probabilities in float32, read in one pass or in several."""


class Watched(Embedded):
    """The engine, and what it was asked for."""

    def __init__(self, engine: Embedded) -> None:
        self.__dict__.update(engine.__dict__)
        self.prompts = 0
        self.passes: list[list[int]] = []
        """For each pass of decoding the tokens of each branch."""
        self.living: list[Branch] = []

    def prefill(self, tokens: Sequence[int]) -> tuple[Branch, Logits]:
        self.prompts += 1
        branch, logits = super().prefill(tokens)
        self.living.append(branch)
        return branch, logits

    def fork(self, branch: Branch, length: int) -> Branch:
        self.living.append(super().fork(branch, length))
        return self.living[-1]

    def decode(self, branches: Sequence[Branch], tokens: Sequence[Sequence[int]]) -> list[Logits]:
        self.passes.append([len(each) for each in tokens])
        return super().decode(branches, tokens)

    def release(self, branch: Branch) -> None:
        super().release(branch)
        self.living = [each for each in self.living if each is not branch]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load()


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    shape = dataclasses.replace(SMALL, vocabulary=tokenizer.vocabulary_size, hidden=64, layers=1, context=CONTEXT)
    return load(make(tmp_path_factory.mktemp("model"), shape), "fp32", threads=1)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    """A model of six tokens and few positions: all its answers can be told apart by hand."""
    shape = dataclasses.replace(SMALL, vocabulary=6, hidden=64, layers=1, context=64)
    return load(make(tmp_path_factory.mktemp("model"), shape), "fp32", threads=1)


@pytest.fixture
def engine(model: Embedded) -> Iterator[Watched]:
    watched = Watched(model)
    yield watched
    assert not watched.living, "branches that were not given back"


@pytest.fixture(scope="module")
def grammar(tokenizer: Tokenizer, vocabulary: Vocabulary) -> PassListGrammar:
    return PassListGrammar(tokenizer, vocabulary, "compact", denied=["argpromotion"], longest=6)


@pytest.fixture(scope="module")
def asked(tokenizer: Tokenizer) -> list[int]:
    return [tokenizer.bos, *tokenizer.encode_pieces(prompt(Question(IR), "compact"))]


def the_list(tokenizer: Tokenizer) -> Stop:
    return Stop(tokenizer.eos, after_list=True)


def logits_after(engine: Embedded, tokens: Sequence[int]) -> Logits:
    branch, logits = engine.prefill(tokens)
    engine.release(branch)
    return logits


def close(one: Sequence[Generated], other: Sequence[Generated]) -> bool:
    """The same answers, but for rounding."""
    assert [(each.ids, each.reason) for each in one] == [(each.ids, each.reason) for each in other]
    return np.allclose([each.logprob for each in one], [each.logprob for each in other], atol=CLOSE)


# -- lists


def test_every_list_that_a_random_model_draws_is_valid(
    engine: Watched, tokenizer: Tokenizer, vocabulary: Vocabulary, grammar: PassListGrammar, asked: list[int]
) -> None:
    found = sample(engine, asked, range(300), the_list(tokenizer), grammar, temperature=2.0)
    lists = [restored(grammar.passes(each.ids), vocabulary) for each in found]
    assert all(vocabulary.may_propose(passes) == "" for passes in lists)
    assert not any(element.name == "argpromotion" for passes in lists for element in passes.passes())
    assert {each.reason for each in found} == {"stop"}
    assert len({str(passes) for passes in lists}) > 200
    assert {len(passes) for passes in lists} <= set(range(1, 7))


def test_without_the_grammar_it_draws_none(
    engine: Watched, tokenizer: Tokenizer, vocabulary: Vocabulary, grammar: PassListGrammar, asked: list[int]
) -> None:
    begun = [*asked, *tokenizer.encode(grammar.before)]
    found = sample(engine, begun, range(50), Stop(tokenizer.eos, tokens=20), temperature=2.0)
    for each in found:
        with pytest.raises(PassListError):
            said, _, _ = tokenizer.decode(each.ids).partition("'")
            vocabulary.may_propose(restored(said, vocabulary))


def test_greedy_takes_the_most_probable_of_what_is_allowed(
    engine: Watched, tokenizer: Tokenizer, grammar: PassListGrammar, asked: list[int]
) -> None:
    found = greedy(engine, asked, the_list(tokenizer), grammar)
    state, logprob = grammar.start, 0.0
    for at, token in enumerate(found.ids):
        allowed = grammar.allowed(state)
        logits = logits_after(engine, [*asked, *found.ids[:at]])[allowed].astype(float)
        assert token == allowed[logits.argmax()]
        logprob += logits.max() - np.logaddexp.reduce(logits)
        following = grammar.advance(state, token)
        if following is None:
            assert at == len(found.ids) - 1
            break
        state = following
    assert found.logprob == pytest.approx(logprob, abs=CLOSE)


def test_what_follows_the_list_is_free(
    engine: Watched, tokenizer: Tokenizer, grammar: PassListGrammar, asked: list[int]
) -> None:
    ended = greedy(engine, asked, the_list(tokenizer), grammar)
    whole = greedy(engine, asked, Stop(None, tokens=len(ended.ids) + 5), grammar)
    assert whole.ids[: len(ended.ids)] == ended.ids
    assert len(whole.ids) == len(ended.ids) + 5
    rest = greedy(engine, [*asked, *ended.ids], Stop(None, tokens=5))
    assert whole.ids[len(ended.ids) :] == rest.ids
    assert whole.logprob == pytest.approx(ended.logprob + rest.logprob, abs=CLOSE)


def test_forced_tokens_need_no_pass_of_their_own(
    engine: Watched, tokenizer: Tokenizer, grammar: PassListGrammar, asked: list[int]
) -> None:
    found = greedy(engine, asked, the_list(tokenizer), grammar)
    state, choices = grammar.start, 0
    for token in found.ids:
        choices += grammar.allowed(state).size > 1
        state = grammar.advance(state, token) or state
    assert choices < len(found.ids) - 2
    assert engine.prompts == 1
    assert len(engine.passes) == choices - 1  # the first choice is made after the prompt, and nothing follows the last


# -- sampling


def test_samples_share_the_prompt_and_are_decoded_together(
    engine: Watched, tokenizer: Tokenizer, grammar: PassListGrammar, asked: list[int]
) -> None:
    found = sample(engine, asked, range(8), the_list(tokenizer), grammar)
    assert engine.prompts == 1
    assert len(engine.passes[0]) == 8
    assert len(engine.passes) < max(len(each.ids) for each in found)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6), st.floats(0.3, 3), st.floats(0.1, 1))
@settings(max_examples=20)
def test_samples_together_are_those_that_their_seeds_give_alone(
    model: Embedded,
    tokenizer: Tokenizer,
    grammar: PassListGrammar,
    asked: list[int],
    seeds: list[int],
    temperature: float,
    top_p: float,
) -> None:
    stop = Stop(tokenizer.eos, tokens=12)
    how = {"temperature": temperature, "top_p": top_p}
    together = sample(model, asked, seeds, stop, grammar, **how)
    alone = [sample(model, asked, [seed], stop, grammar, **how)[0] for seed in seeds]
    assert close(together, alone)


def test_a_token_is_drawn_as_often_as_its_probability_says(few: Embedded) -> None:
    drawn = sample(few, [1, 3], range(4_000), Stop(None, tokens=1), temperature=1.5)
    logits = logits_after(few, [1, 3]).astype(float)
    weights = np.exp(logits / 1.5)
    shares = np.bincount([each.ids[0] for each in drawn], minlength=6) / len(drawn)
    assert shares == pytest.approx(weights / weights.sum(), abs=0.035)
    for each in drawn[:20]:  # at temperature 1, however it was drawn
        assert each.logprob == pytest.approx(logits[each.ids[0]] - np.logaddexp.reduce(logits), abs=CLOSE)


def test_top_p_draws_the_fewest_tokens_that_reach_it(few: Embedded) -> None:
    logits = logits_after(few, [1, 3]).astype(float)
    order = np.argsort(-logits)
    sums = np.cumsum(np.exp(logits - np.logaddexp.reduce(logits))[order])
    for many in range(1, 6):
        drawn = sample(few, [1, 3], range(1_500), Stop(None, tokens=1), top_p=float(sums[many - 1]) - 1e-4)
        assert {each.ids[0] for each in drawn} <= set(order[:many].tolist())
    assert len({each.ids[0] for each in sample(few, [1, 3], range(1_500), Stop(None, tokens=1), temperature=5)}) == 6


def test_a_low_temperature_is_greedy(model: Embedded, tokenizer: Tokenizer, asked: list[int]) -> None:
    stop = Stop(tokenizer.eos, tokens=20)
    assert close(sample(model, asked, [5, 6], stop, temperature=1e-6), [greedy(model, asked, stop)] * 2)
    assert close(sample(model, asked, [5, 6], stop, top_p=1e-9), [greedy(model, asked, stop)] * 2)


@pytest.mark.parametrize("how", [{"temperature": 0.0}, {"temperature": math.nan}, {"top_p": 0.0}, {"top_p": 1.1}])
def test_impossible_settings_are_errors(model: Embedded, how: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(how))):
        sample(model, [1], [0], Stop(None), None, **how)


# -- priority sampling


def by_definition(engine: Embedded, prompt: Sequence[int], number: int, longest: int, end: int) -> list[list[int]]:
    """Priority sampling without any engine's help: each prefix is read anew."""

    def scores(ids: Sequence[int]) -> list[float]:
        logits = logits_after(engine, [*prompt, *ids]).astype(float)
        found: list[float] = (logits - np.logaddexp.reduce(logits)).tolist()
        return found

    answers: list[list[int]] = []
    waiting: list[tuple[float, list[int]]] = [(0.0, [])]
    while waiting and len(answers) < number:
        waiting.sort(key=lambda entry: -entry[0])
        logprob, ids = waiting.pop(0)
        while end not in ids and len(ids) < longest:
            found = scores(ids)
            best = found.index(max(found))
            waiting += [(logprob + found[token], [*ids, token]) for token in range(len(found)) if token != best]
            logprob, ids = logprob + found[best], [*ids, best]
        answers.append(ids)
    return answers


@pytest.mark.parametrize("start", [[1], [1, 3], [4, 4, 5]])
def test_priority_sampling_expands_the_most_probable_token_that_was_passed_over(
    few: Embedded, start: list[int]
) -> None:
    # An end is a token like any other here, and answers have four tokens or end before.
    expected = by_definition(few, start, 40, 4, end=2)
    stop = Stop(None, ids=frozenset([2]), until=lambda ids: len(ids) == 4)
    found = list(priority_samples(few, start, 40, stop))
    assert [list(each.ids) for each in found] == expected
    for each in found:
        assert each.logprob == pytest.approx(log_probability(few, start, each.ids), abs=CLOSE)


def test_all_answers_come_once_and_then_it_ends(few: Embedded) -> None:
    found = list(priority_samples(few, [1], 10_000, Stop(2, tokens=3)))
    others = [0, 1, 3, 4, 5]
    everything = {ids for length in range(4) for ids in itertools.product(others, repeat=length)}
    ended = [each.ids for each in found if each.reason == "end"]
    assert len(ended) == len(set(ended))
    assert set(ended) == everything
    assert math.fsum(math.exp(each.logprob) for each in found if len(each.ids) < 3) < 1
    cut = [each.ids for each in found if each.reason == "length"]
    assert len(cut) == len(set(cut))
    assert all(len(ids) == 3 for ids in cut)


def test_lists_by_priority_differ_and_begin_with_the_greedy_one(
    engine: Watched, tokenizer: Tokenizer, vocabulary: Vocabulary, grammar: PassListGrammar, asked: list[int]
) -> None:
    stop = the_list(tokenizer)
    found = list(priority_samples(engine, asked, 30, stop, grammar))
    assert engine.prompts == 1
    assert close(found[:1], [greedy(engine, asked, stop, grammar)])
    lists = [grammar.passes(each.ids) for each in found]
    assert len(set(lists)) == 30
    assert all(vocabulary.may_propose(restored(passes, vocabulary)) == "" for passes in lists)
    assert all(
        each.logprob == pytest.approx(log_probability(engine, asked, each.ids, grammar), abs=CLOSE) for each in found
    )
    assert close(found[:7], list(priority_samples(engine, asked, 7, stop, grammar)))


def test_answers_that_are_not_waited_for_leave_nothing_behind(
    engine: Watched, tokenizer: Tokenizer, grammar: PassListGrammar, asked: list[int]
) -> None:
    waiting = priority_samples(engine, asked, 30, the_list(tokenizer), grammar)
    next(waiting)
    assert len(engine.living) == 1
    waiting.close()  # type: ignore[attr-defined]
    assert not engine.living
    assert list(priority_samples(engine, asked, 0, the_list(tokenizer), grammar)) == []


# -- stopping


def test_an_end_is_not_part_of_the_answer(few: Embedded) -> None:
    free = greedy(few, [1, 3], Stop(None, tokens=20))
    end = free.ids[-1]
    first = free.ids.index(end)
    found = greedy(few, [1, 3], Stop(end, tokens=20))
    assert (found.ids, found.reason) == (free.ids[:first], "end")
    assert found.logprob == pytest.approx(log_probability(few, [1, 3], free.ids[: first + 1]), abs=CLOSE)


def test_what_stops_an_answer_is_part_of_it(few: Embedded) -> None:
    free = greedy(few, [1, 3], Stop(None, tokens=20))
    last = free.ids[4]
    first = free.ids.index(last)
    found = greedy(few, [1, 3], Stop(None, ids=frozenset([last]), tokens=20))
    assert (found.ids, found.reason) == (free.ids[: first + 1], "stop")
    found = greedy(few, [1, 3], Stop(None, until=lambda ids: list(ids[-2:]) == list(free.ids[3:5]), tokens=20))
    assert found.reason == "stop"
    assert found.ids[-2:] == free.ids[3:5]


@pytest.mark.parametrize("tokens", [0, 1, 7])
def test_a_length_is_said_to_have_cut_the_answer(few: Embedded, tokens: int) -> None:
    found = greedy(few, [1, 3], Stop(None, tokens=tokens))
    assert (len(found.ids), found.reason) == (tokens, "length")
    assert found.logprob == pytest.approx(log_probability(few, [1, 3], found.ids), abs=CLOSE)


def test_an_answer_that_ends_at_its_longest_is_whole(few: Embedded) -> None:
    free = greedy(few, [1, 3], Stop(None, tokens=20))
    end = next(token for at, token in enumerate(free.ids) if at and token not in free.ids[:at])
    length = free.ids.index(end)
    assert greedy(few, [1, 3], Stop(end, tokens=length)).reason == "end"
    assert greedy(few, [1, 3], Stop(end, tokens=length - 1)).reason == "length"


def test_the_context_is_said_to_have_cut_the_answer(few: Embedded) -> None:
    for stop in (Stop(None), Stop(None, tokens=1_000)):
        found = greedy(few, [1] * 60, stop)
        assert (len(found.ids), found.reason) == (4, "context")
    assert greedy(few, [1] * 60, Stop(None, tokens=4)).reason == "length"
    full = greedy(few, [1] * 64, Stop(None))
    assert (full.ids, full.reason, full.logprob) == ((), "context", 0.0)
    with pytest.raises(ValueError, match="the context"):
        greedy(few, [1] * 65, Stop(None))


@pytest.mark.parametrize("room", [0, 1, 2, 3, 4, 6])
def test_a_list_in_a_full_context_is_cut_and_says_so(
    engine: Watched, tokenizer: Tokenizer, grammar: PassListGrammar, room: int
) -> None:
    prompt = [tokenizer.bos] * (CONTEXT - room)
    for found in [
        greedy(engine, prompt, the_list(tokenizer), grammar),
        *sample(engine, prompt, [1, 2], the_list(tokenizer), grammar),
        *priority_samples(engine, prompt, 3, the_list(tokenizer), grammar),
    ]:
        assert found.reason == "context" or len(found.ids) <= room
        assert len(found.ids) <= room
        assert "'" not in grammar.passes(found.ids)


def test_time_that_is_over_ends_everything_and_says_so(
    engine: Watched, tokenizer: Tokenizer, grammar: PassListGrammar, asked: list[int]
) -> None:
    stop = dataclasses.replace(the_list(tokenizer), seconds=0.0)
    assert greedy(engine, asked, stop, grammar).reason == "time"
    assert [each.reason for each in sample(engine, asked, [1, 2, 3], stop, grammar)] == ["time"] * 3
    assert [each.reason for each in priority_samples(engine, asked, 9, stop, grammar)] == ["time"]
    assert greedy(engine, asked, Stop(None, seconds=60.0, tokens=3)).reason == "length"


# -- scoring


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.lists(st.integers(0, 5), max_size=20))
@settings(max_examples=30)
def test_a_log_probability_is_the_sum_of_its_tokens(few: Embedded, prompt: list[int], answer: list[int]) -> None:
    total = 0.0
    for at, token in enumerate(answer):
        logits = logits_after(few, [*prompt, *answer[:at]]).astype(float)
        total += logits[token] - np.logaddexp.reduce(logits)
    assert log_probability(few, prompt, answer) == pytest.approx(total, abs=CLOSE)


def test_a_long_answer_is_scored_as_its_parts_are(model: Embedded, tokenizer: Tokenizer) -> None:
    ids = np.random.default_rng(0).integers(len(SPECIALS), tokenizer.vocabulary_size, 400).tolist()
    parts = log_probability(model, [1], ids[:300]) + log_probability(model, [1, *ids[:300]], ids[300:])
    assert log_probability(model, [1], ids) == pytest.approx(parts, abs=0.05)


def test_what_the_grammar_does_not_allow_has_no_probability(
    engine: Watched, tokenizer: Tokenizer, grammar: PassListGrammar, asked: list[int]
) -> None:
    good = tokenizer.encode("opt -p 'sroa,inline' 12 8")
    assert -60 < log_probability(engine, asked, good, grammar) < 0
    assert log_probability(engine, asked, good, grammar) > log_probability(engine, asked, good)
    bad = tokenizer.encode("opt -p 'sroa,argpromotion' 12 8")
    assert log_probability(engine, asked, bad, grammar) == -math.inf
    assert log_probability(engine, asked, [tokenizer.eos], grammar) == -math.inf
