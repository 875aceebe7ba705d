"""Models in folders, opened and asked: small ones of random weights with the tokenizer that ships."""

# ruff: noqa: E402 - what is missing is found out before
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("onnx")

from llm_compiler.inference import model as module
from llm_compiler.inference.model import How, LocalModel, ModelError, PromptTooLongError, open_model
from llm_compiler.inference.torch_engine import Transformers
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.model.foreign import ForeignTokenizer, load_any
from llm_compiler.model.llama import Llama
from llm_compiler.model.shape import ABOUT, PRESETS
from llm_compiler.model.tokenizer import DEFAULT, Tokenizer
from llm_compiler.model.weights import save
from llm_compiler.tasks import flag_tuning
from llm_compiler.tasks.flag_tuning import Question
from tests.test_foreign import llama_like

CONTEXT = 256
IR = "define i32 @f(i32 %0) {\n  ret i32 %0\n}\n"
ASKED = flag_tuning.prompt(Question(IR), "compact")


def small_model(folder: Path, tokenizer: Path = DEFAULT, *, context: int = CONTEXT, rows: int = 0) -> Path:
    """The folder, with random weights and what training writes beside them; as many embeddings as there are ids, or
    `rows`."""
    known = load_any(tokenizer)
    shape = replace(PRESETS["tiny"], vocabulary=rows or known.vocabulary_size, context=context)
    with torch.device("meta"):
        sizes = {name: one.shape for name, one in Llama(shape).named_parameters()}
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.ones(size) if len(size) == 1 else 0.15 * torch.randn(size, generator=generator)
        for name, size in sizes.items()
    }
    about = {"format": 1, "llvm": "17.0.6", "dialect": "compact", "tokenizer": known.fingerprint, "stages": []}
    ids = {"bos": known.bos, "eos": known.eos, "pad": known.pad}
    save(folder, shape, tensors, tokenizer, "a model\n", ids=ids, longest=context, about=about)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("open") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> LocalModel:
    opened = open_model(str(folder), threads=1)
    assert isinstance(opened, LocalModel)
    return opened


def of_somebody_else(place: Path, rows: int = 0) -> LocalModel:
    """A model with another tokenizer, in a folder that says nothing about either."""
    place.mkdir(exist_ok=True)
    folder = small_model(place / "model", llama_like(place / "tokenizer"), rows=rows)
    (folder / ABOUT).unlink()
    opened = open_model(str(folder), threads=1)
    assert isinstance(opened, LocalModel)
    return opened


# -- asking


def test_a_folder_says_how_its_model_is_asked(model: LocalModel, folder: Path) -> None:
    assert (model.name, model.dialect, model.context) == (str(folder), "compact", CONTEXT)
    assert model.ids(ASKED)[0] == model.tokenizer.bos
    assert model.length(ASKED) == len(model.ids(ASKED)) > 10


def test_a_greedy_answer_is_that_of_transformers(folder: Path) -> None:
    model = open_model(str(folder), engine="torch")
    assert isinstance(model, LocalModel)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    ids = model.ids(ASKED)
    told = theirs.generate(torch.tensor([ids]), max_new_tokens=12, max_length=None, do_sample=False)
    (answer,) = model.write(ASKED, How(samples=3, tokens=12))
    assert answer.text == model.tokenizer.decode(told[0, len(ids) :].tolist())
    assert (answer.reason, answer.tokens) == ("length", 12)


def test_samples_differ_and_the_same_seed_gives_the_same(model: LocalModel) -> None:
    how = How(4, "sample", seed=3, tokens=8)
    first, again, others = (list(model.write(ASKED, one)) for one in (how, how, replace(how, seed=30)))
    texts = [one.text for one in first]
    assert len(set(texts)) == 4
    assert texts == [one.text for one in again]
    assert not {*texts} & {one.text for one in others}


