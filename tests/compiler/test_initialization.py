"""The weights that the writer draws against those that the model itself starts with, tensor by tensor."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from eulerstack import api
from eulerstack.compiler import compile_model
from eulerstack.diagnostics import Source
from eulerstack.ir.shrink import shrink
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from tests.compiler.specs import HYBRID, LLAMA

CHANCE = 1e-7
"""How likely two samples of one distribution are to be told apart: the seeds are fixed, so a test that passes stays."""

MUP = "training_hints: { init: %s, scaling: { parametrization: mup, base_width: 32 } }\n"
WIDE = LLAMA.replace("d_model: 32", "d_model: 128").replace("training_hints: { seed: 7 }\n", "")
SPECS = {
    "llama": LLAMA,
    "hybrid, scaled": HYBRID.replace("max_seq_len: 64,", "max_seq_len: 64, dtype: float32,"),
    **{f"xavier and small {init}": WIDE + f"training_hints: {{ init: {init} }}\n" for init in ("xavier", "small")},
    **{f"mup {init}": WIDE + MUP % init for init in ("normal_0.02", "scaled")},
    "mup untied": WIDE.replace("positional: rope", "positional: rope, tie_word_embeddings: false")
    + MUP % "normal_0.02",
}


def both(model, directory: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """What is written, and what a model of its configuration starts with."""
    compile_model(model, directory, seed=1)
    torch.manual_seed(2)
    config = EulerStackConfig.from_pretrained(directory)
    started = EulerStackForCausalLM._from_config(config, dtype=torch.float32).state_dict()
    written = load_file(directory / "model.safetensors")
    return written, {name: started[name] for name in written}


def distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """Kolmogorov and Smirnov's: the largest distance between the two distributions."""
    a, b = (tensor.flatten().double().sort().values for tensor in (first, second))
    everything = torch.cat((a, b))
    below = [torch.searchsorted(side, everything, right=True) / len(side) for side in (a, b)]
    return (below[0] - below[1]).abs().max().item()


def assert_alike(written: dict[str, torch.Tensor], started: dict[str, torch.Tensor]) -> None:
    for name, tensor in written.items():
        other = started[name]
        assert tensor.shape == other.shape, name
        if other.unique().numel() == 1 or not other.is_floating_point():
            assert torch.equal(tensor.to(other.dtype), other), name
            continue
        limit = math.sqrt(-math.log(CHANCE / 2) / tensor.numel())
        assert distance(tensor, other) <= limit, name


@pytest.mark.parametrize("name", SPECS)
def test_what_is_written_is_what_the_model_starts_with(tmp_path: Path, name: str) -> None:
    assert_alike(*both(api.load(Source("model.yml", SPECS[name])).model, tmp_path / "model"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["arch_expert_kitchen_sink", "arch_expert_dsv4_flash_mini", "arch_expert_dual_stream"])
def test_every_primitive_starts_alike(tmp_path: Path, name: str) -> None:
    assert_alike(*both(shrink(api.load(name).model), tmp_path / "model"))


def test_another_law_would_be_seen(tmp_path: Path) -> None:
    written, started = both(api.load(Source("model.yml", WIDE)).model, tmp_path / "model")
    name = "model.layers.0.mixer.q_proj.weight"
    started[name] = started[name] * 1.2
    with pytest.raises(AssertionError, match="q_proj"):
        assert_alike(written, started)
