"""Writing to the terminal: results and JSON to standard output, diagnostics to standard error."""

import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from eulerstack import i18n
from eulerstack.diagnostics import Diagnostic, Source
from eulerstack.diagnostics.render import terminal_lines
from eulerstack.dsl import decode
from eulerstack.results.shown import PLAIN_WIDTH, Shown

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from eulerstack.compiler import Progress as Step


def prepare() -> None:
    """Let no character that the terminal lacks end the run: it is written as its escape. A stream that the caller
    closed is the null device.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # in this order each takes the number of the one that is closed
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def takes_output() -> bool:
    """Whether standard output takes another line. A stream forgets what it could not write, so it is asked anew."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        return False
    return True


def drop(stream: TextIO) -> None:
    """Write what the stream still holds, and all that follows, nowhere: at exit it would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def spec(name: str) -> str | Source:
    """What names the spec; `-` is read from standard input."""
    return decode(sys.stdin.buffer.read(), "<stdin>") if name == "-" else name


def console(stream: TextIO | None = None) -> "Console":
    """A rich console on standard output or `stream`: colour on a terminal only, no markup in texts."""
    from rich.console import Console

    file = stream or sys.stdout
    width = None if file.isatty() else PLAIN_WIDTH
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False, color_system="auto")


def width() -> int:
    """How many cells a line of standard output has: the terminal's; elsewhere nobody looks."""
    return shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns if sys.stdout.isatty() else PLAIN_WIDTH


def show(result: "Shown | RenderableType") -> None:
    """Print a result, as wide as the terminal is and in its colours; elsewhere its plain text."""
    if not isinstance(result, Shown):
        console().print(result)
    elif sys.stdout.isatty():
        write(result.terminal(width(), color=colourful(sys.stdout)))
    else:
        write(str(result))


def write(text: str) -> None:
    """Print text as it stands, YAML or DOT: no wrapping, one newline at its end."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def write_json(data: Any) -> None:
    """Print one JSON document; where the stream is not Unicode, in ASCII."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    write(json.dumps(data, indent=2, ensure_ascii=not unicode))


def complain(diagnostics: Iterable[Diagnostic], stream: TextIO | None = None) -> None:
    """Print diagnostics with their source lines, to standard error or `stream`."""
    file = stream or sys.stderr
    for line in terminal_lines(diagnostics, color=colourful(file)):
        file.write(f"{line}\n")


def colourful(stream: TextIO) -> bool:
    """Whether to write in colour: on a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


@contextmanager
def progress(stream: TextIO) -> "Iterator[Callable[[Step], None]]":
    """A progress bar for writing a model; on a terminal only, and gone when the work is done."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from eulerstack.cli.bars import Written

    bars = console(stream)
    columns = (TextColumn("{task.description}"), BarColumn(), Written(), TimeRemainingColumn())
    with Progress(*columns, console=bars, transient=True, disable=not bars.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def tell(step: "Step") -> None:
            bar.update(
                task,
                description=i18n.text("cli", f"compile.stage.{step.stage}"),
                total=step.total or None,
                completed=step.done,
            )

        yield tell
