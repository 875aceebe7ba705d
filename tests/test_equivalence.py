from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_compiler.llvm.equivalence import Comparer, Pair, same_behaviour
from llm_compiler.llvm.evaluate import oz_passes
from llm_compiler.llvm.frontend import Source, unoptimised
from llm_compiler.llvm.jit import lock_down
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.verdict import Verdict
from tests.conftest import ROOT

X86 = 'target triple = "x86_64-unknown-linux-gnu"\n'
Compare = Callable[..., Verdict]


@pytest.fixture(scope="session")
def comparer(toolchain: Toolchain) -> Comparer:
    comparer = Comparer(toolchain.library)
    comparer.prepare()
    return comparer


@pytest.fixture(scope="session")
def compare(comparer: Comparer) -> Compare:
    """The verdict on two texts, which need no triple."""

    def compare_(first: str, second: str, name: str = "f", **options: int) -> Verdict:
        chosen = {"inputs": 100} | options
        return comparer(Pair((X86 + first).encode(), (X86 + second).encode(), name, **chosen))  # type: ignore[arg-type]

    return compare_


def binary(operation: str, operands: str = "%x, %y") -> str:
    return f"define i32 @f(i32 %x, i32 %y) {{\n  %r = {operation} i32 {operands}\n  ret i32 %r\n}}\n"


LOOP = """
define i32 @f(ptr %p, i32 %n) {
entry:
  br label %head
head:
  %i = phi i32 [ 0, %entry ], [ %next, %body ]
  %sum = phi i32 [ 0, %entry ], [ %more, %body ]
  %go = icmp slt i32 %i, %n
  br i1 %go, label %body, label %done
body:
  %at = getelementptr i32, ptr %p, i32 %i
  %v = load i32, ptr %at
  %more = add i32 %sum, %v
  %next = add i32 %i, 1
  br label %head
done:
  ret i32 %sum
}
"""
LIST = """
%node = type { i32, ptr }
define i32 @f(ptr %p) {
entry:
  br label %head
head:
  %n = phi ptr [ %p, %entry ], [ %next, %body ]
  %count = phi i32 [ 0, %entry ], [ %more, %body ]
  %none = icmp eq ptr %n, null
  br i1 %none, label %done, label %body
body:
  %v = load i32, ptr %n
  %more = add i32 %count, %v
  %place = getelementptr %node, ptr %n, i32 0, i32 1
  %next = load ptr, ptr %place
  br label %head
done:
  ret i32 %count
}
"""
STRUCT = """
%s = type { i32, double, ptr }
define void @f(ptr %s, double %d) {
  %1 = getelementptr %s, ptr %s, i32 0, i32 1
  store double %d, ptr %1
  %2 = getelementptr %s, ptr %s, i32 0, i32 2
  %3 = load ptr, ptr %2
  %4 = load i16, ptr %3
  %5 = sext i16 %4 to i32
  store i32 %5, ptr %s
  ret void
}
"""
CALLS = """
declare i32 @first(i32)
declare void @second(i32, ptr)
define i32 @f(i32 %x, ptr %p) {
  %a = call i32 @first(i32 %x)
  call void @second(i32 %a, ptr %p)
  %b = call i32 @first(i32 7)
  %r = sub i32 %a, %b
  ret i32 %r
}
"""
ALLOCATES = """
declare noalias ptr @malloc(i64)
define ptr @f(i32 %x) {
  %p = call ptr @malloc(i64 16)
  store i32 %x, ptr %p
  %q = getelementptr i32, ptr %p, i32 1
  store i32 3, ptr %q
  ret ptr %p
}
"""
GLOBALS = """
@counter = external global i32
@last = internal global i32 5
@table = internal constant [4 x i8] c"abcd"
define i8 @f(i32 %x) {
  %c = load i32, ptr @counter
  %d = add i32 %c, %x
  store i32 %d, ptr @counter
  %l = load i32, ptr @last
  store i32 %x, ptr @last
  %i = and i32 %l, 3
  %at = getelementptr i8, ptr @table, i32 %i
  %r = load i8, ptr %at
  ret i8 %r
}
"""
PRINTS = """
@text = private constant [6 x i8] c"%d: a\\00"
declare i32 @printf(ptr, ...)
declare i32 @putchar(i32)
define void @f(i32 %x) {
  call i32 (ptr, ...) @printf(ptr @text, i32 %x)
  call i32 @putchar(i32 10)
  ret void
}
"""
INDIRECT = """
define i32 @f(ptr %callback, i32 %x) {
  %r = call i32 %callback(i32 %x)
  %s = mul i32 %r, %x
  ret i32 %s
}
"""
OUT = """
declare void @get(ptr)
define i32 @f() {
  %n = alloca i32
  call void @get(ptr %n)
  %v = load i32, ptr %n
  %r = sdiv i32 %v, 3
  ret i32 %r
}
"""
FLOATS = """
define double @f(double %x, float %y) {
  %w = fpext float %y to double
  %d = fdiv double %x, %w
  %c = fcmp olt double %d, 1.000000e+00
  %r = select i1 %c, double %d, double 1.000000e+00
  ret double %r
}
"""
SAFE_DIVISION = """
define i32 @f(i32 %x, i32 %y) {
  %z = icmp eq i32 %y, 0
  %q = select i1 %z, i32 1, i32 %y
  %r = sdiv i32 %x, %q
  ret i32 %r
}
"""
SETJMP = """
declare i32 @_setjmp(ptr)
define i32 @f(ptr %p) {
  %r = call i32 @_setjmp(ptr %p)
  ret i32 %r
}
"""
FUNCTIONS = (LOOP, LIST, STRUCT, CALLS, ALLOCATES, GLOBALS, PRINTS, INDIRECT, OUT, FLOATS)


