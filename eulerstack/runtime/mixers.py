"""The mixers, by the value of `mixer.type`. One literal import each: transformers' loader finds files by their text."""

from torch import nn

from .branched import Branched
from .build_attention import build_attention
from .gated_delta_net import GatedDeltaNet
from .hyena import Hyena
from .mamba import build_mamba
from .retention import Retention
from .ttt import TttLayer


def build_mixer(config, block: dict, layer_idx: int) -> nn.Module:
    """The mixer of a resolved block."""
    return MIXERS[block["mixer"]["type"]](config, block, layer_idx)


def build_branched(config, block: dict, layer_idx: int) -> Branched:
    """A branched mixer with its branches, each built as if it stood alone."""
    branches = block["mixer"]["branched"]["branches"].items()
    built = {name: build_mixer(config, {**block, "mixer": branch}, layer_idx) for name, branch in branches}
    return Branched(config, block, built)


MIXERS = {
    "attention": build_attention,
    "branched": build_branched,
    "hyena": Hyena,
    "gated_deltanet": GatedDeltaNet,
    "mamba": build_mamba,
    "retnet": Retention,
    "ttt_layer": TttLayer,
}
"""A mixer is built as `Mixer(config, block, layer_idx)` from a resolved block and keeps this protocol:

- `forward(hidden_states, **context)` → a tuple whose first entry is the output [B, T, M]; the second is for attention
  weights, or None; an attention's third and fourth are keys and values for others to borrow, and the fifth is a loss
  that it adds in training, or None. The context is `decoder_layer.EulerStackDecoderLayer.forward`'s.
- `state_layers()` → fresh, empty cache layers, in a fixed order; `context["cache_index"]` is the place of the first.
- `mask_kinds(cache_index)` → the kinds of attention mask it reads, each with a cache layer of that kind.
- `rope_requests()` → what it wants rotary embeddings of; the model sets each request's `key`.
- `reset_buffers()`, if it has buffers that are not saved: fills them anew, in place (`initialization.init.copy_`).
- `reads_embeddings`, if true: the context has `embeddings` [B, T, M], what entered the first layer.
- `is_recurrent`: a state cannot be reset inside a row, so packed sequences are unpacked into rows before it.

In evaluation it is causal, and all at once = step by step = in uneven chunks. `token_mask` is 0 for left padding, whose
tokens must leave no trace; right padding is never read by what stands before it.
"""