def test_priority_gives_the_most_probable_first_and_none_twice(model: LocalModel) -> None:
    found = list(model.write(ASKED, How(6, "priority", tokens=8)))
    (greedy,) = model.write(ASKED, How(tokens=8))
    assert found[0].text == greedy.text
    assert found[0].logprob == pytest.approx(greedy.logprob)
    assert len({one.text for one in found}) == 6
    assert all(one.logprob is not None and one.logprob < 0 for one in found)
    assert all(one.seconds >= 0 and one.tokens == 8 for one in found)


@pytest.mark.parametrize("method", ["greedy", "sample", "priority"])
def test_even_random_weights_give_lists_that_may_be_proposed(
    model: LocalModel, vocabulary: Vocabulary, method: module.Method
) -> None:
    answers = list(model.write(ASKED, How(5, method, tokens=160), vocabulary))
    assert len(answers) == (1 if method == "greedy" else 5)
    for answer in answers:
        assert answer.text.startswith("opt -p '")
        if answer.reason == "stop":
            assert vocabulary.may_propose(flag_tuning.proposed(flag_tuning.parse(answer.text), vocabulary)) == ""
    assert any(answer.reason == "stop" for answer in answers) or method == "greedy"


def test_an_answer_without_a_limit_ends_with_the_context(model: LocalModel) -> None:
    (answer,) = model.write(ASKED, How())
    assert answer.reason in ("context", "end")
    assert answer.tokens + model.length(ASKED) == CONTEXT or answer.reason == "end"


def test_a_prompt_over_the_context_is_one_line(model: LocalModel) -> None:
    ir = "".join(f"define i32 @f{number}(i32 %0) {{\n  ret i32 %0\n}}\n" for number in range(50))
    long = flag_tuning.prompt(Question(ir), "compact")
    with pytest.raises(PromptTooLongError, match=r"^a prompt of [\d,]+ tokens is over the context of 256$"):
        list(model.write(long, How()))


def test_code_is_cut_so_that_an_answer_has_room_and_no_more(model: LocalModel) -> None:
    ir = "".join(f"define i32 @f{number}(i32 %0) {{\n  ret i32 %0\n}}\n" for number in range(50))
    long = flag_tuning.prompt(Question(ir), "compact")
    (start, (code, _), end) = model.cut(long, 96)
    assert (start, end) == (long[0], long[2])
    assert long[1][0].startswith(code) and len(code) > 100
    assert 150 <= model.length((start, (code, False), end)) <= CONTEXT - 96
    assert model.cut(ASKED, 96) == ASKED
    with pytest.raises(PromptTooLongError, match="no room for a prompt and 256 tokens in a context of 256"):
        model.cut(ASKED, CONTEXT)


def test_a_model_with_the_tokenizer_of_somebody_else_is_asked_in_metas_words_and_held_to_nothing(
    tmp_path: Path, vocabulary: Vocabulary
) -> None:
    foreign = of_somebody_else(tmp_path)
    assert isinstance(foreign.tokenizer, ForeignTokenizer)
    assert foreign.dialect == "verbatim"
    prompt = flag_tuning.prompt(Question(IR), "verbatim")
    how = How(2, "priority", tokens=10)
    held, free = (list(foreign.write(prompt, how, lists)) for lists in (vocabulary, None))
    assert [one.text for one in held] == [one.text for one in free]
    assert not held[0].text.startswith("opt")


def test_embeddings_that_no_token_has_stand_for_no_text(tmp_path: Path) -> None:
    """Some models have more of them than ids, so that their number is a round one."""
    wide = of_somebody_else(tmp_path, rows=9_000)
    answers = list(wide.write(ASKED, How(4, "sample", tokens=20)))
    assert [one.tokens for one in answers] == [20] * 4
    assert all(len(one.text) < 60 for one in answers)


def test_the_engine_may_be_chosen(folder: Path, model: LocalModel) -> None:
    other = open_model(str(folder), engine="torch")
    assert isinstance(other, LocalModel)
    assert isinstance(other.engine, Transformers)
    assert not isinstance(model.engine, Transformers)


