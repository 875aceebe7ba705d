"""Building data: from a real corpus with a task of this file's own, which is seen as a task as all tasks are."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from llm_compiler.autotune.label import Label, write_records
from llm_compiler.corpus import store
from llm_compiler.corpus.store import CorpusError
from llm_compiler.data import documents
from llm_compiler.data.archive import pack, unpack
from llm_compiler.data.build import Options, build, read_times
from llm_compiler.data.examples import Encoder
from llm_compiler.data.folder import DataError, read_report
from llm_compiler.data.recipe import Data, Model, Recipe, RecipeError, Share, Stage, TokenizerChoice
from llm_compiler.data.rows import Rows
from llm_compiler.model.tokenizer import Tokenizer
from llm_compiler.tasks import flag_tuning
from llm_compiler.tasks.task import Example, LeftOut
from tests.small_projects import TEST, TRAIN, VALIDATION, write
from tests.small_projects import build as build_corpus

# -- the task

name = "naming"
version = 7
needs_label = False


@dataclass(frozen=True)
class Settings:
    dialect: str = "verbatim"
    copies: int = 3
    known: tuple[str, ...] = ()


def examples(unit, label, tools, settings, rng, *, skip=0) -> Iterator[Example | LeftOut]:
    """Ask for the name of a function; of those named `crash...` the second example takes LLVM's place."""
    number = int("".join(filter(str.isdigit, unit.name)) or 0)
    for copy in range(skip, settings.copies):
        if unit.name.startswith("crash") and copy == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        if unit.name.startswith("odd") and copy == 2:
            yield LeftOut(name, "too odd")
            continue
        question = f"number {number} of {unit.project}, {copy} {unit.name}" + " and again" * (
            300 if number > 27 else number
        )
        yield example(unit, f"even {copy}", question, f"</code> {unit.name}\n", settings.dialect)
    if unit.name == "everywhere9":
        yield example(unit, "even 0", "the same in all splits", unit.project, settings.dialect)


def example(unit, source, question, answer, dialect):
    prompt = (("[INST] ", True), (question, False), (" [/INST]", True))
    pieces = ((answer, False),)
    place = (dialect, unit.id, unit.project, unit.split)
    return Example(name, version, source, *place, prompt, pieces, json.dumps({"llvm": unit.llvm}))


# -- a corpus, labels, a recipe

THIS = sys.modules[__name__]


def functions(names):
    """Functions that no one takes for near duplicates of each other."""
    rng = random.Random(str(names))
    steps = (
        "x += {};",
        "x ^= x >> {};",
        "for (int i = {}; i < x; i++) x -= i;",
        "if (x > {}) return x;",
        "x *= x + {};",
    )
    bodies = {one: [rng.choice(steps).format(rng.randint(1, 30)) for _ in range(12)] for one in names}
    return "".join(f"int {one}(int x) {{ {' '.join(body)} return x; }}\n" for one, body in bodies.items())


SOURCES = {
    TRAIN: [*(f"f{n}" for n in range(30)), "crash1", "crash2", "odd3", "everywhere9"],
    VALIDATION: [*(f"v{n}" for n in range(8)), "everywhere9"],
    TEST: [*(f"t{n}" for n in range(8)), "everywhere9"],
}


@pytest.fixture(scope="module")
def corpus(toolchain, tmp_path_factory):
    place = tmp_path_factory.mktemp("data")
    projects = [write(place / project, {"a.c": functions(names)}) for project, names in SOURCES.items()]
    build_corpus(place / "corpus", toolchain, *projects, translation_units=False)
    return place / "corpus"


def labelled(folder, corpus, llvm="17.0.6", protocol="ship", every=2, size=-1):
    """A folder of labels, as if tuned: for every second unit of the training split."""
    (folder / "labels").mkdir(parents=True)
    made = [
        Label(
            unit.id, unit.kind, unit.project, unit.split, llvm, protocol, 0, "random", unit.oz_ship,
            "module(globaldce),function(sroa)", unit.oz_ship + size, "search", 1, (),
        )
        for number, unit in enumerate(store.units(corpus, "train"))
        if number % every == 0
    ]  # fmt: skip
    write_records(folder / "labels" / "part-00000.parquet", made, Label)
    (folder / "tune.json").write_text(json.dumps({"format": 1}))
    (folder / "summary.json").write_text(json.dumps({"llvm": llvm, "protocol": protocol}))
    return folder


