"""The mixers that stand alone: every one but branched, which is made of these."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from eulerstack.schema.base import Dims, Keys
from eulerstack.schema.mixers import check_attention, gated_deltanet, hyena, mamba, retnet, ttt
from eulerstack.schema.mixers.attention import Attention, AttentionKeys
from eulerstack.schema.mixers.gated_deltanet import GatedDeltaNet, GatedDeltaNetKeys
from eulerstack.schema.mixers.hyena import Hyena, HyenaKeys
from eulerstack.schema.mixers.mamba import Mamba, MambaKeys
from eulerstack.schema.mixers.retnet import RetNet, RetNetKeys
from eulerstack.schema.mixers.ttt import Ttt, TttKeys
from eulerstack.schema.primitive import Mixer
from eulerstack.schema.report import Report, below


class SingleMixerKeys(Keys):
    """A mixer that is not made of others, as an author writes it: its type, and a sub-object of the same name."""

    type: Literal["attention", "mamba", "retnet", "hyena", "ttt_layer", "gated_deltanet"]
    attention: AttentionKeys | None = None
    mamba: MambaKeys | None = None
    retnet: RetNetKeys | None = None
    hyena: HyenaKeys | None = None
    ttt: TttKeys | None = None
    gated_deltanet: GatedDeltaNetKeys | None = None


class Primitive(NamedTuple):
    """What one type of mixer is made of."""

    keys: type[Keys]
    resolved: Any
    check: Callable[[Any, Dims, Report], None]


SINGLE: dict[str, Primitive] = {
    Attention.type: Primitive(AttentionKeys, Attention, check_attention.check),
    Mamba.type: Primitive(MambaKeys, Mamba, mamba.check),
    RetNet.type: Primitive(RetNetKeys, RetNet, retnet.check),
    Hyena.type: Primitive(HyenaKeys, Hyena, hyena.check),
    Ttt.type: Primitive(TttKeys, Ttt, ttt.check),
    GatedDeltaNet.type: Primitive(GatedDeltaNetKeys, GatedDeltaNet, gated_deltanet.check),
}


def resolve_single(keys: SingleMixerKeys, dims: Dims) -> Mixer:
    """The resolved mixer; an unwritten sub-object means all of its defaults."""
    primitive = SINGLE[keys.type]
    written = getattr(keys, primitive.resolved.key)
    return primitive.resolved.resolve(written if written is not None else primitive.keys(), dims)


def check_single(keys: SingleMixerKeys, dims: Dims, report: Report) -> None:
    """What one mixer's keys must say of each other; paths below the mixer."""
    primitive = SINGLE[keys.type]
    key = primitive.resolved.key
    check_only(keys, key, report)
    written = getattr(keys, key)
    primitive.check(written if written is not None else primitive.keys(), dims, below(report, key))


def check_only(keys: Keys, key: str, report: Report) -> None:
    """No sub-object stands beside the one that bears the type's name."""
    for name in type(keys).model_fields:
        if name not in ("type", key) and getattr(keys, name) is not None:
            report("mixer-of-other-type", (name,), name=name, type=getattr(keys, "type"), expected=key)  # noqa: B009
