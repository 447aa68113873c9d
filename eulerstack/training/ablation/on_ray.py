"""The runs of a study as tasks of Ray: as many at a time as this machine, or the cluster that is reached, holds.

What goes to a worker is whole: the model, not the name of a spec, and the task with its settings. A text that a task
reads must stand under the same path on every machine of a cluster. Results are kept where the study was begun.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eulerstack import i18n
from eulerstack.diagnostics import error, unexpected
from eulerstack.training.ablation.planned import Planned
from eulerstack.training.ablation.record import Run
from eulerstack.training.tasks.text import Text

Told = tuple[int, int, int, float]
"""The number of a run, its step, of how many, and training loss."""

PERIOD = 0.5
"""Seconds between two reports of a run, and between two looks at them."""


def check_installed() -> None:
    """Raise CompileError where Ray is not."""
    if find_spec("ray") is None:
        raise error("engine-needs", params={"package": "ray"})


def carry_out_on_ray(
    waiting: Sequence[Planned],
    runs: int,
    device: str | None,
    keep: Callable[[Planned, Run], None],
    tell: Callable[[Planned, int, int, float], None],
) -> None:
    """Run what waits, of a study of so many `runs`; `keep` takes each as soon as it is over, in whatever order.

    A run whose process dies has failed and is not tried again. An interruption keeps what is over by then and ends the
    rest. Raises CompileError where Ray does not start or answer.
    """
    with _cluster() as ray:
        needs, place = _needs([node["Resources"] for node in ray.nodes() if node["Alive"]], runs, device)
        board = ray.remote(num_cpus=0)(_Board).remote()
        task = ray.remote(max_retries=0, **needs)(_carried_out)
        tasks = {task.remote(_travelling(each), place, i18n.language(), board): each for each in waiting}
        numbered = {each.number: each for each in waiting}

        def collect(over: Sequence[Any]) -> None:
            for reference in over:
                each = tasks[reference]
                try:
                    run = ray.get(reference)
                except ray.exceptions.RayError as failure:
                    run = each.failed(failure)
                keep(each, run)
                del tasks[reference]

        def listen() -> None:
            for number, *told in ray.get(board.take.remote()):
                tell(numbered[number], *told)

        try:
            while tasks:
                over, _ = ray.wait(list(tasks), timeout=PERIOD)
                listen()
                collect(over)
        finally:
            over, rest = ray.wait(list(tasks), num_returns=len(tasks), timeout=0) if tasks else ([], [])
            collect(over)
            for reference in rest:
                ray.cancel(reference, force=True)


class _Board:
    """Where runs write how far they are, in a process of its own, and the study reads it."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    def put(self, told: Told) -> None:
        self.told.append(told)

    def take(self) -> list[Told]:
        told, self.told = self.told, []
        return told


def _carried_out(planned: Planned, device: str | None, language: str, board: Any) -> Run:
    """A run in a worker: its first step, its last, and those between now and then are reported."""
    import ray

    due, said = 0.0, []

    def report(step: int, steps: int, loss: float) -> None:
        nonlocal due, said
        if step in (1, steps) or time.monotonic() >= due:
            due, said = time.monotonic() + PERIOD, [board.put.remote((planned.number, step, steps, loss))]

    with i18n.speaking(language):
        run = planned.carry_out(device, report)
    ray.wait(said)  # whoever takes the result has heard of its last step
    return run


def _needs(nodes: Sequence[Mapping[str, float]], runs: int, device: str | None) -> tuple[dict[str, int], str | None]:
    """What a run takes of a machine, and the device that it finds there: one GPU where there are GPUs and no other
    device is asked for, else as many cores as all runs of the study at once would leave each, at least one.
    """
    with_gpu = [node for node in nodes if node.get("GPU", 0) >= 1]
    if with_gpu and (device is None or device.startswith("cuda")):
        cores = min(int(node.get("CPU", 1) // node["GPU"]) for node in with_gpu)
        return {"num_gpus": 1, "num_cpus": max(1, cores)}, "cuda"
    cores_of = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1] or [1]
    return {"num_cpus": max(1, min(*cores_of, sum(cores_of) // runs))}, device


def _travelling(planned: Planned) -> Planned:
    """The run with its text's place written out in full: a worker may stand in another folder."""
    task = planned.task
    if isinstance(task, Text) and Path(task.data).exists():
        return replace(planned, task=replace(task, data=str(Path(task.data).resolve())))
    return planned


@contextmanager
def _cluster() -> Iterator[Any]:
    """Ray, started or reached as its own environment says (RAY_ADDRESS), and left as it was found."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers about this machine
    import ray

    begun = ray.is_initialized()
    if not begun:
        try:
            _begin(ray)
        except Exception as failure:  # whatever hinders Ray
            raise error("engine-unavailable", params={"reason": unexpected(failure)}) from failure
    try:
        yield ray
    finally:
        if not begun:
            ray.shutdown()


def _begin(ray: Any) -> None:
    """Start Ray, or reach it. Its start may take 30 seconds, which is short where much else runs: it is tried twice."""
    for attempt in (1, 2):
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
            return
        except Exception:
            ray.shutdown()
            if attempt == 2 or "RAY_ADDRESS" in os.environ:
                raise
