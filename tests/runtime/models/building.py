"""From a plain spec to a model in memory, and what it is fed and compared with."""

import copy
import functools

import torch
import yaml

from eulerstack import dsl, ir, schema
from eulerstack.compiler import config_dict
from eulerstack.diagnostics import Severity, Source
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from tests.runtime.models.sections import VOCABULARY


def to_ir(plain: dict) -> ir.Model:
    """Lower a plain spec. Fails on any error."""
    text = yaml.safe_dump(plain, sort_keys=False)
    document = dsl.resolve(Source("tiny.yml", text), dsl.relative_lookup)
    checked = schema.check(document)
    errors = [str(d) for d in checked.diagnostics if d.severity is Severity.ERROR]
    assert not errors, "\n".join(errors)
    return ir.lower(checked.spec)


def build(plain: dict, seed: int = 0) -> EulerStackForCausalLM:
    """The model of a plain spec, every parameter random so that nothing hides behind a zero or a one."""
    return copy.deepcopy(_build(yaml.safe_dump(plain, sort_keys=False), seed))


@functools.cache
def _build(text: str, seed: int) -> EulerStackForCausalLM:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = EulerStackForCausalLM(EulerStackConfig(**config_dict(to_ir(yaml.safe_load(text)))))
    return randomise(model, seed).eval()


def randomise(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Perturb every parameter: matrices well away from their small start, norms and biases away from 1 and 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise * (0.1 if parameter.dim() > 1 else 0.2))
    return model


def tokens(batch: int = 2, length: int = 41, seed: int = 1) -> torch.Tensor:
    """Random token ids [batch, length]."""
    return torch.randint(1, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))


def gap(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference, relative to the larger of 1 and b's largest entry."""
    return ((a - b).abs().max() / max(1.0, b.abs().max().item())).item()
