from __future__ import annotations

from ctypes import c_size_t
from pathlib import Path

import pytest

from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context


def test_the_wheel_brings_llvm_17_for_x86(library: Library) -> None:
    assert library.version == (17, 0, 6)
    assert library.targets == ("x86", "x86-64")


@pytest.mark.parametrize("contents", [b"", b"not a library", b"\x7fELF\x02\x01\x01" + bytes(200)])
def test_a_file_that_is_no_library_is_named_and_doctor_recommended(tmp_path: Path, contents: bytes) -> None:
    broken = tmp_path / "libLLVM-17.so"
    broken.write_bytes(contents)
    with pytest.raises(LLVMError, match=f"{broken} as libLLVM.*llmc doctor"):
        Library(broken)


def test_a_library_that_is_not_llvm_says_what_it_lacks(tmp_path: Path) -> None:
    libc = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libc.so" in line)
    with pytest.raises(LLVMError, match="LLVM"):
        Library(Path(libc))


def test_a_missing_function_of_llvm_is_an_attribute_error(library: Library) -> None:
    with pytest.raises(AttributeError):
        library.LLVMNoSuchFunction()


def test_messages_and_buffers_that_llvm_gives_away_become_python_values(library: Library) -> None:
    assert library.take_message(None) == ""
    with Context(library) as context, context.parse(b"@answer = global i32 42\n") as module:
        assert "@answer = global i32 42" in library.take_message(library.LLVMPrintModuleToString(module._ref))
        assert library.take_buffer(library.LLVMWriteBitcodeToMemoryBuffer(module._ref)).startswith(b"BC\xc0\xde")


def test_an_llvm_error_is_raised_with_its_words(library: Library) -> None:
    with Context(library) as context, context.parse(b"") as module:
        options = library.LLVMCreatePassBuilderOptions()
        error = library.LLVMRunPasses(module._ref, b"no-such-pass", None, options)
        library.LLVMDisposePassBuilderOptions(options)
        with pytest.raises(LLVMError, match="unknown pass name 'no-such-pass'"):
            library.raise_error(error)
    library.raise_error(None)


def test_prototypes_return_whole_pointers(library: Library) -> None:
    """A function without a declared result would cut pointers down to 32 bits."""
    with Context(library) as context, context.parse(b"define void @f() { ret void }") as module:
        function = library.LLVMGetFirstFunction(module._ref)
        length = c_size_t()
        assert library.LLVMGetValueName2(function, length)
        assert length.value == 1
        assert library.LLVMGetNextFunction(function) is None
