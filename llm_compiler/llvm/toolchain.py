"""Which LLVM: its version, its libLLVM, a clang of the same version, the targets of both.

Everything that depends on the version of LLVM hangs off one `Toolchain`. Finding one looks at files only and takes
microseconds; whether it works is what `llmc doctor` and the first use find out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "LLMC_LLVM"
"""Environment variable that names another LLVM, as `--llvm` does."""

WHEEL_VERSION = "17.0.6"
LIBRARY_WHEEL = f"karellen-llvm-core=={WHEEL_VERSION}.0"
CLANG_WHEEL = "ziglang==0.12.1"
"""zig 0.12 carries clang 17.0.6 with the headers of every libc."""

_TRIPLE = "x86_64-linux-gnu"
_LIBRARY_NAME = re.compile(r"libLLVM(?:-(\d+)[\d.]*\.so|\.so\.(\d+))")
_CLANG_VERSION = re.compile(r"clang version (\d+\.\d+\.\d+)")
_SYSTEM_HEADERS = Path("/usr/include")
# What zig defines for its own libc++ and for the oldest glibc that it links against.
_LIBCXX_DEFINES = (
    "-D_LIBCPP_ABI_VERSION=1",
    "-D_LIBCPP_ABI_NAMESPACE=__1",
    "-D_LIBCPP_DISABLE_VISIBILITY_ANNOTATIONS",
    "-D_LIBCPP_HAS_NO_VENDOR_AVAILABILITY_ANNOTATIONS",
    "-D_LIBCPP_PSTL_CPU_BACKEND_SERIAL",
    "-D_LIBCXXABI_DISABLE_VISIBILITY_ANNOTATIONS",
)
_GLIBC_DEFINE = "-D__GLIBC_MINOR__=28"


class ToolchainError(Exception):
    """No usable LLVM. The message is one line and says what mends it."""


@dataclass(frozen=True)
class Toolchain:
    """One version of LLVM: a library to call in process, and a clang of the same version to run."""

    version: str
    """As in `17.0.6`."""
    library: Path
    clang: tuple[str, ...]
    """The command, with the arguments that it always needs."""
    origin: str
    """Where it came from, for people: `wheels`, or the prefix that was named."""
    libc_flags: tuple[str, ...] = ()
    """Where the headers of libc are, if the system has none."""
    libcxx_flags: tuple[str, ...] = ()
    """Where the headers of C++ are, if the system has none; they must come before those of libc."""
    linker: tuple[str, ...] = ()
    """A command that links objects into a program when the system has no compiler driver; takes `cc`'s arguments."""

    @property
    def major(self) -> int:
        """The version that pass vocabularies and portfolios go by."""
        return int(self.version.split(".")[0])


def find(where: str | None = None) -> Toolchain:
    """The toolchain at `where`: a prefix (`/usr/lib/llvm-19`), a major version of the system's (`19`), or None.

    None stands for the environment variable `LLMC_LLVM` if it is set, else for the wheels that were installed
    with this package. Raises ToolchainError.
    """
    where = where or os.environ.get(VARIABLE) or None
    if where is None:
        return _from_wheels(Path(sys.prefix), Path(sysconfig.get_path("platlib")))
    if where.isdecimal():
        prefix = Path(f"/usr/lib/llvm-{where}")
        if not prefix.is_dir():
            hint = f"on Debian: apt-get install libllvm{where} clang-{where}"
            raise ToolchainError(f"no LLVM {where} in {prefix}; {hint}")
    else:
        prefix = Path(where).expanduser()
        if not prefix.is_dir():
            raise ToolchainError(f"no LLVM at {prefix}: not a folder (name a prefix such as /usr/lib/llvm-19)")
    return _from_prefix(prefix)


def mend(*wheels: str) -> str:
    """What a user types to repair these wheels."""
    return f"mend it with: {sys.executable} -m pip install --force-reinstall --no-deps {' '.join(wheels)}"


