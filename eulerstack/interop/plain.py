"""Building the plain spec (what a YAML file holds) from what a family read of its config."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from eulerstack.interop.config import Config
from eulerstack.interop.weights import Rule
from eulerstack.ir.nodes import Layer
from eulerstack.ir.print import plain_schedule

Plain = dict[str, Any]

GATED = {
    "silu": "swiglu",
    "swish": "swiglu",
    "gelu": "geglu",
    "gelu_python": "geglu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "relu": "relu",
    "relu2": "relu2",
}
"""transformers' name of a gate's activation → the language's. Several of its names are one function."""

UNGATED = GATED | {"silu": "silu", "swish": "silu", "gelu": "gelu", "gelu_python": "gelu"}
"""The same for a two-matrix MLP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes that every family has, under whatever names."""

    d_model: int
    vocab_size: int
    max_seq_len: int
    layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int


@dataclass(kw_only=True)
class Parts:
    """What a family makes of its config; `plain` puts it together.

    `layers`: the name and template of every layer, equal templates bearing one name. `rules`: where tensors come from
    whose places in the checkpoint depend on the config's numbers, before the family's own.
    """

    shape: Shape
    eps: float
    embedding: Plain
    layers: list[tuple[str, Plain]]
    tied: bool
    head: Plain = field(default_factory=dict)
    hints: Plain = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()


def plain(parts: Parts, *, name: str, family: str, dtype: str, tokenizer: Plain) -> Plain:
    """The whole spec as a mapping, in the order of the language's sections."""
    shape = parts.shape
    model: Plain = {
        "name": name,
        "family_hint": family,
        "d_model": shape.d_model,
        "vocab_size": shape.vocab_size,
        "max_seq_len": shape.max_seq_len,
        "n_heads": shape.n_heads,
    }
    if shape.n_kv_heads != shape.n_heads:
        model["n_kv_heads"] = shape.n_kv_heads
    if shape.head_dim * shape.n_heads != shape.d_model:
        model["head_dim"] = shape.head_dim
    model |= {"d_ff": shape.d_ff, "norm_eps": parts.eps, "dtype": dtype}
    spec: Plain = {
        "schema_version": 1,
        "model": model,
        "tokenizer_contract": tokenizer,
        "embedding": {"type": "learned", **parts.embedding, "tie_word_embeddings": parts.tied},
        "layer_templates": dict(parts.layers),
        "layer_schedule": plain_schedule([Layer(block=layer) for layer, _ in parts.layers]),
        "head": {"type": "causal_lm", "tie_weights": parts.tied, **parts.head},
    }
    if parts.hints:
        spec["training_hints"] = parts.hints
    return spec


def template(attention: Plain, ffn: Plain, norm: Plain | None = None) -> Plain:
    """One layer template with an attention mixer."""
    layer: Plain = {"mixer": {"type": "attention", "attention": attention}, "ffn": ffn}
    return layer if norm is None else layer | {"norm": norm}


def written(**values: Any) -> Plain:
    """The keys whose values say something: without null and false."""
    return {key: value for key, value in values.items() if value is not None and value is not False}


def init_std(config: Config, key: str) -> Plain:
    """Keys of `training_hints`: the spread of a fresh model's weights, where it is not the usual one."""
    std = config.number(key, 0.02)
    return {} if std == 0.02 else {"init_std": std}


def heads(config: Config, heads_key: str, kv_key: str, n_heads: int, n_kv_heads: int) -> None:
    """Refuse key/value heads that do not divide the query heads."""
    if n_heads % n_kv_heads:
        config.refuse(kv_key, n_kv_heads, f"{heads_key} % {kv_key} = 0, {heads_key} = {n_heads}")


def windowed(config: Config, layer_types: list[str], window: int | None) -> list[int | None]:
    """Each layer's window (None: full attention) from transformers' `layer_types`."""
    if "sliding_attention" in layer_types and window is None:
        config.refuse("sliding_window", None, "integer ≥ 1 (layer_types: sliding_attention)")
    return [window if layer == "sliding_attention" else None for layer in layer_types]


def layer_types(config: Config, layers: int, default: list[str]) -> list[str]:
    """`layer_types`, checked: one of the two kinds of attention for every layer."""
    kinds = config.value("layer_types")
    if kinds is None:
        return default
    allowed = ("full_attention", "sliding_attention")
    if not isinstance(kinds, list) or len(kinds) != layers or any(kind not in allowed for kind in kinds):
        config.refuse("layer_types", kinds, f"[{' | '.join(allowed)}, …] × {layers}")
        return default
    return kinds


def named(templates: Iterable[tuple[str, Plain]]) -> list[tuple[str, Plain]]:
    """The layers with one name, "decoder", where all are equal; else each under the name it came with."""
    layers = list(templates)
    if all(a == b for (_, a), (_, b) in pairwise(layers)):
        return [("decoder", layer) for _, layer in layers]
    return layers
