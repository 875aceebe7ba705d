"""Compile commands: what a source yields, and how the command line of any C compiler becomes one for clang.

A command line is reduced to what decides the unoptimised module: macros, include folders, the language and its
dialect. Outputs, warnings, optimisation, debug info, instrumentation and what only gcc knows are left out.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shlex
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Language = Literal["c", "c++", "ir", "cuda"]
Route = Literal["folder", "database", "watch", "cmake", "ir", "rust", "cuda"]

SUFFIXES: dict[str, Language] = {
    ".c": "c",
    ".cc": "c++",
    ".cp": "c++",
    ".cpp": "c++",
    ".cxx": "c++",
    ".c++": "c++",
    ".C": "c++",
    ".CPP": "c++",
    ".cu": "cuda",
    ".ll": "ir",
    ".bc": "ir",
}

SOURCE_BYTES = 16 << 20
"""A source file above this is left out; the largest that people write by hand is SQLite's, of 9 MB."""
DATABASE_BYTES = 512 << 20
_RESPONSE_BYTES = 8 << 20
_RESPONSE_DEPTH = 8

TOLERANT: dict[str, tuple[str, ...]] = {
    # What gcc only warns of and clang 17 refuses.
    "c": (
        "-Wno-implicit-function-declaration",
        "-Wno-implicit-int",
        "-Wno-int-conversion",
        "-Wno-incompatible-function-pointer-types",
        "-Wno-return-type",
    ),
    "c++": (
        "-Wno-register",
        "-Wno-c++11-narrowing",
        "-Wno-reserved-user-defined-literal",
        "-Wno-enum-constexpr-conversion",
    ),
}
# A module must not depend on the day it was made.
_CONSTANT_DATE = ("-Wno-builtin-macro-redefined", '-D__DATE__="Jan  1 1970"', '-D__TIME__="00:00:00"')

_WITH_PATH = ("-include", "-isystem", "-iquote", "-idirafter", "-imacros", "-isysroot", "-I")
_WITH_TEXT = ("-D", "-U")
_DROPPED_WITH_VALUE = frozenset(
    (
        "-o",
        "-MF",
        "-MT",
        "-MQ",
        "-MJ",
        "-Xclang",
        "-Xassembler",
        "-Xlinker",
        "-Xpreprocessor",
        "-Xarch_host",
        "-target",
        "--param",
        "-arch",
        "-L",
        "-l",
        "-T",
        "-u",
        "-z",
        "-e",
        "-B",
        "-G",
        "-aux-info",
        "-dumpbase",
        "-dumpdir",
        "-wrapper",
        "-specs",
        "-mllvm",
        "-iprefix",
        "-iwithprefix",
        "-iwithprefixbefore",
        "-gcc-toolchain",
        "--serialize-diagnostics",
        "-serialize-diagnostics",
        "-index-store-path",
    )
)
_NOT_A_COMPILATION = frozenset(
    ("-E", "-M", "-MM", "-fsyntax-only", "-###", "--version", "-v", "-dumpversion", "-dumpmachine")
)
_KEPT = frozenset(
    (
        "-ansi",
        "-pthread",
        "-nostdinc",
        "-nostdinc++",
        "-trigraphs",
        "-undef",
        "-mno-red-zone",
        "-mms-bitfields",
    )
)
_KEPT_F = re.compile(
    r"-f(?:no-)?(?:PIC|pic|PIE|pie|strict-aliasing|strict-overflow|wrapv|trapv|exceptions|cxx-exceptions|rtti|signed-char"
    r"|unsigned-char|short-enums|short-wchar|common|builtin(?:-\w+)?|freestanding|hosted|ms-extensions|gnu89-inline"
    r"|math-errno|fast-math|finite-math-only|signed-zeros|trapping-math|rounding-math|associative-math"
    r"|reciprocal-math|unsafe-math-optimizations|ffp-contract=\w+|fp-contract=\w+|char8_t|blocks|declspec"
    r"|threadsafe-statics|visibility-inlines-hidden|visibility=\w+|plt|semantic-interposition"
    r"|delete-null-pointer-checks|operator-names|tls-model=[\w-]+|pack-struct(?:=\d+)?|asynchronous-unwind-tables"
    r"|unwind-tables|omit-frame-pointer|function-sections|data-sections|template-depth=\d+|constexpr-depth=\d+"
    r"|constexpr-steps=\d+|bracket-depth=\d+|sized-deallocation|aligned-new|coroutines|use-cxa-atexit|jump-tables"
    r"|zero-initialized-in-bss|access-control|permissive|lax-vector-conversions)"
)
_KEPT_M = re.compile(
    r"-m(?:no-)?(?:sse|ssse|avx|aes|bmi|fma|f16c|popcnt|pclmul|lzcnt|sha|adx|rdrnd|rdseed|movbe|fsgsbase|xsave|vaes"
    r"|vpclmulqdq|gfni|crc32|mmx|cx16|sahf)[\w.-]*"
)
_NEWER_DIALECTS = {"c23": "c2x", "gnu23": "gnu2x", "c++26": "c++2c", "gnu++26": "gnu++2c"}
_POSITION_INDEPENDENT = frozenset(("-fPIC", "-fpic", "-fPIE", "-fpie", "-DPIC"))
_CPLUSPLUS_DRIVER = re.compile(r"(?:.*-)?(?:[gc]\+\+|clang\+\+|CC)(?:-[\d.]+)?")
_PROBES = re.compile(
    r"(?:^|/)(?:conftest\.\w+|CMakeFiles/.*/(?:CompilerId\w*|CMakeScratch|CMakeTmp|_tmp)/.*|meson-private/.*)$"
)


