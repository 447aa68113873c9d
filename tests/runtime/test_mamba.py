"""Mamba's mixers against transformers' and against the papers' definition; the recurrences; the optional kernels."""

import sys

import pytest
import torch
from torch.nn.functional import softplus
from transformers import FalconH1Config, JambaConfig, Mamba2Config, MambaConfig
from transformers.models.falcon_h1.modeling_falcon_h1 import FalconH1Mixer, compute_mup_vector
from transformers.models.jamba.modeling_jamba import JambaMambaMixer
from transformers.models.mamba.modeling_mamba import MambaMixer, causal_conv1d_fn, mamba_selective_scan
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer, mamba2_chunk_scan

from eulerstack.runtime import causal_convolution, selective_scan, state_space_dual
from eulerstack.runtime.mamba import build_mamba
from eulerstack.schema.base import as_plain
from tests.reference import mamba as reference
from tests.runtime.models.building import build, gap, randomise, to_ir, tokens
from tests.runtime.models.layers import layer, mamba
from tests.runtime.models.sections import spec
from tests.runtime.models.specs import SPECS

EPS = 1e-5
M = 16
VARIANTS = {
    "mamba1": {"variant": "mamba1", "d_state": 5},
    "mamba1_normed": {"variant": "mamba1", "d_state": 4, "norm_dt_b_c": True, "dt_rank": 3, "d_conv": 2},
    "mamba2": {"d_state": 6, "head_dim": 8},
    "mamba2_groups": {"d_state": 4, "head_dim": 4, "n_groups": 2, "expand": 3, "chunk_size": 5, "d_conv": 1},
}
"""What the papers define."""

MORE = {
    "mamba1_biases": {
        "variant": "mamba1", "d_state": 3, "in_bias": True, "out_bias": True, "conv_bias": False, "activation": "relu2"
    },
    "mamba2_bounds": {
        "d_state": 4, "head_dim": 8, "dt_min": 0.3, "dt_max": 0.9, "in_bias": True, "out_bias": True,
        "conv_bias": False, "activation": "gelu",
    },
    "falcon_h1": {
        "d_state": 4, "head_dim": 6, "n_groups": 2, "d_inner": 24, "gated_norm": "none",
        "multipliers": {"gate": 0.5, "input": 1.5, "b": 2.0, "c": 0.25, "dt": 0.75},
    },
    "falcon_h1_norm_before": {"d_state": 4, "head_dim": 6, "n_groups": 2, "d_inner": 24, "gated_norm": "before"},
}  # fmt: skip
"""What published models add to them."""

ORIGINALS = {
    "mamba1": lambda: MambaMixer(
        MambaConfig(hidden_size=M, state_size=5, num_hidden_layers=1, layer_norm_epsilon=EPS), layer_idx=0
    ),
    "mamba1_normed": lambda: JambaMambaMixer(
        JambaConfig(hidden_size=M, mamba_d_state=4, mamba_dt_rank=3, mamba_d_conv=2, rms_norm_eps=EPS), layer_idx=0
    ),
    "mamba2": lambda: Mamba2Mixer(
        Mamba2Config(hidden_size=M, state_size=6, head_dim=8, num_heads=4, n_groups=1, num_hidden_layers=1), layer_idx=0
    ),
    "mamba2_groups": lambda: Mamba2Mixer(
        Mamba2Config(
            hidden_size=M, state_size=4, head_dim=4, num_heads=12, n_groups=2, expand=3, conv_kernel=1,
            num_hidden_layers=1,
        ),
        layer_idx=0,
    ),
    "mamba1_biases": lambda: MambaMixer(
        MambaConfig(
            hidden_size=M, state_size=3, num_hidden_layers=1, use_bias=True, use_conv_bias=False, hidden_act="relu2"
        ),
        layer_idx=0,
    ),
    "mamba2_bounds": lambda: Mamba2Mixer(
        Mamba2Config(
            hidden_size=M, state_size=4, head_dim=8, num_heads=4, n_groups=1, num_hidden_layers=1, hidden_act="gelu",
            use_bias=True, use_conv_bias=False, time_step_limit=(0.3, 0.9),
        ),
        layer_idx=0,
    ),
    "falcon_h1": lambda: falcon_h1(ssm_multipliers=[0.5, 1.5, 2.0, 0.25, 0.75]),
    "falcon_h1_norm_before": lambda: falcon_h1(mamba_rms_norm=True, mamba_norm_before_gate=True),
}  # fmt: skip


