"""What may be written at a place of an unfinished spec: the keys that may stand there, or the values."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from eulerstack.records import dataclass
from eulerstack.schema.describe import ROOT
from eulerstack.schema.facts import Facts, field_facts, named_fields

CURSOR = "cursor\u00b7here"
"""What stands at the cursor while the text is parsed."""

REPAIRS = 4
"""At most so many lines above the cursor are left out, for a spec is written from top to bottom."""

_INSERTED = re.compile(r"\{\{.*?\}\}")
_SECTION = re.compile(r"[a-z_]+:(\s|$)")
_CLOSING = {"{": "}", "[": "]"}
_TEMPLATE_KEYS = ("template", "head_template")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the cursor is. `path`: from the root to the mapping that a key is written in, or to the value; `beside`:
    the keys of that mapping with what they hold; `root`: the spec as far as it is written.
    """

    path: tuple[str | int, ...]
    is_key: bool
    beside: Mapping[str, Any]
    root: Mapping[str, Any]


def completions(before: str) -> tuple[list[str], bool]:
    """The words that may stand at the end of the text `before`, a word that is begun there left out of it, and whether
    they are keys. None where nothing is known, and where the text cannot be read.
    """
    for is_key in (True, False):
        place = _place(before, is_key)
        found = list(dict.fromkeys(_words(place))) if place else []
        if found:
            return found, is_key
    return [], False


def path_at(before: str, word: str, *, is_key: bool) -> tuple[str | int, ...] | None:
    """The path in the document of a key or a value that stands behind the text `before`; what follows it may be
    anything. None where the text cannot be read.
    """
    place = _place(before.removesuffix('"').removesuffix("'"), is_key)
    if place is None:
        return None
    return (*place.path, word) if is_key else place.path


def _open_brackets(text: str) -> str:
    """What closes the brackets that are open at the end of a text; those in quotes and comments are none."""
    bare = re.sub(r"\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|(?<!\S)#[^\n]*", "", _INSERTED.sub("0", text))
    stack: list[str] = []
    for char in bare:
        if char in _CLOSING:
            stack.append(_CLOSING[char])
        elif stack and char == stack[-1]:
            stack.pop()
    return " " + "".join(reversed(stack))


def _place(before: str, is_key: bool) -> Place | None:
    root = _read(before, f"{CURSOR}: 0" if is_key else CURSOR)
    for path, beside in _cursors(root, (), {}):
        plain = root if isinstance(root, dict) else {}
        return Place(path=path, is_key=is_key, beside=beside, root=plain)
    return None


def _read(before: str, cursor: str) -> Any:
    """The text with the cursor behind it as strings, lists and mappings; lines above it that are broken are left out,
    and where that does not help there is nothing.
    """
    lines = _sections_closed(_INSERTED.sub("0", before).split("\n"))
    for _ in range(REPAIRS + 1):
        text = "\n".join(lines)
        try:
            return yaml.load(f"{text}{cursor}{_open_brackets(text)}", Loader=yaml.BaseLoader)
        except yaml.MarkedYAMLError as failure:
            marks = (failure.problem_mark, failure.context_mark)
            told = [mark.line for mark in marks if mark is not None and mark.line < len(lines) - 1]
            written = [number for number, line in enumerate(lines[:-1]) if line.strip()]
            if not written:
                return None
            lines[(told or written)[-1]] = ""
        except (yaml.YAMLError, TypeError, ValueError, RecursionError):
            return None
    return None


def _sections_closed(lines: list[str]) -> list[str]:
    """The lines, with brackets that were left open closed before a section at the margin begins."""
    for number in range(1, len(lines)):
        if _SECTION.match(lines[number]):
            lines[number - 1] += _open_brackets("\n".join(lines[:number]))
    return lines


def _cursors(node: Any, path: tuple[str | int, ...], beside: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    if node == CURSOR:
        yield path, beside
    elif isinstance(node, dict):
        if CURSOR in node:
            yield path, {key: value for key, value in node.items() if key != CURSOR}
        for key, value in node.items():
            yield from _cursors(value, (*path, key), node)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _cursors(item, (*path, index), beside)


def _words(place: Place) -> Iterator[str]:
    known = _facts(place.path)
    if place.is_key:
        yield from _keys(known, place.beside) if known else ()
        return
    if _is_template(place.path):
        yield from _names(place.root.get("layer_templates"))
    if known is None:
        return
    yield from known.choices
    if known.kind == "boolean":
        yield from ("true", "false")


def _facts(path: tuple[str | int, ...]) -> Facts | None:
    """What the language says at a path; None where it leads out of the language."""
    known: Facts | None = ROOT
    for step in path:
        if known is None:
            return None
        known = known.item if isinstance(step, int) else _below(known, step)
    return known


def _below(known: Facts, name: str) -> Facts | None:
    for keys in known.keys:
        if name in dict(named_fields(keys)):
            return field_facts(keys, name)
    return known.item if known.kind == "mapping" else None


def _keys(known: Facts, beside: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a mapping that are not there yet; of a section's kinds, only the one that its type names."""
    for keys in known.keys:
        names = [name for name, _ in named_fields(keys)]
        kinds = field_facts(keys, "type").choices if "type" in names and "type" in beside else ()
        # a kind's own section bears its name; that of ttt_layer is ttt
        other = {kind.removesuffix("_layer") for kind in kinds if kind != beside.get("type")}
        yield from (name for name in names if name not in beside and name not in other)


def _is_template(path: tuple[str | int, ...]) -> bool:
    match path:
        case (*_, "templates", int()) | (*_, "integrator", "body"):
            return True
        case (*_, str(last)):
            return last in _TEMPLATE_KEYS
    return False


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (str(name) for name in node if name != CURSOR)
