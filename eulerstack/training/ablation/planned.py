"""One run of a study before it has run: which spec learns which task, how, and the name of what it leaves behind."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from eulerstack.diagnostics import unexpected
from eulerstack.ir.nodes import Model
from eulerstack.ir.print import print_yaml
from eulerstack.training.ablation.learn import Plan, Report, learn
from eulerstack.training.ablation.matching import Candidate, Load, candidates
from eulerstack.training.ablation.record import Run
from eulerstack.training.ablation.study import Study
from eulerstack.training.tasks import Task


@dataclass(frozen=True, slots=True)
class Planned:
    """A run that is to be; `number` is its place in the study, from 1."""

    number: int
    candidate: Candidate
    task_name: str
    task: Task
    plan: Plan
    lr: float
    seed: int

    @property
    def names(self) -> dict[str, Any]:
        """Which run this is."""
        return {"spec": self.candidate.name, "task": self.task_name, "lr": self.lr, "seed": self.seed}

    @property
    def key(self) -> str:
        """A name that any change of spec, task or training changes."""
        told = [print_yaml(self.candidate.model), type(self.task).__name__, asdict(self.task), asdict(self.plan)]
        digest = hashlib.sha256(json.dumps([*told, self.lr, self.seed], sort_keys=True).encode()).hexdigest()[:12]
        words = f"{self.candidate.name}-{self.task_name}-{self.lr:g}-{self.seed}"
        return f"{re.sub('[^A-Za-z0-9.=]+', '-', words)}-{digest}"

    def carry_out(self, device: str | None, report: Report) -> Run:
        """Train and score, here and now; whatever goes wrong is the run's failure, in the current language."""
        model = self.candidate.model
        try:
            score = learn(model, self.task, self.plan, lr=self.lr, seed=self.seed, device=device, report=report)
        except Exception as failure:  # whatever it is, the other runs go on, and the study tells it
            return self.failed(failure)
        return Run(**self.names, sizes=self.candidate.sizes, score=score)

    def failed(self, failure: Exception) -> Run:
        """The run as one that failed, with the reason."""
        return Run(**self.names, sizes=self.candidate.sizes, failure=str(unexpected(failure)))


def planned_runs(study: Study, models: dict[str, Model], load: Load) -> list[Planned]:
    """Every run of a study in its order: by task, spec, learning rate and seed.

    Raises EulerStackError where a spec cannot have a task's vocabulary and length.
    """
    return [Planned(number, *parts) for number, parts in enumerate(_combined(study, models, load), start=1)]


def _combined(study: Study, models: dict[str, Model], load: Load) -> Iterator[tuple[Any, ...]]:
    keys = study.keys
    for name, task in study.tasks.items():
        plan = Plan(
            steps=study.steps(task), batch=keys.batch, weight_decay=keys.weight_decay, stop_above=keys.stop_above
        )
        for candidate in candidates(study, task, models, load):
            for lr in keys.lr:
                for seed in keys.seeds:
                    yield candidate, name, task, plan, lr, seed
