"""A row of the table: one key, specs that differ in it alone, and what must differ between the models they mean."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from eulerstack.schema.template import TemplateKeys
from tests.runtime.models.layers import layer
from tests.runtime.models.sections import spec

Plain = dict[str, Any]
Effect = Callable[[Any], Any]

UNWRITTEN = object()
"""As a value: the key does not stand in the spec."""

OVERRIDE = "layer_schedule.override."
NAMED = ("mixer.branched.factors",)
"""Mappings whose keys are names that an author chooses."""


@dataclass(frozen=True)
class Row:
    """`specs` differ in `key`; what `effect` sees of any two of them differs."""

    key: str
    effect: Effect
    specs: tuple[Plain, ...]
    slow: bool = False

    @property
    def values(self) -> list[Any]:
        """What each spec has at the key."""
        return [value_at(plain, self.key) for plain in self.specs]


def of(place: str, effect: Effect, base: Plain, /, *, slow: bool = False, **values: tuple) -> Iterator[Row]:
    """A row for each key below `place` (empty: the root); its values stand in `base` one after the other."""
    for name, each in values.items():
        # `from` is no name of Python's, and an override's keys have a dot
        name = name.rstrip("_").replace("__", ".")
        yield row(f"{place}.{name}".lstrip("."), effect, base, *each, slow=slow)


def row(key: str, effect: Effect, base: Plain, /, *values: Any, at: str | None = None, slow: bool = False) -> Row:
    """The row of one key. `at` names the section that the values are, where other keys must change with the key."""
    return Row(key, effect, tuple(put(base, at or key, value) for value in values), slow)


def one(template: Plain | None = None, **sections: Any) -> Plain:
    """A spec of a single layer."""
    return spec({"a": template or layer()}, [{"template": "a"}], **sections)


def put(base: Plain, key: str, value: Any) -> Plain:
    """A copy of the spec with this value at the key, in the first template, entry, mode or column that has it."""
    plain = deepcopy(base)
    steps = steps_to(key)
    holder: Any = plain
    for step in steps[:-1]:
        holder = _below(holder, step, create=True)
    if isinstance(holder, list):
        holder = next((item for item in holder if steps[-1] in item), holder[0])
    if value is UNWRITTEN:
        holder.pop(steps[-1], None)
    else:
        holder[steps[-1]] = deepcopy(value)
    return plain


def value_at(plain: Plain, key: str) -> Any:
    """What stands at the key; UNWRITTEN where it does not."""
    here: Any = plain
    for step in steps_to(key):
        here = _below(here, step)
        if here is UNWRITTEN:
            break
    return here


def steps_to(key: str) -> list[str]:
    """The keys from a spec's root on. A template's sections stand in a template, a name in `NAMED` is the first."""
    if key.startswith(OVERRIDE):
        return ["layer_schedule", "override", key.removeprefix(OVERRIDE)]
    steps: list[str] = ["layer_templates", "*"] if key.split(".")[0] in TemplateKeys.model_fields else []
    place = ""
    for step in key.split("."):
        steps += ["*"] if place in NAMED else []
        place = f"{place}.{step}" if place else step
        steps.append(step)
    return steps


def _below(holder: Any, step: str, *, create: bool = False) -> Any:
    if isinstance(holder, list):
        holder = next((item for item in holder if step in item), holder[0])
    if step == "*":
        return next(iter(holder.values()))
    return holder.setdefault(step, {}) if create else holder.get(step, UNWRITTEN)
