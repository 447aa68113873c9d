"""Checks inside and between the sections: model, tokenizer, embedding, head, training, phases, tissue."""

from collections.abc import Iterator

from eulerstack.schema.check_templates import dims_of
from eulerstack.schema.facts import named_fields
from eulerstack.schema.findings import Findings
from eulerstack.schema.mixers import Attention, AttentionKeys
from eulerstack.schema.parts import Parts
from eulerstack.schema.rope_scaling import NEEDED, OWN, RopeScalingKeys, own_keys
from eulerstack.schema.sections import (
    EmbeddingKeys,
    HeadKeys,
    ModelKeys,
    TokenizerKeys,
    TrainingKeys,
)
from eulerstack.schema.traits import keeps_recurrent_state, mixers_of, reads_rope, routed_units, single_mixers
from eulerstack.schema.vocabularies import vocabulary_size


def check_sections(parts: Parts, findings: Findings) -> None:
    """All checks of this file."""
    if parts.model:
        _check_heads(parts, parts.model, findings)
    if parts.tokenizer_contract:
        _check_tokenizer(parts, parts.tokenizer_contract, findings)
    if parts.embedding:
        _check_embedding(parts, parts.embedding, findings)
    if parts.head:
        _check_head(parts, parts.head, findings)
    if parts.embedding and parts.head:
        _check_ties(parts.embedding, parts.head, findings)
    _check_training(parts, parts.training_hints, findings)
    _check_quantisation(parts, findings)
    _check_phases(parts, findings)
    _check_tissue(parts, findings)


