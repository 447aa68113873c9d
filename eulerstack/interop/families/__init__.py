"""The model families that can be imported, by `model_type`."""

from eulerstack.interop.families import (
    gemma2,
    gpt2,
    jamba,
    llama,
    mamba,
    mamba2,
    mistral,
    mixtral,
    olmo2,
    opt,
    qwen2,
    qwen3,
    qwen3_next,
)
from eulerstack.interop.families.family import Family

FAMILIES: dict[str, Family] = {
    module.FAMILY.model_type: module.FAMILY
    for module in (gemma2, gpt2, jamba, llama, mamba, mamba2, mistral, mixtral, olmo2, opt, qwen2, qwen3, qwen3_next)
}

__all__ = ["FAMILIES", "Family"]
