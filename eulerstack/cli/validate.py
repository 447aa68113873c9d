"""`eulerstack validate`: check a spec and report."""

import sys
from argparse import Namespace

from eulerstack import api
from eulerstack.cli import terminal


def run(call: Namespace) -> int:
    """0 for a valid spec, else 1; under --strict warnings fail too."""
    report = api.validate(terminal.spec(call.spec))
    if call.format == "json":
        terminal.write_json(report.to_dict())
    else:
        for line in report.lines(full=call.report, size=call.report, color=terminal.colourful(sys.stdout)):
            terminal.write(line)
    failed = not report.ok or (call.strict and report.warnings)
    return 1 if failed else 0
