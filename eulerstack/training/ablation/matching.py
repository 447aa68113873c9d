"""The models of a study: each spec made to fit a task, and all of one size."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from eulerstack.diagnostics import Source
from eulerstack.ir.canonical import lowered
from eulerstack.ir.cost import decoding_state, flops
from eulerstack.ir.nodes import Model
from eulerstack.ir.print import to_plain
from eulerstack.ir.shrink import shrink
from eulerstack.ir.totals import count
from eulerstack.ir.width import UnevenWidth, at_width
from eulerstack.ir.workload import Workload
from eulerstack.ir.yaml_text import dump
from eulerstack.training.ablation.record import Sizes
from eulerstack.training.ablation.study import Measure, Study, Variant, grid_path
from eulerstack.training.tasks import Task

Load = Callable[[str | Source], Model]
"""From what names a spec, or is one, to its model. Raises EulerStackError for a wrong one."""

WIDTH_STEP = 8
WIDEST = 4096
NEAR = 3
"""Of so many widths the ffns are fitted."""

LARGEST_FACTOR = 2.0
"""Ffns become at most 4 times as wide, or narrow: the logarithm to base 2."""

HALVINGS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model that is to learn a task."""

    name: str
    model: Model
    sizes: Sizes


def base_model(study: Study, variant: Variant, load: Load) -> Model:
    """A variant's model before it is fitted to a task. Raises EulerStackError for a wrong spec or grid."""
    model = load(variant.spec)
    if study.keys.shrink:
        model = shrink(model)
    if not variant.overrides:
        return model
    plain = to_plain(model)
    for path, value in variant.overrides.items():
        holder, key = grid_path(path, plain, variant.name)
        holder[key] = value
    return _loaded(plain, variant.name, load)


def candidates(study: Study, task: Task, models: dict[str, Model], load: Load) -> list[Candidate]:
    """All variants for a task: its vocabulary and length, and the width whose size comes nearest to what is asked.

    Raises EulerStackError where a spec cannot have the task's vocabulary or length.
    """
    fitted = {name: _fitted(model, task, name, load) for name, model in models.items()}
    sizes = {name: measured(model, task, study.keys.batch) for name, model in fitted.items()}
    wanted = target(study, sizes)
    if wanted is not None:
        by = study.keys.match.by if study.keys.match else "params"
        fitted = {name: nearest_size(model, by, wanted, task) for name, model in fitted.items()}
    return [
        Candidate(name=name, model=model, sizes=measured(model, task, study.keys.batch))
        for name, model in fitted.items()
    ]


def target(study: Study, sizes: dict[str, Sizes]) -> int | None:
    """The size that all are to have: the number written, that of a named spec, or of the first; None: as they are."""
    match = study.keys.match
    if match is None:
        return None
    if isinstance(match.size, int):
        return match.size
    first = next(iter(sizes))
    named = next((name for name in sizes if name == match.size or name.startswith(f"{match.size} (")), first)
    return int(getattr(sizes[named], match.by))


def measured(model: Model, task: Task, batch: int) -> Sizes:
    """A model's sizes at the task's length."""
    load = Workload.of(model, seq=task.length, batch=batch, dtype="float32", checkpointing=False)
    return Sizes(
        params=count(model).total,
        flops=flops(model, load).kernels.training,
        state=decoding_state(replace(model, dtype="float32"), task.length).at_seq,
        width=model.d_model,
    )


def nearest_size(model: Model, by: Measure, wanted: int, task: Task) -> Model:
    """The model at the width whose size is nearest to `wanted`, its ffns then made wider or narrower to come nearer.

    Widths where a head or a group would be cut are left out, so that ffns do the rest; a state has no ffn.
    """

    def miss(candidate: Model) -> float:
        return _miss(_size(candidate, by, task), wanted)

    around = sorted([model, *_wide(model, by, wanted, task)], key=miss)[:NEAR]
    return around[0] if by == "state" else min((_fit_ffn(each, by, wanted, task) for each in around), key=miss)


def _wide(model: Model, by: Measure, wanted: int, task: Task) -> Iterator[Model]:
    """The model at every width up to the first that is twice as large as wanted."""
    for width in range(WIDTH_STEP, max(WIDEST, model.d_model) + 1, WIDTH_STEP):
        try:
            wide = at_width(model, width)
        except UnevenWidth:
            continue
        yield wide
        if _size(wide, by, task) > 2 * wanted:
            return


def _fit_ffn(model: Model, by: Measure, wanted: int, task: Task) -> Model:
    """The model with its ffns scaled, by a factor found by bisection, to the size that comes nearest."""
    low, high = -LARGEST_FACTOR, LARGEST_FACTOR
    best = model
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        scaled = _with_ffn(model, 2**middle)
        size = _size(scaled, by, task)
        if _miss(size, wanted) < _miss(_size(best, by, task), wanted):
            best = scaled
        low, high = (middle, high) if size < wanted else (low, middle)
    return best


def _with_ffn(model: Model, factor: float) -> Model:
    """The model with every ffn and expert `factor` times as wide, in whole steps."""
    plain = to_plain(model)

    def scale(container: dict[str, Any], *keys: str) -> None:
        for key in keys:
            if container.get(key):
                container[key] = max(1, round(container[key] * factor / WIDTH_STEP)) * WIDTH_STEP

    plain["model"].pop("target_params", None)
    for template in plain["layer_templates"].values():
        scale(template["ffn"], "d_ff")
        scale(template["ffn"].get("moe", {}), "d_expert", "d_shared")
    return lowered(plain, "matching")


def _size(model: Model, by: Measure, task: Task) -> int:
    if by == "params":
        return count(model).total
    if by == "state":
        return decoding_state(replace(model, dtype="float32"), task.length).at_seq
    return flops(model, Workload.of(model, seq=task.length, checkpointing=False)).kernels.training


def _miss(size: int, wanted: int) -> float:
    return max(size, wanted) / max(1, min(size, wanted))


def _fitted(model: Model, task: Task, name: str, load: Load) -> Model:
    plain = to_plain(model)
    plain["model"] |= {"vocab_size": task.vocab_size, "max_seq_len": max(model.max_seq_len, task.length)}
    plain["model"].pop("target_params", None)
    plain["tokenizer_contract"] = {"type": "byte"}  # nothing is tokenised, so none is written
    return _loaded(plain, name, load)


def _loaded(plain: dict[str, Any], name: str, load: Load) -> Model:
    return load(Source(f"{name}.yml", dump(plain)))
