"""`output: token`: in training every step's state is read out, and the losses are averaged."""

import pytest
import torch

from tests.runtime.models.building import build, tokens
from tests.runtime.models.sections import TWO, integrator, spec


def cross_entropy(model, state: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Of the tokens that a state [B, T, M] before the final norm predicts."""
    log_p = model.lm_head(model.model.norm(state)).log_softmax(-1)
    return -log_p[:, :-1].gather(-1, ids[:, 1:, None]).mean()


@pytest.mark.parametrize("kind", ["discrete", "ode_euler"])
@torch.no_grad()
def test_loss_is_the_mean_over_final_and_step_losses(kind):
    """Two steps of one layer, then another layer: three states are read out."""
    entry = integrator(kind, steps=2, body="a", output="token")
    model = build(spec(TWO, [entry, {"template": "b"}])).train()
    ids = tokens()
    states = []

    def keep(_, inputs, output):
        states.append(output.hidden_states)

    for layer in model.model.layers:
        layer.register_forward_hook(keep)
    out = model(ids, labels=ids)
    if kind == "ode_euler":  # x + ½·F(x, τ), F the body's change of x + e(τ)
        start, body = model.model.embed_tokens(ids), [s.clone() for s in states]
        tell = model.model.times[0]
        first = start + 0.5 * (body[0] - start - tell(0.0))
        states[:2] = [first, first + 0.5 * (body[1] - first - tell(0.5))]
    losses = [cross_entropy(model, state, ids) for state in states]
    assert len(losses) == 3
    assert out.loss.item() == pytest.approx(sum(losses).item() / 3, rel=1e-5)
    model.eval()
    assert model(ids, labels=ids).loss.item() == pytest.approx(losses[-1].item(), rel=1e-5)
