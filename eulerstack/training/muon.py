"""Muon (Jordan 2024) for matrices, with AdamW for everything else, as one optimizer.

Features: every matrix of a stack [E, A, B] (experts) is orthogonalised by itself; a second Newton-Schulz iteration that
brings the singular values to 1 after the first has brought them near (DeepSeek-V4); updates as large as AdamW's (Liu
2025), so that one learning rate serves both. For a matrix, and without the second iteration, a step is that of
`torch.optim.Muon`.

Shape suffixes: E matrices of a stack, A rows, B columns.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch.optim.adamw import adamw

AdjustLr = Literal["original", "match_rms_adamw"]
Coefficients = tuple[float, float, float]

EPS = 1e-7
"""Keeps the norm that a gradient is divided by from 0, as in torch."""


class MuonAdamW(torch.optim.Optimizer):
    """Each parameter group says by `optimizer`, muon or adamw, whose step its parameters take.

    Muon, for a gradient g: M ← μM + (1−μ)g; U = NS((1−μ)g + μM); p ← p(1 − ηλ) − η·r·U, with r = 0.2·√max(A, B)
    (`adjust_lr` match_rms_adamw) or √max(1, A/B) (original). NS takes `ns_iters` steps X ← aX + (bXXᵀ + c(XXᵀ)²)X with
    `ns_coefs`, then `stabilize_iters` with `stabilize_coefs`, in bf16. A vector of a stack [E, 1, B] is normalised.

    AdamW is torch's own function.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        *,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        momentum: float = 0.95,
        ns_iters: int = 8,
        ns_coefs: Coefficients = (3.4445, -4.7750, 2.0315),
        stabilize_iters: int = 2,
        stabilize_coefs: Coefficients = (2.0, -1.5, 0.5),
        adjust_lr: AdjustLr = "match_rms_adamw",
    ):
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "betas": tuple(betas),
            "eps": eps,
            "momentum": momentum,
            "ns_iters": ns_iters,
            "ns_coefs": tuple(ns_coefs),
            "stabilize_iters": stabilize_iters,
            "stabilize_coefs": tuple(stabilize_coefs),
            "adjust_lr": adjust_lr,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            if group["optimizer"] == "muon" and any(p.dim() < 2 for p in group["params"]):
                raise ValueError("Muon takes matrices and stacks of them, and a parameter has fewer than 2 dimensions")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of every group."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if group["optimizer"] == "muon":
                for parameter in parameters:
                    self._muon(parameter, group)
            else:
                self._adamw(parameters, group)
        return loss

    def _muon(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        gradient, state, momentum = parameter.grad, self.state[parameter], group["momentum"]
        assert gradient is not None
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        buffer = state["momentum_buffer"]
        buffer.lerp_(gradient, 1 - momentum)
        update = orthogonalised(gradient.lerp(buffer, momentum), iterations(group))
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(update, alpha=-group["lr"] * lr_ratio(parameter.shape, group["adjust_lr"]))

    def _adamw(self, parameters: list[torch.Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32)
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
        states = [self.state[parameter] for parameter in parameters]
        beta1, beta2 = group["betas"]
        adamw(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def iterations(group: dict[str, Any]) -> list[Coefficients]:
    """The coefficients of every Newton-Schulz step of a group, in order."""
    return [group["ns_coefs"]] * group["ns_iters"] + [group["stabilize_coefs"]] * group["stabilize_iters"]


def orthogonalised(gradient: torch.Tensor, steps: Iterable[Coefficients]) -> torch.Tensor:
    """Nearly UVᵀ for a matrix USVᵀ [A, B], in bf16; of a stack [..., A, B], each of its matrices."""
    x = gradient.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    if x.dim() > 2:
        stack = x.flatten(0, -3)
        norm_E = torch.linalg.matrix_norm(stack).clamp(min=EPS)
        x_EAB = stack / norm_E[:, None, None]
        for a, b, c in steps:
            gram_EAA = x_EAB @ x_EAB.mT
            x_EAB = torch.baddbmm(x_EAB, torch.baddbmm(gram_EAA, gram_EAA, gram_EAA, beta=b, alpha=c), x_EAB, beta=a)
        x = x_EAB.view(x.shape)
    else:
        x = x / x.norm().clamp(min=EPS)
        for a, b, c in steps:
            gram_AA = x @ x.mT
            x = torch.addmm(x, torch.addmm(gram_AA, gram_AA, gram_AA, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def lr_ratio(shape: torch.Size, adjust_lr: AdjustLr) -> float:
    """What a matrix's learning rate is multiplied by: its last two dimensions count."""
    rows, columns = shape[-2:]
    return math.sqrt(max(1, rows / columns)) if adjust_lr == "original" else 0.2 * math.sqrt(max(rows, columns))
