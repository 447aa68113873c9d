"""A place of the language as a table of its keys."""

import json
from dataclasses import dataclass
from html import escape
from typing import Any

from eulerstack import i18n
from eulerstack.diagnostics.cells import wrap
from eulerstack.results.shown import html_table
from eulerstack.results.table import Tabled, TextTable, bold
from eulerstack.schema.describe import Description, KeyRow

COLUMNS = ("key", "type", "default", "meaning")
NESTED = " …"
"""Hangs on a key that has keys of its own to ask for."""


@dataclass(frozen=True, repr=False)
class KeyTable(Tabled):
    """What `eulerstack schema PATH` shows."""

    description: Description

    def _title(self) -> str:
        return self.description.path or "EulerStack YAML"

    def head(self) -> list[str]:
        """The columns' headings."""
        return [_label(f"column.{column}") for column in COLUMNS]

    def cells(self, row: KeyRow) -> tuple[str, str, str, str]:
        """One key as texts: its name, type, default and meaning."""
        return f"{row.name}{NESTED if row.nested else ''}", row.type, _default(row), row.meaning

    def lines(self, width: int, *, color: bool) -> list[str]:
        """The place, what stands there, and its keys."""
        rows = [self.cells(row) for row in self.description.rows]
        flexible = frozenset({COLUMNS.index("type"), COLUMNS.index("meaning")})
        table = TextTable(head=self.head(), rows=rows, flexible=flexible)
        meaning = wrap(self.description.meaning, width)
        return [bold(self._title(), color), *meaning, "", *table.lines(width, color=color)]

    def html(self) -> str:
        """The same as an HTML table."""
        table = html_table(self.head(), map(self.cells, self.description.rows))
        return f"<div><b>{escape(self._title())}</b><br>{escape(self.description.meaning)}{table}</div>"

    def to_dict(self) -> dict[str, Any]:
        """For machines: `path`, `meaning` and `keys`."""
        return self.description.to_dict()


def _default(row: KeyRow) -> str:
    if row.required:
        return _label("required")
    return "" if row.default is None or isinstance(row.default, dict) else json.dumps(row.default, ensure_ascii=False)


def _label(key: str) -> str:
    return i18n.text("cli", f"schema.{key}")
