"""An ablation study as the monitor shows it: the runs that are over, read from its directory, where they fill up."""

import json
from html import escape
from pathlib import Path

from eulerstack import i18n
from eulerstack.diagnostics import Source
from eulerstack.results.ablation import Ablation
from eulerstack.training.ablation.engine import FINDINGS, RESULT, STUDY, judged
from eulerstack.training.ablation.record import Findings, Run
from eulerstack.training.ablation.study import read_study
from eulerstack.widgets.charts import Curve, curves_svg, legend


class WatchedStudy:
    """A study's directory, which `eulerstack ablate` fills: `study.yml`, and a folder for each run that is over."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.study = read_study(Source(STUDY, (self.path / STUDY).read_text("utf-8"), path=self.path / STUDY))
        self.tasks = tuple(judged(name, task) for name, task in self.study.tasks.items())

    @property
    def alive(self) -> bool:
        """Whether its findings are not written yet: the study is at work, or was broken off."""
        found, begun = self.path / FINDINGS, self.path / STUDY
        return not found.exists() or found.stat().st_mtime < begun.stat().st_mtime

    def results(self) -> list[Path]:
        """What the runs left that are over, the oldest first."""
        return sorted((self.path / "runs").glob(f"*/{RESULT}"), key=lambda result: result.stat().st_mtime)

    def findings(self) -> Findings:
        """What the runs that are over found, in the order of specs, rates and seeds."""
        keys, specs = self.study.keys, [variant.name for variant in self.study.variants()]
        every = (Run.from_dict(json.loads(result.read_text("utf-8"))) for result in self.results())
        # What an older text of the study left behind does not count; of two of one name, the newer does.
        runs = {
            (run.task, specs.index(run.spec), run.lr, run.seed): run
            for run in every
            if run.spec in specs and run.task in keys.tasks and run.lr in keys.lr and run.seed in keys.seeds
        }
        return Findings(
            name=keys.name,
            matched_by=keys.match.by if keys.match else "",
            tasks=self.tasks,
            runs=tuple(run for _, run in sorted(runs.items(), key=lambda item: item[0])),
            directory=str(self.path),
        )

    def html(self) -> str:
        """For each task the losses of all its runs over each other, in their specs' colours; below, the ranking."""
        found = self.findings()
        if not found.runs:
            return f"<h4>{escape(found.name)}</h4>"
        charts = "".join(_losses(found, task.name) for task in found.tasks)
        ranked = Ablation(found).html()
        return f"<h4>{escape(found.name)}</h4>{legend(found.specs)}{charts}{ranked}"


def _losses(found: Findings, task: str) -> str:
    curves = [
        Curve(
            name=f"{run.spec} ({run.lr:g}, {run.seed})",
            points=[(step, loss) for step, loss, _ in run.score.curve],
            color=found.specs.index(run.spec),
        )
        for run in found.runs
        if run.task == task and run.score
    ]
    title = f"{task}: {i18n.text('training', 'run.row.loss')}"
    return curves_svg(title, curves, step=i18n.text("training", "run.curve.step"))
