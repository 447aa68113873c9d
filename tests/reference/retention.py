"""Retention from its paper, one token and one head at a time (Sun 2023, equations 1 to 7): the definition.

`w` maps tensor names to fp64 tensors, `x` is one sequence [T, M].
"""

import math

import torch

Weights = dict[str, torch.Tensor]


def rotation(width: int, position: int, dtype: torch.dtype) -> torch.Tensor:
    """The matrix [width, width] that turns a row vector's neighbouring features, pair i by position · θ_i."""
    matrix = torch.zeros(width, width, dtype=dtype)
    pairs = width // 2
    for i in range(pairs):
        angle = position * 10000 ** -(i / (pairs - 1) if pairs > 1 else 0)
        cos, sin = math.cos(angle), math.sin(angle)
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor([[cos, sin], [-sin, cos]], dtype=dtype)
    return matrix


def retention(w: Weights, x: torch.Tensor, n_heads: int, eps: float, rope: bool = True) -> torch.Tensor:
    """[T, M] → [T, M]."""
    query, key, value, gate = (x @ w[f"{name}_proj.weight"].T for name in "qkvg")
    d, e = query.shape[1] // n_heads, value.shape[1] // n_heads
    outputs = []
    for n in range(len(x)):
        heads = []
        for h in range(n_heads):
            gamma = 1 - 2.0 ** (-5 - h)
            output = torch.zeros(e, dtype=x.dtype)
            for m in range(n + 1):
                q, k = query[n, h * d : (h + 1) * d], key[m, h * d : (h + 1) * d]
                if rope:
                    q, k = q @ rotation(d, n, x.dtype), k @ rotation(d, m, x.dtype)
                output = output + gamma ** (n - m) * (q @ k / math.sqrt(d)) * value[m, h * e : (h + 1) * e]
            heads.append(output / torch.sqrt((output * output).mean() + eps))
        swish = gate[n] / (1 + torch.exp(-gate[n]))
        outputs.append(w["o_proj.weight"] @ (swish * torch.cat(heads)))
    return torch.stack(outputs)
