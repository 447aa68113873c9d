"""Qwen 2 and 2.5: Llama with biases on q, k and v and windows in the upper layers (transformers/models/qwen2)."""

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder, qwen
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import GATED, Parts, init_std, named, template, written
from eulerstack.interop.rope import rope

DEFAULTS = {
    "vocab_size": 151936,
    "hidden_size": 4096,
    "intermediate_size": 22016,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 32768,
}


def read(config: Config) -> Parts:
    """A Qwen 2 config → the parts of a spec."""
    shape = decoder.shape(config, defaults=DEFAULTS)
    dropout = config.probability("attention_dropout", 0.0) or None
    ffn = {"type": "gated_mlp", "activation": config.choice("hidden_act", "silu", GATED)}
    config.neutral("attention_bias", None, True)
    config.neutral("use_mrope", None, False)
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-6),
        embedding=rope(config, shape),
        layers=named(
            ("sliding" if window else "full", template(written(qkv_bias=True, window=window, attn_drop=dropout), ffn))
            for window in qwen.windows(config, shape.layers)
        ),
        tied=config.boolean("tie_word_embeddings", False),
        hints=init_std(config, "initializer_range"),
    )


FAMILY = Family(
    model_type="qwen2",
    architectures=("Qwen2ForCausalLM", "Qwen2Model"),
    read=read,
    rules=(*decoder.ROOT, *decoder.attention(), *decoder.gated_mlp(), *decoder.PRE_NORMS),
    add_bos=False,
)
