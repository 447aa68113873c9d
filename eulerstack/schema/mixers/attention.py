"""Softmax attention: MHA, GQA, MQA, sliding and dilated windows, sinks, latent (MLA) and compressed forms.

Vaswani 2017; grouped heads: Ainslie 2023; windows: Beltagy 2020; QK norm: Henry 2020; MLA: DeepSeek-V2 2024;
sinks in the denominator: gpt-oss 2025; compression: DeepSeek-V4, NSA (Yuan 2025).
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

from eulerstack.records import dataclass
from eulerstack.schema.base import (
    ONES,
    ZEROS,
    Count,
    Dims,
    Keys,
    Parameter,
    Positive,
    Probability,
    Size,
    StateElements,
    linear,
)
from eulerstack.schema.mixers.attention_saved import attention_saved
from eulerstack.schema.mixers.attention_work import attention_work
from eulerstack.schema.mixers.compression import WINDOW, Compression, CompressionKeys
from eulerstack.schema.mixers.latent import Mla, MlaKeys
from eulerstack.schema.saved import Saved
from eulerstack.schema.work import Call, Work

DISTANT_STRIDE = 4
"""window_mode nsa: beyond the window every (window · dilation)-th key is seen; this is the published dilation."""


class SinksKeys(Keys):
    """`attention.attention_sinks`: logits that stand in the softmax's denominator only."""

    n_per_head: Count = 1
    learnable: bool = True


