"""What an annotation of a Keys class says: kind, bounds, choices, nested keys.

Error messages and `eulerstack schema` read the same facts, so they cannot disagree.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic.fields import FieldInfo

from eulerstack.records import dataclass
from eulerstack.schema.base import AlsoText, Keys

Kind = Literal["integer", "number", "boolean", "string", "list", "mapping"]
_SCALARS: dict[type, Kind] = {bool: "boolean", int: "integer", float: "number", str: "string"}

UNSAID = 10**9
"""An upper bound this high is there for sanity alone: it is told only to those who exceed it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What may stand at one key.

    `choices` are enum values; `low` and `high` bounds, exclusive as `low_open` and `high_open` say; `lengths` the
    bounds of a list's length; `keys` the closed mappings that may stand here (several for a schedule entry); `item`
    what a list's items or a free mapping's values are; `nullable` whether null may stand here; `also_name` whether a
    template's name may stand instead of the list; `also_text` what a number may be written as besides.
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
    also_text: AlsoText | None = None

    @property
    def bounds(self) -> str:
        """The range as mathematics writes it: `≥ 1`, `∈ (0, 1]`; empty without bounds."""
        low, high = _number(self.low), _number(self.high)
        if self.low is not None and self.low == self.high:
            return f"= {low}"
        if self.low is None:
            return "" if self.high is None else f"{'<' if self.high_open else '≤'} {high}"
        if self.high is None or self.high >= UNSAID:
            return f"{'>' if self.low_open else '≥'} {low}"
        return f"∈ {'(' if self.low_open else '['}{low}, {high}{')' if self.high_open else ']'}"

    def bounds_against(self, value: object) -> str:
        """The bounds to tell the author of a value outside of them."""
        high = self.high
        unsaid = high is not None and high >= UNSAID and isinstance(value, int | float) and value > high
        return f"≤ {_number(high)}" if unsaid else self.bounds

    @property
    def range(self) -> str:
        """The bounds of the value, or of a list's items and its length: `≥ 1`, `∈ [0, 1); 2 ×`."""
        if self.kind != "list":
            return self.bounds
        low, high = self.lengths
        length = f"{low} ×" if low == high else f"≥ {low} ×" if low and self.item and not self.item.keys else ""
        return "; ".join(part for part in (self.item.range if self.item else "", length) if part)

    @property
    def word(self) -> str:
        """What an author writes, without its bounds: `integer`, `hf | byte`, `[string, …]`, `integer | "1.1B"`."""
        if self.kind in ("integer", "number"):
            return f'{self.kind} | "{self.also_text.example}"' if self.also_text else self.kind
        if self.kind == "list":
            items = f"[{self.item.word if self.item else '…'}, …]"
            return f"string | {items}" if self.also_name else items
        return self.spelling

    @property
    def spelling(self) -> str:
        """What an author writes, in words that every language shares: `integer ≥ 1`, `hf | byte`, `[string, …]`."""
        if self.choices:
            return " | ".join(self.choices)
        if self.kind == "mapping":
            return "{…}"
        if self.kind == "boolean":
            return "true | false"
        if self.kind == "list":
            items = f"[{self.item.spelling if self.item else '…'}, …]"
            return f"string | {items}" if self.also_name else items
        return f"{self.kind} {self.bounds}".rstrip()


def _number(value: float | None) -> str:
    return f"{value:g}".replace("e+0", "e").replace("e-0", "e-") if isinstance(value, float) else str(value)


def named_fields(keys: type[Keys]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a Keys class under the names that an author writes."""
    if not keys.__pydantic_fields_complete__:  # a class that names itself, until something needs it
        keys.model_rebuild()
    for name, info in keys.model_fields.items():
        yield info.alias or name, info


@cache
def field_facts(keys: type[Keys], name: str) -> Facts:
    """The facts of the key `name` of `keys`, as an author writes it. KeyError when there is no such key."""
    info = dict(named_fields(keys))[name]
    return _with_metadata(facts(cast(Hashable, info.annotation)), tuple(info.metadata))


@cache
def facts(annotation: Hashable) -> Facts:
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
        return _union(list(get_args(annotation)))
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


_BOUNDS: dict[str, Callable[[Facts, Any], Facts]] = {
    "ge": lambda known, value: replace(known, low=value),
    "gt": lambda known, value: replace(known, low=value, low_open=True),
    "le": lambda known, value: replace(known, high=value),
    "lt": lambda known, value: replace(known, high=value, high_open=True),
    "min_length": lambda known, value: replace(known, lengths=(value, known.lengths[1])),
    "max_length": lambda known, value: replace(known, lengths=(known.lengths[0], value)),
}
"""What each attribute of annotated_types' constraints says."""


def _with_metadata(known: Facts, metadata: tuple[Any, ...]) -> Facts:
    for item in metadata:
        if isinstance(item, FieldInfo):
            known = _with_metadata(known, tuple(item.metadata))
            continue
        if isinstance(item, AlsoText):
            known = replace(known, also_text=item)
        for name, change in _BOUNDS.items():
            if hasattr(item, name):
                known = change(known, getattr(item, name))
    return known
