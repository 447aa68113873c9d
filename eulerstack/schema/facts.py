"""What an annotation of a Keys class says: kind, bounds, choices, nested keys.

Error messages and `eulerstack schema` read the same facts, so they cannot disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from eulerstack.schema.base import Keys

Kind = Literal["integer", "number", "boolean", "string", "list", "mapping"]
_SCALARS: dict[type, Kind] = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What may stand at one key.

    `choices` are enum values; `low` and `high` bounds, exclusive as `low_open` and `high_open` say; `lengths` the
    bounds of a list's length; `keys` the closed mappings that may stand here (several for a schedule entry); `item`
    what a list's items or a free mapping's values are; `nullable` whether null is a value of its own.
    """

    kind: Kind
    choices: tuple[str, ...] = ()
    low: float | None = None
    low_open: bool = False
    high: float | None = None
    high_open: bool = False
    lengths: tuple[int, int | None] = (0, None)
    keys: tuple[type[Keys], ...] = ()
    item: "Facts | None" = None
    nullable: bool = False
    also_name: bool = False

    @property
    def bounds(self) -> str:
        """The range as mathematics writes it: `≥ 1`, `in (0, 1]`; empty without bounds."""
        low, high = _number(self.low), _number(self.high)
        if self.low is None:
            return "" if self.high is None else f"{'<' if self.high_open else '≤'} {high}"
        if self.high is None or self.high >= 10**9:
            return f"{'>' if self.low_open else '≥'} {low}"
        return f"∈ {'(' if self.low_open else '['}{low}, {high}{')' if self.high_open else ']'}"


def _number(value: float | None) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def named_fields(keys: type[Keys]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a Keys class under the names that an author writes."""
    for name, info in keys.model_fields.items():
        yield info.alias or name, info


@cache
def field_facts(keys: type[Keys], name: str) -> Facts:
    """The facts of the key `name` of `keys`, as an author writes it. KeyError when there is no such key."""
    info = dict(named_fields(keys))[name]
    return _with_metadata(facts(info.annotation), tuple(info.metadata))


@cache
def facts(annotation: Any) -> Facts:
    """The facts of a type annotation built from scalars, Literal, list, dict, Keys, Annotated and unions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        return _with_metadata(facts(inner), tuple(metadata))
    if origin is Literal:
        return Facts("string", choices=tuple(str(choice) for choice in get_args(annotation)))
    if origin is list:
        return Facts("list", item=facts(get_args(annotation)[0]))
    if origin is dict:
        return Facts("mapping", item=facts(get_args(annotation)[1]))
    if origin in (Union, UnionType):
        return _union([arm for arm in get_args(annotation)])
    if annotation in _SCALARS:
        return Facts(_SCALARS[annotation])
    if isinstance(annotation, type) and issubclass(annotation, Keys):
        return Facts("mapping", keys=(annotation,))
    raise TypeError(f"the schema has no word for {annotation!r}")


def _union(arms: list[Any]) -> Facts:
    found = [facts(arm) for arm in arms if arm is not NoneType]
    nullable = len(found) < len(arms)
    if len(found) == 1:
        return replace(found[0], nullable=nullable)
    if all(arm.keys for arm in found):
        return Facts("mapping", keys=tuple(keys for arm in found for keys in arm.keys), nullable=nullable)
    listed = next(arm for arm in found if arm.kind == "list")
    return replace(listed, also_name=True, nullable=nullable)


def _with_metadata(known: Facts, metadata: tuple[Any, ...]) -> Facts:
    for item in metadata:
        match item:
            case FieldInfo():
                known = _with_metadata(known, tuple(item.metadata))
            case annotated_types.Ge(ge=value):
                known = replace(known, low=value)
            case annotated_types.Gt(gt=value):
                known = replace(known, low=value, low_open=True)
            case annotated_types.Le(le=value):
                known = replace(known, high=value)
            case annotated_types.Lt(lt=value):
                known = replace(known, high=value, high_open=True)
            case annotated_types.MinLen(min_length=value):
                known = replace(known, lengths=(value, known.lengths[1]))
            case annotated_types.MaxLen(max_length=value):
                known = replace(known, lengths=(known.lengths[0], value))
    return known
