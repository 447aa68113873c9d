"""The loss of a run as it falls: an SVG in a notebook's output that redraws itself."""

from IPython.display import SVG, display

from eulerstack.training.report import Progress

WIDTH, HEIGHT, MARGIN = 640, 200, 36
PAUSE = 0.5
"""Seconds of training between two redrawings."""


class LossCurve:
    """Give it to a run as `report`. Shown where it was made, redrawn about twice a second."""

    def __init__(self) -> None:
        self.steps: list[Progress] = []
        self._due = 0.0
        self._handle = display(SVG(curve_svg([])), display_id=True)

    def __call__(self, step: Progress) -> None:
        """One more step."""
        self.steps.append(step)
        if step.elapsed >= self._due:
            self._due = step.elapsed + PAUSE
            self._handle.update(SVG(curve_svg(self.steps)))


def curve_svg(steps: list[Progress]) -> str:
    """Loss in nats over seconds as SVG text, its axes from 0, the latest loss written beside its end."""
    right, bottom = WIDTH - MARGIN * 2, HEIGHT - MARGIN
    longest = max((step.elapsed for step in steps), default=0) or 1
    highest = max((step.loss for step in steps), default=0) or 1
    points = [
        (MARGIN + (right - MARGIN) * step.elapsed / longest, bottom - (bottom - 10) * step.loss / highest)
        for step in steps
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [
        f'<path d="M{MARGIN} 10V{bottom}H{right}" fill="none" stroke="gray"/>',
        f'<polyline points="{line}" fill="none" stroke="#1f77b4" stroke-width="1.5"/>',
    ]
    if steps:
        x, y = points[-1]
        parts += [
            _label(x + 6, y + 4, f"{steps[-1].loss:.2f}", "start"),
            _label(MARGIN - 6, 14, f"{highest:.1f}", "end"),
            _label(MARGIN - 6, bottom, "0", "end"),
            _label(right, bottom + 18, f"{longest:.0f} s", "end"),
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}">{"".join(parts)}</svg>'
    )


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-family="sans-serif" font-size="12" fill="gray">'
        f"{text}</text>"
    )
