"""Fine-tuning a tiny model on a handful of examples: what it learns, what it leaves alone, and what others load."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from llm_compiler.data.folder import DataError  # noqa: E402
from llm_compiler.data.pairs import encoded, read_pairs, write_rows  # noqa: E402
from llm_compiler.data.rows import Rows  # noqa: E402
from llm_compiler.model.foreign import AnyTokenizer, load_any  # noqa: E402
from llm_compiler.model.llama import Llama  # noqa: E402
from llm_compiler.model.shape import PRESETS  # noqa: E402
from llm_compiler.model.tokenizer import Tokenizer  # noqa: E402
from llm_compiler.model.weights import Weights, save  # noqa: E402
from llm_compiler.training.finetune import Options, Tuned, finetune  # noqa: E402
from llm_compiler.training.world import TrainingError, world  # noqa: E402
from tests.test_foreign import llama_like  # noqa: E402

torch.set_num_threads(1)
TRAINING = replace(Options().training, batch_tokens=256, precision="fp32", validations=4)
LORA = Options(lora=4, learning_rate=1e-2, heldout=0.3, training=TRAINING)
FULL = replace(LORA, lora=0, learning_rate=3e-3)


def model(folder: Path, tokenizer: AnyTokenizer) -> Path:
    """A model of random weights with this tokenizer, in float32."""
    shape = replace(PRESETS["tiny"], vocabulary=tokenizer.vocabulary_size, context=128)
    with torch.device("meta"):
        sizes = {name: one.shape for name, one in Llama(shape).named_parameters()}
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.ones(size) if len(size) == 1 else 0.1 * torch.randn(size, generator=generator)
        for name, size in sizes.items()
    }
    tokenizer.save(folder.with_name("tokenizer"))
    ids = {"bos": tokenizer.bos, "eos": tokenizer.eos, "pad": tokenizer.pad}
    save(folder, shape, tensors, folder.with_name("tokenizer"), "a model\n", ids=ids, longest=128)
    return folder


def write_pairs(path: Path, count: int, answer=lambda number: "abcd"[number % 4] * 2) -> Path:
    pairs = [
        {"prompt": f"[INST] {number} <code>{'wxyz'[number % 4]}</code> [/INST]", "answer": answer(number)}
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return path


@pytest.fixture(scope="module")
def here():
    with world() as here:
        yield here


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return model(tmp_path_factory.mktemp("start") / "model", Tokenizer.load().smaller(400))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs") / "pairs.jsonl", 40)


@pytest.fixture(scope="module")
def adapted(start, pairs, here, tmp_path_factory):
    """A folder with an adapter that was trained."""
    out = tmp_path_factory.mktemp("adapted") / "out"
    return out, finetune(start, pairs, out, here, LORA)


def theirs(folder: Path):
    transformers = pytest.importorskip("transformers")
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def heldout_loss(network, start: Path, pairs: Path) -> float:
    """In nats per learnt token, one example after the other."""
    total, count = 0.0, 0
    for one in encoded(read_pairs(pairs), load_any(start), LORA.heldout):
        if one.heldout:
            with torch.no_grad():
                logits = network(torch.tensor([one.ids])).logits[0].log_softmax(-1)
            total -= sum(float(logits[at - 1, one.ids[at]]) for at in range(one.answer, len(one.ids)))
            count += len(one.ids) - one.answer
    return total / count


# -- what comes out


def test_a_handful_of_examples_is_learnt_by_heart(start, here, tmp_path):
    pairs = write_pairs(tmp_path / "pairs.jsonl", 8, answer=lambda number: f"{number * number} apples")
    options = replace(FULL, heldout=0.0, training=replace(TRAINING, epochs=60))
    tuned = finetune(start, pairs, tmp_path / "out", here, options)
    assert (tuned.examples, tuned.heldout, tuned.too_long) == (8, 0, 0)
    network, tokenizer = theirs(tmp_path / "out" / "model"), load_any(tmp_path / "out" / "model")
    for pair in read_pairs(pairs):
        prompt = [tokenizer.bos, *tokenizer.encode_pieces([(pair.prompt, True)])]
        answer = network.generate(torch.tensor([prompt]), max_new_tokens=16)[0, len(prompt) :].tolist()
        assert answer[-1] == tokenizer.eos
        assert tokenizer.decode(answer) == pair.answer


@pytest.mark.parametrize("options", [LORA, FULL], ids=["lora", "full"])
def test_held_out_loss_falls_and_is_that_of_the_model_in_transformers(start, pairs, here, tmp_path, options):
    tuned = finetune(start, pairs, tmp_path / "out", here, options)
    assert tuned.summary.first["heldout"] == pytest.approx(heldout_loss(theirs(start), start, pairs), abs=1e-4)
    assert tuned.summary.best < tuned.summary.first["heldout"] - 0.5
    assert heldout_loss(theirs(tmp_path / "out" / "model"), start, pairs) == pytest.approx(tuned.summary.best, abs=1e-4)
    assert tuned.heldout / tuned.examples == pytest.approx(LORA.heldout, abs=0.2)


def test_the_weights_are_those_of_the_best_step(start, here, tmp_path):
    # Nothing can be learnt of these but by heart.
    pairs = write_pairs(tmp_path / "pairs.jsonl", 40, answer=lambda number: "abcdefgh"[number * number * 7 % 11 % 8])
    options = replace(FULL, training=replace(TRAINING, epochs=40, validations=16))
    tuned = finetune(start, pairs, tmp_path / "out", here, options)
    assert tuned.summary.best_step < tuned.summary.steps
    assert tuned.summary.last["heldout"] > tuned.summary.best + 0.1
    assert heldout_loss(theirs(tmp_path / "out" / "model"), start, pairs) == pytest.approx(tuned.summary.best, abs=1e-4)


def test_lora_changes_the_layers_matrices_by_a_product_of_its_rank_and_nothing_else(start, adapted):
    before, after = Weights(start), Weights(adapted[0] / "model")
    for name in before._names:
        change = after(name) - before(name)
        if "_proj" in name:
            assert 1 <= torch.linalg.matrix_rank(change, rtol=1e-3) <= LORA.lora
        else:
            assert not change.any()


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # of peft, with transformers 5
def test_peft_puts_the_adapter_on_and_the_merged_model_is_the_same(start, adapted):
    peft = pytest.importorskip("peft")
    tokens = torch.tensor([list(range(30, 90))])
    base = theirs(start)
    with torch.no_grad():
        plain = base(tokens).logits
        beside = peft.PeftModel.from_pretrained(base, adapted[0] / "adapter").eval()(tokens).logits
        merged = theirs(adapted[0] / "model")(tokens).logits
    assert torch.allclose(beside, merged, atol=1e-4)
    assert (plain - merged).abs().max() > 0.1


def test_an_adapter_is_small_and_counted(adapted):
    out, tuned = adapted
    shape = PRESETS["tiny"]
    kv = shape.kv_heads * shape.head_size
    sides = [2 * (2 * shape.hidden), 2 * (shape.hidden + kv), 3 * (shape.hidden + shape.intermediate)]
    assert tuned.trained == LORA.lora * shape.layers * sum(sides)
    assert (out / "adapter" / "adapter_model.safetensors").stat().st_size < 4 * tuned.trained + 4_096
    assert "LoRA adapter of rank 4" in (out / "model" / "README.md").read_text()


def test_a_model_with_a_tokenizer_of_its_own(here, pairs, tmp_path):
    start = model(tmp_path / "model", load_any(llama_like(tmp_path / "foreign")))
    tuned = finetune(start, pairs, tmp_path / "out", here, LORA)
    assert tuned.summary.best < tuned.summary.first["heldout"]
    assert load_any(tmp_path / "out" / "model").fingerprint == load_any(start).fingerprint
    assert heldout_loss(theirs(tmp_path / "out" / "model"), start, pairs) == pytest.approx(tuned.summary.best, abs=1e-4)


def test_computing_in_bf16_leaves_what_is_frozen_as_exact_as_it_came(start, pairs, here, tmp_path):
    options = replace(LORA, training=replace(TRAINING, precision="bf16"))
    tuned = finetune(start, pairs, tmp_path / "out", here, options)
    assert tuned.summary.best < tuned.summary.first["heldout"] - 0.5
    name = "model.embed_tokens.weight"
    assert torch.equal(Weights(tmp_path / "out" / "model")(name), Weights(start)(name))
    assert heldout_loss(theirs(tmp_path / "out" / "model"), start, pairs) == pytest.approx(tuned.summary.best, abs=0.05)


# -- going on


@pytest.mark.parametrize("options", [LORA, FULL], ids=["lora", "full"])
def test_stopped_and_gone_on_is_as_if_never_stopped(start, pairs, here, tmp_path, options):
    whole = finetune(start, pairs, tmp_path / "whole", here, options)
    asked = 0

    def should_stop():
        nonlocal asked
        asked += 1
        return asked == 4

    assert finetune(start, pairs, tmp_path / "parts", here, options, should_stop=should_stop) is None
    parts = finetune(start, pairs, tmp_path / "parts", here, options)
    assert (parts.summary.steps, parts.summary.best) == (whole.summary.steps, whole.summary.best)
    one, other = (Weights(tmp_path / name / "model") for name in ("whole", "parts"))
    assert all(torch.equal(one(name), other(name)) for name in one._names)


def test_what_is_done_is_not_done_again(start, pairs, here, adapted):
    out, tuned = adapted
    written = (out / "model" / "model.safetensors").stat().st_mtime_ns
    again = finetune(start, pairs, out, here, LORA)
    assert isinstance(again, Tuned)
    assert again == tuned
    assert (out / "model" / "model.safetensors").stat().st_mtime_ns == written


def test_a_folder_of_another_run_is_left_alone(start, pairs, here, adapted):
    with pytest.raises(TrainingError, match=r"holds another run \(lora, training differ\)"):
        finetune(start, pairs, adapted[0], here, FULL)


# -- examples


def test_rows_hold_each_example_from_bos_to_eos(start, pairs, tmp_path):
    tokenizer = load_any(start)
    examples = list(encoded(read_pairs(pairs), tokenizer, 0.3))
    write_rows(tmp_path / "rows", examples, tokenizer, 64)
    rows = Rows(tmp_path / "rows", tokenizer.fingerprint)
    batch, found = rows.batch(range(len(rows))), {}
    for number in range(len(rows)):
        for span in rows.spans(number):
            found[span.line] = (batch.tokens[number, span.start : span.end].tolist(), span.answer - span.start)
    assert found == {one.line: (one.ids, one.answer) for one in examples}
    for one, pair in zip(examples, read_pairs(pairs), strict=True):
        assert (one.ids[0], one.ids[-1]) == (tokenizer.bos, tokenizer.eos)
        assert tokenizer.decode(one.ids[one.answer :]) == pair.answer
        assert tokenizer.special("[/INST]") == one.ids[one.answer - 1]  # tags count
    assert rows.manifest["learnt"] == int(batch.mask.sum())


def test_two_examples_of_one_prompt_are_on_one_side_in_any_file(start, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("".join(json.dumps({"prompt": f"p{n % 50}", "answer": f"{n}"}) + "\n" for n in range(100)))
    second.write_text("".join(json.dumps({"prompt": f"p{n}", "answer": "x"}) + "\n\n" for n in range(49, -1, -1)))
    tokenizer = load_any(start)
    sides = {}
    for path in (first, second):
        pairs = read_pairs(path)
        for pair, one in zip(pairs, encoded(pairs, tokenizer, 0.3), strict=True):
            assert sides.setdefault(pair.prompt, one.heldout) == one.heldout
    assert 5 < sum(sides.values()) < 25


def test_an_empty_prompt_is_a_text_of_which_all_is_learnt(start, tmp_path):
    (tmp_path / "text").write_text('{"prompt": "", "answer": "define i32"}')
    (one,) = encoded(read_pairs(tmp_path / "text"), load_any(start), 0.0)
    assert one.answer == 1


def test_examples_that_are_too_long_are_counted(start, here, tmp_path):
    pairs = write_pairs(tmp_path / "pairs.jsonl", 12, answer=lambda number: "1 2 3 " * (40 if number == 5 else 1))
    options = replace(LORA, context=64, training=replace(TRAINING, epochs=1))
    tuned = finetune(start, pairs, tmp_path / "out", here, options)
    assert (tuned.examples, tuned.too_long, tuned.context) == (11, 1, 64)
    with pytest.raises(DataError, match=r"nothing to train on: all 12 examples are longer than 8 tokens, the shortest"):
        finetune(start, pairs, tmp_path / "other", here, replace(options, context=8))


def test_a_context_beyond_the_models(start, pairs, here, tmp_path):
    with pytest.raises(TrainingError, match="a context of 129 is beyond the model's 128"):
        finetune(start, pairs, tmp_path / "out", here, replace(LORA, context=129))
