"""Charts that need no plotting package: lines over a common axis and matrices as tiles, as SVG text.

For tutorials and ad-hoc studies in a notebook: `lines({"mine": [(x, y), …]})` and `tiles(matrix)` show themselves.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from eulerstack.records import dataclass

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 26, 40
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f")
SIDE = 220
"""Pixels of the longer side of a picture of a matrix."""
FEW = 8
"""Up to so many different x are written beside the axis as they are."""
SHADES = 64
"""Steps of colour between 0 and a matrix's largest value."""
WHITE = "rgb(255,255,255)"
LABEL_GAP = 14
"""Pixels between two names at the ends of lines, so that none covers another."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, repr=False)
class Chart:
    """SVG text that a notebook shows."""

    svg: str

    def __repr__(self) -> str:
        return "<Chart>"

    def _repr_svg_(self) -> str:
        return self.svg


def lines(series: Mapping[str, Points], *, x: str = "", y: str = "", log: str = "", title: str = "") -> Chart:
    """A line with its points for each name; `x` and `y` name the axes, `log` says which of them are logarithmic
    ("x", "y", "xy"). A linear y axis begins at 0 where nothing is negative. Raises ValueError without a point.
    """
    points = [point for own in series.values() for point in own]
    if not points:
        raise ValueError("a chart needs at least one point")
    across = _Axis([px for px, _ in points], LEFT, WIDTH - RIGHT, "x" in log, from_zero=False)
    up = _Axis([py for _, py in points], HEIGHT - BOTTOM, TOP, "y" in log, from_zero=True)
    parts = [*_frame(across, up, x, y), _word((LEFT + WIDTH - RIGHT) / 2, TOP - 10, title, "middle", 13)]
    heights = _apart({name: up(own[-1][1]) for name, own in series.items() if own})
    for number, (name, own) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [(across(px), up(py)) for px, py in own]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in placed)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if len(placed) <= 40:
            parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.4" fill="{colour}"/>' for px, py in placed]
        if own:
            parts.append(_word(WIDTH - RIGHT + 8, heights[name] + 4, name, "start", 12, colour))
    return _chart(WIDTH, HEIGHT, parts)


def tiles(matrices: Mapping[str, Sequence[Sequence[float]]], *, rows: str = "", columns: str = "") -> Chart:
    """Matrices side by side, each with its name above: white where a value is 0, blue up to the matrix's own largest
    value, red down to minus as much. `rows` and `columns` name the axes.
    """
    parts: list[str] = []
    left = 24.0
    lowest = 0.0
    for name, values in matrices.items():
        height, width = len(values), len(values[0])
        side = SIDE / max(height, width)
        largest = max(abs(value) for row in values for value in row) or 1.0
        parts.append(_word(left + side * width / 2, 16, name, "middle", 12))
        parts.append(f'<g transform="translate({left:.1f} {TOP}) scale({side:.3f})">{_tiles(values, largest)}</g>')
        frame = f'x="{left:.1f}" y="{TOP}" width="{side * width:.1f}" height="{side * height:.1f}"'
        parts.append(f'<rect {frame} fill="none" stroke="gray"/>')
        parts.append(_word(left + side * width / 2, TOP + side * height + 16, columns, "middle", 11))
        parts.append(_word(left - 6, TOP + side * height / 2, rows, "middle", 11, turned=True))
        left += side * width + 34
        lowest = max(lowest, TOP + side * height)
    return _chart(left, lowest + 26, parts)


class _Axis:
    """From values to pixels, and the values that are written beside the axis."""

    def __init__(self, values: Sequence[float], start: float, end: float, log: bool, *, from_zero: bool):
        self.log, self.start, self.end = log, start, end
        self.low, self.high = min(values), max(values)
        if from_zero and not log and self.low >= 0:
            self.low = 0.0
        self.few = [] if from_zero or len(set(values)) > FEW else sorted(set(values))
        if self.high == self.low:
            self.high = self.low * 2 if log else self.low + 1

    def __call__(self, value: float) -> float:
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """The values themselves where they are few, else round ones on a logarithmic axis, else five equally apart."""
        if self.few and (self.log or len(self.few) <= FEW // 2):
            return self.few
        if self.log:
            base = 10 if self.high / self.low >= 100 else 2
            first, last = math.ceil(math.log(self.low, base) - 1e-9), math.floor(math.log(self.high, base) + 1e-9)
            return [float(base) ** power for power in range(first, last + 1)]
        return [self.low + (self.high - self.low) * k / 4 for k in range(5)]


def _frame(across: _Axis, up: _Axis, x: str, y: str) -> Iterator[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    yield f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="gray"/>'
    for value in across.ticks():
        yield _word(across(value), bottom + 15, _number(value), "middle", 11)
    for value in up.ticks():
        yield f'<path d="M{LEFT} {up(value):.1f}H{right}" stroke="gray" stroke-opacity="0.15"/>'
        yield _word(LEFT - 6, up(value) + 4, _number(value), "end", 11)
    yield _word((LEFT + right) / 2, HEIGHT - 6, x, "middle", 12)
    yield _word(14, (TOP + bottom) / 2, y, "middle", 12, turned=True)


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """The same heights moved down where two are nearer than LABEL_GAP."""
    placed: dict[str, float] = {}
    last = -math.inf
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        last = placed[name] = max(height, last + LABEL_GAP)
    return placed


def _number(value: float) -> str:
    if value and (abs(value) >= 1e6 or abs(value) < 1e-3):
        return f"{value:.1e}".replace("e+0", "e").replace("e-0", "e-")
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _tiles(values: Sequence[Sequence[float]], largest: float) -> str:
    """A square of side 1 for each value, all of one colour in one path: far shorter than a rectangle each."""
    squares: dict[str, list[str]] = {}
    for down, row in enumerate(values):
        for over, value in enumerate(row):
            colour = _shade(round(value / largest * SHADES) / SHADES)
            if colour != WHITE:
                squares.setdefault(colour, []).append(f"M{over} {down}h1v1h-1z")
    return "".join(f'<path fill="{colour}" d="{"".join(path)}"/>' for colour, path in squares.items())


def _shade(share: float) -> str:
    """White at 0, blue at 1, red at −1."""
    fade = round(255 * (1 - min(1.0, abs(share))))
    return f"rgb({fade},{fade // 2 + 128},255)" if share > 0 else f"rgb(255,{fade},{fade})"


def _word(x: float, y: float, text: str, anchor: str, size: int, colour: str = "gray", *, turned: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    style = f'text-anchor="{anchor}" font-family="sans-serif" font-size="{size}" fill="{colour}"{turn}'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _chart(width: float, height: float, parts: Sequence[str]) -> Chart:
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
    return Chart(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>')
