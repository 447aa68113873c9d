"""The tissue as `explain` tells it: which columns there are, and which of them exchange what they computed."""

from typing import Any

from eulerstack import i18n
from eulerstack.ir.nodes import Model
from eulerstack.ir.tissue import column_edges, exchanges


def tissue_facts(model: Model) -> list[tuple[str, str]]:
    """Labels and lines: the columns with role and templates, the edges between them. Empty without a tissue."""
    tissue = model.tissue
    if not tissue or not tissue["columns"]:
        return []
    columns = " · ".join(_column(column) for column in tissue["columns"])
    names = [column["name"] for column in tissue["columns"]]
    joined = ", ".join(f"{names[a]} ↔ {names[b]}" for a, b in column_edges(tissue))
    edges = f"{tissue['connectivity']}: {joined or _label('no-edges')} · lateral_coef {tissue['lateral_coef']:g}"
    return [(_label("columns"), columns), (_label("edges"), edges)]


def _column(column: dict[str, Any]) -> str:
    role = f" ({column['role']})" if column.get("role") else ""
    return f"{column['name']}{role}: {', '.join(column['templates'])}"


def tissue_dict(model: Model) -> dict[str, Any]:
    """For machines: columns, edges as pairs of their indices, and how many exchanges happen along them."""
    tissue = model.tissue or {"columns": [], "connectivity": "none", "lateral_coef": 0.0}
    return {
        "columns": tissue["columns"],
        "connectivity": tissue["connectivity"],
        "lateral_coef": tissue["lateral_coef"],
        "edges": [list(edge) for edge in column_edges(tissue)],
        "exchanges": len(exchanges(model)),
    }


def _label(key: str) -> str:
    return i18n.text("explain", key)
