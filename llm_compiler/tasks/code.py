"""Code in prompts and answers: its two dialects, back from either to a module, and down to assembly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from llm_compiler.autotune.deny import load_denied
from llm_compiler.corpus.assembly import Target, target_flags
from llm_compiler.corpus.normalise import compact, expand, normalise, normalise_assembly
from llm_compiler.llvm.frontend import lower
from llm_compiler.llvm.library import LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.passes import PassList, PassListError, Vocabulary
from llm_compiler.llvm.size import SHIP
from llm_compiler.tasks.task import Dialect, Tools

_TARGET_LINE = re.compile(r'^target (datalayout|triple) = "(.*)"\n', re.M)
_VERBATIM = re.compile(r"^(?:  \S|target |source_filename |attributes #)", re.M)
_FLAGS = re.compile(r"^!llvm\.module\.flags = .*\n", re.M)
_FLAG = re.compile(r'^(!\d+) = (!\{i32 \d+, !"[^"]*", i32 \d+\})$', re.M)
_STRING_ATTRIBUTE = re.compile(r' ("[a-z-]+"=)"[^"]*"(?=[^\n]* }$)', re.M)
_FREE_NODE = 1 << 20
"""Above the number of any metadata node."""
_CHAINS = {("module",), ("cgscc",), ("function",), ("function", "loop"), ("function", "loop-mssa")}
"""The adaptors that `Vocabulary.nest` puts around a pass."""


# -- dialects


def written(ir: str, dialect: Dialect) -> str:
    """A normalised module as a model sees it."""
    return _compact(ir) if dialect == "compact" else ir


# One unit is asked about many times.
_compact = lru_cache(maxsize=4)(compact)


def is_compact(code: str) -> bool:
    """Whether code is in the compact dialect, which indents nothing and names no target."""
    return not _VERBATIM.search(code)


def whole(code: str, like: str) -> str:
    """A module that LLVM can read, from code in either dialect, for the target of the module `like`.

    Compact code gets back what it leaves out: the usual attributes, less the strings that `like` does without, and the
    module flags of `like`, by which the back end goes. ValueError where it cannot be taken apart.
    """
    lines = {match[1]: match for match in _TARGET_LINE.finditer(like)}
    if not is_compact(code):
        return "".join(match[0] for match in lines.values()) + _TARGET_LINE.sub("", code)
    triple, layout = (lines[key][2] if key in lines else "" for key in ("triple", "datalayout"))
    text = _FLAGS.sub("", expand(code, triple, layout))
    if "\nattributes #" in like:
        known = like + code
        text = _STRING_ATTRIBUTE.sub(lambda match: match[0] if match[1] in known else "", text)
    theirs = _FLAGS.search(like)
    flags = [match[2] for match in _FLAG.finditer(like) if theirs and re.search(rf"{match[1]}\b", theirs[0])]
    if not flags:
        return text
    nodes = [f"!{_FREE_NODE + number}" for number in range(len(flags))]
    definitions = "".join(f"{node} = {flag}\n" for node, flag in zip(nodes, flags, strict=True))
    return f"{text}\n!llvm.module.flags = !{{{', '.join(nodes)}}}\n{definitions}"


@dataclass(frozen=True)
class Reading:
    """What LLVM read from a model's code."""

    printed: str
    bitcode: bytes
    compact: bool
    problem: str
    """The verifier's words; empty where it verifies."""


def read(tools: Tools, code: str, like: str) -> Reading:
    """Have LLVM read code. LLVMError where it cannot."""
    try:
        source = whole(code, like).encode()
    except ValueError as error:
        raise LLVMError(str(error)) from None
    with Context(tools.library) as context, context.parse(source) as module:
        try:
            module.verify()
            problem = ""
        except LLVMError as error:
            problem = str(error)
        return Reading(module.print(), b"" if problem else module.bitcode(), is_compact(code), problem)


def same_module(tools: Tools, reading: Reading, ir: str) -> bool:
    """Whether the normalised texts are equal; in compact, where that is what was written."""
    try:
        if reading.compact:
            return compact(reading.printed) == _compact(ir)
        # LLVM sets the attributes of intrinsics anew when it reads: what passes added to them is in `ir` alone.
        return normalise(reading.printed) in (ir, normalise(read(tools, ir, ir).printed))
    except ValueError:  # names that LLVM takes and `normalise` does not
        return False


def same_code(code: str, ir: str) -> bool:
    """Whether code is, but for white space at its ends, the text of a normalised module in its dialect."""
    return code.strip() == (_compact(ir) if is_compact(code) else ir).strip()


def lowered(tools: Tools, bitcode: bytes, target: Target) -> str:
    """Normalised assembly of an optimised module, as the `ship` back end makes it. LLVMError or CompileError."""
    with Context(tools.library) as context, context.parse(bitcode) as module:
        # This back end does not expand `bcmp`, and clang's does: see `Module.expand_bcmp`.
        if target in tools.library.targets and b"bcmp" not in bitcode:
            with module.machine(SHIP) as machine:
                made = module.emit(machine, "asm")
        else:
            made = lower(tools.toolchain, bitcode, SHIP, target_flags(module, target), "asm")
    return normalise_assembly(made.decode(errors="backslashreplace"))


# -- pass lists

deny_list = cache(load_denied)
"""By LLVM's version."""


def denied_names(version: str) -> tuple[str, ...]:
    """Passes that a grammar leaves out: of a denied list of several the last, which is strict, and always enough."""
    return tuple(entry.passes[-1] for entry in deny_list(version))


def short(passes: str) -> str:
    """A pass list without the adaptors that follow from its passes; as it is where it nests in another way."""
    try:
        elements = PassList.parse(passes).elements
    except PassListError:
        return passes
    names = []
    for element in elements:
        chain, inner = [], element
        while len(inner.nested) == 1 and inner.parameters is None:
            chain.append(inner.name)
            inner = inner.nested[0]
        if inner.nested or tuple(chain) not in _CHAINS:
            return passes
        names.append(inner.spelling)
    return ",".join(names)


def restored(passes: str, vocabulary: Vocabulary) -> PassList:
    """The list that a model wrote; one without any adaptor gets what its passes need. PassListError."""
    parsed = PassList.parse(passes)
    if any(element.nested for element in parsed.elements):
        return parsed
    return vocabulary.nest(element.spelling for element in parsed.elements)


def shown(passes: str, dialect: Dialect) -> str:
    """A pass list as a dialect writes it."""
    return short(passes) if dialect == "compact" else passes
