"""The mixers, by the value of `mixer.type`. One literal import each: transformers' loader finds files by their text."""

from .build_attention import build_attention
from .gated_delta_net import GatedDeltaNet
from .hyena import Hyena
from .mamba import build_mamba
from .retention import Retention
from .ttt import TttLayer

MIXERS = {
    "attention": build_attention,
    "hyena": Hyena,
    "gated_deltanet": GatedDeltaNet,
    "mamba": build_mamba,
    "retnet": Retention,
    "ttt_layer": TttLayer,
}
"""A mixer is built as `Mixer(config, block, layer_idx)` from a resolved block and keeps this protocol:

- `forward(hidden_states, **context)` → a tuple whose first entry is the output [B, T, M]; the second is for attention
  weights, or None. The context is `decoder_layer.EulerStackDecoderLayer.forward`'s.
- `state_layers()` → fresh, empty cache layers, in a fixed order; `context["cache_index"]` is the place of the first.
- `mask_kinds(cache_index)` → the kinds of attention mask it reads, each with a cache layer of that kind.
- `rope_requests()` → what it wants rotary embeddings of; the model sets each request's `key`.
- `reset_buffers()`, if it has buffers that are not saved: fills them anew, in place (`initialization.init.copy_`).
- `is_recurrent`: a state cannot be reset inside a row, so packed sequences are unpacked into rows before it.

In evaluation it is causal, and all at once = step by step = in uneven chunks. `token_mask` is 0 for left padding, whose
tokens must leave no trace; right padding is never read by what stands before it.
"""
