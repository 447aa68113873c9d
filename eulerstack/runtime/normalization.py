"""Normalisation layers: RMSNorm (Zhang & Sennrich 2019) and LayerNorm (Ba 2016)."""

import torch
from torch import nn


class RMSNorm(nn.Module):
    """y = x / √(mean(x²) + eps) · w, over the last dimension, in fp32 at least.

    With `unit_offset` the weight is stored as w − 1 (Gemma): y = x̂ · (1 + weight), multiplied before the cast back.
    Parameters: d.
    """

    def __init__(self, d: int, eps: float, unit_offset: bool = False, affine: bool = True):
        super().__init__()
        self.eps = eps
        self.unit_offset = unit_offset
        self.weight = nn.Parameter(torch.empty(d)) if affine else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` [..., d] → the same shape and dtype."""
        weight = self.weight
        if x.dtype in (torch.float32, torch.float64) and (weight is None or weight.dtype == x.dtype):
            factor = 1.0 + weight if self.unit_offset and weight is not None else weight
            return torch.rms_norm(x, x.shape[-1:], factor, self.eps)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        if self.weight is None:
            return normed.to(x.dtype)
        if self.unit_offset:
            return (normed * (1.0 + self.weight.to(wide.dtype))).to(x.dtype)
        normed = normed.to(torch.promote_types(x.dtype, self.weight.dtype))  # a weight may stay in fp32
        return (self.weight * normed).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{None if self.weight is None else tuple(self.weight.shape)}, eps={self.eps}"


class LayerNorm(nn.LayerNorm):
    """y = (x − mean) / √(var + eps) · w + b. Parameters: 2·d."""

    def __init__(self, d: int, eps: float, unit_offset: bool = False, affine: bool = True):
        super().__init__(d, eps=eps, elementwise_affine=affine)
        self.unit_offset = unit_offset

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` [..., d] → the same shape and dtype."""
        weight = 1.0 + self.weight if self.unit_offset and self.weight is not None else self.weight
        wide = x if weight is None else x.to(torch.promote_types(x.dtype, weight.dtype))
        return nn.functional.layer_norm(wide, self.normalized_shape, weight, self.bias, self.eps).to(x.dtype)


NORMS = {"rmsnorm": RMSNorm, "layernorm": LayerNorm}


def build_norm(norm: dict, d: int) -> nn.Module:
    """The norm that a resolved `norm` mapping (type, eps, unit_offset, affine) describes, for width `d`."""
    return NORMS[norm["type"]](d, norm["eps"], norm["unit_offset"], norm["affine"])
