"""Benchmarks: what is taken from a corpus, from folders and from the trees of known suites, and what overlaps."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from llm_compiler.autotune.tune import Selection
from llm_compiler.corpus import store
from llm_compiler.corpus.store import CorpusError
from llm_compiler.evaluation.benchmark import Suite, overlap, suite_of, suites, take, units
from llm_compiler.llvm.toolchain import Toolchain
from tests.small_projects import CLAMP, MIXED, TEST, TRAIN, VALIDATION, build, names, write
from tests.test_duplicates import CHECKSUM, COUNT, SUM

NEAR = CHECKSUM.replace("33u", "37u").replace("checksum(", "near(")
SQUARE = "int square(int x) { return x * x; }\n"
READY = """target triple = "x86_64-unknown-linux-gnu"
define i32 @ready(i32 %x) {
  %y = shl i32 %x, 4
  ret i32 %y
}
"""


def program(name: str, also: str = "") -> str:
    """A file of two functions that no other has, so that file and functions are units of their own."""
    text = "int {0}_one(int x) {{ return x + 7; }}\nint {0}(int x) {{ return {0}_one(x) * 3; }}\n"
    return also + text.format(name)


@pytest.fixture(scope="module")
def corpus(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in training, with code of the test split's among it, and one in test."""
    place = tmp_path_factory.mktemp("projects")
    write(place / TRAIN, {**MIXED, "near.c": NEAR, "count.c": COUNT})
    write(place / TEST, {"checksum.c": CHECKSUM, "sum.c": SUM, "three.c": program("three")})
    write(place / VALIDATION, {"own.c": "int own(int x) { return x ^ 5; }\n"})
    build(place / "corpus", toolchain, place / TRAIN, place / TEST, place / VALIDATION)
    return place / "corpus"


