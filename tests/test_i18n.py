"""Which language is spoken, and what stands in for a text that it lacks."""

import threading

import pytest

from eulerstack import i18n


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("en", "en"),
        ("EN", "en"),
        (" ko ", "ko"),
        ("ko_KR.UTF-8", "ko"),
        ("zh-Hans", "zh"),
        ("ja.UTF-8", "ja"),
        ("fr", "ko"),
        ("", "ko"),
        ("../en", "ko"),
        ("C", "ko"),
    ],
)
def test_the_environment_names_the_language(monkeypatch: pytest.MonkeyPatch, value: str, expected: str) -> None:
    monkeypatch.setenv(i18n.VARIABLE, value)
    assert i18n.language() == expected


def test_korean_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(i18n.VARIABLE)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    assert i18n.language() == "ko"


def test_a_choice_wins_over_the_environment_and_a_block_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(i18n.VARIABLE, "ja")
    i18n.choose("es")
    with i18n.speaking("en"):
        assert i18n.language() == "en"
        with i18n.speaking("zh"):
            assert i18n.language() == "zh"
        assert i18n.language() == "en"
    assert i18n.language() == "es"
    i18n.choose(None)
    assert i18n.language() == "ja"


def test_a_block_is_left_behind_by_an_exception() -> None:
    i18n.choose("ko")
    with pytest.raises(RuntimeError), i18n.speaking("en"):
        raise RuntimeError
    assert i18n.language() == "ko"


def test_a_block_does_not_reach_other_threads() -> None:
    i18n.choose("ko")
    heard: list[str] = []
    with i18n.speaking("en"):
        thread = threading.Thread(target=lambda: heard.append(i18n.language()))
        thread.start()
        thread.join()
    assert heard == ["ko"]


def test_unknown_languages_are_refused() -> None:
    for call in (i18n.choose, lambda lang: i18n.speaking(lang).__enter__()):
        with pytest.raises(ValueError, match="fr"):
            call("fr")


@pytest.mark.parametrize(
    ("lang", "expected"),
    [
        ("ko", "스페이스로 들여쓰세요"),
        ("en", "indent with spaces"),
        ("zh", "用空格缩进"),
        ("ja", "インデントにはスペースを使ってください"),
        ("es", "sangrar con espacios"),
    ],
)
def test_texts_in_each_language(lang: str, expected: str) -> None:
    with i18n.speaking(lang):
        assert i18n.text("diagnostics", "yaml-tab.fix") == expected


def test_a_language_without_a_text_falls_back_to_english_then_to_the_id() -> None:
    assert "yaml-tab.fix" not in i18n.catalogue("es", "no-such-domain")
    with i18n.speaking("es"):
        assert i18n.text("render", "no-such-text") == "no-such-text"
    i18n.choose("ko")
    assert i18n.template_of("render", "more", "no-such-language") == i18n.template_of("render", "more", "en")
    assert i18n.has("render", "more")
    assert not i18n.has("render", "less")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{a} and {b}", "1 and {b}"),
        ("{{a}}", "{a}"),
        ("{a", "{a"),
        ("{a.b}", "{a.b}"),
        ("{0}", "{0}"),
        ("100 %", "100 %"),
    ],
)
def test_a_message_with_a_hole_is_better_than_a_crash(
    monkeypatch: pytest.MonkeyPatch, template: str, expected: str
) -> None:
    monkeypatch.setattr(i18n, "template_of", lambda *_: template)
    assert i18n.text("x", "y", a=1) == expected
