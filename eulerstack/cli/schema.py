"""`eulerstack schema [PATH]`: the language describes itself."""

from argparse import Namespace

from eulerstack import api
from eulerstack.cli import terminal


def run(call: Namespace) -> int:
    """Always 0: an unknown path raises."""
    description = api.schema(call.path)
    if call.format == "json":
        terminal.write_json(description.to_dict())
    else:
        terminal.show(description)
    return 0
