"""`torch.compile` of the forward: the same logits, loss and gradients as without it."""

import pytest
import torch

from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.specs import SPECS

COMPILED = ("llama", "windows", "mixtral", "moe_deepseek", "mamba2", "hyena")


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_training_is_the_eager_one(name):
    ids = tokens(length=16)
    eager, compiled = build(SPECS[name]).train(), build(SPECS[name]).train()
    expected = eager(ids, labels=ids, use_cache=False)
    expected.loss.backward()
    torch.compiler.reset()
    found = torch.compile(compiled, fullgraph=True)(ids, labels=ids, use_cache=False)
    found.loss.backward()
    assert gap(found.logits, expected.logits) < 1e-5
    assert gap(found.loss, expected.loss) < 1e-5
    gradients = {n: p.grad for n, p in compiled.named_parameters()}
    assert all(gap(gradients[n], p.grad) < 1e-5 for n, p in eager.named_parameters())


@pytest.mark.slow
def test_biases_of_experts_follow_the_optimizer_of_a_compiled_model():
    ids, moved = tokens(length=16), []
    for compiling in (False, True):
        model = build(SPECS["moe_deepseek"]).train()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        torch.compiler.reset()
        forward = torch.compile(model) if compiling else model
        for _ in range(2):
            forward(ids, labels=ids, use_cache=False).loss.backward()
            optimizer.step()
        moved.append({n: b for n, b in model.named_buffers() if n.endswith("e_score_correction_bias")})
    assert any(bias.abs().max() > 0 for bias in moved[0].values())
    assert all(torch.equal(bias, moved[1][n]) for n, bias in moved[0].items())


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILED)
@torch.no_grad()
def test_compiled_evaluation_is_the_eager_one(name):
    model, ids = build(SPECS[name]), tokens(length=16)
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    torch.compiler.reset()
    compiled = torch.compile(model)
    assert gap(compiled(ids, use_cache=False).logits, model(ids, use_cache=False).logits) < 1e-5
    found, expected = (each(ids, attention_mask=mask, use_cache=False).logits for each in (compiled, model))
    assert gap(found[mask.bool()], expected[mask.bool()]) < 1e-5
