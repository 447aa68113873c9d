import json
import math
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from eulerstack.diagnostics import EulerStackError
from eulerstack.ir.training_memory import training_memory
from eulerstack.ir.workload import Workload
from eulerstack.training.data import open_source, prepare
from eulerstack.training.loop import run as module
from eulerstack.training.loop.callback import WHOLE
from eulerstack.training.loop.directory import RunDirectory, State
from eulerstack.training.loop.held_out import HeldOut
from eulerstack.training.loop.memory import spec_model
from eulerstack.training.loop.run import run
from tests.training.data.words import write_documents
from tests.training.loop.runs import ROUTED, SERIAL, accelerate, begun, compiled, started, told, torchrun


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(ROUTED, tmp_path_factory.mktemp("loop") / "routed")


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(SERIAL, tmp_path_factory.mktemp("loop") / "serial")


@pytest.fixture(scope="module")
def unbroken(routed: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    directory = begun(routed, tmp_path_factory.mktemp("unbroken") / "run")
    run(directory.path)
    return directory


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    return AutoModelForCausalLM.from_pretrained(run.last, trust_remote_code=True).state_dict()


def assert_same(one: RunDirectory, other: RunDirectory) -> None:
    assert told(one) == told(other)
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_run_reports_what_it_does(unbroken: RunDirectory) -> None:
    state = unbroken.state()
    assert state.status == "finished"
    assert state.step == 6
    assert state.tokens == 6 * 4 * 16
    assert state.before == pytest.approx(math.log(259), rel=0.05)
    assert state.learned is (state.held_out < state.unigram)
    assert state.flops_per_second > 0
    assert state.peak_memory > 2**20
    steps = [line for line in unbroken.metrics() if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 7))
    for line in steps:
        assert line["grad_norm"] > 0
        assert set(line["objectives"]) == {"load_balance", "usage_probe"}
        assert set(line["routers"]) == {"layers.1.ffn.router", "layers.3.ffn.router"}
        for router in line["routers"].values():
            assert sum(router["load"]) == pytest.approx(1, abs=1e-3)
            assert 0 < router["entropy"] <= math.log(len(router["load"])) + 1e-6
    reports = [line for line in unbroken.metrics() if "held_out" in line]
    assert [line["step"] for line in reports] == [2, 4, 6]
    assert state.best == min(line["held_out"] for line in reports)


def test_best_and_last_load_as_any_model(unbroken: RunDirectory) -> None:
    for directory in (unbroken.best, unbroken.last):
        model = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True)
        assert model.dtype == torch.float32
        ids = AutoTokenizer.from_pretrained(directory)("def ", return_tensors="pt").input_ids
        assert model(ids).logits.isfinite().all()
        assert (directory / "eulerstack.yml").is_file()
    assert len(list(unbroken.checkpoints.iterdir())) == 2


def test_the_held_out_loss_weighs_every_token_the_same(unbroken: RunDirectory, routed: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(routed)
    store = prepare(open_source(unbroken.settings().data), tokenizer, add_eos=True)
    model = AutoModelForCausalLM.from_pretrained(unbroken.last, trust_remote_code=True)
    whole, parts = HeldOut(store, 16, 9, 9), HeldOut(store, 16, 9, 2)
    expected = model.eval()(**whole.rows).loss.item()
    assert whole.loss(model, torch.device("cpu")) == pytest.approx(expected, rel=1e-5)
    assert parts.loss(model, torch.device("cpu")) == pytest.approx(expected, rel=1e-5)
    tokens, size = len(store.held_out.tokens), store.held_out.bytes
    assert whole.bits_per_byte(expected) == pytest.approx(expected / math.log(2) * tokens / size)


def test_stopped_at_a_step_and_resumed_is_the_unbroken_run(
    routed: Path, unbroken: RunDirectory, tmp_path: Path
) -> None:
    directory = begun(routed, tmp_path / "run")
    after = random.Random(0).randrange(1, 5)

    def stop(values: dict) -> None:
        if values["step"] == after:
            directory.say("stop")

    assert run(directory.path, report=stop).status == "stopped"
    assert directory.state().step == after + 1  # it listens after each step
    assert run(directory.path).status == "finished"
    steps = [line for line in told(directory) if "loss" in line]
    assert steps == [line for line in told(unbroken) if "loss" in line]
    mine, theirs = weights(directory), weights(unbroken)
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


CHILD = "import sys; from eulerstack.training.loop.run import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 3, 4])
def test_killed_at_a_step_and_resumed_is_the_unbroken_run(
    routed: Path, unbroken: RunDirectory, tmp_path: Path, after: int
) -> None:
    directory = begun(routed, tmp_path / "run")
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(directory.path)])
    while not any(line["step"] >= after for line in directory.metrics()):
        assert child.poll() is None
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert directory.state().status == "stopped"
    assert run(directory.path).status == "finished"
    assert_same(directory, unbroken)


