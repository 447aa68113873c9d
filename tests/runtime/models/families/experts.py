"""Mixtures of experts."""

from tests.runtime.models.layers import attention, delta, layer, moe
from tests.runtime.models.sections import spec

MIXTURES = {
    "mixtral": spec({"decoder": layer(ffn=moe())}),
    "qwen3_next": spec(
        {
            "linear": layer(
                delta(n_value_heads=8), moe(shared_experts=1, shared_gate=True), norm={"unit_offset": True}
            ),
            "full": layer(
                attention(n_kv_heads=2, qk_norm="head", qk_norm_unit_offset=True, gate=True, rope_dim=2),
                moe(shared_experts=1, shared_gate=True),
                norm={"unit_offset": True},
            ),
        }
    ),
    "moe_some": spec({"dense": layer(), "sparse": layer(ffn={**moe(z_loss=0.1), "activation": "relu2"})}),
    "moe_deepseek": spec(
        {
            "d": layer(
                ffn=moe(
                    experts=8,
                    affinity="sigmoid",
                    bias_correction={"enabled": True, "update_rate": 0.01},
                    shared_experts=1,
                    n_groups=4,
                    balance={"group_limit": 2, "sequence_aux_coef": 0.1},
                    routed_scale=2.5,
                )
            )
        }
    ),
    "gating": spec(
        {
            "oss": layer(
                ffn={
                    **moe(router_bias=True, gating={"limit": 0.5, "slope": 1.702, "up_offset": 1.0}),
                    "bias": True,
                }
            ),
            "shared": layer(ffn=moe(shared_experts=1, gating={"limit": 0.3})),
        }
    ),
    "moe_hash": spec(
        {
            "hash": layer(ffn=moe(affinity="sqrt_softplus", routing={"type": "hash", "hash_salt": 7})),
            "drop": layer(ffn={**moe(capacity_drop_policy="drop", capacity_factor=0.9), "bias": True}),
            "pad": layer(ffn={**moe(capacity_drop_policy="pad", shared_experts=2), "activation": "gelu", "bias": True}),
        }
    ),
}
