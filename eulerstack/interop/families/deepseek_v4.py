"""DeepSeek-V4: compressed attentions, hyper-connections, experts by score or by hash (transformers/models/deepseek_v4).

The indexers are taken over as they are and stay so: the class gives them no gradient. Modules that predict further
tokens are not part of the class; a checkpoint's are ignored.
"""

from collections.abc import Sequence
from typing import Any

import torch

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import GATED, Parts, Plain, Shape, init_std, named, written
from eulerstack.interop.rope import rope
from eulerstack.interop.weights import Recipe, Rule, Transform, same, stacked, stacked_gate_up

DEFAULTS = {
    "vocab_size": 129280,
    "hidden_size": 4096,
    "intermediate_size": 2048,
    "num_hidden_layers": 43,
    "num_attention_heads": 64,
    "num_key_value_heads": 1,
    "head_dim": 512,
    "max_position_embeddings": 1048576,
}
SLIDING, CSA, HCA = "sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"
NAMES = {SLIDING: "sliding", CSA: "csa", HCA: "hca"}
RATIOS = {0: SLIDING, 4: CSA, 128: HCA}
"""Kinds of layers by the older key `compress_ratios`."""

ROTATED = 64 / 512
"""How much of a head is rotated where the config does not say."""


def long(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """A table of whole numbers as int64."""
    return same(tensors).long()


LAYER = "model.layers.{i}."


def both(target: str, memory: str, published: str, transform: Transform = same) -> Rule:
    """A tensor of a layer under transformers' name and under the published one, which transformers saves too."""
    sources = (f"{LAYER}{memory}", f"{LAYER}{published}")
    return Rule(f"{LAYER}{target}", tuple(Recipe((source,), transform) for source in sources))


def pooling(ours: str, memory: str, published: str) -> tuple[Rule, ...]:
    """What turns blocks into entries."""
    names = (
        ("kv_proj.weight", "wkv.weight"),
        ("gate_proj.weight", "wgate.weight"),
        ("position_bias", "ape"),
        ("kv_norm.weight", "norm.weight"),
    )
    return tuple(both(f"{ours}.{name}", f"{memory}.{name}", f"{published}.{other}") for name, other in names)


ATTENTION = (
    *(
        both(f"mixer.{ours}", f"self_attn.{memory}", f"attn.{published}")
        for ours, memory, published in (
            ("q_a_proj.weight", "q_a_proj.weight", "wq_a.weight"),
            ("q_a_norm.weight", "q_a_norm.weight", "q_norm.weight"),
            ("q_b_proj.weight", "q_b_proj.weight", "wq_b.weight"),
            ("k_proj.weight", "kv_proj.weight", "wkv.weight"),
            ("k_norm.weight", "kv_norm.weight", "norm.weight"),
            ("o_a_proj.weight", "o_a_proj.weight", "wo_a.weight"),
            ("o_b_proj.weight", "o_b_proj.weight", "wo_b.weight"),
            ("sinks", "sinks", "attn_sink"),
        )
    ),
    *pooling("mixer.compressor", "self_attn.compressor", "attn.compressor"),
    *pooling("mixer.indexer.compressor", "self_attn.compressor.indexer", "attn.indexer.compressor"),
    both("mixer.indexer.q_proj.weight", "self_attn.compressor.indexer.q_b_proj.weight", "attn.indexer.wq_b.weight"),
    both(
        "mixer.indexer.weights_proj.weight",
        "self_attn.compressor.indexer.scorer.weights_proj.weight",
        "attn.indexer.weights_proj.weight",
    ),
)

EXPERTS = (
    both("ffn.router.weight", "mlp.gate.weight", "ffn.gate.weight"),
    both("ffn.router.e_score_correction_bias", "mlp.gate.e_score_correction_bias", "ffn.gate.bias"),
    both("ffn.router.expert_of_token", "mlp.gate.tid2eid", "ffn.gate.tid2eid", long),
    Rule(
        f"{LAYER}ffn.experts.gate_up_proj",
        (
            Recipe((f"{LAYER}mlp.experts.gate_up_proj",)),
            Recipe((f"{LAYER}ffn.experts.{{e}}.w1.weight", f"{LAYER}ffn.experts.{{e}}.w3.weight"), stacked_gate_up),
        ),
    ),
    Rule(
        f"{LAYER}ffn.experts.down_proj",
        (Recipe((f"{LAYER}mlp.experts.down_proj",)), Recipe((f"{LAYER}ffn.experts.{{e}}.w2.weight",), stacked)),
    ),
    *(
        both(f"ffn.shared.{name}.weight", f"mlp.shared_experts.{name}.weight", f"ffn.shared_experts.{other}.weight")
        for name, other in (("gate_proj", "w1"), ("up_proj", "w3"), ("down_proj", "w2"))
    ),
)

AROUND = (
    both("mixer_norm.weight", "input_layernorm.weight", "attn_norm.weight"),
    both("ffn_norm.weight", "post_attention_layernorm.weight", "ffn_norm.weight"),
    *(both(f"mixer_hyper.{name}", f"attn_hc.{name}", f"hc_attn_{name}") for name in ("fn", "base", "scale")),
    *(both(f"ffn_hyper.{name}", f"ffn_hc.{name}", f"hc_ffn_{name}") for name in ("fn", "base", "scale")),
)

ROOT = (
    Rule("model.embed_tokens.weight", (Recipe(("model.embed_tokens.weight",)), Recipe(("model.embed.weight",)))),
    Rule("model.norm.weight", (Recipe(("model.norm.weight",)),)),
    Rule("lm_head.weight", (Recipe(("head.weight",)), Recipe(("lm_head.weight",)), Recipe(("model.head.weight",)))),
    *(
        Rule(
            f"model.collapses.0.{name}",
            (Recipe((f"model.hc_head.hc_{name}",)), Recipe((f"model.hc_head_{name}",))),
        )
        for name in ("fn", "base", "scale")
    ),
)


def read(config: Config) -> Parts:
    """A DeepSeek-V4 config → the parts of a spec."""
    config.assume("moe_intermediate_size", DEFAULTS["intermediate_size"])
    config.assume("intermediate_size", config.value("moe_intermediate_size"))
    shape = decoder.shape(config, defaults=DEFAULTS)
    config.neutral("num_key_value_heads", None, 1)
    rope_dim, embedding, theta = positions(config, shape)
    shared = attention(config, shape) | {"rope_dim": rope_dim, "rope_interleaved": True}
    blocks = compressions(config, rope_dim)
    hyper = {
        "expand": config.integer("hc_mult", 4),
        "mixing": "birkhoff",
        "sinkhorn_iters": config.integer("hc_sinkhorn_iters", 20),
    }
    config.neutral("hc_eps", 1e-6)
    gate = config.choice("hidden_act", "silu", GATED)
    layers = []
    for kind, routing in zip(kinds(config, shape.layers), routings(config, shape.layers), strict=True):
        own = {"compression": blocks[kind], "rope_theta": theta} if kind != SLIDING else {}
        own |= {"rope_scaled": False} if kind == SLIDING and "rope_scaling" in embedding else {}
        ffn = {"type": "moe", "activation": gate, "moe": experts(config, hashed=routing == "hash_moe")}
        name = NAMES[kind] + ("_hash" if routing == "hash_moe" else "")
        residual = {"type": "hyper_connection", "hyper": hyper}
        mixer = {"type": "attention", "attention": {**shared, **own}}
        layers.append((name, {"mixer": mixer, "ffn": ffn, "residual": residual}))
    # Read by nothing, or by modules that the class does not have.
    config.ignore("attention_bias", "norm_topk_prob", "n_shared_experts", "router_aux_loss_coef", "num_mtp_layers")
    config.ignore("expert_dtype", "topk_method")
    config.neutral("mlp_bias", False)
    config.neutral("output_router_logits", False)
    config.neutral("router_jitter_noise", 0.0, 0)
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-6),
        embedding=embedding,
        layers=named(layers),
        tied=config.boolean("tie_word_embeddings", False),
        hints=init_std(config, "initializer_range"),
    )


