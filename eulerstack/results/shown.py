"""The forms that every result has: rich in a terminal, plain text, HTML in a notebook."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any, Self

from eulerstack import i18n
from eulerstack.diagnostics import Source

if TYPE_CHECKING:  # rich is loaded by what shows itself with it
    from rich.console import RenderableType

PLAIN_WIDTH = 120
"""Cells of a line where nobody looks: in a file or a pipe."""


class Shown(ABC):
    """A result that can be shown, in the language that it was made in. A result says what it looks like."""

    language: str

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the language: a notebook shows the result when the call is over."""
        self = super().__new__(cls)
        object.__setattr__(self, "language", i18n.language())
        return self

    @abstractmethod
    def rich(self) -> "RenderableType":
        """What rich shows: the terminal's form."""

    @abstractmethod
    def html(self) -> str:
        """What a notebook shows."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What a machine reads: JSON types only."""

    def terminal(self, width: int, *, color: bool) -> str:
        """What a terminal of so many cells shows, with ANSI codes where `color` says so."""
        from rich.console import Console

        buffer = StringIO()
        # inside a notebook rich would display what it is asked to write
        settings: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False, "force_jupyter": False}
        settings |= {"color_system": "standard" if color else None, "force_terminal": color}
        console = Console(file=buffer, width=width, **settings)
        console.print(self.rich())
        return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())

    def text(self) -> str:
        """What a file, a pipe or `print` shows."""
        return self.terminal(PLAIN_WIDTH, color=False)

    def __rich__(self) -> "RenderableType":
        with i18n.speaking(self.language):
            return self.rich()

    def __str__(self) -> str:
        with i18n.speaking(self.language):
            return self.text()

    def _repr_html_(self) -> str:
        with i18n.speaking(self.language):
            return self.html()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(type(self).__name__ if cycle else str(self))


class AboutSpec(Shown):
    """A result about one spec: `source` is the text that it was read from."""

    source: Source


def html_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Iterable[int] = ()) -> str:
    """An HTML table; the columns in `numbers` (indices) are set to the right. Without `head` it has no heading."""
    right = frozenset(numbers)
    cells = [_row("th", head, right)] if head else []
    cells += [_row("td", row, right) for row in rows]
    return f'<table class="eulerstack" style="border-collapse:collapse">{"".join(cells)}</table>'


def _row(tag: str, cells: Sequence[object], right: frozenset[int]) -> str:
    def cell(index: int, value: object) -> str:
        align = "right" if index in right else "left"
        # Without it, headings and labels of two or three Hangul or Han characters break after each.
        wrap = ";white-space:nowrap" if tag == "th" or index == 0 else ""
        return f'<{tag} style="text-align:{align};padding:2px 10px{wrap}">{escape(str(value))}</{tag}>'

    return f"<tr>{''.join(cell(index, value) for index, value in enumerate(cells))}</tr>"


def short(number: int) -> str:
    """`6.44B`, `124M`, `512`: the same in every language, for a user may paste it into YAML."""
    for unit, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if number >= unit:
            value = number / unit
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}{letter}"
    return str(number)


def size(count: float) -> str:
    """Bytes as `4.0 KiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
