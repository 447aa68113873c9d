"""`extends`: a spec that starts from another."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from eulerstack.diagnostics import Diagnostic, EulerStackError, Source, Span, error
from eulerstack.dsl.parser import examine_text
from eulerstack.dsl.reader import read_file
from eulerstack.dsl.tree import Entry, Mapping, Node, Scalar

Lookup = Callable[[str, Source], Source]
"""Turns what stands at `extends` in a source into the source that it names, or raises EulerStackError."""

MAX_CHAIN = 32
"""The longest chain of specs."""


def relative_lookup(written: str, source: Source) -> Source:
    """The file at this path, seen from the folder of `source` (from the working directory when it is no file)."""
    folder = source.path.parent if source.path else Path()
    path = os.path.normpath(folder / written)
    if not os.path.lexists(path):
        raise error("extends-missing", params={"name": written, "nearest": ""})
    return read_file(path)


def inherit(source: Source, authored: Mapping, lookup: Lookup) -> tuple[Mapping | None, list[Diagnostic]]:
    """`authored` over all that it extends, without the key `extends`; and what is wrong on the way.

    None where a spec on the way cannot be had: what it would have said must not be reported as missing.
    """
    layers = [authored]
    chain = [source]
    diagnostics: list[Diagnostic] = []
    while (node := layers[-1].get("extends")) is not None:
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value.strip():
            return None, [*diagnostics, Diagnostic(code="extends-value", span=node.span)]
        try:
            parent = _parent(node.value, node.span, chain, lookup)
        except EulerStackError as failure:
            placed = [d if d.span else replace(d, span=node.span) for d in failure.diagnostics]
            return None, diagnostics + placed
        tree, found = examine_text(parent)
        diagnostics += found
        if tree is None:
            return None, diagnostics
        layers.append(tree)
        chain.append(parent)
    merged = layers.pop()
    while layers:
        merged = merge(merged, layers.pop())
    return without(merged, "extends"), diagnostics


def _parent(written: str, span: Span, chain: list[Source], lookup: Lookup) -> Source:
    parent = lookup(written, chain[-1])
    identities = [_identity(source) for source in chain]
    if _identity(parent) in identities:
        names = [source.name for source in chain[identities.index(_identity(parent)) :]]
        raise error("extends-cycle", span=span, params={"chain": " → ".join([*names, parent.name])})
    if len(chain) >= MAX_CHAIN:
        raise error("extends-too-long", span=span, params={"limit": MAX_CHAIN})
    return parent


def _identity(source: Source) -> object:
    return source.path.resolve() if source.path else (source.name, source.text)


def merge(parent: Mapping, child: Mapping) -> Mapping:
    """Mappings merge deeply, lists and scalars of the child replace; places are those of what stands there."""
    merged: dict[str, Entry] = {entry.key: entry for entry in parent.entries}
    for entry in child.entries:
        before = merged.get(entry.key)
        value: Node = entry.value
        if before is not None and isinstance(before.value, Mapping) and isinstance(value, Mapping):
            value = merge(before.value, value)
        merged[entry.key] = replace(entry, value=value)
    return Mapping(tuple(merged.values()), child.span)


def without(mapping: Mapping, key: str) -> Mapping:
    """The mapping without one of its keys."""
    return replace(mapping, entries=tuple(entry for entry in mapping.entries if entry.key != key))
