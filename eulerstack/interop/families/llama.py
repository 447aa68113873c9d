"""Llama: pre-norm, grouped-query attention, rotary positions, SwiGLU (transformers/models/llama)."""

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import GATED, Parts, init_std, template, written
from eulerstack.interop.rope import rope

DEFAULTS = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
}


def read(config: Config) -> Parts:
    """A Llama config → the parts of a spec."""
    shape = decoder.shape(config, defaults=DEFAULTS)
    bias = config.boolean("attention_bias", False)
    layer = template(
        written(qkv_bias=bias, out_bias=bias, attn_drop=config.probability("attention_dropout", 0.0) or None),
        written(
            type="gated_mlp",
            activation=config.choice("hidden_act", "silu", GATED),
            bias=config.boolean("mlp_bias", False),
        ),
    )
    config.ignore("pretraining_tp")  # how the matrices were cut for training, read by nothing any more
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-6),
        embedding=rope(config, shape),
        layers=[("decoder", layer)] * shape.layers,
        tied=config.boolean("tie_word_embeddings", False),
        hints=init_std(config, "initializer_range"),
    )


FAMILY = Family(
    model_type="llama",
    architectures=("LlamaForCausalLM", "LlamaModel"),
    read=read,
    rules=(*decoder.ROOT, *decoder.attention(), *decoder.gated_mlp(), *decoder.PRE_NORMS),
    tokens={"bos_token_id": 1, "eos_token_id": 2},
)
