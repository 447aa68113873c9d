"""The browser of presets without a browser: filters, order, pages, marks, buttons."""

from html import escape

import pytest

from eulerstack import i18n, preset_index
from eulerstack.ir import count
from eulerstack.widgets import PresetBrowser
from eulerstack.widgets.preset_browser import TABS
from tests.languages import english
from tests.magics.test_languages import words_of


@pytest.fixture
def browser() -> PresetBrowser:
    return PresetBrowser()


def shown(browser: PresetBrowser) -> list[str]:
    return [preset.name for preset in browser.shown]


def test_all_presets_are_there(browser):
    assert sorted(shown(browser)) == sorted(preset_index.names())
    assert browser.chosen is browser.shown[0]
    assert str(len(preset_index.names())) in browser.count.value


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("tier", 3, lambda preset: preset.tier == 3),
        ("level", "beginner", lambda preset: preset.level == "beginner"),
        ("mixer", "hyena", lambda preset: "hyena" in preset.mixers),
        ("size", (None, 200 * 10**6), lambda preset: preset.size is not None and preset.size <= 200 * 10**6),
        ("speculative", True, lambda preset: preset.about.get("speculative")),
        ("speculative", False, lambda preset: not preset.about.get("speculative")),
    ],
)
def test_a_filter(browser, name, value, expected):
    browser.filters[name].value = value
    assert sorted(shown(browser)) == sorted(preset.name for preset in preset_index.presets() if expected(preset))
    assert shown(browser)
    browser.filters[name].value = browser.filters[name].options[0][1]
    assert len(shown(browser)) == len(preset_index.names())


def test_words_are_searched_in_name_description_and_papers(browser):
    browser.filters["text"].value = "0P1B jamba"
    assert shown(browser) == ["llm_0p1b_jamba"]
    browser.filters["text"].value = "no such word"
    assert shown(browser) == []
    assert browser.chosen is None
    assert browser.open.disabled
    assert i18n.text("widgets", "browser.none") in browser.about.value


def test_order(browser):
    browser.sort.value = "size"
    sizes = [preset.size for preset in browser.shown if preset.size is not None]
    assert sizes == sorted(sizes)
    browser.sort.value = "name"
    assert shown(browser) == sorted(preset_index.names())


def test_the_chosen_stays_chosen_while_it_passes(browser):
    browser.list.value = "llm_2b_jamba"
    browser.filters["mixer"].value = "mamba"
    assert browser.chosen_name == "llm_2b_jamba"
    browser.filters["mixer"].value = "retnet"
    assert browser.chosen_name in shown(browser)


def test_pages_of_the_chosen(browser):
    browser.list.value = "llm_0p1b_jamba"
    preset = preset_index.find("llm_0p1b_jamba")
    assert "<svg" in browser.pages["picture"].value
    assert escape(preset.description) in browser.about.value
    browser.tabs.selected_index = TABS.index("yaml")
    assert "layer_schedule" in browser.pages["yaml"].value
    browser.tabs.selected_index = TABS.index("cost")
    from eulerstack import api

    assert f"{count(api.load('llm_0p1b_jamba').model).total:,}" in browser.pages["cost"].value
    assert escape(preset.source.text) in browser.copies.value


def test_two_and_three_are_compared(browser):
    browser.tabs.selected_index = TABS.index("compare")
    assert i18n.text("widgets", "browser.mark-more") in browser.pages["compare"].value
    names = ["llm_0p1b_simple", "llm_0p1b_mistral", "llm_0p1b_jamba", "llm_0p1b_mla"]
    browser.tabs.selected_index = 0
    for name in names[:2]:
        browser.list.value = name
        browser.toggle_mark()
    assert TABS[browser.tabs.selected_index] == "compare"
    page = browser.pages["compare"].value
    assert page.count("<svg") == 1
    assert all(f"{name}.yml" in page for name in names[:2])
    browser.list.value = names[2]
    browser.toggle_mark()
    assert browser.pages["compare"].value.count("<svg") == 2
    browser.list.value = names[3]
    browser.toggle_mark()
    assert browser.marked == tuple(names[:3])
    assert i18n.text("widgets", "browser.most") in browser.marks.value
    browser.list.value = names[0]
    browser.toggle_mark()
    assert browser.marked == tuple(names[1:3])


def test_the_chosen_opens_in_an_editor(browser):
    browser.list.value = "llm_0p1b_simple"
    browser.open.click()
    assert browser.editor.yaml == preset_index.find("llm_0p1b_simple").source.text
    assert browser.editor in browser.below.children


def test_the_chosen_is_compiled(browser, tmp_path):
    browser.list.value = "llm_0p1b_simple"
    browser.panel.directory.value = str(tmp_path / "out")
    browser.panel.twin.value = True
    browser.panel.button.click()
    browser.panel.wait()
    assert (tmp_path / "out" / "config.json").exists()


def test_the_static_form_is_the_table_and_the_chosen(browser):
    browser.filters["mixer"].value = "retnet"
    html = browser._repr_mimebundle_()["text/html"]
    assert all(name in html for name in shown(browser))
    assert "<svg" in html
    assert "llm_0p1b_simple" not in html


@pytest.mark.parametrize("lang", [lang for lang in i18n.LANGUAGES if lang != "en"])
def test_every_word_is_the_language_s(lang):
    with i18n.speaking(lang):
        browser = PresetBrowser()
    browser.filters["text"].value = "jamba"
    controls = [
        control.description for control in (*browser.filters.values(), browser.sort, browser.mark, browser.open)
    ]
    for text in (*controls, browser.count.value, browser.about.value, *browser.tabs.titles):
        assert not english(words_of(text), lang)
    assert browser.mark.description == i18n.template_of("widgets", "browser.mark", lang)
