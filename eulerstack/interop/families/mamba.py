"""Mamba: selective state spaces without attention, feed-forward or positions (transformers/models/mamba)."""

from math import ceil

from eulerstack.interop.config import Config
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import UNGATED, Parts, Plain, Shape, init_std, written
from eulerstack.interop.weights import Recipe, Rule, linear, rule

LAYER, THEIRS = "model.layers.{i}", "backbone.layers.{i}"
TRAINED_LENGTH = 2048
"""The tokens of a sequence in the papers' training; nothing in the model depends on it."""

FRESH = ("time_step_min", "time_step_max", "time_step_floor", "time_step_init_scheme", "time_step_scale")
"""How an untrained model starts; an import brings trained weights."""


def mixer_rules(ours: str, theirs: str) -> tuple[Rule, ...]:
    """The rules of a mixer of either variant: its tensors are named alike."""
    projections = (name for part in ("in_proj", "conv1d", "dt_proj", "out_proj") for name in _linear(part))
    norms = (f"{part}.weight" for part in ("x_proj", "norm", "dt_layernorm", "b_layernorm", "c_layernorm"))
    return tuple(rule(f"{ours}.{name}", f"{theirs}.{name}") for name in (*projections, *norms, "A_log", "D", "dt_bias"))


def _linear(part: str) -> tuple[str, str]:
    return f"{part}.weight", f"{part}.bias"


RULES = (
    Rule(
        "model.embed_tokens.weight",
        (Recipe(("backbone.embeddings.weight",)), Recipe(("backbone.embedding.weight",))),
    ),
    *linear("model.norm", "backbone.norm_f"),
    rule("lm_head.weight", "lm_head.weight"),
    *linear(f"{LAYER}.mixer_norm", f"{THEIRS}.norm"),
    *mixer_rules(f"{LAYER}.mixer", f"{THEIRS}.mixer"),
)


def read(config: Config) -> Parts:
    """A Mamba config → the parts of a spec."""
    d_model = config.integer("hidden_size", 768)
    config.ignore("use_mambapy", "use_associative_scan")  # how the recurrence is computed, not what
    mamba = {
        "variant": "mamba1",
        "d_state": config.integer("state_size", 16),
        "dt_rank": rank(config, "time_step_rank", d_model),
    }
    return stack(config, d_model, mamba | shared(config), layers=32, tied=True)


def shared(config: Config) -> Plain:
    """Keys of `mamba` that both variants have, under the names that Mamba and Mamba-2 share."""
    bias = config.boolean("use_bias", False)
    return {
        "d_conv": config.integer("conv_kernel", 4),
        "expand": config.integer("expand", 2),
        "conv_bias": config.boolean("use_conv_bias", True),
        "activation": config.choice("hidden_act", "silu", UNGATED),
    } | written(in_bias=bias, out_bias=bias)


def rank(config: Config, key: str, d_model: int) -> int:
    """The rank of Δ: a number, or "auto" for ⌈d_model / 16⌉."""
    if config.value(key, "auto") == "auto":
        return ceil(d_model / 16)
    return config.integer(key, 1)


def stack(config: Config, d_model: int, mamba: Plain, *, layers: int, tied: bool) -> Parts:
    """A model of nothing but such mixers. Its head count and ffn width are never read: it has neither."""
    config.ignore(*FRESH, "rescale_prenorm_residual")
    config.ignore("residual_in_fp32")  # the order of rounding in half precision, the same function
    config.ignore("intermediate_size", "d_inner", "d_model", "n_layer", "numb_hidden_layers", "ssm_cfg")  # read by none
    config.ignore("fused_add_norm", "rms_norm", "pad_vocab_size_multiple")
    shape = Shape(
        d_model=d_model,
        vocab_size=config.integer("vocab_size", 50280 if mamba["variant"] == "mamba1" else 32768),
        max_seq_len=TRAINED_LENGTH,
        layers=config.integer("num_hidden_layers", layers),
        n_heads=1,
        n_kv_heads=1,
        head_dim=d_model,
        d_ff=mamba["expand"] * d_model,
    )
    layer = {"mixer": {"type": "mamba", "mamba": mamba}, "ffn": {"type": "none"}}
    return Parts(
        shape=shape,
        eps=config.positive("layer_norm_epsilon", 1e-5),
        embedding={"positional": "none"},
        layers=[("decoder", layer)] * shape.layers,
        tied=config.boolean("tie_word_embeddings", tied),
        hints=init_std(config, "initializer_range"),
    )


FAMILY = Family(
    model_type="mamba",
    architectures=("MambaForCausalLM", "MambaModel"),
    read=read,
    rules=RULES,
    prefix="backbone.",
    embedding="backbone.embeddings.weight",
    tokens={"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0},
    freezes_padding=False,
    add_bos=False,
)
