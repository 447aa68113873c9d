"""From text to Model, as every test of the IR needs it."""

from eulerstack.diagnostics import EulerStackError, Source, collect
from eulerstack.dsl import resolve
from eulerstack.ir import Model, lower
from eulerstack.schema import check

LLAMA = """\
schema_version: 1
model: {name: m, d_model: 64, vocab_size: 300, max_seq_len: 128, n_heads: 4, n_kv_heads: 2}
tokenizer_contract: {type: byte}
embedding: {type: learned, positional: rope}
layer_templates:
  decoder:
    mixer: {type: attention, attention: {}}
    ffn: {type: gated_mlp, activation: swiglu}
layer_schedule:
  - {template: decoder, repeat: 3}
head: {type: causal_lm}
"""


def model_of(text: str) -> Model:
    """The lowered spec. Raises EulerStackError for a wrong one."""
    checked = check(resolve(Source("spec.yml", text), _nothing))
    if checked.spec is None:
        raise collect(checked.diagnostics)
    return lower(checked.spec)


def llama(**replaced: str) -> Model:
    """`LLAMA` with sections replaced by other YAML: `llama(head="{type: causal_lm, tie_weights: false}")`."""
    return model_of(llama_text(**replaced))


def llama_text(**replaced: str) -> str:
    """The text of `llama`. A value is what stands behind the section's colon."""
    kept = [block for block in _sections(LLAMA) if block.split(":")[0] not in replaced]
    return "\n".join([*kept, *(f"{key}: {value}" for key, value in replaced.items())]) + "\n"


def _sections(text: str) -> list[str]:
    sections: list[str] = []
    for line in text.splitlines():
        if line.startswith(" "):
            sections[-1] += f"\n{line}"
        else:
            sections.append(line)
    return sections


def _nothing(name: str, source: Source) -> Source:
    raise EulerStackError()
