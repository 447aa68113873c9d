"""Mixture-of-experts feed-forward (Shazeer 2017, Mixtral 2024): a router picks k of E experts for every token.

The experts' matrices are 3-D tensors, multiplied by `torch.nn.functional.grouped_mm` through transformers' experts
interface (`model.set_experts_implementation("eager")` gives the plain loop, for float64).

Shape suffixes: N tokens (B·T), E experts, K chosen experts per token, M d_model, F expert width.
"""

import torch
from torch import nn
from transformers.integrations import use_experts_implementation

from .feed_forward import ACTIVATIONS


def run_experts_one_by_one(module: nn.Module, x_NM, index_NK, weight_NK, first, second) -> torch.Tensor:
    """Σ_k weight · second(e, first(e, x)) with one pass per expert that received a token."""
    out_NM = torch.zeros_like(x_NM)
    for expert in range(module.num_experts):
        token, slot = torch.where(index_NK == expert)
        if token.numel() == 0:
            continue
        y = second(expert, first(expert, x_NM[token])) * weight_NK[token, slot, None]
        out_NM.index_add_(0, token, y.to(out_NM.dtype))
    return out_NM


class _Experts(nn.Module):
    """What gated and plain experts share: sizes, activation and the reference loop over experts."""

    def __init__(self, config, d_model: int, spec: dict):
        super().__init__()
        self.num_experts = spec["moe"]["experts"]
        self.hidden_dim = d_model
        self.intermediate_dim = spec["moe"]["d_expert"]
        self.act_fn = ACTIVATIONS[spec["activation"]]
        self.down_proj = nn.Parameter(torch.empty(self.num_experts, d_model, self.intermediate_dim))

    def _down(self, expert: int, hidden: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(hidden, self.down_proj[expert])


@use_experts_implementation
class GatedExperts(_Experts):
    """E gated MLPs: `gate_up_proj` [E, 2F, M], `down_proj` [E, M, F]. Parameters: 3·E·M·F, of which k/E are active."""

    def __init__(self, config, d_model: int, spec: dict):
        super().__init__(config, d_model, spec)
        self.gate_up_proj = nn.Parameter(torch.empty(self.num_experts, 2 * self.intermediate_dim, d_model))

    def forward(self, hidden_states: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor):
        """`hidden_states` [N, M], `top_k_index` and `top_k_weights` [N, K] → [N, M]."""
        return run_experts_one_by_one(self, hidden_states, top_k_index, top_k_weights, self._up, self._down)

    def _up(self, expert: int, x: torch.Tensor) -> torch.Tensor:
        gate, up = nn.functional.linear(x, self.gate_up_proj[expert]).chunk(2, dim=-1)
        return self.act_fn(gate) * up


@use_experts_implementation(has_gate=False)
class PlainExperts(_Experts):
    """E two-matrix MLPs: `up_proj` [E, F, M], `down_proj` [E, M, F]. Parameters: 2·E·M·F, of which k/E are active."""

    def __init__(self, config, d_model: int, spec: dict):
        super().__init__(config, d_model, spec)
        self.up_proj = nn.Parameter(torch.empty(self.num_experts, self.intermediate_dim, d_model))

    def forward(self, hidden_states: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor):
        """`hidden_states` [N, M], `top_k_index` and `top_k_weights` [N, K] → [N, M]."""
        return run_experts_one_by_one(self, hidden_states, top_k_index, top_k_weights, self._up, self._down)

    def _up(self, expert: int, x: torch.Tensor) -> torch.Tensor:
        return self.act_fn(nn.functional.linear(x, self.up_proj[expert]))


class Router(nn.Module):
    """Scores every expert for every token: logits = W · x. Parameters: E·M."""

    def __init__(self, d_model: int, n_experts: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_experts, d_model))

    def forward(self, x_NM: torch.Tensor) -> torch.Tensor:
        """[N, M] → logits [N, E]."""
        return nn.functional.linear(x_NM, self.weight)


class MixtureOfExperts(nn.Module):
    """y = Σ_{e ∈ top-k} p_e · expert_e(x), with p = softmax(W_r x) over all experts, renormalised over the chosen.

    | symbol | key | |
    |---|---|---|
    | E, k | `experts`, `top_k` | experts, and how many a token uses |
    | F | `d_expert` | an expert's width |
    | σ | `router_jitter` | in training the router's and the experts' input is multiplied by U(1−σ, 1+σ) |

    Parameters: E·M (router) + 3·E·M·F (gated experts), of which E·M + 3·k·M·F are active for a token.
    Source: Mixtral (Jiang 2024); jitter: Switch Transformer (Fedus 2021).
    """

    def __init__(self, config, d_model: int, spec: dict):
        super().__init__()
        moe = spec["moe"]
        self.top_k = moe["top_k"]
        self.jitter = moe["router_jitter"]
        self.normalise = moe["norm_top_k"]
        self.routed_scale = moe["routed_scale"]
        self.router = Router(d_model, moe["experts"])
        self.experts = (GatedExperts if moe["gated"] else PlainExperts)(config, d_model, spec)

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`hidden_states` [B, T, M] → the output [B, T, M] and the router's logits [B, T, E]."""
        if self.training and self.jitter > 0:
            noise = torch.empty_like(hidden_states).uniform_(1.0 - self.jitter, 1.0 + self.jitter)
            hidden_states = hidden_states * noise
        x_NM = hidden_states.reshape(-1, hidden_states.shape[-1])
        logits_NE = self.router(x_NM)
        weight_NK, index_NK = self.choose(logits_NE)
        y_NM = self.experts(x_NM, index_NK, weight_NK.to(x_NM.dtype))
        return y_NM.view_as(hidden_states), logits_NE.view(*hidden_states.shape[:-1], -1)

    def choose(self, logits_NE: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The weights and indices [N, K] of each token's experts, computed in fp32 at least."""
        wide = torch.promote_types(logits_NE.dtype, torch.float32)
        weight_NK, index_NK = logits_NE.softmax(dim=-1, dtype=wide).topk(self.top_k, dim=-1)
        if self.normalise:
            weight_NK = weight_NK / weight_NK.sum(dim=-1, keepdim=True)
        return weight_NK * self.routed_scale, index_NK
