"""YAML text → located tree, with everything that is wrong with the text itself."""

import re
from itertools import islice

import yaml

from eulerstack.diagnostics import REPORT_LIMIT, Diagnostic, Source, Span, collect
from eulerstack.diagnostics.span import LINE_BREAK
from eulerstack.dsl.builder import Builder
from eulerstack.dsl.reader import MAX_BYTES, too_large
from eulerstack.dsl.scalars import NOT_PRINTABLE
from eulerstack.dsl.syntax import diagnose
from eulerstack.dsl.tree import Mapping, Node, Scalar

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's scanner where PyYAML was built with it: five times faster, the same events."""
MAX_ROUNDS = 20
"""How often a text is read again without a broken section, to find what else is wrong."""

_SECTION = re.compile(r"[^\s#\-\]\}\[\{%].*")


def parse(source: Source) -> Mapping:
    """The tree of a YAML text. Raises EulerStackError with every textual error that can be found."""
    root, diagnostics = examine_text(source)
    if root is None or diagnostics:
        raise collect(diagnostics)
    return root


def examine_text(source: Source) -> tuple[Mapping | None, list[Diagnostic]]:
    """The tree as far as there is one (None: there is none), and all that is wrong with the text."""
    text = source.text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        return None, list(too_large(source).diagnostics)
    diagnostics = _control_characters(source, text)
    text = NOT_PRINTABLE.sub(" ", text)
    builder = Builder(source)
    problem = _read(builder, text)
    diagnostics += builder.diagnostics
    if problem is not None:
        return None, diagnostics + _read_on(source, text, problem)
    if builder.diagnostics and builder.root is None:
        return None, diagnostics
    root, missing = _root(builder.root, source)
    return root, diagnostics + missing


def _read(builder: Builder, text: str) -> yaml.MarkedYAMLError | None:
    try:
        builder.build(yaml.parse(text, Loader=LOADER))
    except yaml.MarkedYAMLError as problem:
        return problem
    return None


def _control_characters(source: Source, text: str) -> list[Diagnostic]:
    """The first characters that YAML forbids; a binary file has as many as it has bytes."""
    lines = enumerate(LINE_BREAK.split(text), start=1 + source.line_offset)
    places = ((number, match) for number, line in lines for match in NOT_PRINTABLE.finditer(line))
    return [_control_character(source, number, match) for number, match in islice(places, REPORT_LIMIT)]


def _control_character(source: Source, line: int, match: re.Match[str]) -> Diagnostic:
    span = Span(source, line, match.start() + 1, line, match.end() + 1)
    if match.group() == "\0":
        return Diagnostic(code="binary", span=span)
    return Diagnostic(code="control-character", span=span, params={"character": f"U+{ord(match.group()):04X}"})


def _read_on(source: Source, text: str, problem: yaml.MarkedYAMLError) -> list[Diagnostic]:
    """The syntax error, and those of the top-level sections behind it.

    The section that is broken is blanked, so that every position stays, and the text is read again.
    """
    lines = LINE_BREAK.split(text)
    found: list[Diagnostic] = []
    for _ in range(MAX_ROUNDS):
        found.append(diagnose(problem, source))
        mark = problem.context_mark or problem.problem_mark
        begin = end = min(mark.line if mark else 0, len(lines) - 1)
        while begin > 0 and not _SECTION.match(lines[begin]):
            begin -= 1
        end += 1
        while end < len(lines) and not _SECTION.match(lines[end]):
            end += 1
        if begin == 0 and end == len(lines):
            break
        lines[begin:end] = [""] * (end - begin)
        builder = Builder(source)
        again = _read(builder, "\n".join(lines))
        found += [d for d in builder.diagnostics if d.code not in ("unknown-alias", "empty-document")]
        if again is None:
            break
        problem = again
    return found


def _root(node: Node | None, source: Source) -> tuple[Mapping | None, list[Diagnostic]]:
    line = 1 + source.line_offset
    start = Span(source, line, 1, line, 1)
    match node:
        case Mapping():
            return node, []
        case None | Scalar(value=None):
            return None, [Diagnostic(code="empty-document", span=node.span if node else start)]
        case Scalar(value=str() as value) if re.search(r"\w:\S", value):
            return None, [Diagnostic(code="root-not-mapping", span=node.span, fix="fix_space")]
        case _:
            return None, [Diagnostic(code="root-not-mapping", span=node.span)]
