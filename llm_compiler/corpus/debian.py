"""Debian source packages, through apt and dpkg with a configuration of our own.

Lists, caches and what is unpacked lie in a folder of ours; nothing of the system is changed and nobody need be root.
The sources are those that this machine's apt is set up for, asked for source packages too. apt checks signatures and
hashes. Everything that can go wrong with a package is `UnavailableError`, with a reason that can be counted.
"""

from __future__ import annotations

import email.parser
import functools
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llm_compiler.corpus.commands import Project
from llm_compiler.corpus.processes import Ended, run

UNKNOWN = "unknown"
CONFIGURE_SECONDS = 180
_UPDATE_SECONDS = 300
_FETCH_SECONDS = 600
_UNPACK_SECONDS = 300
_LISTS_AGE = 24 * 3600
_DEV_ROUNDS = 2
"""-dev packages that are built upon, and those that these name: many are but the name of another."""
_DEV_PACKAGES = 40

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"[A-Za-z0-9.+:~-]+")
_ETC = Path("/etc")


class UnavailableError(Exception):
    """A package that gives nothing. `reason` is one of few; the text is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Package:
    """A source package unpacked, with the headers of what it builds on."""

    project: Project
    prefix: Path
    """Where its -dev packages are unpacked; may be empty, or not there."""
    dsc_sha256: str


def parse(text: str) -> tuple[str, str | None]:
    """`debian:NAME[=VERSION]` as (name, version). Raises ValueError, in one line, for what is no package's name."""
    name, _, version = text.removeprefix("debian:").partition("=")
    if not _NAME.fullmatch(name) or (version and not _VERSION.fullmatch(version)):
        raise ValueError(f"{text!r} names no Debian package: write debian:NAME or debian:NAME=VERSION")
    return name, version or None


def fetch(name: str, version: str | None, work: Path, dsc_sha256: str | None = None) -> Package:
    """Download and unpack a source package, and the -dev packages that it names, below `work`. Raises UnavailableError.

    What is there already is not fetched again.
    """
    apt = Apt(work)
    dsc = apt.known(name, version) or apt.download_source(name, version)
    found = hashlib.sha256(dsc.read_bytes()).hexdigest()
    if dsc_sha256 is not None and found != dsc_sha256:
        raise UnavailableError("hash differs", f"{dsc.name} is {found}, not the pinned {dsc_sha256}")
    fields = _dsc_fields(dsc)
    safe_version = re.sub(r"[^\w.+~-]", "_", fields["Version"])
    root = work / "src" / f"{name}-{safe_version}"
    if not root.is_dir():
        apt.unpack_source(dsc, root)
    prefix = work / "prefix" / f"{name}-{safe_version}"
    if not prefix.is_dir():
        partial = prefix.with_name(prefix.name + ".partial")
        apt.unpack_dev(build_depends(fields), partial)
        if partial.is_dir():
            partial.replace(prefix)
    project = Project(name, fields["Version"], licence_of(root), str(root))
    return Package(project, prefix, found)


def _dsc_fields(dsc: Path) -> dict[str, str]:
    text = dsc.read_text("utf-8", "replace")
    if text.startswith("-----BEGIN PGP"):
        text = text.partition("\n\n")[2].partition("-----BEGIN PGP SIGNATURE")[0]
    return _fields(text)


def _files_of(dsc: Path) -> list[str]:
    """The files that a .dsc says belong to it."""
    return [line.split()[-1] for line in _dsc_fields(dsc).get("Checksums-Sha256", "").splitlines() if line.strip()]


def _fields(paragraph: str) -> dict[str, str]:
    """One paragraph of Debian's control format, which is that of mail headers."""
    return {
        name: str(value) for name, value in email.parser.HeaderParser().parsestr(paragraph.strip("\n") + "\n").items()
    }


def build_depends(fields: dict[str, str]) -> list[str]:
    """The -dev packages that a package is built with here: of alternatives the first, of other systems none."""
    names: dict[str, None] = {}
    for field in ("Build-Depends", "Build-Depends-Arch"):
        for clause in fields.get(field, "").replace("\n", " ").split(","):
            first = clause.split("|")[0]
            systems = re.search(r"\[([^]]*)\]", first)
            name = re.match(r"\s*([a-z0-9][a-z0-9+.-]+)", first)
            if name and name[1].endswith("-dev") and (systems is None or _is_ours(systems[1].split())):
                names[name[1]] = None
    return list(names)


