"""A preset to read: what it is, what it costs, its YAML."""

from html import escape
from typing import Any

from eulerstack.preset_index import Preset
from eulerstack.records import dataclass
from eulerstack.results.explanation import Explanation
from eulerstack.results.preset_list import preset_dict
from eulerstack.results.shown import PLAIN_WIDTH, html_table
from eulerstack.results.spec_text import SpecText
from eulerstack.results.table import facts_lines


@dataclass(frozen=True, repr=False)
class PresetPage(SpecText):
    """What `presets show` shows. As text it is YAML, description and cost in comments, so that it can be piped."""

    preset: Preset
    explanation: Explanation

    def text(self) -> str:
        """The YAML below comments that say what it is and costs."""
        head = [self.preset.description, *self._facts()]
        return "\n".join([*(f"# {line}" for line in head), "", self.yaml])

    def _facts(self) -> list[str]:
        return facts_lines(self.preset.name, self.explanation.facts(), PLAIN_WIDTH, color=False)

    def html(self) -> str:
        """Description, cost, and the YAML highlighted."""
        facts = html_table([self.preset.name, ""], self.explanation.facts())
        return f"<div>{facts}<p>{escape(self.preset.description)}</p>{super().html()}</div>"

    def to_dict(self) -> dict[str, Any]:
        """For machines: what a list of presets says, `cost` and `yaml`."""
        return {**preset_dict(self.preset), "cost": self.explanation.to_dict(), "yaml": self.yaml}
