"""Every preset's tiny twin goes the whole way: compiled, loaded, trained, decoded, saved, loaded elsewhere."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from eulerstack import api, preset_index
from eulerstack.ir import laws, parameter_table
from tests.presets.selection import marked

NAMES = preset_index.names()
LENGTH = 48
STEPS = 12
LEARNING_RATE = 3e-3

LOAD = """
import importlib.abc, json, sys

class NoEulerStack(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "eulerstack":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoEulerStack())
import torch
from transformers import AutoModelForCausalLM

def seen(directory):
    model, info = AutoModelForCausalLM.from_pretrained(
        directory, trust_remote_code=True, dtype=torch.float32, output_loading_info=True
    )
    with torch.no_grad():
        logits = model.eval()(torch.arange(40)[None]).logits
    return {"problems": sorted(str(n) for names in info.values() for n in names), "logits": logits[0, -1].tolist()}

print(json.dumps({directory: seen(directory) for directory in sys.argv[1:]}))
"""


def compiled(name: str, directory: Path) -> api.Loaded:
    loaded = api.load(api.shrink(name).source)
    api.compile(loaded.source, output_dir=directory)
    return loaded


def opened(directory: Path) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True, dtype=torch.float32)
    return model.eval()


def tokens(model: PreTrainedModel, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, model.config.vocab_size, (2, LENGTH), generator=generator)


@pytest.fixture(scope="module", params=[marked(name) for name in NAMES])
def twin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[api.Loaded, Path]:
    """A preset's tiny twin, and the directory that it was compiled to."""
    directory = tmp_path_factory.mktemp("twin") / "model"
    return compiled(request.param, directory), directory


@pytest.fixture(scope="module")
def model(twin: tuple[api.Loaded, Path]) -> PreTrainedModel:
    return opened(twin[1])


def test_it_has_the_tensors_that_the_ir_counts(twin: tuple[api.Loaded, Path], model: PreTrainedModel) -> None:
    built = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    table = parameter_table(twin[0].model)
    assert built == {parameter.name: parameter.shape for parameter in table if not parameter.buffer}
    assert laws(twin[0].model).keys() == {parameter.name for parameter in table}


def test_every_tensor_learns(model: PreTrainedModel) -> None:
    model = copy.deepcopy(model).train()
    ids = tokens(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    for _ in range(2):  # a factor that starts at zero lets its partner learn from the second step on
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        assert torch.isfinite(loss)
        optimizer.step()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert [name for name, gradient in gradients.items() if gradient is None] == []
    assert [name for name, gradient in gradients.items() if not torch.isfinite(gradient).all()] == []
    # experts that no token chose have a zero gradient; every tensor as a whole has one
    assert [name for name, gradient in gradients.items() if not gradient.any()] == []


def test_it_trains(model: PreTrainedModel) -> None:
    torch.manual_seed(0)
    model = copy.deepcopy(model).train()
    ids = tokens(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    losses = []
    for _ in range(STEPS):
        loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@torch.no_grad()
def test_it_decodes_with_its_cache_as_without(model: PreTrainedModel) -> None:
    ids = tokens(model)
    full = model(input_ids=ids, use_cache=False).logits
    first = model(input_ids=ids[:, :9], use_cache=True)
    logits, cache = [first.logits], first.past_key_values
    for start, end in [(9, 10), (10, 11), (11, 30), *((n, n + 1) for n in range(30, LENGTH))]:
        step = model(input_ids=ids[:, start:end], past_key_values=cache, use_cache=True)
        logits.append(step.logits)
        cache = step.past_key_values
    torch.testing.assert_close(torch.cat(logits, dim=1), full, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_it_survives_saving(model: PreTrainedModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    ids = tokens(model)
    torch.testing.assert_close(opened(tmp_path)(input_ids=ids).logits, model(input_ids=ids).logits, rtol=0, atol=0)


@pytest.mark.slow
def test_all_load_in_one_process_without_this_package(tmp_path: Path) -> None:
    directories = {name: tmp_path / name for name in NAMES}
    for name, directory in directories.items():
        compiled(name, directory)
    command = [sys.executable, "-P", "-c", LOAD, *map(str, directories.values())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    for directory in directories.values():
        here = opened(directory)(torch.arange(40)[None]).logits[0, -1]
        assert seen[str(directory)]["problems"] == []
        torch.testing.assert_close(torch.tensor(seen[str(directory)]["logits"]), here.detach(), rtol=1e-5, atol=1e-5)
