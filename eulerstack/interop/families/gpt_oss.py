"""gpt-oss: sinks, alternating windows, biased experts with a clamped gate (transformers/models/gpt_oss)."""

from collections.abc import Sequence

import torch

from eulerstack.interop.config import Config
from eulerstack.interop.families import decoder
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import Parts, init_std, layer_types, named, template, windowed, written
from eulerstack.interop.rope import rope
from eulerstack.interop.weights import linear, rule, same

DEFAULTS = {
    "vocab_size": 201088,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "num_hidden_layers": 36,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "max_position_embeddings": 131072,
}
ROPE = {
    "rope_type": "yarn",
    "factor": 32.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "truncate": False,
    "original_max_position_embeddings": 4096,
}
"""What the class takes where rope_parameters are not written."""


def turned(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """[experts, in, out] → [experts, out, in]."""
    return same(tensors).transpose(1, 2)


def parted(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Gate and up in turn along the last dimension → all gates above all ups: [E, d, 2f] → [E, 2f, d]."""
    tensor = same(tensors)
    apart = torch.cat([tensor[..., 0::2], tensor[..., 1::2]], dim=-1)
    return apart.transpose(1, 2) if apart.ndim == 3 else apart


FFN, THEIRS = "model.layers.{i}.ffn", "model.layers.{i}.mlp"

EXPERTS = (
    *linear(f"{FFN}.router", f"{THEIRS}.router"),
    rule(f"{FFN}.experts.gate_up_proj", f"{THEIRS}.experts.gate_up_proj", transform=parted),
    rule(f"{FFN}.experts.gate_up_proj_bias", f"{THEIRS}.experts.gate_up_proj_bias", transform=parted),
    rule(f"{FFN}.experts.down_proj", f"{THEIRS}.experts.down_proj", transform=turned),
    rule(f"{FFN}.experts.down_proj_bias", f"{THEIRS}.experts.down_proj_bias"),
)
SINKS = rule("model.layers.{i}.mixer.sinks", "model.layers.{i}.self_attn.sinks")


def read(config: Config) -> Parts:
    """A gpt-oss config → the parts of a spec."""
    shape = decoder.shape(config, defaults=DEFAULTS)
    if not config.has("rope_scaling"):
        config.assume("rope_parameters", ROPE)
    bias = config.boolean("attention_bias", True)
    dropout = config.probability("attention_dropout", 0.0) or None
    alternating = ["full_attention" if i % 2 else "sliding_attention" for i in range(shape.layers)]
    kinds = layer_types(config, shape.layers, alternating)
    ffn = {"type": "moe", "activation": "swiglu", "bias": True, "moe": experts(config)}
    layers = []
    for window in windowed(config, kinds, config.optional_integer("sliding_window", 128)):
        keys = written(qkv_bias=bias, out_bias=bias, window=window, attn_drop=dropout)
        layers.append(("sliding" if window else "full", template(keys | {"attention_sinks": {}}, ffn)))
    config.ignore("hidden_act", "experts_per_token", "initial_context_length")  # read by nothing
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-5),
        embedding=rope(config, shape, theta=150000.0),
        layers=named(layers),
        tied=config.boolean("tie_word_embeddings", False),
        hints=init_std(config, "initializer_range"),
    )


def experts(config: Config) -> dict:
    """The keys of `moe`. A softmax over the chosen logits is the softmax over all, renormalised over the chosen."""
    n_experts = config.integer("num_local_experts", 128)
    top_k = config.integer("num_experts_per_tok", 4)
    if top_k > n_experts:
        config.refuse("num_experts_per_tok", top_k, f"≤ num_local_experts = {n_experts}")
    balanced = config.boolean("output_router_logits", False)
    coefficient = config.number("router_aux_loss_coef", 0.001)
    return {
        "experts": n_experts,
        "top_k": top_k,
        "gated": True,
        "gating": {
            "limit": config.positive("swiglu_limit", 7.0),
            "slope": config.positive("swiglu_alpha", 1.702),
            "up_offset": 1.0,
        },
        "norm_top_k": True,
        "router_bias": True,
        "load_balance_coef": coefficient if balanced else 0.0,
    }


FAMILY = Family(
    model_type="gpt_oss",
    architectures=("GptOssForCausalLM", "GptOssModel"),
    read=read,
    rules=(*decoder.ROOT, *decoder.attention(), SINKS, *EXPERTS, *decoder.PRE_NORMS),
    aliases={"num_experts": "num_local_experts"},
    add_bos=False,
)
