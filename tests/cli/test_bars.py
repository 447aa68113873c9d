"""The progress bar of a written model."""

import io

import pytest

from eulerstack import i18n
from eulerstack.cli import terminal
from eulerstack.compiler import Progress
from tests.languages import english


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_it_tells_the_stage_how_much_is_written_and_how_fast(lang: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    screen = Terminal()
    with i18n.speaking(lang), terminal.progress(screen) as tell:
        tell(Progress("tokenizer"))
        for done in range(4):
            tell(Progress("weights", done << 20, 4 << 20))
    shown = screen.getvalue()
    assert i18n.template_of("cli", "compile.stage.weights", lang) in shown
    assert "3.0 MiB / 4.0 MiB · " in shown
    assert "/s" in shown
    assert "bytes" not in shown
    assert lang == "en" or not english(shown, lang)
