"""`eulerstack explain`: layers, parameters, cache; of two specs, side by side."""

from argparse import Namespace

from eulerstack import api
from eulerstack.cli import terminal


def run(call: Namespace) -> int:
    """Always 0: a wrong spec raises."""
    spec = terminal.spec(call.spec)
    explanation = api.compare(spec, terminal.spec(call.other)) if call.other else api.explain(spec)
    if call.format == "json":
        terminal.write_json(explanation.to_dict())
    else:
        terminal.show(explanation)
    return 0
