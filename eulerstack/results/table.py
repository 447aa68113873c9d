"""A table of texts for a terminal, a pipe or a file, aligned by terminal cells: a Hangul syllable fills two.

Written without rich: loading it costs more than all else that `schema` and `presets` do.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from eulerstack.diagnostics.cells import cells, wrap
from eulerstack.records import dataclass
from eulerstack.results.shown import PLAIN_WIDTH, Shown

if TYPE_CHECKING:
    from rich.text import Text

GAP = "  "
NARROWEST = 16
"""The flexible column is never wrapped to fewer cells than this; a narrower terminal wraps the lines itself."""

NARROW = 110
"""Cells below which a table of many columns cannot be read: it is told in another form."""

_BOLD, _RESET = "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """Rows below a heading. `numbers`: the columns (indices) set to the right; `flexible`: the columns that wrap, each
    as wide as the others leave it; all others stand as they are.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()
    flexible: frozenset[int] = frozenset()

    def lines(self, width: int, *, color: bool = False) -> list[str]:
        """The table in lines of at most `width` cells where the fixed columns leave room; a bold heading in colour."""
        widths = self._widths(width)
        head = self._wrapped(self.head, widths)
        body = [line for row in self.rows for line in self._wrapped(row, widths)]
        return [*(bold(line, color) for line in head), *body]

    def _widths(self, width: int) -> list[int]:
        columns = range(len(self.head))
        natural = [max(cells(row[column]) for row in (self.head, *self.rows)) for column in columns]
        rest = width - len(GAP) * (len(natural) - 1)
        rest -= sum(natural[column] for column in columns if column not in self.flexible)
        for left, column in enumerate(sorted(self.flexible, key=lambda column: natural[column])):
            share = max(rest // (len(self.flexible) - left), NARROWEST)
            natural[column] = min(natural[column], share)
            rest -= natural[column]
        return natural

    def _wrapped(self, row: Sequence[str], widths: Sequence[int]) -> list[str]:
        """One row as one or more lines: what wraps goes on below."""
        flexible = self.flexible
        parts = [_indented(text, widths[n]) if n in flexible else [text] for n, text in enumerate(row)]
        height = max(1, *(len(part) for part in parts))
        lines = ([part[n] if n < len(part) else "" for part in parts] for n in range(height))
        return [GAP.join(self._set(line, widths)).rstrip() for line in lines]

    def _set(self, line: Sequence[str], widths: Sequence[int]) -> list[str]:
        padded = ((n, text, " " * (widths[n] - cells(text))) for n, text in enumerate(line))
        return [pad + text if n in self.numbers else text + pad for n, text, pad in padded]


def _indented(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells, each behind the spaces that it begins with."""
    indent = text[: len(text) - len(text.lstrip())]
    return [f"{indent}{line}" for line in wrap(text, max(1, width - len(indent)))]


class Tabled(Shown):
    """A result that is lines and tables of text, and says so itself for every width."""

    @abstractmethod
    def lines(self, width: int, *, color: bool) -> list[str]:
        """The lines for a terminal of so many cells; `color`: with ANSI codes."""

    def terminal(self, width: int, *, color: bool) -> str:
        """The lines as one text."""
        return "\n".join(self.lines(width, color=color))

    def rich(self) -> "Text":
        """The lines in colour, never wrapped again."""
        from rich.text import Text

        return Text.from_ansi(self.terminal(PLAIN_WIDTH, color=True), no_wrap=True, overflow="ignore")


def bold(text: str, color: bool) -> str:
    """The text in bold where there is colour."""
    return f"{_BOLD}{text}{_RESET}" if color else text


def facts_lines(name: str, facts: Sequence[tuple[str, str]], width: int, *, color: bool) -> list[str]:
    """A name and below it the facts, the labels in a column; a long fact goes on below itself."""
    widest = max((cells(label) for label, _ in facts), default=0)
    lines = [bold(name, color)]
    for label, fact in facts:
        first, *rest = list(wrap(fact, max(width - widest - len(GAP), NARROWEST))) or [""]
        lines.append(f"{label}{' ' * (widest - cells(label))}{GAP}{first}")
        lines += [f"{' ' * widest}{GAP}{line}" for line in rest]
    return lines
