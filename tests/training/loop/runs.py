"""Tiny compiled models and runs on them."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import yaml

from eulerstack import api
from eulerstack.training.loop.directory import RunDirectory
from eulerstack.training.loop.settings import Options, settings_for
from tests.runtime.models.layers import layer, moe
from tests.runtime.models.sections import spec
from tests.training.data.words import write_documents

BYTES = {
    "model": {"vocab_size": 259},
    "tokenizer_contract": {"type": "byte", "pretrained": None},
}
ROUTED = spec(
    {
        "dense": layer(),
        "sparse": layer(
            ffn=moe(
                affinity="sigmoid",
                router_jitter=0.1,
                z_loss=0.01,
                bias_correction={"enabled": True, "update_rate": 0.01},
            )
        ),
    },
    **BYTES,
    training_hints={
        "dropout": 0.1,
        "optimizer": "hybrid",
        "differentiation_objectives": {"usage_probe_coef": 0.01},
    },
)
"""Everything that a run must carry over: dropout and jitter draw numbers, biases follow loads, Muon and AdamW."""

BALANCED = layer(
    ffn=moe(
        affinity="sigmoid",
        load_balance_coef=0.5,
        z_loss=0.05,
        bias_correction={"enabled": True, "update_rate": 0.01},
    )
)
"""Experts balanced by two losses, heavy enough to be seen, and by a bias."""

SERIAL = spec({"dense": layer(), "sparse": BALANCED}, **BYTES)
"""Without chance, for runs that are compared across numbers of processes."""


def compiled(plain: dict, directory: Path) -> Path:
    plain = {**plain, "tokenizer_contract": {"type": "byte"}}
    api.compile(yaml.safe_dump(plain), output_dir=directory)
    return directory


def begun(model: Path, path: Path, *, steps: int = 6, **keys) -> RunDirectory:
    """A run of a few steps on forty little documents, which reports after every second step."""
    data = write_documents(path.parent / "text")
    written = {"data": str(data), "length": 16, "batch": 4, "lr": 1e-2} | keys
    settings = settings_for(model, Options(steps=steps, **written))
    run = RunDirectory(path)
    run.begin(replace(settings, report_every=2, held_out_rows=4), (model / "eulerstack.yml").read_text("utf-8"))
    return run


def told(run: RunDirectory) -> list[dict]:
    """The reports without what the clock says."""
    clock = ("seconds", "tokens_per_second")
    return [{name: value for name, value in line.items() if name not in clock} for line in run.metrics()]


def free_port() -> str:
    """A port of this machine at which processes may meet."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def started(command: list[object]) -> None:
    """Run a launcher of two processes, which find the tests and print what goes wrong."""
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    child = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr


def torchrun(*words: object) -> None:
    """`torchrun` with two processes."""
    started(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", 2, "--master-port", free_port(), *words]
    )


def accelerate(*words: object) -> None:
    """`accelerate launch` with two processes. Its `--cpu` starts but one whatever is said, unless MPI is
    there; `--multi_gpu` needs no GPU to start two.
    """
    flags = ["--multi_gpu", "--num_processes", 2, "--num_machines", 1, "--mixed_precision", "no"]
    flags += ["--dynamo_backend", "no", "--main_process_port", free_port()]
    started([sys.executable, "-m", "accelerate.commands.launch", *flags, *words])
