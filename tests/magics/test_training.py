"""Runs from a cell: they show their curve, and go on without the cell."""

from pathlib import Path

import pytest
import yaml

from eulerstack.results.data_page import DataPage
from eulerstack.results.training_run import TrainingRun
from tests.runtime.models.layers import layer
from tests.runtime.models.sections import spec
from tests.training.data.words import write_documents
from tests.training.loop.runs import BYTES

CELL = yaml.safe_dump({**spec({"d": layer()}, **BYTES), "tokenizer_contract": {"type": "byte"}})


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EULERSTACK_CACHE", str(tmp_path / "cache"))
    return write_documents(tmp_path / "text")


@pytest.mark.slow
def test_a_cell_trains_and_is_watched(shell, text: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    words = f"train --data {text} --run-dir {run_dir} --steps 3 --length 16 --batch 2 --out first"
    trained = shell.run_cell(f"%%eulerstack {words}\n{CELL}")
    assert trained.success
    assert isinstance(trained.result, TrainingRun)
    assert shell.user_ns["first"] is trained.result
    assert trained.result.state.status == "finished"
    formatted, _ = shell.display_formatter.format(trained.result)
    assert formatted["text/html"].count("<circle") == 3  # a report after every step of so short a run
    watched = shell.run_cell(f"%eulerstack watch {run_dir}").result
    assert watched.to_dict() == trained.result.to_dict()
    resumed = shell.run_cell(f"%eulerstack train --run-dir {run_dir} --resume")
    assert resumed.success


def test_a_cell_looks_at_its_data(shell, text: Path) -> None:
    page = shell.run_cell(f"%%eulerstack data --data {text}\n{CELL}").result
    assert isinstance(page, DataPage)
    assert "document 1" in page._repr_html_()
