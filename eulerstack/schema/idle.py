"""Keys that are right and have nothing to act on in this spec: what they ask for is already so, or nobody asks them.

A value that is the default is no wish, so only another one is told; nor is one that a layer repeats, as the canonical
form does for every key.
"""

from collections.abc import Iterator

from eulerstack.dsl.tree import Path
from eulerstack.schema.base import Keys
from eulerstack.schema.findings import Findings
from eulerstack.schema.mixers import SingleMixerKeys
from eulerstack.schema.mixers.attention import latent
from eulerstack.schema.parts import Parts, TemplateParts
from eulerstack.schema.schedule import ParallelKeys
from eulerstack.schema.traits import routed_units, single_mixers


def find_idle(parts: Parts, findings: Findings) -> None:
    """All checks of this file."""
    for name, template in parts.templates.items():
        if parts.sound("layer_templates", name):
            _check_template(template, ("layer_templates", name), findings)
    if parts.head and parts.head.final_norm and parts.sound("head"):
        norm = parts.head.final_norm
        at = ("head", "final_norm")
        if norm.type == "none":
            for key in sorted(norm.model_fields_set - {"type"}):
                _beside(findings, (*at, key), "type: none")
        elif norm.affine is False and norm.unit_offset:
            _beside(findings, (*at, "unit_offset"), "affine: false")
    if parts.sound("layer_templates") and parts.sound("layer_schedule"):
        for path in _unread(parts):
            findings.add("key-unread", path, key=True)


def _check_template(template: TemplateParts, path: Path, findings: Findings) -> None:
    hyper = template.residual.hyper if template.residual else None
    if hyper and hyper.mixing != "birkhoff" and _chosen(hyper, "sinkhorn_iters"):
        _beside(findings, (*path, "residual", "hyper", "sinkhorn_iters"), f"mixing: {hyper.mixing}")
    if template.norm and template.norm.unit_offset and not template.norm.affine:
        _beside(findings, (*path, "norm", "unit_offset"), "affine: false")
    moe = template.ffn.moe if template.ffn else None
    if moe and moe.d_expert and template.ffn and template.ffn.d_ff:
        _beside(findings, (*path, "ffn", "d_ff"), "d_expert")
    if moe and moe.routing.type == "hash" and moe.load_balance_coef:
        _beside(findings, (*path, "ffn", "moe", "load_balance_coef"), "routing.type: hash")


def _beside(findings: Findings, path: Path, cause: str) -> None:
    findings.add("key-without-effect", path, key=True, key_name=path[-1], cause=cause)


def _chosen(keys: Keys, name: str) -> bool:
    """Whether the key has another value than its default."""
    return getattr(keys, name) != type(keys).model_fields[name].default


def _unread(parts: Parts) -> Iterator[Path]:
    """What the sections say to layers of a kind that this spec does not have."""
    mixers = [single for template in parts.templates.values() for single in single_mixers(template.mixer)]
    attentions = [mixer for mixer in mixers if mixer.type == "attention"]
    crossing = any(isinstance(entry, ParallelKeys) and entry.merge.type == "cross_attn" for _, entry in parts.entries)
    if model := parts.model:
        repeated = any(mixer.attention and mixer.attention.n_kv_heads == model.n_kv_heads for mixer in attentions)
        if model.n_kv_heads not in (None, model.n_heads) and not (any(map(_groups_heads, attentions)) or repeated):
            yield "model", "n_kv_heads"
        own_width = model.head_dim not in (None, model.d_model / model.n_heads)
        if own_width and not (attentions or crossing or any(mixer.type == "gated_deltanet" for mixer in mixers)):
            yield "model", "head_dim"
    if (embedding := parts.embedding) and embedding.positional == "rope" and not any(map(_rotates, attentions)):
        if _chosen(embedding, "rope_theta") and not any(mixer.type == "ttt_layer" for mixer in mixers):
            yield "embedding", "rope_theta"
        if embedding.rope_scaling:
            yield "embedding", "rope_scaling"
    units = routed_units(parts)
    if _chosen(parts.training_hints, "router_aux_loss_coef") and "moe" not in units:
        yield "training_hints", "router_aux_loss_coef"
    if _chosen(parts.training_hints, "router_lr_multiplier") and not units:
        yield "training_hints", "router_lr_multiplier"


def _groups_heads(mixer: SingleMixerKeys) -> bool:
    """Whether an attention may have fewer heads of keys than of queries, and takes their number from the model."""
    return not (mixer.attention and (latent(mixer.attention) or mixer.attention.n_kv_heads))


def _rotates(mixer: SingleMixerKeys) -> bool:
    return not (mixer.attention and mixer.attention.rope is False)
