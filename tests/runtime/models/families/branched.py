"""Several mixers on one layer's input."""

from tests.runtime.models.layers import attention, branched, delta, hyper, layer, mamba, moe, retnet
from tests.runtime.models.sections import gated, integrator, spec, streams

BRANCHED = {
    "branched": spec({"d": layer(branched(local=attention(window=6), ssm=mamba(), full=attention(rope_theta=500.0)))}),
    "branched_sum": spec(
        {
            "d": layer(
                {
                    "type": "branched",
                    "branched": {
                        "branches": {"full": attention(), "ssm": mamba()},
                        "selector": {"type": "sum"},
                        "factors": {"full": {"input": 2.0, "output": 0.5}, "ssm": {"output": 0.7}},
                    },
                },
                ffn_factors={"gate": 1.5, "output": 0.5},
            )
        },
        head={"logit_scale": 0.5},
    ),
    "branched_top_1": spec(
        {"d": layer(branched({"type": "top_k", "input": "embedding"}, type=retnet(), keys=attention(window=9)))}
    ),
    "branched_top_2": spec(
        {"d": layer(branched({"type": "top_k", "top_k": 2}, b=delta(), c=attention(rope=False), a=retnet(rope=False)))}
    ),
    "branched_everywhere": spec(
        {
            "a": hyper(layer(branched({"input": "embedding"}, x=attention(n_kv_heads=1), y=retnet()))),
            "b": layer(branched({"type": "top_k", "input": "embedding"}, x=delta(), y=attention(window=5)), moe()),
        },
        [{"template": "a"}, streams({"type": "add"}), gated("b"), integrator("ode_euler", body="b")],
    ),
}
