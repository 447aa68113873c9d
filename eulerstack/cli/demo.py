"""`eulerstack demo`: the main job from end to end, on text that every machine has."""

from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from eulerstack import api, i18n
from eulerstack.cli import terminal
from eulerstack.cli.train import progress
from eulerstack.results.training_run import nats
from eulerstack.runs import check_installed
from eulerstack.training.loop.directory import State

RUNS = Path("runs") / "demo"
STEPS = 5
LENGTH = 128
RATE = 1e-2
"""Peak learning rate of a model as narrow as a twin."""
PROMPT = "def "


def run(call: Namespace) -> int:
    """0 when the twin learned, else 1. A wrong spec, a directory that is not empty and a failed run raise."""
    check_installed()
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
    state, written = _trained(console, directory, call)
    _heading(console, 5, "result")
    console.print(_table(state))
    console.print(Text(_text("learned" if state.learned else "not-learned"), style="bold"))
    console.print(Panel(Text(written), title=_text("generated"), title_align="left"))
    terminal.write(_text("next", directory=directory))
    return 0 if state.learned else 1


def _trained(console: Console, directory: Path, call: Namespace) -> tuple[State, str]:
    """How the run came out, and what its model writes. The run's own directory is gone then."""
    from eulerstack.training.writer import sample

    options = {"minutes": call.seconds / 60, "length": LENGTH, "lr": RATE, "seed": call.seed}
    with TemporaryDirectory(prefix="eulerstack-demo-") as scratch:
        with progress(console, call.seconds, by_clock=True) as (_, report):
            trained = api.train(directory, run_dir=Path(scratch) / "run", report=report, **options)
        return trained.state, sample(trained.directory.best, PROMPT, seed=call.seed)


def _table(state: State) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_row(_text("row.parameters"), f"{state.parameters:,}")
    table.add_row(_text("row.tokens"), f"{state.tokens:,} ({state.tokens / state.seconds:,.0f}/s)")
    for key, loss in (("before", state.before), ("unigram", state.unigram), ("after", state.held_out)):
        if loss is not None:
            table.add_row(_text(f"row.{key}"), nats(loss))
    return table


def _heading(console: Console, number: int, key: str, **params: object) -> None:
    console.print()
    console.print(Text(f"[{number}/{STEPS}] {_text(f'heading.{key}', **params)}", style="bold cyan"))


def _text(key: str, **params: object) -> str:
    return i18n.text("training", f"demo.{key}", **params)