def positions(config: Config, shape: Shape) -> tuple[int, Plain, float]:
    """How many features of a head are rotated, the keys of `embedding`, and the base of compressed layers.

    Sliding layers have plain positions, compressed ones their own base and scaling.
    """
    theta = config.positive("rope_theta", 10000.0)
    compressed_theta = config.positive("compress_rope_theta", 160000.0)
    older = config.optional_integer("qk_rope_head_dim")
    share = config.optional_positive("partial_rotary_factor") or (older / shape.head_dim if older else ROTATED)
    value = config.value("rope_scaling") or config.value("rope_parameters") or {}
    if not isinstance(value, dict):
        config.refuse("rope_parameters", value, "{…}, null")
        value = {}
    main, compress = value.get("main"), value.get("compress")
    if isinstance(main, dict) and isinstance(compress, dict):
        shares = {main.get("partial_rotary_factor", 1.0), compress.get("partial_rotary_factor", 1.0)}
        if len(shares) > 1 or main.get("rope_type", main.get("type", "default")) != "default":
            config.refuse("rope_parameters.main", main, "{rope_type: default, partial_rotary_factor: compress}")
        theta, share = main.get("rope_theta", theta), shares.pop()
    else:
        flat = {key: item for key, item in value.items() if key not in ("main", "compress")}
        compress = {**flat, "rope_theta": compressed_theta}
        if flat.get("rope_type", flat.get("type")) == "yarn":
            compress.setdefault("attention_factor", 1.0)
    rope_dim = _rotated(config, share, shape.head_dim)
    inner = config.part({"rope_parameters": compress, "rope_theta": compressed_theta})
    embedding = rope(inner, shape, rotated=rope_dim)
    compressed_theta = embedding["rope_theta"]
    main_config = config.part({"rope_theta": theta})
    return rope_dim, embedding | {"rope_theta": main_config.positive("rope_theta", 10000.0)}, compressed_theta


