"""Every code has its words, in every complete language, with the same placeholders."""

import re
import string
from pathlib import Path

import pytest

from eulerstack import i18n
from eulerstack.diagnostics.catalogue import CATALOGUE

COMPLETE = ("en", "ko")
LOCALES = Path(__file__).parents[2] / "locales"
DOMAINS = sorted({path.stem if path.is_file() else path.name for path in (LOCALES / "en").iterdir()})
HANGUL = re.compile("[가-힣]")


def placeholders(template: str) -> set[str]:
    """The names between braces."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def texts(lang: str) -> dict[str, str]:
    """All texts of a language by domain and id."""
    return {f"{domain}:{key}": text for domain in DOMAINS for key, text in i18n.catalogue(lang, domain).items()}


def test_every_code_says_what_and_how_to_fix_it() -> None:
    for lang in COMPLETE:
        known = i18n.catalogue(lang, "diagnostics")
        fixed = {key.partition(".")[0] for key in known if ".fix" in key}
        assert not [code for code in CATALOGUE if f"{code}.what" not in known], lang
        assert not [code for code in CATALOGUE if code not in fixed], lang


def test_every_text_has_a_code() -> None:
    ids = i18n.catalogue("en", "diagnostics")
    assert {key.partition(".")[0] for key in ids} == set(CATALOGUE)
    assert not [key for key in ids if not re.fullmatch(r"[a-z0-9-]+\.(what|fix(_[a-z0-9_]+)?)", key)]


def test_codes_are_kebab_case() -> None:
    assert not [code for code in CATALOGUE if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)]


def test_a_text_stands_in_one_file_only() -> None:
    seen: dict[str, Path] = {}
    for path in sorted((LOCALES / "en" / "diagnostics").glob("*.json")):
        for key in i18n.read(path.read_text("utf-8")):
            assert key not in seen, f"{key} stands in {seen.get(key)} and {path}"
            seen[key] = path


def test_languages_have_the_same_ids() -> None:
    assert set(texts("ko")) == set(texts("en"))


def test_languages_have_the_same_placeholders() -> None:
    korean, english = texts("ko"), texts("en")
    different = [key for key in english if placeholders(english[key]) != placeholders(korean.get(key, ""))]
    assert not different


@pytest.mark.parametrize("lang", COMPLETE)
def test_texts_are_templates_and_diagnostics_one_line(lang: str) -> None:
    for key, text in texts(lang).items():
        assert text.strip(), key
        assert not key.startswith("diagnostics:") or text == " ".join(text.split()), key
        names = placeholders(text)  # which fails where the braces do not match
        assert not key.startswith("diagnostics:") or all(re.fullmatch("[a-z0-9_]+", name) for name in names), key


def test_korean_texts_are_korean_and_english_texts_are_not() -> None:
    assert not [key for key, text in texts("en").items() if HANGUL.search(text)]
    korean = {key: text for key, text in texts("ko").items() if key.startswith("diagnostics:")}
    assert not [
        key for key, text in korean.items() if not HANGUL.search(text) and re.search("[A-Za-z]{2} [a-z]{2}", text)
    ]


def test_a_first_line_is_terse() -> None:
    for lang in COMPLETE:
        what = {key: text for key, text in i18n.catalogue(lang, "diagnostics").items() if key.endswith(".what")}
        assert not [key for key, text in what.items() if text.endswith(".") or len(text) > 160]
