"""Differentiation objectives: what they measure, what they are added to, what they leave alone."""

import pytest
import torch

from eulerstack.runtime.differentiation import NAMES, mutual_information, squared_cosine, usage_loss
from tests.reference import differentiation as naive
from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.specs import SPECS

SHAPE = (2, 5)
COEFFICIENTS = SPECS["objectives"]["training_hints"]["differentiation_objectives"]


def random(*size: int) -> torch.Tensor:
    return torch.randn(*SHAPE, *size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.fixture(params=[False, True])
def mask(request) -> torch.Tensor | None:
    return torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]]) if request.param else None


def real(mask: torch.Tensor | None) -> list[list[bool]]:
    return (torch.ones(SHAPE) if mask is None else mask).bool().tolist()


def test_the_probe_is_its_cross_entropy(mask):
    index = random(4).topk(2).indices
    chosen = torch.zeros(*SHAPE, 4, dtype=torch.float64).scatter(-1, index, 1.0)
    sets = [[set(token) for token in row] for row in index.tolist()]
    logits = random(4)
    assert usage_loss(logits, chosen, mask).item() == pytest.approx(naive.usage_probe(logits, sets, real(mask)))


def test_a_single_choice_is_predicted_as_yes_or_no(mask):
    """σ(l) is the softmax over l and 0."""
    logits, chosen = random(1), (random(1) > 0).double()
    both = torch.cat([logits, torch.zeros_like(logits)], dim=-1)
    sets = [[{0} if yes[0] else {1} for yes in row] for row in chosen.tolist()]
    assert usage_loss(logits, chosen, mask).item() == pytest.approx(naive.usage_probe(both, sets, real(mask)))


def test_mutual_information_is_its_two_entropies(mask):
    shares = random(6).softmax(-1)
    assert mutual_information(shares, mask).item() == pytest.approx(naive.information(shares, real(mask)))


def test_orthogonality_is_the_squared_cosine_of_pairs(mask):
    outputs = random(3, 7)
    assert squared_cosine(outputs, mask).item() == pytest.approx(naive.squared_cosine(outputs, real(mask)))


def without(model: str, *names: str) -> dict:
    """The spec with these objectives off."""
    sections = SPECS[model]
    off = {f"{name}_coef": 0.0 for name in names}
    hints = {**sections["training_hints"], "differentiation_objectives": {**COEFFICIENTS, **off}}
    return {**sections, "training_hints": hints}


def test_each_is_added_with_its_coefficient():
    model, plain = build(SPECS["objectives"]).train(), build(without("objectives", *NAMES)).train()
    plain.load_state_dict(model.state_dict(), strict=False)
    ids = tokens()
    out, bare = model(ids, labels=ids), plain(ids, labels=ids)
    assert bare.objectives is None
    assert torch.equal(out.logits, bare.logits)
    added = sum(COEFFICIENTS[f"{name}_coef"] * out.objectives[name] for name in NAMES)
    assert gap(out.loss - bare.loss, added) < 1e-5
    assert out.objectives["expert_orthogonality"] > 0
    assert out.objectives["router_mutual_information"] < 0


def test_columns_are_told_apart():
    out = build(SPECS["objectives"]).train()(tokens(), labels=tokens())
    assert {name for name in out.objectives if "/" in name} == {
        "usage_probe/first", "router_mutual_information/first", "expert_orthogonality/first",
        "usage_probe/second", "router_mutual_information/second",
    }  # fmt: skip
    assert not any(out.objectives[name].requires_grad for name in out.objectives if "/" in name)


def test_off_and_absent_are_the_same_model():
    absent = {**SPECS["objectives"], "training_hints": {"init": "normal_0.02"}}
    off, none = build(without("objectives", *NAMES)), build(absent)
    assert list(off.state_dict()) == list(none.state_dict())
    assert torch.equal(off(tokens()).logits, none(tokens()).logits)


def test_evaluation_knows_nothing_of_them():
    model, plain = build(SPECS["objectives"]), build(without("objectives", *NAMES))
    plain.load_state_dict(model.state_dict(), strict=False)
    out, bare = model(tokens(), labels=tokens()), plain(tokens(), labels=tokens())
    assert out.objectives is None
    assert torch.equal(out.loss, bare.loss)


def test_the_probe_sends_gradient_to_the_trunk_and_none_to_the_router():
    model = build(without("objectives", "router_mutual_information", "expert_orthogonality")).train()
    out = model(tokens(), labels=tokens())
    out.objectives["usage_probe"].backward()
    assert model.model.embed_tokens.weight.grad.abs().max() > 0
    assert model.model.layers[0].ffn.objectives.probe.weight.grad.abs().max() > 0
    assert model.model.layers[-1].ffn.router.weight.grad is None


@pytest.mark.parametrize("name", NAMES)
def test_descending_an_objective_lowers_it(name):
    model = build(SPECS["objectives"]).train()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    sizes = []
    for _ in range(12):
        out = model(tokens(), labels=tokens())
        sizes.append(out.objectives[name].item())
        optimizer.zero_grad()
        out.objectives[name].backward()
        optimizer.step()
    assert sizes[-1] < sizes[0] - 0.01 * abs(sizes[0])
