"""Hyena against its paper's definition; its decoding against the whole convolution."""

from types import SimpleNamespace

import pytest
import torch

from eulerstack.runtime.hyena import Hyena, long_convolution
from tests.reference import hyena as reference
from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.layers import hyena, layer
from tests.runtime.models.sections import spec

M = 6
CONTEXT = 24
VARIANTS = {
    "published": {"depth": 2, "filter_hidden": 8, "filter_decay": 0.0},
    "higher_order": {"depth": 4, "filter_hidden": 5, "filter_decay": 0.0},
    "decay": {"depth": 3, "filter_hidden": 8, "filter_decay": 0.7},
}


def mixer(name: str) -> Hyena:
    """A mixer of width 6 in a context of 24 tokens, every parameter random."""
    config = SimpleNamespace(max_position_embeddings=CONTEXT)
    made = Hyena(config, {"d_model": M, "mixer": {"hyena": VARIANTS[name]}}, 0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0.0, 0.5, generator=generator)
    return made


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("length", [1, 11, CONTEXT])
def test_forward_and_gradient_are_the_papers(name, dtype, close, length):
    ours, variant = mixer(name), VARIANTS[name]
    x = torch.randn(1, length, M, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weights = {n: p.detach().double().requires_grad_() for n, p in ours.named_parameters()}
    expected = reference.hyena(weights, x[0], variant["depth"], CONTEXT, variant["filter_decay"])
    mine = ours.to(dtype)(x.to(dtype))[0][0]
    assert gap(mine.double(), expected) < close
    pull = torch.randn(expected.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    theirs = torch.autograd.grad((expected * pull).sum(), list(weights.values()))
    grads = torch.autograd.grad((mine * pull.to(dtype)).sum(), list(ours.parameters()))
    for a, b in zip(grads, theirs, strict=True):
        assert gap(a.double(), b) < close


def test_one_token_is_the_last_of_many():
    generator = torch.Generator().manual_seed(2)
    x, taps = torch.randn(2, M, 17, generator=generator), torch.randn(M, 17, generator=generator)
    whole = long_convolution(x, taps, 17)
    assert gap(long_convolution(x, taps, 1), whole[..., -1:]) < 1e-5
    assert gap(long_convolution(x, taps, 5), whole[..., -5:]) < 1e-6


@torch.no_grad()
def test_decoding_generates_its_filters_rarely(monkeypatch):
    model = build(spec({"long": layer(hyena())}))
    filters = model.model.layers[0].mixer.filter
    asked = []
    forward = filters.forward
    monkeypatch.setattr(filters, "forward", lambda length: asked.append(length) or forward(length))
    model.generate(tokens(length=9), max_new_tokens=40, do_sample=False, pad_token_id=0)
    assert asked == [9, 16, 32, 64]


@torch.no_grad()
def test_beyond_its_context_it_says_so():
    model = build(spec({"long": layer(hyena())}))
    out = model(tokens(length=60), use_cache=True)
    with pytest.raises(ValueError, match=r"64 taps \(max_seq_len\); got 65 tokens"):
        model(tokens(length=5), past_key_values=out.past_key_values)
    with pytest.raises(ValueError, match="got 65 tokens"):
        model(tokens(length=65))


@torch.no_grad()
def test_filters_are_exact_under_autocast_and_in_bf16():
    """Taps of a narrow type would repeat: eight bits cannot tell one time of a long context from the next."""
    filters = mixer("published").filter
    exact = filters(CONTEXT)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(filters(CONTEXT), exact)
    assert filters.to(torch.bfloat16)(CONTEXT).dtype is torch.float32
