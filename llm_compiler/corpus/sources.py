"""Where source code comes from: each kind of source yields compile commands, and says what it left out and why.

A source is a folder of C and C++ (or of LLVM-IR, CUDA, Rust), one such file, a compile_commands.json, the name of a
Debian source package, or a text file that lists sources. A build to be watched is `recorder`'s.
Nothing here compiles, with two exceptions that have no other way: rustc makes IR out of Rust, and a Debian package with
a CMakeLists.txt is configured. Whatever goes wrong with one source is a `Skipped` of that source.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import subprocess
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Literal

from llm_compiler.corpus import debian, headers, recorder
from llm_compiler.corpus.commands import (
    SUFFIXES,
    CompileCommand,
    Project,
    Skipped,
    from_database,
    make,
    printable,
    trouble,
)
from llm_compiler.corpus.processes import run
from llm_compiler.llvm.toolchain import Toolchain

Kind = Literal["folder", "file", "database", "debian"]
Split = Literal["train", "validation", "test"]

UNKNOWN = "unknown"
CUDA_EXTRA = "cuda"
"""The extra of this package that brings the CUDA headers from PyPI."""

_CUDA_WHEELS = ("cuda_runtime", "cuda_nvcc")
_CUDA_ARCHITECTURE = "sm_70"
_RUSTC_SECONDS = 300
_RUSTC_VERSION = ("rustc", "-vV")
_RUST_ROOTS = ("lib.rs", "main.rs")
_FOLDERS_NOT_OURS = frozenset(("CMakeFiles", "node_modules", "__pycache__", "autom4te.cache"))
_TEST_FILE = re.compile(r"(?:.*[_-](?:unit)?tests?|test[_-].*|.*[_-]fuzz(?:er)?|conftest)\.\w+", re.I)
_LIST_BYTES = 4 << 20

_PAPER_BENCHMARK = re.compile(
    r"lame|libjpeg\d*[a-z]?|libjpeg-turbo|tiff\d?|libtiff\d?|ghostscript|libgsm\d?|gsm|libmad\d?|madplay"
    r"|sphinx\w*|(?:pocket|cmu)?sphinx(?:base|\d)?|gnupg[12]?|pgp\w*|ispell|rsynth|blowfish|rijndael|sha|patricia|susan"
    r"|zlib|zlib-ng|libpng(?:\d[\d.]*)?|lout|basicmath|bitcount|qsort|dijkstra|stringsearch|crc32|adpcm|typeset|mibench"
)


class SourceError(Exception):
    """What was named is no source at all. The message is one line."""


@dataclass(frozen=True)
class Source:
    """One place that code comes from; `text` is what the user called it."""

    text: str
    kind: Kind
    path: Path
    """For Debian's packages, just the name."""


# -- what a user may write


def parse(text: str) -> list[Source]:
    """The sources that a word of the user's stands for: itself, or those in the text file that it names.

    Raises SourceError where there is nothing of that name, before any work is done.
    """
    return list(_parse(text, nested=False))


def _parse(text: str, *, nested: bool) -> Iterator[Source]:
    if text.startswith("debian:"):
        try:
            debian.parse(text)
        except ValueError as error:
            raise SourceError(str(error)) from None
        yield Source(text, "debian", Path(text.partition(":")[2]))
        return
    path = Path(text).expanduser()
    if path.is_dir():
        yield Source(text, "folder", path.absolute())
    elif not path.exists():
        raise SourceError(f"no source {printable(text)}: not a file, a folder or debian:NAME")
    elif path.suffix == ".json":
        yield Source(text, "database", path.absolute())
    elif path.suffix in SUFFIXES or path.suffix == ".rs":
        yield Source(text, "file", path.absolute())
    elif nested or not path.is_file():
        raise SourceError(f"{printable(text)} is neither C, C++, CUDA, Rust or LLVM-IR nor a compile_commands.json")
    else:
        yield from _from_list(path)


