"""Canonical text: of LLVM-IR as clang prints it (`normalise`), in a short dialect for models (`compact`), of assembly.

All of it is text in, text out, by the standard library alone: LLVM would renumber, but neither drop nor rename all that
these do, and its `strip-debug` leaves idents, flags and declarations behind that debug information brought along.
The input must be as LLVM 17 prints it; what a person wrote goes through `Module.print` first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from llm_compiler.corpus.split import (
    LOCAL,
    NAME,
    REFERENCE,
    ModuleText,
    closing,
    header,
    is_declaration,
    linkage,
    mentioned,
)

Memory = dict[str, tuple[str, ...]]

# -- verbatim

# Function attributes of LLVM 17 in the order in which it prints them (llvm/IR/Attributes.td); strings follow by key.
_ATTRIBUTES = """
allocalign allocptr alwaysinline builtin cold convergent disable_sanitizer_instrumentation fn_ret_thunk_extern hot
immarg inreg inlinehint jumptable minsize mustprogress naked nest noalias nobuiltin nocallback nocapture nocf_check
noduplicate nofree noimplicitfloat noinline nomerge noprofile norecurse noredzone noreturn nosanitize_bounds
nosanitize_coverage nosync noundef nounwind nonlazybind nonnull null_pointer_is_valid optforfuzzing optsize optnone
presplitcoroutine readnone readonly returned returns_twice signext safestack sanitize_address sanitize_hwaddress
sanitize_memtag sanitize_memory sanitize_thread shadowcallstack skipprofile speculatable speculative_load_hardening
ssp sspreq sspstrong strictfp swiftasync swifterror swiftself willreturn writeonly zeroext byref byval elementtype
inalloca preallocated sret align allockind allocsize dereferenceable dereferenceable_or_null memory nofpclass
alignstack uwtable vscale_range
"""
_RANK = {word: rank for rank, word in enumerate(_ATTRIBUTES.split())}
_WORD = re.compile(r'"[^"]*"(?:="[^"]*")?|[a-z_]+(?:\((?:"[^"]*"|[^()"])*\))?(?:=\d+)?')

_DEBUG_CALL = re.compile(r"^ +(?:tail )?call void @llvm\.dbg\..*\n", re.MULTILINE)
_DEBUG_ATTACHMENT = re.compile(r'"[^"]*"|,? !(?:dbg|DIAssignID|heapallocsite) !\d+')
_DEBUG_NODE = re.compile(r"!\d+ = (?:distinct )?!DI")
_DEBUG_FLAGS = ('!"Dwarf Version"', '!"Debug Info Version"', '!"CodeView"')
_LOOP = re.compile(r'"[^"]*"|, !llvm\.loop (!\d+)')
_IDENTITY = ("!llvm.ident", "!llvm.commandline", "!llvm.dbg.", "!llvm.gcov")

_SUFFIX = re.compile(r'([@%](?:[-\w$.]*?[-\w$]|"[^"]*?[^".]))((?:\.\d+)+)("?)', re.ASCII)
_ASSEMBLY = re.compile(r' asm (?:[a-z]+ )*"([^"]*)"')
_LABEL = re.compile(rf"({NAME}):", re.ASCII)
_RESULT = re.compile(rf"  (%{NAME}) = ", re.ASCII)
_LOCAL_NAME = re.compile(r'^(?:  %["A-Za-z$._-][^=\n]* = |(?:"[^"]*"|[-A-Za-z$._][-\w$.]*):)', re.ASCII | re.MULTILINE)
_PARAMETER_NAME = re.compile(rf"(?<![{{,<(]) (%{NAME})(?=[,)])", re.ASCII)
# A block address holds a local name of the function that it names.
_LOCAL = re.compile(rf'blockaddress\(@{NAME}, %{NAME}\)|[@%$]{NAME}|"[^"]*"', re.ASCII)
_PREDECESSORS = re.compile(rf"^({NAME}): +; (?:preds = (.*)|No predecessors!)$", re.ASCII | re.MULTILINE)
_BLOCK_ADDRESS = re.compile(rf"blockaddress\((@{NAME}), (%{NAME})\)", re.ASCII)


def normalise(text: str) -> str:
    """The module's text in canonical form; normalising that again changes nothing. ValueError if it is not printed IR.

    Out: module id, source file, idents, debug information, use-list orders, what is declared and not used.
    Canonical: numbers of values, attribute groups and metadata; the order of attributes, types, comdats, metadata and
    of predecessors in comments; the numeric suffixes of types and of what is local to the module.
    Every other name stays, and so do the order of globals and functions and all that an optimisation can see.
    """
    return _canonical(text).write()


def _canonical(text: str) -> ModuleText:
    module = ModuleText.read(text)
    _drop_identity(module)
    if "!DI" in text or "@llvm.dbg." in text:
        _drop_debug(module)
    _number_values(module)
    memory: Memory = {}
    _drop_unused(module, memory)
    _canonical_attributes(module)
    module.types = _by_use(module, module.types, memory)
    module.comdats = _by_use(module, module.comdats, memory)
    module.metadata = _by_use(module, module.metadata, memory)
    names = {
        **_canonical_names(module.types, ()),
        **_names_of_locals(module),
        **_numbers_of_globals(module),
        **{key: f"#{number}" for number, key in enumerate(module.attributes)},
        **{key: f"!{number}" for number, key in enumerate(module.metadata)},
    }
    return _renamed(module, {old: new for old, new in names.items() if old != new})


def _drop_identity(module: ModuleText) -> None:
    module.target = [line for line in module.target if line.startswith("target ")]
    module.named = {key: line for key, line in module.named.items() if not key.startswith(_IDENTITY)}


def _drop_debug(module: ModuleText) -> None:
    """What LLVM's StripDebugInfo does, and the flags that came with it."""

    def bare(text: str) -> str:
        return _DEBUG_ATTACHMENT.sub(lambda match: match[0] if match[0][0] == '"' else "", _DEBUG_CALL.sub("", text))

    module.variables = {key: bare(line) for key, line in module.variables.items()}
    debug = {key for key, line in module.metadata.items() if _DEBUG_NODE.match(line)}
    debug |= {key for key, line in module.metadata.items() if any(flag in line for flag in _DEBUG_FLAGS)}
    emptied = set()
    for key, line in list(module.metadata.items()):
        opening, _, inside = line.partition("{")
        operands = inside.rstrip("}").split(", ")
        if key in debug or debug.isdisjoint(operands):
            continue
        kept = [operand for operand in operands if operand not in debug]
        module.metadata[key] = f"{opening}{{{', '.join(kept)}}}"
        if kept == [key]:
            emptied.add(key)
    for key, line in module.named.items():
        opening, _, inside = line.partition("{")
        module.named[key] = f"{opening}{{{', '.join(op for op in inside.rstrip('}').split(', ') if op not in debug)}}}"
    for key, text in module.functions.items():
        # A loop that had nothing to say but where it is in the source.
        module.functions[key] = _LOOP.sub(lambda match: "" if match[1] in emptied else match[0], bare(text))


