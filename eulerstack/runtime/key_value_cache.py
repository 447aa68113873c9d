"""The caches of attention layers: keys and values of all tokens, or of the last few.

Shape suffixes: B batch, K key/value heads, S tokens so far, D head_dim.
"""

import torch
from transformers.cache_utils import CacheLayerMixin, DynamicLayer, DynamicSlidingWindowLayer

SPARE = 64
"""Room for how many further tokens is made at least."""

LARGE = 2**16
"""From how many numbers on it is quicker to write behind them than to copy them."""


def key_value_cache(window: int | None) -> CacheLayerMixin:
    """An empty cache of keys and values, of the last `window` − 1 tokens or of all."""
    if window is None:
        return GrowingLayer()
    return OwnTokenLayer(sliding_window=1) if window == 1 else DynamicSlidingWindowLayer(sliding_window=window)


class GrowingLayer(DynamicLayer):
    """As transformers' `DynamicLayer`, but a new token is written behind the others, which are not copied each time.

    `keys` and `values` [B, K, S, D] are views of stores with room for an eighth more. Whoever replaces them (beams that
    are reordered, say) need not know: what is no view of the store is copied into a new one. Few tokens, and those that
    gradients are wanted of, are copied as transformers does.
    """

    def __init__(self):
        super().__init__()
        self._stores: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take over the new tokens' keys and values; returns those of all tokens."""
        copying = torch.is_grad_enabled() or torch.compiler.is_compiling()
        if copying or self.keys is None or self.values is None or self.keys.numel() < LARGE:
            return super().update(key_states, value_states, *args, **kwargs)
        self.keys = self._extended("keys", self.keys, key_states)
        self.values = self._extended("values", self.values, value_states)
        return self.keys, self.values

    def _extended(self, name: str, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        length, added = old.shape[-2], new.shape[-2]
        store, view = self._stores.get(name, (None, None))
        fits = store is not None and view is old and length + added <= store.shape[-2]
        if store is None or not fits or store.is_inference() != torch.is_inference_mode_enabled():
            room = length + added + max(SPARE, length // 8)
            store = old.new_empty(*old.shape[:-2], room, old.shape[-1])
            store.narrow(-2, 0, length).copy_(old)
        store.narrow(-2, length, added).copy_(new)
        view = store.narrow(-2, 0, length + added)
        self._stores[name] = (store, view)
        return view

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the last −`tokens_to_remove` tokens; their place is written again."""
        whole = {name for name, (_, view) in self._stores.items() if view is getattr(self, name)}
        super().crop(tokens_to_remove)
        self._stores = {name: (self._stores[name][0], getattr(self, name)) for name in whole}

    def reset(self) -> None:
        """Back to before the first token."""
        self._stores.clear()
        super().reset()

    def offload(self) -> None:
        """Move to the CPU."""
        self._stores.clear()
        super().offload()


class OwnTokenLayer(DynamicSlidingWindowLayer):
    """The cache of a window of one token: nothing is kept. transformers' own slices from −0 here, and keeps all."""

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs) -> tuple:
        """The new keys and values as they are."""
        self.lazy_initialization(key_states, value_states)
        self.cumulative_length += key_states.shape[-2]
        self.keys, self.values = key_states[..., :0, :], value_states[..., :0, :]
        return key_states, value_states
