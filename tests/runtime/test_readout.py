"""The loss without logits: the same loss and gradients as with them, in less memory, and where it steps back."""

import copy

import pytest
import torch
from torch import nn
from transformers import Trainer, TrainingArguments

from eulerstack.runtime import readout
from eulerstack.runtime.readout import Readout
from eulerstack.runtime.token_losses import IGNORED
from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.layers import attention, layer
from tests.runtime.models.sections import TWO, VOCABULARY, mtp, phases, quantised, spec
from tests.runtime.models.specs import SPECS

SCALED = {"logit_scale": 0.4, "logit_softcap": 3.0}
HEADS = {
    "llama": SPECS["llama"],
    "untied": SPECS["untied"],
    "mixtral": SPECS["mixtral"],
    "scaled": spec({"d": layer()}, head={**SCALED, "tie_weights": False}),
    "narrow": spec({"d": layer()}, embedding={"d_embed": 16}, head=SCALED),
    "deep_supervision": SPECS["deep_supervision"],
    "mtp": spec(TWO, head={**mtp(2), **SCALED}),
    "packed_rows": SPECS["mamba2"],
    "rounded": spec({"d": layer(attention(n_kv_heads=2))}, compatibility=quantised("fp8", "*")),
    "phases": spec(TWO, **phases({"max_tokens": 14, "loss_weight": 0.25}, {"max_tokens": 50})),
}
"""Whatever stands between the trunk and the loss."""


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    """Several chunks and a shorter last one, though the tests' vocabulary is small."""
    monkeypatch.setattr(readout, "CHUNK", 9 * VOCABULARY)


def plain_sum(states, weight, target, counts, scale, softcap):
    """Σ counts · cross-entropy, its logits held as a whole."""
    logits = states @ weight.T * scale
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    loss = nn.functional.cross_entropy(logits, target, ignore_index=IGNORED, reduction="none")
    return (loss * counts).sum()


