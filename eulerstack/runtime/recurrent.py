"""What mixers share that carry a state from token to token, and so need neither attention masks nor positions."""

import torch
from torch import nn

from .cache import StateLayer


class RecurrentMixer(nn.Module):
    """A mixer with one state layer. It reads no attention mask and, unless it says otherwise, no rotary embedding."""

    is_recurrent = True

    def state_layers(self) -> list[StateLayer]:
        """One layer, whose tensors the mixer names."""
        return [StateLayer()]

    def mask_kinds(self, cache_index: int) -> dict:
        """None."""
        return {}

    def rope_requests(self) -> list:
        """None."""
        return []


def masked(x: torch.Tensor, token_mask: torch.Tensor | None) -> torch.Tensor:
    """`x` [B, T, …], zero where `token_mask` [B, T] is 0."""
    return x if token_mask is None else x * token_mask.view(*token_mask.shape, *(1,) * (x.dim() - 2)).to(x.dtype)


def widened(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """The same values in fp32, or wider where they are."""
    return [tensor.to(torch.promote_types(tensor.dtype, torch.float32)) for tensor in tensors]
