from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_compiler.llvm.elf import object_size, symbols
from llm_compiler.llvm.frontend import LANGUAGES, Source, lower, optimise_for_size, unoptimised
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context, Module
from llm_compiler.llvm.objects import read_object
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.size import PAPER, PROTOCOLS, SHIP, Protocol, Size
from llm_compiler.llvm.toolchain import Toolchain
from tests.conftest import EXAMPLES, SHARED, needs_shared

X86 = 'target triple = "x86_64-unknown-linux-gnu"\n'
SMALL = (
    X86
    + """
@counter = global i32 7

define i32 @add(i32 %a, i32 %b) minsize optsize {
entry:
  %slot = alloca i32
  store i32 %a, ptr %slot
  %again = load i32, ptr %slot
  %sum = add i32 %again, %b
  switch i32 %sum, label %other [
    i32 1, label %one
    i32 2, label %one
  ]

one:
  ret i32 1

other:
  ret i32 %sum
}

declare i32 @elsewhere(ptr)
"""
).encode()
COMPUTED_GOTO = """
static int step(int op, int value) {
    static const void *const to[] = {&&zero, &&one, &&two};
    goto *to[op];
zero: return value + 10;
one:  return value * 20;
two:  return value ^ 30;
}
int run(int n) { return step(n % 3, n) + step((n + 1) % 3, n); }
"""
C_OF_ALL_SORTS = (
    COMPUTED_GOTO
    + r"""
#include <stdio.h>
static int hidden = 4;
static const char *const names[] = {"a", "b"};
static int helper(int x) { return x * hidden++; }
int outer(int x) { return helper(x) + helper(x + 1); }
int aliased(int x) __attribute__((alias("outer")));
static int (*resolve(void))(int) { return outer; }
int chosen(int x) __attribute__((ifunc("resolve")));
int calls_aliases(int x) { return aliased(x) + chosen(x); }
__attribute__((constructor)) static void start(void) { puts(names[hidden & 1]); }
__attribute__((used)) static int kept(void) { return 5; }
__attribute__((weak)) int weak(void) { return 6; }
inline int inlined(int x) { return x; }
extern int inlined(int x);
static _Thread_local int in_thread;
int *thread_local_address(void) { return &in_thread; }
int table(int n) { static int (*const all[])(int) = {outer, aliased, run}; return all[n](n); }
void inline_assembly(void) { __asm__ volatile("nop"); }
"""
)
CPP_OF_ALL_SORTS = """
#include <stdexcept>
#include <string>
template <class T> inline T twice(T x) { return x + x; }
struct Shape { virtual ~Shape() = default; virtual int area() const { return 0; } };
struct Square : Shape {
    int side;
    explicit Square(int s) : side(s) {}
    int area() const override { return side * side; }
};
static Square global_square{3};
int total(int n) {
    int sum = 0;
    for (int i = 0; i < n; ++i) { Shape *shape = new Square(i); sum += shape->area(); delete shape; }
    return sum + global_square.area() + twice(n);
}
int guarded(int n) {
    try {
        if (n > 3) throw std::runtime_error("no");
        return twice(n);
    } catch (const std::exception &e) {
        return (int)std::string(e.what()).size();
    }
}
"""
MODULE_ASSEMBLY = r"""
__asm__(".globl from_assembly\nfrom_assembly: ret\n");
void from_assembly(void);
void calls_assembly(void) { from_assembly(); }
"""
ALL_SORTS = [("c", C_OF_ALL_SORTS), ("c++", CPP_OF_ALL_SORTS)]


@pytest.fixture
def small(context: Context) -> Module:
    return context.parse(SMALL)


@pytest.fixture(params=ALL_SORTS, ids=["C", "C++"])
def all_sorts(request: pytest.FixtureRequest, context: Context, compiled: Callable[..., bytes]) -> Module:
    language, text = request.param
    return context.parse(compiled(text, language))


