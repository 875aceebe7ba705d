"""A function made ready to be run by `equivalence`: its variables laid out, its callees found, loads instrumented.

Of every module that is compared one `Variant` is made. The reference comes first: it decides where variables lie, and
its unknown callees, which get bodies that log and make up answers, serve all other variants.
"""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from llm_compiler.llvm import jit
from llm_compiler.llvm.jit import Code, Harness, named
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context, Module

ARGUMENT_BYTES, MOST_ARGUMENTS = 64, 32
_MOST_FIELDS = 24
_MOST_BLOCKS = 1024
_GLOBAL_BYTES = 1 << 20
_OPEN_BYTES = 4096
"""Given to a variable of unknown size."""
_VOID, _FLOAT, _DOUBLE, _INTEGER, _STRUCT, _ARRAY, _POINTER = 0, 2, 3, 8, 10, 11, 12  # LLVMTypeKind
_CALLS, _LOAD, _PHI = (5, 45, 67), 27, 44  # LLVMOpcode: invoke, call, callbr
_PADS = (59, 61, 62, 63, 64, 65)
"""LLVMOpcode: what exceptions come to, which must be first in its block."""
_EXTERNAL = 0  # LLVMLinkage
_FUNCTION_INDEX = 0xFFFFFFFF  # LLVMAttributeFunctionIndex
_WRITES = 0b101010
"""In the value of the attribute `memory`: the bits that say `may write`, for each kind of memory."""
# enum kind of harness.c; integers are 0 to 3
KIND_FLOAT, KIND_DOUBLE, KIND_POINTER, KIND_NOT_NULL, KIND_NUL = 4, 5, 6, 7, 8
_ENTRY = "llmc.entry"

# Functions of the C library that touch nothing but the memory they are given.
_MEMORY_NAMES = """
memcpy memmove memset memcmp bcmp memchr memrchr rawmemchr mempcpy bzero memccpy memmem __memcpy_chk __memmove_chk
__memset_chk __strcpy_chk __strncpy_chk __strcat_chk __strncat_chk __stpcpy_chk strlen strnlen strcmp strncmp strcasecmp
strncasecmp strchr strrchr strchrnul strstr strcasestr strspn strcspn strpbrk strcpy strncpy strcat strncat stpcpy
stpncpy strcoll strsep strtok_r strlcpy strlcat wcslen wcscmp wcsncmp wcschr wcscpy wmemcpy wmemset wmemcmp wmemchr abs
labs llabs imaxabs div ldiv lldiv ffs ffsl ffsll atoi atol atoll atof strtol strtoul strtoll strtoull strtod strtof
__isoc23_strtol __isoc23_strtoul isalnum isalpha isblank iscntrl isdigit isgraph islower isprint ispunct isspace isupper
isxdigit isascii toascii tolower toupper __ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc __errno_location sprintf
snprintf vsprintf vsnprintf __sprintf_chk __snprintf_chk __vsprintf_chk __vsnprintf_chk sscanf __isoc99_sscanf
__isoc23_sscanf qsort bsearch htonl htons ntohl ntohs
"""
_MATHS_NAMES = """
acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs fdim floor fma fmax fmin
fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p log2 logb lrint lround modf nan nearbyint nextafter
pow remainder remquo rint round scalbln scalbn sin sincos sinh sqrt tan tanh tgamma trunc __isnan __isinf __finite
__signbit __fpclassify isnan isinf finite exp10
"""
_PURE = frozenset(_MEMORY_NAMES.split()) | {name + suffix for name in _MATHS_NAMES.split() for suffix in ("", "f", "l")}
_RETURNS_TWICE = {"setjmp", "_setjmp", "sigsetjmp", "__sigsetjmp", "vfork", "getcontext"}


class UnknownError(Exception):
    """Why no verdict is possible."""


@dataclass(frozen=True)
class Variable:
    """A global variable of the reference, as it lies in the arena."""

    name: str
    address: int
    size: int
    constant: bool
    open: bool
    """Whether it is defined elsewhere: its value is part of every input."""
    initialiser: str
    contents: bytes = b""
    """As the module has it. In every other input other values may be there: earlier calls may have left them."""

    @property
    def movable(self) -> bool:
        """Whether other contents than the module's make sense."""
        return not self.open and not self.constant and "@" not in self.initialiser


