"""Retention: linear attention with a fixed decay per head (Sun 2023)."""

from collections.abc import Iterator
from typing import ClassVar

from eulerstack.records import dataclass
from eulerstack.schema.base import Dims, Keys, Parameter, Size, StateElements, linear
from eulerstack.schema.report import Report
from eulerstack.schema.saved import Saved
from eulerstack.schema.work import NOTHING, Call, Work, applied, product


class RetNetKeys(Keys):
    """`mixer.retnet` as an author writes it."""

    chunkwise: bool = True
    chunk_size: Size = 64
    rope: bool = True
    v_expand: Size = 2
    n_heads: Size | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetNet:
    """Multi-scale retention. `rope` is its own rotation of queries and keys, whatever the model's positions are."""

    type: ClassVar[str] = "retnet"
    key: ClassVar[str] = "retnet"

    chunkwise: bool
    chunk_size: int
    rope: bool
    v_expand: int
    n_heads: int

    @classmethod
    def resolve(cls, keys: RetNetKeys, dims: Dims) -> "RetNet":
        """Heads are the model's where the template names none."""
        return cls(
            chunkwise=keys.chunkwise,
            chunk_size=keys.chunk_size,
            rope=keys.rope,
            v_expand=keys.v_expand,
            n_heads=keys.n_heads or dims.n_heads,
        )

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """(2 + 3·v_expand)·d² elements: 8·d² as published. The norm over heads has no weight."""
        value_width = self.v_expand * d_model
        yield from linear("q_proj", d_model, d_model)
        yield from linear("k_proj", d_model, d_model)
        yield from linear("v_proj", d_model, value_width)
        yield from linear("g_proj", d_model, value_width)
        yield from linear("o_proj", value_width, d_model, kind="residual")

    def state_elements(self, d_model: int, tokens: int) -> StateElements:
        """A matrix a head, however many tokens there were."""
        return {"fp32": self.v_expand * d_model**2 // self.n_heads}

    def work(self, d_model: int, call: Call) -> Work:
        """Projections, and in each chunk of Q tokens scores (Q²·K), their values (Q²·V), and the state read and written
        (Q·K·V each). The first chunk has no state to read; training does not need the one after the last.
        """
        key, value = d_model // self.n_heads, self.v_expand * d_model // self.n_heads
        size = min(self.chunk_size, call.tokens) if self.chunkwise else call.tokens
        work, heads = applied(self.parameters(d_model), call.rows), call.batch * self.n_heads
        whole, rest = divmod(call.tokens, size)
        chunks = whole + bool(rest)
        for length, times in ((size, whole), (rest, 1)):
            work += product(times * heads, length, length, key + value)
        work += product(heads * (call.tokens - (rest or size)), key, value)
        work += product(heads * (rest or size), key, value, grads=0)
        read = call.tokens if call.past else call.tokens - size
        return work + (product(heads * read, key, value) if chunks > 1 or call.past else NOTHING)

    def saved(self, d_model: int, call: Call) -> Saved:
        """In fp32 queries and keys, bare and decayed, values, each chunk's scores and states, and the norm of heads."""
        values, size = self.v_expand * d_model, min(self.chunk_size, call.tokens) if self.chunkwise else call.tokens
        states = values * d_model / self.n_heads / size
        inner = 4 * d_model + self.n_heads * (size + 1) + 2 * values + states
        return Saved(model=call.rows * (d_model + 4 * values), fp32=call.rows * inner)


def check(keys: RetNetKeys, dims: Dims, report: Report) -> None:
    """Heads tile the stream, and a rotated head has pairs."""
    n_heads = keys.n_heads or dims.n_heads
    place = ("n_heads",) if keys.n_heads else ()
    if dims.d_model % n_heads:
        report("heads-not-dividing", place, n_heads=n_heads, d_model=dims.d_model)
    elif keys.rope and (dims.d_model // n_heads) % 2:
        report("retnet-head-odd", place, head_dim=dims.d_model // n_heads, n_heads=n_heads)
