"""How parallel streams become one change of the residual stream (Jamba × PaLM; Hymba 2024; Falcon-H1 2025).

Shape suffixes: B batch, T tokens, S streams, M d_model, H heads, D head_dim.
"""

import torch
from torch import nn
from transformers.cache_utils import CacheLayerMixin

from .key_value_cache import key_value_cache
from .masks import MaskKind

EVERYTHING = MaskKind(window=None, dilation=1, alibi_heads=0, eager=False, stored=None)


class StreamMerge(nn.Module):
    """Δ from the streams' changes Δ_s = out_s − x, where x is the state they all started from.

    | type | Δ |
    |---|---|
    | add | Σ_s Δ_s |
    | concat | W_p · [Δ_1; …; Δ_S] |
    | gated | Σ_s g_s · Δ_s, g = softmax(W_g · x) per token |
    | cross_attn | Δ_from + W_o · attention(W_q · out_from, W_k · out_to, W_v · out_to), causal |

    `projection` puts a linear map W_p [M, M] after it. Parameters: M² (projection), S·M² (concat), S·M (gate), 4·M·H·D
    (cross_attn). State (cross_attn): 2·H·D numbers per token.
    """

    def __init__(self, config, spec: dict, names: list[str], d_model: int):
        super().__init__()
        self.kind = spec["type"]
        self.names = names
        self.source, self.target = spec["source"], spec["target"]
        inputs = len(names) * d_model if self.kind == "concat" else d_model
        self.projection = nn.Linear(inputs, d_model, bias=False) if spec["projection"] else None
        if self.kind == "gated":
            self.gate = nn.Linear(d_model, len(names), bias=False)
        if self.kind == "cross_attn":
            self.head_dim = config.head_dim
            width = config.num_attention_heads * config.head_dim
            self.q_proj = nn.Linear(d_model, width, bias=False)
            self.k_proj = nn.Linear(d_model, width, bias=False)
            self.v_proj = nn.Linear(d_model, width, bias=False)
            self.o_proj = nn.Linear(width, d_model, bias=False)

    def state_layers(self) -> list[CacheLayerMixin]:
        """The attended stream's keys and values."""
        return [key_value_cache(None)] if self.kind == "cross_attn" else []

    def mask_kinds(self, cache_index: int) -> dict[MaskKind, int]:
        """A plain causal mask, as an additive or boolean tensor."""
        return {EVERYTHING: cache_index} if self.kind == "cross_attn" else {}

    def forward(self, x_BTM: torch.Tensor, outputs: list[torch.Tensor], cache_index: int, context: dict):
        """The merged change [B, T, M] from the common state and every stream's output [B, T, M]."""
        changes = [output - x_BTM for output in outputs]
        match self.kind:
            case "add":
                merged = torch.stack(changes).sum(0)
            case "concat":
                merged = torch.cat(changes, dim=-1)
            case "gated":
                gate_BTS = self.gate(x_BTM.to(self.gate.weight.dtype)).softmax(dim=-1).to(x_BTM.dtype)
                merged = (torch.stack(changes, dim=-1) * gate_BTS[:, :, None]).sum(-1)
            case "cross_attn":
                source, target = self.names.index(self.source), self.names.index(self.target)
                merged = changes[source] + self._attend(outputs[source], outputs[target], cache_index, context)
        return merged if self.projection is None else self.projection(merged)

    def _attend(self, from_BTM, to_BTM, cache_index: int, context: dict) -> torch.Tensor:
        query, key, value = (
            projection(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for projection, x in ((self.q_proj, from_BTM), (self.k_proj, to_BTM), (self.v_proj, to_BTM))
        )
        if (past := context.get("past_key_values")) is not None:
            key, value = past.update(key, value, cache_index)
        mask = context["attention_masks"][EVERYTHING.key]
        causal = mask is None and query.shape[2] > 1
        mixed_BHTD = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        return self.o_proj(mixed_BHTD.transpose(1, 2).flatten(2))
