"""`eulerstack demo`, its calls and the whole of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from eulerstack import api, runs
from eulerstack.cli import main
from eulerstack.diagnostics import Reason, error
from eulerstack.results.training_run import TrainingRun


@pytest.mark.parametrize("seconds", ["0", "-3", "nan", "inf", "1e9", "soon"])
def test_a_time_that_is_none_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", f"--seconds={seconds}"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"ValidationError: '{seconds}' is not a time to train",
        "Fix: write a number of seconds above 0, at most 86400",
        "See: eulerstack demo --help",
    ]


def test_a_wrong_spec_ends_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.yml").write_text("schema_version: 1\n", "utf-8")
    assert main(["demo", "wrong.yml"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.yml"]


def test_a_package_that_training_needs_is_missed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "TRAINERS_OWN", "no_such_package")
    assert main(["demo", "llm_0p1b_simple"]) == 2
    assert capsys.readouterr() == (
        "",
        "CompileError: training needs no_such_package, which is not installed\n"
        "Fix: install it: `pip install no_such_package`\n"
        "See: eulerstack demo --help\n",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_training")
@pytest.mark.parametrize(("learned", "code"), [(True, 0), (False, 1)])
def test_it_says_whether_the_model_learned(
    learned: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "llm_0p1b_mistral", "--seconds", "2", "--seed", str(code)]) == code
    told = capsys.readouterr().out
    assert "step 3  loss 1.667" in told
    assert "3,072 (2,048/s)" in told
    assert "def g(x):" in told
    assert ("The model learned" in told) is learned
    assert ("The model did not learn" in told) is not learned
    assert (tmp_path / "runs" / "demo" / "llm_0p1b_mistral" / "model.safetensors").is_file()


def test_training_that_fails_is_told_in_three_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(*_: object, **__: object) -> TrainingRun:
        raise error("training-failed", params={"reason": Reason("process-ended", {"code": -9, "log": "output.log"})})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "train", train)
    assert main(["demo", "llm_0p1b_simple"]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Fontconfig")]
    ended = "the process ended with code -9; its last words stand in output.log"
    assert lines[0] == f"CompileError: training the compiled model failed: {ended}"
    assert lines[1].startswith("Fix: ")
    assert lines[2] == "See: eulerstack demo --help"
    assert len(lines) == 3


@pytest.mark.slow
def test_the_whole_of_it_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "eulerstack", "demo", "arch_expert_mixtral_moe_mini", "--seconds", "20"]
    child = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    assert "The model learned" in child.stdout
