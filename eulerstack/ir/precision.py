"""`compatibility.dtype_policy`: which tensors stay in fp32 whatever the model's dtype.

The state constants that a schema file marks do so under every policy; layered_safe adds all norms and routers.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from eulerstack.ir.nodes import Model
from eulerstack.schema.base import Parameter

ROUTERS = ("router", "depth", "selector")


def under_policy(model: Model, parameters: Iterable[Parameter]) -> Iterator[Parameter]:
    """The parameters, those that the model's policy keeps in fp32 marked so."""
    layered = is_layered(model)
    for parameter in parameters:
        yield replace(parameter, fp32=True) if layered and _is_delicate(parameter) else parameter


def is_layered(model: Model) -> bool:
    """Whether norms and routers stay in fp32."""
    return model.compatibility["dtype_policy"] == "layered_safe"


def is_constant(parameter: Parameter) -> bool:
    """Whether it is a state constant: in fp32 under every policy."""
    return parameter.fp32 and not _is_delicate(parameter)


def patterns(parameters: Iterable[Parameter]) -> list[str]:
    """The norms and routers among the parameters, as regular expressions of names below the base model."""
    return sorted({_pattern(parameter.name) for parameter in parameters if _is_delicate(parameter)})


def _is_delicate(parameter: Parameter) -> bool:
    """Whether it belongs to a norm or to a router."""
    *owners, _ = parameter.name.split(".")
    norm = bool(owners) and owners[-1].endswith("norm")
    router = parameter.init.kind == "router" or any(owner in ROUTERS for owner in owners)
    return (norm or router) and not parameter.integer


def _pattern(name: str) -> str:
    """The name below the base model, every index left open."""
    steps = name.removeprefix("model.").split(".")
    return r"\.".join(r"\d+" if step.isdigit() else re.escape(step) for step in steps) + "$"
