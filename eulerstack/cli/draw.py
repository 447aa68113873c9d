"""`eulerstack draw`: a picture of the schedule."""

from argparse import Namespace

from eulerstack import api
from eulerstack.cli import terminal


def run(call: Namespace) -> int:
    """Always 0: a wrong spec and a file that cannot be written raise."""
    drawing = api.draw(terminal.spec(call.spec), call.other, unfolded=call.unfold)
    if call.output:
        drawing.save(call.output)
    else:
        terminal.write(drawing.dot)
    return 0
