"""A study as its author writes it: YAML, every fault with its place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic import ValidationError as PydanticError

from eulerstack import i18n
from eulerstack.diagnostics import Diagnostic, Source, Span, collect, error
from eulerstack.diagnostics.suggest import nearest
from eulerstack.dsl import Mapping, Path, dotted, find, parse
from eulerstack.ir.yaml_text import dump
from eulerstack.schema.base import Keys, Size
from eulerstack.training.tasks import TASKS, ImpossibleTask, Task

Rate = Annotated[float, Field(gt=0, le=10)]
Measure = Literal["params", "flops", "state"]


class MatchKeys(Keys):
    """Which size is made equal, and to which number or whose size."""

    by: Measure = "params"
    size: Annotated[int | str, Field(union_mode="left_to_right")] | None = None


class StudyKeys(Keys):
    """What may stand in a study."""

    name: Annotated[str, Field(min_length=1)] = "study"
    specs: Annotated[dict[str, str | dict[str, Any]], Field(min_length=1)]
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}  # noqa: RUF012
    shrink: bool = False
    tasks: Annotated[dict[str, dict[str, Any] | None], Field(min_length=1)]
    match: MatchKeys | None = None
    lr: Annotated[list[Rate], Field(min_length=1)] = [1e-3]  # noqa: RUF012
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [0]  # noqa: RUF012
    steps: Size | None = None
    epochs: Size | None = None
    batch: Size = 128
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    stop_above: Annotated[float, Field(gt=0, le=1)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One spec of the study: what to load, and which keys of it the grid sets."""

    name: str
    spec: str | Source
    overrides: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Study:
    """A study that is well written. `tasks` by the author's names."""

    source: Source
    keys: StudyKeys
    tasks: dict[str, Task]

    def variants(self) -> Iterator[Variant]:
        """Every spec at every point of the grid, in the order of the text."""
        for name, spec in self.keys.specs.items():
            text = spec if isinstance(spec, str) else Source(f"{name}.yml", dump(spec), path=self.source.path)
            for point in product(*self.keys.grid.values()):
                overrides = dict(zip(self.keys.grid, point, strict=True))
                told = ", ".join(f"{path.rpartition('.')[2]}={value}" for path, value in overrides.items())
                yield Variant(name=f"{name} ({told})" if told else name, spec=text, overrides=overrides)

    @property
    def slug(self) -> str:
        """The study's name as a folder's."""
        return re.sub(r"[^\w.-]+", "-", self.keys.name).strip(".-") or "study"

    def steps(self, task: Task) -> int:
        """How many steps a run trains at most."""
        if self.keys.steps:
            return self.keys.steps
        return (self.keys.epochs or 1) * max(1, task.train // self.keys.batch)


def read_study(source: Source) -> Study:
    """The study of a text. Raises EulerStackError with everything that is wrong with it."""
    root = parse(source)
    keys = _read(root)
    tasks, found = _tasks(root, keys)
    found += _cross_checks(root, keys)
    if found:
        raise collect(found)
    return Study(source, keys, tasks)


def _read(root: Mapping) -> StudyKeys:
    try:
        return StudyKeys.model_validate(root.plain())
    except PydanticError as refused:
        faults = {tuple(_placed(root, fault["loc"])): fault["type"] for fault in refused.errors(include_url=False)}
        raise collect([_diagnostic(root, path, kind) for path, kind in faults.items()]) from None


def _placed(root: Mapping, location: tuple[str | int, ...]) -> Iterator[str | int]:
    """Pydantic's location as far as the text has it; the last step may be a key that is missing there."""
    path: Path = ()
    for step in location:
        here = find(root, path)
        inside = find(root, (*path, step)) is not None
        missing = len(location) == 1 and isinstance(here, Mapping)
        if not inside and not missing:
            return
        yield step
        path = (*path, step)


def _diagnostic(root: Mapping, path: Path, kind: str) -> Diagnostic:
    if kind == "missing":
        return Diagnostic(code="study-missing", span=root.span, params={"key": dotted(path)})
    if kind == "extra_forbidden":
        owner = MatchKeys if path[0] == "match" and len(path) > 1 else StudyKeys
        return _unknown(root, path, list(owner.model_fields))
    name = str(path[0]) if path else "specs"
    key = f"match.{path[1]}" if name == "match" and len(path) > 1 else name
    params = {"path": dotted(path), "expected": i18n.text("ablation", f"expected.{key}")}
    return Diagnostic(code="study-value", span=_span(root, path), params=params)


def _unknown(root: Mapping, path: Path, known: list[str]) -> Diagnostic:
    close = nearest(str(path[-1]), known)
    params = {"path": dotted(path), "known": ", ".join(known), "nearest": close}
    return Diagnostic(
        code="study-key", span=_key_span(root, path), params=params, fix="fix_nearest" if close else "fix"
    )


def _key_span(root: Mapping, path: Path) -> Span:
    holder = find(root, path[:-1])
    entry = holder.entry(str(path[-1])) if isinstance(holder, Mapping) else None
    return entry.key_span if entry else root.span


def _span(root: Mapping, path: Path) -> Span:
    node = find(root, path)
    return node.span if node else root.span


def _tasks(root: Mapping, keys: StudyKeys) -> tuple[dict[str, Task], list[Diagnostic]]:
    tasks: dict[str, Task] = {}
    found: list[Diagnostic] = []
    for name, written in keys.tasks.items():
        settings = dict(written or {})
        kind = settings.pop("task", name)
        place: Path = ("tasks", name)
        if kind not in TASKS:
            close = nearest(str(kind), TASKS)
            params = {"value": kind, "known": ", ".join(TASKS), "nearest": close}
            fix = "fix_nearest" if close else "fix"
            found.append(Diagnostic(code="study-task", span=_key_span(root, place), params=params, fix=fix))
            continue
        known = [field.name for field in fields(TASKS[kind])]
        unknown = [key for key in settings if key not in known]
        found += [_unknown(root, (*place, key), ["task", *known]) for key in unknown]
        wrong = [key for key, value in settings.items() if key not in unknown and not _fits(TASKS[kind], key, value)]
        expected = i18n.text("ablation", "expected.setting")
        found += [
            Diagnostic(
                code="study-value",
                span=_span(root, (*place, key)),
                params={"path": dotted((*place, key)), "expected": expected},
            )
            for key in wrong
        ]
        if unknown or wrong:
            continue
        try:
            tasks[name] = TASKS[kind](**settings)
        except ImpossibleTask as problem:
            params = {"task": name, "problem": str(problem)}
            found.append(Diagnostic(code="study-impossible", span=_span(root, place), params=params))
    return tasks, found


def _fits(task: type[Task], key: str, value: Any) -> bool:
    """Whether a setting has its default's type, and is no negative number."""
    default = next((field.default for field in fields(task) if field.name == key), None)
    if isinstance(default, str):
        return isinstance(value, str) and bool(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    number = whole or (isinstance(default, float) and isinstance(value, float))
    return number and (value > 0 or (value == 0 and key in ("noise", "noise_tokens", "map_seed", "power")))


def _cross_checks(root: Mapping, keys: StudyKeys) -> Iterator[Diagnostic]:
    if keys.steps and keys.epochs:
        yield Diagnostic(code="study-two-budgets", span=_span(root, ("epochs",)))
    size = keys.match.size if keys.match else None
    if isinstance(size, str) and size not in keys.specs:
        close = nearest(size, keys.specs)
        params = {"value": size, "known": ", ".join(keys.specs), "nearest": close}
        fix = "fix_nearest" if close else "fix"
        yield Diagnostic(code="study-size", span=_span(root, ("match", "size")), params=params, fix=fix)


def grid_path(path: str, plain: Any, variant: str) -> tuple[Any, str | int]:
    """Where a dotted path leads in a canonical spec: what holds its last key, and that key.

    Raises ValidationError where it leads nowhere.
    """
    steps = path.split(".")
    for index, step in enumerate(steps):
        key: str | int = int(step) if isinstance(plain, list) and step.isdigit() else step
        inside = key < len(plain) if isinstance(plain, list) and isinstance(key, int) else False
        if index == len(steps) - 1 and (isinstance(plain, dict) or inside):
            return plain, key
        if not (inside or (isinstance(plain, dict) and key in plain)):
            break
        plain = plain[key]
    raise error("study-grid", params={"path": path, "spec": variant})
