"""What ties expanded layers to each other: one module for several layers, one layer's keys and values for another."""

from collections.abc import Iterator, Sequence

from eulerstack.diagnostics import Diagnostic
from eulerstack.dsl.tree import Path
from eulerstack.ir.blocks import Blocks
from eulerstack.ir.modules import plain_layers
from eulerstack.ir.nodes import Layer, Node
from eulerstack.records import dataclass
from eulerstack.schema.mixers import Attention
from eulerstack.schema.spec import Spec

KV_SHAPE = (
    "n_kv_heads",
    "head_dim",
    "rope",
    "rope_theta",
    "rope_dim",
    "rope_interleaved",
    "rope_scaled",
    "v_from_k",
)
"""What two attentions must agree on for one to read the other's keys and values."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An expanded entry and the path of the written one that it comes from."""

    node: Node
    path: Path


def faults_of_kv_sources(spec: Spec, blocks: Blocks, nodes: Sequence[Placed]) -> Iterator[Diagnostic]:
    """Every `kv_from` of one flat list must lead to an earlier attention with keys and values of the same shape."""
    owner: dict[int, int] = {}
    told: set[Path] = set()
    for index, placed in enumerate(nodes):
        layer = placed.node
        if not isinstance(layer, Layer) or layer.kv_from is None:
            continue
        source = index + layer.kv_from
        owner[index] = owner.get(source, source)
        node = nodes[owner[index]].node if source >= 0 else None
        fault = _kv_fault(blocks, layer, node, index)
        if fault and placed.path not in told:
            told.add(placed.path)
            code, params = fault
            span = spec.span((*placed.path, "kv_from"))
            yield Diagnostic(code=code, span=span, params={"kv_from": layer.kv_from, **params})


def _kv_fault(blocks: Blocks, layer: Layer, owner: Node | None, index: int) -> tuple[str, dict[str, object]] | None:
    """What keeps a layer from reading the keys and values of `owner`, the layer at the end of its chain."""
    if owner is None:
        return "kv-from-before-first", {"index": index}
    mine = _plain_attention(blocks, layer)
    if mine is None:
        return "kv-from-no-attention", {"template": layer.block}
    name = owner.block if isinstance(owner, Layer) else type(owner).__name__.lower()
    theirs = _plain_attention(blocks, owner)
    if theirs is None:
        return "kv-from-no-attention", {"template": name}
    for key in KV_SHAPE:
        value, other = getattr(mine, key), getattr(theirs, key)
        if value != other:
            return "kv-from-unlike", {"key": key, "template": name, "value": value, "other": other}
    stored, wanted = _span(theirs), _span(mine)
    if stored is not None and (wanted is None or wanted > stored):
        return "kv-from-narrower", {"template": name, "window": stored}
    return None


def _plain_attention(blocks: Blocks, node: Node) -> Attention | None:
    mixer = blocks[node.block].mixer if isinstance(node, Layer) else None
    return mixer if isinstance(mixer, Attention) and not mixer.mla and not mixer.compression else None


def _span(attention: Attention) -> int | None:
    """How many tokens back a window reaches, the query included; None without one."""
    if attention.window is None or attention.window_mode == "nsa":
        return None
    return (attention.window - 1) * (attention.window_dilation or 1) + 1


def faults_of_shares(spec: Spec, nodes: Sequence[Placed]) -> Iterator[Diagnostic]:
    """All layers with one `share` tag, wherever they stand, must be the same layer."""
    first: dict[str, Layer] = {}
    for placed in nodes:
        for layer in plain_layers(placed.node):
            if layer.share is None:
                continue
            known = first.setdefault(layer.share, layer)
            if not _same_module(known, layer):
                params = {"tag": layer.share, "template": known.block}
                yield Diagnostic(code="share-unlike", span=spec.span((*placed.path, "share")), params=params)


def _same_module(one: Layer, other: Layer) -> bool:
    same_weights = (one.kv_from is None) == (other.kv_from is None)
    return one.block == other.block and one.depth_gating == other.depth_gating and same_weights
