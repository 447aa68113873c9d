"""A neural memory (Titans, Behrouz 2025): an MLP trained at test time, with momentum and forgetting.

Features: per-token rates of learning, momentum and forgetting; gradients in closed form, so that it learns under
no_grad as well; chunks in the dual form; a state that decoding carries on; left padding that leaves no trace. The inner
loop runs in fp32 at least. Titans' short convolutions and persistent tokens are left out.

Shape suffixes: B batch, T tokens, L tokens of a segment, M d_model.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from .chunk_rows import ChunkRows, Segment, choose
from .inner_model import Carry, DualWeights, InnerModel, Write, scan
from .memory_base import Memory, MemoryState

CHUNK = 32
"""Tokens whose gradients are taken at the same weights: those before the first of them."""


NORM_EPS = 1.0
"""The LN's ε. The inner gradient through an LN grows as the output it divides by shrinks, and a fresh memory's outputs
are small: with the usual ε its steps overshoot, and the outer gradient explodes over some hundred tokens. With 1 the LN
is nearly linear for small outputs and bounds large ones."""


class NeuralMemory(Memory):
    """S_t = η_t S_{t−1} − θ_t ∇‖M(k_t) − v_t‖², M_t = (1 − α_t) M_{t−1} + S_t, reading M_t(q_t).

    M(x) = x + γ ⊙ LN(gelu(x W1) W2); q, k = SiLU(W x) over their lengths, v = SiLU(W_v x). The gradient is taken at the
    weights before the chunk of `CHUNK` tokens.

    | symbol | key or tensor | |
    |---|---|---|
    | θ | `inner_lr` | `inner_lr` · σ of the first output of `rates` |
    | η, α | `rates` | σ of the second and third output: momentum, forgetting |
    | γ | `norm_weight` | is not trained at test time |
    | M₀ | `W1`, `W2` | [M, hidden], [hidden, M] |

    Parameters: 4·M² + 2·M·hidden + 5·M + 4. State: 6·M·hidden in fp32: M before the chunk, M and S now.
    """

    def __init__(self, block: dict):
        super().__init__(block)
        d_model = block["d_model"]
        self.rate = block["memory"]["inner_lr"]
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(d_model, d_model, bias=False) for _ in range(3))
        self.rates = nn.Linear(d_model, 3)
        self.norm_weight = nn.Parameter(torch.empty(d_model))
        self.remember(W1=(d_model, self.hidden), W2=(self.hidden, d_model))

    def project(self, x_BTM: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """q, k, v and the three rates before their sigmoids."""
        return (
            F.normalize(F.silu(self.q_proj(x_BTM)), dim=-1),
            F.normalize(F.silu(self.k_proj(x_BTM)), dim=-1),
            F.silu(self.v_proj(x_BTM)),
            self.rates(x_BTM),
        )

    def model(self, dtype: torch.dtype) -> InnerModel:
        """M(x) − x."""
        return InnerModel(False, self.norm_weight.to(dtype), None, NORM_EPS)

    def recall(self, query_BTK: torch.Tensor) -> torch.Tensor:
        """As Memory's."""
        dtype = query_BTK.dtype
        layers = [DualWeights([(None, self.learned(name, dtype))]) for name in self.contents]
        return query_BTK + self.model(dtype).read(layers, query_BTK)

    def write(
        self, vectors: tuple[torch.Tensor, ...], token_mask: torch.Tensor | None, state: MemoryState | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """As Memory's."""
        query, *_ = vectors
        rows = ChunkRows(CHUNK, query, token_mask, 0 if state is None else state.before())
        if state is None or not state.tensors:
            first = [self.learned(name, query.dtype).expand(len(query), -1, -1) for name in self.contents]
            carry = (*first, *first, *(torch.zeros_like(matrix) for matrix in first))
        else:
            carry = tuple(state.tensors[name] for name in NAMES)
        model, rate = self.model(query.dtype), self.rate

        def step(carry: Carry, segment: Segment, q, k, v, rates) -> tuple[Carry, torch.Tensor]:
            start, current, momentum = list(carry[:2]), list(carry[2:4]), list(carry[4:])
            pairs = model.gradients([DualWeights([(None, matrix)]) for matrix in start], k, v - k)
            decay = Decay.of(rates, rate, segment.real)
            layers = [
                DualWeights([(decay.kept, m), (decay.momentum, s)], [Write(decay.surprise, *pair)])
                for m, s, pair in zip(current, momentum, pairs, strict=True)
            ]
            current, momentum = decay.last(current, momentum, pairs)
            start = [choose(segment.ends, new, old) for new, old in zip(current, start, strict=True)]
            return (*start, *current, *momentum), q + model.read(layers, q)

        laid_out = [rows.lay_out(vector) for vector in vectors]
        carry, reading = scan(step, carry, list(rows.segments()), laid_out, dim=1)
        tensors = dict(zip(NAMES, carry, strict=True))
        if isinstance(rows.after, torch.Tensor):
            tensors["position"] = rows.after
        return rows.pick_up(reading), tensors


NAMES = ("start_W1", "start_W2", "W1", "W2", "momentum_W1", "momentum_W2")
"""The state: the memory before the chunk, now, and its momentum."""


class Decay(NamedTuple):
    """M_t = kept_t M + momentum_t S − Σ_{j≤t} surprise_tj ∇_j, with M and S those before a segment; and S_t likewise.

    `kept`, `momentum`, `carried` [B, L, 1]; `surprise`, `pushed` [B, L, L], lower triangular.
    """

    kept: torch.Tensor
    momentum: torch.Tensor
    surprise: torch.Tensor
    carried: torch.Tensor
    pushed: torch.Tensor

    @classmethod
    def of(cls, rates_BL3: torch.Tensor, rate: float, real_BL: torch.Tensor | None) -> "Decay":
        """From the rates before their sigmoids. Where no token lies nothing is learned, pushed or forgotten."""
        theta_BL, eta_BL, alpha_BL = rates_BL3.unbind(-1)
        learned, pushes, keeps = 2 * rate * torch.sigmoid(theta_BL), F.logsigmoid(eta_BL), F.logsigmoid(-alpha_BL)
        if real_BL is not None:
            learned, pushes, keeps = (torch.where(real_BL, x, 0.0) for x in (learned, pushes, keeps))
        kept_BLL, pushed_BLL = between(keeps), between(pushes)
        if real_BL is not None:
            kept_BLL = kept_BLL * real_BL.unsqueeze(-2).to(kept_BLL.dtype)  # the momentum is added by tokens only
        carried = pushes.cumsum(-1).exp().unsqueeze(-1)
        pushed = pushed_BLL * learned.unsqueeze(-2)
        return cls(keeps.cumsum(-1).exp().unsqueeze(-1), kept_BLL @ carried, kept_BLL @ pushed, carried, pushed)

    def last(self, matrices, momenta, pairs) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """M and S after the segment; `pairs` are the gradients x ⊗ g of each matrix."""
        kept, momentum, carried = (x[:, -1:] for x in (self.kept, self.momentum, self.carried))
        surprise, pushed = (x[:, -1].unsqueeze(-1) for x in (self.surprise, self.pushed))
        new_matrices, new_momenta = [], []
        for m, s, (x, g) in zip(matrices, momenta, pairs, strict=True):
            new_matrices.append(kept * m + momentum * s - (surprise * x).mT @ g)
            new_momenta.append(carried * s - (pushed * x).mT @ g)
        return new_matrices, new_momenta


def between(logs_BL: torch.Tensor) -> torch.Tensor:
    """exp(Σ_{j<m≤t} log_m) for t ≥ j [B, L, L], else 0: the product of the factors after j, up to t."""
    total = logs_BL.cumsum(-1)
    difference = total.unsqueeze(-1) - total.unsqueeze(-2)
    upper = torch.ones(difference.shape[-2:], dtype=torch.bool, device=logs_BL.device).triu(1)
    return difference.masked_fill(upper, -torch.inf).exp()
