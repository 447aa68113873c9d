"""Positions: rotary embeddings (Su 2021) with transformers' own scalings, and ALiBi (Press 2022).

Shape suffixes: B batch, H heads, T queries, S keys, D head_dim.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS, dynamic_rope_update


@dataclass
class RopeRequest:
    """A layer's wish for a rotary embedding of base `theta` and width `dim`; the model fills in its `key`.

    `scaled`: whether the model's rope scaling applies; `interleaved`: whether neighbours are turned as pairs.
    """

    theta: float
    dim: int
    scaled: bool = True
    interleaved: bool = False
    key: str | None = None

    def turn(self, x_BHTD: torch.Tensor, position_embeddings: dict, back: bool = False) -> torch.Tensor:
        """The last `dim` features of each head turned by its token's position, or `back` by the same angles."""
        cos_BTD, sin_BTD = position_embeddings[self.key]
        return rotate(x_BHTD, cos_BTD, -sin_BTD if back else sin_BTD, self.interleaved)


class RopeSettings:
    """What transformers' rope functions read of a config, for one group of layers."""

    def __init__(self, rope_parameters: dict, head_dim: int, max_position_embeddings: int):
        self.rope_parameters = rope_parameters
        self.head_dim = head_dim
        self.hidden_size = head_dim
        self.num_attention_heads = 1
        self.max_position_embeddings = max_position_embeddings

    def standardize_rope_params(self) -> None:
        """The parameters are already in the standard form."""


class RotaryEmbedding(nn.Module):
    """cos and sin of position · θ^(−2i/D) for one set of rope parameters, angles in fp32.

    `rope_parameters`: `rope_type` (default, linear, dynamic, yarn, llama3, longrope), `rope_theta` and that type's own
    keys, as `transformers.modeling_rope_utils` names them. The attribute names are those that
    `PreTrainedModel._init_weights` knows, so the non-persistent buffers are right after every way of loading.

    `dynamic` rescales with the longest position seen, so a step at a time and all at once differ by design beyond
    `max_position_embeddings`.
    """

    def __init__(self, config: RopeSettings):
        super().__init__()
        self.config = config
        self.rope_type = config.rope_parameters["rope_type"]
        if self.rope_type == "dynamic" and config.head_dim == 2:
            # It changes the base, and the one pair turns at rate 1 under any; transformers divides by D − 2.
            self.rope_type = "default"
        self.max_seq_len_cached = config.max_position_embeddings
        self.original_max_seq_len = config.max_position_embeddings
        function = ROPE_INIT_FUNCTIONS.get(self.rope_type, self.compute_default_rope_parameters)
        inv_freq, self.attention_scaling = function(config)
        self.inv_freq = nn.Buffer(inv_freq, persistent=False)
        self.original_inv_freq = nn.Buffer(inv_freq.clone(), persistent=False)

    @staticmethod
    def compute_default_rope_parameters(config: RopeSettings, *args, **kwargs) -> tuple[torch.Tensor, float]:
        """The unscaled frequencies, `[D/2]`, and the factor 1 on cos and sin."""
        exponent = torch.arange(0, config.head_dim, 2, dtype=torch.float) / config.head_dim
        return 1.0 / config.rope_parameters["rope_theta"] ** exponent, 1.0

    @torch.no_grad()
    @dynamic_rope_update
    def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """cos and sin `[B, T, D]` in the dtype of `x`, for `position_ids` `[B, T]`, for both halves of a head.

        The first half of sin is negative, so that no layer has to negate: x turns to x · cos + (x's halves exchanged)
        · sin, to the bit what (−x₂, x₁) · sin would give.
        """
        angles = position_ids[..., None].float() * self.inv_freq.to(x.device, torch.float)
        cos, sin = ((turned * self.attention_scaling).to(x.dtype) for turned in (angles.cos(), angles.sin()))
        return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def count_positions(hidden_states: torch.Tensor, attention_mask: torch.Tensor | None, past_key_values) -> torch.Tensor:
    """The positions [1 or B, T] of the tokens of this forward: how many real tokens stand before each."""
    n_tokens = hidden_states.shape[1]
    if attention_mask is not None and attention_mask.dim() == 2:
        return (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, -n_tokens:]
    seen = past_key_values.get_seq_length() if past_key_values is not None else 0
    return (torch.arange(n_tokens, device=hidden_states.device) + seen).unsqueeze(0)


def rotate(
    x_BHTD: torch.Tensor, cos_BTR: torch.Tensor, sin_BTR: torch.Tensor, interleaved: bool = False
) -> torch.Tensor:
    """Turn the last R features of each head by its position's angles, the others stay.

    cos and sin as `RotaryEmbedding` gives them: each for both halves of the R features, sin negative in the first.
    Pairs are the i-th of the R features' two halves (Llama), or with `interleaved` neighbours (DeepSeek).
    """
    width = cos_BTR.shape[-1]
    cos_B1TR, sin_B1TR = cos_BTR.unsqueeze(1), sin_BTR.unsqueeze(1)
    whole = width == x_BHTD.shape[-1]
    turned = x_BHTD if whole else x_BHTD[..., -width:]
    if interleaved:
        cos, sin = cos_B1TR[..., : width // 2], sin_B1TR[..., width // 2 :]
        first, second = turned[..., 0::2], turned[..., 1::2]
        turned = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=-1).flatten(-2)
    else:
        # Both products rounded by themselves, as published models have them: a fused multiply-add differs.
        turned = turned * cos_B1TR + turned.roll(width // 2, -1) * sin_B1TR
    return turned if whole else torch.cat((x_BHTD[..., :-width], turned), dim=-1)


def alibi_slopes(n_heads: int) -> list[float]:
    """A slope a head: 2^(−8i/n) for a power of two; else those of the next lower one, then every other of twice it."""
    power = 2 ** math.floor(math.log2(n_heads))
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    return slopes + [2 ** (-4 * (2 * i + 1) / power) for i in range(n_heads - power)]