def _from_wheels(prefix: Path, site: Path) -> Toolchain:
    library = prefix / "lib" / f"libLLVM-{WHEEL_VERSION.split('.', maxsplit=1)[0]}.so"
    if not library.is_file():
        raise ToolchainError(f"LLVM {WHEEL_VERSION} is not installed: {library} is missing; {mend(LIBRARY_WHEEL)}")
    runtime = prefix / "lib" / "x86_64-unknown-linux-gnu" / "libc++.so.1"
    if not runtime.exists():
        wheels = (LIBRARY_WHEEL, "wheel-axle-runtime")
        raise ToolchainError(f"LLVM {WHEEL_VERSION} is half installed: {runtime} is missing; {mend(*wheels)}")
    zig = site / "ziglang" / "zig"
    headers = site / "ziglang" / "lib"
    for needed in (zig, headers / "include" / "stddef.h"):
        if not needed.is_file():
            raise ToolchainError(f"clang {WHEEL_VERSION} is not installed: {needed} is missing; {mend(CLANG_WHEEL)}")
    if not os.access(zig, os.X_OK):
        raise ToolchainError(f"{zig} may not be executed; {mend(CLANG_WHEEL)}")
    clang = (str(zig), "clang", "-resource-dir", str(headers), f"--target={_TRIPLE}")
    has_libc = (_SYSTEM_HEADERS / "stdio.h").is_file()
    has_libcxx = has_libc and any(_SYSTEM_HEADERS.glob("c++/*/vector"))
    libc_flags: tuple[str, ...] = ()
    libcxx_flags: tuple[str, ...] = ()
    if not has_libc:
        folders = ("x86_64-linux-gnu", "generic-glibc", "x86-linux-any", "any-linux-any")
        libc_flags = (
            "-nostdlibinc",
            _GLIBC_DEFINE,
            *_isystem(headers / "libc" / "include" / folder for folder in folders),
        )
    if not has_libcxx:
        libcxx_flags = (
            "-nostdinc++",
            *_LIBCXX_DEFINES,
            *_isystem(headers / folder / "include" for folder in ("libcxx", "libcxxabi")),
        )
    # zig's libc++ goes with its headers; its own default target is musl.
    linker = (str(zig), "c++" if not has_libcxx else "cc", "-target", "x86_64-linux-gnu")
    return Toolchain(WHEEL_VERSION, library, clang, "wheels", libc_flags, libcxx_flags, linker)


def _isystem(folders: Iterator[Path]) -> Iterator[str]:
    for folder in folders:
        yield "-isystem"
        yield str(folder)


def _from_prefix(prefix: Path) -> Toolchain:
    libraries: dict[int, Path] = {}
    for path in sorted((prefix / "lib").glob("libLLVM*.so*")):
        # Debian's libLLVM.so.1 is a link; its target's name says the version.
        match = _LIBRARY_NAME.match(path.name) or _LIBRARY_NAME.match(path.resolve().name)
        if match and path.is_file():
            found = _LIBRARY_NAME.match(path.resolve().name) or match
            libraries.setdefault(int(found[1] or found[2]), path)
    if not libraries:
        raise ToolchainError(f"no libLLVM in {prefix / 'lib'} (name a prefix such as /usr/lib/llvm-19)")
    clang = prefix / "bin" / "clang"
    if not os.access(clang, os.X_OK):
        raise ToolchainError(f"no clang in {prefix / 'bin'}; it must be of libLLVM's version")
    try:
        answer = subprocess.run([clang, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolchainError(f"{clang} does not run: {error}") from error
    version = _CLANG_VERSION.search(answer)
    if version is None:
        raise ToolchainError(f"{clang} does not say its version")
    library = libraries.get(int(version[1].split(".")[0]))
    if library is None:
        have = ", ".join(map(str, sorted(libraries)))
        raise ToolchainError(f"{clang} is {version[1]} but {prefix / 'lib'} has libLLVM {have}")
    return Toolchain(version[1], library, (str(clang),), str(prefix))
