"""The losses of a run as a picture: SVG text, which a notebook shows and a report holds."""

from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 76, 12, 28
TRAIN, HELD_OUT, UNIGRAM = "#1f77b4", "#d62728", "gray"


def loss_svg(metrics: Sequence[dict[str, Any]], unigram: float | None, labels: dict[str, str]) -> str:
    """Loss in nats over steps: training as a line, held-out text as dots, the unigram score as a dashed line.

    `labels` are the words for `train`, `held_out`, `unigram` and `step`.
    """
    train = [(line["step"], line["loss"]) for line in metrics if "loss" in line]
    held_out = [(line["step"], line["held_out"]) for line in metrics if "held_out" in line]
    heights = [y for _, y in (*train, *held_out)] + ([] if unigram is None else [unigram])
    last = max((x for x, _ in (*train, *held_out)), default=1) or 1
    low, high = (min(heights), max(heights)) if heights else (0.0, 1.0)
    low, high = low - 0.05 * (high - low or 1), high + 0.05 * (high - low or 1)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + (right - LEFT) * x / last, TOP + (bottom - TOP) * (high - y) / (high - low)

    parts = [f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="gray"/>']
    if unigram is not None:
        _, y = place(0, unigram)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{UNIGRAM}" stroke-dasharray="4 3"/>')
        parts.append(_word(right + 6, y + 4, labels["unigram"], UNIGRAM))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in train))
    parts.append(f'<polyline points="{points}" fill="none" stroke="{TRAIN}" stroke-width="1.2"/>')
    dots = (place(*point) for point in held_out)
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{HELD_OUT}"/>' for x, y in dots]
    for name, ends, colour, shift in (("train", train, TRAIN, -4), ("held_out", held_out, HELD_OUT, 12)):
        if ends:
            _, y = place(*ends[-1])
            parts.append(_word(right + 6, y + shift, f"{labels[name]} {ends[-1][1]:.2f}", colour))
    parts += [
        _word(LEFT - 6, TOP + 8, f"{high:.1f}", "gray", "end"),
        _word(LEFT - 6, bottom, f"{low:.1f}", "gray", "end"),
        _word(right, bottom + 18, f"{labels['step']} {last}", "gray", "end"),
    ]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'


def _word(x: float, y: float, text: str, colour: str, anchor: str = "start") -> str:
    style = f'text-anchor="{anchor}" font-family="sans-serif" font-size="11" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{text}</text>'
