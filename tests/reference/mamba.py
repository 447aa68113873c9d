"""Mamba-1 and Mamba-2 from their papers, one number at a time: the definition, not a way to compute it.

Mamba-1: Gu & Dao 2023, Algorithm 2 with the block of Figure 3; the norms of Jamba (Lieber 2024, §3). Mamba-2: Dao & Gu
2024, equation 1 with A_t = a_t·I and the parallel block of Figure 6. `w` maps tensor names to fp64 tensors, `u` is one
sequence [T, M]. Discretisation: Ā = exp(Δ A), B̄ = Δ B.
"""

import torch

Weights = dict[str, torch.Tensor]


def silu(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + torch.exp(-x))


def softplus(x: torch.Tensor) -> torch.Tensor:
    return torch.log1p(torch.exp(x))


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    return x / torch.sqrt((x * x).mean() + eps) * weight


def causal_conv(w: Weights, x: torch.Tensor) -> torch.Tensor:
    """[T, channels]: each channel with its own kernel, over this token and those before it."""
    kernel, bias = w["conv1d.weight"][:, 0], w["conv1d.bias"]
    width = kernel.shape[1]
    rows = []
    for t in range(len(x)):
        row = bias
        for back in range(min(width, t + 1)):
            row = row + kernel[:, width - 1 - back] * x[t - back]
        rows.append(row)
    return torch.stack(rows)


def mamba1(w: Weights, u: torch.Tensor, eps: float) -> torch.Tensor:
    """[T, M] → [T, M]."""
    channels, d_state = w["A_log"].shape
    rank = w["dt_proj.weight"].shape[1]
    projected = u @ w["in_proj.weight"].T
    x, z = silu(causal_conv(w, projected[:, :channels])), projected[:, channels:]
    state = [[torch.zeros((), dtype=u.dtype) for _ in range(d_state)] for _ in range(channels)]
    outputs = []
    for t in range(len(u)):
        selected = w["x_proj.weight"] @ x[t]
        step, write, read = selected[:rank], selected[rank : rank + d_state], selected[rank + d_state :]
        if "dt_layernorm.weight" in w:
            step = rms_norm(step, w["dt_layernorm.weight"], eps)
            write = rms_norm(write, w["b_layernorm.weight"], eps)
            read = rms_norm(read, w["c_layernorm.weight"], eps)
        delta = softplus(w["dt_proj.weight"] @ step + w["dt_proj.bias"])
        y = []
        for i in range(channels):
            total = w["D"][i] * x[t, i]
            for n in range(d_state):
                kept = torch.exp(delta[i] * -torch.exp(w["A_log"][i, n]))
                state[i][n] = kept * state[i][n] + delta[i] * write[n] * x[t, i]
                total = total + read[n] * state[i][n]
            y.append(total * silu(z[t, i]))
        outputs.append(w["out_proj.weight"] @ torch.stack(y))
    return torch.stack(outputs)


def mamba2(w: Weights, u: torch.Tensor, eps: float, n_groups: int) -> torch.Tensor:
    """[T, M] → [T, M]."""
    n_heads, channels = len(w["A_log"]), w["out_proj.weight"].shape[1]
    shared = (len(w["conv1d.weight"]) - channels) // 2
    head_dim, d_state = channels // n_heads, shared // n_groups
    projected = u @ w["in_proj.weight"].T
    z, step = projected[:, :channels], projected[:, -n_heads:]
    convolved = silu(causal_conv(w, projected[:, channels:-n_heads]))
    x = convolved[:, :channels]
    write, read = convolved[:, channels : channels + shared], convolved[:, channels + shared :]
    state = torch.zeros(n_heads, head_dim, d_state, dtype=u.dtype)
    outputs = []
    for t in range(len(u)):
        y, states = [], []
        for h in range(n_heads):
            group = slice(h // (n_heads // n_groups) * d_state, (h // (n_heads // n_groups) + 1) * d_state)
            delta = softplus(step[t, h] + w["dt_bias"][h])
            x_h = x[t, h * head_dim : (h + 1) * head_dim]
            kept = torch.exp(delta * -torch.exp(w["A_log"][h]))
            states.append(kept * state[h] + delta * torch.outer(x_h, write[t, group]))
            y.append(states[h] @ read[t, group] + w["D"][h] * x_h)
        state = torch.stack(states)
        gated = (torch.cat(y) * silu(z[t])).split(channels // n_groups)
        weights = w["norm.weight"].split(channels // n_groups)
        normed = torch.cat([rms_norm(part, weight, eps) for part, weight in zip(gated, weights, strict=True)])
        outputs.append(w["out_proj.weight"] @ normed)
    return torch.stack(outputs)
