"""YAML as it was written for v0.1.0 to v0.1.5 validates unchanged."""

import pytest

from eulerstack.diagnostics import Severity
from tests.schema.root import checked

PUBLISHED = """\
schema_version: 1
let: {{ d: 512, heads: 8 }}
model:
  name: published
  family_hint: hybrid
  d_model: "${{ let.d }}"
  vocab_size: 50304
  max_seq_len: 2048
  n_heads: "${{ let.d // 64 }}"
  n_kv_heads: 4
  mlp_ratio: 4
  dtype: bfloat16
  target_params: 100000000
tokenizer_contract: {{ type: hf, pretrained: gpt2, add_bos: true, add_eos: true, pad_token: null }}
embedding: {{ type: learned, positional: rope, rope_theta: 10000.0, rope_scaling: null, tie_word_embeddings: true }}
layer_templates:
  layer:
    mixer: {mixer}
    ffn: {ffn}
    norm: {norm}
    residual: {residual}
    state: {state}
    memory: {memory}
    shape_change: null
layer_schedule:
  - {entry}
head: {head}
training_hints: {hints}
compatibility: {compatibility}
"""

USUAL = {
    "mixer": "{ type: attention, attention: {} }",
    "ffn": "{ type: gated_mlp, activation: swiglu }",
    "norm": "{ type: rmsnorm, position: pre }",
    "residual": "{ type: sequential, scaling: 1.0 }",
    "state": "{}",
    "memory": "null",
    "entry": "{ template: layer, repeat: 4 }",
    "head": "{ type: causal_lm, tie_weights: true }",
    "hints": "{ init: normal_0.02, dropout: 0.0, checkpointing: true, seed: 1234 }",
    "compatibility": "{ compile_target: huggingface }",
}

MOE = "{{ type: moe, activation: gelu, moe: {{ experts: 8, top_k: 2, {} }} }}"

