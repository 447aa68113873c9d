"""What a cache really holds."""

from eulerstack.runtime.execution_modes import PhaseState


def kept_bytes(cache) -> int:
    """Bytes of all tensors in a cache but the phases of its tokens, which belong to no layer."""
    total = 0
    for layer in cache.layers:
        if isinstance(layer, PhaseState):
            continue
        tensors = layer.tensors.values() if hasattr(layer, "tensors") else (layer.keys, layer.values)
        total += sum(tensor.nbytes for tensor in tensors if tensor is not None)
        total += sum(kept_bytes(row) for row in getattr(layer, "rows", ()))
    return total
