"""Attention and a feed-forward in the published forms: norms, positions, residuals, tied or not."""

from tests.runtime.models.layers import attention, layer
from tests.runtime.models.sections import spec

DECODERS = {
    "llama": spec({"decoder": layer(attention(n_kv_heads=2))}),
    "gpt2": spec(
        {
            "decoder": layer(
                attention(qkv_bias=True, out_bias=True),
                {"type": "mlp", "activation": "gelu", "bias": True},
                norm={"type": "layernorm"},
            )
        },
        embedding={"positional": "learned"},
    ),
    "post_norm": spec({"decoder": layer(norm={"type": "layernorm", "position": "post"})}),
    "sandwich_softcap": spec(
        {"decoder": layer(attention(logit_softcap=5.0, scale=0.2), norm={"position": "sandwich", "unit_offset": True})},
        head={"logit_softcap": 8.0},
        embedding={"scale": 5.5},
    ),
    "output_norm_qk_full": spec({"decoder": layer(attention(qk_norm="full"), norm={"position": "output"})}),
    "qk_norm_head_gate": spec({"decoder": layer(attention(qk_norm="head", gate=True, n_kv_heads=1))}),
    "alibi": spec(
        {"full": layer(attention()), "sliding": layer(attention(window=7, n_heads=2, head_dim=8))},
        embedding={"positional": "alibi"},
    ),
    "no_positions": spec({"decoder": layer()}, embedding={"positional": "none"}),
    "parallel": spec({"decoder": layer(residual={"type": "parallel", "scaling": 0.7})}),
    "parallel_sandwich": spec({"d": layer(residual={"type": "parallel"}, norm={"position": "sandwich"})}),
    "parallel_post": spec({"d": layer(residual={"type": "parallel"}, norm={"position": "post"})}),
    "no_ffn": spec({"decoder": layer(ffn={"type": "none"})}),
    "mixed_heads_and_bases": spec(
        {
            "a": layer(attention(n_heads=2, head_dim=12, rope_theta=500.0)),
            "b": layer(attention(n_heads=8, n_kv_heads=2, head_dim=4)),
            "c": layer(attention(rope=False)),
        }
    ),
    "untied": spec({"decoder": layer()}, head={"tie_weights": False}),
    "yarn": spec(
        {"decoder": layer()},
        embedding={"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_seq_len": 16}},
    ),
}
