"""Studies on a real Ray of this machine: the same findings as in one process, whatever ends first or dies."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import ray

from eulerstack.diagnostics import EulerStackError, Source
from eulerstack.results.ablation import Ablation
from eulerstack.training.ablation import on_ray
from eulerstack.training.ablation.engine import Step, run_study
from eulerstack.training.ablation.on_ray import _needs as needs
from eulerstack.training.ablation.record import Findings, Run
from eulerstack.training.ablation.study import read_study
from tests.training.ablation.specs import ATTENTION, load

SPECS = "specs: { attention: attention, retention: retention }\n"
TEXT = """
tasks:
  mqar: { vocab_size: 32, length: 16, pairs: 2, train: 64, test: 32 }
  text: { data: text, length: 16, train: 32, test: 16 }
lr: [1.0e-3, 1.0e-2]
steps: 2
batch: 16
"""

COMMAND = """
import signal
from eulerstack.__main__ import run
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
run()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with on_ray._cluster():
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the study's text lies, by a name that only this process's own folder explains."""
    (tmp_path / "text").mkdir()
    for number in range(20):
        (tmp_path / "text" / f"{number}.txt").write_text(f"line {number} of a text\n" * 20, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def timeless(found: Findings) -> Findings:
    """Without what the clock and the place say."""
    runs = [replace(run, score=run.score and replace(run.score, seconds=0.0)) for run in found.runs]
    return replace(found, runs=tuple(runs), directory="")


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_it_finds_what_one_process_finds_and_goes_on_where_it_was(folder: Path) -> None:
    study = read_study(Source("study.yml", SPECS + TEXT))
    alone = run_study(study, load, folder / "alone")
    steps: list[Step] = []
    together = run_study(study, load, folder / "together", engine="ray", report=steps.append)
    assert timeless(together) == timeless(alone)
    for task in ("mqar", "text"):
        ours, theirs = ([each.spec for each in Ablation(found).ranking(task)] for found in (together, alone))
        assert ours == theirs
    assert {(step.run, step.step) for step in steps} == {(run, step) for run in range(1, 9) for step in (1, 2)}
    places = sorted((folder / "together" / "runs").iterdir())
    assert [place.name for place in places] == [place.name for place in sorted((folder / "alone" / "runs").iterdir())]
    lost = places[2] / "result.json"
    lost.unlink()
    before = {place: (place / "result.json").stat().st_mtime_ns for place in places if place != places[2]}
    again: list[Step] = []
    assert timeless(run_study(study, load, folder / "together", engine="ray", report=again.append)) == timeless(alone)
    assert len({step.run for step in again}) == 1
    assert lost.is_file()
    assert {place: (place / "result.json").stat().st_mtime_ns for place in before} == before
    assert ray.is_initialized()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_run_that_fails_or_whose_process_dies_is_kept_with_its_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = read_study(Source("study.yml", SPECS + TEXT.replace("[1.0e-3, 1.0e-2]", "[1.0e-3, 10.0]")))
    honest = on_ray._carried_out

    def fatal(planned, *rest):
        if planned.task_name == "mqar" and planned.lr == 1e-3:
            os._exit(7)
        if planned.task_name == "mqar":
            planned = replace(planned, task=replace(planned.task, vocab_size=64))  # more than the model has
        return honest(planned, *rest)

    monkeypatch.setattr(on_ray, "_carried_out", fatal)
    found = run_study(study, load, folder / "kept", engine="ray")
    failures = {(run.spec, run.lr): run.failure for run in found.runs if run.task == "mqar"}
    assert all("WorkerCrashedError" in failures[spec, 1e-3] for spec in ("attention", "retention"))
    assert all("IndexError" in failures[spec, 10.0] for spec in ("attention", "retention"))
    assert all(run.score for run in found.runs if run.task == "text")
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    kept = run_study(study, load, folder / "kept", engine="ray")
    assert kept == found
    assert all(run.score for run in run_study(study, load, folder / "kept", engine="ray", retry=True).runs)


@pytest.mark.slow
def test_the_command_starts_ray_itself_and_an_interruption_keeps_what_is_over(folder: Path) -> None:
    (folder / "attention.yml").write_text(ATTENTION, "utf-8")
    seeds = ", ".join(map(str, range(400)))
    text = f"specs: {{ attention: attention.yml }}\nseeds: [{seeds}]\n" + TEXT.replace("[1.0e-3, 1.0e-2]", "[1.0e-3]")
    (folder / "study.yml").write_text(text, "utf-8")
    command = [sys.executable, "-c", COMMAND, "ablate", "study.yml", "--engine", "ray", "--run-dir", "kept"]
    child = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
    while not (results := list(folder.glob("kept/runs/*/result.json"))):
        assert child.poll() is None, child.communicate()[1].decode()
        time.sleep(0.1)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal's Ctrl-C does
    _, err = child.communicate()
    assert child.returncode == 130
    assert b"Traceback" not in err
    left = list(folder.glob("kept/runs/*/result.json"))
    assert {*results} <= {*left}
    assert len(left) < 400
    assert all(Run.from_dict(json.loads(path.read_text("utf-8"))).score for path in left)


def test_a_run_takes_a_gpu_where_there_is_one_else_its_share_of_the_cores() -> None:
    assert needs([{"CPU": 16.0, "GPU": 4.0}], 3, None) == ({"num_gpus": 1, "num_cpus": 4}, "cuda")
    assert needs([{"CPU": 4.0, "GPU": 8.0}, {"CPU": 64.0}], 3, "cuda:1") == ({"num_gpus": 1, "num_cpus": 1}, "cuda")
    assert needs([{"CPU": 16.0, "GPU": 4.0}], 3, "cpu") == ({"num_cpus": 5}, "cpu")
    assert needs([{"CPU": 16.0}], 100, None) == ({"num_cpus": 1}, None)
    assert needs([{"CPU": 16.0}, {"CPU": 4.0}], 2, None) == ({"num_cpus": 4}, None)


def test_without_the_package_it_is_told_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "find_spec", lambda name: None)
    with pytest.raises(EulerStackError) as failure:
        run_study(read_study(Source("study.yml", SPECS + TEXT)), load, folder / "kept", engine="ray")
    assert 'pip install "eulerstack[ray]"' in str(failure.value)
    assert not (folder / "kept").exists()


def test_a_ray_that_does_not_answer_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**keys: object) -> None:
        raise ConnectionError("no cluster at ray://nowhere")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(EulerStackError, match="no cluster at ray://nowhere") as failure:
        run_study(read_study(Source("study.yml", SPECS + TEXT)), load, folder / "kept", engine="ray")
    assert failure.value.diagnostics[0].code == "engine-unavailable"


@pytest.mark.slow
def test_ray_is_loaded_for_nothing_else(folder: Path) -> None:
    (folder / "attention.yml").write_text(ATTENTION, "utf-8")
    (folder / "study.yml").write_text("specs: { attention: attention.yml }\n" + TEXT, "utf-8")
    code = (
        "import sys; from eulerstack import cli; import eulerstack.training.loop.run;"
        "code = cli.main(['ablate', 'study.yml', '--run-dir', 'kept']); sys.exit(code or 'ray' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
