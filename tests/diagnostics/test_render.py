"""The three lines, the source line with its caret, HTML and JSON."""

import json
import re

import pytest

from eulerstack import i18n
from eulerstack.diagnostics import (
    REPORT_LIMIT,
    Diagnostic,
    EulerStackError,
    NormalizationError,
    Severity,
    Source,
    Span,
    ValidationError,
    collect,
    error,
    in_text_order,
)
from eulerstack.diagnostics.render import WIDTH, html, terminal_lines, to_dict


def at(text: str, column: int, end: int, line: int = 1, **params: object) -> Diagnostic:
    span = Span(Source("m.yml", text), line, column, line, end)
    return Diagnostic(code="key-not-string", span=span, params={"key": "k"} | params)


def bare(lines: list[str]) -> list[str]:
    """The lines without their colours."""
    return [re.sub("\x1b\\[[0-9;]*m", "", line) for line in lines]


def test_three_lines() -> None:
    assert str(error("key-not-string", span=at("a", 1, 2).span, params={"key": "1"})).split("\n") == [
        "ValidationError: m.yml:1:1 the key 1 is not a string",
        "Fix: put the key in quotes",
        "See: eulerstack schema",
    ]


def test_without_a_place() -> None:
    assert str(error("file-missing", params={"path": "m.yml"})).startswith("ValidationError: m.yml does not exist\n")


def test_labels_stay_english_in_korean() -> None:
    with i18n.speaking("ko"):
        first, fix, see = at("a", 1, 2).lines()
    assert first.startswith("ValidationError: m.yml:1:1 키 k")
    assert fix.startswith("Fix: ")
    assert see.startswith("See: ")


@pytest.mark.parametrize("nasty", ["a\nb", "\x1b[31mred", "\ud800", "\u202e", "\r", "{0}", "{key}", "%s"])
def test_what_the_author_wrote_cannot_break_the_lines(nasty: str) -> None:
    lines = str(collect([at("a", 1, 2, key=nasty)])).split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_long_words_are_cut() -> None:
    assert len(at("a", 1, 2, key="x" * 100_000).message) < 1_000


def test_the_caret_stands_under_the_place() -> None:
    assert terminal_lines([at("key: value", 6, 11)])[3:] == ["    1 | key: value", "      |      ^~~~~"]


@pytest.mark.parametrize(
    ("text", "column", "end", "expected"),
    [
        ("한글: 값", 5, 6, "      |       ^~"),
        ("\ta: 1", 5, 6, "      |        ^"),
        ("a:", 3, 3, "      |   ^"),
        ("e\u0301: 1", 5, 6, "      |    ^"),
    ],
)
def test_the_caret_counts_terminal_cells(text: str, column: int, end: int, expected: str) -> None:
    assert terminal_lines([at(text, column, end)])[4] == expected


def test_a_range_of_several_lines_is_marked_to_the_end_of_the_first() -> None:
    span = Span(Source("m.yml", "a: [1,\n  2]\n"), 1, 4, 2, 5)
    assert terminal_lines([Diagnostic(code="too-deep", span=span, params={"limit": 1})])[4] == "      |    ^~~"


def test_long_lines_are_cut_around_the_place() -> None:
    for letter in "x한":
        source, caret = terminal_lines([at(letter * 5_000 + "!" + letter * 5_000, 5_001, 5_002)])[3:]
        assert len(source) <= WIDTH + 10
        assert "!" in source
        assert caret.rstrip().endswith("^")


def test_no_source_line_where_there_is_none() -> None:
    assert len(terminal_lines([at("", 1, 1)])) == 3
    assert len(terminal_lines([at("a", 1, 1, line=9)])) == 3


def test_colour_only_when_asked() -> None:
    assert not [line for line in terminal_lines([at("a: 1", 1, 2)]) if "\x1b" in line]
    coloured = terminal_lines([at("a: 1", 1, 2)], color=True)
    assert bare(coloured) == terminal_lines([at("a: 1", 1, 2)])
    assert bare(coloured) != coloured


def test_at_most_twenty_are_shown() -> None:
    many = [at("a", 1, 2, line=n) for n in range(1, 30)]
    assert len(str(collect(many)).split("\n")) == 3 * REPORT_LIMIT
    assert terminal_lines(many)[-1] == "… and 9 more"
    assert "… and 9 more" in html(many)


def test_html_is_escaped_and_balanced() -> None:
    shown = html([at("<script>: 1 & 2", 1, 9, key="<b>&")])
    assert "<script>" not in shown
    assert "<b>&" not in shown
    assert "&lt;script&gt;" in shown
    for tag in ("div", "span", "b"):
        assert shown.count(f"<{tag}") == shown.count(f"</{tag}>")
    assert not re.search(r"color:\s*(black|white|#000|#fff)", shown)


def test_json_form() -> None:
    data = to_dict(at("a: 1", 1, 2, path="model.d"))
    assert json.loads(json.dumps(data)) == {
        "code": "key-not-string",
        "category": "ValidationError",
        "severity": "Error",
        "message": "the key k is not a string",
        "fix": "put the key in quotes",
        "see": "eulerstack schema",
        "file": "m.yml",
        "line": 1,
        "column": 1,
        "path": "model.d",
    }
    assert to_dict(Diagnostic(code="file-missing", params={"path": "x"}))["file"] is None


def test_ipython_shows_the_lines_without_a_traceback() -> None:
    failure = collect([at("key: value", 6, 11)])
    assert bare(failure._render_traceback_()) == terminal_lines(failure.diagnostics)


def test_text_order_and_repeats() -> None:
    late, early = at("a: 1", 4, 5, line=2), at("a: 1", 4, 5)
    nowhere = Diagnostic(code="file-missing", params={"path": "x"})
    assert in_text_order([late, early, nowhere, early]) == [nowhere, early, late]


def test_the_class_is_the_category_of_the_first_error() -> None:
    second = Diagnostic(code="let-cycle", span=at("a: 1", 1, 2, line=2).span, params={"chain": ""})
    assert isinstance(collect([second, at("a: 1", 1, 2)]), ValidationError)
    assert isinstance(collect([second]), NormalizationError)
    assert issubclass(ValidationError, EulerStackError)
    assert at("a", 1, 2).severity is Severity.ERROR


def test_an_unknown_code_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        Diagnostic(code="no-such-code")
