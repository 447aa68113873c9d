"""`eulerstack diff SPEC OTHER`: what differs between two specs."""

from argparse import Namespace

from eulerstack import api
from eulerstack.cli import terminal


def run(call: Namespace) -> int:
    """Always 0: two specs may differ, and a wrong one raises."""
    difference = api.diff(terminal.spec(call.spec), terminal.spec(call.other), level=call.level)
    if call.format == "json":
        terminal.write_json(difference.to_dict())
    else:
        terminal.show(difference)
    return 0