@dataclass(frozen=True)
class Project:
    """Whose code it is, and where its tree lies."""

    name: str
    version: str
    licence: str
    """As SPDX says it where that is known, else `unknown`."""
    root: str
    """Absolute."""


@dataclass(frozen=True)
class CompileCommand:
    """One translation unit, and how clang is to compile it."""

    project: str
    version: str
    licence: str
    file: str
    """The path below the project's root, printable whatever its bytes are: provenance, not a way to open it."""
    path: str
    """What clang is to read: absolute, as the system spells it."""
    directory: str
    """Where the compiler was, or would be, started. The flags do not depend on it."""
    language: Language
    flags: tuple[str, ...]
    """For clang, in order, before the path; they say the language where the file's suffix does not."""
    route: Route
    hints: str = ""
    """The file that `headers.repair` needs; empty where nothing is to be guessed."""


@dataclass(frozen=True)
class Skipped:
    """What gave no command, and why: `reason` is one of few, to be counted; `detail` is for people."""

    project: str
    file: str
    reason: str
    detail: str = ""


def printable(path: str) -> str:
    """A path as text that can be stored anywhere: bytes that are not UTF-8 are written as `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def relative(path: str, project: Project) -> str:
    """Where `path` lies in its project, for provenance; never more than its own name if it lies outside."""
    below = posixpath.relpath(path, project.root)
    return printable(posixpath.basename(path) if below.startswith("..") else below)


def trouble(path: str) -> tuple[str, str] | None:
    """Why a file cannot be a source, as (reason, detail). A pipe of that name must not be opened, say."""
    try:
        status = Path(path).stat()
    except OSError as error:
        return "file is gone", str(error.strerror)
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file", ""
    if status.st_size > SOURCE_BYTES:
        return "file too large", f"{status.st_size >> 20} MiB"
    return None


def make(
    project: Project, path: str, directory: str, language: Language, flags: Iterable[str], route: Route, hints: str = ""
) -> CompileCommand:
    """A command with what every one of them gets: tolerance for old code, and nothing of this machine in the module."""
    every: tuple[str, ...] = ()
    if language != "ir":
        # __FILE__ would put the folder's name into the module.
        prefix = project.root.rstrip("/") + "/"
        every = (*TOLERANT.get(language, TOLERANT["c++"]), *_CONSTANT_DATE, f"-fmacro-prefix-map={prefix}=")
    return CompileCommand(
        project.name,
        project.version,
        project.licence,
        relative(path, project),
        path,
        directory,
        language,
        (*flags, *every),
        route,
        hints,
    )


# -- one command line


def from_command_line(
    project: Project, directory: str, command: Sequence[str], route: Route
) -> Iterator[CompileCommand | Skipped]:
    """The translation units that a compiler's command line compiles; none if it only links or asks something."""
    arguments = list(_expanded(command[1:], directory))
    if not _NOT_A_COMPILATION.isdisjoint(arguments):
        return
    cplusplus = bool(command) and _CPLUSPLUS_DRIVER.fullmatch(posixpath.basename(command[0])) is not None
    flags, inputs = _sanitised(arguments, directory)
    for forced, name in inputs:
        suffix = SUFFIXES.get(posixpath.splitext(name)[1])
        language = forced or ("c++" if suffix == "c" and cplusplus else suffix)
        if language is None:
            continue
        path = posixpath.normpath(posixpath.join(directory, name))
        if _PROBES.search(path) or name == "/dev/null":
            continue
        bad = ("reads standard input", "") if name == "-" else trouble(path)
        if bad:
            yield Skipped(project.name, relative(path, project), *bad)
            continue
        if language == "ir":
            yield make(project, path, directory, language, (), route)
            continue
        dialect = [flag for flag in flags if not flag.startswith("-std=") or ("++" in flag) == (language != "c")]
        if language != suffix:
            dialect = ["-x", language, *dialect]
        yield make(project, path, directory, language, dialect, route)


