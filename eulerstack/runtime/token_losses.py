"""Cross-entropies of predicted tokens, and how they are weighed against each other.

Shape suffixes: B batch, T tokens, V vocabulary.
"""

import torch
from torch import nn

IGNORED = -100
"""The label of a token that is not to be predicted."""


def next_tokens(
    labels_BT: torch.Tensor, shift_labels: torch.Tensor | None = None, ignore_index: int = IGNORED, **kwargs
) -> torch.Tensor:
    """What each position is to predict, [B, T]: the label of the next one, unless the trainer has shifted them.

    IGNORED where nothing is to be predicted, whatever number the caller writes for that.
    """
    if shift_labels is None:
        shift_labels = nn.functional.pad(labels_BT[:, 1:], (0, 1), value=IGNORED)
    return shift_labels if ignore_index == IGNORED else shift_labels.masked_fill(shift_labels == ignore_index, IGNORED)


def count_targets(target: torch.Tensor) -> torch.Tensor:
    """How many are to be predicted, and at least 1."""
    return (target != IGNORED).sum().clamp(min=1)


def mean_cross_entropy(
    logits_BTV: torch.Tensor, target_BT: torch.Tensor, weight_BT: torch.Tensor | None = None
) -> torch.Tensor:
    """Σ weight · cross-entropy / the number of targets that are not ignored, in nats; 0 without any."""
    target_N = target_BT.flatten().to(logits_BTV.device)
    logits_NV = logits_BTV.flatten(0, -2).float()
    loss_N = nn.functional.cross_entropy(logits_NV, target_N, ignore_index=IGNORED, reduction="none")
    if weight_BT is not None:
        loss_N = loss_N * weight_BT.flatten().to(loss_N)
    return loss_N.sum() / count_targets(target_N)


def share_of_batch(target_BT: torch.Tensor, num_items_in_batch=None, **kwargs) -> torch.Tensor | float:
    """How much of an optimizer step's tokens this micro-batch holds: 1 unless the trainer says how many there are.

    transformers' Trainer sums micro-batches' losses and divides by `num_items_in_batch`; a mean-type loss must be
    weighted likewise, or gradient accumulation would count it once per micro-batch.
    """
    return 1.0 if num_items_in_batch is None else (target_BT != IGNORED).sum() / num_items_in_batch