def _drop_unused(module: ModuleText, memory: Memory) -> None:
    """Keep definitions and what they reach."""
    globals_ = {**module.variables, **module.aliases, **module.functions}
    roots = [key for key, piece in globals_.items() if key in module.aliases or not is_declaration(piece)]
    for line in module.named.values():
        roots += [key for key in REFERENCE.findall(line) if key in module.metadata]
    # A numbered type looks like a value.
    roots += [key for key in module.types if key[1:].isdecimal()]
    reached = module.reach(roots, memory)
    for table in (
        module.types, module.comdats, module.variables, module.functions, module.attributes, module.metadata
    ):  # fmt: skip
        for key in [key for key in table if key not in reached]:
            del table[key]


def _by_use(module: ModuleText, table: dict[str, str], memory: Memory) -> dict[str, str]:
    """Types, comdats or metadata in the order in which LLVM meets them: the first mention, then what that mentions."""
    order: dict[str, str] = {}

    def visit(keys: Iterable[str]) -> None:
        stack = [key for key in keys if key in table][::-1]
        while stack:
            key = stack.pop()
            if key not in order:
                order[key] = table[key]
                stack.extend(name for name in reversed(memory[key]) if name in table)

    visit(key for key in module.types if key[1:].isdecimal())
    for key in (*module.variables, *module.aliases):
        visit(memory[key])
    for line in module.named.values():
        visit(REFERENCE.findall(line))
    for key in module.functions:
        visit(memory[key])
    return order


def _words(group: str) -> list[str]:
    """The attributes of a group or of an inline list in canonical order, each once."""
    inside = group.partition("{")[2].rpartition("}")[0] if group.startswith("attributes ") else group
    return sorted(dict.fromkeys(_WORD.findall(inside)), key=_attribute_rank)


