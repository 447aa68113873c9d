"""Small specs that compile."""

from eulerstack.compiler import CompileResult, compile_model
from eulerstack.diagnostics import Source
from eulerstack.dsl import relative_lookup, resolve
from eulerstack.ir import Model, lower
from eulerstack.schema import check

LLAMA = """\
schema_version: 1
about: { tier: 1, level: beginner, papers: ["arXiv:2307.09288"] }
model: { name: tiny, d_model: 32, vocab_size: 300, max_seq_len: 64, n_heads: 4, n_kv_heads: 2, dtype: float32 }
tokenizer_contract: { type: byte }
embedding: { type: learned, positional: rope }
layer_templates:
  decoder:
    mixer: { type: attention, attention: {} }
    ffn: { type: gated_mlp, activation: swiglu }
layer_schedule:
  - { template: decoder, repeat: 2 }
head: { type: causal_lm }
training_hints: { seed: 7 }
"""

HYBRID = """\
schema_version: 1
model: { name: hybrid, d_model: 32, vocab_size: 300, max_seq_len: 64, n_heads: 4, mlp_ratio: 2.5 }
tokenizer_contract: { type: byte, add_bos: false, pad_token: "<eos>" }
embedding: { type: learned, positional: learned, tie_word_embeddings: false, scale: 2.0 }
layer_templates:
  wide:
    mixer: { type: attention, attention: { qkv_bias: true, out_bias: true, qk_norm: head } }
    ffn: { type: mlp, activation: gelu, bias: true }
    norm: { type: layernorm, position: post }
  near:
    mixer: { type: attention, attention: { window: 8, n_heads: 2, head_dim: 8, gate: true } }
    ffn: { type: moe, moe: { experts: 4, top_k: 2, z_loss: 0.001 } }
    norm: { type: rmsnorm, position: sandwich, unit_offset: true }
    residual: { type: parallel, scaling: 0.5 }
layer_schedule:
  - { group: [{ template: wide }, { template: near, repeat: 2 }], repeat: 2 }
  - { template: wide, override: { residual.scaling: 0.25 } }
head: { type: causal_lm, logit_softcap: 30.0 }
training_hints: { init: scaled }
tissue:
  columns: [{ name: one, templates: [near], role: memory }, { name: two, templates: [wide], role: motor }]
  connectivity: chain
experimental.note: "kept"
"""


def model(text: str) -> Model:
    """The IR of a spec that has no errors."""
    checked = check(resolve(Source("model.yml", text), relative_lookup))
    assert checked.spec is not None, "\n".join(str(diagnostic) for diagnostic in checked.diagnostics)
    return lower(checked.spec)


def compiled(text: str, target: object, **options: object) -> CompileResult:
    """Compile a spec."""
    return compile_model(model(text), target, source_text=text, **options)  # type: ignore[arg-type]
