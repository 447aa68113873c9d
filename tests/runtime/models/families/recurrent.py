"""Mixers that keep a state, alone and beside attention."""

from tests.runtime.models.layers import attention, delta, hyena, layer, mamba, retnet
from tests.runtime.models.sections import gated, spec

RECURRENT = {
    "mamba1": spec({"ssm": layer(mamba(variant="mamba1"))}),
    "mamba1_normed_no_ffn": spec(
        {"ssm": layer(mamba(variant="mamba1", norm_dt_b_c=True, dt_rank=5, d_conv=2), {"type": "none"})}
    ),
    "mamba2": spec({"ssm": layer(mamba())}),
    "mamba2_groups_wide": spec({"ssm": layer(mamba(n_groups=2, expand=3, d_conv=1, chunk_size=64), {"type": "none"})}),
    "mamba1_biases": spec(
        {"ssm": layer(mamba(variant="mamba1", in_bias=True, out_bias=True, conv_bias=False, activation="gelu"))}
    ),
    "mamba2_multipliers": spec(
        {
            "a": layer(mamba(d_inner=40, gated_norm="none")),
            "b": layer(mamba(n_groups=2, gated_norm="before", dt_min=0.005, dt_max=0.05, in_bias=True, out_bias=True)),
            "c": layer(mamba(multipliers={"gate": 0.5, "input": 2.0, "b": 1.5, "c": 0.7, "dt": 1.2})),
        },
        [{"group": [{"template": name} for name in "abc"]}],
    ),
    "mamba_hybrid": spec(
        {"first": layer(mamba(variant="mamba1")), "full": layer(attention(window=9)), "second": layer(mamba())},
        embedding={"positional": "none"},
    ),
    "retnet": spec({"retention": layer(retnet())}),
    "retnet_parallel": spec({"retention": layer(retnet(chunkwise=False, v_expand=1, n_heads=2), {"type": "none"})}),
    "retnet_unturned": spec({"retention": layer(retnet(rope=False, chunk_size=1, v_expand=3, n_heads=16))}),
    "retnet_hybrid": spec(
        {"retention": layer(retnet()), "full": layer(attention(window=9))}, embedding={"positional": "alibi"}
    ),
    "hyena": spec({"long": layer(hyena())}),
    "hyena_third_order": spec({"long": layer(hyena(depth=3, filter_decay=0.5), {"type": "none"})}),
    "hyena_hybrid": spec(
        {"long": layer(hyena(filter_hidden=5)), "full": layer(attention(window=9))}, embedding={"positional": "learned"}
    ),
    "hyena_gated_depth": spec({"long": layer(hyena()), "full": layer()}, [gated("long"), {"template": "full"}]),
    "delta": spec({"delta": layer(delta())}),
    "delta_shared_keys": spec(
        {
            "delta": layer(
                delta(n_heads=2, n_value_heads=6, d_key=5, d_value=3, d_conv=1, chunk_size=64), {"type": "none"}
            )
        }
    ),
    "delta_hybrid": spec(
        {"delta": layer(delta(d_conv=2), norm={"unit_offset": True}), "full": layer(attention(gate=True))}
    ),
}
