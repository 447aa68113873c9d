"""Native sparse attention (Yuan 2025): three attentions side by side, mixed by gates.

Features: an attention to compressed blocks, one to the tokens of chosen blocks, one to a sliding window; a gate per
head and branch; blocks chosen by an indexer with heads of its own; grouped heads; K = V; sinks; logit softcap; rotary
positions, ALiBi or none; decoding in any steps.

Shape suffixes: B batch, T queries, S keys, n blocks, H query heads, K key/value heads, D head_dim, M d_model.
"""

import torch
from torch import nn
from transformers.cache_utils import CacheLayerMixin

from .attention import eager_attention_forward
from .block_pooling import refuse_left_padding
from .cache import StateLayer, state_of
from .compressed_attention import BlockAttention
from .key_value_cache import key_value_cache


class NativeSparseAttention(BlockAttention):
    """o_t = W_o · Σ_c g_c(x_t) · Attn(q_t, K^c, V^c), c = compressed, chosen, window; g = σ(W_b x), one per head.

    | branch | sees | |
    |---|---|---|
    | compressed | one entry for every finished block of `m_block` tokens (`compression.pool`) | 0 before the first |
    | chosen | the tokens of the `top_k_blocks` blocks that score highest, and of the query's own | |
    | window | the `window` nearest tokens | |

    Keys and values of tokens are shared by the chosen and the window branch. As published, φ pools a block, blocks of
    selection and of compression are the same, and which ones are chosen is one decision for all heads.

    Parameters: `HeadAttention`'s, `BlockPool`'s, `BlockIndexer`'s and 3·M·H. State: 2·K·D numbers per token, an entry
    and an indexer's key for every m tokens, the inputs of an unfinished block. Source: Yuan 2025, section 3.
    """

    def __init__(self, config, block: dict, layer_idx: int):
        super().__init__(config, block, layer_idx)
        self.mask_kind = self.mask_kind._replace(window=None, stored=None)
        self.branch_proj = nn.Linear(block["d_model"], 3 * self.n_heads, bias=False)

    def state_layers(self) -> list[CacheLayerMixin]:
        """All keys and values, and the blocks' state."""
        return [key_value_cache(None), StateLayer()]

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_masks: dict,
        position_embeddings: dict,
        past_key_values=None,
        cache_index: int = 0,
        token_mask: torch.Tensor | None = None,
        **kwargs,
    ) -> tuple:
        """Mix `hidden_states` [B, T, M] over the sequence; masks and rotary embeddings come by kind.

        Returns the output [B, T, M], the chosen branch's weights [B, H, T, S], no keys or values for others, and the
        indexer's loss in training. Raises ValueError where `token_mask` has padding before a token.
        """
        refuse_left_padding(token_mask)
        state = state_of(past_key_values, cache_index + 1)
        first, n_queries = 0 if state is None else state.seen, hidden_states.shape[1]
        angles, latent = self.angles(position_embeddings), self.latent(hidden_states)
        query_BHTD = self.queries(latent, position_embeddings)
        key_BKSD, value_BKSD = self.keys_and_values(hidden_states, position_embeddings)
        if past_key_values is not None:
            key_BKSD, value_BKSD = past_key_values.update(key_BKSD, value_BKSD, cache_index)
        value_BKSD = key_BKSD if self.v_from_k else value_BKSD
        entries_BnW, index_BnD = self.compressed(hidden_states, angles, state)
        entry_key, entry_value = self.entry_keys_and_values(entries_BnW)

        mask = attention_masks[self.mask_kind.key]
        seen_Tn = self.finished(first, n_queries, entries_BnW.shape[1], hidden_states.device)
        bias = self.block_bias(seen_Tn[None], first, mask.dtype)
        scores_BTn = self.indexer.scores(hidden_states, latent, index_BnD, seen_Tn, angles)
        loss = self.indexer_loss(scores_BTn, query_BHTD, entry_key, bias, token_mask)
        near_TS, chosen_BTS = self._seen_tokens(self.indexer.choose(scores_BTn), first, key_BKSD.shape[2])
        hidden = torch.finfo(mask.dtype).min

        compressed, _ = self._attend(query_BHTD, entry_key, entry_value, bias)
        compressed = compressed * seen_Tn.any(dim=-1)[None, :, None, None]
        chosen_mask = mask.masked_fill(~chosen_BTS.unsqueeze(1), hidden)
        chosen, weights_BHTS = self._attend(query_BHTD, key_BKSD, value_BKSD, chosen_mask)
        window, _ = self._attend(query_BHTD, key_BKSD, value_BKSD, mask.masked_fill(~near_TS, hidden))
        gates_BTH3 = torch.sigmoid(self.branch_proj(hidden_states)).unflatten(-1, (self.n_heads, 3))
        mixed_BTHD = torch.einsum("cbthd,bthc->bthd", torch.stack([compressed, chosen, window]), gates_BTH3)
        return self.output(mixed_BTHD, hidden_states, position_embeddings), weights_BHTS, None, None, loss

    def _attend(self, query, key, value, mask) -> tuple[torch.Tensor, torch.Tensor]:
        sinks = self.sink_logits(query) if self.n_sinks else None
        return eager_attention_forward(self, query, key, value, mask, self.scaling, self.dropout(), self.softcap, sinks)

    def _seen_tokens(self, chosen_BTn: torch.Tensor, first: int, n_keys: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Which tokens the window [T, S] and the chosen blocks [B, T, S] hold, future ones included."""
        device = chosen_BTn.device
        slots_T1 = torch.arange(first, first + chosen_BTn.shape[1], device=device)[:, None]
        keys_S = torch.arange(n_keys, device=device)
        own_TS = keys_S // self.block == slots_T1 // self.block
        padded = nn.functional.pad(chosen_BTn, (0, 1))  # the last block may be unfinished, so no query has chosen it
        block_S = (keys_S // self.block).clamp(max=padded.shape[-1] - 1)
        return slots_T1 - keys_S < self.window, padded[..., block_S] | own_TS
