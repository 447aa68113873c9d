"""The five languages side by side: the same texts, complete, each in its own script and in nobody else's words."""

import re
import string
from collections import Counter
from pathlib import Path

import pytest

from eulerstack import i18n
from eulerstack.diagnostics import Diagnostic
from eulerstack.diagnostics.catalogue import CATALOGUE
from tests.languages import english

LOCALES = Path(__file__).parents[1] / "locales"
FILES = sorted(path.relative_to(LOCALES / "en") for path in (LOCALES / "en").rglob("*.json"))
TRANSLATED = [lang for lang in i18n.LANGUAGES if lang != "en"]
EAST_ASIAN = ["ko", "zh", "ja"]

HANGUL, KANA, HAN = "[ᄀ-ᇿㄱ-ㆎ가-힣]", "[぀-ヿ]", "[㐀-鿿]"
FOREIGN = {
    "ko": f"{KANA}|{HAN}",
    "en": f"{HANGUL}|{KANA}|{HAN}",
    "zh": f"{HANGUL}|{KANA}",
    "ja": HANGUL,
    "es": f"{HANGUL}|{KANA}|{HAN}",
}
OWN = {"ko": HANGUL, "zh": HAN, "ja": f"{KANA}|{HAN}"}
LEGACY_ENCODING = {"zh": "gb2312", "ja": "shift_jis"}
"""Encodings that hold the simplified characters, and the Japanese ones, and no others."""

SPANISH_IS_ENGLISH = {
    "total": "the same word",
    "embedding": "the field's word in both",
    "logits": "the field's word in both",
    "FFN": "a name",
    "FLOPs": "a name",
}
"""Texts with words that are the same in Spanish and in English, and why."""


def texts(lang: str) -> dict[str, str]:
    """All texts of a language, by file and id."""
    return {
        f"{file.with_suffix('')}:{key}": text
        for file in FILES
        for key, text in i18n.read((LOCALES / lang / file).read_text("utf-8")).items()
    }


TEXTS = {lang: texts(lang) for lang in i18n.LANGUAGES}


def placeholders(template: str) -> list[str]:
    """What a template fills in: `{name}` with its conversion, and argparse's `%(name)s`, `%s`, `%r`."""
    fields = [f"{name}!{conversion}" for _, name, _, conversion in string.Formatter().parse(template) if name]
    return sorted({*fields, *re.findall(r"%(?:\(\w+\))?[sr]", template)})


@pytest.mark.parametrize("lang", TRANSLATED)
def test_the_files_and_their_ids_are_the_english_ones(lang: str) -> None:
    assert sorted(path.relative_to(LOCALES / lang) for path in (LOCALES / lang).rglob("*.json")) == FILES
    for file in FILES:
        ours, english = (i18n.read((LOCALES / each / file).read_text("utf-8")) for each in (lang, "en"))
        assert list(ours) == list(english), file


@pytest.mark.parametrize("lang", TRANSLATED)
def test_the_placeholders_are_the_english_ones(lang: str) -> None:
    different = [key for key, text in TEXTS["en"].items() if placeholders(text) != placeholders(TEXTS[lang][key])]
    assert not different


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_no_text_is_empty(lang: str) -> None:
    assert not [key for key, text in TEXTS[lang].items() if not text.strip()]


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_no_script_of_another_language(lang: str) -> None:
    assert not [key for key, text in TEXTS[lang].items() if re.search(FOREIGN[lang], text)]


@pytest.mark.parametrize("lang", LEGACY_ENCODING)
def test_han_characters_in_the_language_s_own_form(lang: str) -> None:
    used = Counter(char for text in TEXTS[lang].values() for char in re.findall(HAN, text))
    assert not [char for char in used if not char.encode(LEGACY_ENCODING[lang], "ignore")]


def test_another_form_would_be_seen() -> None:
    assert not "專".encode("gb2312", "ignore")
    assert not "专".encode("shift_jis", "ignore")


@pytest.mark.parametrize("lang", EAST_ASIAN)
def test_whatever_has_words_has_the_language_s_own(lang: str) -> None:
    """A text that is words in English is words in the language's script, unless it is only names and numbers."""
    bare = [key for key, text in TEXTS[lang].items() if not re.search(OWN[lang], text)]
    assert not [key for key in bare if re.search("[a-z]{3}", re.sub(r"\{\w+\}", "", TEXTS["en"][key]))]


@pytest.mark.parametrize("lang", TRANSLATED)
def test_no_english_is_left_in_a_text(lang: str) -> None:
    assert not {key: found for key, text in TEXTS[lang].items() if (found := english(text, lang))}


@pytest.mark.parametrize("lang", TRANSLATED)
def test_the_english_catalogue_would_be_seen(lang: str) -> None:
    sentences = [text for key, text in TEXTS["en"].items() if key.startswith("schema/") and text.count(" ") >= 8]
    assert sum(bool(english(text, lang)) for text in sentences) > 0.9 * len(sentences)


def test_spanish_is_not_english() -> None:
    same = {text for key, text in TEXTS["es"].items() if text == TEXTS["en"][key]}
    assert {text for text in same if re.search("[A-Za-z]", re.sub(r"\{\w+\}", "", text))} <= set(SPANISH_IS_ENGLISH)


def test_chinese_is_set_by_chinese_custom() -> None:
    """Full-width marks beside Han characters, a space between them and Latin letters, digits or values."""
    for key, text in TEXTS["zh"].items():
        assert not re.search(rf"{HAN}[,;:?!()]|[,;:?!()]{HAN}", text), key
        assert not re.search(rf"{HAN}[A-Za-z0-9{{$`]|[A-Za-z0-9}}`]{HAN}", text), key


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
@pytest.mark.parametrize("code", CATALOGUE)
def test_every_finding_is_three_lines_without_holes(code: str, lang: str) -> None:
    known = i18n.catalogue(lang, "diagnostics")
    parts = [key.partition(".")[2] for key in known if key.startswith(f"{code}.")]
    names = {name.split("!")[0] for part in parts for name in placeholders(known[f"{code}.{part}"])}
    with i18n.speaking(lang):
        for fix in (part for part in parts if part.startswith("fix")):
            finding = Diagnostic(code=code, fix=fix, params=dict.fromkeys(names, "0"))
            first, second, third = str(finding).split("\n")
            assert first.startswith(f"{finding.label}: ")
            assert second.startswith("Fix: ")
            assert third.startswith("See: eulerstack")
            for name in names:
                assert f"{{{name}}}" not in first + second
            assert lang == "en" or not english(f"{finding.message}\n{finding.remedy}", lang)
