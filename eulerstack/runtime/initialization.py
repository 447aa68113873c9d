"""How tensors start: the laws that stand in config.json, applied through transformers' guarded initialisers."""

import math

import torch
from torch import nn
from transformers import initialization as init


def apply_law(tensor: torch.Tensor, law: dict) -> None:
    """Fill `tensor` by its law, unless it was loaded from a checkpoint."""
    match law["law"]:
        case "normal":
            init.normal_(tensor, mean=0.0, std=law["std"])
        case "zeros":
            init.zeros_(tensor)
        case "ones":
            init.ones_(tensor)
        case "constant":
            init.constant_(tensor, law["value"])
        case "uniform":
            init.uniform_(tensor, law["low"], law["high"])
        case "values":
            init.copy_(tensor, torch.tensor(law["values"], device=tensor.device).view(tensor.shape))
        case "log_of_index":
            steps = torch.arange(1, tensor.shape[-1] + 1, dtype=torch.float32, device=tensor.device)
            init.copy_(tensor, steps.log().expand_as(tensor))
        case "inverse_softplus_log_uniform":
            drawn = torch.empty_like(tensor, dtype=torch.float32).uniform_(math.log(law["low"]), math.log(law["high"]))
            step = drawn.exp().clamp(min=law["floor"])
            init.copy_(tensor, step + torch.log(-torch.expm1(-step)))
        case other:
            raise ValueError(f"unknown initialisation law {other!r}")


def attach_laws(root: nn.Module, laws: dict[str, dict]) -> None:
    """Write each tensor's law on the module that owns it, where `_init_weights` finds it."""
    for name, law in laws.items():
        owner, _, leaf = name.rpartition(".")
        module = root.get_submodule(owner)
        module.initialization_laws = {**getattr(module, "initialization_laws", {}), leaf: law}
