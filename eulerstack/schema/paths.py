"""Paths in a document and paths in the language: `layer_templates.decoder.ffn.bias` is the language's `ffn.bias`."""

from typing import Any

from eulerstack.dsl.tree import Path, dotted
from eulerstack.schema.base import Keys
from eulerstack.schema.facts import Facts, field_facts, named_fields
from eulerstack.schema.schedule import KINDS, kind_of

ROOT_NAME = "EulerStack YAML"
"""What the root is called where a section would be named."""


def schema_path(path: Path) -> str:
    """The path of the language that a path of a document is an instance of; empty for the root."""
    steps = list(path)
    if steps[:1] == ["layer_templates"]:
        steps = steps[2:] or ["layer_templates"]
        if "branches" in steps:
            steps = ["mixer", *steps[_last(steps, "branches") + 2 :]] if steps[-1] != "branches" else steps
    elif steps[:1] == ["layer_schedule"]:
        nested = max(_last(steps[:-1], "body"), _last(steps[:-1], "group"))
        steps = ["layer_schedule", *steps[nested + 1 :]] if nested > 0 else steps
    return ".".join(step for step in steps if isinstance(step, str))


def _last(steps: list[str | int], name: str) -> int:
    return max((index for index, step in enumerate(steps) if step == name), default=-1)


def owner_name(path: Path) -> str:
    """How a message names the mapping at `path`: as the language does, or by its place where its name is free."""
    if not path:
        return ROOT_NAME
    free = isinstance(path[-1], int) or path[:-1] == ("layer_templates",) or path[-2:-1] == ("branches",)
    return dotted(path) if free else schema_path(path)


def see(path: Path) -> str:
    """The command that explains the mapping at `path`."""
    return f"eulerstack schema {schema_path(path)}".rstrip()


def step_into(known: Facts, step: str | int, data: Any) -> Facts | None:
    """The facts one step further down, or None where the language ends. `data` is the value that `known` describes."""
    if isinstance(step, int):
        return known.item if known.kind == "list" else None
    keys = keys_for(known, data)
    if keys is None:
        return known.item if known.kind == "mapping" else None
    return field_facts(keys, step) if step in dict(named_fields(keys)) else None


def keys_for(known: Facts, data: Any) -> type[Keys] | None:
    """The closed mapping that `data` is meant to be: a schedule entry's by its kind, else the only one."""
    if len(known.keys) > 1:
        return KINDS[kind_of(data) or "template"]
    return known.keys[0] if known.keys else None
