"""What a study found: who is ahead on each task, at which learning rate, at what cost, and how far to trust it."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from eulerstack import i18n
from eulerstack.results.ablation_charts import Points, chart
from eulerstack.results.cost_words import operations
from eulerstack.results.shown import html_table, short, size
from eulerstack.results.table import Tabled, TextTable, bold
from eulerstack.training.ablation.record import Findings, Judged
from eulerstack.training.ablation.verdict import (
    Concern,
    Standing,
    by_rate,
    concerns,
    mean_ranks,
    scores,
    spread,
    standings,
)

COLUMNS = ("place", "spec", "score", "lr", "params", "flops", "state", "tokens", "seconds", "rate", "memory")
NUMBERS = frozenset(range(len(COLUMNS))) - {1}


@dataclass(frozen=True, repr=False)
class Ablation(Tabled):
    """A finished study."""

    findings: Findings

    @property
    def concerns(self) -> list[Concern]:
        """Why to trust it less."""
        return concerns(self.findings)

    def ranking(self, task: str) -> list[Standing]:
        """Every spec on the task of this name, the best first. Raises KeyError for another name."""
        judged = {each.name: each for each in self.findings.tasks}
        return standings(self.findings, judged[task])

    def lines(self, width: int, *, color: bool) -> list[str]:
        """A ranking for each task and over all, and below it what speaks against trusting them."""
        lines: list[str] = []
        for task in self.findings.tasks:
            table = TextTable(head=_head(), rows=self._rows(task), numbers=NUMBERS)
            lines += [bold(self._title(task), color), *table.lines(width, color=color), ""]
        if len(self.findings.tasks) > 1:
            lines += [*self._ranks().lines(width, color=color), ""]
        found = self._told()
        lines += [bold(_label("trust" if found else "no-concern"), color), *(f"- {text}" for text in found)]
        return [*lines, *(["", _label("kept", directory=self.findings.directory)] if self.findings.directory else [])]

    def html(self) -> str:
        """The same with pictures: the score against the learning rate, and against parameters, FLOPs and seconds."""
        parts = []
        for task in self.findings.tasks:
            parts.append(
                f"<h4>{escape(self._title(task))}</h4>{html_table(_head(), self._rows(task), numbers=NUMBERS)}"
            )
            parts.append(f"<div>{''.join(self._charts(task))}</div>")
        if len(self.findings.tasks) > 1:
            ranks = self._ranks()
            parts.append(html_table(ranks.head, ranks.rows, numbers=ranks.numbers))
        found = self._told()
        items = "".join(f"<li>{escape(text)}</li>" for text in found)
        parts.append(f"<p><b>{escape(_label('trust' if found else 'no-concern'))}</b></p><ul>{items}</ul>")
        return f"<div>{''.join(parts)}</div>"

    def page(self) -> str:
        """A whole HTML document."""
        with i18n.speaking(self.language):
            title = escape(self.findings.name)
            head = f'<meta charset="utf-8"><title>{title}</title><style>body{{font-family:sans-serif}}</style>'
            body = f"<h3>{title}</h3>{self.html()}"
            return f'<!doctype html><html lang="{self.language}"><head>{head}</head><body>{body}</body></html>\n'

    def to_dict(self) -> dict[str, Any]:
        """For machines: every run, the ranking of each task, mean ranks, concerns."""
        return {
            **asdict(self.findings),
            "ranking": {task.name: [asdict(each) for each in standings(self.findings, task)] for task in self._tasks()},
            "mean_ranks": mean_ranks(self.findings),
            "concerns": [asdict(concern) for concern in self.concerns],
        }

    def _tasks(self) -> tuple[Judged, ...]:
        return self.findings.tasks

    def _title(self, task: Judged) -> str:
        return _label(f"title.{task.scored_by}", task=task.name, chance=_score(task, task.chance))

    def _told(self) -> list[str]:
        told = [_label(f"concern.{concern.key}", **concern.params) for concern in self.concerns]
        failures = [
            f"{run.spec}, {run.task}, {run.lr:g}, {run.seed}: {run.failure}"
            for run in self.findings.runs
            if run.failure
        ]
        return [*told, *failures]

    def _rows(self, task: Judged) -> list[list[str]]:
        return [_row(task, place, each) for place, each in enumerate(standings(self.findings, task), start=1)]

    def _ranks(self) -> TextTable:
        rows = [[spec, f"{rank:.2f}"] for spec, rank in mean_ranks(self.findings).items()]
        return TextTable(head=[_label("column.spec"), _label("column.mean-rank")], rows=rows, numbers=frozenset({1}))

    def _charts(self, task: Judged) -> Iterator[str]:
        top = None if task.lower_is_better else 1.0
        title = _label(f"score.{task.scored_by}")
        rates = {spec: self._points(task, spec) for spec in self.findings.specs}
        yield chart(title, _label("column.lr"), rates, chance=task.chance, top=top)
        found = [each for each in standings(self.findings, task) if each.mean is not None]
        against: dict[str, Callable[[Standing], float]] = {
            "params": lambda each: each.sizes.params if each.sizes else 0,
            "flops": lambda each: each.sizes.flops if each.sizes else 0,
            "tokens": lambda each: each.tokens,
            "seconds": lambda each: each.seconds,
        }
        for key, cost in against.items():
            points: dict[str, Points] = {
                each.spec: [(cost(each), each.mean, each.spread)]
                for each in found
                if each.mean is not None and cost(each) > 0
            }
            yield chart(title, _label(f"column.{key}"), points, chance=task.chance, top=top)

    def _points(self, task: Judged, spec: str) -> Points:
        means = ((lr, scores(runs)) for lr, runs in by_rate(self.findings, task.name, spec).items())
        return [(lr, statistics.fmean(values), spread(values)) for lr, values in means]


def _head() -> list[str]:
    return [_label(f"column.{name}") for name in COLUMNS]


def _row(task: Judged, place: int, each: Standing) -> list[str]:
    sizes = each.sizes
    told = [short(sizes.params), operations(sizes.flops), size(sizes.state)] if sizes else ["", "", ""]
    if each.mean is None or each.lr is None:
        return ["", each.spec, _label("failed"), "", *told, "", "", "", ""]
    score = _score(task, each.mean)
    if each.spread is not None:
        score += f" ± {_score(task, each.spread)}"
    pace = [short(round(each.tokens)), f"{each.seconds:.1f}", short(round(each.tokens_per_second))]
    return [str(place), each.spec, score, f"{each.lr:g}", *told, *pace, size(each.memory) if each.memory else "–"]


def _score(task: Judged, value: float) -> str:
    return f"{value:.3f}" if task.lower_is_better else f"{100 * value:.1f}%"


def _label(key: str, **params: object) -> str:
    return i18n.text("ablation", key, **params)
