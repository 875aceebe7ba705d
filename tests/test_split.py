"""A translation unit cut into single-function modules, as text."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_compiler.corpus.normalise import normalise
from llm_compiler.corpus.split import split
from llm_compiler.llvm import frontend, toolchain
from llm_compiler.llvm.library import Library
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.size import SHIP

EXAMPLES = Path(__file__).parent.parent / "examples"

CPLUSPLUS = b"""
struct Shape { virtual double area() const; virtual ~Shape(); double width; };
struct Circle : Shape { double area() const override; };
inline int counted(int x) { static int calls; return x + ++calls; }
extern "C" int puts(const char *);
double Shape::area() const { try { return puts("area") + counted(1); } catch (int e) { return e; } }
Shape::~Shape() { puts("gone"); }
double Circle::area() const { return 3.14 * width * width; }
static Circle unit;
double use() { return unit.area(); }
"""
COMPUTED_GOTO = b"""
static int helper(int n) { static void *t[] = {&&x, &&y}; goto *t[n & 1]; x: return 1; y: return 2; }
int run(const char *p) {
  static void *table[] = {&&add, &&stop};
  int n = 0;
  goto *table[*p++ & 1];
add: n++; goto *table[*p++ & 1];
stop: return n + helper(n);
}
"""


@pytest.fixture(scope="module")
def llvm() -> toolchain.Toolchain:
    return toolchain.find()


@pytest.fixture(scope="module")
def library(llvm: toolchain.Toolchain) -> Library:
    return Library(llvm.library)


@pytest.fixture
def context(library: Library) -> Iterator[Context]:
    with Context(library) as context:
        yield context


def module(llvm: toolchain.Toolchain, context: Context, source: bytes | Path, language: frontend.Language = "c") -> str:
    given = (
        frontend.Source(source, frontend.LANGUAGES[source.suffix])
        if isinstance(source, Path)
        else frontend.Source(None, language, source)
    )
    return context.parse(frontend.unoptimised(llvm, given)).print()


def units(text: str) -> dict[str, str]:
    return {unit.name: unit.text for unit in split(text)}


@pytest.mark.parametrize("source", ["vm.c", "regex.c", "hash_table.c", "interpreter.cpp"])
def test_every_function_of_a_real_file_becomes_a_unit_that_verifies_and_compiles(llvm, context, source):
    text = module(llvm, context, EXAMPLES / source)
    names = context.parse(text.encode()).functions()
    cut = list(split(text))
    assert [unit.name for unit in cut] == names
    for number, unit in enumerate(cut):
        alone = context.parse(unit.text.encode())
        alone.verify()
        assert alone.functions() == [unit.name]
        if number % 10 == 0:
            with alone.machine(SHIP) as machine:
                assert alone.emit(machine)[:4] == b"\x7fELF"


def test_a_unit_is_what_extracting_through_llvm_gives(llvm, context):
    for source, language in ((CPLUSPLUS, "c++"), (COMPUTED_GOTO, "c"), ((EXAMPLES / "lz.c").read_bytes(), "c")):
        text = module(llvm, context, source, language)
        whole = context.parse(text.encode())
        for name, unit in units(text).items():
            if "@_ZN5ShapeD1Ev" in unit:
                continue  # an alias: LLVM-C cannot say of its declaration that it is near
            with whole.extract(name) as extracted:
                assert normalise(unit) == normalise(extracted.print()), name


def test_a_static_function_becomes_external_and_stays_known_to_be_near(llvm, context):
    cut = units(module(llvm, context, COMPUTED_GOTO))
    assert "\ndefine dso_local i32 @helper(i32 noundef %0)" in cut["helper"]
    assert "\ndeclare dso_local i32 @helper(i32 noundef)" in cut["run"]


def test_constants_stay_with_their_names_and_unused_ones_go(llvm, context):
    source = b"""int puts(const char *); int other = 7; static int seen = 3;
    void a(void) { puts("first"); } void b(void) { puts("second"); seen++; }"""
    cut = units(module(llvm, context, source))
    assert "first" not in cut["b"]
    assert "@other" not in cut["b"]
    assert '@.str.1 = private unnamed_addr constant [7 x i8] c"second\\00"' in cut["b"]
    assert "@seen = linkonce_odr dso_local global i32 3" in cut["b"]


def test_a_function_leaves_its_comdat_and_its_variables_keep_theirs(llvm, context):
    unit = units(module(llvm, context, CPLUSPLUS, "c++"))["_Z7countedi"]
    assert re.search(r"^define dso_local noundef i32 @_Z7countedi\(i32 noundef %0\) #\d+ \{$", unit, re.MULTILINE)
    assert "$_Z7countedi" not in unit
    assert "$_ZZ7countediE5calls = comdat any" in unit


def test_constructors_of_the_file_stay_behind(llvm, context):
    text = module(llvm, context, CPLUSPLUS, "c++")
    assert "llvm.global_ctors" in text
    assert all("llvm.global_ctors" not in unit for unit in units(text).values())


def test_a_computed_goto_keeps_its_targets_and_loses_those_of_other_functions(llvm, context):
    text = module(llvm, context, COMPUTED_GOTO)
    assert units(text)["run"].count("blockaddress(@run,") == text.count("blockaddress(@run,") > 0
    leaking = (
        "@t = internal global [2 x ptr] [ptr blockaddress(@f, %1), ptr @g]\n"
        "define void @f() {\n  br label %1\n\n1:\n  ret void\n}\n"
        "define ptr @g() {\n  ret ptr @t\n}\n"
    )
    unit = units(leaking)["g"]
    assert "[ptr inttoptr (i32 1 to ptr), ptr @g]" in unit
    context.parse(unit.encode()).verify()


def test_aliases_and_ifuncs_become_declarations(context):
    text = """@a = hidden alias i32 (i32, ...), ptr @f
