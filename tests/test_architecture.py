"""Who may import whom, as design.md says it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = "llm_compiler"
MODULES = sorted((ROOT / PACKAGE).rglob("*.py"))
TEXT_SIDE = {"llvm", "corpus", "autotune", "tasks"}
TENSOR_SIDE = {"model", "training"}
MAY_IMPORT = {
    "llvm": set(),
    "model": set(),
    "corpus": {"llvm"},
    "autotune": {"llvm", "corpus"},
    "tasks": {"llvm", "corpus", "autotune"},
    "data": {"llvm", "corpus", "autotune", "tasks", "model.tokenizer", "model.foreign"},
    "training": {"model", "data"},
    "inference": {"model", "tasks", "llvm", "autotune.portfolio"},
    "evaluation": {"llvm", "model", "corpus", "autotune", "tasks", "data", "inference"},
    "driver": {"llvm", "tasks", "inference"},
    "serving": {"llvm", "tasks", "inference"},
    "cli": {
        "llvm",
        "model",
        "corpus",
        "autotune",
        "tasks",
        "data",
        "training",
        "inference",
        "evaluation",
        "driver",
        "serving",
    },
}
"""A package, or one module of it."""
ONLY_LLVM_KNOWS = {"ctypes", "subprocess", "struct", "multiprocessing"}
TENSORS = {"torch", "transformers", "safetensors"}
NO_NAMES = {"utils", "util", "common", "base", "manager", "helpers", "misc"}


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all modules that are imported anywhere in a module, functions and type checking included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide who imports whom"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(), str(module))


def dotted(module: Path) -> str:
    return ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def package_of(module: Path) -> str:
    parts = module.relative_to(ROOT / PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


by_name = pytest.mark.parametrize("module", MODULES, ids=dotted)


def test_there_is_something_to_look_at() -> None:
    assert {"llvm", "cli", "inference", "autotune"} <= {package_of(module) for module in MODULES}


def test_every_package_has_its_place() -> None:
    assert {package_of(module) for module in MODULES} - {""} <= set(MAY_IMPORT)


@by_name
def test_a_module_imports_only_what_its_package_may(module: Path) -> None:
    own = package_of(module)
    if not own:
        return  # __main__ and the package itself
    for name in imports(parsed(module)):
        if not name.startswith(f"{PACKAGE}."):
            continue
        path = name.removeprefix(f"{PACKAGE}.")
        package = path.partition(".")[0]
        allowed = {own, *MAY_IMPORT[own]}
        fits = any(path == entry or path.startswith(f"{entry}.") for entry in allowed)
        opens = any(entry.startswith(f"{path}.") for entry in allowed)  # `from llm_compiler.autotune import portfolio`
        assert fits or opens, (
            f"{dotted(module)} must not import {name}: {own} may import {sorted(allowed)}, not {package}"
        )


@by_name
def test_only_llvm_knows_foreign_functions_processes_and_bytes(module: Path) -> None:
    known = {name.partition(".")[0] for name in imports(parsed(module))}
    if package_of(module) not in {"llvm", *ALSO_RUNS_PROCESSES}:
        assert not known & ONLY_LLVM_KNOWS
    if package_of(module) in ALSO_RUNS_PROCESSES:
        assert not known & (ONLY_LLVM_KNOWS - {"subprocess"})


ALSO_RUNS_PROCESSES = {"corpus"}
"""Builds of other people's projects (git, configure, make) are its business; LLVM's tools are not."""


@by_name
def test_text_and_tensors_meet_in_data_and_in_solve_only(module: Path) -> None:
    known = {name.partition(".")[0] for name in imports(parsed(module))}
    if package_of(module) in TEXT_SIDE:
        assert not known & TENSORS
    if package_of(module) in TENSOR_SIDE:
        assert "ctypes" not in known


@by_name
def test_a_package_file_holds_a_docstring_and_nothing_else(module: Path) -> None:
    tree = parsed(module)
    assert ast.get_docstring(tree), f"{dotted(module)} does not say what it is for"
    if module.name == "__init__.py":
        assert len(tree.body) == 1


@by_name
def test_no_module_has_a_name_that_says_nothing(module: Path) -> None:
    assert NO_NAMES.isdisjoint(module.relative_to(ROOT / PACKAGE).with_suffix("").parts)


def top_level_imports(module: Path) -> set[str]:
    """Modules of ours that are imported when this one is: not in functions, not for type checkers."""
    names = {dotted(other) for other in MODULES}
    pending: list[ast.stmt] = list(parsed(module).body)
    found = set()
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {name for name in imports(node) if name in names}
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node.test):
            pending += [*node.body, *node.orelse]
        elif isinstance(node, ast.Try):
            pending += node.body
    return found


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {dotted(module): top_level_imports(module) - {dotted(module)} for module in MODULES}
    while graph:
        leaves = {name for name, needs in graph.items() if not needs & graph.keys()}
        assert leaves, f"import cycle among {sorted(graph)}"
        for leaf in leaves:
            del graph[leaf]


def test_bench_and_tests_do_not_reach_users() -> None:
    for module in MODULES:
        assert not any(name.split(".")[0] in ("tests", "bench") for name in imports(parsed(module)))


@pytest.mark.parametrize("name", ["cli.optimize", "cli.lift", "cli.emulate", "inference.asked", "inference.examine"])
def test_who_only_asks_models_needs_none_of_the_extras(name: str) -> None:
    absent = ("pyarrow", "rensa", "torch", "transformers", "safetensors", "onnx", "peft", "matplotlib", "capstone")
    program = (
        f"import sys, importlib\nfor name in {absent!r}:\n    sys.modules[name] = None\n"
        f"importlib.import_module('{PACKAGE}.{name}')\n"
        f"from {PACKAGE}.inference import embedded, lift, model, server, solve\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
