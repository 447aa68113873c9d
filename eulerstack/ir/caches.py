"""What decoding keeps: the elements of each layer's cache, without building the model."""

from eulerstack.ir.nodes import Layer, Model
from eulerstack.schema.mixers.attention import Attention

ELEMENT_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


def cache_bytes(model: Model, tokens: int) -> tuple[int | None, ...]:
    """Bytes of cache per sequence after `tokens` tokens, for each entry of the schedule; None where none is stated."""
    width = ELEMENT_BYTES[model.dtype]
    elements = [_elements(model, node, tokens) if isinstance(node, Layer) else None for node in model.schedule]
    return tuple(None if count is None else count * width for count in elements)


def _elements(model: Model, layer: Layer, tokens: int) -> int | None:
    mixer = model.block(layer.block).mixer
    if not isinstance(mixer, Attention) or mixer.compression or mixer.mla:
        return None
    if layer.kv_from is not None:
        return 0
    if mixer.window and mixer.window_mode == "sliding":
        tokens = min(tokens, mixer.window - 1)  # the window counts the query itself, which need not wait in the cache
    return tokens * mixer.n_kv_heads * mixer.head_dim * (1 if mixer.v_from_k else 2)
