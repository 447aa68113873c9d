"""What a model costs, in words and numbers."""

from collections.abc import Iterator

from eulerstack import i18n
from eulerstack.ir.cost import Cost
from eulerstack.ir.fitting import Fit, Remedy
from eulerstack.ir.training_memory import TrainingMemory
from eulerstack.ir.workload import Workload
from eulerstack.results.shown import short, size


def operations(number: float) -> str:
    """`8.07G`, `312M`: operations in SI's own letters, the same in every language."""
    return short(round(number)).replace("B", "G")


def cost_facts(cost: Cost) -> Iterator[tuple[str, str]]:
    """Operations, cache and memory of training: a label and what it says."""
    load, flops = cost.workload, cost.flops.kernels
    named = {name: operations(getattr(flops, name)) for name in ("training", "prefill", "decode")}
    yield _label("flops"), _label("flops-line", tokens=load.seq, **named)
    told = {"token": size(cost.cache.per_token), "full": size(cost.cache.at_seq), "tokens": load.seq}
    yield _label("cache"), _label("cache-line", **told)
    yield _label("memory"), f"{_memory_line(cost.memory)} ({workload_words(load)})"


def fit_facts(fit: Fit) -> Iterator[tuple[str, str]]:
    """Whether training fits, and each set of changes that makes it fit."""
    available, total = _device(fit.available), size(fit.memory.total)
    if fit.fits:
        yield _label("fits", available=available), _label("fits-yes", total=total)
        return
    yield _label("fits", available=available), _label("fits-no", total=total)
    for remedy in fit.remedies:
        yield _label("fits-with"), f"{remedy_words(remedy)} → {size(remedy.memory.total)}"
    if not fit.remedies:
        yield "", _label("fits-never")


def remedy_words(remedy: Remedy) -> str:
    """The changes as keys and values: `checkpointing: true + batch: 4`."""
    return " + ".join(f"{key}: {_value(getattr(remedy.workload, key))}" for key in remedy.changes)


def workload_words(load: Workload) -> str:
    """The workload as keys and values."""
    keys = ("batch", "seq", "dtype", "optimizer", "checkpointing")
    return ", ".join(f"{key}: {_value(getattr(load, key))}" for key in keys)


def _device(available: int) -> str:
    """A device's memory as it is sold, in decimal units: `24 GB (22.4 GiB)`."""
    return f"{available / 10**9:.4g} GB ({size(available)})"


def _memory_line(memory: TrainingMemory) -> str:
    parts = ("weights", "gradients", "optimizer", "activations", "logits")
    told = " + ".join(f"{_label(f'memory-{part}')} {size(getattr(memory, part))}" for part in parts)
    return f"{size(memory.total)} = {told}"


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _label(key: str, **params: object) -> str:
    return i18n.text("explain", key, **params)
