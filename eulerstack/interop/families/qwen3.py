"""Qwen 3: Qwen 2 with an RMSNorm on every head of q and k instead of biases (transformers/models/qwen3)."""

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder, qwen
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import GATED, Parts, init_std, named, template, written
from eulerstack.interop.rope import rope
from eulerstack.interop.weights import rule

DEFAULTS = {
    "vocab_size": 151936,
    "hidden_size": 4096,
    "intermediate_size": 22016,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "head_dim": 128,
    "max_position_embeddings": 32768,
}

HEAD_NORMS = tuple(
    rule(f"model.layers.{{i}}.mixer.{name}.weight", f"model.layers.{{i}}.self_attn.{name}.weight")
    for name in ("q_norm", "k_norm")
)


def read(config: Config) -> Parts:
    """A Qwen 3 config → the parts of a spec."""
    shape = decoder.shape(config, defaults=DEFAULTS)
    bias = config.boolean("attention_bias", False)
    dropout = config.probability("attention_dropout", 0.0) or None
    ffn = {"type": "gated_mlp", "activation": config.choice("hidden_act", "silu", GATED)}
    layers = [
        (
            "sliding" if window else "full",
            template(
                written(qkv_bias=bias, out_bias=bias, qk_norm="head", window=window, attn_drop=dropout),
                ffn,
            ),
        )
        for window in qwen.windows(config, shape.layers)
    ]
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-6),
        embedding=rope(config, shape),
        layers=named(layers),
        tied=config.boolean("tie_word_embeddings", False),
        hints=init_std(config, "initializer_range"),
    )


FAMILY = Family(
    model_type="qwen3",
    architectures=("Qwen3ForCausalLM", "Qwen3Model"),
    read=read,
    rules=(*decoder.ROOT, *decoder.attention(), *HEAD_NORMS, *decoder.gated_mlp(), *decoder.PRE_NORMS),
    add_bos=False,
)
