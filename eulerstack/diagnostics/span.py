"""Where something stands in a source text."""

import re
from functools import lru_cache
from pathlib import Path

from eulerstack.records import dataclass

LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What YAML counts as the end of a line; `str.splitlines` knows more."""


@lru_cache(maxsize=16)
def _lines(text: str) -> list[str]:
    return LINE_BREAK.split(text)


@dataclass(frozen=True, slots=True)
class Source:
    """A text that was read: a file, a string or a notebook cell.

    `name` is what errors print (`model.yml`, `<cell>`); `line_offset` is added to every line number, so that
    positions inside a cell magic's body count from the top of the cell. `path` is the file, if it is one: relative
    paths inside the text start from its folder.
    """

    name: str
    text: str
    line_offset: int = 0
    path: Path | None = None

    def line(self, number: int) -> str:
        """The text of 1-based line `number` (as printed, offset included); empty when there is no such line."""
        lines = _lines(self.text)
        index = number - self.line_offset - 1
        return lines[index].removeprefix("\ufeff") if 0 <= index < len(lines) else ""


@dataclass(frozen=True, slots=True)
class Span:
    """A range in a source: 1-based lines and columns (in characters), the end exclusive."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    @property
    def order(self) -> tuple[str, int, int]:
        """A sort key that follows the text."""
        return (self.source.name, self.line, self.column)
