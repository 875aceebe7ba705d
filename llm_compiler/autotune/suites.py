"""Suites of programs that check themselves: the packaged one, folders such as GCC's c-torture, HumanEval-X files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llm_compiler.llvm.frontend import LANGUAGES, Language

_FLAGS_LINE = re.compile(rb"// flags:(.*)")
_DEJAGNU = re.compile(rb'dg-(?:additional-)?options "([^"]*)"')
_DEJAGNU_KEPT = re.compile(r"-std=.*|-D.*|-fwrapv|-fno-strict-aliasing|-f(un)?signed-char|-f(no-)?common")


class SuiteError(ValueError):
    """A suite that cannot be read, or that has no program to run. The message fits on one line."""


# -- suites


@dataclass(frozen=True)
class Program:
    """A program in one file that checks itself: exit status 0 says that all is well."""

    name: str
    """Where it comes from, for people: `examples/sort.c`."""
    language: Language
    text: bytes
    path: Path | None = None
    """Where the text was read, for what it includes; None where it was in no file of its own."""
    flags: tuple[str, ...] = ()
    """Flags of clang's."""
    libraries: tuple[str, ...] = ("-lm",)
    """Flags for linking."""
    suite: Path | None = None
    """What to give to `--suite` to find it again; None for the packaged suite."""


def default_suite() -> list[Program]:
    """The packaged suite."""
    folder = Path(__file__).parent / "suite"
    return [_program(path, f"suite/{path.name}", None) for path in _sources_in(folder)]


def load_suites(paths: Iterable[Path], default: bool) -> list[Program]:
    """The packaged suite, if it is wanted, and those at the paths. SuiteError."""
    return [*(default_suite() if default else []), *(program for path in paths for program in load_suite(path))]


def load_suite(path: Path) -> list[Program]:
    """The programs of a folder of C and C++ files, of one such file, or of a jsonl like HumanEval-X. SuiteError."""
    try:
        if path.suffix == ".jsonl":
            programs = list(_problems(path))
        elif path.is_dir():
            name = path.resolve().name
            programs = [_program(file, f"{name}/{file.relative_to(path)}", path) for file in _sources_in(path)]
        elif LANGUAGES.get(path.suffix, "ir") == "ir":
            raise SuiteError(f"{path}: a suite is a folder of C and C++ programs, one such file, or a .jsonl")
        else:
            programs = [_program(path, path.name, path)]
    except OSError as error:
        raise SuiteError(f"{path}: {error.strerror}") from None
    if not programs:
        raise SuiteError(f"{path}: no C or C++ programs in it")
    return programs


def _sources_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if LANGUAGES.get(file.suffix, "ir") != "ir" and file.is_file())


def _program(path: Path, name: str, suite: Path | None) -> Program:
    text = path.read_bytes()
    flags = ["-w"]
    if said := _FLAGS_LINE.match(text):
        flags += said[1].decode(errors="replace").split()
    for options in _DEJAGNU.findall(text):  # GCC's own tests say in this way which dialect they are in
        flags += filter(_DEJAGNU_KEPT.fullmatch, options.decode(errors="replace").split())
    libraries = [flag for flag in flags if flag.startswith("-l") or flag == "-pthread"]
    compiled = tuple(flag for flag in flags if not flag.startswith("-l"))
    return Program(name, LANGUAGES[path.suffix], text, path, compiled, (*libraries, "-lm"), suite)


def _problems(path: Path) -> Iterator[Program]:
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            problem = json.loads(line)
            parts = [problem[part] for part in ("prompt", "canonical_solution", "test")]
            text = "".join(parts).encode()
        except (ValueError, KeyError, TypeError):
            raise SuiteError(f"{path}: line {number} is not a problem as HumanEval-X has them") from None
        name = str(problem.get("task_id", f"{path.name}:{number}"))
        yield Program(name, "c++", text, None, ("-std=c++11", "-w"), ("-lm",), path)
