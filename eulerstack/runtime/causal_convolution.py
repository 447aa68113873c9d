"""A short depthwise convolution over the tokens that sees the past only.

Shape suffixes: B batch, T tokens, C channels, W kernel width.
"""

import torch
from torch import nn

from .state_space_kernels import causal_conv1d_kernel, runs_on

KERNEL_WIDTHS = (2, 3, 4)
"""What causal-conv1d knows."""


class CausalConvolution(nn.Conv1d):
    """y_t = Σ_w weight[w] ⊙ x_{t−W+1+w} + bias, each channel by itself.

    Parameters: C·W, + C with a bias. State: the last W − 1 inputs.
    """

    def __init__(self, channels: int, width: int, bias: bool = True):
        super().__init__(channels, channels, width, groups=channels, bias=bias)

    def forward(  # type: ignore[override]
        self, x_BTC: torch.Tensor, before_BCW: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """y [B, T, C], and the last W − 1 inputs [B, C, W − 1] for the next call's `before_BCW` (None: zeros)."""
        x_BCT = x_BTC.transpose(1, 2)
        past = self.kernel_size[0] - 1
        if before_BCW is None:
            before_BCW = x_BCT.new_zeros(*x_BCT.shape[:2], past)
        extended = torch.cat([before_BCW.to(x_BCT), x_BCT], dim=-1)
        latest = extended[..., extended.shape[-1] - past :]
        if self.kernel_size[0] in KERNEL_WIDTHS and runs_on(causal_conv1d_kernel, extended):
            y_BCT = causal_conv1d_kernel(extended, self.weight.squeeze(1), self.bias)[..., past:]
        else:
            y_BCT = nn.functional.conv1d(extended, self.weight, self.bias, groups=self.groups)
        return y_BCT.transpose(1, 2), latest
