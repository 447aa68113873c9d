"""`eulerstack train`: a run in this process, which torchrun or accelerate may have started several times."""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from eulerstack import i18n
from eulerstack.arguments import training_options
from eulerstack.cli import terminal
from eulerstack.results.training_run import TrainingRun
from eulerstack.runs import begin_run, check_installed

TOLD = 10
"""How many losses are printed along the way where there is no bar."""


def run(call: Namespace) -> int:
    """0 when the run is finished or stopped. A wrong spec or call raises, and so does what ends a run."""
    check_installed()
    from eulerstack.training.loop.processes import is_first, once
    from eulerstack.training.loop.run import run as train

    spec = call.spec if call.spec is None else terminal.spec(call.spec)
    path = once(lambda: begin_run(spec, **training_options(call)))
    done = TrainingRun(path)
    steps, seconds = done.settings.steps, done.settings.seconds
    total, by_clock = (seconds, True) if seconds else (float(steps), False)
    quiet = not is_first() or call.format == "json"
    with progress(terminal.console(sys.stderr), total, by_clock=by_clock, quiet=quiet) as (prepared, report):
        train(path, report=report, prepared=prepared)
    if not is_first():
        return 0
    if call.format == "json":
        terminal.write_json(done.to_dict())
    else:
        terminal.show(done)
    return 0


@contextmanager
def progress(
    console: Console, total: float, *, by_clock: bool, quiet: bool = False
) -> Iterator[tuple[Callable[[int, int], None], Callable[[dict[str, Any]], None]]]:
    """A bar over `total` steps or seconds on a terminal, and a line now and then; what hears of tokens and of steps."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeElapsedColumn())
    due = 0.0
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(i18n.text("training", "demo.loading"), total=None, loss="")

        def prepared(done: int, size: int) -> None:
            bar.update(task, description=i18n.text("training", "run.tokenising"), total=size, completed=done)

        def report(values: dict[str, Any]) -> None:
            nonlocal due
            line = told(values)
            done = values.get("seconds", due) if by_clock else float(values["step"])
            bar.update(task, description=i18n.text("training", "demo.training"), total=total, completed=done, loss=line)
            if "held_out" in values or done >= due:
                if not quiet:
                    console.print(line)
                due = max(due, done) + total / TOLD if "loss" in values else due

        yield prepared, report


def told(values: dict[str, Any]) -> str:
    """One line of metrics in words."""
    if "held_out" in values:
        texts = {"step": values["step"], "loss": f"{values['held_out']:.3f}", "bits": f"{values['bits_per_byte']:.3f}"}
        return i18n.text("training", "run.held-out-line", **texts)
    texts = {"step": values["step"], "loss": f"{values['loss']:.3f}"}
    speed = f"{values['tokens_per_second']:,.0f} {i18n.text('training', 'run.tokens-per-second')}"
    return f"{i18n.text('training', 'demo.loss', **texts)}  {speed}"
