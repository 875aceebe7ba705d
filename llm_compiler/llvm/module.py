"""Modules: parse, print, split, link, run a pass list, emit, count.

Ownership is explicit. A `Context` owns the modules that were made in it and a `Machine` owns a target machine; all
three are context managers, and closing one twice is harmless. LLVM never gives back the types and constants of a
context before the context goes, so whoever evaluates for hours opens a new one now and then (`evaluate` does).
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Collection, Iterator
from ctypes import byref, c_size_t, c_void_p
from typing import Any, Literal, Self

from llm_compiler.llvm.library import DIAGNOSTIC_HANDLER, Library, LLVMError
from llm_compiler.llvm.size import Protocol

_EXTERNAL, _AVAILABLE_EXTERNALLY, _LINKONCE_ODR, _WEAK_ODR, _INTERNAL = 0, 1, 3, 5, 8  # LLVMLinkage
_LOCAL = (_INTERNAL, 9)  # internal, private
_LASTING = (_EXTERNAL, 4, 5, 10)  # external, weak, weak_odr, common: kept even if nothing in the module uses them
_RETURN_STATUS = 2  # LLVMVerifierFailureAction
_RELOC_STATIC, _RELOC_PIC = 1, 2  # LLVMRelocMode
_CODE_MODEL_DEFAULT, _CODE_MODEL_OFFSET = 0, 2  # LLVMCodeModel is the module flag's number plus two
_EMIT = {"asm": 0, "obj": 1}  # LLVMCodeGenFileType
_FUNCTION_TYPE = 9  # LLVMTypeKind
_FUNCTION_INDEX = 0xFFFFFFFF  # LLVMAttributeFunctionIndex
_INSTRUCTION_LINE = re.compile(r"^  [^ \]]", re.MULTILINE)


class Context:
    """An LLVMContext: owns every module parsed in it, and collects what LLVM has to say about them."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._ref = library.LLVMContextCreate()
        self._open: set[Module] = set()
        errors: list[str] = []
        self._errors = errors

        # Without a handler LLVM prints a diagnostic, and ends the process if it is an error.
        def handle(info: Any, _: Any) -> None:
            if library.LLVMGetDiagInfoSeverity(info) == 0:
                errors.append(library.take_message(library.LLVMGetDiagInfoDescription(info)))

        self._handler = DIAGNOSTIC_HANDLER(handle)  # must live as long as the context
        library.LLVMContextSetDiagnosticHandler(self._ref, self._handler, None)

    def parse(self, source: bytes, name: str = "input") -> Module:
        """A module from LLVM-IR text or bitcode. Raises LLVMError where it is neither, or is broken."""
        library = self.library
        buffer = library.LLVMCreateMemoryBufferWithMemoryRange(source, len(source), name.encode(), 1)
        module, message = c_void_p(), c_void_p()
        if library.LLVMParseIRInContext(self._ref, buffer, byref(module), byref(message)):
            raise LLVMError(library.take_message(message).strip() or "not LLVM-IR")
        self.raise_errors()
        return self._adopt(module.value)

    def raise_errors(self) -> None:
        """Raise the errors that LLVM reported to this context since the last call, if any."""
        if self._errors:
            text = "; ".join(self._errors)
            self._errors.clear()
            raise LLVMError(text)

    def _adopt(self, ref: int | None) -> Module:
        module = Module(self, ref)
        self._open.add(module)
        return module

    def close(self) -> None:
        """Dispose of the modules that are still open, then of the context."""
        for module in tuple(self._open):
            module.close()
        if self._ref:
            self.library.LLVMContextDispose(self._ref)
            self._ref = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Machine:
    """A target machine with the pass builder options of one protocol.

    `pic` and `code_model` come from the module that it is made for (see `Module.machine`).
    """

    def __init__(self, library: Library, triple: str, protocol: Protocol, pic: bool, code_model: int) -> None:
        self.library = library
        target, message = c_void_p(), c_void_p()
        if library.LLVMGetTargetFromTriple(triple.encode(), byref(target), byref(message)):
            library.take_message(message)
            known = ", ".join(library.targets)
            raise LLVMError(f"this libLLVM has no target for {triple or 'a module without a triple'} (it has {known})")
        # Processor and features are left to the functions' own attributes.
        relocation = _RELOC_PIC if pic else _RELOC_STATIC
        self.ref = library.LLVMCreateTargetMachine(
            target, triple.encode(), b"", b"", protocol.codegen_level, relocation, code_model
        )
        if not self.ref:
            raise LLVMError(f"this libLLVM cannot make a target machine for {triple}")
        self.options = library.LLVMCreatePassBuilderOptions()
        library.LLVMPassBuilderOptionsSetLoopVectorization(self.options, protocol.loop_vectorization)
        library.LLVMPassBuilderOptionsSetSLPVectorization(self.options, protocol.slp_vectorization)

    def close(self) -> None:
        """Dispose of the target machine and its options."""
        if self.ref:
            self.library.LLVMDisposeTargetMachine(self.ref)
            self.library.LLVMDisposePassBuilderOptions(self.options)
            self.ref = self.options = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Module:
    """One LLVM module. Made by `Context.parse`, `clone` and `extract`, never by hand."""

    def __init__(self, context: Context, ref: int | None) -> None:
        self.context = context
        self.library = context.library
        self._ref = ref

    def close(self) -> None:
        """Dispose of the module."""
        if self._ref:
            self.library.LLVMDisposeModule(self._ref)
            self._forget()

    def _forget(self) -> None:
        self._ref = None
        self.context._open.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def clone(self) -> Module:
        """An independent copy in the same context, less the order of use-lists.

        Made through bitcode: LLVMCloneModule (17.0.6) leaves the block addresses of a computed goto's table pointing
        into the original, and the passes then make nonsense of the copy.
        """
        return self.context.parse(self.bitcode())

    # -- looking

    @property
    def triple(self) -> str:
        """The target triple as it is written in the module; empty where there is none."""
        triple: bytes = self.library.LLVMGetTarget(self._ref)
        return triple.decode()

    def flag(self, name: str) -> int | None:
        """An integer module flag such as `PIC Level`, or None where it is missing."""
        library = self.library
        key = name.encode()
        metadata = library.LLVMGetModuleFlag(self._ref, key, len(key))
        if not metadata:
            return None
        value = library.LLVMMetadataAsValue(self.context._ref, metadata)
        # A constant in metadata comes back as itself or as a node with one operand, depending on the version.
        if not library.LLVMIsAConstantInt(value):
            if library.LLVMIsAMDString(value) or library.LLVMGetNumOperands(value) < 1:
                return None
            value = library.LLVMGetOperand(value, 0)
            if not library.LLVMIsAConstantInt(value):
                return None
        return int(library.LLVMConstIntGetZExtValue(value))

    def functions(self) -> list[str]:
        """Names of the functions that are defined here, in the module's order."""
        return [self._name(f) for f in self._defined()]

    def longest_functions(self, count: int) -> list[str]:
        """Names of so many functions that are defined here, those with the most text first."""

        def length(function: Any) -> int:
            return len(self.library.take_message(self.library.LLVMPrintValueToString(function)))

        return [self._name(f) for f in sorted(self._defined(), key=length, reverse=True)[:count]]

    def instruction_count(self) -> int:
        """LLVM-IR instructions in all functions (a `phi` counts, a `switch` is one)."""
        return len(_INSTRUCTION_LINE.findall(self.print()))

    def verify(self) -> None:
        """Raise LLVMError with the verifier's words if the module is not valid."""
        message = c_void_p()
        broken = self.library.LLVMVerifyModule(self._ref, _RETURN_STATUS, byref(message))
        text = self.library.take_message(message)
        if broken:
            raise LLVMError(text.strip() or "the module does not verify")

    def print(self) -> str:
        """The module as LLVM-IR text, as LLVM prints it."""
        return self.library.take_message(self.library.LLVMPrintModuleToString(self._ref))

    def bitcode(self) -> bytes:
        """The module as bitcode."""
        return self.library.take_buffer(self.library.LLVMWriteBitcodeToMemoryBuffer(self._ref))

    # -- changing

    def machine(self, protocol: Protocol) -> Machine:
        """A machine for this module's triple, relocation model and code model. LLVMError if the target is missing."""
        model = self.flag("Code Model")
        code_model = _CODE_MODEL_DEFAULT if model is None else model + _CODE_MODEL_OFFSET
        return Machine(self.library, self.triple, protocol, pic=bool(self.flag("PIC Level")), code_model=code_model)

    def run(self, passes: str, machine: Machine | None = None) -> None:
        """Apply a pass list in `opt -passes` syntax. LLVMError for a list that this LLVM does not take.

        Without a machine no target information is at hand and the passes know no costs.
        """
        options = machine.options if machine else self.library.LLVMCreatePassBuilderOptions()
        try:
            error = self.library.LLVMRunPasses(self._ref, passes.encode(), machine and machine.ref, options)
            self.library.raise_error(error)
        finally:
            if machine is None:
                self.library.LLVMDisposePassBuilderOptions(options)
        self.context.raise_errors()

    def run_on(self, names: Collection[str], passes: str, machine: Machine | None = None) -> None:
        """Apply a list of function and loop passes to these functions alone; all others stay as they are.

        Module passes would see all functions: they have no place in such a list. LLVMError as for `run`.
        """
        library = self.library
        kind = library.LLVMGetEnumAttributeKindForName(b"optnone", len(b"optnone"))
        attribute = library.LLVMCreateEnumAttribute(self.context._ref, kind, 0)
        held = []
        # The pass manager leaves out what is `optnone`. The verifier wants more of such functions, and is not asked.
        for function in self._functions():
            mine = self._name(function) in names or library.LLVMIsDeclaration(function)
            if not mine and not library.LLVMGetEnumAttributeAtIndex(function, _FUNCTION_INDEX, kind):
                library.LLVMAddAttributeAtIndex(function, _FUNCTION_INDEX, attribute)
                held.append(function)
        try:
            self.run(passes, machine)
        finally:
            for function in held:
                library.LLVMRemoveEnumAttributeAtIndex(function, _FUNCTION_INDEX, kind)

    def put_apart(self) -> None:
        """Give each defined function sections of its own, for a copy that is only measured.

        Its code goes to a section named by its place in `functions()`, in one group (a comdat) with its jump tables.
        """
        library = self.library
        for place, function in enumerate(f for f in self._functions() if not library.LLVMIsDeclaration(f)):
            if library.LLVMGetLinkage(function) == _AVAILABLE_EXTERNALLY:
                continue  # not emitted, and the verifier lets it be in no comdat
            name = f"{place}".encode()
            library.LLVMSetSection(function, name)
            library.LLVMSetComdat(function, library.LLVMGetOrInsertComdat(self._ref, b"llmc." + name))

    def emit(self, machine: Machine, kind: Literal["obj", "asm"] = "obj") -> bytes:
        """Object or assembly. The back end changes the module on the way: it is good for nothing else afterwards."""
        message, buffer = c_void_p(), c_void_p()
        failed = self.library.LLVMTargetMachineEmitToMemoryBuffer(
            machine.ref, self._ref, _EMIT[kind], byref(message), byref(buffer)
        )
        if failed:
            raise LLVMError(self.library.take_message(message).strip())
        contents = self.library.take_buffer(buffer)
        self.context.raise_errors()
        return contents

    def expand_bcmp(self) -> None:
        """Call `memcmp` where this module calls `bcmp`, for a copy that is only measured.

        The back end behind LLVM-C expands the one and not the other (its library information is for no triple), while
        clang's expands both: without this, sizes differ from clang's wherever the passes turned `memcmp` into `bcmp`.
        """
        library = self.library
        bcmp = library.LLVMGetNamedFunction(self._ref, b"bcmp")
        if not bcmp or not library.LLVMIsDeclaration(bcmp):
            return
        if memcmp := library.LLVMGetNamedFunction(self._ref, b"memcmp"):
            library.LLVMReplaceAllUsesWith(bcmp, memcmp)
        else:
            library.LLVMSetValueName2(bcmp, b"memcmp", len(b"memcmp"))

    def link(self, other: Module) -> None:
        """Link `other` into this module and use it up. Both must live in one context.

        LLVMError (a symbol defined twice, say) leaves this module in no usable state.
        """
        if other.context is not self.context:
            raise ValueError("modules of two contexts cannot be linked")
        ref = other._ref
        other._forget()
        failed = self.library.LLVMLinkModules2(self._ref, ref)
        self.context.raise_errors()
        if failed:
            raise LLVMError("the modules do not link")

    def yield_to_others(self, name: str) -> None:
        """Leave only the function `name` to be seen, and variables to whoever else has them: to link parts into one."""
        for function in self._functions():
            if not self.library.LLVMIsDeclaration(function):
                self.library.LLVMSetComdat(function, None)
                self.library.LLVMSetLinkage(function, _EXTERNAL if self._name(function) == name else _INTERNAL)
        for variable in self._walk("LLVMGetFirstGlobal", "LLVMGetNextGlobal"):
            if not self.library.LLVMIsDeclaration(variable) and self.library.LLVMGetLinkage(variable) == _EXTERNAL:
                self.library.LLVMSetLinkage(variable, _WEAK_ODR)

    def extract(self, name: str) -> Module:
        """A new module with the function `name` alone: external, in no comdat, every other function a declaration.

        Variables that only the module could see and that may change become `linkonce_odr`: other functions write them,
        and linking the parts again makes them one.
        Global constructors and `llvm.used` stay behind, unused globals too. KeyError where `name` is not defined here.
        """
        with self.clone() as copy:
            copy._keep_only(name)
            # Only writing a module forgets the comdats that nothing uses any more: with them, `link` loses functions.
            return copy.clone()

    def split(self) -> Iterator[tuple[str, Module]]:
        """Every defined function as a module of its own (see `extract`), in the module's order.

        Each costs a copy of the whole module: for large ones see `llm_compiler.corpus.split`.
        """
        for name in self.functions():
            yield name, self.extract(name)

    def _keep_only(self, name: str) -> None:
        library = self.library
        kept = library.LLVMGetNamedFunction(self._ref, name.encode())
        if not kept or library.LLVMIsDeclaration(kept):
            raise KeyError(name)
        for variable in list(self._walk("LLVMGetFirstGlobal", "LLVMGetNextGlobal")):
            if self._name(variable) in ("llvm.global_ctors", "llvm.global_dtors", "llvm.used", "llvm.compiler.used"):
                library.LLVMDeleteGlobal(variable)
        # An alias needs a definition, which is about to go: its users get a declaration of the same name instead.
        for alias in list(self._walk("LLVMGetFirstGlobalAlias", "LLVMGetNextGlobalAlias")):
            self._declare_instead(alias)
            library.LLVMSetLinkage(alias, _INTERNAL)
        for ifunc in list(self._walk("LLVMGetFirstGlobalIFunc", "LLVMGetNextGlobalIFunc")):
            self._declare_instead(ifunc)
            library.LLVMSetLinkage(ifunc, _INTERNAL)
        for function in self._functions():
            if function == kept:
                library.LLVMSetComdat(function, None)
                library.LLVMSetLinkage(function, _EXTERNAL)
            elif not library.LLVMIsDeclaration(function):
                library.LLVMSetComdat(function, None)
                library.LLVMSetLinkage(function, _AVAILABLE_EXTERNALLY)
        linkages = self._discardable_variables()
        self.run("globaldce,elim-avail-extern,globaldce")
        for variable in self._walk("LLVMGetFirstGlobal", "LLVMGetNextGlobal"):
            if (linkage := linkages.get(self._name(variable))) is not None:
                library.LLVMSetLinkage(variable, linkage)
            elif library.LLVMGetLinkage(variable) in _LOCAL and not library.LLVMIsGlobalConstant(variable):
                library.LLVMSetLinkage(variable, _LINKONCE_ODR)

    def _discardable_variables(self) -> dict[str, int]:
        """Let `globaldce` drop every variable that is not used. Returns the linkages that they had."""
        linkages = {}
        for variable in self._walk("LLVMGetFirstGlobal", "LLVMGetNextGlobal"):
            linkage = self.library.LLVMGetLinkage(variable)
            if linkage in _LASTING and not self.library.LLVMIsDeclaration(variable):
                linkages[self._name(variable)] = linkage
                self.library.LLVMSetLinkage(variable, _LINKONCE_ODR)
        return linkages

    def _declare_instead(self, value: Any) -> None:
        library = self.library
        name = self._name(value)
        library.LLVMSetValueName2(value, b"", 0)
        kind = library.LLVMGlobalGetValueType(value)
        is_function = library.LLVMGetTypeKind(kind) == _FUNCTION_TYPE
        if is_function:
            declaration = library.LLVMAddFunction(self._ref, name.encode(), kind)
        else:
            declaration = library.LLVMAddGlobal(self._ref, kind, name.encode())
        library.LLVMReplaceAllUsesWith(value, declaration)

    def _functions(self) -> Iterator[Any]:
        return self._walk("LLVMGetFirstFunction", "LLVMGetNextFunction")

    def _defined(self) -> Iterator[Any]:
        return (f for f in self._functions() if not self.library.LLVMIsDeclaration(f))

    def _walk(self, first: str, following: str) -> Iterator[Any]:
        item = getattr(self.library, first)(self._ref)
        while item:
            yield item
            item = getattr(self.library, following)(item)

    def _name(self, value: Any) -> str:
        length = c_size_t()
        address = self.library.LLVMGetValueName2(value, byref(length))
        return ctypes.string_at(address, length.value).decode(errors="surrogateescape")
