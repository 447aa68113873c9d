"""A place of the language as a table of its keys."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from eulerstack import i18n
from eulerstack.diagnostics.cells import wrap
from eulerstack.records import dataclass
from eulerstack.results.shown import html_table
from eulerstack.results.table import NARROW, Tabled, TextTable, bold
from eulerstack.schema.describe import Description, KeyRow
from eulerstack.schema.json_schema import json_schema

COLUMNS = ("key", "type", "range", "default", "meaning")
NESTED = " …"
"""Hangs on a key that has keys of its own to ask for."""
INDENT = "    "


@dataclass(frozen=True, repr=False)
class KeyTable(Tabled):
    """What `eulerstack schema PATH` shows."""

    description: Description

    def _title(self) -> str:
        return self.description.path or "EulerStack YAML"

    def head(self) -> list[str]:
        """The columns' headings."""
        return [_label(f"column.{column}") for column in COLUMNS]

    def cells(self, row: KeyRow) -> tuple[str, ...]:
        """One key as texts: its name, type, range, default and meaning, with its source where it has one of its own."""
        own = row.source if row.source != self.description.source else ""
        meaning = f"{row.meaning} [{own}]" if own else row.meaning
        return f"{row.name}{NESTED if row.nested else ''}", row.type, row.range, default_words(row), meaning

    def _about(self) -> list[str]:
        """What stands here and where it comes from."""
        source = self.description.source
        return [self.description.meaning, *([f"{_label('source')}: {source}"] if source else [])]

    def lines(self, width: int, *, color: bool) -> list[str]:
        """The place, what stands there, and its keys: a table, or where that is too wide, one key after another."""
        about = (line for text in self._about() for line in wrap(text, width))
        keys = self._table(width, color) if width >= NARROW else self._listed(width, color)
        return [bold(self._title(), color), *about, "", *keys]

    def _table(self, width: int, color: bool) -> list[str]:
        rows = [self.cells(row) for row in self.description.rows]
        flexible = frozenset({COLUMNS.index("type"), COLUMNS.index("meaning")})
        return TextTable(head=self.head(), rows=rows, flexible=flexible).lines(width, color=color)

    def _listed(self, width: int, color: bool) -> Iterator[str]:
        for row in self.description.rows:
            name, *facts, default, meaning = self.cells(row)
            told = default if row.required or not default else f"{_label('column.default')}: {default}"
            head = " · ".join(filter(None, (*facts, told)))
            first, *rest = wrap(f"{name}  {head}", width)
            yield first.replace(name, bold(name, color), 1)
            yield from (
                f"{INDENT}{line}" for text in (" ".join(rest), meaning) for line in wrap(text, width - len(INDENT))
            )

    def html(self) -> str:
        """The same as an HTML table."""
        table = html_table(self.head(), map(self.cells, self.description.rows))
        about = "<br>".join(map(escape, self._about()))
        return f"<div><b>{escape(self._title())}</b><br>{about}{table}</div>"

    def to_dict(self) -> dict[str, Any]:
        """For machines: `path`, `meaning` and `keys`."""
        return self.description.to_dict()

    def json_schema(self) -> dict[str, Any]:
        """The place as a JSON Schema (2020-12), for an editor's YAML server."""
        return json_schema(self.description.path)


def default_words(row: KeyRow) -> str:
    """A key's default as YAML has it, that it is required, or nothing where it derives from others."""
    if row.required:
        return _label("required")
    return "" if row.default is None or isinstance(row.default, dict) else json.dumps(row.default, ensure_ascii=False)


def _label(key: str) -> str:
    return i18n.text("cli", f"schema.{key}")
