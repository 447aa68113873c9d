"""`eulerstack demo`: the main job from end to end, on text that every machine has."""

import math
import shutil
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from eulerstack import api, i18n
from eulerstack.cli import terminal
from eulerstack.diagnostics import error
from eulerstack.training import fresh
from eulerstack.training.report import Outcome
from eulerstack.training.report import Progress as Step

RUNS = Path("runs") / "demo"
STEPS = 5
TOLD = 10
"""How many losses are printed along the way."""


def run(call: Namespace) -> int:
    """0 when the twin learned, else 1. A wrong spec and a directory that is not empty raise."""
    fresh.check_installed()
    console = terminal.console()
    spec = terminal.spec(call.spec)
    _heading(console, 1, "validate", name=call.spec)
    report = api.validate(spec)
    for line in report.lines(full=True):
        terminal.write(line)
    if not report.ok:
        return 1
    _heading(console, 2, "explain")
    terminal.show(api.explain(spec))
    directory = Path(call.output_dir or RUNS / Path(call.spec).stem)
    _heading(console, 3, "compile", directory=directory)
    if not call.output_dir:
        RUNS.mkdir(parents=True, exist_ok=True)
    # the default place holds nothing but earlier demos, so it is always replaced
    compiled = api.compile(spec, twin=True, output_dir=directory, overwrite=call.overwrite or not call.output_dir)
    terminal.show(compiled)
    _heading(console, 4, "train", seconds=f"{call.seconds:g}")
    with _bar(console, call.seconds) as tell:
        outcome = _train(directory, call, tell)
    _heading(console, 5, "result")
    console.print(_table(outcome))
    console.print(Text(_text("learned" if outcome.learned else "not-learned"), style="bold"))
    console.print(Panel(Text(outcome.sample), title=_text("generated"), title_align="left"))
    terminal.write(_text("next", directory=directory))
    return 0 if outcome.learned else 1


def _train(directory: Path, call: Namespace, tell: Callable[[Step], None]) -> Outcome:
    try:
        return fresh.train(directory, seconds=call.seconds, seed=call.seed, report=tell)
    except RuntimeError as failure:
        reason = str(failure).rstrip().splitlines()[-1]
        raise error("training-failed", params={"reason": reason}) from failure


@contextmanager
def _bar(console: Console, seconds: float) -> Iterator[Callable[[Step], None]]:
    """A progress bar over the time, and a printed loss at each tenth of it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=max(10, min(40, shutil.get_terminal_size().columns - 50))),
        TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(_text("loading"), total=None, loss="")
        due = 0.0

        def tell(step: Step) -> None:
            nonlocal due
            loss = _text("loss", step=step.step, loss=f"{step.loss:.3f}")
            progress.update(
                task, description=_text("training"), total=seconds, completed=min(step.elapsed, seconds), loss=loss
            )
            if step.elapsed >= due:
                console.print(Text(f"{step.elapsed:6.1f} s  {loss}"))
                due = step.elapsed + seconds / TOLD

        yield tell


def _table(outcome: Outcome) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    rate = outcome.tokens / outcome.seconds
    table.add_row(_text("row.parameters"), f"{outcome.parameters:,}")
    table.add_row(_text("row.tokens"), f"{outcome.tokens:,} ({rate:,.0f}/s)")
    table.add_row(_text("row.before"), _nats(outcome.before))
    table.add_row(_text("row.unigram"), _nats(outcome.unigram))
    table.add_row(_text("row.after"), _nats(outcome.after))
    return table


def _nats(loss: float) -> str:
    return _text("nats", nats=f"{loss:.3f}", bits=f"{loss / math.log(2):.2f}")


def _heading(console: Console, number: int, key: str, **params: object) -> None:
    console.print()
    console.print(Text(f"[{number}/{STEPS}] {_text(f'heading.{key}', **params)}", style="bold cyan"))


def _text(key: str, **params: object) -> str:
    return i18n.text("training", f"demo.{key}", **params)
