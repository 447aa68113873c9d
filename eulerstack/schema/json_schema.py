"""The language as a JSON Schema (2020-12), for editors: made from the facts that errors and `schema` read.

It says of each key what can be said without the others, and which sub-object a `type` names. A number may be a
`${ expr }`, an optional key null. In a spec that `extends` another nothing is required but in lists: mappings merge.
"""

from collections.abc import Iterator
from typing import Any

from eulerstack import i18n
from eulerstack.schema.base import Keys
from eulerstack.schema.describe import ROOT, describe, joined, plain_default
from eulerstack.schema.facts import Facts, field_facts, named_fields
from eulerstack.schema.ffn.moe import Moe
from eulerstack.schema.mixers import MIXERS
from eulerstack.schema.prepare import PREFIXES
from eulerstack.schema.sources import source_of
from eulerstack.schema.spec import RootKeys

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXPRESSION = r"^\$\{.*\}$"

Schema = dict[str, Any]


def json_schema(path: str = "") -> Schema:
    """The schema of a whole spec, or of what stands at a path of the language, its texts in the current language.

    Raises ValidationError for a path that leads nowhere.
    """
    place = describe(path).path
    writer = _Writer()
    whole = writer.mapping(ROOT, "", listed=False)
    title = {
        "$schema": DIALECT,
        "title": place or "EulerStack YAML",
        "description": i18n.text("schema", place or "root"),
    }
    if not place:
        return {**title, **whole, "$defs": writer.definitions}
    return {**title, **writer.places[place], "$defs": writer.definitions}


