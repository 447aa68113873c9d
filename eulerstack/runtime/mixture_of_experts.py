"""Mixture-of-experts feed-forward (Shazeer 2017, Switch 2021, Mixtral 2024, DeepSeek-V3 2024, DeepSeek-V4).

Features: gated and plain experts, with biases; shared experts; jitter; capacity with dropped tokens. Which experts a
token uses is the router's business (`router.py`). The experts' matrices are 3-D tensors, multiplied by
`torch.nn.functional.grouped_mm` through transformers' experts interface
(`model.set_experts_implementation("eager")` gives the plain loop, for float64).

Shape suffixes: B batch, T tokens, N = B·T, E experts, K chosen experts per token, C capacity, M d_model, F
expert width.
"""

import math

import torch
from torch import nn
from transformers.integrations import use_experts_implementation

from .differentiation import Tally, build_objectives, one_hot_sum
from .feed_forward import ACTIVATIONS, GatedMlp, Mlp, gated
from .router import Router, normalised_affinity


class _Experts(nn.Module):
    """What gated and plain experts share: sizes, activation, the down projection, the reference loop over experts."""

    def __init__(self, config, d_model: int, spec: dict):
        super().__init__()
        self.num_experts = spec["moe"]["experts"]
        self.hidden_dim = d_model
        self.intermediate_dim = spec["moe"]["d_expert"]
        self.act_fn = ACTIVATIONS[spec["activation"]]
        self.down_proj = nn.Parameter(torch.empty(self.num_experts, d_model, self.intermediate_dim))
        self.down_proj_bias = nn.Parameter(torch.empty(self.num_experts, d_model)) if spec["bias"] else None

    def one_by_one(self, x_NM: torch.Tensor, index_NK: torch.Tensor, weight_NK: torch.Tensor) -> torch.Tensor:
        """Σ_k weight · down(e, up(e, x)) with one pass per expert that received a token."""
        out_NM = torch.zeros_like(x_NM)
        for expert in range(self.num_experts):
            token, slot = torch.where(index_NK == expert)
            if token.numel() == 0:
                continue
            bias = None if self.down_proj_bias is None else self.down_proj_bias[expert]
            y = nn.functional.linear(self.up(expert, x_NM[token]), self.down_proj[expert], bias)
            out_NM.index_add_(0, token, (y * weight_NK[token, slot, None]).to(out_NM.dtype))
        return out_NM


class _GatedExperts(_Experts):
    """E gated MLPs: `gate_up_proj` [E, 2F, M], `down_proj` [E, M, F]. Parameters: 3·E·M·F, of which k/E are active."""

    def __init__(self, config, d_model: int, spec: dict):
        super().__init__(config, d_model, spec)
        self.gating = spec["moe"]["gating"]
        width = 2 * self.intermediate_dim
        self.gate_up_proj = nn.Parameter(torch.empty(self.num_experts, width, d_model))
        self.gate_up_proj_bias = nn.Parameter(torch.empty(self.num_experts, width)) if spec["bias"] else None

    def forward(self, hidden_states: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor):
        """`hidden_states` [N, M], `top_k_index` and `top_k_weights` [N, K] → [N, M]."""
        return self.one_by_one(hidden_states, top_k_index, top_k_weights)

    def up(self, expert: int, x: torch.Tensor) -> torch.Tensor:
        """One expert's hidden layer for the tokens `x` [n, M] → [n, F]."""
        bias = None if self.gate_up_proj_bias is None else self.gate_up_proj_bias[expert]
        return self._apply_gate(nn.functional.linear(x, self.gate_up_proj[expert], bias))

    def _apply_gate(self, gate_up: torch.Tensor) -> torch.Tensor:
        """[n, 2F] → [n, F]; every experts implementation calls it by this name."""
        gate, up = gate_up.chunk(2, dim=-1)
        return gated(gate, up, self.act_fn, self.gating)


class _PlainExperts(_Experts):
    """E two-matrix MLPs: `up_proj` [E, F, M], `down_proj` [E, M, F]. Parameters: 2·E·M·F, of which k/E are active."""

    def __init__(self, config, d_model: int, spec: dict):
        super().__init__(config, d_model, spec)
        self.up_proj = nn.Parameter(torch.empty(self.num_experts, self.intermediate_dim, d_model))
        self.up_proj_bias = nn.Parameter(torch.empty(self.num_experts, self.intermediate_dim)) if spec["bias"] else None

    def forward(self, hidden_states: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor):
        """`hidden_states` [N, M], `top_k_index` and `top_k_weights` [N, K] → [N, M]."""
        return self.one_by_one(hidden_states, top_k_index, top_k_weights)

    def up(self, expert: int, x: torch.Tensor) -> torch.Tensor:
        """One expert's hidden layer for the tokens `x` [n, M] → [n, F]."""
        bias = None if self.up_proj_bias is None else self.up_proj_bias[expert]
        return self.act_fn(nn.functional.linear(x, self.up_proj[expert], bias))


