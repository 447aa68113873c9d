"""Falcon-H1: attention beside Mamba-2 in every layer, and fixed factors (transformers/models/falcon_h1)."""

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder, mamba
from eulerstack.interop.families.family import Family
from eulerstack.interop.families.mamba2 import bounds
from eulerstack.interop.plain import GATED, UNGATED, Parts, Plain, Shape, init_std, written
from eulerstack.interop.rope import rope
from eulerstack.interop.weights import linear, rule

DEFAULTS = {
    "vocab_size": 128000,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
}

LAYER = "model.layers.{i}"
RULES = (
    decoder.ROOT[0],
    rule("model.norm.weight", "model.final_layernorm.weight"),
    decoder.ROOT[2],
    *(
        made
        for name in ("q_proj", "k_proj", "v_proj", "o_proj")
        for made in linear(f"{LAYER}.mixer.branch_attention.{name}", f"{LAYER}.self_attn.{name}")
    ),
    *mamba.mixer_rules(f"{LAYER}.mixer.branch_mamba", f"{LAYER}.mamba"),
    *(
        made
        for name in ("gate_proj", "up_proj", "down_proj")
        for made in linear(f"{LAYER}.ffn.{name}", f"{LAYER}.feed_forward.{name}")
    ),
    *decoder.norms(mixer_norm="input_layernorm", ffn_norm="pre_ff_layernorm"),
)


def read(config: Config) -> Parts:
    """A Falcon-H1 config → the parts of a spec."""
    shape = decoder.shape(config, defaults=DEFAULTS)
    into, out = config.number("attention_in_multiplier", 1.0), config.number("attention_out_multiplier", 1.0)
    ssm_into, ssm_out = config.number("ssm_in_multiplier", 1.0), config.number("ssm_out_multiplier", 1.0)
    branched = {
        "branches": {
            "attention": {"type": "attention", "attention": attention(config, shape)},
            "mamba": {"type": "mamba", "mamba": ssm(config, shape.d_model)},
        },
        "selector": {"type": "sum"},
        "factors": {"attention": {"input": into, "output": out}, "mamba": {"input": ssm_into, "output": ssm_out}},
    }
    gate, output = numbers(config, "mlp_multipliers", 2)
    layer: Plain = {
        "mixer": {"type": "branched", "branched": branched},
        "ffn": written(
            type="gated_mlp",
            activation=config.choice("hidden_act", "silu", GATED),
            bias=config.boolean("mlp_bias", False),
        ),
        "ffn_factors": {"gate": gate, "output": output},
    }
    config.ignore("num_logits_to_keep", "attn_layer_indices", "mlp_expansion_factor")  # read by nothing
    config.neutral("mamba_use_mlp", True)
    scale = config.positive("embedding_multiplier", 1.0)
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-5),
        embedding=rope(config, shape) | ({} if scale == 1.0 else {"scale": scale}),
        layers=[("decoder", layer)] * shape.layers,
        tied=config.boolean("tie_word_embeddings", False),
        head={"logit_scale": config.positive("lm_head_multiplier", 1.0)},
        hints=init_std(config, "initializer_range"),
    )


def attention(config: Config, shape: Shape) -> Plain:
    """The keys of `attention`. A factor of all keys is one of all scores."""
    bias = config.boolean("attention_bias", False)
    factor = config.positive("key_multiplier", 1.0)
    return written(
        qkv_bias=bias,
        out_bias=bias,
        attn_drop=config.probability("attention_dropout", 0.0) or None,
        scale=None if factor == 1.0 else factor * shape.head_dim**-0.5,
    )


def ssm(config: Config, d_model: int) -> Plain:
    """The keys of `mamba`. The norm is there on demand, before the gate unless said otherwise."""
    expand = config.integer("mamba_expand", 2)
    inner = config.optional_integer("mamba_d_ssm", 1024) or expand * d_model
    n_heads = config.integer("mamba_n_heads", 128)
    automatic = config.value("mamba_d_head", "auto") == "auto"
    head_dim = max(inner // n_heads, 1) if automatic else config.integer("mamba_d_head", 64)
    if n_heads * head_dim != inner:
        config.refuse("mamba_n_heads", n_heads, f"{inner / head_dim:g} = {inner} / mamba_d_head")
    normed = config.boolean("mamba_rms_norm", False)
    before = config.boolean("mamba_norm_before_gate", True)
    factors = dict(zip(("gate", "input", "b", "c", "dt"), numbers(config, "ssm_multipliers", 5), strict=True))
    return {
        "variant": "mamba2",
        "d_inner": inner,
        "d_state": config.integer("mamba_d_state", 256),
        "d_conv": config.integer("mamba_d_conv", 4),
        "head_dim": head_dim,
        "n_groups": config.integer("mamba_n_groups", 1),
        "chunk_size": config.integer("mamba_chunk_size", 256),
        "gated_norm": ("before" if before else "after") if normed else "none",
        "conv_bias": config.boolean("mamba_conv_bias", True),
        "activation": config.choice("hidden_act", "silu", UNGATED),
        "multipliers": factors,
        **bounds(config, "time_step_limit"),
        **written(in_bias=config.boolean("mamba_proj_bias", False), out_bias=config.boolean("projectors_bias", False)),
    }


def numbers(config: Config, key: str, count: int) -> list[float]:
    """A list of so many numbers, 1 each where it is not written."""
    value = config.value(key)
    if value is None:
        return [1.0] * count
    listed = value if isinstance(value, list) else []
    if len(listed) != count or any(isinstance(n, bool) or not isinstance(n, int | float) for n in listed):
        config.refuse(key, value, f"[{', '.join(['number'] * count)}]")
        return [1.0] * count
    return [float(n) for n in listed]


FAMILY = Family(
    model_type="falcon_h1",
    architectures=("FalconH1ForCausalLM", "FalconH1Model"),
    read=read,
    rules=RULES,
    tokens={"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
)
