"""Hyena from its paper, one token, one channel, one tap at a time (Poli 2023, definition 3.1 and section 3.3).

The filter's network, its features of time and its modulation are those of the published operator. `w` maps tensor names
to fp64 tensors, `u` is one sequence [T, M].
"""

import math

import torch

Weights = dict[str, torch.Tensor]


def tap(w: Weights, index: int, length: int, slowest: float | None = None) -> torch.Tensor:
    """Tap `index` of every channel's filter in a context of `length` tokens."""
    time = index / (length - 1)
    angle = 1e-4 * 2 * math.pi * index / length
    hidden = torch.tensor([time, math.cos(angle), -math.sin(angle)], dtype=torch.float64)
    for layer in range(3):
        hidden = w[f"filter.layers.{layer}.weight"] @ hidden + w[f"filter.layers.{layer}.bias"]
        hidden = torch.sin(w["filter.frequency"] * hidden)
    taps = w["filter.out_proj.weight"] @ hidden
    slowest = slowest or math.log(100) / 1.5
    decayed = []
    for channel in range(len(taps)):
        share = channel / (len(taps) - 1)
        rate = slowest * (1 + 4 * share)
        decayed.append(taps[channel] * math.exp(-rate * time))
    return torch.stack(decayed)


def hyena(w: Weights, u: torch.Tensor, order: int, length: int, slowest: float | None = None) -> torch.Tensor:
    """[T, M] → [T, M] in a context of `length` tokens."""
    n_tokens, width = u.shape
    projected = [w["in_proj.weight"] @ row + w["in_proj.bias"] for row in u]
    taps = [tap(w, index, length, slowest) for index in range(n_tokens)]
    short = []
    for t in range(n_tokens):
        row = w["conv1d.bias"]
        for back in range(min(3, t + 1)):
            row = row + w["conv1d.weight"][:, 0, 2 - back] * projected[t - back]
        short.append(row)
    value = [row[order * width :] for row in short]
    for k in range(1, order):
        gate = order - k
        gated = [value[t] * short[t][gate * width : (gate + 1) * width] for t in range(n_tokens)]
        value = []
        for t in range(n_tokens):
            row = w["skip"][k - 1] * gated[t]
            for s in range(t + 1):
                row = row + taps[t - s][(k - 1) * width : k * width] * gated[s]
            value.append(row)
    return torch.stack(
        [w["out_proj.weight"] @ (value[t] * short[t][:width]) + w["out_proj.bias"] for t in range(n_tokens)]
    )
