"""How much of a run is over, by its steps or by the clock, and what that means for the learning rate."""

import math
import time
from typing import Any

from eulerstack.training.loop.settings import Settings


class Pace:
    """The time that a run has trained, pauses and reports left out, and its learning rate's factor at each step."""

    def __init__(self, settings: Settings, hints: dict[str, Any]):
        self.steps, self.limit = settings.steps, settings.seconds
        self.warmup, self.floor = hints["warmup_steps_ratio"], hints["lr_floor_ratio"]
        self.report_every = settings.report_every
        self.before = 0.0
        self._since: float | None = None
        self._reported = 0

    @property
    def seconds(self) -> float:
        """Seconds of training, those before a resumption included."""
        return self.before + (0.0 if self._since is None else time.monotonic() - self._since)

    def go(self) -> None:
        """The clock runs."""
        if self._since is None:
            self._since = time.monotonic()

    def halt(self) -> None:
        """The clock stands."""
        self.before, self._since = self.seconds, None

    def over(self, step: int) -> float:
        """How much of the run is over when `step` steps are, 0 to 1."""
        return min(1.0, step / self.steps if self.limit is None else self.seconds / self.limit)

    def factor(self, step: int) -> float:
        """What the peak learning rate is multiplied by: up in a line over `warmup_steps_ratio` of the run, then down a
        cosine to `lr_floor_ratio`.
        """
        first = 1 / self.steps if self.limit is None else 0.0
        return warmed_cosine(self.over(step), first=first, warmup=self.warmup, floor=self.floor)

    def due(self, step: int) -> bool:
        """Whether a report on held-out text and a checkpoint are due after `step` steps."""
        if self.ended(step):
            return True
        if self.limit is None:
            return step % self.report_every == 0
        part = int(self.over(step) * self.steps // self.report_every)
        if part > self._reported:
            self._reported = part
            return True
        return False

    def ended(self, step: int) -> bool:
        """Whether the run is over after `step` steps."""
        return step >= self.steps or (self.limit is not None and self.seconds >= self.limit)


def warmed_cosine(over: float, *, first: float, warmup: float, floor: float) -> float:
    """A learning rate's factor when `over` of a run is over: up in a line for its first `warmup`, then down a cosine to
    `floor`. `first` is how much of the run its first step is, whose rate is not to be 0.
    """
    if over < warmup:
        return min(1.0, (over + first) / warmup)
    fallen = min(1.0, (over - warmup) / max(1 - warmup, first, 1e-9))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * fallen))
