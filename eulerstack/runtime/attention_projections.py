"""What every softmax attention has around its scores: queries, keys and values of the input, and the way out.

Features: grouped heads; biases; queries through a normed latent, outputs through grouped projections (DeepSeek-V4);
RMSNorm of queries and keys, per head (Qwen 3) or over all heads (OLMo 2); rotary positions on all or the last features
of a head; one projection for keys and values (K = V); sinks; a sigmoid output gate (Qiu 2025).

Shape suffixes: B batch, T tokens, H query heads, K key/value heads, D head_dim, M d_model, G groups of heads.
"""

import torch
from torch import nn

from .masks import MaskKind
from .normalization import RMSNorm
from .positions import RopeRequest


class SoftmaxAttention(nn.Module):
    """The common base: sinks, gate, mask, scale, and what transformers' attention functions read of a module."""

    def __init__(self, config, block: dict, layer_idx: int):
        super().__init__()
        spec = block["mixer"]["attention"]
        self.config, self.layer_idx = config, layer_idx
        self.n_heads = spec["n_heads"]
        self.num_key_value_groups = spec["n_heads"] // spec["n_kv_heads"]
        self.scaling, self.softcap = spec["scale"], spec["logit_softcap"]
        self.attention_dropout = spec["attn_drop"]
        self.is_causal = True
        self.rope: RopeRequest | None = None
        self.mask_kind = mask_kind(config, spec)._replace(stored=block.get("borrowed_window", span(spec)))
        self.sliding_window = self.mask_kind.window
        sinks = spec["attention_sinks"]
        self.n_sinks = sinks["n_per_head"] if sinks else 0
        learned = sinks is not None and sinks["learnable"]
        self.sinks = nn.Parameter(torch.empty(self.n_heads * self.n_sinks)) if learned else None

    def sink_logits(self, query: torch.Tensor) -> torch.Tensor | None:
        """The logits [H, n] that stand in each head's denominator beside its scores; None without sinks."""
        if not self.n_sinks:
            return None
        if self.sinks is None:
            return query.new_zeros(self.n_heads, self.n_sinks)
        return self.sinks.view(self.n_heads, self.n_sinks)

    def mask_kinds(self, cache_index: int) -> dict[MaskKind, int]:
        """The mask that this layer reads, sized by its cache."""
        return {self.mask_kind: cache_index}

    def rope_requests(self) -> list[RopeRequest]:
        """The rotary embedding it rotates with, if it does."""
        return [self.rope] if self.rope else []

    def dropout(self) -> float:
        """The dropout on attention weights, now."""
        return self.attention_dropout if self.training else 0.0


