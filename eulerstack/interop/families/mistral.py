"""Mistral: Llama without biases, every layer with a sliding window or none (transformers/models/mistral)."""

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import GATED, Parts, init_std, template, written
from eulerstack.interop.rope import rope

DEFAULTS = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131072,
}


def read(config: Config) -> Parts:
    """A Mistral config → the parts of a spec."""
    shape = decoder.shape(config, defaults=DEFAULTS)
    window = config.optional_integer("sliding_window", 4096)
    layer = template(
        written(window=window, attn_drop=config.probability("attention_dropout", 0.0) or None),
        {"type": "gated_mlp", "activation": config.choice("hidden_act", "silu", GATED)},
    )
    # The class runs all layers alike and reads layer_types for the cache only, so anything mixed decodes wrongly there.
    kind = "full_attention" if window is None else "sliding_attention"
    config.neutral("layer_types", None, [kind] * shape.layers)
    config.neutral("attention_bias", None, False)
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-6),
        embedding=rope(config, shape),
        layers=[("decoder", layer)] * shape.layers,
        tied=config.boolean("tie_word_embeddings", False),
        hints=init_std(config, "initializer_range"),
    )


FAMILY = Family(
    model_type="mistral",
    architectures=("MistralForCausalLM", "MistralModel"),
    read=read,
    rules=(*decoder.ROOT, *decoder.attention(), *decoder.gated_mlp(), *decoder.PRE_NORMS),
    tokens={"bos_token_id": 1, "eos_token_id": 2},
)
