"""The playground without a browser: what is written, looked at, stopped, and what cannot be opened."""

from pathlib import Path

import pytest

from eulerstack import api, i18n
from eulerstack.diagnostics import EulerStackError
from eulerstack.training.writer import Sampling
from eulerstack.widgets import Playground
from tests.languages import english
from tests.magics.test_languages import words_of
from tests.training.loop.runs import SERIAL, begun, compiled

REASONING = "arch_expert_reasoning_r1"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("play") / "reasoning"
    api.compile(REASONING, twin=True, output_dir=path)
    return path


@pytest.fixture
def playground(directory: Path) -> Playground:
    made = Playground(directory)
    made.settings["new_tokens"].value = 12
    return made


def written(playground: Playground) -> Playground:
    playground.start()
    playground.wait()
    return playground


def test_it_writes_what_the_writer_writes(playground: Playground) -> None:
    playground.settings["seed"].value = 5
    expected = playground.writer.write(playground.prompt.value, Sampling(new_tokens=12, seed=5))
    written(playground)
    assert [token.id for token in playground.tokens] == expected
    assert playground.text == playground.writer.text(expected)
    assert "12" in playground.note.value
    assert not playground.write.disabled
    assert playground.stop.disabled


def test_phases_have_colours_and_a_legend(playground: Playground) -> None:
    page = written(playground).page.value
    assert "think 12 / " in page
    assert "answer 0 / " in page
    assert "background:#0072b240" in page


def test_the_cache_grows_in_the_picture(playground: Playground) -> None:
    assert "<polyline" not in playground.page.value
    assert written(playground).page.value.count("<polyline") == 1


def test_every_place_can_be_looked_at(playground: Playground) -> None:
    assert playground.place.disabled
    written(playground)
    assert playground.place.max == playground.place.value == 12
    last = playground.place_page.value
    playground.place.value = 1
    assert playground.place_page.value != last
    first = playground.tokens[0]
    assert f"{first.probability:.1%} ◀" in playground.place_page.value


def test_it_stops(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    playground.settings["new_tokens"].value = 100
    write = playground.writer.write

    def stopped_at_once(*args, report, **keys):
        def heard(token):
            report(token)
            playground.stop.click()

        return write(*args, report=heard, **keys)

    monkeypatch.setattr(playground.writer, "write", stopped_at_once)
    assert len(written(playground).tokens) == 1


def test_a_prompt_that_does_not_fit_is_told_and_another_goes_on(playground: Playground) -> None:
    playground.prompt.value = "x" * 5000
    assert "Fix:" in written(playground).note.value
    playground.prompt.value = "x"
    assert len(written(playground).tokens) == 12


def test_what_nobody_foresaw_is_told_as_well(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args, **keys):
        raise MemoryError

    monkeypatch.setattr(playground.writer, "write", broken)
    assert "MemoryError" in written(playground).note.value
    assert not playground.write.disabled


def test_a_spec_its_twin_and_a_run(tmp_path: Path) -> None:
    assert Playground("arch_beginner_llama", twin=True).name.endswith("-tiny")
    text = api.shrink("arch_beginner_llama").yaml
    assert Playground(text).name == Playground("arch_beginner_llama", twin=True).name
    run = begun(compiled(SERIAL, tmp_path / "model"), tmp_path / "run")
    assert Playground(run.path).name == "run"
    with pytest.raises(EulerStackError):
        Playground(tmp_path)


@pytest.mark.parametrize("lang", [lang for lang in i18n.LANGUAGES if lang != "en"])
def test_it_speaks_the_language(directory: Path, lang: str) -> None:
    i18n.choose(lang)
    try:
        made = Playground(directory)
        made.settings["new_tokens"].value, made.prompt.value = 3, "1"
        labels = [control.description for control in (made.prompt, made.write, made.stop, made.place)]
        shown = "\n".join([*labels, words_of(made.html().split("<div style", 1)[0])])
        assert not english(shown.replace(made.name, ""), lang)
    finally:
        i18n.choose(None)


def test_the_static_form(playground: Playground) -> None:
    html = written(playground)._repr_mimebundle_()["text/html"]
    assert "<polyline" in html
    assert "◀" in html
