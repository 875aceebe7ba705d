from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from llm_compiler.autotune.deny import Denied, denied, dump_denied, load_denied
from llm_compiler.autotune.passlisteval import PassListEval, _promise, blame, minimise_rejection
from llm_compiler.autotune.suites import Program, SuiteError, default_suite, load_suite
from llm_compiler.llvm.passes import PassList, Vocabulary
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.verdict import Verdict
from tests.conftest import ROOT, SHARED, needs_shared

GOOD = "int main(void) { return 0; }"
BREAKS_SORT = "module(iroutliner),module(attributor)"


def program(name: str, text: str, **more: object) -> Program:
    return replace(Program(name, "c", text.encode(), flags=("-w",)), **more)  # type: ignore[arg-type]


def parse(text: str) -> PassList:
    return PassList.parse(text)


Open = Callable[..., PassListEval]


@pytest.fixture
def checker_for(toolchain: Toolchain) -> Iterator[Open]:
    """A checker with one worker and an empty deny list, closed at the end."""
    opened = []

    def open_(*programs: Program, **options: object) -> PassListEval:
        checker = PassListEval(toolchain, programs, **{"jobs": 1, "deny": ()} | options)  # type: ignore[arg-type]
        opened.append(checker)
        return checker.__enter__()

    yield open_
    for checker in opened:
        checker.__exit__()


@pytest.fixture(scope="module")
def sort() -> Program:
    (found,) = load_suite(ROOT / "examples" / "sort.c")
    return found


# -- suites


def test_a_folder_is_a_suite_with_its_subfolders(tmp_path: Path) -> None:
    (tmp_path / "ieee").mkdir()
    (tmp_path / "a.c").write_text(f"// flags: -pthread -DN=1 -lrt\n{GOOD}")
    (tmp_path / "ieee" / "b.cpp").write_text(f'/* {{ dg-options "-fwrapv -fweird" }} */\n{GOOD}')
    (tmp_path / "README.md").write_text("no program")
    one, other = load_suite(tmp_path)
    assert (one.name, one.language, one.flags) == (f"{tmp_path.name}/a.c", "c", ("-w", "-pthread", "-DN=1"))
    assert one.libraries == ("-pthread", "-lrt", "-lm")
    assert (other.name, other.language, other.flags) == (f"{tmp_path.name}/ieee/b.cpp", "c++", ("-w", "-fwrapv"))


