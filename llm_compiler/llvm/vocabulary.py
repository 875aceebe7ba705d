"""Which passes a libLLVM knows: asked of the library itself, and remembered.

Every pass name lies in the library as a C string (`opt -print-passes` needs them), so the candidates are its kebab-case
strings. A candidate is put before a name that no LLVM knows, as in `module(sroa,?)`: the parser complains about the
first name that it does not know, so a complaint about `?` says that `sroa` was taken. Nothing runs that way, and a
question costs microseconds. Only loop passes are then run once, because the need for MemorySSA shows at run time only.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.passes import Level, Pass, Vocabulary, classes
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure, Workers

_WRAPPERS: dict[Level, str] = {
    "module": "module({})",
    "cgscc": "cgscc({})",
    "function": "function({})",
    "loop": "function(loop({}))",
}
# Spellings that lie in no library in one piece. One that a version lacks is harmless: its parser says no.
_PIPELINES = ("default", "thinlto-pre-link", "thinlto", "lto-pre-link", "lto")
_SPELLINGS = tuple(f"{pipeline}<O{level}>" for pipeline in _PIPELINES for level in "0123sz")
_SENTINEL = "?"
_BATCH = 400
_LOOP = b"""
define void @f(ptr %p, ptr %q, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %v = load i64, ptr %q
  %a = getelementptr i64, ptr %p, i64 %i
  store i64 %v, ptr %a
  %j = add nuw i64 %i, 1
  %c = icmp ult i64 %j, %n
  br i1 %c, label %loop, label %exit
exit:
  ret void
}
"""


class Found(NamedTuple):
    """What the library says of a pass."""

    name: str
    level: Level
    parameters: tuple[str, ...]


def vocabulary(toolchain: Toolchain) -> Vocabulary:
    """The passes of a toolchain: shipped for the wheels' version, else asked for once and kept in the user's cache."""
    shipped = resources.files(__package__).joinpath(f"data/vocabulary-{toolchain.version}.json")
    if toolchain.origin == "wheels" and shipped.is_file():
        return _classified(toolchain.version, _load(shipped.read_text()))
    status = toolchain.library.stat()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llm-compiler"
    kept = cache / f"vocabulary-{toolchain.version}-{status.st_size}-{status.st_mtime_ns}.json"
    try:
        found = _load(kept.read_text())
    except (OSError, ValueError):
        found = discover(toolchain.library)
        try:
            cache.mkdir(parents=True, exist_ok=True)
            partial = kept.with_suffix(f".{os.getpid()}")
            partial.write_text(dump(found))
            partial.replace(kept)
        except OSError:
            pass  # no cache: asked again next time
    return _classified(toolchain.version, found)


def dump(found: Iterable[Found]) -> str:
    """The data file's text, one pass on a line."""
    return "[\n" + ",\n".join(json.dumps(item) for item in found) + "\n]\n"


def _load(text: str) -> list[Found]:
    return [Found(name, level, tuple(parameters)) for name, level, parameters in json.loads(text)]


def _classified(version: str, found: Iterable[Found]) -> Vocabulary:
    passes = []
    for item in found:
        passes.append(_classify(item))
        # A few spellings with a parameter are passes of their own in the paper's sense: early-cse<memssa>.
        spellings = (f"{item.name}<{parameter}>" for parameter in item.parameters)
        passes += [_classify(item._replace(name=s, parameters=())) for s in spellings if s in classes()]
    return Vocabulary(version, passes)


def _classify(item: Found) -> Pass:
    entry = classes().get(item.name, {"class": "unknown", "propose": False, "why": "not classified yet"})
    why = "" if entry["propose"] else str(entry["why"])
    return Pass(item.name, item.level, item.parameters, str(entry["class"]), bool(entry["propose"]), why)


def discover(library: Path) -> list[Found]:
    """Ask a libLLVM for its passes, their levels and parameters, in children; takes a few seconds. Sorted by name."""
    names, words = _strings(library.read_bytes())
    with Workers(_Parse(library)) as parsers:
        asked = sorted(names | set(_SPELLINGS))
        level_of: dict[str, Level] = {}
        for level in reversed(_WRAPPERS):  # innermost first: an outer level takes the passes of the inner ones too
            open_names = [name for name in asked if name not in level_of]
            answers = parsers.map((level, batch) for batch in _batches(open_names))
            level_of |= dict.fromkeys((name for name, verdict in _merge(answers) if verdict), level)
        bare = {name: verdict == "taken" for name, verdict in _ask(parsers, level_of, level_of)}
        bases = [name for name in level_of if "<" not in name]
        spelled = {f"{base}<{_SENTINEL}>": base for base in bases}
        spelled_levels = {text: level_of[base] for text, base in spelled.items()}
        # Who takes the sentinel takes any text: that says nothing about its parameters.
        answers_to = dict(_ask(parsers, spelled, spelled_levels))
        with_parameters = [spelled[text] for text, verdict in answers_to.items() if verdict == "parameter"]
        taken = _taken(parsers, [(base, word) for base in with_parameters for word in words], level_of)
        # Some switches lie in the library as `[no-]keep-loops`.
        taken |= _taken(parsers, [(base, f"no-{word}") for base, word in taken], level_of)
    found = []
    for name, level in level_of.items():
        parameters = tuple(sorted(word for base, word in taken if base == name))
        if bare[name]:
            found.append(Found(name, level, parameters))
        else:
            found += [Found(f"{name}<{parameter}>", level, ()) for parameter in parameters]
    # Both loop managers take every loop pass, and refuse at run time: `loop` those that need MemorySSA.
    # (Not those that draw: they write files into the folder in which they run.)
    loops = [item.name for item in found if item.level == "loop" and not item.name.startswith(("dot-", "view-"))]
    with Workers(_Run(library)) as runners:
        needs_memory_ssa = {name for name, answer in zip(loops, runners.map(loops), strict=True) if answer is not True}
    return sorted(item._replace(level="loop-mssa") if item.name in needs_memory_ssa else item for item in set(found))


