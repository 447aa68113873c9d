"""Plain values as YAML that reads well: what fits on a line stands on one, strings are quoted where in doubt."""

import json
import re
from collections.abc import Iterator
from typing import Any

WIDTH = 112
"""The longest line that a mapping or list is put on."""

INDENT = "  "
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""What one YAML or another does not read as a string."""


def dump(plain: dict[str, Any]) -> str:
    """A mapping as a YAML document, its sections set apart by empty lines."""
    sections = ("\n".join(_entry(key, value, "")) for key, value in plain.items())
    return "\n\n".join(sections) + "\n"


def _entry(key: str, value: Any, indent: str) -> Iterator[str]:
    line = f"{indent}{_string(key)}: {flow(value)}"
    if not value or not isinstance(value, dict | list) or len(line) <= WIDTH:
        yield line
        return
    yield f"{indent}{_string(key)}:"
    yield from _block(value, indent + INDENT)


def _block(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _entry(key, item, indent)
        return
    for item in value:
        line = f"{indent}- {flow(item)}"
        if not item or not isinstance(item, dict | list) or len(line) <= WIDTH:
            yield line
            continue
        first, *rest = _block(item, indent + INDENT)
        yield f"{indent}- {first.lstrip()}"
        yield from rest


def flow(value: Any) -> str:
    """A value on one line."""
    match value:
        case dict():
            return "{" + ", ".join(f"{_string(key)}: {flow(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(flow(item) for item in value) + "]"
        case None | bool():
            return json.dumps(value)
        case float():
            return _float(value)
        case int():
            return str(value)
    return _string(value)


def _float(value: float) -> str:
    """With a point before the exponent: YAML 1.1 reads `1e-05` as a string."""
    text = repr(value)
    return text if "e" not in text or "." in text else text.replace("e", ".0e")


def _string(text: str) -> str:
    if _BARE.fullmatch(text) and text.lower() not in _WORDS:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)