@use_experts_implementation
class GatedExperts(_GatedExperts):
    """Gated experts without biases, under any experts implementation."""


@use_experts_implementation(has_bias=True)
class BiasedGatedExperts(_GatedExperts):
    """Gated experts with biases, under any experts implementation."""


@use_experts_implementation(has_gate=False)
class PlainExperts(_PlainExperts):
    """Two-matrix experts without biases, under any experts implementation."""


@use_experts_implementation(has_gate=False, has_bias=True)
class BiasedPlainExperts(_PlainExperts):
    """Two-matrix experts with biases, under any experts implementation."""


EXPERTS = {
    (True, False): GatedExperts,
    (True, True): BiasedGatedExperts,
    (False, False): PlainExperts,
    (False, True): BiasedPlainExperts,
}
"""(gated, biased) → the class."""


class MixtureOfExperts(nn.Module):
    """y = Σ_{e chosen} w_e · expert_e(x) + shared(x), the choice and the weights by the router;
    with `shared_gate` σ(W_s x) · shared(x).

    | symbol | key | |
    |---|---|---|
    | E, K | `experts`, `top_k` | experts, and how many a token uses |
    | F | `d_expert` | an expert's width |
    | σ | `router_jitter` | in training the router's and the experts' input is multiplied by U(1−σ, 1+σ) |
    | C | `capacity_factor`·N·K/E | in training, with policy drop or pad, an expert keeps its C highest-weight tokens |

    A dropped choice adds nothing to its token, which the residual stream carries on. Policy pad computes the same with
    static shapes [E, C, M]. Parameters: E·M (router) + 3·E·M·F + 3·M·(shared_experts·d_shared), with gated experts.
    """

    def __init__(self, config, d_model: int, spec: dict):
        super().__init__()
        moe = spec["moe"]
        self.jitter = moe["router_jitter"]
        self.capacity_factor, self.policy = moe["capacity_factor"], moe["capacity_drop_policy"]
        self.router = Router(config, d_model, moe)
        self.experts = EXPERTS[moe["gated"], spec["bias"]](config, d_model, spec)
        self.shared = build_shared(d_model, spec)
        self.shared_gate = nn.Linear(d_model, 1, bias=False) if moe["shared_gate"] else None
        self.objectives = build_objectives(config, d_model, moe["experts"])

    def forward(
        self,
        hidden_states: torch.Tensor,
        token_mask: torch.Tensor | None = None,
        input_ids: torch.Tensor | None = None,
        **kwargs,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Tally | None]:
        """`hidden_states` [B, T, M] → the output [B, T, M], the router's logits [B, T, E] and its choice [B, T, K].

        The last value is the tally of differentiation objectives, where there are any.
        `token_mask` [B, T] is 0 for padding, which takes no capacity; `input_ids` [B, T] is what hash routing reads.
        """
        residual = hidden_states
        if self.training and self.jitter > 0:
            noise = torch.empty_like(hidden_states).uniform_(1.0 - self.jitter, 1.0 + self.jitter)
            hidden_states = hidden_states * noise
        x_NM = hidden_states.reshape(-1, hidden_states.shape[-1])
        logits_NE, weight_NK, index_NK = self.router(x_NM, None if input_ids is None else input_ids.reshape(-1))
        y_NM = self._run(x_NM, index_NK, weight_NK, token_mask)
        y_BTM = y_NM.view_as(residual)
        if self.shared is not None:
            shared_BTM = self.shared(residual)[0]
            if self.shared_gate is not None:
                shared_BTM = shared_BTM * self.shared_gate(residual).sigmoid()
            y_BTM = y_BTM + shared_BTM
        batch = residual.shape[:-1]
        logits_BTE, index_BTK = logits_NE.view(*batch, -1), index_NK.view(*batch, -1)
        tally = None
        if self.objectives is not None and self.training:
            tally = self._tally(residual, logits_BTE, index_BTK, token_mask)
        return y_BTM, logits_BTE, index_BTK, tally

    def _tally(self, x_BTM, logits_BTE, index_BTK, token_mask) -> Tally | None:
        """What the objectives say; where outputs are compared, the experts run once more, one choice at a time."""
        assert self.objectives is not None
        outputs_BTKM = None
        if self.objectives.compares_outputs and index_BTK.shape[-1] > 1:
            x_NM, one_N1 = x_BTM.flatten(0, 1), x_BTM.new_ones(index_BTK[..., :1].numel(), 1)
            choices = index_BTK.flatten(0, 1).split(1, dim=-1)
            each = [self.experts(x_NM, index_N1, one_N1).view_as(x_BTM) for index_N1 in choices]
            outputs_BTKM = torch.stack(each, dim=2)
        share_BTE = normalised_affinity(logits_BTE, self.router.affinity)
        chosen_BTE = one_hot_sum(index_BTK, logits_BTE.shape[-1])
        return self.objectives(x_BTM, chosen_BTE, token_mask, share_BTE, outputs_BTKM)

    def _run(self, x_NM, index_NK, weight_NK, token_mask) -> torch.Tensor:
        if not self.training or self.policy == "overflow":
            return self.experts(x_NM, index_NK, weight_NK)
        n_experts, top_k = self.experts.num_experts, index_NK.shape[1]
        capacity = max(1, math.ceil(self.capacity_factor * x_NM.shape[0] * top_k / n_experts))
        rank_NK = rank_in_expert(index_NK, weight_NK.detach(), token_mask, n_experts)
        kept_NK = rank_NK < capacity
        if self.policy == "drop":
            return self.experts(x_NM, index_NK, weight_NK * kept_NK)
        return self._run_padded(x_NM, index_NK, weight_NK, rank_NK, capacity)

    def _run_padded(self, x_NM, index_NK, weight_NK, rank_NK, capacity: int) -> torch.Tensor:
        """Every expert over exactly `capacity` rows; a row that nobody claimed is zeros and is read by nobody."""
        n_experts, kept_NK = self.experts.num_experts, rank_NK < capacity
        row_NK = torch.where(kept_NK, index_NK * capacity + rank_NK, n_experts * capacity)
        padded = x_NM.new_zeros(n_experts * capacity + 1, x_NM.shape[-1])
        token_NK = torch.arange(x_NM.shape[0], device=x_NM.device)[:, None].expand_as(row_NK)
        padded = padded.index_add(0, row_NK.flatten(), x_NM[token_NK.flatten()])
        rows_ECM = padded[:-1].view(n_experts, capacity, -1)
        experts = self.experts
        hidden_ECF = torch.stack([experts.up(e, rows_ECM[e]) for e in range(n_experts)])
        out_ECM = torch.bmm(hidden_ECF, experts.down_proj.transpose(1, 2))
        if experts.down_proj_bias is not None:
            out_ECM = out_ECM + experts.down_proj_bias[:, None]
        gathered_NKM = out_ECM.flatten(0, 1)[row_NK.clamp(max=n_experts * capacity - 1)]
        return (gathered_NKM * (weight_NK * kept_NK)[..., None]).sum(dim=1).to(x_NM.dtype)


