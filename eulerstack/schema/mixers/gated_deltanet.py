"""Gated delta rule: linear attention that forgets and overwrites (Yang 2025)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from eulerstack.schema.base import ONES, Dims, Init, Keys, Parameter, Size, linear
from eulerstack.schema.mixers.mamba import TIME_STEP, depthwise_conv
from eulerstack.schema.report import Report


class GatedDeltaNetKeys(Keys):
    """`mixer.gated_deltanet` as an author writes it."""

    n_heads: Size | None = None
    d_key: Size | None = None
    d_value: Size | None = None
    d_conv: Size = 4
    chunk_size: Size = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedDeltaNet:
    """A gated DeltaNet with every number filled in; `d_key` and `d_value` are per head."""

    type: ClassVar[str] = "gated_deltanet"
    key: ClassVar[str] = "gated_deltanet"

    n_heads: int
    d_key: int
    d_value: int
    d_conv: int
    chunk_size: int

    @classmethod
    def resolve(cls, keys: GatedDeltaNetKeys, dims: Dims) -> "GatedDeltaNet":
        """Heads are the model's, keys as wide as its heads and values as keys, where they are not written."""
        d_key = keys.d_key or dims.head_dim
        return cls(
            n_heads=keys.n_heads or dims.n_heads,
            d_key=d_key,
            d_value=keys.d_value or d_key,
            d_conv=keys.d_conv,
            chunk_size=keys.chunk_size,
        )

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """The names of HF's qwen3_5."""
        key_width, value_width = self.n_heads * self.d_key, self.n_heads * self.d_value
        yield from linear("in_proj_qkv", d_model, 2 * key_width + value_width)
        yield from linear("in_proj_z", d_model, value_width)
        yield from linear("in_proj_b", d_model, self.n_heads)
        yield from linear("in_proj_a", d_model, self.n_heads)
        yield from depthwise_conv("conv1d", 2 * key_width + value_width, self.d_conv, bias=False)
        yield Parameter("dt_bias", (self.n_heads,), TIME_STEP, fp32=True)
        log_uniform = Init("log_of_uniform", arguments=(("low", 0.0), ("high", 16.0)))
        yield Parameter("A_log", (self.n_heads,), log_uniform, fp32=True)
        yield Parameter("norm.weight", (self.d_value,), ONES)
        yield from linear("out_proj", value_width, d_model, kind="residual")


def check(keys: GatedDeltaNetKeys, dims: Dims, report: Report) -> None:
    """No two of its keys can contradict each other."""
