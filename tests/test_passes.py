from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_compiler.llvm.passes import LEVELS, Element, PassList, PassListError, Vocabulary, classes
from llm_compiler.llvm.size import PROTOCOLS
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure, Workers
from tests.worker_functions import ParsesPipeline

PAPERS_LIST = "module(default<Oz>),module(constmerge),function(sroa),cgscc(argpromotion),function(loop(loop-rotate))"

names = st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True)
parameters = st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="<>(),"))

elements = st.recursive(
    st.builds(Element, names, parameters),
    lambda inner: st.builds(Element, names, parameters, st.lists(inner, min_size=1, max_size=4).map(tuple)),
    max_leaves=20,
)
pass_lists = st.builds(PassList, st.lists(elements, min_size=1, max_size=5).map(tuple))


# -- syntax


def test_the_papers_list_has_five_passes_and_prints_as_it_was() -> None:
    parsed = PassList.parse(PAPERS_LIST)
    assert [element.spelling for element in parsed.passes()] == [
        "default<Oz>", "constmerge", "sroa", "argpromotion", "loop-rotate",
    ]  # fmt: skip
    assert len(parsed) == 5
    assert str(parsed) == PAPERS_LIST


@given(pass_lists)
def test_what_is_printed_parses_to_the_same_list(passes: PassList) -> None:
    assert PassList.parse(str(passes)) == passes


@given(pass_lists, st.randoms(use_true_random=False))
def test_white_space_between_tokens_does_not_matter(passes: PassList, rng: random.Random) -> None:
    spaced = "".join(
        c if c not in "()," else f"{rng.choice(['', ' ', chr(10)])}{c}{rng.choice(['', '  '])}" for c in str(passes)
    )
    assert PassList.parse(f" {spaced} ") == passes


@given(st.text(max_size=60) | st.text("sroa<>(),-; \t\n\0", max_size=60))
@example("(" * 5000)
@example("function(" * 5000 + "sroa" + ")" * 5000)
@example("sroa," * 20_000)
def test_any_text_is_a_pass_list_or_a_pass_list_error_in_one_line(text: str) -> None:
    try:
        parsed = PassList.parse(text)
    except PassListError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert PassList.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a pass, found the end at column 1"),
        ("sroa,", "expected a pass, found the end at column 6"),
        ("sroa,,gvn", "expected a pass, found ',' at column 6"),
        ("function(sroa", r"expected '\)' at column 14"),
        ("function()", r"expected a pass, found '\)'"),
        ("sroa)", r"unexpected '\)' at column 5"),
        ("default<Oz", "expected '>'"),
        ("early-cse<mem ssa>", "'mem ssa' cannot be a parameter"),
        ("sroa gvn", "unexpected 'g' at column 6"),
        ("function(" * 100, "nested deeper than"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, words: str) -> None:
    with pytest.raises(PassListError, match=words):
        PassList.parse(text)


# -- the vocabulary's judgement


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("simplifcfg", "simplifycfg"),
        ("early-csee", "early-cse"),
        ("default<O4>", "default<O"),
        ("function(loop(looprotate))", "loop-rotate"),
    ],
)
def test_an_unknown_name_gets_a_did_you_mean(vocabulary: Vocabulary, wrong: str, hint: str) -> None:
    with pytest.raises(PassListError, match=f"LLVM 17.0.6 has no pass .*did you mean {hint}"):
        vocabulary.validate(PassList.parse(wrong))


def test_a_name_like_no_other_gets_no_hint(vocabulary: Vocabulary) -> None:
    with pytest.raises(PassListError, match=r"has no pass zzzzzzzz$"):
        vocabulary.validate(PassList.parse("zzzzzzzz"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("function", "function needs a pass list in parentheses"),
        ("repeat<3>", "repeat<3> needs a pass list in parentheses"),
        ("sroa(gvn)", r"sroa\(...\) is no adaptor"),
        ("function(globaldce)", "globaldce is a module pass and cannot stand in function"),
        ("sroa,globaldce", "globaldce is a module pass and cannot stand in function"),
        ("function(loop(licm))", "licm is a loop-mssa pass and cannot stand in loop"),
        ("early-cse<memsa>", r"early-cse has no parameter 'memsa' \(it has memssa\)"),
        ("repeat(sroa)", "repeat"),
        ("function<fast>(sroa)", "function<fast>"),
    ],
)
def test_a_list_that_llvm_would_refuse_is_refused_with_the_reason(
    vocabulary: Vocabulary, text: str, words: str
) -> None:
    with pytest.raises(PassListError, match=words):
        vocabulary.validate(PassList.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        PAPERS_LIST,
        "function(loop-mssa(licm,loop-rotate))",
        "repeat<2>(function<eager-inv>(sroa)),cgscc(devirt<4>(inline))",
        "licm,lnicm",
        "simplifycfg<bonus-inst-threshold=12;no-keep-loops>",
    ],
)
def test_a_list_that_llvm_takes_is_valid(vocabulary: Vocabulary, text: str) -> None:
    vocabulary.validate(PassList.parse(text))


