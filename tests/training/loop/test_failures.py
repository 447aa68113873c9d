"""What ended a run, as its directory keeps it for a reader who comes later and speaks another language."""

import errno
from pathlib import Path

import pytest

from eulerstack import i18n
from eulerstack.training.loop.directory import RunDirectory, State, kept


@pytest.mark.parametrize(
    ("failure", "english", "korean"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full", "디스크가 가득 찼습니다"),
        (RuntimeError("size mismatch\nfor wte"), "RuntimeError: size mismatch", "RuntimeError: size mismatch"),
        (ZeroDivisionError(), "ZeroDivisionError", "ZeroDivisionError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_it_is_told_in_the_language_of_who_reads_it(
    tmp_path: Path, failure: Exception, english: str, korean: str
) -> None:
    run = RunDirectory(tmp_path)
    with i18n.speaking("ja"):
        run.write_state(State(status="failed", failures=kept(failure)))
    (diagnostic,) = run.state().diagnostics
    assert diagnostic.code == "training-failed"
    for lang, expected in (("en", english), ("ko", korean)):
        with i18n.speaking(lang):
            assert str(diagnostic.params["reason"]) == expected
            assert expected in str(diagnostic)
