"""Where source code comes from. No test but one needs a network; that one is skipped where apt has no sources."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from llm_compiler.corpus import commands, debian, headers, recorder, sources
from llm_compiler.corpus.commands import CompileCommand, Project, Skipped
from llm_compiler.llvm import toolchain
from llm_compiler.llvm.toolchain import Toolchain

Found = list[CompileCommand | Skipped]

HOSTILE = (
    b"with space.c",
    b"new\nline.c",
    b"quo\"te's.c",
    b"\xff\xfe not utf-8.c",
    b"$(touch x);`id`.c",
    b"-o.c",
    b"@file.c",
)


@pytest.fixture(scope="module")
def tools() -> Toolchain:
    return toolchain.find()


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def read(root: Path, work: Path, tools: Toolchain) -> Found:
    return [entry for source in sources.parse(str(root)) for entry in sources.read(source, work, tools)]


def good(found: Iterable[CompileCommand | Skipped]) -> list[CompileCommand]:
    return [entry for entry in found if isinstance(entry, CompileCommand)]


def reasons(found: Iterable[CompileCommand | Skipped]) -> dict[str, str]:
    return {entry.file: entry.reason for entry in found if isinstance(entry, Skipped)}


def clang(tools: Toolchain, command: CompileCommand) -> tuple[bytes, str]:
    headers_of = (*(tools.libcxx_flags if command.language == "c++" else ()), *tools.libc_flags)
    flags = ("-w", "-Oz", "-Xclang", "-disable-llvm-passes", "-S", "-emit-llvm", "-o", "-")
    line = [*tools.clang, *headers_of, *command.flags, *flags, command.path]
    done = subprocess.run(line, cwd=command.directory, capture_output=True, timeout=120, check=False)
    return (done.stdout if done.returncode == 0 else b""), done.stderr.decode(errors="replace")


def compile_with_repairs(tools: Toolchain, command: CompileCommand) -> bytes:
    text = b""
    for _ in range(headers.ATTEMPTS):
        text, words = clang(tools, command)
        repaired = None if text else headers.repair(command, words)
        if repaired is None:
            break
        command = repaired
    return text


def tree_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# -- folders


def test_a_folder_gives_one_command_per_file_with_the_include_folders_that_it_needs(
    tmp_path: Path, tools: Toolchain
) -> None:
    root = write(
        tmp_path / "app",
        {
            "src/main.c": '#include "deep/api.h"\n#include <mine.h>\nint main(void) { return api(MINE); }',
            "src/more.cpp": '#include "deep/api.h"\nint more() { return 2; }',
            "include/mine.h": "#define MINE 4",
            "lib/headers/deep/api.h": '#include "further.h"\nint api(int);',
            "elsewhere/further.h": "",
        },
    )
    found = good(read(root, tmp_path / "work", tools))
    assert [(command.file, command.language, command.route) for command in found] == [
        ("src/main.c", "c", "folder"),
        ("src/more.cpp", "c++", "folder"),
    ]
    for command in found:
        assert clang(tools, command)[0], "the first attempt is enough"
    assert str(root / "lib/headers") in found[0].flags
    assert found[0].path == str(root / "src/main.c")
    assert found[0].project == "app"


def test_a_config_header_is_made_from_its_template_with_what_this_system_has(tmp_path: Path, tools: Toolchain) -> None:
    root = write(
        tmp_path / "auto",
        {
            "config.h.in": (
                "#undef HAVE_UNISTD_H\n#undef HAVE_SYS_STAT_H\n#undef HAVE_NO_SUCH_THING_H\n#undef HAVE_STRDUP\n"
                "#undef HAVE_DECL_NO_SUCH_FUNCTION\n#undef SIZEOF_LONG\n#undef PACKAGE_NAME\n#undef SOMETHING_ELSE\n"
            ),
            "options.h.cmake": '#cmakedefine HAVE_STRDUP 1\n#cmakedefine01 HAVE_NO_SUCH_THING_H\n#define WHO "@WHO@"\n',
            "a.c": (
                '#include <config.h>\n#include "options.h"\n'
                "#if !HAVE_UNISTD_H || !HAVE_SYS_STAT_H || defined HAVE_NO_SUCH_THING || HAVE_NO_SUCH_THING_H"
                " || !HAVE_STRDUP || HAVE_DECL_NO_SUCH_FUNCTION || SIZEOF_LONG != 8 || defined SOMETHING_ELSE\n"
                '#error "wrong"\n#endif\nconst char *name = PACKAGE_NAME WHO;'
            ),
        },
    )
    before = tree_of(root)
    (command,) = good(read(root, tmp_path / "work", tools))
    text, words = clang(tools, command)
    assert b'c"auto\\00"' in text, words
    assert "-DHAVE_CONFIG_H" in command.flags
    assert tree_of(root) == before, "nothing is written into the user's tree"


def test_a_header_that_the_build_would_link_elsewhere_is_found(tmp_path: Path, tools: Toolchain) -> None:
    root = write(tmp_path / "num", {"a.c": "#include <num/math.h>\nint a = M;", "deep/math.h": "#define M 1"})
    (command,) = good(read(root, tmp_path / "work", tools))
    assert clang(tools, command)[0]


def test_what_is_missing_is_repaired_from_what_clang_says(tmp_path: Path, tools: Toolchain) -> None:
    root = write(
        tmp_path / "old",
        {
            "old.c": (
                '#include "made/by-the-build.h"\n#define DEEPER "made-too.h"\n#include DEEPER\n'
                'static const char *where = "/x" DATA_PREFIX "/y";\n'
                "uint32_t f(a) uint32_t a; { return g(a) + strlen(LOCALEDIR) + (long)where; }"
            )
        },
    )
    before = tree_of(root)
    (command,) = good(read(root, tmp_path / "work", tools))
    assert compile_with_repairs(tools, command)
    assert tree_of(root) == before


def test_repair_gives_up_where_nothing_helps(tmp_path: Path, tools: Toolchain) -> None:
    root = write(tmp_path / "bad", {"a.c": "#include <no/such/header.h>\n", "b.c": "int f( {"})
    for command in good(read(root, tmp_path / "work", tools)):
        _, words = clang(tools, command)
        assert "error" in words
        assert headers.repair(command, words) is None


def test_a_stub_never_lies_outside_of_the_work_folder(tmp_path: Path, tools: Toolchain) -> None:
    root = write(tmp_path / "evil", {"a.c": f'#include "../../../escape.h"\n#include "{tmp_path}/abs.h"\n'})
    (command,) = good(read(root, tmp_path / "work", tools))
    for name in ("../../../escape.h", f"{tmp_path}/abs.h", "x" * 5000 + ".h"):
        words = f"{root}/a.c:1:10: fatal error: '{name}' file not found\n    1 | #include \"{name}\"\n"
        assert headers.repair(command, words) is None
    assert not list(tmp_path.rglob("escape.h"))
    assert not (tmp_path / "abs.h").exists()


def test_headers_of_another_system_are_the_last_choice(tmp_path: Path, tools: Toolchain) -> None:
    root = write(
        tmp_path / "port",
        {
            "a.c": '#include "config.h"\n#ifdef _WIN32\n#include "only.h"\n#endif\nint x = WHICH;',
            "win32/config.h": "#error windows",
            "win32/only.h": "",
            "win32/b.c": "int b;",
            "unix/config.h": "#define WHICH 3",
        },
    )
    found = read(root, tmp_path / "work", tools)
    (command,) = good(found)
    assert clang(tools, command)[0]
    assert not any("win32" in flag for flag in command.flags)
    assert reasons(found) == {"win32/b.c": "another system"}


def test_tests_links_parts_and_what_is_no_file_are_left_out_and_counted(tmp_path: Path, tools: Toolchain) -> None:
    root = write(
        tmp_path / "app",
        {
            "a.c": '#include "part.c"\nint a;',
            "part.c": "int part;",
            "tests/t.c": "int t;",
            "a_test.c": "int u;",
            ".git/x.c": "int x;",
            "notes.txt": "",
        },
    )
    (root / "link.c").symlink_to("a.c")
    (root / "loop").symlink_to(".")
    (root / "folder.c").mkdir()
    os.mkfifo(root / "pipe.c")
    (root / "broken.c").symlink_to("nowhere.c")
    found = read(root, tmp_path / "work", tools)
    assert [command.file for command in good(found)] == ["a.c"]
    assert reasons(found) == {
        "a_test.c": "test",
        "broken.c": "link",
        "link.c": "link",
        "part.c": "part of another file",
        "pipe.c": "not a regular file",
        "tests/t.c": "test",
    }


def test_a_project_of_nothing_but_tests_is_taken_as_it_is(tmp_path: Path, tools: Toolchain) -> None:
    root = write(tmp_path / "suite", {"tests/a.c": "int a;"})
    assert [command.file for command in good(read(root, tmp_path / "work", tools))] == ["tests/a.c"]


def test_a_generated_file_of_a_hundred_megabytes_is_not_even_read(tmp_path: Path, tools: Toolchain) -> None:
    root = write(tmp_path / "big", {"a.c": "int a;"})
    with (root / "big.c").open("wb") as file:
        file.truncate(100 << 20)
    started = time.monotonic()
    found = read(root, tmp_path / "work", tools)
    assert reasons(found) == {"big.c": "file too large"}
    assert time.monotonic() - started < 5


def test_hostile_file_names_compile_and_have_printable_provenance(tmp_path: Path, tools: Toolchain) -> None:
    root = tmp_path / "names"
    root.mkdir()
    for name in HOSTILE:
        Path(root, os.fsdecode(name)).write_text('#include "h.h"\nint x = H;')
    write(root, {"in clude/h.h": "#define H 1"})
    found = good(read(root, tmp_path / "work", tools))
    assert len(found) == len(HOSTILE)
    for command in found:
        assert clang(tools, command)[0], command.file
        command.file.encode("utf-8")
    assert any("\\xff" in command.file for command in found)


def test_modules_do_not_say_where_or_when_they_were_made(tmp_path: Path, tools: Toolchain) -> None:
    root = write(tmp_path / "app", {"src/a.c": "const char *a = __FILE__ __DATE__ __TIME__;"})
    (command,) = good(read(root, tmp_path / "work", tools))
    text = clang(tools, command)[0]
    assert b"src/a.cJan  1 197000:00:00" in text


# -- databases


def database(root: Path, entries: object) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    path = root / "compile_commands.json"
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return path


def test_a_database_keeps_what_decides_the_module_and_drops_the_rest(tmp_path: Path, tools: Toolchain) -> None:
    root = write(
        tmp_path / "app", {"src/a.c": "int a = A;", "inc/x.h": "", "build/made.h": "", "build/flags": '-DB="b c"'}
    )
    line = (
        "gcc -DA=1 -D C -UD -I../inc -isystem ../inc -include made.h -std=gnu99 -fno-strict-aliasing -fPIC -msse4.2"
        " -O3 -g3 -Wall -Werror -Wp,-MD,x.d -Wp,-DE=1 -MD -MF x.d -MT x -c -o a.o -fno-gcc-knows-this -flto"
        " -march=native -fsanitize=leak --param ssp=1 -fplugin=evil.so -Xclang -load -Xclang evil.so @flags ../src/a.c"
    )
    path = database(root / "build", [{"directory": str(root / "build"), "command": line, "file": "../src/a.c"}])
    (command,) = good(read(path, tmp_path / "work", tools))
    ours = commands.make(Project("p", "", "", "/"), "/a", "/", "c", (), "database").flags
    assert command.flags[: -len(ours)] == (
        *("-DA=1", "-DC", "-UD", "-I", str(root / "inc"), "-isystem", str(root / "inc")),
        *("-include", str(root / "build/made.h"), "-std=gnu99", "-fno-strict-aliasing", "-fPIC", "-msse4.2", "-DE=1"),
        "-DB=b c",
    )
    assert command.path == str(root / "src/a.c")
    assert command.directory == str(root / "build")
    assert clang(tools, command)[0]


def test_the_language_is_what_the_command_says(tmp_path: Path, tools: Toolchain) -> None:
    root = write(tmp_path / "app", {"a.c": "template <class T> T f(T);", "b.inc": "int b;", "c.c": "int c;"})
    lines = ["g++ -c a.c", "gcc -x c -std=c99 -c b.inc", "x86_64-linux-gnu-g++-12 -std=c99 -c a.c -DX", "cc -c -- c.c"]
    path = database(root, [{"directory": str(root), "command": line, "file": "a.c"} for line in lines])
    found = good(read(path, tmp_path / "work", tools))
    assert [(command.file, command.language) for command in found] == [
        ("a.c", "c++"),
        ("a.c", "c++"),
        ("b.inc", "c"),
        ("c.c", "c"),
    ]
    for command in found:
        assert clang(tools, command)[0]


def test_database_entries_that_make_no_sense_are_counted_not_raised(tmp_path: Path, tools: Toolchain) -> None:
    root = write(tmp_path / "app", {"a.c": "int a;"})
    where = str(root)
    entries = [
        7,
        {},
        {"directory": where, "command": "cc 'unclosed"},
        {"directory": where, "arguments": ["cc", 3]},
        {"directory": where, "arguments": []},
        {"directory": 5, "command": "cc -c a.c"},
        {"directory": where, "arguments": ["cc", "-c", "gone.c"]},
        {"directory": where, "arguments": ["cc", "-c", "-x", "c", "-"]},
        {"directory": where, "arguments": ["cc", "-E", "a.c"]},
        {"directory": where, "arguments": ["cc", "a.o", "-o", "a"]},
        {"directory": where, "arguments": ["cc", "-c", "a.c"]},
        {"directory": where, "arguments": ["cc", "-c", "-fPIC", "-DPIC", "a.c"]},
    ]
    found = read(database(root, entries), tmp_path / "work", tools)
    assert [command.file for command in good(found)] == ["a.c"]
    counts: dict[str, int] = {}
    for entry in found:
        if isinstance(entry, Skipped):
            counts[entry.reason] = counts.get(entry.reason, 0) + 1
    assert counts == {
        "database entry makes no sense": 6,
        "file is gone": 1,
        "reads standard input": 1,
        "same command again": 1,
    }


@pytest.mark.parametrize("text", ["", "{", "{}", '"x"', "[" * 100_000, "\0"])
def test_a_database_that_is_none_is_one_reason(tmp_path: Path, tools: Toolchain, text: str) -> None:
    (entry,) = read(database(tmp_path / "app", text), tmp_path / "work", tools)
    assert isinstance(entry, Skipped)
    assert entry.reason == "database unreadable"


def test_response_files_that_contain_themselves_end(tmp_path: Path, tools: Toolchain) -> None:
    root = write(tmp_path / "app", {"a.c": "int a;", "loop": "-DX @loop @loop"})
    path = database(root, [{"directory": str(root), "arguments": ["cc", "-c", "@loop", "a.c", "@nowhere"]}])
    (command,) = good(read(path, tmp_path / "work", tools))
    assert "-DX" in command.flags


# -- watched builds

MAKEFILE = """\
OBJECTS = a.o b.o
all: prog
prog: $(OBJECTS)
\t$(CC) -o $@ $(OBJECTS)
%.o: %.c
\tcd sub && $(CC) -DNAME='"a  b$$c"' -O2 -Wall -c ../$< -o ../$@
"""


def build_of(tmp_path: Path) -> Path:
    return write(
        tmp_path / "app",
        {
            "Makefile": MAKEFILE,
            "a.c": "int b(void); int main(void) { return b(); }",
            "b.c": "int b(void) { return 0; }",
            "sub/x": "",
        },
    )


needs_compiler = pytest.mark.skipif(
    not (shutil.which("make") and shutil.which("cc")), reason="no make or no C compiler"
)


@needs_compiler
def test_a_parallel_build_is_watched_and_does_what_it_always_does(tmp_path: Path, tools: Toolchain) -> None:
    root = build_of(tmp_path)
    code, found = sources.watch(["make", "-s", "-j2"], root, tmp_path / "work")
    assert code == 0
    assert subprocess.run([root / "prog"], check=False).returncode == 0
    assert [(command.file, command.route) for command in good(found)] == [("a.c", "watch"), ("b.c", "watch")]
    for command in good(found):
        assert '-DNAME="a  b$c"' in command.flags
        assert command.directory == str(root / "sub")
        assert clang(tools, command)[0]


@needs_compiler
def test_a_build_that_fails_keeps_its_exit_code_and_what_it_compiled(tmp_path: Path) -> None:
    root = build_of(tmp_path)
    (root / "b.c").write_text("int b(void) {")
    code, found = sources.watch(["make", "-s", "-k"], root, tmp_path / "work")
    assert code == 2
    assert "a.c" in [command.file for command in good(found)]


def test_the_exit_code_is_that_of_a_shell(tmp_path: Path) -> None:
    for build, code in ((["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137), (["/no/such/build"], 127)):
        assert sources.watch(build, tmp_path, tmp_path / "work")[0] == code


@needs_compiler
@pytest.mark.parametrize("trouble", ["no log folder", "log is a file", "full disk"])
def test_the_build_succeeds_where_nothing_can_be_recorded(tmp_path: Path, trouble: str) -> None:
    root = build_of(tmp_path)
    shims, log = tmp_path / "shims", tmp_path / "log"
    shims.mkdir()
    if trouble == "log is a file":
        log.touch()
    elif trouble == "full disk":
        # Every note goes to /dev/full, whatever the process is called.
        log.mkdir()
        (tmp_path / "full").symlink_to("/dev/full")
    environment = recorder.install(shims, log, dict(os.environ))
    if trouble == "full disk":
        for shim in shims.iterdir():
            shim.write_text(shim.read_text().replace(f'{log}/"$$"', "/dev/full"))
    done = subprocess.run(["make", "-s", "-j2"], cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_compiler
def test_hostile_names_and_arguments_are_recorded_byte_for_byte(tmp_path: Path, tools: Toolchain) -> None:
    root = tmp_path / os.fsdecode(b"dir \xff\n'\"$(x)")
    root.mkdir()
    for name in HOSTILE:
        Path(root, os.fsdecode(name)).write_text("int x;")
    script = (
        "import os, subprocess\n"
        "for name in os.listdir(b'.'):\n"
        "    subprocess.check_call([b'cc', b'-c', b'./' + name, b'-o', b'o', b'-DEMPTY=', b'-DX=' + b'y' * 50000])\n"
    )
    code, found = sources.watch([sys.executable, "-c", script], root, tmp_path / "work")
    assert code == 0
    assert {os.fsencode(Path(command.path).name) for command in good(found)} == set(HOSTILE)
    for command in good(found):
        assert "-DX=" + "y" * 50000 in command.flags
        assert clang(tools, command)[0]


@needs_compiler
def test_the_compiler_sees_the_arguments_the_folder_and_the_path_as_without_us(tmp_path: Path) -> None:
    real = tmp_path / "bin"
    write(real, {"gcc": '#!/bin/sh\nprintf "%s|" "$PATH" "$PWD" "$@"\nexit 5\n'})
    (real / "gcc").chmod(0o755)
    shims, log = tmp_path / "sh ims'", tmp_path / "log"
    shims.mkdir()
    log.mkdir()
    path = f"{real}:/usr/bin:/bin"
    environment = recorder.install(shims, log, {"PATH": path})
    done = subprocess.run(
        ["gcc", "a  b", "", "*"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (5, f"{path}|{tmp_path}|a  b||*|")
    assert list(recorder.read_log(log)) == [(str(tmp_path), ["gcc", "a  b", "", "*"])]
    inside = f"/first:{environment['PATH']}"
    again = subprocess.run(
        [shims / "gcc"], env={"PATH": inside}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert again.stdout == f"/first:{path}|{tmp_path}|"


@needs_compiler
def test_a_compiler_named_by_its_full_path_is_watched_too(tmp_path: Path) -> None:
    root = build_of(tmp_path)
    environment = {**os.environ, "CC": shutil.which("gcc") or "", "MAKEFLAGS": ""}
    place = tmp_path / "place"
    place.mkdir()
    code, found = recorder.watch(["make", "-s", "-e"], sources.project_of(root), place, environment)
    assert code == 0
    assert [command.file for command in good(found)] == ["a.c", "b.c"]


def test_a_log_that_was_cut_off_gives_what_is_whole(tmp_path: Path) -> None:
    whole = b"1\0/d\0cc\0x.c\0"
    for end in range(len(whole) + 1):
        (tmp_path / "1").write_bytes(whole + whole[:end])
        assert len(list(recorder.read_log(tmp_path))) == 1 + (end == len(whole))
    (tmp_path / "1").write_bytes(b"99999999999\0nonsense\0")
    assert list(recorder.read_log(tmp_path)) == []


# -- lists and names


def test_a_text_file_lists_sources(tmp_path: Path) -> None:
    write(tmp_path, {"a/x.c": "", "list.txt": "# mine\n\n a \ndebian:zlib=1:1.2.13.dfsg-1\n  # more\n"})
    assert [(source.kind, source.text) for source in sources.parse(str(tmp_path / "list.txt"))] == [
        ("folder", str(tmp_path / "a")),
        ("debian", "debian:zlib=1:1.2.13.dfsg-1"),
    ]


@pytest.mark.parametrize(
    "text", ["/no/such/place", "debian:", "debian:../../etc", "debian:a b", "debian:x=`id`", "debian:-o"]
)
def test_what_is_no_source_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(sources.SourceError) as caught:
        sources.parse(text)
    assert "\n" not in str(caught.value)


def test_a_list_names_the_line_that_is_wrong_and_lists_no_lists(tmp_path: Path) -> None:
    write(tmp_path, {"list.txt": "# fine\nnowhere\n", "outer.txt": "list.txt\n"})
    with pytest.raises(sources.SourceError, match="line 2"):
        sources.parse(str(tmp_path / "list.txt"))
    with pytest.raises(sources.SourceError, match="line 1"):
        sources.parse(str(tmp_path / "outer.txt"))
    (tmp_path / "list.txt").write_bytes(b"a\0b")
    with pytest.raises(sources.SourceError, match="binary"):
        sources.parse(str(tmp_path / "list.txt"))


# -- IR, Rust, CUDA


def test_ready_ir_is_taken_as_it_is(tmp_path: Path, tools: Toolchain) -> None:
    root = write(tmp_path / "ir", {"a.ll": "define void @f() { ret void }"})
    (root / "b.bc").write_bytes(b"BC\xc0\xde")
    for place in (root, root / "a.ll"):
        found = good(read(place, tmp_path / "work", tools))
        assert {(command.language, command.route, command.flags) for command in found} == {("ir", "ir", ())}


def test_a_scanner_for_flex_and_a_script_for_bc_are_no_ir(tmp_path: Path, tools: Toolchain) -> None:
    root = write(tmp_path / "flex", {"scan.ll": "%{\n#include <x>\n%}\n%%\n. return 1;\n", "sum.bc": "1 + 1\n"})
    assert reasons(read(root, tmp_path / "work", tools)) == {"scan.ll": "not LLVM-IR", "sum.bc": "not LLVM-IR"}


def rustc_of(tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        f'#!/bin/sh\nif [ "$1" = -vV ]; then echo "rustc 1"; echo "LLVM version: {version}.0.1"; exit; fi\n'
        'while [ $# -gt 1 ]; do [ "$1" = -o ] && echo BC >"$2"; shift; done\n'
    )
    write(tmp_path / "rust", {"rustc": script})
    (tmp_path / "rust" / "rustc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'rust'}:{os.environ['PATH']}")


def test_rust_is_read_only_where_its_llvm_is_not_newer(
    tmp_path: Path, tools: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path / "crate", {"src/lib.rs": "pub fn f() {}"})
    rustc_of(tmp_path, tools.major + 1, monkeypatch)
    assert reasons(read(root, tmp_path / "work", tools)) == {"src/lib.rs": "rustc's LLVM is newer"}
    rustc_of(tmp_path, tools.major, monkeypatch)
    (command,) = good(read(root, tmp_path / "work", tools))
    assert (command.language, command.route, command.file) == ("ir", "rust", "src/lib.rs")
    assert Path(command.path).is_file()


def test_no_rustc_is_a_reason(tmp_path: Path, tools: Toolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    root = write(tmp_path / "crate", {"lib.rs": ""})
    assert reasons(read(root, tmp_path / "work", tools)) == {"lib.rs": "no rustc"}


def test_cuda_without_its_headers_names_the_extra(
    tmp_path: Path, tools: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path / "cuda", {"k.cu": "__global__ void k() {}"})
    monkeypatch.setattr(sources, "cuda_path", lambda place: None)
    (entry,) = read(root, tmp_path / "work", tools)
    assert isinstance(entry, Skipped)
    assert (entry.reason, f"[{sources.CUDA_EXTRA}]" in entry.detail) == ("no CUDA headers", True)


def test_cuda_becomes_nvptx_where_its_headers_are(tmp_path: Path, tools: Toolchain) -> None:
    if sources.cuda_path(tmp_path) is None:
        pytest.skip("the extra `cuda` is not installed")
    root = write(tmp_path / "cuda", {"k.cu": "__global__ void k(float *a) { a[threadIdx.x] = sqrtf(a[0]); }"})
    (command,) = good(read(root, tmp_path / "work", tools))
    text, words = clang(tools, command)
    assert b"nvptx64-nvidia-cuda" in text, words


# -- Debian


def test_the_licence_is_that_of_most_files_as_spdx_says_it(tmp_path: Path) -> None:
    copyright_ = (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        "Files: debian/*\nLicense: GPL-3+\n\nFiles: *\nCopyright: me\nLicense: GPL-2+ or Expat\n text\n"
    )
    write(tmp_path, {"debian/copyright": copyright_})
    assert debian.licence_of(tmp_path) == "GPL-2.0-or-later OR MIT"
    write(
        tmp_path,
        {
            "debian/copyright": "Upstream:\nPermission is hereby granted, free\nof charge\n\nPackaging:\n"
            "GNU General Public License"
        },
    )
    assert debian.licence_of(tmp_path) == "MIT"
    assert debian.licence_of(tmp_path / "nowhere") == "unknown"


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("GPL-2", "GPL-2.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("GPL-3.0-or-later", "GPL-3.0-or-later"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("Apache-2.0", "Apache-2.0"),
        ("GPL-2+ with OpenSSL exception", "GPL-2.0-or-later WITH LicenseRef-OpenSSL-exception"),
        ("Expat, and zlib", "MIT AND Zlib"),
        ("my own / thing", "LicenseRef-my-own-thing"),
    ],
)
def test_short_names_of_licences_are_translated(short: str, long: str) -> None:
    assert debian.spdx(short) == long


def test_build_dependencies_are_the_dev_packages_for_this_system() -> None:
    fields = {
        "Build-Depends": "debhelper (>= 9), zlib1g-dev (>= 1), libx-dev [!amd64],\n libk-dev [kfreebsd-any],"
        " liba-dev | libb-dev, libn-dev <!nocheck>, libl-dev [linux-any]",
        "Build-Depends-Arch": "libarch-dev:native",
    }
    assert debian.build_depends(fields) == ["zlib1g-dev", "liba-dev", "libn-dev", "libl-dev", "libarch-dev"]


def test_only_this_releases_entries_of_apts_lists_are_used_and_sources_are_asked_for(tmp_path: Path) -> None:
    write(
        tmp_path / "etc/apt",
        {
            "sources.list": (
                "# deb http://a.example/x old main\ndeb [signed-by=/k] http://a.example/debian bookworm main\n"
                "deb http://vendor.example/apt stuff main\ndeb-src http://a.example/debian bookworm main\n"
            ),
            "sources.list.d/debian.sources": (
                "Types: deb\n# comment\nURIs: http://b.example/debian\nSuites: bookworm bookworm-updates\n"
                "Components: main\nSigned-By: /k\n\n\nTypes: deb\nURIs: http://c.example\nSuites: nodistro\n\n"
                "Enabled: no\nTypes: deb\nURIs: http://d.example\nSuites: bookworm\nComponents: main\n"
            ),
            "sources.list.d/ignored.sources.disabled": "Types: deb\n",
        },
    )
    parts = tmp_path / "parts"
    parts.mkdir()
    assert debian.write_sources(tmp_path / "etc", "bookworm", parts) == 2
    text = (parts / "debian.sources").read_text()
    assert "Types: deb deb-src" in text
    assert "c.example" not in text
    assert "d.example" not in text
    assert (parts / "sources.list").read_text() == (
        "deb [signed-by=/k] http://a.example/debian bookworm main\n"
        "deb-src [signed-by=/k] http://a.example/debian bookworm main\n"
    )


def package_of(tmp_path: Path, cmake: str) -> debian.Package:
    root = write(tmp_path / "pkg", {"CMakeLists.txt": cmake, "a.c": "int a = A;"})
    return debian.Package(Project("pkg", "1", "MIT", str(root)), tmp_path / "prefix", "")


needs_cmake = pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("cc")), reason="no cmake or no C compiler")


@needs_cmake
def test_a_package_with_cmake_is_configured_and_replayed(
    tmp_path: Path, tools: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = package_of(
        tmp_path, "cmake_minimum_required(VERSION 3.5)\nproject(p C)\nadd_library(a a.c)\nadd_definitions(-DA=3)\n"
    )
    monkeypatch.setattr(debian, "fetch", lambda *_: package)
    (source,) = sources.parse("debian:pkg")
    (command,) = good(sources.read(source, tmp_path / "work", tools))
    assert (command.route, command.file, command.licence, command.version) == ("cmake", "a.c", "MIT", "1")
    assert clang(tools, command)[0]


@needs_cmake
@pytest.mark.parametrize(
    ("cmake", "reason"),
    [
        ('message(FATAL_ERROR "no")', "does not configure"),
        ('execute_process(COMMAND sh -c "sleep 100 & sleep 100")', "configure hangs"),
    ],
)
def test_a_package_that_does_not_configure_goes_on_as_a_folder(
    tmp_path: Path, tools: Toolchain, monkeypatch: pytest.MonkeyPatch, cmake: str, reason: str
) -> None:
    package = package_of(tmp_path, f"cmake_minimum_required(VERSION 3.5)\nproject(p NONE)\n{cmake}\n")
    monkeypatch.setattr(debian, "fetch", lambda *_: package)
    monkeypatch.setattr(debian, "CONFIGURE_SECONDS", 3)
    (source,) = sources.parse("debian:pkg")
    started = time.monotonic()
    found = list(sources.read(source, tmp_path / "work", tools))
    assert time.monotonic() - started < 60
    assert reasons(found) == {"CMakeLists.txt": reason}
    assert [command.route for command in good(found)] == ["folder"]


def fake_apt(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "bin", {"apt-get": f"#!/bin/sh\n{script}\n"})
    apt = tmp_path / "bin" / "apt-get"
    apt.chmod(apt.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    write(
        tmp_path / "etc",
        {"os-release": "VERSION_CODENAME=some\n", "apt/sources.list": "deb http://x.example some main\n"},
    )
    monkeypatch.setattr(debian, "_ETC", tmp_path / "etc")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ('case "$*" in *update*) echo "E: cannot resolve http://x.example/y" >&2; exit 100;; esac', "no network"),
        (
            'case "$*" in *update*) exit 0;; esac; echo "E: Unable to find a source package for pkg"; exit 100',
            "no such package",
        ),
        (
            'case "$*" in *print-uris*) echo "\'u\' pkg_1.dsc 1 SHA256:0";; *download-only*) exit 100;; esac',
            "not fetched",
        ),
    ],
)
def test_whatever_is_wrong_with_a_package_is_one_reason_of_one_line(
    tmp_path: Path, tools: Toolchain, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    fake_apt(tmp_path, script, monkeypatch)
    (source,) = sources.parse("debian:pkg")
    (entry,) = sources.read(source, tmp_path / "work", tools)
    assert isinstance(entry, Skipped)
    assert entry.reason == reason
    assert "\n" not in entry.detail
    assert "x.example" not in entry.detail


def test_no_apt_is_a_reason(tmp_path: Path, tools: Toolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (source,) = sources.parse("debian:pkg")
    assert reasons(sources.read(source, tmp_path / "work", tools)) == {"": "no apt"}


@pytest.mark.slow
def test_a_real_debian_package_is_fetched_unpacked_and_compiled(tmp_path: Path, tools: Toolchain) -> None:
    (listed,) = (package for package in sources.default_list() if package.name == "libyaml")
    found = list(sources.read(listed.source, tmp_path, tools))
    failed = [entry for entry in found if isinstance(entry, Skipped) and entry.file == ""]
    if failed:
        pytest.skip(f"apt cannot fetch it here: {failed[0].reason}")
    assert good(found)
    assert {command.licence for command in good(found)} == {"MIT"}
    assert {command.version for command in good(found)} == {listed.version}
    assert sum(bool(compile_with_repairs(tools, command)) for command in good(found)) > 0.8 * len(good(found))
    wrong = debian.parse(listed.source.text)
    with pytest.raises(debian.UnavailableError) as caught:
        debian.fetch(*wrong, tmp_path / "debian", "0" * 64)
    assert caught.value.reason == "hash differs"


# -- the default list


def test_the_default_list_has_many_packages_of_many_kinds_each_pinned_once() -> None:
    packages = sources.default_list()
    assert len(packages) >= 60
    assert len({package.name for package in packages}) == len(packages)
    assert len({package.kind for package in packages}) >= 10
    for package in packages:
        assert len(bytes.fromhex(package.dsc_sha256)) == 32
        assert debian.parse(package.source.text) == (package.name, package.version)


def test_every_split_of_the_default_list_has_several_kinds() -> None:
    packages = sources.default_list()
    for split in ("train", "validation", "test"):
        assert len({package.kind for package in packages if package.split == split}) >= 6, split


def test_nothing_of_the_papers_benchmark_is_trained_on() -> None:
    for package in sources.default_list():
        assert not (sources.in_paper_benchmark(package.name) and package.split != "test"), package.name
    for name in (
        *(
            "lame",
            "libjpeg",
            "libjpeg-turbo",
            "libjpeg6b",
            "tiff",
            "ghostscript",
            "libgsm",
            "libmad",
            "sphinx",
            "pocketsphinx",
        ),
        *(
            "sphinxbase",
            "pgp",
            "gnupg1",
            "ispell",
            "rsynth",
            "blowfish",
            "rijndael",
            "sha",
            "patricia",
            "susan",
            "zlib",
        ),
        *("libpng", "libpng1.6", "lout", "Zlib"),
    ):
        assert sources.in_paper_benchmark(name), name
        assert sources.split_of(name) == "test", name
    for name in ("bzip2", "shadow", "libshout", "flame", "zlibby", "nettle"):
        assert not sources.in_paper_benchmark(name), name


def test_the_split_of_a_project_never_changes() -> None:
    assert [sources.split_by_hash(name) for name in ("a", "b", "c", "d")] == [
        sources.split_of(name) for name in ("a", "b", "c", "d")
    ]
    shares = [sources.split_by_hash(f"project-{number}") for number in range(2000)]
    assert 1500 < shares.count("train") < 1700
    assert 150 < shares.count("test") < 250