def _attribute_rank(word: str) -> tuple[int, str]:
    if word[0] == '"':
        return len(_RANK) + 1, word
    return _RANK.get(re.split(r"[(=]", word, maxsplit=1)[0], len(_RANK)), word


def _canonical_attributes(module: ModuleText) -> None:
    """Groups in order of use (those of functions first, as in LLVM), equal ones merged, named in comments."""
    words = {key: _words(group) for key, group in module.attributes.items()}
    contents = {key: " ".join(words[key]) for key in words}
    first: dict[str, str] = {}
    same: dict[str, str] = {}

    def meet(text: str) -> None:
        for key in re.findall(r'"[^"]*"|#\d+', text):
            if key in contents and key not in same:
                same[key] = first.setdefault(contents[key], key)

    for function in module.functions.values():
        meet(function.partition("\n")[0])
    for function in module.functions.values():
        meet(function)
    merged = {key: target for key, target in same.items() if key != target}
    for name, function in module.functions.items():
        text = REFERENCE.sub(lambda match: merged.get(match[0], match[0]), function) if merged else function
        group = next((key for key in re.findall(r'"[^"]*"|#\d+', text.partition("\n")[0]) if key in contents), None)
        flags = " ".join(word for word in words[group] if word[0] != '"') if group else ""
        module.functions[name] = f"; Function Attrs: {flags}\n{text}" if flags else text
    module.attributes = {key: f"attributes {key} = {{ {content} }}" for content, key in first.items()}


