"""The notebook's progress bar: nothing for quick work, one output for slow work, gone at the end."""

import pytest
from IPython.display import HTML

from eulerstack.compiler import Progress
from eulerstack.magics import progress


@pytest.fixture
def shown(monkeypatch):
    """Everything that is displayed, and a clock that a test sets."""
    outputs: list[str] = []

    class Handle:
        def update(self, html: HTML) -> None:
            outputs[-1] = html.data

    def display(html: HTML, display_id: bool) -> Handle:
        outputs.append(html.data)
        return Handle()

    clock = [0.0]
    monkeypatch.setattr(progress, "display", display)
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    return outputs, clock


def test_quick_work_shows_nothing(shown):
    outputs, clock = shown
    with progress.progress_bar() as tell:
        clock[0] = progress.PATIENCE / 2
        tell(Progress("weights", 1, 2))
    assert outputs == []


def test_slow_work_shows_one_bar_that_moves_and_goes(shown):
    outputs, clock = shown
    with progress.progress_bar() as tell:
        clock[0] = 1.0
        tell(Progress("weights", 1, 4))
        assert 'value="1" max="4"' in outputs[0]
        tell(Progress("weights", 2, 4))
        assert 'value="1"' in outputs[0]
        clock[0] = 2.0
        tell(Progress("verification"))
        assert "<progress ></progress>" in outputs[0]
    assert outputs == [""]


def test_a_bar_tells_how_much_how_fast_and_how_long(shown):
    outputs, clock = shown
    with progress.progress_bar() as tell:
        clock[0] = 1.0
        tell(Progress("weights", 0, 32 * 2**30))
        assert outputs[0].endswith("</progress> 0 B / 32.0 GiB")
        clock[0] = 11.0
        tell(Progress("weights", 2**30, 32 * 2**30))
        assert outputs[0].endswith("</progress> 1.0 GiB / 32.0 GiB · 102.4 MiB/s · 5:10")
