"""The presets as a table."""

from typing import Any

from rich.table import Table

from eulerstack import i18n
from eulerstack.library import Preset
from eulerstack.results.shown import Shown, html_table

COLUMNS = ("tier", "level", "name", "size", "about")


class PresetList(Shown, list[Preset]):
    """A list of presets that shows itself as a table."""

    def _row(self, preset: Preset) -> tuple[str, ...]:
        size = str(preset.target_params or "")
        return str(preset.tier), preset.level or "", preset.name, size, preset.description

    def _head(self) -> list[str]:
        return [i18n.text("cli", f"presets.column.{column}") for column in COLUMNS]

    def rich(self) -> Table:
        """One line for each preset."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column, label in zip(COLUMNS, self._head(), strict=True):
            table.add_column(label, no_wrap=column != "about", justify="right" if column == "size" else "left")
        for preset in self:
            table.add_row(*self._row(preset))
        return table

    def html(self) -> str:
        """One row for each preset."""
        return html_table(self._head(), map(self._row, self), numbers=(COLUMNS.index("size"),))

    def to_dict(self) -> dict[str, Any]:
        """For machines: `presets`, each with name, tier, level, size, description and about."""
        return {
            "presets": [
                {
                    "name": preset.name,
                    "tier": preset.tier,
                    "level": preset.level,
                    "target_params": preset.target_params,
                    "description": preset.description,
                    "about": preset.about,
                }
                for preset in self
            ]
        }
