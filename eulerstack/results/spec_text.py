"""A spec as YAML text."""

from typing import TYPE_CHECKING, Any

from eulerstack.diagnostics import Source
from eulerstack.records import dataclass
from eulerstack.results.shown import AboutSpec

if TYPE_CHECKING:
    from rich.syntax import Syntax


@dataclass(frozen=True, repr=False)
class SpecText(AboutSpec):
    """A preset's YAML or a twin's; `api` takes it wherever a spec is named."""

    source: Source

    @property
    def yaml(self) -> str:
        """The text."""
        return self.source.text

    def rich(self) -> "Syntax":
        """Highlighted, on the terminal's own ground."""
        from rich.syntax import Syntax

        return Syntax(self.yaml, "yaml", background_color="default", word_wrap=True)

    def text(self) -> str:
        """The YAML itself."""
        return self.yaml

    def html(self) -> str:
        """Highlighted, on the notebook's own ground."""
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import YamlLexer

        return highlight(self.yaml, YamlLexer(), HtmlFormatter(noclasses=True, nobackground=True))

    def to_dict(self) -> dict[str, Any]:
        """For machines: `name` and `yaml`."""
        return {"name": self.source.name, "yaml": self.yaml}
