"""Attention that keeps blocks of keys as one."""

from tests.runtime.models.layers import attention, compressed, hyper, layer, mamba, moe
from tests.runtime.models.sections import gated, spec

COMPRESSED = {
    "csa": spec(
        {
            "csa": layer(compressed("csa", n_kv_heads=2)),
            "shared": layer(compressed("csa", 3, "learned_pool", v_from_k=True, n_kv_heads=1, attention_sinks={})),
        }
    ),
    "csa_pools": spec(
        {
            "mean": layer(compressed("csa", 5, "mean", {"arch": "dot_product"}, logit_softcap=5.0, gate=True)),
            "max": layer(compressed("csa", 2, "max", {"arch": "learned_block_sel"}, rope=False)),
        },
        embedding={"positional": "rope"},
    ),
    "csa_fixed_indexer": spec(
        {"a": layer(compressed("csa", indexer={"learnable": False, "d_per_head": 5})), "b": layer()}
    ),
    "hca": spec(
        {
            "hca": layer(compressed("hca", 7)),
            "sinks": layer(compressed("hca", 4, "max", v_from_k=True, attention_sinks={"n_per_head": 2})),
            "full": layer(attention(n_kv_heads=2)),
            "ssm": layer(mamba()),
        }
    ),
    "hca_alibi": spec({"hca": layer(compressed("hca", 5, "mean", window=1))}, embedding={"positional": "alibi"}),
    "deepseek_v4": spec(
        {
            name: hyper(
                layer(
                    {
                        "type": "attention",
                        "attention": {
                            "n_kv_heads": 1,
                            "v_from_k": True,
                            "q_rank": 12,
                            "qk_norm": "head",
                            "q_norm_weight": False,
                            "attention_sinks": {},
                            "o_groups": 2,
                            "o_rank": 5,
                            "rope_dim": 4,
                            "rope_interleaved": True,
                            **form["attention"],
                        },
                    },
                    moe(affinity="sqrt_softplus", shared_experts=1, routed_scale=1.5),
                )
            )
            for name, form in {
                "sliding": attention(window=6, rope_scaled=False),
                "csa": compressed("csa", rope_theta=500.0),
                "hca": compressed("hca", 8, rope_theta=500.0),
            }.items()
        },
        embedding={"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_seq_len": 16}},
    ),
    "nsa": spec(
        {
            "relu": layer(compressed("nsa_learned", n_kv_heads=2)),
            "shared": layer(compressed("nsa_learned", 7, "mean", {"arch": "learned_block_sel"}, v_from_k=True)),
            "sinks": layer(compressed("nsa_learned", 3, "max", {"arch": "dot_product"}, attention_sinks={})),
        }
    ),
    "nsa_alibi": spec({"nsa": layer(compressed("nsa_learned", 5, "learned_pool"))}, embedding={"positional": "alibi"}),
    "mod_csa": spec({"a": layer(), "b": layer(compressed("csa", 3))}, [gated("b"), {"template": "a"}]),
}

REFUSES_LEFT_PADDING = {"csa", "csa_pools", "csa_fixed_indexer", "hca", "hca_alibi", "deepseek_v4", "nsa", "nsa_alibi"}
"""Models whose blocks are counted from a row's first slot: they raise a ValueError that says so."""
