"""The parser: language first, three lines for every mistake, never a traceback."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eulerstack import arguments, cli, i18n, parser
from eulerstack.arguments import Place
from eulerstack.diagnostics import EulerStackError, ValidationError
from eulerstack.magics.actions import ACTIONS
from eulerstack.magics.notebook import NOTEBOOK_ACTIONS

WORDS = [
    *arguments.COMMANDS[Place.SHELL],
    *("list", "show", "copy", "model.yml", "-", "--", "", "%s", "{x}", "\n", "가", "\udcff", "\0"),
    *("--preset", "--lang", "--lang=en", "--format", "--format=json", "--seed", "--seed=-1", "--output", "-o", "-ox"),
    *("--twin=3", "--help=1", "--tokenizer", "auto", "json", "--strict", "--report", "--unknown", "-z", "--out", "-1"),
]


def refusal(*words: str, lang: str = "en", place: Place = Place.SHELL) -> list[str]:
    with i18n.speaking(lang), pytest.raises(ValidationError) as caught:
        arguments.parse(words, place)
    return str(caught.value).split("\n")


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("option", [["--lang", "ko"], ["--lang=ko"]])
def test_the_language_may_stand_anywhere(place, option):
    words = ["validate", "--report", "x.yml"]
    assert arguments.split_language([*words[:place], *option, *words[place:]]) == ("ko", words)


def test_the_last_language_wins_and_dashes_end_the_options():
    assert arguments.split_language(["--lang", "en", "--lang=ko", "--", "--lang", "x"]) == ("ko", ["--", "--lang", "x"])


@pytest.mark.parametrize("words", [["--lang"], ["--lang", "klingon"], ["--lang="]])
def test_a_language_that_does_not_exist_is_refused(words):
    with pytest.raises(ValidationError) as caught:
        arguments.split_language(words)
    assert "ko, en, zh, ja, es" in str(caught.value)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["valdate"], "did you mean 'validate'?"),
        (["validate", "--prest", "x"], "did you mean '--preset'?"),
        (["compile", "x", "--tokenizer", "atuo"], "did you mean 'auto'?"),
        (["compile", "x", "--seed", "1.5"], "'1.5' is not a seed"),
        (["compile", "x", "--seed", "-3"], "'-3' is not a seed"),
        (["compile", "x", "--seed", str(2**63)], "is not a seed"),
        (["validate"], "no spec is named"),
        (["validate", "a.yml", "--preset", "b"], "two specs are named: 'a.yml' and 'b'"),
        (["validate", "a.yml", "b.yml"], "'b.yml' is one argument too many"),
        (["compile", "x", "-o"], "a value must follow"),
        (["compile", "x", "--twin=1"], "takes no value"),
        (["presets"], "missing: ACTION"),
        (["presets", "copy", "x"], "missing: FILE"),
    ],
)
def test_a_wrong_call_is_told_in_three_lines(words, told):
    lines = refusal(*words)
    assert len(lines) == 3
    assert lines[0].startswith("ValidationError: ")
    assert lines[1].startswith("Fix: ")
    assert lines[2].startswith("See: eulerstack")
    assert told in "\n".join(lines)


def test_mistakes_and_argparse_s_own_words_are_translated():
    lines = refusal("presets", "copy", "x", lang="ko")
    assert "빠진 인자가 있습니다: FILE" in lines[0]
    assert lines[1].startswith("Fix: 사용법: eulerstack presets copy")


def test_argparse_is_left_as_it_was():
    before = argparse._
    refusal("presets")
    assert argparse._ is before


def test_options_may_not_be_shortened():
    assert "--strict" in refusal("validate", "x", "--stric")[1]


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
@pytest.mark.parametrize("command", [[], *[[name] for name in arguments.COMMANDS[Place.SHELL]], ["presets", "list"]])
def test_help_is_complete_in_each_language(lang, command, capsys):
    with i18n.speaking(lang), pytest.raises(SystemExit) as done:
        arguments.parse([*command, "--help"])
    assert done.value.code == 0
    text = capsys.readouterr().out
    assert "eulerstack" in text
    untranslated = [key for key in i18n.catalogue("en", "cli") if f" {key}" in text]
    assert not untranslated
    assert i18n.template_of("cli", "argparse.usage", lang) + "eulerstack" in text


def test_help_wraps_by_terminal_cells():
    lines = list(parser.wrap("가나다라 마바사 " * 20 + "漢" * 60, 40))
    assert max(map(parser.cells, lines)) <= 40
    assert "".join(lines).replace(" ", "") == ("가나다라마바사" * 20) + "漢" * 60


def test_every_command_has_a_file_and_a_text():
    assert set(cli.COMMANDS) == set(arguments.COMMANDS[Place.SHELL])
    actions = {*ACTIONS, *NOTEBOOK_ACTIONS}
    assert actions == {*arguments.COMMANDS[Place.LINE], *arguments.COMMANDS[Place.CELL]}
    assert all(i18n.has("cli", f"{name}.about") for name in {*cli.COMMANDS, *actions})


def test_over_a_cell_no_spec_is_named():
    call = arguments.parse(["compile", "--out", "small"], Place.CELL)
    assert call.out == "small"
    assert not hasattr(call, "spec")
    assert "'x.yml' is one argument too many" in refusal("validate", "x.yml", place=Place.CELL)[0]
    assert "'presets' is not a command" in refusal("presets", "list", place=Place.CELL)[0]


def outcome(words, place):
    """How many lines a call's error has, or the code it exits with after --help; None for a call that may run."""
    try:
        arguments.parse(arguments.split_language(words)[1], place)
    except EulerStackError as failure:
        return len(str(failure).split("\n"))
    except SystemExit as done:
        return done.code
    return None


@given(
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=8)), max_size=6),
    st.sampled_from(Place),
    st.sampled_from(i18n.LANGUAGES),
)
def test_no_call_ends_in_a_traceback(words, place, lang):
    with i18n.speaking(lang):
        assert outcome(words, place) in (None, 0, 3)
