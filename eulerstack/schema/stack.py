"""The layers of a schedule in order, as far as checks need them before the IR expands it for good."""

from collections.abc import Iterator, Sequence
from itertools import islice

from eulerstack.dsl.tree import Path, find
from eulerstack.dsl.tree import Sequence as Written
from eulerstack.schema.parts import Parts
from eulerstack.schema.schedule import EntryKeys, GroupKeys, IntegratorEntryKeys, ParallelKeys, PlainKeys

LONGEST = 10_000
"""Checks look no further into a stack."""


def stack(parts: Parts) -> list[tuple[Path, str]]:
    """Each layer's entry and template from bottom to top, of an integrator one step; none while an entry is faulty."""
    written = find(parts.root, ("layer_schedule",))
    if not isinstance(written, Written) or len(written.items) != len(parts.schedule):
        return []
    return list(islice(_layers(parts.schedule, ("layer_schedule",)), LONGEST))


def _layers(entries: Sequence[EntryKeys], path: Path) -> Iterator[tuple[Path, str]]:
    for index, entry in enumerate(entries):
        here = (*path, index)
        match entry:
            case PlainKeys():
                for _ in range(entry.repeat):
                    yield here, entry.template
            case GroupKeys():
                for _ in range(entry.repeat):
                    yield from _layers(entry.group, (*here, "group"))
            case ParallelKeys():
                for number, stream in enumerate(entry.parallel):
                    yield from _layers(stream.body, (*here, "parallel", number, "body"))
            case IntegratorEntryKeys(integrator=keys):
                below = (*here, "integrator", "body")
                yield from [(below, keys.body)] if isinstance(keys.body, str) else _layers(keys.body, below)
