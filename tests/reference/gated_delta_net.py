"""Gated DeltaNet from its paper, one token and one head at a time (Yang 2025, equation 10): the definition.

`w` maps tensor names to fp64 tensors, `x` is one sequence [T, M]. The state is written here as in the paper, S [V, K].
"""

import torch

Weights = dict[str, torch.Tensor]


def silu(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + torch.exp(-x))


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / torch.sqrt((x * x).sum() + 1e-6)


def causal_conv(kernel: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """[T, C] with a kernel [C, W]: each channel by itself, over this token and those before it."""
    width = kernel.shape[1]
    rows = []
    for t in range(len(x)):
        rows.append(sum(kernel[:, width - 1 - back] * x[t - back] for back in range(min(width, t + 1))))
    return torch.stack(rows)


def gated_delta_net(w: Weights, x: torch.Tensor, n_heads: int, eps: float) -> torch.Tensor:
    """[T, M] → [T, M]; `n_heads` of queries and keys."""
    n_value_heads, d_value = len(w["A_log"]), len(w["norm.weight"])
    d_key = (len(w["conv1d.weight"]) - n_value_heads * d_value) // 2 // n_heads
    convolved = silu(causal_conv(w["conv1d.weight"][:, 0], x @ w["in_proj_qkv.weight"].T))
    z = x @ w["in_proj_z.weight"].T
    outputs = []
    states = [torch.zeros(d_value, d_key, dtype=x.dtype) for _ in range(n_value_heads)]
    for t in range(len(x)):
        heads = []
        for h in range(n_value_heads):
            shared = h // (n_value_heads // n_heads)
            q = unit(convolved[t, shared * d_key : (shared + 1) * d_key]) / d_key**0.5
            k = unit(convolved[t, (n_heads + shared) * d_key : (n_heads + shared + 1) * d_key])
            first = 2 * n_heads * d_key + h * d_value
            v = convolved[t, first : first + d_value]
            beta = 1 / (1 + torch.exp(-w["in_proj_b.weight"][h] @ x[t]))
            step = torch.log1p(torch.exp(w["in_proj_a.weight"][h] @ x[t] + w["dt_bias"][h]))
            alpha = torch.exp(-torch.exp(w["A_log"][h]) * step)
            erase = torch.eye(d_key, dtype=x.dtype) - beta * torch.outer(k, k)
            states[h] = states[h] @ (alpha * erase) + beta * torch.outer(v, k)
            o = states[h] @ q
            normed = o / torch.sqrt((o * o).mean() + eps) * w["norm.weight"]
            heads.append(normed * silu(z[t, h * d_value : (h + 1) * d_value]))
        outputs.append(w["out_proj.weight"] @ torch.cat(heads))
    return torch.stack(outputs)