def random_elements(rng: random.Random, vocabulary: Vocabulary, depth: int) -> tuple[Element, ...]:
    """Any passes in any adaptors: half of the lists make no sense."""
    return tuple(random_element(rng, vocabulary, depth) for _ in range(rng.randint(1, 2)))


def random_element(rng: random.Random, vocabulary: Vocabulary, depth: int) -> Element:
    if depth and rng.random() < 0.6:
        adaptors = (
            *LEVELS,
            "repeat<2>",
            "devirt<3>",
            "function<eager-inv>",
            "repeat",
            "loop<x>",
            "coro-cond",
            "repeat<0>",
        )
        name, _, parameter = rng.choice(adaptors).partition("<")
        return Element(name, parameter.removesuffix(">") or None, random_elements(rng, vocabulary, depth - 1))
    level = rng.choice(LEVELS)
    chosen = rng.choice([p for p in vocabulary.passes.values() if p.level == level])
    name, _, parameter = chosen.name.partition("<")
    if not parameter and rng.random() < 0.3:
        parameter = rng.choice((*chosen.parameters, "nonsense"))
    return Element(name, parameter.removesuffix(">") or None)


def test_validation_agrees_with_llvms_own_parser(toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    rng = random.Random(20_240_617)
    lists = [PassList(random_elements(rng, vocabulary, rng.randint(0, 4))) for _ in range(10_000)]
    # These names stand for passes of several levels; the vocabulary knows the innermost.
    several = {"print", "verify", "guard-widening"}
    lists = [passes for passes in lists if several.isdisjoint(element.spelling for element in passes.passes())]
    accepted = 0
    with Workers(ParsesPipeline(toolchain.library), count=1) as workers:
        for passes, (taken, reply) in zip(lists, workers.map(map(str, lists)), strict=True):
            try:
                vocabulary.validate(passes)
            except PassListError as error:
                # LLVM's parser takes these, and LLVM then ends the process at the first loop (see below).
                if "is a loop-mssa pass and cannot stand in" not in str(error):
                    assert not taken, f"{passes}: LLVM takes it, but we say: {error}"
            else:
                accepted += 1
                assert taken, f"{passes}: we take it, but LLVM says: {reply}"
    assert len(lists) / 8 < accepted < len(lists)


@pytest.mark.parametrize("text", ["function(licm)", "module(licm)", "function(loop(lnicm))"])
def test_a_pass_that_needs_memory_ssa_ends_llvm_where_we_refuse_it(
    evaluated: Callable[[str], object], vocabulary: Vocabulary, text: str
) -> None:
    with pytest.raises(PassListError, match="cannot stand in"):
        vocabulary.validate(PassList.parse(text))
    failure = evaluated(text)
    assert isinstance(failure, Failure)
    assert (failure.reason, "requires MemorySSA" in failure.detail) == ("crashed", True)


@pytest.fixture
def evaluated(toolchain: Toolchain, compiled: Callable[..., bytes]) -> Callable[[str], object]:
    from llm_compiler.llvm.evaluate import Job, evaluate

    module = compiled("int f(const int *p, int n) { int s = 0; while (n-- > 0) s += p[n]; return s; }\n")
    return lambda passes: next(iter(evaluate([Job(module, passes)], toolchain.library, workers=1)))


# -- what may be proposed


@pytest.mark.parametrize(
    "name",
    [
        *(f"default<O{level}>" for level in "0123sz"),
        "argpromotion", "constmerge", "early-cse", "early-cse<memssa>", "gvn", "gvn-hoist", "inline", "instcombine",
        "iroutliner", "jump-threading", "licm", "loop-rotate", "loop-unroll", "lowerswitch", "mem2reg", "mergefunc",
        "reassociate", "simplifycfg", "sroa", "strip-dead-prototypes", "tailcallelim",
    ],
)  # fmt: skip
def test_the_passes_of_the_paper_may_be_proposed(vocabulary: Vocabulary, name: str) -> None:
    assert vocabulary.passes[name].propose
    assert vocabulary.may_propose(vocabulary.nest([name])) == ""


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        ("internalize", "unsafe", "other objects"),
        ("loweratomic", "unsafe", "atomic"),
        ("print<domtree>", "printer", "changes nothing"),
        ("aa-eval", "analysis", "without changing"),
        ("newgvn", "optimisation", "wrong code"),
        ("asan", "instrumentation", "sanitizer"),
        ("verify", "verifier", "without changing"),
        ("strip", "unsafe", "symbol names"),
    ],
)
def test_what_may_not_be_proposed_has_a_kind_and_a_reason(
    vocabulary: Vocabulary, name: str, kind: str, why: str
) -> None:
    found = vocabulary.passes[name]
    assert not found.propose
    assert found.kind == kind
    refusal = vocabulary.may_propose(vocabulary.nest(["sroa", name]))
    assert refusal == f"{name} may not be proposed: {found.why}"
    assert why in refusal