def _from_list(path: Path) -> Iterator[Source]:
    """The sources that a text file lists, one a line; relative paths start at the file's own folder."""
    with path.open("rb") as file:
        data = file.read(_LIST_BYTES + 1)
    if b"\0" in data or len(data) > _LIST_BYTES:
        raise SourceError(
            f"{printable(str(path))} is no list of sources: it is binary or above {_LIST_BYTES >> 20} MiB"
        )
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            yield from _parse(text if text.startswith("debian:") else str(path.parent / text), nested=True)
        except SourceError as error:
            raise SourceError(f"{printable(str(path))}, line {number}: {error}") from None


def read(source: Source, work: Path, toolchain: Toolchain) -> Iterator[CompileCommand | Skipped]:
    """Everything that one source gives. What has to be written goes below `work`, which must outlive the commands."""
    work = work.absolute()
    if source.kind == "debian":
        yield from _of_debian(source, work, toolchain)
    elif source.kind == "database":
        root = source.path.parent
        yield from from_database(source.path, project_of(root), "database")
    elif source.kind == "file":
        project = replace(project_of(source.path.parent), name=printable(source.path.name))
        place = _place(work, project)
        yield from _of_paths(project, [str(source.path)], place, toolchain)
    else:
        project = project_of(source.path)
        yield from of_folder(project, _place(work, project), toolchain)


def watch(build: list[str], directory: Path, work: Path) -> tuple[int, list[CompileCommand | Skipped]]:
    """Run a build in `directory` and watch it; its exit code, and what it compiled (in order of the files)."""
    project = project_of(directory.absolute())
    return recorder.watch(build, project, _place(work.absolute(), project))


def project_of(root: Path) -> Project:
    """A folder of the user's as a project: named like the folder, its licence guessed from the usual files."""
    licence = UNKNOWN
    for pattern in ("LICENSE*", "LICENCE*", "COPYING*", "Copyright*", "COPYRIGHT*"):
        for path in sorted(root.glob(pattern)):
            if licence == UNKNOWN and path.is_file():
                with path.open("rb") as file:
                    licence = debian.guess_licence(file.read(1 << 16).decode("utf-8", "replace"))
    return Project(printable(root.name) or "root", UNKNOWN, licence, str(root))


def _place(work: Path, project: Project) -> Path:
    """A folder for what is generated for a project, apart from that of any other of the same name."""
    mark = hashlib.sha256(os.fsencode(f"{project.root}\0{project.version}")).hexdigest()[:12]
    safe = re.sub(r"[^\w.+-]", "_", project.name)[:80]
    place = work / f"{safe}-{mark}"
    place.mkdir(parents=True, exist_ok=True)
    return place


# -- folders


def of_folder(
    project: Project, place: Path, toolchain: Toolchain, extra: Iterable[Path] = ()
) -> Iterator[CompileCommand | Skipped]:
    """Every C, C++, CUDA, Rust and LLVM-IR file of a tree, with the flags that it seems to need.

    Links are not followed, so that no loop can catch us. Files that only test, that are for another system, or that
    another file includes are skipped, unless nothing else is there.
    """
    wanted: list[str] = []
    less: list[tuple[str, str]] = []
    for path, reason in sources_below(project.root):
        if reason is None:
            wanted.append(path)
        else:
            less.append((path, reason))
    if not wanted:
        wanted, less = [path for path, reason in less if reason == "test"], [pair for pair in less if pair[1] != "test"]
    for path, reason in less:
        yield Skipped(project.name, _below(path, project), reason)
    yield from _of_paths(project, wanted, place, toolchain, extra)


def of_files(
    project: Project, paths: list[str], work: Path, toolchain: Toolchain, extra: Iterable[Path] = ()
) -> Iterator[CompileCommand | Skipped]:
    """What these files of a project give, whatever their names and folders say of tests and other systems.

    The headers of the `extra` folders may be used too.
    """
    yield from _of_paths(project, paths, _place(work.absolute(), project), toolchain, extra)


