"""The documented counts of what is no matrix product, against the operations that the runtime really issues."""

from collections.abc import Callable
from math import log2, prod

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from eulerstack.runtime.associative_memory import delta_rule
from eulerstack.runtime.gated_delta_net import gated_delta_rule
from eulerstack.runtime.hyena import long_convolution
from eulerstack.runtime.selective_scan import selective_scan
from eulerstack.schema.memory import AssociativeMemory, MemoryParams
from eulerstack.schema.mixers import GatedDeltaNet, Hyena, Mamba, Ttt
from eulerstack.schema.mixers.ttt import InnerModel
from eulerstack.schema.work import Call
from tests.runtime.models.building import build, tokens
from tests.runtime.models.layers import layer, ttt
from tests.runtime.models.sections import spec

aten = torch.ops.aten


def each(out: torch.Tensor) -> int:
    """One operation a number, six a complex one."""
    return out.numel() * (6 if out.is_complex() else 1)


def transforms(x: torch.Tensor, out: torch.Tensor) -> float:
    """2.5·n·log₂ n for each transform of n real numbers."""
    real = out if x.is_complex() else x
    n = real.shape[-1]
    return real.numel() / n * 2.5 * n * log2(n)


def solving(matrix: torch.Tensor, right: torch.Tensor) -> int:
    """A multiply-add for half of the square, for each right-hand side."""
    return matrix.shape[-1] ** 2 * right.shape[-1] * prod(matrix.shape[:-2])


FORMULAS: dict[object, Callable] = {
    aten.mul: lambda args, out: each(out),
    aten.mul_: lambda args, out: each(out),
    aten.exp: lambda args, out: each(out),
    aten.exp_: lambda args, out: each(out),
    aten.addcmul: lambda args, out: 2 * out.numel(),
    aten.addcmul_: lambda args, out: 2 * out.numel(),
    aten.sum: lambda args, out: 0 if args[0].is_complex() else args[0].numel(),
    aten._fft_r2c: lambda args, out: transforms(args[0], out),
    aten._fft_c2r: lambda args, out: transforms(args[0], out),
    aten.linalg_solve_triangular: lambda args, out: solving(args[0], args[1]),
}


class Counted(TorchDispatchMode):
    """Adds up the operations of the kinds it is told."""

    def __init__(self, *kinds: object):
        super().__init__()
        self.kinds, self.count = kinds, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket in self.kinds:
            self.count += FORMULAS[func.overloadpacket](args, out)
        return out


def counted(run: Callable, *kinds: object) -> tuple[int, object]:
    with Counted(*kinds) as mode:
        result = run()
    return mode.count, result


