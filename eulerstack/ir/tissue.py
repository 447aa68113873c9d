"""The tissue's edges, and which lateral exchanges a schedule makes along them."""

from collections.abc import Iterator
from dataclasses import astuple
from typing import Any

from eulerstack.ir.modules import EVALUATIONS, bodies_of
from eulerstack.ir.nodes import Block, Integrator, Model
from eulerstack.records import dataclass
from eulerstack.schema.base import Init, Parameter, linear

RANK_SHARE = 16
"""The rank of an exchange is the narrower width divided by this."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A directed edge between two columns, at the widths of what leaves the one and enters the other."""

    source: int
    target: int
    d_source: int
    d_target: int

    def parameters(self) -> Iterator[Parameter]:
        """A map down to a low rank and one up, which starts at 0."""
        rank = max(1, min(self.d_source, self.d_target) // RANK_SHARE)
        yield from linear("down_proj", self.d_source, rank)
        yield Parameter("up_proj.weight", (self.d_target, rank), Init("zeros", rank, self.d_target))


def edges(tissue: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    """The ordered pairs of neighbouring columns."""
    count = len(tissue["columns"])
    pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
    match tissue["connectivity"]:
        case "all_to_all":
            return tuple(pairs)
        case "chain":
            return tuple(pair for pair in pairs if abs(pair[0] - pair[1]) == 1)
        case "ring":
            return tuple((a, b) for a, b in pairs if (a - b) % count in (1, count - 1))
    return ()


def column_edges(tissue: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    """The pairs of neighbouring columns, each once: every edge goes both ways."""
    return tuple((a, b) for a, b in edges(tissue) if a < b)


def exchanges(model: Model) -> tuple[Exchange, ...]:
    """Every exchange that happens, in the order of first use: each output of a column reaches each neighbour's next
    layer, once; only forward in the schedule.
    """
    return tuple(dict.fromkeys(exchange for _, exchange in deliveries(model)))


def deliveries(model: Model) -> Iterator[tuple[int, Exchange]]:
    """Every time that an exchange happens, with the schedule's entry that receives it."""
    tissue = model.tissue
    if not tissue or not tissue["lateral_coef"]:
        return
    column_of = {name: i for i, column in enumerate(tissue["columns"]) for name in column["templates"]}
    width: dict[int, int] = {}
    news: set[tuple[int, int]] = set()
    for entry, block in _runs(model):
        column = column_of.get(block.name)
        if column is None:
            continue
        for source, target in sorted(edge for edge in news if edge[1] == column):
            yield entry, Exchange(source, target, width[source], block.d_in)
            news.remove((source, target))
        width[column] = block.d_model
        news |= {edge for edge in edges(tissue) if edge[0] == column}


def lateral_config(model: Model) -> dict[str, Any] | None:
    """What the runtime reads: blocks by column, edges, exchanges; None where nothing is exchanged."""
    found = exchanges(model)
    if not found or not model.tissue:
        return None
    index = {block.name: i for i, block in enumerate(model.blocks)}
    return {
        "coef": model.tissue["lateral_coef"],
        "columns": [[index[name] for name in column["templates"]] for column in model.tissue["columns"]],
        "edges": [list(edge) for edge in edges(model.tissue)],
        "exchanges": [list(astuple(exchange)) for exchange in found],
    }


def _runs(model: Model) -> Iterator[tuple[int, Block]]:
    """Entry and block of every layer in the order in which they run, an integrator's as often as it is evaluated."""
    for entry, node in enumerate(model.schedule):
        again = 1
        if isinstance(node, Integrator) and node.type != "discrete":
            again = node.steps * EVALUATIONS[node.type]
        for _ in range(again):
            for body in bodies_of(node):
                for layer in body:
                    yield entry, model.block(layer.block)
