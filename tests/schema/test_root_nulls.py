"""A null at an optional key means the same as leaving the key out, wherever it stands."""

import pytest

from eulerstack.diagnostics import Source
from eulerstack.dsl import resolve
from eulerstack.ir import lower
from eulerstack.schema import check

SPEC = """\
schema_version: 1
model: {{ name: m, d_model: 256, vocab_size: 300, max_seq_len: 32, n_heads: 4{model} }}
tokenizer_contract: {{ type: byte }}
embedding: {{ type: learned, positional: rope }}
layer_templates:
  decoder:
    mixer: {{ type: attention, attention: {{ {attention} }} }}
    ffn: {{ type: gated_mlp }}{template}
layer_schedule:
  - group:
      - {{ template: decoder{entry} }}
      - {{ template: decoder, repeat: 2{entry} }}
    repeat: 2
head: {{ type: causal_lm }}
"""
NONE = dict.fromkeys(("model", "attention", "template", "entry"), "")


@pytest.mark.parametrize(
    "written",
    [
        {"model": ", d_ff: null, n_kv_heads: ~"},
        {"attention": "window: null, qk_norm: null"},
        {"template": "\n    norm: null\n    residual:"},
        {"entry": ", override: null, depth_gating: null, share: ~"},
        {"entry": ", override: null", "model": ", d_ff: null", "attention": "gate: null"},
    ],
    ids=lambda written: "+".join(written),
)
def test_null_is_unwritten(written: dict[str, str]) -> None:
    models = []
    for keys in (NONE, NONE | written):
        checked = check(resolve(Source("m.yml", SPEC.format(**keys))))
        assert not checked.diagnostics
        assert checked.spec is not None
        models.append(lower(checked.spec))
    assert models[0] == models[1]
    assert len(models[1].schedule) == 6
