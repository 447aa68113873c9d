"""Retention against its paper's definition; its three forms against each other."""

import pytest
import torch

from eulerstack.runtime import retention
from eulerstack.runtime.retention import Retention, log_decay, retain
from tests.reference import retention as reference
from tests.runtime.models.building import build, gap, randomise, tokens
from tests.runtime.models.layers import layer, retnet
from tests.runtime.models.sections import spec
from tests.runtime.models.specs import SPECS

EPS = 1e-5
M = 16
VARIANTS = {
    "published": {"n_heads": 2, "v_expand": 2, "rope": True, "chunkwise": True, "chunk_size": 4},
    "unturned": {"n_heads": 4, "v_expand": 1, "rope": False, "chunkwise": True, "chunk_size": 64},
    "parallel_pairs": {"n_heads": 8, "v_expand": 3, "rope": True, "chunkwise": False, "chunk_size": 4},
}


def mixer(name: str) -> Retention:
    """A mixer of width 16, every parameter random."""
    made = Retention(None, {"d_model": M, "norm": {"eps": EPS}, "mixer": {"retnet": VARIANTS[name]}}, 0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
    return randomise(made)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_forward_and_gradient_are_the_papers(name, dtype, close):
    ours = mixer(name)
    x = torch.randn(1, 11, M, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weights = {n: p.detach().double().requires_grad_() for n, p in ours.named_parameters()}
    expected = reference.retention(weights, x[0], VARIANTS[name]["n_heads"], EPS, VARIANTS[name]["rope"])
    mine = ours.to(dtype)(x.to(dtype), torch.arange(11)[None])[0][0]
    assert gap(mine.double(), expected) < close
    pull = torch.randn(expected.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    theirs = torch.autograd.grad((expected * pull).sum(), list(weights.values()))
    grads = torch.autograd.grad((mine * pull.to(dtype)).sum(), list(ours.parameters()))
    for a, b in zip(grads, theirs, strict=True):
        assert gap(a.double(), b) < close


def inputs(length: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    """Queries, keys and values of 3 heads, and a state to begin with."""
    generator = torch.Generator().manual_seed(5)
    shapes = ((2, length, 3, 4), (2, length, 3, 4), (2, length, 3, 6), (2, 3, 4, 6))
    return [torch.randn(*shape, generator=generator, dtype=dtype, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("length", [1, 5, 12, 13])
@pytest.mark.parametrize("carried", [False, True])
def test_chunks_of_any_size_are_the_parallel_form(length, carried):
    *drawn, state = inputs(length)
    given = (*drawn, state) if carried else drawn
    results = []
    for size in (None, 1, 4, 6, 64):
        o, last = retain(*drawn, size, state if carried else None)
        results.append((o, last, *torch.autograd.grad(o.square().sum() + last.sum(), given)))
    for other in results[1:]:
        assert all(gap(a, b) < 1e-12 for a, b in zip(other, results[0], strict=True))


def test_slow_heads_decay_in_fp32_too():
    """1 − 2^(−5−h) is 1 in fp32 for h ≥ 19; its logarithm is not 0."""
    assert (log_decay(40, torch.empty(0)) < 0).all()


def test_chunks_save_no_square():
    kept = []
    drawn = inputs(1024, torch.float32)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        retain(*drawn[:3], 32)
    assert sum(kept) < 2 * 3 * 1024 * 1024 / 4


@pytest.mark.slow
def test_it_compiles_in_one_graph():
    model = build(spec({"retention": layer(retnet())})).train()
    ids = tokens(length=16)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    assert gap(compiled(ids, use_cache=False).logits, model(ids, use_cache=False).logits) < 1e-5


def test_the_kernel_is_called_as_its_package_wants(monkeypatch):
    """A stand-in with flash-linear-attention's signature, whose queries and keys are [B, T, H, K]."""
    assert retention.retention_kernel is None
    model, ids = build(SPECS["retnet"]), tokens()
    mask = torch.ones_like(ids)
    mask[0, :5] = 0
    called = []

    def chunk_retention(q, k, v, scale=None, initial_state=None, output_final_state=False):
        called.append((scale, initial_state, output_final_state))
        return retain(q, k, v, 4, initial_state)

    with torch.no_grad():
        expected = model(ids, attention_mask=mask).logits
        monkeypatch.setattr(retention, "retention_kernel", chunk_retention)
        assert gap(model(ids, attention_mask=mask).logits, expected) < 1e-6
        assert not called  # a CPU has no such kernel
        monkeypatch.setattr(retention, "kernel_runs_on", lambda states, n_heads: True)
        assert gap(model(ids, attention_mask=mask).logits, expected) < 1e-5
        cache = model(ids[:, :30], attention_mask=mask[:, :30], use_cache=True).past_key_values
        rest = model(ids[:, 30:], attention_mask=mask, past_key_values=cache).logits
    assert gap(rest, expected[:, 30:]) < 1e-5
    assert len(called) == 3 * len(model.model.layers)
    assert {(scale, final) for scale, _, final in called} == {(1.0, True)}
    assert all(state is not None for _, state, _ in called[-len(model.model.layers) :])
