"""`eulerstack shrink`: a spec's tiny twin."""

from argparse import Namespace

from eulerstack import api
from eulerstack.cli import terminal


def run(call: Namespace) -> int:
    """Always 0: a wrong spec and a file that exists raise."""
    twin = api.shrink(terminal.spec(call.spec))
    if call.output:
        api.write_text(call.output, twin.yaml, overwrite=call.overwrite)
    else:
        terminal.write(twin.yaml)
    return 0