def test_half_a_checkpoint_does_not_count(routed: Path, unbroken: RunDirectory, tmp_path: Path) -> None:
    directory = begun(routed, tmp_path / "run")
    run(directory.path, report=lambda values: directory.say("stop") if values["step"] == 4 else None)
    newest = max(directory.checkpoints.iterdir(), key=lambda path: int(path.name.split("-")[1]))
    (newest / WHOLE).unlink()
    (newest / "optimizer.pt").write_bytes(b"half")
    assert run(directory.path).status == "finished"
    assert_same(directory, unbroken)


def test_told_to_stop_while_it_prepares_it_stops_after_its_first_step(serial: Path, tmp_path: Path) -> None:
    directory = begun(serial, tmp_path / "run")
    directory.say("stop")
    assert run(directory.path).status == "stopped"
    assert directory.state().step == 1
    assert run(directory.path).status == "finished"


def test_a_finished_run_is_not_run_again(unbroken: RunDirectory) -> None:
    before = unbroken.metrics()
    assert run(unbroken.path).status == "finished"
    assert unbroken.metrics() == before


def test_a_run_pauses_until_it_is_told_to_go_on(serial: Path, tmp_path: Path) -> None:
    directory = begun(serial, tmp_path / "run", steps=4)
    seen: list[str] = []

    def others() -> None:
        while directory.state().status != "paused":
            time.sleep(0.01)
        seen.append("paused")
        step = directory.state().step
        time.sleep(0.3)
        assert directory.state().step == step
        directory.say("continue")

    watcher = threading.Thread(target=others)
    watcher.start()
    state = run(directory.path, report=lambda values: directory.say("pause") if values["step"] == 2 else None)
    watcher.join()
    assert seen == ["paused"]
    assert state.status == "finished"


def test_one_process_at_a_time(serial: Path, tmp_path: Path) -> None:
    directory = begun(serial, tmp_path / "run")
    assert not directory.busy()
    with directory.working():
        assert directory.busy()
        with pytest.raises(EulerStackError) as failure:
            run(directory.path)
    assert failure.value.diagnostics[0].code == "run-busy"


def test_by_the_clock(serial: Path, tmp_path: Path) -> None:
    directory = begun(serial, tmp_path / "run")
    settings = json.loads((directory.path / "settings.json").read_text("utf-8"))
    settings |= {"steps": 10_000_000, "seconds": 0.5, "report_every": 1_000_000}
    (directory.path / "settings.json").write_text(json.dumps(settings), "utf-8")
    state = run(directory.path)
    assert state.status == "finished"
    assert 0.5 <= state.seconds < 30
    rates = [line["lr"] for line in directory.metrics() if "lr" in line]
    assert rates[-1] < max(rates)


def spoiled(model: Path, target: Path, name: str) -> Path:
    """A copy of a compiled directory with one weight that is no number."""
    shutil.copytree(model, target)
    tensors = load_file(target / "model.safetensors")
    tensors[name].view(-1)[0] = math.nan
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    return target


