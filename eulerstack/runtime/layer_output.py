"""What one layer hands on besides the stream."""

from typing import NamedTuple

import torch

from .differentiation import Tally


class LayerOutput(NamedTuple):
    """What a layer hands on. Flat, so that gradient checkpointing of either kind carries it.

    The stream [B, T, M]; of a mixture of experts its router's logits [B, T, E] and choice [B, T, K]; of an attention
    that others borrow from, its keys and values; in training, of a mixer with a loss of its own, that loss, and the
    tally of differentiation objectives.
    """

    hidden_states: torch.Tensor
    router_logits: torch.Tensor | None = None
    router_index: torch.Tensor | None = None
    key: torch.Tensor | None = None
    value: torch.Tensor | None = None
    mixer_loss: torch.Tensor | None = None
    objectives: Tally | None = None
