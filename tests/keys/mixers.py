"""Rows of `mixer`: every mixer's own keys."""

from tests.keys.effects import cost, gradient, kept, logits, loss
from tests.keys.rows import UNWRITTEN, of, one, put, row
from tests.runtime.models.layers import attention, branched, compressed, delta, hyena, layer, mamba, retnet, ttt


def _one(mixer: dict, **sections) -> dict:
    """One layer with this mixer and no feed-forward."""
    return one(layer(mixer, {"type": "none"}), **sections)


FULL = _one(attention())
NORMED = _one(attention(qk_norm="head"))
LATENT = _one(attention(mla={"kv_rank": 8, "q_rank": 12, "rope_dim": 2}))
GROUPED = _one(attention(o_groups=2, o_rank=4))
SCALED = _one(attention(), embedding={"rope_scaling": {"type": "linear", "factor": 4.0}})
SINKS = _one(attention(attention_sinks={"n_per_head": 1}))
CSA = _one(compressed("csa"))
INDEXER = {"arch": "relu_mha", "n_heads": 2, "d_per_head": 6}
PLACE = "mixer.attention"

ATTENTION = [
    *of(PLACE, logits, FULL, qkv_bias=(False, True), out_bias=(False, True), qk_norm=(UNWRITTEN, "head", "full")),
    *of(PLACE, logits, FULL, n_heads=(4, 2), n_kv_heads=(4, 2), head_dim=(8, 4), scale=(UNWRITTEN, 2.0)),
    *of(PLACE, logits, FULL, logit_softcap=(UNWRITTEN, 0.1), gate=(False, True), v_from_k=(False, True)),
    *of(PLACE, logits, FULL, window=(UNWRITTEN, 4, 8), q_rank=(UNWRITTEN, 12)),
    *of(PLACE, logits, FULL, rope=(True, False), rope_theta=(1e4, 10.0), rope_dim=(2, 4)),
    *of(PLACE, logits, FULL, rope_interleaved=(False, True)),
    *of(PLACE, logits, SCALED, rope_scaled=(True, False)),
    *of(PLACE, logits, NORMED, q_norm_weight=(True, False), qk_norm_unit_offset=(False, True)),
    *of(PLACE, loss, FULL, attn_drop=(0.0, 0.5)),
    *of(PLACE, cost, FULL, latent_dim=(UNWRITTEN, 8, 16)),
    *of(PLACE, cost, GROUPED, o_groups=(2, 4), o_rank=(4, 5)),
    # standard is sliding where there is a window
    *of(PLACE, logits, _one(attention(window=4)), window_mode=("standard", "nsa")),
    *of(PLACE, logits, _one(attention(window=4)), window_mode=("sliding", "nsa")),
    *of(PLACE, logits, _one(attention(window=4, window_mode="dilated")), window_dilation=(1, 3)),
    row(
        f"{PLACE}.window_mode", logits, FULL, {"window": 4, "window_mode": "standard"},
        {"window": 4, "window_mode": "dilated", "window_dilation": 2}, {"window": 4, "window_mode": "nsa"}, at=PLACE,
    ),
    *of(f"{PLACE}.mla", cost, LATENT, kv_rank=(8, 12), q_rank=(UNWRITTEN, 12), rope_dim=(2, 4)),
    *of(f"{PLACE}.mla", cost, LATENT, nope_dim=(8, 6), v_dim=(8, 6)),
    *of(f"{PLACE}.mla", logits, LATENT, norm_eps=(1e-5, 0.5)),
    *of(f"{PLACE}.attention_sinks", logits, SINKS, n_per_head=(0, 1, 2), learnable=(True, False)),
]  # fmt: skip

COMPRESSION = [
    row(
        f"{PLACE}.compression.type", logits, CSA,
        *(compressed(kind)["attention"] for kind in ("csa", "hca", "nsa_learned")), at=PLACE,
    ),
    *of(f"{PLACE}.compression", logits, CSA, pool=("softmax_gated", "mean", "max", "learned_pool"), m_block=(4, 3)),
    *of(f"{PLACE}.compression", logits, CSA, top_k_blocks=(1, 3)),
    *of(f"{PLACE}.compression.indexer", cost, CSA, n_heads=(2, 3), d_per_head=(6, 5)),
    *of(f"{PLACE}.compression.indexer", loss, CSA, arch=("relu_mha", "dot_product", "learned_block_sel")),
    *of(f"{PLACE}.compression.indexer", loss, CSA, loss_coef=(1.0, 3.0)),
    *of(f"{PLACE}.compression.indexer", gradient, CSA, dtype=("fp4", "fp8", "bf16", "fp32")),
    *of(f"{PLACE}.compression.indexer", gradient, CSA, learnable=(True, False)),
]  # fmt: skip

FORMS = (
    attention(mla={"kv_rank": 8, "q_rank": 12}),
    attention(window=3, window_mode="dilated", window_dilation=2),
    attention(window=3, window_mode="nsa"),
    *(compressed(kind) for kind in ("csa", "hca", "nsa_learned")),
)
"""Attentions that are built by code of their own: what one reads, another might forget."""

EVERY_FORM = [
    found
    for mixer in FORMS
    for found in (
        *of(PLACE, logits, _one(mixer), qkv_bias=(False, True), out_bias=(False, True), gate=(False, True), slow=True),
        *of(PLACE, logits, _one(mixer), scale=(UNWRITTEN, 2.0), logit_softcap=(UNWRITTEN, 0.1), slow=True),
        *of(PLACE, logits, _one(mixer), rope=(True, False), rope_theta=(1e4, 10.0), slow=True),
        *of(PLACE, logits, _one(mixer), rope_interleaved=(False, True), slow=True),
        *of(PLACE, logits, _one(mixer), window=(3, 5), attention_sinks=(UNWRITTEN, {"n_per_head": 1}), slow=True),
        *of(PLACE, loss, _one(mixer), attn_drop=(0.0, 0.5), slow=True),
    )
]  # fmt: skip

