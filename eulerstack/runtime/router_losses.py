"""Losses on a router's logits: load balancing (Fedus 2021) and the z-loss (Zoph 2022).

Shape suffixes: N tokens over all pooled layers, E experts, K chosen experts per token.
"""

import torch


def load_balancing_loss(logits: list[torch.Tensor], top_k: int, token_mask: torch.Tensor | None) -> torch.Tensor:
    """E · Σ_e f_e · P_e, tokens of all given layers pooled, as transformers' Mixtral computes it.

    f_e is how many of its k choices a token gives to expert e, P_e its mean probability; uniform routing gives k.
    `logits`: one [B, T, E] per layer; `token_mask` [B, T] is 0 for padding, which is not counted. A scalar in fp32.
    """
    n_experts = logits[0].shape[-1]
    probability_NE = _pool(logits, token_mask).softmax(dim=-1)
    chosen_NK = probability_NE.topk(top_k, dim=-1).indices
    counts_E = torch.zeros(n_experts, dtype=probability_NE.dtype, device=probability_NE.device)
    counts_E = counts_E.scatter_add(0, chosen_NK.flatten(), torch.ones_like(chosen_NK.flatten(), dtype=counts_E.dtype))
    n_tokens = max(probability_NE.shape[0], 1)
    return n_experts * (counts_E / n_tokens * probability_NE.sum(0) / n_tokens).sum()


def router_z_loss(logits: list[torch.Tensor], token_mask: torch.Tensor | None) -> torch.Tensor:
    """mean(logsumexp(logits)²) over all tokens of all given layers, padding left out. A scalar in fp32."""
    log_z_N = _pool(logits, token_mask).logsumexp(dim=-1)
    return log_z_N.square().sum() / max(log_z_N.shape[0], 1)


def _pool(logits: list[torch.Tensor], token_mask: torch.Tensor | None) -> torch.Tensor:
    """All real tokens of all layers, [N, E], in fp32 at least."""
    pooled = torch.stack([layer.flatten(0, 1) for layer in logits])
    if token_mask is not None:
        pooled = pooled[:, token_mask.flatten().bool()]
    return pooled.flatten(0, 1).to(torch.promote_types(pooled.dtype, torch.float32))
