"""Softmax attention and its variants.

Features: multi-head, grouped-query (Ainslie 2023) and multi-query (Shazeer 2019) attention; sliding (Beltagy 2020),
dilated and strided (Child 2019) windows; rotary positions per layer or none; biases on q/k/v and on the output;
per-head (Qwen 3) or full-width (OLMo 2) RMSNorm of queries and keys; K = V; logit softcap (Gemma 2); sinks in the
denominator (gpt-oss 2025); a scale of one's own; a sigmoid output gate (Qiu 2025); HuggingFace's attention
implementations (eager, sdpa, flex, flash) and key/value caches.

Shape suffixes: B batch, T queries, S keys, H query heads, K key/value heads, D head_dim, M d_model, n sinks per head.
"""

from collections.abc import Callable

import torch
from torch import nn
from transformers.cache_utils import CacheLayerMixin
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .attention_projections import HeadAttention
from .key_value_cache import key_value_cache


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    softcap: float | None = None,
    sinks: torch.Tensor | None = None,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor]:
    """softmax(cap · tanh(q·kᵀ·scaling / cap) + mask) · v, the softmax in fp32 at least.

    `query` [B, H, T, D], `key` and `value` [B, K, S, D], `attention_mask` additive, broadcastable to [B, H, T, S];
    `sinks` [H, n]: logits that stand in the softmax's denominator only.
    Returns the output [B, T, H, D] and the weights [B, H, T, S].
    """
    scores_BHTS = for_each_group(query, key.mT) * scaling
    if softcap is not None:
        scores_BHTS = softcap * torch.tanh(scores_BHTS / softcap)
    if attention_mask is not None:
        scores_BHTS = scores_BHTS + attention_mask
    weights_BHTS = softmax_beside(scores_BHTS, sinks).to(query.dtype)
    weights_BHTS = nn.functional.dropout(weights_BHTS, p=dropout, training=module.training)
    return for_each_group(weights_BHTS, value).transpose(1, 2).contiguous(), weights_BHTS


def for_each_group(x_BHTi: torch.Tensor, y_BKij: torch.Tensor) -> torch.Tensor:
    """x_h · y_{h//g} for all heads, [B, H, T, j], as if a group's heads were further rows of one: y is not repeated."""
    batch, heads, rows, width = x_BHTi.shape
    kv_heads = y_BKij.shape[1]
    grouped = x_BHTi.reshape(batch, kv_heads, heads // kv_heads * rows, width)
    return (grouped @ y_BKij).view(batch, heads, rows, y_BKij.shape[-1])


def softmax_beside(scores_BHTS: torch.Tensor, sinks_Hn: torch.Tensor | None) -> torch.Tensor:
    """softmax over the scores and the sinks together, of which only the scores' share is returned; fp32 at least."""
    wide = torch.promote_types(scores_BHTS.dtype, torch.float32)
    if sinks_Hn is None:
        return scores_BHTS.softmax(dim=-1, dtype=wide)
    batch, _, queries, keys = scores_BHTS.shape
    sinks_BHTn = sinks_Hn.to(wide)[None, :, None].expand(batch, -1, queries, -1)
    return torch.cat([scores_BHTS.to(wide), sinks_BHTn], dim=-1).softmax(dim=-1)[..., :keys]


class Attention(HeadAttention):
    """o = W_o · concat_h softmax(q_h · k_{h//g}ᵀ · scale + mask) v_{h//g}, with q, k, v linear in the input.

    | symbol | key | |
    |---|---|---|
    | H, K, D | `n_heads`, `n_kv_heads`, `head_dim` | query heads, key/value heads, width of a head |
    | W | `window`, `window_dilation` | a query sees W keys, itself included, every `window_dilation`-th position |
    | scale | `scale` | what scores are multiplied with, head_dim^−½ unless written |
    | n | `attention_sinks` | logits a head may attend to instead of any key |

    `window_mode` nsa: a query sees the W nearest positions and, beyond them, every W·`window_dilation`-th before it.
    `v_from_k`: v = k, rotated as k is, and the output of a head is turned back by its query's position, so that it
    depends on distances only (DeepSeek-V4).

    Parameters: `HeadAttention`'s, and H·n for sinks. State: 2·K·D numbers per token (K·D with `v_from_k`), at most
    W − 1 tokens in a windowed layer. Sources: Vaswani 2017; the variants as named in the file's header.
    """

    def state_layers(self) -> list[CacheLayerMixin]:
        """One key/value cache, sliding where the window bounds what can be seen; none where keys are borrowed."""
        return [] if self.borrows_keys else [key_value_cache(self.mask_kind.window)]

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_masks: dict,
        position_embeddings: dict,
        past_key_values=None,
        cache_index: int | None = None,
        shared_kv: tuple[torch.Tensor, torch.Tensor] | None = None,
        **kwargs,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor]:
        """Mix `hidden_states` [B, T, M] over the sequence.

        `attention_masks` and `position_embeddings` (cos and sin [B, T, D]) come by kind; `shared_kv` is what a lending
        layer returned. Returns the output [B, T, M], the weights [B, H, T, S] where the implementation computes them,
        and the keys and values [B, K, S, D] attended to.
        """
        query_BHTD = self.queries(self.latent(hidden_states), position_embeddings)
        if self.borrows_keys:
            assert shared_kv is not None
            key_BKSD, value_BKSD = shared_kv
        else:
            key_BKSD, value_BKSD = self.keys_and_values(hidden_states, position_embeddings)
            if past_key_values is not None:
                key_BKSD, value_BKSD = past_key_values.update(key_BKSD, value_BKSD, cache_index)

        implementation = self.mask_kind.implementation(self.config)
        attend: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager_attention_forward)
        mixed_BTHD, weights_BHTS = attend(
            self,
            query_BHTD,
            key_BKSD,
            key_BKSD if self.v_from_k else value_BKSD,
            attention_masks[self.mask_kind.key],
            dropout=self.dropout(),
            scaling=self.scaling,
            sliding_window=self.sliding_window,
            softcap=self.softcap,
            **({"sinks": self.sink_logits(query_BHTD)} if self.n_sinks else {}),
            **kwargs,
        )
        output = self.output(mixed_BTHD, hidden_states, position_embeddings)
        return output, weights_BHTS, key_BKSD, value_BKSD
