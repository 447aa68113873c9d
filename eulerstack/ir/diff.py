"""What sets two models apart: their settings key by key, their layers aligned one by one.

Layers are compared by what they are, not by their templates' names, and aligned so that little has to change: as
Needleman & Wunsch (1970) align two sequences, a change of a layer's keys costing less than a removal and an addition.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Literal

from eulerstack.ir.nodes import Block, Layer, Model, Node, Parallel
from eulerstack.ir.print import plain_block, plain_layer, to_plain
from eulerstack.records import dataclass
from eulerstack.schema.base import as_plain

Kind = Literal["added", "removed", "changed"]
Path = tuple[str | int, ...]

LARGEST_TABLE = 250_000
"""Pairs of layers that are weighed against each other; beyond, what differs is paired in order."""

GAP = 0.55
"""What one added or removed layer costs; two of them cost more than the greatest change of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key: `before` and `after` are its plain values, None where it is not there."""

    path: Path
    kind: Kind
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """The same change of several layers: their indices in the expanded schedules, in pairs where both have them.

    `layer` is what an added or removed layer is, plain; `changes` are the keys of changed ones.
    """

    kind: Kind
    before: tuple[int, ...]
    after: tuple[int, ...]
    changes: tuple[Change, ...] = ()
    layer: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Everything that differs between two models; `settings` is what does not belong to a layer."""

    settings: tuple[Change, ...]
    layers: tuple[LayerChange, ...]

    def __bool__(self) -> bool:
        return bool(self.settings or self.layers)


def diff(before: Model, after: Model) -> Difference:
    """What sets two models apart, with all defaults filled."""
    return Difference(
        settings=tuple(plain_changes(_settings(before), _settings(after))),
        layers=tuple(_layer_changes(_layers(before), _layers(after))),
    )