class AttentionKeys(Keys):
    """`mixer.attention` as an author writes it."""

    qkv_bias: bool = False
    attn_drop: Probability | None = None
    window: Size | None = None
    window_mode: Literal["standard", "sliding", "dilated", "nsa"] | None = None
    window_dilation: Size | None = None
    latent_dim: Size | None = None
    mla: MlaKeys | None = None
    compression: CompressionKeys | None = None
    attention_sinks: SinksKeys | None = None
    n_heads: Size | None = None
    n_kv_heads: Size | None = None
    head_dim: Size | None = None
    out_bias: bool = False
    qk_norm: Literal["head", "full"] | None = None
    logit_softcap: Positive | None = None
    scale: Positive | None = None
    rope: bool | None = None
    rope_theta: Positive | None = None
    rope_dim: Size | None = None
    rope_interleaved: bool = False
    rope_scaled: bool = True
    gate: bool = False
    v_from_k: bool = False
    q_rank: Size | None = None
    q_norm_weight: bool = True
    qk_norm_unit_offset: bool = False
    o_groups: Size | None = None
    o_rank: Size | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sinks:
    """`n_per_head` extra logits in each head's denominator: learned, or fixed at 0."""

    n_per_head: int
    learnable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Attention with every number filled in. `latent_dim` is spelled as `mla`.

    `window` counts the query itself; `window_dilation`, `rope_theta` and `rope_dim` are None where nothing reads them.
    `rope_dim`: the last so many features of a head are rotated (`mla` has one of its own).
    """

    type: ClassVar[str] = "attention"
    key: ClassVar[str] = "attention"

    n_heads: int
    n_kv_heads: int
    head_dim: int
    qkv_bias: bool
    out_bias: bool
    attn_drop: float
    window: int | None
    window_mode: Literal["standard", "sliding", "dilated", "nsa"]
    window_dilation: int | None
    qk_norm: Literal["head", "full"] | None
    logit_softcap: float | None
    scale: float
    rope: bool
    rope_theta: float | None
    rope_dim: int | None
    rope_interleaved: bool
    rope_scaled: bool
    gate: bool
    v_from_k: bool
    q_rank: int | None
    q_norm_weight: bool
    qk_norm_unit_offset: bool
    o_groups: int | None
    o_rank: int | None
    attention_sinks: Sinks | None
    mla: Mla | None
    compression: Compression | None

    @classmethod
    def resolve(cls, keys: AttentionKeys, dims: Dims) -> "Attention":
        """Fill from the model: heads, width of a head, RoPE's base, dropout."""
        n_heads, n_kv_heads, head_dim = heads(keys, dims)
        rope = rotates(keys, dims)
        written = latent(keys)
        mla = Mla.resolve(written, head_dim, rope, dims.norm_eps) if written else None
        window, mode, dilation = _window(keys)
        sinks = keys.attention_sinks
        return cls(
            n_heads=n_heads,
            n_kv_heads=n_heads if mla else n_kv_heads,
            head_dim=head_dim,
            qkv_bias=keys.qkv_bias,
            out_bias=keys.out_bias,
            attn_drop=dims.attn_dropout if keys.attn_drop is None else keys.attn_drop,
            window=window,
            window_mode=mode,
            window_dilation=dilation,
            qk_norm=keys.qk_norm,
            logit_softcap=keys.logit_softcap,
            scale=keys.scale or (mla.nope_dim + mla.rope_dim if mla else head_dim) ** -0.5,
            rope=rope,
            rope_theta=(keys.rope_theta or dims.rope_theta) if rope else None,
            rope_dim=(keys.rope_dim or head_dim) if rope and not mla else None,
            rope_interleaved=keys.rope_interleaved,
            rope_scaled=keys.rope_scaled,
            gate=keys.gate,
            v_from_k=keys.v_from_k,
            q_rank=keys.q_rank,
            q_norm_weight=keys.q_norm_weight,
            qk_norm_unit_offset=keys.qk_norm_unit_offset,
            o_groups=keys.o_groups,
            o_rank=keys.o_rank,
            attention_sinks=Sinks(**dict(sinks)) if sinks and sinks.n_per_head else None,
            mla=mla,
            compression=Compression.resolve(keys.compression) if keys.compression else None,
        )

    @property
    def entry_width(self) -> int:
        """How many numbers one token's key, or key and value, have over all heads."""
        return self.n_kv_heads * self.head_dim * (1 if self.v_from_k else 2)

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """Projections, norms of queries and keys, output gate, sinks, compression."""
        if self.mla:
            yield from self.mla.parameters(d_model, self.n_heads, self.qkv_bias, self.out_bias)
            value_width = self.n_heads * self.mla.v_dim
        else:
            yield from self._projections(d_model)
            value_width = self.n_heads * self.head_dim
        if self.gate:
            yield from linear("g_proj", d_model, value_width)
        if self.attention_sinks and self.attention_sinks.learnable:
            yield Parameter("sinks", (self.n_heads * self.attention_sinks.n_per_head,), ZEROS, fp32=True)
        if self.compression:
            yield from self.compression.parameters(d_model, self.q_rank or d_model, self.head_dim, self.entry_width)
            if self.compression.type == "nsa_learned":
                yield from linear("branch_proj", d_model, 3 * self.n_heads)

    def state_elements(self, d_model: int, tokens: int) -> StateElements:
        """Keys and values (or latents) of the tokens a later query may still see, and compressed blocks."""
        per_token = self.mla.kv_rank + self.mla.rope_dim if self.mla else self.entry_width
        blocks = 0
        if self.compression:
            rotated = self.rope_dim or 0
            blocks = self.compression.state_elements(d_model, tokens, self.entry_width, rotated)
        return {"model": self.kept(tokens) * per_token + blocks}

    def kept(self, tokens: int) -> int:
        """How many of `tokens` earlier tokens' keys the cache holds."""
        whole = self.compression is not None and self.compression.type == "nsa_learned"
        if self.window and self.window_mode in ("sliding", "dilated") and not whole:
            # The window counts the query itself, which need not wait in the cache.
            return min(tokens, (self.window - 1) * (self.window_dilation or 1))
        return tokens

    def work(self, d_model: int, call: Call) -> Work:
        """Projections, scores and weighted values; of an indexer's loss the target, too."""
        return attention_work(self, d_model, call, None)

    def saved(self, d_model: int, call: Call) -> Saved:
        """Heads, what the output projection reads, and scores where they are written out."""
        return attention_saved(self, d_model, call)

    def borrowing(self, d_model: int, call: Call, lender: "Attention") -> Work:
        """The same where keys and values are another layer's (`kv_from`)."""
        return attention_work(self, d_model, call, lender)

    def _projections(self, d_model: int) -> Iterator[Parameter]:
        q_width, kv_width = self.n_heads * self.head_dim, self.n_kv_heads * self.head_dim
        if self.q_rank is None:
            yield from linear("q_proj", d_model, q_width, bias=self.qkv_bias)
        else:
            yield from linear("q_a_proj", d_model, self.q_rank, bias=self.qkv_bias)
            yield Parameter("q_a_norm.weight", (self.q_rank,), ONES)
            yield from linear("q_b_proj", self.q_rank, q_width)
        yield from linear("k_proj", d_model, kv_width, bias=self.qkv_bias)
        if not self.v_from_k:
            yield from linear("v_proj", d_model, kv_width, bias=self.qkv_bias)
        if self.o_groups is None or self.o_rank is None:
            yield from linear("o_proj", q_width, d_model, bias=self.out_bias, kind="residual")
        else:
            inner = self.o_groups * self.o_rank
            yield from linear("o_a_proj", q_width // self.o_groups, inner)
            yield from linear("o_b_proj", inner, d_model, bias=self.out_bias, kind="residual")
        if self.qk_norm:
            per_head, start = self.qk_norm == "head", ZEROS if self.qk_norm_unit_offset else ONES
            if self.q_norm_weight:
                yield Parameter("q_norm.weight", (self.head_dim if per_head else q_width,), start)
            yield Parameter("k_norm.weight", (self.head_dim if per_head else kv_width,), start)


def heads(keys: AttentionKeys, dims: Dims) -> tuple[int, int, int]:
    """(query heads, key/value heads, width of a head): the template's, else the model's.

    A template that changes only the number of heads keeps what the model's numbers say: plain multi-head attention
    stays plain, and heads that tile d_model go on tiling it.
    """
    n_heads = keys.n_heads or dims.n_heads
    n_kv_heads = keys.n_kv_heads or (n_heads if dims.n_kv_heads == dims.n_heads else dims.n_kv_heads)
    tiles = dims.n_heads * dims.head_dim == dims.d_model and dims.d_model % n_heads == 0
    return n_heads, n_kv_heads, keys.head_dim or (dims.d_model // n_heads if tiles else dims.head_dim)


def rotates(keys: AttentionKeys, dims: Dims) -> bool:
    """Whether queries and keys are rotated: only where the model's positions are RoPE's."""
    return dims.positional == "rope" and keys.rope is not False


def latent(keys: AttentionKeys) -> MlaKeys | None:
    """`mla` as written, or as `latent_dim` means it."""
    return keys.mla or (MlaKeys(kv_rank=keys.latent_dim) if keys.latent_dim else None)


def _window(keys: AttentionKeys) -> tuple[int | None, Literal["standard", "sliding", "dilated", "nsa"], int | None]:
    window = keys.window or (WINDOW if keys.compression else None)
    mode = keys.window_mode or "standard"
    if mode == "standard" and window:
        mode = "sliding"
    fallback = {"dilated": 1, "nsa": DISTANT_STRIDE}.get(mode)
    return window, mode, (keys.window_dilation or fallback) if fallback else None
