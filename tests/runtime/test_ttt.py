"""Test-time training layers against the paper's definition in fp64: outputs, gradients, any split, padding."""

import pytest
import torch

from eulerstack.runtime import inner_model
from eulerstack.runtime.cache import EulerStackCache
from eulerstack.runtime.ttt import ADAM_EPS, BETAS, WEIGHT_DECAY, TttLayer
from eulerstack.schema.base import as_plain
from tests.reference import ttt as reference
from tests.runtime.models.building import gap, randomise, to_ir
from tests.runtime.models.layers import layer, ttt
from tests.runtime.models.sections import spec

EPS = 1e-5
M = 16
VARIANTS = {
    "linear": {"inner": {"type": "linear"}},
    "mlp": {"inner": {"type": "mlp", "hidden": 10}},
    "every_token": {"inner": {"type": "mlp", "hidden": 5}, "chunk_size": 1, "n_heads": 2},
    "steps": {"inner": {"type": "mlp", "hidden": 6}, "inner_steps_per_token": 3, "chunk_size": 5},
    "adamw": {"inner": {"type": "mlp", "hidden": 6}, "inner_optimizer": "adamw", "chunk_size": 4, "inner_lr": 0.03},
    "adamw_steps": {"inner": {"type": "linear"}, "inner_optimizer": "adamw", "inner_steps_per_token": 2, "n_heads": 2},
}


class Config:
    """What a layer reads of a model's config."""

    def __init__(self, positional: str):
        self.embedding = {"positional": positional, "rope_theta": 500.0}


def mixer(name: str, positional: str = "rope") -> TttLayer:
    """The layer of a variant in fp64, every parameter random."""
    keys = {"chunk_size": 4, **VARIANTS[name]}
    block = to_ir(spec({"t": layer(ttt(keys.pop("inner"), **keys))}, model={"d_model": M})).blocks[0]
    plain = {"d_model": M, "norm": {"eps": EPS}, "mixer": {"ttt": as_plain(block.mixer)}}
    made = TttLayer(Config(positional), plain, 0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
    made = randomise(made).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)
    return made


def settings(made: TttLayer) -> reference.Settings:
    return reference.Settings(
        n_heads=made.n_heads,
        chunk=made.chunk_size,
        rate=made.rate,
        steps=made.steps,
        optimizer="adamw" if made.adam else "sgd",
        eps=EPS,
        theta=made.theta,
        betas=BETAS,
        adam_eps=ADAM_EPS,
        decay=WEIGHT_DECAY,
    )


def inputs(batch: int = 1, length: int = 11) -> torch.Tensor:
    return torch.randn(batch, length, M, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("positional", ["rope", "none"])
def test_forward_and_gradient_are_the_papers(name, positional):
    made, x = mixer(name, positional), inputs().requires_grad_()
    names, parameters = zip(*made.named_parameters(), strict=True)
    mine = made(x)[0][0]
    expected = reference.ttt(dict(zip(names, parameters, strict=True)), x[0], settings(made))
    assert gap(mine, expected) < 1e-10
    weights = torch.randn(mine.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    ours = torch.autograd.grad((mine * weights).sum(), (*parameters, x))
    theirs = torch.autograd.grad((expected * weights).sum(), (*parameters, x))
    for parameter, a, b in zip((*names, "input"), ours, theirs, strict=True):
        assert gap(a, b) < 1e-8, parameter


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_any_split_and_any_padding_is_the_whole(name):
    made, x = mixer(name), inputs(3, 23)
    whole = made(x)[0]
    for ends in ([1, 2, 9, 10, 17, 23], [4, 12, 23], list(range(1, 24))):
        cache, start, parts = EulerStackCache(made.state_layers()), 0, []
        for end in ends:
            parts.append(made(x[:, start:end], past_key_values=cache, cache_index=0)[0])
            start = end
        assert gap(torch.cat(parts, dim=1), whole) < 1e-10
    mask = torch.ones(3, 30, dtype=torch.long)
    padded = torch.zeros(3, 30, M, dtype=torch.float64)
    for row, before in enumerate((0, 3, 7)):  # on the left, on both sides, on the right
        mask[row, :before] = mask[row, before + 23 :] = 0
        padded[row, before : before + 23] = x[row]
    for ends in ([30], [6, 7, 20, 30], list(range(1, 31))):
        cache, start, parts = EulerStackCache(made.state_layers()), 0, []
        for end in ends:
            piece = slice(start, end)
            out = made(padded[:, piece], token_mask=mask[:, piece], past_key_values=cache, cache_index=0)[0]
            parts.append(out)
            start = end
        joined = torch.cat(parts, dim=1)
        for row, before in enumerate((0, 3, 7)):
            assert gap(joined[row, before : before + 23], whole[row]) < 1e-10


@pytest.mark.parametrize("name", ["mlp", "adamw"])
def test_recomputing_groups_of_chunks_changes_no_gradient(name, monkeypatch):
    made, x = mixer(name), inputs(2, 40)
    found = []
    monkeypatch.setattr(inner_model, "GROUP", 2)
    for kept in (0, 2**28):
        monkeypatch.setattr(inner_model, "KEPT_BYTES", kept)
        found.append(torch.autograd.grad(made(x)[0].square().sum(), tuple(made.parameters())))
    assert all(gap(a, b) < 1e-12 for a, b in zip(*found, strict=True))


def test_a_narrow_model_keeps_its_state_in_fp32():
    made = mixer("mlp").bfloat16()
    cache = EulerStackCache(made.state_layers())
    made(inputs().bfloat16(), past_key_values=cache, cache_index=0)
    assert {tensor.dtype for tensor in cache.layers[0].tensors.values()} == {torch.float32}