def _check_heads(parts: Parts, model: ModelKeys, findings: Findings) -> None:
    if not parts.sound("model", "head_dim"):
        return
    if model.head_dim is None and model.d_model % model.n_heads:
        near = min(
            (count for count in range(1, min(model.d_model, 4096) + 1) if model.d_model % count == 0),
            key=lambda count: abs(count - model.n_heads),
        )
        findings.add("heads-not-whole", ("model", "n_heads"), d_model=model.d_model, n_heads=model.n_heads, near=near)
    elif (head_dim := model.head_dim or model.d_model // model.n_heads) % 2 and reads_rope(parts):
        findings.add("rope-head-dim-odd", ("model", "head_dim" if model.head_dim else "n_heads"), head_dim=head_dim)
    if model.n_kv_heads and model.n_heads % model.n_kv_heads:
        findings.add("kv-heads-not-whole", ("model", "n_kv_heads"), n_heads=model.n_heads, n_kv_heads=model.n_kv_heads)


def _check_tokenizer(parts: Parts, tokenizer: TokenizerKeys, findings: Findings) -> None:
    path = ("tokenizer_contract", "pretrained")
    if tokenizer.type == "hf" and tokenizer.pretrained is None and not parts.written(*path):
        findings.add("pretrained-missing", ("tokenizer_contract", "type"))
    if tokenizer.type == "byte" and tokenizer.pretrained is not None:
        findings.add("byte-with-pretrained", path, key=True)
    size = vocabulary_size(tokenizer)
    if size and tokenizer.type == "byte" and parts.transition and parts.transition.token:
        size += parts.transition.token not in ("<pad>", "<bos>", "<eos>", tokenizer.pad_token)
    if parts.model and size and size > parts.model.vocab_size:
        findings.add(
            "vocabulary-too-small", ("model", "vocab_size"),
            tokenizer=tokenizer.pretrained or "byte", tokens=f"{size:,}", size=size,
            vocab_size=f"{parts.model.vocab_size:,}",
        )  # fmt: skip


def _check_embedding(parts: Parts, embedding: EmbeddingKeys, findings: Findings) -> None:
    if embedding.positional != "rope":
        for name in ("rope_theta", "rope_scaling"):
            if parts.written("embedding", name):
                findings.add(
                    "rope-key-without-rope", ("embedding", name), key=True, key_name=name,
                    positional=embedding.positional,
                )  # fmt: skip
    elif embedding.rope_scaling and parts.sound("embedding", "rope_scaling"):
        _check_rope_scaling(parts, embedding.rope_scaling, findings)


def _check_rope_scaling(parts: Parts, scaling: RopeScalingKeys, findings: Findings) -> None:
    base = ("embedding", "rope_scaling")
    own = own_keys(scaling.type)
    for name, _ in named_fields(RopeScalingKeys):
        if name not in ("type", "factor") and name not in own and getattr(scaling, name) is not None:
            types = ", ".join(kind for kind in OWN if name in own_keys(kind))
            findings.add("rope-scaling-other-type", (*base, name), key=True, name=name, type=scaling.type, types=types)
    for name in NEEDED.get(scaling.type, ()):
        if not parts.written(*base, name):
            findings.add("rope-scaling-needs", (*base, "type"), name=name, type=scaling.type)
    if scaling.type == "longrope":
        _check_longrope(parts, scaling, findings)
    low, high = scaling.low_freq_factor or 1, scaling.high_freq_factor or 4
    if scaling.type == "llama3" and low >= high:
        place = "low_freq_factor" if scaling.low_freq_factor else "high_freq_factor"
        findings.add("rope-scaling-order", (*base, place), low=f"{low:g}", high=f"{high:g}")


def _check_longrope(parts: Parts, scaling: RopeScalingKeys, findings: Findings) -> None:
    pairs = list(_scaled_pairs(parts))
    for name in NEEDED["longrope"]:
        factors = getattr(scaling, name)
        wrong = [count for count in pairs if factors is not None and len(factors) != count]
        if wrong:
            path = ("embedding", "rope_scaling", name)
            findings.add("longrope-length", path, count=len(factors), pairs=wrong[0])


def _scaled_pairs(parts: Parts) -> Iterator[int]:
    """How many pairs each attention rotates by scaled angles."""
    if parts.model is None or parts.embedding is None or not parts.sound("model"):
        return
    for name, template in parts.templates.items():
        if not parts.sound("layer_templates", name, "mixer"):
            continue
        dims = dims_of(parts.model, parts.embedding, template)
        for single in single_mixers(template.mixer):
            if single.type == "attention":
                attention = Attention.resolve(single.attention or AttentionKeys(), dims)
                rotated = attention.mla.rope_dim if attention.mla else attention.rope_dim
                if attention.rope and attention.rope_scaled and rotated:
                    yield rotated // 2


def _check_head(parts: Parts, head: HeadKeys, findings: Findings) -> None:
    if head.type == "causal_lm_mtp" and not parts.written("head", "mtp"):
        findings.add("mtp-missing", ("head", "type"))
    if head.type != "causal_lm_mtp" and parts.written("head", "mtp"):
        findings.add("mtp-forbidden", ("head", "mtp"), key=True, type=head.type)
    if head.mtp:
        path, name = ("head", "mtp", "head_template"), head.mtp.head_template
        if name not in parts.templates:
            findings.unknown("unknown-template", path, name, parts.templates)
        elif parts.templates[name].shape_change:
            findings.add("mtp-changes-width", path, name=name)


def _check_ties(embedding: EmbeddingKeys, head: HeadKeys, findings: Findings) -> None:
    written = {embedding.tie_word_embeddings, head.tie_weights} - {None}
    if len(written) == 2:
        findings.add(
            "ties-differ", ("head", "tie_weights"),
            embedding=_yaml(embedding.tie_word_embeddings), head=_yaml(head.tie_weights),
        )  # fmt: skip


def _yaml(value: bool | None) -> str:
    return "true" if value else "false"


def _check_training(parts: Parts, hints: TrainingKeys, findings: Findings) -> None:
    base = ("training_hints",)
    if hints.scaling and hints.scaling.parametrization == "mup" and not parts.written(*base, "scaling", "base_width"):
        findings.add("mup-needs-base-width", (*base, "scaling", "parametrization"))
    if hints.scaling and hints.scaling.parametrization == "standard" and hints.scaling.base_width is not None:
        findings.add("base-width-unused", (*base, "scaling", "base_width"), key=True)
    if hints.optimizer == "adamw" and parts.sound(*base, "optimizer"):
        for name in ("muon", "optimizer_groups"):
            if getattr(hints, name) is not None:
                findings.add("optimizer-key-unused", (*base, name), key=True, name=name)
    objectives = hints.differentiation_objectives
    if objectives is None or not (parts.sound("layer_templates") and parts.sound("layer_schedule")):
        return
    units = routed_units(parts)
    for name in ("usage_probe_coef", "router_mutual_information_coef", "expert_orthogonality_coef"):
        wanted = units & {"moe"} if name == "expert_orthogonality_coef" else units
        if getattr(objectives, name) and not wanted:
            findings.add("objective-without-object", (*base, "differentiation_objectives", name), name=name)


def _check_quantisation(parts: Parts, findings: Findings) -> None:
    quant = parts.compatibility.quant_aware_training
    if quant and quant.enabled and not quant.scope and parts.sound("compatibility", "quant_aware_training"):
        findings.add("quantisation-without-scope", ("compatibility", "quant_aware_training", "enabled"))


def _check_phases(parts: Parts, findings: Findings) -> None:
    seen: set[str] = set()
    for path, mode in parts.modes:
        if mode.name in seen:
            findings.add("duplicate-name", (*path, "name"), name=mode.name, list="execution_modes")
        seen.add(mode.name)
        recurrent = sorted({name for name in mixers_of(parts.templates.values()) if keeps_recurrent_state(name)})
        if recurrent and parts.written(*path, "kv_share") and not mode.kv_share:
            findings.add("kv-share-recurrent", (*path, "kv_share"), mixers=", ".join(recurrent))
    if parts.transition is None or not parts.sound("transition"):
        return
    if not parts.modes and not parts.written("execution_modes"):
        findings.add("transition-without-modes", ("transition",), key=True)
    if parts.transition.type == "special_token" and not parts.written("transition", "token"):
        findings.add("transition-needs-token", ("transition", "type"))


def _check_tissue(parts: Parts, findings: Findings) -> None:
    tissue = parts.tissue
    names: set[str] = set()
    owners: dict[str, str] = {}
    for path, column in parts.columns:
        if column.name in names:
            findings.add("duplicate-name", (*path, "name"), name=column.name, list="tissue.columns")
        names.add(column.name)
        for index, template in enumerate(column.templates):
            place = (*path, "templates", index)
            if template not in parts.templates:
                findings.unknown("unknown-template", place, template, parts.templates)
            elif (owner := owners.setdefault(template, column.name)) != column.name:
                findings.add("template-in-two-columns", place, name=template, first=owner, second=column.name)
    if tissue and len(tissue.columns) == 1 and tissue.connectivity != "none":
        findings.add("one-column", ("tissue", "connectivity"), connectivity=tissue.connectivity)
    if tissue and tissue.connectivity == "none" and tissue.lateral_coef and parts.sound("tissue"):
        findings.add("lateral-without-edges", ("tissue", "lateral_coef"))
