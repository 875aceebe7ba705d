"""Modules as code in this process: compiled by LLVM's MCJIT, run behind guards, in a sandbox.

The code is untrusted. It runs in a process that has called `lock_down` and can make no system call but a few that
manage its own memory and timers; it can still spoil that process, which is why nobody may trust it with more than an
answer about itself. `data/harness.c` is what the code meets there: memory, callees, guards.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import resource
import signal
import struct
from collections.abc import Callable, Mapping
from ctypes import byref, c_char_p, c_int, c_long, c_size_t, c_uint, c_ulong, c_void_p
from functools import cache
from importlib import resources
from typing import Any

from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context, Module

# The numbers of harness.c.
ARENA, ARENA_SIZE, IMAGE, FLAGS = 0x200000000000, 0x1000000, 0x1000000, 0x2000000
OBJECTS, STRIDE, GUARD, BYTES, INSIDE, OBJECT_COUNT = ARENA + 0x10000, 0x8000, 0x2000, 0x4000, 0x800, 48
HEAP, HEAP_SIZE = ARENA + 0x200000, 0x100000
GLOBALS, CONSTANTS = ARENA + 0x300000, ARENA + 0xC00000
LOG_AT, LOG, SEEN_AT, STATE_SIZE, CHOICES = 40, 2000, 40 + 8 * 2000, 40 + 8 * (2000 + 256), 512
EXITED = 200
"""Status of a call that ended in a callee that does not return."""

_PAGE = mmap.PAGESIZE
_LARGE_CODE_MODEL = 6  # LLVMCodeModel: nothing need be near anything
_SIGNALS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGPROF)
_SA_SIGINFO, _SA_NODEFER, _SA_ONSTACK = 4, 0x40000000, 0x08000000
_MAP_FIXED_NOREPLACE, _MAP_NORESERVE = 0x100000, 0x4000
_NO_ACCESS = 0
_READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
# x86-64: mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn madvise mremap setitimer exit futex
# sigaltstack clock_gettime exit_group
_SYSTEM_CALLS = (9, 10, 11, 12, 13, 14, 15, 28, 25, 38, 60, 202, 131, 228, 231)
_AUDIT_ARCH_X86_64 = 0xC000003E

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = c_void_p
_libc.mmap.argtypes = (c_void_p, c_size_t, c_int, c_int, c_int, c_long)
_libc.mprotect.argtypes = (c_void_p, c_size_t, c_int)
_libm = ctypes.CDLL("libm.so.6")


class _Options(ctypes.Structure):
    _fields_ = (
        ("optimisation", c_uint),
        ("code_model", c_int),
        ("frame_pointers", c_int),
        ("fast", c_int),
        ("memory", c_void_p),
    )


class Code:
    """A module compiled into this process, for as long as the process lives. The module is used up.

    `addresses` says where the globals lie that it only declares; what else it needs is looked up in the process.
    """

    def __init__(self, module: Module, addresses: Mapping[str, int], optimisation: int = 0) -> None:
        library = self._library = module.library
        options = _Options()
        library.LLVMInitializeMCJITCompilerOptions(byref(options), ctypes.sizeof(options))
        options.optimisation, options.code_model = optimisation, _LARGE_CODE_MODEL
        self._engine, message = c_void_p(), c_void_p()
        found = {
            name: value for name in addresses if (value := named(module, name)) and library.LLVMIsDeclaration(value)
        }
        ref = module._ref
        module._forget()
        failed = library.LLVMCreateMCJITCompilerForModule(
            byref(self._engine), ref, byref(options), ctypes.sizeof(options), byref(message)
        )
        if failed:
            raise LLVMError(library.take_message(message))
        for name, value in found.items():
            library.LLVMAddGlobalMapping(self._engine, value, addresses[name])

    def function(self, name: str) -> int:
        """Address of a function; the first call compiles the module. LLVMError where there is none."""
        return self._found(self._library.LLVMGetFunctionAddress(self._engine, name.encode()), name)

    def variable(self, name: str) -> int:
        """Address of a global variable. LLVMError where there is none."""
        return self._found(self._library.LLVMGetGlobalValueAddress(self._engine, name.encode()), name)

    def _found(self, address: int, name: str) -> int:
        if not address:
            raise LLVMError(f"no code for {name}")
        return address


def named(module: Module, name: str) -> Any:
    """The function or variable of this name, or None."""
    encoded = name.encode(errors="surrogateescape")
    return module.library.LLVMGetNamedFunction(module._ref, encoded) or module.library.LLVMGetNamedGlobal(
        module._ref, encoded
    )


@cache
def _map_arena() -> None:
    """Once in a process: what runs in it does so in a forked child, whose writes are its own."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED_NOREPLACE | _MAP_NORESERVE
    if _libc.mmap(ARENA, ARENA_SIZE + FLAGS, _NO_ACCESS, flags, -1, 0) != ARENA:
        raise LLVMError("the memory at the arena's address is taken")
    open_memory(ARENA, STATE_SIZE)
    open_memory(HEAP, HEAP_SIZE)
    open_memory(ARENA + IMAGE, ARENA_SIZE * 2)
    for index in range(OBJECT_COUNT):
        open_memory(OBJECTS + index * STRIDE + GUARD, BYTES)