@pytest.mark.parametrize("text", FUNCTIONS)
def test_every_function_behaves_as_itself(compare: Compare, text: str) -> None:
    verdict = compare(text, text)
    assert verdict.ok
    assert verdict.reason == "same"
    assert int(verdict.detail.removesuffix(" inputs")) >= 20


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        (binary("sub"), "%x, %y", "%y, %x"),
        (binary("sdiv"), "sdiv", "udiv"),
        (binary("urem"), "urem", "srem"),
        (binary("ashr"), "ashr", "lshr"),
        (binary("shl"), "%x, %y", "%y, %x"),
        (LOOP, "slt", "sle"),
        (LOOP, "slt", "ult"),
        (LOOP, "[ 0, %entry ], [ %next", "[ 1, %entry ], [ %next"),
        (LIST, "add i32 %count, %v", "sub i32 %count, %v"),
        (STRUCT, "sext", "zext"),
        (STRUCT, "  store double %d, ptr %1\n", ""),
        (STRUCT, "i32 0, i32 1", "i32 0, i32 0"),
        (CALLS, "i32 7", "i32 8"),
        (CALLS, "  call void @second(i32 %a, ptr %p)\n", ""),
        (CALLS, "@second(i32 %a, ptr %p)", "@second(i32 %a, ptr null)"),
        (CALLS, "sub i32 %a, %b", "sub i32 %b, %a"),
        (ALLOCATES, "store i32 3", "store i32 4"),
        (ALLOCATES, "  store i32 %x, ptr %p\n", ""),
        (GLOBALS, "  store i32 %d, ptr @counter\n", ""),
        (GLOBALS, "  store i32 %x, ptr @last\n", ""),
        (GLOBALS, "and i32 %l, 3", "and i32 %l, 1"),
        (PRINTS, "i32 10", "i32 13"),
        (PRINTS, "@text, i32 %x", "@text, i32 0"),
        (INDIRECT, "mul i32 %r, %x", "mul i32 %x, %x"),
        (OUT, "sdiv", "udiv"),
        (OUT, "i32 %v, 3", "i32 %v, 2"),
        (FLOATS, "%x, %w", "%w, %x"),
        (FLOATS, "olt", "ult"),
    ],
)
def test_a_wrong_rewrite_is_found_and_comes_with_a_reproducer(
    compare: Compare, text: str, right: str, wrong: str
) -> None:
    assert right in text
    verdict = compare(text, text.replace(right, wrong))
    assert not verdict.ok
    assert verdict.reason == "differs"
    assert re.match(r"input \d+ of seed 0: f\(.*\): ", verdict.detail)
    assert verdict == compare(text, text.replace(right, wrong)), "the same pair gives the same verdict"


@pytest.mark.parametrize(
    ("first", "second"),
    [

        (binary("mul", "%x, 8"), binary("shl", "%x, 3")),
        (binary("add"), binary("add", "%y, %x")),
        (binary("udiv", "%x, 4"), binary("lshr", "%x, 2")),
        # The first is undefined where the second is not.
        (binary("add nsw"), binary("add")),
        (binary("sdiv"), SAFE_DIVISION),
    ],
)  # fmt: skip
def test_another_way_to_the_same_result_is_the_same(compare: Compare, first: str, second: str) -> None:
    assert compare(first, second).ok


