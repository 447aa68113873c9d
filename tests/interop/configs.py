"""Random configurations of every family that can be imported."""

import random
from collections.abc import Callable
from typing import Any

import transformers

CLASSES = {
    "gpt2": (transformers.GPT2Config, transformers.GPT2LMHeadModel),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    "gemma2": (transformers.Gemma2Config, transformers.Gemma2ForCausalLM),
    "olmo2": (transformers.Olmo2Config, transformers.Olmo2ForCausalLM),
    "opt": (transformers.OPTConfig, transformers.OPTForCausalLM),
    "mixtral": (transformers.MixtralConfig, transformers.MixtralForCausalLM),
    "qwen3_next": (transformers.Qwen3NextConfig, transformers.Qwen3NextForCausalLM),
    "deepseek_v2": (transformers.DeepseekV2Config, transformers.DeepseekV2ForCausalLM),
    "deepseek_v3": (transformers.DeepseekV3Config, transformers.DeepseekV3ForCausalLM),
    "deepseek_v4": (transformers.DeepseekV4Config, transformers.DeepseekV4ForCausalLM),
    "gpt_oss": (transformers.GptOssConfig, transformers.GptOssForCausalLM),
    "mamba": (transformers.MambaConfig, transformers.MambaForCausalLM),
    "mamba2": (transformers.Mamba2Config, transformers.Mamba2ForCausalLM),
    "jamba": (transformers.JambaConfig, transformers.JambaForCausalLM),
    "falcon_h1": (transformers.FalconH1Config, transformers.FalconH1ForCausalLM),
}
BY_BLOCKS = ("deepseek_v4",)
"""Families whose blocks of tokens are counted from the start of a row, so that no padding may stand there."""

