"""Softmax attention and its variants.

Features: multi-head, grouped-query (Ainslie 2023) and multi-query (Shazeer 2019) attention; sliding (Beltagy 2020) and
dilated windows; rotary positions per layer or none; biases on q/k/v and on the output; per-head (Qwen 3) or full-width
(OLMo 2) RMSNorm of queries and keys; logit softcap (Gemma 2); a scale of one's own; a sigmoid output gate (Qiu 2025);
HuggingFace's attention implementations (eager, sdpa, flex, flash) and key/value caches.

Shape suffixes: B batch, T queries, S keys, H query heads, K key/value heads, D head_dim, M d_model.
"""

from collections.abc import Callable

import torch
from torch import nn
from transformers.cache_utils import CacheLayerMixin, DynamicLayer, DynamicSlidingWindowLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .masks import MaskKind
from .normalization import RMSNorm
from .positions import RopeRequest, rotate


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    softcap: float | None = None,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor]:
    """softmax(cap · tanh(q·kᵀ·scaling / cap) + mask) · v, the softmax in fp32 at least.

    `query` [B, H, T, D], `key` and `value` [B, K, S, D], `attention_mask` additive, broadcastable to [B, H, T, S].
    Returns the output [B, T, H, D] and the weights [B, H, T, S].
    """
    groups = module.num_key_value_groups
    key_BHSD = key.repeat_interleave(groups, dim=1) if groups > 1 else key
    value_BHSD = value.repeat_interleave(groups, dim=1) if groups > 1 else value
    scores_BHTS = query @ key_BHSD.transpose(2, 3) * scaling
    if softcap is not None:
        scores_BHTS = softcap * torch.tanh(scores_BHTS / softcap)
    if attention_mask is not None:
        scores_BHTS = scores_BHTS + attention_mask
    wide = torch.promote_types(query.dtype, torch.float32)
    weights_BHTS = scores_BHTS.softmax(dim=-1, dtype=wide).to(query.dtype)
    weights_BHTS = nn.functional.dropout(weights_BHTS, p=dropout, training=module.training)
    return (weights_BHTS @ value_BHSD).transpose(1, 2).contiguous(), weights_BHTS


