"""A directory is complete or absent, whatever happens while it is written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eulerstack.compiler import atomic
from eulerstack.compiler.atomic import new_directory
from eulerstack.diagnostics import CompileError


def fill(target: Path, text: str, *, overwrite: bool = False) -> None:
    with new_directory(target, overwrite=overwrite) as directory:
        (directory / "config.json").write_text(text)


def fill_until(target: Path, interruption: type[BaseException]) -> None:
    with new_directory(target, overwrite=True) as directory:
        (directory / "config.json").write_text("new")
        raise interruption


def hidden(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir() if path.name.startswith("."))


def refusal(target: Path, *, overwrite: bool = False) -> str:
    with pytest.raises(CompileError) as caught:
        fill(target, "never", overwrite=overwrite)
    assert len(str(caught.value).splitlines()) == 3
    return caught.value.diagnostics[0].code


def test_a_new_directory(tmp_path: Path) -> None:
    fill(tmp_path / "model", "new")
    assert (tmp_path / "model" / "config.json").read_text() == "new"
    assert hidden(tmp_path) == []


def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    fill(tmp_path / "model", "new")
    assert (tmp_path / "model" / "config.json").read_text() == "new"


def test_a_full_directory_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    fill(tmp_path / "model", "old")
    assert refusal(tmp_path / "model") == "target-not-empty"
    assert (tmp_path / "model" / "config.json").read_text() == "old"
    assert hidden(tmp_path) == []


def test_overwrite_replaces_the_whole_directory(tmp_path: Path) -> None:
    fill(tmp_path / "model", "old")
    (tmp_path / "model" / "left-over.bin").write_bytes(b"x")
    fill(tmp_path / "model", "new", overwrite=True)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["config.json"]
    assert hidden(tmp_path) == []


def test_a_link_to_a_directory_stays_a_link(tmp_path: Path) -> None:
    fill(tmp_path / "model", "old")
    (tmp_path / "link").symlink_to(tmp_path / "model")
    fill(tmp_path / "link", "new", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "model" / "config.json").read_text() == "new"


def test_what_cannot_be_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file", overwrite=True) == "target-is-file"
    assert refusal(tmp_path / "no" / "model") == "target-parent-missing"
    assert refusal(tmp_path / "file" / "model") == "target-parent-missing"
    (tmp_path / "work" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "inner")
    assert refusal(tmp_path / "work", overwrite=True) == "target-protected"
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert refusal(tmp_path / "model") == "target-unwritable"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_an_interruption_leaves_what_was_there(tmp_path: Path, interruption: type[BaseException]) -> None:
    fill(tmp_path / "model", "old")
    with pytest.raises(interruption):
        fill_until(tmp_path / "model", interruption)
    assert (tmp_path / "model" / "config.json").read_text() == "old"
    assert hidden(tmp_path) == []


def test_a_failing_rename_puts_the_old_directory_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "model", "old")
    rename = Path.rename

    def refusing(path: Path, to: Path) -> Path:
        if path.suffix == atomic.PARTIAL:
            raise OSError("no")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refusing)
    with pytest.raises(OSError, match="no"):
        fill(tmp_path / "model", "new", overwrite=True)
    assert (tmp_path / "model" / "config.json").read_text() == "old"
    assert hidden(tmp_path) == []


def test_an_old_directory_whose_successor_never_came_is_put_back(tmp_path: Path) -> None:
    fill(tmp_path / "model", "old")
    (tmp_path / "model").rename(tmp_path / f".model.0123abcd{atomic.OLD}")
    assert refusal(tmp_path / "model") == "target-not-empty"
    assert (tmp_path / "model" / "config.json").read_text() == "old"
    assert hidden(tmp_path) == []


def test_an_old_directory_whose_successor_came_is_deleted(tmp_path: Path) -> None:
    fill(tmp_path / "model", "new")
    fill(tmp_path / f".model.0123abcd{atomic.OLD}", "older")
    fill(tmp_path / "model", "newer", overwrite=True)
    assert (tmp_path / "model" / "config.json").read_text() == "newer"
    assert hidden(tmp_path) == []


def test_the_leftovers_of_other_targets_are_not_touched(tmp_path: Path) -> None:
    other = tmp_path / f".models.0123abcd{atomic.PARTIAL}"
    other.mkdir()
    fill(tmp_path / "model", "new")
    assert hidden(tmp_path) == [other.name]


HANGING = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
from pathlib import Path
from eulerstack.compiler.atomic import new_directory
with new_directory(Path(sys.argv[1]), overwrite=False) as directory:
    (directory / "config.json").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def hanging(target: Path) -> subprocess.Popen:
    child = subprocess.Popen([sys.executable, "-c", HANGING, str(target)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "writing\n"
    return child


def test_a_killed_process_leaves_no_directory_and_its_leftover_is_cleared(tmp_path: Path) -> None:
    target = tmp_path / "model"
    child = hanging(target)
    child.kill()
    child.wait()
    assert not target.exists()
    assert len(hidden(tmp_path)) == 1
    fill(target, "whole")
    assert (target / "config.json").read_text() == "whole"
    assert hidden(tmp_path) == []


def test_a_living_process_is_left_alone(tmp_path: Path) -> None:
    child = hanging(tmp_path / "model")
    try:
        fill(tmp_path / "model", "mine")
        assert len(hidden(tmp_path)) == 1
    finally:
        child.kill()
        child.wait()


def test_ctrl_c_cleans_up(tmp_path: Path) -> None:
    child = hanging(tmp_path / "model")
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    child.wait(20)
    assert list(tmp_path.iterdir()) == []
