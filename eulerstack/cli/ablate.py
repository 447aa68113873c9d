"""`eulerstack ablate STUDY`: several specs of one size on the same tasks."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from eulerstack import api, i18n
from eulerstack.cli import terminal

if TYPE_CHECKING:
    from eulerstack.training.ablation.engine import Step


def run(call: Namespace) -> int:
    """0 when every run finished, else 1. A wrong study or spec raises."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = terminal.console(sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, loss="")

        def tell(step: "Step") -> None:
            loss = i18n.text("ablation", "loss", loss=f"{step.loss:.3f}")
            bar.update(task, description=step.told, total=step.steps, completed=step.step, loss=loss)
            if step.step == 1 and not console.is_terminal:
                console.print(step.told)

        found = api.ablate(
            terminal.spec(call.study), run_dir=call.run_dir, engine=call.engine, retry=call.retry, report=tell
        )
    if call.format == "json":
        terminal.write_json(found.to_dict())
    else:
        terminal.show(found)
    return 1 if any(each.failure for each in found.findings.runs) else 0
