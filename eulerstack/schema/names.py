"""Unknown names: the nearest known one, and what other libraries call the language's keys."""

from collections.abc import Iterable
from difflib import get_close_matches

SYNONYMS: dict[str, str] = {
    # transformers: llama and its kin
    "hidden_size": "model.d_model",
    "num_hidden_layers": "layer_schedule.repeat",
    "num_attention_heads": "model.n_heads",
    "num_key_value_heads": "model.n_kv_heads",
    "intermediate_size": "model.d_ff",
    "max_position_embeddings": "model.max_seq_len",
    "rms_norm_eps": "model.norm_eps",
    "layer_norm_eps": "model.norm_eps",
    "torch_dtype": "model.dtype",
    "model_type": "model.family_hint",
    "rope_parameters": "embedding.rope_scaling",
    "rope_type": "embedding.rope_scaling.type",
    "original_max_position_embeddings": "embedding.rope_scaling.original_max_seq_len",
    "tie_embeddings": "embedding.tie_word_embeddings",
    "position_embedding_type": "embedding.positional",
    "embedding_multiplier": "embedding.scale",
    "attention_bias": "mixer.attention.qkv_bias",
    "attention_dropout": "mixer.attention.attn_drop",
    "sliding_window": "mixer.attention.window",
    "attn_logit_softcapping": "mixer.attention.logit_softcap",
    "final_logit_softcapping": "head.logit_softcap",
    "hidden_act": "ffn.activation",
    "hidden_activation": "ffn.activation",
    "mlp_bias": "ffn.bias",
    "num_local_experts": "ffn.moe.experts",
    "num_experts": "ffn.moe.experts",
    "n_routed_experts": "ffn.moe.experts",
    "num_experts_per_tok": "ffn.moe.top_k",
    "n_shared_experts": "ffn.moe.shared_experts",
    "moe_intermediate_size": "ffn.moe.d_expert",
    "routed_scaling_factor": "ffn.moe.routed_scale",
    "kv_lora_rank": "mixer.attention.mla.kv_rank",
    "q_lora_rank": "mixer.attention.mla.q_rank",
    "qk_rope_head_dim": "mixer.attention.mla.rope_dim",
    "qk_nope_head_dim": "mixer.attention.mla.nope_dim",
    "v_head_dim": "mixer.attention.mla.v_dim",
    "state_size": "mixer.mamba.d_state",
    "conv_kernel": "mixer.mamba.d_conv",
    "initializer_range": "training_hints.init",
    "learning_rate": "training_hints.lr_peak",
    "max_grad_norm": "training_hints.grad_clip",
    "warmup_ratio": "training_hints.warmup_steps_ratio",
    "gradient_checkpointing": "training_hints.checkpointing",
    # GPT-2 and its kin
    "n_embd": "model.d_model",
    "n_layer": "layer_schedule.repeat",
    "n_layers": "layer_schedule.repeat",
    "num_layers": "layer_schedule.repeat",
    "n_head": "model.n_heads",
    "num_heads": "model.n_heads",
    "n_kv_head": "model.n_kv_heads",
    "n_inner": "model.d_ff",
    "n_positions": "model.max_seq_len",
    "n_ctx": "model.max_seq_len",
    "context_length": "model.max_seq_len",
    "block_size": "model.max_seq_len",
    "layer_norm_epsilon": "model.norm_eps",
    "activation_function": "ffn.activation",
    "attn_pdrop": "mixer.attention.attn_drop",
    "resid_pdrop": "training_hints.dropout",
    # llama's own params.json
    "dim": "model.d_model",
    "ffn_dim": "model.d_ff",
    "head_size": "model.head_dim",
    "base": "embedding.rope_theta",
    # neighbours in the language
    "tokenizer": "tokenizer_contract",
    "layers": "layer_schedule",
    "schedule": "layer_schedule",
    "templates": "layer_templates",
    "training": "training_hints",
    "attn": "mixer.attention",
    "mlp": "ffn",
}
"""A name from elsewhere → the path of the key in the language."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely means, or None when none is near."""
    found = get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None
