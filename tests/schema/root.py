"""What tests of whole documents share: a valid spec to break, and what a check says of a text."""

from textwrap import dedent

from eulerstack.diagnostics import Source
from eulerstack.dsl import resolve
from eulerstack.schema import Checked, check

TEN_LINES = """\
schema_version: 1
model: { name: "my-llm", d_model: 2048, vocab_size: 32000, max_seq_len: 4096, n_heads: 16 }
tokenizer_contract: { type: hf, pretrained: gpt2 }
embedding: { type: learned, positional: rope }
layer_templates:
  decoder:
    mixer: { type: attention, attention: {} }
    ffn: { type: gated_mlp, activation: swiglu }
layer_schedule:
  - { template: decoder, repeat: 24 }
head: { type: causal_lm }
"""

EVERYTHING = """\
schema_version: 1
about: { summary: all of it, tier: 3, level: expert, papers: [none], mirrors: x, speculative: true, warnings: [w] }
model:
  name: everything
  family_hint: hybrid
  d_model: 256
  vocab_size: 50257
  max_seq_len: 512
  n_heads: 4
  n_kv_heads: 2
  head_dim: 64
  mlp_ratio: 2.5
  d_ff: 512
  norm_eps: 1.0e-6
  dtype: float32
  target_params: 1.1B
tokenizer_contract: { type: hf, pretrained: gpt2, add_bos: false, add_eos: true, pad_token: "<pad>" }
embedding:
  type: learned
  positional: rope
  rope_theta: 500000
  rope_scaling: { type: llama3, factor: 8, original_max_seq_len: 128, low_freq_factor: 1, high_freq_factor: 4 }
  tie_word_embeddings: false
  scale: 16.0
layer_templates:
  attn:
    mixer: { type: attention, attention: { qkv_bias: true, window: 64, attn_drop: 0.1 } }
    ffn:
      type: moe
      moe: { experts: 8, top_k: 2, affinity: sigmoid, bias_correction: { enabled: true }, shared_experts: 1 }
    norm: { type: layernorm, position: sandwich, eps: 1.0e-6 }
    residual: { type: sequential, scaling: 0.5 }
    state: { kv_cache: true, ssm_state: false }
    memory: { type: neural_memory, params: { hidden: 256 }, inner_lr: 0.01, persistence: session }
  ssm:
    mixer: { type: mamba, mamba: { variant: mamba2, d_state: 16 } }
    ffn: { type: gated_mlp, activation: geglu }
    residual: { type: hyper_connection, hyper: { expand: 4, mixing: birkhoff, sinkhorn_iters: 20 } }
    state: { ssm_state: true }
  both:
    mixer:
      type: branched
      branched:
        branches: { a: { type: attention, attention: {} }, b: { type: mamba } }
        selector: { type: learned_gate, input: hidden }
    ffn: { type: none }
  narrow:
    mixer: { type: attention }
    ffn: { type: mlp, activation: gelu }
    shape_change: { d_out: 128, projection: linear }
  wide:
    mixer: { type: attention }
    ffn: { type: mlp, activation: relu2, bias: true }
    shape_change: { d_out: 256 }
layer_schedule:
  - { template: attn, repeat: 2, override: { residual.scaling: 0.7, attention: { window: 32 } } }
  - group:
      - { template: ssm, depth_gating: { enabled: true, capacity: 0.5, router: top_k } }
      - { template: both, share: tied }
    repeat: 2
  - parallel:
      - { stream: left, body: [{ template: attn }] }
      - { stream: right, body: [{ template: ssm, repeat: 2 }] }
    merge: { type: cross_attn, projection: true, from: left, to: right }
  - integrator: { type: ode_rk4, steps: 4, body: attn, output: token }
  - integrator: { type: discrete, steps: 2, body: [{ template: both }] }
  - { template: narrow }
  - { template: wide }
  - { template: attn }
  - { template: attn, kv_from: -1 }
head:
  type: causal_lm_mtp
  tie_weights: false
  logit_softcap: 30.0
  final_norm: { type: rmsnorm, eps: 1.0e-6 }
  mtp: { n_predict: 1, head_layers: 1, head_template: attn, train_loss_weight: 0.3 }
training_hints:
  init: scaled
  dropout: 0.1
  checkpointing: true
  seed: 7
  router_aux_loss_coef: 0.001
  lr_peak: 6.0e-4
  lr_floor_ratio: 0.05
  betas: [0.9, 0.99]
  weight_decay: 0.01
  grad_clip: 0.5
  warmup_steps_ratio: 0.01
  router_lr_multiplier: 0.5
  optimizer: hybrid
  optimizer_groups: { muon: ["*.weight"], adamw: ["*.bias"] }
  muon: { ns_iters: 5, ns_coefs: [3.4, -4.7, 2.0], stabilize_iters: 1, stabilize_coefs: [2.0, -1.5, 0.5] }
  scaling: { parametrization: mup, base_width: 64 }
  differentiation_objectives: { usage_probe_coef: 0.01, expert_orthogonality_coef: 0.01 }
compatibility:
  compile_target: huggingface
  dtype_policy: layered_safe
  quant_aware_training: { enabled: true, dtype: fp8, scope: ["*.down_proj.weight"], dequant_to: bf16 }
execution_modes:
  - { name: think, max_tokens: 256, kv_share: true, loss_weight: 0.5, visible_to_user: false }
  - { name: answer, max_tokens: 128, per_token_rationale: true }
transition: { type: special_token, token: "</think>" }
tissue:
  columns:
    - { name: senses, templates: [attn], role: sensory }
    - { name: memory, templates: [ssm, both] }
  connectivity: all_to_all
  lateral_coef: 0.1
"""


def checked(text: str) -> Checked:
    """The check of a YAML text."""
    return check(resolve(Source("model.yml", dedent(text))))


def found(text: str) -> list[tuple[str, int, int]]:
    """(code, line, column) of everything that a check says, in its order."""
    return [(d.code, d.span.line, d.span.column) for d in checked(text).diagnostics if d.span]


def codes(text: str) -> list[str]:
    """The codes alone."""
    return [code for code, _, _ in found(text)]


def changed(before: str, after: str, text: str = TEN_LINES) -> str:
    """`text` with one stretch of it replaced."""
    if text.count(before) != 1:
        raise AssertionError(f"{before!r} stands {text.count(before)} times in the text")
    return text.replace(before, after)


def marked(text: str) -> tuple[str, int, int]:
    """The text without its one `»`, and the line and column of what stood behind it."""
    before, after = text.split("»")
    return before + after, before.count("\n") + 1, len(before) - before.rfind("\n")
