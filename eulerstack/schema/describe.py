"""The language described by its own schema: every key's type, range, default and meaning."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from eulerstack import i18n
from eulerstack.diagnostics import EulerStackError, error
from eulerstack.diagnostics.suggest import nearest
from eulerstack.records import dataclass
from eulerstack.schema.base import Keys
from eulerstack.schema.facts import Facts, field_facts, named_fields
from eulerstack.schema.names import SYNONYMS
from eulerstack.schema.paths import ROOT_NAME
from eulerstack.schema.sources import source_of
from eulerstack.schema.spec import RootKeys
from eulerstack.schema.template import TemplateKeys

ROOT = Facts("mapping", keys=(RootKeys,))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """One key. `type` is what an author writes (`integer`, `hf | byte`), `range` its bounds; `default` None: none, or
    derived as the meaning says; `nested` tells that the key has keys of its own to describe.
    """

    path: str
    type: str
    choices: tuple[str, ...]
    range: str
    required: bool
    default: Any
    nested: bool

    @property
    def name(self) -> str:
        """The key itself, as it stands in its mapping."""
        return (
            self.path.split("layer_schedule.override.")[-1] if ".override." in self.path else self.path.split(".")[-1]
        )

    @property
    def meaning(self) -> str:
        """One sentence in the current language."""
        return i18n.text("schema", self.path)

    @property
    def source(self) -> str:
        """The paper behind the key or what it belongs to; empty for what is nobody's."""
        return source_of(self.path)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "path": self.path,
            "type": self.type,
            "choices": list(self.choices),
            "range": self.range,
            "required": self.required,
            "default": self.default,
            "nested": self.nested,
            "meaning": self.meaning,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A place of the language and the keys below it; a key without keys of its own is described by its one row."""

    path: str
    rows: tuple[KeyRow, ...]

    @property
    def meaning(self) -> str:
        """What stands here, in the current language."""
        return i18n.text("schema", self.path or "root")

    @property
    def source(self) -> str:
        """The paper behind what stands here; empty for what is nobody's."""
        return source_of(self.path)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        keys = [row.to_dict() for row in self.rows]
        return {"path": self.path, "meaning": self.meaning, "source": self.source, "keys": keys}


def describe(path: str = "") -> Description:
    """What the language says at `path`: `ffn`, `mixer.mamba`, `layer_templates.x.ffn.moe`, `model.d_model`.

    A template's own sections may stand alone, names of templates and branches and indices are passed over. Raises
    ValidationError for a path that leads nowhere.
    """
    steps = tuple(step for step in re.sub(r"\[[^\]]*\]", "", path).strip(". ").split(".") if step)
    place, known, row = "", ROOT, None
    rest = steps
    if steps and steps[0] not in RootKeys.model_fields and steps[0] in TemplateKeys.model_fields:
        known = Facts("mapping", keys=(TemplateKeys,))
    while rest:
        found = _step(known, rest)
        if found is None:
            raise _unknown(path, place, rest[0], known)
        keys, name, rest = found
        if keys is not None:
            place = joined(place, keys, name)
            row = _row(place, keys, name)
            known = field_facts(keys, name)
        elif known.item is not None:
            known = known.item
    below = tuple(_rows(known, place))
    return Description(path=place, rows=below or ((row,) if row else ()))


def every_path() -> Iterator[str]:
    """Every path of the language, sections and keys, each once."""
    yield from dict.fromkeys(_paths(ROOT, "", frozenset()))


def _paths(known: Facts, place: str, above: frozenset[type[Keys]]) -> Iterator[str]:
    for keys in _classes(known):
        if keys in above:
            continue
        for name, _ in named_fields(keys):
            path = joined(place, keys, name)
            yield path
            yield from _paths(field_facts(keys, name), path, above | {keys})


def _classes(known: Facts) -> tuple[type[Keys], ...]:
    """The closed mappings that stand here or, for lists and free names, one level further."""
    return known.keys or (_classes(known.item) if known.item else ())


def _step(known: Facts, rest: tuple[str, ...]) -> tuple[type[Keys] | None, str, tuple[str, ...]] | None:
    """The class and key that the next step names, and what remains. A free name gives no class."""
    for keys in _classes(known):
        names = dict(named_fields(keys))
        for length in (1, 2):  # an override's keys have a dot
            name = ".".join(rest[:length])
            if name in names and len(rest) >= length:
                return keys, name, rest[length:]
    return (None, rest[0], rest[1:]) if known.kind == "mapping" and known.item else None


def joined(place: str, keys: type[Keys], name: str) -> str:
    """The path of the key `name` below `place`: a template's sections and a nested entry's keys start anew."""
    if place == "layer_templates" or (not place and keys is TemplateKeys):
        return name
    if place.endswith(".branches"):
        return f"mixer.{name}"
    if place.endswith((".body", ".group")):
        return f"layer_schedule.{name}"
    return f"{place}.{name}" if place else name


def _rows(known: Facts, place: str) -> Iterator[KeyRow]:
    seen: set[str] = set()
    for keys in _classes(known):
        for name, _ in named_fields(keys):
            path = joined(place, keys, name)
            if path not in seen:
                seen.add(path)
                yield _row(path, keys, name)


def _row(path: str, keys: type[Keys], name: str) -> KeyRow:
    known, info = field_facts(keys, name), dict(named_fields(keys))[name]
    return KeyRow(
        path=path,
        type=known.word,
        choices=known.choices,
        range=known.range,
        required=info.is_required(),
        default=None if info.is_required() else plain_default(info),
        nested=bool(_classes(known)),
    )


def plain_default(info: FieldInfo) -> Any:
    """What an optional key is when it is not written; None where it derives from others."""
    value = info.get_default(call_default_factory=True)
    return value.model_dump(by_alias=True, exclude_none=True) if isinstance(value, Keys) else value


def _unknown(path: str, place: str, step: str, known: Facts) -> EulerStackError:
    names = sorted({name for keys in _classes(known) for name, _ in named_fields(keys)})
    near = SYNONYMS.get(step) or _elsewhere(step) or nearest(step, names)
    if near and near in names and place:
        near = f"{place}.{near}"
    return error(
        "unknown-schema-path",
        fix="fix_nearest" if near else "fix" if names else "fix_leaf",
        params={"path": path, "nearest": near, "owner": place or ROOT_NAME, "keys": ", ".join(names)},
    )


def _elsewhere(step: str) -> str | None:
    """The one path of the language that ends in this key, if there is just one."""
    found = [path for path in every_path() if path.split(".")[-1] == step]
    return found[0] if len(found) == 1 else None