ALL = (Share("naming", "", 1.0),)
RECIPE = Recipe(
    Model("nano", 128),
    TokenizerChoice(),
    Data("compact", 600),
    (Stage("first", 1500, ALL, replay=0), Stage("second", 1000, (Share("naming", "even 1", 1.0),))),
)


@pytest.fixture(scope="module")
def make(corpus, toolchain, vocabulary, tmp_path_factory):
    """Build in a fresh folder, or in `out`."""

    def run(recipe=RECIPE, out=None, labels=(), source=corpus, task=THIS, **options):
        out = out or tmp_path_factory.mktemp("out") / "data"
        options = Options(**{"jobs": 2} | options)
        report = build(recipe, source, labels, out, toolchain, vocabulary, options, {task.name: task})
        return out, report

    return run


@pytest.fixture(scope="module", autouse=True)
def small_parts():
    """Parts of six units, so that there are several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "UNITS_IN_PART", 6)
        yield


@pytest.fixture(scope="module")
def built(make):
    return make()


@pytest.fixture(scope="module")
def whole(make):
    """More than there is."""
    return make(replace(RECIPE, stages=(Stage("first", 100_000, ALL, replay=0),)))


def product(out):
    """What two builds must agree on."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in ("times.jsonl", "packing.json")
    }


def texts(out, stage, split):
    """The prompt and the answer of every document."""
    tokenizer = Tokenizer.load(out / "tokenizer")
    rows = Rows(out / "rows" / stage / split, tokenizer.fingerprint)
    for number in range(len(rows)):
        tokens = rows.row(number).tokens.tolist()
        for span in rows.spans(number):
            assert tokens[span.start] == tokenizer.bos
            assert tokens[span.end - 1] == tokenizer.eos
            yield (
                tokenizer.decode(tokens[span.start : span.answer]),
                tokenizer.decode(tokens[span.answer : span.end]),
                rows.manifest["sources"][span.source],
            )


# -- what is in it


def test_answers_are_learnt_and_prompts_are_not_and_tags_are_only_ours(whole):
    out, _ = whole
    tokenizer = Tokenizer.load(out / "tokenizer")
    found = list(texts(out, "first", "train"))
    assert len(found) > 60
    for prompt, answer, _ in found:
        assert prompt.startswith("[INST] number ")
        assert prompt.endswith(" [/INST]")
        assert answer.startswith("</code> ")
    rows = Rows(out / "rows" / "first" / "train")
    assert not (rows.batch(range(len(rows))).tokens == tokenizer.special("</code>")).any()


def test_every_split_is_of_its_projects(whole):
    out, _ = whole
    for project, split in ((TRAIN, "train"), (VALIDATION, "validation"), (TEST, "test")):
        found = [prompt for prompt, _, _ in texts(out, "first", split)]
        assert len(found) >= 8
        assert all(f" of {project}," in prompt or "the same in all splits" in prompt for prompt in found)


def test_an_example_is_in_one_split_only_and_that_is_the_one_to_be_tested_on(whole):
    out, report = whole
    where = Counter(
        split
        for split in ("train", "validation", "test")
        for prompt, _, _ in texts(out, "first", split)
        if "the same in all splits" in prompt
    )
    assert where == {"test": 1}
    assert report["dropped"]["naming, train: in another split"] == 1
    assert report["dropped"]["naming, validation: in another split"] == 1


def test_a_crash_costs_one_example(whole):
    out, report = whole
    left_out = report["documents"]["naming"]["train"]["left_out"]
    assert (left_out["crashed"], left_out["too odd"]) == (2, 1)
    answers = Counter(answer for _, answer, _ in texts(out, "first", "train"))
    assert (answers["</code> crash1\n"], answers["</code> odd3\n"], answers["</code> f1\n"]) == (2, 2, 3)


def test_what_is_longer_than_the_context_is_left_out_and_counted(whole):
    out, report = whole
    left_out = report["documents"]["naming"]["train"]["left_out"]
    assert left_out["prompt longer than the context"] > 5
    assert not any("number 29 of" in prompt for prompt, _, _ in texts(out, "first", "train"))


