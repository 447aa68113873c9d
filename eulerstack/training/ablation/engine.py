"""All runs of a study, one after the other; each is kept when it is over, and what is kept is not run again."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from eulerstack import i18n
from eulerstack.diagnostics import unexpected
from eulerstack.ir.print import SPEC_FILE, print_yaml
from eulerstack.training.ablation.learn import Plan, learn
from eulerstack.training.ablation.matching import Candidate, Load, base_model, candidates
from eulerstack.training.ablation.record import Findings, Judged, Run
from eulerstack.training.ablation.study import Study
from eulerstack.training.tasks import IGNORED, Task

RESULT, STUDY, FINDINGS = "result.json", "study.yml", "findings.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a study is: run `run` of `runs`, its names, and its own step, of how many, and training loss."""

    run: int
    runs: int
    spec: str
    task: str
    lr: float
    seed: int
    step: int
    steps: int
    loss: float

    @property
    def told(self) -> str:
        """`run 3/24: …` in the current language."""
        names = {"run": self.run, "runs": self.runs, "spec": self.spec, "task": self.task, "seed": self.seed}
        return i18n.text("ablation", "running", lr=f"{self.lr:g}", **names)


@dataclass(frozen=True, slots=True)
class _Planned:
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


def run_study(
    study: Study,
    load: Load,
    directory: Path,
    *,
    retry: bool = False,
    device: str | None = None,
    report: Callable[[Step], None] = lambda step: None,
) -> Findings:
    """Every run of the study that `directory` does not hold yet, and what all of them found.

    With `retry` failed runs are run again. Raises EulerStackError, before the first run, for a spec that is wrong or
    cannot have a task's vocabulary and length.
    """
    models = {variant.name: base_model(study, variant, load) for variant in study.variants()}
    planned = list(_planned(study, models, load))
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory / STUDY, study.source.text.encode())
    runs: list[Run] = []
    for number, plan in enumerate(planned, start=1):
        place = directory / "runs" / plan.key
        kept = _kept(place)
        if kept is None or (retry and kept.failure):
            kept = _run(plan, place, device, _reporter(plan, number, len(planned), report))
        runs.append(kept)
    found = Findings(
        name=study.keys.name,
        matched_by=study.keys.match.by if study.keys.match else "",
        tasks=tuple(judged(name, task) for name, task in study.tasks.items()),
        runs=tuple(runs),
        directory=str(directory),
    )
    _write(directory / FINDINGS, _json(asdict(found)))
    return found


def _planned(study: Study, models: dict, load: Load) -> Iterator[_Planned]:
    keys = study.keys
    for name, task in study.tasks.items():
        plan = Plan(
            steps=study.steps(task), batch=keys.batch, weight_decay=keys.weight_decay, stop_above=keys.stop_above
        )
        for candidate in candidates(study, task, models, load):
            for lr in keys.lr:
                for seed in keys.seeds:
                    yield _Planned(candidate, name, task, plan, lr, seed)


def _run(planned: _Planned, place: Path, device: str | None, report: Callable[[int, int, float], None]) -> Run:
    names = planned.names
    model = planned.candidate.model
    try:
        score = learn(model, planned.task, planned.plan, lr=planned.lr, seed=planned.seed, device=device, report=report)
        run = Run(**names, sizes=planned.candidate.sizes, score=score)
    except Exception as failure:  # whatever it is, the other runs go on, and the study tells it
        run = Run(**names, sizes=planned.candidate.sizes, failure=str(unexpected(failure)))
    place.mkdir(parents=True, exist_ok=True)
    _write(place / SPEC_FILE, print_yaml(model).encode())
    _write(place / RESULT, _json(run.to_dict()))
    return run


def _kept(place: Path) -> Run | None:
    try:
        return Run.from_dict(json.loads((place / RESULT).read_text("utf-8")))
    except FileNotFoundError:
        return None


def _reporter(
    planned: _Planned, number: int, runs: int, report: Callable[[Step], None]
) -> Callable[[int, int, float], None]:
    def tell(step: int, steps: int, loss: float) -> None:
        report(Step(run=number, runs=runs, step=step, steps=steps, loss=loss, **planned.names))

    return tell


def judged(name: str, task: Task) -> Judged:
    """A task as its scores are to be read."""
    test = task.examples(task.test, 0, "test")
    return Judged(
        name=name,
        chance=task.chance,
        asked=int((test.labels != IGNORED).sum()),
        scored_by=task.scored_by,
        train=task.train,
        published_train=_published(task, "train"),
    )


def _published(task: Task, setting: str) -> Any:
    return next(field.default for field in fields(task) if field.name == setting)


def _json(plain: object) -> bytes:
    return json.dumps(plain, indent=1, ensure_ascii=False).encode()


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: an interrupted study leaves no half of a file."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)
