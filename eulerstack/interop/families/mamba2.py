"""Mamba-2: Mamba with one decay a head and groups that share B and C (transformers/models/mamba2)."""

import math
from typing import Any

from eulerstack.interop.config import Config
from eulerstack.interop.families import mamba
from eulerstack.interop.families.family import Family
from eulerstack.interop.plain import Parts, Plain


def read(config: Config) -> Parts:
    """A Mamba-2 config → the parts of a spec."""
    d_model = config.integer("hidden_size", 4096)
    keys: Plain = {
        "variant": "mamba2",
        "d_state": config.integer("state_size", 128),
        "head_dim": config.integer("head_dim", 64),
        "n_groups": config.integer("n_groups", 8),
        "chunk_size": config.integer("chunk_size", 256),
    }
    keys |= mamba.shared(config) | bounds(config, "time_step_limit")
    config.ignore("time_step_rank")  # Mamba-1's
    n_heads = config.integer("num_heads", 128)
    if n_heads * keys["head_dim"] != keys["expand"] * d_model:
        allowed = f"expand · hidden_size / head_dim = {keys['expand'] * d_model / keys['head_dim']:g}"
        config.refuse("num_heads", n_heads, allowed)
    config.ignore("norm_before_gate")  # written by the converter of old checkpoints, read by nothing
    return mamba.stack(config, d_model, keys, layers=64, tied=False)


def bounds(config: Config, key: str) -> Plain:
    """`dt_min` and `dt_max` from a pair [least, most], where infinity may be written as JSON has it not."""
    value = config.value(key)
    if value is None:
        return {}
    pair = [number(item) for item in value] if isinstance(value, list) else []
    if len(pair) != 2 or any(n is None for n in pair):
        config.refuse(key, value, "[number, number]")
        return {}
    low, high = pair
    return ({"dt_min": low} if low else {}) | ({"dt_max": high} if high != math.inf else {})


def number(value: Any) -> float | None:
    """A number as transformers writes it, infinity as `{"__float__": "Infinity"}`; None for anything else."""
    if value == {"__float__": "Infinity"}:
        return math.inf
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


FAMILY = Family(
    model_type="mamba2",
    architectures=("Mamba2ForCausalLM", "Mamba2Model"),
    read=read,
    rules=mamba.RULES,
    prefix="backbone.",
    embedding="backbone.embeddings.weight",
    tokens={"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1},
    freezes_padding=False,
)
