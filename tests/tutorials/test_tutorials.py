"""One source per tutorial: both notebooks come from it, have its code, and run from top to bottom."""

import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from itertools import cycle
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from eulerstack import i18n

TUTORIALS = Path(__file__).resolve().parent.parent.parent / "tutorials"


def _builder() -> ModuleType:
    spec = spec_from_file_location("tutorials_build", TUTORIALS / "build.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = _builder()
SOURCES = build.sources()
EACH = pytest.mark.parametrize("source", SOURCES, ids=build.name)
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
EVERY_LANGUAGE = pytest.mark.parametrize("lang", build.LANGUAGES)
IN_TURN = list(zip(SOURCES, cycle(build.LANGUAGES), strict=False))
"""Each source in one language, whose code the other has as well."""


@EACH
@EVERY_LANGUAGE
def test_the_notebook_is_what_the_source_gives(source: Path, lang: str) -> None:
    written = build.target(source, lang).read_text("utf-8")
    assert written == nbformat.writes(build.build(source, lang, run=False)) + "\n", "make notebooks"
    nbformat.validate(nbformat.reads(written, as_version=4))


@EACH
def test_both_languages_have_the_same_code_and_outputs_for_each_cell(source: Path) -> None:
    books = [nbformat.read(build.target(source, lang), as_version=4) for lang in build.LANGUAGES]
    code = [[cell for cell in book.cells if cell.cell_type == "code"] for book in books]
    assert [cell.source for cell in code[0]] == [cell.source for cell in code[1]]
    for book, cells in zip(books, code, strict=True):
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "make notebooks"
        assert "widgets" not in book.metadata
        assert not any("widget-view" in json.dumps(cell.outputs) for cell in cells)


@EACH
def test_prose_stands_in_both_languages(source: Path) -> None:
    for cell in build.parse(source.read_text("utf-8")):
        if isinstance(cell, build.Prose):
            assert all(cell.texts[lang].strip() for lang in build.LANGUAGES)
            assert cell.texts["ko"] != cell.texts["en"]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "lang"), IN_TURN, ids=[f"{build.name(s)}-{lang}" for s, lang in IN_TURN])
def test_it_runs_from_top_to_bottom(source: Path, lang: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in build.KERNEL_ENVIRONMENT:
        monkeypatch.setenv(name, build.KERNEL_ENVIRONMENT[name])
    monkeypatch.setenv("EULERSTACK_LANG", lang)
    book = build.build(source, lang, run=True)
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert "learned: False" not in "".join(output.text for output in outputs if output.output_type == "stream")
    with i18n.speaking(lang):
        verdict = i18n.text("training", "run.learned")
    shown = "".join(output.get("data", {}).get("text/plain", "") for output in outputs)
    assert verdict in shown or source.stem != "quickstart"


@EACH
def test_links_lead_somewhere(source: Path) -> None:
    for lang in build.LANGUAGES:
        folder = build.target(source, lang).parent
        for cell in _prose(source):
            for link in LINK.findall(cell.texts[lang]):
                assert link.startswith("https://") or (folder / link).resolve().is_file(), link


def _prose(source: Path) -> list:
    return [cell for cell in build.parse(source.read_text("utf-8")) if isinstance(cell, build.Prose)]


@EVERY_LANGUAGE
def test_a_reference_is_a_link_under_the_tutorials_own_title(lang: str) -> None:
    cells = build.parse(":::ko\n[[mixers/02_mamba]] 봅니다\n:::\n:::en\nsee [[mixers/02_mamba]]\n:::\n")
    (cell,) = build.notebook(cells, lang).cells
    titles = {"ko": "믹서 02. Mamba", "en": "Mixers 02. Mamba"}
    assert f"[{titles[lang]}](mixers/02_mamba.ipynb)" in cell.source


def test_a_source_with_prose_in_one_language_is_refused() -> None:
    with pytest.raises(ValueError, match="line 4"):
        build.parse("```python\nx = 1\n```\n:::ko\n하나\n:::\n\nrest\n")


def test_a_cell_magic_with_yaml_stays_whole() -> None:
    (cell,) = build.parse("```python raises-exception\n%%eulerstack validate\nmodel: {}\n\nhead: {}\n```\n")
    assert cell == build.Code("%%eulerstack validate\nmodel: {}\n\nhead: {}", ("raises-exception",))