class Attention(nn.Module):
    """o = W_o · concat_h softmax(q_h · k_{h//g}ᵀ · scale + mask) v_{h//g}, with q, k, v linear in the input.

    | symbol | key | |
    |---|---|---|
    | H, K, D | `n_heads`, `n_kv_heads`, `head_dim` | query heads, key/value heads, width of a head |
    | W | `window`, `window_dilation` | a query sees W keys, itself included, every `window_dilation`-th position |
    | scale | `scale` | what scores are multiplied with, head_dim^−½ unless written |

    Parameters: 2·M·H·D + 2·M·K·D, plus biases, norms and M·H·D for the gate. State: 2·K·D numbers per token, at most
    W − 1 tokens in a windowed layer. Sources: Vaswani 2017; the variants as named in the file's header.
    """

    def __init__(self, config, block: dict, layer_idx: int):
        super().__init__()
        spec = block["mixer"]["attention"]
        d_model, eps = block["d_model"], block["norm"]["eps"]
        n_heads, n_kv_heads, self.head_dim = spec["n_heads"], spec["n_kv_heads"], spec["head_dim"]
        self.config = config
        self.layer_idx = layer_idx
        self.num_key_value_groups = n_heads // n_kv_heads
        self.scaling = spec["scale"]
        self.softcap = spec["logit_softcap"]
        self.attention_dropout = spec["attn_drop"]
        self.is_causal = True
        self.qk_norm = spec["qk_norm"]
        self.mask_kind = mask_kind(config, spec)._replace(stored=block.get("borrowed_window", _own_window(spec)))
        self.sliding_window = self.mask_kind.window
        self.rope = RopeRequest(spec["rope_theta"], self.head_dim) if spec["rope"] else None
        self.borrows_keys = block.get("borrows_keys", False)

        width, kv_width = n_heads * self.head_dim, n_kv_heads * self.head_dim
        self.q_proj = nn.Linear(d_model, width, bias=spec["qkv_bias"])
        if not self.borrows_keys:
            self.k_proj = nn.Linear(d_model, kv_width, bias=spec["qkv_bias"])
            self.v_proj = nn.Linear(d_model, kv_width, bias=spec["qkv_bias"])
        self.o_proj = nn.Linear(width, d_model, bias=spec["out_bias"])
        self.g_proj = nn.Linear(d_model, width, bias=False) if spec["gate"] else None
        if self.qk_norm is not None:
            per_head = self.qk_norm == "head"
            self.q_norm = RMSNorm(self.head_dim if per_head else width, eps)
            if not self.borrows_keys:
                self.k_norm = RMSNorm(self.head_dim if per_head else kv_width, eps)

    def state_layers(self) -> list[CacheLayerMixin]:
        """One key/value cache, sliding where the window bounds what can be seen; none where keys are borrowed."""
        if self.borrows_keys:
            return []
        window = self.mask_kind.window
        if window is None or window == 1:  # transformers' sliding cache cannot keep 0 past tokens: it slices from −0
            return [DynamicLayer()]
        return [DynamicSlidingWindowLayer(sliding_window=window)]

    def mask_kinds(self, cache_index: int) -> dict[MaskKind, int]:
        """The mask that this layer reads, sized by its cache."""
        return {self.mask_kind: cache_index}

    def rope_requests(self) -> list[RopeRequest]:
        """The rotary embedding it rotates with, if it does."""
        return [self.rope] if self.rope else []

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
        query_BHTD = self._heads(self.q_proj(hidden_states), "q_norm")
        if self.rope:
            query_BHTD = rotate(query_BHTD, *position_embeddings[self.rope.key])
        if self.borrows_keys:
            key_BKSD, value_BKSD = shared_kv
        else:
            key_BKSD = self._heads(self.k_proj(hidden_states), "k_norm")
            value_BKSD = self._heads(self.v_proj(hidden_states))
            if self.rope:
                key_BKSD = rotate(key_BKSD, *position_embeddings[self.rope.key])
            if past_key_values is not None:
                key_BKSD, value_BKSD = past_key_values.update(key_BKSD, value_BKSD, cache_index)

        attend: Callable = eager_attention_forward
        if not self.mask_kind.eager:
            attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
        mixed_BTHD, weights_BHTS = attend(
            self,
            query_BHTD,
            key_BKSD,
            value_BKSD,
            attention_masks[self.mask_kind.key],
            dropout=self.attention_dropout if self.training else 0.0,
            scaling=self.scaling,
            sliding_window=self.sliding_window,
            softcap=self.softcap,
            **kwargs,
        )
        mixed = mixed_BTHD.reshape(*hidden_states.shape[:-1], -1)
        if self.g_proj is not None:
            mixed = mixed * torch.sigmoid(self.g_proj(hidden_states))
        return self.o_proj(mixed), weights_BHTS, key_BKSD, value_BKSD

    def _heads(self, projected: torch.Tensor, norm: str | None = None) -> torch.Tensor:
        """[B, T, heads·D] → [B, heads, T, D], normalised where `qk_norm` asks for it."""
        if norm and self.qk_norm == "full":
            projected = getattr(self, norm)(projected)
        heads = projected.unflatten(-1, (-1, self.head_dim))
        if norm and self.qk_norm == "head":
            heads = getattr(self, norm)(heads)
        return heads.transpose(1, 2)


def mask_kind(config, spec: dict) -> MaskKind:
    """The kind of mask that a resolved attention needs, reading a cache of its own."""
    window = _own_window(spec)
    dilation = spec["window_dilation"] if spec["window_mode"] == "dilated" else 1
    alibi_heads = spec["n_heads"] if config.embedding["positional"] == "alibi" else 0
    return MaskKind(window, dilation, alibi_heads, spec["logit_softcap"] is not None, stored=window)


def _own_window(spec: dict) -> int | None:
    """How many positions back a query can see, itself included."""
    dilation = spec["window_dilation"] if spec["window_mode"] == "dilated" else 1
    return None if spec["window"] is None else (spec["window"] - 1) * dilation + 1
