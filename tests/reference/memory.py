"""The memories beside a mixer from their papers, one token at a time: the definition, not a way to compute it.

`w` maps tensor names to fp64 tensors, `x` is one sequence [T, M]. All of them return what is added to the mixer's
output: σ(gate) · W_o · reading. `writes` false: what is read is the memory as learned, for ever.
"""

import torch

Weights = dict[str, torch.Tensor]


def silu(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + torch.exp(-x))


def gelu(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / torch.sqrt((x * x).sum())


def added(w: Weights, x: torch.Tensor, reading: torch.Tensor) -> torch.Tensor:
    return torch.sigmoid(w["gate.weight"][0] @ x + w["gate.bias"][0]) * (w["o_proj.weight"] @ reading)


def neural_memory(w: Weights, x: torch.Tensor, rate: float, chunk: int, eps: float, writes: bool) -> torch.Tensor:
    """Titans (Behrouz 2025), equations 8 to 14: ℓ = ‖M(k) − v‖², S_t = η_t S_{t−1} − θ_t ∇ℓ, M_t = (1 − α_t) M_{t−1} +
    S_t, gradients at the weights before the chunk (§3.2), reading M_t(q_t). M(x) = x + γ ⊙ LN(W2 gelu(W1 x)).
    """

    def memory(matrices, vector):
        z = gelu(vector @ matrices[0]) @ matrices[1]
        centred = z - z.mean()
        return vector + w["norm_weight"] * centred / torch.sqrt((centred * centred).mean() + eps)

    current = start = [w["W1"], w["W2"]]
    momentum = [torch.zeros_like(matrix) for matrix in start]
    rows = []
    for t in range(len(x)):
        if t % chunk == 0:
            start = current
        q, k = (unit(silu(w[f"{name}.weight"] @ x[t])) for name in ("q_proj", "k_proj"))
        v = silu(w["v_proj.weight"] @ x[t])
        theta, eta, alpha = torch.sigmoid(w["rates.weight"] @ x[t] + w["rates.bias"])
        if writes:
            error = memory(start, k) - v
            gradients = torch.autograd.grad((error * error).sum(), start, create_graph=True)
            momentum = [eta * s - rate * theta * g for s, g in zip(momentum, gradients, strict=True)]
            current = [(1 - alpha) * m + s for m, s in zip(current, momentum, strict=True)]
        rows.append(added(w, x[t], memory(current, q)))
    return torch.stack(rows)


def associative_memory(w: Weights, x: torch.Tensor, rate: float, writes: bool) -> torch.Tensor:
    """The delta rule (Schlag 2021), M ← M + β k (v − Mᵀ k)ᵀ, with β = 1 − exp(−rate · softplus(b·x + c))."""
    matrix = w["M"]
    rows = []
    for token in x:
        q, k = (unit(silu(w[f"{name}.weight"] @ token)) for name in ("q_proj", "k_proj"))
        v = w["v_proj.weight"] @ token
        strength = torch.log1p(torch.exp(w["rates.weight"][0] @ token + w["rates.bias"][0]))
        beta = 1 - torch.exp(-rate * strength)
        if writes:
            matrix = matrix + beta * torch.outer(k, v - k @ matrix)
        rows.append(added(w, token, q @ matrix))
    return torch.stack(rows)


def retrieval_memory(w: Weights, x: torch.Tensor, neighbours: int, writes: bool) -> torch.Tensor:
    """Memorizing Transformers (Wu 2022): softmax over the nearest of the stored tokens, keys and queries of length 1;
    a token reads, then takes the place of the oldest.
    """
    keys, values = [unit(key) for key in w["keys"]], list(w["values"])
    rows = []
    for token in x:
        q, k = (unit(w[f"{name}.weight"] @ token) for name in ("q_proj", "k_proj"))
        scores = torch.stack([q @ key for key in keys])
        nearest = torch.argsort(scores, descending=True)[:neighbours]
        weights = torch.exp(w["sharpness"] * scores[nearest])
        reading = sum(weights[n] * values[index] for n, index in enumerate(nearest)) / weights.sum()
        rows.append(added(w, token, reading))
        if writes:
            keys, values = [*keys[1:], k], [*values[1:], w["v_proj.weight"] @ token]
    return torch.stack(rows)