# -- what is not there, or does not fit together


def message(name: str | None) -> str:
    """What opening it says: one line."""
    with pytest.raises(ModelError) as caught:
        open_model(name, threads=1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_name_it_is_the_model_that_ships(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "SHIPPED", folder)
    assert open_model(threads=1).name == "shipped"
    monkeypatch.setattr(module, "SHIPPED", tmp_path)
    assert message(None).startswith("no model ships with this version: train one with `llmc train`")


@pytest.mark.parametrize("name", ["nowhere", "./nowhere/at", "~/nowhere", "/nowhere/at/all", "a/b/c"])
def test_a_folder_that_is_not_there_is_said_to_be_none(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert message(name) == f"{name}: no such folder, and no model's id (as in facebook/llm-compiler-7b-ftd)"


def test_a_file_is_no_folder(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(folder.parent)
    assert "no such folder" in message(f"{folder.name}/config.json")


def test_a_model_that_is_not_in_the_cache_is_not_fetched(tmp_path: Path, monkeypatch: Any) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    name = "nobody/nothing-of-this-name"
    assert message(name) == f"{name} is neither a folder nor in the local cache; get it with: hf download {name}"
    assert "no-such--name" in message("what a/no-such--name")


def test_a_model_in_the_cache_is_opened_by_its_id(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    commit = "0" * 40
    place = tmp_path / "models--somebody--tiny"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit)
    (place / "snapshots").mkdir()
    (place / "snapshots" / commit).symlink_to(folder)
    opened = open_model("somebody/tiny", threads=1)
    assert (opened.name, opened.dialect) == ("somebody/tiny", "compact")


def shortened(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def with_another_tokenizer(folder: Path) -> None:
    Tokenizer.load().smaller(700).save(folder)


def with_a_larger_tokenizer(folder: Path) -> None:
    """A model of somebody else, whose embedding has fewer rows than its tokenizer ids."""
    (folder / ABOUT).unlink()
    small = small_model(folder.with_name("small"), rows=300)
    for name in ("config.json", "model.safetensors"):
        (small / name).replace(folder / name)


def with_a_folder_about_it(folder: Path) -> None:
    (folder / ABOUT).unlink()
    (folder / ABOUT).mkdir()


def about(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        (folder / ABOUT).write_text(json.dumps(change(json.loads((folder / ABOUT).read_text()))))

    return changed


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights cut off": (shortened, "damaged or cut short"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors"),
    "no configuration": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer in"),
    "another tokenizer": (with_another_tokenizer, "was trained with another tokenizer than lies beside it"),
    "a larger tokenizer": (with_a_larger_tokenizer, "they do not belong together"),
    "about: no JSON": (lambda folder: (folder / ABOUT).write_text("{"), f"{ABOUT}: Expecting property name"),
    "about: bytes": (lambda folder: (folder / ABOUT).write_bytes(b"\xff"), f"{ABOUT}: 'utf-8' codec"),
    "about: a folder": (with_a_folder_about_it, "Is a directory"),
    "about: a list": (about(lambda said: [said]), "not of this version of the program"),
    "about: a later format": (about(lambda said: said | {"format": 2}), "not of this version of the program"),
    "about: a dialect": (about(lambda said: said | {"dialect": "terse"}), "not of this version of the program"),
    "about: an odd dialect": (about(lambda said: said | {"dialect": []}), "not of this version of the program"),
    "about: no tokenizer": (about(lambda said: {**said, "tokenizer": None}), "was trained with another tokenizer"),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_what_is_damaged_or_does_not_fit_together_is_one_line(kind: str, tmp_path: Path) -> None:
    spoil, words = SPOILED[kind]
    folder = small_model(tmp_path / "model")
    spoil(folder)
    said = message(str(folder))
    assert words in said
    assert str(folder) in said


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    assert str(tmp_path) in message(str(tmp_path))
