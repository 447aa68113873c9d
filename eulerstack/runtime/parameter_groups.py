"""The groups of parameters that an optimizer takes: who decays, who learns at another rate, who is orthogonalised.

HuggingFace's Trainer makes no groups by width, so under μP hand it these:
`Trainer(..., optimizers=(torch.optim.AdamW(model.optimizer_param_groups(lr)), None))`.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from torch import nn
from transformers import PreTrainedModel

from .initialization import LAWS

ROUTERS = (".router.", ".depth.", ".selector.")
"""What stands in the name of a parameter that decides which way tokens go."""

TABLES = ("embed_tokens.", "embed_positions.", "lm_head.")
"""How the names of embeddings and readouts go on below the model: AdamW's, whatever the optimizer."""


def parameter_groups(model: PreTrainedModel, lr: float, weight_decay: float | None = None) -> list[dict]:
    """Groups for torch's optimizers, over all parameters that take a gradient, each once.

    `lr` is the learning rate at the base width, `weight_decay` the decoupled decay (None: `training_hints`'). Each
    group has `params`, `names`, `lr`, `weight_decay` and `optimizer`, adamw or muon.

    - Under μP (Yang 2022, table 8) a matrix whose fan_in grows with the width takes lr/m from AdamW and a decay m times
      as large, so that their product stays. Muon's update has a spectral norm that needs no correction.
    - Routers take `router_lr_multiplier`·lr. Norms, biases and the constants of states do not decay.
    - `optimizer` muon orthogonalises every matrix but tables, readouts and constants, hybrid routers neither;
      adamw takes all others, vectors in a stack [C, 1, K] (depthwise convolutions) among them. Globs of
      `optimizer_groups` go before that, muon's first.
    """
    hints = model.config.training_hints
    decay = hints["weight_decay"] if weight_decay is None else weight_decay
    scales = dict(_lr_scales(model))
    constants = type(model)._keep_in_fp32_modules_strict
    groups: dict[tuple, dict] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        constant = parameter.dim() < 2 or any(re.search(pattern, name) for pattern in constants)
        optimizer = "muon" if not constant and _orthogonalised(name, parameter, hints) else "adamw"
        scale = scales.get(name, 1.0) if optimizer == "adamw" else 1.0
        own_lr = lr * scale * (hints["router_lr_multiplier"] if _is_router(name) else 1.0)
        own_decay = 0.0 if constant else decay / scale
        group = groups.setdefault(
            (optimizer, own_lr, own_decay),
            {"params": [], "names": [], "lr": own_lr, "weight_decay": own_decay, "optimizer": optimizer},
        )
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


def _lr_scales(model: nn.Module) -> Iterator[tuple[str, float]]:
    """By what laws say that a tensor's learning rate is multiplied, by the tensor's full name."""
    for prefix, module in model.named_modules():
        for leaf, law in getattr(module, LAWS, {}).items():
            if "lr_scale" in law:
                yield f"{prefix}.{leaf}" if prefix else leaf, law["lr_scale"]


def _is_router(name: str) -> bool:
    return any(mark in name for mark in ROUTERS)


def _orthogonalised(name: str, parameter: nn.Parameter, hints: dict) -> bool:
    if hints["optimizer"] == "adamw":
        return False
    globs = hints.get("optimizer_groups") or {}
    for optimizer in ("muon", "adamw"):
        if any(fnmatchcase(name, glob) for glob in globs.get(optimizer, ())):
            return optimizer == "muon"
    table = name.removeprefix("model.").startswith(TABLES)
    vectors = min(parameter.shape[-2:]) == 1
    return not table and not vectors and not (hints["optimizer"] == "hybrid" and _is_router(name))