SPELLINGS = [
    {},
    {"mixer": "{ type: attention, attention: { qkv_bias: true, attn_drop: 0.1, window: 1024, latent_dim: null } }"},
    {"mixer": "{ type: attention, attention: { latent_dim: 256 } }"},
    {"mixer": "{ type: attention, attention: { window: 512, window_mode: standard } }"},
    {"mixer": "{ type: attention, attention: { window: 512, window_mode: dilated, window_dilation: 4 } }"},
    {"mixer": "{ type: attention, attention: { window: 512, window_mode: nsa } }"},
    {
        "mixer": "{ type: attention, attention: { compression: { type: csa, m_block: 4, pool: softmax_gated, indexer: "
        "{ arch: relu_mha, n_heads: 4, d_per_head: 32, dtype: fp4 }, top_k_blocks: 64 }, attention_sinks: "
        "{ n_per_head: 1, learnable: true } } }"
    },
    {"mixer": "{ type: attention, attention: { compression: { type: hca, m_block: 128, pool: mean } } }"},
    {
        "mixer": "{ type: attention, attention: { compression: { type: nsa_learned, m_block: 32, indexer: "
        "{ arch: learned_block_sel, n_heads: 4, d_per_head: 32 } } } }"
    },
    {
        "mixer": "{ type: mamba, mamba: { variant: mamba1, d_state: 16, d_conv: 4, expand: 2 } }",
        "state": "{ ssm_state: true }",
    },
    {"mixer": "{ type: mamba }", "state": "{ kv_cache: false, ssm_state: true }"},
    {
        "mixer": "{ type: retnet, retnet: { chunkwise: true, chunk_size: 64, rope: true } }",
        "state": "{ kv_cache: true }",
    },
    {"mixer": "{ type: hyena, hyena: { depth: 2, filter_hidden: 64, filter_decay: 0.0 } }"},
    {
        "mixer": "{ type: branched, branched: { branches: { ssm: { type: mamba }, attn: { type: attention, attention: "
        "{ window: 128 } } }, selector: { type: learned_gate, input: hidden } } }"
    },
    {
        "mixer": "{ type: branched, branched: { branches: { a: { type: mamba }, b: { type: retnet } }, "
        "selector: { type: top_k, top_k: 1 } } }"
    },
    {
        "mixer": "{ type: ttt_layer, ttt: { inner_model: { type: mlp, hidden: 256 }, inner_optimizer: sgd, "
        "inner_lr: 0.01, inner_steps_per_token: 1 } }",
        "state": "{ ssm_state: true }",
    },
    {"ffn": "{ type: mlp, activation: gelu, bias: true, moe: null }"},
    {"ffn": "{ type: mlp, activation: relu }"},
    {"ffn": MOE.format("router: softmax, z_loss: 0.001, capacity_factor: 1.25, load_balance_coef: 0.0")},
    {"ffn": MOE.format("router: sigmoid, router_init_std: 0.01, router_jitter: 0.05, capacity_drop_policy: drop")},
    {
        "ffn": MOE.format(
            "affinity: sqrt_softplus, bias_correction: { enabled: true, update_rate: 0.001, target_imbalance: 0.0 }, "
            "shared_experts: 1, routing: { type: learned }, balance: { sequence_aux_coef: 0.001, group_limit: null }"
        )
    },
    {"ffn": MOE.format("routing: { type: hash, hash_salt: 982451653 }"), "entry": "{ template: layer, repeat: 3 }"},
    {"norm": "{ type: layernorm, position: post }"},
    {"norm": "null", "residual": "null"},
    {"residual": "{ type: parallel }"},
    {"residual": "{ type: hyper_connection, hyper: { expand: 4, mixing: birkhoff, sinkhorn_iters: 3 } }"},
    {
        "memory": "{ type: neural_memory, update_at_inference: true, params: { hidden: 1024 }, inner_lr: 0.001, "
        "persistence: session }"
    },
    {
        "entry": "{ template: layer, repeat: 2, override: { residual: { scaling: 0.5 }, attention: { window: 256, "
        "attn_drop: 0.1 }, norm: { type: layernorm, position: post }, ffn: { activation: gelu } } }"
    },
    {"entry": "{ template: layer, repeat: 2, depth_gating: { enabled: true, capacity: 0.5, router: top_k } }"},
    {
        "entry": "{ parallel: [{ stream: a, body: [{ template: layer, repeat: 2 }] }, { stream: b, body: "
        "[{ template: layer }] }], merge: { type: concat, projection: true } }"
    },
    {"entry": "{ integrator: { type: discrete, steps: 4, body: layer, output: token } }"},
    {"entry": "{ integrator: { type: ode_rk4, steps: 4, body: layer, output: hidden } }"},
    {
        "head": "{ type: causal_lm_mtp, logit_softcap: 30.0, mtp: { n_predict: 1, head_layers: 1, "
        "head_template: layer, train_loss_weight: 0.1 } }"
    },
    {
        "hints": "{ checkpointing: true, router_aux_loss_coef: 0.01, lr_peak: 3.0e-4, lr_floor_ratio: 0.1, betas: "
        "[0.9, 0.95], weight_decay: 0.1, grad_clip: 1.0, warmup_steps_ratio: 0.03, router_lr_multiplier: 0.5, "
        'optimizer: hybrid, optimizer_groups: { muon: ["**.weight"], adamw: ["embed_tokens.*"] }, muon: { ns_iters: 8, '
        "ns_coefs: [3.4445, -4.7750, 2.0315], stabilize_iters: 2, stabilize_coefs: [2.0, -1.5, 0.5] } }"
    },
    {
        "compatibility": "{ compile_target: huggingface, dtype_policy: layered_safe, quant_aware_training: "
        '{ enabled: true, dtype: fp4, scope: ["**.experts.*"], dequant_to: bf16 } }'
    },
]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: " ".join(spelling) or "plain")
def test_published_spellings(spelling):
    result = checked(PUBLISHED.format(**USUAL | spelling))
    assert [str(d) for d in result.diagnostics if d.severity is Severity.ERROR] == []
    assert result.spec is not None


def test_phases():
    text = (
        PUBLISHED.format(**USUAL)
        + """\
execution_modes:
  - { name: think, max_tokens: 1024, kv_share: true, loss_weight: 0.0, visible_to_user: false }
  - { name: answer, max_tokens: 512, per_token_rationale: true }
transition: { type: special_token, token: "<think_end>" }
"""
    )
    assert checked(text).diagnostics == []
