"""Keys under `experimental.`, `future.`, `vendor.<name>.`: they keep their place where the canonical spec has it."""

import re
from typing import Any

from eulerstack.ir.nodes import Model

_RESERVED = re.compile(r"^(?:(?P<parent>.+?)\.)??(?P<key>(?:experimental|future|vendor)(?:\..*)?)$", re.DOTALL)


def settle(reserved: dict[str, Any], model: Model) -> dict[str, Any]:
    """Each key under the path it keeps in the canonical spec.

    A schedule entry, an unused template or a shorthand has no place there; its keys move to the root as
    `experimental.<the path they had>`.
    """
    from eulerstack.ir.print import to_plain

    plain = to_plain(model)
    return {path if _parent(plain, path) is not None else f"experimental.{path}": v for path, v in reserved.items()}


def insert(plain: dict[str, Any], reserved: dict[str, Any]) -> None:
    """Put settled keys back where they stand."""
    for path, value in reserved.items():
        parent = _parent(plain, path)
        if parent is not None:
            parent[_split(path)[1]] = value


def _parent(plain: dict[str, Any], path: str) -> dict[str, Any] | None:
    node: Any = plain
    for step in _split(path)[0]:
        node = node.get(step) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else None


def _split(path: str) -> tuple[list[str], str]:
    match = _RESERVED.match(path)
    if match is None:
        return [path], path
    parent = match["parent"]
    return (parent.split(".") if parent else []), match["key"]
