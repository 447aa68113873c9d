"""Every preset's tiny twin computes what its cost says; every preset's cost is told fast."""

import time

import pytest

from eulerstack import api, preset_index
from eulerstack.compiler import config_dict
from eulerstack.ir.cost import cost
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from tests.presets.selection import marked
from tests.runtime.flops import pass_all, passing_all
from tests.runtime.test_flops import check

SECONDS = 0.1


@pytest.mark.parametrize("name", [marked(name) for name in preset_index.names()])
def test_the_twin_s_work_is_stated(name: str) -> None:
    ir = api.load(api.shrink(name).source).model
    model = EulerStackForCausalLM(EulerStackConfig(**config_dict(ir)))
    model.config.transition_token_id = 5
    pass_all(model)
    check(model, passing_all(ir), length=48, further=2)


@pytest.mark.parametrize("name", preset_index.names())
def test_cost_is_told_fast(name: str) -> None:
    model = api.load(name).model
    cost(model)
    start = time.process_time()
    cost(model)
    assert time.process_time() - start < SECONDS
