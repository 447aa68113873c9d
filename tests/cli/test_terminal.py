"""What is drawn on a terminal while a model is written."""

import io

from eulerstack import i18n
from eulerstack.cli import terminal
from eulerstack.compiler import Progress


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_progress_tells_stage_amount_rate_and_remaining_time(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    with i18n.speaking("en"), terminal.progress(screen) as tell:
        label = i18n.text("cli", "compile.stage.weights")
        for done in range(9):
            tell(Progress("weights", done * 2**30, 8 * 2**30))
    drawn = screen.getvalue()
    assert label in drawn
    assert "8.0 GiB / 8.0 GiB" in drawn
    assert "B/s" in drawn
    assert "0:00:00" in drawn
    assert drawn.rstrip().endswith("\x1b[2K")  # the line is gone when the work is done


def test_nothing_is_drawn_into_a_file():
    file = io.StringIO()
    with terminal.progress(file) as tell:
        tell(Progress("weights", 1, 2))
    assert file.getvalue() == ""
