"""The packaged programs: each passes with clang's -O0 and -Oz, silently; every topic has one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from llm_compiler.autotune.suites import Program, default_suite
from llm_compiler.llvm.frontend import Source, link, optimise_for_size
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain

PROGRAMS = {program.name.removeprefix("suite/"): program for program in default_suite()}

TOPICS = {
    "floating point: rounding": "fp_rounding_conversions.c",
    "floating point: NaN, infinities, signed zeros": "fp_special_values.c",
    "floating point: denormals": "fp_denormals.c",
    "floating point: no reassociation": "fp_evaluation_order.c",
    "floating point: to and from integers": "fp_integer_conversions.c",
    "long double": "long_double.c",
    "complex": "complex_numbers.c",
    "exceptions: destructors": "exceptions_unwind_destructors.cpp",
    "exceptions: rethrow and order of handlers": "exceptions_rethrow_order.cpp",
    "exceptions: noexcept": "exceptions_noexcept.cpp",
    "exceptions: function-try-blocks": "exceptions_function_try.cpp",
    "exceptions: landing pads and loops": "exceptions_loops.cpp",
    "setjmp": "setjmp_volatile_locals.c",
    "varargs": "varargs_mixed.c",
    "varargs: structures, va_copy": "varargs_structs.c",
    "bit fields: signs": "bitfields_signed.c",
    "bit fields: straddling, zero width": "bitfields_straddling.c",
    "volatile": "volatile_access.c",
    "atomics": "atomics_operations.c",
    "atomics: compare and swap": "atomics_cas.cpp",
    "threads": "atomics_threads.c",
    "threads: message passing": "threads_message_passing.cpp",
    "recursion": "recursion.c",
    "recursion through pointers": "recursion_through_pointers.c",
    "tail calls": "tail_calls.c",
    "switch tables: dense, sparse, fallthrough": "switch_dense_sparse.c",
    "switch tables: negative, 64 bits, default only": "switch_wide.c",
    "computed goto": "computed_goto.c",
    "irreducible control flow": "irreducible_flow.c",
    "structures returned": "struct_return.c",
    "structures passed": "struct_by_value.c",
    "vectors": "vector_extensions.c",
    "integers: edges": "integer_edges.c",
    "integers: promotions": "integer_promotions.c",
    "integers: 128 bits": "int128.c",
    "integers: division by constants": "division_by_constants.c",
    "overflow builtins": "overflow_builtins.c",
    "memory builtins": "memory_builtins.c",
    "string builtins": "string_builtins.c",
    "printf family": "snprintf_results.c",
    "global constructors": "global_constructors.cpp",
    "atexit and destructors": "atexit_order.c",
    "static locals": "static_locals.c",
    "static locals with guards": "static_local_guards.cpp",
    "function pointers": "function_tables.c",
    "virtual functions": "devirtualised_calls.cpp",
    "multiple inheritance": "multiple_inheritance.cpp",
    "virtual inheritance": "virtual_inheritance.cpp",
    "dynamic_cast and RTTI": "dynamic_cast_rtti.cpp",
    "member pointers": "member_pointers.cpp",
    "templates": "templates_recursion.cpp",
    "lambdas": "lambdas.cpp",
    "moves and copies": "move_semantics.cpp",
    "temporaries": "temporaries_order.cpp",
    "new and delete": "placement_new.cpp",
    "aliasing": "aliasing_char_union.c",
    "restrict": "restrict_pointers.c",
    "loops: induction variables": "loops_induction.c",
    "loops: unswitching": "loops_unswitch.c",
    "loops: reductions and dependences": "loops_reductions.c",
    "loops: invariants and aliases": "loops_invariant_alias.c",
    "loops: dead stores": "loops_dead_stores.c",
    "hashes: CRC, FNV": "hash_crc_fnv.c",
    "hashes: MD5, SHA-256": "hash_md5_sha.c",
    "sorting and searching": "sorting_searching.c",
    "matrices": "matrix_multiply.c",
    "state machines": "state_machine.c",
    "byte order, unaligned access": "byte_order.c",
    "functions to merge": "near_identical_functions.c",
    "sequences to outline": "outliner_sequences.c",
    "constant tables": "constant_tables.c",
    "kinds of inlining": "inline_kinds.c",
    "weak symbols and aliases": "weak_symbols.c",
    "alloca and variable-length arrays": "alloca_vla.c",
    "offsets in structures": "struct_offsets.c",
    "bool and enum": "bool_enum_ranges.c",
    "scoped enumerations": "enum_class_switch.cpp",
    "inline assembly": "inline_assembly.c",
    "bit builtins": "bit_builtins.c",
    "order of side effects": "argument_order.c",
    "constant folding": "constant_vs_runtime.c",
    "constant evaluation": "constexpr_runtime.cpp",
    "partial inlining": "partial_inlining.c",
    "jump threading": "jump_threading.c",
    "arguments unused or constant": "argument_promotion.c",
    "arguments promoted past stores": "argument_promotion_clobbered.c",
    "globals only written or only read": "globals_written_read.c",
    "lists and trees": "linked_structures.c",
    "reference counts": "reference_counting.cpp",
    "operators": "operators_big_numbers.cpp",
    "containers: vector": "containers_vector.cpp",
    "containers: map and string": "containers_map_string.cpp",
    "algorithms": "algorithms_functional.cpp",
}


def test_the_suite_is_large_and_in_both_languages() -> None:
    languages = [program.language for program in PROGRAMS.values()]
    assert len(PROGRAMS) >= 66
    assert languages.count("c") >= 40
    assert languages.count("c++") >= 20


def test_every_topic_has_a_program_and_every_program_a_topic() -> None:
    assert set(TOPICS.values()) == set(PROGRAMS)


def test_the_line_of_a_failed_check_fits_in_an_exit_status() -> None:
    assert not [name for name, program in PROGRAMS.items() if len(program.text.splitlines()) > 255]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_passes_at_o0_and_at_oz_and_says_nothing(toolchain: Toolchain, tmp_path: Path, name: str) -> None:
    program = PROGRAMS[name]
    assert program.path is not None
    source = Source(program.path, program.language, flags=program.flags)
    # Not the module without any pass: std::string does not link before always-inline has run.
    headers = (*(toolchain.libcxx_flags if program.language == "c++" else ()), *toolchain.libc_flags)
    command = [*toolchain.clang, *headers, *program.flags, "-O0", "-c", "-o", "-", str(program.path)]
    plain = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    small, _ = optimise_for_size(toolchain, source, SHIP)
    assert run(toolchain, program, plain, tmp_path / "plain") == (0, b"")
    assert run(toolchain, program, small, tmp_path / "small") == (0, b"")


def run(toolchain: Toolchain, program: Program, code: bytes, path: Path) -> tuple[int, bytes]:
    """Exit status (the line of the failed check) and whatever was printed."""
    code_path = path.with_suffix(".o")
    code_path.write_bytes(code)
    link(toolchain, [code_path], path, *program.libraries)
    done = subprocess.run(
        [path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
    )
    return done.returncode, done.stdout