def _of_paths(
    project: Project, paths: list[str], place: Path, toolchain: Toolchain, extra: Iterable[Path] = ()
) -> Iterator[CompileCommand | Skipped]:
    hints = ""
    if any(SUFFIXES.get(posixpath.splitext(path)[1], "ir") != "ir" for path in paths):
        hints = headers.survey(project, place, toolchain, extra)
    parts = headers.included_sources(paths)
    for path in paths:
        problem = trouble(path)
        language = SUFFIXES.get(posixpath.splitext(path)[1])
        if problem:
            yield Skipped(project.name, _below(path, project), *problem)
        elif path in parts:
            yield Skipped(project.name, _below(path, project), "part of another file")
        elif language is None:
            yield _of_rust(project, path, place, toolchain)
        elif language == "ir" and not _is_ir(path):
            yield Skipped(project.name, _below(path, project), "not LLVM-IR")
        elif language == "ir":
            yield make(project, path, posixpath.dirname(path), language, (), "ir")
        elif language == "cuda":
            yield _of_cuda(project, path, place, hints)
        else:
            flags = (*_dialect(language), *headers.flags(hints, path))
            yield make(project, path, posixpath.dirname(path), language, flags, "folder", hints)


def _is_ir(path: str) -> bool:
    """Whether a .ll or .bc is LLVM's: flex has the one suffix too, bc(1) the other."""
    with open(path, "rb") as file:  # noqa: PTH123
        start = file.read(1 << 16)
    if path.endswith(".bc"):
        return start.startswith((b"BC\xc0\xde", b"\xde\xc0\x17\x0b"))
    return re.search(rb"^%[%{}]", start, re.M) is None


def _dialect(language: str) -> tuple[str, ...]:
    return ("-D_GNU_SOURCE",) if language == "c" else ()


def _below(path: str, project: Project) -> str:
    return printable(posixpath.relpath(path, project.root))