class HeadAttention(SoftmaxAttention):
    """An attention whose heads are linear in the input: the projections of `Attention` and the compressed ones.

    Parameters: 2·M·H·D + 2·M·K·D, plus biases, norms and M·H·D for the gate. With `q_rank` r the queries have
    M·r + r + r·H·D, with `o_groups` G of rank p the outputs have H·D·p + G·p·M.
    """

    def __init__(self, config, block: dict, layer_idx: int):
        super().__init__(config, block, layer_idx)
        spec, d_model, eps = block["mixer"]["attention"], block["d_model"], block["norm"]["eps"]
        bias, self.head_dim = spec["qkv_bias"], spec["head_dim"]
        self.qk_norm, self.v_from_k = spec["qk_norm"], spec["v_from_k"]
        self.borrows_keys = block.get("borrows_keys", False)
        if spec["rope"]:
            self.rope = RopeRequest(spec["rope_theta"], spec["rope_dim"], spec["rope_scaled"], spec["rope_interleaved"])
        width, kv_width = self.n_heads * self.head_dim, spec["n_kv_heads"] * self.head_dim
        self.q_rank = spec["q_rank"]
        if self.q_rank is None:
            self.q_proj = nn.Linear(d_model, width, bias=bias)
        else:
            self.q_a_proj = nn.Linear(d_model, self.q_rank, bias=bias)
            self.q_a_norm = RMSNorm(self.q_rank, eps)
            self.q_b_proj = nn.Linear(self.q_rank, width, bias=False)
        if not self.borrows_keys:
            self.k_proj = nn.Linear(d_model, kv_width, bias=bias)
            self.v_proj = None if self.v_from_k else nn.Linear(d_model, kv_width, bias=bias)
        self.o_groups = spec["o_groups"]
        if self.o_groups is None:
            self.o_proj = nn.Linear(width, d_model, bias=spec["out_bias"])
        else:
            self.o_a_proj = GroupedLinear(self.o_groups, width, spec["o_rank"])
            self.o_b_proj = nn.Linear(self.o_groups * spec["o_rank"], d_model, bias=spec["out_bias"])
        self.g_proj = nn.Linear(d_model, width, bias=False) if spec["gate"] else None
        if self.qk_norm is not None:
            per_head = self.qk_norm == "head"
            offset, weighted = spec["qk_norm_unit_offset"], spec["q_norm_weight"]
            self.q_norm = RMSNorm(self.head_dim if per_head else width, eps, offset, affine=weighted)
            if not self.borrows_keys:
                self.k_norm = RMSNorm(self.head_dim if per_head else kv_width, eps, offset)

    def latent(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """What queries are projected from: the input, or with `q_rank` its normed latent."""
        return hidden_states if self.q_rank is None else self.q_a_norm(self.q_a_proj(hidden_states))

    def queries(self, latent: torch.Tensor, position_embeddings: dict) -> torch.Tensor:
        """[B, H, T, D], normed and rotated."""
        projection = self.q_proj if self.q_rank is None else self.q_b_proj
        query_BHTD = self._heads(projection(latent), "q_norm")
        return self.rope.turn(query_BHTD, position_embeddings) if self.rope else query_BHTD

    def keys_and_values(self, hidden_states: torch.Tensor, position_embeddings: dict) -> tuple:
        """Keys, normed and rotated, and values, both [B, K, T, D]; of K = V no features of values [B, K, T, 0]."""
        key_BKTD = self._heads(self.k_proj(hidden_states), "k_norm")
        if self.rope:
            key_BKTD = self.rope.turn(key_BKTD, position_embeddings)
        value_BKTD = key_BKTD[..., :0] if self.v_proj is None else self._heads(self.v_proj(hidden_states))
        return key_BKTD, value_BKTD

    def output(self, mixed_BTHD: torch.Tensor, hidden_states: torch.Tensor, position_embeddings: dict) -> torch.Tensor:
        """The heads' outputs [B, T, H, D] → [B, T, M]. Values that are rotated keys are turned back at the query."""
        if self.v_from_k and self.rope:
            mixed_BTHD = self.rope.turn(mixed_BTHD.transpose(1, 2), position_embeddings, back=True).transpose(1, 2)
        mixed = mixed_BTHD.flatten(2)
        if self.g_proj is not None:
            mixed = mixed * torch.sigmoid(self.g_proj(hidden_states))
        return self.o_proj(mixed) if self.o_groups is None else self.o_b_proj(self.o_a_proj(mixed))

    def _heads(self, projected: torch.Tensor, norm: str | None = None) -> torch.Tensor:
        """[B, T, heads·D] → [B, heads, T, D], normalised where `qk_norm` asks for it."""
        if norm and self.qk_norm == "full":
            projected = getattr(self, norm)(projected)
        heads = projected.view(*projected.shape[:-1], -1, self.head_dim)
        if norm and self.qk_norm == "head":
            heads = getattr(self, norm)(heads)
        return heads.transpose(1, 2)


class GroupedLinear(nn.Module):
    """Each of G equal slices of the input has a linear map of its own: [B, T, G·i] → [B, T, G·o]."""

    def __init__(self, groups: int, d_in: int, d_out: int):
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(groups * d_out, d_in // groups))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` [..., G·i] → [..., G·o]."""
        weight_Goi = self.weight.unflatten(0, (self.groups, -1))
        return torch.einsum("...gi,goi->...go", x.unflatten(-1, (self.groups, -1)), weight_Goi).flatten(-2)


def mask_kind(config, spec: dict) -> MaskKind:
    """The kind of mask that a resolved attention needs, reading a cache of its own."""
    window = span(spec)
    dilation = spec["window_dilation"] if spec["window_mode"] == "dilated" else 1
    alibi_heads = spec["n_heads"] if config.embedding["positional"] == "alibi" else 0
    eager = spec["logit_softcap"] is not None or spec["attention_sinks"] is not None
    distant = None
    if spec["window_mode"] == "nsa":
        distant = (spec["window"], spec["window"] * spec["window_dilation"])
    return MaskKind(window, dilation, alibi_heads, eager, stored=window, distant=distant)


def span(spec: dict) -> int | None:
    """How many positions back a query can see, itself included; None: everything."""
    if spec["window"] is None or spec["window_mode"] == "nsa":
        return None
    dilation = spec["window_dilation"] if spec["window_mode"] == "dilated" else 1
    return (spec["window"] - 1) * dilation + 1
