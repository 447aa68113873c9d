"""A study over a cell."""

from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from eulerstack.diagnostics import EulerStackError
from eulerstack.results.ablation import Ablation
from eulerstack.training.ablation import on_ray, planned
from tests.cli.test_ablate import TEXT, quick
from tests.training.ablation.specs import ATTENTION


def test_over_a_cell_and_on_a_line(shell: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planned, "learn", quick)
    monkeypatch.chdir(tmp_path)
    Path("attention.yml").write_text(ATTENTION)
    Path("study.yml").write_text(TEXT)
    result = shell.run_cell_magic("eulerstack", "ablate --run-dir kept --out found", TEXT)
    assert isinstance(result, Ablation)
    assert shell.user_ns["found"] is result
    assert "<svg" in result._repr_html_()
    again = shell.run_line_magic("eulerstack", "ablate study.yml --run-dir kept")
    assert again.findings == result.findings
    with pytest.raises(EulerStackError):
        shell.run_cell_magic("eulerstack", "ablate", "specs: {}\n")
    monkeypatch.setattr(on_ray, "find_spec", lambda name: None)
    with pytest.raises(EulerStackError, match=r"eulerstack\[ray\]"):
        shell.run_cell_magic("eulerstack", "ablate --engine ray", TEXT)
