"""`eulerstack schema [PATH]`: the language describes itself."""

from argparse import Namespace

from eulerstack import api
from eulerstack.cli import terminal


def run(call: Namespace) -> int:
    """Always 0: an unknown path raises."""
    described = api.schema(call.path)
    match call.format:
        case "json-schema":
            terminal.write_json(described.json_schema())
        case "json":
            terminal.write_json(described.to_dict())
        case _:
            terminal.show(described)
    return 0
