"""All runs of a study, one after the other or on Ray; each is kept when it is over and not run again."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from eulerstack import i18n
from eulerstack.ir.print import SPEC_FILE, print_yaml
from eulerstack.training.ablation.matching import Load, base_model
from eulerstack.training.ablation.planned import Planned, planned_runs
from eulerstack.training.ablation.record import Findings, Judged, Run
from eulerstack.training.ablation.study import Study
from eulerstack.training.tasks import IGNORED, Task

Engine = Literal["local", "ray"]
"""Where runs run: one after the other in this process, or each as a task of Ray."""

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


def run_study(
    study: Study,
    load: Load,
    directory: Path,
    *,
    engine: Engine = "local",
    retry: bool = False,
    device: str | None = None,
    report: Callable[[Step], None] = lambda step: None,
) -> Findings:
    """Every run of the study that `directory` does not hold yet, and what all of them found, in the study's order.

    With `retry` failed runs are run again. Raises EulerStackError, before the first run, for a spec that is wrong or
    cannot have a task's vocabulary and length, and for an engine that is not there.
    """
    if engine == "ray":
        from eulerstack.training.ablation.on_ray import check_installed

        check_installed()
    models = {variant.name: base_model(study, variant, load) for variant in study.variants()}
    planned = planned_runs(study, models, load)
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory / STUDY, study.source.text.encode())
    places = {each.number: directory / "runs" / each.key for each in planned}
    runs = {number: run for number, place in places.items() if (run := _kept(place))}
    waiting = [each for each in planned if each.number not in runs or (retry and runs[each.number].failure)]

    def keep(each: Planned, run: Run) -> None:
        runs[each.number] = run
        _keep(each, run, places[each.number])

    def tell(each: Planned, step: int, steps: int, loss: float) -> None:
        report(Step(run=each.number, runs=len(planned), step=step, steps=steps, loss=loss, **each.names))

    _carry_out(waiting, len(planned), engine, device, keep, tell)
    found = Findings(
        name=study.keys.name,
        matched_by=study.keys.match.by if study.keys.match else "",
        tasks=tuple(judged(name, task) for name, task in study.tasks.items()),
        runs=tuple(runs[each.number] for each in planned),
        directory=str(directory),
    )
    _write(directory / FINDINGS, _json(asdict(found)))
    return found


def _carry_out(
    waiting: Sequence[Planned],
    runs: int,
    engine: Engine,
    device: str | None,
    keep: Callable[[Planned, Run], None],
    tell: Callable[[Planned, int, int, float], None],
) -> None:
    """Run what waits, of a study of so many `runs`; each is kept as soon as it is over."""
    if engine == "ray" and waiting:
        from eulerstack.training.ablation.on_ray import carry_out_on_ray

        carry_out_on_ray(waiting, runs, device, keep, tell)
        return
    for each in waiting:
        keep(each, each.carry_out(device, lambda *told, each=each: tell(each, *told)))


def _keep(planned: Planned, run: Run, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    _write(place / SPEC_FILE, print_yaml(planned.candidate.model).encode())
    _write(place / RESULT, _json(run.to_dict()))


def _kept(place: Path) -> Run | None:
    try:
        return Run.from_dict(json.loads((place / RESULT).read_text("utf-8")))
    except FileNotFoundError:
        return None


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
