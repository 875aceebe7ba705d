from __future__ import annotations

from pathlib import Path

import pytest

from llm_compiler.llvm.elf import object_size, symbols
from llm_compiler.llvm.frontend import (
    CompileError,
    Source,
    guess_language,
    link,
    lower,
    optimise_for_size,
    targets,
    unoptimised,
)
from llm_compiler.llvm.library import Library
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.size import PAPER, PROTOCOLS, SHIP, Protocol
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Limits

C = b"int f(int x) { int y = x * 2; return y + 1; }\n"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (b"BC\xc0\xde\x35\x14", "ir"),
        (b"; ModuleID = 'x'\n", "ir"),
        (b'\n\ntarget triple = "x86_64"\n', "ir"),
        (b"define i32 @f() {", "ir"),
        (b"@x = global i32 0", "ir"),
        (b"%struct.x = type {}", "ir"),
        (b"#include <stdio.h>\n", "c"),
        (b"int x;", "c"),
        (b"/* target */ int x;", "c"),
        (b"", "c"),
    ],
)
def test_ir_is_told_from_c_by_its_first_word(text: bytes, language: str) -> None:
    assert guess_language(text) == language


def test_a_file_and_its_text_are_the_same_source(toolchain: Toolchain, tmp_path: Path) -> None:
    file = tmp_path / "f.c"
    file.write_bytes(C)
    from_file, from_text = Source(file, "c"), Source(None, "c", C)
    assert (from_file.name, from_text.name) == (str(file), "-")
    for protocol in PROTOCOLS.values():
        objects = [optimise_for_size(toolchain, source, protocol)[0] for source in (from_file, from_text)]
        assert len({(object_size(elf), symbols(elf)) for elf in objects}) == 1


def test_the_unoptimised_module_asks_for_small_code_and_is_not_optimised(
    toolchain: Toolchain, library: Library
) -> None:
    with Context(library) as context:
        text = context.parse(unoptimised(toolchain, Source(None, "c", C))).print()
    assert "minsize" in text
    assert "optnone" not in text
    assert text.count("alloca") == 2


def test_ir_is_taken_as_it_is(toolchain: Toolchain, tmp_path: Path) -> None:
    text = b"define void @f() {\n  ret void\n}\n"
    file = tmp_path / "f.ll"
    file.write_bytes(text)
    assert unoptimised(toolchain, Source(file, "ir")) == unoptimised(toolchain, Source(None, "ir", text)) == text


def test_the_users_flags_reach_clang_and_ours_win(toolchain: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "value.h").write_text("#define VALUE 7\n")
    text = b'#include "value.h"\nint table[VALUE * TIMES] = {1};\n'
    flags = (f"-I{tmp_path}", "-DTIMES=3", "-O3", "-std=c11")
    elf, _ = optimise_for_size(toolchain, Source(None, "c", text, flags), SHIP)
    assert object_size(elf).data == 7 * 3 * 4
    with pytest.raises(CompileError, match="file not found"):
        optimise_for_size(toolchain, Source(None, "c", text), SHIP)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())
@pytest.mark.parametrize("emit", ["obj", "asm", "ll", "bc"])
def test_every_kind_of_output_is_what_it_says(toolchain: Toolchain, protocol: Protocol, emit: str) -> None:
    starts = {"obj": b"\x7fELF", "bc": b"BC\xc0\xde", "ll": b"; ModuleID", "asm": b"\t.text"}
    output, warnings = optimise_for_size(toolchain, Source(None, "c", C), protocol, emit)
    assert output.startswith(starts[emit])
    assert warnings == ""
    module, _ = optimise_for_size(toolchain, Source(None, "c", C), protocol, "bc")
    assert lower(toolchain, module, protocol, emit=emit).startswith(starts[emit])


def test_warnings_are_handed_on_and_are_no_errors(toolchain: Toolchain) -> None:
    elf, warnings = optimise_for_size(toolchain, Source(None, "c", b"int *f(void) { int x; return &x; }\n"), SHIP)
    assert elf.startswith(b"\x7fELF")
    assert "-Wreturn-stack-address" in warnings


def test_errors_are_clangs_own_words(toolchain: Toolchain, tmp_path: Path) -> None:
    file = tmp_path / "wrong.c"
    file.write_text("int f(void) { return 1 }\nint g(void) { return undeclared; }\n")
    for compile_ in (unoptimised, lambda *args: optimise_for_size(*args, SHIP)):
        with pytest.raises(CompileError) as caught:
            compile_(toolchain, Source(file, "c"))
        assert f"{file}:1:23: error: expected ';'" in str(caught.value)
        assert "undeclared" in str(caught.value)


@pytest.mark.parametrize("module", [b"not IR", b"BC\xc0\xde", b"define void @f() {"])
def test_a_module_that_is_none_is_refused(toolchain: Toolchain, module: bytes) -> None:
    for protocol in PROTOCOLS.values():
        with pytest.raises(CompileError, match="error"):
            lower(toolchain, module, protocol)


def test_a_clang_that_takes_too_long_is_stopped(toolchain: Toolchain) -> None:
    """Templates to the limit: minutes of work for clang."""
    text = b"template <int N, int M> struct F { static const unsigned v = F<N - 1, M>::v + F<N - 1, M + 1>::v; };\n"
    text += b"template <int M> struct F<0, M> { static const unsigned v = 1; };\nunsigned x = F<900, 0>::v;\n"
    with pytest.raises(CompileError, match=r"took more than 1 s|died of signal"):
        unoptimised(toolchain, Source(None, "c++", text), Limits(seconds=1))


def test_objects_become_a_program(toolchain: Toolchain, tmp_path: Path) -> None:
    import subprocess

    parts = {
        "main.o": Source(None, "c", b"int answer(void);\nint main(void) { return answer() - 42; }\n"),
        "answer.o": Source(None, "c++", b'extern "C" int answer() { return 42; }\n'),
    }
    for name, source in parts.items():
        (tmp_path / name).write_bytes(optimise_for_size(toolchain, source, PAPER)[0])
    program = tmp_path / "program"
    link(toolchain, [tmp_path / name for name in parts], program)
    assert subprocess.run([program], check=False).returncode == 0


def test_a_missing_symbol_does_not_link(toolchain: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "main.o").write_bytes(
        optimise_for_size(toolchain, Source(None, "c", b"int gone(void);\nint main(void) { return gone(); }\n"), SHIP)[
            0
        ]
    )
    with pytest.raises(CompileError, match="gone"):
        link(toolchain, [tmp_path / "main.o"], tmp_path / "program")


@pytest.mark.slow
def test_a_machine_without_a_compiler_links_with_zig(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(tmp_path / "zig"))
    monkeypatch.setenv("ZIG_LOCAL_CACHE_DIR", str(tmp_path / "zig"))
    (tmp_path / "main.o").write_bytes(
        optimise_for_size(
            toolchain, Source(None, "c", b'int puts(const char *);\nint main(void) { return puts("") < 0; }\n'), SHIP
        )[0]
    )
    link(toolchain, [tmp_path / "main.o"], tmp_path / "program")
    assert subprocess.run([tmp_path / "program"], check=False, capture_output=True).stdout == b"\n"


def test_clang_has_every_target_that_the_design_names(toolchain: Toolchain) -> None:
    assert {"x86-64", "aarch64", "arm", "riscv64", "nvptx64"} <= set(targets(toolchain))
