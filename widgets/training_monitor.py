"""Runs and studies while they train: their curves over each other, a ranking, pause and stop. It reads directories, so
that a run may have been started anywhere, and a kernel that was restarted can look again.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from eulerstack import api, i18n
from eulerstack.diagnostics import error
from eulerstack.results.shown import size
from eulerstack.results.training_run import TrainingRun
from eulerstack.training.loop.directory import RunDirectory
from eulerstack.widgets.charts import Curve, curves_svg, swatch
from eulerstack.widgets.view import NOTHING, KeptView, answering, button, dropdown, label

if TYPE_CHECKING:
    from eulerstack.widgets.watched_study import WatchedStudy

PERIOD = 1.0
"""Seconds between two looks at the directories."""

KEPT = 10
"""Looks from one static form to the next."""

STUDY = "study.yml"
"""By which the directory of a study is known."""

CHARTS = ("loss", "lr", "tokens_per_second")


class TrainingMonitor(KeptView):
    """`TrainingMonitor("runs/a", "runs/b")`: directories of runs or of ablation studies, runs, or folders of them.

    It looks every second until none is at work any more. Raises ValidationError where there is no run and no study.
    """

    def __init__(self, *runs: str | Path | TrainingRun):
        found = [each for ref in runs for each in _found(ref)]
        if not found:
            raise error("run-missing", params={"path": ", ".join(map(str, runs))})
        super().__init__(", ".join(each.path.name for each in found))
        self.runs = [each for each in found if isinstance(each, TrainingRun)]
        self.studies = [each for each in found if not isinstance(each, TrainingRun)]
        listed = [(_name(run), index) for index, run in enumerate(self.runs)]
        self.chosen = dropdown("monitor.run", listed or [("–", NOTHING)], "340px")
        self.chosen.observe(lambda _: self.refresh(), "value")
        self.buttons = {
            "pause": button("monitor.pause", lambda _: self.say("pause"), icon="pause"),
            "go-on": button("monitor.go-on", lambda _: self.say("go-on"), icon="play"),
            "stop": button("monitor.stop", lambda _: self.say("stop"), icon="stop"),
        }
        self.again = button("monitor.refresh", lambda _: self.watch(), icon="refresh")
        self.page = w.HTML()
        steering = [self.chosen, *self.buttons.values()] if self.runs else []
        tools = w.HBox([*steering, self.again], layout={"flex_flow": "row wrap"})
        self.children = (tools, self.page)
        self.over = Event()
        self.watcher: Thread | None = None
        self.watch()

    @answering
    def watch(self) -> None:
        """Look now, and every second as long as a run is at work."""
        self.refresh()
        if not (self.watcher and self.watcher.is_alive()):
            self.over = Event()
            self.watcher = Thread(target=self._watch, args=(self.over,), daemon=True)
            self.watcher.start()

    def _watch(self, over: Event) -> None:
        with suppress(FileNotFoundError):  # a run whose directory is removed has nothing more to tell
            looks = 0
            while self._at_work() and not over.wait(PERIOD):
                self.refresh()
                looks += 1
                if looks % KEPT == 0:
                    self.keep()
            self.refresh()
            self.keep()

    def _at_work(self) -> bool:
        return any(run.alive for run in self.runs) or any(study.alive for study in self.studies)

    @answering
    def refresh(self) -> None:
        """Read the directories and show what they tell."""
        self.page.value = self._page()
        self._allow()

    def _allow(self) -> None:
        """Only what the chosen run can be told can be pressed."""
        if not self.runs:
            return
        status = self.runs[self.chosen.value].state.status
        self.buttons["pause"].disabled = status != "running"
        self.buttons["go-on"].disabled = status != "paused"
        self.buttons["stop"].disabled = status not in ("preparing", "running", "paused")

    @answering
    def say(self, word: str) -> None:
        """Tell the chosen run to pause, to go on or to stop; it listens after its step."""
        run = self.runs[self.chosen.value]
        {"pause": run.pause, "go-on": run.go_on, "stop": run.stop}[word]()

    def close(self) -> None:
        """Look no more, and take the controls away; the runs go on."""
        self.over.set()
        with self.lock:
            super().close()

    def ranking(self) -> list[TrainingRun]:
        """The runs by their best held-out loss; those that have none yet come last, in their own order."""
        return sorted(self.runs, key=lambda run: (run.state.best is None, run.state.best))

    def _page(self) -> str:
        studies = "".join(study.html() for study in self.studies)
        return (self._runs() if self.runs else "") + studies

    def _runs(self) -> str:
        metrics = [run.metrics for run in self.runs]
        charts = "".join(self._chart(key, metrics) for key in CHARTS)
        named = {name: None for lines in metrics for line in lines for name in line.get("objectives", ())}
        charts += "".join(self._objective(name, metrics) for name in named)
        routers = "".join(_routers(run, line) for run, lines in zip(self.runs, metrics, strict=True)
                          if (line := next((each for each in reversed(lines) if "routers" in each), None)))  # fmt: skip
        return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{charts}</div>{self._table()}{routers}'

    def _chart(self, key: str, metrics: Sequence[list[dict[str, Any]]]) -> str:
        curves = [
            Curve(
                name=_name(run),
                points=[(line["step"], line[key]) for line in lines if line.get(key) is not None],
                dots=[(line["step"], line["held_out"]) for line in lines if key == "loss" and "held_out" in line],
                color=index,
            )
            for index, (run, lines) in enumerate(zip(self.runs, metrics, strict=True))
        ]
        return curves_svg(label(f"monitor.{key}"), curves, step=i18n.text("training", "run.curve.step"))

    def _objective(self, name: str, metrics: Sequence[list[dict[str, Any]]]) -> str:
        """An auxiliary loss before its coefficient, under the name that reports give it."""
        curves = [
            Curve(
                name=_name(run),
                points=[
                    (line["step"], line["objectives"][name]) for line in lines if name in line.get("objectives", ())
                ],
                color=index,
            )
            for index, (run, lines) in enumerate(zip(self.runs, metrics, strict=True))
        ]
        return curves_svg(name, curves, step=i18n.text("training", "run.curve.step"))

    def _table(self) -> str:
        """One row for each run, the best first."""
        heads = ("status", "steps", "loss", "held-out", "best", "speed", "memory")
        head = ["#", "", *(i18n.text("training", f"run.row.{key}") for key in heads)]
        rows = (self._row(place, run) for place, run in enumerate(self.ranking(), 1))
        return f'<table class="eulerstack">{_cells("th", map(escape, head))}{"".join(rows)}</table>'

    def _row(self, place: int, run: TrainingRun) -> str:
        state = run.state
        cells = (
            "–" if state.best is None else str(place),
            _name(run),
            i18n.text("training", f"run.status.{state.status}"),
            f"{state.step:,} / {run.settings.steps:,}",
            *("–" if value is None else f"{value:.4f}" for value in (state.loss, state.held_out, state.best)),
            "–" if state.tokens_per_second is None else f"{state.tokens_per_second:,.0f}",
            "–" if state.peak_memory is None else size(state.peak_memory),
        )
        told = [escape(cell) for cell in cells]
        told[1] = f"{swatch(self.runs.index(run))} {told[1]}"
        return _cells("td", told)

    def html(self) -> str:
        """The curves and the table as they are now."""
        return f'<div class="eulerstack">{self._page()}</div>'


def _found(ref: "str | Path | TrainingRun") -> "Iterator[TrainingRun | WatchedStudy]":
    if isinstance(ref, TrainingRun):
        yield ref
        return
    path = Path(ref)
    if path.is_dir() and not _is_one(path):
        for each in sorted(path.iterdir()):
            if _is_one(each):
                yield _one(each)
    else:
        yield _one(path)


def _is_one(path: Path) -> bool:
    return RunDirectory(path).exists or (path / STUDY).is_file()


def _one(path: Path) -> "TrainingRun | WatchedStudy":
    if not (path / STUDY).is_file():
        return api.watch(path)
    from eulerstack.widgets.watched_study import WatchedStudy  # which imports torch

    return WatchedStudy(path)


def _cells(tag: str, cells: Iterable[str]) -> str:
    """A row: place, name and status begin at the left, numbers end at the right."""
    made = (
        f'<{tag} style="text-align:{"left" if i < 3 else "right"};padding:2px 10px;white-space:nowrap">{cell}</{tag}>'
        for i, cell in enumerate(cells)
    )
    return f"<tr>{''.join(made)}</tr>"


def _name(run: TrainingRun) -> str:
    return run.path.name


def _routers(run: TrainingRun, line: dict[str, Any]) -> str:
    """For each router a bar for each expert: its share of the choices, the dashed line being an even share."""
    parts = [f"<p><b>{escape(_name(run))}</b> · {escape(i18n.text('training', 'run.row.routers'))}</p>"]
    for name, said in line["routers"].items():
        loads = [float(load) for load in said["load"]]
        total = sum(loads) or 1.0
        bars = "".join(_bar(index, load / total * len(loads)) for index, load in enumerate(loads))
        alt = escape(f"{name}: {', '.join(f'{load / total:.1%}' for load in loads)}")
        width = 12 * len(loads) + 4
        parts.append(
            f'<div>{escape(name)}<br><svg role="img" aria-label="{alt}" width="{width}" height="44">{bars}'
            f'<path d="M0 22H{width}" stroke="gray" stroke-dasharray="3 3"/></svg></div>'
        )
    return f"<div>{''.join(parts)}</div>"


def _bar(index: int, share: float) -> str:
    """`share`: 1 is an even share, which is half of the height; what is more than twice that is cut."""
    height = min(share, 2.0) * 22
    return f'<rect x="{2 + 12 * index}" y="{44 - height:.1f}" width="9" height="{height:.1f}" fill="#ffb86b"/>'
