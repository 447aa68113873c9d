"""How large each preset is meant to be, and in what it keeps its structure instead."""

from dataclasses import dataclass

MILLION, BILLION = 10**6, 10**9

TOTAL_TOLERANCE, ACTIVE_TOLERANCE = 0.10, 0.15


@dataclass(frozen=True)
class Size:
    """Parameters as planned. `built_active`: the active count of a preset whose structure rules the planned one out."""

    total: float
    active: float | None = None
    built_active: float | None = None


SIZES: dict[str, Size | None] = {
    "arch_beginner_gpt2": Size(1.1 * BILLION),
    "arch_beginner_llama": Size(1.1 * BILLION),
    "arch_intermediate_mistral": Size(1.3 * BILLION),
    "arch_intermediate_gemma2": Size(1.3 * BILLION),
    "arch_intermediate_qwen_longctx": Size(1.3 * BILLION),
    "arch_expert_mixtral_moe": Size(1.9 * BILLION),
    "arch_expert_mixtral_moe_mini": Size(175 * MILLION, 90 * MILLION, built_active=69 * MILLION),
    **{
        f"llm_{size}_{kind}": Size(total * BILLION)
        for size, total in {"0p1b": 0.1, "0p8b": 0.8, "2b": 2, "4b": 4, "16b": 16}.items()
        for kind in ("simple", "mistral", "jamba", "moe", "mla")
        if (size, kind) != ("0p1b", "moe")
    },
}
"""By preset; None for the one without a figure."""