def test_a_source_that_runs_out_is_named_and_nothing_is_used_twice(whole):
    out, report = whole
    (one,) = [each for each in report["ran out"] if each["split"] == "train"]
    stage = report["stages"]["first"]["train"]
    assert (one["wanted"], one["taken"], one["epochs"]) == (100_000, stage["tokens"], 1)
    prompts = [prompt for prompt, _, _ in texts(out, "first", "train")]
    assert len(set(prompts)) == len(prompts)


def test_epochs_repeat_only_where_the_recipe_says_so(make, whole):
    tokens = whole[1]["stages"]["first"]["train"]["tokens"]
    out, report = make(replace(RECIPE, stages=(Stage("first", 2 * tokens, ALL, replay=0, epochs=3),)))
    assert tokens * 2 <= report["stages"]["first"]["train"]["tokens"] < tokens * 2 + 128
    assert set(Counter(prompt for prompt, _, _ in texts(out, "first", "train")).values()) <= {2, 3}


def test_stages_have_the_tokens_the_shares_and_the_replay_of_the_recipe(built):
    out, report = built
    first, second = (report["stages"][name]["train"] for name in ("first", "second"))
    assert 1500 <= first["tokens"] <= 1500 + 128
    assert 1000 <= second["tokens"] <= 1000 + 2 * 128
    replayed = [source for source in second["sources"] if source["replayed"]]
    fresh = [source for source in second["sources"] if not source["replayed"]]
    assert [source["source"] for source in fresh] == ["even 1"]
    assert {source["replayed"] for source in replayed} == {"first"}
    assert 0.12 <= sum(source["tokens"] for source in replayed) / second["tokens"] <= 0.25
    earlier = {prompt for prompt, _, _ in texts(out, "first", "train")}
    assert all(prompt in earlier for prompt, _, source in texts(out, "second", "train") if source["replayed"])
    assert not any(source["replayed"] for _, _, source in texts(out, "second", "test"))


def test_shares_of_a_mixture(make):
    mixture = (Share("naming", "even 0", 0.75), Share("naming", "even 2", 0.25))
    _, report = make(replace(RECIPE, stages=(Stage("mixed", 1200, mixture, replay=0),)))
    tokens = {source["source"]: source["tokens"] for source in report["stages"]["mixed"]["train"]["sources"]}
    assert tokens.keys() == {"even 0", "even 2"}
    assert 900 <= tokens["even 0"] <= 1028
    assert 300 <= tokens["even 2"] <= 428


def test_prompts_are_learnt_where_the_recipe_says_so_and_only_in_training(make, built):
    stages = tuple(replace(stage, prompts=True) for stage in RECIPE.stages)
    _, report = make(replace(RECIPE, stages=stages))
    for name, splits in built[1]["stages"].items():
        found = report["stages"][name]
        assert found["train"]["learnt"] == found["train"]["tokens"] - found["train"]["documents"]  # all but BOS
        assert found["train"]["tokens"] == splits["train"]["tokens"]
        assert splits["train"]["learnt"] < found["train"]["learnt"]
        assert found["test"] == splits["test"]


def test_no_more_is_made_than_is_wanted(built, whole):
    made = built[1]["documents"]["naming"]["train"]["units"]
    assert made < whole[1]["documents"]["naming"]["train"]["units"] == len(SOURCES[TRAIN])


def test_units_may_be_limited(make, whole):
    _, report = make(RECIPE, limit_units=6)
    assert {split: one["units"] for split, one in report["documents"]["naming"].items()} == dict.fromkeys(
        ("train", "validation", "test"), 6
    )


def test_the_report_adds_up(whole):
    out, report = whole
    assert read_report(out) == report
    assert report["examples in two splits"] == 0
    assert report["tasks"] == {"naming": 7}
    stage = report["stages"]["first"]["train"]
    assert stage["documents"] == len(list(texts(out, "first", "train")))
    assert sum(source["learnt"] for source in stage["sources"]) == stage["learnt"] < stage["tokens"]
    made = report["documents"]["naming"]["train"]
    assert sum(made["documents"].values()) == stage["documents"] + 1  # the one that is in another split
    times = read_times(out)
    assert times["documents per core-second"]["naming"] > 0
    assert times["tokens packed per second"] > 0


# -- long texts


