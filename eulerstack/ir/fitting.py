"""Whether training fits a device, and which change makes it fit."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

from eulerstack.ir.nodes import Model
from eulerstack.ir.training_memory import TrainingMemory, training_memory
from eulerstack.ir.workload import Workload
from eulerstack.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """A workload that fits; `changes` are the keys of it that differ from what was asked."""

    changes: tuple[str, ...]
    workload: Workload
    memory: TrainingMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Training against `available` bytes. `remedies`: the fewest changes that suffice, each alone or together, in order
    of preference; none where it fits as it is, or where nothing helps.
    """

    available: int
    memory: TrainingMemory
    remedies: tuple[Remedy, ...]

    @property
    def fits(self) -> bool:
        """Whether it does as it is."""
        return self.memory.total <= self.available


def fitting(model: Model, load: Workload, available: int) -> Fit:
    """What becomes of training under a workload on a device with `available` bytes of memory."""
    memory = training_memory(model, load)
    remedies = () if memory.total <= available else tuple(_remedies(model, load, available))
    return Fit(available=available, memory=memory, remedies=remedies)


def _remedies(model: Model, load: Workload, available: int) -> list[Remedy]:
    """All combinations of the smallest number of changes that has any."""
    single = {change: value for change, value in CHANGES.items() if getattr(load, change) != value}
    names = [*single, *(["batch"] if load.batch > 1 else [])]
    for count in range(1, len(names) + 1):
        found = [remedy for some in combinations(names, count) for remedy in _tried(model, load, available, some)]
        if found:
            return found
    return []


CHANGES: dict[str, Any] = {"checkpointing": True, "skip_logits": True, "dtype": "bfloat16", "optimizer": "muon"}
"""What may be changed, and to what, the least intrusive first; after these the batch, to the largest that fits."""


def _tried(model: Model, load: Workload, available: int, names: tuple[str, ...]) -> Iterator[Remedy]:
    changed = replace(load, **{name: CHANGES[name] for name in names if name != "batch"})
    if "batch" in names:
        changed = replace(changed, batch=_largest_batch(model, changed, available))
    memory = training_memory(model, changed)
    if memory.total <= available:
        yield Remedy(changes=names, workload=changed, memory=memory)


def _largest_batch(model: Model, load: Workload, available: int) -> int:
    """The most sequences below `load.batch` that fit, and 1 at least."""
    fits, beyond = 1, load.batch
    while beyond - fits > 1:
        middle = (fits + beyond) // 2
        if training_memory(model, replace(load, batch=middle)).total <= available:
            fits = middle
        else:
            beyond = middle
    return fits
