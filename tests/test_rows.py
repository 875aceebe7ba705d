"""Packing, and rows read back from disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compiler.data.build import write_rows
from llm_compiler.data.documents import Counts, write_shard
from llm_compiler.data.examples import Document
from llm_compiler.data.mixture import Chosen, Source
from llm_compiler.data.rows import Rows, RowsError, pack, question
from llm_compiler.model.tokenizer import Tokenizer

CONTEXT = 64
lengths = st.lists(st.integers(2, CONTEXT), max_size=60)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.load()


@given(lengths)
def test_no_document_is_cut_and_none_lies_on_another(given):
    rows, places = pack(given, CONTEXT)
    taken = np.zeros((len(given) + 1, CONTEXT), int)
    for length, row, place in zip(given, rows, places, strict=True):
        assert place + length <= CONTEXT
        taken[row, place : place + length] += 1
    assert taken.max() <= 1
    assert taken.sum() == sum(given)
    # No row begins later than the first free place: they are filled from the left.
    filled = taken.sum(axis=1)
    assert all(taken[row, : filled[row]].all() for row in range(len(taken)))


@given(lengths)
def test_two_rows_are_never_both_at_most_half_full(given):
    rows, _ = pack(given, CONTEXT)
    filled = np.bincount(rows, weights=given) if given else np.zeros(0)
    assert (filled <= CONTEXT / 2).sum() <= 1


def test_the_longest_go_first_where_they_fit_best():
    rows, places = pack([10, 50, 54, 14], 64)
    assert rows.tolist() == [0, 1, 0, 1]
    assert places.tolist() == [54, 0, 0, 50]


@pytest.mark.parametrize("length", [0, CONTEXT + 1])
def test_a_document_that_cannot_fit_is_an_error(length):
    with pytest.raises(ValueError, match=f"a document of {length} tokens"):
        pack([3, length], CONTEXT)


documents = st.lists(
    st.integers(3, CONTEXT).flatmap(
        lambda length: st.tuples(
            st.lists(st.integers(300, 900), min_size=length, max_size=length), st.integers(1, length - 1)
        )
    ),
    max_size=25,
)


def write(tmp_path, tokenizer, given):
    """A folder of rows with these documents (tokens, and the first to be learnt)."""
    made = [
        Document(
            "ab"[number % 2],
            np.array(ids, "<u2").tobytes(),
            answer,
            len(ids),
            f"unit {number}",
            "project",
            question(np.array(ids, "<u2").tobytes(), answer),
            "{}",
        )
        for number, (ids, answer) in enumerate(given)
    ]
    shard = tmp_path / "documents" / "shard.parquet"
    shard.parent.mkdir(exist_ok=True)
    write_shard(shard, made, Counts())
    table = [(0, number, number % 2, answer, len(ids)) for number, (ids, answer) in enumerate(given)]
    chosen = Chosen((Source("t", "a"), Source("t", "b")), np.array(table, np.int64).reshape(-1, 5), ())
    header = {"context": CONTEXT, "seed": 1, "stage": "s", "split": "train", "tokenizer": tokenizer.fingerprint}
    folder = tmp_path / "rows" / "train"
    write_rows(folder, chosen, [shard], tmp_path, header, tokenizer)
    return folder


@given(documents)
def test_every_token_of_every_document_is_in_one_row_with_its_mask(tmp_path_factory, tokenizer, given):
    rows = Rows(write(tmp_path_factory.mktemp("rows"), tokenizer, given), tokenizer.fingerprint)
    assert len(rows) == rows.manifest["rows"] <= max(1, len(given)) or not given
    found = {}
    for number in range(len(rows)):
        row, at = rows.row(number), 0
        assert row.tokens.shape == row.mask.shape == (CONTEXT,)
        spans = rows.spans(number)
        assert spans
        assert row.starts.tolist() == [span.start for span in spans]
        learnt = np.zeros(CONTEXT, bool)
        for span in spans:
            assert span.start == at
            at = span.end
            found[span.line] = (row.tokens[span.start : span.end].tolist(), span.answer - span.start)
            assert span.source == span.line % 2
            learnt[span.answer : span.end] = True
        assert (row.tokens[at:] == tokenizer.pad).all()
        assert (row.mask == learnt).all()
    assert [found[number] for number in range(len(given))] == given
    assert sum(source["tokens"] for source in rows.manifest["sources"]) == sum(len(ids) for ids, _ in given)
    assert rows.manifest["learnt"] == sum(len(ids) - answer for ids, answer in given)


@given(documents, st.randoms())
def test_a_batch_is_its_rows(tmp_path_factory, tokenizer, given, random):
    rows = Rows(write(tmp_path_factory.mktemp("rows"), tokenizer, given))
    numbers = [random.randrange(len(rows)) for _ in range(5)] if len(rows) else []
    batch = rows.batch(numbers)
    assert batch.tokens.shape == batch.mask.shape == batch.positions.shape == (len(numbers), CONTEXT)
    for place, number in enumerate(numbers):
        row = rows.row(number)
        assert (batch.tokens[place] == row.tokens).all()
        assert (batch.mask[place] == row.mask).all()
        ends = [span.end for span in rows.spans(number)]
        starts = {0, *row.starts.tolist(), *(end for end in ends if end < CONTEXT)}
        assert set(np.flatnonzero(batch.positions[place] == 0).tolist()) == starts
        assert (np.diff(batch.positions[place])[[p - 1 for p in range(1, CONTEXT) if p not in starts]] == 1).all()
        for span in rows.spans(number):
            assert (batch.lengths[place][span.start : span.end] == span.end - span.answer).all()


def test_the_same_prompt_is_the_same_question_and_a_text_is_its_own():
    text = np.arange(10, dtype="<u2").tobytes()
    other = text[:12] + bytes(8)
    assert question(text, 4) == question(other, 4)
    assert question(text, 7) != question(other, 7)
    assert question(text, 1) != question(other, 1)


@pytest.fixture
def folder(tmp_path, tokenizer):
    return write(tmp_path, tokenizer, [([1, *range(300, 340), 2], 5), ([1, 400, 2], 1)])


def test_rows_of_another_tokenizer_are_refused(folder, tokenizer):
    with pytest.raises(RowsError, match=f"made with the tokenizer {tokenizer.fingerprint}, not with 0123"):
        Rows(folder, "0123")


@pytest.mark.parametrize("name", ["tokens.bin", "documents.bin"])
def test_files_that_were_cut_off_or_are_gone_are_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    with pytest.raises(RowsError, match=rf"{name}: {len(content) - 1} bytes where the manifest says {len(content)}"):
        Rows(folder)
    (folder / name).unlink()
    with pytest.raises(RowsError, match=rf"{name}: No such file"):
        Rows(folder)


def test_what_is_no_folder_of_rows_is_refused(folder, tmp_path):
    with pytest.raises(RowsError, match="holds no rows"):
        Rows(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(RowsError, match="holds no rows of format 1"):
        Rows(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(RowsError, match=r"manifest\.json"):
        Rows(folder)


@pytest.mark.parametrize("number", [-1, 1])
def test_a_row_that_there_is_not(folder, number):
    with pytest.raises(IndexError, match=f"no row {number}: there are 1"):
        Rows(folder).row(number)
