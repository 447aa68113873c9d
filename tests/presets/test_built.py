"""Every preset at its own size: all of them without storage, the small ones for real."""

from math import log
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from eulerstack import api, preset_index
from eulerstack.compiler import config_dict
from eulerstack.ir import count, parameter_table
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM

NAMES = preset_index.names()
SMALL = [name for name in NAMES if name.endswith("_mini") or name.startswith("llm_0p1b_")]


@pytest.mark.parametrize("name", NAMES)
def test_the_model_has_the_parameters_that_the_ir_counts(name: str) -> None:
    loaded = api.load(name)
    with torch.device("meta"):
        model = EulerStackForCausalLM(EulerStackConfig(**config_dict(loaded.model)))
    table = [parameter for parameter in parameter_table(loaded.model) if not parameter.buffer]
    built = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert built == {parameter.name: parameter.shape for parameter in table}
    assert model.num_parameters() == count(loaded.model).total


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_a_small_one_compiles_loads_and_knows_nothing_yet(name: str, tmp_path: Path) -> None:
    api.compile(name, output_dir=tmp_path / "model")
    model, info = AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", trust_remote_code=True, dtype=torch.bfloat16, output_loading_info=True
    )
    assert [problem for problems in info.values() for problem in problems] == []
    vocab_size = model.config.vocab_size
    ids = torch.randint(0, vocab_size, (1, 64), generator=torch.Generator().manual_seed(0))
    assert model.eval()(input_ids=ids, labels=ids).loss.item() == pytest.approx(log(vocab_size), rel=0.05)
