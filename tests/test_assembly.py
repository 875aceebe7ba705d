"""Assembly on demand, for both targets, on the examples' functions."""

from __future__ import annotations

from collections import Counter

import pytest

from llm_compiler.corpus.assembly import TRIPLES, assembly
from llm_compiler.corpus.normalise import normalise, normalise_assembly
from llm_compiler.corpus.split import split
from llm_compiler.llvm.elf import object_size
from llm_compiler.llvm.evaluate import Job, evaluate, oz_passes
from llm_compiler.llvm.frontend import CompileError, Source, optimise_for_size
from llm_compiler.llvm.library import LLVMError
from llm_compiler.llvm.size import SHIP
from tests.conftest import EXAMPLES


@pytest.fixture
def function(compiled, context):
    """The unit of the first function of a text."""

    def function_(text, language="c", *flags):
        with context.parse(compiled(text, language, *flags)) as module:
            return normalise(next(iter(split(normalise(module.print())))).text)

    return function_


@pytest.fixture(scope="module")
def sample(toolchain, library):
    """Every so many functions of the examples."""
    from llm_compiler.llvm.frontend import LANGUAGES, unoptimised
    from llm_compiler.llvm.module import Context

    texts = []
    with Context(library) as context:
        for path in EXAMPLES[::2]:
            bitcode = unoptimised(toolchain, Source(path, LANGUAGES[path.suffix]))
            with context.parse(bitcode) as module:
                functions = [normalise(each.text) for each in split(normalise(module.print()))]
            texts += functions[:: max(1, len(functions) // 6)][:6]
    assert len(texts) > 30
    return texts


def assembled(toolchain, text, target):
    """The object that clang's assembler makes of a text."""
    import subprocess

    command = [*toolchain.clang, f"--target={TRIPLES[target]}", "-c", "-x", "assembler", "-", "-o", "-"]
    ended = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout


@pytest.mark.parametrize(("target", "share"), [("x86-64", 1.0), ("aarch64", 0.95)])
def test_most_functions_have_assembly_that_assembles_again(sample, toolchain, library, context, target, share):
    reasons = Counter()
    pairs = []
    for text in sample:
        try:
            pairs.append(assembly(toolchain, library, text, target))
        except (LLVMError, CompileError) as error:
            reasons[str(error)] += 1
    assert len(pairs) >= share * len(sample), reasons
    for pair in pairs:
        assert pair.target == target
        assert normalise_assembly(pair.assembly) == pair.assembly
        assert normalise(pair.ir) == pair.ir
        with context.parse(pair.ir.encode()) as module:
            module.verify()
            assert len(module.functions()) == 1
            assert f"{module.functions()[0]}:" in pair.assembly
    for pair in pairs[::6]:
        assert assembled(toolchain, pair.assembly, target).startswith(b"\x7fELF")


def test_x86_assembly_is_that_of_the_measured_object(sample, toolchain, library):
    some = sample[::8]
    jobs = [Job(text.encode(), oz_passes(toolchain.version, SHIP)) for text in some]
    for text, answer in zip(some, evaluate(jobs, toolchain.library, workers=1), strict=True):
        made = assembled(toolchain, assembly(toolchain, library, text, "x86-64").assembly, "x86-64")
        assert object_size(made).text == answer.size.text


@pytest.mark.parametrize("target", ["x86-64", "aarch64"])
def test_assembly_is_what_clang_makes_of_the_source(toolchain, library, function, target):
    source = "int f(const char *s, int c) { int n = 0; for (; *s; s++) n += *s == c; return n; }\n"
    flags = (f"--target={TRIPLES[target]}",)
    clang, _ = optimise_for_size(toolchain, Source(None, "c", source.encode(), flags), SHIP, "asm")
    pair = assembly(toolchain, library, function(source), target)
    unsigned_char = target == "aarch64"  # there a plain char is unsigned, and the unit is of x86-64
    assert (pair.assembly == normalise_assembly(clang.decode())) != unsigned_char


def test_bcmp_is_expanded_as_clang_does_it(toolchain, library, function):
    text = function("int memcmp(const void *, const void *, unsigned long);\n"
                    "int same(const char *a, const char *b) { return memcmp(a, b, 4) == 0; }\n")  # fmt: skip
    pair = assembly(toolchain, library, text, "x86-64")
    assert "bcmp" not in pair.assembly
    assert "memcmp" not in pair.assembly


def test_position_independent_code_stays_so_on_both_targets(toolchain, library, function):
    text = function("extern int there; int *f(void) { return &there; }\n", "c", "-fPIC")
    assert "there@GOTPCREL" in assembly(toolchain, library, text, "x86-64").assembly
    assert ":got:there" in assembly(toolchain, library, text, "aarch64").assembly


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("long double f(long double x) { return x + 1; }", "the type x86_fp80"),
        ('void f(void) { __asm__ volatile("cpuid" ::: "eax"); }', "inline assembly"),
        ("unsigned f(void) { return __builtin_ia32_stmxcsr(); }", "an intrinsic of x86"),
        (
            "int f(int n, ...) { __builtin_va_list l; __builtin_va_start(l, n); return __builtin_va_arg(l, int); }",
            "variable arguments",
        ),
        ("int f(int __attribute__((address_space(257))) *p) { return *p; }", "an x86 segment register"),
    ],
)
def test_what_has_no_aarch64_code_says_why(toolchain, library, function, source, reason):
    text = function(source + "\n")
    assert assembly(toolchain, library, text, "x86-64").assembly
    with pytest.raises(LLVMError, match=f"no code for aarch64: the unit has {reason}"):
        assembly(toolchain, library, text, "aarch64")


def test_words_in_strings_are_no_reason(toolchain, library, function):
    text = function('const char *f(void) { return "asm x86_fp80 @llvm.x86. = va_arg "; }\n')
    assert "x86_fp80" in assembly(toolchain, library, text, "aarch64").assembly


def test_a_module_for_another_target_is_refused(toolchain, library):
    for triple in ('target triple = "nvptx64-nvidia-cuda"\n', ""):
        for target in TRIPLES:
            with pytest.raises(LLVMError, match=f"cannot become one for {target}"):
                assembly(toolchain, library, f"{triple}define void @f() {{\n  ret void\n}}\n", target)
    with pytest.raises(LLVMError):
        assembly(toolchain, library, "no IR", "x86-64")
