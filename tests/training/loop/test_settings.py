import json
import math
from pathlib import Path

import pytest
import torch

from eulerstack.diagnostics import EulerStackError
from eulerstack.training.loop.directory import RunDirectory, State, link_aside, new_run
from eulerstack.training.loop.optimizer import build_optimizer
from eulerstack.training.loop.pace import Pace
from eulerstack.training.loop.settings import ENDLESS, Options, Settings, settings_for
from eulerstack.training.muon import MuonAdamW
from tests.runtime.models.building import build
from tests.runtime.models.layers import layer, moe
from tests.runtime.models.sections import spec

HINTS = {"lr_peak": 3e-4, "seed": 7, "checkpointing": True, "warmup_steps_ratio": 0.1, "lr_floor_ratio": 0.2}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A directory as far as settings look into it."""
    config = {"model_type": "eulerstack", "training_hints": HINTS, "max_position_embeddings": 128}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    (tmp_path / "tokenizer.json").write_text("{}", "utf-8")
    return tmp_path


def code_of(failure: pytest.ExceptionInfo[EulerStackError]) -> str:
    return failure.value.diagnostics[0].code


def test_what_is_not_asked_the_hints_say(model: Path) -> None:
    settings = settings_for(model, Options(), lr_factor=4)
    assert settings.lr == pytest.approx(1.2e-3)
    assert settings.seed == 7
    assert settings.checkpointing
    assert settings.length == 128
    assert Settings.from_json(settings.to_json()) == settings
    asked = settings_for(model, Options(lr=0.5, seed=0, checkpointing=False, length=16), lr_factor=4)
    assert (asked.lr, asked.seed, asked.checkpointing, asked.length) == (0.5, 0, False, 16)


def test_tokens_are_whole_steps_and_minutes_are_seconds(model: Path) -> None:
    assert settings_for(model, Options(tokens=1000, batch=4, length=16)).steps == math.ceil(1000 / 64)
    by_clock = settings_for(model, Options(minutes=2.5))
    assert (by_clock.steps, by_clock.seconds) == (ENDLESS, 150)


def test_what_cannot_be_asked(model: Path, tmp_path: Path) -> None:
    cases = [
        (model, Options(steps=1, minutes=1.0), "several-budgets"),
        (model, Options(length=129), "rows-too-long"),
        (tmp_path / "nothing", Options(), "model-foreign"),
    ]
    for directory, options, code in cases:
        with pytest.raises(EulerStackError) as failure:
            settings_for(directory, options)
        assert code_of(failure) == code
    (model / "tokenizer.json").unlink()
    with pytest.raises(EulerStackError) as failure:
        settings_for(model, Options())
    assert code_of(failure) == "tokenizer-missing"
    settings_for(model, Options(tokenizer=str(tmp_path)))
    with pytest.raises(TypeError, match="step"):
        Options(step=3)  # type: ignore[call-arg]


def pace(model: Path, **options: object) -> Pace:
    return Pace(settings_for(model, Options(**options)), HINTS)  # type: ignore[arg-type]


def test_the_learning_rate_rises_in_a_line_and_falls_to_its_floor(model: Path) -> None:
    factor = pace(model, steps=100).factor
    assert [factor(step) for step in range(10)] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factor(10) == pytest.approx(1)
    assert factor(55) == pytest.approx((1 + 0.2) / 2)
    assert factor(100) == pytest.approx(0.2)
    assert all(factor(step + 1) < factor(step) for step in range(10, 100))
    assert pace(model, steps=1).factor(0) == pytest.approx(1)


def test_by_the_clock_it_follows_the_time(model: Path) -> None:
    clock = pace(model, minutes=1.0)
    for seconds, expected in [(0.0, 0.0), (3.0, 0.5), (6.0, 1.0), (33.0, 0.6), (60.0, 0.2), (99.0, 0.2)]:
        clock.before = seconds
        assert clock.factor(12345) == pytest.approx(expected)
    assert clock.ended(5)
    clock.before = 30.0
    assert not clock.ended(5)
    assert clock.due(5)  # half of the run is over, and nothing was reported yet
    assert not clock.due(6)


def test_reports_are_due_ten_times_and_at_the_end(model: Path) -> None:
    counted = pace(model, steps=25)
    assert [step for step in range(1, 26) if counted.due(step)] == [*range(2, 26, 2), 25]


def test_muon_shrinks_with_the_width_under_mup_and_adamw_takes_the_rest() -> None:
    scaling = {"parametrization": "mup", "base_width": 8}
    hints = {"optimizer": "muon", "muon": {"ns_iters": 3, "stabilize_iters": 0}, "betas": [0.8, 0.9]}
    wide = build(spec({"d": layer(ffn=moe())}, training_hints={**hints, "scaling": scaling}))
    plain = build(spec({"d": layer(ffn=moe())}, training_hints=hints))
    rates = {}
    for name, model in (("wide", wide), ("plain", plain)):
        optimizer = build_optimizer(model, 0.1)
        assert isinstance(optimizer, MuonAdamW)
        (rates[name],) = {group["lr"] for group in optimizer.param_groups if group["optimizer"] == "muon"}
        assert all(group["ns_iters"] == 3 and group["betas"] == (0.8, 0.9) for group in optimizer.param_groups)
        held = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
        assert held == sum(p.numel() for p in model.parameters())
    assert rates["plain"] == pytest.approx(0.1)
    assert rates["wide"] == pytest.approx(0.1 * math.sqrt(8 / 32))
    assert type(build_optimizer(build(spec({"d": layer()})), 0.1)) is torch.optim.AdamW


def test_a_directory_tells_what_was_written(model: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(EulerStackError) as failure:
        run.check()
    assert code_of(failure) == "run-missing"
    settings = settings_for(model, Options(steps=3))
    run.begin(settings, "spec")
    assert run.settings() == settings
    assert (run.path / "eulerstack.yml").read_text("utf-8") == "spec"
    for step in (1, 2, 3):
        run.add_metrics({"step": step})
    run.forget_after(2)
    assert run.metrics() == [{"step": 1}, {"step": 2}]
    with open(run.path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 3, "lo')
    assert len(run.metrics()) == 2
    run.write_state(State(status="failed", failures=({"code": "run-busy", "params": {"path": "x"}, "fix": "fix"},)))
    assert run.state().diagnostics[0].code == "run-busy"
    assert run.hear() is None
    run.say("pause")
    assert run.hear() == "pause"
    run.hush()
    assert run.hear() is None


def test_a_process_that_is_gone_has_stopped(model: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.begin(settings_for(model, Options()), "")
    assert run.state().status == "preparing"
    run.write_state(State(status="running"))
    assert run.state().status == "stopped"
    with run.working():
        assert run.state().status == "running"


def test_a_new_run_does_not_touch_what_is_there(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "run"
    with pytest.raises(RuntimeError), new_run(target, overwrite=False) as run:
        raise RuntimeError
    assert not target.exists()
    with new_run(target, overwrite=False) as run:
        run.begin(settings_for(model, Options(seed=1)), "")
    with pytest.raises(EulerStackError) as failure, new_run(target, overwrite=False):
        pass
    assert code_of(failure) == "run-exists"
    with new_run(target, overwrite=True) as run:
        assert not run.exists
        run.begin(settings_for(model, Options(seed=2)), "")
    assert RunDirectory(target).settings().seed == 2
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("", "utf-8")
    with pytest.raises(EulerStackError) as failure, new_run(tmp_path / "other", overwrite=True):
        pass
    assert code_of(failure) == "run-elsewhere"
    assert (tmp_path / "other" / "thesis.txt").exists()


def test_a_directory_of_links_replaces_an_older_one(tmp_path: Path) -> None:
    for text in ("one", "two"):
        (tmp_path / "model").write_text(text, "utf-8")
        link_aside([tmp_path / "model"], tmp_path / "best")
        assert (tmp_path / "best" / "model").read_text("utf-8") == text
        (tmp_path / "model").unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best"]
