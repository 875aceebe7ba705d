"""Units on disk: whole or not at all, and readable by everybody."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llm_compiler.corpus import store
from llm_compiler.corpus.store import (
    CorpusError,
    batched,
    check_space,
    locked,
    open_for_building,
    read_columns,
    read_json,
    read_manifest,
    read_units,
    units,
    write_json,
    write_units,
)
from llm_compiler.corpus.unit import SCHEMA
from tests.small_projects import unit

LLVM = "17.0.6"


def some(count, start=0, **changes):
    return [unit(f"define void @f{n}() {{ ret void }}", name=f"f{n}", **changes) for n in range(start, start + count)]


@pytest.fixture
def complete(tmp_path):
    """A corpus of two shards in `train` and one in `test`, put together by hand."""
    corpus = tmp_path / "corpus"
    open_for_building(corpus, LLVM, True)
    (corpus / "data").mkdir()
    write_units(corpus / "data" / "train-00000.parquet", some(3))
    write_units(corpus / "data" / "train-00001.parquet", some(2, 3))
    write_units(corpus / "data" / "test-00000.parquet", some(1, 5, split="test"))
    write_json(corpus / "manifest.json", {"format": store.FORMAT, "llvm": LLVM})
    return corpus


def test_units_come_back_as_they_were_written_whatever_the_size_of_a_row_group(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_ROW_GROUP", 3)
    shard = tmp_path / "units.parquet"
    written = [*some(7), unit("; ünïcode \U0001f600 \\00", file="a\nb")]
    write_units(shard, iter(written))
    assert list(read_units(shard)) == written
    assert pq.ParquetFile(shard).num_row_groups == 3
    assert [row["name"] for row in read_columns(shard, ["name"])] == [unit.name for unit in written]


def test_a_shard_without_units_can_be_read(tmp_path):
    write_units(tmp_path / "none.parquet", [])
    assert list(read_units(tmp_path / "none.parquet")) == []


def test_plain_pyarrow_reads_the_shards_which_have_zstd_and_the_schema(complete):
    shard = complete / "data" / "train-00000.parquet"
    table = pq.read_table(shard)
    assert table.schema.equals(SCHEMA)
    assert table.num_rows == 3
    group = pq.read_metadata(shard).row_group(0)
    assert {group.column(at).compression for at in range(group.num_columns)} == {"ZSTD"}
    assert pa.Table.from_pylist(table.to_pylist(), SCHEMA) == table


def test_datasets_reads_the_shards(complete, tmp_path):
    datasets = pytest.importorskip("datasets", reason="the package `datasets` is not installed")
    data_files = {split: str(complete / "data" / f"{split}-*.parquet") for split in ("train", "test")}
    loaded = datasets.load_dataset("parquet", data_files=data_files, cache_dir=str(tmp_path / "cache"))
    assert loaded["train"]["name"] == ["f0", "f1", "f2", "f3", "f4"]
    assert loaded["test"].column_names == SCHEMA.names


def test_units_come_in_the_order_of_splits_and_shards(complete):
    assert [unit.name for unit in units(complete, "train")] == ["f0", "f1", "f2", "f3", "f4"]
    assert [unit.name for unit in units(complete, "validation")] == []
    assert [unit.name for unit in units(complete)] == ["f5", "f0", "f1", "f2", "f3", "f4"]


def test_what_fails_half_way_leaves_nothing_and_what_was_there_stays(tmp_path):
    def broken():
        yield from some(2)
        raise OSError(28, "No space left on device")

    shard, summary = tmp_path / "units.parquet", tmp_path / "a.json"
    for before in ([], some(1)):
        if before:
            write_units(shard, before)
        with pytest.raises(OSError, match="No space"):
            write_units(shard, broken())
        assert [path.name for path in tmp_path.iterdir()] == (["units.parquet"] if before else [])
    write_json(summary, {"a": 1})
    with pytest.raises(TypeError):
        write_json(summary, {"a": object()})
    assert read_json(summary) == {"a": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "units.parquet"]


def test_batches_are_full_but_the_last():
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched([], 3)) == []


def test_a_folder_is_made_once_and_opened_again(tmp_path):
    for _ in range(2):
        open_for_building(tmp_path / "a" / "b", LLVM, True)
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["corpus.json"]


def test_what_must_not_be_touched_is_refused_in_one_line(tmp_path):
    open_for_building(tmp_path / "corpus", LLVM, True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    for name, llvm, translation_units, words in [
        ("corpus", "18.1.8", True, r"a corpus of another llvm \(17.0.6, now 18.1.8\)"),
        ("corpus", LLVM, False, r"another translation_units \(True, now False\)"),
        ("file", LLVM, True, "is not a folder"),
        ("mine", LLVM, True, "has files in it but is no corpus"),
    ]:
        with pytest.raises(CorpusError, match=words) as refused:
            open_for_building(tmp_path / name, llvm, translation_units)
        assert "\n" not in str(refused.value)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    assert (tmp_path / "file").read_text() == "x"


def test_a_kill_while_the_folder_was_made_does_not_keep_it_from_being_used(tmp_path):
    (tmp_path / ".corpus.json").write_text("{")
    open_for_building(tmp_path, LLVM, True)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.json"]


def test_a_full_disk_is_noticed_before_anything_is_made(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 40, 1 << 40, 5 << 20))
    with pytest.raises(CorpusError, match=r"only 5 MB free on this disk; make room \(1 GB\)"):
        open_for_building(tmp_path / "a" / "b", LLVM, True)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    check_space(tmp_path / "a" / "b")


def test_two_builds_cannot_be_at_work_in_one_folder(tmp_path):
    open_for_building(tmp_path, LLVM, True)
    header = tmp_path / "corpus.json"
    with locked(header), pytest.raises(CorpusError, match="another run"), locked(header):
        pass
    with locked(header):
        pass


def test_what_is_no_complete_corpus_says_why(tmp_path, complete):
    def reason(folder):
        with pytest.raises(CorpusError) as refused:
            read_manifest(folder)
        return str(refused.value)

    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    assert "no folder" in reason(tmp_path / "nowhere")
    assert "is not a folder" in reason(tmp_path / "file")
    assert "is no corpus" in reason(tmp_path / "empty")
    assert read_manifest(complete)["llvm"] == LLVM
    manifest = (complete / "manifest.json").read_text()
    for broken in ("[]", "{", "\x00"):
        (complete / "manifest.json").write_text(broken)
        assert "manifest.json" in reason(complete)
    (complete / "manifest.json").unlink()
    assert "is not complete: the same `llmc corpus build`" in reason(complete)
    (complete / "manifest.json").write_text(manifest)
    (complete / "corpus.json").write_text(json.dumps({"format": 99}))
    assert "format 99" in reason(complete)
