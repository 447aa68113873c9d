"""Every preset goes the whole way: valid, as large as it says, compiled, trained, decoded; golden files tell."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from eulerstack import api, i18n, library
from eulerstack.ir import count, laws, parameter_table
from tests.presets.golden import GOLDEN, render

TOTALS = {
    "arch_beginner_gpt2": 1.1e9,
    "arch_beginner_llama": 1.1e9,
    "arch_intermediate_mistral": 1.3e9,
    "arch_intermediate_gemma2": 1.3e9,
    "arch_intermediate_qwen_longctx": 1.3e9,
    "llm_0p1b_simple": 100e6,
    "llm_0p1b_mistral": 100e6,
    "arch_expert_mixtral_moe": 1.9e9,
    "arch_expert_mixtral_moe_mini": 175e6,
}
ACTIVE = {"arch_expert_mixtral_moe_mini": 70e6}
NAMES = library.names()


def test_these_are_the_presets() -> None:
    assert set(NAMES) == TOTALS.keys()
    assert {folder.name for folder in GOLDEN.iterdir() if folder.is_dir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_without_a_warning(name: str) -> None:
    report = api.validate(name)
    assert [str(finding) for finding in report.diagnostics] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    preset = api.preset(name)
    model = api.load(name).model
    assert model.name == name.replace("_", "-")
    assert preset.about["tier"] == preset.tier
    assert preset.about["papers"]
    assert preset.about["mirrors"]
    assert preset.about["speculative"] is False
    assert (preset.level is not None) == name.startswith("arch_")
    assert preset.level is None or name.split("_")[1] == preset.level
    for lang in ("ko", "en"):
        assert i18n.catalogue(lang, "presets")[name]


@pytest.mark.parametrize("name", NAMES)
def test_it_has_the_size_it_announces(name: str) -> None:
    model = api.load(name).model
    totals = count(model)
    assert totals.total == pytest.approx(TOTALS[name], rel=0.1)
    assert totals.active == pytest.approx(ACTIVE.get(name, totals.active), rel=0.1)
    assert model.target_params == pytest.approx(TOTALS[name])


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_are_current(name: str) -> None:
    for file, text in render(name).items():
        assert (GOLDEN / name / file).read_text("utf-8") == text, f"{file} differs; `make golden` and read the diff"


def test_every_description_belongs_to_a_preset() -> None:
    assert i18n.catalogue("en", "presets").keys() == set(NAMES)


@pytest.fixture(scope="module", params=NAMES)
def twin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[api.Loaded, Path]:
    """A preset's tiny twin, and the directory that it was compiled to."""
    directory = tmp_path_factory.mktemp("twin") / "model"
    loaded = api.load(api.shrink(request.param).source)
    api.compile(loaded.source, output_dir=directory)
    return loaded, directory


def load(directory: Path) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True, dtype=torch.float32)
    return model.eval()


def tokens(model: PreTrainedModel, length: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, model.config.vocab_size, (2, length), generator=generator)


def test_the_twin_has_the_tensors_that_the_ir_counts(twin: tuple[api.Loaded, Path]) -> None:
    loaded, directory = twin
    built = {name: tuple(parameter.shape) for name, parameter in load(directory).named_parameters()}
    assert built == {parameter.name: parameter.shape for parameter in parameter_table(loaded.model)}
    assert laws(loaded.model).keys() == built.keys()


def test_the_twin_trains(twin: tuple[api.Loaded, Path]) -> None:
    model = load(twin[1]).train()
    ids = tokens(model)
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    assert torch.isfinite(loss)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    # experts that no token chose have a zero gradient; every tensor as a whole has one
    assert [name for name, parameter in model.named_parameters() if not parameter.grad.any()] == []


@torch.no_grad()
def test_the_twin_decodes_with_its_cache_as_without(twin: tuple[api.Loaded, Path]) -> None:
    model = load(twin[1])
    ids = tokens(model)
    full = model(input_ids=ids, use_cache=False).logits
    first = model(input_ids=ids[:, :9], use_cache=True)
    logits, cache = [first.logits], first.past_key_values
    for position in range(9, ids.shape[1]):
        step = model(input_ids=ids[:, position : position + 1], past_key_values=cache, use_cache=True)
        logits.append(step.logits)
        cache = step.past_key_values
    torch.testing.assert_close(torch.cat(logits, dim=1), full, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_twin_survives_saving(twin: tuple[api.Loaded, Path], tmp_path: Path) -> None:
    model = load(twin[1])
    ids = tokens(model)
    model.save_pretrained(tmp_path)
    torch.testing.assert_close(load(tmp_path)(input_ids=ids).logits, model(input_ids=ids).logits, rtol=0, atol=0)
