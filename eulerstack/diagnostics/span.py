"""Where something stands in a source text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A text that was read: a file, a string or a notebook cell.

    `name` is what errors print (`model.yml`, `<cell>`); `line_offset` is added to every line number, so that
    positions inside a cell magic's body count from the top of the cell.
    """

    name: str
    text: str
    line_offset: int = 0

    def line(self, number: int) -> str:
        """The text of 1-based line `number` (as printed, offset included); empty when there is no such line."""
        lines = self.text.splitlines()
        index = number - self.line_offset - 1
        return lines[index] if 0 <= index < len(lines) else ""


@dataclass(frozen=True, slots=True)
class Span:
    """A range in a source: 1-based lines and columns, the end exclusive."""

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
