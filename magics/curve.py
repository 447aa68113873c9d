"""The losses of a run in the notebook: one picture, drawn anew as reports come in and gone when the run is over."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from IPython.display import HTML, DisplayHandle, display

from eulerstack.results.loss_curve import loss_svg
from eulerstack.results.training_run import curve_words

PERIOD = 0.5
"""Seconds between two pictures."""


@contextmanager
def live_curve() -> Iterator[Callable[[dict[str, Any]], None]]:
    """What a run reports to. The result of the call shows the curve for good, so the live one is emptied."""
    lines: list[dict[str, Any]] = []
    handle: DisplayHandle | None = None
    shown = 0.0

    def report(values: dict[str, Any]) -> None:
        nonlocal handle, shown
        lines.append(values)
        now = time.monotonic()
        if now - shown < PERIOD:
            return
        shown = now
        picture = HTML(loss_svg(lines, None, curve_words()))
        if handle is None:
            handle = display(picture, display_id=True)
        else:
            handle.update(picture)

    try:
        yield report
    finally:
        if handle is not None:
            handle.update(HTML(""))