def falcon_h1(**keys) -> torch.nn.Module:
    """transformers' mixer, with the factors that its model gives it."""
    config = FalconH1Config(
        hidden_size=M, mamba_d_state=4, mamba_n_heads=4, mamba_d_head=6, mamba_n_groups=2, mamba_d_ssm=24,
        rms_norm_eps=EPS, num_hidden_layers=1, **keys,
    )  # fmt: skip
    made = FalconH1Mixer(config, layer_idx=0)
    made.register_buffer("mup_vector", compute_mup_vector(config), persistent=False)
    return made


def mixer(name: str) -> torch.nn.Module:
    """The mixer of a variant, every parameter random."""
    block = to_ir(
        spec({"ssm": layer({"type": "mamba", "mamba": (VARIANTS | MORE)[name]})}, model={"d_model": M})
    ).blocks[0]
    plain = {"d_model": M, "norm": {"eps": EPS}, "mixer": {"mamba": as_plain(block.mixer)}}
    made = build_mamba(None, plain, 0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
    return randomise(made)


def inputs(batch: int = 2, length: int = 23, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(batch, length, M, generator=torch.Generator().manual_seed(3), dtype=dtype)


def gradients(output: torch.Tensor, module: torch.nn.Module, *more: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of a random linear function of the output, with respect to every parameter and `more`."""
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(4), dtype=output.dtype)
    names, parameters = zip(*module.named_parameters(), strict=True)
    names += tuple(f"input {i}" for i in range(len(more)))
    return dict(zip(names, torch.autograd.grad((output * weights).sum(), (*parameters, *more)), strict=True))


@pytest.mark.parametrize("name", ORIGINALS)
def test_forward_and_gradient_are_transformers(name):
    ours, theirs, u = mixer(name), ORIGINALS[name](), inputs().requires_grad_()
    theirs.load_state_dict(ours.state_dict())
    mine, other = ours(u)[0], theirs(u)
    assert gap(mine, other) < 1e-5
    expected = gradients(other, theirs, u)
    for parameter, gradient in gradients(mine, ours, u).items():
        assert gap(gradient, expected[parameter]) < 1e-5, parameter


@pytest.mark.parametrize("name", VARIANTS)
def test_forward_and_gradient_are_the_papers(name):
    ours, u = mixer(name).double(), inputs(1, 11, torch.float64).requires_grad_()
    weights = dict(ours.named_parameters())
    if name.startswith("mamba1"):
        expected = reference.mamba1(weights, u[0], EPS)
    else:
        expected = reference.mamba2(weights, u[0], EPS, VARIANTS[name].get("n_groups", 1))
    mine = ours(u)[0][0]
    assert gap(mine, expected) < 1e-12
    theirs = gradients(expected, ours, u)
    for parameter, gradient in gradients(mine, ours, u).items():
        assert gap(gradient, theirs[parameter]) < 1e-11, parameter


def scan_inputs(
    length: int, inner: int = 3, d_state: int = 2, dtype: torch.dtype = torch.float64
) -> list[torch.Tensor]:
    """x, Δ, A, B, C and a state to begin with."""
    generator = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    drawn = [
        draw(2, length, inner),
        softplus(draw(2, length, inner)),
        -draw(inner, d_state).exp(),
        draw(2, length, d_state),
        draw(2, length, d_state),
        draw(2, inner, d_state),
    ]
    return [tensor.requires_grad_() for tensor in drawn]


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 20])
def test_selective_scan_s_gradients_are_right_across_blocks(length, monkeypatch):
    monkeypatch.setattr(selective_scan, "BLOCK", 4)
    assert torch.autograd.gradcheck(selective_scan.selective_scan, scan_inputs(length))


def test_selective_scan_keeps_states_between_blocks_only():
    kept = []
    drawn = scan_inputs(512, inner=8, d_state=16, dtype=torch.float32)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        selective_scan.selective_scan(*drawn)
    every_state = 2 * 512 * 8 * 16
    assert sum(kept) - sum(tensor.numel() for tensor in drawn) <= every_state / 16


def dual_inputs(length: int) -> list[torch.Tensor]:
    """x, Δ, A, B, C of 4 heads in 2 groups, and a state to begin with."""
    generator = torch.Generator().manual_seed(6)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    drawn = [
        draw(2, length, 4, 3),
        softplus(draw(2, length, 4)),
        -draw(4).exp(),
        draw(2, length, 2, 5),
        draw(2, length, 2, 5),
        draw(2, 4, 3, 5),
    ]
    return [tensor.requires_grad_() for tensor in drawn]


@pytest.mark.parametrize("length", [1, 5, 12, 13])
def test_the_size_of_chunks_changes_nothing(length):
    *drawn, state = dual_inputs(length)
    results = []
    for size in (1, 4, 6, 64):
        y, last = state_space_dual.state_space_dual(*drawn, size, state)
        results.append((y, last, *torch.autograd.grad(y.square().sum() + last.sum(), (*drawn, state))))
    for other in results[1:]:
        assert all(gap(a, b) < 1e-12 for a, b in zip(other, results[0], strict=True))


@pytest.mark.parametrize("step", [0.0, 1e-30, 300.0])
def test_no_decay_overflows(step):
    *drawn, state = dual_inputs(20)
    x, delta, A, B, C = drawn
    delta = torch.full_like(delta, step).requires_grad_()
    y, last = state_space_dual.state_space_dual(x, delta, A, B, C, 8, state)
    grads = torch.autograd.grad(y.sum() + last.sum(), (x, delta, A, B, C, state))
    assert all(tensor.isfinite().all() for tensor in (y, last, *grads))
    if step == 0:
        assert torch.equal(last, state)


def test_without_kernels_torch_runs():
    assert not {"mamba_ssm", "causal_conv1d"} & set(sys.modules)
    assert selective_scan.selective_scan_kernel is None
    assert state_space_dual.chunk_scan_kernel is None
    assert causal_convolution.causal_conv1d_kernel is None


@pytest.mark.parametrize("name", ["mamba1", "mamba2"])
def test_kernels_are_called_as_their_packages_want(name, monkeypatch):
    """transformers' torch forms stand in for the kernels, whose signatures they have."""
    model, ids = build(SPECS[name]), tokens()
    mask = torch.ones_like(ids)
    mask[0, :5] = 0
    with torch.no_grad():
        expected = model(ids, attention_mask=mask).logits
        called = []

        def standing_in(function):
            def kernel(*args, **kwargs):
                called.append(function.__name__)
                return function(*args, **kwargs)

            return kernel

        for module in (selective_scan, state_space_dual, causal_convolution):
            monkeypatch.setattr(module, "runs_on", lambda kernel, tensor: kernel is not None)
        monkeypatch.setattr(selective_scan, "selective_scan_kernel", standing_in(mamba_selective_scan))
        monkeypatch.setattr(state_space_dual, "chunk_scan_kernel", standing_in(mamba2_chunk_scan))
        monkeypatch.setattr(causal_convolution, "causal_conv1d_kernel", standing_in(causal_conv1d_fn))
        assert gap(model(ids, attention_mask=mask).logits, expected) < 1e-5
    assert len(called) == 2 * len(model.model.layers)


@pytest.mark.parametrize(("width", "calls"), [(1, 0), (2, 1), (4, 1), (5, 0)])
def test_the_convolutions_kernel_is_asked_for_the_widths_it_knows(width, calls, monkeypatch):
    convolution, x, called = causal_convolution.CausalConvolution(3, width), torch.randn(2, 7, 3), []

    def kernel(x, weight, bias):
        called.append(weight.shape)
        return causal_conv1d_fn(x, weight, bias)

    expected = convolution(x)[0]
    monkeypatch.setattr(causal_convolution, "runs_on", lambda kernel, tensor: True)
    monkeypatch.setattr(causal_convolution, "causal_conv1d_kernel", kernel)
    assert gap(convolution(x)[0], expected) < 1e-6
    assert called == [(3, width)] * calls


@pytest.mark.slow
def test_mamba2_compiles_in_one_graph():
    model = build(spec({"ssm": layer(mamba())}, [{"template": "ssm"}])).train()
    ids = tokens(length=16)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    assert gap(compiled(ids, use_cache=False).logits, model(ids, use_cache=False).logits) < 1e-5
