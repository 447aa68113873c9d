"""The schedule as DOT: from the tokens on top to the head, repeats folded, groups and streams as clusters, and the
tissue's columns with their edges beside it. Two models stand side by side in one picture, what differs marked.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

import graphviz

from eulerstack.drawing.boxes import FONT, LINE, SHAPES, Badge, Box, Mark, color_of, group_title
from eulerstack.drawing.marks import marks_of
from eulerstack.drawing.sizes import Sizes
from eulerstack.drawing.words import ffn_words, layer_badges, merge_words, mixer_words, norm_words
from eulerstack.ir.cost import Cost
from eulerstack.ir.fold import Run, fold
from eulerstack.ir.nodes import Integrator, Layer, Model, Node, Parallel
from eulerstack.ir.tissue import column_edges

SETTING_KEYS = 4
"""At most so many differing settings are named in a picture of two models."""


def to_dot(model: Model, cost: Cost | None = None, *, unfolded: bool = False) -> str:
    """The picture of a model in DOT. `cost`: what it costs, where that is known already."""
    graph = _graph(model.name)
    _Picture(model, graph, Sizes.of(model, cost), unfolded=unfolded).draw(graph)
    return graph.source


def pair_to_dot(before: Model, after: Model, costs: tuple[Cost, Cost] | None = None, *, unfolded: bool = False) -> str:
    """Two models side by side in DOT, what differs marked."""
    graph = _graph(f"{before.name} {after.name}")
    differences = marks_of(before, after)
    for side, model in enumerate((before, after)):
        sizes = Sizes.of(model, costs[side] if costs else None)
        marks, settings = differences[side]
        picture = _Picture(model, graph, sizes, unfolded=unfolded, marks=marks, prefix=f"s{side}")
        with picture.cluster(graph, model.name) as half:
            if settings:
                picture.node(half, Box(title=model.name, lines=_lines(settings), mark=Mark(kind="changed")))
            picture.draw(half)
    return graph.source


def _lines(settings: Sequence[str]) -> tuple[str, ...]:
    return (*settings[:SETTING_KEYS], *(["…"] if len(settings) > SETTING_KEYS else []))


def _graph(name: str) -> graphviz.Digraph:
    return graphviz.Digraph(
        name,
        graph_attr={"bgcolor": "transparent", "rankdir": "TB", "nodesep": "0.3", "ranksep": "0.28", "fontname": FONT},
        node_attr={"shape": "plain", "fontname": FONT, "fontsize": "11"},
        edge_attr={"color": LINE, "arrowsize": "0.6", "fontname": FONT, "fontsize": "10", "fontcolor": LINE},
    )


class _Picture:
    """One drawing under way: the graph, and the last node drawn."""

    def __init__(
        self,
        model: Model,
        whole: graphviz.Digraph,
        sizes: Sizes,
        *,
        unfolded: bool = False,
        marks: dict[int, Mark] | None = None,
        prefix: str = "",
    ):
        self.model, self.whole, self.sizes, self.unfolded, self.prefix = model, whole, sizes, unfolded, prefix
        self.marks = marks or {}
        columns = model.tissue["columns"] if model.tissue else []
        self.column = {name: column["name"] for column in columns for name in column["templates"]}
        self.last: list[str] = []
        self.names = 0

    def draw(self, graph: graphviz.Digraph) -> None:
        """Everything from the embedding to the head, and the tissue beside it."""
        model = self.model
        positions = f"{model.vocab_size} × {model.d_model} · {model.embedding.positional}"
        self.node(graph, Box(title="embedding", lines=(positions,), sizes=self.sizes.embedding))
        self._runs(graph, self._folded(model.schedule), [0])
        if model.head.final_norm is not None:
            self.node(graph, Box(title=f"final_norm {model.head.final_norm.type}"))
        tied = f"tie_weights {str(model.head.tie_weights).lower()}"
        self.node(graph, Box(title=model.head.type, lines=(f"{model.d_model} × {model.vocab_size} · {tied}",)))
        if model.tissue and model.tissue["columns"]:
            self._tissue(graph)

    def _folded(self, schedule: Sequence[Node]) -> tuple[Run, ...]:
        return tuple(Run((node,), 1) for node in schedule) if self.unfolded else fold(schedule)

    def _runs(self, graph: graphviz.Digraph, runs: Sequence[Run], starts: Sequence[int]) -> None:
        """Draw runs that begin at the schedule's entries `starts`: several where a repeat is folded around them."""
        for run in runs:
            if run.leaf is not None:
                self._leaf(graph, run.leaf, run.repeat, [s + n for s in starts for n in range(run.repeat)])
            else:
                period = run.length // run.repeat
                with self.cluster(graph, f"×{run.repeat}") as cluster:
                    self._runs(cluster, run.runs, [s + n * period for s in starts for n in range(run.repeat)])
            starts = [start + run.length for start in starts]

    def _leaf(self, graph: graphviz.Digraph, node: Node, repeat: int, entries: Sequence[int]) -> None:
        if isinstance(node, Layer):
            self._layer(graph, node, repeat, entries)
            return
        times = [f"×{repeat}"] if repeat > 1 else []
        mark = self._mark(entries)
        words = [
            " ".join([group_title(node), *times]),
            *self.sizes.of_entry(entries[0], repeat),
            *([mark.text] if mark else []),
        ]
        with self.cluster(graph, " · ".join(words)) as cluster:
            if isinstance(node, Parallel):
                self._parallel(cluster, node)
            elif isinstance(node, Integrator):
                self._runs(cluster, self._folded(node.body), [])

    def _layer(self, graph: graphviz.Digraph, layer: Layer, repeat: int, entries: Sequence[int]) -> None:
        block = self.model.block(layer.block)
        column = self.column.get(block.name)
        badges = [*layer_badges(block, layer), *([Badge(kind="column", text=f"column: {column}")] if column else [])]
        self.node(
            graph,
            Box(
                title=self._title(block.name, repeat, entries),
                lines=(mixer_words(block.mixer), ffn_words(block.ffn), norm_words(block)),
                color=color_of(block),
                sizes=self.sizes.of_entry(entries[0], repeat) if entries else (),
                badges=tuple(badges),
                mark=self._mark(entries),
            ),
        )

    def _title(self, name: str, repeat: int, entries: Sequence[int]) -> str:
        """`decoder ×24`; where every layer stands by itself, with its number as `explain` counts: `17 · decoder`."""
        if self.unfolded:
            return f"{entries[0]} · {name}" if entries else name
        return f"{name} ×{repeat}" if repeat > 1 else name

    def _mark(self, entries: Sequence[int]) -> Mark | None:
        return next((self.marks[entry] for entry in entries if entry in self.marks), None)

    def _parallel(self, cluster: graphviz.Digraph, node: Parallel) -> None:
        self.node(cluster, Box(title="split"))
        split, ends = self.last, []
        for stream in node.streams:
            self.last = split
            with self.cluster(cluster, stream.name) as lane:
                self._runs(lane, self._folded(stream.body), [])
            ends += self.last
        self.last = ends
        self.node(cluster, Box(title=f"merge: {merge_words(node.merge)}"))

    def _tissue(self, graph: graphviz.Digraph) -> None:
        """The columns, each in the shape of its role, and their edges: dashed where nothing is exchanged."""
        tissue = self.model.tissue
        assert tissue is not None, "called for a model with a tissue"
        coef = tissue["lateral_coef"]
        with self.cluster(graph, f"tissue · {tissue['connectivity']} · lateral_coef {coef:g}") as cluster:
            names = [self._name() for _ in tissue["columns"]]
            for name, column in zip(names, tissue["columns"], strict=True):
                told = [column["name"], *filter(None, [column.get("role")]), *column["templates"]]
                shape = SHAPES.get(column.get("role") or "", "box")
                cluster.node(name, label=graphviz.escape("\n".join(told)), shape=shape, color=LINE, fontcolor=LINE)
            for first, second in column_edges(tissue):
                cluster.edge(names[first], names[second], dir="both", style="solid" if coef else "dashed")

    def cluster(self, graph: graphviz.Digraph, label: str) -> AbstractContextManager[graphviz.Digraph]:
        """A frame around what is drawn inside the with block."""
        attributes = {"label": label, "style": "rounded", "color": LINE, "fontcolor": LINE, "fontname": FONT}
        return graph.subgraph(name=f"cluster_{self._name()}", graph_attr={**attributes, "labeljust": "r"})

    def node(self, graph: graphviz.Digraph, box: Box) -> None:
        """Draw a box below what was drawn last."""
        name = self._name()
        graph.node(name, label=box.label())
        for before in self.last:
            self.whole.edge(before, name)
        self.last = [name]

    def _name(self) -> str:
        self.names += 1
        return f"{self.prefix}n{self.names}"


def repeats(schedule: Sequence[Node]) -> bool:
    """Whether a picture folds anything of a schedule, or of the streams and steps inside it."""
    bodies = [node.body for node in schedule if isinstance(node, Integrator)]
    bodies += [stream.body for node in schedule if isinstance(node, Parallel) for stream in node.streams]
    return any(run.length > 1 for run in fold(schedule)) or any(map(repeats, bodies))


def outline(model: Model) -> str:
    """A picture's alternative text: its boxes in the order of reading."""
    return f"{model.name}: {', '.join(['embedding', *_told(model, fold(model.schedule)), model.head.type])}"


def _told(model: Model, runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        times = f" ×{run.repeat}" if run.repeat > 1 else ""
        if run.leaf is None:
            yield f"({', '.join(_told(model, run.runs))}){times}"
        elif isinstance(run.leaf, Layer):
            block = model.block(run.leaf.block)
            yield f"{block.name} ({mixer_words(block.mixer)}){times}"
        else:
            bodies = [stream.body for stream in run.leaf.streams] if isinstance(run.leaf, Parallel) else [run.leaf.body]
            inner = " | ".join(", ".join(_told(model, fold(body))) for body in bodies)
            yield f"{group_title(run.leaf)} ({inner}){times}"
