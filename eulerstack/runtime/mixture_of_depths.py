"""Mixture-of-Depths (Raposo 2024): only some tokens go through a layer, the others pass it by.

Features: the paper's expert-choice routing (top-k per sequence in training) with its auxiliary predictor, which makes
decoding causal; a gate by which each token decides for itself, kept near the capacity by a loss. Skipped tokens cost
nothing, and are seen by nobody inside the layer: it works on the chosen tokens as a sequence of their own, at their
original positions; windows and recurrences count chosen tokens.

Evaluation always chooses by the predictor (or gate), token by token, so that all at once = step by step. In training
the top-k choice looks at the whole sequence: it is not causal, by nature, and differs from evaluation's.

Shape suffixes: B batch, T tokens, k chosen tokens per sequence, M d_model.
"""

import copy
from typing import NamedTuple

import torch
from torch import nn

from .cache import EulerStackCache, StateLayer, state_of
from .differentiation import Tally, add_tallies, build_objectives
from .execution_modes import phase_state
from .layer_output import LayerOutput


class Choice(NamedTuple):
    """For each token: what its update is weighted with [B, T], whether evaluation chooses it [B, T], and the logits
    of that decision."""

    weight: torch.Tensor
    chosen: torch.Tensor
    decision: torch.Tensor


class DepthRouter(nn.Module):
    """Which tokens a layer works on, and what their updates are weighted with.

    top_k: r = w·x weighs the update, the ⌊capacity·T⌋ largest r are chosen; a predictor v·x + c, which sees x but sends
    it no gradient, learns by cross-entropy whether r was among them. learned_gate: r = σ(w·x + c), chosen if r > ½, and
    (mean r − capacity)² is added to the loss. Parameters: 2M + 1, or M + 1 for learned_gate.
    """

    is_recurrent = True
    """The chosen tokens of packed sequences would be neighbours, so packed sequences are unpacked before."""

    def __init__(self, config, d_model: int, spec: dict):
        super().__init__()
        self.capacity, self.by_rank = spec["capacity"], spec["router"] == "top_k"
        self.weight = nn.Parameter(torch.empty(d_model))
        self.predictor = nn.Parameter(torch.empty(d_model)) if self.by_rank else None
        self.bias = nn.Parameter(torch.empty(1))
        self.objectives = build_objectives(config, d_model, 1)

    def forward(self, x_BTM: torch.Tensor, token_mask: torch.Tensor | None) -> Choice:
        """The choice for a stream [B, T, M]; padding is never chosen."""
        wide = torch.promote_types(x_BTM.dtype, torch.float32)
        x_BTM = x_BTM.to(wide)
        if self.by_rank:
            weight_BT = x_BTM @ self.weight.to(wide)
            decision_BT = x_BTM.detach() @ self.predictor.to(wide) + self.bias
        else:
            decision_BT = x_BTM @ self.weight.to(wide) + self.bias
            weight_BT = decision_BT.sigmoid()
        chosen_BT = decision_BT > 0
        if token_mask is not None:
            chosen_BT = chosen_BT & token_mask.bool()
        return Choice(weight_BT, chosen_BT, decision_BT)

    def rank(self, weight_BT: torch.Tensor, token_mask: torch.Tensor | None) -> torch.Tensor:
        """The indices [B, k] of the tokens with the largest weights, in the order of the sequence."""
        if token_mask is not None:
            weight_BT = weight_BT.masked_fill(~token_mask.bool(), -torch.inf)
        count = max(1, int(self.capacity * weight_BT.shape[1]))
        return weight_BT.detach().topk(count, dim=-1).indices.sort(dim=-1).values

    def tally(self, x_BTM, choice: Choice, index_Bk, token_mask) -> Tally | None:
        """What the objectives say of which tokens were chosen, in training; None where there are none."""
        if self.objectives is None:
            return None
        if index_Bk is None:
            chosen_BT = choice.chosen.to(choice.decision)
        else:
            chosen_BT = torch.zeros_like(choice.decision).scatter(1, index_Bk, 1.0)
        return self.objectives(x_BTM, chosen_BT.unsqueeze(-1), token_mask)

    def loss(self, choice: Choice, index_Bk: torch.Tensor | None, token_mask: torch.Tensor | None) -> torch.Tensor:
        """The predictor's cross-entropy against the rank, or the gate's distance from its capacity, without padding."""
        mask_BT = torch.ones_like(choice.decision) if token_mask is None else token_mask.to(choice.decision)
        n_tokens = mask_BT.sum().clamp(min=1)
        if index_Bk is None:
            return ((choice.weight * mask_BT).sum() / n_tokens - self.capacity).square()
        target_BT = torch.zeros_like(choice.decision).scatter(1, index_Bk, 1.0)
        wrong_BT = nn.functional.binary_cross_entropy_with_logits(choice.decision, target_BT, reduction="none")
        return (wrong_BT * mask_BT).sum() / n_tokens


