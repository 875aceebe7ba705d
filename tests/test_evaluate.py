from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_compiler.llvm.elf import object_size
from llm_compiler.llvm.evaluate import Evaluation, Evaluator, Job, evaluate, oz_passes
from llm_compiler.llvm.frontend import LANGUAGES, Source, lower, unoptimised
from llm_compiler.llvm.library import LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.size import PAPER, PROTOCOLS, SHIP
from llm_compiler.llvm.toolchain import Toolchain
from llm_compiler.llvm.workers import Failure, Limits
from tests.conftest import EXAMPLE_PARAMETERS, ROOT, SHARED, needs_shared

X86 = b'target triple = "x86_64-unknown-linux-gnu"\n'
TINY = X86 + b"define i32 @f(i32 %x) {\n  ret i32 %x\n}\n"
BROKEN = (
    X86 + b"define i32 @f(i1 %c) {\n  br i1 %c, label %a, label %b\na:\n  %x = add i32 1, 2\n"
    b"  br label %b\nb:\n  ret i32 %x\n}\n"
)
ENDLESS = "repeat<100000000>(function(instcombine,simplifycfg))"
LISTS = ("default<Oz>", "function(sroa,early-cse)", "default<O2>,module(constmerge)", "no-op-module")


def answers(toolchain: Toolchain, *jobs: Job, workers: int = 1) -> list[Evaluation | Failure]:
    return list(evaluate(jobs, toolchain.library, workers=workers))


@pytest.mark.parametrize("example", EXAMPLE_PARAMETERS)
def test_the_size_is_that_of_the_object_that_clang_emits_from_the_kept_module(
    toolchain: Toolchain, example: Path
) -> None:
    module = unoptimised(toolchain, Source(example, LANGUAGES[example.suffix]))
    jobs = [Job(module, passes, protocol, keep=True) for protocol in PROTOCOLS for passes in LISTS]
    for job, answer in zip(jobs, answers(toolchain, *jobs), strict=True):
        assert isinstance(answer, Evaluation), (job.passes, answer)
        assert answer.bitcode is not None
        emitted = lower(toolchain, answer.bitcode, PROTOCOLS[job.protocol])
        assert answer.size == object_size(emitted), (job.protocol, job.passes)


def test_bitcode_and_instructions_come_only_where_they_are_asked_for(toolchain: Toolchain) -> None:
    lean, full = answers(toolchain, Job(TINY, "no-op-module"), Job(TINY, "no-op-module", keep=True))
    assert isinstance(lean, Evaluation)
    assert isinstance(full, Evaluation)
    assert (lean.bitcode, lean.instructions) == (None, None)
    assert full.size == lean.size
    assert full.instructions == 1
    assert full.bitcode is not None


@needs_shared
def test_the_papers_demo_has_its_sizes(toolchain: Toolchain) -> None:
    module = (SHARED / "data" / "add_two.ll").read_bytes()
    paper, ship = answers(
        toolchain, Job(module, "no-op-module", "paper", keep=True), Job(module, "no-op-module", "ship")
    )
    assert isinstance(paper, Evaluation)
    assert isinstance(ship, Evaluation)
    assert (paper.instructions, paper.size.total, ship.size.total) == (8, 65, 60)


