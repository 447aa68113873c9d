"""What softmax attention computes: plain, latent, compressed, sparse by blocks; as written and as kernels do it."""

from typing import TYPE_CHECKING

from eulerstack.schema.mixers.compression import Compression, Indexer
from eulerstack.schema.mixers.latent import Mla
from eulerstack.schema.work import Call, Work, applied, contraction, product, seen_blocks, seen_keys

if TYPE_CHECKING:
    from eulerstack.schema.mixers.attention import Attention

OF_KEYS = ("k_proj.", "v_proj.")
"""What an attention does not have that attends to another layer's keys."""

OF_BLOCKS = ("compressor.", "indexer.")
"""What does not see every token as it comes."""


def attention_work(attention: "Attention", d_model: int, call: Call, lender: "Attention | None") -> Work:
    """All of it. `lender`: whose keys and values it attends to, if not its own."""
    own = [p for p in attention.parameters(d_model) if not p.name.startswith((*OF_BLOCKS, "kv_b_proj."))]
    if lender:
        own = [p for p in own if not p.name.startswith(OF_KEYS)]
    projections = applied(own, call.rows)
    if attention.mla:
        return projections + _latent(attention, attention.mla, call)
    if attention.compression:
        return projections + _compressed(attention, attention.compression, d_model, call)
    pairs = _pairs(attention, call, lender or attention)
    return projections + product(2, call.batch, attention.n_heads, pairs, attention.head_dim)


def _pairs(attention: "Attention", call: Call, keeper: "Attention") -> int:
    """Queries times keys of one sequence: of those that are seen, or as written of all that `keeper` has kept."""
    dilation = attention.window_dilation or 1
    if not call.kernels:
        return call.tokens * (call.tokens + keeper.kept(call.past))
    if attention.window is None:
        return seen_keys(call)
    if attention.window_mode == "nsa":
        return seen_keys(call, attention.window, stride=attention.window * dilation)
    return seen_keys(call, attention.window, dilation)


def _latent(attention: "Attention", mla: Mla, call: Call) -> Work:
    """Keys and values expanded for every head; or where few queries meet a long cache, queries brought to the latents.

    As written all latents of the cache are expanded anew at each call.
    """
    heads, keys = attention.n_heads, call.tokens + attention.kept(call.past)
    pairs = call.batch * heads * _pairs(attention, call, attention)
    expanded = mla.kv_rank * (mla.nope_dim + mla.v_dim)
    longer = 2 * mla.kv_rank - mla.nope_dim - mla.v_dim
    if keys > call.tokens and call.tokens * longer < expanded:
        around = contraction(mla.nope_dim, call.rows, heads, mla.kv_rank)
        around += contraction(mla.kv_rank, call.rows, heads, mla.v_dim)
        return around + product(pairs, 2 * mla.kv_rank + mla.rope_dim)
    scores = product(pairs, mla.nope_dim + mla.rope_dim + mla.v_dim)
    return product(call.batch * keys, heads, expanded) + scores


def _compressed(attention: "Attention", compression: Compression, d_model: int, call: Call) -> Work:
    blocks = call.end // compression.m_block
    pooled = _pooled(compression, call)
    compressor = [p for p in attention.parameters(d_model) if p.name.startswith("compressor.")]
    work = applied(compressor, call.batch * pooled)
    width = call.batch * attention.n_heads * attention.head_dim
    finished = seen_blocks(call, compression.m_block) if call.kernels else call.tokens * blocks
    if compression.indexer:
        d_query = attention.q_rank or d_model
        work += _indexed(compression, compression.indexer, d_model, d_query, call, finished, pooled)
        if call.training and compression.indexer.learnable and blocks:
            work += product(width, finished, grads=0)
    if compression.type == "nsa_learned":
        return work + _branches(attention, compression, call, finished)
    if compression.top_k_blocks and call.kernels:
        finished = seen_blocks(call, compression.m_block, compression.top_k_blocks)
    elif compression.top_k_blocks and call.tokens == 1:
        finished = min(blocks, compression.top_k_blocks)
    return work + product(2, width, finished + _pairs(attention, call, attention))


def _pooled(compression: Compression, call: Call) -> int:
    """How many tokens of a sequence are pooled. As written a call pools whole blocks, as soon as they are finished.

    Overlapping blocks also pool the one before anew. Kernels: each token once, whenever that happens.
    """
    if call.kernels:
        return call.tokens
    block = compression.m_block
    before = call.past // block * block
    kept_from = max(before - block, 0) if compression.type == "csa" else before
    whole = (call.end - kept_from) // block * block
    return whole if kept_from + whole > before else 0


def _indexed(
    compression: Compression, indexer: Indexer, d_model: int, d_query: int, call: Call, pairs: int, pooled: int
) -> Work:
    """What scores blocks. Only its own loss trains it, and nothing below it gets a gradient."""
    learns = call.training and indexer.learnable and call.end >= compression.m_block
    own = list(indexer.parameters(d_model, d_query, compression.m_block, compression.series, compression.pool))
    seen = [p for p in own if not p.name.startswith("compressor.")]
    pooling = [p for p in own if p.name.startswith("compressor.")]
    work = applied(seen, call.rows, grads=int(learns)) + applied(pooling, call.batch * pooled, grads=int(learns))
    work += product(call.batch, pairs, indexer.n_heads, indexer.d_per_head, grads=2 * learns)
    if indexer.arch == "learned_block_sel":
        return work
    return work + contraction(indexer.n_heads, call.batch, pairs, grads=2 * learns)


def _branches(attention: "Attention", compression: Compression, call: Call, finished: int) -> Work:
    """Native sparse attention: entries, the chosen blocks' tokens, the window, and the gates that mix the three."""
    width = call.batch * attention.n_heads * attention.head_dim
    chosen = near = call.tokens * call.end
    if call.kernels:
        near = seen_keys(call, attention.window)
        most = compression.top_k_blocks or 0
        chosen = _chosen(call.end, compression.m_block, most) - _chosen(call.past, compression.m_block, most)
    gates = product(call.rows, attention.n_heads, attention.head_dim, 3)
    return gates + product(2, width, finished + chosen + near)


def _chosen(count: int, block: int, most: int) -> int:
    """Σ over positions p < count of the tokens in p's own block up to it and in `most` blocks before, if so many."""
    growing = min(count, (most + 1) * block)
    whole, rest = divmod(count, block)
    own = whole * block * (block + 1) // 2 + rest * (rest + 1) // 2
    whole, rest = divmod(growing, block)
    own_growing = whole * block * (block + 1) // 2 + rest * (rest + 1) // 2
    return growing * (growing + 1) // 2 + (count - growing) * most * block + own - own_growing
