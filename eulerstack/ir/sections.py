"""The sections that the architecture does not read, as plain canonical mappings: defaults filled, nulls left out."""

from collections.abc import Iterable
from typing import Any

from eulerstack.ir.blocks import Blocks
from eulerstack.schema.base import Keys
from eulerstack.schema.sections import (
    AboutKeys,
    CompatibilityKeys,
    ModeKeys,
    MuonKeys,
    ObjectivesKeys,
    ScalingKeys,
    TissueKeys,
    TokenizerKeys,
    TrainingKeys,
    TransitionKeys,
)
from eulerstack.schema.template import TemplateKeys
from eulerstack.schema.traits import mixers_of, shares_keys

Plain = dict[str, Any]


def written(keys: Keys) -> Plain:
    """The keys with their defaults, without those that are null."""
    return keys.model_dump(by_alias=True, exclude_none=True)


def tokenizer_of(keys: TokenizerKeys) -> Plain:
    """`tokenizer_contract`."""
    return written(keys)


def training_hints_of(keys: TrainingKeys) -> Plain:
    """`training_hints`; what a reader may ask for always stands there, so that no reader has a default of its own."""
    update: Plain = {}
    if keys.muon is None and keys.optimizer != "adamw":
        update["muon"] = MuonKeys()
    if keys.scaling is None:
        update["scaling"] = ScalingKeys()
    if keys.differentiation_objectives is None:
        update["differentiation_objectives"] = ObjectivesKeys()
    return written(keys.model_copy(update=update))


def compatibility_of(keys: CompatibilityKeys) -> Plain:
    """`compatibility`."""
    return written(keys)


def modes_of(modes: list[ModeKeys] | None, templates: Iterable[TemplateKeys]) -> list[Plain] | None:
    """`execution_modes`; whether an unwritten `kv_share` shares follows from the mixers."""
    if modes is None:
        return None
    mixers = mixers_of(templates)
    return [written(mode.model_copy(update={"kv_share": shares_keys(mode, mixers)})) for mode in modes]


def transition_of(keys: TransitionKeys | None) -> Plain | None:
    """`transition`."""
    return written(keys) if keys else None


def about_of(keys: AboutKeys | None) -> Plain | None:
    """`about`."""
    return written(keys) if keys else None


def tissue_of(keys: TissueKeys | None, blocks: Blocks) -> Plain | None:
    """`tissue`, its templates replaced by the blocks that came from them; a column without any layer is gone."""
    if keys is None:
        return None
    columns = [written(column) for column in keys.columns]
    for column in columns:
        column["templates"] = [name for template in column["templates"] for name in blocks.variants(template)]
    columns = [column for column in columns if column["templates"]]
    return {**written(keys), "columns": columns} if columns else None
