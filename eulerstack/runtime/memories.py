"""The memories, by the value of `memory.type`, and what becomes of their states when `generate` begins and ends."""

from collections.abc import Callable, Iterator

from transformers.cache_utils import Cache

from .associative_memory import AssociativeMemory
from .memory_base import Memory, MemoryState
from .neural_memory import NeuralMemory
from .retrieval_memory import RetrievalMemory

MEMORIES: dict[str, Callable[[dict], Memory]] = {
    "neural_memory": NeuralMemory,
    "associative": AssociativeMemory,
    "retrieval": RetrievalMemory,
}


def build_memory(block: dict) -> Memory | None:
    """The memory of a resolved block, or None."""
    return MEMORIES[block["memory"]["type"]](block) if block["memory"] else None


def forget_queries(cache: Cache) -> None:
    """A new query begins: memories that live for one are emptied."""
    for layer in cache.layers:
        if isinstance(layer, MemoryState) and layer.of_a_query:
            layer.forget()
        for row in getattr(layer, "rows", ()):
            forget_queries(row)


def commit_memories(model, cache: Cache) -> None:
    """Write what persistent memories of `model` (an EulerStackModel) hold in `cache` into their buffers.

    A module that stands several times in the schedule takes the mean over all of its places, too.
    """
    for index, layer in enumerate(model.layers):
        if layer.memory is not None and layer.memory.persistence == "persistent":
            layer.memory.commit(list(_states(model, index, layer.memory_place, cache)))


def _states(model, module: int, place: int, cache: Cache) -> Iterator[MemoryState]:
    for step in model.steps:
        for layer_step in step.layer_steps():
            if layer_step.module != module:
                continue
            if model.layers[module].depth is None:
                yield cache.layers[layer_step.cache_index + place]
            else:
                yield from (row.layers[place] for row in cache.layers[layer_step.cache_index].rows)
