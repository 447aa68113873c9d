"""What a study's runs add up to: who is ahead on each task, and how far that can be trusted."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eulerstack.training.ablation.record import Findings, Judged, Run, Sizes

FEWEST_SEEDS = 3
ALIKE = 1.1
"""Sizes up to so many times each other pass for equal."""

SURE = 3.0
"""Standard errors above chance from which on a score is more than guessing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One spec on one task at its best learning rate: mean score and standard deviation over seeds.

    `mean` is None where no run finished; then nothing else is known but the sizes. `seconds` of one run, of training.
    """

    spec: str
    lr: float | None = None
    mean: float | None = None
    spread: float | None = None
    seeds: int = 0
    sizes: Sizes | None = None
    seconds: float = 0.0
    tokens: float = 0.0
    tokens_per_second: float = 0.0
    memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """A reason to trust the study less: the name of a text, and what fills it."""

    key: str
    params: dict[str, str]


def by_rate(findings: Findings, task: str, spec: str) -> dict[float, list[Run]]:
    """A spec's finished runs on a task by learning rate, the smallest first."""
    runs = [run for run in findings.runs if run.task == task and run.spec == spec and run.score]
    return {lr: [run for run in runs if run.lr == lr] for lr in sorted({run.lr for run in runs})}


def standings(findings: Findings, task: Judged) -> list[Standing]:
    """Every spec on a task, the best first, those without a finished run last."""
    found = [_standing(findings, task, spec) for spec in findings.specs]
    sign = 1 if task.lower_is_better else -1
    return sorted(found, key=lambda standing: math.inf if standing.mean is None else sign * standing.mean)


def mean_ranks(findings: Findings) -> dict[str, float]:
    """Each spec's place on the tasks where any run of it finished, averaged, the best first."""
    places: dict[str, list[int]] = {}
    for task in findings.tasks:
        finished = [standing for standing in standings(findings, task) if standing.mean is not None]
        for place, standing in enumerate(finished, start=1):
            places.setdefault(standing.spec, []).append(place)
    ranks = {spec: statistics.fmean(found) for spec, found in places.items()}
    return dict(sorted(ranks.items(), key=lambda item: item[1]))


def scores(runs: Sequence[Run]) -> list[float]:
    """The scores of finished runs."""
    return [run.score.score for run in runs if run.score]


def spread(values: Sequence[float]) -> float | None:
    """Their standard deviation; of a single one nothing is known."""
    return statistics.stdev(values) if len(values) > 1 else None


def _standing(findings: Findings, task: Judged, spec: str) -> Standing:
    rates = by_rate(findings, task.name, spec)
    sizes = next((run.sizes for run in findings.runs if run.spec == spec and run.task == task.name), None)
    if not rates:
        return Standing(spec=spec, sizes=sizes)
    sign = -1 if task.lower_is_better else 1
    lr = max(rates, key=lambda rate: sign * statistics.fmean(scores(rates[rate])))
    finished = [run.score for run in rates[lr] if run.score]
    values = [score.score for score in finished]
    return Standing(
        spec=spec,
        lr=lr,
        mean=statistics.fmean(values),
        spread=spread(values),
        seeds=len(values),
        sizes=sizes,
        seconds=statistics.fmean(score.seconds for score in finished),
        tokens=statistics.fmean(score.tokens for score in finished),
        tokens_per_second=statistics.fmean(score.tokens_per_second for score in finished),
        memory=max((score.memory for score in finished if score.memory), default=None),
    )


def concerns(findings: Findings) -> list[Concern]:
    """Every reason to trust the study less, those about the whole first."""
    return [*_about_runs(findings), *(concern for task in findings.tasks for concern in _about_task(findings, task))]


def _about_runs(findings: Findings) -> Iterator[Concern]:
    seeds, rates = ({getattr(run, name) for run in findings.runs} for name in ("seed", "lr"))
    if len(seeds) < FEWEST_SEEDS:
        yield Concern(key="few-seeds", params={"seeds": str(len(seeds)), "least": str(FEWEST_SEEDS)})
    if len(rates) == 1:
        yield Concern(key="one-rate", params={"lr": f"{next(iter(rates)):g}"})
    failed = sum(1 for run in findings.runs if run.failure)
    if failed:
        yield Concern(key="failed", params={"failed": str(failed), "runs": str(len(findings.runs))})


def _about_task(findings: Findings, task: Judged) -> Iterator[Concern]:
    found = standings(findings, task)
    by = findings.matched_by or "params"
    sizes = [getattr(standing.sizes, by) for standing in found if standing.sizes]
    if len(sizes) > 1 and max(sizes) > ALIKE * max(1, min(sizes)):
        ratio = f"{max(sizes) / max(1, min(sizes)):.2f}"
        yield Concern(key="uneven", params={"task": task.name, "by": by, "ratio": ratio})
    if task.train < task.published_train:
        numbers = {"rows": f"{task.train:,}", "published": f"{task.published_train:,}"}
        yield Concern(key="few-rows", params={"task": task.name, **numbers})
    guessing = [each.spec for each in found if each.mean is not None and at_chance(task, each.mean)]
    if guessing:
        yield Concern(key="chance", params={"task": task.name, "specs": ", ".join(guessing)})
    edge = [f"{each.spec} ({each.lr:g})" for each in found if each.lr is not None and _at_edge(findings, task, each)]
    if edge:
        yield Concern(key="edge", params={"task": task.name, "specs": ", ".join(edge)})
    finished = [standing for standing in found if standing.mean is not None]
    if len(finished) > 1 and _tied(*finished[:2]):
        params = {"task": task.name, "first": finished[0].spec, "second": finished[1].spec}
        yield Concern(key="tie", params=params)


def _at_edge(findings: Findings, task: Judged, standing: Standing) -> bool:
    """Whether a spec was best at the smallest or the largest of several learning rates."""
    tried = {run.lr for run in findings.runs if run.task == task.name and run.spec == standing.spec}
    return len(tried) > 1 and standing.lr in (min(tried), max(tried))


def at_chance(task: Judged, score: float) -> bool:
    """Whether a score may be guessing: within three standard errors of chance, or no better than the unigram loss."""
    if task.lower_is_better:
        return score >= task.chance
    return score < task.chance + SURE * math.sqrt(task.chance * (1 - task.chance) / task.asked)


def _tied(first: Standing, second: Standing) -> bool:
    """Whether the two means are nearer than their spreads, where spreads are known."""
    if first.mean is None or second.mean is None or first.spread is None or second.spread is None:
        return False
    return abs(first.mean - second.mean) <= first.spread + second.spread
