"""DeepSeek-V2: latent attention and softmax routing without renormalisation (transformers/models/deepseek_v2)."""

from eulerstack.interop.config import Config
from eulerstack.interop.families import deepseek
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import Parts, init_std, named

DEFAULTS = {
    "vocab_size": 102400,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
    "q_lora_rank": 1536,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "moe_intermediate_size": 1407,
}


def read(config: Config) -> Parts:
    """A DeepSeek-V2 config → the parts of a spec."""
    shape = deepseek.shape(config, DEFAULTS)
    keys, embedding = deepseek.attention(config, shape, DEFAULTS)
    keys["rope_interleaved"] = True
    moe = deepseek.experts(config, DEFAULTS, top_k=6, scale=1.0) | {"affinity": "softmax", "norm_top_k": False}
    n_groups, limit = config.optional_integer("n_group"), config.optional_integer("topk_group")
    if config.choice("topk_method", "greedy", {"greedy": "", "group_limited_greedy": "max"}):
        moe |= deepseek.groups(config, moe, n_groups, limit, group_score="max")
    # The class renormalises in no case and has no balance loss; the others are read by nothing any more.
    config.ignore("norm_topk_prob", "output_router_logits", "pretraining_tp", "aux_loss_alpha", "seq_aux", "ep_size")
    config.neutral("scoring_func", "softmax")
    config.neutral("moe_layer_freq", 1)
    bias = config.boolean("mlp_bias", False)
    return Parts(
        shape=shape,
        eps=config.positive("rms_norm_eps", 1e-6),
        embedding=embedding,
        layers=named(deepseek.layers(config, shape, keys, moe, first_dense=0, bias=bias)),
        tied=config.boolean("tie_word_embeddings", False),
        hints=init_std(config, "initializer_range"),
    )


FAMILY = Family(
    model_type="deepseek_v2",
    architectures=("DeepseekV2ForCausalLM", "DeepseekV2Model"),
    read=read,
    rules=deepseek.RULES,
    aliases={"num_experts": "n_routed_experts"},
    tokens={"bos_token_id": 1, "eos_token_id": 2},
)