def random(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(*shape, generator=generator).requires_grad_()


def test_mamba1() -> None:
    batch, length, inner, state = 2, 70, 12, 5
    mixer = Mamba(
        variant="mamba1", d_state=state, d_conv=4, expand=None, head_dim=None, n_groups=None, chunk_size=None,
        dt_rank=2,
        norm_dt_b_c=False, d_inner=inner, in_bias=False, out_bias=False, conv_bias=True, activation="silu", dt_min=None,
        dt_max=None, gated_norm=None, multipliers=None,
    )  # fmt: skip
    stated = mixer.work(8, Call(batch=batch, tokens=length, training=True))
    sizes = ((batch, length, inner),) * 2 + ((inner, state),) + ((batch, length, state),) * 2
    inputs = [random(*size) for size in sizes]
    kinds = (aten.mul, aten.mul_, aten.exp_, aten.addcmul, aten.addcmul_, aten.sum)
    ahead, result = counted(lambda: selective_scan(*inputs)[0], *kinds)
    assert ahead == stated.scan
    back, _ = counted(lambda: result.backward(torch.ones_like(result)), *kinds)
    # The first step of a block has no later one's gradient to add.
    assert back == pytest.approx(stated.scan_backward, rel=0.03)


def test_hyena() -> None:
    batch, length, width = 3, 50, 8
    stated = Hyena(depth=2, filter_hidden=4, filter_decay=0.0).work(
        width, Call(batch=batch, tokens=length, training=True)
    )
    x, taps = random(batch, width, length), random(width, length)
    kinds = (aten.mul, aten._fft_r2c, aten._fft_c2r)
    ahead, result = counted(lambda: long_convolution(x, taps, length), *kinds)
    back, _ = counted(lambda: result.backward(torch.ones_like(result)), *kinds)
    assert ahead == pytest.approx(stated.scan, rel=1e-3)
    assert back == pytest.approx(stated.scan_backward, rel=1e-3)


def test_gated_deltanet() -> None:
    batch, length, heads, key, value, size = 2, 40, 3, 5, 7, 16
    mixer = GatedDeltaNet(n_heads=heads, n_value_heads=heads, d_key=key, d_value=value, d_conv=4, chunk_size=size)
    stated = mixer.work(8, Call(batch=batch, tokens=length, training=True))
    query, keys = random(batch, length, heads, key), random(batch, length, heads, key)
    rates = -random(batch, length, heads), random(batch, length, heads)
    kinds = (aten.linalg_solve_triangular, aten.addcmul)
    values = random(batch, length, heads, value)
    ahead, result = counted(lambda: gated_delta_rule(query, keys, values, *rates, size)[0], *kinds)
    assert ahead == stated.scan
    back, _ = counted(lambda: result.backward(torch.ones_like(result)), aten.linalg_solve_triangular)
    carried = 4 * -(-length // size) * batch * heads * key * value
    assert back == stated.scan_backward - carried


def test_associative_memory() -> None:
    batch, length, keys, width = 2, 64, 6, 9
    memory = AssociativeMemory(
        update_at_inference=True, params=MemoryParams(hidden=keys), inner_lr=0.1, persistence="session"
    )
    stated = memory.work(width, Call(batch=batch, tokens=length, training=True))
    q, k, v, beta = (random(batch, length, size) for size in (keys, keys, width, 1))
    matrix = random(batch, keys, width)
    ahead, result = counted(lambda: delta_rule(q, k, v, beta, matrix)[0], aten.linalg_solve_triangular)
    back, _ = counted(lambda: result.backward(torch.ones_like(result)), aten.linalg_solve_triangular)
    assert (ahead, back) == (stated.scan, stated.scan_backward)


def test_adamw_inside_a_ttt_layer() -> None:
    """Of every weight and token, inner step by step: all arithmetic on what is as large as that."""
    batch, length, heads = 2, 32, 4
    mixer = Ttt(
        inner_model=InnerModel(type="linear", hidden=None), inner_optimizer="adamw", inner_lr=0.01,
        inner_steps_per_token=2, chunk_size=8, n_heads=heads,
    )  # fmt: skip
    stated = mixer.work(32, Call(batch=batch, tokens=length))
    plain = {"inner_optimizer": "adamw", "inner_lr": 0.01, "inner_steps_per_token": 2, "chunk_size": 8}
    model = build(spec({"a": layer(ttt({"type": "linear"}, **plain), {"type": "none"})}, [{"template": "a"}]))
    numbers = 32 // heads + 1, 32 // heads
    weights = {"lerp": 3, "addcmul": 2}

    class Elementwise(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            moved = {"expand", "view", "_unsafe_view", "clone", "bmm", "cat", "slice", "select", "unsqueeze", "squeeze"}
            name = func.overloadpacket.__name__
            if isinstance(out, torch.Tensor) and out.dim() == 5 and out.shape[-2:] == numbers and name not in moved:
                self.count += weights.get(name, 1) * out.numel()
            return out

    with torch.no_grad(), Elementwise() as mode:
        model(tokens(batch, length), use_cache=False)
    assert mode.count == pytest.approx(stated.scan, rel=0.15)
