"""Balancing experts without a loss (Wang 2024): after each optimizer step, b_e += rate · sign(mean load − load_e).

Loads are counted in training forwards, padding left out, and summed over micro-batches and over processes. The update
hangs on torch's own optimizer hook, so it works under any trainer whose optimizer is a `torch.optim.Optimizer`, happens
once per step, and not when a gradient scaler skips the step. The biases are buffers, saved with the model.
"""

import weakref

import torch
from torch import distributed, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from .router import Router
from .router_losses import Routing, count_choices, real_tokens


def record_loads(routings: list[Routing]) -> None:
    """Add this forward's choices to each corrected router's pending load."""
    for routing in routings:
        router = routing.router
        if router.e_score_correction_bias is None:
            continue
        load_E = count_choices(real_tokens(routing, "index"), router.n_experts)
        router.pending_load = load_E if router.pending_load is None else router.pending_load + load_E


@torch.no_grad()
def update_biases(routers: list[Router]) -> None:
    """Move every bias by its pending load, summed over all processes, and start counting anew."""
    pending = [router for router in routers if router.pending_load is not None]
    if not pending:
        return
    loads = torch.cat([load for router in pending if (load := router.pending_load) is not None])
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(loads)
    for router, load_E in zip(pending, loads.split([r.n_experts for r in pending]), strict=True):
        load_E = load_E.double()
        off_E = load_E.mean() - load_E
        off_E = torch.where(off_E.abs() > router.target_imbalance * load_E.mean(), off_E, 0.0)
        bias_E = router.e_score_correction_bias
        bias_E.add_((router.update_rate * off_E.sign()).to(bias_E))
        router.pending_load = None


_followed: "weakref.WeakSet[nn.Module]" = weakref.WeakSet()
"""The models whose biases follow their optimizers."""


def follow_optimizer(model: nn.Module) -> None:
    """Call `update_biases` after every step of an optimizer that holds parameters of `model`, as long as it lives.

    For a model without such biases nothing happens. Called when a model is made, not in its forward, which compiles.
    """
    corrected = (router.e_score_correction_bias is not None for router in model.modules() if isinstance(router, Router))
    if not any(corrected):
        return
    if not _hooked:
        _hooked.append(register_optimizer_step_post_hook(_after_step))
    _followed.add(model)


_hooked: list = []
"""The handle of the one hook, once it is registered: a hook must not come or go while torch runs through them."""


def _after_step(optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
    stepped = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for model in list(_followed):
        if any(id(parameter) in stepped for parameter in model.parameters()):
            update_biases([module for module in model.modules() if isinstance(module, Router)])
