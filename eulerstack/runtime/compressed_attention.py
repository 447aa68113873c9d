"""Attention to a sliding window and, beyond it, to compressed blocks (DeepSeek-V4, section 2.3).

Features: csa, whose blocks overlap and are chosen by an indexer; hca, whose blocks are all seen; one projection for
keys and values (K = V) or two; any number of key/value heads; four ways to pool; sinks; logit softcap; rotary
positions, ALiBi or none; decoding in any steps. With `q_rank`, `o_groups` and K = V it is DeepSeek-V4's attention.

Shape suffixes: B batch, T queries, S keys of the window, n blocks, H query heads, K key/value heads, D head_dim,
M d_model, W width of an entry.
"""

import torch
from torch import nn
from transformers.cache_utils import CacheLayerMixin

from .attention import eager_attention_forward, for_each_group, softmax_beside
from .attention_projections import HeadAttention
from .block_indexer import BlockIndexer
from .block_pooling import BlockPool, Blocks, refuse_left_padding, take_blocks
from .cache import StateLayer, state_of
from .key_value_cache import key_value_cache
from .positions import alibi_slopes, rotate


class BlockAttention(HeadAttention):
    """The common base of attentions that see blocks: entries, which of them a query may see, their decoding state."""

    is_recurrent = True
    """Blocks cannot begin anew inside a row, so packed sequences are unpacked before."""

    def __init__(self, config, block: dict, layer_idx: int):
        super().__init__(config, block, layer_idx)
        spec, d_model, eps = block["mixer"]["attention"], block["d_model"], block["norm"]["eps"]
        compression = spec["compression"]
        self.mask_kind, self.window = self.mask_kind._replace(eager=True), spec["window"]
        self.n_kv_heads, self.block = spec["n_kv_heads"], compression["m_block"]
        self.overlap = compression["type"] == "csa"
        width = self.n_kv_heads * self.head_dim
        self.compressor = BlockPool(d_model, width if self.v_from_k else 2 * width, self.head_dim, compression, eps)
        self.indexer = None
        if compression["indexer"]:
            rope_dim = self.rope.dim if self.rope else 0
            self.indexer = BlockIndexer(
                d_model, self.q_rank or d_model, compression, eps, rope_dim, spec["rope_interleaved"]
            )
        self.slopes = alibi_slopes(self.n_heads) if self.mask_kind.alibi_heads else None

    def angles(self, position_embeddings: dict) -> tuple[torch.Tensor, torch.Tensor] | None:
        """cos and sin [B, T, R] of the new tokens; None without rotation."""
        if not self.rope:
            return None
        cos_BTR, sin_BTR = position_embeddings[self.rope.key]
        return cos_BTR, sin_BTR

    def compressed(self, hidden_states: torch.Tensor, angles, state: StateLayer | None) -> tuple:
        """All entries so far, [B, n, W] of keys (and values) and [B, n, D] of the indexer (None without); remembers."""
        if angles is not None:  # one row for all: what is kept is reordered by rows
            angles = tuple(angle.expand(hidden_states.shape[0], -1, -1) for angle in angles)
        blocks, kept = take_blocks(state, hidden_states, angles, self.block, self.overlap)
        before = {} if state is None or not state.seen else state.tensors
        if before and blocks.are_none:
            found = {name: before[name] for name in ("entries", "index") if name in before}
        else:
            found = {"entries": self._entries(blocks)}
            if self.indexer is not None:
                found["index"] = self.indexer.entries(blocks)
            found = {name: torch.cat([before[name], new], dim=1) if before else new for name, new in found.items()}
        if state is not None:
            state.advance(hidden_states.shape[1], **kept, **found)
        return found["entries"], found.get("index")

    def _entries(self, blocks: Blocks) -> torch.Tensor:
        """The new blocks' entries, keys normed and turned by the position of the block's first token."""
        heads_BnKD = self.compressor(blocks).unflatten(-1, (-1, self.head_dim))
        key_BnKD, value_BnKD = heads_BnKD[:, :, : self.n_kv_heads], heads_BnKD[:, :, self.n_kv_heads :]
        key_BKnD = self.compressor.kv_norm(key_BnKD).transpose(1, 2)
        if self.rope and blocks.angles:
            cos_BnR, sin_BnR = blocks.angles
            key_BKnD = rotate(key_BKnD, cos_BnR, sin_BnR, self.rope.interleaved)
        return torch.cat([key_BKnD.transpose(1, 2), value_BnKD], dim=2).flatten(2)

    def entry_keys_and_values(self, entries_BnW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, K, n, D] each."""
        heads_BKnD = entries_BnW.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        return heads_BKnD[:, : self.n_kv_heads], heads_BKnD if self.v_from_k else heads_BKnD[:, self.n_kv_heads :]

    def finished(self, first: int, n_queries: int, n_blocks: int, device) -> torch.Tensor:
        """Which blocks are finished when a query stands at their last token or after: [T, n]."""
        slots_T = torch.arange(first, first + n_queries, device=device)
        return torch.arange(n_blocks, device=device) < ((slots_T + 1) // self.block)[:, None]

    def block_bias(self, seen: torch.Tensor, first: int, dtype: torch.dtype) -> torch.Tensor:
        """The additive mask [B or 1, H or 1, T, n] of what is `seen` [B or 1, T, n], with ALiBi's slopes if any."""
        hidden = torch.finfo(dtype).min
        if self.slopes is None:
            return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, hidden).unsqueeze(1)
        slots_T1 = torch.arange(first, first + seen.shape[-2], device=seen.device)[:, None]
        starts_n = torch.arange(seen.shape[-1], device=seen.device) * self.block
        slopes_H11 = torch.tensor(self.slopes, device=seen.device, dtype=dtype)[:, None, None]
        return (-slopes_H11 * (slots_T1 - starts_n).to(dtype)).masked_fill(~seen.unsqueeze(1), hidden)

    def indexer_loss(self, scores_BTn, query_BHTD, key_BKnD, bias, token_mask) -> torch.Tensor | None:
        """What the indexer learns from in training: the attention's own distribution over the finished blocks."""
        if not self.training or not self.indexer.loss_coef or key_BKnD.shape[2] == 0:
            return None
        with torch.no_grad():
            grouped = query_BHTD.unflatten(1, (self.n_kv_heads, -1))
            logits = (grouped @ key_BKnD.unsqueeze(2).mT).flatten(1, 2) * self.scaling
            if self.softcap is not None:
                logits = self.softcap * torch.tanh(logits / self.softcap)
            attention_BTn = (logits + bias).to(scores_BTn.dtype).softmax(dim=-1).mean(dim=1)
        return self.indexer.loss(scores_BTn, attention_BTn, token_mask)


