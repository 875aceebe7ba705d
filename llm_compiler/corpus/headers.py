"""Which headers a file needs, guessed from the tree it lies in, for code whose build is not run.

Include folders are found by the headers' names. A header that configure or CMake would write is made from its template,
with what this system's headers say. After clang has complained, `repair` gives the command to try next; a quoted header
that exists nowhere becomes an empty file then. All that is written goes to a folder of ours.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import posixpath
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from llm_compiler.corpus.commands import CompileCommand, Project
from llm_compiler.llvm.toolchain import Toolchain

ATTEMPTS = 5
"""How often a file is worth being compiled, repairs included."""

_INCLUDE = re.compile(
    rb'^\s*#\s*(?:(include)(?:_next)?\s*([<"])([^>"\n]+)[>"]|(ifdef|ifndef|if|elif|else|endif)\b(.*))', re.M
)
_FOREIGN = re.compile(
    rb"_?WIN(?:32|64|DOWS|_|NT)|_MSC_VER|MSVC|__CYGWIN__|MINGW|APPLE|MACOS|__MACH__|DARWIN|__VMS|\bVMS|OS2|DOS|AMIGA|BEOS|HAIKU"
    rb"|ANDROID|__sun|SOLARIS|_AIX|hpux|__FreeBSD__|__OpenBSD__|__NetBSD__|BSD4|EMX|__EMSCRIPTEN__|SYMBIAN|RISCOS|TANDEM|__MVS__"
)
FOREIGN_FOLDERS = frozenset(
    (
        "win32",
        "w32",
        "win64",
        "win",
        "windows",
        "msdos",
        "dos",
        "vms",
        "amiga",
        "os2",
        "os400",
        "mac",
        "macos",
        "macosx",
        "darwin",
        "osx",
        "riscos",
        "beos",
        "haiku",
        "solaris",
        "aix",
        "msvc",
        "vc",
        "visualc",
        "vs2013",
        "vs2015",
        "vs2017",
        "vs2019",
        "android",
        "ios",
        "symbian",
        "wince",
        "emscripten",
        "mingw",
        "nmake",
        "djgpp",
        "cygwin",
        "plan9",
        "qnx",
        "uefi",
    )
)
TEST_FOLDERS = frozenset(
    (
        "test",
        "tests",
        "testing",
        "testsuite",
        "test-suite",
        "test_suite",
        "testdata",
        "unittest",
        "unittests",
        "unit_test",
        "unit_tests",
        "unit-tests",
        "fuzz",
        "fuzzing",
        "fuzzer",
        "fuzzers",
        "oss-fuzz",
        "googletest",
        "gtest",
        "gmock",
        "googlemock",
    )
)
_TEMPLATE = re.compile(r"(.+?)(?:\.(?:in|cmake|cmakein|cin)|\.cmake\.in|\.in\.cmake|\.generic|\.dist|\.prebuilt|in)")
_MISSING = re.compile(
    r"^(.*?):\d+:\d+: fatal error: '([^'\n]+)' file not found\n(?:[^\n]*#\s*(?:include|import)\w*\s*([<\"]))?", re.M
)
_UNDECLARED = re.compile(r"error: use of undeclared identifier '([A-Z][A-Z0-9_]{3,})'")
_EXPECTED_TEXT = re.compile(r"(?:DIR|PATH|FILE|NAME|VERSION|PACKAGE|STRING|LOCALE|BUGREPORT|URL|DATE|HOST|PREFIX|CONF)")
_VALUES = {"O_BINARY": "0", "O_TEXT": "0", "O_SEARCH": "O_RDONLY"}
_EXPECTED = re.compile(r"error: expected '[);,}]'")
_POINTED = re.compile(r"^ *\d* \|([^\n]*)\n +\|( *)\^", re.M)
_UNKNOWN_TYPE = re.compile(r"error: (?:unknown type name|use of undeclared identifier) '(\w+)'")
_NEEDED_HEADERS = {
    "stdint.h": re.compile(r"u?int(?:8|16|32|64|ptr|max)_t"),
    "stddef.h": re.compile(r"size_t|ptrdiff_t|NULL|wchar_t"),
    "sys/types.h": re.compile(r"ssize_t|off_t|pid_t|uid_t|gid_t|mode_t|u_(?:char|short|int|long)|uint|ulong|ushort"),
    "stdbool.h": re.compile(r"bool|true|false"),
    "stdio.h": re.compile(r"FILE|stderr|stdout|stdin|EOF"),
    "limits.h": re.compile(r"(?:INT|UINT|LONG|ULONG|SHRT|CHAR|SSIZE)_M(?:AX|IN)|PATH_MAX|CHAR_BIT"),
}
_INDEXED_FILES = 200_000
_TEMPLATE_BYTES = 1 << 20
_NAME_BYTES = 200


@dataclass(frozen=True)
class _Index:
    """Where the files of a tree lie, and what the system has."""

    root: str
    extra: tuple[str, ...]
    """Other trees whose headers may be used: unpacked development packages."""
    files: dict[str, list[str]]
    """From a file's own name to its absolute paths."""
    templates: dict[str, list[str]]
    """From a header's own name to the paths of what it would be made from."""
    system: tuple[str, ...]
    """clang's own include folders."""
    generated: str
    """Where we may write."""
    name: str
    version: str


