"""The monitor without a browser: what run directories tell, and the words that are said into them."""

import json
import math
import shutil
from dataclasses import replace

import pytest

from eulerstack import api, i18n
from eulerstack.diagnostics import EulerStackError
from eulerstack.training.loop.directory import RunDirectory, State
from eulerstack.widgets import TrainingMonitor, view
from eulerstack.widgets.charts import HEIGHT, LEFT, RIGHT, WIDTH, Curve, curves_svg
from tests.languages import english
from tests.magics.test_languages import words_of
from tests.training.ablation.test_engine import TEXT, Learning, run
from tests.training.loop.runs import SERIAL, begun, compiled


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return compiled(SERIAL, tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def runs(model, tmp_path) -> list[RunDirectory]:
    """Two runs that are over: b is the better one."""
    found = []
    for name, best in (("a", 3.0), ("b", 2.5)):
        (tmp_path / name).mkdir()
        run = begun(model, tmp_path / name / f"run_{name}", steps=4)
        for step in (1, 2, 3, 4):
            load = {"layers.1": {"load": [0.4, 0.3, 0.2, 0.1], "entropy": 1.2}}
            values = {"step": step, "loss": best + 1 / step, "lr": 1e-3 * step, "tokens_per_second": 100.0 * step}
            run.add_metrics({**values, "routers": load, "objectives": {"load_balance": 1 / step}})
        run.add_metrics({"step": 4, "held_out": best, "bits_per_byte": 1.0})
        told = State(status="finished", step=4, loss=best + 0.25, held_out=best, best=best, best_step=4)
        run.write_state(replace(told, tokens_per_second=400.0, peak_memory=3 * 2**20))
        found.append(run)
    return found


def test_runs_are_overlaid_and_ranked(runs):
    monitor = TrainingMonitor(*(run.path for run in runs))
    page = monitor.page.value
    assert page.count("<polyline") == 8
    assert "load_balance" in page
    assert page.count("<circle") == 2
    assert [run.path.name for run in monitor.ranking()] == ["run_b", "run_a"]
    assert page.index("run_b</td>") < page.index("run_a</td>")
    assert "2.5000" in page
    assert "3.0 MiB" in page
    assert page.count("<rect") == 8


def test_a_folder_of_runs_and_a_run_itself(runs):
    assert len(TrainingMonitor(runs[0].path.parent).runs) == 1
    assert TrainingMonitor(api.watch(runs[1].path)).runs[0].path == runs[1].path


def test_a_study_fills_as_its_runs_finish(tmp_path, monkeypatch):
    study = tmp_path / "study"
    with pytest.raises(KeyboardInterrupt):
        run(study, monkeypatch, Learning(4, KeyboardInterrupt()))
    monitor = TrainingMonitor(tmp_path)
    (watched,) = monitor.studies
    assert watched.alive
    assert 'attention (0.001, 0) 1, attention (0.001, 1) 1, attention (0.01, 0) 1"' in monitor.page.value
    assert "retention" not in monitor.page.value
    run(study, monkeypatch, Learning())
    monitor.refresh()
    assert not watched.alive
    assert len(watched.findings().runs) == 8
    assert [each.lr for each in watched.findings().runs] == 2 * [1e-3, 1e-3, 1e-2, 1e-2]
    assert "retention" in monitor.page.value
    monitor.watcher.join(timeout=10)
    assert not monitor.watcher.is_alive()


def test_what_an_older_study_left_is_not_counted(tmp_path, monkeypatch):
    run(tmp_path, monkeypatch, Learning())
    (tmp_path / "study.yml").write_text(TEXT.replace("lr: [1.0e-3, 1.0e-2]", "lr: [1.0e-2]"), "utf-8")
    (watched,) = TrainingMonitor(tmp_path).studies
    assert [(each.lr, each.seed) for each in watched.findings().runs] == 2 * [(1e-2, 0), (1e-2, 1)]


def test_a_picture_does_not_grow_with_its_run():
    heights = [(step, math.sin(step) + (50.0 if step == 12_345 else 0.0)) for step in range(20_001)]
    picture = curves_svg("loss", [Curve(name="run", points=heights)], step="step")
    points = [tuple(map(float, point.split(","))) for point in picture.split('points="')[1].split('"')[0].split()]
    assert WIDTH < len(points) <= 4 * WIDTH
    assert (points[0][0], points[-1][0]) == (LEFT, WIDTH - RIGHT)
    assert sum(y < HEIGHT / 2 for _, y in points) == 1
    assert "step 20,000" in picture


def test_where_there_is_no_run(tmp_path):
    with pytest.raises(EulerStackError):
        TrainingMonitor(tmp_path / "none")
    with pytest.raises(EulerStackError):
        TrainingMonitor(tmp_path)


def test_what_a_run_can_be_told(runs):
    monitor = TrainingMonitor(*(run.path for run in runs))
    assert all(button.disabled for button in monitor.buttons.values())
    with runs[0].working():
        runs[0].write_state(replace(runs[0].state(), status="running"))
        monitor.refresh()
        assert not monitor.buttons["pause"].disabled
        monitor.buttons["pause"].click()
        assert runs[0].hear() == "pause"
        monitor.buttons["stop"].click()
        assert runs[0].hear() == "stop"
        runs[0].write_state(replace(runs[0].state(), status="paused"))
        monitor.refresh()
        assert monitor.buttons["pause"].disabled
        monitor.buttons["go-on"].click()
        assert runs[0].hear() == "continue"
    assert runs[1].hear() is None


def test_a_run_without_reports_yet(model, tmp_path):
    run = begun(model, tmp_path / "fresh")
    monitor = TrainingMonitor(run.path)
    assert i18n.text("training", "run.status.preparing") in monitor.page.value
    monitor.close()


def test_a_run_that_is_removed_ends_the_watch(model, tmp_path):
    run = begun(model, tmp_path / "fresh")
    monitor = TrainingMonitor(run.path)
    shutil.rmtree(run.path)
    monitor.watcher.join(timeout=10)
    assert not monitor.watcher.is_alive()


def test_a_loss_that_is_not_finite_is_left_out(runs):
    with open(runs[0].path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"step": 5, "loss": float("nan")}) + "\n")
    assert "nan" not in TrainingMonitor(runs[0].path).page.value


def test_the_static_form_has_the_curves(runs):
    html = TrainingMonitor(runs[0].path)._repr_mimebundle_()["text/html"]
    assert "<polyline" in html
    assert "run_a" in html


def test_controls_and_static_form_are_outputs_of_their_own(runs, monkeypatch):
    shown = []
    monkeypatch.setattr(view, "display", lambda data, **_: shown.append(data))
    monitor = TrainingMonitor(runs[0].path)
    monitor._ipython_display_()
    controls, static = shown
    assert list(controls) == [view.WIDGET]
    assert static["text/html"].count("<polyline") == 4
    assert static["text/plain"] == "TrainingMonitor(run_a)"
    monitor.close()
    monitor._ipython_display_()
    assert shown[2:] == [static]


@pytest.mark.parametrize("lang", [lang for lang in i18n.LANGUAGES if lang != "en"])
def test_every_word_is_the_language_s(runs, lang):
    with i18n.speaking(lang):
        monitor = TrainingMonitor(runs[0].path)
    monitor.refresh()
    told = [words_of(monitor.page.value), *(button.description for button in monitor.buttons.values())]
    assert not [text for text in told if english(text, lang)]
    assert i18n.template_of("training", "run.status.finished", lang) in monitor.page.value