def test_a_long_text_is_cut_after_lines_and_nothing_of_it_is_lost():
    tokenizer = Tokenizer.load()
    encoder = Encoder(tokenizer, 64)
    text = "".join(f"%{n} = add i32 %{n - 1}, {n * 7919}\n" for n in range(2, 60)) + "x" * 3000
    plain = Example("t", 1, "ir", "compact", "u", "p", "train", (), ((text, False),), '{"llvm": "17"}')
    pieces = list(encoder.documents(plain))
    ids = [memoryview(piece.tokens).cast("H").tolist() for piece in pieces]
    assert all(len(each) <= 64 and each[0] == tokenizer.bos for each in ids)
    assert [tokenizer.eos in each for each in ids] == [False] * (len(ids) - 1) + [True]
    cut = [tokenizer.decode(each) for each in ids]
    assert "".join(cut) == text
    assert all(each.endswith("\n") for each in cut if "add" in each and "x" not in each)
    assert {piece.answer for piece in pieces} == {1}
    assert [json.loads(piece.replay).get("piece", 0) for piece in pieces] == list(range(len(pieces)))
    assert sum(piece.text_bytes for piece in pieces) == len(text)


def test_a_text_of_just_the_context_is_one_piece():
    encoder = Encoder(Tokenizer.load(), 64)
    for digits, count in ((124, 1), (125, 2)):
        plain = Example("t", 1, "ir", "compact", "u", "p", "train", (), (("7" * digits, False),), "{}")
        assert len(list(encoder.documents(plain))) == count


def test_code_over_the_context_is_cut_where_an_example_may_be():
    tokenizer = Tokenizer.load()
    prompt = (("[INST] ", True), ("1 2 3 4 5 6 7 8 9" * 40, False), (" [/INST]", True))
    whole = Example("t", 1, "s", "compact", "u", "p", "train", prompt, (("'sroa'", False),), "{}")
    encoder = Encoder(tokenizer, 128)
    assert list(encoder.documents(whole)) == [LeftOut("t", "prompt longer than the context")]
    (made,) = encoder.documents(replace(whole, room=20))
    assert made.answer in (107, 108)  # BOS included; what is left of 128 is for the answer
    text = tokenizer.decode(array("H", made.tokens))
    assert text.startswith("[INST] 1 2 3") and text.endswith(" [/INST]'sroa'")
    assert list(encoder.documents(replace(whole, room=126))) == [LeftOut("t", "prompt longer than the context")]


# -- labels


def test_units_with_labels_come_first_and_tasks_that_need_one_see_no_others(make, corpus, tmp_path, monkeypatch):
    labels = labelled(tmp_path / "labels", corpus)
    monkeypatch.setattr(THIS, "needs_label", True)
    _, report = make(labels=[labels])
    made = report["documents"]["naming"]
    assert made["train"]["units"] == len(SOURCES[TRAIN]) // 2
    assert made["validation"]["units"] == made["test"]["units"] == 0
    assert {(one["stage"], one["split"]) for one in report["ran out"]} >= {("first", "test"), ("first", "validation")}


