"""Small specs that a study compares."""

from eulerstack import api
from eulerstack.diagnostics import Source
from eulerstack.ir.nodes import Model

TEXT = """
schema_version: 1
model: {{ name: {name}, d_model: 32, vocab_size: 320, max_seq_len: 64, n_heads: 2, d_ff: 64, dtype: float32 }}
tokenizer_contract: {{ type: byte }}
embedding: {{ type: learned, positional: rope }}
layer_templates:
  block: {{ mixer: {mixer}, ffn: {{ type: gated_mlp, activation: swiglu }} }}
layer_schedule: [{{ template: block, repeat: 2 }}]
head: {{ type: causal_lm }}
"""
ATTENTION = TEXT.format(name="attention", mixer="{ type: attention, attention: {} }")
RETENTION = TEXT.format(name="retention", mixer="{ type: retnet, retnet: {} }")
BY_NAME = {"attention": ATTENTION, "retention": RETENTION}


def load(spec: str | Source) -> Model:
    """As a study loads its specs: the two names above, or a text."""
    return api.load(BY_NAME[spec] if isinstance(spec, str) else spec).model