def drawn(dtype: torch.dtype, n_tokens: int = 41, vocabulary: int = VOCABULARY):
    """A readout, states, targets of which some are ignored, and weights of tokens."""
    generator = torch.Generator().manual_seed(3)
    head = Readout(16, vocabulary)
    with torch.no_grad():
        head.weight.copy_(torch.randn(vocabulary, 16, generator=generator))
    states = torch.randn(n_tokens, 16, generator=generator)
    target = torch.randint(vocabulary, (n_tokens,), generator=generator)
    target[::5] = IGNORED
    counts = torch.rand(n_tokens, generator=generator)
    return head.to(dtype), states.to(dtype).requires_grad_(), target, counts


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_sum_and_its_gradients(dtype, softcap, scale):
    head, states, target, counts = drawn(dtype)
    loss = head(states, target, counts, scale, softcap)
    expected = plain_sum(states, head.weight, target, counts.to(dtype), scale, softcap)
    found, wanted = (torch.autograd.grad(7 * x, [states, head.weight]) for x in (loss, expected))
    tolerance = 1e-12 if dtype is torch.float64 else 1e-6
    assert gap(loss, expected) < tolerance
    assert all(gap(a, b) < tolerance for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_is_as_right_as_with_all_logits_in_fp32(dtype):
    """Against fp64 from the same rounded numbers: the loss to the rounding of the logits, gradients as autograd's."""
    head, states, target, _ = drawn(dtype, n_tokens=300, vocabulary=400)
    counts = torch.ones(300)
    exact = [x.detach().double().requires_grad_() for x in (states, head.weight)]
    mean = plain_sum(*exact, target, counts.double(), 1.0, None) / 300
    wanted = torch.autograd.grad(mean, exact)
    loss = head(states, target) / 300
    assert loss.dtype is torch.float32
    assert abs(loss.item() - mean.item()) < 2e-3
    logits = head(states).float()
    plain = nn.functional.cross_entropy(logits, target, ignore_index=IGNORED, reduction="sum") / 300
    found, others = (torch.autograd.grad(x, [states, head.weight]) for x in (loss, plain))
    for ours, theirs, right in zip(found, others, wanted, strict=True):
        assert ours.dtype is dtype
        error, other = ((x.double() - right).norm() / right.norm() for x in (ours, theirs))
        assert error < 1.2 * other
    # Many small losses: a sum in bf16 stops growing.
    assert head(states.repeat(40, 1), target.repeat(40)).item() == pytest.approx(40 * 300 * loss.item(), rel=1e-5)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_learns_the_same_without_logits(name, dtype):
    ids = tokens()
    labels = ids.clone()
    labels[0, :7] = IGNORED
    whole, lean = (build(HEADS[name]).to(dtype).train() for _ in range(2))
    expected = whole(ids, labels=labels)
    out = lean(ids, labels=labels, skip_logits=True)
    assert out.logits is None
    assert expected.logits.shape == (*ids.shape, VOCABULARY)
    tolerance = 1e-5 if dtype is torch.float32 else 2e-2
    assert gap(out.loss, expected.loss) < tolerance
    expected.loss.backward()
    out.loss.backward()
    grads = {n: p.grad for n, p in lean.named_parameters()}
    for n, parameter in whole.named_parameters():
        assert (grads[n] - parameter.grad).norm() < tolerance * max(parameter.grad.norm().item(), 1.0)


def test_trainers_ways_of_counting():
    """Shifted labels, tokens of the whole step, another number for what is ignored: as transformers' loss does."""
    model, ids = build(SPECS["llama"]).train(), tokens()
    shifted = torch.roll(ids, -1, dims=1)
    for keys in (
        {"num_items_in_batch": torch.tensor(123)},
        {"shift_labels": shifted},
        {"ignore_index": int(ids[0, 3])},
        {"shift_labels": shifted, "ignore_index": int(ids[0, 3]), "num_items_in_batch": 50},
    ):
        expected = model(ids, labels=ids, **keys).loss
        assert gap(model(ids, labels=ids, skip_logits=True, **keys).loss, expected) < 1e-6


def test_no_tensor_of_all_logits_is_kept_or_made(monkeypatch):
    class Watch(torch.overrides.TorchFunctionMode):
        largest = 0

        def __torch_function__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                Watch.largest = max(Watch.largest, out.numel())
            return out

    head, states, target, _ = drawn(torch.float32, n_tokens=200, vocabulary=900)
    monkeypatch.setattr(readout, "CHUNK", 10 * 900)
    with Watch():
        head(states, target)
    assert 0 < Watch.largest < 200 * 900 / 2


def test_only_asked_for_and_only_in_training():
    model, ids = build(SPECS["llama"]), tokens()
    with pytest.raises(ValueError, match="skip_logits"):
        model(ids, skip_logits=True)
    expected = model(ids, labels=ids)
    assert gap(model(ids, labels=ids, skip_logits=True).loss, expected.loss) < 1e-6
    model.config.skip_logits = True
    assert model(ids, labels=ids).logits is not None
    model.train()
    assert model(ids).logits is not None
    assert model(ids, labels=ids).logits is None
    assert model(ids, labels=ids, skip_logits=False).logits is not None


def test_what_takes_no_gradient_gets_none():
    head, states, target, _ = drawn(torch.float32)
    (expected,) = torch.autograd.grad(head(states, target), [states])
    head.weight.requires_grad_(False)
    loss = head(states, target)
    (again,) = torch.autograd.grad(loss, [states], retain_graph=True)
    assert torch.equal(again, expected)
    assert torch.equal(torch.autograd.grad(3 * loss, [states])[0], 3 * expected)
    with torch.no_grad():
        assert gap(head(states, target), loss) < 1e-6


def test_autocast_reads_out_in_its_own_type():
    model, ids = build(SPECS["llama"]).train(), tokens()
    with torch.autocast("cpu", torch.bfloat16):
        expected = model(ids, labels=ids)
        expected.loss.backward()
        grads = {n: p.grad.clone() for n, p in model.named_parameters()}
        model.zero_grad()
        loss = model(ids, labels=ids, skip_logits=True).loss
        loss.backward()
    assert loss.dtype is torch.float32
    assert abs(loss.item() - expected.loss.item()) < 2e-3
    assert all((p.grad - grads[n]).norm() < 2e-2 * grads[n].norm() for n, p in model.named_parameters())


def test_an_adapter_around_the_readout_is_asked_for_logits():
    class Adapter(nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base, self.extra = base, nn.Linear(base.in_features, base.out_features)

        def forward(self, states):
            return self.base(states) + self.extra(states)

    model, ids = build(SPECS["untied"]).train(), tokens()
    model.lm_head = Adapter(model.lm_head)
    expected = model(ids, labels=ids).loss
    loss = model(ids, labels=ids, skip_logits=True).loss
    assert gap(loss, expected) < 1e-6


@pytest.mark.parametrize("name", ["llama", "untied"])
def test_a_resized_vocabulary_keeps_the_readout(name):
    model, ids = build(SPECS[name]).train(), tokens()
    model.resize_token_embeddings(VOCABULARY + 8)
    assert isinstance(model.lm_head, Readout)
    assert gap(model(ids, labels=ids, skip_logits=True).loss, model(ids, labels=ids).loss) < 1e-6


def test_trainer_takes_the_same_step(tmp_path):
    rows = [{"input_ids": row, "labels": row} for row in tokens(batch=4)]
    start, trained = build(SPECS["llama"]), []
    for skip in (False, True):
        model = copy.deepcopy(start)
        model.config.skip_logits = skip
        arguments = TrainingArguments(
            tmp_path / f"{skip}",
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            max_steps=2,
            learning_rate=0.1,
            optim="sgd",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            save_strategy="no",
        )
        trainer = Trainer(model, arguments, train_dataset=rows, eval_dataset=rows)
        trainer.train()
        trained.append((model, trainer.evaluate()["eval_loss"]))
    (whole, loss), (lean, lean_loss) = trained
    assert lean_loss == pytest.approx(loss, rel=1e-6)
    assert all(gap(a, b) < 1e-6 for a, b in zip(lean.parameters(), whole.parameters(), strict=True))


@pytest.mark.slow
def test_a_compiled_step_without_logits():
    ids = tokens(length=16)
    eager, compiled = build(SPECS["llama"]).train(), build(SPECS["llama"]).train()
    expected = eager(ids, labels=ids, use_cache=False, skip_logits=True).loss
    expected.backward()
    torch.compiler.reset()
    found = torch.compile(compiled, fullgraph=True)(ids, labels=ids, use_cache=False, skip_logits=True).loss
    found.backward()
    assert gap(found, expected) < 1e-5
    gradients = {n: p.grad for n, p in compiled.named_parameters()}
    assert all(gap(gradients[n], p.grad) < 1e-5 for n, p in eager.named_parameters())