def survey(project: Project, work: Path, toolchain: Toolchain, extra: Iterable[Path] = ()) -> str:
    """Look at a tree once; the answer is what `flags` and `repair` take, in any process, as long as `work` exists."""
    files: dict[str, list[str]] = {}
    templates: dict[str, list[str]] = {}
    folders = tuple(str(folder) for folder in extra)
    count = 0
    for root in (project.root, *folders):
        for path in _walk(root):
            count += 1
            if count > _INDEXED_FILES:
                break
            name = posixpath.basename(path)
            files.setdefault(name, []).append(path)
            match = _TEMPLATE.fullmatch(name)
            if match and "." in match[1]:
                templates.setdefault(match[1], []).append(path)
            elif name.endswith(("_h.in", "-h.in")):
                templates.setdefault(name[:-5] + ".h", []).append(path)
    generated = work / "generated"
    generated.mkdir(parents=True, exist_ok=True)
    index = _Index(
        project.root,
        folders,
        files,
        templates,
        _system_folders(toolchain),
        str(generated),
        project.name,
        project.version,
    )
    hints = work / "headers.json"
    partial = hints.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(index.__dict__), "ascii")
    partial.replace(hints)
    return str(hints)


def _walk(root: str) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            yield posixpath.join(folder, name)


@functools.lru_cache(maxsize=4)
def _load(hints: str) -> _Index:
    index = json.loads(Path(hints).read_text("ascii"))
    return _Index(**{**index, "extra": tuple(index["extra"]), "system": tuple(index["system"])})


@functools.cache
def _system_folders(toolchain: Toolchain) -> tuple[str, ...]:
    """Where clang looks for <headers>, of C and C++."""
    command = [*toolchain.clang, *toolchain.libcxx_flags, *toolchain.libc_flags, "-E", "-v", "-x", "c++", "/dev/null"]
    answer = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False).stderr
    listed = answer.partition("#include <...> search starts here:\n")[2].partition("End of search list")[0]
    return tuple(posixpath.normpath(line.strip()) for line in listed.splitlines() if line.strip())


# -- before the first attempt


def flags(hints: str, path: str) -> tuple[str, ...]:
    """The include folders that a file of the tree seems to need, in the order in which it asks for them."""
    index = _load(hints)
    found, _ = _needs(index, path)
    config = ["-DHAVE_CONFIG_H"] if "config.h" in index.templates or "config.h" in index.files else []
    return (*config, *(flag for folder in found for flag in _as_flags(index, folder)))


def included_sources(paths: Iterable[str]) -> set[str]:
    """The .c files of a tree that other files of it include: parts, not units of their own."""
    suffixes = (b".c", b".cc", b".cpp", b".cxx")
    every = tuple(paths)
    by_name: dict[str, set[str]] = {}
    for path in every:
        by_name.setdefault(posixpath.basename(path), set()).add(path)
    found: set[str] = set()
    for path in every:
        for quote, raw in _includes(path):
            if quote == b'"' and raw.endswith(suffixes):
                name = os.fsdecode(raw)
                beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
                same_name = by_name.get(posixpath.basename(name), set())
                # Where it does not lie beside the other and several have its name, there is no telling which it is.
                found |= {beside} if beside in same_name else same_name if len(same_name) == 1 else set()
                found.discard(path)
    return found


def _as_flags(index: _Index, folder: str) -> tuple[str, str]:
    """The tree's own headers shadow nothing that <...> finds in the system; those of other packages come last."""
    return ("-isystem" if folder.startswith(index.extra) and index.extra else "-I", folder)


