"""Rotary positions: `rope_parameters` (and the older `rope_scaling`, `rope_theta`) → keys of `embedding`.

Resolved as transformers resolves them: `rope_scaling` before `rope_parameters`, a `rope_theta` inside before the one
beside, `original_max_position_embeddings` beside before the one inside, `type` an old name of `rope_type`.
"""

import math
from collections.abc import Callable
from typing import Any

from eulerstack.interop.config import Config
from eulerstack.interop.plain import Shape

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
FACTORS = ("short_factor", "long_factor")
"""longrope's keys with one number for each pair of a head's dimensions."""


PARTIAL = "partial_rotary_factor"
"""How much of a head is rotated."""


def rope(config: Config, shape: Shape, theta: float = 10000.0, *, rotated: int | None = None) -> dict[str, Any]:
    """The keys of `embedding` for a model with rotary positions; `theta` is the family's default base.

    `rotated`: how many features of a head turn, where the family can turn fewer than all (see `rotated_part`).
    """
    written_at, written = _written(config)
    beside = config.positive("rope_theta", theta)
    trained_beside = config.optional_integer(TRAINED_LENGTH)
    if rotated is None:
        config.neutral(PARTIAL, None, 1, 1.0)
    if not isinstance(written, dict):
        config.refuse(written_at, written, "{…}, null")
        return {"positional": "rope", "rope_theta": beside}

    kind = written.get("rope_type") or written.get("type") or "default"
    if not isinstance(kind, str) or kind not in OWN:
        config.refuse(f"{written_at}.rope_type", kind, ", ".join(OWN))
        kind = "default"
    parameters = _checked(config, written_at, written, rotated or shape.head_dim, partial=rotated is not None)
    if kind in ("llama3", "yarn", "longrope"):
        parameters[TRAINED_LENGTH] = trained_beside or parameters.get(TRAINED_LENGTH, shape.max_seq_len)
    for key in NEEDED.get(kind, ()):
        if key not in parameters:
            config.refuse(
                f"{written_at}.{key}", written.get(key), "[number > 0, …]" if key in FACTORS else "number > 0"
            )
    if kind in ("yarn", "longrope"):
        parameters.setdefault("factor", shape.max_seq_len / parameters[TRAINED_LENGTH])

    embedding = {"positional": "rope", "rope_theta": float(parameters.get("rope_theta", beside))}
    if kind != "default":
        own = {ours: parameters[theirs] for theirs, ours in OWN[kind].items() if theirs in parameters}
        embedding["rope_scaling"] = {"type": kind, **own}
    return embedding


def rotated_part(config: Config, head_dim: int, default: float) -> int:
    """How many features of a head are rotated, `default` · head_dim where the config does not say."""
    written_at, written = _written(config)
    factor = written.get(PARTIAL) if isinstance(written, dict) else None
    if factor is None:
        written_at, factor = "", config.value(PARTIAL, default)
    width = int(head_dim * factor) if _is_positive(factor) else 0
    if width < 2 or width % 2 or width > head_dim:
        key = f"{written_at}.{PARTIAL}" if written_at else PARTIAL
        config.refuse(key, factor, f"{PARTIAL} · head_dim ∈ {{2, 4, …}}, head_dim = {head_dim}")
        return head_dim
    return width


def _written(config: Config) -> tuple[str, Any]:
    """The key that rotary positions stand at, and what stands there."""
    scaling = config.value("rope_scaling")
    return ("rope_scaling", scaling) if scaling else ("rope_parameters", config.value("rope_parameters") or {})


def _checked(config: Config, written_at: str, written: dict[str, Any], width: int, *, partial: bool) -> dict[str, Any]:
    """The known keys with values of the right type; everything else is refused, null is as good as unwritten."""
    checked: dict[str, Any] = {}
    for key, value in written.items():
        allowed = _allowed(key, width // 2)
        if value is None or key in ("rope_type", "type"):
            continue
        if key == PARTIAL and (partial or value in (1, 1.0)):
            continue
        if allowed is None:
            config.refuse(f"{written_at}.{key}", value, ", ".join(sorted(KNOWN)))
        elif not allowed[1](value):
            config.refuse(f"{written_at}.{key}", value, allowed[0])
        else:
            checked[key] = [float(item) for item in value] if key in FACTORS else value
    return checked


def _allowed(key: str, pairs: int) -> tuple[str, Callable[[Any], bool]] | None:
    """What may stand at a key: in words, and as a test. None: the key is not known."""
    if key == PARTIAL:
        return "1.0", lambda value: False
    if key not in KNOWN:
        return None
    if key in FACTORS:
        is_list = f"[number > 0, …] × {pairs}"
        return is_list, lambda value: isinstance(value, list) and len(value) == pairs and all(map(_is_positive, value))
    if key == "truncate":
        return "true, false", lambda value: isinstance(value, bool)
    if key == TRAINED_LENGTH:
        return "integer ≥ 1", lambda value: _is_positive(value) and isinstance(value, int)
    if key in ("mscale", "mscale_all_dim"):
        return "number ≥ 0", lambda value: _is_positive(value) or value == 0
    return "number > 0", _is_positive


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
