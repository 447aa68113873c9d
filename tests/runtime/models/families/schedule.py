"""What a schedule does with its layers: sharing, streams, integrators, widths, gated depth, hyper-connections."""

from tests.runtime.models.layers import attention, hyper, layer, moe
from tests.runtime.models.sections import TWO, gated, integrator, spec, streams

SHARED = [
    {"template": "a", "share": "once", "repeat": 2},
    {"template": "b"},
    {"template": "a", "share": "once"},
    {"template": "b", "share": "twice", "repeat": 2},
]

SCHEDULED = {
    "shared": spec({"a": layer(), "b": layer(attention(window=6))}, SHARED),
    "kv_from": spec(
        {"full": layer(attention(n_kv_heads=2)), "local": layer(attention(window=6))},
        [
            {"template": "full"},
            {"template": "full", "kv_from": -1},
            {"template": "local"},
            {"template": "local", "kv_from": -1, "override": {"attention.window": 4}},
            {"template": "full", "kv_from": -3},
        ],
    ),
    "streams_add": spec(TWO, [{"template": "a"}, streams({"type": "add"})]),
    "streams_concat": spec(TWO, [streams({"type": "concat"}), {"template": "a"}]),
    "streams_gated": spec(TWO, [streams({"type": "gated", "projection": True}), {"template": "a"}]),
    "streams_cross_attn": spec(
        TWO, [{"template": "b"}, streams({"type": "cross_attn", "from": "local", "to": "wide"})]
    ),
    "discrete": spec(TWO, [integrator("discrete", body=[{"template": "a"}, {"template": "b"}]), {"template": "b"}]),
    "ode_euler": spec(TWO, [{"template": "a"}, integrator("ode_euler", steps=3, body="b")]),
    "ode_rk4": spec(
        {"a": layer(), "b": layer(ffn=moe())}, [integrator("ode_rk4", steps=2, body="b"), {"template": "a"}]
    ),
    "mhc": spec({"a": hyper(layer(ffn=moe())), "b": hyper(layer(attention(window=5), norm={"position": "sandwich"}))}),
    "hc": spec({"a": hyper(layer(), mixing="unconstrained", expand=3), "b": layer(ffn={"type": "none"})}),
    "hc_lowrank": spec({"a": hyper(layer(), mixing="learned_lowrank"), "b": hyper(layer())}),
    "hc_in_streams": spec(
        {"a": hyper(layer()), "b": layer(attention(window=7))},
        [streams({"type": "add"}), integrator("ode_euler", body="a"), {"template": "a"}],
    ),
    "mod": spec(TWO, [{"template": "a"}, gated("b"), {"template": "a"}, gated("a", capacity=0.3)]),
    "mod_moe": spec({"a": layer(), "b": layer(ffn=moe())}, [gated("b"), {"template": "b"}, {"template": "a"}]),
    "mod_hyper": spec(
        {"a": hyper(layer()), "b": hyper(layer(ffn=moe()), mixing="unconstrained")},
        [{"template": "a"}, gated("a"), gated("b", router="learned_gate"), {"template": "b"}],
    ),
    "mod_gate": spec(TWO, [{"template": "a"}, gated("b", router="learned_gate")]),
    "hourglass": spec(
        {
            "wide": layer(),
            "narrow": layer(shape_change={"d_out": 16, "projection": "linear"}),
            "inner": layer(attention(window=5)),
            "again": layer(shape_change={"d_out": 24, "projection": "mlp"}),
            "widen": layer(shape_change={"d_out": 32, "projection": "conv1d"}),
        },
        [{"template": name} for name in ("wide", "narrow", "inner", "again", "widen")],
    ),
}
