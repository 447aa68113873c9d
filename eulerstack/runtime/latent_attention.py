"""Multi-head latent attention (DeepSeek-V2 2024, V3 2024): keys and values are expanded from one cached latent.

Features: queries projected directly or through a latent of their own; positions apart from content (decoupled rotary
features, shared by all heads' keys); sliding, dilated and strided windows; sinks; logit softcap; an output gate;
HuggingFace's attention implementations; decoding in the latent space, where that is cheaper than expanding the cache.

Shape suffixes: B batch, T queries, S keys, H heads, M d_model, L kv_rank, N nope_dim, R rope_dim, V v_dim.
"""

from collections.abc import Callable

import torch
from torch import nn
from transformers.cache_utils import CacheLayerMixin
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .attention import eager_attention_forward, softmax_beside
from .attention_projections import SoftmaxAttention
from .key_value_cache import key_value_cache
from .normalization import RMSNorm
from .positions import RopeRequest


class LatentAttention(SoftmaxAttention):
    """c = norm(W_a x), r = rot(W_r x); k_h = [W_uk,h c ; r], v_h = W_uv,h c; q_h = [q_N,h ; rot(q_R,h)].

    | symbol | key | |
    |---|---|---|
    | L, R | `kv_rank`, `rope_dim` | widths of c and r, which are all that the cache keeps |
    | N, V | `nope_dim`, `v_dim` | unrotated features of a head's queries and keys, features of its values |
    | q | `q_rank` | queries are W_q x, or W_qb norm(W_qa x) with a latent of this width |
    | scale | `scale` | (N + R)^−½ unless written; with yarn, DeepSeek also multiplies by m(factor, mscale_all_dim)² |

    In latent space: q_h · k_h = (W_ukᵀ q_N) · c + q_R · r and Σ_s w_s v_h,s = W_uv Σ_s w_s c_s, so that all heads read
    the same cached c and r.

    Parameters: M·(q + L + R) + q + L + q·H·(N + R) + L·H·(N + V) + H·V·M; without q_rank M·H·(N + R) for the queries.
    State: L + R numbers per token, at most W − 1 tokens in a windowed layer. Source: DeepSeek-V2 2024, §2.1.
    """

    def __init__(self, config, block: dict, layer_idx: int):
        super().__init__(config, block, layer_idx)
        spec, d_model = block["mixer"]["attention"], block["d_model"]
        mla, bias = spec["mla"], spec["qkv_bias"]
        self.kv_rank, self.q_rank = mla["kv_rank"], mla["q_rank"]
        self.nope_dim, self.rope_dim, self.v_dim = mla["nope_dim"], mla["rope_dim"], mla["v_dim"]
        if self.rope_dim:
            self.rope = RopeRequest(spec["rope_theta"], self.rope_dim, spec["rope_scaled"], spec["rope_interleaved"])
        query_width = self.n_heads * (self.nope_dim + self.rope_dim)
        if self.q_rank is None:
            self.q_proj = nn.Linear(d_model, query_width, bias=bias)
        else:
            self.q_a_proj = nn.Linear(d_model, self.q_rank, bias=bias)
            self.q_a_layernorm = RMSNorm(self.q_rank, mla["norm_eps"])
            self.q_b_proj = nn.Linear(self.q_rank, query_width, bias=False)
        self.kv_a_proj_with_mqa = nn.Linear(d_model, self.kv_rank + self.rope_dim, bias=bias)
        self.kv_a_layernorm = RMSNorm(self.kv_rank, mla["norm_eps"])
        self.kv_b_proj = nn.Linear(self.kv_rank, self.n_heads * (self.nope_dim + self.v_dim), bias=False)
        self.o_proj = nn.Linear(self.n_heads * self.v_dim, d_model, bias=spec["out_bias"])
        self.g_proj = nn.Linear(d_model, self.n_heads * self.v_dim, bias=False) if spec["gate"] else None

    def state_layers(self) -> list[CacheLayerMixin]:
        """One cache: latents as its keys [B, 1, S, L], rotated features as its values [B, 1, S, R]."""
        return [key_value_cache(self.mask_kind.window)]

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_masks: dict,
        position_embeddings: dict,
        past_key_values=None,
        cache_index: int | None = None,
        **kwargs,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mix `hidden_states` [B, T, M] over the sequence; masks and rotary embeddings come by kind.

        Returns the output [B, T, M] and the weights [B, H, T, S] where the implementation computes them.
        """
        query_BHTN, turned_BHTR = self._queries(hidden_states, position_embeddings)
        latent_B1SL, shared_B1SR = self._latents(hidden_states, position_embeddings)
        if past_key_values is not None:
            latent_B1SL, shared_B1SR = past_key_values.update(latent_B1SL, shared_B1SR, cache_index)
        mask = attention_masks[self.mask_kind.key]
        states = (query_BHTN, turned_BHTR, latent_B1SL, shared_B1SR, mask)
        attend = self._attend_in_latent_space if self._absorbs(query_BHTN, latent_B1SL, mask) else self._attend
        mixed_BTHV, weights_BHTS = attend(*states, **kwargs)
        mixed = mixed_BTHV.flatten(2)
        if self.g_proj is not None:
            mixed = mixed * torch.sigmoid(self.g_proj(hidden_states))
        return self.o_proj(mixed), weights_BHTS

    def _queries(self, hidden_states: torch.Tensor, position_embeddings: dict) -> tuple[torch.Tensor, torch.Tensor]:
        if self.q_rank is None:
            projected = self.q_proj(hidden_states)
        else:
            projected = self.q_b_proj(self.q_a_layernorm(self.q_a_proj(hidden_states)))
        heads = projected.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        query_BHTN, turned_BHTR = heads.split([self.nope_dim, self.rope_dim], dim=-1)
        return query_BHTN, self.rope.turn(turned_BHTR, position_embeddings) if self.rope else turned_BHTR

    def _latents(self, hidden_states: torch.Tensor, position_embeddings: dict) -> tuple[torch.Tensor, torch.Tensor]:
        latent, shared = self.kv_a_proj_with_mqa(hidden_states).split([self.kv_rank, self.rope_dim], dim=-1)
        shared_B1SR = shared.unsqueeze(1)
        if self.rope:
            shared_B1SR = self.rope.turn(shared_B1SR, position_embeddings)
        return self.kv_a_layernorm(latent).unsqueeze(1), shared_B1SR

    def _absorbs(self, query_BHTN: torch.Tensor, latent_B1SL: torch.Tensor, mask) -> bool:
        """Whether few queries meet a long cache, so that queries are brought to the latents and not these to them."""
        n_queries, n_keys = query_BHTN.shape[2], latent_B1SL.shape[2]
        if n_queries == n_keys or (mask is None and n_queries > 1) or (mask is not None and not torch.is_tensor(mask)):
            return False
        if mask is not None and mask.dim() != 4:
            return False
        expanded = self.kv_rank * (self.nope_dim + self.v_dim)
        longer = 2 * self.kv_rank - self.nope_dim - self.v_dim
        return n_queries * longer < expanded

    def _attend(self, query_BHTN, turned_BHTR, latent_B1SL, shared_B1SR, mask, **kwargs):
        """Keys and values expanded for every head."""
        heads = self.kv_b_proj(latent_B1SL.squeeze(1)).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        key_BHSN, value_BHSV = heads.split([self.nope_dim, self.v_dim], dim=-1)
        query = torch.cat([query_BHTN, turned_BHTR], dim=-1)
        key = torch.cat([key_BHSN, shared_B1SR.expand(-1, self.n_heads, -1, -1)], dim=-1)
        implementation = self.mask_kind.implementation(self.config)
        narrower = query.shape[-1] - self.v_dim
        if "flash" in implementation and narrower:  # its kernels want one width for keys and values
            value_BHSV = nn.functional.pad(value_BHSV, (0, max(narrower, 0)))
            query, key = (nn.functional.pad(x, (0, max(-narrower, 0))) for x in (query, key))
        attend: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager_attention_forward)
        mixed, weights = attend(
            self,
            query,
            key,
            value_BHSV,
            mask,
            dropout=self.dropout(),
            scaling=self.scaling,
            sliding_window=self.sliding_window,
            softcap=self.softcap,
            **({"sinks": self.sink_logits(query)} if self.n_sinks else {}),
            **kwargs,
        )
        return mixed[..., : self.v_dim], weights

    def _attend_in_latent_space(self, query_BHTN, turned_BHTR, latent_B1SL, shared_B1SR, mask, **kwargs):
        """All heads' queries against the one cached latent, as if they were queries of one head."""
        _, heads, queries, _ = query_BHTN.shape
        up_HNL, out_HVL = self.kv_b_proj.weight.unflatten(0, (heads, -1)).split([self.nope_dim, self.v_dim], dim=1)
        query_BHTL = torch.einsum("bhtn,hnl->bhtl", query_BHTN, up_HNL)
        query_BXW = torch.cat([query_BHTL, turned_BHTR], dim=-1).flatten(1, 2)
        key_BSW = torch.cat([latent_B1SL, shared_B1SR], dim=-1).squeeze(1)
        scores_BHTS = (query_BXW @ key_BSW.mT).unflatten(1, (heads, queries)) * self.scaling
        if self.softcap is not None:
            scores_BHTS = self.softcap * torch.tanh(scores_BHTS / self.softcap)
        if mask is not None:
            least = torch.finfo(scores_BHTS.dtype).min
            scores_BHTS = scores_BHTS.masked_fill(~mask, least) if mask.dtype is torch.bool else scores_BHTS + mask
        weights_BHTS = softmax_beside(scores_BHTS, self.sink_logits(query_BHTN)).to(query_BHTN.dtype)
        weights_BHTS = nn.functional.dropout(weights_BHTS, p=self.dropout())
        context_BHTL = (weights_BHTS.flatten(1, 2) @ latent_B1SL.squeeze(1)).unflatten(1, (heads, queries))
        return torch.einsum("bhtl,hvl->bthv", context_BHTL, out_HVL), weights_BHTS
