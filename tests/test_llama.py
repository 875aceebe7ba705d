"""Our Llama against transformers', and what packing and slices must not change."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from llm_compiler.model import llama  # noqa: E402
from llm_compiler.model.llama import Llama, packed  # noqa: E402
from llm_compiler.model.shape import Shape, to_config  # noqa: E402

SHAPE = Shape(300, 64, 96, 2, 4, 2, context=128)
torch.set_num_threads(1)


def pair(shape=SHAPE, **options):
    """A model of transformers', and ours with its weights."""
    torch.manual_seed(0)
    config = to_config(shape, bos=1, eos=2, pad=0, dtype="float32")
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config)).float()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(0, 0.1)
    ours = Llama(shape, **options)
    state = {name: tensor for name, tensor in theirs.state_dict().items() if not (shape.tied and "lm_head" in name)}
    ours.load_state_dict(state)
    return theirs, ours


def batch(*lengths, rows=1, seed=0):
    """Tokens and positions of rows, each of documents of these lengths."""
    generator = torch.Generator().manual_seed(seed)
    positions = torch.cat([torch.arange(length) for length in lengths]).repeat(rows, 1)
    return torch.randint(0, SHAPE.vocabulary, positions.shape, generator=generator), positions


@pytest.mark.parametrize("shape", [SHAPE, Shape(300, 64, 96, 2, 4, 4, tied=False)], ids=["grouped, tied", "untied"])
def test_logits_and_gradients_are_those_of_transformers(shape):
    theirs, ours = pair(shape)
    tokens, positions = batch(50)
    expected = theirs(tokens, use_cache=False).logits[0]
    assert torch.allclose(ours.logits(packed(tokens, positions)), expected, atol=1e-4)
    loss = torch.nn.functional.cross_entropy(expected[:-1], tokens[0, 1:], reduction="sum")
    total, each = ours(packed(tokens, positions))
    assert len(each) == 49
    assert total.item() == pytest.approx(loss.item(), rel=1e-5)
    loss.backward()
    total.backward()
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert torch.allclose(parameter.grad, gradients[name].grad, rtol=1e-3, atol=1e-3), name


@given(st.lists(st.integers(2, 20), min_size=1, max_size=5), st.integers(0, 10**6))
def test_a_document_in_a_row_is_read_as_if_it_were_alone(lengths, seed):
    _, model = pair()
    tokens, positions = batch(*lengths, seed=seed)
    together = model.logits(packed(tokens, positions))
    start = 0
    for length in lengths:
        alone = packed(tokens[:, start : start + length], torch.arange(length)[None])
        assert torch.allclose(together[start : start + length], model.logits(alone), atol=1e-4)
        start += length


def test_the_loss_of_packed_rows_is_the_sum_of_the_losses_of_one_document_a_row():
    _, model = pair()
    tokens, positions = batch(9, 30, 25, rows=2)
    total, each = model(packed(tokens, positions))
    parts = [
        model(packed(row[None, start:end], torch.arange(end - start)[None]))
        for row in tokens
        for start, end in ((0, 9), (9, 39), (39, 64))
    ]
    assert total.item() == pytest.approx(sum(one.item() for one, _ in parts), rel=1e-5)
    assert torch.allclose(each, torch.cat([one for _, one in parts]), atol=1e-4)


def test_only_what_is_learnt_counts_and_what_is_not_still_is_read():
    _, model = pair()
    tokens, positions = batch(40)
    counts = torch.zeros_like(positions, dtype=torch.bool)
    counts[0, 30:40] = True
    total, each = model(packed(tokens, positions, counts))
    _, every = model(packed(tokens, positions))
    assert torch.allclose(each, every[29:], atol=1e-5)
    assert total.item() == pytest.approx(every[29:].sum().item(), rel=1e-5)
    tokens[0, 3] = (tokens[0, 3] + 1) % SHAPE.vocabulary
    assert not torch.allclose(model(packed(tokens, positions, counts))[1], each, atol=1e-5)


def test_rows_of_which_nothing_is_learnt_give_no_loss_and_no_gradient():
    _, model = pair()
    tokens, positions = batch(20)
    total, each = model(packed(tokens, positions, torch.zeros_like(positions, dtype=torch.bool)))
    total.backward()
    assert total.item() == 0
    assert len(each) == 0
    assert all(not parameter.grad.any() for parameter in model.parameters())


def test_neither_slices_of_logits_nor_computing_again_change_loss_or_gradient(monkeypatch):
    found = []
    for slice_, recompute in ((2048, False), (7, False), (2048, True)):
        monkeypatch.setattr(llama, "_SLICE", slice_)
        _, model = pair(recompute=recompute)
        total, _ = model(packed(*batch(20, 30)))
        total.backward()
        found.append([total.detach(), *(parameter.grad for parameter in model.parameters())])
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            assert torch.allclose(one, same, rtol=1e-4, atol=1e-5)


def test_weights_say_how_much_a_loss_counts_and_leave_the_losses_that_are_told_as_they_are():
    _, model = pair()
    tokens, positions = batch(9, 30, 25)
    weights = torch.rand(positions.shape, generator=torch.Generator().manual_seed(1))
    weighed = packed(tokens, positions, weights=weights)
    total, each = model(weighed)
    total.backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    logits = model.logits(weighed)[weighed.learnt - 1]
    losses = torch.nn.functional.cross_entropy(logits, weighed.tokens[weighed.learnt], reduction="none")
    (losses @ weights.flatten()[weighed.learnt]).backward()
    assert torch.allclose(each, losses, atol=1e-4)
    for name, parameter in model.named_parameters():
        assert torch.allclose(found[name], parameter.grad, rtol=1e-3, atol=1e-3), name


def test_in_bfloat16_it_is_as_near_to_float32_as_transformers_is():
    theirs, ours = pair()
    tokens, positions = batch(64)
    exact = theirs(tokens, use_cache=False).logits[0]
    half = theirs.bfloat16()(tokens, use_cache=False).logits[0].float()
    mine = ours.bfloat16().logits(packed(tokens, positions)).float()
    assert (mine - exact).abs().mean() <= 1.5 * (half - exact).abs().mean()


def test_the_bounds_of_documents_come_in_few_lengths():
    lengths = {len(packed(*batch(*[4] * count)).where.bounds) for count in range(1, 60)}
    assert lengths <= {2, 4, 8, 16, 32, 64, 128}
    where = packed(*batch(3, 5, 4, rows=2)).where
    assert where.lengths == [3, 5, 4, 3, 5, 4]
    assert where.bounds.tolist()[:7] == [0, 3, 8, 12, 15, 20, 24]
    assert where.longest == 12
