"""YAML events → located tree.

The events come from the YAML library's scanner, which does not recurse; collections are built on a stack of our own,
so no input can exhaust Python's. Aliases share the node of their anchor, and what they would expand to is counted
before it is shared: a bomb is refused for its expanded size, whatever the size of its text.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import yaml

from eulerstack.diagnostics import REPORT_LIMIT, Diagnostic, Source, Span, nearest
from eulerstack.dsl.scalars import Refused, check_text, resolve_plain
from eulerstack.dsl.syntax import span_of
from eulerstack.dsl.tree import Entry, Mapping, Node, Scalar, Sequence, Value

MAX_NODES = 100_000
"""The most nodes a spec may have, aliases expanded."""
MAX_DEPTH = 100
"""The deepest nesting, aliases expanded. Every later walk over the tree may recurse."""
MAX_SCALAR = 1 << 16
"""The longest single scalar, in characters."""

_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = {f"{_TAG}int": int, f"{_TAG}float": float, f"{_TAG}bool": bool, f"{_TAG}null": type(None)}


class _StopReadingError(Exception):
    """Nothing after this point can be read; why is reported."""


@dataclass(frozen=True, slots=True)
class Built:
    """A finished node with the number of its nodes and its height, aliases expanded."""

    node: Node
    size: int = 1
    height: int = 1


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come."""

    start: Span
    anchor: str | None
    flow: bool
    mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: Scalar | None = None
    awaits_value: bool = False
    size: int = 1
    height: int = 1