def object_of(module: Module, protocol: Protocol = SHIP) -> bytes:
    """The object of a copy: emitting spoils a module."""
    with module.clone() as copy, copy.machine(protocol) as machine:
        return copy.emit(machine)


# -- in and out


def test_text_and_bitcode_of_one_module_are_one_module(context: Context, small: Module) -> None:
    from_text = context.parse(small.print().encode())
    from_bitcode = context.parse(small.bitcode())
    assert small.bitcode().startswith(b"BC\xc0\xde")
    assert from_text.print() == from_bitcode.print() == small.print()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"this is not IR", "expected top-level entity"),
        (b"define i32 @f() { ret i64 1 }", "value doesn't match function result type"),
        (b"BC\xc0\xde" + bytes(40), "."),
        (b"\x00\xff" * 100, "."),
        (b"@a = global i32 0\n@a = global i32 1\n", "redefinition of global '@a'"),
    ],
    ids=["prose", "wrong type", "empty bitcode", "binary", "defined twice"],
)
def test_what_is_not_ir_is_refused_with_llvms_words(context: Context, source: bytes, words: str) -> None:
    with pytest.raises(LLVMError, match=words):
        context.parse(source)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_bitcode_is_refused(context: Context, small: Module, share: float) -> None:
    bitcode = small.bitcode()
    with pytest.raises(LLVMError):
        context.parse(bitcode[: int(len(bitcode) * share) // 4 * 4])


def test_the_empty_text_is_an_empty_module(context: Context) -> None:
    module = context.parse(b"")
    assert module.functions() == []
    assert module.triple == ""
    assert module.instruction_count() == 0


def test_a_module_that_breaks_the_rules_does_not_verify(context: Context) -> None:
    broken = b"define i32 @f(i1 %c) {\n  br i1 %c, label %a, label %b\na:\n  %x = add i32 1, 2\n  br label %b\n"
    broken += b"b:\n  ret i32 %x\n}"
    with pytest.raises(LLVMError, match="does not dominate"):
        context.parse(broken).verify()


def test_a_good_module_verifies(small: Module) -> None:
    small.verify()
    assert small.triple == "x86_64-unknown-linux-gnu"


def test_module_flags_are_read_as_numbers(context: Context) -> None:
    flags = b"!llvm.module.flags = !{!0, !1, !2, !3}\n" + b"".join(
        b'!%d = !{i32 1, !"%s", %s}\n' % (number, name, value)
        for number, (name, value) in enumerate(
            [(b"PIC Level", b"i32 2"), (b"words", b'!"two"'), (b"list", b'!{!"a", i32 2}'), (b"empty", b"!{}")]
        )
    )
    module = context.parse(flags)
    assert module.flag("PIC Level") == 2
    assert [module.flag(name) for name in ("words", "list", "empty", "no such flag")] == [None] * 4


def test_a_clone_is_independent_of_its_original(small: Module) -> None:
    before = small.print()
    with small.clone() as copy:
        copy.run("default<Oz>")
        assert copy.print() != before
    assert small.print() == before


def test_closing_twice_is_harmless(library: Library) -> None:
    context = Context(library)
    module = context.parse(SMALL)
    machine = module.machine(SHIP)
    for thing in (machine, machine, module, module, context, context):
        thing.close()


def test_a_context_closes_the_modules_that_are_still_open(library: Library) -> None:
    with Context(library) as context:
        context.parse(SMALL)
        forgotten = context.parse(SMALL)
        closed = context.parse(SMALL)
        closed.close()
    forgotten.close()
    gc.collect()


# -- counting


def count_by_walking(library: Library, module: Module) -> int:
    count = 0
    function = library.LLVMGetFirstFunction(module._ref)
    while function:
        block = library.LLVMGetFirstBasicBlock(function)
        while block:
            instruction = library.LLVMGetFirstInstruction(block)
            while instruction:
                count += 1
                instruction = library.LLVMGetNextInstruction(instruction)
            block = library.LLVMGetNextBasicBlock(block)
        function = library.LLVMGetNextFunction(function)
    return count


def test_a_small_module_has_the_instructions_that_one_can_see(small: Module) -> None:
    assert small.instruction_count() == 7


def test_instructions_are_counted_as_a_walk_over_the_module_counts_them(library: Library, all_sorts: Module) -> None:
    for passes in ("no-op-module", "default<Oz>", "function(lowerswitch,reg2mem)"):
        all_sorts.run(passes)
        assert all_sorts.instruction_count() == count_by_walking(library, all_sorts) > 20


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_instructions_of_an_example_are_counted_right(
    library: Library, context: Context, toolchain: Toolchain, example: Path
) -> None:
    module = context.parse(unoptimised(toolchain, Source(example, LANGUAGES[example.suffix])))
    assert module.instruction_count() == count_by_walking(library, module) > 500


@needs_shared
def test_the_papers_demo_has_8_instructions_and_its_sizes(context: Context) -> None:
    add_two = context.parse((SHARED / "data" / "add_two.ll").read_bytes())
    assert add_two.instruction_count() == 8
    assert object_size(object_of(add_two, PAPER)).total == 65
    assert object_size(object_of(add_two, SHIP)).total == 60
    with add_two.machine(SHIP) as machine:
        add_two.run("default<Oz>", machine)
    assert object_size(object_of(add_two, SHIP)).total == 52


# -- running and emitting


def test_passes_change_the_module(small: Module) -> None:
    small.run("function(sroa)")
    assert "alloca" not in small.print()


@pytest.mark.parametrize(
    ("passes", "words"),
    [
        ("no-such-pass", "unknown pass name 'no-such-pass'"),
        ("function(no-such-pass)", "unknown function pass 'no-such-pass'"),
        ("function(sroa", "invalid pipeline"),
        ("", "."),
    ],
)
def test_a_list_that_llvm_does_not_take_is_an_error(small: Module, passes: str, words: str) -> None:
    before = small.print()
    with small.machine(SHIP) as machine, pytest.raises(LLVMError, match=words):
        small.run(passes, machine)
    assert small.print() == before


def test_an_object_is_elf_and_assembly_is_text(small: Module) -> None:
    assert object_of(small).startswith(b"\x7fELF")
    with small.machine(SHIP) as machine:
        assembly = small.clone().emit(machine, "asm").decode()
    assert "add:" in assembly
    assert "\tret" in assembly


def test_assembly_and_object_are_the_same_code(small: Module, toolchain: Toolchain, tmp_path: Path) -> None:
    file = tmp_path / "small.s"
    with small.machine(SHIP) as machine:
        file.write_bytes(small.clone().emit(machine, "asm"))
    assembled = optimise_for_size(toolchain, Source(file, "c"), SHIP)[0]
    assert object_size(assembled) == object_size(object_of(small))


@pytest.mark.parametrize("triple", ["aarch64-unknown-linux-gnu", "riscv64-linux", "no-such-machine", ""])
def test_a_target_that_this_libllvm_lacks_is_named(context: Context, triple: str) -> None:
    module = context.parse(f'target triple = "{triple}"\n'.encode())
    with pytest.raises(LLVMError, match=f"no target for {triple or 'a module without'}.*x86-64"):
        module.machine(SHIP)


@pytest.mark.parametrize("level", [0, 2])
def test_position_independence_comes_from_the_modules_own_flag(context: Context, level: int) -> None:
    flag = '!llvm.module.flags = !{!0}\n!0 = !{i32 8, !"PIC Level", i32 2}\n' if level else ""
    text = X86 + "@far = external thread_local global i32\ndefine ptr @f() {\n  ret ptr @far\n}\n" + flag
    module = context.parse(text.encode())
    with module.machine(SHIP) as machine:
        assembly = module.emit(machine, "asm").decode()
    assert ("__tls_get_addr" in assembly) == bool(level)


def test_errors_of_the_back_end_are_raised_and_not_printed(context: Context, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a handler LLVM would print them and end this process."""
    bad = X86 + 'define void @f() {\n  call void asm sideeffect "nonsense %eax", ""()\n  ret void\n}\n'
    for _ in range(3):
        module = context.parse(bad.encode())
        with module.machine(SHIP) as machine, pytest.raises(LLVMError, match="invalid instruction mnemonic"):
            module.emit(machine)
    good = context.parse(SMALL)
    with good.machine(SHIP) as machine:
        assert good.emit(machine)  # the errors of one module are not told of the next
    assert capfd.readouterr() == ("", "")


def test_an_inline_assembly_with_an_impossible_constraint_is_an_error(
    context: Context, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = X86 + 'define i128 @f(i512 %x) {\n  %r = call i128 asm "", "={eax},{ebx}"(i512 %x)\n  ret i128 %r\n}\n'
    module = context.parse(bad.encode())
    with module.machine(SHIP) as machine, pytest.raises(LLVMError, match="couldn't allocate"):
        module.emit(machine)
    assert capfd.readouterr() == ("", "")


def test_remarks_and_warnings_are_dropped_in_silence(context: Context, capfd: pytest.CaptureFixture[str]) -> None:
    text = (
        X86
        + "define void @f(ptr %p) {\n  br label %loop\nloop:\n  store volatile i32 0, ptr %p\n"
        + "  br label %loop, !llvm.loop !0\n}\n"
        + '!0 = distinct !{!0, !1}\n!1 = !{!"llvm.loop.vectorize.enable", i1 true}\n'
    )
    module = context.parse(text.encode())
    module.run("function(transform-warning)")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_a_computed_goto_has_the_size_that_clang_gives_it(
    context: Context, compiled: Callable[..., bytes], toolchain: Toolchain, protocol: Protocol
) -> None:
    """LLVMCloneModule leaves the table's block addresses pointing into the original; what follows is nonsense."""
    module = context.parse(compiled(COMPUTED_GOTO))
    with module.clone() as copy, copy.machine(protocol) as machine:
        copy.run("default<Oz>", machine)
        copy.verify()
        from_clang = lower(toolchain, copy.bitcode(), protocol)
        again = copy.clone()
        assert object_size(again.emit(machine)) == object_size(from_clang)
        assert "indirectbr" in copy.print()


def test_bcmp_is_expanded_only_where_it_is_a_declaration(context: Context) -> None:
    call = "define i32 @f(ptr %p, ptr %q) {\n  %r = call i32 @bcmp(ptr %p, ptr %q, i64 9)\n  ret i32 %r\n}\n"
    own = "define i32 @bcmp(ptr %p, ptr %q, i64 %n) {\n  ret i32 0\n}\n"
    declared = "declare i32 @bcmp(ptr, ptr, i64)\n"
    for tail, expected in [(declared, "@memcmp"), (declared + declared.replace("b", "mem"), "@memcmp"), (own, "@bcmp")]:
        module = context.parse((X86 + call + tail).encode())
        module.expand_bcmp()
        module.verify()
        assert f"call i32 {expected}(" in module.print()


# -- splitting and linking


def test_functions_are_named_in_the_modules_order(small: Module) -> None:
    assert small.functions() == ["add"]


def test_the_longest_functions_are_those_with_the_most_text(all_sorts: Module) -> None:
    lengths = {name: len(part.print()) for name, part in all_sorts.split()}
    assert sorted(all_sorts.longest_functions(1000)) == sorted(all_sorts.functions())
    (first,) = all_sorts.longest_functions(1)
    assert lengths[first] > sorted(lengths.values())[len(lengths) // 2]


def test_every_function_of_a_module_stands_alone(all_sorts: Module) -> None:
    names = all_sorts.functions()
    parts = dict(all_sorts.split())
    assert list(parts) == names
    assert len(names) > 10
    for name, part in parts.items():
        part.verify()
        assert part.functions() == [name]
        assert "llvm.global_ctors" not in part.print()
        offers = symbols(object_of(part))
        assert name in offers.defined


def test_a_function_beside_assembly_stands_alone(context: Context, compiled: Callable[..., bytes]) -> None:
    part = context.parse(compiled(MODULE_ASSEMBLY)).extract("calls_assembly")
    part.verify()
    assert "calls_assembly" in symbols(object_of(part)).defined


def test_an_extracted_static_function_becomes_external(context: Context, compiled: Callable[..., bytes]) -> None:
    module = context.parse(compiled(C_OF_ALL_SORTS))
    assert "define internal i32 @helper" in module.print()
    helper = module.extract("helper")
    assert "@helper" in helper.print()
    assert symbols(object_of(helper)).defined >= {"helper"}
    caller = module.extract("outer")
    assert "helper" in symbols(object_of(caller)).undefined
    assert module.functions() == list(dict(module.split())), "the original is as it was"


def test_aliases_and_ifuncs_become_declarations_of_their_name(context: Context, compiled: Callable[..., bytes]) -> None:
    part = context.parse(compiled(C_OF_ALL_SORTS)).extract("calls_aliases")
    assert symbols(object_of(part)).undefined >= {"aliased", "chosen"}


def test_an_alias_of_a_variable_becomes_a_declared_variable(context: Context) -> None:
    text = (
        X86 + "@v = global i32 3\n@w = alias i32, ptr @v\ndefine i32 @f() {\n  %x = load i32, ptr @w\n  ret i32 %x\n}\n"
    )
    part = context.parse(text.encode()).extract("f")
    part.verify()
    assert "w" in symbols(object_of(part)).undefined


@pytest.mark.parametrize("name", ["no_such_function", "puts", "hidden"])
def test_only_a_function_that_is_defined_can_be_extracted(
    context: Context, compiled: Callable[..., bytes], name: str
) -> None:
    module = context.parse(compiled(C_OF_ALL_SORTS))
    with pytest.raises(KeyError, match=name):
        module.extract(name)


def test_names_that_are_not_utf8_survive(context: Context) -> None:
    module = context.parse(b'define void @"\\FFodd name\\C3\\A4"() {\n  ret void\n}\n')
    (name,) = module.functions()
    assert name == "\udcffodd name\u00e4"


def test_split_modules_link_back_to_all_functions(all_sorts: Module) -> None:
    names = all_sorts.functions()
    parts = [part for _, part in all_sorts.split()]
    whole = parts.pop(0)
    for part in parts:
        whole.link(part)
    whole.verify()
    assert sorted(whole.functions()) == sorted(names)
    assert object_of(whole).startswith(b"\x7fELF")


def test_linking_uses_the_other_module_up(context: Context) -> None:
    first, second = context.parse(SMALL), context.parse(b"define i32 @elsewhere(ptr %p) {\n  ret i32 1\n}\n")
    first.link(second)
    assert first.functions() == ["add", "elsewhere"]
    second.close()


def test_a_symbol_defined_twice_does_not_link(context: Context, capfd: pytest.CaptureFixture[str]) -> None:
    first, second = context.parse(SMALL), context.parse(SMALL)
    with pytest.raises(LLVMError, match="symbol multiply defined"):
        first.link(second)
    assert capfd.readouterr() == ("", "")


def test_modules_of_two_contexts_cannot_be_linked(library: Library, small: Module) -> None:
    with Context(library) as other, pytest.raises(ValueError, match="two contexts"):
        small.link(other.parse(b""))


def test_protocols_measure_differently(small: Module) -> None:
    sizes = {name: object_size(object_of(small, protocol)) for name, protocol in PROTOCOLS.items()}
    assert sizes["paper"].text > sizes["ship"].text
    assert sizes["paper"].data == sizes["ship"].data == 4
    assert Size(3, 4).total == 7


# -- one function only

TWO = (
    X86
    + """
define i32 @"one \\22quoted\\22"(i32 %a) minsize optsize {
  %slot = alloca i32
  store i32 %a, ptr %slot
  %again = load i32, ptr %slot
  ret i32 %again
}

define i32 @two(i32 %a) minsize optsize alwaysinline {
  %slot = alloca i32
  store i32 %a, ptr %slot
  %again = load i32, ptr %slot
  ret i32 %again
}

define i32 @left_alone(i32 %a) optnone noinline {
  %slot = alloca i32
  store i32 %a, ptr %slot
  %again = load i32, ptr %slot
  ret i32 %again
}
"""
).encode()


def text_of(module: Module, name: str) -> str:
    """What is printed of one function, its attributes' number included."""
    found = re.search(rf"^define [^\n]*@{re.escape(name)}\(.*?^}}$", module.print(), re.MULTILINE | re.DOTALL)
    assert found
    return found[0]


@pytest.mark.parametrize("name", ['"one \\22quoted\\22"', "two"])
def test_a_list_runs_on_the_named_function_alone(context: Context, name: str) -> None:
    module = context.parse(TWO)
    names = module.functions()
    before = {other: text_of(module, other) for other in ('"one \\22quoted\\22"', "two", "left_alone")}
    attributes = [line for line in module.print().splitlines() if line.startswith("attributes")]
    module.run_on({name.strip('"').replace("\\22", '"')}, "function(sroa)")
    module.verify()
    assert module.functions() == names
    changed = {other for other, text in before.items() if text_of(module, other) != text}
    assert changed == {name}
    assert [line for line in module.print().splitlines() if line.startswith("attributes")] == attributes


def test_what_the_programmer_does_not_want_optimised_is_not(context: Context) -> None:
    module = context.parse(TWO)
    before = module.print()
    module.run_on({"left_alone", "there is no such function"}, "function(sroa)")
    assert module.print() == before


def test_a_list_that_llvm_refuses_leaves_the_attributes_as_they_were(context: Context) -> None:
    module = context.parse(TWO)
    before = module.print()
    with pytest.raises(LLVMError, match="unknown function pass"):
        module.run_on({"two"}, "function(no-such-pass)")
    assert module.print() == before


def test_every_pass_that_may_be_proposed_leaves_other_functions_alone(
    library: Library, vocabulary: Vocabulary, compiled: Callable[..., bytes]
) -> None:
    bitcode = compiled(C_OF_ALL_SORTS)
    for known in vocabulary.proposable:
        if known.level in ("module", "cgscc"):
            continue
        with Context(library) as context, context.parse(bitcode) as module, module.machine(SHIP) as machine:
            others = [name for name in module.functions() if name != "step"]
            before = {name: text_of(module, name) for name in others}
            module.run_on({"step"}, str(vocabulary.nest([known.name])), machine)
            module.verify()
            assert {name: text_of(module, name) for name in others} == before, known.name


def test_a_function_gets_alone_what_it_gets_with_all_others(library: Library, compiled: Callable[..., bytes]) -> None:
    bitcode = compiled(C_OF_ALL_SORTS)
    passes = "function(sroa),function(early-cse),function(simplifycfg)"
    with Context(library) as context, context.parse(bitcode) as all_at_once:
        all_at_once.run(passes)
        for name in all_at_once.functions():
            with context.parse(bitcode) as alone:
                alone.run_on({name}, passes)
                texts = [re.sub(r"!\d+", "!0", text_of(module, name)) for module in (alone, all_at_once)]
                assert texts[0] == texts[1]


def test_functions_that_are_put_apart_have_sections_of_their_own(all_sorts: Module) -> None:
    count = len(all_sorts.functions())
    with all_sorts.clone() as copy, copy.machine(SHIP) as machine:
        copy.put_apart()
        copy.verify()
        sections = [section.name for section in read_object(copy.emit(machine)).sections]
    numbered = [int(name) for name in sections if name.isdigit()]
    assert len(numbered) == len(set(numbered)) > 3
    assert set(numbered) <= set(range(count))
