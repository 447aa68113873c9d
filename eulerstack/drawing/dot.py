"""The schedule as DOT: from the tokens on top to the head, repeats folded, groups and streams as clusters.

Colours are mid-tones with dark text on a transparent ground, so that the picture reads in light and dark themes.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from html import escape

import graphviz

from eulerstack.drawing.words import badges, ffn_words, merge_words, mixer_words, norm_words
from eulerstack.ir import count
from eulerstack.ir.fold import Run, fold
from eulerstack.ir.nodes import Integrator, Layer, Model, Node, Parallel
from eulerstack.schema.base import UnknownParameters
from eulerstack.schema.mixers import Attention

FONT = "Helvetica,Arial,Noto Sans CJK KR,Noto Sans CJK SC,Noto Sans CJK JP,sans-serif"
LINE = "#7f8794"
NEUTRAL = "#d5d9e0"
COLORS = {
    "attention": "#a9c7f5",
    "mamba": "#b5e2b0",
    "retnet": "#f6d59a",
    "hyena": "#f2b8c6",
    "branched": "#d8c4f0",
    "ttt_layer": "#a8e0dd",
    "gated_deltanet": "#e6e09a",
}
"""A mixer's colour."""

WINDOWED = "#cfe0fb"
"""Attention that sees a window only: the same hue, lighter."""


def to_dot(model: Model) -> str:
    """The picture of a model in DOT."""
    return _Picture(model).source()


class _Picture:
    """One drawing under way: the graph, and the last node drawn."""

    def __init__(self, model: Model):
        self.model = model
        self.sizes = _module_sizes(model)
        self.graph = graphviz.Digraph(
            model.name,
            graph_attr={
                "bgcolor": "transparent",
                "rankdir": "TB",
                "nodesep": "0.3",
                "ranksep": "0.28",
                "fontname": FONT,
            },
            node_attr={"shape": "plain", "fontname": FONT, "fontsize": "11"},
            edge_attr={"color": LINE, "arrowsize": "0.6", "fontname": FONT, "fontsize": "10", "fontcolor": LINE},
        )
        self.last: list[str] = []
        self.names = 0

    def source(self) -> str:
        model, embedding = self.model, self.model.embedding
        positions = f"{model.vocab_size} × {model.d_model} · {embedding.positional}"
        self._node(self.graph, "embedding", [positions], NEUTRAL, self.sizes.get("embedding"))
        self._runs(self.graph, fold(model.schedule))
        if model.head.final_norm is not None:
            self._node(self.graph, f"final_norm {model.head.final_norm.type}", [], NEUTRAL, None)
        tied = f"tie_weights {str(model.head.tie_weights).lower()}"
        self._node(self.graph, model.head.type, [f"{model.d_model} × {model.vocab_size} · {tied}"], NEUTRAL, None)
        return self.graph.source

    def _runs(self, graph: graphviz.Digraph, runs: Sequence[Run]) -> None:
        for run in runs:
            if run.leaf is not None:
                self._leaf(graph, run.leaf, run.repeat)
                continue
            with self._cluster(graph, f"×{run.repeat}") as cluster:
                self._runs(cluster, [inner for inner in run.body if isinstance(inner, Run)])

    def _leaf(self, graph: graphviz.Digraph, node: Node, repeat: int) -> None:
        match node:
            case Layer():
                self._layer(graph, node, repeat)
            case Parallel():
                self._parallel(graph, node, repeat)
            case Integrator():
                times = f" ×{repeat}" if repeat > 1 else ""
                with self._cluster(graph, f"{node.type} · steps {node.steps}{times}") as cluster:
                    self._runs(cluster, fold(node.body))

    def _layer(self, graph: graphviz.Digraph, layer: Layer, repeat: int) -> None:
        block = self.model.block(layer.block)
        title = f"{block.name} ×{repeat}" if repeat > 1 else block.name
        lines = [mixer_words(block.mixer), ffn_words(block.ffn), norm_words(block), *badges(block, layer)]
        color = COLORS.get(block.mixer.type, NEUTRAL)
        if isinstance(block.mixer, Attention) and block.mixer.window is not None:
            color = WINDOWED
        self._node(graph, title, lines, color, self.sizes.get(layer))

    def _parallel(self, graph: graphviz.Digraph, node: Parallel, repeat: int) -> None:
        times = f" ×{repeat}" if repeat > 1 else ""
        with self._cluster(graph, f"parallel{times}") as cluster:
            self._node(cluster, "split", [], NEUTRAL, None)
            split, ends = self.last, []
            for stream in node.streams:
                self.last = split
                with self._cluster(cluster, stream.name) as lane:
                    self._runs(lane, fold(stream.body))
                ends += self.last
            self.last = ends
            self._node(cluster, f"merge: {merge_words(node.merge)}", [], NEUTRAL, None)

    def _cluster(self, graph: graphviz.Digraph, label: str) -> AbstractContextManager[graphviz.Digraph]:
        self.names += 1
        attributes = {
            "label": label,
            "style": "rounded",
            "color": LINE,
            "fontcolor": LINE,
            "fontname": FONT,
            "labeljust": "r",
        }
        return graph.subgraph(name=f"cluster_{self.names}", graph_attr=attributes)

    def _node(self, graph: graphviz.Digraph, title: str, lines: list[str], color: str, size: int | None) -> None:
        self.names += 1
        name = f"n{self.names}"
        graph.node(name, label=_label(title, [line for line in lines if line], color, size))
        for before in self.last:
            self.graph.edge(before, name)
        self.last = [name]


def _label(title: str, lines: list[str], color: str, size: int | None) -> str:
    rows = [f'<TR><TD ALIGN="LEFT"><B>{escape(title)}</B></TD><TD ALIGN="RIGHT">{_short(size)}</TD></TR>']
    rows += [f'<TR><TD ALIGN="LEFT" COLSPAN="2">{escape(line)}</TD></TR>' for line in lines]
    style = (
        f'BORDER="1" COLOR="{LINE}" BGCOLOR="{color}" CELLBORDER="0" CELLSPACING="2" CELLPADDING="2" STYLE="ROUNDED"'
    )
    return f"<<TABLE {style}>{''.join(rows)}</TABLE>>"


def _short(size: int | None) -> str:
    if size is None:
        return ""
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if size >= unit:
            return f"{size / unit:.3g}{letter}"
    return str(size)


def _module_sizes(model: Model) -> dict[object, int]:
    """Parameters of each plain layer of the schedule and of the embedding; empty where they cannot be stated yet."""
    try:
        totals = count(model)
    except UnknownParameters:
        return {}
    sizes: dict[object, int] = {"embedding": totals.embedding}
    for node, size in zip(model.schedule, totals.per_layer, strict=True):
        sizes.setdefault(node, size)
    return sizes
