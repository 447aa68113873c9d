"""Which modules a schedule builds: layers with one `share` tag are one module."""

from collections.abc import Sequence

from eulerstack.ir.nodes import Integrator, Layer, Node, Parallel


def module_indices(schedule: Sequence[Node]) -> tuple[int, ...]:
    """For each schedule entry the index of its module below `model.layers`, in the order of first use."""
    shared: dict[str, int] = {}
    indices: list[int] = []
    count = 0
    for node in schedule:
        tag = node.share if isinstance(node, Layer) else None
        if tag is not None and tag in shared:
            indices.append(shared[tag])
            continue
        if tag is not None:
            shared[tag] = count
        indices.append(count)
        count += 1
    return tuple(indices)


def distinct_modules(schedule: Sequence[Node]) -> tuple[Node, ...]:
    """The schedule without the second and later uses of a shared module."""
    first: dict[int, Node] = {}
    for index, node in zip(module_indices(schedule), schedule, strict=True):
        first.setdefault(index, node)
    return tuple(first.values())


def plain_layers(node: Node) -> tuple[Layer, ...]:
    """The plain layers inside a schedule entry, each written one once."""
    match node:
        case Layer():
            return (node,)
        case Parallel():
            return tuple(layer for stream in node.streams for layer in stream.body)
        case Integrator():
            return node.body


def depth(schedule: Sequence[Node]) -> int:
    """How many layers a token passes one after the other: what a depth-scaled initialisation divides by.

    Parallel streams count as their longest; an ODE's steps share one unit of time, so they count once.
    """
    return sum(_depth(node) for node in schedule)


def _depth(node: Node) -> int:
    match node:
        case Layer():
            return 1
        case Parallel():
            return max(len(stream.body) for stream in node.streams)
        case Integrator():
            return len(node.body) * (node.steps if node.type == "discrete" else 1)