def _expanded(arguments: Iterable[str], directory: str, depth: int = 0) -> Iterator[str]:
    """The arguments with response files put in place of their names, as gcc does it: unreadable ones stay."""
    for argument in arguments:
        if argument.startswith("@") and depth < _RESPONSE_DEPTH:
            path = posixpath.join(directory, argument[1:])
            try:
                if Path(path).stat().st_size > _RESPONSE_BYTES:
                    continue
                words = shlex.split(Path(path).read_bytes().decode("utf-8", "surrogateescape"))
            except (OSError, ValueError):
                continue
            yield from _expanded(words, directory, depth + 1)
        else:
            yield argument


def _sanitised(arguments: list[str], directory: str) -> tuple[list[str], list[tuple[Language | None, str]]]:
    """What is kept of the flags, paths made absolute; and the inputs, each with the language that -x said."""
    flags: list[str] = []
    inputs: list[tuple[Language | None, str]] = []
    language: Language | None = None
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            inputs += [(language, name) for name in rest]
        elif argument == "-" or not argument.startswith("-"):
            inputs.append((language, argument))
        elif argument.startswith("-x"):
            language = _language(argument[2:] or next(rest, ""))
        elif argument in _DROPPED_WITH_VALUE:
            next(rest, None)
        elif argument.startswith("-Wp,"):
            flags += _sanitised([word for word in argument[4:].split(",") if word[:2] in _WITH_TEXT], directory)[0]
        else:
            flags += _kept(argument, rest, directory)
    return flags, inputs


def _language(name: str) -> Language | None:
    known: dict[str, Language] = {"c": "c", "c++": "c++", "ir": "ir", "cuda": "cuda", "cu": "cuda"}
    return known.get(name)


def _kept(argument: str, rest: Iterator[str], directory: str) -> list[str]:
    """What stays of one flag (and its value, taken from `rest`)."""
    for name in _WITH_PATH:
        if argument.startswith(name):
            value = argument[len(name) :] or next(rest, "")
            if name in ("-I", "-isystem") and value in ("", "-"):
                return []
            return [name, _absolute(value, directory, must_exist=name in ("-include", "-imacros"))]
    for name in _WITH_TEXT:
        if argument.startswith(name):
            value = argument[len(name) :] or next(rest, "")
            return [name + value] if value else []
    if argument.startswith("-std="):
        dialect = argument[5:]
        return ["-std=" + _NEWER_DIALECTS.get(dialect, dialect)]
    if argument in _KEPT or _KEPT_F.fullmatch(argument) or _KEPT_M.fullmatch(argument):
        return [argument]
    return []


def _absolute(value: str, directory: str, *, must_exist: bool) -> str:
    path = posixpath.normpath(posixpath.join(directory, value))
    # `-include config.h` is looked for in the include folders if it is not here.
    return value if must_exist and not Path(path).exists() else path


# -- many command lines


def without_repetitions(found: Iterable[CompileCommand | Skipped]) -> Iterator[CompileCommand | Skipped]:
    """Each file and its flags once, in order of files. libtool compiles everything twice, once with -fPIC."""
    seen = set()
    for entry in sorted(found, key=lambda entry: entry.file):
        if isinstance(entry, CompileCommand):
            key = entry.path, tuple(flag for flag in entry.flags if flag not in _POSITION_INDEPENDENT)
            if key in seen:
                yield Skipped(entry.project, entry.file, "same command again")
                continue
            seen.add(key)
        yield entry


def from_database(database: Path, project: Project, route: Route) -> Iterator[CompileCommand | Skipped]:
    """The commands of a compile_commands.json. Entries that make no sense are skipped, as is a file that is no JSON."""
    try:
        if database.stat().st_size > DATABASE_BYTES:
            raise ValueError(f"more than {DATABASE_BYTES >> 20} MiB")
        entries = json.loads(database.read_bytes().decode("utf-8", "surrogateescape"))
        if not isinstance(entries, list):
            raise ValueError("not a list")
    except (OSError, ValueError, RecursionError) as error:
        yield Skipped(project.name, database.name, "database unreadable", str(error))
        return
    yield from without_repetitions(
        command for entry in entries for command in _from_entry(entry, database, project, route)
    )


def _from_entry(entry: object, database: Path, project: Project, route: Route) -> Iterator[CompileCommand | Skipped]:
    try:
        if not isinstance(entry, dict):
            raise ValueError("not an object")
        directory = posixpath.join(database.parent, entry["directory"])
        words = entry["arguments"] if "arguments" in entry else shlex.split(entry["command"])
        if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
            raise ValueError("no list of words")
    except (KeyError, TypeError, ValueError) as error:
        yield Skipped(project.name, database.name, "database entry makes no sense", f"{type(error).__name__}: {error}")
        return
    yield from from_command_line(project, directory, words, route)
