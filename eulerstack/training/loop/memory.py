"""What a device that ran out of memory could have held."""

from collections.abc import Iterator
from pathlib import Path

from eulerstack.diagnostics import EulerStackError, Source, error
from eulerstack.dsl import resolve
from eulerstack.ir import Model
from eulerstack.ir.fitting import Remedy, fitting
from eulerstack.ir.lower import lower
from eulerstack.ir.print import SPEC_FILE
from eulerstack.ir.workload import Workload
from eulerstack.schema import check
from eulerstack.training.loop.settings import Settings

WAYS = {"checkpointing": "--checkpointing", "optimizer": "training_hints.optimizer=muon"}
"""What a user writes for a change; the loop holds no logits, and its weights are fp32 whatever the rest is in."""


def spec_model(directory: Path) -> Model:
    """The model of a compiled directory, from the resolved spec in it. Raises EulerStackError for a wrong one."""
    text = (directory / SPEC_FILE).read_text("utf-8")
    checked = check(resolve(Source(str(directory / SPEC_FILE), text), lambda name, source: source))
    if checked.spec is None:
        raise EulerStackError(*checked.diagnostics)
    return lower(checked.spec)


def out_of_memory(model: Model, settings: Settings, micro_batch: int, available: int) -> EulerStackError:
    """The error that says which changes would fit `available` bytes."""
    load = Workload.of(
        model,
        batch=micro_batch,
        seq=settings.length,
        dtype="float32",
        checkpointing=settings.checkpointing,
        skip_logits=True,
    )
    ways = list(_ways(fitting(model, load, available).remedies))
    params = {
        "micro_batch": micro_batch,
        "length": settings.length,
        "available": f"{available / 2**30:.1f} GiB",
        "remedies": "; ".join(ways),
    }
    return error("memory-exhausted", params=params, fix="fix" if ways else "fix_nothing")


def _ways(remedies: tuple[Remedy, ...]) -> Iterator[str]:
    for remedy in remedies:
        if set(remedy.changes) <= {*WAYS, "batch"}:
            words = [WAYS[change] for change in remedy.changes if change != "batch"]
            yield " ".join(words + ([f"--micro-batch {remedy.workload.batch}"] if "batch" in remedy.changes else []))
