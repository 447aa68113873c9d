"""What a picture of two models marks in each: layers that differ, and settings."""

from collections.abc import Sequence

from eulerstack.drawing.boxes import Mark
from eulerstack.ir.diff import Change, LayerChange, diff
from eulerstack.ir.nodes import Model
from eulerstack.ir.yaml_text import flow

Marks = tuple[dict[int, Mark], tuple[str, ...]]
"""Marks by the schedule's entry, and a line for each setting that differs."""

ABOUT_THE_SPEC = (("about",), ("model", "name"))
"""Settings that every two specs differ in."""


def marks_of(before: Model, after: Model) -> tuple[Marks, Marks]:
    """The marks of the first model and of the second."""
    found = diff(before, after)
    settings = [
        change
        for change in found.settings
        if change.path[:1] not in ABOUT_THE_SPEC and change.path not in ABOUT_THE_SPEC
    ]
    first = {entry: _mark(layers) for layers in found.layers for entry in layers.before}
    second = {entry: _mark(layers) for layers in found.layers for entry in layers.after}
    return (first, _lines(settings, "before")), (second, _lines(settings, "after"))


def _mark(layers: LayerChange) -> Mark:
    return Mark(kind=layers.kind, keys=tuple(dict.fromkeys(str(change.path[-1]) for change in layers.changes)))


def _lines(settings: Sequence[Change], side: str) -> tuple[str, ...]:
    """`d_model 2048` for each setting that this side has and the other one lacks or has otherwise."""
    told = ((change, getattr(change, side)) for change in settings)
    return tuple(f"{change.path[-1]} {_value(value)}" for change, value in told if value is not None)


def _value(value: object) -> str:
    text = flow(value)
    return text if len(text) <= 32 else f"{text[:31]}…"
