"""Which keys a query may see, per kind of attention, built once per forward and shared by the layers of that kind.

Shape suffixes: B batch, H heads, T queries, S keys.
"""

from typing import NamedTuple

import torch
from transformers.masking_utils import and_masks, create_causal_mask, create_sliding_window_causal_mask

from .execution_modes import hides_keys
from .positions import alibi_slopes


class MaskKind(NamedTuple):
    """What distinguishes one mask from another.

    `window`: how far back a query sees, itself included, in positions (None: everything); `dilation`: it sees only
    every so many-th position; `alibi_heads`: the head count if ALiBi's bias is added, else 0; `eager`: the layers need
    an additive mask whatever the model's attention implementation; `stored`: the window of the cache that is read,
    which is another layer's where keys are borrowed; `distant`: it sees what is nearer than the first number, and
    beyond it every so many-th position (the second).
    """

    window: int | None
    dilation: int
    alibi_heads: int
    eager: bool
    stored: int | None
    distant: tuple[int, int] | None = None

    def implementation(self, config) -> str:
        """The attention implementation that can follow this mask: flash attention knows plain windows only."""
        chosen = config._attn_implementation
        if self.eager:
            return "eager"
        return "eager" if "flash" in chosen and self._is_beyond_flash(config) else chosen

    def _is_beyond_flash(self, config) -> bool:
        return self.dilation > 1 or self.distant is not None or self.alibi_heads > 0 or hides_keys(config)

    @property
    def key(self) -> str:
        """A name for dictionaries of masks."""
        return "/".join(map(str, self))


class MaskSettings:
    """The model's config as transformers' mask functions read it, for one kind of mask."""

    def __init__(self, config, kind: MaskKind):
        self._config = config
        self.sliding_window = kind.window
        self._kind = kind

    @property
    def _attn_implementation(self) -> str:
        return self._kind.implementation(self._config)

    @property
    def is_causal(self) -> bool:
        """Follows the model's config, which callers may flip for bidirectional use."""
        return getattr(self._config, "is_causal", True)


def build_mask(
    kind: MaskKind,
    config,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None,
    past_key_values,
    position_ids: torch.Tensor,
    layer_idx: int,
    seen=None,
):
    """The mask for all layers of `kind`, in the form the attention implementation wants (None: plain causal).

    `attention_mask` is `[B, S]` with 0 for padding, or a ready 4-D mask, which is passed through. `layer_idx` is one
    cache layer of this kind; `seen` a mask function over slots that hides more. Raises ValueError where the attention
    implementation cannot take such a mask.
    """
    settings = MaskSettings(config, kind)
    if (kind.alibi_heads or kind.dilation > 1) and settings._attn_implementation not in ("eager", "sdpa"):
        raise ValueError(
            f"ALiBi and dilated windows need a mask that {settings._attn_implementation!r} attention does not take: "
            'load the model with attn_implementation="sdpa" or "eager"'
        )
    arguments = {
        "config": settings,
        "inputs_embeds": inputs_embeds,
        "attention_mask": attention_mask,
        "past_key_values": past_key_values,
        "position_ids": position_ids,
        "and_mask_function": _both(_overlay(kind), seen),
        "layer_idx": layer_idx,
        "allow_is_causal_skip": not kind.alibi_heads,
    }
    mask = (create_causal_mask if kind.window is None else create_sliding_window_causal_mask)(**arguments)
    if not kind.alibi_heads or mask is attention_mask:
        return mask
    n_queries, first_query, first_key = inputs_embeds.shape[1], 0, 0
    if past_key_values is not None:
        first_query = past_key_values.get_query_offset(layer_idx)
        first_key = past_key_values.get_mask_sizes(n_queries, layer_idx)[1]
    assert isinstance(mask, torch.Tensor)
    return _add_alibi(mask, kind.alibi_heads, first_query - first_key, inputs_embeds.dtype)


def token_mask(hidden_states: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor | None:
    """The part of a mask [B, S] that is about the tokens of this forward; None where nothing is padding."""
    if attention_mask is None or attention_mask.dim() != 2:
        return None
    return attention_mask[:, -hidden_states.shape[1] :]


def _both(first, second):
    """What two mask functions allow; None allows everything."""
    if first is None or second is None:
        return first or second
    return and_masks(first, second)


def _overlay(kind: MaskKind):
    """What a query may see of what is before it and inside its window; None: everything."""
    if kind.distant is not None:
        near, stride = kind.distant

        def overlay(batch_idx, head_idx, q_idx, kv_idx):
            distance = q_idx - kv_idx
            return (distance < near) | (distance % stride == 0)

        return overlay
    if kind.dilation > 1:
        return lambda batch_idx, head_idx, q_idx, kv_idx: (q_idx - kv_idx) % kind.dilation == 0
    return None


def _add_alibi(mask_B1TS: torch.Tensor, n_heads: int, offset: int, dtype: torch.dtype) -> torch.Tensor:
    """The additive mask [B, H, T, S] with −slope·(query − key) where the query may look, the dtype's minimum elsewhere.

    `offset` is the first query's slot minus the first key's. Left padding shifts queries and keys alike.
    """
    n_queries, n_keys = mask_B1TS.shape[-2:]
    device = mask_B1TS.device
    query_T1 = torch.arange(n_queries, device=device)[:, None] + offset
    distance_TS = (query_T1 - torch.arange(n_keys, device=device)[None, :]).to(dtype)
    slopes_H11 = torch.tensor(alibi_slopes(n_heads), device=device, dtype=dtype)[:, None, None]
    bias_HTS = -slopes_H11 * distance_TS
    if mask_B1TS.dtype is torch.bool:
        return torch.where(mask_B1TS, bias_HTS, torch.finfo(dtype).min)
    return torch.where(mask_B1TS < 0, mask_B1TS, bias_HTS)