def _rotated(config: Config, share: Any, head_dim: int) -> int:
    """`share` of a head, an even width."""
    is_number = isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 1
    width = int(head_dim * share) if is_number else 0
    if width < 2 or width % 2:
        config.refuse(
            "partial_rotary_factor", share, f"partial_rotary_factor · head_dim ∈ {{2, 4, …}}, head_dim = {head_dim}"
        )
        return 2
    return width


def attention(config: Config, shape: Shape) -> Plain:
    """The keys that all kinds of attention share."""
    groups = config.integer("o_groups", 8)
    if shape.n_heads % groups:
        config.refuse("o_groups", groups, f"num_attention_heads % o_groups = 0, num_attention_heads = {shape.n_heads}")
    return written(
        n_kv_heads=1,
        v_from_k=True,
        q_rank=config.integer("q_lora_rank", 1024),
        qk_norm="head",
        attention_sinks={},
        o_groups=groups,
        o_rank=config.integer("o_lora_rank", 1024),
        window=config.integer("sliding_window", 128),
        attn_drop=config.probability("attention_dropout", 0.0) or None,
    ) | {"q_norm_weight": False}


def compressions(config: Config, rope_dim: int) -> dict[str, Plain]:
    """The keys of `compression` by kind of layer."""
    rates = config.value("compress_rates") or {}
    if not isinstance(rates, dict):
        config.refuse("compress_rates", rates, "{…}, null")
        rates = {}
    csa, hca = (
        config.part({"rate": rates.get(kind)} if rates.get(kind) is not None else {}).integer("rate", default)
        for kind, default in (
            (CSA, config.integer("compress_rate_csa", 4)),
            (HCA, config.integer("compress_rate_hca", 128)),
        )
    )
    width = config.integer("index_head_dim", 128)
    indexer = {
        "arch": "relu_mha",
        "n_heads": config.integer("index_n_heads", 64),
        "d_per_head": width,
        "dtype": "fp32",
        "learnable": False,
    }
    if width < rope_dim:
        config.refuse("index_head_dim", width, f"≥ {rope_dim}")
    top_k = config.integer("index_topk", 512)
    return {
        CSA: {"type": "csa", "m_block": csa, "indexer": indexer, "top_k_blocks": top_k},
        HCA: {"type": "hca", "m_block": hca},
    }


