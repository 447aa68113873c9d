"""From plain values to typed keys: every fault of a part becomes a diagnostic, and what is sound is kept.

A part is a section, one template or one schedule entry. Parts are read one by one and faulty keys are taken out until
the rest stands, so that one mistake hides no other and cross-field checks still see what is right.
"""

import json
from collections.abc import Iterable
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import ValidationError as PydanticError

from eulerstack.diagnostics import Diagnostic
from eulerstack.diagnostics.suggest import nearest
from eulerstack.dsl.tree import Mapping, Path, Scalar, dotted, find, locate
from eulerstack.records import dataclass
from eulerstack.schema.base import Keys
from eulerstack.schema.facts import Facts, named_fields
from eulerstack.schema.names import SYNONYMS
from eulerstack.schema.paths import ROOT_NAME, keys_for, owner_name, schema_path, see, step_into
from eulerstack.schema.schedule import KINDS

K = TypeVar("K", bound=Keys)
_ROUNDS = 32
_SHOWN = 48

_TYPE_CODES = {
    "int_type": "not-integer",
    "int_from_float": "not-integer",
    "float_type": "not-number",
    "bool_type": "not-boolean",
    "string_type": "not-string",
    "list_type": "not-list",
    "dict_type": "not-mapping",
    "model_type": "not-mapping",
    "model_attributes_type": "not-mapping",
}
_RANGE_TYPES = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that pydantic refused: where (below the part), what kind, and the value found there."""

    path: Path
    kind: str
    found: Any


def shown(value: Any) -> str:
    """A value as a message quotes it: YAML scalars, strings in quotes, long ones cut."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


class Reader:
    """Reads parts of one tree and gathers what is wrong with them.

    `whole` is False once a value was passed over that an earlier layer had complained about; `faulty` are the paths of
    values that were taken out or are missing.
    """

    def __init__(self, root: Mapping):
        self.root = root
        self.diagnostics: list[Diagnostic] = []
        self.whole = True
        self.faulty: set[Path] = set()

    def read(self, keys: type[K], path: Path, *, report: bool = True) -> K | None:
        """The part at `path` as `keys`, without its faulty keys; None where nothing stands or too little is left."""
        node = find(self.root, path)
        known, plain = Facts("mapping", keys=(keys,)), node.plain() if node else None
        for attempt in range(_ROUNDS if node else 0):
            try:
                return keys.model_validate(plain)
            except PydanticError as refused:
                faults = [_fault(error, plain) for error in refused.errors(include_url=False, include_context=False)]
            real = [fault for fault in faults if not _null_is_unwritten(known, plain, fault)]
            self.faulty.update((*path, *fault.path) for fault in real if fault.kind != "extra_forbidden")
            if report and attempt == 0:
                self._report(known, path, plain, real)
            plain = _pruned(_without_nulls(plain, [fault for fault in faults if fault not in real]), real)
            if plain is None:
                break
        return None

    def _report(self, known: Facts, path: Path, plain: Any, faults: list[Fault]) -> None:
        unknown = [fault for fault in faults if fault.kind == "extra_forbidden"]
        meant = {(*fault.path[:-1], self._meant(known, path, plain, fault)) for fault in unknown}
        for fault in faults:
            if fault.kind == "missing" and fault.path in meant:
                continue
            if self._was_refused((*path, *fault.path)):
                self.whole = False
            else:
                self.diagnostics.append(_diagnostic(self.root, known, path, plain, fault))

    def _was_refused(self, path: Path) -> bool:
        """Whether the text that stands here was complained about before."""
        node = find(self.root, path)
        return isinstance(node, Scalar) and node.refused

    def _meant(self, known: Facts, path: Path, plain: Any, fault: Fault) -> str:
        owner = _keys_at(known, fault.path[:-1], plain)
        fix, params = suggestion(str(fault.path[-1]), (*path, *fault.path[:-1]), owner)
        return str(params["nearest"]) if fix in ("fix_nearest", "fix_synonym") else ""