MAMBA1, MAMBA2 = _one(mamba(variant="mamba1")), _one(mamba())
GROUPS = _one(mamba(n_groups=2))

MAMBA = [
    row(
        "mixer.mamba.variant", logits, MAMBA2,
        *(mamba(variant=name)["mamba"] for name in ("mamba1", "mamba2")), at="mixer.mamba",
    ),
    *of("mixer.mamba", cost, MAMBA2, d_state=(8, 4), d_conv=(4, 2), expand=(2, 3), head_dim=(8, 16), n_groups=(1, 2)),
    *of("mixer.mamba", cost, MAMBA2, d_inner=(40, 48)),
    *of("mixer.mamba", cost, MAMBA1, dt_rank=(2, 5)),
    *of("mixer.mamba", logits, MAMBA1, norm_dt_b_c=(False, True)),
    *of("mixer.mamba", logits, MAMBA1, in_bias=(False, True), out_bias=(False, True), slow=True),
    *of("mixer.mamba", logits, MAMBA1, conv_bias=(True, False), slow=True),
    *of("mixer.mamba", logits, MAMBA1, activation=("silu", "gelu", "gelu_tanh", "relu", "relu2"), slow=True),
    *of("mixer.mamba", logits, MAMBA2, in_bias=(False, True), out_bias=(False, True), conv_bias=(True, False)),
    *of("mixer.mamba", logits, MAMBA2, activation=("silu", "gelu", "gelu_tanh", "relu", "relu2")),
    *of("mixer.mamba", logits, MAMBA2, dt_min=(UNWRITTEN, 0.5), dt_max=(UNWRITTEN, 0.001)),
    *of("mixer.mamba", logits, GROUPS, gated_norm=("after", "before", "none")),
    *of("mixer.mamba.multipliers", logits, MAMBA2, gate=(1.0, 2.0), input=(1.0, 2.0), b=(1.0, 2.0)),
    *of("mixer.mamba.multipliers", logits, MAMBA2, c=(1.0, 2.0), dt=(1.0, 5.0)),
    *of("mixer.mamba", kept, MAMBA2, chunk_size=(4, 8)),
]  # fmt: skip

RETNET, HYENA, DELTA = _one(retnet()), _one(hyena()), _one(delta())

RECURRENT = [
    *of("mixer.retnet", logits, RETNET, rope=(True, False), n_heads=(4, 2)),
    *of("mixer.retnet", cost, RETNET, v_expand=(2, 1)),
    *of("mixer.retnet", kept, RETNET, chunk_size=(4, 8), chunkwise=(True, False)),
    *of("mixer.hyena", cost, HYENA, depth=(2, 3), filter_hidden=(8, 5)),
    *of("mixer.hyena", logits, HYENA, filter_decay=(0.0, 30.0)),
    *of("mixer.gated_deltanet", cost, DELTA, n_heads=(4, 2), n_value_heads=(4, 8), d_key=(8, 4)),
    *of("mixer.gated_deltanet", cost, DELTA, d_value=(8, 4), d_conv=(4, 2)),
    *of("mixer.gated_deltanet", kept, DELTA, chunk_size=(4, 8)),
]  # fmt: skip

INNER, LINEAR = _one(ttt()), _one(ttt({"type": "linear"}))

TTT = [
    row(
        "mixer.ttt.inner_model.type", cost, INNER,
        {"type": "mlp", "hidden": 12}, {"type": "linear"}, at="mixer.ttt.inner_model",
    ),
    *of("mixer.ttt.inner_model", cost, INNER, hidden=(12, 16)),
    *of("mixer.ttt", logits, LINEAR, inner_optimizer=("sgd", "adamw"), inner_lr=(0.5, 0.1)),
    *of("mixer.ttt", logits, LINEAR, inner_steps_per_token=(1, 2), chunk_size=(8, 4), n_heads=(4, 2)),
]  # fmt: skip

BRANCHES = {"full": attention(), "ssm": mamba(), "near": attention(window=4)}
BRANCHED = _one(branched(**BRANCHES))
CHOSEN = _one(branched({"type": "top_k"}, **BRANCHES))
WEIGHED = put(BRANCHED, "mixer.branched.factors", {"ssm": {}})
SELECTOR = "mixer.branched.selector"

BRANCHING = [
    *of("mixer.branched", cost, BRANCHED, branches=(BRANCHES, {"full": attention(), "ssm": mamba()})),
    *of(SELECTOR, logits, BRANCHED, type=("learned_gate", "top_k", "sum")),
    *of(SELECTOR, logits, CHOSEN, top_k=(1, 2)),
    # the first layer reads the embedding either way
    *of(SELECTOR, logits, put(BRANCHED, "layer_schedule.repeat", 2), input=("hidden", "embedding")),
    *of("mixer.branched.factors", logits, WEIGHED, input=(1.0, 2.0), output=(1.0, 2.0)),
]  # fmt: skip

KINDS = (attention(), mamba(), retnet(), hyena(), branched(a=attention(), b=mamba()), ttt(), delta())
"""A mixer of every type."""

ROWS = [
    row("mixer.type", logits, FULL, *KINDS, at="mixer"),
    *ATTENTION, *COMPRESSION, *EVERY_FORM, *MAMBA, *RECURRENT, *TTT, *BRANCHING,
]  # fmt: skip
