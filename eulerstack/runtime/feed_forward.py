"""Position-wise feed-forward networks: the two-matrix MLP and the gated MLP (Shazeer 2020, "GLU variants")."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn


def relu_squared(x: torch.Tensor) -> torch.Tensor:
    """max(x, 0)² (So 2021, Primer)."""
    return nn.functional.relu(x).square()


ACTIVATIONS: dict[str, Callable] = {
    "gelu": nn.functional.gelu,
    "gelu_tanh": partial(nn.functional.gelu, approximate="tanh"),
    "relu": nn.functional.relu,
    "relu2": relu_squared,
    "silu": nn.functional.silu,
    "swiglu": nn.functional.silu,
    "geglu": nn.functional.gelu,
}
"""An activation's name → the function; in gated forms it is applied to the gate."""


class Mlp(nn.Module):
    """y = W_down · φ(W_up · x). Parameters: 2·d·f (+ f + d with bias)."""

    def __init__(self, d_model: int, d_ff: int, activation: str, bias: bool):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.up_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.down_proj = nn.Linear(d_ff, d_model, bias=bias)

    def forward(self, x: torch.Tensor, **kwargs) -> tuple[torch.Tensor]:
        """`x` [..., d] → the same shape, in a tuple of one."""
        return (self.down_proj(self.activation(self.up_proj(x))),)


def gated(gate: torch.Tensor, up: torch.Tensor, activation: Callable, gating: dict | None) -> torch.Tensor:
    """φ(gate) ⊙ up; with `gating` both within a limit, φ(g) = g·σ(slope·g), and an offset on up (gpt-oss 2025)."""
    if gating is None:
        return activation(gate) * up
    limit, slope = gating["limit"], gating["slope"]
    if limit is not None:
        gate, up = gate.clamp(max=limit), up.clamp(min=-limit, max=limit)
    shaped = activation(gate) if slope == 1.0 else gate * torch.sigmoid(slope * gate)
    return shaped * (up + gating["up_offset"])


class GatedMlp(nn.Module):
    """y = W_down · (φ(W_gate · x) ⊙ W_up · x). Parameters: 3·d·f (+ 2f + d with bias).

    `gating` bounds and shifts what meets in the product (`gated`).
    `factors`: fixed numbers that W_gate · x (`gate`) and y (`output`) are multiplied with (Falcon-H1, Zuo 2025).
    """

    def __init__(self, d_model: int, d_ff: int, activation: str, bias: bool, factors=None, gating: dict | None = None):
        super().__init__()
        self.factors, self.gating = factors, gating
        self.activation = ACTIVATIONS[activation]
        self.gate_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.up_proj = nn.Linear(d_model, d_ff, bias=bias)
        self.down_proj = nn.Linear(d_ff, d_model, bias=bias)

    def forward(self, x: torch.Tensor, **kwargs) -> tuple[torch.Tensor]:
        """`x` [..., d] → the same shape, in a tuple of one."""
        if self.factors is None:
            return (self.down_proj(gated(self.gate_proj(x), self.up_proj(x), self.activation, self.gating)),)
        gate = self.gate_proj(x) * self.factors["gate"]
        hidden = gated(gate, self.up_proj(x), self.activation, self.gating)
        return (self.down_proj(hidden) * self.factors["output"],)
