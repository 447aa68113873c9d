"""A body of layers as the right-hand side of an ordinary differential equation (Chen 2018; Tong 2025).

Shape suffixes: B batch, T tokens, M d_model.
"""

import math
from collections.abc import Callable

import torch
from torch import nn

FREQUENCIES = 8
"""How many sine waves of the depth time τ the body is told."""


class OdeTime(nn.Module):
    """e(τ) = W · [sin(πτ/2), sin(2πτ/2), …, sin(8πτ/2)], added to the body's input; e(0) = 0. Parameters: 8·M."""

    def __init__(self, d_model: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_model, FREQUENCIES))

    def forward(self, tau: float) -> torch.Tensor:
        """The embedding [M] of τ in [0, 1]."""
        waves = [math.sin(math.pi * tau * (k + 1) / 2) for k in range(FREQUENCIES)]
        return self.weight @ torch.tensor(waves, dtype=self.weight.dtype, device=self.weight.device)


Derivative = Callable[[torch.Tensor, float], torch.Tensor]
"""F(x, τ): the body's change of x + e(τ)."""


def euler_step(derivative: Derivative, x_BTM: torch.Tensor, tau: float, h: float) -> torch.Tensor:
    """x + h·F(x, τ); with one step of h = 1 the body itself, as a residual block."""
    return x_BTM + h * derivative(x_BTM, tau)


def rk4_step(derivative: Derivative, x_BTM: torch.Tensor, tau: float, h: float) -> torch.Tensor:
    """The classical Runge–Kutta step of fourth order."""
    k1 = derivative(x_BTM, tau)
    k2 = derivative(x_BTM + h / 2 * k1, tau + h / 2)
    k3 = derivative(x_BTM + h / 2 * k2, tau + h / 2)
    k4 = derivative(x_BTM + h * k3, tau + h)
    return x_BTM + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


METHODS = {"ode_euler": (euler_step, 1), "ode_rk4": (rk4_step, 4)}
"""An integrator's type → its step, and how often that evaluates the body."""
