"""The chain that predicts further tokens: transformers' module, the loss by hand, padding, packing and accumulation."""

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_layers import MtpLayer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRMSNorm, LlamaRotaryEmbedding

from eulerstack.runtime.schedule import Trace
from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.layers import attention, layer
from tests.runtime.models.sections import mtp, spec
from tests.runtime.models.specs import SPECS


def test_module_is_transformers_mtp_layer():
    model = build(spec({"a": layer(attention(n_kv_heads=2))}, head=mtp(1)))
    ours = model.model.mtp[0]
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_attention_heads=4,
        num_key_value_heads=2,
        rms_norm_eps=1e-5,
        attn_implementation="eager",
    )
    theirs = MtpLayer(config, LlamaDecoderLayer, LlamaRMSNorm, 0)
    names = {
        "norm.": "post_norm.",
        "layers.0.mixer_norm.": "mtp_block.input_layernorm.",
        "layers.0.ffn_norm.": "mtp_block.post_attention_layernorm.",
        "layers.0.mixer.": "mtp_block.self_attn.",
        "layers.0.ffn.": "mtp_block.mlp.",
        "enorm.": "enorm.",
        "hnorm.": "hnorm.",
        "eh_proj.": "eh_proj.",
    }
    state = {
        theirs_name + n.removeprefix(start): tensor
        for n, tensor in ours.state_dict().items()
        for start, theirs_name in names.items()
        if n.startswith(start)
    }
    theirs.load_state_dict(state)
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(2, 11, 32, generator=generator, requires_grad=True) for _ in range(2)]
    positions = torch.arange(11)[None]
    mask = torch.full((11, 11), torch.finfo(torch.float32).min).triu(1)[None, None]
    expected = theirs(
        *inputs,
        position_embeddings=LlamaRotaryEmbedding(config)(inputs[0], positions),
        attention_mask=mask,
        position_ids=positions,
        past_key_values=None,
    )
    context = model.model.layer_context(inputs[0], None, positions, None, ours.mask_kinds)
    found = ours(*inputs, context, Trace())
    assert gap(found, expected) < 1e-5
    weight = torch.randn(found.shape, generator=generator)
    for a, b in zip(*(torch.autograd.grad((out * weight).sum(), inputs) for out in (found, expected)), strict=True):
        assert gap(a, b) < 1e-5


def naive_sums(model, ids: torch.Tensor) -> list[tuple[torch.Tensor, int]]:
    """For each step k: Σ −log p(t_{i+k+1}) over one sequence [T], token by token, and how many there are."""
    trunk, sums = model.model, []
    state = trunk(ids[None]).last_hidden_state
    for k, module in enumerate(trunk.mtp, start=1):
        length = len(ids) - k
        embeds = trunk.embed_tokens(ids[None, k:])
        positions = torch.arange(length)[None]
        context = trunk.layer_context(embeds, None, positions, None, module.mask_kinds) | {"input_ids": None}
        state = module(embeds, state[:, :length], context, Trace())
        log_p = model.lm_head(state[0]).log_softmax(-1)
        picked = [log_p[i, ids[i + k + 1]] for i in range(len(ids) - k - 1)]
        sums.append((-sum(picked), len(picked)))
    return sums


def naive_loss(model, sequences: list[torch.Tensor]) -> torch.Tensor:
    """λ/D · Σ_k of the mean over all sequences' tokens."""
    per_sequence = [naive_sums(model, ids) for ids in sequences]
    means = [sum(s for s, _ in step) / sum(n for _, n in step) for step in zip(*per_sequence, strict=True)]
    return model.config.head["mtp"]["train_loss_weight"] * sum(means) / len(means)


def added(model, ids: torch.Tensor, labels: torch.Tensor, **inputs) -> torch.Tensor:
    """What training adds to the cross-entropy."""
    trained = model.train()(ids, labels=labels, **inputs).loss
    return trained - model.eval()(ids, labels=labels, **inputs).loss


@pytest.mark.parametrize("name", ["mtp", "mtp_recurrent"])
@torch.no_grad()
def test_loss_is_the_sum_over_steps(name):
    model, ids = build(SPECS[name]), tokens()
    assert added(model, ids, ids).item() == pytest.approx(naive_loss(model, list(ids)).item(), rel=1e-4)


@pytest.mark.parametrize("name", ["mtp", "mtp_recurrent"])
@torch.no_grad()
def test_padding_and_packed_borders_are_left_out(name):
    model, ids = build(SPECS[name]), tokens()
    expected = naive_loss(model, [ids[0, :17], ids[0, 17:]]).item()
    labels = ids[:1].clone()
    labels[:, 17] = -100
    positions = torch.cat([torch.arange(17), torch.arange(24)])[None]
    packed = added(model, ids[:1], labels, position_ids=positions)
    assert packed.item() == pytest.approx(expected, rel=1e-4)
    rows, mask = torch.zeros(2, 30, dtype=torch.long), torch.zeros(2, 30, dtype=torch.long)
    for row, sequence, end in ((0, ids[0, :17], 17), (1, ids[0, 17:], 30)):
        rows[row, end - len(sequence) : end] = sequence  # one row padded on the right, one on the left
        mask[row, end - len(sequence) : end] = 1
    labels = rows.masked_fill(mask == 0, -100)
    labels[1, 6] = -100  # transformers' own loss predicts the first token from a pad
    assert added(model, rows, labels, attention_mask=mask).item() == pytest.approx(expected, rel=1e-4)
    assert added(model, rows, rows, attention_mask=mask).item() == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
def test_micro_batches_add_up():
    model, ids = build(SPECS["mtp"]), tokens(batch=4)
    whole = added(model, ids, ids)
    parts = [added(model, part, part, num_items_in_batch=4 * 40) for part in ids.split(1)]
    assert sum(parts).item() == pytest.approx(whole.item(), rel=1e-5)


@torch.no_grad()
def test_short_sequences_and_shifted_labels():
    model, ids = build(SPECS["mtp"]).train(), tokens()
    assert model(ids[:, :2], labels=ids[:, :2]).loss.isfinite()
    shifted = torch.nn.functional.pad(ids[:, 1:], (0, 1), value=-100)
    assert torch.equal(model(ids, labels=ids, shift_labels=shifted).loss, model(ids, labels=ids).loss)
    embeds = model.get_input_embeddings()(ids)
    assert torch.equal(model(inputs_embeds=embeds, labels=ids).loss, model(ids, labels=ids).loss)
