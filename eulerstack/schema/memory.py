"""The `memory` of a layer template: what is added to its mixer's output through a gate.

neural_memory: Titans (Behrouz 2025); associative: a matrix under the delta rule (Schlag 2021); retrieval: Memorizing
Transformers (Wu 2022).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from eulerstack.schema.base import Dims, Keys, Positive, Size, as_plain


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
class _Memory:
    update_at_inference: bool
    params: MemoryParams
    inner_lr: float
    persistence: Literal["per_query", "session", "persistent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralMemory(_Memory):
    """An MLP trained at test time, with momentum and forgetting."""

    type: ClassVar[str] = "neural_memory"
    key: ClassVar[str] = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociativeMemory(_Memory):
    """A matrix that maps keys to values, written by the delta rule."""

    type: ClassVar[str] = "associative"
    key: ClassVar[str] = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalMemory(_Memory):
    """The nearest stored keys of past tokens."""

    type: ClassVar[str] = "retrieval"
    key: ClassVar[str] = "memory"


Memory = NeuralMemory | AssociativeMemory | RetrievalMemory

MEMORIES: dict[str, type[NeuralMemory] | type[AssociativeMemory] | type[RetrievalMemory]] = {
    cls.type: cls for cls in (NeuralMemory, AssociativeMemory, RetrievalMemory)
}
"""What a memory becomes, by the value of `type:`."""


def resolve_memory(keys: MemoryKeys, dims: Dims) -> Memory:
    """The resolved memory; nothing in it derives from the model."""
    return MEMORIES[keys.type](
        update_at_inference=keys.update_at_inference,
        params=MemoryParams(hidden=keys.params.hidden),
        inner_lr=keys.inner_lr,
        persistence=keys.persistence,
    )


def plain_memory(memory: Memory) -> dict[str, Any]:
    """The canonical mapping of a resolved memory, as it stands in YAML and config.json."""
    return {"type": memory.type, **as_plain(memory)}
