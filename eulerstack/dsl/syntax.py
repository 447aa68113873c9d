"""The YAML library's complaints, told in our own words."""

import re
from dataclasses import replace
from typing import Protocol

import yaml

from eulerstack.diagnostics import Diagnostic, Source, Span
from eulerstack.diagnostics.span import LINE_BREAK

_CODES = (
    ("mapping values are not allowed", "yaml-colon"),
    ("unexpected ':'", "yaml-colon"),
    ("find expected ':'", "yaml-missing-colon"),
    ("cannot start any token", "yaml-character"),
    ("tab character", "yaml-tab"),
    ("',' or ']'", "yaml-bracket"),
    ("',' or '}'", "yaml-bracket"),
    ("expected node content", "yaml-value"),
    ("expected the node content", "yaml-value"),
    ("unexpected end of stream", "yaml-quote"),
    ("unexpected document indicator", "yaml-quote"),
    ("unexpected document separator", "yaml-quote"),
    ("escape", "yaml-escape"),
    ("hexdecimal", "yaml-escape"),
    ("hexadecimal", "yaml-escape"),
    ("did not find expected key", "yaml-indent"),
    ("did not find expected '-'", "yaml-indent"),
    ("expected <block end>", "yaml-indent"),
    ("<document start>", "yaml-indent"),
    ("sequence entries are not allowed", "yaml-indent"),
    ("mapping keys are not allowed", "yaml-indent"),
    ("block mapping", "yaml-indent"),
    ("directive", "yaml-directive"),
    ("version number", "yaml-directive"),
    ("alphabetic or numeric character", "yaml-anchor"),
    ("tag URI", "yaml-tag"),
    ("expected URI", "yaml-tag"),
    ("tag handle", "yaml-tag"),
    ("expected '>'", "yaml-tag"),
    ("comment or", "yaml-block"),
    ("indentation indicator", "yaml-block"),
    ("whitespace", "yaml-tag"),
    ("expected ' '", "yaml-tag"),
    ("expected '!'", "yaml-tag"),
)


class Mark(Protocol):
    """A place in the text as the YAML library's scanners, C and Python, mark it: 0-based."""

    line: int
    column: int


def span_of(source: Source, start: Mark | None, end: Mark | None = None) -> Span:
    """The range between two marks as a span; the beginning of the text without marks."""
    offset = source.line_offset + 1
    if start is None:
        return Span(source, offset, 1, offset, 1)
    end = end or start
    return Span(source, start.line + offset, start.column + 1, end.line + offset, end.column + 1)


def diagnose(problem: yaml.MarkedYAMLError, source: Source) -> Diagnostic:
    """The diagnostic for a syntax error, at the place where the text went wrong."""
    text = problem.problem or "syntax error"
    mark = problem.problem_mark
    if mark is None:
        return Diagnostic(code="yaml-syntax", span=span_of(source, None), params={"problem": text})
    code = next((code for part, code in _CODES if part in text), "yaml-syntax")
    found = _inside(span_of(source, mark))
    opened = span_of(source, problem.context_mark or mark)
    line = source.line(found.line)
    match code:
        case "yaml-character" | "yaml-indent" if tab := re.match(r" *(?=\t)", line):
            return Diagnostic(code="yaml-tab", span=replace(found, column=tab.end() + 1, end_column=tab.end() + 2))
        case "yaml-colon" if ":" not in line[: mark.column]:  # the first of its line: a line above goes on into it
            return _continued(found)
        case "yaml-indent" if line[: mark.column].strip():
            return Diagnostic(code="yaml-unexpected", span=found)
        case "yaml-syntax" | "yaml-directive" | "yaml-anchor" | "yaml-tag" if line.startswith("%"):
            return Diagnostic(code="yaml-directive", span=found)
        case "yaml-syntax":
            return Diagnostic(code=code, span=found, params={"problem": text})
        case "yaml-character":
            return Diagnostic(code=code, span=found, params={"character": line[mark.column : mark.column + 1]})
        case "yaml-escape" if line[mark.column : mark.column + 1] != "\\":  # PyYAML's own scanner has passed it
            return Diagnostic(code=code, span=replace(found, column=max(1, mark.column)))
        case "yaml-quote":
            return Diagnostic(code=code, span=opened)  # where it was opened says more than the end of the text
        case "yaml-bracket":
            unquoted = "${" in line or "${" in source.line(opened.line)
            return Diagnostic(code=code, span=opened, fix="fix_expression" if unquoted else "fix")
        case "yaml-missing-colon":
            return _glued(opened) or Diagnostic(code=code, span=opened)
    return Diagnostic(code=code, span=found)


def _inside(span: Span) -> Span:
    """A text without a last newline ends, for YAML, on the line after its last: the place is the end of the text."""
    lines = LINE_BREAK.split(span.source.text)
    last = len(lines) + span.source.line_offset
    if span.line <= last:
        return span
    return Span(span.source, last, len(lines[-1]) + 1, last, len(lines[-1]) + 1)


def _continued(colon: Span) -> Diagnostic:
    """The line of this ':' was read as more of the text above: that has a key without a space, or this is indented."""
    above = replace(colon, line=colon.line - 1)
    line = colon.source.line(colon.line)
    indent = len(line) - len(line.lstrip())
    indented = replace(colon, column=indent + 1, end_column=colon.column)
    return _glued(above) or Diagnostic(code="yaml-indent", span=indented)


def _glued(span: Span) -> Diagnostic | None:
    """The diagnostic for a line that is `key:value`, if the span's line is."""
    line = span.source.line(span.line)
    if not re.fullmatch(r"\s*[^\s:#]+:[^\s:]+\s*", line):
        return None
    start, end = line.index(":") + 1, len(line.rstrip()) + 1
    return Diagnostic(code="yaml-space", span=Span(span.source, span.line, start, span.line, end))
