"""Canonical text: what goes, what stays, and that the compiler does not notice."""

from __future__ import annotations

import re
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_compiler.corpus.normalise import compact, expand, normalise, normalise_assembly
from llm_compiler.corpus.split import split
from llm_compiler.llvm import frontend, toolchain
from llm_compiler.llvm.evaluate import Evaluation, Job, evaluate
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context

EXAMPLES = Path(__file__).parent.parent / "examples"
TRIPLE = "x86_64-unknown-linux-gnu"
LAYOUT = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-f80:128-n8:16:32:64-S128"

C = b"""
#include <string.h>
struct point { int x, y; struct point *next; };
static const char *names[] = {"alpha", "beta", "gamma"};
extern int printf(const char *, ...);
__attribute__((noreturn)) void fail(const char *);
static int sum(struct point *p) { int s = 0; for (; p; p = p->next) s += p->x * p->y; return s; }
int distance(const char *a, const char *b, unsigned n) {
  struct point p = {1, 2, 0};
  char copy[16];
  memcpy(copy, a, n < 16 ? n : 16);
  for (unsigned i = 0; i < 3; i++) if (!strcmp(names[i], b)) return printf("%s #1 !2 @x %%y\\n", names[i]);
  switch (n) { case 1: return 3; case 9: return sum(&p); case 20: fail("n"); default: break; }
  __asm__ volatile("nop" : : "r"(n));
  return copy[0] + __builtin_ctz(n);
}
"""
CPLUSPLUS = b"""
extern "C" int puts(const char *);
struct Guard { Guard(); ~Guard(); };
inline int counted(int x) { static int calls; return x + ++calls; }
int run(int n) { Guard g; try { if (n) throw n; return puts("fine"); } catch (int e) { return counted(e); } }
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


def printed(
    llvm: toolchain.Toolchain, context: Context, source: bytes, language: frontend.Language = "c", *flags: str
) -> str:
    return context.parse(frontend.unoptimised(llvm, frontend.Source(None, language, source, flags))).print()


@pytest.fixture(scope="module")
def texts(llvm: toolchain.Toolchain, library: Library) -> list[str]:
    """Modules of real C and C++, whole and by function."""
    sources: list[tuple[bytes, frontend.Language]] = [(C, "c"), (CPLUSPLUS, "c++")]
    sources += [((EXAMPLES / name).read_bytes(), "c") for name in ("vm.c", "json.c", "matrix.c")]
    found = []
    with Context(library) as context:
        for source, language in sources:
            text = printed(llvm, context, source, language)
            found += [text, *(unit.text for unit in split(text))]
    return found


def test_normalising_twice_changes_nothing(texts):
    for text in texts:
        once = normalise(text)
        assert normalise(once) == once


def test_the_canonical_form_survives_llvm(texts, context):
    for text in texts:
        canonical = normalise(text)
        with context.parse(canonical.encode()) as module:
            module.verify()
            assert normalise(module.print()) == canonical


@pytest.mark.parametrize(
    "flags", [("-g",), ("-fno-discard-value-names",), ("-g", "-gdwarf-5", "-fno-discard-value-names")]
)
@pytest.mark.parametrize(("source", "language"), [(C, "c"), (CPLUSPLUS, "c++")])
def test_debug_information_and_names_of_values_leave_no_trace(llvm, context, source, language, flags):
    plain = printed(llvm, context, source, language)
    assert normalise(printed(llvm, context, source, language, *flags)) == normalise(plain)


def test_block_addresses_follow_the_blocks_that_lost_their_names(llvm, context):
    source = b"int f(int n) { static void *t[] = {&&x, &&y}; goto *t[n]; x: return 1; y: return 2; }"
    named = printed(llvm, context, source, "c", "-fno-discard-value-names")
    assert "blockaddress(@f, %x)" in named
    assert normalise(named) == normalise(printed(llvm, context, source))


def test_nothing_is_left_that_says_where_a_module_came_from(texts):
    for text in texts:
        canonical = normalise(text)
        for word in ("ModuleID", "source_filename", "llvm.ident", "clang version"):
            assert word not in canonical


def test_the_compiler_makes_the_same_of_it(texts, llvm):
    pairs = [(text, normalise(text)) for text in texts]
    jobs = [Job(text.encode(), "default<Oz>") for pair in pairs for text in pair]
    answers = list(evaluate(jobs, llvm.library, workers=1))
    assert all(isinstance(answer, Evaluation) for answer in answers)
    assert answers[::2] == answers[1::2]


def test_what_is_declared_and_never_used_goes(context):
    text = normalise(
        "%used = type { i32 }\n%unused = type { i64 }\n$c = comdat any\n@x = external global i32\n"
        "declare void @f()\ndeclare void @g(ptr)\n"
        "define void @h(ptr byval(%used) %0) {\n  call void @g(ptr %0)\n  ret void\n}\n"
        "attributes #0 = { nounwind }\n!0 = !{}\n"
    )
    assert text == (
        "%used = type { i32 }\n\ndeclare void @g(ptr)\n\n"
        "define void @h(ptr byval(%used) %0) {\n  call void @g(ptr %0)\n  ret void\n}\n"
    )


def test_attribute_groups_are_sorted_merged_and_counted_in_order_of_use(context):
    text = normalise(
        "define void @f() #7 {\n  call void @f() #3\n  ret void\n}\ndefine void @g() #5 {\n  ret void\n}\n"
        'attributes #3 = { nounwind }\nattributes #5 = { "b" uwtable "a"="1" nounwind }\n'
        'attributes #7 = { nounwind uwtable "a"="1" "b" }\n'
    )
    assert 'attributes #0 = { nounwind uwtable "a"="1" "b" }\nattributes #1 = { nounwind }' in text
    assert "; Function Attrs: nounwind uwtable\ndefine void @g() #0 {" in text
    context.parse(text.encode()).verify()


def test_numeric_suffixes_are_counted_again_and_names_with_a_meaning_stay():
    text = normalise(
        "%s.5 = type { %s.9 }\n%s.9 = type { i32 }\n"
        '@.str.17.3 = private constant [1 x i8] c"a"\n@.str.4 = private constant [1 x i8] c"b"\n'
        "@out.3 = global ptr @.str.17.3\n@out = global ptr @.str.4\n@t = global %s.5 zeroinitializer\n"
    )
    assert "%s = type { %s.1 }\n%s.1 = type { i32 }" in text
    assert "@out.3 = global ptr @.str\n@out = global ptr @.str.1" in text


def test_a_local_name_that_assembly_mentions_stays():
    text = '@x.7 = internal global i32 0\ndefine void @f() {\n  call void asm "inc x.7", ""()\n  ret void\n}\n'
    assert "@x.7 = internal" in normalise(text)


def test_strings_that_look_like_names_are_left_alone():
    text = '@.str.9 = private constant [24 x i8] c"@.str.9 #0 !5 %s.3 $c, !dbg !3"\n@p = global ptr @.str.9\n!5 = !{}\n'
    assert 'c"@.str.9 #0 !5 %s.3 $c, !dbg !3"' in normalise(text)


@pytest.mark.parametrize("broken", ["define void @f() {\n", "int main() {}\n", "@x = 1\n", "define void @f( {\n}\n"])
def test_what_is_no_module_is_refused(broken):
    for function in (normalise, compact, lambda text: expand(text, TRIPLE, LAYOUT)):
        with pytest.raises(ValueError, match=r"."):
            function(broken)


_NUMBERED = re.compile(r'"[^"]*"|(#\d+|!\d+)|%(struct\.\w+)(?:\.\d+)?|@(\.str)(?:\.\d+)?')


@settings(max_examples=30, deadline=None)
@given(seed=st.randoms(use_true_random=False), which=st.integers(0, 10))
def test_other_numbers_for_the_same_things_give_the_same_text(texts, seed, which):
    canonical = normalise(texts[which % len(texts)])
    names = sorted({match[0] for match in _NUMBERED.finditer(canonical) if match[0][0] != '"'})
    numbers = seed.sample(range(1000, 9000), len(names))
    changed = {}
    for name, number in zip(names, numbers, strict=True):
        base = re.sub(r"(?<=[#!])\d+|(?:\.\d+)+$", "", name)
        changed[name] = f"{base}{number}" if base in "#!" else f"{base}.{number}"
    variant = _NUMBERED.sub(lambda match: changed.get(match[0], match[0]), canonical)
    assert normalise(variant) == canonical


# -- compact


def test_compact_text_expands_to_a_module_that_verifies_and_compacts_again(texts, context):
    for text in texts:
        short = compact(text)
        full = expand(short, TRIPLE, LAYOUT)
        assert compact(full) == short
        with context.parse(full.encode()) as module:
            module.verify()
            assert compact(module.print()) == short


def test_compact_text_has_an_instruction_a_line_and_nothing_else(texts):
    for text in texts:
        short = compact(text)
        assert not re.search(r"^\s|^target |^attributes |^source_filename|;|!tbaa|!llvm| #\d", _unquoted(short), re.M)


def _unquoted(text: str) -> str:
    return re.sub(r'"[^"]*"', '""', text)


def test_compact_text_is_less_than_half_of_a_function(texts):
    functions = [text for text in texts if len(re.findall("^define ", text, re.M)) == 1]
    assert sum(map(len, map(compact, functions))) < sum(map(len, map(normalise, functions))) / 1.9


def test_attributes_come_back_and_missing_ones_stay_missing(llvm, context):
    source = b"int g(int); __attribute__((noinline)) int f(int x) { return g(x); }"
    short = compact(printed(llvm, context, source, "c++"))
    assert "@_Z1fi(i32 noundef %0) -nounwind mustprogress noinline {" in short
    full = expand(short, TRIPLE, LAYOUT)
    group = re.search(r"define .*@_Z1fi.* (#\d+) \{", full)
    assert group
    line = next(line for line in full.splitlines() if line.startswith(f"attributes {group[1]} "))
    assert line == next(
        line.replace("#0", group[1])
        for line in printed(llvm, context, source, "c++").splitlines()
        if line.startswith("attributes #0 ")
    )


def test_only_natural_alignment_is_left_out():
    text = f"""target datalayout = "{LAYOUT}"