class DepthState(StateLayer):
    """A cache of its own for every row, since rows choose different numbers of tokens."""

    def __init__(self):
        super().__init__()
        self.rows: list[EulerStackCache] = []

    def reset(self) -> None:
        """Back to before the first token."""
        super().reset()
        self.rows = []

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Every row `repeats` times in a row."""
        self.rows = [copy.deepcopy(row) for row in self.rows for _ in range(repeats)]

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep the rows at `indices`, in that order."""
        self.rows = [copy.deepcopy(self.rows[index]) for index in indices.tolist()]


def run_gated(model, layer, x_BTM: torch.Tensor, context: dict, cache_index: int, trace) -> torch.Tensor:
    """The stream [B, T, M] after a depth-gated layer; the layer's own router, if any, and losses go to the trace.

    Of a hyper-connected layer's n streams [B, T, n, M] the router reads the mean; a skipped token keeps them all.
    """
    if layer.hyper and x_BTM.dim() == 3:
        x_BTM = x_BTM.unsqueeze(2).expand(-1, -1, layer.hyper["expand"], -1)
    read_BTM = _one_stream(x_BTM, torch.mean)
    choice = layer.depth(read_BTM, context["token_mask"])
    if not model.training:
        return _run_rows(model, layer, x_BTM, choice, context, cache_index, trace)
    index_Bk = None
    if layer.depth.by_rank:
        index_Bk = layer.depth.rank(choice.weight, context["token_mask"])
    trace.layer_losses.append(layer.depth.loss(choice, index_Bk, context["token_mask"]))
    trace.tally(layer, layer.depth.tally(read_BTM, choice, index_Bk, context["token_mask"]))
    if index_Bk is None:
        return _run_rows(model, layer, x_BTM, choice, context, cache_index, trace)
    return _run_ranked(model, layer, x_BTM, choice.weight, index_Bk, context, trace)


def _run_ranked(model, layer, x_BTM, weight_BT, index_Bk, context: dict, trace) -> torch.Tensor:
    """Training: equally many tokens of every row, as one batch."""
    chosen_BkM = x_BTM.take_along_dim(_over(x_BTM, index_Bk), dim=1)
    mask_BT = context["token_mask"]
    mask_Bk = torch.ones_like(index_Bk) if mask_BT is None else mask_BT.take_along_dim(index_Bk, dim=1)
    update_BkM, out = _update(model, layer, chosen_BkM, index_Bk, mask_Bk, None, context)
    if out.mixer_loss is not None:
        trace.layer_losses.append(out.mixer_loss)
    if out.router_logits is not None:
        trace.record(layer, out.router_logits, out.router_index, mask_Bk)
    trace.tally(layer, out.objectives)
    weighted = update_BkM * _over(x_BTM, weight_BT.take_along_dim(index_Bk, dim=1)).to(update_BkM.dtype)
    return x_BTM.scatter_add(1, _over(x_BTM, index_Bk).expand_as(weighted), weighted)