def _is_ours(systems: list[str]) -> bool:
    ours = {"amd64", "any", "linux-any", "any-amd64", "linux-amd64"}
    if any(system.startswith("!") for system in systems):
        return not any(system[1:] in ours for system in systems)
    return any(system in ours for system in systems)


# -- apt


class Apt:
    """The system's apt with lists and caches in `work / "apt"`. Two of them may share a folder, one after the other."""

    def __init__(self, work: Path) -> None:
        self._home = work / "apt"
        self._work = work

    def known(self, name: str, version: str | None) -> Path | None:
        """The .dsc of that very version if it is here: then the network is not needed."""
        if version is None:
            return None
        dsc = self._work / "dsc" / name / f"{name}_{version.split(':')[-1]}.dsc"
        return dsc if dsc.is_file() and all((dsc.parent / file).is_file() for file in _files_of(dsc)) else None

    def download_source(self, name: str, version: str | None) -> Path:
        """The .dsc of a source package, with its other files beside it."""
        self.prepare()
        wanted = f"{name}={version}" if version else name
        question = ["source", "--print-uris", "--only-source", wanted]
        said = self._apt_get(question, self._home, 60)
        match = re.search(r"^'[^']*' (\S+\.dsc) ", said.last_words, re.M)
        if said.code != 0 or match is None:
            raise UnavailableError("no such package", f"{wanted}: {_error(said)}")
        folder = self._work / "dsc" / name
        folder.mkdir(parents=True, exist_ok=True)
        ended = self._apt_get(["source", "--download-only", "--only-source", wanted], folder, _FETCH_SECONDS)
        dsc = folder / match[1].replace("%3a", ":")
        if ended.code != 0 or not dsc.is_file():
            raise UnavailableError("not fetched", f"{wanted}: {_error(ended)}")
        return dsc

    def unpack_source(self, dsc: Path, root: Path) -> None:
        """The source with Debian's patches applied."""
        if shutil.which("dpkg-source") is None:
            raise UnavailableError("no dpkg-source", "dpkg-source is missing: apt-get install dpkg-dev")
        partial = root.with_name(root.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        ended = run(["dpkg-source", "--no-check", "-x", str(dsc), str(partial)], dsc.parent, _UNPACK_SECONDS)
        if ended.code != 0:
            shutil.rmtree(partial, ignore_errors=True)
            raise UnavailableError("does not unpack", f"{dsc.name}: {_error(ended)}")
        partial.replace(root)

    def unpack_dev(self, names: list[str], prefix: Path) -> None:
        """Unpack these binary packages, and the -dev packages that they name, without installing them; best effort."""
        folder = self._home / "debs"
        folder.mkdir(parents=True, exist_ok=True)
        seen: set[str] = set()
        for _ in range(_DEV_ROUNDS):
            names = [name for name in names if name not in seen][: _DEV_PACKAGES - len(seen)]
            seen.update(names)
            depends: list[str] = []
            for deb in self._download_binary(names, folder):
                prefix.mkdir(parents=True, exist_ok=True)
                run(["dpkg-deb", "-x", str(deb), str(prefix)], folder, _UNPACK_SECONDS)
                depends += re.findall(
                    r"[a-z0-9][a-z0-9+.-]+-dev\b", run(["dpkg-deb", "-f", str(deb), "Depends"], folder, 60).last_words
                )
            names = list(dict.fromkeys(depends))
        _give_libraries(prefix)

    def _download_binary(self, names: list[str], folder: Path) -> Iterator[Path]:
        """The .deb of each name that has one: all at once, then one by one if apt finds fault with any."""
        if not names:
            return
        wanted = self._deb_names(names)
        if wanted is None:
            each = [self._deb_names([name]) or {} for name in names]
            wanted = {name: file for one in each for name, file in one.items()}
        missing = [name for name, file in wanted.items() if not (folder / file).is_file()]
        if missing:
            self._apt_get(["download", *missing], folder, _FETCH_SECONDS)
        yield from (folder / file for file in wanted.values() if (folder / file).is_file())

    def _deb_names(self, names: list[str]) -> dict[str, str] | None:
        """What the packages' files are called; None where one of them has none (it is virtual, say)."""
        said = self._apt_get(["download", "--print-uris", *names], self._home, 60)
        if said.code != 0:
            return None
        files = re.findall(r"^'[^']*' (\S+\.deb) ", said.last_words, re.M)
        return {file.split("_")[0]: file for file in files}

    def prepare(self) -> None:
        """Fetch the lists of packages unless they are of today."""
        if shutil.which("apt-get") is None:
            raise UnavailableError("no apt", "apt-get is missing: Debian's packages need Debian or a system like it")
        stamp = self._home / "updated"
        if stamp.is_file() and time.time() - stamp.stat().st_mtime < _LISTS_AGE:
            return
        for folder in ("lists/partial", "cache/archives/partial", "parts"):
            (self._home / folder).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._home / "parts")
        (self._home / "parts").mkdir()
        if not write_sources(_ETC, _codename(), self._home / "parts"):
            raise UnavailableError("no apt sources", "apt's own lists name no source of this system's release")
        ended = self._apt_get(["update", "--error-on=any"], self._home, _UPDATE_SECONDS)
        if ended.code != 0:
            raise UnavailableError("no network", f"apt-get update: {_error(ended)}")
        stamp.touch()

    def _apt_get(self, arguments: list[str], directory: Path, seconds: float) -> Ended:
        options = {
            "Dir::State::lists": self._home / "lists",
            "Dir::Cache": self._home / "cache",
            # Both settings make each call of apt five times as fast as what container images come with.
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Acquire::GzipIndexes": "false",
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": self._home / "parts",
            "Acquire::Languages": "none",
            "Acquire::Retries": 3,
            "Acquire::http::Timeout": 30,
            "APT::Update::Post-Invoke": "",
            "APT::Update::Post-Invoke-Success": "",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
            "Acquire::IndexTargets::deb::CNF::DefaultEnabled": "false",
        }
        settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return run(["apt-get", "-q", *settings, *arguments], directory, seconds, _plain_environment())


