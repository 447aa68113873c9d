"""Quantisation-aware training: the rounding by search over each format's values, and where and when it happens."""

import copy

import pytest
import torch

from eulerstack.runtime.fake_quantization import rounded
from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.layers import layer
from tests.runtime.models.sections import quantised, spec
from tests.runtime.models.specs import SPECS

E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]


def e4m3() -> list[float]:
    """Every finite magnitude of e4m3: 4 bits of exponent with bias 7, 3 of mantissa, S.1111.111 is no number."""
    subnormal = [m / 8 * 2.0**-6 for m in range(8)]
    normal = [(1 + m / 8) * 2.0 ** (e - 7) for e in range(1, 16) for m in range(8)]
    return [*subnormal, *normal[:-1]]


def nearest(value: float, magnitudes: list[float]) -> float:
    """By search; a tie goes to the magnitude with an even index, which is the one with an even mantissa."""
    sign = -1.0 if value < 0 else 1.0
    ranked = sorted(range(len(magnitudes)), key=lambda i: (abs(magnitudes[i] - abs(value)), i % 2))
    return sign * magnitudes[ranked[0]]


def naive(row: list[float], dtype: str) -> list[float]:
    """One row of a weight."""
    if dtype == "fp4":
        out = []
        for start in range(0, len(row), 32):
            block = row[start : start + 32]
            largest = max(map(abs, block))
            exponent = next(e for e in range(-40, 40) if 2.0**e <= largest < 2.0 ** (e + 1)) if largest else 0
            out += [nearest(v / 2.0 ** (exponent - 2), E2M1) * 2.0 ** (exponent - 2) for v in block]
        return out
    magnitudes, largest = (e4m3(), 448.0) if dtype == "fp8" else ([float(i) for i in range(128)], 127.0)
    scale = torch.tensor(max(map(abs, row)) or 1.0) / largest
    return [nearest((torch.tensor(v) / scale).item(), magnitudes) * scale.item() for v in row]


@pytest.mark.parametrize("dtype", ["fp4", "fp8", "int8"])
def test_rounding_is_to_the_nearest(dtype):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 45, generator=generator) * torch.logspace(-3, 3, 6)[:, None]
    weight[2, 7], weight[3] = 0.0, 0.0
    weight[4, :32] = torch.linspace(-6, 6, 32)
    expected = torch.tensor([naive(row, dtype) for row in weight.tolist()])
    assert torch.allclose(rounded(weight, dtype), expected, rtol=1e-6, atol=0)
    assert torch.allclose(rounded(expected, dtype), expected, rtol=1e-6, atol=0)
    assert torch.equal(rounded(weight, "bf16"), weight.bfloat16().float())


@pytest.mark.parametrize(("dtype", "dequant_to"), [("fp4", None), ("fp4", "fp8"), ("int8", "bf16"), ("fp8", "fp32")])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_sees_rounded_weights_and_gradients_pass_straight(dtype, dequant_to, checkpointing):
    keys = {} if dequant_to is None else {"dequant_to": dequant_to}
    templates = {"a": layer(), "b": layer(ffn=SPECS["mixtral"]["layer_templates"]["decoder"]["ffn"])}
    quantising = build(spec(templates, compatibility=quantised(dtype, "*.ffn.*", "*.q_proj.weight", **keys))).train()
    plain = build(spec(templates)).train()
    names = {n for n, p in plain.named_parameters() if (".ffn." in n or n.endswith("q_proj.weight")) and p.dim() > 1}
    for n, parameter in plain.named_parameters():
        if n in names:
            value = rounded(parameter.data, dtype)
            parameter.data = value if dequant_to is None else rounded(value, dequant_to)
            assert not torch.equal(parameter.data, quantising.get_parameter(n).data)
    if checkpointing:
        quantising.gradient_checkpointing_enable()
    ids = tokens()
    for model in (quantising, plain):
        model(ids, labels=ids, use_cache=False).loss.backward()
    assert torch.equal(quantising(ids).logits, plain(ids).logits)
    for n, parameter in plain.named_parameters():
        assert gap(quantising.get_parameter(n).grad, parameter.grad) < 1e-6, n


@torch.no_grad()
def test_evaluation_names_and_copies_are_untouched():
    templates = {"a": layer()}
    quantising, plain = build(spec(templates, compatibility=quantised("fp4", "*"))), build(spec(templates))
    ids = tokens()
    assert torch.equal(quantising(ids).logits, plain(ids).logits)
    assert list(quantising.state_dict()) == list(plain.state_dict())
    assert not torch.equal(quantising.train()(ids).logits, plain(ids).logits)
    assert torch.equal(quantising.eval()(ids).logits, plain(ids).logits)
    other = copy.deepcopy(quantising).train()
    for parameter in other.parameters():
        parameter.zero_()
    assert (other(ids).logits == 0).all()
    assert torch.equal(quantising(ids).logits, plain(ids).logits)


@torch.no_grad()
def test_a_tied_readout_is_rounded_with_its_table():
    model = build(spec({"a": layer(ffn={"type": "none"})}, compatibility=quantised("int8", "model.embed_tokens.*")))
    ids, seen = tokens(), []
    model.model.norm.register_forward_hook(lambda _, inputs, output: seen.append(output))
    logits = model.train()(ids).logits
    table = rounded(model.model.embed_tokens.weight, "int8")
    assert torch.equal(logits, seen[0] @ table.T)


def test_weights_are_whole_after_an_error():
    model = build(spec({"a": layer()}, compatibility=quantised("fp4", "*"))).train()
    with pytest.raises(IndexError):
        model(torch.tensor([[10_000]]))
    assert "weight" not in model.model.embed_tokens.__dict__
