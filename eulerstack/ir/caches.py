"""What decoding keeps: the size of each layer's cache, without building the model."""

from eulerstack.ir.nodes import Layer, Model
from eulerstack.ir.parameters import CONV_KERNEL

ELEMENT_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


def cache_bytes(model: Model, tokens: int) -> tuple[int | None, ...]:
    """Bytes of cache per sequence after `tokens` tokens, for each entry of the schedule; None where none is stated."""
    return tuple(_bytes(model, node, tokens) if isinstance(node, Layer) else None for node in model.schedule)


def _bytes(model: Model, layer: Layer, tokens: int) -> int | None:
    block = model.block(layer.block)
    if block.memory or not hasattr(block.mixer, "state_elements"):
        return None
    elements = {} if layer.kv_from is not None else block.mixer.state_elements(block.d_model, tokens)
    if elements is None:
        return None
    narrow = elements.get("model", 0)
    if block.shape_change and block.shape_change.projection == "conv1d":
        narrow += (CONV_KERNEL - 1) * block.d_in
    return elements.get("fp32", 0) * 4 + narrow * ELEMENT_BYTES[model.dtype]
