"""LLVM-IR text taken apart into its definitions, and put together again around one function.

Cloning a module once for every function in it costs quadratic time. Here the module is printed once (by LLVM), its
text is cut into definitions, and each function is joined by exactly what it reaches: linear in the text that comes out.
The input must be text as LLVM prints it: one definition a line, and a function's closing brace alone on its line.
Grammar: llvm/lib/AsmParser/LLParser.cpp and llvm/lib/IR/AsmWriter.cpp of LLVM 17.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

NAME = r'(?:"[^"]*"|[-\w$.]+)'
"""What follows a sigil. A quotation mark inside a quoted name is written \\22, so quotes always pair."""

REFERENCE = re.compile(
    rf'"[^"]*"|[@$]{NAME}|%(?:"[^"]*"|[-A-Za-z$._][-\w$.]*)|[#!]\d+',
    re.ASCII,
)
"""Whatever may name another definition, and strings, which name nothing but hide what looks like a name."""

_LINKAGES = """
private internal available_externally linkonce linkonce_odr weak weak_odr common appending extern_weak external
"""
LINKAGES = frozenset(_LINKAGES.split())
LOCAL = frozenset(("private", "internal"))

_NAMED = re.compile(rf"([@%$]{NAME}|!\d+|![-\w$.\\]+) = ", re.ASCII)
_VARIABLE = re.compile(r"((?:\w+(?:\([^)]*\))? )*?)(global|constant|alias|ifunc) ", re.ASCII)
_FUNCTION = re.compile(rf'(define|declare) ((?:[^"@]|"[^"]*")*)(@{NAME})\(', re.ASCII)
_BRACKET = re.compile(r'"[^"]*"|[()]')
# A parameter's name follows its type and attributes; inside a literal struct a type may stand before a comma as well.
_PARAMETER = re.compile(rf"(?<![{{,<(]) %{NAME}(?=[,)])", re.ASCII)
_COMDAT = re.compile(rf" comdat(?:\(\${NAME}\))?(?= |$)", re.ASCII)
_OWN_COMDAT = re.compile(r" comdat(?=[, ]|$)")
# What a declaration keeps of what follows a definition's parameters.
_DECLARED = re.compile(r' (?:local_unnamed_addr|unnamed_addr|addrspace\(\d+\)|#\d+|section "[^"]*"|align \d+)(?= |$)')
_BLOCK_ADDRESS = re.compile(rf"blockaddress\((@{NAME}), %{NAME}\)", re.ASCII)
_UNNAMED_GLOBAL = re.compile(r'"[^"]*"|@\d+\b', re.ASCII)
_USE_LIST = re.compile(r"^ *uselistorder(?:_bb)? .*\n", re.MULTILINE)
_ESCAPE = re.compile(r"\\([0-9A-Fa-f]{2})")
# These list what the rest of a translation unit has: a function alone has no part in them.
_LISTS = frozenset(("@llvm.global_ctors", "@llvm.global_dtors", "@llvm.used", "@llvm.compiler.used"))


@dataclass(frozen=True)
class FunctionUnit:
    """One function as a module of its own: the name as the symbol table has it, and the module's text."""

    name: str
    text: str


