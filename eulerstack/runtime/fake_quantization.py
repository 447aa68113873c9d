"""Quantisation-aware training: weights are rounded on the way into each training forward, gradients pass straight.

Features: fp4 (e2m1 in blocks of 32 that share a power of two, OCP Microscaling 1.0), fp8 (e4m3) and int8 (each with one
scale a row); the type to which the rounded weight is dequantised; weights chosen by globs over their names. Parameters,
their names and evaluation stay as they are: what is trained, saved and loaded is the unrounded weight.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

BLOCK = 32
"""How many neighbours in a row share fp4's scale."""

LARGEST = {"fp4": 6.0, "fp8": 448.0, "int8": 127.0}


def rounded(weight: torch.Tensor, dtype: str) -> torch.Tensor:
    """`weight` [..., n] in fp32, every value the nearest that `dtype` (fp4, fp8, int8, bf16 or fp32) has."""
    wide = weight.float()
    match dtype:
        case "fp32":
            return wide
        case "bf16":
            return wide.bfloat16().float()
        case "fp4":
            columns = wide.shape[-1]
            blocks = nn.functional.pad(wide, (0, -columns % BLOCK)).unflatten(-1, (-1, BLOCK))
            # The largest value's exponent becomes that of 4, e2m1's largest power of two; beyond 6 it saturates.
            scale = torch.exp2(torch.floor(torch.log2(_largest(blocks))) - 2)
            return (_to_e2m1(blocks / scale) * scale).flatten(-2)[..., :columns]
    scale = _largest(wide) / LARGEST[dtype]
    if dtype == "fp8":
        return (wide / scale).to(torch.float8_e4m3fn).float() * scale
    return (wide / scale).round().clamp(-LARGEST[dtype], LARGEST[dtype]) * scale


def _largest(rows: torch.Tensor) -> torch.Tensor:
    """The largest magnitude of each row, 1 for a row of zeros."""
    largest = rows.abs().amax(dim=-1, keepdim=True)
    return torch.where(largest > 0, largest, 1.0)


def _to_e2m1(x: torch.Tensor) -> torch.Tensor:
    """The nearest of 0, ½, 1, 1½, 2, 3, 4, 6 and their negatives; ties go to the even mantissa."""
    magnitude = x.abs().clamp(max=LARGEST["fp4"])
    step = torch.where(magnitude < 2, 0.5, torch.where(magnitude < 4, 1.0, 2.0))
    return (magnitude / step).round() * step * x.sign()


class StraightThrough(torch.autograd.Function):
    """ŵ = dequantise(quantise(w)), with ∂ŵ/∂w taken as 1 (Bengio 2013)."""

    @staticmethod
    def forward(ctx, weight: torch.Tensor, dtype: str, dequant_to: str | None) -> torch.Tensor:
        value = rounded(weight, dtype)
        return (value if dequant_to is None else rounded(value, dequant_to)).to(weight.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None, None


@dataclass(frozen=True)
class FakeQuantizer:
    """Hooks around a module's forward, between which its named weights are their rounded selves in training.

    The rounded tensor stands in the owner's `__dict__`, where attribute access finds it before the parameter. Names are
    kept, not modules, so that a copy of the model rounds its own weights.
    """

    names: tuple[str, ...]
    dtype: str
    dequant_to: str | None

    def before(self, module: nn.Module, args: tuple) -> None:
        """Put the rounded weights in place."""
        if module.training:
            for owner, leaf, weight in self._weights(module):
                owner.__dict__[leaf] = StraightThrough.apply(weight, self.dtype, self.dequant_to)

    def after(self, module: nn.Module, args: tuple, output) -> None:
        """Take them away again."""
        for owner, leaf, _ in self._weights(module):
            owner.__dict__.pop(leaf, None)

    def _weights(self, module: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
        for name in self.names:
            path, _, leaf = name.rpartition(".")
            owner = module.get_submodule(path)
            weight = owner._parameters.get(leaf)
            if weight is not None:
                yield owner, leaf, weight


def quantise_in_training(model: nn.Module, spec: dict, prefix: str, exact: Iterable[str]) -> None:
    """Round the matching weights of `model` in its training forwards.

    Those of a layer are rounded around each of its parts' forwards, since gradient checkpointing runs the parts again,
    but not the layer's own hooks. `spec` is `compatibility.quant_aware_training`; its globs are matched with `prefix` +
    name. Weights have two dimensions at least and match none of `exact`, the regular expressions of what stays exact.
    """
    names = {
        name
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if parameter.dim() > 1
        and any(fnmatchcase(prefix + name, glob) for glob in spec["scope"])
        and not any(re.search(pattern, name) for pattern in exact)
    }
    for path, unit in [*_parts_of_layers(model), ("", model)]:
        start = f"{path}." if path else ""
        mine = {name for name in names if name.startswith(start)}
        names -= mine
        if mine:
            relative = tuple(sorted(name.removeprefix(start) for name in mine))
            quantizer = FakeQuantizer(relative, spec["dtype"], spec.get("dequant_to"))
            unit.register_forward_pre_hook(quantizer.before)
            unit.register_forward_hook(quantizer.after, always_call=True)


def _parts_of_layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Mixers, feed-forwards and what else a layer is made of, by name."""
    layers = [(path, m) for path, m in model.named_modules() if isinstance(m, GradientCheckpointingLayer)]
    return [(f"{path}.{name}", part) for path, layer in layers for name, part in layer.named_children()]
