"""The `memory` of a layer template: what is added to its mixer's output through a gate.

neural_memory: Titans (Behrouz 2025); associative: a matrix under the delta rule (Schlag 2021); retrieval: Memorizing
Transformers (Wu 2022).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from eulerstack.records import dataclass
from eulerstack.schema.base import (
    ONES,
    ZEROS,
    Dims,
    Init,
    Keys,
    Parameter,
    Positive,
    Size,
    StateElements,
    as_plain,
    linear,
)
from eulerstack.schema.inner_work import Segment, read, segments, twice
from eulerstack.schema.saved import Saved
from eulerstack.schema.work import Call, Work, applied, product, total

SHARPNESS = 10.0
"""What a retrieval's cosines are multiplied with at the start."""

MOMENTUM, FORGETTING = 2.0, -6.0
"""Where a neural memory's momentum and forgetting start, before their sigmoids: 0.88 and 0.0025 a token."""


NEURAL_CHUNK, MATRIX_CHUNK = 32, 64
"""How many tokens a neural memory, and a matrix, write at a time."""


class MemoryParamsKeys(Keys):
    """`memory.params`: the size of the memory."""

    hidden: Size = 2048


class MemoryKeys(Keys):
    """`memory` as an author writes it."""

    type: Literal["neural_memory", "associative", "retrieval"]
    update_at_inference: bool = False
    params: MemoryParamsKeys = MemoryParamsKeys.model_construct()
    inner_lr: Positive = 1e-3
    persistence: Literal["per_query", "session", "persistent"] = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryParams:
    """`hidden`: the width of the neural memory's MLP, the keys of the matrix, or the number of stored tokens."""

    hidden: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory(ABC):
    update_at_inference: bool
    params: MemoryParams
    inner_lr: float | None
    persistence: Literal["per_query", "session", "persistent"]

    def parameters(self, d_model: int) -> Iterator[Parameter]:
        """The tensors of the module, those of the learned memory last, each with the buffer it is committed to."""
        yield from self._around(d_model)
        yield from linear("v_proj", d_model, d_model)
        yield from linear("o_proj", d_model, d_model, kind="residual")
        yield from linear("gate", d_model, 1, bias=True)
        for parameter in self.contents(d_model):
            yield parameter
            if self.persistence == "persistent":
                yield Parameter(f"committed_{parameter.name}", parameter.shape, ZEROS, fp32=True, buffer=True)

    def state_elements(self, d_model: int, tokens: int) -> StateElements:
        """What decoding keeps where it writes; nothing where it only reads."""
        elements = sum(parameter.count for parameter in self.contents(d_model))
        return {"fp32": self.copies * elements} if self.update_at_inference else {}

    def work(self, d_model: int, call: Call) -> Work:
        """Projections and gate, and writing while reading; where evaluation does not write, reading only."""
        writes = call.training or self.update_at_inference
        around = applied(self.parameters(d_model), call.rows)
        return around + (self._written(d_model, call) if writes else self._recalled(d_model, call))

    def saved(self, d_model: int, call: Call) -> Saved:
        """What the output's gate and projection read, and in fp32 what writing and reading keep."""
        return Saved(model=call.rows * 2 * d_model) + self._kept(d_model, call)

    copies: ClassVar[int] = 1
    """How many times the state holds the memory."""

    @abstractmethod
    def contents(self, d_model: int) -> Iterator[Parameter]:
        """The learned memory."""

    @abstractmethod
    def _written(self, d_model: int, call: Call) -> Work:
        """Every token's reading while the tokens are written."""

    @abstractmethod
    def _recalled(self, d_model: int, call: Call) -> Work:
        """What the learned memory answers."""

    @abstractmethod
    def _kept(self, d_model: int, call: Call) -> Saved:
        """What projecting, writing and reading keep."""

    @abstractmethod
    def _around(self, d_model: int) -> Iterator[Parameter]:
        """What finds the place to read and write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralMemory(_Memory):
    """An MLP trained at test time, with momentum and forgetting."""

    type: ClassVar[str] = "neural_memory"
    key: ClassVar[str] = "memory"
    copies: ClassVar[int] = 3

    def contents(self, d_model: int) -> Iterator[Parameter]:
        """The MLP."""
        hidden = self.params.hidden
        yield Parameter("W1", (d_model, hidden), Init("hidden", d_model, hidden))
        yield Parameter("W2", (hidden, d_model), Init("hidden", hidden, d_model))

    def _written(self, d_model: int, call: Call) -> Work:
        """In fp32, `NEURAL_CHUNK` tokens at a time (`inner_work`)."""
        parts = list(segments(call, NEURAL_CHUNK))
        once = total(self._segment(d_model, segment) * times for segment, times in parts)
        carried = 4 * call.batch * 2 * d_model * self.params.hidden * self.copies
        return twice(once * call.batch, carried * sum(times for _, times in parts) if call.training else 0)

    def _segment(self, d_model: int, segment: Segment) -> Work:
        """The gradient at the weights before the chunk; how it decays; the readings with memory, momentum and writes;
        memory and momentum after the segment. The first momentum is zero, and what follows the last segment unused.
        """
        length, hidden = segment.length, self.params.hidden
        matrix, numbers = (d_model, hidden), 2 * d_model * hidden
        gradient = product(3 * length, *matrix)
        decay = product(length, length, length + 1)
        readings = read(matrix, length, 1) * 2 + product(length, numbers, grads=1 if segment.first else 2)
        return gradient + decay + readings + product(2 * length, numbers, grads=0 if segment.last else 2)

    def _recalled(self, d_model: int, call: Call) -> Work:
        return product(call.rows, 2 * d_model, self.params.hidden)

    def _kept(self, d_model: int, call: Call) -> Saved:
        """A token's vectors through projection, gradient and reading, its products with the others of its chunk, and
        the weights seven times a chunk.
        """
        size, hidden = min(NEURAL_CHUNK, call.tokens), self.params.hidden
        inner = 20 * d_model + 15 * hidden + 8 * size + 7 * d_model * hidden / size
        return Saved(fp32=call.rows * inner)

    def _around(self, d_model: int) -> Iterator[Parameter]:
        yield from linear("q_proj", d_model, d_model)
        yield from linear("k_proj", d_model, d_model)
        yield from linear("rates", d_model, 3)
        yield Parameter("rates.bias", (3,), Init("values", values=(0.0, MOMENTUM, FORGETTING)))
        yield Parameter("norm_weight", (d_model,), ONES)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociativeMemory(_Memory):
    """A matrix that maps keys to values, written by the delta rule."""

    type: ClassVar[str] = "associative"
    key: ClassVar[str] = "memory"

    def contents(self, d_model: int) -> Iterator[Parameter]:
        """The matrix."""
        hidden = self.params.hidden
        yield Parameter("M", (hidden, d_model), Init("hidden", hidden, d_model))

    def _written(self, d_model: int, call: Call) -> Work:
        """`MATRIX_CHUNK` tokens L at a time: k·kᵀ and q·kᵀ (L²·N each), what is written read (L²·M), the matrix read
        by keys, by queries, and written (L·N·M each). The triangular system is a scan of L²·M, as much backwards, where
        its matrix's gradient is one more product. The matrix after the last chunk is unused in training.
        """
        keys, whole, rest = self.params.hidden, *divmod(call.tokens, MATRIX_CHUNK)
        squares = call.batch * (whole * MATRIX_CHUNK**2 + rest**2)
        last = rest or MATRIX_CHUNK
        solved = squares * d_model
        within = product(squares, 2 * keys + d_model) + Work(0, 2 * solved, solved, solved)
        matrix = call.batch * keys * d_model
        states = product(2 * call.tokens + call.tokens - last, matrix) + product(last, matrix, grads=0)
        return within + states

    def _recalled(self, d_model: int, call: Call) -> Work:
        return product(call.rows, self.params.hidden, d_model)

    def _kept(self, d_model: int, call: Call) -> Saved:
        """Queries, keys and values through their projections, three squares of each chunk, the matrix twice a chunk."""
        size, keys = min(MATRIX_CHUNK, call.tokens), self.params.hidden
        inner = 3 * d_model + 8 * keys + 3 * size + 2 * keys * d_model / size
        return Saved(fp32=call.rows * inner)

    def _around(self, d_model: int) -> Iterator[Parameter]:
        yield from linear("q_proj", d_model, self.params.hidden)
        yield from linear("k_proj", d_model, self.params.hidden)
        yield from linear("rates", d_model, 1, bias=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalMemory(_Memory):
    """The nearest stored keys of past tokens."""

    type: ClassVar[str] = "retrieval"
    key: ClassVar[str] = "memory"

    def contents(self, d_model: int) -> Iterator[Parameter]:
        """The entries that the store begins with."""
        for name in ("keys", "values"):
            yield Parameter(name, (self.params.hidden, d_model), Init("hidden", self.params.hidden, d_model))

    def _written(self, d_model: int, call: Call) -> Work:
        """Scores of the store and of the call's own tokens, and a sum over as many values; kernels skip what a token
        does not see.
        """
        entries = self.params.hidden + (0 if call.kernels else call.tokens)
        return product(2 * call.rows, entries, d_model)

    def _recalled(self, d_model: int, call: Call) -> Work:
        return product(2 * call.rows, self.params.hidden, d_model)

    def _kept(self, d_model: int, call: Call) -> Saved:
        """Queries and keys through their projections; the store and the call's tokens; every token's scores of both."""
        entries = self.params.hidden + call.tokens
        stored = call.batch * 3 * entries * d_model
        return Saved(fp32=call.rows * (6 * d_model + entries) + stored)

    def _around(self, d_model: int) -> Iterator[Parameter]:
        yield from linear("q_proj", d_model, d_model)
        yield from linear("k_proj", d_model, d_model)
        yield Parameter("sharpness", (1,), Init("constant", value=SHARPNESS))


Memory = NeuralMemory | AssociativeMemory | RetrievalMemory

MEMORIES: dict[str, type[NeuralMemory] | type[AssociativeMemory] | type[RetrievalMemory]] = {
    cls.type: cls for cls in (NeuralMemory, AssociativeMemory, RetrievalMemory)
}
"""What a memory becomes, by the value of `type:`."""


def resolve_memory(keys: MemoryKeys, dims: Dims) -> Memory:
    """The resolved memory; nothing in it derives from the model. A retrieval has no learning rate."""
    return MEMORIES[keys.type](
        update_at_inference=keys.update_at_inference,
        params=MemoryParams(hidden=keys.params.hidden),
        inner_lr=None if keys.type == RetrievalMemory.type else keys.inner_lr,
        persistence=keys.persistence,
    )


def plain_memory(memory: Memory) -> dict[str, Any]:
    """The canonical mapping of a resolved memory, as it stands in YAML and config.json."""
    plain = {"type": memory.type, **as_plain(memory)}
    return {key: value for key, value in plain.items() if value is not None}
