"""Gated delta rule: linear attention that forgets and overwrites (Yang 2025)."""

from collections.abc import Iterator
from typing import ClassVar

from eulerstack.records import dataclass
from eulerstack.schema.base import ONES, Dims, Init, Keys, Parameter, Size, StateElements, linear
from eulerstack.schema.mixers.mamba import TIME_STEP, depthwise_conv
from eulerstack.schema.report import Report
from eulerstack.schema.saved import Saved
from eulerstack.schema.work import Call, Work, applied, product, scan


class GatedDeltaNetKeys(Keys):
    """`mixer.gated_deltanet` as an author writes it."""

    n_heads: Size | None = None
    n_value_heads: Size | None = None
    d_key: Size | None = None
    d_value: Size | None = None
    d_conv: Size = 4
    chunk_size: Size = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedDeltaNet:
    """A gated DeltaNet with every number filled in; `d_key` and `d_value` are per head.

    `n_value_heads` / `n_heads` following value heads share one head of queries and keys.
    """

    type: ClassVar[str] = "gated_deltanet"
    key: ClassVar[str] = "gated_deltanet"

    n_heads: int
    n_value_heads: int
    d_key: int
    d_value: int
    d_conv: int
    chunk_size: int

    @classmethod
    def resolve(cls, keys: GatedDeltaNetKeys, dims: Dims) -> "GatedDeltaNet":
        """Unwritten: heads are the model's, keys as wide as its heads, values as many and as wide as keys."""
        n_heads, d_key = keys.n_heads or dims.n_heads, keys.d_key or dims.head_dim
        return cls(
            n_heads=n_heads,
            n_value_heads=keys.n_value_heads or n_heads,
            d_key=d_key,
            d_value=keys.d_value or d_key,
            d_conv=keys.d_conv,
            chunk_size=keys.chunk_size,
        )

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """The names of HF's qwen3_5."""
        key_width, value_width = self.n_heads * self.d_key, self.n_value_heads * self.d_value
        yield from linear("in_proj_qkv", d_model, 2 * key_width + value_width)
        yield from linear("in_proj_z", d_model, value_width)
        yield from linear("in_proj_b", d_model, self.n_value_heads)
        yield from linear("in_proj_a", d_model, self.n_value_heads)
        yield from depthwise_conv("conv1d", 2 * key_width + value_width, self.d_conv, bias=False)
        yield Parameter("dt_bias", (self.n_value_heads,), TIME_STEP, fp32=True)
        log_uniform = Init("log_of_uniform", arguments=(("low", 0.01), ("high", 16.0)))
        yield Parameter("A_log", (self.n_value_heads,), log_uniform, fp32=True)
        yield Parameter("norm.weight", (self.d_value,), ONES)
        yield from linear("out_proj", value_width, d_model, kind="residual")

    def state_elements(self, d_model: int, tokens: int) -> StateElements:
        """A matrix a value head and the convolution's last inputs, however many tokens there were."""
        matrices = self.n_value_heads * self.d_key * self.d_value
        convolved = 2 * self.n_heads * self.d_key + self.n_value_heads * self.d_value
        return {"fp32": matrices, "model": convolved * (self.d_conv - 1)}

    def work(self, d_model: int, call: Call) -> Work:
        """Projections, convolution, and in each chunk of Q tokens of a head Q²·(2·K + V) for k·kᵀ, q·kᵀ and the values
        that are read, and Q·K·V each for the state read by keys, read by queries, and written.

        The triangular system of a chunk is a scan of Q²·(K + V) operations, as many backwards, where the gradient of
        its matrix is one more product; so is carrying the state on, 2·K·V a chunk. The first state is zero and the one
        after the last chunk unused, so that training needs no gradient of theirs. One token: three products of K·V.
        """
        heads, key, value = call.batch * self.n_value_heads, self.d_key, self.d_value
        around, state = applied(self.parameters(d_model), call.rows), heads * key * value
        if call.tokens == 1:
            return around + product(3, state) + scan(2 * state)
        size = min(self.chunk_size, call.tokens)
        chunks = -(-call.tokens // size)
        squares = chunks * heads * size * size
        gradients = 4 * (chunks - 1) + 1 + (2 * chunks if chunks > 1 else 1)
        states = Work(2 * 3 * chunks * size * state, 2 * gradients * size * state)
        solved = squares * (key + value)
        solving = Work(0, 2 * solved, solved + 2 * chunks * state, solved + 4 * chunks * state)
        return around + product(squares, 2 * key + value) + states + solving

    def saved(self, d_model: int, call: Call) -> Saved:
        """The convolution before, after and activated; in fp32 five squares of each chunk (decays, products, the
        system), keys and queries ten times over (units, decayed, weighed, laid out), values, solutions, states.
        """
        heads, keys, values = self.n_value_heads, self.n_value_heads * self.d_key, self.n_value_heads * self.d_value
        convolved = 2 * self.n_heads * self.d_key + values
        size = min(self.chunk_size, call.tokens)
        inner = heads * (5 * size + 8) + 11 * keys + 7 * values + 2 * keys * self.d_value / size
        outer = d_model + 3 * convolved + 2 * values
        return Saved(model=call.rows * outer, fp32=call.rows * inner, copies=call.rows * (convolved + values))


def check(keys: GatedDeltaNetKeys, dims: Dims, report: Report) -> None:
    """Value heads share key heads evenly."""
    n_heads = keys.n_heads or dims.n_heads
    if keys.n_value_heads and keys.n_value_heads % n_heads:
        report("value-heads-not-shared", ("n_value_heads",), n_value_heads=keys.n_value_heads, n_heads=n_heads)
