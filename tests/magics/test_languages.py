"""Results and mistakes in a notebook speak the language, HTML as well as text."""

import re
from html import unescape

import pytest

from eulerstack import i18n
from tests.languages import english
from tests.magics.test_magic import SPEC, WRONG, run

TRANSLATED = [lang for lang in i18n.LANGUAGES if lang != "en"]
ANSWERS = ["show", "validate --report", "explain", "compile", "shrink"]
MISTAKES = [
    "%eulerstack validate none.yml",
    "%eulerstack nothing",
    "%eulerstack validate 'open",
    "%eulerstack validate {{ nobody }}",
    "%eulerstack compile llm_0p1b_simple --out 1x",
    "%%eulerstack explain\n \n",
    f"%%eulerstack explain\n{WRONG}",
    f"%%eulerstack validate\n{WRONG}",
    f"%%eulerstack validate x.yml\n{SPEC}",
]
HELP = ["%eulerstack", "%eulerstack compile --help", "%%eulerstack --help\nx", "%%eulerstack show --help\nx"]


def words_of(html: str) -> str:
    """What a reader sees of an HTML text, pictures left out."""
    return unescape(re.sub(r"<[^>]*>", "\n", re.sub(r"<svg.*?</svg>|<pre.*?</pre>", "", html, flags=re.DOTALL)))


@pytest.mark.parametrize("lang", TRANSLATED)
@pytest.mark.parametrize("command", ANSWERS)
def test_an_answer(shell, command, lang):
    i18n.choose(lang)
    result, told = run(shell, f"%%eulerstack {command}\n{SPEC}")
    assert not told
    formatted, _ = shell.display_formatter.format(result.result)
    assert not english(words_of(formatted["text/html"]), lang)


@pytest.mark.parametrize("lang", TRANSLATED)
@pytest.mark.parametrize("line", ["%eulerstack schema mixer.attention", "%eulerstack presets list"])
def test_a_table(shell, line, lang):
    i18n.choose(lang)
    result, _ = run(shell, line)
    assert not english(words_of(result.result._repr_html_()), lang)


@pytest.mark.parametrize("lang", TRANSLATED)
@pytest.mark.parametrize("cell", MISTAKES)
def test_a_mistake(shell, cell, lang):
    i18n.choose(lang)
    _, told = run(shell, cell)
    assert any(line.startswith("Fix: ") for line in told)
    assert not english("\n".join(line for line in told if not re.match(r"\s*\d* \||See: ", line)), lang)


@pytest.mark.parametrize("lang", TRANSLATED)
@pytest.mark.parametrize("cell", HELP)
def test_help(shell, cell, lang, capsys):
    i18n.choose(lang)
    run(shell, cell)
    printed = capsys.readouterr().out
    assert i18n.template_of("cli", "argparse.usage").strip() in printed
    assert not english(printed, lang)