@dataclass
class ModuleText:
    """A module's text by definitions. A key is the name as it is printed, sigil and all; each dict keeps the order."""

    target: list[str] = field(default_factory=list)
    """The lines that say source file, data layout and triple."""
    assembly: list[str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    comdats: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    """Aliases and ifuncs."""
    functions: dict[str, str] = field(default_factory=dict)
    """Definitions (with their bodies) and declarations."""
    attributes: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    """Named metadata: `!llvm.module.flags`."""
    metadata: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> ModuleText:
        """Take a module's text apart; comments between definitions and use-list orders go. ValueError if broken."""
        module = cls()
        if "uselistorder" in text:
            text = _USE_LIST.sub("", text)
        position, end = 0, len(text)
        while position < end:
            line_end = text.find("\n", position)
            line_end = end if line_end < 0 else line_end
            if text.startswith("define ", position):
                close = text.find("\n}", line_end)
                if close < 0:
                    raise ValueError("a function has no end")
                line_end = close + 2
            if line_end > position:
                module._add(text[position:line_end])
            position = line_end + 1
        return module

    def _add(self, piece: str) -> None:
        if piece[0] in ";\n ":
            return
        if piece.startswith("module asm "):
            self.assembly.append(piece)
        elif piece.startswith(("target ", "source_filename ")):
            self.target.append(piece)
        else:
            table, key = self._place(piece)
            if key in table:
                raise ValueError(f"defined twice: {key}")
            table[key] = piece

    def _place(self, piece: str) -> tuple[dict[str, str], str]:
        """The table that a definition belongs in, and its key there."""
        if piece[0] == "d":
            return self.functions, header(piece)[2]
        if piece.startswith("attributes "):
            return self.attributes, piece.split(" ", 2)[1]
        match = _NAMED.match(piece)
        if not match:
            raise ValueError(f"not LLVM-IR as LLVM prints it: {piece[:80]}")
        if piece[0] == "@":
            return self.aliases if variable(piece)[1] in ("alias", "ifunc") else self.variables, match[1]
        if piece[0] == "!":
            return self.metadata if match[1][1:].isdecimal() else self.named, match[1]
        return self.types if piece[0] == "%" else self.comdats, match[1]

    @cached_property
    def definitions(self) -> dict[str, str]:
        """Everything that can be referred to, in the module's order."""
        return {
            **self.types,
            **self.comdats,
            **self.variables,
            **self.aliases,
            **self.functions,
            **self.attributes,
            **self.metadata,
        }

    def reach(self, roots: Iterable[str], memory: dict[str, tuple[str, ...]]) -> dict[str, None]:
        """Keys of what the roots need, themselves among them, depth first in order of mention.

        `memory` holds what each definition mentions; a caller that asks often passes the same one again.
        """
        definitions = self.definitions
        reached: dict[str, None] = {}
        stack = list(reversed(list(roots)))
        while stack:
            key = stack.pop()
            if key in reached:
                continue
            reached[key] = None
            mentions = memory.get(key)
            if mentions is None:
                found = mentioned(key, definitions[key])
                mentions = memory[key] = tuple(name for name in found if name in definitions and name != key)
            stack.extend(reversed(mentions))
        return reached

    def write(self) -> str:
        """The module's text again, blank lines where LLVM has them."""
        sections = (
            "\n".join(self.target),
            "\n".join(self.assembly),
            "\n".join(self.types.values()),
            "\n\n".join(self.comdats.values()),
            "\n".join(self.variables.values()),
            "\n".join(self.aliases.values()),
            "\n\n".join(self.functions.values()),
            "\n".join(self.attributes.values()),
            "\n".join(self.named.values()),
            "\n".join(self.metadata.values()),
        )
        return "\n\n".join(section for section in sections if section) + "\n"


def split(text: str) -> Iterator[FunctionUnit]:
    """Every function that the module defines as a module of its own, in the module's order. ValueError if broken.

    The function becomes external and leaves its comdat; other functions, aliases and ifuncs become declarations;
    variables that it reaches keep their initialisers. Those that only the module could see but that may change become
    `linkonce_odr`, because other functions write them: -Oz would take the first value for the only one. Block addresses
    of other functions become the 1 that LLVM puts for a deleted block. Names stay, private ones too. Global
    constructors, `llvm.used` and whatever is not reached stay behind, and the file's own assembly does unless the
    function has inline assembly, which may use its macros.
    Debug information makes every unit large: normalise the module first.
    """
    return _Splitter(ModuleText.read(text)).units()


class _Splitter:
    """The module with everything declared that a unit does not define, and what is worth remembering between units."""

    def __init__(self, module: ModuleText) -> None:
        self.bodies = {name: body for name, body in module.functions.items() if body.startswith("define ")}
        self.module = module
        self.memory: dict[str, tuple[str, ...]] = {}
        declared = {name: _declaration(text) for name, text in module.functions.items()}
        for name, text in module.aliases.items():
            table, piece = _declared_alias(name, text)
            (declared if table == "functions" else module.variables)[name] = piece
        module.functions = declared
        module.aliases = {}
        module.variables = {name: _shared(piece) for name, piece in module.variables.items()}
        for name in _LISTS:
            module.variables.pop(name, None)
        self.rank = {key: rank for rank, key in enumerate(module.definitions)}
        # Numbered types look like values in a function's text; they are rare, and all kept.
        self.always = tuple(key for key in module.types if key[1:].isdecimal())
        self.named = [self._named(line) for line in module.named.values()]

    def _named(self, line: str) -> tuple[str, list[tuple[str, frozenset[str]]]]:
        """A named metadata node as its opening and its operands, each with the globals that it mentions."""
        opening, _, inside = line.partition("{")
        operands = [operand for operand in inside.rstrip("}").split(", ") if operand]
        found = []
        for operand in operands:
            roots = [operand] if operand in self.module.metadata else []
            reached = self.module.reach(roots, self.memory)
            found.append((operand, frozenset(key for key in reached if key[0] == "@")))
        return opening, found

    def units(self) -> Iterator[FunctionUnit]:
        for name, body in self.bodies.items():
            yield FunctionUnit(symbol(name), self._unit(name, body))

    def _unit(self, name: str, body: str) -> str:
        definitions = self.module.definitions
        text = _external(body)
        roots = [key for key in dict.fromkeys(REFERENCE.findall(text)) if key in definitions and key != name]
        reached = self.module.reach((*roots, *self.always), self.memory)
        named = {}
        for opening, operands in self.named:
            kept = [operand for operand, needs in operands if all(need in reached or need == name for need in needs)]
            if kept or not operands:
                named[opening] = f"{opening}{{{', '.join(kept)}}}"
                reached.update(self.module.reach([key for key in kept if key in definitions], self.memory))
        reached[name] = None
        unit = ModuleText(target=self.module.target, named=named)
        if " asm " in text:
            unit.assembly = self.module.assembly
        for key in sorted(reached, key=self.rank.__getitem__):
            self._table(unit, key)[key] = text if key == name else definitions[key]
        return _fix(unit.write(), name)

    def _table(self, unit: ModuleText, key: str) -> dict[str, str]:
        if key[0] == "@":
            return unit.functions if key in self.module.functions else unit.variables
        return {"%": unit.types, "$": unit.comdats, "#": unit.attributes, "!": unit.metadata}[key[0]]


def mentioned(key: str, piece: str) -> dict[str, None]:
    """What a definition mentions, in order, with strings among it; also the comdat that a bare `comdat` stands for."""
    found = dict.fromkeys(REFERENCE.findall(piece))
    if key[0] == "@" and _OWN_COMDAT.search(piece, 0, piece.find("\n") if "\n" in piece else len(piece)):
        found["$" + key[1:]] = None
    return found


def symbol(key: str) -> str:
    """The name behind a key: no sigil, no quotes, no escapes. Bytes that are not UTF-8 become surrogates."""
    name = key[1:].strip('"')
    if "\\" not in name:
        return name
    raw = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name)
    return raw.encode("latin-1", errors="replace").decode(errors="surrogateescape")


