"""Differentiation objectives, token by token, from their definitions in the language."""

import math

import torch


def usage_probe(logits: torch.Tensor, chosen: list[list[set[int]]], real: list[list[bool]]) -> float:
    """Mean over real tokens of the cross-entropy between softmax(logits) and the chosen units, equally likely."""
    losses = []
    for b, row in enumerate(chosen):
        for t, units in enumerate(row):
            if real[b][t]:
                scores = [math.exp(v) for v in logits[b, t].tolist()]
                losses.append(-sum(math.log(scores[e] / sum(scores)) for e in units) / len(units))
    return sum(losses) / len(losses)


def information(shares: torch.Tensor, real: list[list[bool]]) -> float:
    """H(E) − H(E | token), in nats."""
    rows = [shares[b, t].tolist() for b, row in enumerate(real) for t, kept in enumerate(row) if kept]
    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    return _entropy(mean) - sum(_entropy(row) for row in rows) / len(rows)


def _entropy(share: list[float]) -> float:
    return -sum(p * math.log(p) for p in share if p > 0)


def squared_cosine(outputs: torch.Tensor, real: list[list[bool]]) -> float:
    """Mean over real tokens and pairs of experts of (u·v)²/(|u|²|v|²)."""
    found = []
    for b, row in enumerate(real):
        for t, kept in enumerate(row):
            vectors = [outputs[b, t, k].tolist() for k in range(outputs.shape[2])] if kept else []
            for i, u in enumerate(vectors):
                for v in vectors[i + 1 :]:
                    dot = sum(x * y for x, y in zip(u, v, strict=True))
                    found.append(dot**2 / (sum(x * x for x in u) * sum(y * y for y in v)))
    return sum(found) / len(found)
