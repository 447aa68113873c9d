"""The located tree: plain YAML values that know where they stand."""

from collections.abc import Iterator
from dataclasses import field

from eulerstack.diagnostics import Span
from eulerstack.records import dataclass

Path = tuple[str | int, ...]
"""Keys and indices from the root, e.g. `("layer_schedule", 0, "template")`."""

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, boolean or null.

    `written` is the author's text where the value was computed from it (`${ … }`), or refused: then the value is None.
    """

    value: Value
    span: Span
    written: str | None = None

    def plain(self) -> Value:
        """The Python value."""
        return self.value

    @property
    def refused(self) -> bool:
        """Whether the author's text is no value, which was reported."""
        return self.value is None and self.written is not None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple["Node", ...]
    span: Span

    def plain(self) -> list:
        """The Python list, recursively plain."""
        return [item.plain() for item in self.items]


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a mapping."""

    key: str
    key_span: Span
    value: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping with string keys, in the order of the text."""

    entries: tuple[Entry, ...]
    span: Span
    _by_key: dict[str, Entry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_key", {entry.key: entry for entry in self.entries})

    def plain(self) -> dict:
        """The Python dict, recursively plain."""
        return {entry.key: entry.value.plain() for entry in self.entries}

    def entry(self, key: str) -> Entry | None:
        """The entry with this key, or None."""
        return self._by_key.get(key)

    def get(self, key: str) -> "Node | None":
        """The value at this key, or None."""
        entry = self.entry(key)
        return entry.value if entry else None

    def keys(self) -> Iterator[str]:
        """The keys in the order of the text."""
        return (entry.key for entry in self.entries)


Node = Scalar | Sequence | Mapping


def find(root: Node, path: Path) -> Node | None:
    """The node at `path`, or None where the path leads nowhere."""
    node: Node | None = root
    for step in path:
        match node:
            case Mapping() if isinstance(step, str):
                node = node.get(step)
            case Sequence() if isinstance(step, int) and 0 <= step < len(node.items):
                node = node.items[step]
            case _:
                return None
    return node


def locate(root: Node, path: Path, *, key: bool = False) -> Span:
    """The span of the value at `path`, or with `key` that of its key.

    A path that leads nowhere gives the place of the nearest ancestor that exists (its key, if it has one): that is
    where a missing key is missed.
    """
    node: Node = root
    span = root.span
    for depth, step in enumerate(path):
        last = depth == len(path) - 1
        match node:
            case Mapping() if isinstance(step, str) and (entry := node.entry(step)):
                span = entry.key_span if key or not last else entry.value.span
                node = entry.value
            case Sequence() if isinstance(step, int) and 0 <= step < len(node.items):
                node = node.items[step]
                span = node.span
            case _:
                return span
    return span


def refused_places(root: Node) -> frozenset[Span]:
    """Where values stand that were refused: later layers find nulls there and need not complain again."""
    match root:
        case Scalar():
            return frozenset({root.span}) if root.refused else frozenset()
        case Sequence(items=children):
            return frozenset().union(*map(refused_places, children))
        case Mapping(entries=entries):
            return frozenset().union(*(refused_places(entry.value) for entry in entries))


def dotted(path: Path) -> str:
    """How a path is printed: `layer_schedule[0].template`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