def write_sources(etc: Path, codename: str, parts: Path) -> int:
    """Copy apt's lists for this system's own release to `parts`, source packages asked for too; how many entries.

    Other vendors' entries are left out: a list of theirs that does not answer must not stop us.
    """
    suites = re.compile(rf"(?:{re.escape(codename)}|stable|testing|unstable|sid|oldstable)(?:[-/][\w/-]+)?")
    count = 0
    apt = etc / "apt"
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        text = path.read_text("utf-8", "replace")
        if path.suffix == ".sources":
            kept = [entry for entry in map(_with_source, re.split(r"\n[ \t]*\n", text)) if _is_of(entry, suites)]
            text = "\n\n".join(kept) + "\n"
        else:
            kept = [line for line in text.splitlines() if re.match(r"deb\s", line) and _line_is_of(line, suites)]
            text = "".join(f"{line}\ndeb-src{line[3:]}\n" for line in kept)
        if kept:
            (parts / path.name).write_text(text, "utf-8")
        count += len(kept)
    return count


def _with_source(entry: str) -> str:
    return re.sub(r"^Types:.*$", "Types: deb deb-src", entry.strip("\n"), flags=re.M | re.I)


def _is_of(entry: str, suites: re.Pattern[str]) -> bool:
    lines = "\n".join(line for line in entry.splitlines() if not line.startswith("#"))
    fields = {name.lower(): value for name, value in _fields(lines).items()}
    return (
        fields.get("enabled", "yes").strip().lower() not in ("no", "false")
        and "types" in fields
        and any(suites.fullmatch(suite) for suite in fields.get("suites", "").split())
    )


def _line_is_of(line: str, suites: re.Pattern[str]) -> bool:
    words = re.sub(r"^deb\s+(\[[^]]*\]\s*)?", "", line).split()
    return len(words) > 1 and suites.fullmatch(words[1]) is not None


def _codename() -> str:
    try:
        text = (_ETC / "os-release").read_text("utf-8", "replace")
    except OSError:
        return "stable"
    match = re.search(r'^VERSION_CODENAME="?([\w.-]+)', text, re.M)
    return match[1] if match else "stable"


