"""Losses, gradients, gradient checkpointing, dtypes, saving, and HuggingFace's Trainer."""

import copy

import pytest
import torch
from transformers import Trainer, TrainingArguments
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.layers import attention, layer, moe
from tests.runtime.models.sections import spec
from tests.runtime.models.specs import SPECS


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", SPECS)
def test_every_parameter_learns_and_checkpointing_changes_no_gradient(name):
    model = build(SPECS[name]).train()
    ids = tokens()
    model(ids, labels=ids).loss.backward()
    expected = gradients(model)
    assert set(expected) == {name for name, p in model.named_parameters() if p.requires_grad}
    assert all(grad.abs().max() > 0 for grad in expected.values())
    for reentrant in (False, True):
        again = build(SPECS[name]).train()
        again.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
        again.enable_input_require_grads()
        again(ids, labels=ids, use_cache=False).loss.backward()
        assert all(gap(again_grad, expected[n]) < 1e-6 for n, again_grad in gradients(again).items())


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_is_finite(name, dtype):
    model = build(SPECS[name]).to(dtype).train()
    ids = tokens()
    out = model(ids, labels=ids)
    out.loss.backward()
    assert out.logits.isfinite().all()
    assert all(grad.isfinite().all() for grad in gradients(model).values())


@pytest.mark.parametrize("name", ["llama", "mixtral", "untied", "alibi"])
def test_save_load_save_gives_the_same_bytes(name, tmp_path):
    model = build(SPECS[name])
    model.save_pretrained(tmp_path / "a")
    loaded = EulerStackForCausalLM.from_pretrained(tmp_path / "a")
    loaded.save_pretrained(tmp_path / "b")
    for file in ("model.safetensors", "config.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    ids = tokens()
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, model(ids).logits)


def test_dropout_falls_in_training_only():
    dropped = build(spec({"d": layer(attention(attn_drop=0.2))}, training_hints={"dropout": 0.3}))
    plain = build(spec({"d": layer()}))
    ids = tokens()
    with torch.no_grad():
        assert torch.equal(dropped(ids).logits, plain(ids).logits)
        dropped.train()
        assert not torch.equal(dropped(ids).logits, dropped(ids).logits)


def test_balance_loss_is_mixtrals_and_counts_no_padding():
    model = build(SPECS["mixtral"]).train()
    ids = tokens()
    mask = torch.ones_like(ids)
    mask[0, 30:] = 0
    out = model(ids, attention_mask=mask, labels=ids, output_router_logits=True)
    expected = load_balancing_loss_func(out.router_logits, num_experts=4, top_k=2, attention_mask=mask)
    assert out.aux_loss.item() == pytest.approx(expected.item(), rel=1e-6)
    other = ids.clone()
    other[0, 30:] = 5
    assert model(other, attention_mask=mask, labels=ids).aux_loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_router_losses_are_added_in_training_with_their_coefficients():
    model = build(spec({"d": layer(ffn=moe(load_balance_coef=0.5, z_loss=0.25))})).train()
    ids = tokens()
    out = model(ids, labels=ids, output_router_logits=True)
    z_loss = torch.cat(out.router_logits).logsumexp(-1).square().mean()
    model.eval()
    plain = model(ids, labels=ids).loss
    assert out.loss.item() == pytest.approx((plain + 0.5 * out.aux_loss + 0.25 * z_loss).item(), rel=1e-5)


def test_written_balance_coefficient_replaces_the_training_hint():
    ids = tokens()

    def added(hint: float, **keys: float) -> float:
        model = build(spec({"d": layer(ffn=moe(**keys))}, training_hints={"router_aux_loss_coef": hint})).train()
        out = model(ids, labels=ids)
        return (out.loss - model.eval()(ids, labels=ids).loss).item() / out.aux_loss.item()

    assert added(0.3) == pytest.approx(0.3, rel=1e-3)
    assert added(0.3, load_balance_coef=0.1) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("name", ["llama", "mixtral"])
def test_trainer_accumulates_gradients_as_one_batch(name, tmp_path):
    """Two micro-batches give the step that one batch of both gives; for auxiliary losses, their mean over the two."""
    rows = [{"input_ids": row, "labels": row} for row in tokens(batch=4)]

    def trained(batch: int, accumulate: int) -> torch.nn.Module:
        model = build(SPECS[name])
        arguments = TrainingArguments(
            tmp_path / f"{batch}",
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulate,
            max_steps=1,
            learning_rate=0.1,
            optim="sgd",
            max_grad_norm=0,
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            save_strategy="no",
            train_sampling_strategy="sequential",
        )
        Trainer(model, arguments, train_dataset=rows).train()
        return model

    start = build(SPECS[name])
    model = copy.deepcopy(start).train()
    halves = [torch.stack([row["input_ids"] for row in half]) for half in (rows[:2], rows[2:])]
    (sum(model(half, labels=half).loss for half in halves) / 2).backward()
    expected = {n: p.data - 0.1 * p.grad for n, p in model.named_parameters()}
    for n, parameter in trained(2, 2).named_parameters():
        assert gap(parameter.data, expected[n]) < 1e-6
    if name == "llama":
        for n, parameter in trained(4, 1).named_parameters():
            assert gap(parameter.data, expected[n]) < 1e-6
