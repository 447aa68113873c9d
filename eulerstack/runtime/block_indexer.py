"""The small scorer that picks blocks for each query (lightning indexer, DeepSeek-V3.2 and V4; block scores, NSA).

Features: three ways to score; scores in lower precision (bf16, fp8, fp4), straight through in the backward; a loss that
teaches it the attention's own distribution over blocks, from which the model's other parameters get no gradient.

Shape suffixes: B batch, T queries, n blocks, H the indexer's heads, D features of each, M d_model, Q width of what
queries are projected from.
"""

import torch
from torch import nn

from .block_pooling import BlockPool, Blocks
from .positions import rotate

LARGEST = {"fp8": 448.0, "fp4": 6.0}
"""The largest number of float8_e4m3 and of float4_e2m1."""

FP4_BOUNDS = (0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0)
FP4_VALUES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""The sizes that float4_e2m1 has, and where rounding goes from one to the next."""


class BlockIndexer(nn.Module):
    """Scores I[t, i] of the blocks i that are finished before token t; the `top_k_blocks` highest are seen.

    | `arch` | I[t, i] | |
    |---|---|---|
    | relu_mha | Σ_h w_h(x_t) · ReLU(q_h · k_i) | DeepSeek-V3.2 |
    | dot_product | Σ_h w_h(x_t) · (q_h · k_i) | |
    | learned_block_sel | Σ_h softmax_i(q_h · k_i) | a small attention to blocks, its heads added up (NSA, eq. 9–10) |

    k_i is a pooling of the block `d_per_head` wide, normed; queries and keys are turned by position as the attention's
    are; scores are divided by √D, weights by √H. `dtype`: what q and k are rounded to before they meet.

    Loss: KL(p_t ‖ q_t), p the attention's distribution over finished blocks, the mean over its heads, q = softmax(I)
    (I / H for learned_block_sel), averaged over tokens. Its gradient reaches the indexer only, and nothing else does,
    since the choice has none (DeepSeek-V3.2).

    Parameters: Q·H·D + M·H (not for learned_block_sel) + `BlockPool`'s of width D.
    """

    def __init__(self, d_model: int, d_query: int, compression: dict, eps: float, rope_dim: int, interleaved: bool):
        super().__init__()
        spec = compression["indexer"]
        self.arch, self.n_heads, self.precision = spec["arch"], spec["n_heads"], spec["dtype"]
        self.loss_coef = spec["loss_coef"] if spec["learnable"] else 0.0
        self.width = spec["d_per_head"]
        self.rotated, self.interleaved = min(rope_dim, self.width - self.width % 2), interleaved
        self.top_k = compression["top_k_blocks"]
        self.q_proj = nn.Linear(d_query, self.n_heads * self.width, bias=False)
        weighs = self.arch != "learned_block_sel"
        self.weights_proj = nn.Linear(d_model, self.n_heads, bias=False) if weighs else None
        self.compressor = BlockPool(d_model, self.width, self.width, compression, eps)
        self.requires_grad_(spec["learnable"])

    def entries(self, blocks: Blocks) -> torch.Tensor:
        """The keys [B, n, D] of finished blocks."""
        detached = blocks._replace(tokens=blocks.tokens.detach())
        return self._turn(self.compressor.kv_norm(self.compressor(detached)).unsqueeze(1), blocks.angles).squeeze(1)

    def scores(self, hidden_BTM, query_BTQ, keys_BnD, seen_Tn: torch.Tensor, angles: tuple | None) -> torch.Tensor:
        """I [B, T, n], fp32 at least, −∞ where `seen_Tn` says that the block is not finished before the token."""
        hidden_BTM = hidden_BTM.detach()
        heads_BHTD = self.q_proj(query_BTQ.detach()).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        heads_BHTD = self._turn(heads_BHTD, angles)
        wide = torch.promote_types(keys_BnD.dtype, torch.float32)
        heads_BHTD, keys_BnD = (rounded(x.to(wide), self.precision) for x in (heads_BHTD, keys_BnD))
        products_BHTn = heads_BHTD @ keys_BnD.mT.unsqueeze(1) * self.width**-0.5
        if self.weights_proj is None:
            unfinished = torch.finfo(wide).min
            scores_BTn = products_BHTn.masked_fill(~seen_Tn, unfinished).softmax(dim=-1).sum(dim=1)
        else:
            products_BHTn = products_BHTn.relu() if self.arch == "relu_mha" else products_BHTn
            weights_BTH = self.weights_proj(hidden_BTM).to(wide) * self.n_heads**-0.5
            scores_BTn = torch.einsum("bhtn,bth->btn", products_BHTn, weights_BTH)
        return scores_BTn.masked_fill(~seen_Tn, -torch.inf)

    def best(self, scores_BTn: torch.Tensor) -> torch.Tensor:
        """The indices [B, T, k] of the highest scores: of equal ones the earlier block's counts as higher."""
        return scores_BTn.detach().argsort(dim=-1, descending=True, stable=True)[..., : self.top_k]

    def choose(self, scores_BTn: torch.Tensor) -> torch.Tensor:
        """Which blocks each query sees, [B, T, n]."""
        chosen_BTn = torch.zeros_like(scores_BTn, dtype=torch.bool).scatter_(-1, self.best(scores_BTn), True)
        return chosen_BTn & (scores_BTn > -torch.inf)

    def loss(self, scores_BTn: torch.Tensor, attention_BTn: torch.Tensor, token_mask: torch.Tensor | None):
        """`loss_coef` times the mean KL divergence; `attention_BTn` sums to 1 over the blocks that a query may see."""
        seen_BTn = scores_BTn > -torch.inf
        if self.arch == "learned_block_sel":
            guess_BTn = (scores_BTn.masked_fill(~seen_BTn, 0.0) / self.n_heads).clamp(min=1e-30).log()
        else:
            guess_BTn = scores_BTn.masked_fill(~seen_BTn, torch.finfo(scores_BTn.dtype).min).log_softmax(dim=-1)
        target_BTn = attention_BTn.masked_fill(~seen_BTn, 0.0)
        divergence_BT = (torch.special.xlogy(target_BTn, target_BTn) - target_BTn * guess_BTn).sum(dim=-1)
        counted_BT = seen_BTn.any(dim=-1)
        if token_mask is not None:
            counted_BT = counted_BT & token_mask.bool()
        return self.loss_coef * (divergence_BT * counted_BT).sum() / counted_BT.sum().clamp(min=1)

    def _turn(self, x_BHTD: torch.Tensor, angles: tuple | None) -> torch.Tensor:
        """Turned by the first `rotated`/2 of the attention's frequencies."""
        if not angles or not self.rotated:
            return x_BHTD
        pairs = self.rotated // 2
        cos_BTR, sin_BTR = (torch.cat([half[..., :pairs] for half in angle.chunk(2, -1)], -1) for angle in angles)
        return rotate(x_BHTD, cos_BTR, sin_BTR, self.interleaved)


def rounded(x: torch.Tensor, precision: str) -> torch.Tensor:
    """`x` as lower precision holds it, one scale to a vector under fp8 and fp4; the gradient passes unchanged."""
    if precision == "fp32":
        return x
    with torch.no_grad():
        if precision == "bf16":
            held = x.to(torch.bfloat16).to(x.dtype)
        else:
            scale = (x.abs().amax(dim=-1, keepdim=True) / LARGEST[precision]).clamp(min=1e-30)
            held = (_as_fp8 if precision == "fp8" else _as_fp4)(x / scale) * scale
    return x + (held - x).detach()


def _as_fp8(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.float8_e4m3fn).to(x.dtype)


def _as_fp4(x: torch.Tensor) -> torch.Tensor:
    sizes = torch.tensor(FP4_VALUES, dtype=x.dtype, device=x.device)
    return (
        sizes[torch.bucketize(x.abs().contiguous(), torch.tensor(FP4_BOUNDS, dtype=x.dtype, device=x.device))]
        * x.sign()
    )