def _needs(index: _Index, path: str) -> tuple[list[str], list[str]]:
    """The folders that the #includes of a file, and of what it includes, are found in; and what is found nowhere."""
    folders: dict[str, None] = {}
    nowhere: dict[str, None] = {}
    waiting, seen = [path], {path}
    while waiting:
        current = waiting.pop()
        for quote, raw in _includes(current):
            name = os.fsdecode(raw)
            target = posixpath.join(posixpath.dirname(current), name)
            if quote != b'"' or not posixpath.exists(target):
                if _in_system(index, name):
                    continue
                folder = _find(index, name, current)
                if folder is None:
                    if quote == b'"':
                        nowhere[name] = None
                    continue
                folders[folder] = None
                target = posixpath.join(folder, name)
            target = posixpath.normpath(target)
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return list(folders), list(nowhere)


@functools.lru_cache(maxsize=20_000)
def _includes(path: str) -> tuple[tuple[bytes, bytes], ...]:
    """(quote, name) of each #include, but for those under conditions that name another system."""
    try:
        if not Path(path).is_file():
            return ()
        with open(path, "rb") as file:  # noqa: PTH123 - one of a hundred thousand
            text = file.read(1 << 20)
    except OSError:
        return ()
    found: dict[tuple[bytes, bytes], None] = {}
    foreign: list[bool] = []
    for match in _INCLUDE.finditer(text):
        if match[1]:
            if not any(foreign):
                found[match[2], match[3].strip()] = None
        elif match[4] in (b"if", b"ifdef", b"ifndef"):
            negated = match[4] == b"ifndef" or b"!" in match[5]
            foreign.append(bool(_FOREIGN.search(match[5])) and not negated)
        elif foreign and match[4] in (b"else", b"elif"):
            foreign[-1] = bool(_FOREIGN.search(match[5]))
        elif foreign and match[4] == b"endif":
            foreign.pop()
    return tuple(found)


@functools.lru_cache(maxsize=100_000)
def _in_folders(folders: tuple[str, ...], name: str) -> bool:
    return any(posixpath.exists(posixpath.join(folder, name)) for folder in folders)


def _in_system(index: _Index, name: str) -> bool:
    return _in_folders(index.system, name)


def _find(index: _Index, name: str, asking: str) -> str | None:
    """The folder under which `name` is found for a file that asks: the nearest real one, else one made for it."""
    best = _nearest(index, _candidates(index.files, name), asking)
    if best is not None and not _is_foreign(index, best):
        return _strip(best, name)
    template = _nearest(index, _candidates(index.templates, name), asking)
    if template is not None:
        return _render(index, template, name)
    return _strip(best, name) if best is not None else _forward(index, name, asking)


def _forward(index: _Index, name: str, asking: str) -> str | None:
    """For `gsl/gsl_math.h` where the tree has a gsl_math.h elsewhere, which its build would link there."""
    own = posixpath.basename(name)
    target = _nearest(index, [path for path in index.files.get(own, ()) if path.startswith(index.root)], asking)
    if target is None or own == name or ".." in name or name.startswith("/") or '"' in target or "\n" in target:
        return None
    return _write(index, f"forward:{target}", name, lambda: f'#include "{target}"\n')


def _candidates(files: dict[str, list[str]], name: str) -> list[str]:
    """Files whose path ends like `name`; for a template its own ending is not looked at."""
    parts = [part for part in name.split("/") if part != "."]
    if not parts or ".." in parts:
        return []
    tail = "/".join(["", *parts[:-1], ""])
    return [path for path in files.get(parts[-1], ()) if (posixpath.dirname(path) + "/").endswith(tail)]


def _strip(path: str, name: str) -> str:
    """The folder that makes `name` mean `path`."""
    return "/".join(path.split("/")[: -len([part for part in name.split("/") if part != "."])]) or "/"


def _is_foreign(index: _Index, path: str) -> bool:
    below = path.removeprefix(index.root).lower().split("/")
    return not FOREIGN_FOLDERS.isdisjoint(below)


def _nearest(index: _Index, paths: list[str], asking: str) -> str | None:
    def distance(path: str) -> tuple[bool, bool, bool, int, int, str]:
        here, there = asking.split("/"), path.split("/")
        common = len(posixpath.commonprefix([here, there]))
        return (
            not path.startswith(index.root),
            _is_foreign(index, path),
            not TEST_FOLDERS.isdisjoint(there) and TEST_FOLDERS.isdisjoint(here),
            len(here) + len(there) - 2 * common - (4 if "include" in there[common:] else 0),
            len(there),
            path,
        )

    return min(paths, key=distance, default=None)


