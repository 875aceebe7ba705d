from __future__ import annotations

import json
import os
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from llm_compiler.llvm.toolchain import VARIABLE, Toolchain
from tests.conftest import ROOT, RunLlmc


def test_a_healthy_machine_has_everything_that_is_needed(llmc: RunLlmc, toolchain: Toolchain) -> None:
    done = llmc("doctor")
    report = done.stdout.decode()
    assert done.returncode == 0, report
    assert "LLVM             17.0.6 (from wheels" in report
    assert f"{toolchain.library}; targets: x86, x86-64" in report
    assert "aarch64" in report
    assert "MISSING" not in report
    assert "model            the one that ships: " in report


def test_json_tells_the_same(llmc: RunLlmc) -> None:
    findings = json.loads(llmc("doctor", "--json").stdout)
    assert all(finding["ok"] for finding in findings if finding["needed"])
    assert {"LLVM", "libLLVM", "clang", "linker"} <= {finding["what"] for finding in findings}


def test_another_llvm_is_examined_by_flag_and_by_variable(llmc: RunLlmc, system_llvm: str) -> None:
    by_flag = llmc("doctor", "--llvm", system_llvm)
    by_variable = llmc("doctor", env={**os.environ, VARIABLE: system_llvm, "PYTHONPATH": str(ROOT)})
    for done, named in ((by_flag, "--llvm"), (by_variable, f"${VARIABLE}")):
        report = done.stdout.decode()
        assert done.returncode == 0, report
        assert f"(from {named}: /usr/lib/llvm-{system_llvm})" in report


def test_a_library_that_is_damaged_is_missing_and_the_rest_is_still_told(
    llmc: RunLlmc, toolchain: Toolchain, tmp_path: Path
) -> None:
    for name in ("lib", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "lib" / "libLLVM-17.so").write_bytes(toolchain.library.read_bytes()[:100_000])
    clang = tmp_path / "bin" / "clang"
    clang.write_text(f'#!/bin/sh\nexec {" ".join(toolchain.clang)} "$@"\n')
    clang.chmod(0o755)
    done = llmc("doctor", "--llvm", tmp_path)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 1
    assert done.stderr == b""
    (missing,) = [line for line in lines if line.startswith("MISSING")]
    assert "libLLVM-17.so" in missing
    assert "Traceback" not in missing
    assert any(line.startswith("ok") and "clang" in line for line in lines)
    failed = llmc("optimize", ROOT / "examples" / "lz.c", "-o", "lz.o", "--llvm", tmp_path)
    assert failed.returncode == 1
    (line,) = failed.stderr.decode().splitlines()
    assert "`llmc doctor` says" in line


@pytest.fixture(scope="module")
def without_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with everything but the wheels of LLVM: their prefix is another."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (site / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    return folder / "bin" / Path(sys.executable).name


@pytest.mark.parametrize("arguments", [["passes"], ["optimize", str(ROOT / "examples" / "lz.c"), "-o", "lz.o"]])
def test_without_the_wheels_every_command_says_in_one_line_what_mends_it(
    without_wheels: Path, tmp_path: Path, arguments: list[str]
) -> None:
    import subprocess

    python = without_wheels if without_wheels.exists() else without_wheels.with_name("python3")
    done = subprocess.run(
        [python, "-m", "llm_compiler", *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("llmc: LLVM 17.0.6 is not installed: ")
    assert f"mend it with: {python} -m pip install --force-reinstall --no-deps karellen-llvm-core" in line
    assert not list(tmp_path.iterdir())


def test_without_the_wheels_doctor_says_the_command(without_wheels: Path, tmp_path: Path) -> None:
    import subprocess

    python = without_wheels if without_wheels.exists() else without_wheels.with_name("python3")
    done = subprocess.run(
        [python, "-m", "llm_compiler", "doctor"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert "MISSING  LLVM" in done.stdout
    assert "-> mend it with:" in done.stdout
    assert done.stderr == ""
