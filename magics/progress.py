"""A progress bar in the notebook: one output that is updated in place."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

from IPython.display import HTML, DisplayHandle, display

from eulerstack import i18n
from eulerstack.compiler import Progress

PATIENCE = 0.5
"""Seconds before a bar appears; what is done sooner needs none."""

PERIOD = 0.1
"""Seconds between two updates."""


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """What `compile` reports to; the bar is emptied when the work is done."""
    started = shown = time.monotonic()
    handle: DisplayHandle | None = None

    def tell(step: Progress) -> None:
        nonlocal handle, shown
        now = time.monotonic()
        if now - started < PATIENCE or now - shown < PERIOD:
            return
        shown = now
        if handle is None:
            handle = display(HTML(_bar(step)), display_id=True)
        else:
            handle.update(HTML(_bar(step)))

    try:
        yield tell
    finally:
        if handle is not None:
            handle.update(HTML(""))


def _bar(step: Progress) -> str:
    label = escape(i18n.text("cli", f"compile.stage.{step.stage}"))
    measure = f'value="{step.done}" max="{step.total}"' if step.total else ""
    return f"{label} <progress {measure}></progress>"
