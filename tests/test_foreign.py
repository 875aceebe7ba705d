"""Other people's tokenizers: a small one of Llama's kind and a small one of bytes, as Hugging Face folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from llm_compiler.data.examples import Encoder, load_tokenizer
from llm_compiler.data.recipe import RecipeError, TokenizerChoice
from llm_compiler.model.foreign import ForeignTokenizer, load_any
from llm_compiler.model.tokenizer import Tokenizer, TokenizerError
from llm_compiler.tasks.task import Example
from tests.conftest import EXAMPLES

SPECIALS = ["<unk>", "<s>", "</s>"]
HOSTILE = 'call void @puts("</s> <s> [INST] é \t")  ; \U0001f600\n  ret void\n'


def llama_like(folder: Path) -> Path:
    """`▁` for spaces and `<0x0A>` for rare bytes, as SentencePiece's are after transformers converted them."""
    byte_words = [f"<0x{byte:02X}>" for byte in range(256)]
    library = Library(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    library.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    library.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=SPECIALS + byte_words, max_token_length=12, show_progress=False
    )
    library.train_from_iterator(EXAMPLES[0].read_text().splitlines()[:200], trainer)
    library.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    document = json.loads(library.to_str())
    document["added_tokens"] = document["added_tokens"][: len(SPECIALS)]  # bytes are ordinary tokens
    return written(folder, document)


def of_bytes(folder: Path) -> Path:
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    library.train_from_iterator(EXAMPLES[0].read_text().splitlines()[:200], trainer)
    return written(folder, json.loads(library.to_str()))


def written(folder: Path, document: object) -> Path:
    folder.mkdir()
    (folder / "tokenizer.json").write_text(json.dumps(document))
    flags = dict.fromkeys(("lstrip", "rstrip", "single_word", "normalized"), False)
    bos = {"__type": "AddedToken", "content": "<s>", **flags}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": bos, "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module", params=[llama_like, of_bytes])
def folder(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("foreign") / "model")


@pytest.fixture(scope="module")
def foreign(folder):
    return ForeignTokenizer(folder)


def test_a_folder_says_which_tokenizer_it_holds(folder, tmp_path):
    Tokenizer.load().save(tmp_path)
    assert isinstance(load_any(folder), ForeignTokenizer)
    assert isinstance(load_any(tmp_path), Tokenizer)


@pytest.mark.parametrize("text", ["", " ", "x", "  %12 = add i32 %0, 7\n", EXAMPLES[1].read_text()[:3000]])
def test_ids_are_those_of_transformers(folder, foreign, text):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    assert foreign.encode(text) == theirs(text, add_special_tokens=False)["input_ids"]
    prompt = f"[INST] {text} </s><code>{text}</code> [/INST]"
    assert foreign.encode_pieces([(prompt, True)]) == theirs(prompt, add_special_tokens=False)["input_ids"]
    assert (foreign.bos, foreign.eos) == (theirs.bos_token_id, theirs.eos_token_id)
    assert foreign.vocabulary_size == len(theirs)


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="▁")))
def test_no_text_is_lost(foreign, text):
    ids = foreign.encode(text)
    assert foreign.decode(ids) == text
    assert b"".join(foreign.decode_bytes([number]) for number in ids) == foreign.decode_bytes(ids)
    assert foreign.decode([foreign.bos, *ids, foreign.eos]) == text


def test_special_tokens_count_in_templates_and_are_text_in_code(foreign):
    code = foreign.encode(HOSTILE)
    assert not {foreign.bos, foreign.eos} & {*code}
    assert foreign.decode(code) == HOSTILE
    assert foreign.eos in foreign.encode_pieces([("one </s>", True), ("two", False)])
    assert foreign.encode_pieces([("one </s>", True), (HOSTILE, False)]) == foreign.encode(f"one </s>{HOSTILE}")
    assert foreign.encode_pieces([("int ", True), ("main(", False)]) == foreign.encode("int main(")


def test_bytes_that_are_no_text_are_replaced(foreign):
    assert foreign.decode(foreign.encode(b"a\xffb".decode(errors="surrogateescape"))) == "a�b"
    with pytest.raises(UnicodeEncodeError):
        foreign.encode("\ud800")
    with pytest.raises(ValueError, match="no token has the id 100000"):
        foreign.decode_bytes([100000])


def test_what_is_saved_is_the_same_tokenizer(folder, foreign, tmp_path):
    foreign.save(tmp_path / "saved")
    again = ForeignTokenizer(tmp_path / "saved")
    assert again.fingerprint == foreign.fingerprint
    assert again.encode(HOSTILE) == foreign.encode(HOSTILE)
    assert (again.bos, again.eos, again.pad) == (foreign.bos, foreign.eos, foreign.eos)


def test_roles_that_the_model_alone_names_are_kept(folder, foreign, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": 0}))
    found = ForeignTokenizer(tmp_path)
    found.save(tmp_path / "saved")
    again = ForeignTokenizer(tmp_path / "saved")
    assert (again.bos, again.eos, again.pad) == (found.bos, found.eos, found.pad) == (1, 2, 0)
    assert again.fingerprint == found.fingerprint != foreign.fingerprint  # another id fills up


def test_data_is_built_with_it(folder, foreign):
    tokenizer = load_tokenizer(TokenizerChoice(str(folder)))
    assert tokenizer.fingerprint == foreign.fingerprint
    text = EXAMPLES[1].read_text()[:2000]
    example = Example("t", 1, "s", "compact", "u", "p", "train", (), ((text, False),), "{}")
    pieces = list(Encoder(tokenizer, 128).documents(example))
    assert len(pieces) > 1
    tokens = [
        int.from_bytes(one.tokens[at : at + 2], "little") for one in pieces for at in range(0, len(one.tokens), 2)
    ]
    assert foreign.decode(tokens) == text


def test_a_vocabulary_of_somebody_else_is_not_cut(folder):
    with pytest.raises(RecipeError, match="foreign tokenizer, used as it is"):
        load_tokenizer(TokenizerChoice(str(folder), 400))


def test_what_is_no_tokenizer_is_one_line(folder, tmp_path):
    with pytest.raises(TokenizerError, match=r"no tokenizer in .*it has no tokenizer\.json$"):
        load_any(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"x")
    with pytest.raises(TokenizerError, match=r"tokenizer\.model alone is not enough"):
        load_any(tmp_path)
    for content in ("{", "[]", '{"model": {}}'):
        (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(TokenizerError, match=r"not a tokenizer \("):
            load_any(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    with pytest.raises(TokenizerError, match=r"neither tokenizer_config\.json nor config\.json names a bos token"):
        load_any(tmp_path)
