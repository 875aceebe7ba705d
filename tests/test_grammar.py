"""The grammar of pass lists: all that may be proposed, nothing else, in the tokens of the tokenizer."""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

pytest.importorskip("tokenizers")

from llm_compiler.inference.grammar import GrammarError, PassListGrammar, State
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.model.tokenizer import SPECIALS, Tokenizer
from llm_compiler.tasks.code import restored, shown
from llm_compiler.tasks.flag_tuning import Answer, write
from llm_compiler.tasks.task import DIALECTS, Dialect

DENIED = ("argpromotion", "attributor", "default<O3>")
CUT = 1_000
"""Characters of a line, after which the tokenizer begins another piece."""

seeds = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load()


@pytest.fixture(scope="module", params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture(scope="module")
def grammar(tokenizer: Tokenizer, vocabulary: Vocabulary, dialect: Dialect) -> PassListGrammar:
    return PassListGrammar(tokenizer, vocabulary, dialect)


@pytest.fixture(scope="module")
def strict(tokenizer: Tokenizer, vocabulary: Vocabulary) -> PassListGrammar:
    """Compact, with a deny list, and lists of four at most."""
    return PassListGrammar(tokenizer, vocabulary, "compact", denied=DENIED, longest=4)


def answer(tokenizer: Tokenizer, passes: PassList, dialect: Dialect, code: str | None = None) -> list[int]:
    """As training has it."""
    return tokenizer.encode_pieces(write(Answer((shown(str(passes), dialect),), 1_204, 83, code), dialect))


def accepts(grammar: PassListGrammar, ids: list[int]) -> bool:
    """Whether the grammar lets all of it through, and its list ends."""
    state: State | None = grammar.start
    for token in ids:
        if state is None:
            return True
        if token not in grammar.allowed(state):
            with pytest.raises(ValueError, match="may not follow"):
                grammar.advance(state, token)
            return False
        state = grammar.advance(state, token)
    return state is None


def drawn(grammar: PassListGrammar, seed: int) -> list[int]:
    """Any way through the grammar."""
    rng = random.Random(seed)
    state: State | None = grammar.start
    ids = []
    while state is not None:
        ids.append(rng.choice(grammar.allowed(state).tolist()))
        state = grammar.advance(state, ids[-1])
    return ids


@given(seeds)
def test_every_answer_that_models_are_trained_on_is_let_through(
    tokenizer: Tokenizer, vocabulary: Vocabulary, grammar: PassListGrammar, dialect: Dialect, seed: int
) -> None:
    passes = vocabulary.random_list(random.Random(seed))
    assume(len(shown(str(passes), dialect)) + len(grammar.before + grammar.after) < CUT)
    ids = answer(tokenizer, passes, dialect, "define void @f() {\n")
    assert accepts(grammar, ids)
    assert restored(grammar.passes(ids), vocabulary) == passes


def test_every_two_passes_may_be_neighbours(
    tokenizer: Tokenizer, vocabulary: Vocabulary, grammar: PassListGrammar, dialect: Dialect
) -> None:
    names = [known.name for known in vocabulary.proposable]
    for first in names:
        # Each line holds every name once before or behind `first`: 25 lists of some ten instead of one for each two.
        for start in range(0, len(names), 10):
            mixed = [name for second in names[start : start + 10] for name in (first, second)]
            assert accepts(grammar, answer(tokenizer, vocabulary.nest(mixed), dialect))


@given(seeds)
def test_every_way_through_is_a_list_that_may_be_proposed_in_the_tokenizers_own_tokens(
    tokenizer: Tokenizer, vocabulary: Vocabulary, grammar: PassListGrammar, dialect: Dialect, seed: int
) -> None:
    ids = drawn(grammar, seed)
    text = tokenizer.decode(ids)
    passes = restored(grammar.passes(ids), vocabulary)
    assert text.startswith(f"{grammar.before}{shown(str(passes), dialect)}{grammar.after}")
    assert vocabulary.may_propose(passes) == ""
    assert 1 <= len(passes) <= 50
    if len(text) < CUT:
        assert tokenizer.encode(text) == ids


@given(seeds)
def test_no_list_is_longer_than_its_limit_or_has_what_is_denied(
    tokenizer: Tokenizer, vocabulary: Vocabulary, strict: PassListGrammar, seed: int
) -> None:
    ids = drawn(strict, seed)
    passes = restored(strict.passes(ids), vocabulary)
    assert 1 <= len(passes) <= 4
    assert not {element.spelling for element in passes.passes()} & set(DENIED)
    assert tokenizer.encode(tokenizer.decode(ids)) == ids


@pytest.mark.parametrize("count", [1, 3, 4, 5, 6])
def test_lists_up_to_the_limit_are_let_through(
    tokenizer: Tokenizer, vocabulary: Vocabulary, strict: PassListGrammar, count: int
) -> None:
    for name in ("sroa", "float2int", "default<Oz>", "loop-rotate"):
        ids = answer(tokenizer, vocabulary.nest([name] * count), "compact")
        assert accepts(strict, ids) == (count <= 4)


def test_the_limit_holds_for_nested_lists_too(tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
    short = PassListGrammar(tokenizer, vocabulary, "verbatim", longest=2)
    lengths = {len(PassList.parse(short.passes(drawn(short, seed)))) for seed in range(60)}
    assert lengths == {1, 2}
    assert accepts(short, answer(tokenizer, vocabulary.nest(["sroa", "licm"]), "verbatim"))
    assert not accepts(short, answer(tokenizer, vocabulary.nest(["sroa", "licm", "sroa"]), "verbatim"))


@pytest.mark.parametrize(
    "text",
    [
        "sro",
        "sroaa",
        "sroa,",
        ",sroa",
        "sroa,,licm",
        "sroa licm",
        "",
        "function(sroa)",
        "argpromotion",
        "sroa,default<O3>",
        "default<O4>",
        "default",
        "early-cse<memsa>",
        "internalize",
        "loop(sroa)",
    ],
)
def test_what_is_no_list_or_denied_is_not_let_through(tokenizer: Tokenizer, strict: PassListGrammar, text: str) -> None:
    assert not accepts(strict, tokenizer.encode(f"opt -p '{text}' 1204 83\n"))
    assert accepts(strict, tokenizer.encode("opt -p 'sroa' 1204 83\n"))


@given(seeds, st.integers(0, 30))
def test_other_tokens_of_the_same_text_are_not_let_through(
    tokenizer: Tokenizer, strict: PassListGrammar, seed: int, place: int
) -> None:
    ids = drawn(strict, seed)
    place %= len(ids)
    spelled = tokenizer.decode_bytes([ids[place]])
    assume(len(spelled) > 1)
    by_byte = [tokenizer.encode_bytes(bytes([byte]))[0] for byte in spelled]
    assert accepts(strict, ids)
    assert not accepts(strict, [*ids[:place], *by_byte, *ids[place + 1 :]])


@given(seeds)
def test_forced_tokens_are_those_without_an_alternative(grammar: PassListGrammar, seed: int) -> None:
    ids = drawn(grammar, seed)
    state: State | None = grammar.start
    at = 0
    while state is not None:
        forced, after = grammar.forced(state)
        assert ids[at : at + len(forced)] == forced
        assert after is None or grammar.allowed(after).size > 1
        at, state = at + len(forced), after
        if state is not None:
            state = grammar.advance(state, ids[at])
            at += 1
    assert at == len(ids)


def test_an_answer_begins_with_what_is_forced(tokenizer: Tokenizer, grammar: PassListGrammar) -> None:
    forced, _ = grammar.forced(grammar.start)
    assert tokenizer.decode(forced).startswith("opt -p")
    assert grammar.forced(None) == ([], None)


def test_no_special_token_is_ever_allowed(grammar: PassListGrammar) -> None:
    for seed in range(20):
        state: State | None = grammar.start
        for token in drawn(grammar, seed):
            assert state is not None
            assert grammar.allowed(state).min() >= len(SPECIALS)
            state = grammar.advance(state, token)


def test_the_passes_of_an_answer_that_was_cut_are_the_whole_ones(tokenizer: Tokenizer, strict: PassListGrammar) -> None:
    said = "opt -p 'sroa,inliner-wrapper,loop-rotate' 1204 83"
    lists = {strict.passes(tokenizer.encode(said[:end])) for end in range(len(said) + 1)}
    assert lists == {"", "sroa", "sroa,inliner-wrapper", "sroa,inliner-wrapper,loop-rotate"}
    assert strict.passes(tokenizer.encode("opt -p 'sroa,inline")) == "sroa"
    assert strict.passes(tokenizer.encode("no list at all")) == ""


def test_where_all_is_denied_there_is_no_grammar(tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
    with pytest.raises(GrammarError, match="every pass is denied"):
        PassListGrammar(tokenizer, vocabulary, "compact", denied=vocabulary.passes)
    with pytest.raises(GrammarError, match="one pass at least"):
        PassListGrammar(tokenizer, vocabulary, "compact", longest=0)


def test_a_tokenizer_of_bytes_alone_spells_the_same_lists(vocabulary: Vocabulary, tokenizer: Tokenizer) -> None:
    small = tokenizer.smaller(len(SPECIALS) + 256)
    grammar = PassListGrammar(small, vocabulary, "verbatim", longest=3)
    for seed in range(20):
        passes = vocabulary.random_list(random.Random(seed), 3)
        assert accepts(grammar, answer(small, passes, "verbatim"))
        assert vocabulary.may_propose(PassList.parse(grammar.passes(drawn(grammar, seed)))) == ""
