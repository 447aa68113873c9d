"""`embedding.rope_scaling`: how rope's frequencies stretch beyond the trained length.

linear: Chen 2023; dynamic: NTK-aware, by length; yarn: Peng 2023; llama3: Llama 3.1; longrope: Ding 2024.
The keys are those of transformers' rope functions, but for `original_max_seq_len`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from eulerstack.schema.base import Keys, NonNegative, Positive, Size

Factors = Annotated[list[Positive], Field(min_length=1)]
"""One divisor for each rotated pair of a head's channels."""


class RopeScalingKeys(Keys):
    """`rope_scaling` as an author writes it. Each type reads `factor` and the keys that `OWN` names for it."""

    type: Literal["linear", "dynamic", "yarn", "llama3", "longrope"] = "linear"
    factor: Positive | None = None
    original_max_seq_len: Size | None = None
    attention_factor: Positive | None = None
    beta_fast: Positive | None = None
    beta_slow: Positive | None = None
    mscale: NonNegative | None = None
    mscale_all_dim: NonNegative | None = None
    truncate: bool | None = None
    low_freq_factor: Positive | None = None
    high_freq_factor: Positive | None = None
    short_factor: Factors | None = None
    long_factor: Factors | None = None


OWN: dict[str, dict[str, Any]] = {
    "linear": {},
    "dynamic": {},
    "yarn": {
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "truncate": True,
        "attention_factor": None,
        "mscale": None,
        "mscale_all_dim": None,
    },
    "llama3": {"low_freq_factor": 1.0, "high_freq_factor": 4.0},
    "longrope": {"short_factor": None, "long_factor": None, "attention_factor": None},
}
"""The keys besides `type` and `factor` that each type reads, and their defaults; None: derived, or needed."""

STRETCHED = frozenset({"yarn", "llama3", "longrope"})
"""The types that read `original_max_seq_len`."""

NEEDED: dict[str, tuple[str, ...]] = {"longrope": ("short_factor", "long_factor")}
"""Keys without which a type says nothing."""


def own_keys(type_: str) -> set[str]:
    """The keys besides `type` and `factor` that a type reads."""
    return {*OWN[type_], *(("original_max_seq_len",) if type_ in STRETCHED else ())}


def resolve_rope_scaling(keys: RopeScalingKeys, max_seq_len: int) -> dict[str, Any]:
    """The scaling with its type's defaults filled; what transformers derives from other keys is left out."""
    filled: dict[str, Any] = {"type": keys.type}
    factor = 1.0
    if keys.type in STRETCHED:
        filled["original_max_seq_len"] = keys.original_max_seq_len or max_seq_len
        factor = max_seq_len / filled["original_max_seq_len"]
    filled["factor"] = factor if keys.factor is None else float(keys.factor)
    for name, default in OWN[keys.type].items():
        written = getattr(keys, name)
        value = default if written is None else written
        if value is not None:
            filled[name] = value
    return filled
