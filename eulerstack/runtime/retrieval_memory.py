"""A retrieval memory (Memorizing Transformers, Wu 2022): attention over the nearest of the stored tokens.

Features: a store of fixed size that begins with learned entries, which past tokens replace, the oldest first; the
nearest found by exact search; left padding that is never stored. Distances and the softmax are taken in fp32 at least.
Unlike the paper's, whose store outlives a training step, stored keys and values receive gradient.

Shape suffixes: B batch, T tokens, N entries of the store (`hidden`), K nearest, M d_model.
"""

import torch
from torch import nn
from torch.nn import functional as F

from .chunk_rows import ChunkRows
from .memory_base import Memory, MemoryState

NEAREST = 32
"""How many entries a token reads (the paper's)."""

BLOCK = 128
"""Tokens that search at a time, which bounds the scores held at once."""


class RetrievalMemory(Memory):
    """Σ_n softmax_n(s · q·k_n) v_n over the `NEAREST` entries n with the largest q·k_n; q and k have length 1.

    A token sees the N entries stored before it, then takes the place of the oldest.

    | symbol | key or tensor | |
    |---|---|---|
    | N | `params.hidden` | entries of the store |
    | s | `sharpness` | what cosines are multiplied with |
    | | `keys`, `values` | the entries it begins with [N, M], keys before they are scaled to length 1 |

    Parameters: 4·M² + 2·N·M + M + 2. State: 2·N·M in fp32.
    """

    def __init__(self, block: dict):
        super().__init__(block)
        d_model = block["d_model"]
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(d_model, d_model, bias=False) for _ in range(3))
        self.sharpness = nn.Parameter(torch.empty(1))
        self.remember(keys=(self.hidden, d_model), values=(self.hidden, d_model))

    def project(self, x_BTM: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """q, k and v."""
        query, key = (F.normalize(projection(x_BTM), dim=-1) for projection in (self.q_proj, self.k_proj))
        return query, key, self.v_proj(x_BTM)

    def recall(self, query_BTK: torch.Tensor) -> torch.Tensor:
        """As Memory's."""
        keys, values = (self.learned(name, query_BTK.dtype) for name in self.contents)
        scores_BTN = query_BTK @ F.normalize(keys, dim=-1).T
        return self.attend(scores_BTN, values.expand(len(query_BTK), -1, -1))

    def write(
        self, vectors: tuple[torch.Tensor, ...], token_mask: torch.Tensor | None, state: MemoryState | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """As Memory's. Token t of a row sees entries t … t + N − 1 of the store followed by the row's tokens."""
        rows = ChunkRows(1, vectors[0], token_mask, 0)
        query, key, value = (rows.lay_out(vector) for vector in vectors)
        if state is None or not state.tensors:
            stored = [self.learned(name, query.dtype).expand(len(query), -1, -1) for name in self.contents]
        else:
            stored = [state.tensors[name] for name in self.contents]
        keys, values = torch.cat([stored[0], key], dim=1), torch.cat([stored[1], value], dim=1)
        unit_keys = torch.cat([F.normalize(stored[0], dim=-1), key], dim=1)
        entries, readings = torch.arange(keys.shape[1], device=keys.device), []
        for start in range(0, query.shape[1], BLOCK):
            block = query[:, start : start + BLOCK]
            token_T1 = torch.arange(start, start + block.shape[1], device=keys.device).unsqueeze(1)
            hidden_TE = (entries < token_T1) | (entries >= token_T1 + self.hidden)
            scores = (block @ unit_keys.mT).masked_fill(hidden_TE, -torch.inf)
            readings.append(self.attend(scores, values))
        return rows.pick_up(torch.cat(readings, dim=1)), self._kept(rows, keys, values)

    def _kept(self, rows: ChunkRows, keys: torch.Tensor, values: torch.Tensor) -> dict[str, torch.Tensor]:
        """Each row's latest N entries."""
        count = (
            rows.after if isinstance(rows.after, torch.Tensor) else torch.full_like(keys[:, 0, 0], rows.after).long()
        )
        index_BN = count.unsqueeze(1) + torch.arange(self.hidden, device=keys.device)
        index_BN1 = index_BN.unsqueeze(-1)
        return {"keys": keys.take_along_dim(index_BN1, dim=1), "values": values.take_along_dim(index_BN1, dim=1)}

    def attend(self, scores_BTE: torch.Tensor, values_BEM: torch.Tensor) -> torch.Tensor:
        """Softmax over the nearest of E entries [B, T, M]."""
        nearest_BTK, index_BTK = scores_BTE.topk(min(NEAREST, self.hidden), dim=-1)
        weights_BTK = (self.sharpness.to(nearest_BTK.dtype) * nearest_BTK).softmax(dim=-1)
        spread_BTE = torch.zeros_like(scores_BTE).scatter(-1, index_BTK, weights_BTK)
        return spread_BTE @ values_BEM
