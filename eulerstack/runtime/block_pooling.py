"""Blocks of tokens pooled into one entry each (DeepSeek-V4, section 2.3; NSA, Yuan 2025), also while decoding.

Features: pooling by content (a gate per token and feature), by place in the block, by mean or maximum; blocks apart, or
each with a second contribution to the next (DeepSeek-V4's overlapping series); blocks that fill up over several calls.

Shape suffixes: B batch, T tokens, M d_model, n blocks, m tokens of a block, s slots that are pooled, W width of an
entry, R rotated features.
"""

from typing import NamedTuple

import torch
from torch import nn

from .cache import StateLayer
from .normalization import RMSNorm


class BlockPool(nn.Module):
    """C_i = Σ_j a_j ⊙ K_j over the slots j of block i, K = W_k x; the maximum over j under `pool` max.

    | `pool` | a, by feature | |
    |---|---|---|
    | softmax_gated | softmax_j(W_z x_j + b_j) | by content and place (DeepSeek-V4) |
    | learned_pool | softmax_j(b_j) | by place |
    | mean | 1/m | |

    The slots are the block's m tokens. With two `series` each token makes two contributions, [K^a | K^b]: the slots of
    block i are K^a of the m tokens before it, none before the first block, and K^b of its own.

    Parameters: series·(M·W, and again M·W for gates and m·W for places) + a norm's weights.
    """

    def __init__(self, d_model: int, width: int, normed: int, spec: dict, eps: float):
        super().__init__()
        self.width, self.pool, self.block = width, spec["pool"], spec["m_block"]
        self.series = 2 if spec["type"] == "csa" else 1
        wide = self.series * width
        self.kv_proj = nn.Linear(d_model, wide, bias=False)
        self.gate_proj = nn.Linear(d_model, wide, bias=False) if self.pool == "softmax_gated" else None
        placed = self.pool in ("softmax_gated", "learned_pool")
        self.position_bias = nn.Parameter(torch.empty(self.block, wide)) if placed else None
        self.kv_norm = RMSNorm(normed, eps)

    def forward(self, blocks: "Blocks") -> torch.Tensor:
        """The entries [B, n, W] of the finished blocks, not normalised."""
        content_BnmW = self.kv_proj(blocks.tokens)
        if self.pool == "max":
            return self._slots(content_BnmW, blocks.has_past, -torch.inf).amax(dim=2)
        weights_BnsW = self._slots(self._logits(blocks.tokens, content_BnmW), blocks.has_past, -torch.inf)
        wide = torch.promote_types(content_BnmW.dtype, torch.float32)
        weights_BnsW = weights_BnsW.softmax(dim=2, dtype=wide).to(content_BnmW.dtype)
        return (self._slots(content_BnmW, blocks.has_past, 0.0) * weights_BnsW).sum(dim=2)

    def _logits(self, tokens_BnmM: torch.Tensor, content_BnmW: torch.Tensor) -> torch.Tensor:
        if self.gate_proj is not None:
            return self.gate_proj(tokens_BnmM) + self.position_bias
        if self.position_bias is not None:
            return self.position_bias.expand_as(content_BnmW)
        return content_BnmW.new_zeros(()).expand_as(content_BnmW)

    def _slots(self, x_BnmW: torch.Tensor, has_past: bool, nothing: float) -> torch.Tensor:
        if self.series == 1:
            return x_BnmW
        earlier, own = x_BnmW.split(self.width, dim=-1)
        if has_past:
            return torch.cat([earlier[:, :-1], own[:, 1:]], dim=2)
        before_first = torch.full_like(own[:, :1], nothing)
        return torch.cat([torch.cat([before_first, earlier[:, :-1]], dim=1), own], dim=2)


class Blocks(NamedTuple):
    """Tokens [B, n, m, M] of blocks that are finished now, cos and sin [B, n, R] of each one's first position.

    With `has_past` the first block is an older one, there for the next one's overlap: it has no angles.
    """

    tokens: torch.Tensor
    angles: tuple[torch.Tensor, torch.Tensor] | None
    has_past: bool

    @property
    def are_none(self) -> bool:
        """Whether no block is finished now."""
        return self.tokens.shape[1] == self.has_past


def take_blocks(
    state: StateLayer | None, tokens_BTM: torch.Tensor, angles: tuple | None, block: int, overlap: bool
) -> tuple[Blocks, dict[str, torch.Tensor]]:
    """The blocks that new tokens finish, and what the state must keep: tokens and angles that are still needed.

    `angles` are the tokens' cos and sin [B, T, R]. With `overlap` the last finished block stays needed.
    """
    streams = {"tokens": tokens_BTM} | (dict(zip(("cos", "sin"), angles, strict=True)) if angles else {})
    has_past = False
    if state is not None and state.seen:
        has_past = overlap and state.seen >= block
        streams = {name: torch.cat([state.tensors[name], new], dim=1) for name, new in streams.items()}
    n_blocks = streams["tokens"].shape[1] // block
    whole = n_blocks * block
    first = has_past * block
    starts = tuple(streams[name][:, first:whole:block] for name in ("cos", "sin")) if angles else None
    blocks = Blocks(streams["tokens"][:, :whole].unflatten(1, (n_blocks, block)), starts, has_past)
    kept = max(whole - block, 0) if overlap else whole
    return blocks, {name: stream[:, kept:].clone() for name, stream in streams.items()}


def refuse_left_padding(token_mask: torch.Tensor | None) -> None:
    """Raise ValueError where padding stands before a token: blocks are counted from the row's first slot."""
    if token_mask is not None and token_mask.shape[1] > 1 and (token_mask.diff(dim=1) > 0).any():
        raise ValueError(
            "compressed attention counts its blocks from the start of each row, so padding must stand on the right; "
            "pass rows of equal length to generate, or one row at a time"
        )
