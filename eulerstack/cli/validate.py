"""`eulerstack validate`: check a spec and report."""

import sys
from argparse import Namespace

from eulerstack import api, i18n
from eulerstack.cli import terminal
from eulerstack.diagnostics import EulerStackError
from eulerstack.results.report import Report


def run(call: Namespace) -> int:
    """0 for a valid spec, else 1; under --strict warnings fail too."""
    report = _report(call.spec)
    failed = not report.ok or bool(call.strict and report.warnings)
    if call.format == "json":
        terminal.write_json(report.to_dict())
    else:
        size = terminal.width() if call.report else None
        for line in report.lines(full=call.report, size=size, color=terminal.colourful(sys.stdout)):
            terminal.write(line)
        if failed and report.ok:
            terminal.write(i18n.text("cli", "report.strict"))
    return 1 if failed else 0


def _report(name: str) -> Report:
    """What validation finds; of bytes that are no text, what keeps them from being one."""
    try:
        return api.validate(terminal.spec(name))
    except EulerStackError as failure:
        place = failure.diagnostics[0].span
        if place is None:  # there is nothing to read: the call is wrong, not the spec
            raise
        return Report(place.source, failure.diagnostics)
