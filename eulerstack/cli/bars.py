"""Columns of progress bars in units alone: rich's own say `bytes`, a word of English."""

from rich.progress import ProgressColumn, Task
from rich.text import Text

from eulerstack.results.shown import size


class Written(ProgressColumn):
    """`1.2 GiB / 30.1 GiB · 410.0 MiB/s`; nothing before it is known how much there is to write."""

    def render(self, task: Task) -> Text:
        """The column of one task, whose steps are bytes."""
        if not task.total:
            return Text()
        rate = task.finished_speed or task.speed
        done = f"{size(task.completed)} / {size(task.total)}"
        return Text(done if rate is None else f"{done} · {size(rate)}/s")
