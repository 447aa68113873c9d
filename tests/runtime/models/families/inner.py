"""Layers that learn while they read: test-time training and memories."""

from tests.runtime.models.layers import attention, hyper, layer, mamba, remembering, ttt
from tests.runtime.models.sections import gated, spec

TRAINED_INSIDE = {
    "ttt_linear": spec({"trained": layer(ttt({"type": "linear"}))}),
    "ttt_mlp": spec({"trained": layer(ttt())}),
    "ttt_steps": spec({"trained": layer(ttt(inner_steps_per_token=2, chunk_size=5, n_heads=2), {"type": "none"})}),
    "ttt_adamw": spec(
        {"trained": layer(ttt({"type": "linear"}, inner_optimizer="adamw", inner_lr=0.02, inner_steps_per_token=2))},
        [{"template": "trained"}],
    ),
    "ttt_hybrid": spec(
        {
            "mlp": layer(ttt(inner_optimizer="adamw", inner_lr=0.01, chunk_size=3)),
            "full": layer(attention(window=9)),
            "linear": layer(ttt({"type": "linear"}, chunk_size=64)),
        },
        [gated("linear"), {"template": "full"}, {"template": "mlp"}],
        embedding={"positional": "none"},
    ),
    "memory_neural": spec({"a": remembering("neural_memory"), "b": layer()}),
    "memory_associative": spec({"a": remembering("associative", mamba()), "b": layer(attention(window=7))}),
    "memory_retrieval": spec({"a": remembering("retrieval"), "b": layer()}),
    "memory_retrieval_large": spec({"a": remembering("retrieval", mamba(), hidden=50)}),
    "memory_learned": spec(
        {
            "neural": remembering("neural_memory", update_at_inference=False, persistence="persistent"),
            "matrix": remembering("associative", ttt(), update_at_inference=False, persistence="per_query"),
            "store": remembering("retrieval", update_at_inference=False, persistence="persistent", hidden=40),
        },
        [{"template": name} for name in ("neural", "matrix", "store")],
    ),
    "memory_everywhere": spec(
        {
            "hyper": hyper(remembering("neural_memory", persistence="per_query")),
            "twin": {**remembering("associative"), "residual": {"type": "parallel"}},
            "narrow": {**remembering("retrieval"), "shape_change": {"d_out": 24, "projection": "conv1d"}},
            "widen": {**remembering("neural_memory"), "shape_change": {"d_out": 32, "projection": "linear"}},
        },
        [{"template": "hyper"}, gated("twin"), {"template": "narrow"}, {"template": "widen"}, gated("hyper")],
        embedding={"positional": "none"},
    ),
}
