"""Checks inside one template: the mixer's and ffn's own, norm, residual, state."""

from dataclasses import replace

from eulerstack.dsl.tree import Path
from eulerstack.schema.base import Dims
from eulerstack.schema.ffn import check_ffn
from eulerstack.schema.findings import Findings
from eulerstack.schema.mixers import check_mixer
from eulerstack.schema.parts import Parts, TemplateParts
from eulerstack.schema.sections import EmbeddingKeys, ModelKeys
from eulerstack.schema.traits import KEY_VALUE, SSM, mixer_types

ANY_MODELS = (
    Dims(
        d_model=4096, n_heads=32, n_kv_heads=32, head_dim=128, d_ff=16384, norm_eps=1e-5, vocab_size=32000,
        max_seq_len=4096, positional="rope", rope_theta=10000.0,
    ),
    Dims(
        d_model=1536, n_heads=16, n_kv_heads=8, head_dim=96, d_ff=6144, norm_eps=1e-6, vocab_size=50000,
        max_seq_len=2048, positional="none", rope_theta=20000.0,
    ),
)  # fmt: skip


def check_templates(parts: Parts, findings: Findings) -> None:
    """Every template by itself."""
    for name, template in parts.templates.items():
        check_template(parts, template, ("layer_templates", name), findings)


def check_template(parts: Parts, template: TemplateParts, path: Path, findings: Findings) -> None:
    """What one template's keys must say of each other and of the model."""
    sound = replace(
        template,
        mixer=template.mixer if parts.sound(*path, "mixer") else None,
        ffn=template.ffn if parts.sound(*path, "ffn") else None,
    )
    if parts.model and parts.embedding:
        _check_primitives(sound, dims_of(parts.model, parts.embedding, template), path, findings)
    else:
        _check_in_any_model(sound, path, findings)
    if template.ffn_factors and template.ffn and template.ffn.type != "gated_mlp":
        findings.add("factors-without-gate", (*path, "ffn_factors"), key=True, type=template.ffn.type)
    _check_residual(parts, template, path, findings)
    _check_state(template, path, findings)


def _check_primitives(template: TemplateParts, dims: Dims, path: Path, findings: Findings) -> None:
    if template.mixer:
        check_mixer(template.mixer, dims, findings.below(*path, "mixer"))
    if template.ffn:
        check_ffn(template.ffn, dims, findings.below(*path, "ffn"))


def _check_in_any_model(template: TemplateParts, path: Path, findings: Findings) -> None:
    """Where the model could not be read: only what is wrong in two models that have no number in common."""
    found = [Findings(findings.root) for _ in ANY_MODELS]
    for each, dims in zip(found, ANY_MODELS, strict=True):
        _check_primitives(template, dims, path, each)
    first, second = (each.diagnostics for each in found)
    findings.diagnostics.extend(diagnostic for diagnostic in first if diagnostic in second)


def dims_of(model: ModelKeys, embedding: EmbeddingKeys, template: TemplateParts) -> Dims:
    """The numbers a template derives its own from, as far as they show before the schedule is walked."""
    d_model = template.shape_change.d_out if template.shape_change else model.d_model
    return Dims(
        d_model=d_model,
        n_heads=model.n_heads,
        n_kv_heads=model.n_kv_heads or model.n_heads,
        head_dim=model.head_dim or max(d_model // model.n_heads, 1),
        d_ff=model.d_ff or max(round(model.mlp_ratio * d_model), 1),
        norm_eps=model.norm_eps,
        vocab_size=model.vocab_size,
        max_seq_len=model.max_seq_len,
        positional=embedding.positional,
        rope_theta=embedding.rope_theta,
        d_embedded=model.d_model,
    )


def _check_residual(parts: Parts, template: TemplateParts, path: Path, findings: Findings) -> None:
    residual = template.residual
    if residual is None or not parts.sound(*path, "residual"):
        return
    written = parts.written(*path, "residual", "hyper")
    if residual.type == "hyper_connection" and not written:
        findings.add("hyper-missing", (*path, "residual", "type"))
    if residual.type != "hyper_connection" and written:
        findings.add("hyper-forbidden", (*path, "residual", "hyper"), key=True, type=residual.type)
    if residual.type == "parallel" and template.ffn and template.ffn.type == "none":
        findings.add("parallel-without-ffn", (*path, "residual", "type"))


def _check_state(template: TemplateParts, path: Path, findings: Findings) -> None:
    mixers = mixer_types(template)
    state = template.state
    if state is None:
        return
    names = ", ".join(sorted(mixers))
    for key, kinds in (("kv_cache", KEY_VALUE), ("ssm_state", SSM)):
        asserted = getattr(state, key)
        other = state.ssm_state if key == "kv_cache" else state.kv_cache
        has = mixers & kinds
        # retnet's state may be called by either name, so denying one is wrong only where the other is denied too.
        denied = asserted is False and has and (has != {"retnet"} or (other is False and key == "ssm_state"))
        if mixers and ((asserted and not has) or denied):
            findings.add(
                "state-mismatch", (*path, "state", key), key_name=key, mixer=names, right="true" if has else "false"
            )