define i32 @f(ptr %0) {{
  %2 = load i32, ptr %0, align 4
  %3 = load i32, ptr %0, align 1
  %4 = load atomic i32, ptr %0 seq_cst, align 4
  %5 = alloca i8, align 1
  store volatile i64 0, ptr %0, align 8
  %6 = load <4 x i32>, ptr %0, align 16
  ret i32 %2
}}
"""
    lines = compact(text).splitlines()
    assert lines[1:7] == [
        "%2 = load i32, ptr %0",
        "%3 = load i32, ptr %0, align 1",
        "%4 = load atomic i32, ptr %0 seq_cst, align 4",
        "%5 = alloca i8, align 1",
        "store volatile i64 0, ptr %0",
        "%6 = load <4 x i32>, ptr %0, align 16",
    ]


def test_metadata_that_a_call_takes_stays(context):
    text = """define i64 @f() {
  %1 = call i64 @llvm.read_register.i64(metadata !7)
  ret i64 %1
}
declare i64 @llvm.read_register.i64(metadata)
!7 = !{!"rsp"}
"""
    short = compact(text)
    assert short.endswith('%1 = call i64 @llvm.read_register.i64(metadata !0)\nret i64 %1\n}\n!0 = !{!"rsp"}\n')
    context.parse(expand(short, TRIPLE, LAYOUT).encode()).verify()


def test_another_target_gets_its_own_attributes():
    full = expand("define void @f() {\nret void\n}\n", "aarch64-unknown-linux-gnu", "e-m:e-i64:64")
    assert '"frame-pointer"="non-leaf"' in full
    assert "x86" not in full


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_model_writes_is_text_or_a_value_error(texts, library, data):
    short = compact(texts[data.draw(st.integers(1, 8))])
    start = data.draw(st.integers(0, len(short)))
    junk = data.draw(st.text(alphabet='abc %@#!$"(){}[]<>,=:0\n', max_size=12))
    broken = short[:start] + junk + short[start + data.draw(st.integers(0, 12)) :]
    try:
        full = expand(broken, TRIPLE, LAYOUT)
    except ValueError:
        return
    with Context(library) as context:
        try:
            context.parse(full.encode()).verify()
        except LLVMError:
            return


def test_both_dialects_are_made_faster_than_units_are_cut(texts):
    functions = [text for text in texts if len(re.findall("^define ", text, re.M)) == 1]
    for function in (normalise, compact):
        start = time.process_time()
        for text in functions:
            function(text)
        assert len(functions) / (time.process_time() - start) > 150


# -- assembly


def _assembly(llvm: toolchain.Toolchain, source: bytes, language: str, *flags: str) -> str:
    """-Oz assembly without a header read, so that every target of clang can make it."""
    command = [*llvm.clang, "-w", "-Oz", "-S", "-x", language, "-", "-o", "-", *flags]
    return subprocess.run(command, input=source, capture_output=True, check=True).stdout.decode()


def _loaded(llvm: toolchain.Toolchain, assembly: str, *flags: str) -> list[object]:
    """Name, flags and contents of every section that is loaded, and where its relocations go."""
    command = [*llvm.clang, "-c", "-x", "assembler", "-", "-o", "-", *flags]
    elf = subprocess.run(command, input=assembly.encode(), capture_output=True, check=True).stdout
    table = struct.unpack_from("<Q", elf, 40)[0]
    size, count, strings = struct.unpack_from("<HHH", elf, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, table + number * size) for number in range(count)]

    def text(section: int, offset: int) -> str:
        start = sections[section][4] + offset
        return elf[start : elf.index(b"\0", start)].decode()

    def symbol(number: int) -> object:
        symbols = next(section for section in sections if section[1] == 2)
        name, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", elf, symbols[4] + 24 * number)
        spelled = text(symbols[6], name)
        anonymous = spelled.startswith((".L", "$")) or not spelled
        return (text(strings, sections[section][0]), value) if anonymous else spelled

    found: list[object] = []
    for name, kind, flag, _, offset, length, _, info, _, _ in sections:
        contents = elf[offset : offset + length]
        if flag & 2:
            found.append((text(strings, name), flag, length, b"" if kind == 8 else contents))
        elif kind == 4 and sections[info][2] & 2:
            found.append(
                [
                    (at, how & 0xFFFFFFFF, symbol(how >> 32), add)
                    for at, how, add in struct.iter_unpack("<QQq", contents)
                ]
            )
    return found


@pytest.mark.parametrize("target", ["x86_64-linux-gnu", "aarch64-linux-gnu"])
@pytest.mark.parametrize("flags", [(), ("-g",), ("-O2", "-ffunction-sections")])
@pytest.mark.parametrize("language", ["c", "c++"])
def test_canonical_assembly_assembles_to_the_same_bytes(llvm, target, flags, language):
    source = CPLUSPLUS if language == "c++" else C.replace(b"#include <string.h>", STRING)
    if language == "c":
        source += b'double half(double x) { return x * 0.5 + 3.25; } const char *hash(void) { return "a # b // c"; }'
    assembly = _assembly(llvm, source, language, f"--target={target}", *flags)
    canonical = normalise_assembly(assembly)
    assert normalise_assembly(canonical) == canonical
    assert _loaded(llvm, canonical, f"--target={target}") == _loaded(llvm, assembly, f"--target={target}")
    without = re.sub(r'"(?:\\.|[^"\\])*"', '""', canonical)
    assert not re.search(r"\.ident|\.file|\.addrsig|\.loc\b|debug_|GNU-stack|^\n|[ \t]$|^\s*(//|# )", without, re.M)


STRING = b"""typedef unsigned long size_t; void *memcpy(void *, const void *, size_t);
int strcmp(const char *, const char *);"""


def test_labels_of_a_later_function_are_counted_as_in_a_file_of_its_own():
    text = (
        "f:\n\tjne\t.LBB7_3  # a comment\n\tnop\n\n.LBB7_3:\n\tret\n.Lfunc_end7:\n\t.size\tf, .Lfunc_end7-f\n.Ltmp9:\n"
    )
    assert normalise_assembly(text) == (
        "f:\n\tjne\t.LBB0\n\tnop\n.LBB0:\n\tret\n.Lfunc_end0:\n\t.size\tf, .Lfunc_end0-f\n"
    )
