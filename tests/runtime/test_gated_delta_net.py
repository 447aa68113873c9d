"""Gated DeltaNet against transformers' Qwen 3.5 and against its paper's definition; its forms against each other."""

import pytest
import torch
from transformers import Qwen3_5TextConfig
from transformers.models.qwen3_5.modeling_qwen3_5 import Qwen3_5GatedDeltaNet
from transformers.models.qwen3_next.modeling_qwen3_next import (
    torch_chunk_gated_delta_rule,
    torch_recurrent_gated_delta_rule,
)

from eulerstack.runtime import gated_delta_net
from eulerstack.runtime.gated_delta_net import GatedDeltaNet, gated_delta_rule
from tests.reference import gated_delta_net as reference
from tests.runtime.models.building import build, gap, randomise, tokens
from tests.runtime.models.layers import delta, layer
from tests.runtime.models.sections import spec
from tests.runtime.models.specs import SPECS

EPS = 1e-5
M = 16
VARIANTS = {
    "one_to_one": {"n_heads": 2, "n_value_heads": 2, "d_key": 4, "d_value": 6, "d_conv": 4, "chunk_size": 5},
    "shared_keys": {"n_heads": 2, "n_value_heads": 6, "d_key": 5, "d_value": 3, "d_conv": 2, "chunk_size": 64},
}


def mixer(name: str) -> GatedDeltaNet:
    """A mixer of width 16, every parameter random."""
    made = GatedDeltaNet(None, {"d_model": M, "norm": {"eps": EPS}, "mixer": {"gated_deltanet": VARIANTS[name]}}, 0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
    return randomise(made)


def original(name: str) -> Qwen3_5GatedDeltaNet:
    """transformers' mixer of the same sizes."""
    keys = VARIANTS[name]
    config = Qwen3_5TextConfig(
        hidden_size=M, num_hidden_layers=1, layer_types=["linear_attention"], rms_norm_eps=EPS,
        linear_num_key_heads=keys["n_heads"], linear_num_value_heads=keys["n_value_heads"],
        linear_key_head_dim=keys["d_key"], linear_value_head_dim=keys["d_value"],
        linear_conv_kernel_dim=keys["d_conv"],
    )  # fmt: skip
    return Qwen3_5GatedDeltaNet(config, layer_idx=0)


def draw(*shape: int, seed: int = 3, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("name", VARIANTS)
def test_forward_and_gradient_are_transformers(name):
    ours, theirs, x = mixer(name), original(name), draw(2, 23, M).requires_grad_()
    theirs.load_state_dict(ours.state_dict())
    mine, other, pull = ours(x)[0], theirs(x), draw(2, 23, M, seed=4)
    assert gap(mine, other) < 1e-5
    names, parameters = zip(*ours.named_parameters(), strict=True)
    expected = dict(theirs.named_parameters())
    grads = torch.autograd.grad((mine * pull).sum(), (x, *parameters))
    others = torch.autograd.grad((other * pull).sum(), (x, *(expected[n] for n in names)))
    assert all(gap(a, b) < 1e-5 for a, b in zip(grads, others, strict=True))


@pytest.mark.parametrize("name", VARIANTS)
def test_forward_and_gradient_are_the_papers(name):
    ours, x = mixer(name).double(), draw(1, 11, M, dtype=torch.float64)
    weights = dict(ours.named_parameters())
    expected = reference.gated_delta_net(weights, x[0], VARIANTS[name]["n_heads"], EPS)
    mine, pull = ours(x)[0][0], draw(11, M, seed=4, dtype=torch.float64)
    assert gap(mine, expected) < 1e-12
    parameters = list(ours.parameters())
    grads, others = (torch.autograd.grad((y * pull).sum(), parameters) for y in (mine, expected))
    assert all(gap(a, b) < 1e-11 for a, b in zip(grads, others, strict=True))


def inputs(length: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    """q, k, v, log α, β of 2 key and 4 value heads, and a state to begin with."""
    drawn = [
        draw(2, length, 2, 5, seed=1, dtype=dtype),
        draw(2, length, 2, 5, seed=2, dtype=dtype),
        draw(2, length, 4, 6, seed=3, dtype=dtype),
        -draw(2, length, 4, seed=4, dtype=dtype).exp(),
        draw(2, length, 4, seed=5, dtype=dtype).sigmoid(),
        draw(2, 4, 5, 6, seed=6, dtype=dtype),
    ]
    return [tensor.requires_grad_() for tensor in drawn]


@pytest.mark.parametrize("length", [1, 5, 12, 13])
def test_chunks_of_any_size_are_the_recurrence(length):
    *drawn, state = given = inputs(length)
    results = []
    for size in (1, 4, 6, 64):
        o, last = gated_delta_rule(*drawn, size, state)
        results.append((o, last, *torch.autograd.grad(o.square().sum() + last.sum(), given)))
    after, outputs = state, []
    for t in range(length):
        o, after = gated_delta_rule(*(tensor[:, t : t + 1] for tensor in drawn), 64, after)
        outputs.append(o)
    o = torch.cat(outputs, dim=1)
    results.append((o, after, *torch.autograd.grad(o.square().sum() + after.sum(), given)))
    for other in results[1:]:
        assert all(gap(a, b) < 1e-12 for a, b in zip(other, results[0], strict=True))


@pytest.mark.parametrize("theirs", [torch_chunk_gated_delta_rule, torch_recurrent_gated_delta_rule])
def test_the_rule_is_transformers(theirs):
    *drawn, state = inputs(70, torch.float32)
    query, key, value, log_decay, beta = drawn
    mine = gated_delta_rule(*drawn, 16, state)
    other = theirs(
        query, key, value, g=log_decay, beta=beta, initial_state=state, output_final_state=True,
        use_qk_l2norm_in_kernel=True,
    )  # fmt: skip
    assert all(gap(a, b) < 1e-5 for a, b in zip(mine, other, strict=True))


@pytest.mark.parametrize("log_decay", [0.0, -1e-30, -300.0])
def test_no_decay_overflows(log_decay):
    query, key, value, _, beta, state = inputs(20)
    decays = torch.full((2, 20, 4), log_decay, dtype=torch.float64, requires_grad=True)
    o, last = gated_delta_rule(query, key, value, decays, beta, 8, state)
    grads = torch.autograd.grad(o.sum() + last.sum(), (query, key, value, decays, beta, state))
    assert all(tensor.isfinite().all() for tensor in (o, last, *grads))


def test_the_kernel_is_called_as_its_package_wants(monkeypatch):
    """transformers' torch form, which has its signature, stands in for it."""
    assert gated_delta_net.delta_rule_kernel is None
    model, ids = build(SPECS["delta_shared_keys"]), tokens()
    with torch.no_grad():
        expected, called = model(ids).logits, []

        def kernel(*args, **kwargs):
            called.append(kwargs)
            return torch_chunk_gated_delta_rule(*args, **kwargs)

        monkeypatch.setattr(gated_delta_net, "delta_rule_kernel", kernel)
        monkeypatch.setattr(gated_delta_net, "kernel_runs_on", lambda tensor: True)
        assert gap(model(ids).logits, expected) < 1e-5
    assert len(called) == len(model.model.layers)


@pytest.mark.slow
def test_it_compiles_in_one_graph():
    model = build(spec({"delta": layer(delta())})).train()
    ids = tokens(length=16)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    assert gap(compiled(ids, use_cache=False).logits, model(ids, use_cache=False).logits) < 1e-5
