"""Attention to distant tokens in blocks: DeepSeek-V4's compressed attentions, NSA (Yuan 2025)."""

from collections.abc import Iterator
from typing import Literal

from eulerstack.records import dataclass
from eulerstack.schema.base import ONES, ZEROS, Keys, Parameter, Positive, Size, linear

WINDOW = 128
"""The sliding branch beside compression, where none is written: a query must see its own unfinished block."""

NSA_BLOCKS = 16
"""How many blocks nsa_learned picks where none is written: NSA's published number."""

Pool = Literal["softmax_gated", "mean", "max", "learned_pool"]
Arch = Literal["relu_mha", "dot_product", "learned_block_sel"]


class IndexerKeys(Keys):
    """`attention.compression.indexer`: the small scorer that picks blocks."""

    arch: Arch
    n_heads: Size
    d_per_head: Size
    dtype: Literal["fp4", "fp8", "bf16", "fp32"] = "bf16"
    learnable: bool = True
    loss_coef: Positive = 1.0


class CompressionKeys(Keys):
    """`attention.compression`: distant keys and values in blocks."""

    type: Literal["csa", "hca", "nsa_learned"]
    m_block: Size
    pool: Pool = "softmax_gated"
    indexer: IndexerKeys | None = None
    top_k_blocks: Size | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexer:
    """The scorer that picks blocks. `learnable` False: it stays as initialised."""

    arch: Arch
    n_heads: int
    d_per_head: int
    dtype: Literal["fp4", "fp8", "bf16", "fp32"]
    learnable: bool
    loss_coef: float

    def parameters(self, d_model: int, d_query: int, block: int, series: int, pool: Pool) -> Iterator[Parameter]:
        """Queries from `d_query` features, a compressor of its own, and for all but NSA's scores a weight per head."""
        own: list[Parameter] = [*linear("q_proj", d_query, self.n_heads * self.d_per_head)]
        if self.arch != "learned_block_sel":
            own += linear("weights_proj", d_model, self.n_heads)
        own += pooling("compressor", d_model, self.d_per_head, block, series, pool)
        own.append(Parameter("compressor.kv_norm.weight", (self.d_per_head,), ONES))
        yield from own


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """Blocks of `m_block` tokens pooled into one entry each; csa and nsa_learned attend to chosen ones."""

    type: Literal["csa", "hca", "nsa_learned"]
    m_block: int
    pool: Pool
    indexer: Indexer | None
    top_k_blocks: int | None

    @classmethod
    def resolve(cls, keys: CompressionKeys) -> "Compression":
        """Nothing here derives from the model."""
        return cls(
            type=keys.type,
            m_block=keys.m_block,
            pool=keys.pool,
            indexer=Indexer(**dict(keys.indexer)) if keys.indexer else None,
            top_k_blocks=keys.top_k_blocks or (NSA_BLOCKS if keys.type == "nsa_learned" else None),
        )

    @property
    def series(self) -> int:
        """How many entries a token contributes to: csa's blocks reach over the one before."""
        return 2 if self.type == "csa" else 1

    def parameters(self, d_model: int, d_query: int, head_dim: int, width: int) -> Iterator[Parameter]:
        """The pooling of entries `width` wide, the norm of their keys, and the indexer."""
        yield from pooling("compressor", d_model, width, self.m_block, self.series, self.pool)
        yield Parameter("compressor.kv_norm.weight", (head_dim,), ONES)
        if self.indexer:
            own = self.indexer.parameters(d_model, d_query, self.m_block, self.series, self.pool)
            yield from (parameter.below("indexer") for parameter in own)

    def state_elements(self, d_model: int, tokens: int, width: int, rotated: int) -> int:
        """Finished entries, and the inputs and angles of tokens whose block, or whose entry, is unfinished."""
        blocks, pending = divmod(tokens, self.m_block)
        if self.type == "csa" and blocks:
            pending += self.m_block
        entry = width + (self.indexer.d_per_head if self.indexer else 0)
        return blocks * entry + pending * (d_model + 2 * rotated)


def pooling(name: str, d_model: int, width: int, block: int, series: int, pool: Pool) -> Iterator[Parameter]:
    """What turns a block of tokens into one entry of `width` features."""
    yield from linear(f"{name}.kv_proj", d_model, series * width)
    if pool == "softmax_gated":
        yield from linear(f"{name}.gate_proj", d_model, series * width)
    if pool in ("softmax_gated", "learned_pool"):
        yield Parameter(f"{name}.position_bias", (block, series * width), ZEROS)