def _strings(binary: bytes) -> tuple[set[str], set[str]]:
    """Candidate names, and candidate parameters: the words of the `a;b;n=N` strings, with 1 for a number."""
    strings = [match.decode() for match in re.findall(rb"(?<=\0)[a-zA-Z][a-zA-Z0-9;=<>-]*(?=\0)", binary)]
    names = {s for s in strings if re.fullmatch(r"[a-z][a-zA-Z0-9-]*(<[a-zA-Z0-9;=-]*>)?", s)}
    # An analysis is asked for as `require<x>` or `invalidate<x>`: commands to the pass manager, not passes.
    names = {s for s in names if not s.startswith(("require<", "invalidate<"))}
    lists = [s for s in strings if ";" in s or re.fullmatch(r"[a-z][a-z-]*(=N)?", s)]
    words = {word.replace("=N", "=1") for s in lists for word in s.split(";")}
    return names, words - {""}


def _batches(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _BATCH):
        yield names[start : start + _BATCH]


def _ask(
    parsers: Workers[tuple[Level, list[str]], list[tuple[str, str]]], names: Iterable[str], levels: dict[str, Level]
) -> list[tuple[str, str]]:
    by_level: dict[Level, list[str]] = {}
    for name in names:
        by_level.setdefault(levels[name], []).append(name)
    jobs = [(level, batch) for level, group in by_level.items() for batch in _batches(group)]
    return list(_merge(parsers.map(jobs)))


def _taken(
    parsers: Workers[tuple[Level, list[str]], list[tuple[str, str]]],
    pairs: Iterable[tuple[str, str]],
    level_of: dict[str, Level],
) -> set[tuple[str, str]]:
    """The pairs of a pass and a parameter that the library takes."""
    tried = {f"{base}<{word}>": (base, word) for base, word in pairs}
    levels = {text: level_of[base] for text, (base, _) in tried.items()}
    return {tried[text] for text, verdict in _ask(parsers, tried, levels) if verdict == "taken"}


def _merge(answers: Iterable[list[tuple[str, str]] | Failure]) -> Iterator[tuple[str, str]]:
    for answer in answers:
        if isinstance(answer, Failure):
            raise LLVMError(f"libLLVM does not answer which passes it has: {answer.detail}")
        yield from answer


class _Parse:
    """Verdicts of the pipeline parser: `taken`, `parameter` (known name, wrong or missing parameter), or empty."""

    def __init__(self, library: Path) -> None:
        self._path = library

    def prepare(self) -> None:
        """Load libLLVM."""
        self._library = Library(self._path)

    def __call__(self, question: tuple[Level, list[str]]) -> list[tuple[str, str]]:
        level, names = question
        with Context(self._library) as context:
            # Some versions know some names only where there is a target machine.
            module = context.parse(b'target triple = "x86_64-linux-gnu"')
            with module.machine(SHIP) as machine:
                verdicts = []
                for name in names:
                    try:
                        module.run(_WRAPPERS[level].format(f"{name},{_SENTINEL}"), machine)
                    except LLVMError as reply:
                        verdicts.append((name, _verdict(str(reply), name)))
                return verdicts


def _verdict(reply: str, name: str) -> str:
    if reply.endswith(f"'{_SENTINEL}'"):
        return "taken"
    return "" if reply.startswith("unknown ") and reply.endswith(f" pass '{name}'") else "parameter"


class _Run:
    """Whether a loop pass runs in `loop(...)`; those that do not end the process or fail."""

    def __init__(self, library: Path) -> None:
        self._path = library

    def prepare(self) -> None:
        """Load libLLVM."""
        self._library = Library(self._path)

    def __call__(self, name: str) -> bool:
        with Context(self._library) as context:
            context.parse(_LOOP).run(_WRAPPERS["loop"].format(name))
        return True