def test_a_jsonl_like_humaneval_x_is_a_suite(tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    problem = {"task_id": "CPP/7", "prompt": "int f(", "canonical_solution": "){return 1;}", "test": "int main(){}"}
    file.write_text(json.dumps(problem))
    (found,) = load_suite(file)
    assert (found.name, found.language, found.text) == ("CPP/7", "c++", b"int f(){return 1;}int main(){}")
    assert "-std=c++11" in found.flags


@pytest.mark.parametrize(
    ("name", "contents", "words"),
    [
        ("garbage.jsonl", "\x00garbage", "line 1 is not a problem as HumanEval-X has them"),
        ("list.jsonl", "[1]", "line 1 is not a problem"),
        ("numbers.jsonl", '{"prompt": 1, "canonical_solution": 2, "test": 3}', "line 1 is not a problem"),
        ("empty.jsonl", "", "no C or C++ programs in it"),
        ("text.txt", "text", "a suite is a folder"),
        ("missing.c", None, "No such file"),
    ],
)
def test_what_is_no_suite_is_one_line(tmp_path: Path, name: str, contents: str | None, words: str) -> None:
    if contents is not None:
        (tmp_path / name).write_text(contents)
    with pytest.raises(SuiteError, match=re.escape(words)) as caught:
        load_suite(tmp_path / name)
    assert "\n" not in str(caught.value)


@needs_shared
def test_humaneval_x_is_read_whole() -> None:
    assert len(load_suite(SHARED / "data" / "humaneval_x_cpp.jsonl")) == 164


def test_the_packaged_suite_is_there() -> None:
    assert len(default_suite()) > 10


# -- verdicts


def test_what_fails_already_is_left_out_and_said(checker_for: Open) -> None:
    checker = checker_for(
        program("good", GOOD),
        program("fails", '#include <stdio.h>\nint main(void) { puts("two is not three"); return 1; }'),
        program("dies", "int main(void) { __builtin_trap(); }"),
        program("garbage", "this is no C"),
        program("library", "int f(void) { return 0; }"),
        program("only at -Oz", "int main(void) {\n#ifdef __OPTIMIZE__\nreturn 4;\n#endif\n}"),
    )
    assert [p.name for p in checker.programs] == ["good"]
    assert checker.left_out["fails"] == "unoptimised: failed, exit status 1: two is not three"
    assert "SIG" in checker.left_out["dies"]
    assert checker.left_out["garbage"].startswith("does not compile: ")
    assert "unlinkable" in checker.left_out["library"]
    assert [verdict.ok for verdict in checker.check([parse("module(default<O2>)")])] == [True]


def test_a_suite_of_nothing_is_an_error(toolchain: Toolchain) -> None:
    with pytest.raises(SuiteError, match="no program to try pass lists on; bad does not compile"):
        PassListEval(toolchain, [program("bad", "bad")], jobs=1).__enter__()


def test_old_c_is_compiled_as_old_c(checker_for: Open) -> None:
    assert checker_for(program("old", "main() { exit(undeclared()); } undeclared() { return 0; }")).left_out == {}


def test_a_program_may_include_what_lies_beside_it(tmp_path: Path, checker_for: Open) -> None:
    (tmp_path / "status.h").write_text("enum { STATUS = 0 };")
    file = tmp_path / "one.c"
    file.write_text('#include "status.h"\nint main(void) { return STATUS; }')
    assert checker_for(*load_suite(file)).left_out == {}


def test_constructors_run_in_their_order(checker_for: Open) -> None:
    text = """static int n; int a, b;
    __attribute__((constructor(300))) static void second(void) { b = ++n; }
    __attribute__((constructor(200))) static void first(void) { a = ++n; }
    int main(void) { return !(a == 1 && b == 2); }"""
    assert checker_for(program("constructors", text)).left_out == {}


@pytest.mark.parametrize(
    ("passes", "reason", "words"),
    [
        ("module(default<O2>)", "ok", ""),
        ("module(trigger-crash)", "crashed", "SIG"),
        ("module(no-such-pass)", "invalid", "no-such-pass"),
        ("module(internalize)", "unlinkable", "main"),
        ("module(globaldce)", "unlinkable", "inlined"),
    ],
)
def test_the_reason_says_what_went_wrong(checker_for: Open, passes: str, reason: str, words: str) -> None:
    text = "extern inline __attribute__((gnu_inline, always_inline)) int inlined(int x) { return x; }\n"
    checker = checker_for(program("inline", text + "int main(int c, char **v) { return inlined(c - 1); }"))
    (verdict,) = checker.check([parse(passes)])
    assert (verdict.ok, verdict.reason) == (reason == "ok", reason)
    assert words in verdict.detail
    assert reason == "ok" or verdict.detail.startswith("inline: ")


def test_verdicts_come_in_the_order_of_the_lists(checker_for: Open, sort: Program) -> None:
    bad, good, entry = parse("module(trigger-crash)"), parse("module(default<Oz>)"), parse("function(reg2mem)")
    checker = checker_for(program("good", GOOD), sort, jobs=2, deny=[Denied(("reg2mem",), "x", "y", "z")])
    lists = [entry, good, bad, entry, entry, good, bad, good, entry]
    reasons = ["denied", "ok", "crashed", "denied", "denied", "ok", "crashed", "ok", "denied"]
    assert [verdict.reason for verdict in checker.check(lists)] == reasons
    assert list(checker.check([])) == []


def test_a_miscompiling_list_is_rejected_and_minimised(checker_for: Open, sort: Program) -> None:
    checker = checker_for(program("good", GOOD), sort)
    passes = parse("function(dce),module(always-inline),module(iroutliner),function(dce),module(attributor,globaldce)")
    (verdict,) = checker.check([passes])
    assert (verdict.ok, verdict.reason, verdict.detail.partition(":")[0]) == (False, "failed", "sort.c")
    minimal = minimise_rejection(checker, passes)
    assert str(minimal) == BREAKS_SORT
    entry = blame(checker, passes)
    assert entry is not None
    assert (entry.passes, entry.program) == (("iroutliner", "attributor"), "sort.c")
    shown = f"--ignore-denied --miscompiled-only '{BREAKS_SORT}' --no-default-suite --suite "
    assert entry.reproduce.startswith(f"llmc passlist check {shown}")
    assert minimise_rejection(checker, parse("function(dce)")) == parse("function(dce)")


def test_the_program_that_rejected_before_comes_first(checker_for: Open, sort: Program, tmp_path: Path) -> None:
    small = [program(f"small {n}", GOOD) for n in range(3)]
    checker = checker_for(*small, sort)
    assert [verdict.ok for verdict in checker.check([parse(BREAKS_SORT)])] == [False]
    assert min(checker._ready, key=_promise).program == sort


def test_what_only_fails_to_build_can_be_tolerated(checker_for: Open) -> None:
    checker = checker_for(program("good", GOOD), program("other", GOOD), tolerate=["crashed"])
    (verdict,) = checker.check([parse("module(trigger-crash)")])
    assert verdict.ok
    assert verdict.detail.startswith("2 not built: good: ")


def test_an_object_that_was_run_is_not_run_again(checker_for: Open) -> None:
    checker = checker_for(program("good", GOOD))
    (ready,) = checker._ready
    assert len(ready.known) == 2  # unoptimised, with -Oz
    same = [parse("function(sroa)"), parse("function(dce)"), parse("module(default<O0>)")]
    assert all(verdict.ok for verdict in checker.check(same * 3))
    assert len(ready.known) == 2
    ready.known.update(dict.fromkeys(ready.known, Verdict(False, "failed", "as remembered")))
    assert list(checker.check(same[2:])) == [Verdict(False, "failed", "good: as remembered")]


def test_nothing_is_left_behind(toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bad = program("bad", "int main(void) { return 1; }")
    with PassListEval(toolchain, [program("good", GOOD), bad], jobs=2) as checker:
        assert len(list(tmp_path.iterdir())) == 1
        lists = checker.check(PassList.parse("module(default<O1>)") for _ in range(1000))
        next(lists)
        lists.close()  # type: ignore[attr-defined] # what a Ctrl-C does
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_front_end_runs_once_for_each_text(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for _ in range(2):
        with PassListEval(toolchain, [program("good", GOOD)], jobs=1):
            (kept,) = tmp_path.rglob("*.bc")
    kept.write_bytes(b"spoilt")
    with pytest.raises(SuiteError), PassListEval(toolchain, [program("good", GOOD)], jobs=1):
        pass


def test_a_cache_that_cannot_be_written_is_done_without(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    with PassListEval(toolchain, [program("good", GOOD)], jobs=1) as checker:
        assert checker.left_out == {}


# -- the deny list


@pytest.mark.parametrize(
    ("passes", "found"),
    [
        ("module(iroutliner),function(dce),cgscc(devirt<2>(function(sroa))),module(attributor)", True),
        ("iroutliner,attributor,default<O3>", True),
        ("module(attributor),module(iroutliner)", False),
        ("module(iroutliner)", False),
    ],
)
def test_an_entry_denies_lists_that_have_its_passes_in_order(passes: str, found: bool) -> None:
    entry = Denied(("iroutliner", "attributor"), "sort.c", "failed", "llmc ...")
    assert denied(parse(passes), [Denied(("no",), "", "", ""), entry]) == (entry if found else None)


def test_a_denied_list_is_not_even_run(checker_for: Open) -> None:
    checker = checker_for(program("good", GOOD), deny=[Denied(("sroa", "dce"), "sort.c", "failed", "llmc ...")])
    known = dict(checker._ready[0].known)
    (verdict,) = checker.check([parse("function(sroa,adce,dce)")])
    assert (verdict.ok, verdict.reason, verdict.detail) == (False, "denied", "sroa,dce breaks sort.c")
    assert checker._ready[0].known == known


def test_a_deny_list_reads_back_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = (Denied(("a<b>", "c"), 'x "y".c', "exit status 1: \\ é 🐛", "llmc 'z'"), Denied(("d",), "e", "f", "g"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "deny-1.2.3.toml").write_text(dump_denied(entries))
    monkeypatch.setattr("llm_compiler.autotune.deny.resources.files", lambda _: tmp_path)
    assert load_denied("1.2.3") == entries
    assert load_denied("9.9.9") == ()


def test_the_shipped_deny_list_has_real_passes_and_not_the_best_lists(vocabulary: Vocabulary) -> None:
    entries = load_denied(vocabulary.version)
    assert any(denied(parse(BREAKS_SORT), [entry]) for entry in entries)
    for entry in entries:
        assert set(entry.passes) <= vocabulary.passes.keys()
        assert entry.passes and entry.program and entry.detail
        assert entry.reproduce.startswith("llmc passlist check --ignore-denied ")
    assert denied(parse("module(default<Oz>)"), entries) is None


@pytest.mark.slow
def test_random_lists_leave_every_worker_well(toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    rng = random.Random(3)
    lists = [vocabulary.random_list(rng, 12) for _ in range(20)]
    programs = [p for p in default_suite() if p.language == "c"][:4]
    with PassListEval(toolchain, programs, jobs=2) as checker:
        verdicts = list(checker.check(lists))
        assert len(verdicts) == 20
        assert all(v.ok for v in checker.check([parse("module(default<Oz>)")]))
