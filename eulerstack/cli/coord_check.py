"""`eulerstack coord-check`: whether activations keep their size as a model grows wider."""

import sys
from argparse import Namespace

from eulerstack import api, i18n
from eulerstack.cli import terminal


def run(call: Namespace) -> int:
    """0 when they are flat, else 1. A wrong spec or width and a file that cannot be written raise."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = terminal.console(sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(i18n.text("training", "demo.training"), total=None)
        found = api.check_coordinates(
            terminal.spec(call.spec),
            widths=call.widths,
            twin=call.twin,
            steps=call.steps,
            lr=call.lr,
            seeds=call.seeds,
            report=lambda done, total: bar.update(task, total=total, completed=done),
        )
    if call.output:
        api.write_text(call.output, found.svg(), overwrite=call.overwrite)
    if call.format == "json":
        terminal.write_json(found.to_dict())
    else:
        terminal.show(found)
    return 0 if found.flat else 1