# -- after an attempt


def repair(command: CompileCommand, diagnostics: str) -> CompileCommand | None:
    """What to try next for a command of a tree that was surveyed, after clang's complaints; None if nothing is left."""
    if not command.hints:
        return None
    index = _load(command.hints)
    stubbed = _stub(index, command, diagnostics)
    more = [flag for pair in _more_flags(index, command, diagnostics) for flag in _unless_there(command.flags, pair)]
    return replace(command, flags=(*command.flags, *more)) if more or stubbed else None


def _unless_there(present: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    size = len(wanted)
    return () if any(present[at : at + size] == wanted for at in range(len(present))) else wanted


def _more_flags(index: _Index, command: CompileCommand, diagnostics: str) -> Iterator[tuple[str, ...]]:
    missing = _MISSING.search(diagnostics)
    if missing:
        yield from _for_missing(index, missing[1], missing[2])
        if missing[3] == "<" and re.fullmatch(r"[\w-]*config\.h", missing[2]):
            # No system has a header of that name, and this tree's is made without a template.
            yield "-I", _write(index, f"empty:{missing[2]}", missing[2], str)
        elif posixpath.exists(posixpath.join(_stubs(index), missing[2])):
            # Only what is asked for in quotes may find a stub: a stub called string.h would be the end of it.
            yield "-iquote", _stubs(index)
    undeclared = {name for name in _UNDECLARED.findall(diagnostics) if _EXPECTED_TEXT.search(name)}
    for name, value in _VALUES.items():
        if f"undeclared identifier '{name}'" in diagnostics:
            yield (f"-D{name}={value}",)
    for name in sorted(undeclared | set(_between_texts(diagnostics))):
        yield (f'-D{name}="{index.version if "VERSION" in name else ""}"',)
    unknown = set(_UNKNOWN_TYPE.findall(diagnostics))
    for header, names in _NEEDED_HEADERS.items():
        if any(names.fullmatch(name) for name in unknown):
            yield "-include", header


def _between_texts(diagnostics: str) -> Iterator[str]:
    """Names that stand where only a text could: `"a" PREFIX "b"` with a macro that the build was to define."""
    for error in _EXPECTED.split(diagnostics)[1:]:
        pointed = _POINTED.findall(error.partition("error: ")[0].partition("note: to match")[0])
        if pointed:
            code, caret = pointed[-1]
            name = re.match(r" *([A-Z][A-Z0-9_]{3,})\b(?!\()", code[len(caret) :])
            if name:
                yield name[1]


def _for_missing(index: _Index, asking: str, name: str) -> Iterator[tuple[str, ...]]:
    folder = _find(index, name, asking)
    if folder is not None:
        yield _as_flags(index, folder)
        for further in _needs(index, posixpath.join(folder, name))[0]:
            yield _as_flags(index, further)


def _stub(index: _Index, command: CompileCommand, diagnostics: str) -> bool:
    """Make empty files of the quoted headers that are nowhere, if it is for one of them that clang gave up."""
    missing = _MISSING.search(diagnostics)
    if missing is None or missing[3] == "<" or _find(index, missing[2], missing[1]) is not None:
        return False
    made = [_make_stub(index, name) for name in (missing[2], *_needs(index, command.path)[1])]
    return made[0]


def _make_stub(index: _Index, name: str) -> bool:
    if ".." in name or name.startswith("/") or len(os.fsencode(name)) > _NAME_BYTES:
        return False
    stub = Path(_stubs(index), name)
    try:
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.touch()
    except (FileExistsError, NotADirectoryError):  # both "a" and "a/b.h" are missing
        return False
    return True


def _stubs(index: _Index) -> str:
    return posixpath.join(index.generated, "stubs")


# -- headers that configure would have written


def _render(index: _Index, template: str, name: str) -> str:
    """Write the header that a template stands for; the folder under which it has its name."""

    def text() -> str:
        with open(template, "rb") as file:  # noqa: PTH123
            return _filled_in(index, file.read(_TEMPLATE_BYTES).decode("utf-8", "surrogateescape"))

    return _write(index, template, name, text)


def _write(index: _Index, origin: str, name: str, text: Callable[[], str]) -> str:
    """Write a header once, whole or not at all; one folder for each origin, so that none finds another's."""
    folder = Path(index.generated, hashlib.sha256(os.fsencode(origin)).hexdigest()[:12])
    header = folder / name
    if not header.exists():
        header.parent.mkdir(parents=True, exist_ok=True)
        partial = header.with_name(f"{header.name}.{os.getpid()}")
        partial.write_bytes(os.fsencode(text()))
        partial.replace(header)
    return str(folder)


_UNDEF = re.compile(r"^(\s*#\s*)undef(\s+)(\w+)[ \t]*$", re.M)
_CMAKEDEFINE = re.compile(r"^(\s*#\s*)cmakedefine(01)?[ \t]+(\w+)[ \t]*([^\n]*)$", re.M)
_VARIABLE = re.compile(r"@(\w+)@|\$\{(\w+)\}")
_SIZES = {
    "CHAR": 1,
    "SHORT": 2,
    "INT": 4,
    "FLOAT": 4,
    "UNSIGNED_INT": 4,
    "WCHAR_T": 4,
    "UNSIGNED_SHORT": 2,
    "BOOL": 1,
    "_BOOL": 1,
}
_SIZES |= {
    "INT8_T": 1,
    "INT16_T": 2,
    "INT32_T": 4,
    "UINT32_T": 4,
    "UINT16_T": 2,
    "PID_T": 4,
    "MODE_T": 4,
    "LONG_DOUBLE": 16,
}
_ALWAYS = frozenset(
    (
        "STDC_HEADERS",
        "VAR_ARRAYS",
        "TIME_WITH_SYS_TIME",
        "_GNU_SOURCE",
        "_ALL_SOURCE",
        "__EXTENSIONS__",
        "_DARWIN_C_SOURCE",
        "_POSIX_PTHREAD_SEMANTICS",
        "_TANDEM_SOURCE",
        "HAVE_STDC_HEADERS",
        "HAVE_LONG_LONG",
        "HAVE_LONG_LONG_INT",
        "HAVE_UNSIGNED_LONG_LONG",
        "HAVE_UNSIGNED_LONG_LONG_INT",
        "HAVE_LONG_DOUBLE",
        "HAVE_PTHREAD",
        "HAVE_PTHREADS",
        "HAVE__BOOL",
        "HAVE_BOOL",
        "HAVE_C99_VLA",
        "HAVE_INLINE",
        "HAVE_VARIADIC_MACROS",
        "HAVE_C_VARARRAYS",
        "HAVE_ATTRIBUTE_VISIBILITY",
        "HAVE_VISIBILITY",
        "HAVE_GCC_ATOMICS",
        "HAVE_LIMITS",
        "HAVE_STDARG",
        "HAVE_UNIX",
        "HAVE_STRUCT_TIMESPEC",
        "HAVE_STRUCT_TIMEVAL",
        "HAVE_STRUCT_SOCKADDR_STORAGE",
        "HAVE_STRUCT_ADDRINFO",
        "HAVE_STRUCT_IN6_ADDR",
        "HAVE_STRUCT_SOCKADDR_IN6",
        "HAVE_STRUCT_TM_TM_ZONE",
        "HAVE_STRUCT_STAT_ST_BLKSIZE",
        "HAVE_STRUCT_STAT_ST_BLOCKS",
        "HAVE_STRUCT_STAT_ST_RDEV",
        "HAVE_ST_BLOCKS",
        "HAVE_TM_ZONE",
        "HAVE_TM_GMTOFF",
        "HAVE_VPRINTF",
        "HAVE_VA_COPY",
        "HAVE___VA_COPY",
    )
)
_NEVER = frozenset(
    (
        "HAVE_DOPRNT",
        "HAVE_STRLCPY",
        "HAVE_STRLCAT",
        "HAVE_MSVC",
        "HAVE_WINDOWS_H",
        "HAVE_LIBINTL",
        "HAVE_GETTEXT",
        "HAVE_DCGETTEXT",
    )
)


def _filled_in(index: _Index, text: str) -> str:
    """A template of configure's or CMake's with every answer that this system has."""

    def undef(match: re.Match[str]) -> str:
        value = _value(index, match[3])
        return match[0] if value is None else f"{match[1]}define{match[2]}{match[3]} {value}"

    def cmakedefine(match: re.Match[str]) -> str:
        value = _value(index, match[3])
        if match[2]:
            return f"{match[1]}define {match[3]} {0 if value in (None, '0') else 1}"
        if value is None:
            return f"/* {match[1]}undef {match[3]} */"
        return f"{match[1]}define {match[3]} {_VARIABLE.sub(lambda _: value, match[4]) if match[4] else value}"

    lines = _CMAKEDEFINE.sub(cmakedefine, _UNDEF.sub(undef, text)).split("\n")
    return "\n".join(_substituted(index, line) if "@" in line or "${" in line else line for line in lines)


def _substituted(index: _Index, line: str) -> str:
    def variable(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if line.lstrip().startswith("typedef"):
            bits = re.search(r"8|16|32|64", name)
            return f"{'u' if name.upper().startswith('U') else ''}int{bits[0]}_t" if bits else "int"
        if line.strip() == match[0]:  # a whole line of its own: no value, but code
            return "#include <stdint.h>" if "STDINT" in name or "INTTYPES" in name else ""
        value = _value(index, name)
        quoted = line[: match.start()].count('"') % 2 == 1
        if value is None:
            return "" if quoted else "0"
        return value.strip('"') if quoted else value

    return _VARIABLE.sub(variable, line)


def _value(index: _Index, name: str) -> str | None:
    """What a configure script would say of a name: a C value, or None for undefined."""
    if name in _ALWAYS:
        return "1"
    if name in _NEVER:
        return None
    if name in ("PACKAGE", "PACKAGE_NAME", "PACKAGE_TARNAME", "PROJECT_NAME"):
        return f'"{index.name}"'
    if name.startswith(("PACKAGE_", "PROJECT_")) and name.endswith(("BUGREPORT", "URL")):
        return '""'
    version = re.search(
        r"VERSION(?:_(MAJOR|MINOR|PATCH|MICRO|TWEAK|REVISION|RELEASE))?$|_(MAJOR|MINOR|PATCH|MICRO)(?:_?VERSION)?$",
        name,
    )
    if version:
        return _version(index, version[1] or version[2])
    if name == "PACKAGE_STRING":
        return f'"{index.name} {index.version}"'
    size = re.search(r"SIZEOF_(\w+)$", name)
    if size:
        return "8" if size[1] not in _SIZES else str(_SIZES[size[1]])
    if name == "EXPORT":
        return ""
    exact = re.fullmatch(r"(u_?)?_?(?:int|bits)(8|16|32|64)_t", name)
    if exact and name not in _words(index.system):
        return f"{'u' if exact[1] else ''}int{exact[2]}_t"
    if name == "restrict":
        return "__restrict"
    if name == "RETSIGTYPE":
        return "void"
    return _has(index, name)


def _version(index: _Index, part: str | None) -> str:
    if part is None:
        return f'"{index.version}"'
    numbers = [*re.findall(r"\d+", index.version.split(":")[-1].split("-")[0]), "0", "0", "0"]
    order = ("MAJOR", "MINOR", "PATCH", "TWEAK")
    return str(int(numbers[order.index(part) if part in order else 2]))


def _has(index: _Index, name: str) -> str | None:
    question = re.search(r"(?:HAVE|HAS)_(DECL_)?(\w+?)(_H|_HPP)?$", name)
    if not question:
        return None
    thing = question[2].lower().strip("_")
    if question[3]:
        places = (thing, thing.replace("_", "/"), thing.replace("_", "/", 1), thing.replace("_", "-"))
        return "1" if any(_in_system(index, place + ".h") for place in places) else None
    known = thing in _words(index.system) or question[2] in _words(index.system)
    return "1" if known else ("0" if question[1] else None)


@functools.lru_cache(maxsize=4)
def _words(folders: tuple[str, ...]) -> frozenset[str]:
    """Every identifier in the headers of libc: near enough to what it has."""
    found: set[bytes] = set()
    for folder in folders:
        if not posixpath.exists(posixpath.join(folder, "stdio.h")) and not posixpath.exists(
            posixpath.join(folder, "sys", "cdefs.h")
        ):
            continue
        for place in ("", "sys", "bits", "arpa", "net", "netinet"):
            for header in sorted(Path(folder, place).glob("*.h")):
                if header.is_file():
                    found.update(re.findall(rb"[A-Za-z_]\w+", header.read_bytes()[: 1 << 18]))
    return frozenset(word.decode("ascii", "replace") for word in found)
