"""What stands for training in tests of what the command line says."""

from pathlib import Path

import pytest

from eulerstack import api
from eulerstack.results.training_run import TrainingRun
from eulerstack.training import writer
from eulerstack.training.loop.directory import RunDirectory, State
from eulerstack.training.loop.settings import Options, settings_for


@pytest.fixture
def without_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps are told, and the run is over: the model learned where the seed is even."""

    def train(directory: Path, *, run_dir: Path, report, **options: float) -> TrainingRun:
        for step in (1, 2, 3):
            report({"step": step, "seconds": step / 2, "loss": 5.0 / step, "tokens_per_second": 2048.0})
        run = RunDirectory(run_dir)
        run.begin(settings_for(directory, Options(**options)), "")
        told = {"parameters": 9, "before": 5.5, "unigram": 3.2, "held_out": 4.0 if options["seed"] % 2 else 2.0}
        run.write_state(State(status="finished", step=3, tokens=3072, seconds=1.5, **told))
        return TrainingRun(run_dir)

    monkeypatch.setattr(api, "train", train)
    monkeypatch.setattr(writer, "sample", lambda *_, **__: "def g(x):")
