"""What softmax attention keeps for its backward pass."""

from typing import TYPE_CHECKING

from eulerstack.schema.mixers.compression import Compression, Indexer
from eulerstack.schema.saved import NONE, Saved, rms_norm
from eulerstack.schema.work import Call

if TYPE_CHECKING:
    from eulerstack.schema.mixers.attention import Attention


def attention_saved(attention: "Attention", d_model: int, call: Call) -> Saved:
    """All of it."""
    width = attention.n_heads * (attention.mla.v_dim if attention.mla else attention.head_dim)
    around = Saved(model=call.rows * (d_model + width))  # the input, and what o_proj reads
    if attention.gate:
        around += Saved(model=2 * call.rows * width)
    if attention.o_groups and attention.o_rank:
        around += Saved(model=call.rows * attention.o_groups * attention.o_rank)
    heads = _latent(attention, call) if attention.mla else _heads(attention, call)
    if attention.compression:
        return around + heads + _compressed(attention, attention.compression, d_model, call)
    return around + heads + _scores(attention, call)


def _heads(attention: "Attention", call: Call) -> Saved:
    """Queries, keys and values, their latent and norms."""
    query, key = attention.n_heads * attention.head_dim, attention.n_kv_heads * attention.head_dim
    kept = Saved(model=call.rows * (query + attention.entry_width))
    if attention.v_from_k and attention.rope:
        kept += Saved(model=call.rows * query)
    if attention.q_rank:
        kept += rms_norm(call.rows, attention.q_rank) + Saved(model=call.rows * attention.q_rank)
    if attention.qk_norm:
        kept += rms_norm(call.rows, query) + rms_norm(call.rows, key)
    return kept


def _latent(attention: "Attention", call: Call) -> Saved:
    mla = attention.mla
    assert mla is not None
    ranks = [mla.kv_rank, *([mla.q_rank] if mla.q_rank else [])]
    kept = Saved(model=call.rows * attention.n_heads * (2 * (mla.nope_dim + mla.rope_dim) + mla.nope_dim + mla.v_dim))
    for rank in ranks:
        kept += rms_norm(call.rows, rank) + Saved(model=call.rows * rank)
    return kept


def _scores(attention: "Attention", call: Call) -> Saved:
    """Nothing but the softmax's denominators under sdpa, and a window's mask."""
    pairs = call.rows * call.tokens
    if attention.logit_softcap is None and attention.attention_sinks is None:
        return Saved(model=pairs * bool(attention.window), fp32=call.rows * attention.n_heads)
    return _written_out(attention, attention.n_heads * pairs)


def _written_out(attention: "Attention", scores: float) -> Saved:
    """The softmax of scores that no kernel hides, its cast, and what a softcap needs besides."""
    kept = Saved(fp32=scores, copies=scores / 2)
    return kept + Saved(model=scores) if attention.logit_softcap is not None else kept


def _compressed(attention: "Attention", compression: Compression, d_model: int, call: Call) -> Saved:
    blocks, heads = call.tokens // compression.m_block, attention.n_heads
    kept = _pooling(compression, attention.entry_width, call)
    if compression.indexer:
        kept += _indexed(compression.indexer, call, blocks) + _pooling(
            compression, compression.indexer.d_per_head, call
        )
    window = attention.window or 0
    if compression.type == "nsa_learned":
        keys = 2 * call.tokens + blocks
        branches = Saved(model=call.rows * heads * (3 * attention.head_dim + 3))
        # Queries, keys and values of each branch are laid out anew.
        laid_out = Saved(model=2 * call.rows * (heads * attention.head_dim + attention.entry_width))
        return kept + branches + laid_out + _written_out(attention, call.rows * heads * keys)
    keys = min(call.tokens, 2 * window) + blocks
    return kept + _written_out(attention, call.rows * heads * keys)


def _pooling(compression: Compression, width: int, call: Call) -> Saved:
    """Every slot's content and weight, and the entries' norm."""
    slots = 2 * compression.series * width * (compression.pool != "max") + width * (compression.pool == "max")
    return Saved(model=call.rows * (slots + 2 * width / compression.m_block))


def _indexed(indexer: Indexer, call: Call, blocks: int) -> Saved:
    """Its heads' queries, and where it learns its scores, twice where they are weighed."""
    if not indexer.learnable:
        return NONE
    weighed = indexer.arch != "learned_block_sel"
    scores = indexer.n_heads * blocks * (2 if weighed else 1) + 2 * blocks
    return Saved(fp32=call.rows * (indexer.n_heads * (indexer.d_per_head + weighed) + scores))
