from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_compiler.llvm.elf import object_size, symbols
from llm_compiler.llvm.frontend import Source, lower, optimise_for_size, unoptimised
from llm_compiler.llvm.size import PROTOCOLS, SHIP
from llm_compiler.llvm.toolchain import Toolchain
from tests.conftest import ROOT, RunLlmc, marked

LZ = ROOT / "examples" / "lz.c"
QUICK = ("--budget", "4", "-j", "1", "--proposer", "portfolio")
C = b"int f(const int *p, int n) { int s = 0; for (int i = 0; i < n; i++) s += p[i]; return s; }\n"
IR = b'target triple = "x86_64-unknown-linux-gnu"\ndefine i32 @f(i32 %x) minsize optsize {\n  ret i32 %x\n}\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "sum.c"
    file.write_bytes(C)
    return file


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(tmp_path: Path, temporary: Path) -> Iterator[None]:
    yield
    assert list(temporary.iterdir()) == []
    assert [file for file in tmp_path.rglob("*") if file.name.startswith(".")] == [], "half-written files"


def only_line(done: subprocess.CompletedProcess[bytes], code: int = 1) -> str:
    assert done.returncode == code, done.stderr.decode()
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert "Traceback" not in line
    assert "internal error" not in line
    return line


# -- what one gets


def test_the_object_is_smaller_or_clangs_own_and_offers_the_same(
    llmc: RunLlmc, toolchain: Toolchain, tmp_path: Path
) -> None:
    done = llmc("optimize", LZ, "-o", "lz.o")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    clangs, _ = optimise_for_size(toolchain, Source(LZ, "c"), SHIP)
    ours = (tmp_path / "lz.o").read_bytes()
    assert object_size(ours).total <= object_size(clangs).total
    assert symbols(ours).replaces(symbols(clangs))
    header, _, row, _, total = done.stdout.decode().splitlines()[:5]
    assert header.split()[0] == "file"
    assert row.split()[1:3] == [f"{object_size(clangs).total:,}", f"{object_size(ours).total:,}"]
    assert total.startswith("total")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_budget_of_nothing_is_clang_oz(
    llmc: RunLlmc, toolchain: Toolchain, source: Path, tmp_path: Path, protocol: str
) -> None:
    done = llmc("optimize", source, "-o", "sum.o", "--budget", "0", "--protocol", protocol)
    assert done.returncode == 0
    assert "clang -Oz" in done.stdout.decode().splitlines()[2]
    expected, _ = optimise_for_size(toolchain, Source(source, "c"), PROTOCOLS[protocol])
    assert (tmp_path / "sum.o").read_bytes() == expected


def test_json_is_one_document_with_what_replays_the_result(llmc: RunLlmc, tmp_path: Path) -> None:
    done = llmc("optimize", LZ, "-o", "lz.o", "--json")
    document = json.loads(done.stdout)
    assert done.stderr == b""
    assert (document["llvm"], document["protocol"]) == ("17.0.6", "ship")
    (entry,) = document["files"]
    assert entry["file"] == str(LZ)
    assert entry["output"] == "lz.o"
    assert entry["tried"] > 0
    size = object_size((tmp_path / "lz.o").read_bytes())
    assert entry["size"] == {"text": size.text, "data": size.data, "total": size.total}
    assert document["total"] == {"baseline": entry["baseline"]["total"], "size": size.total}
    assert (entry["passes"] is None) == (entry["size"] == entry["baseline"])