def variable(piece: str) -> tuple[list[str], str, str]:
    """The words before `global`, `constant`, `alias` or `ifunc`, that word, and what follows it. ValueError if none."""
    key_end = _NAMED.match(piece)
    match = _VARIABLE.match(piece, key_end.end()) if key_end else None
    if not match:
        raise ValueError(f"not a global: {piece[:80]}")
    return match[1].split(), match[2], piece[match.end() :]


def is_declaration(piece: str) -> bool:
    """Whether a global variable or function is defined elsewhere."""
    if piece[0] == "@":
        return not {"external", "extern_weak"}.isdisjoint(variable(piece)[0])
    return piece.startswith("declare ")


def linkage(piece: str) -> str:
    """The linkage word of a function, variable, alias or ifunc; `external` where none is written."""
    words = variable(piece)[0] if piece[0] == "@" else header(piece)[1].split()
    return next((word for word in words if word in LINKAGES), "external")


def closing(text: str, start: int) -> int:
    """Where the parenthesis closes that is open at `start` (just after it). ValueError if nowhere."""
    depth = 1
    for match in _BRACKET.finditer(text, start):
        if match[0] == "(":
            depth += 1
        elif match[0] == ")":
            depth -= 1
            if not depth:
                return match.start()
    raise ValueError("a parenthesis is not closed")