def test_a_unit_has_an_example_for_each_protocol_that_it_has_labels_for(make, corpus, tmp_path):
    both = [labelled(tmp_path / name, corpus, protocol=name) for name in ("ship", "paper")]
    settings = {"flag_tuning": {"code": False}}
    stages = (Stage("only", 100_000, (Share("flag_tuning", "", 1.0),)),)
    recipe = replace(RECIPE, model=Model("nano", 2048), stages=stages, tasks=settings)
    out, report = make(recipe, labels=both, task=flag_tuning)
    made = report["documents"]["flag_tuning"]["train"]
    assert made["documents"]["flag_tuning"] == 2 * made["units"] == 2 * (len(SOURCES[TRAIN]) // 2)
    starts = Counter(prompt.split("<code>")[0] for prompt, _, _ in texts(out, "only", "train"))
    assert starts == {"[INST] opt -p\n": made["units"], "[INST] opt -p paper\n": made["units"]}


def test_labels_of_two_protocols_that_no_prompt_tells_apart_or_of_another_llvm_are_refused(make, corpus, tmp_path):
    one = labelled(tmp_path / "one", corpus)
    with pytest.raises(DataError, match="of different protocols, paper, ship, which"):
        make(
            replace(RECIPE, data=Data("verbatim", 600)),
            labels=[one, labelled(tmp_path / "two", corpus, protocol="paper")],
        )
    with pytest.raises(DataError, match=r"three was made with LLVM 18\.1\.8, this is 17\.0\.6"):
        make(labels=[labelled(tmp_path / "three", corpus, llvm="18.1.8")])
    with pytest.raises(CorpusError, match="holds no labels"):
        make(labels=[tmp_path])


# -- the same again


def test_the_number_of_workers_changes_nothing(make, built):
    out, _ = make(jobs=1)
    assert product(out) == product(built[0])


def test_another_seed_gives_other_rows(make, built):
    out, _ = make(replace(RECIPE, seed=5))
    assert product(out)["rows/first/train/tokens.bin"] != product(built[0])["rows/first/train/tokens.bin"]


@pytest.mark.parametrize(
    "gone",
    [
        ["report.json"],
        ["report.json", "rows/second"],
        ["report.json", "rows", "documents/naming/train-00001.parquet"],
        ["report.json", "rows", "documents", "units"],
    ],
)
def test_what_is_gone_is_made_again_and_is_the_same(make, built, tmp_path, gone):
    copy = shutil.copytree(built[0], tmp_path / "copy")
    for one in gone:
        (shutil.rmtree if (copy / one).is_dir() else os.unlink)(copy / one)
    make(out=copy)
    assert product(copy) == product(built[0])


def test_a_folder_of_something_else_is_not_touched(make, built, tmp_path):
    with pytest.raises(CorpusError, match="holds a folder of rows of another recipe"):
        make(replace(RECIPE, seed=9), out=built[0])
    with pytest.raises(CorpusError, match="another limit on units"):
        make(out=built[0], limit_units=3)
    (tmp_path / "a file").touch()
    with pytest.raises(CorpusError, match="has files in it but is no folder of rows"):
        make(out=tmp_path)
    with pytest.raises(CorpusError, match="is not a folder"):
        make(out=tmp_path / "a file")


def test_a_broken_shard_is_named(make, built, tmp_path):
    copy = shutil.copytree(built[0], tmp_path / "copy")
    (copy / "report.json").unlink()
    shard = copy / "documents" / "naming" / "test-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-30])
    with pytest.raises(CorpusError, match=r"test-00000\.parquet: .*remove it to have it made again"):
        make(out=copy)


def test_a_task_that_there_is_not(make):
    with pytest.raises(RecipeError, match="no task 'namin'; did you mean naming"):
        make(replace(RECIPE, stages=(Stage("first", 10, (Share("namin", "", 1.0),)),)))


# -- archives


def test_an_archive_gives_back_the_rows_and_is_the_same_each_time(built, tmp_path):
    size = pack(built[0], tmp_path / "one.tar.xz")
    pack(built[0], tmp_path / "two.tar.xz")
    assert (tmp_path / "one.tar.xz").read_bytes() == (tmp_path / "two.tar.xz").read_bytes()
    assert size == (tmp_path / "one.tar.xz").stat().st_size
    unpack(tmp_path / "one.tar.xz", tmp_path / "again")
    packed = product(tmp_path / "again")
    assert packed == {name: data for name, data in product(built[0]).items() if not name.startswith(("doc", "units"))}
    with pytest.raises(DataError, match="is there already"):
        unpack(tmp_path / "one.tar.xz", tmp_path / "again")


def test_an_archive_that_was_cut_off_leaves_nothing(built, tmp_path):
    size = pack(built[0], tmp_path / "one.tar.xz")
    (tmp_path / "cut.tar.xz").write_bytes((tmp_path / "one.tar.xz").read_bytes()[: size // 2])
    (tmp_path / "text.tar.xz").write_text("no archive")
    for broken in ("cut", "text"):
        with pytest.raises(DataError, match="not an archive of rows, or cut off"):
            unpack(tmp_path / f"{broken}.tar.xz", tmp_path / "again")
    assert {path.name for path in tmp_path.iterdir()} == {"one.tar.xz", "cut.tar.xz", "text.tar.xz"}


def test_an_archive_with_a_path_that_leads_out_is_refused(tmp_path):
    import io
    import tarfile

    for bad in ("../evil", "/evil", "rows/../../evil", "other.txt"):
        with tarfile.open(tmp_path / "bad.tar.xz", "w:xz") as tar:
            entry = tarfile.TarInfo(bad)
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"evil"))
        with pytest.raises(DataError, match="is nothing that rows have"):
            unpack(tmp_path / "bad.tar.xz", tmp_path / "out")
        assert not list(tmp_path.rglob("evil"))
