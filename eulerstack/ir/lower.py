"""Lowering: a checked spec becomes a Model, with every default filled and the schedule expanded."""

from dataclasses import replace
from typing import Any

from eulerstack.ir.blocks import Blocks, Widths
from eulerstack.ir.expand import Expansion
from eulerstack.ir.modules import plain_layers
from eulerstack.ir.nodes import Embedding, Head, Model, MultiTokenPrediction, Node, Norm
from eulerstack.ir.reserved import settle
from eulerstack.ir.sections import (
    about_of,
    compatibility_of,
    modes_of,
    tissue_of,
    tokenizer_of,
    training_hints_of,
    transition_of,
)
from eulerstack.schema.rope_scaling import resolve_rope_scaling
from eulerstack.schema.sections import FinalNormKeys, MtpKeys
from eulerstack.schema.spec import Spec


def lower(spec: Spec) -> Model:
    """What the spec means. Raises EulerStackError (NormalizationError) where that shows only now: sizes that are not
    whole, more layers than may be, a width that is not restored, `share` and `kv_from` that lead nowhere.
    """
    model, widths = spec.model, Widths(spec)
    head_dim, d_ff = widths.head_dim(model.d_model), widths.d_ff(model.d_model)
    if head_dim is None:
        at = ("model", "n_heads")
        raise widths.not_whole("head_dim", f"{model.d_model} / {model.n_heads}", at)
    if d_ff is None:
        raise widths.not_whole("d_ff", f"{model.mlp_ratio:g} · {model.d_model}", ("model", "mlp_ratio"))
    blocks = Blocks(spec, widths)
    schedule = tuple(placed.node for placed in Expansion(spec, blocks).run())
    tied = tie(spec)
    lowered = Model(
        name=model.name,
        d_model=model.d_model,
        vocab_size=model.vocab_size,
        max_seq_len=model.max_seq_len,
        n_heads=model.n_heads,
        n_kv_heads=model.n_kv_heads or model.n_heads,
        head_dim=head_dim,
        d_ff=d_ff,
        mlp_ratio=float(model.mlp_ratio),
        norm_eps=model.norm_eps,
        dtype=model.dtype,
        family_hint=model.family_hint,
        target_params=model.target_params,
        tokenizer=tokenizer_of(spec.tokenizer_contract),
        embedding=_embedding_of(spec, tied),
        head=_head_of(spec, blocks, schedule, tied),
        blocks=blocks.all,
        schedule=schedule,
        training_hints=training_hints_of(spec.training_hints),
        compatibility=compatibility_of(spec.compatibility),
        execution_modes=modes_of(spec.execution_modes, spec.layer_templates.values()),
        transition=transition_of(spec.transition),
        tissue=tissue_of(spec.tissue, blocks),
        about=about_of(spec.about),
        reserved={},
    )
    return replace(lowered, reserved=settle(spec.reserved, lowered))


def tie(spec: Spec) -> bool:
    """Whether readout and embedding are one table: an unwritten key takes the other's value, a contradiction unties."""
    embedding, head = spec.embedding.tie_word_embeddings, spec.head.tie_weights
    return embedding is not False and head is not False


def _embedding_of(spec: Spec, tied: bool) -> Embedding:
    keys = spec.embedding
    scaling = resolve_rope_scaling(keys.rope_scaling, spec.model.max_seq_len) if keys.rope_scaling else None
    return Embedding(
        type=keys.type,
        positional=keys.positional,
        rope_theta=float(keys.rope_theta),
        rope_scaling=scaling,
        tie_word_embeddings=tied,
        scale=1.0 if keys.scale is None else float(keys.scale),
        d_embed=keys.d_embed or spec.model.d_model,
        train_padding=keys.train_padding,
        dropout=float(spec.training_hints.dropout if keys.dropout is None else keys.dropout),
    )


def _head_of(spec: Spec, blocks: Blocks, schedule: tuple[Node, ...], tied: bool) -> Head:
    last = blocks[plain_layers(schedule[-1])[-1].block]
    return Head(
        type=spec.head.type,
        tie_weights=tied,
        logit_softcap=spec.head.logit_softcap,
        logit_scale=None if spec.head.logit_scale == 1.0 else spec.head.logit_scale,
        final_norm=final_norm(spec.head.final_norm, last.norm),
        mtp=_mtp_of(spec.head.mtp, blocks, spec.model.d_model) if spec.head.mtp else None,
    )


def final_norm(keys: FinalNormKeys | None, last: Norm) -> Norm | None:
    """The norm before the readout: the last layer's, none after a post-norm layer, or what `head.final_norm` says."""
    if keys is None:
        return None if last.position == "post" else replace(last, position="pre")
    if keys.type == "none":
        return None
    return Norm(
        type=keys.type or last.type,
        position="pre",
        eps=last.eps if keys.eps is None else keys.eps,
        unit_offset=last.unit_offset if keys.unit_offset is None else keys.unit_offset,
        affine=last.affine if keys.affine is None else keys.affine,
    )


def _mtp_of(keys: MtpKeys, blocks: Blocks, d_model: int) -> MultiTokenPrediction:
    fields: dict[str, Any] = dict(keys)
    fields["head_template"] = blocks.make(keys.head_template, None, d_model).name
    return MultiTokenPrediction(**fields)
