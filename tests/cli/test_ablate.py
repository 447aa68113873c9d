"""`eulerstack ablate`: what it prints, what it leaves behind, what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from eulerstack import cli
from eulerstack.training.ablation import on_ray, planned
from eulerstack.training.ablation.record import Score
from tests.training.ablation.specs import ATTENTION

TEXT = """name: small study
specs: { attention: attention.yml, sliding: { extends: attention.yml, model: { name: sliding } } }
tasks: { mqar: { vocab_size: 32, length: 16, pairs: 2, train: 64, test: 32 } }
steps: 2
batch: 16
"""


def quick(model: object, task: object, plan: object, *, report: Any, **rest: object) -> Score:
    report(1, 2, 3.25)
    return Score(score=0.5, loss=1.0, steps=2, tokens=512, seconds=1.0, memory=None, curve=((2, 1.0, 0.5),))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planned, "learn", quick)
    monkeypatch.setenv("EULERSTACK_LANG", "en")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "attention.yml").write_text(ATTENTION)
    path = tmp_path / "study.yml"
    path.write_text(TEXT)
    return path


def test_a_study_is_run_told_and_kept(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir = tmp_path / "kept"
    assert cli.main(["ablate", str(study), "--run-dir", str(run_dir)]) == 0
    out, err = capsys.readouterr()
    assert "50.0%" in out
    assert "run 2/2: sliding, mqar, learning rate 0.001, seed 0" in err
    assert "<svg" in (run_dir / "report.html").read_text()
    assert len(list((run_dir / "runs").iterdir())) == 2
    assert cli.main(["ablate", str(study), "--run-dir", str(run_dir), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert [run["spec"] for run in json.loads(out)["runs"]] == ["attention", "sliding"]
    assert err == ""


def test_its_default_place_has_its_name(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["ablate", str(study)]) == 0
    assert (tmp_path / "runs" / "ablate" / "small-study" / "findings.json").is_file()


def test_a_failed_run_is_exit_code_1(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def broken(*args: object, **rest: object) -> Score:
        raise RuntimeError("no memory")

    monkeypatch.setattr(planned, "learn", broken)
    assert cli.main(["ablate", str(study), "--run-dir", str(tmp_path / "kept")]) == 1
    assert "RuntimeError: no memory" in capsys.readouterr().out
    monkeypatch.setattr(planned, "learn", quick)
    assert cli.main(["ablate", str(study), "--run-dir", str(tmp_path / "kept"), "--retry"]) == 0


def test_a_wrong_study_is_told_with_its_place(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study.write_text(TEXT.replace("steps: 2", "stepz: 2"))
    assert cli.main(["ablate", str(study)]) == 1
    first, second, _ = capsys.readouterr().err.splitlines()[:3]
    assert "study.yml:4:1" in first + second
    assert cli.main(["ablate", str(study.parent / "none.yml")]) == 2


def test_an_engine_that_is_not_there(study: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(on_ray, "find_spec", lambda name: None)
    assert cli.main(["ablate", str(study), "--engine", "ray"]) == 2
    what, fix, see = capsys.readouterr().err.splitlines()
    assert what.startswith("CompileError: --engine ray needs ray")
    assert fix == 'Fix: install it: `pip install "eulerstack[ray]"`'
    assert see == "See: eulerstack ablate --help"
