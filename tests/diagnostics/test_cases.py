"""Runs the literate cases in `cases/*.md`; `literate.py` says how they are written."""

import re

import pytest

from eulerstack import i18n
from tests.diagnostics.literate import FOLDER, Case, cases
from tests.languages import english

SOURCE_LINE = re.compile(r"\s*\d* \|")
ALL = [case for path in sorted(FOLDER.glob("*.md")) for case in cases(path)]


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.file}:{case.line}")
def test_case(case: Case) -> None:
    content = (FOLDER / case.file).read_text("utf-8")
    assert case.outputs, "a case without an output"
    for lang, (start, end) in case.outputs.items():
        assert case.run(lang) == content[start:end], lang


@pytest.mark.parametrize("lang", [lang for lang in i18n.LANGUAGES if lang != "en"])
def test_no_case_is_told_in_english(lang: str) -> None:
    for case in ALL:
        told = [line for line in case.run(lang).splitlines() if not SOURCE_LINE.match(line)]
        labelled = re.sub(r"(?m)^(See: .*|Fix: |\w+: )", "", "\n".join(told))
        assert not english(labelled, lang), f"{case.file}:{case.line}"
