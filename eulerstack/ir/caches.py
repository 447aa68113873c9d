"""What decoding keeps: the size of each layer's cache, without building the model."""

from eulerstack.ir.modules import EVALUATIONS, bodies_of
from eulerstack.ir.nodes import Integrator, Layer, Model, Node, Parallel
from eulerstack.ir.parameters import CONV_KERNEL

ELEMENT_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


def cache_bytes(model: Model, tokens: int) -> tuple[int, ...]:
    """Bytes of cache per sequence after `tokens` tokens, for each entry of the schedule.

    A depth-gated layer keeps what its chosen tokens need; how many are chosen depends on the text, so all are counted.
    What notes the phases of tokens (`execution_modes`) belongs to no entry.
    """
    per_block: dict[tuple[str, bool], int] = {}
    return tuple(_node_bytes(model, node, tokens, per_block) for node in model.schedule)


def _node_bytes(model: Model, node: Node, tokens: int, known: dict[tuple[str, bool], int]) -> int:
    total = 0
    for body in bodies_of(node):
        for layer in body:
            kind = (layer.block, layer.kv_from is None)
            if kind not in known:
                known[kind] = _layer_bytes(model, layer, tokens)
            total += known[kind]
    match node:
        case Parallel(merge=merge) if merge.type == "cross_attn":
            return total + 2 * tokens * model.n_heads * model.head_dim * ELEMENT_BYTES[model.dtype]
        case Integrator() if node.type != "discrete":
            return total * node.steps * EVALUATIONS[node.type]
    return total


def _layer_bytes(model: Model, layer: Layer, tokens: int) -> int:
    block = model.block(layer.block)
    elements = {} if layer.kv_from is not None else block.mixer.state_elements(block.d_model, tokens)
    remembered = block.memory.state_elements(block.d_model, tokens) if block.memory else {}
    wide, narrow = (elements.get(kind, 0) + remembered.get(kind, 0) for kind in ("fp32", "model"))
    if block.shape_change and block.shape_change.projection == "conv1d":
        narrow += (CONV_KERNEL - 1) * block.d_in
    return wide * 4 + narrow * ELEMENT_BYTES[model.dtype]
