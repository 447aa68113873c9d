"""The `ffn` of a layer template: what may stand there, and what it means."""

from typing import Any, Literal

from eulerstack.schema.base import Dims, Keys, Resolved, Size, as_plain
from eulerstack.schema.ffn import moe as moe_file
from eulerstack.schema.ffn.dense import GATES, Activation, Function, GatedMlp, Mlp, gate_of
from eulerstack.schema.ffn.moe import Moe, MoeKeys
from eulerstack.schema.primitive import Primitive
from eulerstack.schema.report import Report, below

__all__ = [
    "FFNS",
    "Activation",
    "FfnKeys",
    "Function",
    "GatedMlp",
    "Mlp",
    "Moe",
    "MoeKeys",
    "check_ffn",
    "gate_of",
    "is_gated_by_activation",
    "plain_ffn",
    "resolve_ffn",
]

FFNS: dict[str, type] = {cls.type: cls for cls in (Mlp, GatedMlp, Moe)}
"""The resolved class of each `ffn.type` but none."""


class FfnKeys(Keys):
    """`ffn` as an author writes it."""

    type: Literal["mlp", "gated_mlp", "moe", "none"]
    activation: Activation | None = None
    bias: bool = False
    d_ff: Size | None = None
    moe: MoeKeys | None = None


def is_gated_by_activation(keys: FfnKeys) -> bool:
    """Whether an mlp is gated because its activation is."""
    return keys.type == "mlp" and keys.activation in GATES


def resolve_ffn(keys: FfnKeys, dims: Dims) -> Primitive | None:
    """The resolved ffn, None for type none. Raises ValueError for a moe without its sub-object (see `check_ffn`)."""
    if keys.type == "none":
        return None
    activation = keys.activation or ("gelu" if keys.type == "mlp" else "swiglu")
    d_ff = keys.d_ff or dims.d_ff
    if keys.type == "moe":
        if keys.moe is None:
            raise ValueError("a moe needs its sub-object")
        return Moe.resolve(keys.moe, activation, keys.bias, d_ff)
    cls = GatedMlp if keys.type == "gated_mlp" or is_gated_by_activation(keys) else Mlp
    return cls(activation=gate_of(activation), bias=keys.bias, d_ff=d_ff)


def plain_ffn(ffn: Resolved | None) -> dict[str, Any]:
    """The canonical mapping of a resolved ffn, as it stands in YAML and config.json."""
    if ffn is None:
        return {"type": "none"}
    fields = as_plain(ffn)
    if isinstance(ffn, Moe):
        outer = {name: fields.pop(name) for name in ("activation", "bias")}
        return {"type": "moe", **outer, "moe": fields}
    return {"type": ffn.type, **fields}


def check_ffn(keys: FfnKeys, dims: Dims, report: Report) -> None:
    """What one ffn's keys must say of each other; paths below the template's `ffn`."""
    if keys.type == "moe" and keys.moe is None:
        report("moe-missing", ("type",))
    if keys.moe is not None:
        if keys.type != "moe":
            report("moe-elsewhere", ("moe",), type=keys.type)
        else:
            moe_file.check(keys.moe, keys.activation, keys.d_ff or dims.d_ff, below(report, "moe"))
    if keys.type == "none":
        for name in ("activation", "bias", "d_ff"):
            if getattr(keys, name):
                report("ffn-none-with-keys", (name,), name=name)
    if is_gated_by_activation(keys):
        report("mlp-gated-by-activation", ("activation",), activation=keys.activation)