def sources_below(root: str) -> Iterator[tuple[str, str | None]]:
    """Each source file, in order, and why it is worth less than others."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _FOLDERS_NOT_OURS)
        parts = [part.lower() for part in posixpath.relpath(folder, root).split("/")]
        for name in sorted(names):
            suffix = posixpath.splitext(name)[1]
            if suffix not in SUFFIXES and not (suffix == ".rs" and name in _RUST_ROOTS):
                continue
            path = posixpath.join(folder, name)
            if posixpath.islink(path):
                yield path, "link"
            elif not headers.FOREIGN_FOLDERS.isdisjoint(parts):
                yield path, "another system"
            elif not headers.TEST_FOLDERS.isdisjoint(parts) or _TEST_FILE.fullmatch(name):
                yield path, "test"
            else:
                yield path, None


# -- Debian's packages


def _of_debian(source: Source, work: Path, toolchain: Toolchain) -> Iterator[CompileCommand | Skipped]:
    name, version = debian.parse(source.text)
    listed = {package.name: package for package in default_list()}.get(name)
    pinned = listed.dsc_sha256 if listed is not None and version == listed.version else None
    try:
        package = debian.fetch(name, version, work / "debian", pinned)
    except debian.UnavailableError as error:
        yield Skipped(name, "", error.reason, str(error))
        return
    place = _place(work, package.project)
    extra = [prefix / "usr" / "include" for prefix in (package.prefix,) if (prefix / "usr" / "include").is_dir()]
    if (Path(package.project.root) / "CMakeLists.txt").is_file():
        try:
            database = debian.configure(package, place)
        except debian.UnavailableError as error:
            yield Skipped(name, "CMakeLists.txt", error.reason, str(error))
        else:
            found = list(from_database(database, package.project, "cmake"))
            if any(isinstance(entry, CompileCommand) for entry in found):
                yield from found
                return
    yield from of_folder(package.project, place, toolchain, extra)


@dataclass(frozen=True)
class Listed:
    """One package of the default list."""

    name: str
    version: str
    kind: str
    split: Split
    dsc_sha256: str

    @property
    def source(self) -> Source:
        """What `read` takes."""
        return Source(f"debian:{self.name}={self.version}", "debian", Path(self.name))


def default_list() -> list[Listed]:
    """The packages that the corpus is built from if nobody says otherwise."""
    text = resources.files("llm_compiler.corpus").joinpath("data", "default_list.toml").read_text("utf-8")
    return [Listed(**package) for package in tomllib.loads(text)["package"]]


def split_of(project: str) -> Split:
    """Which split a project's units belong to: the default list's word, else that of a hash of the name.

    What is in the paper's benchmark is never trained on.
    """
    for package in default_list():
        if package.name == project:
            return package.split
    return "test" if in_paper_benchmark(project) else split_by_hash(project)


def split_by_hash(project: str) -> Split:
    """The rule for projects that nobody decided on: sha256 of the name, as a number, modulo 100."""
    number = int(hashlib.sha256(project.encode("utf-8", "surrogateescape")).hexdigest(), 16) % 100
    return "train" if number < 80 else "validation" if number < 90 else "test"


def in_paper_benchmark(project: str) -> bool:
    """Whether a project's code, or a copy of it, is in the paper's benchmark (MiBench), so that no model may see it."""
    return _PAPER_BENCHMARK.fullmatch(project.lower()) is not None


# -- Rust and CUDA


def _of_rust(project: Project, path: str, place: Path, toolchain: Toolchain) -> CompileCommand | Skipped:
    """A crate of one file, through rustc, if its LLVM is no newer than ours: newer bitcode cannot be read."""
    file = _below(path, project)
    major = _rustc_llvm()
    if major is None:
        return Skipped(project.name, file, "no rustc", "rustc is not installed")
    if major > toolchain.major:
        return Skipped(
            project.name,
            file,
            "rustc's LLVM is newer",
            f"LLVM {toolchain.major} cannot read IR of rustc's LLVM {major}",
        )
    target = place / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.bc"
    crate = "bin" if posixpath.basename(path) == "main.rs" else "lib"
    command = [
        "rustc",
        "--emit=llvm-bc",
        "-Copt-level=z",
        "-Cno-prepopulate-passes",
        "-Ccodegen-units=1",
        "--cap-lints=allow",
    ]
    ended = run(
        [*command, f"--crate-type={crate}", "--crate-name=unit", "-o", str(target), path], place, _RUSTC_SECONDS
    )
    if ended.code != 0 or not target.is_file():
        return Skipped(project.name, file, "rustc failed", ended.last_words)
    found = make(project, str(target), str(place), "ir", (), "rust")
    return replace(found, file=file)


def _rustc_llvm() -> int | None:
    try:
        answer = subprocess.run(_RUSTC_VERSION, capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"^LLVM version: (\d+)", answer, re.M)
    return int(match[1]) if match else None


def _of_cuda(project: Project, path: str, place: Path, hints: str) -> CompileCommand | Skipped:
    """The device side of a .cu file. Its module is for NVPTX, which clang has and our libLLVM has not."""
    cuda = cuda_path(place)
    if cuda is None:
        detail = f"no CUDA headers: the extra [{CUDA_EXTRA}] of this package brings them"
        return Skipped(project.name, _below(path, project), "no CUDA headers", detail)
    flags = (
        *("-x", "cuda", "--cuda-device-only", f"--cuda-gpu-arch={_CUDA_ARCHITECTURE}", f"--cuda-path={cuda}"),
        *("-Wno-unknown-cuda-version", "-idirafter", str(cuda / "stubs")),
        *headers.flags(hints, path),
    )
    return make(project, path, posixpath.dirname(path), "cuda", flags, "cuda", hints)


def cuda_path(place: Path) -> Path | None:
    """One folder laid out as clang expects CUDA's, of links into the wheels of the extra; None where they are not."""
    site = Path(sysconfig.get_path("platlib")) / "nvidia"
    wheels = [site / name for name in _CUDA_WHEELS]
    if not all((wheel / "include").is_dir() for wheel in wheels):
        return None
    cuda = place / "cuda"
    for folder in ("bin", "include", "nvvm", "stubs"):
        (cuda / folder).mkdir(parents=True, exist_ok=True)
    for wheel in wheels:
        for entry in sorted((wheel / "include").iterdir()):
            _link(cuda / "include" / entry.name, entry)
    _link(cuda / "nvvm" / "libdevice", wheels[1] / "nvvm" / "libdevice")
    # clang's own wrapper includes this header of cuRAND's, a wheel of 56 MB, for no use.
    (cuda / "stubs" / "curand_mtgp32_kernel.h").touch()
    return cuda


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink():
        link.symlink_to(target)
