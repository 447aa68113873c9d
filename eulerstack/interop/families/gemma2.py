"""Gemma 2: sandwich norms stored as w − 1, softcaps, windows in every other layer (transformers/models/gemma2)."""

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import GATED, Parts, init_std, layer_types, named, template, windowed, written
from eulerstack.interop.rope import rope

DEFAULTS = {
    "vocab_size": 256000,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 8192,
}


def read(config: Config) -> Parts:
    """A Gemma 2 config → the parts of a spec."""
    shape = decoder.shape(config, defaults=DEFAULTS)
    bias = config.boolean("attention_bias", False)
    attention = written(
        qkv_bias=bias,
        out_bias=bias,
        scale=config.positive("query_pre_attn_scalar", 256) ** -0.5,
        logit_softcap=config.optional_positive("attn_logit_softcapping", 50.0),
        attn_drop=config.probability("attention_dropout", 0.0) or None,
    )
    ffn = {"type": "gated_mlp", "activation": config.choice("hidden_activation", "gelu_pytorch_tanh", GATED)}
    norm = {"type": "rmsnorm", "position": "sandwich", "unit_offset": True}
    config.neutral("use_bidirectional_attention", None, False)
    # Written beside hidden_activation in the published files; the model reads hidden_activation.
    config.neutral("hidden_act", config.value("hidden_activation", "gelu_pytorch_tanh"))
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-6),
        embedding=rope(config, shape) | {"scale": shape.d_model**0.5},
        layers=named(
            ("sliding" if window else "full", template(attention | written(window=window), ffn, norm))
            for window in windows(config, shape.layers)
        ),
        tied=config.boolean("tie_word_embeddings", True),
        head=written(logit_softcap=config.optional_positive("final_logit_softcapping", 30.0))
        | {"final_norm": {"type": "rmsnorm", "unit_offset": True}},
        hints=init_std(config, "initializer_range"),
    )


def windows(config: Config, layers: int) -> list[int | None]:
    """Each layer's window: every other one from the first, unless `layer_types` says otherwise."""
    window = config.optional_integer("sliding_window", 4096)
    default = ["full_attention" if layer % 2 else "sliding_attention" for layer in range(layers)]
    return windowed(config, layer_types(config, layers, default), window)


FAMILY = Family(
    model_type="gemma2",
    architectures=("Gemma2ForCausalLM", "Gemma2Model"),
    read=read,
    rules=(
        *decoder.ROOT,
        *decoder.attention(),
        *decoder.gated_mlp(),
        *decoder.norms(
            mixer_norm="input_layernorm",
            mixer_post_norm="post_attention_layernorm",
            ffn_norm="pre_feedforward_layernorm",
            ffn_post_norm="post_feedforward_layernorm",
        ),
    ),
    tokens={"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0},
)
