"""What a forward with labels is to minimise, as far as it is about predicted tokens (routers' own: `router_losses.py`).

The cross-entropy of the next token; of the states that an integrator reads out beside its last (deep supervision, Lee
2015); of tokens further ahead (DeepSeek-V3, eq. 24–25). Where nobody asks for logits, none are held as a whole.

Shape suffixes: B batch, T tokens, M width of what the readout takes, V vocabulary.
"""

import torch
from torch import nn

from .multi_token_prediction import targets_ahead
from .outputs import EulerStackModelOutput
from .readout import Readout
from .token_losses import count_targets, mean_cross_entropy, next_tokens, share_of_batch


def token_loss(
    model,
    outputs: EulerStackModelOutput,
    logits_BTV: torch.Tensor | None,
    labels_BT: torch.Tensor,
    weight_BT: torch.Tensor | None,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None,
    **kwargs,
) -> torch.Tensor:
    """The mean over the last state's and the integrators' steps' cross-entropies, and λ/D · Σ_k that of k further.

    In nats, for an EulerStackForCausalLM whose trunk gave `outputs`; `logits_BTV` are those of its last states, None
    where they are not wanted. With `weight_BT` each token is weighted, and the sum still divided by their number.
    """
    target_BT = next_tokens(labels_BT, **kwargs)
    share = share_of_batch(target_BT, **kwargs)
    if logits_BTV is None:
        assert outputs.last_hidden_state is not None
        loss = head_cross_entropy(model, outputs.last_hidden_state, target_BT, weight_BT) * share
    elif weight_BT is None:
        loss = model.loss_function(logits_BTV, labels_BT, model.vocab_size, **kwargs)
    else:
        loss = mean_cross_entropy(logits_BTV, target_BT, weight_BT) * share
    steps = [model.model.project_out(state) for state in outputs.readouts or ()]
    for state in steps:
        loss = loss + head_cross_entropy(model, state, target_BT, weight_BT) * share
    loss = loss / (1 + len(steps))
    if not outputs.ahead:
        return loss
    ahead = torch.zeros((), device=target_BT.device)
    for k, state in enumerate(outputs.ahead, start=1):
        further_BT = targets_ahead(target_BT, k, attention_mask, position_ids)
        moved_BT = None if weight_BT is None else nn.functional.pad(weight_BT[:, k:], (0, k), value=1.0)
        ahead = ahead + head_cross_entropy(model, model.model.project_out(state), further_BT, moved_BT)
    return loss + model.config.head["mtp"]["train_loss_weight"] / len(model.model.mtp) * ahead * share


def head_cross_entropy(
    model, states_BTM: torch.Tensor, target_BT: torch.Tensor, weight_BT: torch.Tensor | None
) -> torch.Tensor:
    """`mean_cross_entropy` of the states' logits. An adapter in the readout's place needs them as a whole."""
    if not isinstance(model.lm_head, Readout):
        return mean_cross_entropy(model.read_out(states_BTM), target_BT, weight_BT)
    softcap = model.config.head["logit_softcap"]
    return model.lm_head(states_BTM, target_BT, weight_BT, model.logit_scale, softcap) / count_targets(target_BT)
