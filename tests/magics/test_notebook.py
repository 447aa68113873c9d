"""What only a notebook has: widgets by magic, the session's language, the cell saved."""

import pytest

from eulerstack import api, i18n
from eulerstack.widgets import PresetBrowser, SpecEditor, TrainingMonitor
from tests.magics.test_magic import SPEC, WRONG, run
from tests.training.loop.runs import SERIAL, begun, compiled


@pytest.fixture(autouse=True)
def _language():
    yield
    i18n.choose(None)


def test_browse_and_edit_give_widgets(shell):
    browser, _ = run(shell, "%eulerstack browse --out browser")
    assert isinstance(browser.result, PresetBrowser)
    assert shell.user_ns["browser"] is browser.result
    editor, _ = run(shell, "%eulerstack edit llm_0p1b_simple")
    assert isinstance(editor.result, SpecEditor)
    cell, _ = run(shell, f"%%eulerstack edit\n{SPEC}")
    assert cell.result.yaml == SPEC


def test_the_language_of_the_session(shell, capsys):
    run(shell, "%eulerstack lang ja")
    assert i18n.language() == "ja"
    assert capsys.readouterr().out.split() == ["ja"]
    run(shell, "%eulerstack lang")
    assert capsys.readouterr().out.split() == ["ja"]
    result, _ = run(shell, "%eulerstack lang xx")
    assert not result.success


def test_save_writes_the_cell_with_its_values(shell, tmp_path):
    path = tmp_path / "kept.yml"
    shell.user_ns["width"] = 256
    text = SPEC.replace("d_model: 128", "d_model: {{ width }}")
    for _ in range(2):
        result, _ = run(shell, f"%%eulerstack explain --save {path}\n{text}")
        assert result.success
    assert path.read_text("utf-8").strip() == SPEC.replace("d_model: 128", "d_model: 256").strip()
    assert api.load(path).model.d_model == 256


def test_a_wrong_cell_is_saved_too(shell, tmp_path):
    path = tmp_path / "kept.yml"
    result, _ = run(shell, f"%%eulerstack --save {path}\n{WRONG}")
    assert not result.success
    assert path.exists()


def test_monitor_looks_at_run_directories(shell, tmp_path):
    missing, lines = run(shell, f"%eulerstack monitor {tmp_path / 'none'}")
    assert not missing.success
    assert str(tmp_path / "none") in lines[0]
    begun(compiled(SERIAL, tmp_path / "model"), tmp_path / "run")
    found, _ = run(shell, f"%eulerstack monitor {tmp_path / 'run'} --out monitor")
    assert isinstance(found.result, TrainingMonitor)
    found.result.close()


def test_an_environment_that_names_no_language_is_told_once(shell, monkeypatch, capsys):
    monkeypatch.setenv(i18n.VARIABLE, "xx")
    i18n.choose(None)
    for command in ("unload_ext", "load_ext"):
        shell.run_line_magic(command, "eulerstack")
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 3
    assert "'xx'" in told
    result, _ = run(shell, "%eulerstack lang")
    assert result.success
    assert capsys.readouterr().err == ""
