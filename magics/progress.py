"""A progress bar in the notebook: one output that is updated in place."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

from IPython.display import HTML, DisplayHandle, display

from eulerstack import i18n
from eulerstack.compiler import Progress
from eulerstack.results.shown import size

PATIENCE = 0.5
"""Seconds before a bar appears; what is done sooner needs none."""

PERIOD = 0.1
"""Seconds between two updates."""


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """What `compile` reports to; the bar is emptied when the work is done."""
    started = shown = time.monotonic()
    handle: DisplayHandle | None = None
    begun: float | None = None

    def tell(step: Progress) -> None:
        nonlocal handle, shown, begun
        now = time.monotonic()
        if step.total and begun is None:
            begun = now
        if now - started < PATIENCE or now - shown < PERIOD:
            return
        shown = now
        bar = HTML(_bar(step, now - begun if begun is not None else 0.0))
        if handle is None:
            handle = display(bar, display_id=True)
        else:
            handle.update(bar)

    try:
        yield tell
    finally:
        if handle is not None:
            handle.update(HTML(""))


def _bar(step: Progress, seconds: float) -> str:
    label = escape(i18n.text("cli", f"compile.stage.{step.stage}"))
    measure = f'value="{step.done}" max="{step.total}"' if step.total else ""
    return f"{label} <progress {measure}></progress> {_pace(step, seconds)}".rstrip()


def _pace(step: Progress, seconds: float) -> str:
    """`1.5 GiB / 32.0 GiB · 210.0 MiB/s · 2:29`: how much, how fast, how long to go; empty without a measure."""
    if not step.total:
        return ""
    told = [f"{size(step.done)} / {size(step.total)}"]
    if step.done and seconds > 0:
        rate = step.done / seconds
        minutes, rest = divmod(round((step.total - step.done) / rate), 60)
        told += [f"{size(rate)}/s", f"{minutes}:{rest:02}"]
    return " · ".join(told)
