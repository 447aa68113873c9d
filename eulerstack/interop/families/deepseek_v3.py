"""DeepSeek-V3: latent attention, sigmoid routing balanced by a bias, groups (transformers/models/deepseek_v3).

The modules that predict further tokens are not part of the class and are left out; a checkpoint's are ignored.
"""

from eulerstack.interop.config import Config
from eulerstack.interop.families import deepseek
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import Parts, init_std, named

DEFAULTS = {
    "vocab_size": 129280,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "max_position_embeddings": 4096,
    "q_lora_rank": 1536,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "moe_intermediate_size": 2048,
}


def read(config: Config) -> Parts:
    """A DeepSeek-V3 config → the parts of a spec. The balancing bias stays as it is: the class never moves it."""
    shape = deepseek.shape(config, DEFAULTS)
    keys, embedding = deepseek.attention(config, shape, DEFAULTS)
    if config.boolean("rope_interleave", True):
        keys["rope_interleaved"] = True
    moe = deepseek.experts(config, DEFAULTS, top_k=8, scale=2.5)
    moe |= {
        "affinity": "sigmoid",
        "norm_top_k": config.boolean("norm_topk_prob", True),
        "bias_correction": {"enabled": True, "update_rate": 0.0},
    }
    n_groups, limit = config.optional_integer("n_group", 8), config.optional_integer("topk_group", 4)
    if n_groups and moe["experts"] // n_groups < 2:
        config.refuse("n_group", n_groups, "n_routed_experts / n_group ≥ 2")
    moe |= deepseek.groups(config, moe, n_groups, limit)
    config.neutral("topk_method", "noaux_tc")
    config.neutral("scoring_func", "sigmoid")
    config.neutral("moe_layer_freq", 1)
    # Read by nothing, or by the modules that predict further tokens.
    config.ignore("output_router_logits", "pretraining_tp", "aux_loss_alpha", "seq_aux", "ep_size")
    config.ignore("num_mtp_layers")
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-6),
        embedding=embedding,
        layers=named(deepseek.layers(config, shape, keys, moe, first_dense=3, bias=False)),
        tied=config.boolean("tie_word_embeddings", False),
        hints=init_std(config, "initializer_range"),
    )


FAMILY = Family(
    model_type="deepseek_v3",
    architectures=("DeepseekV3ForCausalLM", "DeepseekV3Model"),
    read=read,
    rules=deepseek.RULES,
    aliases={"num_local_experts": "n_routed_experts", "num_nextn_predict_layers": "num_mtp_layers"},
    tokens={"bos_token_id": 0, "eos_token_id": 1},
    layers_beyond=True,
)
