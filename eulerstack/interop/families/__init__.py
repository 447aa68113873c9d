"""The model families that can be imported, by `model_type`."""

from eulerstack.interop.families import (
    deepseek_v2,
    deepseek_v3,
    deepseek_v4,
    falcon_h1,
    gemma2,
    gpt2,
    gpt_oss,
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

MODULES = (
    deepseek_v2,
    deepseek_v3,
    deepseek_v4,
    falcon_h1,
    gemma2,
    gpt2,
    gpt_oss,
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
FAMILIES: dict[str, Family] = {module.FAMILY.model_type: module.FAMILY for module in MODULES}

__all__ = ["FAMILIES", "Family"]