class Harness:
    """The compiled harness and its arena: one in a process, and in all that are forked from it."""

    def __init__(self, library: Library) -> None:
        library.LLVMLinkInMCJIT()
        text = resources.files(__package__).joinpath("data/harness.ll").read_bytes()
        self._context = Context(library)  # owns the types of the compiled module
        module = self._context.parse(text)
        names = module.functions()
        self._code = Code(module, {}, optimisation=1)
        self.addresses = {name: self._code.function(name) for name in names if name.startswith("h_")}
        call = ctypes.PYFUNCTYPE(c_int, c_void_p, c_void_p, c_ulong)
        self._guard: Callable[[int, int, int], int] = call(self.addresses["h_guard"])
        self.object: Callable[[], int] = ctypes.PYFUNCTYPE(c_ulong)(self.addresses["h_object"])
        self.random, self.seed, self.found = (self._word(name) for name in ("h_random", "h_seed", "h_found"))
        self.out_count = self._word("h_out_count")
        self.used = self.bytes("h_used", OBJECT_COUNT)
        self.exploring, self.scrub = self.bytes("h_exploring", 1), self.bytes("h_scrub", 1)
        _map_arena()

    def _word(self, name: str) -> c_ulong:
        """One of the harness's variables of eight bytes."""
        return c_ulong.from_address(self._code.variable(name))

    def bytes(self, name: str, size: int) -> Any:
        """One of the harness's variables as an array of bytes."""
        return (ctypes.c_ubyte * size).from_address(self._code.variable(name))

    def call(self, entry: int, arguments: int, microseconds: int) -> int:
        """Status of a guarded call: 0, `EXITED`, or the signal that ended it."""
        return self._guard(entry, arguments, microseconds)

    def catch_signals(self) -> None:
        """Let the harness's handler have the signals that code under test may raise, on a stack of its own."""
        self._stack = ctypes.create_string_buffer(1 << 16)
        _libc.sigaltstack(struct.pack("PiQ", ctypes.addressof(self._stack), 0, len(self._stack)), None)
        flags = _SA_SIGINFO | _SA_NODEFER | _SA_ONSTACK
        action = struct.pack("P128xiP", self.addresses["h_handler"], flags, 0)
        for number in _SIGNALS:
            _libc.sigaction(int(number), action, None)


def open_memory(address: int, size: int) -> None:
    """Make the pages of a part of the arena readable and writable."""
    _protect(address, size, _READ_WRITE)


def close_memory(address: int, size: int) -> None:
    """Make them readable only."""
    _protect(address, size, mmap.PROT_READ)


def _protect(address: int, size: int, access: int) -> None:
    end = (address + size + _PAGE - 1) // _PAGE * _PAGE
    if _libc.mprotect(address // _PAGE * _PAGE, end - address // _PAGE * _PAGE, access):
        raise OSError(ctypes.get_errno(), "mprotect")


def in_libc(name: str) -> int | None:
    """Address of a function of the C library, or None."""
    for library in (_libc, _libm):
        with contextlib.suppress(AttributeError, ValueError):
            return ctypes.cast(getattr(library, name), c_void_p).value
    return None


def lock_down(seconds: int) -> None:
    """From here on this process can only compute: no files, no processes, no network; SIGKILL after `seconds` of CPU.

    OSError where the kernel has no seccomp filters.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    load, equal, give = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
    allow, refuse = 0x7FFF0000, 0x00050000 | errno.EPERM
    code = [(load, 0, 0, 4), (equal, 1, 0, _AUDIT_ARCH_X86_64), (give, 0, 0, refuse), (load, 0, 0, 0)]
    code += [(equal, len(_SYSTEM_CALLS) - at, 0, number) for at, number in enumerate(_SYSTEM_CALLS)]
    code += [(give, 0, 0, refuse), (give, 0, 0, allow)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in code))
    header = struct.pack("HxxxxxxP", len(code), ctypes.addressof(program))
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or _libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, c_char_p(header), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "no seccomp: code cannot be run safely")
