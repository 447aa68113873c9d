"""A new width for the stream from one layer on (Nawrot 2022, Hourglass).

Shape suffixes: B batch, T tokens, I width before, O width after, W kernel width.
"""

import torch
from torch import nn

from .cache import StateLayer, state_of

KERNEL = 3
"""Width of the causal convolution of `projection: conv1d`."""


class ShapeChange(nn.Module):
    """x ← P(x) with P linear, a two-matrix MLP with GELU, or a causal convolution of width 3 over the tokens.

    Parameters: I·O (linear), I·O + O² (mlp), 3·I·O (conv1d). State (conv1d): the last 2 inputs, 2·I numbers.
    """

    def __init__(self, d_in: int, spec: dict):
        super().__init__()
        d_out, self.kind = spec["d_out"], spec["projection"]
        match self.kind:
            case "linear":
                self.proj = nn.Linear(d_in, d_out, bias=False)
            case "mlp":
                self.up_proj = nn.Linear(d_in, d_out, bias=False)
                self.down_proj = nn.Linear(d_out, d_out, bias=False)
            case "conv1d":
                self.conv = nn.Conv1d(d_in, d_out, KERNEL, bias=False)

    @property
    def is_recurrent(self) -> bool:
        """A convolution would reach over the border between packed sequences."""
        return self.kind == "conv1d"

    def state_layers(self) -> list[StateLayer]:
        """The convolution's last inputs."""
        return [StateLayer()] if self.kind == "conv1d" else []

    def forward(self, x_BTI: torch.Tensor, token_mask=None, past_key_values=None, cache_index=None, **kwargs):
        """[B, T, I] → [B, T, O]."""
        if self.kind == "linear":
            return self.proj(x_BTI)
        if self.kind == "mlp":
            return self.down_proj(nn.functional.gelu(self.up_proj(x_BTI)))
        if token_mask is not None:
            x_BTI = x_BTI * token_mask[..., None].to(x_BTI.dtype)
        state = state_of(past_key_values, cache_index)
        before = state.get("inputs") if state else None
        if before is None:
            before = x_BTI.new_zeros(x_BTI.shape[0], KERNEL - 1, x_BTI.shape[2])
        extended = torch.cat([before.to(x_BTI), x_BTI], dim=1)
        if state:
            state.advance(x_BTI.shape[1], inputs=extended[:, 1 - KERNEL :])
        return self.conv(extended.transpose(1, 2)).transpose(1, 2)