@pytest.mark.parametrize(
    ("module", "passes", "reason", "words"),
    [
        (b"not IR at all", "default<Oz>", "invalid", "expected top-level entity"),
        (b"BC\xc0\xde\x00\x00", "default<Oz>", "invalid", "."),
        (TINY.replace(b"%x\n", b"%y\n"), "default<Oz>", "invalid", "undefined value '%y'"),
        (BROKEN, "default<Oz>", "invalid", "does not dominate"),
        (TINY, "no-such-pass", "invalid", "unknown pass name 'no-such-pass'"),
        (TINY, "function(sroa", "invalid", "invalid pipeline"),
        (TINY.replace(b"x86_64", b"aarch64"), "default<Oz>", "invalid", "no target for aarch64-unknown-linux-gnu"),
        (b"define void @f() {\n  ret void\n}", "default<Oz>", "invalid", "a module without a triple"),
        (TINY.replace(b"linux-gnu", b"windows-msvc"), "default<Oz>", "invalid", "not a 64-bit little-endian ELF"),
        (TINY, "trigger-crash", "crashed", "SIG"),
        (TINY, ENDLESS, "timeout", "over its time limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_evaluated_has_its_reason_and_does_no_harm(
    toolchain: Toolchain, module: bytes, passes: str, reason: str, words: str
) -> None:
    good = Job(TINY, "default<Oz>")
    before, failure, after = answers(toolchain, good, Job(module, passes, limits=Limits(seconds=1)), good)
    assert isinstance(failure, Failure)
    assert failure.reason == reason
    assert words in failure.detail or words == "."
    assert isinstance(before, Evaluation)
    assert before == after


def test_inline_assembly_is_evaluated_and_bad_one_is_invalid(
    toolchain: Toolchain, compiled: Callable[..., bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    good = compiled('int f(int x) { __asm__("bswap %0" : "+r"(x)); return x; }')
    bad = compiled('int f(int x) { __asm__("no such thing %0" : "+r"(x)); return x; }')
    fine, failure = answers(toolchain, Job(good, "default<Oz>"), Job(bad, "default<Oz>"))
    assert isinstance(fine, Evaluation)
    assert isinstance(failure, Failure)
    assert failure.reason == "invalid"
    assert capfd.readouterr() == ("", "")


def test_a_module_that_outgrows_its_memory_limit_is_a_memory_failure(toolchain: Toolchain) -> None:
    body = "".join(f"  %v{n} = add i64 %v{n - 1}, {n}\n" for n in range(1, 200_000))
    large = X86 + f"define i64 @f(i64 %v0) {{\n{body}  ret i64 %v199999\n}}\n".encode()
    small_limit = Job(large, "default<Oz>", limits=Limits(seconds=120, megabytes=48))
    fine, failure = answers(toolchain, Job(TINY, "default<Oz>"), small_limit)
    assert isinstance(fine, Evaluation)
    assert failure == Failure("memory", "over its memory limit")


def test_a_module_without_functions_has_a_size(toolchain: Toolchain) -> None:
    empty, data = answers(toolchain, Job(X86, "default<Oz>"), Job(X86 + b"@x = global i64 7\n", "default<Oz>"))
    assert isinstance(empty, Evaluation)
    assert isinstance(data, Evaluation)
    assert (empty.size.total, data.size.total) == (0, 8)


def test_answers_are_the_same_with_one_and_two_workers(toolchain: Toolchain, compiled: Callable[..., bytes]) -> None:
    module = compiled((ROOT / "examples" / "lz.c").read_text())
    jobs = [
        Job(module, passes, protocol, keep=True)
        for passes in (*LISTS, "trigger-crash", "no-such-pass", "function(licm)", "function(lowerswitch,gvn)")
        for protocol in PROTOCOLS
    ] * 2
    alone = answers(toolchain, *jobs)
    assert alone == answers(toolchain, *jobs, workers=2)
    assert alone[: len(alone) // 2] == alone[len(alone) // 2 :], "what came before shows"


def test_a_kept_module_names_its_types_as_the_original_does(
    toolchain: Toolchain, compiled: Callable[..., bytes], context: Context
) -> None:
    """A context renames a type that it has seen before, in a module that went long ago."""
    module = compiled("struct pair { int a, b; };\nint f(struct pair *p, int n) { return p[n].a + p[n].b; }\n")
    jobs = [Job(module, "function(sroa)"), Job(module, "no-op-module"), Job(module, "function(sroa)", keep=True)]
    kept = answers(toolchain, *jobs)[-1]
    assert isinstance(kept, Evaluation)
    assert kept.bitcode is not None
    assert "%struct.pair = type { i32, i32 }" in context.parse(kept.bitcode).print()


def test_what_stands_for_oz_goes_by_version_and_protocol() -> None:
    assert oz_passes("17.0.6", PAPER) == "default<Oz>"
    assert "slp-vectorizer" in oz_passes("17.0.6", SHIP)
    assert oz_passes("19.1.7", SHIP) == "default<Oz>"
    assert oz_passes("23.1.4", SHIP) == "default<O2>"


_HUNDRED_THOUSAND = """
import sys
from pathlib import Path
from llm_compiler.llvm.evaluate import Evaluator, Job

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

triple = b'target triple = "x86_64-unknown-linux-gnu"\\n'
data = Job(triple + b"@x = global i32 1\\n", "globaldce")
code = Job(triple + b"define i32 @f(i32 %x) {\\n  %y = add i32 %x, 1\\n  ret i32 %y\\n}\\n", "function(instcombine)")
bad = Job(code.module, "no-such-pass")
evaluator = Evaluator(Path(sys.argv[1]))
evaluator.prepare()
sizes, done, warm = set(), 0, None
while done < 100_000:
    for job, times in ((data, 1900), (code, 99)):
        for _ in range(times):
            sizes.add((job.passes, evaluator(job).size.total))
    try:
        evaluator(bad)
    except Exception:
        pass
    done += 2000
    if done == 10_000:
        warm = resident()
print(done, len(sizes), resident() - warm, warm)
"""


@pytest.mark.slow
def test_a_hundred_thousand_evaluations_leave_memory_as_it_was(toolchain: Toolchain) -> None:
    command = [sys.executable, "-c", _HUNDRED_THOUSAND, toolchain.library]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    done, sizes, growth, warm = map(int, output.split())
    assert done == 100_000
    assert sizes == 2
    assert growth < 16 << 20, "something leaks"
    assert warm < 150 << 20


def test_the_evaluator_refuses_in_process_what_workers_call_invalid(toolchain: Toolchain) -> None:
    evaluator = Evaluator(toolchain.library)
    evaluator.prepare()
    for _ in range(3):
        with pytest.raises(LLVMError, match="expected top-level entity"):
            evaluator(Job(b"nonsense", "default<Oz>"))
        assert evaluator(Job(TINY, "default<Oz>")).size.total > 0


def test_a_kept_module_can_be_read_again(toolchain: Toolchain, context: Context) -> None:
    (answer,) = answers(toolchain, Job(TINY, "default<Oz>", keep=True))
    assert isinstance(answer, Evaluation)
    assert answer.bitcode is not None
    module = context.parse(answer.bitcode)
    module.verify()
    assert module.functions() == ["f"]
