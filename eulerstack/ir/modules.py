"""Which modules a schedule builds: every distinct layer below `model.layers`, wherever in the schedule it stands.

Layers with one `share` tag are one module; a discrete integrator's steps have modules of their own, an ODE's share
them. What parallel streams and ODEs have besides their layers lies below `model.merges` and `model.times`.
"""

from collections.abc import Iterator, Sequence

from eulerstack.ir.nodes import Block, Integrator, Layer, Model, Node, Parallel
from eulerstack.records import dataclass

EVALUATIONS = {"discrete": 1, "ode_euler": 1, "ode_rk4": 4}
"""How often an integrator's step evaluates its body; each evaluation keeps a decoding state of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """One schedule entry and its modules: `bodies` as it runs them, each layer with its index below `model.layers`.

    `own`: the entry's index below `model.merges` (parallel) or `model.times` (ODE), else None.
    """

    node: Node
    bodies: tuple[tuple[tuple[Layer, int], ...], ...]
    own: int | None

    @property
    def module(self) -> int:
        """A plain entry's only module."""
        return self.bodies[0][0][1]


def number_modules(schedule: Sequence[Node]) -> tuple[Numbered, ...]:
    """Every entry with its modules, numbered in the order of first use."""
    counters = _Counters()
    numbered = []
    for node in schedule:
        bodies = tuple(tuple((layer, counters.module(layer)) for layer in body) for body in bodies_of(node))
        numbered.append(Numbered(node=node, bodies=bodies, own=counters.own(node)))
    return tuple(numbered)


class _Counters:
    """The next free index of each kind, and the modules that a tag already has."""

    def __init__(self) -> None:
        self._modules = self._merges = self._times = 0
        self._shared: dict[str, int] = {}

    def module(self, layer: Layer) -> int:
        if layer.share is not None and layer.share in self._shared:
            return self._shared[layer.share]
        index = self._modules
        self._modules += 1
        if layer.share is not None:
            self._shared[layer.share] = index
        return index

    def own(self, node: Node) -> int | None:
        match node:
            case Parallel():
                self._merges += 1
                return self._merges - 1
            case Integrator() if node.type != "discrete":
                self._times += 1
                return self._times - 1
        return None


def bodies_of(node: Node) -> tuple[tuple[Layer, ...], ...]:
    """The lists of plain layers with weights of their own that an entry runs: streams, or a discrete integrator's."""
    match node:
        case Layer():
            return ((node,),)
        case Parallel():
            return tuple(stream.body for stream in node.streams)
        case Integrator():
            return (node.body,) * (node.steps if node.type == "discrete" else 1)


def learned_collapses(model: Model) -> tuple[Block, ...]:
    """The blocks after which mHC's n streams become one, in the order of their modules below `model.collapses`.

    That happens before a layer with other hyper-connections or a new width, and at the end of every body.
    """
    return tuple(_collapses(model, model.schedule))


def _collapses(model: Model, nodes: Sequence[Node]) -> Iterator[Block]:
    before: Block | None = None
    for node in nodes:
        after = model.block(node.block) if isinstance(node, Layer) else None
        if before and ends_streams(before, after):
            yield before
        if not isinstance(node, Layer):
            for body in bodies_of(node):
                yield from _collapses(model, body)
        before = after
    if before and ends_streams(before, None):
        yield before


def ends_streams(before: Block, after: Block | None) -> bool:
    """Whether mHC's n streams become one after a layer; `after` None: no plain layer follows."""
    hyper = before.residual.hyper
    if hyper is None or hyper.mixing != "birkhoff":
        return False
    return after is None or after.shape_change is not None or after.residual.hyper != hyper


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
