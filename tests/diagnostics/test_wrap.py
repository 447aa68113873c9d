"""Lines of help texts and tables: where each script breaks them."""

import pytest

from eulerstack import i18n
from eulerstack.diagnostics.cells import cells, wrap

WIDTH = 60


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("仕様を検査します。", ["仕様を検", "査しま", "す。"]),  # no full stop at the beginning of a line
        ("既定値 (値)", ["既定値", "(値)"]),  # no opening bracket at the end of a line
        ("重みの top_k を", ["重みの", "top_k を"]),
        ("한국어 낱말은", ["한국어", "낱말은"]),
    ],
)
def test_lines_of_eight_cells(text: str, lines: list[str]) -> None:
    assert list(wrap(text, 8)) == lines


@pytest.mark.parametrize("lang", ["ja", "zh"])
def test_no_line_begins_with_a_closing_mark(lang: str) -> None:
    for key, text in i18n.catalogue(lang, "schema").items():
        lines = list(wrap(text, WIDTH))
        assert "".join("".join(lines).split()) == "".join(text.split()), key
        assert all(cells(line) <= WIDTH for line in lines), key
        assert not [line for line in lines[1:] if line[0] in "、。，：；？）」)"], key
        assert not [line for line in lines[:-1] if line[-1] in "（「("], key


def test_korean_words_stay_whole() -> None:
    for key, text in i18n.catalogue("ko", "schema").items():
        assert " ".join(wrap(text, WIDTH)) == " ".join(text.split()), key
