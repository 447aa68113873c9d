"""What ties expanded layers to each other: one module for several layers, one layer's keys and values for another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eulerstack.diagnostics import EulerStackError, error
from eulerstack.dsl.tree import Path
from eulerstack.ir.nodes import Integrator, Layer, Node, Parallel
from eulerstack.schema.spec import Spec

KV_SHAPE = ("n_kv_heads", "head_dim", "rope", "rope_theta", "v_from_k")
"""What two attentions must agree on for one to read the other's keys and values."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An expanded entry and the path of the written one that it comes from."""

    node: Node
    path: Path


def check_kv_sources(spec: Spec, blocks: Any, nodes: Sequence[Placed]) -> None:
    """Every `kv_from` of one flat list must lead to an earlier attention with keys and values of the same shape."""
    for index, placed in enumerate(nodes):
        layer = placed.node
        if not isinstance(layer, Layer) or layer.kv_from is None:
            continue
        source = nodes[index + layer.kv_from].node if index + layer.kv_from >= 0 else None
        fault = _kv_fault(blocks, layer, source, index)
        if fault:
            code, params = fault
            raise _error(spec, code, placed.path, "kv_from", kv_from=layer.kv_from, **params)


def _kv_fault(blocks: Any, layer: Layer, source: Node | None, index: int) -> tuple[str, dict[str, object]] | None:
    if source is None:
        return "kv-from-before-first", {"index": index}
    mine = blocks[layer.block].mixer
    if mine.type != "attention" or mine.mla or mine.compression:
        return "kv-from-no-attention", {"template": layer.block}
    if not isinstance(source, Layer):
        return "kv-from-no-attention", {"template": type(source).__name__.lower()}
    theirs = blocks[source.block].mixer
    if theirs.type != "attention" or theirs.mla or theirs.compression:
        return "kv-from-no-attention", {"template": source.block}
    for key in KV_SHAPE:
        if getattr(mine, key) != getattr(theirs, key):
            values: Mapping[str, object] = {"value": getattr(mine, key), "other": getattr(theirs, key)}
            return "kv-from-unlike", {"key": key, "template": source.block, **values}
    if theirs.window is not None and (mine.window is None or mine.window > theirs.window):
        return "kv-from-narrower", {"template": source.block, "window": theirs.window}
    return None


def check_shares(spec: Spec, nodes: Sequence[Placed]) -> None:
    """Layers with one `share` tag must be the same layer, and stand in the same body."""
    first: dict[str, tuple[object, Layer]] = {}
    for scope, layer, path in _scoped(nodes):
        if layer.share is None:
            continue
        known_scope, known = first.setdefault(layer.share, (scope, layer))
        if known_scope != scope:
            raise _error(spec, "share-across-bodies", path, "share", tag=layer.share)
        if not _same_module(known, layer):
            raise _error(spec, "share-unlike", path, "share", tag=layer.share, template=known.block)


def _same_module(one: Layer, other: Layer) -> bool:
    same_weights = (one.kv_from is None) == (other.kv_from is None)
    return one.block == other.block and one.depth_gating == other.depth_gating and same_weights


def _scoped(nodes: Sequence[Placed]) -> Iterator[tuple[object, Layer, Path]]:
    """Every plain layer with the body it stands in and the path of its entry."""
    for index, placed in enumerate(nodes):
        match placed.node:
            case Layer() as layer:
                yield None, layer, placed.path
            case Parallel(streams=streams):
                for number, stream in enumerate(streams):
                    yield from (((index, number), layer, placed.path) for layer in stream.body)
            case Integrator(body=body):
                yield from ((index, layer, placed.path) for layer in body)


def _error(spec: Spec, code: str, at: Path, key: str, **params: object) -> EulerStackError:
    return error(code, span=spec.span((*at, key)), params=params)
