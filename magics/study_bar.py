"""Where a study is, in the notebook: one line that is written anew, gone when the study is over."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

from IPython.display import HTML, DisplayHandle, display

from eulerstack import i18n
from eulerstack.training.ablation.engine import Step

PERIOD = 0.5
"""Seconds between two updates."""


@contextmanager
def study_bar() -> Iterator[Callable[[Step], None]]:
    """What a study reports to."""
    handle: DisplayHandle | None = None
    shown = 0.0

    def report(step: Step) -> None:
        nonlocal handle, shown
        now = time.monotonic()
        if now - shown < PERIOD:
            return
        shown = now
        loss = i18n.text("ablation", "loss", loss=f"{step.loss:.3f}")
        bar = f'<progress value="{step.step}" max="{step.steps}"></progress>'
        line = HTML(f"{escape(step.told)} {bar} {escape(loss)}")
        if handle is None:
            handle = display(line, display_id=True)
        else:
            handle.update(line)

    try:
        yield report
    finally:
        if handle is not None:
            handle.update(HTML(""))
