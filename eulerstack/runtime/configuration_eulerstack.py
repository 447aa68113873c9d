"""The configuration of an EulerStack model: HuggingFace's standard names plus the resolved blocks of the spec."""

from typing import Any

from transformers import PreTrainedConfig


class EulerStackConfig(PreTrainedConfig):
    r"""What `config.json` of a compiled directory holds.

    The standard names (`hidden_size`, `num_attention_heads`, …) describe the model as a whole, for tools that ask. What
    is built stands in:

    - `blocks`: the distinct layers, each a resolved template (`mixer`, `ffn`, `norm`, `residual`, …) with `init`, the
      initialisation law of every tensor below it;
    - `schedule`: the entries from input to head. A plain layer is `{"block": index into blocks, "module": index below
      model.layers, …}`; two with one `module` share their weights. `{"parallel": …}` and `{"integrator": …}` hold
      bodies of plain layers;
    - `embedding`, `head`: positions, scale, final norm, logit softcap; `init`: the laws of the remaining tensors;
    - `lateral`: what columns of layers exchange, or None; `keep_in_fp32`: regular expressions
      of tensors that the spec's dtype policy keeps in fp32;
    - `skip_logits`: in training with labels, the loss comes without logits (None), faster and in less memory;
    - `training_hints`, `v1_extensions`: for trainers; the full metadata of the spec.
    """

    model_type = "eulerstack"
    keys_to_ignore_at_inference = ["past_key_values", "router_logits", "objectives"]

    vocab_size: int = 259
    hidden_size: int = 64
    intermediate_size: int = 256
    num_hidden_layers: int = 0
    num_attention_heads: int = 4
    num_key_value_heads: int = 4
    head_dim: int = 16
    max_position_embeddings: int = 256
    rms_norm_eps: float = 1e-5
    initializer_range: float = 0.02
    readout_multiplier: float = 1.0
    use_cache: bool = True
    output_router_logits: bool = False
    skip_logits: bool = False
    tie_word_embeddings: bool = True
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    rope_parameters: dict | None = None
    blocks: Any = None
    schedule: Any = None
    embedding: Any = None
    head: Any = None
    lateral: Any = None
    transition_token_id: int | None = None
    keep_in_fp32: Any = None
    init: Any = None
    training_hints: Any = None
    v1_extensions: Any = None
    eulerstack_version: str | None = None

    def __post_init__(self, **kwargs):
        self.blocks = self.blocks or []
        self.schedule = self.schedule or []
        bare = {"positional": "none", "scale": 1.0, "d_embed": self.hidden_size, "train_padding": True, "dropout": 0.0}
        self.embedding = self.embedding or bare
        self.head = self.head or {
            "type": "causal_lm",
            "logit_softcap": None,
            "logit_scale": None,
            "final_norm": None,
            "mtp": None,
        }
        self.keep_in_fp32 = self.keep_in_fp32 or []
        self.init = self.init or {}
        self.training_hints = self.training_hints or {}
        self.v1_extensions = self.v1_extensions or {}
        super().__post_init__(**kwargs)

    @property
    def num_hidden_states(self) -> int:
        """How many hidden states a forward has: the embedding's and one after each entry of the schedule."""
        return self.num_hidden_layers + 1


__all__ = ["EulerStackConfig"]