def test_output_counts_by_its_bytes_and_not_by_its_calls(compare: Compare) -> None:
    first = """
@text = private constant [4 x i8] c"ab\\0A\\00"
@line = private constant [3 x i8] c"ab\\00"
declare i32 @printf(ptr, ...)
declare i32 @puts(ptr)
define void @f() {
  call i32 (ptr, ...) @printf(ptr @text)
  ret void
}
"""
    second = first.replace("call i32 (ptr, ...) @printf(ptr @text)", "call i32 @puts(ptr @line)")
    assert compare(first, second).ok
    assert compare(first, second.replace('c"ab\\00"', 'c"ac\\00"')).reason == "differs"


def test_nan_is_nan(compare: Compare) -> None:
    first = "define void @f(ptr %p, double %x) {\n  store double 0x7FF8000000000000, ptr %p\n  ret void\n}\n"
    assert compare(first, first.replace("0x7FF8", "0xFFF8")).ok
    assert compare(first, first.replace("0x7FF8000000000000", "0x7FF0000000000000")).reason == "differs"


def test_a_second_that_traps_or_hangs_where_the_first_returns_differs(compare: Compare) -> None:
    fine = "define i32 @f(i32 %x) {\n  ret i32 %x\n}\n"
    trap = "declare void @llvm.trap()\ndefine i32 @f(i32 %x) {\n  call void @llvm.trap()\n  unreachable\n}\n"
    null = "define i32 @f(i32 %x) {\n  %v = load volatile i32, ptr null\n  ret i32 %v\n}\n"
    hang = "define i32 @f(i32 %x) {\n  br label %a\na:\n  br label %a\n}\n"
    deep = "define i32 @f(i32 %x) {\n  %r = call i32 @f(i32 %x)\n  %s = add i32 %r, 1\n  ret i32 %s\n}\n"
    for second, how in ((trap, "SIGILL"), (null, "SIGSEGV"), (hang, "does not end"), (deep, "SIGSEGV")):
        verdict = compare(fine, second)
        assert verdict.reason == "differs"
        assert how in verdict.detail
        # A first that never returns says nothing about the second.
        verdict = compare(second, fine)
        assert (verdict.ok, verdict.reason) == (False, "unknown")
        assert how in verdict.detail


