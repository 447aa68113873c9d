"""What the language says and the runtime does not build yet. This file shrinks as primitives arrive.

The compiler refuses a model that uses any of it, by name: never another block in its place.
"""

from collections.abc import Iterator

from eulerstack.ir.nodes import Block, Model

MIXERS = frozenset({"attention", "branched", "hyena", "gated_deltanet", "mamba", "retnet", "ttt_layer"})
FFNS = frozenset({"mlp", "gated_mlp", "moe"})

Finding = tuple[str, str]
"""The dotted path of the key in the canonical spec, and the primitive's name."""


def unsupported(model: Model) -> list[Finding]:
    """Each primitive of the model that the runtime lacks, with the place it is asked for at; empty: it compiles."""
    found: list[Finding] = []
    for block in model.blocks:
        found += [(f"layer_templates.{block.name}.{path}", name) for path, name in _block(block)]
    return found


def _block(block: Block) -> Iterator[Finding]:
    if block.mixer.type not in MIXERS:
        yield "mixer.type", block.mixer.type
    if block.ffn is not None and block.ffn.type not in FFNS:
        yield "ffn.type", block.ffn.type
