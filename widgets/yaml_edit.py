"""Change one value of a YAML text and leave every other character, comments included, as it is."""

from eulerstack.dsl.tree import Mapping, Node, Path, Scalar, Sequence
from eulerstack.ir.yaml_text import flow

Plain = str | int | float | bool | None


def replaced(text: str, root: Mapping, path: Path, value: Plain) -> str:
    """The text with `value` at `path`; keys on the way that are not there are written. `root` is the text's own tree.

    Raises LookupError where the path leads through a list's end, or through something that has no keys.
    """
    node: Node = root
    for depth, step in enumerate(path):
        match node:
            case Mapping() if isinstance(step, str) and (entry := node.entry(step)):
                node = entry.value
            case Mapping() if isinstance(step, str):
                return _inserted(text, node, path[depth:], value)
            case Sequence() if isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            case _:
                raise LookupError(f"nothing stands at {step!r}")
    if not isinstance(node, Scalar):
        raise LookupError("a section stands there")
    start, end = (_offset(text, *place) for place in _ends(node))
    return f"{text[:start]}{flow(value)}{text[end:]}"


def _inserted(text: str, mapping: Mapping, path: Path, value: Plain) -> str:
    """The mapping's text with a further key in front of the others, on one line."""
    written = _nested(path, value)
    start = _offset(text, mapping.span.line, mapping.span.column)
    if text[start] == "{":
        comma = ", " if mapping.entries else " "
        return f"{text[: start + 1]} {written}{comma}{text[start + 1 :].lstrip(' ')}"
    indent = " " * (mapping.span.column - 1)
    return f"{text[:start]}{written}\n{indent}{text[start:]}"


def _nested(path: Path, value: Plain) -> str:
    """`a: { b: 1 }` for the path a, b."""
    key, *rest = path
    if not isinstance(key, str) or not all(isinstance(step, str) for step in rest):
        raise LookupError("a list that is not there")
    return f"{key}: {{ {_nested(tuple(rest), value)} }}" if rest else f"{key}: {flow(value)}"


def _ends(scalar: Scalar) -> tuple[tuple[int, int], tuple[int, int]]:
    span = scalar.span
    return (span.line, span.column), (span.end_line, span.end_column)


def _offset(text: str, line: int, column: int) -> int:
    """Where the column (from 1) of the line (from 1) is in the text."""
    return sum(len(each) for each in text.splitlines(keepends=True)[: line - 1]) + column - 1
