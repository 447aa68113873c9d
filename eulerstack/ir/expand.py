"""The schedule, expanded: groups and repeats unrolled, every entry at the width it stands at."""

from collections.abc import Callable, Sequence

from eulerstack.diagnostics import Diagnostic, EulerStackError, collect, error
from eulerstack.dsl.tree import Path
from eulerstack.ir.blocks import Blocks
from eulerstack.ir.nodes import DepthGating, Integrator, Layer, Merge, Parallel, Stream
from eulerstack.ir.ties import Placed, faults_of_kv_sources, faults_of_shares
from eulerstack.schema.base import Keys
from eulerstack.schema.schedule import (
    DepthGatingKeys,
    GroupKeys,
    IntegratorEntryKeys,
    IntegratorKeys,
    MergeKeys,
    ParallelKeys,
    PlainKeys,
)
from eulerstack.schema.spec import Spec

LAYER_LIMIT = 10_000
"""How many layers a schedule may expand to; an integrator's steps count."""


Walked = tuple[tuple[Placed, ...], int]
"""What an entry expands to, and the width of the stream that leaves it."""


class Expansion:
    """One walk through a spec's schedule."""

    def __init__(self, spec: Spec, blocks: Blocks):
        self._spec = spec
        self._blocks = blocks
        self._found: list[Diagnostic] = []

    def run(self) -> tuple[Placed, ...]:
        """The whole schedule, from d_model back to d_model. Raises EulerStackError with all that cannot stand."""
        path: Path = ("layer_schedule",)
        self._guard(self._spec.layer_schedule, path)
        d_model = self._spec.model.d_model
        nodes, width = self._entries(self._spec.layer_schedule, path, d_model)
        self._check_body(nodes, d_model, width)
        if not self._found:
            self._found += faults_of_shares(self._spec, nodes)
        if self._found:
            raise collect(self._found)
        return nodes

    def _guard(self, entries: Sequence[Keys], path: Path) -> int:
        """Count the layers before any is made, so that no spec can ask for more memory than the limit allows."""
        total = 0
        for index, entry in enumerate(entries):
            at = (*path, index)
            count = self._layers(entry, at)
            total += count
            if total > LAYER_LIMIT:
                key = "repeat" if getattr(entry, "repeat", 1) > 1 else None
                place = (*at, key) if key else at
                params = {"count": total, "limit": LAYER_LIMIT}
                raise error("too-many-layers", span=self._spec.span(place), params=params)
        return total

    def _layers(self, entry: Keys, at: Path) -> int:
        match entry:
            case PlainKeys():
                return entry.repeat
            case GroupKeys():
                return entry.repeat * self._guard(entry.group, (*at, "group"))
            case ParallelKeys():
                streams = enumerate(entry.parallel)
                return sum(self._guard(stream.body, (*at, "parallel", i, "body")) for i, stream in streams)
            case IntegratorEntryKeys(integrator=keys):
                body = keys.body
                inner = 1 if isinstance(body, str) else self._guard(body, (*at, "integrator", "body"))
                return keys.steps * inner
        raise TypeError(f"{type(entry).__name__} is not a schedule entry")

    def _entries(self, entries: Sequence[Keys], path: Path, width: int) -> Walked:
        nodes: list[Placed] = []
        for index, entry in enumerate(entries):
            more, width = self._entry(entry, (*path, index), width)
            nodes += more
        return tuple(nodes), width

    def _entry(self, entry: Keys, at: Path, width: int) -> Walked:
        match entry:
            case PlainKeys():
                return _repeated(entry.repeat, width, lambda w: self._plain(entry, at, w))
            case GroupKeys():
                return _repeated(entry.repeat, width, lambda w: self._entries(entry.group, (*at, "group"), w))
            case ParallelKeys():
                return (Placed(self._parallel(entry, at, width), at),), width
            case IntegratorEntryKeys(integrator=keys):
                return (Placed(self._integrator(keys, (*at, "integrator"), width), at),), width
        raise TypeError(f"{type(entry).__name__} is not a schedule entry")

    def _plain(self, entry: PlainKeys, at: Path, width: int) -> Walked:
        try:
            block = self._blocks.make(entry.template, entry.override, width)
        except EulerStackError as refusal:
            self._found += refusal.diagnostics
            change = self._spec.layer_templates[entry.template].shape_change
            return (), change.d_out if change else width
        gating = depth_gating_of(entry.depth_gating)
        layer = Layer(block=block.name, share=entry.share, kv_from=entry.kv_from, depth_gating=gating)
        return (Placed(layer, at),), block.d_model

    def _parallel(self, entry: ParallelKeys, at: Path, width: int) -> Parallel:
        streams = []
        for index, stream in enumerate(entry.parallel):
            body = self._body(stream.body, (*at, "parallel", index, "body"), width)
            streams.append(Stream(name=stream.stream, body=body))
        return Parallel(streams=tuple(streams), merge=merge_of(entry.merge))

    def _integrator(self, keys: IntegratorKeys, at: Path, width: int) -> Integrator:
        entries = [PlainKeys(template=keys.body)] if isinstance(keys.body, str) else keys.body
        body = self._body(entries, (*at, "body"), width)
        if keys.output == "token" and width != self._spec.model.d_model:
            params = {"width": width, "d_model": self._spec.model.d_model}
            span = self._spec.span((*at, "output"))
            self._found.append(Diagnostic(code="token-output-narrow", span=span, params=params))
        return Integrator(type=keys.type, steps=keys.steps, body=body, output=keys.output)

    def _body(self, entries: Sequence[Keys], path: Path, width: int) -> tuple[Layer, ...]:
        nodes, leaving = self._entries(entries, path, width)
        self._check_body(nodes, width, leaving)
        return tuple(placed.node for placed in nodes if isinstance(placed.node, Layer))

    def _check_body(self, nodes: Sequence[Placed], entering: int, leaving: int) -> None:
        """What a list of entries must keep: the width, and keys that exist. Silent where layers are missing."""
        if self._found:
            return
        if leaving != entering:
            span = self._spec.span(self._narrowing(nodes))
            params = {"width": leaving, "d_model": entering}
            self._found.append(Diagnostic(code="width-not-restored", span=span, params=params))
        self._found += faults_of_kv_sources(self._spec, self._blocks, nodes)

    def _narrowing(self, nodes: Sequence[Placed]) -> Path:
        """The last entry that changes the width."""
        for placed in reversed(nodes):
            if isinstance(placed.node, Layer):
                block = self._blocks[placed.node.block]
                if block.d_in != block.d_model:
                    return placed.path
        return nodes[-1].path


def _repeated(repeat: int, width: int, once: Callable[[int], Walked]) -> Walked:
    """Once at the width that enters; all further times at the width that leaves, which then stays."""
    first, leaving = once(width)
    if repeat == 1:
        return first, leaving
    later = first if leaving == width else once(leaving)[0]
    return first + later * (repeat - 1), leaving


def depth_gating_of(keys: DepthGatingKeys | None) -> DepthGating | None:
    """A switched-off gate is none."""
    return DepthGating(capacity=float(keys.capacity), router=keys.router) if keys and keys.enabled else None


def merge_of(keys: MergeKeys) -> Merge:
    """concat always projects: its streams together are wider than the stream they are added to."""
    projection = keys.projection or keys.type == "concat"
    return Merge(type=keys.type, projection=projection, source=keys.source, target=keys.target)