def _plain_environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def _error(ended: Ended) -> str:
    """The line of a program's words that says what is wrong, without the address that something was fetched from."""
    lines = [
        line for line in ended.last_words.splitlines() if line.startswith(("E:", "dpkg-source: error", "CMake Error"))
    ]
    line = lines[0] if lines else (ended.last_words.splitlines() or ["no answer"])[-1]
    return re.sub(r"\s*\[IP: [^]]*\]", "", re.sub(r"\b\w+://\S+", "(address)", line))


def _give_libraries(prefix: Path) -> None:
    """Put something behind the links to libraries that only the packages not fetched have.

    CMake only looks whether libfoo.so is there; nothing is ever linked against it.
    """
    if not prefix.is_dir():
        return
    for folder, _, names in os.walk(prefix / "usr" / "lib"):
        for name in names:
            path = Path(folder, name)
            if ".so" in name and path.is_symlink() and not path.exists():
                path.unlink()
                path.touch()


# -- CMake


def configure(package: Package, place: Path) -> Path:
    """Configure a package that has a CMakeLists.txt; its compile_commands.json. Raises UnavailableError."""
    if shutil.which("cmake") is None:
        raise UnavailableError("no cmake", "cmake is missing: apt-get install cmake")
    build = place / "build"
    database = build / "compile_commands.json"
    if database.is_file():
        return database
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    usr = package.prefix / "usr"
    folders = [usr / "lib" / "x86_64-linux-gnu", usr / "lib", usr / "share"]
    environment = {
        **_plain_environment(),
        "PKG_CONFIG_PATH": ":".join(str(folder / "pkgconfig") for folder in folders),
        "PKG_CONFIG_SYSROOT_DIR": str(package.prefix),
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    command = [
        *("cmake", "-S", package.project.root, "-B", str(build), "-G", "Unix Makefiles"),
        *("-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"),
        *("-DFETCHCONTENT_FULLY_DISCONNECTED=ON", f"-DCMAKE_PREFIX_PATH={usr}"),
        f"-DCMAKE_LIBRARY_PATH={folders[0]}",
        f"-DCMAKE_INCLUDE_PATH={usr / 'include'};{usr / 'include' / 'x86_64-linux-gnu'}",
    ]
    ended = run(command, build, CONFIGURE_SECONDS, environment)
    if ended.code is None:
        raise UnavailableError("configure hangs", _error(ended))
    if ended.code != 0 or not database.is_file():
        database.unlink(missing_ok=True)
        raise UnavailableError("does not configure", _error(ended))
    return database


# -- licences

_SPDX = {
    "gpl-1": "GPL-1.0",
    "gpl-2": "GPL-2.0",
    "gpl-3": "GPL-3.0",
    "lgpl-2": "LGPL-2.0",
    "lgpl-2.1": "LGPL-2.1",
    "lgpl-3": "LGPL-3.0",
    "agpl-3": "AGPL-3.0",
    "expat": "MIT",
    "mit": "MIT",
    "mit/x11": "MIT",
    "x11": "X11",
    "zlib": "Zlib",
    "zlib/libpng": "Zlib",
    "isc": "ISC",
    "apache-2": "Apache-2.0",
    "apache": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "bsd-2-clauses": "BSD-2-Clause",
    "bsd-3-clauses": "BSD-3-Clause",
    "boost-1": "BSL-1.0",
    "bsl-1": "BSL-1.0",
    "mpl-1.1": "MPL-1.1",
    "mpl-2": "MPL-2.0",
    "artistic": "Artistic-1.0",
    "artistic-2": "Artistic-2.0",
    "cc0-1": "CC0-1.0",
    "cc0": "CC0-1.0",
    "unlicense": "Unlicense",
    "psf-2": "PSF-2.0",
    "openssl": "OpenSSL",
    "curl": "curl",
    "ftl": "FTL",
    "vim": "Vim",
    "pd": "LicenseRef-public-domain",
    "public-domain": "LicenseRef-public-domain",
}
_TEXTS = (
    ("AGPL-3.0", r"GNU AFFERO GENERAL PUBLIC LICENSE"),
    ("Apache-2.0", r"Apache License,?\s+Version 2\.0"),
    ("MPL-2.0", r"Mozilla Public License,?\s+(?:version|v\.?)\s*2"),
    ("BSL-1.0", r"Boost Software License"),
    ("LGPL-3.0", r"LESSER GENERAL PUBLIC LICENSE[\s\S]{0,80}?version 3|/common-licenses/LGPL-3"),
    ("LGPL-2.1", r"LESSER GENERAL PUBLIC LICENSE|/common-licenses/LGPL-2\.1|/common-licenses/LGPL\b"),
    ("LGPL-2.0", r"LIBRARY GENERAL PUBLIC LICENSE|/common-licenses/LGPL-2\b"),
    ("GPL-3.0", r"GNU GENERAL PUBLIC LICENSE[\s\S]{0,200}?version 3|/common-licenses/GPL-3"),
    ("GPL-2.0", r"GNU GENERAL PUBLIC LICENSE|/common-licenses/GPL-2|/common-licenses/GPL\b"),
    ("Unlicense", r"This is free and unencumbered software"),
    (
        "BSD-3-Clause",
        r"Redistributions of source code[\s\S]{0,1500}?(?:Neither the name|may not be used to endorse)",
    ),
    ("BSD-2-Clause", r"Redistributions of source code"),
    ("MIT", r"Permission is hereby granted, free of charge"),
    ("ISC", r"Permission to use, copy, modify, and(?:/or)? distribute this software for any purpose"),
    ("Zlib", r"This software is provided ['`\"]*as-is['`\"]*, without any express or implied"),
    ("LicenseRef-public-domain", r"public domain"),
)


def licence_of(root: Path) -> str:
    """The licence of most of a Debian source tree, as SPDX says it, from debian/copyright; else `unknown`."""
    try:
        text = (root / "debian" / "copyright").read_text("utf-8", "replace")
    except OSError:
        return UNKNOWN
    return _of_all_files(text) or guess_licence(text)


def _of_all_files(text: str) -> str | None:
    """What a machine-readable debian/copyright (DEP-5) says of `Files: *`."""
    if not re.search(r"^Format:", text[:4000], re.M):
        return None
    found = None
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = _fields("\n".join(line for line in paragraph.splitlines() if not line.startswith("#")))
        files = fields.get("Files", "").split()
        if "*" in files and "License" in fields:
            found = spdx(fields["License"].strip().split("\n")[0])
    return found


def spdx(short: str) -> str | None:
    """A short name of Debian's as an SPDX expression; names that SPDX has not keep theirs as a LicenseRef."""
    if not short.strip():
        return None
    words = re.split(r"\s+(and|or)\s+", re.sub(r",(?=\s+(?:and|or)\s)", "", short.strip()))
    return " ".join(word.upper() if word in ("and", "or") else _spdx_name(word) for word in words)


def _spdx_name(short: str) -> str:
    name, _, rest = short.partition(" ")
    later = name.endswith("+")
    key = re.sub(r"\.0$", "", re.sub(r"-or-later$|-only$|\+$", "", name.lower()))
    known = _SPDX.get(key)
    if known is None:
        return "LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", short).strip("-")
    if known.startswith(("GPL", "LGPL", "AGPL")):
        known += "-or-later" if later or name.endswith("-or-later") else "-only"
    exception = re.search(r"with\s+(\w[\w.-]*)", rest, re.I)
    return f"{known} WITH LicenseRef-{exception[1]}-exception" if exception else known


@functools.cache
def _texts() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((name, re.compile(pattern.replace(" ", r"\s+"), re.I)) for name, pattern in _TEXTS)


def guess_licence(text: str) -> str:
    """The licence whose words a text has, as SPDX says it; else `unknown`."""
    found = [(match.start(), name) for name, words in _texts() if (match := words.search(text))]
    # What is named first is the program's own; public domain is often said of some file only.
    found = [pair for pair in found if "public-domain" not in pair[1]] or found
    if found:
        name = min(found, key=lambda pair: pair[0])[1]
        if "GPL" not in name:
            return name
        later = re.search(r"any\s+later\s+version", text, re.I)
        return name + ("-or-later" if later else "-only")
    return UNKNOWN
