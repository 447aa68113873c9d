"""Printing a Model back: as the canonical spec's plain mapping, and as YAML to read.

`lower` of what is printed is the same Model. Templates stand with every key filled, one for each block; the schedule is
folded into repeats and groups.
"""

from collections.abc import Sequence
from typing import Any

from eulerstack.ir.fold import Run, fold
from eulerstack.ir.nodes import Block, Head, Integrator, Layer, Merge, Model, Node, Parallel, Residual
from eulerstack.ir.reserved import insert
from eulerstack.ir.yaml_text import dump
from eulerstack.schema.base import Resolved, as_plain
from eulerstack.schema.ffn import plain_ffn
from eulerstack.schema.memory import plain_memory

Plain = dict[str, Any]

SPEC_FILE = "eulerstack.yml"
"""What a canonical spec is called wherever one is kept: compiled directories, runs, studies."""


def to_plain(model: Model) -> Plain:
    """The canonical spec as dicts, lists and scalars, in the order of the language."""
    sections: Plain = {
        "schema_version": 1,
        "about": model.about,
        "model": _model(model),
        "tokenizer_contract": model.tokenizer,
        "embedding": _embedding(model),
        "layer_templates": {block.name: plain_block(block) for block in model.blocks},
        "layer_schedule": plain_schedule(model.schedule),
        "head": _head(model.head),
        "training_hints": model.training_hints,
        "compatibility": model.compatibility,
        "execution_modes": model.execution_modes,
        "transition": model.transition,
        "tissue": model.tissue,
    }
    plain: Plain = as_plain(_without_null(sections))
    insert(plain, model.reserved)
    return plain


def print_yaml(model: Model) -> str:
    """The canonical spec as YAML: mappings that fit on a line stand on one."""
    return dump(to_plain(model))


def plain_block(block: Block) -> Plain:
    """One template, every key filled: what stands below `layer_templates.<name>`."""
    plain: Plain = {
        "mixer": plain_mixer(block.mixer),
        "ffn": _pruned(plain_ffn(block.ffn)),
        "norm": as_plain(block.norm),
        "residual": _residual(block.residual),
        "state": _without_null(as_plain(block.state)) or None,
        "memory": block.memory and plain_memory(block.memory),
        "shape_change": block.shape_change and as_plain(block.shape_change),
        "ffn_factors": block.ffn_factors and as_plain(block.ffn_factors),
    }
    return _without_null(plain)


def plain_schedule(schedule: Sequence[Node]) -> list[Plain]:
    """`layer_schedule`, folded into repeats and groups."""
    return [_entry(run) for run in fold(schedule)]


def plain_mixer(mixer: Resolved) -> Plain:
    """A mixer's type and its sub-object. Nulls are left out: unwritten, each of these keys means null."""
    return {"type": mixer.type, mixer.key: _pruned(as_plain(mixer))}


def plain_layer(layer: Layer) -> Plain:
    """One plain schedule entry, without its repeat."""
    entry: Plain = {"template": layer.block, "share": layer.share, "kv_from": layer.kv_from}
    if layer.depth_gating:
        entry["depth_gating"] = {"enabled": True, **as_plain(layer.depth_gating)}
    return _without_null(entry)


def _model(model: Model) -> Plain:
    keys = (
        "name family_hint d_model vocab_size max_seq_len n_heads n_kv_heads head_dim mlp_ratio d_ff norm_eps dtype "
        "target_params"
    )
    return _without_null({key: getattr(model, key) for key in keys.split()})


def _embedding(model: Model) -> Plain:
    embedding = as_plain(model.embedding)
    if model.embedding.positional != "rope":
        del embedding["rope_theta"]
    return _without_null(embedding)


def _head(head: Head) -> Plain:
    norm = as_plain(head.final_norm) if head.final_norm else {"type": "none"}
    norm.pop("position", None)
    plain = as_plain(head)
    return _without_null({**plain, "final_norm": norm})


def _residual(residual: Residual) -> Plain:
    return _without_null(as_plain(residual))


def _entry(run: Run) -> Plain:
    node = run.leaf
    if isinstance(node, Layer):
        return _with_repeat(plain_layer(node), run.repeat)
    if node is None:
        return _with_repeat({"group": [_entry(inner) for inner in run.runs]}, run.repeat)
    entry = _compound(node)
    return entry if run.repeat == 1 else {"group": [entry], "repeat": run.repeat}


def _compound(node: Node) -> Plain:
    match node:
        case Parallel():
            streams = [{"stream": stream.name, "body": _body(stream.body)} for stream in node.streams]
            return {"parallel": streams, "merge": _merge(node.merge)}
        case Integrator():
            return {
                "integrator": {
                    "type": node.type,
                    "steps": node.steps,
                    "body": _body(node.body),
                    "output": node.output,
                }
            }
    raise TypeError(f"{type(node).__name__} is a plain entry")


def _merge(merge: Merge) -> Plain:
    plain = {"type": merge.type, "projection": merge.projection, "from": merge.source, "to": merge.target}
    return _without_null(plain)


def _body(layers: tuple[Layer, ...]) -> list[Plain]:
    """A list of plain entries knows no groups: only neighbours are joined."""
    entries: list[tuple[Layer, int]] = []
    for layer in layers:
        if entries and entries[-1][0] == layer:
            entries[-1] = (layer, entries[-1][1] + 1)
        else:
            entries.append((layer, 1))
    return [_with_repeat(plain_layer(layer), repeat) for layer, repeat in entries]


def _with_repeat(entry: Plain, repeat: int) -> Plain:
    return entry if repeat == 1 else {**entry, "repeat": repeat}


def _without_null(plain: Plain) -> Plain:
    return {key: value for key, value in plain.items() if value is not None}


def _pruned(value: Any) -> Any:
    """Without null at any depth."""
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if item is not None}
    return [_pruned(item) for item in value] if isinstance(value, list) else value
