"""The tree before it is read: reserved keys taken out, overrides in dotted form.

Both rewrites keep every span, so that positions hold in the rewritten tree.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from eulerstack.diagnostics import Diagnostic
from eulerstack.dsl.tree import Entry, Mapping, Node, Path, Sequence, dotted
from eulerstack.records import dataclass

PREFIXES = ("experimental", "future", "vendor")
"""`experimental.`, `future.` and `vendor.<name>.`: kept, warned about, read by nobody here."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A tree ready to be read; what was reserved, by dotted path; what there is to say about it."""

    root: Mapping
    reserved: dict[str, Any]
    diagnostics: list[Diagnostic]


def prepare(root: Mapping) -> Prepared:
    """Take reserved keys out, with one Warning each, and write overrides with dotted keys."""
    work = _Rewrite({}, [])
    return Prepared(work.mapping(root, ()), work.reserved, work.diagnostics)


@dataclass(frozen=True, slots=True)
class _Rewrite:
    reserved: dict[str, Any]
    diagnostics: list[Diagnostic]

    def node(self, node: Node, path: Path) -> Node:
        match node:
            case Mapping() if path[:1] == ("layer_schedule",) and path[-1] == "override":
                return self.override(node, path)
            case Mapping():
                return self.mapping(node, path)
            case Sequence():
                items = (self.node(item, (*path, index)) for index, item in enumerate(node.items))
                return replace(node, items=tuple(items))
        return node

    def mapping(self, node: Mapping, path: Path) -> Mapping:
        kept = [
            replace(entry, value=self.node(entry.value, (*path, entry.key)))
            for entry in node.entries
            if not self.take(entry, path)
        ]
        return replace(node, entries=tuple(kept))

    def override(self, node: Mapping, path: Path) -> Mapping:
        flat: dict[str, Entry] = {}
        for entry in _dotted_entries(self.mapping(node, path)):
            first = flat.setdefault(entry.key, entry)
            if first is not entry:
                params = {"path": dotted((*path, entry.key)), "line": first.key_span.line}
                self.diagnostics.append(Diagnostic(code="overridden-twice", span=entry.key_span, params=params))
        return replace(node, entries=tuple(flat.values()))

    def take(self, entry: Entry, path: Path) -> bool:
        """Whether `entry` is reserved; if so it is set aside. Names of templates and branches are the author's own."""
        prefix, dot, _ = entry.key.partition(".")
        own_name = path == ("layer_templates",) or path[-1:] == ("branches",)
        if own_name or prefix not in PREFIXES or (path and not dot):
            return False
        place = dotted((*path, entry.key))
        self.reserved[place] = entry.value.plain()
        self.diagnostics.append(Diagnostic(code="reserved-key", span=entry.key_span, params={"path": place}))
        return True


def _dotted_entries(node: Mapping) -> Iterator[Entry]:
    for entry in node.entries:
        if isinstance(entry.value, Mapping) and entry.value.entries:
            for inner in entry.value.entries:
                yield replace(inner, key=f"{entry.key}.{inner.key}")
        else:
            yield entry