def build_shared(d_model: int, spec: dict) -> nn.Module | None:
    """All shared experts as one dense layer; None without any."""
    width = spec["moe"]["shared_experts"] * spec["moe"]["d_shared"]
    if not width:
        return None
    if spec["moe"]["gated"]:
        return GatedMlp(d_model, width, spec["activation"], spec["bias"], gating=spec["moe"]["gating"])
    return Mlp(d_model, width, spec["activation"], spec["bias"])


def rank_in_expert(index_NK, weight_NK, token_mask, n_experts: int) -> torch.Tensor:
    """For each choice its place among the choices of the same expert, by falling weight, padding last. Shape [N, K]."""
    index, weight = index_NK.flatten(), weight_NK.flatten().float()
    if token_mask is not None:
        real = token_mask.reshape(-1, 1).expand_as(index_NK).flatten().bool()
        weight = weight.masked_fill(~real, -torch.inf)
    by_weight = weight.argsort(descending=True, stable=True)
    order = by_weight[index[by_weight].argsort(stable=True)]
    counts_E = torch.zeros(n_experts, dtype=torch.long, device=index.device).scatter_add(
        0, index, torch.ones_like(index)
    )
    start_E = counts_E.cumsum(0) - counts_E
    place = torch.arange(len(order), device=index.device) - start_E[index[order]]
    return torch.empty_like(order).scatter(0, order, place).view_as(index_NK)
