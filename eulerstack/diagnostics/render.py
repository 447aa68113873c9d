"""Diagnostics for people and for machines: terminal lines with the source, HTML, JSON."""

import html as markup
from collections.abc import Iterable, Iterator

from eulerstack import i18n
from eulerstack.diagnostics.cells import cells, shortened
from eulerstack.diagnostics.diagnostic import REPORT_LIMIT, Diagnostic, Severity, printable
from eulerstack.diagnostics.span import Span

WIDTH = 72
"""How many cells of a source line are shown: with its number it fits a terminal of 80 and a notebook's output."""
TAB = 4

_ANSI = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m", Severity.INFO: "\x1b[1;36m"}
_DIM, _RESET = "\x1b[2m", "\x1b[0m"
# Middle tones: readable on white and on black.
_COLOURS = {Severity.ERROR: "#d9534f", Severity.WARNING: "#b8860b", Severity.INFO: "#2f8fbf"}


def terminal_lines(diagnostics: Iterable[Diagnostic], *, color: bool = False) -> list[str]:
    """The three lines of each diagnostic, its source line and a caret, a blank line between two; at most 20.

    With `color` the lines carry ANSI codes: whoever calls knows whether a terminal reads them.
    """
    diagnostics = list(diagnostics)
    lines: list[str] = []
    for diagnostic in diagnostics[:REPORT_LIMIT]:
        if lines:
            lines.append("")
        lines += _block(diagnostic, color)
    if len(diagnostics) > REPORT_LIMIT:
        lines += ["", i18n.text("render", "more", count=len(diagnostics) - REPORT_LIMIT)]
    return lines


def _block(diagnostic: Diagnostic, color: bool) -> Iterator[str]:
    first, fix, see = diagnostic.lines()
    excerpt = _excerpt(diagnostic.span) if diagnostic.span else []
    if not color:
        yield from (first, fix, see, *excerpt)
        return
    label, tone = diagnostic.label, _ANSI[diagnostic.severity]
    yield f"{tone}{label}{_RESET}{first.removeprefix(label)}"
    yield fix
    yield f"{_DIM}{see}{_RESET}"
    if excerpt:
        source, caret = excerpt
        yield f"{_DIM}{source}{_RESET}"
        yield f"{tone}{caret}{_RESET}"


def _excerpt(span: Span) -> list[str]:
    """The source line with its number, and the caret below; nothing where the source has no such line."""
    line = span.source.line(span.line)
    if not line.strip():
        return []
    before, marked, after = _parts(span, line)
    number = f"{span.line:>5} | "
    return [f"{number}{before}{marked}{after}".rstrip(), f"{' ' * 5} | {' ' * cells(before)}{_underline(marked)}"]


def _parts(span: Span, line: str) -> tuple[str, str, str]:
    """What stands before, in and after the span on its first line, cut to `WIDTH` cells around its beginning."""
    start = min(span.column - 1, len(line))
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    end = max(start, end)
    sliced = line[max(0, start - WIDTH) : start], line[start : min(end, start + WIDTH)], line[end : end + WIDTH]
    before, marked, after = (_visible(part) for part in sliced)
    if start > WIDTH or cells(before) + cells(marked) + cells(after) > WIDTH:
        before = _last_cells(before, WIDTH // 2)
        marked = shortened(marked, WIDTH - cells(before))
        after = shortened(after, WIDTH - cells(before) - cells(marked))
    return before, marked, after


def _underline(marked: str) -> str:
    return "^" + "~" * (max(1, cells(marked)) - 1)


def _visible(text: str) -> str:
    return printable(text.removeprefix("\ufeff").replace("\t", " " * TAB))


def _last_cells(text: str, width: int) -> str:
    if cells(text) <= width:
        return text
    kept = text[1 - width :]
    while cells(kept) >= width:
        kept = kept[1:]
    return f"…{kept}"


def html(diagnostics: Iterable[Diagnostic]) -> str:
    """The same as HTML with inline styles that need no theme: notebooks, light or dark."""
    diagnostics = list(diagnostics)
    parts = [_box(diagnostic) for diagnostic in diagnostics[:REPORT_LIMIT]]
    if len(diagnostics) > REPORT_LIMIT:
        more = i18n.text("render", "more", count=len(diagnostics) - REPORT_LIMIT)
        parts.append(f'<div style="opacity:.7">{markup.escape(more)}</div>')
    return f'<div style="font-family:monospace;white-space:pre-wrap">{"".join(parts)}</div>'


def _box(diagnostic: Diagnostic) -> str:
    tone = _COLOURS[diagnostic.severity]
    first, fix, see = diagnostic.lines()
    label = diagnostic.label
    head = f'<b style="color:{tone}">{label}</b>{markup.escape(first.removeprefix(label))}'
    lines = [head, markup.escape(fix), f'<span style="opacity:.7">{markup.escape(see)}</span>']
    if diagnostic.span and (line := diagnostic.span.source.line(diagnostic.span.line)).strip():
        before, marked, after = (markup.escape(part) for part in _parts(diagnostic.span, line))
        mark = f'<span style="color:{tone};text-decoration:underline wavy {tone}">{marked or "&nbsp;"}</span>'
        number = f'<span style="opacity:.5">{diagnostic.span.line:>5} | </span>'
        lines.append(f"{number}{before}{mark}{after}")
    style = f"margin:.3em 0;padding:.4em .8em;border-left:3px solid {tone};background:rgba(127,127,127,.1)"
    return f'<div style="{style}">' + "\n".join(lines) + "</div>"


def to_dict(diagnostic: Diagnostic) -> dict[str, object]:
    """For JSON. `file`, `line` and `column` are None for what has no place."""
    span = diagnostic.span
    path = diagnostic.params.get("path")
    return {
        "code": diagnostic.code,
        "category": diagnostic.category,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "fix": diagnostic.remedy,
        "see": diagnostic.see_also,
        "file": span.source.name if span else None,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "path": str(path) if path is not None else None,
    }
