"""The JSON runtime configuration: the resolved model for tools that do not read YAML, without weights."""

import json
from typing import Any

from eulerstack.compiler.config import config_dict
from eulerstack.ir.nodes import Model
from eulerstack.ir.totals import count


def runtime_config(model: Model) -> dict[str, Any]:
    """What config.json would hold, and how many parameters the model has."""
    totals = count(model)
    return {
        "format": "eulerstack-runtime",
        "format_version": 1,
        "name": model.name,
        "config": config_dict(model),
        "parameters": {
            "total": totals.total,
            "active": totals.active,
            "embedding": totals.embedding,
            "per_layer": list(totals.per_layer),
        },
    }


def runtime_json(model: Model) -> str:
    """The same as text."""
    return json.dumps(runtime_config(model), indent=2, ensure_ascii=False, allow_nan=False)