def test_a_callee_that_does_not_return_ends_the_call_on_both_sides(compare: Compare) -> None:
    first = """
declare void @abort() noreturn
define void @f(i32 %x, ptr %p) {
  %c = icmp sgt i32 %x, 5
  br i1 %c, label %bad, label %good
bad:
  call void @abort()
  unreachable
good:
  store i32 %x, ptr %p
  ret void
}
"""
    assert compare(first, first).ok
    verdict = compare(first, first.replace("sgt i32 %x, 5", "sgt i32 %x, 6"))
    assert verdict.reason == "differs"
    assert "exits" in verdict.detail or "returns" in verdict.detail


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('define void @f() {\n  call void asm sideeffect "nop", ""()\n  ret void\n}\n', "inline assembly"),
        ('module asm "nop"\ndefine void @f() {\n  ret void\n}\n', "inline assembly"),
        ("define void @f(i32 %x, ...) {\n  ret void\n}\n", "variable arguments"),
        ("@t = thread_local global i32 0\ndefine ptr @f() {\n  ret ptr @t\n}\n", "thread-local variables"),
        (SETJMP, "calls _setjmp"),
        ("define void @f([100 x i64] %x) {\n  ret void\n}\n", "large arguments by value"),
        ("@big = external global [2000000 x i8]\ndefine ptr @f() {\n  ret ptr @big\n}\n", "large variables"),
        ("@a = alias void (), ptr @f\ndefine void @f() {\n  ret void\n}\n", "aliases"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_unknown_and_says_why(compare: Compare, text: str, why: str) -> None:
    assert compare(text, text) == Verdict(False, "unknown", why)


def test_a_second_that_needs_more_than_the_first_is_unknown(compare: Compare) -> None:
    first = "define i32 @f(i32 %x) {\n  ret i32 %x\n}\n"
    second = "declare i32 @g(i32)\ndefine i32 @f(i32 %x) {\n  %r = call i32 @g(i32 %x)\n  ret i32 %r\n}\n"
    assert compare(first, second).detail == "only the second calls g"
    assert compare(first, first.replace("i32", "i64")).detail == "the signatures differ"
    assert compare(first, first.replace("ret i32 %x", "ret i32 undef")).reason == "differs"


def test_an_invalid_module_or_a_missing_function_is_an_error(compare: Compare) -> None:
    text = "define void @f() {\n  ret void\n}\n"
    with pytest.raises(LLVMError, match="no function g"):
        compare(text, text, "g")
    with pytest.raises(LLVMError):
        compare(text, "define void @f() {\n  ret i32 1\n}\n")


def test_the_code_cannot_reach_the_system(compare: Compare) -> None:
    text = """
declare i64 @syscall(i64, ...)
declare i32 @system(ptr)
@command = private constant [7 x i8] c"exit 3\\00"
define i32 @f() {
  %a = call i64 (i64, ...) @syscall(i64 231, i32 3)
  %b = call i32 @system(ptr @command)
  ret i32 %b
}
"""
    assert compare(text, text).ok, "both are unknown functions, and never run"


def test_a_process_that_is_locked_down_can_open_nothing_and_start_nothing() -> None:
    denied = os.open(os.devnull, os.O_WRONLY)
    child = os.fork()
    if child == 0:
        lock_down(5)
        status = 0
        for attempt in (os.fork, lambda: os.open(os.devnull, os.O_RDONLY), lambda: os.write(denied, b"x")):
            try:
                attempt()
            except OSError:
                status += 1
        os._exit(status)
    os.close(denied)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


def test_the_compiled_harness_is_that_of_its_source(toolchain: Toolchain) -> None:
    source = ROOT / "llm_compiler/llvm/data/harness.c"
    flags = ["-Oz", "-fno-builtin", "-fno-stack-protector", "-ffreestanding", "-fno-pic", "-w", "-S", "-emit-llvm"]
    command = [*toolchain.clang, *flags, source.name, "-o", "-"]
    made = subprocess.run(command, cwd=source.parent, capture_output=True, check=True)
    assert without_version(made.stdout) == without_version(source.with_suffix(".ll").read_bytes())


def without_version(text: bytes) -> list[bytes]:
    """The lines that do not say which build of clang it was."""
    return [line for line in text.splitlines() if b"clang version" not in line]


def functions(toolchain: Toolchain, library: Library) -> Iterator[tuple[str, str, str]]:
    """Name, unoptimised text and -Oz text of some functions of the examples."""
    for path in sorted((ROOT / "examples").glob("*.c"))[::6]:
        with Context(library) as context:
            for name, unit in context.parse(unoptimised(toolchain, Source(path, "c"))).split():
                text = unit.print()
                with unit.machine(SHIP) as machine:
                    unit.run(oz_passes(toolchain.version, SHIP), machine)
                yield name, text, unit.print()


@pytest.mark.slow
def test_no_false_alarm_on_the_examples_at_oz(toolchain: Toolchain, library: Library) -> None:
    found = list(functions(toolchain, library))
    pairs = [Pair(first.encode(), second.encode(), name, inputs=20) for name, first, second in found]
    verdicts = list(same_behaviour(pairs, toolchain.library, workers=1))
    assert [(pair.name, v) for pair, v in zip(pairs, verdicts, strict=True) if v.reason == "differs"] == []
    assert sum(verdict.ok for verdict in verdicts) >= 0.85 * len(pairs)


def test_a_pair_that_dies_or_is_broken_takes_no_other_along(toolchain: Toolchain) -> None:
    good = (X86 + binary("add")).encode()
    pairs = [Pair(good, good, "f", inputs=8), Pair(good, b"nonsense", "f"), Pair(good, good, "f", inputs=8)]
    verdicts = list(same_behaviour(pairs, toolchain.library, workers=1))
    assert [verdict.reason for verdict in verdicts] == ["same", "unknown", "same"]
    assert verdicts[1].detail.startswith("invalid: ")


OPERATIONS = ("add", "sub", "mul", "and", "or", "xor", "udiv", "sdiv", "urem", "srem", "shl", "lshr", "ashr")


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 40)), min_size=1, max_size=6))
def test_what_the_optimiser_makes_of_arithmetic_is_the_same(
    comparer: Comparer, library: Library, steps: list[tuple[str, int]]
) -> None:
    lines = ["define i32 @f(i32 %v0, i32 %y) {"]
    for number, (operation, constant) in enumerate(steps):
        operand = "%y" if constant > 35 else str(constant)
        lines.append(f"  %v{number + 1} = {operation} i32 %v{number}, {operand}")
    text = (X86 + "\n".join([*lines, f"  ret i32 %v{len(steps)}", "}", ""])).encode()
    with Context(library) as context, context.parse(text) as module:
        module.run("default<Oz>")
        second = module.bitcode()
    seed = random.Random(str(steps)).randrange(1000)
    assert comparer(Pair(text, text, "f", seed, inputs=8)).reason != "differs"
    assert comparer(Pair(text, second, "f", seed, inputs=8)).reason != "differs"
