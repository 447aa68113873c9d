"""Key → default. A line that changes here changes what published YAML means."""

import pytest

from eulerstack.schema.ffn import FfnKeys
from eulerstack.schema.memory import MemoryKeys
from eulerstack.schema.mixers import MixerKeys
from tests.schema.parts import every_key

REQUIRED = "required"
DERIVED = None

MIXER = {
    "mixer.type": REQUIRED,
    "mixer.attention.qkv_bias": False,
    "mixer.attention.attn_drop": DERIVED,  # training's, 0 unless said
    "mixer.attention.window": None,
    "mixer.attention.window_mode": DERIVED,
    "mixer.attention.window_dilation": DERIVED,
    "mixer.attention.latent_dim": None,
    "mixer.attention.mla.kv_rank": REQUIRED,
    "mixer.attention.mla.q_rank": None,
    "mixer.attention.mla.rope_dim": DERIVED,
    "mixer.attention.mla.nope_dim": DERIVED,
    "mixer.attention.mla.v_dim": DERIVED,
    "mixer.attention.mla.norm_eps": DERIVED,  # model.norm_eps
    "mixer.attention.compression.type": REQUIRED,
    "mixer.attention.compression.m_block": REQUIRED,
    "mixer.attention.compression.pool": "softmax_gated",
    "mixer.attention.compression.indexer.arch": REQUIRED,
    "mixer.attention.compression.indexer.n_heads": REQUIRED,
    "mixer.attention.compression.indexer.d_per_head": REQUIRED,
    "mixer.attention.compression.indexer.dtype": "bf16",
    "mixer.attention.compression.indexer.learnable": True,
    "mixer.attention.compression.indexer.loss_coef": 1.0,
    "mixer.attention.compression.top_k_blocks": DERIVED,  # 16 under nsa_learned
    "mixer.attention.attention_sinks.n_per_head": 1,
    "mixer.attention.attention_sinks.learnable": True,
    "mixer.attention.n_heads": DERIVED,
    "mixer.attention.n_kv_heads": DERIVED,
    "mixer.attention.head_dim": DERIVED,
    "mixer.attention.out_bias": False,
    "mixer.attention.qk_norm": None,
    "mixer.attention.logit_softcap": None,
    "mixer.attention.scale": DERIVED,
    "mixer.attention.rope": DERIVED,
    "mixer.attention.rope_theta": DERIVED,
    "mixer.attention.rope_dim": DERIVED,
    "mixer.attention.rope_interleaved": False,
    "mixer.attention.rope_scaled": True,
    "mixer.attention.gate": False,
    "mixer.attention.v_from_k": False,
    "mixer.attention.q_rank": None,
    "mixer.attention.q_norm_weight": True,
    "mixer.attention.qk_norm_unit_offset": False,
    "mixer.attention.o_groups": None,
    "mixer.attention.o_rank": None,
    "mixer.mamba.variant": "mamba2",
    "mixer.mamba.d_state": 64,
    "mixer.mamba.d_conv": 4,
    "mixer.mamba.expand": 2,
    "mixer.mamba.head_dim": DERIVED,
    "mixer.mamba.n_groups": DERIVED,
    "mixer.mamba.chunk_size": DERIVED,
    "mixer.mamba.dt_rank": DERIVED,
    "mixer.mamba.norm_dt_b_c": False,
    "mixer.mamba.d_inner": None,
    "mixer.mamba.in_bias": False,
    "mixer.mamba.out_bias": False,
    "mixer.mamba.conv_bias": True,
    "mixer.mamba.activation": "silu",
    "mixer.mamba.dt_min": None,
    "mixer.mamba.dt_max": None,
    "mixer.mamba.gated_norm": DERIVED,
    "mixer.mamba.multipliers.gate": 1.0,
    "mixer.mamba.multipliers.input": 1.0,
    "mixer.mamba.multipliers.b": 1.0,
    "mixer.mamba.multipliers.c": 1.0,
    "mixer.mamba.multipliers.dt": 1.0,
    "mixer.retnet.chunkwise": True,
    "mixer.retnet.chunk_size": 64,
    "mixer.retnet.rope": True,
    "mixer.retnet.v_expand": 2,
    "mixer.retnet.n_heads": DERIVED,
    "mixer.hyena.depth": 2,
    "mixer.hyena.filter_hidden": 64,
    "mixer.hyena.filter_decay": 0.0,
    "mixer.branched.branches": REQUIRED,
    "mixer.branched.selector.type": "learned_gate",
    "mixer.branched.selector.top_k": DERIVED,
    "mixer.branched.selector.input": "hidden",
    "mixer.branched.factors.input": 1.0,
    "mixer.branched.factors.output": 1.0,
    "mixer.ttt.inner_model.type": "mlp",
    "mixer.ttt.inner_model.hidden": DERIVED,
    "mixer.ttt.inner_optimizer": "sgd",
    "mixer.ttt.inner_lr": 0.01,
    "mixer.ttt.inner_steps_per_token": 1,
    "mixer.ttt.chunk_size": 16,
    "mixer.ttt.n_heads": DERIVED,
    "mixer.gated_deltanet.n_heads": DERIVED,
    "mixer.gated_deltanet.n_value_heads": DERIVED,
    "mixer.gated_deltanet.d_key": DERIVED,
    "mixer.gated_deltanet.d_value": DERIVED,
    "mixer.gated_deltanet.d_conv": 4,
    "mixer.gated_deltanet.chunk_size": 64,
}

