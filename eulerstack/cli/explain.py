"""`eulerstack explain`: layers, parameters, operations, cache, training memory; of two specs, side by side."""

from argparse import Namespace

from eulerstack import api
from eulerstack.arguments import workload
from eulerstack.cli import terminal
from eulerstack.results.shown import Shown


def run(call: Namespace) -> int:
    """Always 0: a wrong spec raises."""
    asked = workload(call)
    spec = terminal.spec(call.spec)
    told: Shown
    if call.other:
        told = api.compare(spec, terminal.spec(call.other), **asked)
    else:
        told = api.explain(spec, **asked, available=call.fits)
    if call.format == "json":
        terminal.write_json(told.to_dict())
    else:
        terminal.show(told)
    return 0
