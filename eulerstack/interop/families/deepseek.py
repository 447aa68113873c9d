"""What DeepSeek-V2 and V3 share: latent attention, dense layers first, then experts of which some are shared."""

import math
from dataclasses import replace
from typing import Any

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder
from eulerstack.interop.plain import GATED, Plain, Shape, written
from eulerstack.interop.rope import rope
from eulerstack.interop.weights import Recipe, Rule, rule, stacked, stacked_gate_up

FFN, THEIRS = "model.layers.{i}.ffn", "model.layers.{i}.mlp"

LATENT_ATTENTION = (
    *decoder.attention("q_proj", "q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"),
    *(
        rule(f"model.layers.{{i}}.mixer.{name}.weight", f"model.layers.{{i}}.self_attn.{name}.weight")
        for name in ("q_a_layernorm", "kv_a_layernorm")
    ),
)

EXPERTS = (
    rule(f"{FFN}.router.weight", f"{THEIRS}.gate.weight"),
    rule(f"{FFN}.router.e_score_correction_bias", f"{THEIRS}.gate.e_score_correction_bias"),
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
        (Recipe((f"{THEIRS}.experts.{{e}}.down_proj.weight",), stacked), Recipe((f"{THEIRS}.experts.down_proj",))),
    ),
    *(
        rule(f"{FFN}.shared.{name}.weight", f"{THEIRS}.shared_experts.{name}.weight")
        for name in ("gate_proj", "up_proj", "down_proj")
    ),
)

RULES = (*decoder.ROOT, *LATENT_ATTENTION, *decoder.gated_mlp(), *EXPERTS, *decoder.PRE_NORMS)


def shape(config: Config, defaults: dict[str, Any]) -> Shape:
    """The sizes; keys and values are expanded for every query head."""
    config.ignore("head_dim", "qk_head_dim")  # derived anew from the widths of a head's two parts
    made = decoder.shape(config, defaults={**defaults, "num_key_value_heads": None})
    if made.n_kv_heads != made.n_heads:
        config.refuse("num_key_value_heads", made.n_kv_heads, f"num_attention_heads = {made.n_heads}")
    return replace(made, n_kv_heads=made.n_heads, head_dim=config.integer("v_head_dim", 128))


def attention(config: Config, sizes: Shape, defaults: dict[str, Any]) -> tuple[Plain, Plain]:
    """The keys of `attention` and of `embedding`. Both latents' norms add 1e-6, whatever rms_norm_eps is."""
    q_rank = config.optional_integer("q_lora_rank", defaults["q_lora_rank"])
    rope_dim = config.integer("qk_rope_head_dim", 64)
    if rope_dim % 2:
        config.refuse("qk_rope_head_dim", rope_dim, "2, 4, …")
    mla = written(
        kv_rank=config.integer("kv_lora_rank", 512),
        q_rank=q_rank,
        rope_dim=rope_dim,
        nope_dim=config.integer("qk_nope_head_dim", 128),
        v_dim=sizes.head_dim,
        norm_eps=1e-6,
    )
    bias = config.boolean("attention_bias", False)
    if bias and q_rank is None:
        config.refuse("attention_bias", True, "false (q_lora_rank = null)")
    embedding = rope(config, replace(sizes, head_dim=rope_dim))
    keys = written(
        mla=mla,
        qkv_bias=bias,
        out_bias=bias,
        scale=_scale(config, mla["nope_dim"] + rope_dim),
        attn_drop=config.probability("attention_dropout", 0.0) or None,
    )
    return keys, embedding


def _scale(config: Config, width: int) -> float | None:
    """The softmax scale where it is not width^−½: times m², m = 0.1·mscale_all_dim·ln(factor) + 1."""
    parameters = config.value("rope_scaling") or config.value("rope_parameters") or {}
    if not isinstance(parameters, dict):
        return None
    weight, kind = parameters.get("mscale_all_dim"), parameters.get("rope_type") or parameters.get("type") or "default"
    if kind == "default" or not weight:
        return None
    part = config.part({"mscale_all_dim": weight, "factor": parameters.get("factor", "missing")})
    weight, factor = part.positive("mscale_all_dim", 1.0), part.positive("factor", 1.0)
    mscale = 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0
    return width**-0.5 * mscale * mscale


def layers(config: Config, sizes: Shape, keys: Plain, sparse: Plain, *, first_dense: int, bias: bool) -> list:
    """The layers: the first ones with a dense ffn, the others with experts."""
    dense = config.optional_integer("first_k_dense_replace", first_dense, least=0) or 0
    mixer = {"type": "attention", "attention": keys}
    gate = config.choice("hidden_act", "silu", GATED)
    if bias and dense < sizes.layers:
        config.refuse("mlp_bias", True, "false (n_routed_experts ≥ 1)")
    wide = written(type="gated_mlp", activation=gate, bias=bias)
    narrow = {"type": "moe", "activation": gate, "moe": sparse}
    return [
        ("dense", {"mixer": mixer, "ffn": wide}) if i < dense else ("sparse", {"mixer": mixer, "ffn": narrow})
        for i in range(sizes.layers)
    ]


def experts(config: Config, defaults: dict[str, Any], *, top_k: int, scale: float) -> Plain:
    """The keys of `moe` under the names that both versions use."""
    n_experts = config.integer("n_routed_experts", defaults["n_routed_experts"])
    chosen = config.integer("num_experts_per_tok", top_k)
    if chosen > n_experts:
        config.refuse("num_experts_per_tok", chosen, f"≤ n_routed_experts = {n_experts}")
    return {
        "experts": n_experts,
        "top_k": chosen,
        "d_expert": config.integer("moe_intermediate_size", defaults["moe_intermediate_size"]),
        "shared_experts": config.integer("n_shared_experts", defaults["n_shared_experts"]),
        "gated": True,
        "load_balance_coef": 0.0,
        "routed_scale": config.positive("routed_scaling_factor", scale),
    }


def groups(config: Config, moe: Plain, n_groups: int | None, limit: int | None, **score: str) -> Plain:
    """Expert groups, where they limit the choice."""
    n_experts, top_k = moe["experts"], moe["top_k"]
    if n_groups is None or limit is None:
        config.refuse("n_group" if n_groups is None else "topk_group", None, "integer ≥ 1")
        return {}
    if n_experts % n_groups:
        config.refuse("n_group", n_groups, f"n_routed_experts % n_group = 0, n_routed_experts = {n_experts}")
    elif limit > n_groups or limit * (n_experts // n_groups) < top_k:
        config.refuse("topk_group", limit, f"≤ n_group = {n_groups}, ≥ {-(-top_k * n_groups // n_experts)}")
    elif limit < n_groups:
        return {"n_groups": n_groups, "balance": {"group_limit": limit, **score}}
    return {}
