"""Sentence BLEU-4 against values worked out by hand, and against sacrebleu where it is installed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compiler.tasks.bleu import bleu, tokens


def test_registers_directives_and_labels_are_one_token_and_marks_are_one_each():
    words = tokens("\tmovl\t$-8, 4(%rdi)\n.LBB0_1:")
    assert words == ["movl", "$", "-", "8", ",", "4", "(", "%rdi", ")", ".LBB0_1", ":"]


def test_the_same_text_has_1_whatever_the_white_space():
    assert bleu("a b c d e", " a  b\nc d\te\n") == pytest.approx(1.0)


def test_texts_without_a_common_word_have_0():
    assert bleu("a b c d", "e f g h") == 0


@pytest.mark.parametrize(("reference", "hypothesis", "value"), [("", "", 1), ("", "a", 0), ("a", "", 0), ("a", "a", 1)])
def test_empty_and_short_texts_have_a_value(reference, hypothesis, value):
    assert bleu(reference, hypothesis) == value


def test_a_value_by_hand():
    # 5 of 6 words, 3 of 5 pairs, 1 of 4 triples, 0 of 3 quadruples (half a match); the same length.
    expected = (5 / 6 * 3 / 5 * 1 / 4 * 0.5 / 3) ** 0.25
    assert bleu("a b c d e f", "a b c x e f") == pytest.approx(expected)


def test_a_word_counts_no_more_often_than_the_reference_has_it():
    assert bleu("a b", "a a") == pytest.approx((1 / 2 * 0.5 / 1) ** 0.5)


def test_a_beginning_pays_for_what_is_missing():
    assert bleu("a b c d e f g h", "a b c d") == pytest.approx(2.718281828 ** (1 - 8 / 4))


@given(st.text(), st.text())
def test_any_two_texts_have_a_value_between_0_and_1(reference, hypothesis):
    assert 0 <= bleu(reference, hypothesis) <= 1 + 1e-9


def test_it_is_what_sacrebleu_says():
    sacrebleu = pytest.importorskip("sacrebleu")
    rng = random.Random(0)
    for _ in range(200):
        reference = [rng.choice("abcdef") for _ in range(rng.randint(1, 30))]
        hypothesis = [word if rng.random() < 0.8 else "x" for word in reference][: rng.randint(1, 30)]
        theirs = sacrebleu.sentence_bleu(" ".join(hypothesis), [" ".join(reference)], tokenize="none").score
        assert bleu(" ".join(reference), " ".join(hypothesis)) == pytest.approx(theirs / 100)
