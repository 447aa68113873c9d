"""config.json: an IR model under HuggingFace's names, and back to the spec that it came from.

Nothing is written twice: the standard names tell tools about the model as a whole, `blocks` and `schedule` are what the
runtime builds, and `v1_extensions` holds what the spec says beyond the architecture. Together they are the whole spec.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from eulerstack import __version__
from eulerstack.compiler.tokenizer import SpecialIds
from eulerstack.ir.laws import InitPolicy, laws_of
from eulerstack.ir.modules import Numbered, number_modules
from eulerstack.ir.nodes import DepthGating, Integrator, Layer, Merge, Model, Node, Parallel, Stream
from eulerstack.ir.parameters import entry_width, fp32_patterns, parameter_table
from eulerstack.ir.print import plain_schedule, to_plain
from eulerstack.ir.reserved import insert
from eulerstack.ir.tissue import lateral_config
from eulerstack.schema.base import as_plain
from eulerstack.schema.ffn import plain_ffn
from eulerstack.schema.memory import plain_memory

Plain = dict[str, Any]

MODEL_TYPE = "eulerstack"
CAUSAL_LM = "EulerStackForCausalLM"
AUTO_MAP = {
    "AutoConfig": "configuration_eulerstack.EulerStackConfig",
    "AutoModel": "modeling_eulerstack.EulerStackModel",
    "AutoModelForCausalLM": f"modeling_eulerstack.{CAUSAL_LM}",
}
DEPTH = "depth."
"""Below a layer: what depth gating adds."""

_EXTENSIONS = ("tokenizer_contract", "compatibility", "execution_modes", "transition", "tissue", "about")
_IDENTITY = ("name", "family_hint", "target_params", "mlp_ratio")
_HF_NAMES = {
    "d_model": "hidden_size",
    "vocab_size": "vocab_size",
    "max_seq_len": "max_position_embeddings",
    "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "d_ff": "intermediate_size",
    "norm_eps": "rms_norm_eps",
    "dtype": "dtype",
}
"""Keys of `model` and the names that they bear in config.json."""


def config_dict(model: Model, ids: SpecialIds | None = None) -> Plain:
    """The content of config.json. `ids` are the special tokens of the tokenizer saved beside it, if there is one."""
    ids = ids or SpecialIds()
    plain = to_plain(replace(model, reserved={}))
    policy = InitPolicy.of(model)
    found = laws_of(policy, parameter_table(model))
    return {
        "model_type": MODEL_TYPE,
        "architectures": [CAUSAL_LM],
        "auto_map": AUTO_MAP,
        **{theirs: getattr(model, ours) for ours, theirs in _HF_NAMES.items()},
        "num_hidden_layers": len(model.schedule),
        "rope_parameters": _rope_parameters(model),
        "tie_word_embeddings": model.head.tie_weights,
        "initializer_range": policy.std,
        "readout_multiplier": policy.readout_multiplier,
        "use_cache": True,
        "bos_token_id": ids.bos,
        "eos_token_id": ids.eos,
        "pad_token_id": ids.pad,
        "transition_token_id": ids.transition,
        "embedding": as_plain(model.embedding),
        "blocks": _blocks(model, found),
        "schedule": _schedule(model, found),
        "head": as_plain(model.head),
        "lateral": lateral_config(model),
        "keep_in_fp32": fp32_patterns(model),
        "init": {name: law for name, law in found.items() if not name.startswith("model.layers.")},
        "training_hints": plain["training_hints"],
        "v1_extensions": {
            "model": {key: plain["model"][key] for key in _IDENTITY if key in plain["model"]},
            "schedule_kinds": sorted({_kind(node) for node in model.schedule}),
            **{key: plain[key] for key in _EXTENSIONS if key in plain},
            "reserved": model.reserved,
        },
        "eulerstack_version": __version__,
        **_transformers_version(),
    }


def generation_config_dict(ids: SpecialIds) -> Plain:
    """The content of generation_config.json."""
    return {
        "bos_token_id": ids.bos,
        "eos_token_id": ids.eos,
        "pad_token_id": ids.pad,
        "use_cache": True,
        **_transformers_version(),
    }


def _transformers_version() -> Plain:
    """The version that the runtime was written for, told without importing it."""
    try:
        return {"transformers_version": version("transformers")}
    except PackageNotFoundError:
        return {}


def _rope_parameters(model: Model) -> Plain | None:
    """transformers 5's form. Layers with a rope_theta of their own name it in their block."""
    if model.embedding.positional != "rope":
        return None
    scaling = dict(model.embedding.rope_scaling or {"type": "default"})
    if "original_max_seq_len" in scaling:
        scaling["original_max_position_embeddings"] = scaling.pop("original_max_seq_len")
    return {"rope_type": scaling.pop("type"), "rope_theta": model.embedding.rope_theta, **scaling}


def _blocks(model: Model, found: Mapping[str, Plain]) -> list[Plain]:
    inits = _inits(model, found)
    return [
        {
            **as_plain(block),
            "mixer": _mixer(block.mixer),
            "ffn": block.ffn and plain_ffn(block.ffn),
            "memory": block.memory and plain_memory(block.memory),
            "init": inits.get(block.name, {}),
        }
        for block in model.blocks
    ]


