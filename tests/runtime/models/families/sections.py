"""What the spec's other sections add: further tokens predicted, phases, tissues, quantisation, objectives."""

from tests.runtime.models.layers import attention, branched, hyper, layer, mamba, moe
from tests.runtime.models.sections import TWO, columns, gated, integrator, mtp, phases, quantised, spec, streams

EXTENDED = {
    "mtp": spec(TWO, head=mtp()),
    "mtp_everything": spec(
        {"a": layer(), "b": hyper(layer(attention(window=9), moe(bias_correction={"enabled": True})))},
        head={**mtp(1, "b", head_layers=2, train_loss_weight=1.0), "logit_softcap": 9.0, "tie_weights": False},
        embedding={"positional": "learned", "d_embed": 16, "scale": 3.0},
    ),
    "mtp_recurrent": spec(
        {"a": layer(), "b": layer(mamba())},
        [{"template": "a", "repeat": 2}],
        head=mtp(2, "b"),
        embedding={"positional": "none"},
    ),
    "tissue": spec(
        {"a": layer(), "b": layer(attention(window=7)), "c": hyper(layer(ffn={"type": "none"}))},
        [{"template": "a"}, {"template": "b", "repeat": 2}, {"template": "c"}, {"template": "a"}, gated("b")],
        tissue=columns("ring", 0.7, a="a", b="b", c="c"),
    ),
    "tissue_everywhere": spec(
        {
            "a": layer(),
            "b": layer(attention(window=7)),
            "narrow": layer(shape_change={"d_out": 16, "projection": "linear"}),
            "widen": layer(shape_change={"d_out": 32, "projection": "mlp"}),
        },
        [
            streams({"type": "add"}),
            integrator("ode_rk4", body=[{"template": "a"}, {"template": "b"}]),
            {"template": "narrow"},
            {"template": "b"},
            {"template": "widen"},
            integrator("discrete", body=[{"template": "b"}, {"template": "a"}]),
        ],
        tissue=columns("all_to_all", 0.5, first="a", second="b", third="narrow"),
    ),
    "fake_fp4": spec({"a": layer(ffn=moe()), "b": layer(mamba())}, compatibility=quantised("fp4", "*")),
    "fake_fp8": spec(
        {"a": layer(), "b": hyper(layer())}, compatibility=quantised("fp8", "*.ffn.*", "*eh_proj*"), head=mtp(1)
    ),
    "phases_hidden": spec(
        {**TWO, "c": layer(attention(window=6, logit_softcap=4.0))},
        [{"template": "a"}, {"template": "b"}, {"template": "c"}, gated("a")],
        head=mtp(1, "b"),
        **phases({"max_tokens": 11}, {"max_tokens": 9, "loss_weight": 0.5}, {"max_tokens": 50, "kv_share": True}),
    ),
    "phases_alibi": spec(
        TWO, **phases({"max_tokens": 14, "loss_weight": 0.25}, {"max_tokens": 50}), embedding={"positional": "alibi"}
    ),
    "phases_recurrent": spec(
        {"a": layer(mamba()), "b": layer(attention(window=7))},
        **phases({"max_tokens": 14, "loss_weight": 0.25}, {"max_tokens": 50}),
    ),
    "objectives": spec(
        {
            "sparse": layer(ffn=moe()),
            "routed": layer(branched({"type": "top_k", "top_k": 1}, wide=attention(), near=attention(window=5))),
            "large": layer(ffn=moe(experts=6, top_k=3, affinity="sigmoid")),
        },
        [{"template": "sparse"}, {"template": "routed"}, gated("large"), {"template": "sparse"}],
        tissue=columns("none", 0.0, first="sparse", second="routed"),
        training_hints={
            "differentiation_objectives": {
                "usage_probe_coef": 0.3,
                "router_mutual_information_coef": 0.2,
                "expert_orthogonality_coef": 0.1,
            }
        },
    ),
    "deep_supervision": spec(
        TWO,
        [
            integrator("discrete", body=[{"template": "a"}, {"template": "b"}], output="token"),
            integrator("ode_rk4", body="a", output="token"),
        ],
    ),
}
