"""Losses on a router's scores: load balancing (Fedus 2021), per sequence (DeepSeek-V3), and the z-loss (Zoph 2022).

Shape suffixes: B sequences, T tokens, N tokens over all pooled layers, E experts, K chosen experts per token.
"""

from dataclasses import dataclass

import torch

from .router import Router, normalised_affinity


@dataclass(frozen=True)
class Routing:
    """What a router did in one forward: logits [B, T, E], the chosen experts [B, T, K], and which tokens count.

    `token_mask` [B, T] is 0 for padding, None without any.
    """

    router: Router
    logits: torch.Tensor
    index: torch.Tensor
    token_mask: torch.Tensor | None


def router_losses(routings: tuple[Routing, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """The load-balancing loss, and the sum of all router losses times their coefficients.

    Routers with equal experts, top_k and coefficients are pooled; groups count by their number of layers. A choice by
    hash cannot be balanced and has only a z-loss.
    """
    groups: dict[tuple, list[Routing]] = {}
    for routing in routings:
        identity = (routing.router.coefficients, routing.logits.shape[-1], routing.index.shape[-1])
        groups.setdefault(identity, []).append(routing)
    balance = weighted = routings[0].logits.new_zeros((), dtype=torch.float32)
    for (coefficients, *_), group in groups.items():
        share = len(group) / len(routings)
        loss = load_balancing_loss(group, coefficients.affinity)
        balance = balance + share * loss
        weighted = weighted + share * coefficients.load_balance * loss
        if coefficients.z_loss:
            weighted = weighted + share * coefficients.z_loss * router_z_loss(group)
        if coefficients.sequence:
            losses = [sequence_balance_loss(routing, coefficients.affinity) for routing in group]
            weighted = weighted + coefficients.sequence * torch.stack(losses).sum()
    return balance, weighted


def load_balancing_loss(routings: list[Routing], kind: str) -> torch.Tensor:
    """E · Σ_e f_e · P_e, tokens of all given layers pooled, as transformers' Mixtral computes it.

    f_e is how many of its K choices a token gives to expert e, P_e its mean affinity, normalised over experts; uniform
    routing gives K. Padding is not counted. A scalar, fp32 at least.
    """
    n_experts = routings[0].logits.shape[-1]
    probability_NE = normalised_affinity(_pool(routings, "logits"), kind)
    chosen_NK = _pool(routings, "index")
    n_tokens = max(probability_NE.shape[0], 1)
    frequency_E = count_choices(chosen_NK, n_experts).to(probability_NE.dtype) / n_tokens
    return n_experts * (frequency_E * probability_NE.sum(0) / n_tokens).sum()


def sequence_balance_loss(routing: Routing, kind: str) -> torch.Tensor:
    """Mean over sequences of Σ_e f_e · P_e, f_e = E/(K·T) · choices of e in the sequence (DeepSeek-V3, eq. 17–20)."""
    n_experts, top_k = routing.logits.shape[-1], routing.index.shape[-1]
    probability_BTE = normalised_affinity(routing.logits, kind)
    mask_BT = routing.token_mask
    if mask_BT is None:
        mask_BT = torch.ones(routing.index.shape[:2], device=routing.index.device)
    mask_BT1 = mask_BT[..., None].to(probability_BTE.dtype)
    length_B1 = mask_BT1.sum(1).clamp(min=1)
    chosen_BTE = torch.nn.functional.one_hot(routing.index, n_experts).sum(2).to(probability_BTE.dtype)
    frequency_BE = (chosen_BTE * mask_BT1).sum(1) * n_experts / (top_k * length_B1)
    mean_BE = (probability_BTE * mask_BT1).sum(1) / length_B1
    return (frequency_BE * mean_BE).sum(-1).mean()


def router_z_loss(routings: list[Routing]) -> torch.Tensor:
    """mean(logsumexp(logits)²) over all tokens of all given layers, padding left out. A scalar, fp32 at least."""
    logits_NE = _pool(routings, "logits")
    wide = torch.promote_types(logits_NE.dtype, torch.float32)
    log_z_N = logits_NE.to(wide).logsumexp(dim=-1)
    return log_z_N.square().sum() / max(log_z_N.shape[0], 1)


def count_choices(index: torch.Tensor, n_experts: int) -> torch.Tensor:
    """How often each expert was chosen, [E], int64."""
    flat = index.flatten()
    return torch.zeros(n_experts, dtype=torch.long, device=flat.device).scatter_add(0, flat, torch.ones_like(flat))


def real_tokens(routing: Routing, name: str) -> torch.Tensor:
    """`logits` or `index` [B, T, …] as [n, …], padding left out."""
    flat = getattr(routing, name).flatten(0, 1)
    return flat if routing.token_mask is None else flat[routing.token_mask.flatten().bool()]


def _pool(routings: list[Routing], name: str) -> torch.Tensor:
    return torch.cat([real_tokens(routing, name) for routing in routings])
