"""What the model's forwards return, beside what transformers' outputs hold.

Shape suffixes: B batch, T tokens, M d_model, E experts.
"""

from dataclasses import dataclass

import torch
from transformers.modeling_outputs import MoeCausalLMOutputWithPast, MoeModelOutputWithPast

from .router_losses import Routing


@dataclass
class EulerStackModelOutput(MoeModelOutputWithPast):
    """As transformers' output of a mixture of experts, with what losses are made of.

    `router_logits` [B·T, E], where asked for: in the order in which routers ran; `routings`: what each router did, in
    order; `layer_losses`: those of depth routers and indexers; `tallies`: by block, what differentiation objectives
    say; `readouts`: states [B, T, M] that are read out besides the last, in training; `ahead`: states [B, T, M] of the
    chain that predicts further tokens, which starts from the `stream` [B, T, M] (given where there is such a chain).
    """

    router_logits: tuple[torch.Tensor, ...] | None = None  # type: ignore[assignment]
    routings: tuple[Routing, ...] | None = None
    layer_losses: tuple[torch.Tensor, ...] | None = None
    tallies: tuple[tuple[str, torch.Tensor], ...] | None = None
    readouts: tuple[torch.Tensor, ...] | None = None
    ahead: tuple[torch.Tensor, ...] | None = None
    stream: torch.Tensor | None = None


@dataclass
class EulerStackCausalLMOutput(MoeCausalLMOutputWithPast):
    """As transformers' output of a mixture of experts.

    `states` [B, T, M]: the last ones, where they were asked for; `objectives`: in training, the differentiation
    objectives by name, and by name and column of the tissue, before their coefficients.
    """

    states: torch.Tensor | None = None
    objectives: dict[str, torch.Tensor] | None = None