@dataclass
class Variant:
    """One compiled version of the function, and what it may change."""

    entry: int
    variables: list[Variable]
    own: list[tuple[int, bytes]]
    """Addresses and initial contents of variables that only this version has."""


class Preparation:
    """Makes variants of one function. What it says no to is an UnknownError, or an LLVMError if it is invalid."""

    def __init__(self, library: Library, harness: Harness, name: str) -> None:
        self.library, self.harness, self.name = library, harness, name
        self.context = Context(library)
        self.builder = library.LLVMCreateBuilderInContext(self.context._ref)
        self.integer = library.LLVMInt64TypeInContext(self.context._ref)
        self.pointer = library.LLVMPointerTypeInContext(self.context._ref, 0)
        self.void = library.LLVMVoidTypeInContext(self.context._ref)
        self.addresses: dict[str, int] = {}
        self.stubs: list[str] = []
        self.variables: dict[str, Variable] = {}
        self.parameters: list[tuple[int | None, int, bool]] = []
        """Of the function's arguments: kind, size in bytes, and whether it must not be null."""
        self.reached = (ctypes.c_ubyte * _MOST_BLOCKS)()
        """Of the instrumented reference's blocks: whether they have been reached."""

    def parse(self, source: bytes) -> Module:
        """A module that can be run at all."""
        module = self.context.parse(source)
        library = self.library
        if not module.triple.startswith("x86_64"):
            raise UnknownError(f"target: {module.triple or 'none'}")
        function = library.LLVMGetNamedFunction(module._ref, self.name.encode(errors="surrogateescape"))
        if not function or library.LLVMIsDeclaration(function):
            raise LLVMError(f"no function {self.name} in the module")
        module.verify()
        length = ctypes.c_size_t()
        library.LLVMGetModuleInlineAsm(module._ref, ctypes.byref(length))
        if length.value or any(
            library.LLVMIsAInlineAsm(library.LLVMGetCalledValue(instruction))
            for instruction in self._instructions(module)
            if library.LLVMGetInstructionOpcode(instruction) in _CALLS
        ):
            raise UnknownError("inline assembly")
        for start, following in (("GlobalAlias", "GlobalAlias"), ("GlobalIFunc", "GlobalIFunc")):
            if any(module._walk(f"LLVMGetFirst{start}", f"LLVMGetNext{following}")):
                raise UnknownError("aliases")
        for variable in self._globals(module):
            if library.LLVMIsThreadLocal(variable):
                raise UnknownError("thread-local variables")
        for attribute in (b"byval", b"sret"):
            kind = library.LLVMGetEnumAttributeKindForName(attribute, len(attribute))
            for index in range(1, library.LLVMCountParams(function) + 1):
                if library.LLVMGetEnumAttributeAtIndex(function, index, kind):
                    if library.LLVMGetFirstUse(function):
                        raise UnknownError(f"recursion with {attribute.decode()}")
                    # The callee may as well use the caller's object: the caller is ours.
                    library.LLVMRemoveEnumAttributeAtIndex(function, index, kind)
        library.LLVMSetComdat(function, None)
        library.LLVMSetLinkage(function, _EXTERNAL)
        return module

    def _globals(self, module: Module) -> list[Any]:
        return [
            variable
            for variable in module._walk("LLVMGetFirstGlobal", "LLVMGetNextGlobal")
            if not module._name(variable).startswith("llvm.")
        ]

    def _instructions(self, module: Module) -> Iterator[Any]:
        library = self.library
        for function in module._functions():
            block = library.LLVMGetFirstBasicBlock(function)
            while block:
                instruction = library.LLVMGetFirstInstruction(block)
                while instruction:
                    yield instruction
                    instruction = library.LLVMGetNextInstruction(instruction)
                block = library.LLVMGetNextBasicBlock(block)

    def signature(self, module: Module) -> str:
        """The function's type, as text; on the way `parameters` is filled."""
        library = self.library
        function = named(module, self.name)
        kind = library.LLVMGlobalGetValueType(function)
        if library.LLVMIsFunctionVarArg(kind):
            raise UnknownError("variable arguments")
        layout = library.LLVMGetModuleDataLayout(module._ref)
        types = [
            library.LLVMTypeOf(library.LLVMGetParam(function, i)) for i in range(library.LLVMCountParams(function))
        ]
        result = library.LLVMGetReturnType(kind)
        if len(types) > MOST_ARGUMENTS:
            raise UnknownError("too many arguments")
        self.parameters = []
        for index, type_ in enumerate([*types, *([] if library.LLVMGetTypeKind(result) == _VOID else [result])]):
            size = library.LLVMABISizeOfType(layout, type_)
            if size > ARGUMENT_BYTES:
                raise UnknownError("large arguments by value")
            not_null = any(
                library.LLVMGetEnumAttributeAtIndex(
                    function, index + 1, library.LLVMGetEnumAttributeKindForName(name, len(name))
                )
                for name in (b"nonnull", b"dereferenceable")
            )
            if index < len(types):
                self.parameters.append((self._kind(type_), size, not_null))
        return library.take_message(library.LLVMPrintTypeToString(kind))

    def _kind(self, type_: Any) -> int | None:
        """What the harness calls values of this type; None where it has no such."""
        kind = self.library.LLVMGetTypeKind(type_)
        if kind == _INTEGER and (width := self.library.LLVMGetIntTypeWidth(type_)) <= 64:
            return next(number for number, bits in enumerate((8, 16, 32, 64)) if width <= bits)
        return {_FLOAT: KIND_FLOAT, _DOUBLE: KIND_DOUBLE, _POINTER: KIND_POINTER}.get(kind)

    def reference(self, module: Module) -> Variant:
        """The reference as it is. It also brings the variables and the unknown callees for all others."""
        library = self.library
        text: dict[str, str] = {}
        address = {False: jit.GLOBALS, True: jit.CONSTANTS}
        layout = library.LLVMGetModuleDataLayout(module._ref)
        copies = {}
        for number, variable in enumerate(self._globals(module)):
            name, kind = module._name(variable), library.LLVMGlobalGetValueType(variable)
            size = library.LLVMABISizeOfType(layout, kind) if library.LLVMTypeIsSized(kind) else 0
            initialiser = library.LLVMGetInitializer(variable)
            size = size if size or initialiser else _OPEN_BYTES
            constant = bool(library.LLVMIsGlobalConstant(variable)) and bool(initialiser)
            text[name] = self._initialiser(variable)
            merged = constant and bool(library.LLVMHasUnnamedAddr(variable))
            found = Variable(
                name, address[merged], max(size, 1), constant,
                open=not initialiser, initialiser=text[name],
            )  # fmt: skip
            if found.size > _GLOBAL_BYTES:
                raise UnknownError("large variables")
            address[merged] += (found.size + 0x2FFF) // 0x1000 * 0x1000
            if address[False] > jit.CONSTANTS or address[True] > jit.ARENA + jit.ARENA_SIZE:
                raise UnknownError("many variables")
            self.variables[name] = found
            self.addresses[name] = found.address
            jit.open_memory(found.address, found.size)
            if initialiser:
                copy = library.LLVMAddGlobal(module._ref, kind, f"llmc.{number}".encode())
                library.LLVMSetInitializer(copy, initialiser)
                copies[name] = f"llmc.{number}"
        for function in list(module._functions()):
            if library.LLVMIsDeclaration(function):
                self._find_callee(module, function)
        variant, code = self._compile(module)
        for stub in self.stubs:
            self.addresses[stub] = code.function(stub)
        for name, copy_name in copies.items():
            variable = self.variables[name]
            ctypes.memmove(variable.address, code.variable(copy_name), variable.size)
            ctypes.memmove(variable.address + jit.IMAGE, variable.address, variable.size)
            self.variables[name] = replace(variable, contents=ctypes.string_at(variable.address, variable.size))
        for variable in self.variables.values():
            ctypes.memset(variable.address + jit.FLAGS, 1, variable.size)
            if variable.constant:
                jit.close_memory(variable.address, variable.size)
        return variant

    def _initialiser(self, variable: Any) -> str:
        value = self.library.LLVMGetInitializer(variable)
        return self.library.take_message(self.library.LLVMPrintValueToString(value)) if value else ""

    def variant(self, module: Module) -> Variant:
        """Any other version, once there is a reference. It uses the module up."""
        for function in module._functions():
            if self.library.LLVMIsDeclaration(function):
                name = module._name(function)
                if name not in self.addresses and not name.startswith("llvm."):
                    found = self._known(name)
                    if found is None:
                        raise UnknownError(f"only the second calls {name}")
                    self.addresses[name] = found
        return self._compile(module)[0]

    def _compile(self, module: Module) -> tuple[Variant, Code]:
        library = self.library
        shared, own = [], []
        layout = library.LLVMGetModuleDataLayout(module._ref)
        for variable in self._globals(module):
            name = module._name(variable)
            if name.startswith("llmc."):
                continue
            known = self.variables.get(name)
            initialiser = self._initialiser(variable)
            if known and initialiser in ("", known.initialiser):
                library.LLVMSetComdat(variable, None)
                library.LLVMSetInitializer(variable, None)
                library.LLVMSetLinkage(variable, _EXTERNAL)
                shared.append(known)
            elif not initialiser:
                raise UnknownError(f"only the second refers to {name}")
            elif not library.LLVMIsGlobalConstant(variable):
                library.LLVMSetLinkage(variable, _EXTERNAL)
                own.append((name, library.LLVMABISizeOfType(layout, library.LLVMGlobalGetValueType(variable))))
        self._add_entry(module)
        code = Code(module, self.addresses)
        entry = code.function(_ENTRY)
        contents = [(at, ctypes.string_at(at, size)) for name, size in own for at in (code.variable(name),)]
        return Variant(entry, shared, contents), code

    def _add_entry(self, module: Module) -> None:
        """A function that takes the arguments from a buffer and puts the result there."""
        library, builder = self.library, self.builder
        function = named(module, self.name)
        kind = library.LLVMGlobalGetValueType(function)
        block = self._begin(library.LLVMAddFunction(module._ref, _ENTRY.encode(), self._type(self.void, self.pointer)))
        buffer = library.LLVMGetParam(named(module, _ENTRY), 0)
        del block
        values = []
        for index in range(library.LLVMCountParams(function)):
            offset = library.LLVMConstInt(self.integer, (index + 1) * ARGUMENT_BYTES, 0)
            byte = library.LLVMInt8TypeInContext(self.context._ref)
            place = library.LLVMBuildGEP2(builder, byte, buffer, _array(offset), 1, b"")
            type_ = library.LLVMTypeOf(library.LLVMGetParam(function, index))
            values.append(library.LLVMBuildLoad2(builder, type_, place, b""))
        result = library.LLVMBuildCall2(builder, kind, function, _array(*values), len(values), b"")
        library.LLVMSetInstructionCallConv(result, library.LLVMGetFunctionCallConv(function))
        for name in (b"zeroext", b"signext", b"inreg"):
            attribute_kind = library.LLVMGetEnumAttributeKindForName(name, len(name))
            for index in range(len(values) + 1):
                if attribute := library.LLVMGetEnumAttributeAtIndex(function, index, attribute_kind):
                    library.LLVMAddCallSiteAttribute(result, index, attribute)
        if library.LLVMGetTypeKind(library.LLVMGetReturnType(kind)) != _VOID:
            library.LLVMBuildStore(builder, result, buffer)
        library.LLVMBuildRetVoid(builder)

    def _type(self, result: Any, *parameters: Any) -> Any:
        return self.library.LLVMFunctionType(result, _array(*parameters), len(parameters), 0)

    def _begin(self, function: Any) -> Any:
        block = self.library.LLVMAppendBasicBlockInContext(self.context._ref, function, b"")
        self.library.LLVMPositionBuilderAtEnd(self.builder, block)
        return block

    def _call(self, name: str, result: Any, *arguments: Any) -> Any:
        """Call a function of the harness."""
        library, builder = self.library, self.builder
        address = library.LLVMConstInt(self.integer, self.harness.addresses[name], 0)
        callee = library.LLVMBuildIntToPtr(builder, address, self.pointer, b"")
        kind = self._type(result, *(library.LLVMTypeOf(argument) for argument in arguments))
        return library.LLVMBuildCall2(builder, kind, callee, _array(*arguments), len(arguments), b"")

    def _number(self, value: int) -> Any:
        return self.library.LLVMConstInt(self.integer, value & (1 << 64) - 1, 0)

    def _small(self, value: int) -> Any:
        return self.library.LLVMConstInt(self.library.LLVMInt32TypeInContext(self.context._ref), value, 0)

    # -- callees

    def _known(self, name: str) -> int | None:
        """Address of a function that can be called as it is."""
        if f"h_{name}" in self.harness.addresses:
            return self.harness.addresses[f"h_{name}"]
        return jit.in_libc(name) if name in _PURE else None

    def _find_callee(self, module: Module, function: Any) -> None:
        name = module._name(function)
        if name.startswith("llvm."):
            return
        if name in _RETURNS_TWICE:
            raise UnknownError(f"calls {name}")
        found = self._known(name)
        if found is not None:
            self.addresses[name] = found
        else:
            self._add_stub(function, name)
            self.stubs.append(name)

    def _add_stub(self, function: Any, name: str) -> None:
        """Give a declaration a body that logs the call and makes up an answer."""
        library, builder = self.library, self.builder
        memory = self._attribute(function, _FUNCTION_INDEX, b"memory")
        pure = memory is not None and not memory & _WRITES
        noreturn = self._attribute(function, _FUNCTION_INDEX, b"noreturn") is not None
        pure = pure and not noreturn
        prefix = "h_pure_" if pure else "h_"
        library.LLVMSetLinkage(function, _EXTERNAL)
        self._begin(function)
        self._call(
            f"{prefix}call", self.void, self._number(zlib.crc32(name.encode(errors="surrogateescape")) | 1 << 40)
        )
        for index in range(library.LLVMCountParams(function)):
            value = library.LLVMGetParam(function, index)
            kind = self._kind(library.LLVMTypeOf(value))
            if kind is None or (pure and kind >= KIND_FLOAT):
                continue
            if kind < KIND_FLOAT:
                self._call(f"{prefix}argument", self.void, library.LLVMBuildZExt(builder, value, self.integer, b""))
            elif kind == KIND_POINTER:
                self._call(
                    "h_pointer_argument",
                    self.void,
                    library.LLVMBuildPtrToInt(builder, value, self.integer, b""),
                    self._small(index),
                )
            else:
                double = library.LLVMDoubleTypeInContext(self.context._ref)
                wide = library.LLVMBuildFPExt(builder, value, double, b"") if kind == KIND_FLOAT else value
                self._call("h_double_argument", self.void, wide)
        if not pure:
            self._call("h_write_locals", self.void)
        if noreturn:
            self._call("h_exit", self.void)
            library.LLVMBuildUnreachable(builder)
            return
        type_ = library.LLVMGetReturnType(library.LLVMGlobalGetValueType(function))
        if library.LLVMGetTypeKind(type_) == _VOID:
            library.LLVMBuildRetVoid(builder)
            return
        not_null = any(self._attribute(function, 0, name) is not None for name in (b"nonnull", b"dereferenceable"))
        library.LLVMBuildRet(builder, self._made_up(type_, not_null))

    def _attribute(self, function: Any, index: int, name: bytes) -> int | None:
        kind = self.library.LLVMGetEnumAttributeKindForName(name, len(name))
        attribute = self.library.LLVMGetEnumAttributeAtIndex(function, index, kind)
        return int(self.library.LLVMGetEnumAttributeValue(attribute)) if attribute else None

    def _made_up(self, type_: Any, not_null: bool = False) -> Any:
        """A value of this type that the harness chooses."""
        library, builder = self.library, self.builder
        kind = self._kind(type_)
        if kind is None:
            value = library.LLVMConstNull(type_)
            if library.LLVMGetTypeKind(type_) == _STRUCT:
                for index in range(library.LLVMCountStructElementTypes(type_)):
                    element = self._made_up(library.LLVMStructGetTypeAtIndex(type_, index))
                    value = library.LLVMBuildInsertValue(builder, value, element, index, b"")
            return value
        asked = KIND_NOT_NULL if kind == KIND_POINTER and not_null else kind
        bits = self._call("h_answer", self.integer, self._small(asked))
        if kind == KIND_POINTER:
            return library.LLVMBuildIntToPtr(builder, bits, type_, b"")
        if kind == KIND_FLOAT:
            bits = library.LLVMBuildTrunc(builder, bits, library.LLVMInt32TypeInContext(self.context._ref), b"")
        if kind in (KIND_FLOAT, KIND_DOUBLE):
            return library.LLVMBuildBitCast(builder, bits, type_, b"")
        return library.LLVMBuildTrunc(builder, bits, type_, b"")

    def instrument(self, module: Module) -> None:
        """Let every load ask the harness for a value first, and every block say that it is reached."""
        library = self.library
        self._note_blocks(module)
        range_kind = library.LLVMGetMDKindIDInContext(self.context._ref, b"range", 5)
        for load in [i for i in self._instructions(module) if library.LLVMGetInstructionOpcode(i) == _LOAD]:
            place, type_ = library.LLVMGetOperand(load, 0), library.LLVMTypeOf(load)
            kind = self._kind(type_)
            if kind is None or library.LLVMIsAAllocaInst(place):
                continue
            low, span = 0, 0
            if node := library.LLVMGetMetadata(load, range_kind):
                low, high = (
                    library.LLVMConstIntGetSExtValue(library.LLVMGetOperand(node, index)) for index in range(2)
                )
                span = (high - low) & (1 << 64) - 1
            elif library.LLVMGetTypeKind(type_) == _INTEGER and library.LLVMGetIntTypeWidth(type_) == 1:
                span = 2
            library.LLVMPositionBuilderBefore(self.builder, load)
            self._call("h_load", self.void, place, self._small(kind), self._number(low), self._number(span))

        for call in [i for i in self._instructions(module) if library.LLVMGetInstructionOpcode(i) in _CALLS]:
            callee = library.LLVMGetCalledValue(call)
            if library.LLVMIsAFunction(callee) and module._name(callee) in self.stubs:
                self._announce_locals(module, call, callee)

    def _note_blocks(self, module: Module) -> None:
        """Let every block note that it has been reached."""
        library = self.library
        one = library.LLVMConstInt(library.LLVMInt8TypeInContext(self.context._ref), 1, 0)
        number = 0
        for function in module._functions():
            block = library.LLVMGetFirstBasicBlock(function)
            while block and number < _MOST_BLOCKS:
                first = library.LLVMGetFirstInstruction(block)
                while library.LLVMGetInstructionOpcode(first) == _PHI:
                    first = library.LLVMGetNextInstruction(first)
                if library.LLVMGetInstructionOpcode(first) not in _PADS:
                    library.LLVMPositionBuilderBefore(self.builder, first)
                    address = self._number(ctypes.addressof(self.reached) + number)
                    place = library.LLVMBuildIntToPtr(self.builder, address, self.pointer, b"")
                    library.LLVMBuildStore(self.builder, one, place)
                    number += 1
                block = library.LLVMGetNextBasicBlock(block)

    def _announce_locals(self, module: Module, call: Any, callee: Any) -> None:
        """Tell the harness which locals the call gets pointers to and may write."""
        library = self.library
        library.LLVMPositionBuilderBefore(self.builder, call)
        for index in range(min(library.LLVMGetNumArgOperands(call), library.LLVMCountParams(callee))):
            place = library.LLVMGetOperand(call, index)
            if library.LLVMIsAGetElementPtrInst(place) and all(
                library.LLVMIsNull(library.LLVMGetOperand(place, at))
                for at in range(1, library.LLVMGetNumOperands(place))
            ):
                place = library.LLVMGetOperand(place, 0)
            read_only = any(
                self._attribute(callee, index + 1, name) is not None for name in (b"readonly", b"readnone", b"byval")
            )
            if read_only or not library.LLVMIsAAllocaInst(place):
                continue
            for offset, kind in self._fields(module, library.LLVMGetAllocatedType(place))[:_MOST_FIELDS]:
                if offset < 1 << 16:
                    self._call("h_out", self.void, self._small(index), self._small(offset), self._small(kind))

    def _fields(self, module: Module, type_: Any) -> list[tuple[int, int]]:
        """Offsets and kinds of the values in a type."""
        library = self.library
        layout = library.LLVMGetModuleDataLayout(module._ref)
        kind = library.LLVMGetTypeKind(type_)
        if (simple := self._kind(type_)) is not None:
            return [(0, simple)]
        parts: list[tuple[int, Any]] = []
        if kind == _STRUCT:
            for index in range(library.LLVMCountStructElementTypes(type_)):
                part = library.LLVMStructGetTypeAtIndex(type_, index)
                parts.append((library.LLVMOffsetOfElement(layout, type_, index), part))
        elif kind == _ARRAY:
            part = library.LLVMGetElementType(type_)
            count = library.LLVMGetArrayLength(type_)
            if self._kind(part) == 0:
                text = min(count, 8) - 1
                return [*((at, 0) for at in range(text)), (text, KIND_NUL)] if count else []
            size = library.LLVMABISizeOfType(layout, part)
            parts += [(at * size, part) for at in range(min(count, 8))]
        return [(offset + inner, found) for offset, part in parts for inner, found in self._fields(module, part)]


def _array(*values: Any) -> Any:
    return (ctypes.c_void_p * max(len(values), 1))(*values)
