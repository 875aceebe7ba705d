"""`llmc corpus` as people use it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llm_compiler.corpus.normalise import compact
from llm_compiler.corpus.store import read_manifest, units
from tests.small_projects import (
    CLAMP,
    MIXED,
    ROOT,
    TEST,
    TRAIN,
    build,
    leftovers,
    llmc,
    names,
    one_line,
    product,
    write,
)

OFFLINE = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is not installed")


@pytest.fixture(scope="module")
def corpus(toolchain, tmp_path_factory):
    """A corpus of two projects."""
    place = tmp_path_factory.mktemp("command")
    build(place / "corpus", toolchain, write(place / TRAIN, MIXED), write(place / TEST, {"clamp.c": CLAMP}))
    return place / "corpus"


def copy_of(corpus, tmp_path):
    shutil.copytree(corpus, tmp_path / "copy")
    return tmp_path / "copy"


# -- build


def test_build_says_what_it_built(tmp_path):
    write(tmp_path / TRAIN, MIXED)
    ended = llmc("corpus", "build", TRAIN, "--out", "corpus", "-j", 2, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert not ended.stderr  # no bar where there is no terminal
    said = ended.stdout.decode()
    assert "files      5, 4 compiled; 9 functions split off" in said
    assert "licences   MIT 11" in said
    assert "1 file does not compile" in said
    assert "CPU time   clang" in said


def test_a_folder_is_the_same_source_from_wherever_it_is_named(tmp_path):
    write(tmp_path / TRAIN, {"a.c": CLAMP})
    for word, place in ((TRAIN, tmp_path), (f"{TRAIN}/", tmp_path), (".", tmp_path / TRAIN)):
        ended = llmc("corpus", "build", word, "--out", tmp_path / "corpus", cwd=place)
        assert ended.returncode == 0, ended.stderr
    assert len(read_manifest(tmp_path / "corpus")["projects"]) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--out", "x"], "no source nowhere"),
        (["debian:", "--out", "x"], "names no Debian package"),
        (["src", "--out", "a_file"], "a_file is not a folder"),
        (["src", "--out", "src"], "src has files in it but is no corpus"),
        (["src", "--out", "other"], "holds a corpus of another llvm (18.1.8, now 17.0.6)"),
        (["src", "--out", "x", "--llvm", "/nowhere"], "no LLVM at /nowhere"),
        (["--out", "x", "--", "no-such-build-tool"], "there is no command no-such-build-tool to watch"),
        (["empty", "--out", "x"], "empty: nothing to compile: no source file in it"),
        (["empty_list", "--out", "x"], "there is no source in what was named"),
    ],
)
def test_what_cannot_be_built_is_one_line(tmp_path, arguments, words):
    write(tmp_path / "src", {"a.c": CLAMP})
    write(tmp_path / "other", {"corpus.json": '{"format": 1, "llvm": "18.1.8", "translation_units": true}'})
    write(tmp_path, {"a_file": "x", "empty_list": "# nothing\n"})
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert words in one_line(llmc("corpus", "build", *arguments, cwd=tmp_path))
    if arguments[0] != "empty":
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("arguments", [["--out", "x"], ["src"], ["src", "--out", "x", "--jobs", "0"], ["--nonsense"]])
def test_wrong_usage_ends_with_2(tmp_path, arguments):
    ended = llmc("corpus", "build", *arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert b"Error: " in ended.stderr
    assert not list(tmp_path.iterdir())


@needs_apt
@pytest.mark.slow
def test_without_a_network_a_debian_package_is_one_line_and_is_tried_again(tmp_path):
    write(tmp_path / TRAIN, {"a.c": CLAMP})
    only = ["corpus", "build", "debian:no-such-package-xyz", "--out", "corpus"]
    said = one_line(llmc(*only, cwd=tmp_path, environment=OFFLINE))
    assert "debian:no-such-package-xyz: nothing to compile: " in said
    ended = llmc(*only, TRAIN, cwd=tmp_path, environment=OFFLINE)
    assert ended.returncode == 0
    assert "left aside 1 no network" in ended.stdout.decode()
    assert ended.stderr.decode().count("\n") == 1
    assert names(list(units(tmp_path / "corpus"))) == ["clamp"]
    assert not leftovers(tmp_path / "corpus")


def test_a_second_build_in_the_same_folder_is_refused(corpus, tmp_path):
    copy = copy_of(corpus, tmp_path)
    from llm_compiler.corpus.store import locked

    write(tmp_path / "src", {"a.c": CLAMP})
    with locked(copy / "corpus.json"):
        assert "another run is at work" in one_line(llmc("corpus", "build", tmp_path / "src", "--out", copy))
    assert product(copy) == product(corpus)


# -- a build that is watched

MAKEFILE = """all: one.o two.o
\t@echo linked; echo careful >&2
%.o: %.c
\t$(CC) -c -DN=3 $< -o $@
bad: one.o
\t@exit 7
"""
needs_make = pytest.mark.skipif(
    shutil.which("make") is None or shutil.which("cc") is None, reason="no make or no C compiler on this machine"
)


@pytest.fixture
def project(tmp_path):
    one, two = "int one(int x) { return x * N; }\n", "int two(int x) { return x - N; }\n"
    return write(tmp_path / TRAIN, {"Makefile": MAKEFILE, "one.c": one, "two.c": two, "not_built.c": CLAMP})


@needs_make
def test_a_watched_build_runs_as_ever_and_what_it_compiled_becomes_units(project, tmp_path):
    out = tmp_path / "corpus"
    ended = llmc("corpus", "build", "--out", out, "--", "make", "-j2", cwd=project)
    assert ended.returncode == 0, ended.stderr
    assert b"linked" in ended.stdout
    assert b"careful" in ended.stderr
    assert (project / "one.o").stat().st_size > 0
    found = list(units(out))
    assert names(found) == ["one", "two"]
    assert {(each.project, each.route) for each in found} == {(TRAIN, "watch")}
    assert all("3" in each.text for each in found)


@needs_make
def test_a_watched_build_ends_with_its_own_exit_code(project, tmp_path):
    ended = llmc("corpus", "build", "--out", tmp_path / "corpus", "--", "sh", "-c", "make one.o; exit 7", cwd=project)
    assert ended.returncode == 7
    assert names(list(units(tmp_path / "corpus"))) == ["one"]


@needs_make
def test_a_watched_build_that_is_interrupted_or_goes_on_loses_nothing(project, tmp_path):
    """What the first run compiled is not compiled by the second, and is in the corpus."""
    out = tmp_path / "corpus"
    kill = "make one.o >/dev/null; kill -9 $PPID"
    killed = llmc("corpus", "build", "--out", out, "--", "sh", "-c", kill, cwd=project)
    assert killed.returncode == -9
    ended = llmc("corpus", "build", "--out", out, "--", "make", "two.o", cwd=project)
    assert ended.returncode == 0, ended.stderr
    assert names(list(units(out))) == ["one", "two"]
    before = product(out)
    assert llmc("corpus", "build", "--out", out, "--", "make", "two.o", cwd=project).returncode == 0
    assert product(out) == before
    assert llmc("corpus", "build", "--out", out, "--", "make", "not_built.o", cwd=project).returncode == 0
    assert names(list(units(out))) == ["clamp", "one", "two"]


# -- show


def test_show_says_what_is_there(corpus):
    said = llmc("corpus", "show", corpus).stdout.decode()
    assert said.startswith(f"{corpus}: LLVM 17.0.6, 2 projects")
    rows = {line.split()[0]: line.split()[1:4] for line in said.splitlines() if line}
    assert rows["train"] == ["10", "6", "4"]
    assert rows["validation"] == ["0", "0", "0"]
    assert rows["test"] == ["1", "1", "0"]
    assert "languages  c 6, c++ 5" in said
    assert "dropped    3 duplicate in its project; 1 file does not compile; 1 duplicate elsewhere" in said


def test_show_json_is_the_manifest_with_the_times(corpus):
    shown = json.loads(llmc("corpus", "show", corpus, "--json").stdout)
    assert set(shown.pop("seconds")) == {"clang", "llvm", "ours"}
    assert shown == read_manifest(corpus)


def test_show_counts_tokens_with_a_tokenizer(corpus, tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="the extra `corpus` is not installed")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    command = ["corpus", "show", corpus, "--tokenizer", tmp_path / "tokenizer.json"]
    shown = json.loads(llmc(*command, "--json").stdout)["tokens"]
    for split in ("train", "validation", "test"):
        texts = [each.text for each in units(corpus, split)]
        assert shown[split]["verbatim"] == sum(len(text.split()) for text in texts)
        assert shown[split]["compact"] == sum(len(compact(text).split()) for text in texts)
    assert "tokens verbatim" in llmc(*command).stdout.decode()
    assert "nowhere.json" in one_line(llmc("corpus", "show", corpus, "--tokenizer", "nowhere.json"))
    write(tmp_path, {"bad.json": "{}"})
    assert "bad.json" in one_line(llmc("corpus", "show", corpus, "--tokenizer", tmp_path / "bad.json"))


# -- export


def test_export_writes_the_texts_with_their_origin(corpus, tmp_path, context):
    ended = llmc("corpus", "export", corpus, "--ll", tmp_path / "ll")
    assert ended.returncode == 0
    assert ended.stderr.decode() == f"11 units in {tmp_path / 'll'}\n"
    for each in units(corpus):
        origin, _, text = (tmp_path / "ll" / f"{each.id}.ll").read_text().partition("\n")
        assert text == each.text
        assert origin.startswith(f"; {each.project} unknown: {each.file}, {each.name} (")
        with context.parse((tmp_path / "ll" / f"{each.id}.ll").read_bytes()) as module:
            module.verify()


def test_export_takes_a_split_a_kind_a_limit_and_compact_text(corpus, tmp_path):
    def exported(*arguments):
        shutil.rmtree(tmp_path / "ll", ignore_errors=True)
        assert llmc("corpus", "export", corpus, "--ll", tmp_path / "ll", *arguments).returncode == 0
        return {path.stem: path.read_text().partition("\n")[2] for path in (tmp_path / "ll").iterdir()}

    train = list(units(corpus, "train"))
    assert set(exported("--split", "train")) == {each.id for each in train}
    assert set(exported("--kind", "module")) == {each.id for each in train if each.kind == "module"}
    assert len(exported("--limit", 2)) == 2
    assert exported("--text", "compact", "--split", "test") == {
        each.id: compact(each.text) for each in units(corpus, "test")
    }


def test_a_name_with_a_newline_stays_in_its_comment(tmp_path, toolchain, context):
    build(tmp_path / "corpus", toolchain, write(tmp_path / TRAIN, {"new\nline \r.c": CLAMP}))
    assert llmc("corpus", "export", tmp_path / "corpus", "--ll", tmp_path / "ll").returncode == 0
    (file,) = (tmp_path / "ll").iterdir()
    with context.parse(file.read_bytes()) as module:
        assert module.functions() == ["clamp"]


@pytest.mark.parametrize("command", [["show"], ["export", "--ll", "ll"]])
def test_what_is_no_complete_corpus_is_one_line(corpus, tmp_path, command):
    write(tmp_path / "folder", {"a.txt": "x"})
    copy = copy_of(corpus, tmp_path)
    (copy / "manifest.json").unlink()

    def said(folder):
        return one_line(llmc("corpus", command[0], folder, *command[1:], cwd=tmp_path))

    assert "no folder nowhere" in said("nowhere")
    assert "folder is no corpus" in said("folder")
    assert "a.txt is not a folder" in said("folder/a.txt")
    assert "is not complete: the same `llmc corpus build`" in said(copy)
    assert not (tmp_path / "ll").exists()


# -- help, and what is not installed


@pytest.mark.parametrize("command", [[], ["build"], ["show"], ["export"]])
def test_help_has_an_example(command):
    said = llmc("corpus", *command, "--help").stdout.decode()
    assert "Example" in said
    assert "  llmc corpus " in said


WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Missing())
from llm_compiler.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [
        ("pyarrow", "corpus", ["build", "src", "--out", "x"]),
        ("rensa", "corpus", ["build", "src", "--out", "x"]),
        ("pyarrow", "corpus", ["show", "x"]),
        ("pyarrow", "corpus", ["export", "x", "--ll", "y"]),
        ("ray", "cluster", ["build", "src", "--out", "x", "--ray", "local"]),
    ],
)
def test_a_missing_package_is_one_line_that_says_what_to_install(tmp_path, package, extra, arguments):
    write(tmp_path / "src", {"a.c": CLAMP})
    command = [sys.executable, "-c", WITHOUT.format(package=package), "corpus", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    said = one_line(ended)
    assert f"{package} is not installed: {sys.executable} -m pip install " in said
    assert f"'{package}>=" in said
    assert f"(the extra [{extra}])" in said
    assert [path.name for path in Path(tmp_path).iterdir()] == ["src"]
