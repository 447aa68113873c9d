"""What the coordinate check of μP found: the size of activations by width and step, as a table and a picture."""

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from eulerstack import i18n
from eulerstack.results.shown import html_table
from eulerstack.results.table import Tabled, TextTable, bold

if TYPE_CHECKING:
    from eulerstack.training.coordinates import Coordinate

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 260, 48, 120, 12, 30
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf")
FLAT = 2.0
"""By how much a size may differ between the narrowest and the widest model and still be called flat."""


class CoordinateCheck(Tabled):
    """Sizes |x| after the last step, by place and width. `flat`: none grew or shrank more than twofold."""

    def __init__(self, name: str, found: "Sequence[Coordinate]"):
        self.name, self.found = name, tuple(found)
        self.widths = sorted({c.width for c in self.found})
        self.last = max(c.step for c in self.found)
        self.places = list(dict.fromkeys(c.place for c in self.found))

    def size(self, place: str, width: int) -> float:
        """The mean |x| there after the last step."""
        return next(c.size for c in self.found if (c.place, c.width, c.step) == (place, width, self.last))

    def ratio(self, place: str) -> float:
        """The size in the widest model over that in the narrowest."""
        return self.size(place, self.widths[-1]) / self.size(place, self.widths[0])

    @property
    def flat(self) -> bool:
        """Whether every place keeps its size."""
        return all(1 / FLAT <= self.ratio(place) <= FLAT for place in self.places)

    def verdict(self) -> str:
        """The outcome in a sentence."""
        return _text("flat" if self.flat else "grows", first=self.widths[0], last=self.widths[-1], steps=self.last)

    def _rows(self) -> list[list[str]]:
        return [
            [_place(place), *(f"{self.size(place, width):.4g}" for width in self.widths), f"{self.ratio(place):.2f}"]
            for place in self.places
        ]

    def _head(self) -> list[str]:
        return [_text("place"), *map(str, self.widths), _text("ratio")]

    def lines(self, width: int, *, color: bool) -> list[str]:
        """The table and the verdict."""
        numbers = frozenset(range(1, len(self.widths) + 2))
        table = TextTable(head=self._head(), rows=self._rows(), numbers=numbers)
        return [bold(self.name, color), *table.lines(width, color=color), "", bold(self.verdict(), color)]

    def html(self) -> str:
        """The picture, the table and the verdict."""
        table = html_table(self._head(), self._rows(), numbers=range(1, len(self.widths) + 2))
        return f"<div>{self.svg()}{table}<p><b>{escape(self.verdict())}</b></p></div>"

    def to_dict(self) -> dict[str, Any]:
        """Every size."""
        sizes = [{"width": c.width, "step": c.step, "place": c.place, "size": c.size} for c in self.found]
        return {"name": self.name, "flat": self.flat, "sizes": sizes}

    def svg(self) -> str:
        """log |x| over log width, a line for each place after the last step, dotted before the first."""
        sizes = [c.size for c in self.found if c.step in (0, self.last) and c.size > 0] or [1.0]
        low, high = math.log2(min(sizes)) - 0.2, math.log2(max(sizes)) + 0.2
        narrow, wide = math.log2(self.widths[0]), math.log2(self.widths[-1])
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

        def place(width: int, size: float) -> str:
            x = LEFT + (right - LEFT) * (math.log2(width) - narrow) / (wide - narrow or 1)
            y = TOP + (bottom - TOP) * (high - math.log2(size)) / (high - low)
            return f"{x:.1f},{y:.1f}"

        parts = [f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="gray"/>']
        for index, name in enumerate(self.places):
            colour = COLOURS[index % len(COLOURS)]
            for step, dash in ((0, ' stroke-dasharray="2 3"'), (self.last, "")):
                own = [c for c in self.found if c.place == name and c.step == step and c.size > 0]
                points = " ".join(place(c.width, c.size) for c in sorted(own, key=lambda c: c.width))
                parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"{dash}/>')
            parts.append(_word(right + 8, TOP + 14 * (index + 1), escape(_place(name)), colour, "start"))
        for width in self.widths:
            x = float(place(width, 2**low).split(",")[0])
            parts.append(_word(x, bottom + 16, str(width), "gray", "middle"))
        parts += [
            _word(LEFT - 6, TOP + 8, f"{2**high:.2g}", "gray", "end"),
            _word(LEFT - 6, bottom, f"{2**low:.2g}", "gray", "end"),
        ]
        size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'


def _place(name: str) -> str:
    kind, _, number = name.partition(" ")
    return _text("layer", number=number) if kind == "layer" else name  # logits are called so in every language


def _word(x: float, y: float, text: str, colour: str, anchor: str) -> str:
    style = f'text-anchor="{anchor}" font-family="sans-serif" font-size="11" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{text}</text>'


def _text(key: str, **params: object) -> str:
    return i18n.text("training", f"coordinates.{key}", **params)