@v = internal alias i32, ptr @x
@i = ifunc void (), ptr @r
@x = global i32 1
define i32 @f(i32 %0, ...) {
  call void @i()
  %2 = load i32, ptr @v
  %3 = call i32 (i32, ...) @a(i32 %2)
  ret i32 %3
}
define ptr @r() {
  ret ptr null
}
"""
    unit = units(context.parse(text.encode()).print())["f"]
    assert "declare hidden i32 @a(i32, ...)" in unit
    assert "@v = external dso_local global i32" in unit
    assert "declare void @i()" in unit
    context.parse(unit.encode()).verify()


def test_unnamed_globals_and_types_survive(context):
    text = """%0 = type { i32, ptr }
@0 = private constant i32 1
@1 = private constant %0 { i32 2, ptr @0 }
@2 = private constant i32 3
define ptr @f() {
  ret ptr @2
}
define ptr @"a name, (quoted) \\22"() {
  ret ptr @1
}
"""
    cut = units(context.parse(text.encode()).print())
    assert list(cut) == ["f", 'a name, (quoted) "']
    assert "ret ptr @0" in cut["f"]
    for unit in cut.values():
        context.parse(unit.encode()).verify()


def test_the_assembly_of_a_file_stays_only_with_inline_assembly(llvm, context):
    source = b'__asm__(".macro twice\\nnop\\nnop\\n.endm"); void a(void) { __asm__("twice"); } void b(void) {}'
    cut = units(module(llvm, context, source))
    assert ".macro twice" in cut["a"]
    assert ".macro twice" not in cut["b"]


def test_annotations_of_other_functions_stay_behind(context):
    text = """define void @k() {
  ret void
}
define void @other() {
  ret void
}
!nvvm.annotations = !{!0, !1}
!llvm.module.flags = !{!2}
!0 = !{ptr @k, !"kernel", i32 1}
!1 = !{ptr @other, !"kernel", i32 1}
!2 = !{i32 1, !"wchar_size", i32 4}
"""
    unit = units(context.parse(text.encode()).print())["k"]
    assert re.search(r"!nvvm.annotations = !\{!\d+\}", unit)
    assert "@other" not in unit
    assert '!"wchar_size"' in unit


@pytest.mark.parametrize("broken", ["define void @f() {\n  ret void\n", "hello\n", "define f {\n}\n", "@x = 3\n"])
def test_text_that_is_no_module_is_refused(broken):
    with pytest.raises(ValueError, match=r"."):
        list(split(broken))


def test_cutting_takes_time_in_proportion_to_the_file(llvm, context):
    functions = b"".join(b"int f%d(int x) { return x * %d + f%d(x); }\n" % (i, i, i + 1) for i in range(1500))
    text = module(llvm, context, b"int f1500(int);" + b"".join(b"int f%d(int);" % i for i in range(1500)) + functions)
    start = time.process_time()
    count = len(list(split(text)))
    assert count == 1500
    assert count / (time.process_time() - start) > 150


def test_a_variable_that_other_functions_write_is_not_taken_for_a_constant(llvm, context):
    """`-Oz` would fold a load of what is internal and never written in the unit into its first value."""
    text = """static int limit, kept[2] = {1, 2};
static const int fixed[2] = {3, 4};
void set(int x) { limit = x; }
int over(int x) { static int calls; return ++calls, x > limit + kept[x & 1] + fixed[x & 1]; }
"""
    module = frontend.unoptimised(llvm, frontend.Source(None, "c", text.encode()))
    with context.parse(module) as whole:
        units = {unit.name: unit.text for unit in split(normalise(whole.print()))}
    lines = [line.partition(" = ")[2] for line in units["over"].splitlines() if line.startswith("@")]
    assert sum(line.startswith("linkonce_odr dso_local global") for line in lines) == 3
    assert sum(line.startswith("internal constant") for line in lines) == 1
    with context.parse(units["over"].encode()) as unit, unit.machine(SHIP) as machine:
        unit.run("default<Oz>", machine)
        assert "load i32, ptr @limit" in unit.print()