def header(piece: str) -> tuple[str, str, str, int]:
    """`define` or `declare`, the words up to the name, the name, and where the parameters start."""
    match = _FUNCTION.match(piece)
    if not match:
        raise ValueError(f"not a function: {piece[:80]}")
    return match[1], match[2], match[3], match.end()


def _external_words(words: str) -> str:
    """The words before a function's name with external linkage. What was local to the module stays known to be near."""
    kept = [word for word in words.split(" ") if word not in LINKAGES]
    if len(kept) < len(words.split(" ")) and not LOCAL.isdisjoint(words.split(" ")):
        kept.insert(0, "dso_local")
    return " ".join(kept)


def _external(definition: str) -> str:
    """The definition with external linkage and outside every comdat."""
    line, _, body = definition.partition("\n")
    _, words, name, start = header(line)
    end = closing(line, start)
    tail = _COMDAT.sub("", line[end:], count=1)
    return f"define {_external_words(words)}{name}({line[start:end]}{tail}\n{body}"


def _declaration(function: str) -> str:
    """The external declaration of a function that is defined, with its attributes. A declaration is left as it is."""
    if function.startswith("declare "):
        return function
    line = function.partition("\n")[0]
    _, words, name, start = header(line)
    end = closing(line, start)
    # The closing parenthesis goes along: it is what ends the last parameter's name.
    parameters = _PARAMETER.sub("", line[start : end + 1])
    tail = "".join(match[0] for match in _DECLARED.finditer(line[end + 1 :].partition(" personality ")[0]))
    return f"declare {_external_words(words)}{name}({parameters}{tail}"


def _shared(piece: str) -> str:
    """The variable as one of which other modules have the same, if it is local to this one and may change."""
    words, kind, rest = variable(piece)
    if kind != "global" or LOCAL.isdisjoint(words):
        return piece
    name = piece.partition(" = ")[0]
    kept = ["linkonce_odr", "dso_local", *(word for word in words if word not in LOCAL and word != "dso_local")]
    return f"{name} = {' '.join(kept)} global {rest}"


def _declared_alias(name: str, alias: str) -> tuple[str, str]:
    """The declaration that stands for an alias or ifunc, and the table of a module that it belongs in."""
    words, _, rest = variable(alias)
    prefix = "".join(f"{word} " for word in words if word in ("dso_local", "hidden", "protected"))
    if not LOCAL.isdisjoint(words):
        prefix = "dso_local "
    kind = _first_type(rest)
    if kind.endswith(")") and not kind.startswith("target("):
        returned, _, parameters = kind.partition(" (")
        return "functions", f"declare {prefix}{returned} {name}({parameters}"
    thread = "".join(f"{word} " for word in words if word.startswith("thread_local"))
    return "variables", f"{name} = external {prefix}{thread}global {kind}"


def _first_type(text: str) -> str:
    """The text up to the first comma outside every bracket."""
    depth = 0
    for match in re.finditer(r'"[^"]*"|[(\[{<]|[)\]}>]|,', text):
        if match[0] in "([{<":
            depth += 1
        elif match[0] in ")]}>":
            depth -= 1
        elif match[0] == "," and not depth:
            return text[: match.start()]
    return text


def _fix(text: str, name: str) -> str:
    """What few units need: no block addresses of functions that are gone, unnamed globals counted from 0 again."""
    if "blockaddress(" in text:
        text = _BLOCK_ADDRESS.sub(lambda m: m[0] if m[1] == name else "inttoptr (i32 1 to ptr)", text)
    if re.search(r"^(?:@\d+ = |(?:define|declare) [^\"@]*@\d+\()", text, re.MULTILINE):
        numbers: dict[str, str] = {}
        for match in re.finditer(r"^(?:(@\d+) = |(?:define|declare) [^\"@]*(@\d+)\()", text, re.MULTILINE):
            numbers[match[1] or match[2]] = f"@{len(numbers)}"
        text = _UNNAMED_GLOBAL.sub(lambda m: numbers.get(m[0], m[0]), text)
    return text
