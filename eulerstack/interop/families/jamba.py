"""Jamba: Mamba layers, every so often an attention layer, experts in every other (transformers/models/jamba)."""

from collections.abc import Callable

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder, mamba
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import GATED, UNGATED, Parts, Plain, init_std, written
from eulerstack.interop.weights import Recipe, Rule, rule, stacked, stacked_gate_up

DEFAULTS = {
    "vocab_size": 65536,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 262144,
}

LAYER = "model.layers.{i}"
FFN, THEIRS = f"{LAYER}.ffn", f"{LAYER}.feed_forward"

FEED_FORWARD = (
    *(rule(f"{FFN}.{name}.weight", f"{THEIRS}.{name}.weight") for name in ("gate_proj", "up_proj", "down_proj")),
    rule(f"{FFN}.router.weight", f"{THEIRS}.router.weight"),
    Rule(
        f"{FFN}.experts.gate_up_proj",
        (
            Recipe(
                (f"{THEIRS}.experts.{{e}}.gate_proj.weight", f"{THEIRS}.experts.{{e}}.up_proj.weight"), stacked_gate_up
            ),
            Recipe((f"{THEIRS}.experts.gate_up_proj",)),
        ),
    ),
    Rule(
        f"{FFN}.experts.down_proj",
        (
            Recipe((f"{THEIRS}.experts.{{e}}.down_proj.weight",), stacked),
            Recipe((f"{THEIRS}.experts.down_proj",)),
        ),
    ),
)
"""A gated MLP, or experts: one matrix each as published, or stacked as transformers holds them."""

MIXERS = (*decoder.attention(), *mamba.mixer_rules(f"{LAYER}.mixer", f"{LAYER}.mamba"))
ROOT = (decoder.ROOT[0], rule("model.norm.weight", "model.final_layernorm.weight"), decoder.ROOT[2])


def read(config: Config) -> Parts:
    """A Jamba config → the parts of a spec."""
    shape = decoder.shape(config, defaults=DEFAULTS)
    mixers = {
        "attention": {
            "type": "attention",
            "attention": written(attn_drop=config.probability("attention_dropout", 0.0) or None),
        },
        "mamba": {"type": "mamba", "mamba": ssm(config, shape.d_model)},
    }
    dense: Plain = {"type": "gated_mlp", "activation": config.choice("hidden_act", "silu", GATED)}
    moe = experts(config)
    ffns = {"": dense, "_moe": dense | {"type": "moe", "moe": moe} if moe["experts"] > 1 else dense}
    attends = every(config, "attn_layer", 8, 4)
    chooses = every(config, "expert_layer", 2, 1)
    config.ignore("use_mamba_kernels", "use_mambapy", "use_associative_scan")  # how it is computed, not what
    config.ignore("num_logits_to_keep", "calc_logits_for_entire_prompt", "n_ctx")
    config.neutral("mamba_inner_layernorms", True)
    config.neutral("sliding_window", None)
    layers = []
    for index in range(shape.layers):
        mixer, ffn = "attention" if attends(index) else "mamba", "_moe" if chooses(index) else ""
        layers.append((mixer + ffn, {"mixer": mixers[mixer], "ffn": ffns[ffn]}))
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-6),
        embedding={"positional": "none"},
        layers=layers,
        tied=config.boolean("tie_word_embeddings", False),
        hints=init_std(config, "initializer_range"),
    )


def ssm(config: Config, d_model: int) -> Plain:
    """The keys of `mamba`."""
    bias = config.boolean("mamba_proj_bias", False)
    return {
        "variant": "mamba1",
        "d_state": config.integer("mamba_d_state", 16),
        "d_conv": config.integer("mamba_d_conv", 4),
        "expand": config.integer("mamba_expand", 2),
        "dt_rank": mamba.rank(config, "mamba_dt_rank", d_model),
        "norm_dt_b_c": True,
        "conv_bias": config.boolean("mamba_conv_bias", True),
        "activation": config.choice("hidden_act", "silu", UNGATED),
    } | written(in_bias=bias, out_bias=bias)


def experts(config: Config) -> Plain:
    """The keys of `moe`. The balance loss counts only where `output_router_logits` is set, as in transformers."""
    n_experts = config.integer("num_experts", 16)
    top_k = config.integer("num_experts_per_tok", 2)
    if n_experts > 1 and top_k > n_experts:
        config.refuse("num_experts_per_tok", top_k, f"≤ num_experts = {n_experts}")
    balanced = config.boolean("output_router_logits", False)
    coefficient = config.number("router_aux_loss_coef", 0.001)
    return {
        "experts": n_experts,
        "top_k": top_k,
        "gated": True,
        "norm_top_k": False,
        "load_balance_coef": coefficient if balanced else 0.0,
    }


def every(config: Config, name: str, period: int, offset: int) -> Callable[[int], bool]:
    """Whether a layer is one of those at `offset` in every `period` layers."""
    period = config.integer(f"{name}_period", period)
    offset = config.integer(f"{name}_offset", offset, least=0)
    if offset >= period:
        config.refuse(f"{name}_offset", offset, f"< {name}_period = {period}")
    return lambda index: index % period == offset


FAMILY = Family(
    model_type="jamba",
    architectures=("JambaForCausalLM", "JambaModel"),
    read=read,
    rules=(*ROOT, *MIXERS, *FEED_FORWARD, *decoder.norms(mixer_norm="input_layernorm", ffn_norm="pre_ff_layernorm")),
    aliases={"num_local_experts": "num_experts"},
    tokens={"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
)
