"""The `mixer` of a layer template: what may stand there, and what it means."""

from typing import Literal

from eulerstack.schema.base import Dims, Keys
from eulerstack.schema.mixers import branched as branched_file
from eulerstack.schema.mixers.attention import Attention, AttentionKeys
from eulerstack.schema.mixers.branched import Branched, BranchedKeys
from eulerstack.schema.mixers.gated_deltanet import GatedDeltaNet, GatedDeltaNetKeys
from eulerstack.schema.mixers.hyena import Hyena, HyenaKeys
from eulerstack.schema.mixers.mamba import Mamba, MambaKeys
from eulerstack.schema.mixers.retnet import RetNet, RetNetKeys
from eulerstack.schema.mixers.single import SINGLE, SingleMixerKeys, check_only, check_single, resolve_single
from eulerstack.schema.mixers.ttt import Ttt, TttKeys
from eulerstack.schema.primitive import Mixer
from eulerstack.schema.report import Report, below

__all__ = [
    "MIXERS",
    "Attention",
    "AttentionKeys",
    "Branched",
    "BranchedKeys",
    "GatedDeltaNet",
    "GatedDeltaNetKeys",
    "Hyena",
    "HyenaKeys",
    "Mamba",
    "MambaKeys",
    "MixerKeys",
    "RetNet",
    "RetNetKeys",
    "SingleMixerKeys",
    "Ttt",
    "TttKeys",
    "check_mixer",
    "resolve_mixer",
]

MIXERS: dict[str, tuple[type[Keys], type[Mixer]]] = {
    **{name: (primitive.keys, primitive.resolved) for name, primitive in SINGLE.items()},
    Branched.type: (BranchedKeys, Branched),
}
"""What an author writes and what it becomes, by the value of `type:`."""


class MixerKeys(SingleMixerKeys):
    """`mixer` as an author writes it."""

    type: Literal["attention", "mamba", "retnet", "hyena", "branched", "ttt_layer", "gated_deltanet"]  # type: ignore[assignment]
    branched: BranchedKeys | None = None


def resolve_mixer(keys: MixerKeys, dims: Dims) -> Mixer:
    """The resolved mixer. Raises ValueError for a branched one without its sub-object (see `check_mixer`)."""
    if keys.type != Branched.type:
        return resolve_single(keys, dims)
    if keys.branched is None:
        raise ValueError("a branched mixer needs its sub-object")
    return Branched.resolve(keys.branched, dims)


def check_mixer(keys: MixerKeys, dims: Dims, report: Report) -> None:
    """What one mixer's keys must say of each other and of the model; paths below the template's `mixer`."""
    if keys.type != Branched.type:
        check_single(keys, dims, report)
        return
    check_only(keys, Branched.key, report)
    if keys.branched is None:
        report("branches-too-few", ("type",), count=0)
    else:
        branched_file.check(keys.branched, dims, below(report, Branched.key))
