"""Which experts a token uses, and with what weights.

Features: softmax (Mixtral), sigmoid (DeepSeek-V3) and √softplus (DeepSeek-V4) affinities; a choice corrected by a bias
per expert that balances loads without a loss (Wang 2024); groups of experts with a limit (DeepSeek-V3); a choice by a
hash of the token's id (Roller 2021, DeepSeek-V4).

Shape suffixes: N tokens, E experts, K chosen experts per token, G groups, M d_model, V vocabulary.
"""

from typing import NamedTuple

import torch
from torch import nn

from .initialization import hash_experts

TINY = 1e-20
"""Keeps the renormalisation finite when all chosen affinities vanish."""


def affinity(logits: torch.Tensor, kind: str) -> torch.Tensor:
    """softmax(l), σ(l) or √softplus(l) over the last dimension, in fp32 at least."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    match kind:
        case "softmax":
            return logits.softmax(dim=-1)
        case "sigmoid":
            return logits.sigmoid()
        case "sqrt_softplus":
            return nn.functional.softplus(logits).sqrt()
    raise ValueError(f"unknown affinity {kind!r}")


def normalised_affinity(logits: torch.Tensor, kind: str) -> torch.Tensor:
    """Affinities as probabilities: they sum to 1 over the last dimension."""
    score = affinity(logits, kind)
    return score if kind == "softmax" else score / score.sum(dim=-1, keepdim=True)


class RouterCoefficients(NamedTuple):
    """What a router's losses are weighted with, and the affinity they are taken of."""

    affinity: str
    load_balance: float
    z_loss: float
    sequence: float

    @classmethod
    def of(cls, config, moe: dict) -> "RouterCoefficients":
        """As the spec says; an unwritten load_balance_coef is training_hints.router_aux_loss_coef."""
        written = moe["load_balance_coef"]
        balance = config.training_hints.get("router_aux_loss_coef", 0.01) if written is None else written
        if moe["routing"]["type"] == "hash":
            balance = 0.0
        return cls(moe["affinity"], balance, moe["z_loss"], moe["balance"]["sequence_aux_coef"])


class Router(nn.Module):
    """s = affinity(W·x + c); the K experts with the largest s + b are chosen; w = scale · s / Σ_chosen s.

    | symbol | key | |
    |---|---|---|
    | affinity | `affinity` | |
    | c | `router_bias` | |
    | b | `bias_correction` | moved after each optimizer step by `update_rate` towards balance, no gradient |
    | G | `n_groups`, `balance.group_limit` | only the best groups are open, a group scored by its two best s + b, |
    | | `balance.group_score` | or by its best one (DeepSeek-V2) |
    | scale | `routed_scale` | |
    | Σ | `norm_top_k` | whether weights are renormalised over the chosen |

    With `routing.type` hash the choice is `expert_of_token` [V, K], the weights are as above. Parameters: E·M (+ E).
    """

    def __init__(self, config, d_model: int, moe: dict):
        super().__init__()
        self.top_k, self.n_experts = moe["top_k"], moe["experts"]
        self.affinity, self.normalise, self.scale = moe["affinity"], moe["norm_top_k"], moe["routed_scale"]
        self.n_groups, self.group_limit = moe["n_groups"], moe["balance"]["group_limit"]
        self.best_of_group = 2 if moe["balance"]["group_score"] == "top2" else 1
        self.update_rate = moe["bias_correction"]["update_rate"]
        self.target_imbalance = moe["bias_correction"]["target_imbalance"]
        self.weight = nn.Parameter(torch.empty(self.n_experts, d_model))
        self.bias = nn.Parameter(torch.empty(self.n_experts)) if moe["router_bias"] else None
        corrected, hashed = moe["bias_correction"]["enabled"], moe["routing"]["type"] == "hash"
        self.e_score_correction_bias = nn.Buffer(torch.zeros(self.n_experts)) if corrected else None
        self.expert_of_token = (
            nn.Buffer(torch.zeros(config.vocab_size, self.top_k, dtype=torch.long)) if hashed else None
        )
        self.hash_salt = moe["routing"]["hash_salt"] or 0
        self.coefficients = RouterCoefficients.of(config, moe)
        self.pending_load: torch.Tensor | None = None

    def forward(self, x_NM: torch.Tensor, token_N: torch.Tensor | None = None):
        """Logits [N, E], weights [N, K] (fp32 at least) and indices [N, K] for `x_NM` [N, M].

        Raises ValueError when experts are chosen by a hash and the tokens' ids `token_N` [N] are not given.
        """
        wide = torch.promote_types(x_NM.dtype, torch.float32)
        exact = self.affinity != "softmax"
        if exact:  # as DeepSeek-V3; Mixtral's logits are in the model's dtype
            x_NM, weight_EM = x_NM.to(wide), self.weight.to(wide)
        else:
            x_NM, weight_EM = x_NM.to(self.weight.dtype), self.weight
        logits_NE = nn.functional.linear(x_NM, weight_EM, None if self.bias is None else self.bias.to(weight_EM.dtype))
        score_NE = affinity(logits_NE, self.affinity)
        index_NK = self._choose(score_NE, token_N)
        weight_NK = score_NE.gather(1, index_NK)
        if self.normalise:
            weight_NK = weight_NK / (weight_NK.sum(dim=-1, keepdim=True) + TINY)
        return logits_NE, weight_NK * self.scale, index_NK

    def resize_vocabulary(self, vocab_size: int) -> None:
        """Give new tokens experts by the same hash; known tokens keep theirs."""
        if self.expert_of_token is None or vocab_size == self.expert_of_token.shape[0]:
            return
        known = self.expert_of_token[:vocab_size]
        new = hash_experts(vocab_size, self.top_k, self.n_experts, self.hash_salt, first_token=known.shape[0])
        self.expert_of_token = nn.Buffer(torch.cat([known, new.to(known)]))

    def _choose(self, score_NE: torch.Tensor, token_N: torch.Tensor | None) -> torch.Tensor:
        if self.expert_of_token is not None:
            if token_N is None:
                raise ValueError("hash routing reads token ids: call the model with input_ids, not inputs_embeds")
            return self.expert_of_token[token_N]
        choice_NE = score_NE.detach()
        if self.e_score_correction_bias is not None:
            choice_NE = choice_NE + self.e_score_correction_bias
        if self.group_limit is not None and self.group_limit < self.n_groups:
            choice_NE = self._close_groups(choice_NE)
        return choice_NE.topk(self.top_k, dim=-1).indices

    def _close_groups(self, choice_NE: torch.Tensor) -> torch.Tensor:
        grouped_NGe = choice_NE.unflatten(-1, (self.n_groups, -1))
        score_NG = grouped_NGe.topk(min(self.best_of_group, grouped_NGe.shape[-1]), dim=-1).values.sum(dim=-1)
        best = score_NG.topk(self.group_limit, dim=-1).indices
        open_NG = torch.zeros_like(score_NG, dtype=torch.bool).scatter(1, best, True)
        return grouped_NGe.masked_fill(~open_NG[..., None], -torch.inf).flatten(1)
