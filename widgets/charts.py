"""Curves of several runs in one picture: SVG text, readable in light and dark."""

import math
from collections.abc import Sequence
from html import escape

from eulerstack.records import dataclass

COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c00", "#999999")
"""Told apart by colour-blind readers too (Okabe & Ito 2008)."""

WIDTH, HEIGHT = 440, 200
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 22, 26

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One run: a line through `points`, and `dots` beside it; `color` is an index into `COLORS`."""

    name: str
    points: Points
    dots: Points = ()
    color: int = 0


def curves_svg(title: str, curves: Sequence[Curve], *, step: str) -> str:
    """The curves over steps; what is not finite is left out. `step` is the word for what runs to the right."""
    whole = [_finite(curve.points) for curve in curves]
    dots = [_finite(curve.dots) for curve in curves]
    every = [point for part in (*whole, *dots) for point in part]
    last = max((x for x, _ in every), default=1.0) or 1.0
    low, high = min((y for _, y in every), default=0.0), max((y for _, y in every), default=1.0)
    margin = 0.05 * ((high - low) or abs(high) or 1.0)
    low, high = max(low - margin, 0.0) if low >= 0 else low - margin, high + margin
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        return LEFT + (right - LEFT) * x / last, TOP + (bottom - TOP) * (high - y) / (high - low)

    parts = [f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="gray"/>']
    for curve, points, marks in zip(curves, whole, dots, strict=True):
        color = COLORS[curve.color % len(COLORS)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in thinned([place(point) for point in points]))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in map(place, marks)]
    parts += [
        _word(LEFT, TOP - 8, title, "start", bold=True),
        _word(LEFT - 6, TOP + 8, _tick(high), "end"),
        _word(LEFT - 6, bottom, _tick(low), "end"),
        _word(right, bottom + 18, f"{step} {last:,.0f}", "end"),
    ]
    told = ", ".join(f"{curve.name} {points[-1][1]:.4g}" for curve, points in zip(curves, whole, strict=True) if points)
    alt = escape(f"{title}: {told}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{alt}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}">{"".join(parts)}</svg>'
    )


def thinned(places: Points) -> list[tuple[float, float]]:
    """A line in a picture with at most four points for each column of pixels: its first, lowest, highest and last, so
    that it looks as it was and does not grow with the run.
    """
    columns: dict[int, list[int]] = {}
    for index, (x, _) in enumerate(places):
        columns.setdefault(int(x), []).append(index)
    kept: set[int] = set()
    for column in columns.values():
        kept |= {
            column[0],
            column[-1],
            min(column, key=lambda i: places[i][1]),
            max(column, key=lambda i: places[i][1]),
        }
    return [places[index] for index in sorted(kept)]


def legend(names: Sequence[str]) -> str:
    """Whose colour is whose, the colours being those of the names' places."""
    told = (f'<span style="white-space:nowrap">{swatch(i)} {escape(name)}</span>' for i, name in enumerate(names))
    return f'<p style="display:flex;flex-wrap:wrap;gap:4px 16px">{" ".join(told)}</p>'


def swatch(color: int) -> str:
    """A little square in a curve's colour."""
    tone = COLORS[color % len(COLORS)]
    return f'<span style="display:inline-block;width:10px;height:10px;background:{tone}" aria-hidden="true"></span>'


def _finite(points: Points) -> list[tuple[float, float]]:
    return [point for point in points if math.isfinite(point[1])]


def _tick(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _word(x: float, y: float, text: str, anchor: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    style = f'text-anchor="{anchor}" font-family="sans-serif" font-size="11" fill="#7f8794"{weight}'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
