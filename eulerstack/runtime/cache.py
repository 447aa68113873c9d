"""The decoding state of a whole model, and the one protocol that every stateful module keeps.

A stateful module (a mixer, a memory, a convolution on the stream) has a method `state_layers()` that returns fresh,
empty cache layers, in a fixed order; the model concatenates them over the schedule and hands each module
`past_key_values` and `cache_index`, the place of its first one. transformers' `Cache` then creates, reorders (beam
search), repeats, selects, resets and measures them all alike.
"""

from collections.abc import Iterable

import torch
from transformers.cache_utils import Cache, CacheLayerMixin


class EulerStackCache(Cache):
    """The cache layers of all stateful modules, in the order of the schedule."""

    def __init__(self, layers: Iterable[CacheLayerMixin]):
        super().__init__(layers=list(layers))


class StateLayer(CacheLayerMixin):
    """The state of a recurrent module: named tensors with the batch first, and how many tokens it has seen.

    `tensors` is empty until the first `advance`. What a name holds is the module's own business; its width may change
    from call to call (a history that grows), its batch dimension is reordered, repeated and selected here. `shared`
    holds what all rows have in common, derived from the weights, so that not every step derives it anew.
    """

    is_sliding = False

    def __init__(self):
        super().__init__()
        self.tensors: dict[str, torch.Tensor] = {}
        self.shared: dict[str, torch.Tensor] = {}
        self.seen = 0

    def get(self, name: str) -> torch.Tensor | None:
        """The named tensor, or None before the first token."""
        return self.tensors.get(name)

    def advance(self, n_tokens: int, **tensors: torch.Tensor) -> None:
        """Take over the state after `n_tokens` more tokens."""
        self.tensors.update(tensors)
        self.seen += n_tokens
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing to allocate ahead: modules bring their tensors."""

    def update(self, key_states, value_states, *args, **kwargs):
        """A recurrent state is not a store of keys and values. Raises TypeError."""
        raise TypeError("a StateLayer keeps named tensors; its module calls advance()")

    def get_seq_length(self) -> int:
        """How many tokens it has seen."""
        return self.seen

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """As a cache that kept every token would answer: (length with the new tokens, offset 0)."""
        return self.seen + query_length, 0

    def get_max_length(self) -> int:
        """−1: it can go on for ever."""
        return -1

    def reset(self) -> None:
        """Back to before the first token."""
        self.tensors, self.shared, self.seen, self.is_initialized = {}, {}, 0, False

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Row i becomes what row `beam_idx[i]` was."""
        self.batch_select_indices(beam_idx)

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Every row `repeats` times in a row."""
        self.tensors = {name: tensor.repeat_interleave(repeats, dim=0) for name, tensor in self.tensors.items()}

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep the rows at `indices`, in that order."""
        self.tensors = {name: t.index_select(0, indices.to(t.device)) for name, t in self.tensors.items()}

    def offload(self) -> None:
        """Move to the CPU."""
        self.tensors = {name: tensor.to("cpu", non_blocking=True) for name, tensor in self.tensors.items()}

    def prefetch(self) -> None:
        """Modules move what they read to their own device."""

    def crop(self, tokens_to_remove: int) -> None:
        """A recurrent state cannot be rolled back. Raises RuntimeError, except for 0 tokens."""
        if tokens_to_remove != 0:
            raise RuntimeError("the state of a recurrent layer cannot be cropped")


def state_of(past_key_values: Cache | None, cache_index: int | None) -> StateLayer | None:
    """The state layer at `cache_index`, or None without a cache.

    Raises TypeError when the caller passed a cache that has no such state (say a plain DynamicCache).
    """
    if past_key_values is None or cache_index is None:
        return None
    layers = past_key_values.layers
    state = layers[cache_index] if cache_index < len(layers) else None
    if not isinstance(state, StateLayer):
        raise TypeError("this model keeps recurrent state: pass use_cache=True, or past_key_values=model.build_cache()")
    return state
