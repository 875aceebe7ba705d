from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from llm_compiler.llvm import vocabulary as vocabularies
from llm_compiler.llvm.library import LLVMError
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.toolchain import Toolchain, find
from tests.conftest import ROOT

SHIPPED = ROOT / "llm_compiler" / "llvm" / "data" / "vocabulary-17.0.6.json"
REGENERATE = (
    'python -c "from pathlib import Path; from llm_compiler.llvm import vocabulary as v, toolchain as t; '
    f"Path('{SHIPPED.relative_to(ROOT)}').write_text(v.dump(v.discover(t.find().library)))\""
)


@pytest.mark.slow
def test_the_shipped_vocabulary_is_what_the_library_answers_to(toolchain: Toolchain) -> None:
    found = vocabularies.dump(vocabularies.discover(toolchain.library))
    assert found == SHIPPED.read_text(), f"libLLVM has other passes than the data file; regenerate it: {REGENERATE}"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("globaldce", "module"),
        ("inline", "cgscc"),
        ("sroa", "function"),
        ("loop-rotate", "loop"),
        ("licm", "loop-mssa"),
        ("default<Oz>", "module"),
        ("lto<O2>", "module"),
    ],
)
def test_levels_are_llvms(vocabulary: Vocabulary, name: str, level: str) -> None:
    assert vocabulary.passes[name].level == level


def test_parameters_are_those_that_llvm_takes(vocabulary: Vocabulary) -> None:
    assert vocabulary.passes["early-cse"].parameters == ("memssa",)
    assert {"keep-loops", "no-keep-loops", "bonus-inst-threshold=1"} <= set(vocabulary.passes["simplifycfg"].parameters)
    assert vocabulary.passes["mem2reg"].parameters == ()


def test_a_spelling_with_a_parameter_can_be_a_pass_of_its_own(vocabulary: Vocabulary) -> None:
    assert vocabulary.passes["early-cse<memssa>"].level == vocabulary.passes["early-cse"].level == "function"


@pytest.mark.slow
def test_the_vocabulary_of_another_llvm_is_asked_for_once_and_kept(
    toolchain: Toolchain, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    other = dataclasses.replace(toolchain, origin="/elsewhere")
    asked = vocabularies.vocabulary(other)
    assert asked.passes == vocabulary.passes
    (kept,) = (tmp_path / "llm-compiler").iterdir()
    assert other.version in kept.name
    stamp = kept.stat().st_mtime_ns
    assert vocabularies.vocabulary(other).passes == asked.passes
    assert kept.stat().st_mtime_ns == stamp, "asked again"
    kept.write_text("damaged")
    assert vocabularies.vocabulary(other).passes == asked.passes
    assert kept.read_text() != "damaged"


def test_another_version_of_llvm_has_a_vocabulary_of_its_own(system_llvm: str, vocabulary: Vocabulary) -> None:
    other = find(system_llvm)
    asked = vocabularies.vocabulary(other)
    assert asked.version == other.version
    assert set(asked.passes) != set(vocabulary.passes)
    assert asked.passes["sroa"].propose
    assert max(len(known.parameters) for known in asked.passes.values()) < 100


def test_a_library_that_cannot_be_used_is_named(toolchain: Toolchain, tmp_path: Path) -> None:
    broken = tmp_path / "libLLVM-18.so"
    broken.write_bytes(b"not a library")
    with pytest.raises(LLVMError, match=f"cannot use {broken}"):
        vocabularies.vocabulary(dataclasses.replace(toolchain, version="18.1.8", library=broken, origin="elsewhere"))
