"""Test-time training layers from their paper, one token at a time: the definition, not a way to compute it.

Sun 2024: the state is a model f, trained on every token by the loss ℓ = ½‖LN(f(k)) − (v − k)‖² (§2.7, and the released
code's residual form); token i of a mini-batch (i from 0) reads with the weights W_i = W₀ − e_i Σ_{j≤i} η_j ∇ℓ_j, e_i =
max(1/(i + 1) + learned_i, 0), gradients at the weights W₀ before the mini-batch. `w` maps tensor names to fp64 tensors,
`x` is one sequence [T, M]. The inner gradients are autograd's.

More than one step: step s adds the gradients at the weights that each token had after step s − 1. AdamW: in place of
the subtraction, step s of a mini-batch is one step of AdamW on the gradient e_i Σ_{j≤i} σ_j ∇ℓ_j.
"""

from dataclasses import dataclass

import torch

Weights = dict[str, torch.Tensor]
Matrices = list[torch.Tensor]


@dataclass(frozen=True)
class Settings:
    n_heads: int
    chunk: int
    rate: float
    steps: int
    optimizer: str
    eps: float
    theta: float | None
    betas: tuple[float, float]
    adam_eps: float
    decay: float


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
    centred = x - x.mean()
    return centred / torch.sqrt((centred * centred).mean() + eps) * weight + bias


def gelu(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


def rotated(x: torch.Tensor, position: int, theta: float | None) -> torch.Tensor:
    """Neighbouring features (2i, 2i + 1) turned by position · θ^(−2i/D)."""
    if theta is None:
        return x
    turned = []
    for i in range(0, len(x), 2):
        angle = torch.tensor(position * theta ** (-i / len(x)), dtype=x.dtype)
        turned.append(x[i] * torch.cos(angle) - x[i + 1] * torch.sin(angle))
        turned.append(x[i] * torch.sin(angle) + x[i + 1] * torch.cos(angle))
    return torch.stack(turned)


def model(matrices: Matrices, x: torch.Tensor) -> torch.Tensor:
    """W1, b1[, W2, b2]."""
    for index in range(0, len(matrices), 2):
        x = x @ matrices[index] + matrices[index + 1][0]
        if index + 2 < len(matrices):
            x = gelu(x)
    return x


def stepped(start: Matrices, moments: tuple[Matrices, Matrices], sums: list[Matrices], scale, taken: int, s: Settings):
    """The weights and moments after as many steps as there are `sums`, `taken` steps having been taken before."""
    weights, (first, second) = start, moments
    for step, gradients in enumerate(sums, start=taken + 1):
        scaled = [scale * gradient for gradient in gradients]
        if s.optimizer == "sgd":
            weights = [w - g for w, g in zip(weights, scaled, strict=True)]
            continue
        first = [s.betas[0] * m + (1 - s.betas[0]) * g for m, g in zip(first, scaled, strict=True)]
        second = [s.betas[1] * v + (1 - s.betas[1]) * g * g for v, g in zip(second, scaled, strict=True)]
        weights = [
            w
            - s.rate * s.decay * w
            - s.rate * (m / (1 - s.betas[0] ** step)) / torch.sqrt(v / (1 - s.betas[1] ** step) + s.adam_eps**2)
            for w, m, v in zip(weights, first, second, strict=True)
        ]
    return weights, (first, second)


def ttt(w: Weights, x: torch.Tensor, s: Settings) -> torch.Tensor:
    """[T, M] → [T, M]."""
    names = [name for name in ("W1", "b1", "W2", "b2") if name in w]
    width = x.shape[1] // s.n_heads
    heads = []
    for h in range(s.n_heads):
        own = slice(h * width, (h + 1) * width)
        weight, bias = w["ttt_norm_weight"][h], w["ttt_norm_bias"][h]
        start = [w[name][h] for name in names]
        zeros = [torch.zeros_like(matrix) for matrix in start]
        moments = (zeros, zeros)
        rows = []
        for t in range(len(x)):
            i = t % s.chunk
            if i == 0:
                sums = [zeros] * s.steps
            q = rotated(w["q_proj.weight"][own] @ x[t], i, s.theta)
            k = rotated(w["k_proj.weight"][own] @ x[t], i, s.theta)
            v = w["v_proj.weight"][own] @ x[t]
            rate = torch.sigmoid(w["learnable_ttt_lr_weight"][h, 0] @ x[t] + w["learnable_ttt_lr_bias"][h, 0])
            if s.optimizer == "sgd":
                rate = rate * s.rate / width
            scale = torch.clamp(1 / (i + 1) + w["learnable_token_idx"][i], min=0)
            taken = t // s.chunk * s.steps
            weights, after = start, moments
            for step in range(s.steps):
                error = layer_norm(model(weights, k), weight, bias, s.eps) - (v - k)
                gradients = torch.autograd.grad(0.5 * (error * error).sum(), weights, create_graph=True)
                sums[step] = [a + rate * g for a, g in zip(sums[step], gradients, strict=True)]
                weights, after = stepped(start, moments, sums[: step + 1], scale, taken, s)
            rows.append(q + layer_norm(model(weights, q), weight, bias, s.eps))
            if i == s.chunk - 1:
                start, moments = weights, after
        heads.append(torch.stack(rows))
    joined = torch.cat(heads, dim=1)
    normed = torch.stack([layer_norm(row, w["post_norm.weight"], w["post_norm.bias"], s.eps) for row in joined])
    return normed @ w["o_proj.weight"].T