FFN = {
    "ffn.type": REQUIRED,
    "ffn.activation": DERIVED,
    "ffn.bias": False,
    "ffn.d_ff": DERIVED,
    "ffn.moe.experts": REQUIRED,
    "ffn.moe.top_k": REQUIRED,
    "ffn.moe.router": None,
    "ffn.moe.affinity": DERIVED,
    "ffn.moe.z_loss": 0.0,
    "ffn.moe.load_balance_coef": DERIVED,  # training_hints.router_aux_loss_coef
    "ffn.moe.capacity_factor": 1.0,
    "ffn.moe.capacity_drop_policy": "overflow",
    "ffn.moe.router_init_std": None,
    "ffn.moe.router_jitter": 0.0,
    "ffn.moe.router_bias": False,
    "ffn.moe.bias_correction.enabled": False,
    "ffn.moe.bias_correction.update_rate": 0.001,
    "ffn.moe.bias_correction.target_imbalance": 0.0,
    "ffn.moe.shared_experts": 0,
    "ffn.moe.routing.type": "learned",
    "ffn.moe.routing.hash_salt": None,
    "ffn.moe.balance.sequence_aux_coef": 0.0,
    "ffn.moe.balance.group_limit": None,
    "ffn.moe.balance.group_score": "top2",
    "ffn.moe.d_expert": DERIVED,
    "ffn.moe.d_shared": DERIVED,
    "ffn.moe.gated": DERIVED,
    "ffn.moe.gating.limit": None,
    "ffn.moe.gating.slope": 1.0,
    "ffn.moe.gating.up_offset": 0.0,
    "ffn.moe.n_groups": DERIVED,
    "ffn.moe.routed_scale": 1.0,
    "ffn.moe.norm_top_k": DERIVED,
    "ffn.moe.shared_gate": False,
}

MEMORY = {
    "memory.type": REQUIRED,
    "memory.update_at_inference": False,
    "memory.params.hidden": 2048,
    "memory.inner_lr": 0.001,
    "memory.persistence": "session",
}


@pytest.mark.parametrize(
    ("keys", "prefix", "table"), [(MixerKeys, "mixer", MIXER), (FfnKeys, "ffn", FFN), (MemoryKeys, "memory", MEMORY)]
)
def test_every_key_has_its_default(keys, prefix, table):
    found = {}
    paths = list(every_key(keys, prefix))
    parents = {path.rpartition(".")[0] for path, _, _ in paths}
    for path, owner, name in paths:
        if path not in parents:
            info = owner.model_fields[name]
            found[path] = REQUIRED if info.is_required() else info.default
    assert found == table
