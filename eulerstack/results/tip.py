"""Help at the cursor: a few lines about one thing, small enough for a tooltip."""

from html import escape
from typing import Any

from eulerstack import i18n
from eulerstack.diagnostics.cells import wrap
from eulerstack.preset_index import Preset
from eulerstack.records import dataclass
from eulerstack.results.key_table import default_words
from eulerstack.results.table import Tabled, bold
from eulerstack.schema.describe import Description

TIP_WIDTH = 80
"""Cells of a line of a tip: what a tooltip shows without a scroll bar."""


@dataclass(frozen=True, repr=False, kw_only=True)
class Tip(Tabled):
    """What stands at the cursor. `facts`: type, range, default; `told`: its meaning, line by line; `page`: a text in
    lines of its own; `see`: the call that tells more.
    """

    title: str
    facts: str = ""
    told: tuple[str, ...] = ()
    page: str = ""
    see: str = ""

    def lines(self, width: int, *, color: bool) -> list[str]:
        """Title, facts, meaning, where to read more."""
        rest = [line for text in (self.facts, *self.told) if text for line in wrap(text, width)]
        return [bold(self.title, color), *rest, *self.page.splitlines(), *([self.see] if self.see else [])]

    def text(self) -> str:
        """The tip as text."""
        return self.terminal(TIP_WIDTH, color=False)

    def html(self) -> str:
        """The tip as HTML."""
        facts = f"<br><code>{escape(self.facts)}</code>" if self.facts else ""
        told = "".join(f"<p>{escape(line)}</p>" for line in self.told)
        page = f"<pre>{escape(self.page)}</pre>" if self.page else ""
        see = f"<code>{escape(self.see)}</code>" if self.see else ""
        return f"<div><b>{escape(self.title)}</b>{facts}{told}{page}{see}</div>"

    def to_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "title": self.title,
            "facts": self.facts,
            "told": [*self.told, *self.page.splitlines()],
            "see": self.see,
        }


def schema_tip(place: Description) -> Tip:
    """What the language says at a path: of a key its type, range and default, of a section its keys."""
    row = place.rows[0] if len(place.rows) == 1 and place.rows[0].path == place.path else None
    if row is None:
        facts, keys = "", [f"{_label('column.key')}: {', '.join(key.name for key in place.rows)}"]
    else:
        default = default_words(row)
        told = default if row.required or not default else f"{_label('column.default')}: {default}"
        facts, keys = " · ".join(filter(None, (row.type, row.range, told))), []
    source = (f"{_label('source')}: {place.source}",) if place.source else ()
    return Tip(
        title=place.path or "EulerStack YAML",
        facts=facts,
        told=(place.meaning, *keys, *source),
        see=f"%eulerstack schema {place.path}".rstrip(),
    )


def preset_tip(preset: Preset) -> Tip:
    """What a preset is."""
    facts = " · ".join(filter(None, (f"tier {preset.tier}", preset.level, str(preset.target_params or ""))))
    return Tip(
        title=preset.name, facts=facts, told=(preset.description,), see=f"%eulerstack presets show {preset.name}"
    )


def _label(key: str) -> str:
    return i18n.text("cli", f"schema.{key}")