def _run_rows(model, layer, x_BTM, choice: Choice, context: dict, cache_index: int, trace) -> torch.Tensor:
    """Evaluation: every row by itself, with exactly the tokens that it chooses."""
    state = state_of(context["past_key_values"], cache_index)
    assert state is None or isinstance(state, DepthState)
    if state is not None:
        if not state.rows:
            state.rows = [
                EulerStackCache([*layer.inner_state_layers(), *model.phases.state_layers()])
                for _ in range(x_BTM.shape[0])
            ]
        state.advance(x_BTM.shape[1])
    rows, routings, losses, tallies = [], [], [], []
    for row in range(x_BTM.shape[0]):
        index_1k = choice.chosen[row].nonzero().T
        x_1TM = x_BTM[row : row + 1]
        if index_1k.shape[1] == 0:
            rows.append(x_1TM)
            continue
        names = ("token_mask", "position_ids", "input_ids", "phase_ids", "embeddings")
        own = {name: _row(context.get(name), row) for name in names}
        chosen_1kM = x_1TM[:, index_1k[0]]
        cache = None if state is None else state.rows[row]
        mask_1k = None if cache is not None else torch.ones_like(index_1k)
        update, out = _update(model, layer, chosen_1kM, index_1k, mask_1k, cache, {**context, **own})
        if out.router_logits is not None:
            routings.append((out.router_logits, out.router_index))
        if out.mixer_loss is not None:
            losses.append(out.mixer_loss)
        tallies.append(out.objectives)
        weighted = update * _over(x_BTM, choice.weight[row : row + 1, index_1k[0]]).to(update.dtype)
        rows.append(x_1TM.index_add(1, index_1k[0], weighted))
    if routings:  # one record a layer, whatever the number of rows
        trace.record(layer, *(torch.cat(parts, dim=1) for parts in zip(*routings, strict=True)), None)
    trace.layer_losses += [loss / x_BTM.shape[0] for loss in losses]
    trace.tally(layer, add_tallies(*tallies))
    return torch.cat(rows)


def _one_stream(x: torch.Tensor, join) -> torch.Tensor:
    """[B, T, M] of a stream, or of n streams [B, T, n, M] joined by `join`."""
    return x if x.dim() == 3 else join(x, dim=2)


def _over(x: torch.Tensor, per_token_BT: torch.Tensor) -> torch.Tensor:
    """A number a token [B, T] with as many dimensions as `x`."""
    return per_token_BT.view(*per_token_BT.shape, *[1] * (x.dim() - 2))


def _row(tensor: torch.Tensor | None, row: int) -> torch.Tensor | None:
    """Row `row` of a tensor [B or 1, T]."""
    return None if tensor is None else tensor[min(row, tensor.shape[0] - 1)][None]


def _update(model, layer, x_BkM, index_Bk, mask_Bk, cache, context: dict) -> tuple[torch.Tensor, LayerOutput]:
    """What the layer adds to the chosen tokens, run as a sequence of their own at their original positions; and all
    that it put out, a `LayerOutput`.
    """
    positions_Bk = context["position_ids"].expand(index_Bk.shape[0], -1).take_along_dim(index_Bk, dim=1)
    phase_Bk = seen_BS = context.get("phase_ids")
    if phase_Bk is not None:
        phase_Bk = phase_Bk.take_along_dim(index_Bk, dim=1)
        state = phase_state(cache)
        seen_BS = phase_Bk if state is None else state.extend(phase_Bk, torch.zeros_like(phase_Bk))
    one_BkM = _one_stream(x_BkM, lambda streams, dim: streams.select(dim, 0))
    inner = model.layer_context(one_BkM, mask_Bk, positions_Bk, cache, layer.inner_mask_kinds(0), seen_BS)
    inner["phase_ids"] = phase_Bk
    ids = context.get("input_ids")
    inner["input_ids"] = None if ids is None else ids.take_along_dim(index_Bk, dim=1)
    embeddings = context["embeddings"].take_along_dim(index_Bk[..., None], dim=1) if layer.reads_embeddings else None
    others = {name: value for name, value in context.items() if name not in inner and name != "embeddings"}
    out = LayerOutput(*layer(x_BkM, None, None, embeddings, cache_index=0, **inner, **others))
    return out.hidden_states - x_BkM, out