def kinds(config: Config, layers: int) -> list[str]:
    """Each layer's kind of attention."""
    found, ratios = config.value("layer_types"), config.value("compress_ratios")
    if found is None and ratios is not None:
        known = isinstance(ratios, list) and all(isinstance(r, int) and r in RATIOS for r in ratios)
        found = [RATIOS[ratio] for ratio in ratios] if known else ratios
    if found is None:
        found = [HCA] * min(layers, 2) + [CSA if i % 2 else HCA for i in range(layers - 2)]
    return _of_each_layer(config, "layer_types", found, tuple(NAMES), layers)


def routings(config: Config, layers: int) -> list[str]:
    """Whether each layer's experts are chosen by a hash or by scores."""
    hashed = config.integer("num_hash_layers", 3, least=0)
    found = config.value("mlp_layer_types")
    if found is None:
        found = ["hash_moe"] * min(layers, hashed) + ["moe"] * max(0, layers - hashed)
    return _of_each_layer(config, "mlp_layer_types", found, ("hash_moe", "moe"), layers)


def _of_each_layer(config: Config, key: str, found: Any, allowed: tuple[str, ...], layers: int) -> list[str]:
    if not isinstance(found, list) or len(found) < layers or any(kind not in allowed for kind in found):
        config.refuse(key, found, f"[{' | '.join(allowed)}, …] × {layers}")
        return [allowed[-1]] * layers
    return found[:layers]


def experts(config: Config, *, hashed: bool) -> Plain:
    """The keys of `moe`. The balancing bias stays as it is: the class never moves it."""
    n_experts = config.integer("n_routed_experts", 256)
    top_k = config.integer("num_experts_per_tok", 6)
    if top_k > n_experts:
        config.refuse("num_experts_per_tok", top_k, f"≤ n_routed_experts = {n_experts}")
    affinity = config.choice("scoring_func", "sqrtsoftplus", {"sqrtsoftplus": "sqrt_softplus", "sigmoid": "sigmoid"})
    moe = {
        "experts": n_experts,
        "top_k": top_k,
        "affinity": affinity,
        "shared_experts": 1,
        "gated": True,
        "gating": {"limit": config.positive("swiglu_limit", 10.0)},
        "norm_top_k": True,
        "routed_scale": config.positive("routed_scaling_factor", 1.5),
        "load_balance_coef": 0.0,
    }
    if hashed:
        return moe | {"routing": {"type": "hash", "hash_salt": 0}}
    return moe | {"bias_correction": {"enabled": True, "update_rate": 0.0}}


FAMILY = Family(
    model_type="deepseek_v4",
    architectures=("DeepseekV4ForCausalLM", "DeepseekV4Model"),
    read=read,
    rules=(*ROOT, *ATTENTION, *EXPERTS, *AROUND),
    head="head.weight",
    ignored=(r"rotary_emb\.", r"(^|\.)mtp\."),
    aliases={"num_local_experts": "n_routed_experts", "num_nextn_predict_layers": "num_mtp_layers"},
    tokens={"bos_token_id": 0, "eos_token_id": 1},
)
