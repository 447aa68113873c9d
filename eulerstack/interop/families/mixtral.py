"""Mixtral: Mistral with k of E experts per token in the place of the MLP (transformers/models/mixtral)."""

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import GATED, Parts, init_std, template, written
from eulerstack.interop.rope import rope
from eulerstack.interop.weights import Recipe, Rule, stacked, stacked_gate_up

DEFAULTS = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131072,
}

FFN, PUBLISHED, FUSED = (f"model.layers.{{i}}.{name}" for name in ("ffn", "block_sparse_moe", "mlp"))
"""Ours, the published layout (one matrix per expert, what transformers saves too), and transformers' in memory."""

EXPERTS = (
    Rule(
        f"{FFN}.router.weight",
        (Recipe((f"{PUBLISHED}.gate.weight",)), Recipe((f"{FUSED}.gate.weight",))),
    ),
    Rule(
        f"{FFN}.experts.gate_up_proj",
        (
            Recipe(
                (f"{PUBLISHED}.experts.{{e}}.w1.weight", f"{PUBLISHED}.experts.{{e}}.w3.weight"),
                stacked_gate_up,
            ),
            Recipe((f"{FUSED}.experts.{{e}}.w1.weight", f"{FUSED}.experts.{{e}}.w3.weight"), stacked_gate_up),
            Recipe((f"{FUSED}.experts.gate_up_proj",)),
        ),
    ),
    Rule(
        f"{FFN}.experts.down_proj",
        (
            Recipe((f"{PUBLISHED}.experts.{{e}}.w2.weight",), stacked),
            Recipe((f"{FUSED}.experts.{{e}}.w2.weight",), stacked),
            Recipe((f"{FUSED}.experts.down_proj",)),
        ),
    ),
)


def read(config: Config) -> Parts:
    """A Mixtral config → the parts of a spec."""
    shape = decoder.shape(config, defaults=DEFAULTS)
    layer = template(
        written(
            window=config.optional_integer("sliding_window"),
            attn_drop=config.probability("attention_dropout", 0.0) or None,
        ),
        {
            "type": "moe",
            "activation": config.choice("hidden_act", "silu", GATED),
            "moe": experts(config),
        },
    )
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-5),
        embedding=rope(config, shape, theta=1000000.0),
        layers=[("decoder", layer)] * shape.layers,
        tied=config.boolean("tie_word_embeddings", False),
        hints=init_std(config, "initializer_range"),
    )


def experts(config: Config) -> dict:
    """The keys of `moe`. The balance loss counts only where `output_router_logits` is set, as in transformers."""
    n_experts = config.integer("num_local_experts", 8)
    top_k = config.integer("num_experts_per_tok", 2)
    if top_k > n_experts:
        config.refuse("num_experts_per_tok", top_k, f"≤ num_local_experts = {n_experts}")
    balanced = config.boolean("output_router_logits", False)
    coefficient = config.number("router_aux_loss_coef", 0.001)
    jitter = config.number("router_jitter_noise", 0.0)
    moe = {
        "experts": n_experts,
        "top_k": top_k,
        "gated": True,
        "norm_top_k": True,
        "load_balance_coef": coefficient if balanced else 0.0,
    }
    return moe | written(router_jitter=jitter or None)


FAMILY = Family(
    model_type="mixtral",
    architectures=("MixtralForCausalLM", "MixtralModel"),
    read=read,
    rules=(*decoder.ROOT, *decoder.attention(), *EXPERTS, *decoder.PRE_NORMS),
    aliases={"num_experts": "num_local_experts"},
    tokens={"bos_token_id": 1, "eos_token_id": 2},
)