def _mixer(mixer: Any) -> Plain:
    """Unlike the printed spec with its nulls: the runtime has no defaults."""
    fields = as_plain(mixer)
    if mixer.type == "branched":
        fields["branches"] = {name: _mixer(branch) for name, branch in mixer.branches.items()}
    return {"type": mixer.type, mixer.key: fields}


def _inits(model: Model, found: Mapping[str, Plain]) -> dict[str, dict[str, Plain]]:
    """For each block the law of every tensor below it, from all its layers: one with kv_from has fewer than others."""
    inits: dict[str, dict[str, Plain]] = {}
    blocks = {
        f"model.layers.{module}.": layer.block
        for entry in number_modules(model.schedule)
        for body in entry.bodies
        for layer, module in body
    }
    for name, law in found.items():
        prefix = ".".join(name.split(".")[:3]) + "."
        if prefix in blocks and not name.startswith(f"{prefix}{DEPTH}"):
            inits.setdefault(blocks[prefix], {})[name.removeprefix(prefix)] = law
    return inits


def _kind(node: Node) -> str:
    return {Layer: "plain", Parallel: "parallel", Integrator: "integrator"}[type(node)]


def _schedule(model: Model, found: Mapping[str, Plain]) -> list[Plain]:
    index = {block.name: i for i, block in enumerate(model.blocks)}
    return [_entry(model, entry, index, found) for entry in number_modules(model.schedule)]


def _entry(model: Model, entry: Numbered, index: Mapping[str, int], found: Mapping[str, Plain]) -> Plain:
    bodies = [[_layer(layer, module, index, found) for layer, module in body] for body in entry.bodies]
    match entry.node:
        case Parallel(streams=streams, merge=merge):
            named = [{"name": stream.name, "body": body} for stream, body in zip(streams, bodies, strict=True)]
            return {"parallel": {"streams": named, "merge": as_plain(merge)}, "d_model": entry_width(model, entry.node)}
        case Integrator(type=type, steps=steps, output=output):
            integrator = {"type": type, "steps": steps, "output": output, "bodies": bodies}
            return {"integrator": integrator, "d_model": entry_width(model, entry.node)}
    return bodies[0][0]


def _layer(layer: Layer, module: int, index: Mapping[str, int], found: Mapping[str, Plain]) -> Plain:
    """A plain layer, with the laws of its depth router: that hangs on the entry, not on the block."""
    prefix = f"model.layers.{module}."
    own = {name.removeprefix(prefix): law for name, law in found.items() if name.startswith(f"{prefix}{DEPTH}")}
    return {**as_plain(layer), "block": index[layer.block], "module": module, "init": own}


def spec_from_config(config: Mapping[str, Any]) -> Plain:
    """The canonical spec that a config.json came from, as a plain mapping."""
    extensions = config["v1_extensions"]
    embedding = dict(config["embedding"])
    if embedding["positional"] != "rope":
        del embedding["rope_theta"]
    spec: Plain = {
        "schema_version": 1,
        "about": extensions.get("about"),
        "model": {**extensions["model"], **{ours: config[theirs] for ours, theirs in _HF_NAMES.items()}},
        "tokenizer_contract": extensions["tokenizer_contract"],
        "embedding": embedding,
        "layer_templates": {block["name"]: _template(block) for block in config["blocks"]},
        "layer_schedule": plain_schedule([_node(entry, config["blocks"]) for entry in config["schedule"]]),
        "head": {**config["head"], "final_norm": _final_norm(config["head"]["final_norm"])},
        "training_hints": config["training_hints"],
        **{key: extensions.get(key) for key in ("compatibility", "execution_modes", "transition", "tissue")},
    }
    spec = _pruned(spec)
    insert(spec, extensions["reserved"])
    return spec


def _template(block: Plain) -> Plain:
    parts = ("mixer", "norm", "residual", "state", "memory", "shape_change", "ffn_factors")
    template = {part: block[part] for part in parts if block[part] is not None}
    if not any(value is not None for value in block["state"].values()):
        del template["state"]
    return {**template, "ffn": block["ffn"] or {"type": "none"}}


def _final_norm(norm: Plain | None) -> Plain:
    return {"type": "none"} if norm is None else {key: value for key, value in norm.items() if key != "position"}


def _node(entry: Plain, blocks: list[Plain]) -> Node:
    """The IR's node for an entry of `schedule`."""
    if (parallel := entry.get("parallel")) is not None:
        streams = (Stream(name=s["name"], body=_layers(s["body"], blocks)) for s in parallel["streams"])
        return Parallel(streams=tuple(streams), merge=Merge(**parallel["merge"]))
    if (integrator := entry.get("integrator")) is not None:
        fields = {key: integrator[key] for key in ("type", "steps", "output")}
        return Integrator(**fields, body=_layers(integrator["bodies"][0], blocks))
    gating = entry["depth_gating"]
    return Layer(
        block=blocks[entry["block"]]["name"],
        share=entry["share"],
        kv_from=entry["kv_from"],
        depth_gating=DepthGating(**gating) if gating else None,
    )


def _layers(entries: list[Plain], blocks: list[Plain]) -> tuple[Layer, ...]:
    return tuple(layer for entry in entries if isinstance(layer := _node(entry, blocks), Layer))


def _pruned(value: Any) -> Any:
    """Without null at any depth: unwritten, each of these keys means null."""
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if item is not None}
    return [_pruned(item) for item in value] if isinstance(value, list) else value
