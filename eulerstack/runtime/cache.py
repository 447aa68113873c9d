"""The decoding state of a whole model: one cache layer per mixer, in the order of the schedule."""

from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer


class EulerStackCache(Cache):
    """One cache layer per mixer, each of the kind that its mixer keeps. Reordering, repeating and cropping are Cache's."""

    def __init__(self, mixers):
        super().__init__(layers=[build_cache_layer(mixer) for mixer in mixers])


def build_cache_layer(attention):
    """transformers' key/value cache for an attention layer: sliding where its window bounds what it can see."""
    window = attention.mask_kind.window
    return DynamicLayer() if window is None else DynamicSlidingWindowLayer(sliding_window=window)
