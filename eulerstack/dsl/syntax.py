"""The YAML library's complaints, told in our own words."""

import re

import yaml

from eulerstack.diagnostics import Diagnostic, Source, Span

_CODES = (
    ("mapping values are not allowed", "yaml-colon"),
    ("find expected ':'", "yaml-missing-colon"),
    ("cannot start any token", "yaml-character"),
    ("tab character", "yaml-tab"),
    ("',' or ']'", "yaml-bracket"),
    ("',' or '}'", "yaml-bracket"),
    ("did not find expected node content", "yaml-bracket"),
    ("expected the node content", "yaml-bracket"),
    ("unexpected end of stream", "yaml-quote"),
    ("unexpected document indicator", "yaml-quote"),
    ("escape", "yaml-escape"),
    ("hexdecimal", "yaml-escape"),
    ("hexadecimal", "yaml-escape"),
    ("did not find expected key", "yaml-indent"),
    ("did not find expected '-'", "yaml-indent"),
    ("expected <block end>", "yaml-indent"),
    ("expected <document start>", "yaml-indent"),
    ("block sequence entries are not allowed", "yaml-indent"),
    ("mapping keys are not allowed", "yaml-indent"),
    ("block mapping", "yaml-indent"),
)


def span_of(source: Source, start: yaml.Mark, end: yaml.Mark | None = None) -> Span:
    """The range between two marks of the YAML library (0-based) as a span."""
    end = end or start
    offset = source.line_offset + 1
    return Span(source, start.line + offset, start.column + 1, end.line + offset, end.column + 1)


def diagnose(problem: yaml.YAMLError, source: Source) -> Diagnostic:
    """The diagnostic for a syntax error, at the place where the text went wrong."""
    text = getattr(problem, "problem", None) or "syntax error"
    start = getattr(problem, "problem_mark", None)
    context = getattr(problem, "context_mark", None)
    if start is None:  # the reader's errors carry no line; the text was checked before, so this is a rarity
        return Diagnostic(
            code="yaml-syntax", span=Span(source, 1 + source.line_offset, 1, 1, 1), params={"problem": text}
        )
    code = next((code for part, code in _CODES if part in text), "yaml-syntax")
    line = source.line(start.line + 1 + source.line_offset)
    indent = re.match(r"[ \t]*", line)
    if code in ("yaml-character", "yaml-indent") and indent and "\t" in indent.group():
        column = line.index("\t")
        here = Span(
            source, start.line + 1 + source.line_offset, column + 1, start.line + 1 + source.line_offset, column + 2
        )
        return Diagnostic(code="yaml-tab", span=here)
    if code in ("yaml-quote", "yaml-bracket") and context is not None:
        start = context  # where it was opened says more than the end of the text
    span = span_of(source, start)
    if code == "yaml-syntax":
        return Diagnostic(code=code, span=span, params={"problem": text})
    if code == "yaml-character":
        return Diagnostic(code=code, span=span, params={"character": line[start.column : start.column + 1]})
    if code == "yaml-bracket":
        quoting = "${" in line or "${" in source.line(span.line)
        return Diagnostic(code=code, span=span, fix="fix_expression" if quoting else "fix")
    if code == "yaml-missing-colon":
        glued = re.search(r"\S:[^\s/]", source.line(span.line - 1)) or re.search(r"\S:[^\s/]", line)
        return Diagnostic(code=code, span=span, fix="fix_space" if glued else "fix")
    return Diagnostic(code=code, span=span)
