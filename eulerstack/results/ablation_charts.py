"""Pictures of a study as SVG text: the score against the learning rate, and against what a model costs."""

import math
from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float, float | None]]
"""(x, score, spread or None), x above 0."""

WIDTH, HEIGHT = 440, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 150, 28, 36
COLORS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")


def chart(title: str, x_label: str, series: Mapping[str, Points], *, chance: float, top: float | None) -> str:
    """A line of points for each name, x logarithmic; `chance` is a dashed line, `top` where the axis ends (None: at the
    highest score).
    """
    points = [point for line in series.values() for point in line]
    if not points:
        return ""
    low, high = (math.log10(end([x for x, _, _ in points])) for end in (min, max))
    width = high - low or 1.0
    highest = top or max(chance, *(y + (spread or 0) for _, y, spread in points)) * 1.05

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(x) - low) / width if high > low else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / highest * (HEIGHT - TOP - BOTTOM)

    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    dashed = place(10**low, chance)[1]
    parts = [
        _text(LEFT, 16, title, "start", weight="bold"),
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="gray"/>',
        f'<path d="M{LEFT} {dashed:.1f}H{right}" stroke="gray" stroke-dasharray="4 3"/>',
        _text(LEFT - 6, TOP + 4, f"{highest:.3g}", "end"),
        _text(LEFT - 6, bottom + 4, "0", "end"),
        _text(LEFT, bottom + 15, f"{10**low:.2g}", "middle"),
        _text(right, bottom + 15, f"{10**high:.2g}" if high > low else "", "middle"),
        _text((LEFT + right) / 2, bottom + 30, x_label, "middle"),
    ]
    for index, (name, line) in enumerate(series.items()):
        parts += _series(name, [(*place(x, y), spread, highest) for x, y, spread in line], index)
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{"".join(parts)}</svg>'


def _series(name: str, line: Sequence[tuple[float, float, float | None, float]], index: int) -> list[str]:
    color = COLORS[index % len(COLORS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in line)
    parts = [f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>']
    for x, y, spread, highest in line:
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>')
        if spread:
            reach = spread / highest * (HEIGHT - TOP - BOTTOM)
            parts.append(f'<path d="M{x:.1f} {y - reach:.1f}V{y + reach:.1f}" stroke="{color}"/>')
    height = TOP + 8 + 15 * index
    parts.append(f'<circle cx="{WIDTH - RIGHT + 14}" cy="{height - 4}" r="4" fill="{color}"/>')
    parts.append(_text(WIDTH - RIGHT + 22, height, name, "start"))
    return parts


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal") -> str:
    style = f'font-family="sans-serif" font-size="11" font-weight="{weight}" fill="#666"'
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {style}>{escape(text)}</text>'
