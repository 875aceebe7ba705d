"""The thin seam to LLVM-C: one table of prototypes, one loaded library, nothing else.

Everything that knows `ctypes` is here and in `module.py`. The functions keep LLVM's own names; what they mean is
LLVM's documentation (llvm-c/*.h), not ours.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from functools import cached_property
from pathlib import Path
from typing import Any

Ref = c_void_p
DIAGNOSTIC_HANDLER = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)

_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "LLVMGetVersion": (None, [POINTER(c_uint)] * 3),
    "LLVMDisposeMessage": (None, [c_void_p]),
    "LLVMGetErrorMessage": (c_void_p, [Ref]),
    "LLVMDisposeErrorMessage": (None, [c_void_p]),
    # contexts, buffers, modules
    "LLVMContextCreate": (Ref, []),
    "LLVMContextDispose": (None, [Ref]),
    "LLVMContextSetDiagnosticHandler": (None, [Ref, DIAGNOSTIC_HANDLER, c_void_p]),
    "LLVMGetDiagInfoDescription": (c_void_p, [Ref]),
    "LLVMGetDiagInfoSeverity": (c_int, [Ref]),
    "LLVMCreateMemoryBufferWithMemoryRange": (Ref, [c_char_p, c_size_t, c_char_p, c_int]),
    "LLVMGetBufferStart": (c_void_p, [Ref]),
    "LLVMGetBufferSize": (c_size_t, [Ref]),
    "LLVMDisposeMemoryBuffer": (None, [Ref]),
    "LLVMParseIRInContext": (c_int, [Ref, Ref, POINTER(Ref), POINTER(c_void_p)]),
    "LLVMDisposeModule": (None, [Ref]),
    "LLVMVerifyModule": (c_int, [Ref, c_int, POINTER(c_void_p)]),
    "LLVMPrintModuleToString": (c_void_p, [Ref]),
    "LLVMWriteBitcodeToMemoryBuffer": (Ref, [Ref]),
    "LLVMLinkModules2": (c_int, [Ref, Ref]),
    "LLVMGetTarget": (c_char_p, [Ref]),
    "LLVMGetModuleFlag": (Ref, [Ref, c_char_p, c_size_t]),
    "LLVMMetadataAsValue": (Ref, [Ref, Ref]),
    "LLVMConstIntGetZExtValue": (c_uint64, [Ref]),
    "LLVMGetNumOperands": (c_int, [Ref]),
    "LLVMGetOperand": (Ref, [Ref, c_uint]),
    "LLVMIsAConstantInt": (Ref, [Ref]),
    "LLVMIsAMDString": (Ref, [Ref]),
    # globals
    "LLVMGetFirstFunction": (Ref, [Ref]),
    "LLVMGetNextFunction": (Ref, [Ref]),
    "LLVMGetFirstGlobal": (Ref, [Ref]),
    "LLVMGetNextGlobal": (Ref, [Ref]),
    "LLVMGetFirstGlobalAlias": (Ref, [Ref]),
    "LLVMGetNextGlobalAlias": (Ref, [Ref]),
    "LLVMGetFirstGlobalIFunc": (Ref, [Ref]),
    "LLVMGetNextGlobalIFunc": (Ref, [Ref]),
    "LLVMGetNamedFunction": (Ref, [Ref, c_char_p]),
    "LLVMGetValueName2": (c_void_p, [Ref, POINTER(c_size_t)]),
    "LLVMSetValueName2": (None, [Ref, c_char_p, c_size_t]),
    "LLVMIsDeclaration": (c_int, [Ref]),
    "LLVMGetLinkage": (c_int, [Ref]),
    "LLVMSetLinkage": (None, [Ref, c_int]),
    "LLVMSetComdat": (None, [Ref, Ref]),
    "LLVMGetOrInsertComdat": (Ref, [Ref, c_char_p]),
    "LLVMSetSection": (None, [Ref, c_char_p]),
    "LLVMCreateEnumAttribute": (Ref, [Ref, c_uint, c_uint64]),
    "LLVMAddAttributeAtIndex": (None, [Ref, c_uint, Ref]),
    "LLVMGlobalGetValueType": (Ref, [Ref]),
    "LLVMGetTypeKind": (c_int, [Ref]),
    "LLVMAddFunction": (Ref, [Ref, c_char_p, Ref]),
    "LLVMAddGlobal": (Ref, [Ref, Ref, c_char_p]),
    "LLVMDeleteGlobal": (None, [Ref]),
    "LLVMReplaceAllUsesWith": (None, [Ref, Ref]),
    # instructions
    "LLVMGetFirstBasicBlock": (Ref, [Ref]),
    "LLVMGetNextBasicBlock": (Ref, [Ref]),
    "LLVMGetFirstInstruction": (Ref, [Ref]),
    "LLVMGetNextInstruction": (Ref, [Ref]),
    # passes
    "LLVMRunPasses": (Ref, [Ref, c_char_p, Ref, Ref]),
    "LLVMCreatePassBuilderOptions": (Ref, []),
    "LLVMDisposePassBuilderOptions": (None, [Ref]),
    "LLVMPassBuilderOptionsSetLoopVectorization": (None, [Ref, c_int]),
    "LLVMPassBuilderOptionsSetSLPVectorization": (None, [Ref, c_int]),
    # targets
    "LLVMGetFirstTarget": (Ref, []),
    "LLVMGetNextTarget": (Ref, [Ref]),
    "LLVMGetTargetName": (c_char_p, [Ref]),
    "LLVMGetTargetFromTriple": (c_int, [c_char_p, POINTER(Ref), POINTER(c_void_p)]),
    "LLVMCreateTargetMachine": (Ref, [Ref, c_char_p, c_char_p, c_char_p, c_int, c_int, c_int]),
    "LLVMDisposeTargetMachine": (None, [Ref]),
    "LLVMTargetMachineEmitToMemoryBuffer": (c_int, [Ref, Ref, c_int, POINTER(c_void_p), POINTER(Ref)]),
    # equivalence and jit: attributes, types, building, running
    "LLVMAddCallSiteAttribute": (None, [Ref, c_uint, Ref]),
    "LLVMAddGlobalMapping": (None, [Ref, Ref, c_void_p]),
    "LLVMABISizeOfType": (c_uint64, [Ref, Ref]),
    "LLVMAppendBasicBlockInContext": (Ref, [Ref, Ref, c_char_p]),
    "LLVMBuildBitCast": (Ref, [Ref, Ref, Ref, c_char_p]),
    "LLVMBuildCall2": (Ref, [Ref, Ref, Ref, POINTER(Ref), c_uint, c_char_p]),
    "LLVMBuildFPExt": (Ref, [Ref, Ref, Ref, c_char_p]),
    "LLVMBuildGEP2": (Ref, [Ref, Ref, Ref, POINTER(Ref), c_uint, c_char_p]),
    "LLVMBuildIntToPtr": (Ref, [Ref, Ref, Ref, c_char_p]),
    "LLVMBuildLoad2": (Ref, [Ref, Ref, Ref, c_char_p]),
    "LLVMBuildPtrToInt": (Ref, [Ref, Ref, Ref, c_char_p]),
    "LLVMBuildRet": (Ref, [Ref, Ref]),
    "LLVMBuildRetVoid": (Ref, [Ref]),
    "LLVMBuildStore": (Ref, [Ref, Ref, Ref]),
    "LLVMBuildTrunc": (Ref, [Ref, Ref, Ref, c_char_p]),
    "LLVMBuildUnreachable": (Ref, [Ref]),
    "LLVMBuildInsertValue": (Ref, [Ref, Ref, Ref, c_uint, c_char_p]),
    "LLVMBuildZExt": (Ref, [Ref, Ref, Ref, c_char_p]),
    "LLVMConstInt": (Ref, [Ref, c_uint64, c_int]),
    "LLVMConstIntGetSExtValue": (ctypes.c_int64, [Ref]),
    "LLVMConstNull": (Ref, [Ref]),
    "LLVMCountParams": (c_uint, [Ref]),
    "LLVMCountStructElementTypes": (c_uint, [Ref]),
    "LLVMCreateBuilderInContext": (Ref, [Ref]),
    "LLVMCreateMCJITCompilerForModule": (c_int, [POINTER(Ref), Ref, c_void_p, c_size_t, POINTER(c_void_p)]),
    "LLVMDisposeBuilder": (None, [Ref]),
    "LLVMDoubleTypeInContext": (Ref, [Ref]),
    "LLVMFunctionType": (Ref, [Ref, POINTER(Ref), c_uint, c_int]),
    "LLVMGetCalledValue": (Ref, [Ref]),
    "LLVMGetEnumAttributeAtIndex": (Ref, [Ref, c_uint, c_uint]),
    "LLVMGetEnumAttributeKindForName": (c_uint, [c_char_p, c_size_t]),
    "LLVMGetEnumAttributeValue": (c_uint64, [Ref]),
    "LLVMGetExecutionEngineTargetData": (Ref, [Ref]),
    "LLVMGetFirstUse": (Ref, [Ref]),
    "LLVMGetFunctionAddress": (c_uint64, [Ref, c_char_p]),
    "LLVMGetFunctionCallConv": (c_uint, [Ref]),
    "LLVMGetGlobalValueAddress": (c_uint64, [Ref, c_char_p]),
    "LLVMGetInitializer": (Ref, [Ref]),
    "LLVMGetInstructionOpcode": (c_int, [Ref]),
    "LLVMGetIntTypeWidth": (c_uint, [Ref]),
    "LLVMGetMDKindIDInContext": (c_uint, [Ref, c_char_p, c_uint]),
    "LLVMGetModuleDataLayout": (Ref, [Ref]),
    "LLVMGetNamedGlobal": (Ref, [Ref, c_char_p]),
    "LLVMGetMetadata": (Ref, [Ref, c_uint]),
    "LLVMGetModuleInlineAsm": (c_char_p, [Ref, POINTER(c_size_t)]),
    "LLVMGetParam": (Ref, [Ref, c_uint]),
    "LLVMGetReturnType": (Ref, [Ref]),
    "LLVMHasUnnamedAddr": (c_int, [Ref]),
    "LLVMInitializeMCJITCompilerOptions": (None, [c_void_p, c_size_t]),
    "LLVMInt64TypeInContext": (Ref, [Ref]),
    "LLVMInt8TypeInContext": (Ref, [Ref]),
    "LLVMInt32TypeInContext": (Ref, [Ref]),
    "LLVMIntTypeInContext": (Ref, [Ref, c_uint]),
    "LLVMIsAInlineAsm": (Ref, [Ref]),
    "LLVMIsFunctionVarArg": (c_int, [Ref]),
    "LLVMIsGlobalConstant": (c_int, [Ref]),
    "LLVMIsNull": (c_int, [Ref]),
    "LLVMIsThreadLocal": (c_int, [Ref]),
    "LLVMLinkInMCJIT": (None, []),
    "LLVMPointerTypeInContext": (Ref, [Ref, c_uint]),
    "LLVMPositionBuilderAtEnd": (None, [Ref, Ref]),
    "LLVMPositionBuilderBefore": (None, [Ref, Ref]),
    "LLVMPrintTypeToString": (c_void_p, [Ref]),
    "LLVMPrintValueToString": (c_void_p, [Ref]),
    "LLVMRemoveEnumAttributeAtIndex": (None, [Ref, c_uint, c_uint]),
    "LLVMSetFunctionCallConv": (None, [Ref, c_uint]),
    "LLVMSetInitializer": (None, [Ref, Ref]),
    "LLVMSetInstructionCallConv": (None, [Ref, c_uint]),
    "LLVMStructGetTypeAtIndex": (Ref, [Ref, c_uint]),
    "LLVMOffsetOfElement": (c_uint64, [Ref, Ref, c_uint]),
    "LLVMGetAllocatedType": (Ref, [Ref]),
    "LLVMGetArrayLength": (c_uint, [Ref]),
    "LLVMGetElementType": (Ref, [Ref]),
    "LLVMIsAGetElementPtrInst": (Ref, [Ref]),
    "LLVMGetNumArgOperands": (c_uint, [Ref]),
    "LLVMIsAFunction": (Ref, [Ref]),
    "LLVMVoidTypeInContext": (Ref, [Ref]),
    "LLVMTypeIsSized": (c_int, [Ref]),
    "LLVMTypeOf": (Ref, [Ref]),
    "LLVMIsAAllocaInst": (Ref, [Ref]),
}

# LLVM-C cannot say which targets it was built with (LLVM_FOR_EACH_TARGET is a macro), so each name is asked for.
_TARGETS = (
    "AArch64", "AMDGPU", "ARM", "AVR", "BPF", "Hexagon", "Lanai", "LoongArch", "MSP430", "Mips", "NVPTX", "PowerPC",
    "RISCV", "SPIRV", "Sparc", "SystemZ", "VE", "WebAssembly", "X86", "XCore",
)  # fmt: skip


class LLVMError(Exception):
    """What LLVM said no to: text that is not IR, a pass that it does not know, a module that does not verify."""


class Library:
    """One loaded libLLVM with every target that it was built with.

    Loading takes about 10 ms and 45 MB, and lasts until the process ends: there is no unload.
    A process that has loaded it can be taken down by LLVM at any call; see `workers`.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._dll = ctypes.CDLL(str(path))
            for name, (restype, argtypes) in _PROTOTYPES.items():
                function = getattr(self._dll, name)
                function.restype, function.argtypes = restype, argtypes
        except (OSError, AttributeError) as error:
            raise LLVMError(f"cannot use {path} as libLLVM: {error} (`llmc doctor` says what mends it)") from error
        self.path = path
        for target in _TARGETS:
            for part in ("TargetInfo", "Target", "TargetMC", "AsmPrinter", "AsmParser", "Disassembler"):
                initialise = getattr(self._dll, f"LLVMInitialize{target}{part}", None)
                if initialise is not None:
                    initialise()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(self._dll, name)
        return function

    @cached_property
    def version(self) -> tuple[int, int, int]:
        """Major, minor and patch as the library itself says."""
        parts = (c_uint(), c_uint(), c_uint())
        self.LLVMGetVersion(*(byref(part) for part in parts))
        major, minor, patch = (part.value for part in parts)
        return major, minor, patch

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Names of the registered targets, sorted: `x86`, `x86-64`, ..."""
        names = []
        target = self.LLVMGetFirstTarget()
        while target:
            names.append(self.LLVMGetTargetName(target).decode())
            target = self.LLVMGetNextTarget(target)
        return tuple(sorted(names))

    def take_message(self, message: c_void_p | int | None) -> str:
        """The text of a message that LLVM gave away, which is disposed of."""
        address = message.value if isinstance(message, c_void_p) else message
        if not address:
            return ""
        text = ctypes.string_at(address).decode(errors="replace")
        self.LLVMDisposeMessage(address)
        return text

    def take_buffer(self, buffer: Any) -> bytes:
        """The contents of a memory buffer that LLVM gave away, which is disposed of."""
        contents = ctypes.string_at(self.LLVMGetBufferStart(buffer), self.LLVMGetBufferSize(buffer))
        self.LLVMDisposeMemoryBuffer(buffer)
        return contents

    def raise_error(self, error: Any) -> None:
        """Turn an `LLVMErrorRef` into an `LLVMError`; NULL is success."""
        if not error:
            return
        message = self.LLVMGetErrorMessage(error)
        text = ctypes.string_at(message).decode(errors="replace")
        self.LLVMDisposeErrorMessage(message)
        raise LLVMError(text)
