"""The presets as a table."""

from typing import Any

from eulerstack import i18n
from eulerstack.preset_index import Preset
from eulerstack.results.shown import html_table
from eulerstack.results.table import Tabled, TextTable

COLUMNS = ("tier", "level", "name", "size", "about")


class PresetList(Tabled, list[Preset]):
    """A list of presets that shows itself as a table."""

    def _row(self, preset: Preset) -> tuple[str, ...]:
        size = str(preset.target_params or "")
        return str(preset.tier), preset.level or "", preset.name, size, preset.description

    def _head(self) -> list[str]:
        return [i18n.text("cli", f"presets.column.{column}") for column in COLUMNS]

    def lines(self, width: int, *, color: bool) -> list[str]:
        """One line for each preset; a long description goes on below."""
        numbers, flexible = frozenset({COLUMNS.index("size")}), frozenset({COLUMNS.index("about")})
        rows = [self._row(preset) for preset in self]
        return TextTable(head=self._head(), rows=rows, numbers=numbers, flexible=flexible).lines(width, color=color)

    def html(self) -> str:
        """One row for each preset."""
        return html_table(self._head(), map(self._row, self), numbers=(COLUMNS.index("size"),))

    def to_dict(self) -> dict[str, Any]:
        """For machines: `presets`, each with name, tier, level, size, description and about."""
        return {"presets": [preset_dict(preset) for preset in self]}


def preset_dict(preset: Preset) -> dict[str, Any]:
    """What a list says of a preset, for machines."""
    return {
        "name": preset.name,
        "tier": preset.tier,
        "level": preset.level,
        "target_params": preset.target_params,
        "mixers": sorted(preset.mixers),
        "description": preset.description,
        "about": preset.about,
    }