def _fault(error: Any, plain: Any) -> Fault:
    """Pydantic's location without the steps that are tags of a union, not keys of the text."""
    path: Path = ()
    here = plain
    for index, step in enumerate(error["loc"]):
        last = index == len(error["loc"]) - 1
        in_mapping = isinstance(here, dict) and step in here
        if in_mapping or (isinstance(here, list) and isinstance(step, int) and step < len(here)):
            path, here = (*path, step), here[step]
        elif last and error["type"] == "missing":
            path = (*path, step)
    return Fault(path, error["type"], here)


def _null_is_unwritten(known: Facts, plain: Any, fault: Fault) -> bool:
    """Whether this fault is only a null at an optional key, which means the same as leaving it out."""
    if fault.found is not None or not fault.path or fault.kind == "missing" or isinstance(fault.path[-1], int):
        return False
    owner = _keys_at(known, fault.path[:-1], plain)
    info = dict(named_fields(owner)).get(str(fault.path[-1])) if owner else None
    return info is not None and not info.is_required()


def _without_nulls(plain: Any, unwritten: Iterable[Fault]) -> Any:
    """A copy without these nulls; each is the value of a key, so no list shifts."""
    kept = deepcopy(plain)
    for fault in unwritten:
        holder = kept
        for step in fault.path[:-1]:
            holder = holder[step]
        holder.pop(fault.path[-1], None)
    return kept


def _pruned(plain: Any, faults: Iterable[Fault]) -> Any:
    """A copy without what is faulty: a key with a faulty value goes, a mapping that misses a key goes whole."""
    kept = deepcopy(plain)
    for fault in faults:
        path = fault.path[:-1] if fault.kind == "missing" else fault.path
        for depth, step in enumerate(path):
            if isinstance(step, int):  # a list would shift: the key that holds it goes
                path = path[:depth]
                break
        if not path:
            return None
        holder = kept
        for step in path[:-1]:
            holder = holder.get(step, {})
        holder.pop(path[-1], None)
    return kept


def _facts_at(known: Facts, path: Path, plain: Any) -> Facts | None:
    for step in path:
        below = step_into(known, step, plain)
        if below is None:
            return None
        known, plain = below, _below(plain, step)
    return known


def _below(plain: Any, step: str | int) -> Any:
    """The value one step down, None where none stands."""
    if isinstance(plain, dict):
        return plain.get(step)
    return plain[step] if isinstance(plain, list) and isinstance(step, int) else None


def _keys_at(known: Facts, path: Path, plain: Any) -> type[Keys] | None:
    there = _facts_at(known, path, plain)
    for step in path:
        plain = _below(plain, step)
    return keys_for(there, plain) if there else None


def _diagnostic(root: Mapping, known: Facts, base: Path, plain: Any, fault: Fault) -> Diagnostic:
    path = (*base, *fault.path)
    if fault.kind == "extra_forbidden":
        return unknown_key(root, path, _keys_at(known, fault.path[:-1], plain))
    there = _facts_at(known, fault.path, plain)
    if fault.kind == "missing":
        return missing_key(root, path, there)
    if fault.kind.startswith("union_tag"):
        return entry_kind(root, path, fault.found)
    if there is None:
        raise AssertionError(f"the schema refuses {dotted(path)} ({fault.kind}) but does not describe it")
    return wrong_value(root, path, there, fault)


def unknown_key(root: Mapping, path: Path, owner: type[Keys] | None) -> Diagnostic:
    """`path` ends in a key that its mapping does not have."""
    fix, params = suggestion(str(path[-1]), path[:-1], owner)
    return Diagnostic(
        code="unknown-key", span=locate(root, path, key=True), fix=fix, see=see(path[:-1]),
        params={"path": dotted(path), "owner": owner_name(path[:-1]), **params},
    )  # fmt: skip


