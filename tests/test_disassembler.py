"""Objects back to the form that LLVM writes: its own text, the same bytes, and one line for garbage."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compiler.corpus.assembly import Target, assembly
from llm_compiler.corpus.normalise import normalise, normalise_assembly
from llm_compiler.corpus.split import split
from llm_compiler.llvm.assembly_file import split_assembly
from llm_compiler.llvm.disassembler import disassembler
from llm_compiler.llvm.frontend import Source, unoptimised
from llm_compiler.llvm.functions import UnreadableError, assemble, read_functions
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.listing import Lister
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.objects import ObjectError, members, read_object
from llm_compiler.llvm.toolchain import Toolchain, find
from tests.conftest import EXAMPLES

SOURCE = rb"""
int puts(const char *); extern int ext; static int state; extern double d(double);
__attribute__((noinline)) static int helper(int x) { return x * 3 + state++; }
int sw(int x, const char *s) {
  switch (x) {
    case 0: return puts("a"); case 1: return puts(s); case 2: return ext; case 3: return 77;
    case 4: return helper(x); case 5: return 9; case 6: return 12;
  }
  return x * 1000001;
}
double fp(double x, float *y) {
  static const int tab[] = {1, 2, 3, 9};
  *y *= 3.25f; return d(x) + 1.234 * tab[(int)x & 3]; }
void *address(void) { return (void *)helper; }
_Thread_local int counter; int count(void) { return counter++; }
"""
GCC = b"""	.text
	.globl	twice
	.type	twice, @function
twice:
.LFB0:
	.cfi_startproc
	leal	(%rdi,%rdi), %eax
	leaq	.LC0(%rip), %rdi
	ret
	.cfi_endproc
.LFE0:
	.size	twice, .-twice
	.section	.rodata.str1.1,"aMS",@progbits,1
.LC0:
	.string	"a"
	.ident	"GCC: (Debian 12.2.0) 12.2.0"
"""
TARGETS: tuple[Target, ...] = ("x86-64", "aarch64")


@pytest.fixture(scope="module")
def lister(toolchain: Toolchain) -> Lister:
    pytest.importorskip("capstone")
    made = Lister(toolchain.library)
    made.prepare()
    return made


def unit_texts(toolchain: Toolchain, library: Library, source: Source) -> list[str]:
    with Context(library) as context, context.parse(unoptimised(toolchain, source)) as module:
        return [normalise(each.text) for each in split(normalise(module.print()))]


def code(elf: bytes) -> list[bytes]:
    found = read_object(elf)
    return [found.bytes_of(at) for at, each in enumerate(found.sections) if each.name == ".text"]


@pytest.mark.parametrize("target", TARGETS)
def test_every_kind_of_reference_is_restored(
    toolchain: Toolchain, library: Library, lister: Lister, target: Target
) -> None:
    """Jump tables, strings, constants, statics, thread-local variables, calls: the text is the compiler's own."""
    for text in unit_texts(toolchain, library, Source(None, "c", SOURCE)):
        made = assembly(toolchain, library, text, target).assembly
        (function,) = lister(assemble(toolchain, made.encode(), target)).functions
        # Whether a callee is in the same program is not in the object of one function.
        assert normalise_assembly(function.text).replace("@PLT", "") == made.replace("@PLT", "")


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_functions_of_the_examples_assemble_to_the_same_bytes_and_most_read_the_same(
    toolchain: Toolchain, library: Library, lister: Lister, target: Target
) -> None:
    same = total = 0
    for path in (each for each in EXAMPLES[::4] if each.suffix == ".c"):
        for text in unit_texts(toolchain, library, Source(path, "c"))[::2]:
            made = assembly(toolchain, library, text, target).assembly
            elf = assemble(toolchain, made.encode(), target)
            function = lister(elf).functions[0]
            assert function.problem == ""
            again = assemble(toolchain, function.text.encode(), target)
            assert code(again) == code(elf)
            assert lister(again).functions[0].text == function.text
            same += normalise_assembly(function.text).replace("@PLT", "") == made.replace("@PLT", "")
            total += 1
    assert same >= 0.7 * total


@pytest.mark.parametrize("target", TARGETS)
def test_assembly_of_llvm_for_one_function_is_left_as_it_is(
    toolchain: Toolchain, library: Library, target: Target
) -> None:
    for text in unit_texts(toolchain, library, Source(None, "c", SOURCE)):
        made = assembly(toolchain, library, text, target).assembly
        (function,) = split_assembly(made, target)
        assert normalise_assembly(function.text) == made


def test_a_file_of_several_functions_is_split_with_what_each_of_them_reaches(toolchain: Toolchain) -> None:
    text = "".join(
        f"\t.text\n\t.globl\tf{n}\n\t.type\tf{n},@function\nf{n}:\n\tleaq\t.L.str.{n}(%rip), %rax\n\tretq\n"
        f".Lfunc_end{n}:\n\t.size\tf{n}, .Lfunc_end{n}-f{n}\n"
        for n in range(2)
    ) + "".join(
        f'\t.type\t.L.str.{n},@object\n\t.section\t.rodata.str1.1,"aMS",@progbits,1\n.L.str.{n}:\n\t.asciz\t"{n}"\n'
        f"\t.size\t.L.str.{n}, 2\n"
        for n in range(2)
    )
    found = read_functions(text.encode(), toolchain).functions
    assert [each.name for each in found] == ["f0", "f1"]
    assert '"1"' not in found[0].text
    assert "leaq\t.L.str(%rip)" in found[1].text
    assert '.asciz\t"1"' in found[1].text


