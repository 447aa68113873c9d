"""`eulerstack data`: what a text holds for a model's tokenizer."""

import sys
from argparse import Namespace

from eulerstack import api, i18n
from eulerstack.cli import terminal
from eulerstack.cli.bars import Written


def run(call: Namespace) -> int:
    """Always 0: a wrong spec, a missing text or tokenizer raise."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = terminal.console(sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), Written(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(i18n.text("training", "run.tokenising"), total=None)
        page = api.data(
            terminal.spec(call.spec),
            name=call.data,
            text_column=call.text_column,
            tokenizer=call.tokenizer,
            bpe=call.bpe,
            report=lambda done, size: bar.update(task, total=size, completed=done),
        )
    if call.format == "json":
        terminal.write_json(page.to_dict())
    else:
        terminal.show(page)
    return 0