class Builder:
    """Builds the root of one document. `diagnostics` collects what is wrong with the text."""

    def __init__(self, source: Source):
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.root: Node | None = None
        self._open: list[_Open] = []
        self._anchors: dict[str, Built] = {}
        self._nodes = 0
        self._documents = 0

    def build(self, events: Iterable[yaml.Event]) -> None:
        """Reads all events. Raises yaml.YAMLError where the scanner does."""
        try:
            for event in events:
                self._take(event)
        except _StopReadingError:
            self.root = None

    def report(self, code: str, span: Span, fix: str = "fix", **params: object) -> None:
        """Notes one thing that is wrong."""
        self.diagnostics.append(Diagnostic(code=code, span=span, params=params, fix=fix))

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._begin(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self.report("several-documents", span_of(self.source, event.start_mark))
                    raise _StopReadingError

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        span = span_of(self.source, event.start_mark, event.end_mark)
        self._count(span)
        is_key = self._expects_key()
        plain = event.style in (None, "") and event.tag is None
        if is_key and plain and event.value == "<<":
            self.report("merge-key", span)
            self._arrive(Built(Scalar(None, span)), key_text=None)
            return
        value: Value | Refused = event.value
        if len(event.value) > MAX_SCALAR:
            value = Refused("scalar-too-long", {"length": len(event.value), "limit": MAX_SCALAR})
        elif plain:
            value = resolve_plain(event.value)
        elif event.tag is not None:
            value = _tagged(event.tag, event.value)
        if isinstance(value, str):
            value = check_text(value)
        written: str | None = event.value
        if isinstance(value, Refused):
            if not (is_key and plain):  # a key that is no string is reported as such
                self.diagnostics.append(Diagnostic(code=value.code, span=span, params=value.params))
                written = None
            built = Built(Scalar(None, span, written=event.value))
        else:
            built = Built(Scalar(value, span))
        self._remember(event.anchor, built)
        self._arrive(built, key_text=written)

    def _begin(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        span = span_of(self.source, event.start_mark, event.end_mark)
        self._count(span)
        if len(self._open) >= MAX_DEPTH:
            self.report("too-deep", span, limit=MAX_DEPTH)
            raise _StopReadingError
        if event.tag is not None and event.tag not in ("!", f"{_TAG}map" if mapping else f"{_TAG}seq"):
            self.report("custom-tag", span, tag=_tag_text(event.tag))
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)  # until its end, an alias to it is a recursion
        self._open.append(_Open(span, event.anchor, bool(event.flow_style), mapping))

    def _end(self, event: yaml.MappingEndEvent | yaml.SequenceEndEvent) -> None:
        done = self._open.pop()
        end = span_of(self.source, event.start_mark, event.end_mark)
        children: list[Node] = [entry.value for entry in done.entries.values()] if done.mapping else done.items
        if not done.flow:  # the library ends a block where the next thing starts
            end = children[-1].span if children else done.start
        start = done.start
        span = Span(self.source, start.line, start.column, end.end_line, end.end_column)
        node: Node = Mapping(tuple(done.entries.values()), span) if done.mapping else Sequence(tuple(done.items), span)
        built = Built(node, done.size, done.height)
        self._remember(done.anchor, built)
        self._arrive(built, key_text=None)

    def _alias(self, event: yaml.AliasEvent) -> None:
        name = event.anchor or ""
        span = span_of(self.source, event.start_mark, event.end_mark)
        self._count(span)
        built = self._anchors.get(name)
        if built is None:
            self._report_alias(name, span)
            self._arrive(Built(Scalar(None, span)), key_text=None)
            return
        self._nodes += built.size - 1
        if self._nodes > MAX_NODES:
            self.report("alias-bomb", span, name=name, limit=MAX_NODES)
            raise _StopReadingError
        if len(self._open) + built.height - 1 > MAX_DEPTH:
            self.report("too-deep", span, limit=MAX_DEPTH)
            raise _StopReadingError
        node = replace(built.node, span=span)
        self._arrive(replace(built, node=node), key_text=str(node.value) if isinstance(node, Scalar) else None)

    def _report_alias(self, name: str, span: Span) -> None:
        if any(frame.anchor == name for frame in self._open):
            self.report("recursive-alias", span, name=name)
            return
        close = nearest(name, self._anchors) if len(self.diagnostics) < REPORT_LIMIT else None
        self.report("unknown-alias", span, "fix_nearest" if close else "fix", name=name, nearest=close or "")

    def _remember(self, anchor: str | None, built: Built) -> None:
        if anchor is not None:
            self._anchors[anchor] = built

    def _expects_key(self) -> bool:
        return bool(self._open) and self._open[-1].mapping and not self._open[-1].awaits_value

    def _count(self, span: Span) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self.report("too-many-nodes", span, limit=MAX_NODES)
            raise _StopReadingError

    def _arrive(self, built: Built, key_text: str | None) -> None:
        """A node is finished: it becomes the root, an item, a key or a value."""
        if not self._open:
            self.root = built.node
            return
        frame = self._open[-1]
        frame.size += built.size
        frame.height = max(frame.height, built.height + 1)
        if not frame.mapping:
            frame.items.append(built.node)
        elif frame.awaits_value:
            frame.awaits_value = False
            if frame.key is not None:
                frame.entries[str(frame.key.value)] = Entry(str(frame.key.value), frame.key.span, built.node)
        else:
            frame.awaits_value = True
            frame.key = self._key(frame, built.node, key_text)

    def _key(self, frame: _Open, node: Node, text: str | None) -> Scalar | None:
        """The node as a key of `frame`, or None (reported) when it cannot be one.

        `text` is what the author wrote for a scalar; None when a scalar was reported already.
        """
        if isinstance(node, Scalar) and isinstance(node.value, str):
            first = frame.entries.get(node.value)
            if first is None:
                return node
            self.report("duplicate-key", node.span, key=node.value, line=first.key_span.line)
        elif not isinstance(node, Scalar):
            self.report("key-not-string", node.span, key="{…}" if isinstance(node, Mapping) else "[…]")
        elif text is not None:
            self.report("key-not-string", node.span, key=text)
        return None


def _tagged(tag: str, text: str) -> Value | Refused:
    """The value of a scalar with a tag: those of YAML's core schema are known."""
    if tag in ("!", f"{_TAG}str"):
        return text
    if tag not in _SCALAR_TAGS:
        return Refused("custom-tag", {"tag": _tag_text(tag)})
    value = resolve_plain(text)
    if isinstance(value, Refused):
        return value
    if tag == f"{_TAG}float" and type(value) is int:
        return float(value)
    return (
        value if type(value) is _SCALAR_TAGS[tag] else Refused("tag-mismatch", {"tag": _tag_text(tag), "value": text})
    )


def _tag_text(tag: str) -> str:
    return f"!!{tag.removeprefix(_TAG)}" if tag.startswith(_TAG) else tag
