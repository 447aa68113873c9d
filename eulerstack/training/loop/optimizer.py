"""The optimizer that `training_hints` ask for."""

import math

import torch
from transformers import PreTrainedModel

from eulerstack.training.muon import MuonAdamW


def build_optimizer(model: PreTrainedModel, lr: float) -> torch.optim.Optimizer:
    """AdamW, or Muon with AdamW beside it, over the model's own groups; `lr` is the peak rate at the base width.

    Muon's updates are as large as AdamW's at that width (Liu 2025). Under μP its rate falls as 1/√m for a model m times
    as wide: an orthogonal matrix's entries shrink as 1/√width by themselves, and what it does to a token must not grow.
    """
    hints = model.config.training_hints
    groups = model.optimizer_param_groups(lr)  # type: ignore[operator]  # the compiled directory's own method
    betas = tuple(hints["betas"])
    if hints["optimizer"] == "adamw":
        return torch.optim.AdamW(groups, betas=betas)
    scaling = hints["scaling"]
    if scaling["parametrization"] == "mup":
        for group in groups:
            if group["optimizer"] == "muon":
                group["lr"] *= math.sqrt(scaling["base_width"] / model.config.hidden_size)
    return MuonAdamW(groups, betas=betas, **hints["muon"])
