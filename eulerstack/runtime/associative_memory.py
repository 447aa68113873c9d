"""An associative memory: a matrix written by the delta rule (Schlag 2021), in chunks (Yang 2024, DeltaNet).

Features: a chunkwise form that needs no step by step; a rate that cannot overshoot; a state that decoding carries on.
The recurrence runs in fp32 at least.

Shape suffixes: B batch, T tokens, C tokens of a chunk, N keys (`hidden`), M d_model.
"""

import torch
from torch import nn
from torch.nn import functional as F

from .memory_base import Memory, MemoryState

CHUNK = 64
"""Tokens that are written at a time: a matter of speed."""


class AssociativeMemory(Memory):
    """A_t = A_{t−1} + β_t k_t (v_t − A_{t−1}ᵀ k_t)ᵀ, reading A_tᵀ q_t; q, k = SiLU(W x) over their lengths.

    β = 1 − exp(−`inner_lr` · softplus(w·x + c)) is what gradient flow on ½‖Aᵀk − v‖² does in the time that the exponent
    says: close to it while it is small, and never more than 1.

    | symbol | key or tensor | |
    |---|---|---|
    | N | `params.hidden` | width of keys and queries |
    | A₀ | `M` | [N, M] |
    | w, c | `rates` | |

    Parameters: 2·M² + 3·M·N + 2·M + 2. State: N·M in fp32.
    """

    def __init__(self, block: dict):
        super().__init__(block)
        d_model, self.rate = block["d_model"], block["memory"]["inner_lr"]
        self.q_proj, self.k_proj = (nn.Linear(d_model, self.hidden, bias=False) for _ in range(2))
        self.v_proj = nn.Linear(d_model, d_model, bias=False)
        self.rates = nn.Linear(d_model, 1)
        self.remember(M=(self.hidden, d_model))

    def project(self, x_BTM: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """q, k, v, and what the softplus is taken of."""
        return (
            F.normalize(F.silu(self.q_proj(x_BTM)), dim=-1),
            F.normalize(F.silu(self.k_proj(x_BTM)), dim=-1),
            self.v_proj(x_BTM),
            self.rates(x_BTM),
        )

    def recall(self, query_BTK: torch.Tensor) -> torch.Tensor:
        """As Memory's."""
        return query_BTK @ self.learned("M", query_BTK.dtype)

    def write(
        self, vectors: tuple[torch.Tensor, ...], token_mask: torch.Tensor | None, state: MemoryState | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """As Memory's."""
        query, key, value, rates = vectors
        beta = -torch.expm1(-self.rate * F.softplus(rates))
        if token_mask is not None:
            beta = beta * token_mask.unsqueeze(-1).to(beta.dtype)
        matrix = None if state is None else state.get("M")
        if matrix is None:
            matrix = self.learned("M", query.dtype).expand(len(query), -1, -1)
        readings = []
        for q, k, v, b in zip(*(x.split(CHUNK, dim=1) for x in (query, key, value, beta)), strict=True):
            reading, matrix = delta_rule(q, k, v, b, matrix)
            readings.append(reading)
        return torch.cat(readings, dim=1), {"M": matrix}


def delta_rule(
    q_BCN: torch.Tensor, k_BCN: torch.Tensor, v_BCM: torch.Tensor, beta_BC1: torch.Tensor, matrix_BNM: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One chunk: A_tᵀ q_t for its tokens [B, C, M], and A after them [B, N, M].

    What token t writes, k_t u_tᵀ, depends on the writes before it in the chunk:
    u_t = β_t (v_t − Aᵀk_t − Σ_{j<t} (k_j·k_t) u_j), a triangular system.
    """
    coupling_BCC = (beta_BC1 * (k_BCN @ k_BCN.mT)).tril(-1)
    wanted_BCM = beta_BC1 * (v_BCM - k_BCN @ matrix_BNM)
    written_BCM = torch.linalg.solve_triangular(coupling_BCC, wanted_BCM, upper=False, unitriangular=True)
    reading_BCM = q_BCN @ matrix_BNM + (q_BCN @ k_BCN.mT).tril() @ written_BCM
    return reading_BCM, matrix_BNM + k_BCN.mT @ written_BCM
