"""The commands that train: what they print, what they leave behind, what they refuse."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from eulerstack import api, cli
from eulerstack.diagnostics import EulerStackError
from eulerstack.runs import begin_run
from tests.runtime.models.layers import layer
from tests.runtime.models.sections import spec
from tests.training.data.words import write_documents
from tests.training.loop.runs import BYTES, SERIAL, compiled

SMALL = ["--length", "16", "--batch", "2", "--steps", "4"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(SERIAL, tmp_path_factory.mktemp("commands") / "model")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_documents(tmp_path_factory.mktemp("commands") / "text"))


@pytest.fixture
def yml(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yml"
    plain = {**spec({"d": layer()}, **BYTES), "tokenizer_contract": {"type": "byte"}}
    path.write_text(yaml.safe_dump(plain), "utf-8")
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EULERSTACK_CACHE", str(tmp_path / "cache"))


def test_train_and_watch_say_the_same(yml: Path, text: str, tmp_path: Path, capsys) -> None:
    run_dir = str(tmp_path / "run")
    assert cli.main(["train", str(yml), "--data", text, "--run-dir", run_dir, *SMALL]) == 0
    out, err = capsys.readouterr()
    assert "finished" in out
    assert "held-out" in err
    assert cli.main(["watch", run_dir]) == 0
    assert capsys.readouterr().out == out
    assert cli.main(["watch", run_dir, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["state"]["step"] == 4
    assert told["settings"]["model"] == str(tmp_path / "run" / "model")
    assert (tmp_path / "run" / "eulerstack.yml").is_file()
    assert cli.main(["train", "--run-dir", run_dir, "--resume", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"]["status"] == "finished"


def refused(words: list[str], capsys) -> str:
    assert cli.main(words) in (1, 2)
    return capsys.readouterr().err


def test_what_train_refuses(yml: Path, text: str, tmp_path: Path, capsys) -> None:
    run = str(tmp_path / "run")
    begin = ["train", str(yml), "--run-dir", run, "--data", text]
    assert "--steps and --tokens both say" in refused([*begin, "--steps", "1", "--tokens", "1K"], capsys)
    assert "holds no run" in refused(["train", "--resume", "--run-dir", run], capsys)
    assert "no spec is named" in refused(["train", "--resume"], capsys)
    assert "max_seq_len of 64" in refused([*begin, "--length", "65"], capsys)
    assert "is no number above 0" in refused([*begin, "--lr", "nan"], capsys)
    assert not Path(run).exists()
    assert begin_run(str(yml), run_dir=run, data=text)
    assert "already holds a run" in refused(begin, capsys)
    assert "--resume changes nothing" in refused([*begin, "--resume", "--steps", "3"], capsys)
    assert "is no model directory" in refused(["train", text], capsys)


def test_a_compiled_directory_trains_as_it_is(model: Path, text: str, tmp_path: Path) -> None:
    path = begin_run(str(model), run_dir=tmp_path / "run", data=text, steps=2)
    settings = api.watch(path).settings
    assert settings.model == str(model)
    assert settings.lr == 3e-4
    assert not (path / "model").exists()


def test_a_twin_learns_faster_as_it_is_narrower(tmp_path: Path) -> None:
    path = begin_run("arch_beginner_llama", run_dir=tmp_path / "run", twin=True)
    preset = api.load("arch_beginner_llama").model
    assert api.watch(path).settings.lr == pytest.approx(3e-4 * preset.d_model / 64)


def test_data_is_shown(model: Path, yml: Path, text: str, capsys) -> None:
    assert cli.main(["data", str(model), "--data", text]) == 0
    out = capsys.readouterr().out
    assert "37 documents" in out
    assert "document 1" in out
    assert cli.main(["data", str(yml), "--data", text, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["held_out"]["documents"] == 3
    assert told["unigram"] > 0
    assert "nothing says where" in refused(["data", str(yml), "--data", text, "--bpe", "300"], capsys)
    assert cli.main(["data", "arch_beginner_llama", "--data", text, "--bpe", "300", "--tokenizer", f"{yml}.bpe"]) == 0
    assert "Bytes per token" in capsys.readouterr().out
    assert "is neither a file" in refused(["data", str(yml), "--data", "no/such.txt"], capsys)


@pytest.mark.slow
def test_coordinates_are_flat_under_mup_and_drawn(tmp_path: Path, capsys) -> None:
    path = tmp_path / "mup.yml"
    hints = {"scaling": {"parametrization": "mup", "base_width": 32}}
    plain = {**spec({"d": layer()}, training_hints=hints, **BYTES), "tokenizer_contract": {"type": "byte"}}
    path.write_text(yaml.safe_dump(plain), "utf-8")
    picture = tmp_path / "check.svg"
    words = ["coord-check", str(path), "--widths", "32,128", "--steps", "4", "-o", str(picture), "--format", "json"]
    assert cli.main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["flat"]
    assert {size["width"] for size in told["sizes"]} == {32, 128}
    assert picture.read_text("utf-8").startswith("<svg")
    assert "would not be a whole number" in refused(["coord-check", str(path), "--widths", "32,33"], capsys)


@pytest.mark.slow
def test_a_run_outlives_its_caller_and_can_be_steered(model: Path, text: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    run = api.train(str(model), run_dir=path, data=text, steps=100_000, length=16, batch=2, wait=False)
    while run.state.step < 1:
        assert run.alive
    run.pause()
    while run.state.status != "paused":
        assert run.alive
    run.go_on()
    run.stop()
    told: list[dict] = []
    assert run.wait(told.append).status == "stopped"
    assert run.state.step > 0
    assert "stopped" in str(run)
    assert "<svg" in run._repr_html_()
    with pytest.raises(EulerStackError) as failure:
        api.train(str(model), run_dir=path, data=text)
    assert failure.value.diagnostics[0].code == "run-exists"


@pytest.mark.slow
def test_what_stops_a_run_in_another_process_is_raised_here(model: Path, tmp_path: Path) -> None:
    with pytest.raises(EulerStackError) as failure:
        api.train(str(model), run_dir=tmp_path / "run", data="python-stdlib", text_column=None, batch=3, micro_batch=2)
    assert failure.value.diagnostics[0].code == "batch-uneven"


@pytest.mark.slow
def test_two_processes_share_one_call(yml: Path, text: str, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", port]
    words = ["train", str(yml), "--data", text, "--run-dir", str(tmp_path / "run"), *SMALL]
    done = subprocess.run(
        [*launcher, "-m", "eulerstack", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished") == 1
    assert api.watch(tmp_path / "run").state.processes == 2