@pytest.mark.parametrize("emit", ["obj", "asm", "ll", "bc"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_kind_of_output_compiles_on_to_the_reported_size(
    llmc: RunLlmc, toolchain: Toolchain, tmp_path: Path, emit: str, protocol: str
) -> None:
    suffix = {"obj": ".o", "asm": ".s", "ll": ".ll", "bc": ".bc"}[emit]
    done = llmc("optimize", LZ, "--emit", emit, "--protocol", protocol, "--json", *QUICK)
    output = tmp_path / f"lz{suffix}"
    total = json.loads(done.stdout)["total"]["size"]
    match emit:
        case "obj":
            final = output.read_bytes()
        case "asm":
            final, _ = optimise_for_size(toolchain, Source(output, "c"), SHIP)
        case _:
            final = lower(toolchain, output.read_bytes(), PROTOCOLS[protocol])
    assert object_size(final).total == total


@pytest.mark.parametrize("emit", ["obj", "asm", "ll", "bc"])
def test_two_runs_write_the_same_bytes(llmc: RunLlmc, tmp_path: Path, emit: str) -> None:
    for number, jobs in enumerate((1, 2, 2)):
        assert llmc("optimize", LZ, "--emit", emit, "-o", f"{number}.out", "--budget", "6", "-j", jobs).returncode == 0
    assert len({(tmp_path / f"{number}.out").read_bytes() for number in range(3)}) == 1


# -- inputs


@pytest.mark.parametrize("kind", ["c", "ll", "bc"])
def test_standard_input_and_output_are_a_pipe(llmc: RunLlmc, toolchain: Toolchain, kind: str) -> None:
    text = {"c": C, "ll": IR, "bc": unoptimised(toolchain, Source(None, "c", C))}[kind]
    done = llmc("optimize", "-", "-o", "-", *QUICK, stdin=text)
    assert done.returncode == 0, done.stderr.decode()
    assert "f" in symbols(done.stdout).defined
    assert b"pass list" in done.stderr, "the table makes room"


def test_json_makes_room_for_an_object_on_standard_output(llmc: RunLlmc) -> None:
    done = llmc("optimize", "-", "-o", "-", "--json", *QUICK, stdin=C)
    assert done.stdout.startswith(b"\x7fELF")
    assert json.loads(done.stderr)["files"][0]["file"] == "-"


def test_a_language_can_be_named_where_no_suffix_does(llmc: RunLlmc, tmp_path: Path) -> None:
    (tmp_path / "source.txt").write_bytes(
        b"template <class T> T twice(T x) { return x + x; }\nint f() { return twice(4); }\n"
    )
    assert llmc("optimize", "source.txt", "-x", "c++", *QUICK).returncode == 0
    assert symbols((tmp_path / "source.o").read_bytes()).defined == {"_Z1fv"}
    assert "-x" in only_line(llmc("optimize", "source.txt"))


def test_clangs_flags_follow_two_dashes(llmc: RunLlmc, tmp_path: Path) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "size.h").write_text("#define SIZE 5\n")
    (tmp_path / "t.c").write_text('#include "size.h"\nint table[SIZE * TIMES] = {1};\n')
    flags = ("-I", "include", "-DTIMES=2", "-std=c99", "-O2", "-c")
    done = llmc("optimize", "t.c", *QUICK, "--json", "--", *flags)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["total"]["size"] == 5 * 2 * 4


def test_an_inline_assembly_is_no_obstacle(llmc: RunLlmc) -> None:
    text = b'int f(int x) { __asm__("bswap %0" : "+r"(x)); return x; }\n'
    assert llmc("optimize", "-", "-o", "a.o", *QUICK, stdin=text).returncode == 0


@pytest.mark.parametrize("text", [b"int table[4] = {1, 2};\n", b"/* nothing */\n"])
def test_a_module_without_functions_is_no_obstacle(llmc: RunLlmc, tmp_path: Path, text: bytes) -> None:
    assert llmc("optimize", "-", "-o", "a.o", *QUICK, stdin=text).returncode == 0
    assert symbols((tmp_path / "a.o").read_bytes()).undefined == frozenset()


# -- outputs


def test_without_an_output_objects_lie_in_the_current_folder(llmc: RunLlmc, source: Path, tmp_path: Path) -> None:
    sub = tmp_path / "sub"
    sub.mkdir()
    (sub / "other.c").write_bytes(C)
    assert llmc("optimize", source, sub / "other.c", *QUICK).returncode == 0
    assert sorted(file.name for file in tmp_path.glob("*.o")) == ["other.o", "sum.o"]
    assert not list(sub.glob("*.o"))


@pytest.mark.parametrize("folder", ["existing", "new/"])
def test_an_output_folder_takes_many_files(llmc: RunLlmc, source: Path, tmp_path: Path, folder: str) -> None:
    (tmp_path / "existing").mkdir()
    (tmp_path / "second.c").write_bytes(C)
    assert llmc("optimize", source, "second.c", "-o", folder, *QUICK).returncode == 0
    assert sorted(file.name for file in (tmp_path / folder).iterdir()) == ["second.o", "sum.o"]


def test_dev_null_stays_dev_null(llmc: RunLlmc, source: Path) -> None:
    assert llmc("optimize", source, "-o", "/dev/null", *QUICK).returncode == 0
    assert Path("/dev/null").is_char_device()


def test_a_link_stays_a_link_and_a_mode_stays_a_mode(llmc: RunLlmc, source: Path, tmp_path: Path) -> None:
    (tmp_path / "real.o").write_bytes(b"old")
    (tmp_path / "real.o").chmod(0o640)
    (tmp_path / "link.o").symlink_to("real.o")
    assert llmc("optimize", source, "-o", "link.o", *QUICK).returncode == 0
    assert (tmp_path / "link.o").is_symlink()
    assert (tmp_path / "real.o").read_bytes().startswith(b"\x7fELF")
    assert (tmp_path / "real.o").stat().st_mode & 0o777 == 0o640


def test_a_dry_run_writes_nothing(llmc: RunLlmc, source: Path, tmp_path: Path) -> None:
    assert llmc("optimize", source, "--dry-run", *QUICK).returncode == 0
    assert list(tmp_path.iterdir()) == [source]


# -- bad input: one line, exit code 1, nothing left, nothing touched


def bad_inputs(folder: Path, toolchain: Toolchain) -> dict[str, tuple[str, str]]:
    """Name of a file and words of the line that it must cause."""
    bitcode = unoptimised(toolchain, Source(None, "c", C))
    aarch64 = IR.replace(b"x86_64", b"aarch64")
    contents = {
        "prose.ll": (b"this is not IR\n", "expected top-level entity"),
        "prose.bc": (b"this is not bitcode\n", "."),
        "truncated.bc": (bitcode[: len(bitcode) // 2], "."),
        "empty.c": (b"", "empty"),
        "empty.ll": (b"", "empty"),
        "large.ll": (b"word " * 10_000_000, "expected top-level entity"),
        "binary.ll": (bytes(range(256)) * 10, "."),
        "unverified.ll": (IR.replace(b"ret i32 %x", b"ret i32 %y"), "undefined value '%y'"),
        "other.ll": (aarch64, "no target for aarch64-unknown-linux-gnu"),
        "odd.ll": (IR.replace(b"x86_64-unknown-linux-gnu", b"z80-none"), "z80"),
        "assembly.ll": (IR.replace(b"ret i32", b'call void asm "nonsense", ""()\n  ret i32'), "nonsense|mnemonic"),
    }
    for name, (text, _) in contents.items():
        (folder / name).write_bytes(text)
    (folder / "folder.c").mkdir()
    (folder / "dangling.c").symlink_to("nowhere")
    words = {name: words for name, (_, words) in contents.items()}
    words |= {"folder.c": "is a directory", "missing.c": "No such file", "dangling.c": "No such file"}
    return {name: (name, text) for name, text in words.items()} | {"/proc/self/mem": ("/proc/self/mem", "error")}


@pytest.mark.parametrize(
    "name",
    [
        "prose.ll", "prose.bc", "truncated.bc", "empty.c", "empty.ll", "large.ll", "binary.ll", "unverified.ll",
        "other.ll",
        "odd.ll", "assembly.ll", "folder.c", "missing.c", "dangling.c", "/proc/self/mem",
    ],
)  # fmt: skip
def test_bad_input_has_one_line_and_leaves_everything_as_it_was(
    llmc: RunLlmc, toolchain: Toolchain, tmp_path: Path, name: str
) -> None:
    file, words = bad_inputs(tmp_path, toolchain)[name]
    kept = tmp_path / "kept.o"
    kept.write_bytes(b"precious")
    before = sorted(tmp_path.iterdir())
    line = only_line(llmc("optimize", file, "-o", "kept.o", *QUICK))
    assert line.startswith(f"llmc: {file}: ")
    assert re.search(words, line)
    assert len(line) < 500
    assert kept.read_bytes() == b"precious"
    assert sorted(tmp_path.iterdir()) == before


def like_everybody() -> None:
    """Root may read and write everything; without these two capabilities it is a user like others."""
    drop_from_bounding_set, override, read_search = 24, 1, 2
    for capability in (override, read_search):
        ctypes.CDLL(None).prctl(drop_from_bounding_set, capability)


def test_a_file_that_may_not_be_read_is_named(llmc: RunLlmc, source: Path) -> None:
    source.chmod(0)
    assert "Permission denied" in only_line(llmc("optimize", source, "-o", "x.o", preexec_fn=like_everybody))


@pytest.mark.parametrize("size", [50 << 20, 300 << 20])
def test_a_flood_on_standard_input_has_one_line(llmc: RunLlmc, size: int) -> None:
    line = only_line(llmc("optimize", "-", "-x", "ir", "-o", "x.o", *QUICK, stdin=b"no IR\n" * (size // 6)))
    assert line.startswith("llmc: -: ")


def test_nothing_on_standard_input_has_one_line(llmc: RunLlmc) -> None:
    assert only_line(llmc("optimize", "-", "-o", "x.o")) == "llmc: -: is empty"


def test_errors_in_c_are_told_in_clangs_own_words(llmc: RunLlmc, tmp_path: Path) -> None:
    (tmp_path / "wrong.c").write_text("int f(void) { return 1 }\nint g(void) { return undeclared; }\n")
    (tmp_path / "wrong.o").write_bytes(b"precious")
    done = llmc("optimize", "wrong.c", *QUICK)
    assert (done.returncode, done.stdout) == (1, b"")
    assert "wrong.c:1:23: error: expected ';'" in done.stderr.decode()
    assert "undeclared identifier 'undeclared'" in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert (tmp_path / "wrong.o").read_bytes() == b"precious"


def test_large_c_without_meaning_is_refused_soon_and_briefly(llmc: RunLlmc, tmp_path: Path) -> None:
    (tmp_path / "large.c").write_bytes(b"word " * 10_000_000)
    done = llmc("optimize", "large.c", *QUICK)
    assert done.returncode == 1
    assert len(done.stderr) < 100_000
    assert b"Traceback" not in done.stderr


def test_one_bad_file_among_good_ones_costs_only_itself(llmc: RunLlmc, source: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.ll").write_text("not IR\n")
    (tmp_path / "good.c").write_bytes(C)
    done = llmc("optimize", source, "bad.ll", "missing.c", "good.c", *QUICK)
    assert done.returncode == 1
    assert len(done.stderr.decode().splitlines()) == 2
    assert sorted(file.name for file in tmp_path.glob("*.o")) == ["good.o", "sum.o"]


def test_warnings_of_clang_are_shown_and_do_no_harm(llmc: RunLlmc, tmp_path: Path) -> None:
    (tmp_path / "warn.c").write_text("int *f(void) { int x; return &x; }\n")
    done = llmc("optimize", "warn.c", *QUICK)
    assert done.returncode == 0
    assert done.stderr.count(b"-Wreturn-stack-address") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-"],
        ["sum.c", "-o"],
        ["sum.c", "--emit", "exe"],
        ["sum.c", "--budget", "-1"],
        ["sum.c", "--budget", "many"],
        ["sum.c", "--jobs", "0"],
        ["sum.c", "--protocol", "guess"],
        ["sum.c", "-x", "rust"],
        ["sum.c", "--no-such-option"],
        ["sum.c", "sum.c", "lib/sum.c"],
        ["sum.c", "lib/sum.c", "-o", "one.o"],
        ["ready.ll", "--emit", "ll"],
        ["ready.ll", "-o", "./ready.ll"],
        *(
            ["sum.c", "--", flag]
            for flag in (
                "-o",
                "-ox",
                "-S",
                "-E",
                "-M",
                "-MD",
                "-emit-llvm",
                "-flto",
                "-fsyntax-only",
                "-save-temps",
                "@f",
            )
        ),
    ],
    ids=" ".join,
)
def test_wrong_usage_has_exit_code_2_and_touches_nothing(
    llmc: RunLlmc, source: Path, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "sum.c").write_bytes(C)
    (tmp_path / "ready.ll").write_bytes(IR)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*")}
    done = llmc("optimize", *arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr
    assert done.stderr.decode().splitlines()[-1].startswith("Error: ")
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.*")} == before


# -- a machine that says no


@pytest.mark.parametrize("target", ["no/such/folder/x.o", "/proc/x.o", "sum.c/x.o"])
def test_an_output_that_cannot_be_written_has_one_line(llmc: RunLlmc, source: Path, target: str) -> None:
    line = only_line(llmc("optimize", source, "-o", target, *QUICK))
    assert target.rpartition("/")[0] in line


def test_a_full_device_has_one_line(llmc: RunLlmc, source: Path) -> None:
    assert "No space left" in only_line(llmc("optimize", source, "-o", "/dev/full", *QUICK))


def test_a_full_standard_output_is_no_traceback(llmc: RunLlmc, source: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = llmc("optimize", source, "-o", "-", *QUICK, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_full_disk_leaves_the_old_file(llmc: RunLlmc, source: Path, tmp_path: Path) -> None:
    (tmp_path / "sum.o").write_bytes(b"old")

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    only_line(llmc("optimize", source, "-o", "sum.o", *QUICK, preexec_fn=no_room))
    assert (tmp_path / "sum.o").read_bytes() == b"old"


def test_a_folder_that_may_not_be_written_leaves_the_old_file(llmc: RunLlmc, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "sum.o").write_bytes(b"old")
    folder.chmod(0o555)
    assert "Permission denied" in only_line(llmc("optimize", source, "-o", "build/", *QUICK, preexec_fn=like_everybody))
    folder.chmod(0o755)
    assert (folder / "sum.o").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)], ids=str
)
def test_a_signal_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, temporary: Path, number: signal.Signals, code: int
) -> None:
    marker = f"LLMC_TEST_{os.getpid()}_{time.monotonic_ns()}"
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT), marker: "1"}
    (tmp_path / "interpreter.o").write_bytes(b"old")
    command = [sys.executable, "-m", "llm_compiler", "optimize", ROOT / "examples" / "interpreter.cpp"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 30
        while len(marked(marker)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        assert process.poll() is None, "over before it could be stopped"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in errors
    deadline = time.monotonic() + 20
    while marked(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marked(marker) == []
    assert [file.name for file in tmp_path.iterdir()] == ["interpreter.o"]
    assert (tmp_path / "interpreter.o").read_bytes() == b"old"


def test_a_reader_that_goes_away_is_no_traceback(llmc: RunLlmc) -> None:
    done = subprocess.run(
        f"{sys.executable} -m llm_compiler passes | head -1", shell=True, capture_output=True, cwd=ROOT, check=False
    )
    assert done.stdout.count(b"\n") == 1
    assert b"Traceback" not in done.stderr


# -- another LLVM, help, start-up


def test_another_llvm_optimises(llmc: RunLlmc, system_llvm: str) -> None:
    done = llmc("optimize", LZ, "-o", "lz.o", "--llvm", system_llvm, "--json")
    assert done.returncode == 0, done.stderr.decode()
    document = json.loads(done.stdout)
    assert document["llvm"].startswith(f"{system_llvm}.")
    assert document["total"]["size"] <= document["total"]["baseline"]
    assert document["files"][0]["tried"] > 0


@pytest.mark.parametrize("arguments", [[], ["optimize"], ["passes"], ["doctor"], ["completion"]], ids=" ".join)
def test_help_shows_an_example(llmc: RunLlmc, arguments: list[str]) -> None:
    done = llmc(*arguments, "--help")
    assert done.returncode == 0
    assert re.search(r"Examples?:\s+llmc ", done.stdout.decode())


def test_the_version_is_told(llmc: RunLlmc) -> None:
    assert llmc("--version").stdout.decode().startswith("llmc, version ")


@pytest.mark.parametrize("arguments", [["--help"], ["optimize", "--help"], ["passes"]], ids=" ".join)
def test_short_commands_import_nothing_heavy(arguments: list[str]) -> None:
    script = (
        f"import sys; sys.argv = ['llmc', *{arguments!r}]\n"
        "from llm_compiler.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stderr.splitlines())
    assert "llm_compiler.cli.main" in loaded
    assert not loaded & {"numpy", "torch", "rich", "pyarrow"}