class CompressedAttention(BlockAttention):
    """softmax over the W nearest keys, the entries of finished blocks beyond, and sinks, all in one denominator.

    | symbol | key | |
    |---|---|---|
    | m | `compression.m_block` | tokens of a block; block i is seen from its last token on |
    | C_i | `compression.pool` | its entry, a key (and value): pooled, normed, turned by position i·m |
    | W | `window` | the sliding branch, by which a query sees its own unfinished block |
    | k | `compression.top_k_blocks` | csa: how many blocks a query sees, those that the indexer scores highest |

    K = V (`v_from_k`): the output is turned back by the query's position, as in `Attention`.

    Parameters: `HeadAttention`'s, `BlockPool`'s and `BlockIndexer`'s. State: (W − 1)·K·D (twice that without K = V),
    an entry and an indexer's key for every m tokens, and the inputs of tokens whose block is unfinished. Source:
    DeepSeek-V4 2026, sections 2.3.1 (csa) and 2.3.2 (hca).
    """

    def state_layers(self) -> list[CacheLayerMixin]:
        """The window's keys and values, and the blocks' state."""
        return [key_value_cache(self.mask_kind.window), StateLayer()]

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

        Returns the output [B, T, M], the weights [B, H, T, S + n], no keys or values for others, and the indexer's
        loss in training. Raises ValueError where `token_mask` has padding before a token.
        """
        refuse_left_padding(token_mask)
        state = state_of(past_key_values, cache_index + 1)
        first = 0 if state is None else state.seen
        angles, latent = self.angles(position_embeddings), self.latent(hidden_states)
        query_BHTD = self.queries(latent, position_embeddings)
        key_BKSD, value_BKSD = self.keys_and_values(hidden_states, position_embeddings)
        if past_key_values is not None:
            key_BKSD, value_BKSD = past_key_values.update(key_BKSD, value_BKSD, cache_index)
        entries_BnW, index_BnD = self.compressed(hidden_states, angles, state)
        entry_key, entry_value = self.entry_keys_and_values(entries_BnW)

        window_mask = attention_masks[self.mask_kind.key]
        seen = self.finished(first, hidden_states.shape[1], entries_BnW.shape[1], hidden_states.device)
        bias, loss = self.block_bias(seen[None], first, window_mask.dtype), None
        if self.indexer is not None:
            scores_BTn = self.indexer.scores(hidden_states, latent, index_BnD, seen, angles)
            loss = self.indexer_loss(scores_BTn, query_BHTD, entry_key, bias, token_mask)
            if hidden_states.shape[1] == 1:
                place_B11k = self.indexer.best(scores_BTn).unsqueeze(1)
                bias = bias.take_along_dim(place_B11k, dim=-1)
                entry_key, entry_value = (x.take_along_dim(place_B11k.mT, dim=2) for x in (entry_key, entry_value))
            else:
                bias = self.block_bias(self.indexer.choose(scores_BTn), first, window_mask.dtype)
        value_BKSD = key_BKSD if self.v_from_k else value_BKSD
        attend = attend_in_blocks if self._runs_in_blocks(query_BHTD, key_BKSD) else attend_at_once
        mixed_BTHD, weights_BHTS = attend(
            self, query_BHTD, key_BKSD, value_BKSD, entry_key, entry_value, window_mask, bias
        )
        return self.output(mixed_BTHD, hidden_states, position_embeddings), weights_BHTS, None, None, loss

    def _runs_in_blocks(self, query_BHTD: torch.Tensor, key_BKSD: torch.Tensor) -> bool:
        """Whether a whole sequence longer than two windows comes at once, and nobody wants its weights."""
        n_queries, n_keys = query_BHTD.shape[2], key_BKSD.shape[2]
        return n_queries == n_keys > 2 * self.window and self.config._attn_implementation != "eager"


def attend_at_once(module, query, key, value, entry_key, entry_value, mask, bias) -> tuple:
    """The output [B, T, H, D] and the weights [B, H, T, S + n] of one attention to all keys and entries."""
    return eager_attention_forward(
        module,
        query,
        torch.cat([key, entry_key], dim=2),
        torch.cat([value, entry_value], dim=2),
        join_masks(mask, bias),
        module.scaling,
        module.dropout(),
        module.softcap,
        module.sink_logits(query) if module.n_sinks else None,
    )


def attend_in_blocks(module, query, key, value, entry_key, entry_value, mask, bias) -> tuple:
    """The same output without weights, T·(2W + n) scores in place of T·(T + n): W queries meet 2W keys at a time."""
    size = module.window
    near_key, near_value = (_with_block_before(x, size) for x in (key, value))
    near = _unblocked(_blocked(query, size, key.shape[1]) @ near_key.mT, query)
    scores = torch.cat([near, for_each_group(query, entry_key.mT)], dim=-1) * module.scaling
    if module.softcap is not None:
        scores = module.softcap * torch.tanh(scores / module.softcap)
    scores = scores + join_masks(_near(mask, size), bias)
    weights = softmax_beside(scores, module.sink_logits(query) if module.n_sinks else None).to(query.dtype)
    near, far = nn.functional.dropout(weights, p=module.dropout()).split([2 * size, entry_key.shape[2]], dim=-1)
    mixed = _unblocked(_blocked(near, size, key.shape[1]) @ near_value, query)
    return (mixed + for_each_group(far, entry_value)).transpose(1, 2), None


def _blocked(x_BHTi: torch.Tensor, size: int, kv_heads: int) -> torch.Tensor:
    """[B, H, T, i] → [B, K, blocks, g·W, i]: a block's queries of all heads that share keys, the last block filled."""
    padded = nn.functional.pad(x_BHTi, (0, 0, 0, -x_BHTi.shape[2] % size))
    return padded.unflatten(1, (kv_heads, -1)).unflatten(3, (-1, size)).transpose(2, 3).flatten(3, 4)


