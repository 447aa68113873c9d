import json
from pathlib import Path

import pytest

from eulerstack.diagnostics import Reason, Source
from eulerstack.training.ablation import planned
from eulerstack.training.ablation.engine import Step, run_study
from eulerstack.training.ablation.record import Findings, Run, Score
from eulerstack.training.ablation.study import read_study
from tests.training.ablation.specs import load

TEXT = """
specs: { attention: attention, retention: retention }
tasks: { mqar: { vocab_size: 32, length: 16, pairs: 2, train: 64, test: 32 } }
lr: [1.0e-3, 1.0e-2]
seeds: [0, 1]
steps: 2
batch: 16
"""
SCORE = Score(score=0.5, loss=1.0, steps=2, tokens=512, seconds=1.0, memory=None, curve=((2, 1.0, 0.5),))


class Learning:
    """Stands for training: counts calls, and fails or is interrupted at one of them."""

    def __init__(self, at: int = 0, failure: BaseException | None = None):
        self.calls: list[tuple[float, int]] = []
        self.at, self.failure = at, failure

    def __call__(self, model: object, task: object, plan: object, *, lr: float, seed: int, **rest: object) -> Score:
        self.calls.append((lr, seed))
        if len(self.calls) == self.at and self.failure:
            raise self.failure
        return SCORE


def run(directory: Path, monkeypatch: pytest.MonkeyPatch, learning: Learning, **settings: bool) -> Findings:
    monkeypatch.setattr(planned, "learn", learning)
    return run_study(read_study(Source("study.yml", TEXT)), load, directory, **settings)


def test_every_spec_runs_at_every_rate_with_every_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(tmp_path, monkeypatch, Learning())
    told = [(each.spec, each.lr, each.seed) for each in found.runs]
    assert told == [(spec, lr, seed) for spec in ("attention", "retention") for lr in (1e-3, 1e-2) for seed in (0, 1)]
    assert (tmp_path / "study.yml").read_text() == TEXT


def test_an_interrupted_study_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, monkeypatch, Learning(4, KeyboardInterrupt()))
    again = Learning()
    found = run(tmp_path, monkeypatch, again)
    assert len(again.calls) == 5
    assert len(found.runs) == 8
    assert all(each.score == SCORE for each in found.runs)


def test_a_failed_run_is_kept_with_its_reason_and_tried_again_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run(tmp_path, monkeypatch, Learning(3, RuntimeError("out of memory")))
    assert [each.failure for each in found.runs if each.failure] == ["RuntimeError: out of memory"]
    kept = Learning()
    assert run(tmp_path, monkeypatch, kept) == found
    assert kept.calls == []
    again = Learning()
    assert not any(each.failure for each in run(tmp_path, monkeypatch, again, retry=True).runs)
    assert again.calls == [(1e-2, 0)]


def test_a_loss_that_is_no_number_is_told_in_the_language_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = RuntimeError(Reason("loss-not-finite", {"step": 7}))
    found = run(tmp_path, monkeypatch, Learning(1, failure))
    assert [each.failure for each in found.runs if each.failure] == ["the loss is not finite at step 7"]


def test_another_setting_makes_other_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, monkeypatch, Learning())
    again = Learning()
    monkeypatch.setattr(planned, "learn", again)
    run_study(read_study(Source("study.yml", TEXT.replace("steps: 2", "steps: 3"))), load, tmp_path)
    assert len(again.calls) == 8


def test_a_run_is_a_directory_with_its_spec_and_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(tmp_path, monkeypatch, Learning())
    places = sorted((tmp_path / "runs").iterdir())
    assert len(places) == 8
    results = [Run.from_dict(json.loads((place / "result.json").read_text())) for place in places]
    assert {(each.spec, each.lr, each.seed) for each in results} == {(r.spec, r.lr, r.seed) for r in found.runs}
    assert all(load(Source("spec.yml", (place / "eulerstack.yml").read_text())).vocab_size == 32 for place in places)


@pytest.mark.slow
def test_real_runs_report_their_steps(tmp_path: Path) -> None:
    steps: list[Step] = []
    study = read_study(Source("study.yml", TEXT.replace("[1.0e-3, 1.0e-2]", "[1.0e-3]").replace("[0, 1]", "[0]")))
    found = run_study(study, load, tmp_path, report=steps.append)
    assert [(step.run, step.step) for step in steps] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert all(each.score and each.score.tokens == 512 for each in found.runs)