def plain_changes(before: Any, after: Any, path: Path = ()) -> Iterator[Change]:
    """The differences of two plain values, key by key. Lists are aligned item by item."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            yield from _entry(before, after, key, (*path, key))
    elif isinstance(before, list) and isinstance(after, list) and _of_mappings(before, after):
        for old, new in align(before, after, unlikeness):
            here = (*path, *(index for index in (old if new is None else new,) if index is not None))
            yield from _items(None if old is None else before[old], None if new is None else after[new], here)
    elif before != after:
        yield Change(path=path, kind="changed", before=before, after=after)


def _entry(before: dict, after: dict, key: str, path: Path) -> Iterator[Change]:
    if key not in after:
        yield Change(path=path, kind="removed", before=before[key], after=None)
    elif key not in before:
        yield Change(path=path, kind="added", before=None, after=after[key])
    else:
        yield from plain_changes(before[key], after[key], path)


def _items(before: Any, after: Any, path: Path) -> Iterator[Change]:
    if before is None or after is None:
        yield Change(path=path, kind="added" if before is None else "removed", before=before, after=after)
    else:
        yield from plain_changes(before, after, path)


def _of_mappings(before: list, after: list) -> bool:
    return bool(before and after) and all(isinstance(item, dict) for item in (*before, *after))


def _settings(model: Model) -> dict[str, Any]:
    return {key: value for key, value in to_plain(model).items() if key not in ("layer_templates", "layer_schedule")}


def _layers(model: Model) -> list[dict[str, Any]]:
    """Each entry of the expanded schedule as one plain mapping without names of templates; equal ones are the same."""
    blocks = {block.name: block for block in model.blocks}
    known: dict[Node, dict[str, Any]] = {}
    return [known.setdefault(node, _plain_node(node, blocks)) for node in model.schedule]


def _plain_node(node: Node, blocks: dict[str, Block]) -> dict[str, Any]:
    match node:
        case Layer():
            entry = plain_layer(node)
            del entry["template"]
            return {**plain_block(blocks[node.block]), **entry}
        case Parallel():
            streams = {stream.name: [_plain_node(layer, blocks) for layer in stream.body] for stream in node.streams}
            return {"parallel": streams, "merge": as_plain(node.merge)}
    body = [_plain_node(layer, blocks) for layer in node.body]
    return {"integrator": {"type": node.type, "steps": node.steps, "output": node.output, "body": body}}


def _layer_changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[LayerChange]:
    """Aligned, and those that change alike told together, in the order of the first of each."""
    found = [change for old, new in align(before, after, unlikeness) if (change := _of_pair(before, after, old, new))]
    alike: dict[str, list[LayerChange]] = {}
    for change in found:
        alike.setdefault(repr((change.kind, change.changes, change.layer)), []).append(change)
    for group in alike.values():
        old, new = (tuple(index for each in group for index in getattr(each, side)) for side in ("before", "after"))
        yield replace(group[0], before=old, after=new)


def _of_pair(before: list, after: list, old: int | None, new: int | None) -> LayerChange | None:
    if new is None:
        assert old is not None, "a pair has at least one of both"
        return LayerChange(kind="removed", before=(old,), after=(), layer=before[old])
    if old is None:
        return LayerChange(kind="added", before=(), after=(new,), layer=after[new])
    changes = tuple(plain_changes(before[old], after[new]))
    return LayerChange(kind="changed", before=(old,), after=(new,), changes=changes) if changes else None


def unlikeness(before: Any, after: Any) -> float:
    """0 for equal values, else from 0.2 to 1 by the share of keys that differ, another mixer counting most.

    A layer and a group of streams or steps are never one changed into the other.
    """
    if before == after:
        return 0.0
    if any((kind in before) != (kind in after) for kind in ("parallel", "integrator")):
        return 3 * GAP
    keys = {*_leaves(before)} | {*_leaves(after)}
    common = {*_leaves(before)} & {*_leaves(after)}
    kinds = [value.get("mixer", {}).get("type") for value in (before, after) if isinstance(value, dict)]
    other = 0.2 if len(set(kinds)) > 1 else 0.0
    return 0.2 + other + 0.6 * (1 - len(common) / len(keys))


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, (*path, key))
    else:
        yield path, repr(value)


Pairs = list[tuple[int | None, int | None]]


def align(before: Sequence[Any], after: Sequence[Any], cost: Callable[[Any, Any], float]) -> Pairs:
    """Indices of items that stand for each other, None for what only the other side has, in the order of both."""
    head = _agreeing(before, after)
    rest = min(len(before), len(after)) - head
    tail = min(_agreeing(before[::-1], after[::-1]), rest)
    inner = _align(before[head : len(before) - tail], after[head : len(after) - tail], cost)
    shifted: Pairs = [(i if i is None else i + head, j if j is None else j + head) for i, j in inner]
    ends: Pairs = [(len(before) - n, len(after) - n) for n in range(tail, 0, -1)]
    return [*((n, n) for n in range(head)), *shifted, *ends]


def _agreeing(before: Sequence[Any], after: Sequence[Any]) -> int:
    """How many items agree from the beginning."""
    return next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )


def _align(before: Sequence[Any], after: Sequence[Any], cost: Callable[[Any, Any], float]) -> Pairs:
    rows, columns = len(before), len(after)
    if rows * columns > LARGEST_TABLE or not rows or not columns:
        common = min(rows, columns)
        surplus: Pairs = [*((n, None) for n in range(common, rows)), *((None, n) for n in range(common, columns))]
        return [*((n, n) for n in range(common)), *surplus]
    kinds, table = _kinds([*before, *after]), {}
    old, new = kinds[:rows], kinds[rows:]

    def weigh(i: int, j: int) -> float:
        pair = (old[i], new[j])
        if pair not in table:
            table[pair] = cost(before[i], after[j])
        return table[pair]

    best = [[GAP * (rows - i + columns - j) for j in range(columns + 1)] for i in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            best[i][j] = min(best[i + 1][j + 1] + weigh(i, j), best[i + 1][j] + GAP, best[i][j + 1] + GAP)
    return _trace(best, weigh)


def _trace(best: list[list[float]], weigh: Callable[[int, int], float]) -> Pairs:
    """The cheapest way through the table, a pair before a removal before an addition."""
    pairs: Pairs = []
    i = j = 0
    rows, columns = len(best) - 1, len(best[0]) - 1
    while i < rows or j < columns:
        if i < rows and j < columns and best[i][j] == best[i + 1][j + 1] + weigh(i, j):
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif i < rows and best[i][j] == best[i + 1][j] + GAP:
            pairs.append((i, None))
            i += 1
        else:
            pairs.append((None, j))
            j += 1
    return pairs


def _kinds(items: list[Any]) -> list[int]:
    """A number for each item, equal items having the same."""
    numbers: dict[str, int] = {}
    by_identity: dict[int, int] = {}
    return [by_identity.setdefault(id(item), numbers.setdefault(repr(item), len(numbers))) for item in items]


def ranges(indices: Sequence[int]) -> str:
    """`0–3, 5, 7–9`: indices as neighbours are told."""
    runs = [list(group) for _, group in groupby(enumerate(indices), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0][1]}" if len(run) == 1 else f"{run[0][1]}–{run[-1][1]}" for run in runs)
