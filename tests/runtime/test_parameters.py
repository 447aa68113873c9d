"""The parameter table states exactly the tensors of the built model, and each of them has a law that is followed."""

import math

import pytest
import torch

from eulerstack.compiler import config_dict
from eulerstack.ir import laws, parameter_table
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from tests.runtime.models.building import to_ir
from tests.runtime.models.specs import SPECS


@pytest.mark.parametrize("name", SPECS)
def test_table_equals_built_model(name):
    model_ir = to_ir(SPECS[name])
    model = EulerStackForCausalLM(EulerStackConfig(**config_dict(model_ir)))
    built = {n: tuple(t.shape) for n, t in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        del built["lm_head.weight"]
    assert {p.name: p.shape for p in parameter_table(model_ir)} == built


@pytest.mark.parametrize("name", SPECS)
def test_built_tensors_follow_their_laws(name):
    model_ir = to_ir(SPECS[name])
    torch.manual_seed(0)
    built = EulerStackForCausalLM(EulerStackConfig(**config_dict(model_ir))).state_dict()
    for tensor_name, law in laws(model_ir).items():
        check_law(built[tensor_name].double(), law)


def check_law(tensor: torch.Tensor, law: dict) -> None:
    """Constants exactly; moments within five standard errors."""
    tolerance = 5 / math.sqrt(tensor.numel())
    match law["law"]:
        case "zeros":
            assert (tensor == 0).all()
        case "ones":
            assert (tensor == 1).all()
        case "constant":
            assert torch.allclose(tensor, torch.full_like(tensor, law["value"]), atol=0, rtol=1e-6)
        case "normal":
            assert abs(tensor.mean().item()) < tolerance * law["std"]
            assert abs(tensor.square().mean().sqrt().item() / law["std"] - 1) < tolerance
        case "uniform":
            width = law["high"] - law["low"]
            assert tensor.min() >= law["low"]
            assert tensor.max() <= law["high"]
            assert abs(tensor.mean().item() - (law["low"] + law["high"]) / 2) < tolerance * width
        case "log_of_index":
            steps = torch.arange(1, tensor.shape[-1] + 1, dtype=torch.float64)
            assert torch.allclose(tensor.exp(), (steps / law.get("every", 1.0)).ceil().expand_as(tensor))
        case "log_of_uniform":
            check_law(tensor.exp(), {**law, "law": "uniform"})
        case "inverse_softplus_log_uniform":
            step, low, high = torch.nn.functional.softplus(tensor), law["low"], law["high"]
            assert step.min() >= max(low, law["floor"]) * 0.999
            assert step.max() <= high * 1.001
            width = math.log(high / low)
            assert abs(step.log().mean().item() - math.log(low) - width / 2) < tolerance * width
        case own:
            assert tensor.isfinite().all(), own