def test_weights_that_are_no_numbers_are_named(serial: Path, tmp_path: Path) -> None:
    name = "model.layers.1.mixer.o_proj.weight"
    directory = begun(spoiled(serial, tmp_path / "model", name), tmp_path / "run")
    with pytest.raises(EulerStackError) as failure:
        run(directory.path)
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.code == "loss-not-finite"
    assert diagnostic.params == {"step": 1, "place": name}
    state = directory.state()
    assert state.status == "failed"
    assert state.diagnostics == failure.value.diagnostics


def test_a_run_that_explodes_stops_and_keeps_its_last_good_checkpoint(serial: Path, tmp_path: Path) -> None:
    directory = begun(serial, tmp_path / "run", steps=6)

    def spoil(self, step: int) -> float:
        return 1.0 if step < 3 else 1e38

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.Pace, "factor", spoil)
        with pytest.raises(EulerStackError) as failure:
            run(directory.path)
    assert failure.value.diagnostics[0].code == "loss-not-finite"
    assert failure.value.diagnostics[0].params["step"] > 4
    good = AutoModelForCausalLM.from_pretrained(directory.last, trust_remote_code=True)
    assert all(p.isfinite().all() for p in good.parameters())


def test_a_device_that_is_too_small_says_what_would_fit(serial: Path, tmp_path: Path) -> None:
    directory = begun(serial, tmp_path / "run")
    model = spec_model(serial)
    load = Workload.of(model, batch=2, seq=16, dtype="float32", skip_logits=True)

    def full(self, *args, **keys):
        raise torch.OutOfMemoryError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.LoopTrainer, "training_step", full)
        patch.setattr(module, "memory_of", lambda device: training_memory(model, load).total)
        with pytest.raises(EulerStackError, match="--micro-batch 2") as failure:
            run(directory.path)
    assert failure.value.diagnostics[0].code == "memory-exhausted"


def test_a_batch_that_does_not_divide(serial: Path, tmp_path: Path) -> None:
    directory = begun(serial, tmp_path / "run", batch=5, micro_batch=2)
    with pytest.raises(EulerStackError) as failure:
        run(directory.path)
    assert failure.value.diagnostics[0].code == "batch-uneven"
    assert isinstance(directory.state(), State)


@pytest.mark.slow
@pytest.mark.parametrize("launch", [torchrun, accelerate], ids=["torchrun", "accelerate launch"])
def test_two_processes_train_as_one_that_takes_the_same_batch_in_two_parts(
    launch: Callable[..., None], serial: Path, tmp_path: Path
) -> None:
    """As a user types it: losses, auxiliary losses, experts' biases and weights; and resumed, the same again."""
    data = write_documents(tmp_path / "text")
    words = [serial, "--data", data, "--steps", 6, "--batch", 4, "--micro-batch", 2, "--length", 16, "--lr", 1e-2]
    alone, together = RunDirectory(tmp_path / "alone"), RunDirectory(tmp_path / "together")
    started([sys.executable, "-m", "eulerstack", "train", *words, "--run-dir", alone.path])
    launch("-m", "eulerstack", "train", *words, "--run-dir", together.path)
    assert (alone.state().processes, together.state().processes) == (1, 2)
    assert len(told(together)) == len(told(alone)) > 6
    for mine, theirs in zip(told(together), told(alone), strict=True):
        assert mine.keys() == theirs.keys()
        for name in ("loss", "held_out", "grad_norm"):
            if name in mine:
                assert mine[name] == pytest.approx(theirs[name], rel=2e-4)
        assert mine.get("objectives", {}) == pytest.approx(theirs.get("objectives", {}), rel=2e-3)
        for name, router in theirs.get("routers", {}).items():
            assert mine["routers"][name]["load"] == pytest.approx(router["load"], abs=0.02)
    assert all(line["objectives"]["load_balance"] > 0 for line in told(alone) if "loss" in line)
    mine, theirs = weights(together), weights(alone)
    for name in theirs:
        torch.testing.assert_close(mine[name], theirs[name], rtol=2e-3, atol=2e-4)
    biases = [name for name in theirs if name.endswith("e_score_correction_bias")]
    assert len(biases) == 2
    for name in biases:
        assert theirs[name].abs().max() > 0