def suggestion(key: str, owner_path: Path, owner: type[Keys] | None) -> tuple[str, dict[str, object]]:
    """Which fix an unknown key gets: a synonym here, its true place elsewhere, the nearest key, or the list of keys."""
    keys = sorted(name for name, _ in named_fields(owner)) if owner else []
    params: dict[str, object] = {"key": key, "keys": ", ".join(keys)}
    synonym = SYNONYMS.get(key)
    if synonym:
        place, _, name = synonym.rpartition(".")
        here = place == schema_path(owner_path) and name in keys
        return ("fix_synonym" if here else "fix_elsewhere"), params | {"nearest": name if here else synonym}
    near = nearest(key, keys)
    return ("fix_nearest", params | {"nearest": near}) if near else ("fix", params)


def missing_key(root: Mapping, path: Path, known: Facts | None) -> Diagnostic:
    """`path` ends in a required key that is not there; the place is that of its mapping."""
    return Diagnostic(
        code="missing-key", span=locate(root, path[:-1], key=True), see=see(path[:-1]),
        params={
            "path": dotted(path), "key": path[-1], "owner": owner_name(path[:-1]),
            "expected": known.spelling if known else "…",
        },
    )  # fmt: skip


def entry_kind(root: Mapping, path: Path, found: Any) -> Diagnostic:
    """A schedule entry is of several kinds at once."""
    several = [kind for kind in KINDS if kind in found] if isinstance(found, dict) else []
    return Diagnostic(
        code="schedule-entry-kind", span=locate(root, path), see="eulerstack schema layer_schedule",
        params={"path": dotted(path), "found": ", ".join(several), "kinds": ", ".join(KINDS)},
    )  # fmt: skip


def wrong_value(root: Mapping, path: Path, known: Facts, fault: Fault) -> Diagnostic:
    """A known key has a value of the wrong type, out of range or not among its choices."""
    params: dict[str, object] = {
        "path": dotted(path) or ROOT_NAME, "found": shown(fault.found), "expected": known.spelling
    }  # fmt: skip
    code, fix = "wrong-value", "fix"
    if known.choices:
        code, near = "not-one-of", nearest(str(fault.found), known.choices) if isinstance(fault.found, str) else None
        fix = "fix_nearest" if near else "fix"
        params |= {"choices": ", ".join(known.choices), "nearest": near}
    elif fault.kind in _TYPE_CODES:
        code = "not-name-or-list" if known.also_name else _TYPE_CODES[fault.kind]
        fix, params["bare"] = _type_fix(code, fault.found)
        if code == "not-integer" and isinstance(fault.found, float) and _is_computed(root, path):
            code, params = "not-whole", {"path": dotted(path), "key": dotted(path), "value": params["found"]}
    elif fault.kind in _RANGE_TYPES:
        code, params["bounds"] = "out-of-range", known.bounds_against(fault.found)
    elif fault.kind in ("too_short", "too_long"):
        least, most = known.lengths
        code = "wrong-length"
        params |= {"wanted": str(least) if least == most else f"≥ {least}", "count": len(fault.found)}
    elif fault.kind == "string_too_short":
        code = "empty-string"
    elif fault.kind == "finite_number":
        code, params["number"] = "not-finite", params["found"]
    return Diagnostic(code=code, span=locate(root, path), fix=fix, see=see(_described(path)), params=params)


def _is_computed(root: Mapping, path: Path) -> bool:
    node = find(root, path)
    return isinstance(node, Scalar) and node.written is not None


def _described(path: Path) -> Path:
    """The path up to its last key: an item of a list is described with its list."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    return path


def _type_fix(code: str, found: Any) -> tuple[str, str]:
    """A closer fix where what was meant shows: a number in quotes, a bare number for a name."""
    if code in ("not-integer", "not-number") and isinstance(found, str) and _is_number(found):
        return "fix_unquote", found.strip()
    if code == "not-boolean" and str(found).lower() in ("yes", "on", "true", "1", "no", "off", "false", "0"):
        return "fix_meant", "true" if str(found).lower() in ("yes", "on", "true", "1") else "false"
    if code == "not-string" and isinstance(found, int | float) and not isinstance(found, bool):
        return "fix_quote", json.dumps(str(found))
    return "fix", ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip().isascii()