def _canonical_names(keys: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """New names: those that differ only in a numeric suffix are counted from none in their order, around `taken`."""
    names: dict[str, str] = {}
    used, counts = set(taken), dict[str, int]()
    for key in keys:
        match = _SUFFIX.fullmatch(key)
        base, quote = (match[1], match[3]) if match else (key.rstrip('"'), '"' if key.endswith('"') else "")
        if base[1:].isdecimal():
            names[key] = key
            continue
        count = counts.get(base, 0)
        while (name := f"{base}.{count}{quote}" if count else base + quote) in used:
            count += 1
        counts[base] = count + 1
        used.add(name)
        names[key] = name
    return names


def _names_of_locals(module: ModuleText) -> dict[str, str]:
    globals_ = {**module.variables, **module.aliases, **module.functions}
    inline = "\n".join(
        (
            *module.assembly,
            *(found for text in module.functions.values() if " asm " in text for found in _ASSEMBLY.findall(text)),
        )
    )
    local = []
    for key, piece in globals_.items():
        # Assembly knows a name by its spelling, and a comdat by its own.
        fixed = f"${key[1:]}" in module.comdats or (inline and key[1:] in inline)
        if not fixed and linkage(_code(piece)) in LOCAL:
            local.append(key)
    return _canonical_names(local, globals_.keys() - set(local))


def _numbers_of_globals(module: ModuleText) -> dict[str, str]:
    unnamed = [key for key in (*module.variables, *module.aliases, *module.functions) if key[1:].isdecimal()]
    return {key: f"@{number}" for number, key in enumerate(unnamed)}


def _code(function: str) -> str:
    """A function without the comment above it."""
    return function.partition("\n")[2] if function[0] == ";" else function


def _renamed(module: ModuleText, names: dict[str, str]) -> ModuleText:
    if not names:
        return module

    def rename(table: dict[str, str]) -> dict[str, str]:
        return {
            names.get(key, key): REFERENCE.sub(lambda match: names.get(match[0], match[0]), piece)
            for key, piece in table.items()
        }

    return ModuleText(
        target=module.target,
        assembly=module.assembly,
        types=rename(module.types),
        comdats=module.comdats,
        variables=rename(module.variables),
        aliases=rename(module.aliases),
        functions=rename(module.functions),
        attributes=rename(module.attributes),
        named=rename(module.named),
        metadata=rename(module.metadata),
    )


# -- values and blocks of a function


def _number_values(module: ModuleText) -> None:
    """Values and blocks get the numbers that a release build of clang prints, predecessors their order."""
    unnamed_types = any(key[1:].isdecimal() for key in module.types)
    numbered: dict[str, dict[str, str]] = {}
    for name, text in module.functions.items():
        if not text.startswith("define "):
            continue
        # Numbered types would be taken for values.
        if not unnamed_types and _has_names(text, module.types):
            numbered[name] = _numbers_of_values(text, module.types)
            module.functions[name] = _with_numbers(text, numbered[name])
        module.functions[name] = _PREDECESSORS.sub(_canonical_predecessors, module.functions[name])
    if numbered:
        _number_block_addresses(module, numbered)


def _has_names(function: str, types: dict[str, str]) -> bool:
    if _LOCAL_NAME.search(function):
        return True
    return any(not name[1:].isdecimal() for name in _parameters(function, types))


def _parameters(function: str, types: dict[str, str]) -> list[str]:
    line = function.partition("\n")[0]
    start = header(line)[3]
    return [name for name in _PARAMETER_NAME.findall(line, start, closing(line, start) + 1) if name not in types]


def _numbers_of_values(function: str, types: dict[str, str]) -> dict[str, str]:
    """The number of each parameter, block and value. A namesake of a type keeps its name."""
    numbers: dict[str, str] = {}

    def count(name: str) -> None:
        if name not in types:
            numbers[name] = f"%{len(numbers)}"

    for name in _parameters(function, types):
        count(name)
    lines = function.split("\n")[1:]
    if not _LABEL.match(lines[0]):
        count("%entry block without a label")
    for line in lines:
        label = _LABEL.match(line)
        if label:
            count("%" + label[1])
        elif result := _RESULT.match(line):
            count(result[1])
    return numbers


def _with_numbers(function: str, numbers: dict[str, str]) -> str:
    first, _, body = function.partition("\n")
    lines = [first]
    for position, line in enumerate(body.split("\n")):
        label = _LABEL.match(line)
        if not label:
            lines.append(line)
        elif position:  # LLVM does not print the number of the entry block
            number = numbers.get("%" + label[1], "%" + label[1])
            lines.append(f"{number[1:]}:{line[label.end() :]}")
    return _LOCAL.sub(lambda match: numbers.get(match[0], match[0]), "\n".join(lines))


def _number_block_addresses(module: ModuleText, numbered: dict[str, dict[str, str]]) -> None:
    def number(match: re.Match[str]) -> str:
        return f"blockaddress({match[1]}, {numbered.get(match[1], {}).get(match[2], match[2])})"

    for table in (module.variables, module.functions):
        for key, text in table.items():
            table[key] = _BLOCK_ADDRESS.sub(number, text)


def _canonical_predecessors(match: re.Match[str]) -> str:
    label = f"{match[1]}:"
    if match[2] is None:
        return f"{label:<50}; No predecessors!"
    blocks = match[2].split(", ")
    # LLVM goes by the order of uses, which for text that it has just read is the last one first.
    if all(block[1:].isdecimal() for block in blocks):
        blocks.sort(key=lambda block: int(block[1:]), reverse=True)
    return f"{label:<50}; preds = {', '.join(blocks)}"


# -- compact

IMPLIED = ("minsize", "nounwind", "optsize", "uwtable")
"""What every function of a C program has at -Oz. A definition that lacks one says so with a minus before it."""

_SIZE = ("minsize", "optsize")
# Of what a callee is declared with, what clang repeats at each call.
_REPEATED = ("nounwind", "noreturn", "willreturn", "returns_twice", "cold", "convergent", "memory(", "allocsize(")
_EVERYWHERE = {"no-trapping-math": "true", "stack-protector-buffer-size": "8"}
_STRINGS: dict[str, dict[str, str]] = {
    "x86_64": {
        **_EVERYWHERE,
        "min-legal-vector-width": "0",
        "target-cpu": "x86-64",
        "target-features": "+cmov,+cx8,+fxsr,+mmx,+sse,+sse2,+x87",
        "tune-cpu": "generic",
    },
    "aarch64": {
        **_EVERYWHERE,
        "frame-pointer": "non-leaf",
        "target-cpu": "generic",
        "target-features": "+fp-armv8,+neon,+v8a,-fmv",
    },
}
"""String attributes that clang 17 gives to every function for a target without flags."""
_NOT_DECLARED = "min-legal-vector-width"
_COMMON_FLAGS = ((1, "wchar_size", 4), (8, "PIC Level", 2), (7, "PIE Level", 2), (7, "uwtable", 2))
_FLAGS = {"x86_64": _COMMON_FLAGS, "aarch64": (*_COMMON_FLAGS, (7, "frame-pointer", 1))}
"""Module flags of the same: behaviour, name, value."""

_CALL = re.compile(rf"(?:%{NAME} = )?(?:(?:tail|musttail|notail) )?(?:call|invoke|callbr) ", re.ASCII)
_CALLEE = re.compile(rf'([@%]{NAME})\(|"[^"]*"(\()?', re.ASCII)
_ATTACHMENT = re.compile(r'"[^"]*"|,? ![A-Za-z][\w.]* !\d+', re.ASCII)
_GROUP = re.compile(r'"[^"]*"| (#\d+)')
_NODE = re.compile(r'"[^"]*"|(!\d+)')
_COMMENT = re.compile(r" +; (?:preds = .*|No predecessors!)$", re.MULTILINE)
_CONTINUED = re.compile(r"\n(?: {4,}|  (?=\]))")
_MEMORY = re.compile(
    r"(?:%\S+ = )?(?:(?:load|store)(?: volatile)? (i8|i16|i32|i64|ptr|float|double)"
    r"|alloca (i32|i64|ptr|float|double))\b[^\n]*?(, align (\d+))$"
)
_STOP = r"(?:section|partition|comdat|align|gc|prefix|prologue|personality|to)\b"
_TAIL = re.compile(
    r"((?: (?:local_unnamed_addr|unnamed_addr|addrspace\(\d+\)))*)"
    rf"((?: (?:#\d+|-[a-z_]+|(?!{_STOP})(?:{_WORD.pattern})))*)"
)
_SCALAR = re.compile(
    r"(?:void|half|bfloat|float|double|fp128|x86_fp80|x86_mmx|x86_amx|ppc_fp128|token|metadata|label|i\d+"
    rf"|ptr(?: addrspace\(\d+\))?|%{NAME})(?=[ ,]|$)",
    re.ASCII,
)
_NESTING = re.compile(r'"[^"]*"|[(\[{<]|[)\]}>]|,')
_BEFORE_TYPE = re.compile(r"\w+(?:\([^)]*\))? ")


def compact(text: str) -> str:
    """The module in the short dialect for models: LLVM-IR, less what `expand` puts back and what is only a hint.

    One instruction a line, no indentation, blank lines, comments, target lines, attribute groups or metadata (nodes
    that a call takes as arguments stay). Attributes stand where they apply, less the usual ones (IMPLIED, the strings
    of the target) and, at a call, those of the callee; `-nounwind` marks a definition without. Natural alignment of
    loads, stores and scalar allocas, `any` comdats and declarations of intrinsics are left out.
    Takes what `normalise` takes.
    Lost are metadata, module flags, and where a function lacks a usual string or a call a usual attribute.
    """
    module = _canonical(text)
    target = "\n".join(module.target)
    words = {key: _words(group) for key, group in module.attributes.items()}
    own = {name: _own_words(piece, words) for name, piece in module.functions.items()}
    usual = _usual_strings(_architecture(target))
    natural = _natural_alignment(target)
    functions = {}
    for name, piece in module.functions.items():
        line, newline, body = _code(piece).partition("\n")
        functions[name] = _compact_header(line, own[name], usual) + newline
        if body:
            functions[name] += "\n".join(_compact_body(body, words, own, natural))
    for name in _restorable_intrinsics(functions):
        del functions[name]
    variables = [_without_attachments(line) for line in module.variables.values()]
    comdats = [line for key, line in module.comdats.items() if line != f"{key} = comdat any"]
    pieces = [
        *module.assembly,
        *module.types.values(),
        *comdats,
        *variables,
        *module.aliases.values(),
        *functions.values(),
    ]
    return _with_nodes("\n".join(pieces), module.metadata)


def _with_nodes(text: str, metadata: dict[str, str]) -> str:
    """The compact text and the metadata that calls in it take as arguments, counted from 0."""
    roots = [match[1] for match in _NODE.finditer(text) if match[1]] if "!" in text else []
    nodes = ModuleText(metadata=metadata).reach(roots, {})
    numbers = {key: f"!{number}" for number, key in enumerate(nodes)}
    whole = "\n".join((text, *(metadata[key] for key in nodes)))
    if numbers:
        whole = _NODE.sub(lambda match: numbers[match[1]] if match[1] else match[0], whole)
    return whole + "\n"


def _architecture(target: str) -> str:
    match = re.search(r'target triple = "(\w+)', target)
    return match[1] if match else ""


def _usual_strings(architecture: str) -> frozenset[str]:
    return frozenset(f'"{key}"="{value}"' for key, value in _STRINGS.get(architecture, {}).items())


def _natural_alignment(target: str) -> dict[str, int]:
    """What LLVM assumes where no alignment is written; types on which targets differ only where the layout says it."""
    natural = {"i8": 1, "i16": 2, "i32": 4, "float": 4, "ptr": 4 if "p:32:32" in target else 8}
    if "i64:64" in target:
        natural["i64"] = 8
    if "f64:32" not in target:
        natural["double"] = 8
    return natural


def _own_words(function: str, words: dict[str, list[str]]) -> list[str]:
    """The attributes of a function, from its group."""
    line = _code(function).partition("\n")[0]
    return next((words[match[1]] for match in _GROUP.finditer(line) if match[1] in words), [])


def _is_intrinsic(name: str | None) -> bool:
    return name is not None and name.startswith("@llvm.")


def _compact_header(line: str, own: list[str], usual: frozenset[str]) -> str:
    """The first line of a function with its own attributes in words."""
    kind, _, name, start = header(line)
    end = closing(line, start) + 1
    if kind == "define":
        left = [f"-{word}" for word in IMPLIED if word not in own]
        left += [word for word in own if word not in IMPLIED and word not in usual]
    elif _is_intrinsic(name):
        left = []  # LLVM gives intrinsics their attributes
    else:
        left = [word for word in own if word not in _SIZE and word not in usual]
    match = _TAIL.match(line, end)
    assert match  # it matches nothing at least
    attributes = "".join(f" {word}" for word in left)
    return _without_attachments(line[:end] + match[1] + attributes + line[match.end() :])


def _without_attachments(line: str) -> str:
    if "!" not in line:
        return line
    return _ATTACHMENT.sub(lambda match: match[0] if match[0][0] == '"' else "", line)


def _compact_body(
    body: str, words: dict[str, list[str]], own: dict[str, list[str]], natural: dict[str, int]
) -> Iterator[str]:
    joined = _CONTINUED.sub(" ", _COMMENT.sub("", body))
    for indented in joined.split("\n"):
        line = indented.strip()
        if not line:
            continue
        line = _without_attachments(line)
        if " #" in line and _CALL.match(line):
            line = _compact_call(line, words, own)
        elif (match := _MEMORY.match(line)) and natural.get(match[1] or match[2]) == int(match[4]):
            line = line[: match.start(3)]
        yield line


def _compact_call(line: str, words: dict[str, list[str]], own: dict[str, list[str]]) -> str:
    callee = _callee(line)
    known = {*_SIZE, *own.get((callee and callee[0]) or "", ())}

    def left(match: re.Match[str]) -> str:
        if match[1] not in words:
            return match[0]
        return "".join(f" {word}" for word in words[match[1]] if word not in known)

    return _GROUP.sub(left, line)


def _callee(line: str) -> tuple[str | None, int] | None:
    """Who a call calls (None for a pointer or assembly) and where the arguments start."""
    for match in _CALLEE.finditer(line):
        if match[1]:
            return (match[1] if match[1][0] == "@" else None), match.end()
        if match[2]:
            return None, match.end()
    return None


# -- intrinsics: declared by their calls


def _restorable_intrinsics(functions: dict[str, str]) -> list[str]:
    """Declared intrinsics whose declaration follows from the first call."""
    declared = [name for name in functions if _is_intrinsic(name)]
    if not declared:
        return []
    calls = _first_intrinsic_calls(functions.values())
    return [
        name for name in declared if name in calls and _declared_by(calls[name]) == _bare_declaration(functions[name])
    ]


def _first_intrinsic_calls(functions: Iterable[str]) -> dict[str, str]:
    calls: dict[str, str] = {}
    for function in functions:
        if "@llvm." not in function:
            continue
        for line in function.split("\n"):
            if "@llvm." in line and _CALL.match(line) and (callee := _callee(line)):
                name = callee[0]
                if name is not None and _is_intrinsic(name):
                    calls.setdefault(name, line)
    return calls


def _declared_by(call: str) -> str | None:
    """The declaration that a call in compact text implies; None where it does not say enough."""
    opening, callee = _CALL.match(call), _callee(call)
    if not opening or not callee or not callee[0]:
        return None
    return _signature(callee[0], call[opening.end() : callee[1]], call[callee[1] : closing(call, callee[1])])


def _bare_declaration(line: str) -> str | None:
    """A declaration without the attributes of result and parameters."""
    _, words, name, start = header(line)
    return _signature(name, f"{words}{name}(", line[start : closing(line, start)])


def _signature(name: str, before: str, inside: str) -> str | None:
    position = 0
    while (end := _type_end(before, position)) is None:
        word = _BEFORE_TYPE.match(before, position)
        if not word:
            return None
        position = word.end()
    if before[end:] != f" {name}(":
        return None
    types = []
    for part in _parts(inside):
        stop = _type_end(part, 0)
        if stop is None:
            return None
        types.append(part[:stop])
    return f"declare {before[position:end]} {name}({', '.join(types)})"


def _type_end(text: str, position: int) -> int | None:
    """Where the type ends that starts here, or None if none does."""
    if match := _SCALAR.match(text, position):
        return match.end()
    if text[position : position + 1] not in ("<", "[", "{"):
        return None
    depth = 0
    for match in _NESTING.finditer(text, position):
        if match[0] in "([{<":
            depth += 1
        elif match[0] in ")]}>":
            depth -= 1
        if not depth:
            return match.end()
    return None


def _parts(text: str) -> list[str]:
    """Arguments or parameters, cut at the commas outside every bracket."""
    parts, depth, start = [], 0, 0
    for match in _NESTING.finditer(text):
        if match[0] in "([{<":
            depth += 1
        elif match[0] in ")]}>":
            depth -= 1
        elif match[0] == "," and not depth:
            parts.append(text[start : match.start()])
            start = match.end() + 1
    return [*parts, text[start:]] if text else []


# -- expand


def expand(text: str, triple: str, data_layout: str) -> str:
    """A module that LLVM reads, from compact text. What `compact` left out comes back; compacting again gives `text`.

    Text that a model wrote may be anything: ValueError where it cannot be taken apart, and LLVM judges the rest.
    """
    module = ModuleText.read(text)
    module.target = [f'target datalayout = "{data_layout}"', f'target triple = "{triple}"']
    architecture = triple.partition("-")[0]
    calls = _first_intrinsic_calls(module.functions.values())
    groups = _Groups(_STRINGS.get(architecture, {}))
    own = {name: groups.of_function(piece) for name, piece in module.functions.items()}
    for name, piece in module.functions.items():
        line, newline, body = piece.partition("\n")
        module.functions[name] = _with_group(line, header(line)[3], groups.number(own[name])) + newline
        if newline:
            module.functions[name] += "\n".join(_expand_body(body, own, groups))
    for name, call in calls.items():
        if name not in module.functions and (declaration := _declared_by(call)):
            module.functions[name] = declaration
    for key, piece in (*module.variables.items(), *module.functions.items()):
        for comdat in mentioned(key, piece.partition("\n")[0]):
            if comdat[0] == "$" and comdat not in module.comdats:
                module.comdats[comdat] = f"{comdat} = comdat any"
    module.attributes = groups.lines()
    _add_flags(module, architecture)
    return module.write()


class _Groups:
    """Attribute groups as they are needed."""

    def __init__(self, strings: dict[str, str]) -> None:
        self.defined = {f'"{key}"': f'"{key}"="{value}"' for key, value in strings.items()}
        self.declared = {key: word for key, word in self.defined.items() if key != f'"{_NOT_DECLARED}"'}
        self.numbers: dict[str, int] = {}

    def of_function(self, piece: str) -> list[str]:
        """All attributes of a function in compact text."""
        line = piece.partition("\n")[0]
        kind, _, name, start = header(line)
        written = _written_words(line, start)
        if _is_intrinsic(name):
            return written
        implied = IMPLIED if kind == "define" else _SIZE
        usual = self.defined if kind == "define" else self.declared
        keys = {word.partition("=")[0] for word in written}
        present = [word for word in implied if f"-{word}" not in written]
        present += [word for key, word in usual.items() if key not in keys]
        return [*present, *(word for word in written if word[0] != "-")]

    def number(self, words: list[str]) -> str:
        """` #N` for the attributes, or nothing for none."""
        if not words:
            return ""
        content = " ".join(_words(" ".join(words)))
        return f" #{self.numbers.setdefault(content, len(self.numbers))}"

    def lines(self) -> dict[str, str]:
        return {f"#{number}": f"attributes #{number} = {{ {words} }}" for words, number in self.numbers.items()}


def _written_words(line: str, start: int) -> list[str]:
    """The attributes after the parenthesis that is open at `start`, minus signs and all."""
    match = _TAIL.match(line, closing(line, start) + 1)
    assert match  # it matches nothing at least
    return re.findall(rf"-[a-z_]+|{_WORD.pattern}", match[2])


def _with_group(line: str, start: int, group: str) -> str:
    """The line with a group where its attributes were written."""
    match = _TAIL.match(line, closing(line, start) + 1)
    assert match  # it matches nothing at least
    return line[: match.end(1)] + group + line[match.end() :]


def _expand_body(body: str, own: dict[str, list[str]], groups: _Groups) -> Iterator[str]:
    first = True
    for line in body.split("\n"):
        if line == "}":
            yield line
        elif _LABEL.fullmatch(line):
            yield line if first else f"\n{line}"
        elif _CALL.match(line) and (callee := _callee(line)):
            yield "  " + _expand_call(line, callee, own, groups)
        else:
            yield "  " + line
        first = False


def _expand_call(line: str, callee: tuple[str | None, int], own: dict[str, list[str]], groups: _Groups) -> str:
    name, start = callee
    words = _written_words(line, start)
    if not _is_intrinsic(name) and not _ASSEMBLY.search(line):
        words += _SIZE
        words += [word for word in own.get(name or "", ()) if word.startswith(_REPEATED)]
    return _with_group(line, start, groups.number(words))


def _add_flags(module: ModuleText, architecture: str) -> None:
    flags = _FLAGS.get(architecture, ())
    first = len(module.metadata)
    keys = [f"!{first + number}" for number in range(len(flags))]
    for key, (behaviour, name, value) in zip(keys, flags, strict=True):
        module.metadata[key] = f'{key} = !{{i32 {behaviour}, !"{name}", i32 {value}}}'
    if keys:
        module.named["!llvm.module.flags"] = f"!llvm.module.flags = !{{{', '.join(keys)}}}"


# -- assembly

_ASSEMBLY_STRING = r'"(?:\\.|[^"\\])*"'
# On x86 a comment starts with a number sign, on AArch64 with two slashes; there a number sign starts a number.
_ASSEMBLY_COMMENT = re.compile(rf"({_ASSEMBLY_STRING})|(?:#(?=[\s#A-Z]|$)|//).*")
_UNINFORMATIVE = re.compile(r'\s*\.(?:file|ident|addrsig|addrsig_sym|loc)\b|\s*\.section\s+"?\.note\.GNU-stack\b')
_SECTION = re.compile(r"\s*\.(?:section|text|data|bss|popsection|previous)\b")
_DEBUG_SECTION = re.compile(r'\s*\.section\s+"?\.debug_')
# What says something about a symbol stands anywhere, also behind a debug section.
_SYMBOL = re.compile(r"\s*\.(?:hidden|protected|internal|weak|globl|local|comm|symver)\b")
_ASSEMBLY_LABEL = re.compile(rf"{_ASSEMBLY_STRING}|(?<![\w.$])\.L([A-Za-z_$]+)\d+(?:_\d+)?(?![\w.$])", re.ASCII)
_ASSEMBLY_DEFINITION = re.compile(r"(\.L[\w.$]+):$", re.ASCII)


def normalise_assembly(text: str) -> str:
    """Assembly as clang prints it for x86-64 or AArch64 ELF in canonical form: the same bytes in every loaded section.

    Out: comments, blank lines, idents, file names, address-significance tables, the stack note, debug information,
    labels that nothing refers to. The compiler's own labels (`.LBB3_7`) are counted per kind in the order of the file.
    """
    lines = _drop_dead_labels(list(_informative(text)))
    whole = "".join(f"{line}\n" for line in lines)
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for match in _ASSEMBLY_LABEL.finditer(whole):
        if match[1] and match[0] not in names:
            count = counts.get(match[1], 0)
            names[match[0]] = f".L{match[1]}{count}"
            counts[match[1]] = count + 1
    return _ASSEMBLY_LABEL.sub(lambda match: names.get(match[0], match[0]), whole)


def _informative(text: str) -> Iterator[str]:
    debug = False
    for line in text.split("\n"):
        code = _ASSEMBLY_COMMENT.sub(lambda match: match[1] or "", line) if "#" in line or "//" in line else line
        code = code.rstrip()
        if _SECTION.match(code):
            debug = _DEBUG_SECTION.match(code) is not None
        if code and (not debug or _SYMBOL.match(code)) and not _UNINFORMATIVE.match(code):
            yield code


def _drop_dead_labels(lines: list[str]) -> list[str]:
    uses: dict[str, int] = {}
    for line in lines:
        for match in _ASSEMBLY_LABEL.finditer(line):
            uses[match[0]] = uses.get(match[0], 0) + 1

    def dead(line: str) -> bool:
        match = _ASSEMBLY_DEFINITION.match(line)
        return match is not None and uses.get(match[1], 2) == 1

    return [line for line in lines if not dead(line)]