def test_other_than_default_parameters_may_not_be_proposed(vocabulary: Vocabulary) -> None:
    assert "only default parameters" in vocabulary.may_propose(PassList.parse("function(simplifycfg<no-keep-loops>)"))


def test_every_known_pass_is_classified_with_a_reason_where_it_is_out(vocabulary: Vocabulary) -> None:
    shipped = Path(__file__).parents[1] / "llm_compiler" / "llvm" / "data" / "vocabulary-17.0.6.json"
    named = [name for name, *_ in json.loads(shipped.read_text())]
    assert named == sorted(set(named))
    assert len(named) > 250
    for name in named:
        entry = classes().get(name)
        assert entry is not None, f"{name} is missing in pass_classes.toml"
        assert entry["class"]
        assert bool(entry.get("why")) != entry["propose"], f"{name} must say why it is out, and only then"


def test_reasons_are_for_what_is_out(vocabulary: Vocabulary) -> None:
    assert all(bool(p.why) != p.propose for p in vocabulary.passes.values())
    assert 100 < len(vocabulary.proposable) < len(vocabulary.passes)


# -- building lists


def test_nesting_puts_each_pass_into_the_adaptors_that_it_needs(vocabulary: Vocabulary) -> None:
    nested = vocabulary.nest(["default<Oz>", "sroa", "argpromotion", "loop-rotate", "licm", "early-cse<memssa>"])
    assert str(nested) == (
        "module(default<Oz>),function(sroa),cgscc(argpromotion),function(loop(loop-rotate)),"
        "function(loop-mssa(licm)),function(early-cse<memssa>)"
    )


def test_nesting_an_unknown_pass_is_a_pass_list_error(vocabulary: Vocabulary) -> None:
    with pytest.raises(PassListError, match="did you mean sroa"):
        vocabulary.nest(["sroaa"])


@given(seed=st.integers(0, 2**32))
def test_a_random_list_is_valid_proposable_and_reproducible(vocabulary: Vocabulary, seed: int) -> None:
    passes = vocabulary.random_list(random.Random(seed))
    assert 1 <= len(passes) <= 50
    assert vocabulary.may_propose(passes) == ""
    assert passes == PassList.parse(str(passes)) == vocabulary.random_list(random.Random(seed))


def test_random_lists_have_every_length_and_every_proposable_pass(vocabulary: Vocabulary) -> None:
    rng = random.Random(7)
    lists = [vocabulary.random_list(rng) for _ in range(2000)]
    assert {len(passes) for passes in lists} == set(range(1, 51))
    drawn = {element.spelling for passes in lists for element in passes.passes()}
    assert drawn == {p.name for p in vocabulary.proposable}


def test_both_pipelines_that_stand_for_oz_are_valid(vocabulary: Vocabulary) -> None:
    from llm_compiler.llvm.evaluate import oz_passes

    for protocol in PROTOCOLS.values():
        vocabulary.validate(PassList.parse(oz_passes("17.0.6", protocol)))
