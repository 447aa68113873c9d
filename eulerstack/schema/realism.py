"""Realism: what is allowed but rarely meant. Rules that need no cost; those that do live with the IR."""

from collections.abc import Callable, Iterator

from eulerstack.diagnostics import Diagnostic
from eulerstack.dsl.tree import Path
from eulerstack.schema.findings import Findings
from eulerstack.schema.mixers import SingleMixerKeys
from eulerstack.schema.parts import Parts, TemplateParts
from eulerstack.schema.schedule import IntegratorEntryKeys, PlainKeys
from eulerstack.schema.stack import stack
from eulerstack.schema.traits import mixer_types, single_mixers

HEAD_DIM = (32, 256)
EXPERTS = 1024
EXPERTS_BUILT = 4096
ROPE_FACTOR = 32
CAPACITY_FACTOR = 0.5
DEPTH_CAPACITY = (0.1, 0.99)
INTEGRATOR_STEPS = 32
MEMORY_RATIO = 8
INNER_LR = (1e-6, 1.0)
SEQUENCE_RATIO = 64
HASHED_LAYERS = 3
DEEP = 16
SIMPLE = frozenset({"attention", "retnet"})


def realism(parts: Parts) -> list[Diagnostic]:
    """Everything of a spec that is unusual enough to be told."""
    findings = Findings(parts.root)
    for rule in RULES:
        rule(parts, findings)
    return findings.diagnostics


def _head_dim(parts: Parts, findings: Findings) -> None:
    model = parts.model
    if model is None or (model.head_dim is None and model.d_model % model.n_heads):
        return
    head_dim = model.head_dim or model.d_model // model.n_heads
    if not HEAD_DIM[0] <= head_dim <= HEAD_DIM[1]:
        key = "head_dim" if model.head_dim else "n_heads"
        findings.add("head-dim-unusual", ("model", key), head_dim=head_dim, low=HEAD_DIM[0], high=HEAD_DIM[1])


def _sequence_length(parts: Parts, findings: Findings) -> None:
    model = parts.model
    if model is None or model.max_seq_len <= SEQUENCE_RATIO * model.d_model:
        return
    if any(_attends_to_all(template) for template in parts.templates.values()):
        ratio = f"{model.max_seq_len / model.d_model:.0f}"
        findings.add("sequence-long-for-width", ("model", "max_seq_len"), ratio=ratio, limit=SEQUENCE_RATIO)


def _attends_to_all(template: TemplateParts) -> bool:
    return any(
        single.type == "attention"
        and not (single.attention and (single.attention.window or single.attention.compression))
        for single in single_mixers(template.mixer)
    )


def _family(parts: Parts, findings: Findings) -> None:
    hint = (parts.model.family_hint or "").lower() if parts.model else ""
    if not parts.templates or not parts.sound("layer_templates"):
        return
    mixers = {kind for template in parts.templates.values() for kind in mixer_types(template)}
    names = ", ".join(sorted(mixers))
    attention_only = ("llama", "gpt", "mistral", "mixtral", "qwen", "gemma", "olmo", "opt")
    wanted = next((name for name in ("mamba", "retnet", "hyena") if name in hint), None)
    if wanted and wanted not in mixers:
        findings.add("family-differs", ("model", "family_hint"), hint=hint, wanted=wanted, mixers=names)
    elif not wanted and any(name in hint for name in attention_only) and mixers - {"attention"}:
        findings.add("family-differs", ("model", "family_hint"), hint=hint, wanted="attention", mixers=names)


def _rope_factor(parts: Parts, findings: Findings) -> None:
    scaling = parts.embedding.rope_scaling if parts.embedding else None
    if scaling and scaling.factor and scaling.factor > ROPE_FACTOR:
        path = ("embedding", "rope_scaling", "factor")
        findings.add("rope-factor-large", path, factor=f"{scaling.factor:g}", limit=ROPE_FACTOR)


def _experts(parts: Parts, findings: Findings) -> None:
    for path, template in _templates(parts):
        moe, at = template.ffn.moe if template.ffn else None, (*path, "ffn", "moe")
        if moe is None:
            continue
        if moe.experts > EXPERTS_BUILT:
            findings.add("experts-too-many", (*at, "experts"), experts=moe.experts, limit=EXPERTS_BUILT)
        elif moe.experts > EXPERTS:
            findings.add("experts-many", (*at, "experts"), experts=moe.experts, limit=EXPERTS)
        if moe.capacity_factor < CAPACITY_FACTOR:
            value = f"{moe.capacity_factor:g}"
            findings.add("capacity-factor-small", (*at, "capacity_factor"), value=value, limit=CAPACITY_FACTOR)
        chosen = moe.routing.type == "learned"  # a hash's choice needs no balance
        if moe.affinity == "sqrt_softplus" and chosen and not moe.bias_correction.enabled:
            findings.add("sqrt-softplus-uncorrected", (*at, "affinity"))


def _template_head_dim(parts: Parts, findings: Findings) -> None:
    """Heads that a template itself makes unusual; those of the model are judged once, with the model."""
    for path, single in _mixers(parts):
        keys = single.attention
        if keys is None or parts.model is None or keys.mla:
            continue
        tiled = keys.n_heads if parts.model.head_dim is None and keys.head_dim is None else None
        head_dim = parts.model.d_model / tiled if tiled else keys.head_dim
        if head_dim and not HEAD_DIM[0] <= head_dim <= HEAD_DIM[1]:
            at = (*path, "attention", "head_dim" if keys.head_dim else "n_heads")
            findings.add("head-dim-unusual", at, head_dim=f"{head_dim:g}", low=HEAD_DIM[0], high=HEAD_DIM[1])


