"""What a spec's templates are made of, as far as checks across sections need to know."""

from collections.abc import Iterable, Iterator

from eulerstack.schema.mixers import AttentionKeys, MixerKeys, SingleMixerKeys
from eulerstack.schema.parts import Parts, TemplateParts
from eulerstack.schema.schedule import PlainKeys
from eulerstack.schema.sections import ModeKeys
from eulerstack.schema.template import TemplateKeys

RECURRENT = frozenset({"mamba", "retnet", "hyena", "ttt_layer", "gated_deltanet"})
"""Mixers whose decoding state mixes all past tokens, so that no part of the past can be hidden again."""

SSM = frozenset({"mamba", "retnet", "ttt_layer", "gated_deltanet"})
"""Mixers that `state.ssm_state` may be asserted of."""

KEY_VALUE = frozenset({"attention", "retnet"})
"""Mixers that `state.kv_cache` may be asserted of; of retnet as the published language has it."""


def single_mixers(keys: MixerKeys | None) -> Iterator[SingleMixerKeys]:
    """The mixer itself, or a branched one's branches."""
    if keys is None:
        return
    if keys.type == "branched":
        yield from keys.branched.branches.values() if keys.branched else ()
    else:
        yield keys


def mixer_types(template: TemplateParts | TemplateKeys) -> set[str]:
    """The types of a template's mixer, branches instead of branched."""
    return {single.type for single in single_mixers(template.mixer)}


def mixers_of(templates: Iterable[TemplateParts | TemplateKeys]) -> set[str]:
    """The types of all templates' mixers, branches included, and `memory`, `compression` where a template has one."""
    each = list(templates)
    found = {kind for template in each for kind in mixer_types(template)}
    singles = [single for template in each for single in single_mixers(template.mixer)]
    compressed = any(single.attention and single.attention.compression for single in singles)
    memory = any(template.memory for template in each)
    return found | ({"memory"} if memory else set()) | ({"compression"} if compressed else set())


def keeps_recurrent_state(name: str) -> bool:
    """Whether a mixer, a compression of its keys, or a memory keeps what no part of the past can be taken out of."""
    return name in RECURRENT or name in ("memory", "compression")


def shares_keys(mode: ModeKeys, mixers: Iterable[str]) -> bool:
    """Whether a phase sees the earlier phases' keys: as written, else only where a mixer's state cannot hide them."""
    if "kv_share" in mode.model_fields_set:
        return mode.kv_share
    return any(keeps_recurrent_state(name) for name in mixers)


def reads_rope(parts: Parts) -> bool:
    """Whether some attention rotates heads of the model's own width."""
    if not parts.embedding or parts.embedding.positional != "rope":
        return False
    return any(
        single.type == "attention" and _rotates(single.attention or AttentionKeys())
        for template in parts.templates.values()
        for single in single_mixers(template.mixer)
    )


def _rotates(keys: AttentionKeys) -> bool:
    own_width = keys.head_dim or keys.n_heads or keys.mla or keys.latent_dim
    return keys.rope is not False and not own_width


def routed_units(parts: Parts) -> set[str]:
    """Which kinds of unit choose where a token goes: moe, branched, depth_gating."""
    found = {kind for template in parts.templates.values() for kind in _routed(template)}
    gated = any(
        isinstance(entry, PlainKeys) and entry.depth_gating and entry.depth_gating.enabled for _, entry in parts.entries
    )
    return found | ({"depth_gating"} if gated else set())


def _routed(template: TemplateParts) -> Iterator[str]:
    if template.ffn and template.ffn.type == "moe":
        yield "moe"
    if template.mixer and template.mixer.type == "branched":
        yield "branched"