@pytest.fixture(scope="module")
def taken(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """A folder of C and IR with what people's folders have in them, the benchmark made of it, and its manifest."""
    place = tmp_path_factory.mktemp("folder")
    source = write(
        place / "theirs",
        {"a.c": program("a"), "sub/b.c": program("b"), "copy.c": program("a"), "broken.c": "int broken( {\n"},
    )
    (source / "ready.ll").write_text(READY)
    (source / "out.c").symlink_to("/etc/passwd")
    Path(os.fsdecode(os.fsencode(source) + b"/odd\xff.c")).write_text(program("odd"))
    write(place, {"secret.c": program("secret")})
    (source / "elsewhere").symlink_to(place)
    return source, place / "out", take(place / "out", source, Selection(), toolchain, jobs=2)


# -- from a corpus


def test_of_a_corpus_the_units_with_the_lowest_ids_are_taken(
    corpus: Path, toolchain: Toolchain, tmp_path: Path
) -> None:
    selection = Selection(split="test", functions=2, modules=None)
    manifest = take(tmp_path / "out", corpus, selection, toolchain)
    of_split = list(store.units(corpus, "test"))
    functions = sorted(unit.id for unit in of_split if unit.kind == "function")
    modules = [unit.id for unit in of_split if unit.kind == "module"]
    assert len(functions) > 2
    assert modules
    assert {unit.id for unit in units(tmp_path / "out")} == {*functions[:2], *modules}
    assert manifest["name"] == "corpus-test"
    assert manifest["counts"] == {
        "units": 2 + len(modules),
        "function units": 2,
        "module units": len(modules),
        "left out": {"beyond the functions asked for": len(functions) - 2},
    }


def test_a_corpus_of_another_llvm_is_refused(corpus: Path, toolchain: Toolchain, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(corpus, other)
    store.write_json(other / "manifest.json", {**store.read_manifest(corpus), "llvm": "3.4.0"})
    with pytest.raises(CorpusError, match=r"made with LLVM 3\.4\.0"):
        take(tmp_path / "out", other, Selection(split="test"), toolchain)


# -- from a folder


def test_every_unit_of_a_folder_is_taken_whatever_its_name(taken: tuple[Path, Path, dict[str, Any]]) -> None:
    _, out, manifest = taken
    found = list(units(out))
    assert names(found) == ["a", "a_one", "b", "b_one", "odd", "odd_one", "ready"]
    assert {unit.split for unit in found} == {"test"}
    assert [(row["id"], row["kind"], row["file"]) for row in manifest["units"]] == [
        (unit.id, unit.kind, unit.file) for unit in found
    ]
    assert len({unit.id for unit in found}) == len(found)
    assert "odd\\xff.c" in {unit.file for unit in found}


def test_what_became_of_each_file_is_counted(taken: tuple[Path, Path, dict[str, Any]]) -> None:
    counts = taken[2]["counts"]
    assert (counts["files"], counts["compiled"]) == (6, 5)
    assert counts["failed"] == {"file does not compile": 1}
    assert counts["skipped"] == {"link": 1}
    assert counts["dropped"] == {"duplicate in its project": 4}  # all three of copy.c, and ready.ll as a module
    assert counts["programs"] == {"theirs": {"files": 6, "compiled": 5}}
    assert counts["units"] == counts["function units"] + counts["module units"] == len(taken[2]["units"])


def test_the_version_names_the_code_and_not_the_place(
    taken: tuple[Path, Path, dict[str, Any]], toolchain: Toolchain, tmp_path: Path
) -> None:
    source, _, manifest = taken
    files = {"x.c": program("a"), "y.c": program("b"), "z.c": program("odd")}
    (tmp_path / "moved").mkdir()
    shutil.copy(source / "ready.ll", tmp_path / "moved")
    moved = take(tmp_path / "one", write(tmp_path / "moved", files), Selection(), toolchain)
    assert moved["version"] == manifest["version"]
    assert (manifest["name"], moved["name"]) == ("theirs", "moved")
    write(tmp_path / "moved", {"y.c": program("bb")})
    assert take(tmp_path / "two", tmp_path / "moved", Selection(), toolchain)["version"] != manifest["version"]


def test_what_is_taken_is_not_taken_again(
    taken: tuple[Path, Path, dict[str, Any]], toolchain: Toolchain, tmp_path: Path
) -> None:
    source, out, manifest = taken
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert take(out, source, Selection(), toolchain) == manifest
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == written
    # Killed before the manifest was written: the corpus is there, the rest is made again.
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    (copy / "benchmark.json").unlink()
    (copy / "units" / "part-00000.parquet").write_bytes(b"half")
    assert take(copy, source, Selection(), toolchain) == manifest
    assert [unit.id for unit in units(copy)] == [unit.id for unit in units(out)]


def test_a_folder_of_another_benchmark_is_not_touched(
    taken: tuple[Path, Path, dict[str, Any]], toolchain: Toolchain, tmp_path: Path
) -> None:
    source, out, _ = taken
    with pytest.raises(CorpusError, match="a benchmark of another functions"):
        take(out, source, Selection(functions=1), toolchain)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(CorpusError, match="has files in it but is no benchmark"):
        take(tmp_path, source, Selection(), toolchain)


def test_a_folder_without_code_says_why(toolchain: Toolchain, tmp_path: Path) -> None:
    write(tmp_path / "empty", {"readme.txt": "nothing"})
    with pytest.raises(CorpusError, match="no unit to evaluate; 0 of 0 files compile"):
        take(tmp_path / "out", tmp_path / "empty", Selection(), toolchain)
    write(tmp_path / "bad", {"bad.c": "int bad( {\n"})
    with pytest.raises(CorpusError, match=r"0 of 1 files compile \(1 file does not compile\)"):
        take(tmp_path / "out2", tmp_path / "bad", Selection(), toolchain)


def test_a_compile_commands_json_is_taken_at_its_word(toolchain: Toolchain, tmp_path: Path) -> None:
    guarded = "#ifdef WANTED\n" + program("wanted") + "#endif\n"
    source = write(
        tmp_path / "db", {"dfadd/in.c": guarded, "dfsin/out.c": program("out"), "blowfish/x": "", "motion/x": ""}
    )
    assert suite_of(source) is not None  # without the file it is read as a suite
    entry = {"directory": str(source), "file": "dfadd/in.c", "arguments": ["cc", "-DWANTED", "-c", "dfadd/in.c"]}
    (source / "compile_commands.json").write_text(json.dumps([entry]))
    manifest = take(tmp_path / "out", source, Selection(), toolchain)
    assert names(list(units(tmp_path / "out"))) == ["wanted", "wanted_one"]
    assert (manifest["suite"], manifest["name"]) == (None, "db")


# -- suites

MACRO = "#ifndef {0}\n#error {0} is missing\n#endif\n"
TREES: dict[str, dict[str, str]] = {
    "mibench": {
        "automotive/susan/susan.c": program("susan"),
        "consumer/lame/lame3.70/lame.c": program("lame", MACRO.format("HAVEMPGLIB")),
        "consumer/lame/lame3.70/gtkanal.c": program("window"),
        "consumer/typeset/lout-3.24/z01.c": program("lout", "const char *lib(void) { return LIB_DIR; }\n"),
        "network/dijkstra/dijkstra_small.c": program("dijkstra"),
        "network/patricia/patricia_test.c": program("patricia", '#include "patricia.h"\n'),
        "network/patricia/patricia.h": "struct ptree;\n",
        "security/pgp/src/pgp.c": program("pgp", MACRO.format("UNIX")),
        "telecomm/gsm/src/add.c": program("gsm_add", '#include "private.h"\n' + MACRO.format("SASR")),
        "telecomm/gsm/inc/private.h": "typedef short word;\n",
        "scripts/count.c": program("count"),
    },
    "cbench": {
        "automotive_bitcount/src/bitcnt_1.c": program("bitcnt"),
        "automotive_bitcount/src_work/bitcnt_1.c": program("worked"),
        "automotive_susan_c/src/susan.c": program("susan"),
        "consumer_jpeg_c/src/cjpeg.c": program("cjpeg"),
        "consumer_jpeg_c/src_d/djpeg.c": program("djpeg"),
        "security_sha/src/sha.c": program("sha"),
        "telecom_gsm/src/add.c": program("gsm_add", MACRO.format("SASR")),
        "automotive_susan_data/make.c": program("data"),
    },
    "chstone": {
        "dfadd/dfadd.c": '#include "softfloat.c"\n' + program("dfadd"),
        "dfadd/softfloat.c": program("softfloat_add"),
        "dfsin/dfsin.c": '#include "softfloat.c"\n' + program("dfsin"),
        "dfsin/softfloat.c": program("softfloat_sin"),
        "blowfish/bf.c": program("bf"),
        "motion/mpeg2.c": program("mpeg"),
    },
    "embench": {
        "src/aha-mont64/mont64.c": program("mont", '#include "support.h"\nint mhz(void) { return CPU_MHZ; }\n'),
        "src/nettle-aes/nettle-aes.c": program("aes", '#include "support.h"\n'),
        "src/picojpeg/picojpeg_test.c": program("picojpeg", '#include "support.h"\n'),
        "support/support.h": '#include "beebsc.h"\n',
        "support/beebsc.h": "int rand_beebs(void);\n",
        "support/main.c": program("harness"),
        "config/arm/boards/generic/boardsupport.c": program("board"),
    },
    "csibe": {
        "src/CSiBE-v2.1.1/CSiBE/src/zlib-1.1.4/adler32.c": program("adler"),
        "src/CSiBE-v2.1.1/CSiBE/src/libpng-1.2.5/png.c": program("png", "#include <zlib/zlib_of_csibe.h>\n"),
        "src/CSiBE-v2.1.1/CSiBE/src/include/zlib/zlib_of_csibe.h": "typedef int zlib_of_csibe;\n",
        "src/CSiBE-v2.1.1/CSiBE/src/teem-1.6.0-src/src/air/sane.c": program("teem", MACRO.format("TEEM_ENDIAN")),
        "src/CMSIS/DSP/arm.c": program("arm"),
        "bin/size.c": program("tool"),
    },
}
PROGRAMS = {
    "mibench": [
        *("automotive/susan", "consumer/lame", "consumer/typeset", "network/dijkstra", "network/patricia"),
        *("security/pgp", "telecomm/gsm"),
    ],
    "cbench": ["automotive_bitcount", "automotive_susan_c", "consumer_jpeg_c", "security_sha", "telecom_gsm"],
    "chstone": ["blowfish", "dfadd", "dfsin", "motion"],
    "embench": ["aha-mont64", "nettle-aes", "picojpeg"],
    "csibe": ["libpng-1.2.5", "teem-1.6.0-src", "zlib-1.1.4"],
}
SKIPPED = {
    "mibench": {"another system, or a program with a window": 1, "not part of the suite": 1},
    "cbench": {"a copy made by the suite's scripts": 1, "not part of the suite": 1},
    "chstone": {"part of another file": 2},
    "embench": {"the harness, not a benchmark": 2},
    "csibe": {"not in C, or for ARM only": 1, "not part of the suite": 1},
}


@pytest.mark.parametrize("name", TREES)
def test_the_tree_of_a_suite_is_read_program_by_program(name: str, toolchain: Toolchain, tmp_path: Path) -> None:
    manifest = take(tmp_path / "out", write(tmp_path / "tree", TREES[name]), Selection(), toolchain, jobs=2)
    assert manifest["name"] == name
    assert manifest["suite"]["name"] == name
    counts = manifest["counts"]
    assert counts["failed"] == {}
    assert counts["skipped"] == SKIPPED[name]
    assert sorted({row["project"] for row in manifest["units"]}) == PROGRAMS[name]
    of_program = Counter(row["project"] for row in manifest["units"] if row["kind"] == "module")
    sources = [path for path in TREES[name] if path.endswith(".c")]
    assert of_program.total() == counts["compiled"] == len(sources) - sum(SKIPPED[name].values())


def test_there_is_a_recipe_for_each_suite_and_it_says_where_to_get_it() -> None:
    assert [suite.name for suite in suites()] == list(TREES)
    assert all(suite.about and suite.get and suite.licence for suite in suites())


def test_no_suite_takes_the_tree_of_another(tmp_path: Path) -> None:
    for name, files in TREES.items():
        tree = write(tmp_path / name, files)
        assert [suite.name for suite in suites() if suite.is_in(tree)] == [name]
    assert suite_of(write(tmp_path / "other", {"main.c": SQUARE})) is None


def test_a_recipe_can_be_forced_by_name(toolchain: Toolchain, tmp_path: Path) -> None:
    part = write(tmp_path / "part", {"telecomm/gsm/src/add.c": TREES["mibench"]["telecomm/gsm/src/add.c"]})
    (part / "telecomm/gsm/inc").mkdir()
    (part / "telecomm/gsm/inc/private.h").write_text("typedef short word;\n")
    assert suite_of(part) is None
    manifest = take(tmp_path / "out", part, Selection(), toolchain, suite="mibench")
    assert {row["project"] for row in manifest["units"]} == {"telecomm/gsm"}
    with pytest.raises(CorpusError, match="no suite spec: there are recipes for mibench, cbench"):
        suite_of(part, "spec")


def test_a_file_of_no_program_and_one_left_out_are_told_apart(tmp_path: Path) -> None:
    recipe = Suite("s", "", "", "", [], "(p)/", left_out=[{"files": "p/win", "why": "another system"}])
    tree = write(tmp_path, {"p/a.c": "", "p/win.c": "", "q/a.c": "", "p/test.c": ""})
    found, others = recipe.programs(tree)
    assert found == {("p/", "p"): [str(tree / "p/a.c"), str(tree / "p/test.c")]}
    assert others == {"another system": 1, "not part of the suite": 1}


# -- overlap


def test_a_corpus_own_test_split_has_no_overlap_with_its_training_split(corpus: Path) -> None:
    training = sum(1 for _ in store.units(corpus, "train"))
    assert training > 5
    found = overlap(store.units(corpus, "test"), corpus)
    assert found == {"training units": training, "exact": 0, "near": 0, "ids": []}


def test_units_that_were_trained_on_are_found_exactly_and_nearly(
    corpus: Path, toolchain: Toolchain, tmp_path: Path
) -> None:
    almost = COUNT.replace("n++", "n += 1").replace("count(", "same(")
    files = {"clamp.c": CLAMP, "same.c": almost, "new.c": "double new(double x) { return x / 7 - x * x; }\n"}
    source = write(tmp_path / "theirs", files)
    manifest = take(tmp_path / "out", source, Selection(), toolchain, training=corpus)
    of = {row["name"]: row["id"] for row in manifest["units"]}
    assert manifest["overlap"] == {
        "training": str(corpus),
        "training units": sum(1 for _ in store.units(corpus, "train")),
        "exact": 1,
        "near": 1,
        "ids": sorted((of["clamp"], of["same"])),
    }


def test_overlap_can_be_counted_later(
    taken: tuple[Path, Path, dict[str, Any]], corpus: Path, toolchain: Toolchain, tmp_path: Path
) -> None:
    source, out, manifest = taken
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    assert manifest["overlap"] is None
    later = take(copy, source, Selection(), toolchain, training=corpus)
    assert later["overlap"]["training units"] > 0
    assert {**later, "overlap": None} == manifest
    assert store.read_json(copy / "benchmark.json") == later
