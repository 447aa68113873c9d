"""Everything that `training_hints` ask for, as it stands when the loop takes its first step, and runs under it."""

from pathlib import Path

import pytest
import torch

from eulerstack.training.loop import device as devices
from eulerstack.training.loop.device import peak_flops
from eulerstack.training.loop.directory import State
from eulerstack.training.loop.run import _Run, run
from eulerstack.training.loop.trainer import LoopTrainer
from eulerstack.training.muon import MuonAdamW
from tests.runtime.models.layers import layer, moe
from tests.runtime.models.sections import quantised, spec
from tests.training.loop.runs import BYTES, begun, compiled

TEMPLATES = {"dense": layer(), "sparse": layer(ffn=moe())}
HINTS = {
    "lr_peak": 4e-3,
    "lr_floor_ratio": 0.25,
    "betas": [0.8, 0.9],
    "weight_decay": 0.3,
    "grad_clip": 0.7,
    "warmup_steps_ratio": 0.5,
    "router_lr_multiplier": 0.1,
    "checkpointing": True,
    "seed": 11,
}
MUON = {"ns_iters": 4, "stabilize_iters": 3, "stabilize_coefs": [1.9, -1.3, 0.4]}


def prepared(directory: Path, hints: dict) -> LoopTrainer:
    """A run's trainer before its first step."""
    directory.mkdir(exist_ok=True)
    model = compiled(spec(TEMPLATES, **BYTES, training_hints=HINTS | hints), directory / "model")
    started = begun(model, directory / "run", lr=None, steps=8)
    trainer, callback = _Run(started, True, lambda values: None, lambda done, total: None)._prepare(State())
    callback.watch.close()
    trainer.create_optimizer_and_scheduler(8)
    return trainer


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "hybrid"])
def test_the_trainer_is_as_the_hints_say(optimizer: str, tmp_path: Path) -> None:
    trainer = prepared(tmp_path, {"optimizer": optimizer, **({} if optimizer == "adamw" else {"muon": MUON})})
    assert trainer.args.max_grad_norm == 0.7
    assert trainer.args.activation_checkpointing
    assert trainer.args.seed == trainer.settings.seed == 11
    names = {id(parameter): name for name, parameter in trainer.trained.named_parameters()}
    factor = trainer.pace.factor(0)
    assert factor == pytest.approx(1 / 4)  # the first of four steps of warm-up
    assert trainer.pace.factor(8) == pytest.approx(0.25)
    by_muon = set()
    for group in trainer.optimizer.param_groups:
        own = [names[id(parameter)] for parameter in group["params"]]
        routers = ["router" in name for name in own]
        assert len(set(routers)) == 1
        assert group["initial_lr"] == pytest.approx(4e-3 * (0.1 if routers[0] else 1.0))
        assert group["lr"] == pytest.approx(group["initial_lr"] * factor)
        assert group["betas"] == (0.8, 0.9)
        assert group["weight_decay"] in (0.0, pytest.approx(0.3))
        if group.get("optimizer") == "muon":
            by_muon |= set(own)
            assert (group["ns_iters"], group["stabilize_iters"]) == (4, 3)
            assert list(group["stabilize_coefs"]) == MUON["stabilize_coefs"]
    assert isinstance(trainer.optimizer, torch.optim.AdamW if optimizer == "adamw" else MuonAdamW)
    assert bool(by_muon) == (optimizer != "adamw")
    if optimizer != "adamw":
        assert any(trainer.trained.get_parameter(name).dim() == 3 for name in by_muon)  # experts
        assert any("router" in name for name in by_muon) == (optimizer == "muon")
        assert not any("embed_tokens" in name for name in by_muon)


@pytest.mark.slow
def test_a_quantising_model_trains_with_stabilised_muon_and_keeps_whole_weights(tmp_path: Path) -> None:
    quantising = compiled(
        spec(
            TEMPLATES,
            **BYTES,
            training_hints={"optimizer": "muon", "muon": MUON},
            compatibility=quantised("fp8", "*.ffn.*"),
        ),
        tmp_path / "model",
    )
    plain = compiled(spec(TEMPLATES, **BYTES, training_hints={"optimizer": "muon", "muon": MUON}), tmp_path / "plain")
    losses = {}
    for name, model in (("quantising", quantising), ("plain", plain)):
        directory = begun(model, tmp_path / f"run-{name}", steps=12, lr=3e-2)
        assert run(directory.path).status == "finished"
        losses[name] = [line["loss"] for line in directory.metrics() if "loss" in line]
    assert losses["quantising"][0] != losses["plain"][0]  # the rounding is there
    assert losses["quantising"][0] == pytest.approx(losses["plain"][0], rel=0.02)
    assert losses["quantising"][-1] < losses["quantising"][0] - 0.5


def test_utilisation_is_told_of_known_devices_in_half_precision_only(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    monkeypatch.setattr(devices, "device_name", lambda device: "NVIDIA H100 80GB HBM3")
    assert peak_flops(gpu, "bf16") == devices.PEAKS["H100"]
    assert peak_flops(gpu, "fp32") is None
    assert peak_flops(torch.device("cpu"), "bf16") is None
    monkeypatch.setattr(devices, "device_name", lambda device: "Unheard of 9000")
    assert peak_flops(gpu, "bf16") is None
    for name, peak in devices.PEAKS.items():
        monkeypatch.setattr(devices, "device_name", lambda device, name=name: f"NVIDIA {name}-80GB")
        assert peak_flops(gpu, "fp16") == peak
    for other in ("NVIDIA L40", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA A1000"):
        monkeypatch.setattr(devices, "device_name", lambda device, name=other: name)
        assert peak_flops(gpu, "bf16") is None


def test_utilisation_is_operations_over_the_peak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = begun(compiled(spec(TEMPLATES, **BYTES), tmp_path / "model"), tmp_path / "run", steps=2)
    monkeypatch.setattr("eulerstack.training.loop.run.peak_flops", lambda device, precision: 1e12)
    state = run(directory.path)
    assert state.mfu == pytest.approx(state.flops_per_second / 1e12)
    assert state.flops_per_second > 0
