"""Where the language's primitives come from: the paper behind a key, or behind what stands above it."""

SOURCES: dict[str, str] = {
    "embedding.positional": "alibi: Press 2021, arXiv:2108.12409",
    "embedding.rope_theta": "Su 2021, arXiv:2104.09864",
    "embedding.rope_scaling": "linear: Chen 2023, arXiv:2306.15595; yarn: Peng 2023, arXiv:2309.00071; "
    "llama3: arXiv:2407.21783; longrope: Ding 2024, arXiv:2402.13753",
    "mixer.attention": "Vaswani 2017, arXiv:1706.03762",
    "mixer.attention.window": "Beltagy 2020, arXiv:2004.05150",
    "mixer.attention.window_dilation": "LongNet, arXiv:2307.02486",
    "mixer.attention.latent_dim": "DeepSeek-V2, arXiv:2405.04434",
    "mixer.attention.mla": "DeepSeek-V2, arXiv:2405.04434",
    "mixer.attention.compression": "DeepSeek-V4; NSA: Yuan 2025, arXiv:2502.11089",
    "mixer.attention.attention_sinks": "gpt-oss, arXiv:2508.10925",
    "mixer.attention.n_kv_heads": "Ainslie 2023, arXiv:2305.13245",
    "mixer.attention.qk_norm": "Henry 2020, arXiv:2010.04245",
    "mixer.attention.logit_softcap": "Gemma 2, arXiv:2408.00118",
    "mixer.attention.rope": "Su 2021, arXiv:2104.09864",
    "mixer.attention.gate": "Qiu 2025, arXiv:2505.06708",
    "mixer.mamba": "Gu & Dao 2023, arXiv:2312.00752; Dao & Gu 2024, arXiv:2405.21060",
    "mixer.mamba.norm_dt_b_c": "Jamba, arXiv:2403.19887",
    "mixer.retnet": "Sun 2023, arXiv:2307.08621",
    "mixer.hyena": "Poli 2023, arXiv:2302.10866",
    "mixer.branched.factors": "Falcon-H1, arXiv:2507.22448",
    "mixer.ttt": "Sun 2024, arXiv:2407.04620",
    "mixer.gated_deltanet": "Yang 2024, arXiv:2412.06464",
    "ffn.activation": "Shazeer 2020, arXiv:2002.05202",
    "ffn.moe": "Shazeer 2017, arXiv:1701.06538",
    "ffn.moe.affinity": "DeepSeek-V3, arXiv:2412.19437; sqrt_softplus: DeepSeek-V4",
    "ffn.moe.z_loss": "ST-MoE, arXiv:2202.08906",
    "ffn.moe.load_balance_coef": "Switch Transformer, arXiv:2101.03961",
    "ffn.moe.capacity_factor": "Switch Transformer, arXiv:2101.03961",
    "ffn.moe.router_jitter": "Switch Transformer, arXiv:2101.03961",
    "ffn.moe.bias_correction": "Wang 2024, arXiv:2408.15664",
    "ffn.moe.shared_experts": "DeepSeekMoE, arXiv:2401.06066",
    "ffn.moe.routing": "hash: Roller 2021, arXiv:2106.04426",
    "ffn.moe.balance": "DeepSeek-V3, arXiv:2412.19437",
    "norm.type": "rmsnorm: Zhang 2019, arXiv:1910.07467",
    "norm.position": "Xiong 2020, arXiv:2002.04745; sandwich: arXiv:2408.00118",
    "residual.type": "parallel: PaLM, arXiv:2204.02311",
    "residual.hyper": "Zhu 2024, arXiv:2409.19606; birkhoff: mHC, arXiv:2512.24880",
    "memory": "neural_memory: Titans, arXiv:2501.00663; associative: Schlag 2021, arXiv:2102.11174; "
    "retrieval: Wu 2022, arXiv:2203.08913",
    "shape_change": "Nawrot 2021, arXiv:2110.13711",
    "ffn_factors": "Falcon-H1, arXiv:2507.22448",
    "layer_schedule.depth_gating": "Raposo 2024, arXiv:2404.02258",
    "layer_schedule.share": "Dehghani 2018, arXiv:1807.03819",
    "layer_schedule.kv_from": "Brandon 2024, arXiv:2405.12981",
    "layer_schedule.integrator": "ode: Chen 2018, arXiv:1806.07366; discrete: Dehghani 2018, arXiv:1807.03819",
    "head.mtp": "DeepSeek-V3, arXiv:2412.19437",
    "head.logit_softcap": "Gemma 2, arXiv:2408.00118",
    "training_hints.muon": "Jordan 2024, Muon",
    "training_hints.scaling": "Yang 2022, arXiv:2203.03466",
    "compatibility.quant_aware_training": "Jacob 2017, arXiv:1712.05877",
    "execution_modes": "DeepSeek-R1, arXiv:2501.12948; Quiet-STaR, arXiv:2403.09629",
    "transition": "DeepSeek-R1, arXiv:2501.12948",
}
"""A path of the language and its paper. A key without one has that of the nearest path above it."""


def source_of(path: str) -> str:
    """The paper behind a path of the language; empty where nothing at or above it names one."""
    while path and path not in SOURCES:
        path = path.rpartition(".")[0]
    return SOURCES.get(path, "")