def _unblocked(x: torch.Tensor, query_BHTD: torch.Tensor) -> torch.Tensor:
    """[B, K, blocks, g·W, j] → [B, H, T, j]."""
    groups = query_BHTD.shape[1] // x.shape[1]
    return x.unflatten(3, (groups, -1)).transpose(2, 3).flatten(3, 4).flatten(1, 2)[:, :, : query_BHTD.shape[2]]


def _with_block_before(x_BKTD: torch.Tensor, size: int) -> torch.Tensor:
    """Each block of `size` tokens after the one before it, [B, K, blocks, 2W, D]; zeros where there is none."""
    blocks = nn.functional.pad(x_BKTD, (0, 0, 0, -x_BKTD.shape[2] % size)).unflatten(2, (-1, size))
    before = nn.functional.pad(blocks[:, :, :-1], (0, 0, 0, 0, 1, 0))
    return torch.cat([before, blocks], dim=3)


def _near(mask_BHTT: torch.Tensor, size: int) -> torch.Tensor:
    """Of an additive mask what concerns each query's own block and the one before: [B, H, T, 2W]."""
    length = mask_BHTT.shape[-1]
    first_T = torch.arange(length, device=mask_BHTT.device) // size * size - size
    column_TC = first_T[:, None] + torch.arange(2 * size, device=mask_BHTT.device)
    outside = (column_TC < 0) | (column_TC >= length)
    near = mask_BHTT.take_along_dim(column_TC.clamp(0, length - 1)[None, None], dim=-1)
    return near.masked_fill(outside, torch.finfo(mask_BHTT.dtype).min)


def join_masks(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Two additive masks side by side, each broadcast over rows and heads where only the other differs by them."""
    batch, heads = (max(left.shape[i], right.shape[i]) for i in (0, 1))
    return torch.cat([mask.expand(batch, heads, -1, -1) for mask in (left, right)], dim=-1)
