"""Every code has its words in every language: what is wrong, how to fix it, on one line each."""

import re
from pathlib import Path

import pytest

from eulerstack import i18n
from eulerstack.diagnostics.catalogue import CATALOGUE

ENGLISH = Path(__file__).parents[2] / "locales" / "en" / "diagnostics"
LONGEST = 160
"""Characters of a first line before its placeholders are filled."""


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_every_code_says_what_and_how_to_fix_it(lang: str) -> None:
    known = i18n.catalogue(lang, "diagnostics")
    fixed = {key.partition(".")[0] for key in known if ".fix" in key}
    assert not [code for code in CATALOGUE if f"{code}.what" not in known]
    assert not [code for code in CATALOGUE if code not in fixed]


def test_every_text_has_a_code() -> None:
    ids = i18n.catalogue("en", "diagnostics")
    assert {key.partition(".")[0] for key in ids} == set(CATALOGUE)
    assert not [key for key in ids if not re.fullmatch(r"[a-z0-9-]+\.(what|fix(_[a-z0-9_]+)?)", key)]


def test_codes_are_kebab_case() -> None:
    assert not [code for code in CATALOGUE if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)]


def test_a_text_stands_in_one_file_only() -> None:
    seen: dict[str, Path] = {}
    for path in sorted(ENGLISH.glob("*.json")):
        for key in i18n.read(path.read_text("utf-8")):
            assert key not in seen, f"{key} stands in {seen.get(key)} and {path}"
            seen[key] = path


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_texts_are_one_line_and_the_first_one_terse(lang: str) -> None:
    for key, text in i18n.catalogue(lang, "diagnostics").items():
        assert text == " ".join(text.split()), key
        assert not text.endswith((".", "。")), key
        assert not key.endswith(".what") or len(text) <= LONGEST, key
