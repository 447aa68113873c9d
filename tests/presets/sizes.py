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
    "arch_advanced_jamba": Size(1.2 * BILLION),
    "arch_advanced_samba": Size(1.0 * BILLION),
    "arch_advanced_retnet": Size(1.3 * BILLION),
    "arch_advanced_mla": Size(1.1 * BILLION),
    "arch_advanced_mod": Size(1.1 * BILLION),
    "arch_expert_research": Size(1.5 * BILLION),
    "arch_expert_mixtral_moe": Size(1.9 * BILLION),
    "arch_expert_striped_hyena": Size(1.0 * BILLION),
    "arch_expert_blackmamba_moe": Size(1.5 * BILLION),
    "arch_expert_deepseek_moe": Size(2.0 * BILLION),
    "arch_expert_dsv4_v3fallback": Size(2.0 * BILLION),
    "arch_expert_retnet_moe": Size(1.5 * BILLION),
    "arch_expert_frontier_full_moe": Size(2.0 * BILLION),
    "arch_expert_progressive_stack": Size(1.5 * BILLION),
    "arch_expert_dilated_longnet": Size(2.0 * BILLION),
    "arch_expert_kitchen_sink": None,
    "arch_expert_reasoning_r1": Size(1.3 * BILLION),
    "arch_expert_titans_memory": Size(1.2 * BILLION),
    "arch_expert_dual_stream": Size(1.4 * BILLION),
    "arch_expert_progressive_stack_mini": Size(86 * MILLION, 86 * MILLION),
    "arch_expert_blackmamba_moe_mini": Size(156 * MILLION, 90 * MILLION, built_active=60 * MILLION),
    "arch_expert_mixtral_moe_mini": Size(175 * MILLION, 90 * MILLION, built_active=69 * MILLION),
    "arch_expert_dilated_longnet_mini": Size(83 * MILLION, 75 * MILLION),
    "arch_expert_deepseek_moe_mini": Size(357 * MILLION, 60 * MILLION),
    "arch_expert_frontier_full_moe_mini": Size(106 * MILLION, 60 * MILLION),
    "arch_expert_dsv4_flash_mini": Size(180 * MILLION, 70 * MILLION),
    "arch_expert_dsv4_subset_mini": Size(180 * MILLION, 70 * MILLION),
    "arch_expert_mhc_moe_mini": Size(150 * MILLION, 70 * MILLION),
    **{
        f"llm_{size}_{kind}": Size(total * BILLION)
        for size, total in {"0p1b": 0.1, "0p8b": 0.8, "2b": 2, "4b": 4, "16b": 16}.items()
        for kind in ("simple", "mistral", "jamba", "moe", "mla")
        if (size, kind) != ("0p1b", "moe")
    },
}
"""By preset; None for the one without a figure."""
