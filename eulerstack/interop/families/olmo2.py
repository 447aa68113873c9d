"""OLMo 2: norms on the branches' outputs, one RMSNorm over all of q and of k (transformers/models/olmo2)."""

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder
from eulerstack.interop.families.family import Family
from eulerstack.interop.families.qwen3 import HEAD_NORMS
from eulerstack.interop.plain import GATED, Parts, init_std, template, written
from eulerstack.interop.rope import rope

DEFAULTS = {
    "vocab_size": 50304,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
}


def read(config: Config) -> Parts:
    """An OLMo 2 config → the parts of a spec."""
    shape = decoder.shape(config, defaults=DEFAULTS)
    bias = config.boolean("attention_bias", False)
    dropout = config.probability("attention_dropout", 0.0) or None
    layer = template(
        written(qkv_bias=bias, out_bias=bias, qk_norm="full", attn_drop=dropout),
        {"type": "gated_mlp", "activation": config.choice("hidden_act", "silu", GATED)},
        {"type": "rmsnorm", "position": "output"},
    )
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-5),
        embedding=rope(config, shape),
        layers=[("decoder", layer)] * shape.layers,
        tied=config.boolean("tie_word_embeddings", False),
        hints=init_std(config, "initializer_range"),
    )


FAMILY = Family(
    model_type="olmo2",
    architectures=("Olmo2ForCausalLM", "Olmo2Model"),
    read=read,
    rules=(
        *decoder.ROOT,
        *decoder.attention(),
        *HEAD_NORMS,
        *decoder.gated_mlp(),
        *decoder.norms(mixer_post_norm="post_attention_layernorm", ffn_post_norm="post_feedforward_layernorm"),
    ),
    add_bos=False,
    tokens={"eos_token_id": 50279, "pad_token_id": 1},
)
