"""`eulerstack explain`: layers, parameters, cache."""

from argparse import Namespace

from eulerstack import api
from eulerstack.cli import terminal


def run(call: Namespace) -> int:
    """Always 0: a wrong spec raises."""
    explanation = api.explain(terminal.spec(call.spec))
    if call.format == "json":
        terminal.write_json(explanation.to_dict())
    else:
        terminal.show(explanation)
    return 0
