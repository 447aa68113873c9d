"""Windows, sinks, shared values, low-rank projections, latents."""

from tests.runtime.models.layers import attention, layer
from tests.runtime.models.sections import spec

ATTENTIONS = {
    "windows": spec(
        {
            "full": layer(),
            "sliding": layer(attention(window=6)),
            "dilated": layer(attention(window=4, window_mode="dilated", window_dilation=3)),
        }
    ),
    "windows_only": spec({"a": layer(attention(window=6)), "b": layer(attention(window=9, logit_softcap=4.0))}),
    "sinks": spec(
        {
            "full": layer(attention(attention_sinks={"n_per_head": 2}, n_kv_heads=2)),
            "local": layer(attention(window=6, attention_sinks={}, logit_softcap=5.0)),
            "fixed": layer(attention(attention_sinks={"learnable": False})),
        }
    ),
    "v_from_k": spec(
        {
            "full": layer(attention(v_from_k=True, n_kv_heads=1, qk_norm="head")),
            "local": layer(attention(v_from_k=True, window=6, rope_dim=4, rope_interleaved=True)),
            "bare": layer(attention(v_from_k=True, rope=False)),
        },
        [{"template": "full"}, {"template": "full", "kv_from": -1}, {"template": "local"}, {"template": "bare"}],
    ),
    "deepseek_projections": spec(
        {
            "a": layer(attention(q_rank=12, o_groups=2, o_rank=6, qk_norm="head", q_norm_weight=False, rope_dim=4)),
            "b": layer(attention(q_rank=8, o_groups=4, o_rank=3, qkv_bias=True, out_bias=True, gate=True, window=5)),
        }
    ),
    "strided": spec(
        {
            "far": layer(attention(window=3, window_mode="nsa", window_dilation=2)),
            "fixed": layer(attention(window=2, window_mode="nsa", logit_softcap=4.0)),
        }
    ),
    "strided_alibi": spec({"far": layer(attention(window=3, window_mode="nsa"))}, embedding={"positional": "alibi"}),
    "mla": spec({"latent": layer(attention(mla={"kv_rank": 12, "q_rank": 16, "rope_dim": 4, "v_dim": 6}))}),
    "mla_lite": spec(
        {
            "local": layer(attention(mla={"kv_rank": 24, "nope_dim": 6}, window=7, attention_sinks={}, gate=True)),
            "full": layer(attention(latent_dim=16, qkv_bias=True, out_bias=True, logit_softcap=6.0)),
            "far": layer(attention(latent_dim=8, window=3, window_mode="nsa", rope_interleaved=True)),
        }
    ),
    "mla_alibi": spec({"latent": layer(attention(latent_dim=8, window=9))}, embedding={"positional": "alibi"}),
}