def _latent(parts: Parts, findings: Findings) -> None:
    for path, single in _mixers(parts):
        attention = single.attention
        if not parts.model or not attention:
            continue
        d_model = parts.model.d_model
        rank = attention.mla.kv_rank if attention.mla else attention.latent_dim
        key = ("mla", "kv_rank") if attention.mla else ("latent_dim",)
        if rank and not d_model / 16 <= rank <= 3 * d_model / 4:
            at = (*path, "attention", *key)
            findings.add("latent-unusual", at, rank=rank, low=d_model // 16, high=3 * d_model // 4)


def _memory(parts: Parts, findings: Findings) -> None:
    for path, template in _templates(parts):
        if not template.memory or not parts.model:
            continue
        limit = MEMORY_RATIO * parts.model.d_model
        if template.memory.params.hidden > limit:
            at = (*path, "memory", "params", "hidden")
            findings.add("memory-large", at, hidden=template.memory.params.hidden, limit=limit)
        rate = (*path, "memory", "inner_lr")
        if template.memory.type != "retrieval":
            _inner_lr(template.memory.inner_lr, rate, findings)
        elif parts.written(*rate):
            findings.add("memory-rate-unused", rate)


def _test_time_training(parts: Parts, findings: Findings) -> None:
    for path, single in _mixers(parts):
        if single.ttt:
            _inner_lr(single.ttt.inner_lr, (*path, "ttt", "inner_lr"), findings)


def _inner_lr(value: float, path: Path, findings: Findings) -> None:
    if not INNER_LR[0] <= value <= INNER_LR[1]:
        findings.add("inner-lr-unusual", path, value=f"{value:g}", low=f"{INNER_LR[0]:g}", high=f"{INNER_LR[1]:g}")


def _shape_change(parts: Parts, findings: Findings) -> None:
    for path, template in _templates(parts):
        if template.shape_change and parts.model and template.shape_change.d_out > parts.model.d_model:
            at = (*path, "shape_change", "d_out")
            findings.add("shape-widens", at, d_out=template.shape_change.d_out, d_model=parts.model.d_model)


def _depth_gating(parts: Parts, findings: Findings) -> None:
    for path, entry in parts.entries:
        if isinstance(entry, PlainKeys) and entry.depth_gating and entry.depth_gating.enabled:
            capacity = entry.depth_gating.capacity
            if not DEPTH_CAPACITY[0] <= capacity < DEPTH_CAPACITY[1]:
                code = "depth-capacity-small" if capacity < DEPTH_CAPACITY[0] else "depth-capacity-whole"
                findings.add(code, (*path, "depth_gating", "capacity"), capacity=f"{capacity:g}")


def _integrator_steps(parts: Parts, findings: Findings) -> None:
    for path, entry in parts.entries:
        if isinstance(entry, IntegratorEntryKeys) and entry.integrator.steps > INTEGRATOR_STEPS:
            at = (*path, "integrator", "steps")
            findings.add("integrator-long", at, steps=entry.integrator.steps, limit=INTEGRATOR_STEPS)


def _phase_budgets(parts: Parts, findings: Findings) -> None:
    total = sum(mode.max_tokens for _, mode in parts.modes)
    if parts.model and total > parts.model.max_seq_len:
        findings.add("phases-too-long", ("execution_modes",), key=True, total=total, limit=parts.model.max_seq_len)


def _hash_routing(parts: Parts, findings: Findings) -> None:
    """DeepSeek-V4 hashes in its first layers only: a fixed choice cannot specialise on what deep layers know."""
    names = _mixtures(parts)
    mixtures = [(path, name) for path, name in stack(parts) if name in names]
    early = max(HASHED_LAYERS, len(mixtures) // 4)
    for path, name in dict.fromkeys(mixtures[early:]):
        ffn = parts.templates[name].ffn
        if ffn and ffn.moe and ffn.moe.routing.type == "hash":
            findings.add("hash-routing-late", path, name=name, early=early)


def _regularisation(parts: Parts, findings: Findings) -> None:
    hints = parts.training_hints
    layers = [parts.templates[name] for _, name in stack(parts) if name in parts.templates]
    intricate = any((each.ffn and each.ffn.type == "moe") or mixer_types(each) - SIMPLE for each in layers)
    if len(layers) > DEEP and intricate and not hints.dropout and not hints.checkpointing:
        findings.add("deep-without-care", ("layer_schedule",), key=True, layers=len(layers))


def _mixtures(parts: Parts) -> set[str]:
    return {name for name, template in parts.templates.items() if template.ffn and template.ffn.type == "moe"}


def _templates(parts: Parts) -> list[tuple[Path, TemplateParts]]:
    named = ((("layer_templates", name), template) for name, template in parts.templates.items())
    return [(path, template) for path, template in named if parts.sound(*path)]


def _mixers(parts: Parts) -> Iterator[tuple[Path, SingleMixerKeys]]:
    """Every mixer that can be read, branches instead of branched, with its place."""
    for path, template in _templates(parts):
        mixer, at = template.mixer, (*path, "mixer")
        if mixer and mixer.branched:
            yield from (((*at, "branched", "branches", name), keys) for name, keys in mixer.branched.branches.items())
        elif mixer:
            yield at, mixer


RULES: tuple[Callable[[Parts, Findings], None], ...] = (
    _head_dim,
    _template_head_dim,
    _sequence_length,
    _family,
    _rope_factor,
    _experts,
    _latent,
    _memory,
    _test_time_training,
    _shape_change,
    _depth_gating,
    _integrator_steps,
    _phase_budgets,
    _hash_routing,
    _regularisation,
)
