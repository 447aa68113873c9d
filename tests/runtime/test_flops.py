"""Stated operations against torch's own count over eager attention and eager experts: training, prompt, decoding."""

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings

from eulerstack import api
from eulerstack.compiler import config_dict
from eulerstack.ir import Model, count
from eulerstack.ir.caches import cache_bytes
from eulerstack.ir.flops import model_work
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.hyena import Hyena
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from eulerstack.schema.work import Call
from eulerstack.training.writer import kept_bytes
from tests.runtime.flops import counted, eager, is_gated, pass_all, passing_all
from tests.runtime.models.building import build, to_ir, tokens
from tests.runtime.models.specs import SPECS
from tests.strategies.specs import as_text, specs

LENGTH = 41


def of_training(model: EulerStackForCausalLM, ids: torch.Tensor) -> tuple[int, int]:
    """Counted forwards and backwards."""
    losses: list[torch.Tensor] = []
    settings = {"labels": ids, "use_cache": False, "skip_logits": True}
    ahead = counted(lambda: losses.append(model.train()(ids, **settings).loss))
    return ahead, counted(losses[0].backward)


@torch.no_grad()
def of_inference(model: EulerStackForCausalLM, ids: torch.Tensor, further: int) -> list[int]:
    """Counted over the prompt, and over each of so many further tokens."""
    cache = model.eval().model.build_cache()
    settings = {"past_key_values": cache, "use_cache": True, "logits_to_keep": 1}
    prompt = counted(lambda: model(ids, **settings))
    return [prompt, *(counted(lambda: model(ids[:, :1], **settings)) for _ in range(further))]


def check(model: EulerStackForCausalLM, ir: Model, length: int = LENGTH, further: int = 3) -> None:
    """Everything, of a model whose depth routers choose as many tokens as the IR says."""
    eager(model)
    ids = tokens(2, length) % ir.vocab_size
    stated = model_work(ir, Call(batch=2, tokens=length, training=True)).whole
    assert (stated.forward, stated.backward) == of_training(model, ids)
    calls = [Call(batch=2, tokens=length), *(Call(batch=2, tokens=1, past=length + i) for i in range(further))]
    found, expected = of_inference(model, ids, further), [model_work(ir, call).whole.forward for call in calls]
    if any(isinstance(module, Hyena) for module in model.modules()):
        del found[1], expected[1]  # the first step makes filters for the next ones, too
    assert expected == found


@pytest.mark.parametrize("name", SPECS)
def test_stated_work_is_the_model_s(name: str) -> None:
    ir, model = to_ir(SPECS[name]), build(SPECS[name])
    if is_gated(model):
        ir = passing_all(ir)
        pass_all(model)
    check(model, ir)


@pytest.mark.parametrize("name", ["mod", "mod_moe", "mod_csa", "ttt_hybrid", "memory_everywhere", "hyena_gated_depth"])
def test_ranked_tokens_are_counted_in_training(name: str) -> None:
    stated = model_work(to_ir(SPECS[name]), Call(batch=2, tokens=LENGTH, training=True)).whole
    assert (stated.forward, stated.backward) == of_training(eager(build(SPECS[name])), tokens(2, LENGTH))


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(specs())
def test_generated_specs(spec) -> None:
    """Operations, parameters and cache."""
    report = api.validate(as_text(spec))
    assume(report.model is not None)
    ir = report.model
    model = EulerStackForCausalLM(EulerStackConfig(**config_dict(ir)))
    model.config.transition_token_id = 5
    pass_all(model)
    ir = passing_all(ir)
    assert count(ir).total == model.num_parameters()
    check(model, ir, length=19, further=2)
    with torch.no_grad():
        cache = model.eval()(tokens(1, 19), use_cache=True).past_key_values
    assert kept_bytes(cache) == sum(cache_bytes(replace(ir, dtype="float32"), 19))
