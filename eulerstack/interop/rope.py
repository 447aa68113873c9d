"""Rotary positions: `rope_parameters` (and the older `rope_scaling`, `rope_theta`) → keys of `embedding`.

Resolved as transformers resolves them: `rope_scaling` before `rope_parameters`, a `rope_theta` inside before the one
beside, `original_max_position_embeddings` beside before the one inside, `type` an old name of `rope_type`.
"""

import math
from typing import Any

from eulerstack.interop.config import Config

OWN: dict[str, dict[str, str]] = {
    "default": {},
    "linear": {"factor": "factor"},
    "dynamic": {"factor": "factor"},
    "yarn": {
        "factor": "factor",
        "original_max_position_embeddings": "original_max_seq_len",
        "attention_factor": "attention_factor",
        "beta_fast": "beta_fast",
        "beta_slow": "beta_slow",
        "mscale": "mscale",
        "mscale_all_dim": "mscale_all_dim",
        "truncate": "truncate",
    },
    "llama3": {
        "factor": "factor",
        "original_max_position_embeddings": "original_max_seq_len",
        "low_freq_factor": "low_freq_factor",
        "high_freq_factor": "high_freq_factor",
    },
    "longrope": {
        "factor": "factor",
        "original_max_position_embeddings": "original_max_seq_len",
        "attention_factor": "attention_factor",
        "short_factor": "short_factor",
        "long_factor": "long_factor",
    },
}
"""For each type the keys that its formula reads, with their names in the language."""

NEEDED: dict[str, tuple[str, ...]] = {
    "linear": ("factor",),
    "dynamic": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor"),
    "longrope": ("short_factor", "long_factor"),
}
"""Which of them transformers has no default for."""

KNOWN = {"rope_type", "type", "rope_theta", *(key for own in OWN.values() for key in own)}
"""A known key that the type's formula does not read is without effect, in transformers too."""

TRAINED_LENGTH = "original_max_position_embeddings"


def rope(config: Config, max_seq_len: int, theta: float = 10000.0) -> dict[str, Any]:
    """The keys of `embedding` for a model with rotary positions; `theta` is the family's default base."""
    written_at = "rope_scaling" if config.value("rope_scaling") else "rope_parameters"
    written = config.value("rope_scaling") or config.value("rope_parameters") or {}
    beside = config.positive("rope_theta", theta)
    trained_beside = config.optional_integer(TRAINED_LENGTH)
    config.neutral("partial_rotary_factor", None, 1, 1.0)
    if not isinstance(written, dict):
        config.refuse(written_at, written, "{...}, null")
        return {"positional": "rope", "rope_theta": beside}

    parameters = {key: value for key, value in written.items() if value is not None}
    kind = parameters.get("rope_type", parameters.get("type", "default"))
    if kind not in OWN:
        config.refuse(f"{written_at}.rope_type", kind, ", ".join(OWN))
        kind = "default"
    _refuse_unknown(config, written_at, parameters)
    if kind in ("llama3", "yarn", "longrope"):
        parameters[TRAINED_LENGTH] = trained_beside or parameters.get(TRAINED_LENGTH, max_seq_len)
    for key in NEEDED.get(kind, ()):
        if key not in parameters:
            config.refuse(f"{written_at}.{key}", None, "a value")
    if kind in ("yarn", "longrope") and "factor" not in parameters and _is_number(parameters[TRAINED_LENGTH]):
        parameters["factor"] = max_seq_len / parameters[TRAINED_LENGTH]

    base = parameters.get("rope_theta", beside)
    embedding: dict[str, Any] = {"positional": "rope", "rope_theta": float(base) if _is_number(base) else beside}
    own = {ours: _tidy(parameters[theirs]) for theirs, ours in OWN[kind].items() if theirs in parameters}
    if kind != "default":
        embedding["rope_scaling"] = {"type": kind, **own}
    return embedding


def _refuse_unknown(config: Config, written_at: str, parameters: dict[str, Any]) -> None:
    for key, value in parameters.items():
        where = f"{written_at}.{key}"
        if key == "partial_rotary_factor":
            if value != 1:
                config.refuse(where, value, "1.0")
        elif key not in KNOWN:
            config.refuse(where, value, ", ".join(sorted(KNOWN)))
        elif key in ("rope_type", "type"):
            continue
        elif isinstance(value, list):
            if not all(_is_number(item) for item in value):
                config.refuse(where, value, "[number, ...]")
        elif key == "truncate":
            if not isinstance(value, bool):
                config.refuse(where, value, "true, false")
        elif not _is_number(value):
            config.refuse(where, value, "a finite number")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _tidy(value: Any) -> Any:
    return [float(item) for item in value] if isinstance(value, list) else value