VOCAB = 53
MAX_LENGTH = 40
GATES = ("silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "relu2", "swish", "gelu_python", "gelu_fast")
ROPES = ("default", "linear", "dynamic", "yarn", "llama3", "longrope")


def settings(family: str, seed: int) -> dict[str, Any]:
    """Arguments of a random config of `family`, all of whose fields vary with the seed; no dropout."""
    rng = random.Random(f"{family}/{seed}")
    return {"vocab_size": VOCAB, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0} | _OWN[family](rng)


def _heads(rng: random.Random, *, tiled: bool = False) -> dict[str, Any]:
    """Sizes; unless `tiled`, head_dim may be explicit and unequal to hidden_size / heads."""
    heads = rng.choice((2, 4, 6))
    head_dim = rng.choice((4, 8, 10))
    sizes = {
        "num_attention_heads": heads,
        "num_key_value_heads": rng.choice([n for n in (1, 2, 3, 4, 6) if heads % n == 0]),
        "hidden_size": heads * head_dim,
        "intermediate_size": rng.choice((24, 40)),
        "num_hidden_layers": rng.choice((2, 3, 4)),
        "max_position_embeddings": MAX_LENGTH,
        "initializer_range": rng.choice((0.02, 0.05)),
        "tie_word_embeddings": rng.random() < 0.5,
    }
    if not tiled and rng.random() < 0.6:
        sizes["hidden_size"] = heads * rng.choice((6, 9))
    return sizes | {"head_dim": head_dim}


def _rms(rng: random.Random) -> dict[str, Any]:
    return {"rms_norm_eps": rng.choice((1e-6, 1e-5, 1e-2))}


def _act(rng: random.Random) -> dict[str, Any]:
    return {"hidden_act": rng.choice(GATES)}


def rope(kind: str, rng: random.Random, head_dim: int) -> dict[str, Any]:
    """Rotary positions of one kind, under today's names or yesterday's."""
    own: dict[str, Any] = {"linear": {"factor": 2.5}, "dynamic": {"factor": 2.0}, "default": {}}.get(kind, {})
    if kind == "yarn":
        own = {"factor": 4.0, "original_max_position_embeddings": 16} | rng.choice(
            (
                {},
                {"attention_factor": 0.8},
                {"mscale": 1.0, "mscale_all_dim": 0.5},
                {"beta_fast": 16.0, "beta_slow": 2.0, "truncate": False},
            )
        )
    elif kind == "llama3":
        own = {
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        }
    elif kind == "longrope":
        own = {
            "short_factor": [1.0 + 0.1 * i for i in range(head_dim // 2)],
            "long_factor": [2.0 + 0.3 * i for i in range(head_dim // 2)],
            "original_max_position_embeddings": 16,
        } | rng.choice(({}, {"factor": 3.0}, {"attention_factor": 1.1}))
    theta = rng.choice((100.0, 10000.0))
    if rng.random() < 0.5:
        return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **own}}
    name = rng.choice(("type", "rope_type"))
    return {"rope_theta": theta} | ({"rope_scaling": {name: kind, **own}} if kind != "default" else {})


def _rope(rng: random.Random, head_dim: int) -> dict[str, Any]:
    return rope(rng.choice(ROPES), rng, head_dim)


def _llama(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    bias = {"attention_bias": rng.random() < 0.5, "mlp_bias": rng.random() < 0.5}
    return sizes | _rms(rng) | _act(rng) | _rope(rng, sizes["head_dim"]) | bias | {"pretraining_tp": 2}


def _mistral(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    return sizes | _rms(rng) | _act(rng) | _rope(rng, sizes["head_dim"]) | {"sliding_window": rng.choice((None, 2, 5))}


def _windows(rng: random.Random, layers: int) -> dict[str, Any]:
    window = {"sliding_window": rng.choice((3, 7)), "max_window_layers": rng.randrange(layers + 1)}
    if rng.random() < 0.3:
        return window | {"use_sliding_window": False}
    kinds = [rng.choice(("full_attention", "sliding_attention")) for _ in range(layers)]
    return window | {"use_sliding_window": True} | ({"layer_types": kinds} if rng.random() < 0.5 else {})


def _qwen2(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    return sizes | _rms(rng) | _act(rng) | _rope(rng, sizes["head_dim"]) | _windows(rng, sizes["num_hidden_layers"])


def _qwen3(rng: random.Random) -> dict[str, Any]:
    return _qwen2(rng) | {"attention_bias": rng.random() < 0.5}


def _gemma2(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    kinds = [rng.choice(("full_attention", "sliding_attention")) for _ in range(sizes["num_hidden_layers"])]
    own = {
        "hidden_activation": rng.choice(GATES),
        "query_pre_attn_scalar": rng.choice((3, 16, 64)),
        "attn_logit_softcapping": rng.choice((None, 5.0)),
        "final_logit_softcapping": rng.choice((None, 10.0)),
        "sliding_window": rng.choice((3, 7)),
        "attention_bias": rng.random() < 0.5,
    }
    return (
        sizes | _rms(rng) | _rope(rng, sizes["head_dim"]) | own | ({"layer_types": kinds} if rng.random() < 0.5 else {})
    )


def _olmo2(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    return sizes | _rms(rng) | _act(rng) | _rope(rng, sizes["head_dim"]) | {"attention_bias": rng.random() < 0.5}


def _mixtral(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    experts = rng.choice((2, 4, 5))
    own = {
        "num_local_experts": experts,
        "num_experts_per_tok": rng.choice([k for k in (1, 2, 3) if k <= experts]),
        "sliding_window": rng.choice((None, 4)),
        "output_router_logits": rng.random() < 0.5,
        "router_aux_loss_coef": 0.1,
    }
    return sizes | _rms(rng) | _act(rng) | _rope(rng, sizes["head_dim"]) | own


def _qwen3_next(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng) | {"head_dim": rng.choice((8, 10))}  # dynamic positions divide by the rotated width − 2
    layers, key_heads, experts = sizes["num_hidden_layers"], rng.choice((1, 2)), rng.choice((3, 4))
    kinds = [rng.choice(("linear_attention", "full_attention")) for _ in range(layers - 1)] + ["full_attention"]
    placed = rng.choice(({"full_attention_interval": layers}, {"layer_types": kinds}, {"full_attention_interval": 2}))
    factor = rng.choice((0.5, 1.0)) if sizes["head_dim"] == 8 else 0.85
    positions = rope(rng.choice([kind for kind in ROPES if kind != "longrope"]), rng, sizes["head_dim"])
    inside = positions.get("rope_parameters") or positions.get("rope_scaling")
    if inside and rng.random() < 0.7:
        inside["partial_rotary_factor"] = factor
    else:
        positions["partial_rotary_factor"] = factor
    sparse = {"decoder_sparse_step": 1, "mlp_only_layers": rng.choice(([], [1]))}
    if rng.random() < 0.3:
        sparse = {"decoder_sparse_step": 2}
    own = {
        "linear_num_key_heads": key_heads,
        "linear_num_value_heads": key_heads * rng.choice((1, 3)),
        "linear_key_head_dim": rng.choice((4, 6)),
        "linear_value_head_dim": rng.choice((4, 5)),
        "linear_conv_kernel_dim": rng.choice((2, 4)),
        "num_experts": experts,
        "num_experts_per_tok": rng.choice((1, 2)),
        "moe_intermediate_size": rng.choice((8, 12)),
        "shared_expert_intermediate_size": 16,
        "norm_topk_prob": rng.random() < 0.5,
        "output_router_logits": rng.random() < 0.5,
        "router_aux_loss_coef": 0.1,
    }
    return sizes | _rms(rng) | {"hidden_act": rng.choice(("silu", "swish"))} | positions | own | sparse | placed


def _latent(rng: random.Random) -> dict[str, Any]:
    """What DeepSeek-V2 and V3 have in common."""
    sizes = _heads(rng)
    del sizes["head_dim"]
    sizes["num_key_value_heads"] = sizes["num_attention_heads"]
    rope_dim, q_rank = rng.choice((4, 6)), rng.choice((None, 8, 12))
    kinds = {
        "q_lora_rank": q_rank,
        "kv_lora_rank": rng.choice((8, 10)),
        "qk_rope_head_dim": rope_dim,
        "qk_nope_head_dim": rng.choice((4, 6)),
        "v_head_dim": rng.choice((4, 6, 10)),
        "attention_bias": q_rank is not None and rng.random() < 0.5,
        "first_k_dense_replace": rng.choice((0, 1, sizes["num_hidden_layers"])),
        "moe_intermediate_size": rng.choice((8, 12)),
        "n_routed_experts": 8,
        "n_shared_experts": rng.choice((1, 2)),
        "num_experts_per_tok": rng.choice((1, 2, 3)),
        "routed_scaling_factor": rng.choice((1.0, 2.5)),
    }
    positions = _rope(rng, rope_dim)
    inside = positions.get("rope_parameters") or positions.get("rope_scaling") or {}
    if "factor" in inside and rng.random() < 0.3 and inside.get("rope_type", inside.get("type")) == "yarn":
        inside |= {"mscale": 1.0, "mscale_all_dim": 0.8}
    return sizes | _rms(rng) | _act(rng) | positions | kinds


def _deepseek_v2(rng: random.Random) -> dict[str, Any]:
    own = _latent(rng)
    grouped = {"topk_method": "group_limited_greedy", "n_group": 4, "topk_group": rng.choice((2, 4))}
    own |= rng.choice(({"topk_method": "greedy"}, grouped))
    own["mlp_bias"] = own["first_k_dense_replace"] == own["num_hidden_layers"] and rng.random() < 0.5
    return own


def _deepseek_v3(rng: random.Random) -> dict[str, Any]:
    groups = rng.choice((1, 2, 4))
    return _latent(rng) | {
        "n_group": groups,
        "topk_group": rng.choice([n for n in (1, 2, 4) if n <= groups and n * 8 // groups >= 3]),
        "norm_topk_prob": rng.random() < 0.5,
        "rope_interleave": rng.random() < 0.6,
    }


def _deepseek_v4(rng: random.Random) -> dict[str, Any]:
    """With enough heads in the indexer that no two blocks score alike."""
    heads, head_dim, layers = rng.choice((2, 4)), rng.choice((8, 12)), rng.choice((3, 4))
    names = ("sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention")
    kinds = [*rng.sample(names, 3), *rng.choices(names, k=layers - 3)]
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
    positions = rng.choice(
        (
            {"rope_theta": 100.0, "partial_rotary_factor": 0.5},
            {"rope_scaling": {"type": "yarn", **{k: v for k, v in scaling.items() if k != "rope_type"}}},
            {
                "rope_parameters": {
                    "main": {"rope_type": "default", "rope_theta": 50.0, "partial_rotary_factor": 0.5},
                    "compress": {**scaling, "rope_theta": 200.0, "partial_rotary_factor": 0.5, "attention_factor": 0.9},
                }
            },
        )
    )
    return (
        {
            "num_attention_heads": heads,
            "num_key_value_heads": 1,
            "head_dim": head_dim,
            "hidden_size": rng.choice((24, 32)),
            "moe_intermediate_size": rng.choice((8, 12)),
            "num_hidden_layers": layers,
            "max_position_embeddings": MAX_LENGTH,
            "initializer_range": rng.choice((0.02, 0.05)),
            "tie_word_embeddings": rng.random() < 0.5,
            "q_lora_rank": rng.choice((8, 12)),
            "layer_types": kinds,
            "mlp_layer_types": [rng.choice(("hash_moe", "moe")) for _ in range(layers)],
            "compress_rates": {names[1]: rng.choice((2, 4)), names[2]: rng.choice((3, 8))},
            "compress_rope_theta": 500.0,
            "partial_rotary_factor": 0.5,
            "sliding_window": rng.choice((3, 7)),
            "o_groups": rng.choice((1, 2)),
            "o_lora_rank": rng.choice((4, 6)),
            "index_n_heads": 16,
            "index_head_dim": rng.choice((8, 10)),
            "index_topk": rng.choice((2, 20)),
            "n_routed_experts": 4,
            "num_experts_per_tok": rng.choice((1, 2)),
            "scoring_func": rng.choice(("sqrtsoftplus", "sigmoid")),
            "routed_scaling_factor": rng.choice((1.0, 1.5)),
            "swiglu_limit": rng.choice((0.3, 10.0)),
            "hc_mult": rng.choice((2, 4)),
            "hc_sinkhorn_iters": rng.choice((1, 5)),
        }
        | _rms(rng)
        | _act(rng)
        | positions
    )


def _gpt_oss(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    kinds = [rng.choice(("full_attention", "sliding_attention")) for _ in range(sizes["num_hidden_layers"])]
    own = {
        "sliding_window": rng.choice((3, 7)),
        "num_local_experts": rng.choice((2, 4, 5)),
        "num_experts_per_tok": rng.choice((1, 2)),
        "swiglu_limit": rng.choice((0.3, 7.0)),
        "swiglu_alpha": rng.choice((1.0, 1.702)),
        "attention_bias": rng.random() < 0.6,
        "output_router_logits": rng.random() < 0.5,
        "router_aux_loss_coef": 0.1,
    }
    placed = {"layer_types": kinds} if rng.random() < 0.5 else {}
    return sizes | _rms(rng) | _rope(rng, sizes["head_dim"]) | own | placed


def _gpt2(rng: random.Random) -> dict[str, Any]:
    heads = rng.choice((2, 4))
    return {
        "n_head": heads,
        "n_embd": heads * rng.choice((4, 7)),
        "n_layer": rng.choice((2, 3)),
        "n_positions": MAX_LENGTH,
        "n_inner": rng.choice((None, 30)),
        "activation_function": rng.choice(GATES),
        "layer_norm_epsilon": rng.choice((1e-5, 1e-2)),
        "scale_attn_weights": rng.random() < 0.5,
        "scale_attn_by_inverse_layer_idx": rng.random() < 0.5,
        "reorder_and_upcast_attn": rng.random() < 0.5,
        "tie_word_embeddings": rng.random() < 0.5,
        "initializer_range": rng.choice((0.02, 0.05)),
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
    }


def _opt(rng: random.Random) -> dict[str, Any]:
    heads = rng.choice((2, 4))
    width = heads * rng.choice((4, 7))
    return {
        "num_attention_heads": heads,
        "hidden_size": width,
        "num_hidden_layers": rng.choice((2, 3)),
        "ffn_dim": rng.choice((24, 40)),
        "max_position_embeddings": MAX_LENGTH,
        "activation_function": rng.choice(GATES),
        "do_layer_norm_before": rng.random() < 0.5,
        "_remove_final_layer_norm": rng.random() < 0.3,
        "word_embed_proj_dim": rng.choice((None, width, 12)),
        "enable_bias": rng.random() < 0.5,
        "layer_norm_elementwise_affine": rng.random() < 0.6,
        "tie_word_embeddings": rng.random() < 0.5,
        "init_std": rng.choice((0.02, 0.05)),
        "dropout": 0.0,
    }


def _mamba(rng: random.Random) -> dict[str, Any]:
    """No bias of the projections: transformers lets it leak from padding into the convolution."""
    return {
        "hidden_size": rng.choice((12, 20)),
        "state_size": rng.choice((3, 8)),
        "num_hidden_layers": rng.choice((2, 3)),
        "layer_norm_epsilon": rng.choice((1e-5, 1e-2)),
        "expand": rng.choice((1, 2, 3)),
        "conv_kernel": rng.choice((1, 2, 4)),
        "use_conv_bias": rng.random() < 0.5,
        "hidden_act": rng.choice(GATES),
        "initializer_range": rng.choice((0.02, 0.1)),
        "time_step_rank": rng.choice(("auto", 3)),
        "tie_word_embeddings": rng.random() < 0.5,
        "residual_in_fp32": rng.random() < 0.5,
    }


def _mamba2(rng: random.Random) -> dict[str, Any]:
    settings = _mamba(rng)
    groups = rng.choice((1, 2))
    head_dim = rng.choice((2, 4))
    return settings | {
        "hidden_size": 16,
        "head_dim": head_dim,
        "num_heads": settings["expand"] * 16 // head_dim,
        "n_groups": groups,
        "chunk_size": rng.choice((4, 64)),
    }


def _wide_eps(rng: random.Random) -> dict[str, Any]:
    """Norms of a few numbers: a smaller eps makes fp32 gradients differ from exact ones by more than they may here."""
    return {"rms_norm_eps": rng.choice((1e-3, 1e-2))}


def _jamba(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng, tiled=True)
    del sizes["head_dim"]
    attention, expert = rng.choice(((2, 1), (3, 0), (1, 0))), rng.choice(((2, 1), (1, 0), (3, 2)))
    experts = rng.choice((1, 3, 4))
    own = {
        "num_hidden_layers": rng.choice((3, 4)),
        "attn_layer_period": attention[0],
        "attn_layer_offset": attention[1],
        "expert_layer_period": expert[0],
        "expert_layer_offset": expert[1],
        "num_experts": experts,
        "num_experts_per_tok": rng.choice((1, 2)),
        "output_router_logits": experts > 1 and rng.random() < 0.5,
        "router_aux_loss_coef": 0.1,
        "mamba_d_state": rng.choice((3, 8)),
        "mamba_d_conv": rng.choice((1, 4)),
        "mamba_expand": rng.choice((1, 2)),
        "mamba_dt_rank": rng.choice(("auto", 3)),
        "mamba_conv_bias": rng.random() < 0.5,
    }
    return sizes | _wide_eps(rng) | _act(rng) | own


def _falcon_h1(rng: random.Random) -> dict[str, Any]:
    sizes = _heads(rng)
    n_heads, head_dim = rng.choice((2, 4)), rng.choice((3, 6))

    def factors(count: int) -> list[float]:
        return [rng.choice((0.5, 1.0, 1.25)) for _ in range(count)]

    own = {
        "mamba_d_ssm": n_heads * head_dim,
        "mamba_n_heads": n_heads,
        "mamba_d_head": rng.choice(("auto", head_dim)),
        "mamba_n_groups": rng.choice((1, 2)),
        "mamba_d_state": rng.choice((3, 8)),
        "mamba_d_conv": rng.choice((1, 4)),
        "mamba_chunk_size": rng.choice((4, 64)),
        "mamba_conv_bias": rng.random() < 0.5,
        "mamba_rms_norm": rng.random() < 0.5,
        "mamba_norm_before_gate": rng.random() < 0.5,
        "projectors_bias": rng.random() < 0.5,
        "attention_bias": rng.random() < 0.5,
        "mlp_bias": rng.random() < 0.5,
        "mlp_multipliers": factors(2),
        "ssm_multipliers": factors(5),
    }
    names = ("lm_head", "embedding", "key", "attention_in", "attention_out", "ssm_in", "ssm_out")
    own |= {f"{name}_multiplier": factor for name, factor in zip(names, factors(len(names)), strict=True)}
    return sizes | _wide_eps(rng) | _act(rng) | _rope(rng, sizes["head_dim"]) | own


_OWN: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "gpt2": _gpt2,
    "llama": _llama,
    "mistral": _mistral,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gemma2": _gemma2,
    "olmo2": _olmo2,
    "opt": _opt,
    "mixtral": _mixtral,
    "deepseek_v2": _deepseek_v2,
    "deepseek_v4": _deepseek_v4,
    "gpt_oss": _gpt_oss,
    "deepseek_v3": _deepseek_v3,
    "qwen3_next": _qwen3_next,
    "mamba": _mamba,
    "mamba2": _mamba2,
    "jamba": _jamba,
    "falcon_h1": _falcon_h1,
}
