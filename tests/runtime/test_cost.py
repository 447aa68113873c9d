"""What the schema says of a model without building it, against the model: dtypes and sizes of decoding states."""

import pytest
import torch

from eulerstack.ir import parameter_table
from eulerstack.ir.caches import cache_bytes
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from eulerstack.training.writer import kept_bytes
from tests.runtime.models.building import build, to_ir, tokens
from tests.runtime.models.specs import SPECS


@pytest.mark.parametrize("name", SPECS)
def test_state_constants_keep_fp32_when_loaded_in_bf16(name, tmp_path):
    model, table = build(SPECS[name]), parameter_table(to_ir(SPECS[name]))
    model.save_pretrained(tmp_path)
    narrow = EulerStackForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16).state_dict()
    assert {p.name for p in table if p.fp32} == {n for n, tensor in narrow.items() if tensor.dtype is torch.float32}


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("length", [1, 3, 41])
def test_stated_decoding_state_is_the_model_s(name, length):
    model = build(SPECS[name])
    with torch.no_grad():
        cache = model(tokens(batch=1, length=length), use_cache=True).past_key_values
    stated, kept = sum(cache_bytes(to_ir(SPECS[name]), length)), kept_bytes(cache)
    if any(layer.depth is not None for layer in model.model.layers):
        assert kept <= stated  # it depends on the text how many tokens a depth-gated layer works on
    else:
        assert kept == stated