class _Writer:
    """One schema under way: `definitions` of closed mappings, and the schema of every place, by path."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self.places: dict[str, Schema] = {}

    def value(self, known: Facts, place: str, *, listed: bool, optional: bool = False) -> Schema:
        """What may stand where `known` says; `listed`: below a list, where nothing is inherited; `optional`: or null.

        One schema without alternatives, so that an editor marks the fault itself and not what holds it.
        """
        if known.keys:
            return self._closed(known, place, listed=listed, optional=optional)
        if known.kind == "list":
            return self._list(known, place, optional=optional)
        if known.kind == "mapping":
            item = self.value(known.item, place, listed=listed) if known.item else {}
            size = {"minProperties": known.lengths[0]} if known.lengths[0] else {}
            return {"type": _types("object", optional), "additionalProperties": item, **size}
        return _scalar(known, optional)

    def _list(self, known: Facts, place: str, *, optional: bool) -> Schema:
        low, high = known.lengths
        items = self.value(known.item, place, listed=True) if known.item else {}
        lengths = ({"minItems": low} if low else {}) | ({} if high is None else {"maxItems": high})
        name = {"type": ["array", "string"], "minLength": 1} if known.also_name else {}
        return {"type": _types("array", optional), "items": items, **lengths, **name}

    def _closed(self, known: Facts, place: str, *, listed: bool, optional: bool) -> Schema:
        """References to the definitions of the mappings that may stand here, each made once."""
        references = []
        for keys in known.keys:
            name = f"layer_schedule-{next(_required(keys))}" if len(known.keys) > 1 else place or "template"
            if name not in self.definitions:
                self.definitions[name] = {}  # a group holds groups
                mapping = self.mapping(Facts("mapping", keys=(keys,)), place, listed=listed)
                self.definitions[name] = mapping | {"type": _types("object", optional)}
            references.append({"$ref": f"#/$defs/{name}"})
        return references[0] if len(references) == 1 else {"oneOf": references}

    def mapping(self, known: Facts, place: str, *, listed: bool) -> Schema:
        """A closed mapping with its keys."""
        (keys,) = known.keys
        properties = dict(self._properties(keys, place, listed=listed))
        schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        schema |= _reserved(place) | _sub_objects(place)
        required = list(_required(keys))
        if required and listed:
            schema["required"] = required
        if keys is RootKeys:
            schema |= {"if": {"not": {"required": ["extends"]}}, "then": self._complete(known, "")}
        return schema

    def _properties(self, keys: type[Keys], place: str, *, listed: bool) -> Iterator[tuple[str, Schema]]:
        nested: dict[str, dict[str, Schema]] = {}
        for name, info in named_fields(keys):
            here = joined(place, keys, name)
            below = here if here != "layer_templates" else ""
            schema = self.value(field_facts(keys, name), below, listed=listed, optional=not info.is_required())
            default = None if info.is_required() else plain_default(info)
            self.places[here] = schema
            schema = {"title": here, "description": _description(here), **schema}
            yield name, schema if default is None else {**schema, "default": default}
            if "." in name:  # an override's keys may be nested too
                section, _, key = name.partition(".")
                nested.setdefault(section, {})[key] = schema
        for section, inner in nested.items():
            yield section, {"type": "object", "properties": inner, "additionalProperties": False}

    def _complete(self, known: Facts, place: str) -> Schema:
        """What a spec that extends nothing must have, in every mapping that is not below a list."""
        (keys,) = known.keys
        inner = {}
        for name, _ in named_fields(keys):
            here, facts = joined(place, keys, name), field_facts(keys, name)
            item = facts.item if facts.kind == "mapping" and facts.item else None
            if len(facts.keys) == 1 and facts.kind == "mapping":
                inner[name] = self._complete(facts, here)
            elif item and len(item.keys) == 1:
                below = self._complete(item, "" if here == "layer_templates" else here)
                inner[name] = {"additionalProperties": below} if below else {}
        required = list(_required(keys))
        inner = {name: schema for name, schema in inner.items() if schema}
        return ({"required": required} if required else {}) | ({"properties": inner} if inner else {})


def _required(keys: type[Keys]) -> Iterator[str]:
    return (name for name, info in named_fields(keys) if info.is_required())


def _types(name: str, optional: bool) -> str | list[str]:
    """An optional key may be null, which means unwritten."""
    return [name, "null"] if optional else name


def _scalar(known: Facts, optional: bool) -> Schema:
    if known.choices:
        return {"enum": [*known.choices, None] if optional else list(known.choices)}
    if known.kind in ("integer", "number"):
        pattern = f"{EXPRESSION}|{known.also_text.pattern}" if known.also_text else EXPRESSION
        types = [known.kind, "string", *(["null"] if optional else [])]
        return {"type": types, **_bounds(known), "pattern": pattern}
    length = {"minLength": known.lengths[0]} if known.lengths[0] else {}
    return {"type": _types(known.kind, optional), **length}


def _bounds(known: Facts) -> Schema:
    low = {} if known.low is None else {"exclusiveMinimum" if known.low_open else "minimum": known.low}
    high = {} if known.high is None else {"exclusiveMaximum" if known.high_open else "maximum": known.high}
    return low | high


def _reserved(place: str) -> Schema:
    """Reserved keys hold anything; at the root a prefix may stand alone."""
    end = r"\." if place else r"(\.|$)"
    return {"patternProperties": {f"^({'|'.join(PREFIXES)}){end}": True}}


def _sub_objects(place: str) -> Schema:
    """Only the sub-object that bears the type's name may stand."""
    if place == "mixer":
        keys = {name: resolved.key for name, (_, resolved) in MIXERS.items()}
    elif place == "ffn":
        keys = {Moe.type: Moe.key}
    else:
        return {}
    rules = (
        {
            "if": {"properties": {"type": {"not": {"const": name}}}, "required": ["type"]},
            "then": {"properties": {key: {"type": "null"}}},
        }
        for name, key in keys.items()
    )
    return {"allOf": list(rules)}


def _description(place: str) -> str:
    source = source_of(place)
    meaning = i18n.text("schema", place)
    return f"{meaning} [{source}]" if source else meaning
