"""One file to units, and their sizes."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest

from llm_compiler.corpus import make
from llm_compiler.corpus.commands import Project
from llm_compiler.corpus.commands import make as command_for
from llm_compiler.corpus.make import Maker, Measurer
from llm_compiler.corpus.normalise import normalise
from llm_compiler.corpus.unit import unit_id
from llm_compiler.llvm.evaluate import Job, evaluate, oz_passes
from llm_compiler.llvm.size import PROTOCOLS
from llm_compiler.llvm.workers import Limits
from tests.conftest import EXAMPLES
from tests.small_projects import CLAMP, MOST, names, unit

GARBAGE = "this is no IR"
BROKEN_IR = "define i32 @f(i32 %x) {\n  %y = add i32 %z, 1\n  %z = add i32 %x, 1\n  ret i32 %y\n}\n"
NVPTX = """target datalayout = "e-i64:64-i128:128-v16:16-v32:32-n16:32:64"
target triple = "nvptx64-nvidia-cuda"

define ptx_kernel void @add(ptr addrspace(1) %0) {
  %2 = load i32, ptr addrspace(1) %0, align 4
  %3 = add i32 %2, 1
  store i32 %3, ptr addrspace(1) %0, align 4
  ret void
}
"""
SLOW = """template <int N, int M> struct F { static constexpr long v = F<N - 1, 2 * M>::v + F<N - 1, 2 * M + 1>::v; };
template <int M> struct F<0, M> { static constexpr long v = M; };
long slow() { return F<26, 0>::v; }
"""


@pytest.fixture
def made(toolchain, tmp_path):
    def made_(name, text, *, translation_units=True):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        project = Project("p", "1.2", "MIT", str(tmp_path))
        language = {".c": "c", ".cpp": "c++", ".ll": "ir"}[path.suffix]
        maker = Maker(toolchain, "test", translation_units)
        maker.prepare()
        return maker(command_for(project, str(path), str(tmp_path), language, (), "folder"))

    return made_


@pytest.fixture
def measured(toolchain):
    def measured_(units):
        measurer = Measurer(toolchain)
        measurer.prepare()
        return measurer(list(units)).units

    return measured_


def test_a_file_becomes_a_module_and_its_functions_with_their_provenance(made, toolchain):
    result = made("clamp.c", CLAMP + "static int one(void) { return 1; }\nint two(void) { return one() + 1; }\n")
    assert [(unit.kind, unit.name) for unit in result.units] == [
        ("function", "clamp"),
        ("function", "two"),
        ("function", "one"),
        ("module", "clamp.c"),
    ]
    assert result.functions == 3
    assert result.compiled
    assert not result.dropped
    for each in result.units:
        assert each.id == unit_id(each.text)
        assert (each.language, each.project, each.version, each.file) == ("c", "p", "1.2", "clamp.c")
        assert (each.licence, each.route, each.split) == ("MIT", "folder", "test")
        assert (each.llvm, each.triple) == (toolchain.version, "x86_64-unknown-linux-gnu")
        assert each.oz_ship == each.instructions == 0


def test_the_same_template_gives_the_same_unit_from_two_files(made):
    def most(name):
        result = made(f"{name}.cpp", MOST + f"int {name}(int x) {{ return most(x, 1); }}\n")
        return [unit for unit in result.units if unit.name.startswith("_Z4most")]

    (first,), (second,) = most("first"), most("second")
    assert (first.id, first.text) == (second.id, second.text)
    assert first.file != second.file


def test_translation_units_can_be_left_out(made):
    result = made("clamp.c", CLAMP, translation_units=False)
    assert [unit.kind for unit in result.units] == ["function"]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("broken.c", "int broken( {", "file does not compile"),
        ("gone.c", None, "file does not compile"),
        ("gone.ll", None, "file does not compile"),
        ("garbage.ll", GARBAGE, "module does not verify"),
        ("broken.ll", BROKEN_IR, "module does not verify"),
    ],
)
def test_a_bad_file_is_counted_with_its_reason(made, name, text, reason):
    result = made(name, text)
    assert result.dropped == {reason: 1}
    assert not result.units
    assert not result.compiled


def test_a_unit_that_is_too_long_is_counted_and_the_others_stay(made, monkeypatch):
    monkeypatch.setattr(make, "TEXT_BYTES", 1200)
    result = made("clamp.c", CLAMP + "int one(void) { return 1; }\n")
    assert result.dropped == {"module: text too long": 1, "function: text too long": 1}
    assert names(result.units) == ["one"]
    assert result.functions == 2


def test_a_compiler_that_hangs_is_stopped(made, monkeypatch):
    monkeypatch.setattr(make, "COMPILE_LIMITS", Limits(seconds=1, megabytes=2048))
    started = time.monotonic()
    result = made("slow.cpp", SLOW)
    assert result.dropped == {"file does not compile": 1}
    assert time.monotonic() - started < 30


def test_a_file_without_anything_in_it_is_a_module(made):
    result = made("empty.c", "")
    assert [unit.kind for unit in result.units] == ["module"]


def test_where_the_time_went_is_measured(made):
    seconds = made("clamp.c", CLAMP).seconds
    assert set(seconds) == {"clang", "llvm", "ours"}
    assert seconds["clang"] > 0


def test_sizes_are_those_that_the_evaluator_finds_for_the_unit_s_text(made, measured, toolchain):
    example = min(EXAMPLES, key=lambda path: (path.suffix != ".c", path.stat().st_size))
    result = made("clamp.c", CLAMP).units + made("example.c", Path(example).read_text()).units
    units = measured(result)
    assert [each.id for each in units] == [each.id for each in result]
    for protocol in PROTOCOLS.values():
        for column, passes in (("oz", oz_passes(toolchain.version, protocol)), ("unoptimised", "verify")):
            jobs = [Job(each.text.encode(), passes, protocol.name) for each in units]
            found = [answer.size.total for answer in evaluate(jobs, toolchain.library, workers=2)]
            assert found == [getattr(each, f"{column}_{protocol.name}") for each in units]
    assert all(0 < each.oz_ship <= each.unoptimised_paper for each in units)


def test_instructions_are_counted_before_optimisation(made, measured):
    function, _ = measured(made("one.c", "int f(int x) { return x + 1; }\n").units)
    assert function.instructions == 5  # alloca, store, load, add, ret


def test_a_unit_for_a_target_that_libllvm_lacks_is_kept_without_sizes(measured):
    text = normalise(NVPTX)
    (kept,) = measured([unit(text)])
    assert kept.instructions == 4
    assert (kept.oz_ship, kept.oz_paper) == (1, 1)  # as they came: zero from `Maker`


def test_units_that_llvm_refuses_are_left_out_and_the_others_measured(made, measured):
    good = made("one.c", "int f(int x) { return x + 1; }\n").units
    no_target = dataclasses.replace(good[0], text="define void @f() {\n  ret void\n}\n")
    units = measured([unit(GARBAGE), good[0], unit(BROKEN_IR), no_target, good[1]])
    assert [each.id for each in units] == [each.id for each in good]


def test_ready_ir_that_may_not_be_read_is_counted(made, tmp_path):
    if os.geteuid() == 0:
        (tmp_path / "closed.ll").mkdir()  # root may read everything but a folder
    else:
        (tmp_path / "closed.ll").write_text(NVPTX)
        (tmp_path / "closed.ll").chmod(0)
    assert made("closed.ll", None).dropped == {"file does not compile": 1}
