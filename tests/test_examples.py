"""The examples, built from the objects that `llmc optimize` would write by default, still pass their own checks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from llm_compiler.autotune.portfolio import load
from llm_compiler.inference.propose import listed
from llm_compiler.inference.solve import Solution, Solver
from llm_compiler.llvm.elf import object_size
from llm_compiler.llvm.frontend import LANGUAGES, Source, link
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.size import PROTOCOLS
from llm_compiler.llvm.toolchain import Toolchain
from tests.conftest import EXAMPLE_PARAMETERS, EXAMPLES

BUDGETS = {"ship": 32, "paper": 8}
"""That of `ship` is the default; for the other some lists say enough."""


def run(program: Path) -> tuple[int, bytes]:
    done = subprocess.run([program], capture_output=True, check=False, timeout=60)
    return done.returncode, done.stdout


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("example", EXAMPLE_PARAMETERS)
def test_an_optimised_example_passes_its_own_checks(
    toolchain: Toolchain, vocabulary: Vocabulary, tmp_path: Path, example: Path, protocol: str
) -> None:
    source = Source(example, LANGUAGES[example.suffix])
    lists = load(vocabulary)[: BUDGETS[protocol]]
    with Solver(toolchain, listed(lists), PROTOCOLS[protocol], jobs=1) as solver:
        (solution,) = solver.solve([source])
    assert isinstance(solution, Solution)
    assert solution.size == object_size(solution.output)
    assert solution.size.total <= solution.baseline.total
    file, program = tmp_path / "example.o", tmp_path / "example"
    file.write_bytes(solution.output)
    link(toolchain, [file], program, "-lm")
    code, output = run(program)
    assert code == 0, f"{solution.passes} breaks {example.name}"
    assert output.count(b"\n") == 1


def test_the_first_lists_of_the_portfolio_make_examples_smaller(toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    sources = [Source(example, "c") for example in EXAMPLES if example.suffix == ".c"][::3]
    with Solver(toolchain, listed(load(vocabulary)[:8]), PROTOCOLS["ship"], jobs=1) as solver:
        solutions = list(solver.solve(sources))
    smaller = [s for s in solutions if isinstance(s, Solution) and s.passes is not None]
    assert len(smaller) > len(sources) / 2
