"""What tests of a layer's parts share: a model's numbers, and the way from plain values to resolved ones and back."""

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

from hypothesis import strategies as st

from eulerstack.schema.base import Dims, Keys, Resolved
from eulerstack.schema.facts import Facts, field_facts, named_fields
from eulerstack.schema.ffn import FfnKeys, check_ffn, resolve_ffn
from eulerstack.schema.mixers import MixerKeys, check_mixer, resolve_mixer

DIMS = Dims(
    d_model=64,
    n_heads=4,
    n_kv_heads=2,
    head_dim=16,
    d_ff=256,
    norm_eps=1e-5,
    vocab_size=97,
    max_seq_len=32,
    positional="rope",
    rope_theta=10_000.0,
)

ANY_DIMS = st.builds(
    replace, st.just(DIMS), positional=st.sampled_from(["rope", "none", "alibi", "learned"]), d_model=st.just(64)
)


def mixer(dims: Dims = DIMS, /, type: str = "attention", **keys: Any) -> Any:
    """The resolved mixer of this type with these keys in its sub-object."""
    return resolve_mixer(MixerKeys.model_validate(mixer_plain(type, keys)), dims)


def mixer_plain(type: str, keys: dict[str, Any]) -> dict[str, Any]:
    """`{type: …, <sub-object>: keys}`."""
    return {"type": type, "ttt" if type == "ttt_layer" else type: keys}


def ffn(dims: Dims = DIMS, /, **keys: Any) -> Any:
    """The resolved ffn with these keys."""
    return resolve_ffn(FfnKeys.model_validate(keys), dims)


Finding = tuple[str, tuple[str | int, ...], dict[str, Any]]


def mixer_findings(plain: dict[str, Any], dims: Dims = DIMS) -> list[Finding]:
    """What `check_mixer` says of a mixer."""
    found: list[Finding] = []
    check_mixer(MixerKeys.model_validate(plain), dims, lambda code, path, **params: found.append((code, path, params)))
    return found


def ffn_findings(plain: dict[str, Any], dims: Dims = DIMS) -> list[Finding]:
    """What `check_ffn` says of an ffn."""
    found: list[Finding] = []
    check_ffn(FfnKeys.model_validate(plain), dims, lambda code, path, **params: found.append((code, path, params)))
    return found


def elements(part: Resolved, d_model: int = DIMS.d_model) -> int:
    """How many trained elements a part states, counted from the shapes."""
    return sum(prod(p.shape) for p in part.parameters(d_model) if not p.buffer)


def shapes(part: Resolved, d_model: int = DIMS.d_model) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a part."""
    return {p.name: p.shape for p in part.parameters(d_model)}


def written(keys: type[Keys]) -> st.SearchStrategy[dict[str, Any]]:
    """Any mapping that `keys` accepts: each optional key left out, null or written, sizes small."""
    required = {name: _value(field_facts(keys, name)) for name, info in named_fields(keys) if info.is_required()}
    optional = {name: _value(field_facts(keys, name)) for name, info in named_fields(keys) if not info.is_required()}
    return st.fixed_dictionaries(required, optional=optional)


def _value(known: Facts) -> st.SearchStrategy[Any]:
    plain = _plain_value(known)
    return st.none() | plain if known.nullable else plain


def _plain_value(known: Facts) -> st.SearchStrategy[Any]:
    if known.choices:
        return st.sampled_from(known.choices)
    if known.keys:
        return written(known.keys[0])
    if known.kind == "mapping" and known.item:
        return st.dictionaries(st.sampled_from("abcd"), _plain_value(known.item), min_size=2, max_size=3)
    if known.kind == "boolean":
        return st.booleans()
    if known.kind == "integer":
        return st.integers(max(known.low or 0, 0), 9)
    return st.sampled_from([0.5, 0.25, 1e-3] if known.high is not None else [0.5, 2, 1e-3])


def every_key(keys: type[Keys], prefix: str) -> Iterator[tuple[str, type[Keys], str]]:
    """(dotted path, class, name) of every key below `prefix`; a branch's keys are those of any mixer."""
    for name, _ in named_fields(keys):
        path = f"{prefix}.{name}"
        yield path, keys, name
        known = field_facts(keys, name)
        if known.kind == "mapping" and known.item and name != "branches":
            known = known.item
        if known.keys:
            yield from every_key(known.keys[0], path)