def test_what_gcc_wrote_gets_llvms_form(toolchain: Toolchain) -> None:
    (function,) = read_functions(GCC, toolchain).functions
    assert function.name == "twice"
    assert "\tleaq\t.L.str(%rip), %rdi\n\tretq\n" in function.text
    assert '\t.asciz\t"a"\n' in function.text


def test_stripped_functions_get_names_that_were_made_up(toolchain: Toolchain) -> None:
    anonymous = GCC.replace(b"\t.globl\ttwice\n", b"").replace(b"@function", b"@notype").replace(b"twice", b".Lf")
    (function,) = read_functions(assemble(toolchain, anonymous, "x86-64"), toolchain).functions
    assert function.name == "function_1"
    assert "function_1:\n" in function.text


def test_functions_of_an_archive_come_in_order(toolchain: Toolchain) -> None:
    first = assemble(toolchain, GCC, "x86-64")
    second = assemble(toolchain, GCC.replace(b"twice", b"again"), "x86-64")
    archive = archived({"first.o": first, "notes.txt": b"odd", "second.o": second})
    assert [each.name for each in read_functions(archive, toolchain).functions] == ["twice", "again"]
    assert [name for name, _ in members(archive)] == ["first.o", "notes.txt", "second.o"]


def archived(files: dict[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, contents in files.items():
        out += f"{name + '/':<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(contents):<10}`\n".encode()
        out += contents + b"\n" * (len(contents) % 2)
    return out


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"", "empty"),
        (b"\0\1\2", "neither an ELF object"),
        (b"_start:\n\tmovq %rax, %rbx\n", "no functions in it"),
        (GCC.replace(b"leal", b"nonsense"), "does not assemble"),
        (b"\t.type f,@function\nf:\n\taddi sp, sp, -16\n\tret\n", "for RISC-V"),
        (b"\t.type f,@function\nf:\n\tpushl %ebp\n\tmovl 8(%ebp), %eax\n\tret\n", "32-bit x86"),
        (b"\t.intel_syntax noprefix\n\t.type f,@function\nf:\n\tmov rax, rbx\n", "Intel's syntax"),
        (b"!<thin>\n", "thin archive"),
        (b"!<arch>\nnonsense", "broken archive"),
        (b"\x7fELF\x01\x01" + bytes(100), "not of 64 bits"),
        (b"\x7fELF\x02\x01" + bytes(10) + struct.pack("<HH", 1, 243) + bytes(100), "for RISC-V"),
        (b"\x7fELF\x02\x01" + bytes(10) + struct.pack("<HH", 2, 62) + bytes(100), "linked program"),
    ],
)
def test_what_cannot_be_lifted_is_one_clear_line(toolchain: Toolchain, contents: bytes, words: str) -> None:
    with pytest.raises(UnreadableError, match=words) as raised:
        read_functions(contents, toolchain)
    assert "\n" not in str(raised.value)


def test_another_architecture_than_the_target_is_refused(toolchain: Toolchain) -> None:
    for contents in (GCC, assemble(toolchain, GCC, "x86-64")):
        with pytest.raises(UnreadableError, match="for x86-64, not for aarch64"):
            read_functions(contents, toolchain, "aarch64")


def test_bytes_that_are_no_instruction_stay_bytes(library: Library) -> None:
    found = list(disassembler(library, "x86-64").instructions(b"\xc3\x06\xf0\x0f\xc1\x07"))
    assert [each.text for each in found] == ["retq", ".byte\t6", "lock\t\txaddl\t%eax, (%rdi)"]
    assert [each.offset for each in found] == [0, 1, 2]


@pytest.fixture(scope="module")
def elf() -> bytes:
    return assemble(find(), GCC, "x86-64")


@given(data=st.data())
def test_a_truncated_or_damaged_object_is_listed_or_refused(lister: Lister, elf: bytes, data: st.DataObject) -> None:
    damaged = bytearray(elf)
    (table,) = struct.unpack_from("<Q", elf, 40)
    places = st.integers(16, 63) | st.integers(table, len(elf) - 1) | st.integers(0, len(elf) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)):
        damaged[place] = value
    cut = data.draw(st.just(len(elf)) | st.integers(0, len(elf)))
    try:
        assert isinstance(lister(bytes(damaged[:cut])).functions, tuple)
    except LLVMError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=300))
def test_archives_of_garbage_are_read_or_refused(rest: bytes) -> None:
    try:
        assert isinstance(list(members(b"!<arch>\n" + rest)), list)
    except ObjectError as error:
        assert "\n" not in str(error)
