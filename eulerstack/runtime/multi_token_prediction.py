"""Predicting further ahead than the next token: DeepSeek-V3's sequential chain (2412.19437, section 2.2).

Features: any layer template as the block, several layers a step; hyper-connected, recurrent and sparse blocks; the
trunk's embedding and readout, shared; padding and packed sequences kept apart; the chain as a drafter for speculative
decoding (`speculation.py`).

Shape suffixes: B batch, T tokens, M d_model.
"""

import torch
from torch import nn

from .decoder_layer import EulerStackDecoderLayer
from .normalization import build_norm
from .schedule import Layout, Trace, run_body
from .token_losses import IGNORED


class TokenPrediction(nn.Module):
    """h^k_i = norm(Block(W · [norm_e(Emb(t_{i+k})); norm_h(h^{k−1}_i)])), which predicts t_{i+k+1}.

    | symbol | key | |
    |---|---|---|
    | k | 1 … `n_predict` | how many tokens further than the trunk it looks; h⁰ is the trunk's last state, normed |
    | Block | `head_template`, `head_layers` | layers of that template, causal as the trunk's |
    | W | | `eh_proj` [M, 2M], the embedding's half first |

    Parameters: 2·M² + three norms + those of the layers. It runs in training (its cross-entropies, averaged over k and
    times `train_loss_weight`, are added to the loss) and when it drafts; a plain forward in evaluation leaves it out.
    """

    def __init__(self, config, block: dict, n_layers: int):
        super().__init__()
        d_model, norm = block["d_model"], block["norm"]
        self.enorm = build_norm(norm, d_model)
        self.hnorm = build_norm(norm, d_model)
        self.eh_proj = nn.Linear(2 * d_model, d_model, bias=False)
        self.layers = nn.ModuleList(EulerStackDecoderLayer(config, block, index) for index in range(n_layers))
        layout = Layout(config, self.layers)
        self.steps = layout.steps([{"block": 0, "module": index, "kv_from": None} for index in range(n_layers)])
        self.collapses, self.mask_kinds = layout.collapses, layout.mask_kinds
        self.norm = build_norm(norm, d_model)

    def forward(self, embeds_BTM: torch.Tensor, state_BTM: torch.Tensor, context: dict, trace: Trace) -> torch.Tensor:
        """The states [B, T, M] of one step of the chain, from the tokens' embeddings and the states before it.

        `context` is what layers read, built for `mask_kinds`; routers' doings go to the trace.
        """
        joined_BTM = self.eh_proj(torch.cat([self.enorm(embeds_BTM), self.hnorm(state_BTM)], dim=-1))
        return self.norm(run_body(self.steps, self, joined_BTM, context, trace))

    def state_layers(self) -> list:
        """Fresh cache layers, in the order of their places."""
        return [state for step in self.steps for state in step.state_layers(self)]


def build_chain(config) -> nn.ModuleList:
    """The `n_predict` modules of `head.mtp`; none without it."""
    mtp = config.head["mtp"]
    if mtp is None:
        return nn.ModuleList()
    block = next(block for block in config.blocks if block["name"] == mtp["head_template"])
    return nn.ModuleList(TokenPrediction(config, block, mtp["head_layers"]) for _ in range(mtp["n_predict"]))


def run_chain(model, state_BTM, inputs_embeds, context: dict, attention_mask, trace: Trace) -> list[torch.Tensor]:
    """Training: each step's states [B, T, M], the last k rows of step k empty, since no token stands k further.

    `state_BTM` is the trunk's last state, `inputs_embeds` what it embedded, `context` what its layers read.
    """
    positions_BT, ids_BT, phases_BT = (context[name] for name in ("position_ids", "input_ids", "phase_ids"))
    rest = {n: v for n, v in context.items() if n not in ("attention_masks", "position_embeddings")}
    states = []
    for k, module in enumerate(model.mtp, start=1):
        ahead_BTM = model.embed(inputs_embeds[:, k:], positions_BT[:, k:])
        length = ahead_BTM.shape[1]
        if length == 0:
            break
        state_BTM = state_BTM[:, :length]
        mask = _first_rows(attention_mask, length)
        phase_BT = None if phases_BT is None else phases_BT[:, :length]
        inner = model.layer_context(state_BTM, mask, positions_BT[:, :length], None, module.mask_kinds, phase_BT)
        shifted = None if ids_BT is None else ids_BT[:, k:]
        state_BTM = module(
            ahead_BTM, state_BTM, {**rest, **inner, "input_ids": shifted, "embeddings": ahead_BTM}, trace
        )
        states.append(nn.functional.pad(state_BTM, (0, 0, 0, inputs_embeds.shape[1] - length)))
    return states


def targets_ahead(
    targets_BT: torch.Tensor, k: int, attention_mask: torch.Tensor | None, position_ids: torch.Tensor | None
) -> torch.Tensor:
    """What step k of the chain is to predict in row i, [B, T]: the target of row i + k, IGNORED where there is none.

    `targets_BT` are the next tokens. A row counts if it and the predicted token are no padding (`attention_mask`
    [B, T]) and stand in one sequence, the token k + 1 positions after the row (`position_ids` [1 or B, T]).
    """
    ahead_BT = nn.functional.pad(targets_BT[:, k:], (0, min(k, targets_BT.shape[1])), value=IGNORED)
    valid_BT = torch.ones_like(ahead_BT, dtype=torch.bool)
    reach = k + 1
    if attention_mask is not None and attention_mask.dim() == 2:
        real_BT = attention_mask.bool()
        valid_BT &= real_BT & nn.functional.pad(real_BT[:, reach:], (0, min(reach, real_BT.shape[1])))
    if position_ids is not None:
        jump_BT = position_ids[:, reach:] - position_ids[:, :-reach]
        valid_BT &= nn.functional.pad(jump_BT == reach, (0, min(reach, position_ids.shape[1])))
    return ahead_BT.masked_fill(~valid_BT, IGNORED)


def _first_rows(mask: torch.Tensor | None, length: int) -> torch.Tensor | None:
    """The mask of the first `length` tokens: [B, T], or a ready one [B, 1, T, T]."""
    if mask is None:
        return None
    return mask[:, :length] if mask.dim() == 2 else mask[..., :length, :length]
