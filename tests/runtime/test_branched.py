"""Branched mixers against their branches, run by themselves and weighed one token at a time."""

import pytest
import torch
from torch import nn

from eulerstack.runtime.branched import Branched
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.layers import attention, branched, layer, mamba, retnet
from tests.runtime.models.sections import spec

SELECTORS = {
    "soft": {"type": "learned_gate", "input": "hidden"},
    "embedding": {"type": "learned_gate", "input": "embedding"},
    "top_1": {"type": "top_k", "input": "hidden"},
    "top_2": {"type": "top_k", "top_k": 2, "input": "embedding"},
}


class Scaled(nn.Module):
    """A branch that multiplies by its only parameter."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor, dtype=torch.float64))

    def state_layers(self) -> list:
        """None."""
        return []

    def forward(self, x: torch.Tensor, **kwargs) -> tuple[torch.Tensor, None]:
        """`factor` · x."""
        return self.factor * x, None


def mixer(selector: dict) -> Branched:
    """Three branches over a stream of width 5, not in the order of their names."""
    block = {"d_model": 5, "mixer": {"branched": {"selector": {"top_k": None, **selector}, "factors": None}}}
    if selector["type"] == "top_k":
        block["mixer"]["branched"]["selector"]["top_k"] = selector.get("top_k", 1)
    made = Branched(EulerStackConfig(), block, {"c": Scaled(-3.0), "a": Scaled(0.5), "b": Scaled(2.0)}).double()
    nn.init.normal_(made.selector.weight, generator=torch.Generator().manual_seed(0))
    return made


@pytest.mark.parametrize("name", SELECTORS)
def test_outputs_and_gradients_are_those_of_each_token_alone(name):
    made, top_k = mixer(SELECTORS[name]), {"top_1": 1, "top_2": 2}.get(name, 3)
    x, embeddings = torch.randn(2, 2, 7, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mine = made(x, embeddings=embeddings)[0]
    rows = []
    for x_M, embedding_M in zip(x.flatten(0, 1), embeddings.flatten(0, 1), strict=True):
        read = embedding_M if SELECTORS[name]["input"] == "embedding" else x_M
        scores = torch.exp(made.selector.weight @ read)
        chosen = sorted(range(3), key=lambda n: -scores[n].item())[:top_k]
        total = sum(scores[n] for n in chosen)
        factors = [made.branch_a.factor, made.branch_b.factor, made.branch_c.factor]
        rows.append(sum(scores[n] / total * factors[n] * x_M for n in chosen))
    expected = torch.stack(rows).view_as(x)
    assert gap(mine, expected) < 1e-12
    parameters = [p for n, p in made.named_parameters() if n != "selector.weight" or top_k > 1]
    grads, others = (torch.autograd.grad(y.square().sum(), parameters) for y in (mine, expected))
    assert all(gap(a, b) < 1e-12 for a, b in zip(grads, others, strict=True))


def test_a_single_choice_teaches_the_gate_by_the_share_of_the_softmax():
    made = mixer(SELECTORS["top_1"])
    x = torch.randn(1, 1, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    (mine,) = torch.autograd.grad(made(x)[0].sum(), made.selector.weight)
    share = made.selector(x).softmax(-1).amax()
    factor = made.branches[int(made.selector(x).argmax())].factor
    (expected,) = torch.autograd.grad(share * (factor.detach() * x).sum(), made.selector.weight)
    assert gap(mine, expected) < 1e-12


def test_the_order_in_which_branches_are_written_does_not_matter(tmp_path):
    mixers = {"z": attention(window=6), "m": mamba(), "a": retnet()}
    ids = tokens()
    models = [
        build(spec({"d": layer(branched(**dict(order)))})) for order in (mixers.items(), reversed(mixers.items()))
    ]
    with torch.no_grad():
        first = models[0](ids).logits
        models[1].load_state_dict(models[0].state_dict())
        assert torch.equal(models[1](ids).logits, first)
        models[0].save_pretrained(tmp_path)  # config.json sorts mappings
        assert torch.equal(EulerStackForCausalLM.from_pretrained(tmp_path).eval()(ids).logits, first)
