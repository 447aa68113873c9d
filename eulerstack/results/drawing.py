"""A picture of the schedule."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eulerstack.diagnostics import Source, error, reason
from eulerstack.drawing import Drawing, NoLayoutEngineError, draw, draw_pair
from eulerstack.drawing.layout import FORMATS
from eulerstack.ir.nodes import Model
from eulerstack.records import dataclass
from eulerstack.results.shown import AboutSpec
from eulerstack.results.unfolding import unfoldable

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True, repr=False)
class Picture(AboutSpec):
    """The schedule of a model, drawn, or of two side by side. `source` is what the model was read from;
    `unfolded`: each layer by itself.
    """

    source: Source
    model: Model
    other: Model | None = None
    unfolded: bool = False

    @cached_property
    def drawing(self) -> Drawing:
        """The drawing itself."""
        return self._drawn(unfolded=self.unfolded)

    def _drawn(self, *, unfolded: bool) -> Drawing:
        if self.other:
            return draw_pair(self.model, self.other, unfolded=unfolded)
        return draw(self.model, unfolded=unfolded)

    @property
    def dot(self) -> str:
        """The picture in Graphviz' language."""
        return self.drawing.dot

    @property
    def svg(self) -> str:
        """The picture as an `<svg>` element. Raises CompileError where nothing can lay it out."""
        try:
            return self.drawing.svg
        except NoLayoutEngineError:
            raise error("no-layout-engine") from None

    def save(self, path: str | Path) -> None:
        """Write the picture as the path's ending says. Raises ValidationError for another ending or a bad place."""
        if Path(path).suffix.lower().lstrip(".") not in FORMATS:
            raise error("unknown-output", params={"value": path, "known": ", ".join(f".{name}" for name in FORMATS)})
        try:
            self.drawing.write(path)
        except NoLayoutEngineError:
            raise error("no-layout-engine") from None
        except (OSError, ValueError) as failure:
            raise error("cannot-write", params={"path": path, "reason": reason(failure)}) from None

    def rich(self) -> "Text":
        """The DOT text: a terminal shows no picture."""
        from rich.text import Text

        return Text(self.dot)

    def text(self) -> str:
        """The DOT text."""
        return self.dot

    def to_dict(self) -> dict[str, Any]:
        """For machines: `name` and `dot`."""
        return {"name": self.drawing.name, "dot": self.dot}

    def html(self) -> str:
        """The picture inline, to be unfolded where it is folded, or the DOT text where nothing can lay it out."""
        unfolding = "" if self.unfolded else unfoldable(self.drawing, self._drawn(unfolded=True))
        return unfolding or self.drawing._repr_html_()
