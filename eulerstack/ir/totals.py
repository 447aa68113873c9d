"""How large a model is: exact counts from the parameter table."""

from eulerstack.ir.modules import number_modules
from eulerstack.ir.nodes import Integrator, Model, Parallel
from eulerstack.ir.parameters import parameter_table
from eulerstack.records import dataclass
from eulerstack.schema.base import Parameter

OWN = {Parallel: "merges", Integrator: "times"}
"""Below what a schedule entry's own tensors lie."""

EMBEDDINGS = ("model.embed_tokens.", "model.embed_positions.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Parameters of a model, in elements.

    `active`: what one token uses, that is all but the experts it is not sent to (tables of embeddings count whole, as
    in published figures). `embedding`: token and position tables. `non_embedding`: the rest. `per_layer`: one number
    for each entry of the schedule; a shared module counts at its first use and is 0 afterwards.
    """

    total: int
    active: int
    embedding: int
    non_embedding: int
    per_layer: tuple[int, ...]
    active_per_layer: tuple[int, ...]


def count(model: Model) -> Totals:
    """The exact size of the model that `compile` writes."""
    table = tuple(parameter for parameter in parameter_table(model) if not parameter.buffer)
    embedding = sum(p.count for p in table if p.name.startswith(EMBEDDINGS))
    total = sum(p.count for p in table)
    layers = _by_layer(model, table)
    return Totals(
        total=total,
        active=sum(p.active_count for p in table),
        embedding=embedding,
        non_embedding=total - embedding,
        per_layer=tuple(sum(p.count for p in layer) for layer in layers),
        active_per_layer=tuple(sum(p.active_count for p in layer) for layer in layers),
    )


def _by_layer(model: Model, table: tuple[Parameter, ...]) -> list[list[Parameter]]:
    by_name: dict[str, list[Parameter]] = {}
    for parameter in table:
        by_name.setdefault(".".join(parameter.name.split(".")[:3]), []).append(parameter)
    return [
        [
            *(p for body in entry.bodies for _, index in body for p in by_name.pop(f"model.layers.{index}", [])),
            *by_name.pop(f"model.{OWN.get(type(entry.node))}.{entry.own}", []),
        ]
        for entry in number_modules(model.schedule)
    ]
