"""Runs the literate cases in `cases/*.md`; `literate.py` says how they are written."""

import pytest

from tests.diagnostics.literate import FOLDER, Case, cases

ALL = [case for path in sorted(FOLDER.glob("*.md")) for case in cases(path)]


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.file}:{case.line}")
def test_case(case: Case) -> None:
    content = (FOLDER / case.file).read_text("utf-8")
    assert case.outputs, "a case without an output"
    for lang, (start, end) in case.outputs.items():
        assert case.run(lang) == content[start:end], lang
