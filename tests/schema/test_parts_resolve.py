"""Keys become resolved parts; printed canonically they become the same parts again."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eulerstack.diagnostics.catalogue import CATALOGUE
from eulerstack.schema.base import as_plain, tagged
from eulerstack.schema.ffn import FfnKeys, GatedMlp, Mlp, Moe, MoeKeys, is_gated_by_activation, plain_ffn, resolve_ffn
from eulerstack.schema.memory import MEMORIES, MemoryKeys, plain_memory, resolve_memory
from eulerstack.schema.mixers import MIXERS, MixerKeys, resolve_mixer
from tests.schema.parts import ANY_DIMS, DIMS, ffn, ffn_findings, mixer, mixer_findings, written

SHORTHANDS = {"latent_dim", "router"}
"""Keys that resolve into another one: mla.kv_rank and affinity."""


@pytest.mark.parametrize("type_", MIXERS)
@given(data=st.data(), dims=ANY_DIMS)
def test_printing_a_mixer_is_a_fixed_point(type_, data, dims):
    keys, cls = MIXERS[type_]
    plain = {"type": type_, cls.key: data.draw(written(keys))}
    found = mixer_findings(plain, dims)
    resolved = resolve_mixer(MixerKeys.model_validate(plain), dims)
    printed = tagged(resolved)
    assert resolve_mixer(MixerKeys.model_validate(printed), dims) == resolved
    if not found:
        assert mixer_findings(printed, dims) == []


@given(plain=written(FfnKeys), dims=ANY_DIMS)
def test_printing_an_ffn_is_a_fixed_point(plain, dims):
    if plain["type"] == "moe" and not plain.get("moe"):
        plain["moe"] = {"experts": 4, "top_k": 2}
    found = [code for code, _, _ in ffn_findings(plain, dims) if CATALOGUE[code].severity == "Error"]
    resolved = resolve_ffn(FfnKeys.model_validate(plain), dims)
    printed = plain_ffn(resolved)
    assert resolve_ffn(FfnKeys.model_validate(printed), dims) == resolved
    if not found:
        assert ffn_findings(printed, dims) == []


@given(plain=written(MemoryKeys))
def test_printing_a_memory_is_a_fixed_point(plain):
    resolved = resolve_memory(MemoryKeys.model_validate(plain), DIMS)
    assert type(resolved) is MEMORIES[plain["type"]]
    assert resolve_memory(MemoryKeys.model_validate(plain_memory(resolved)), DIMS) == resolved


@pytest.mark.parametrize("type_", MIXERS)
def test_a_resolved_mixer_has_the_fields_that_an_author_may_write(type_):
    keys, cls = MIXERS[type_]
    assert {field.name for field in fields(cls)} == set(keys.model_fields) - SHORTHANDS


def test_a_resolved_moe_has_the_fields_that_an_author_may_write():
    outer = {"activation", "bias"}
    assert {f.name for f in fields(Moe)} - outer == set(MoeKeys.model_fields) - SHORTHANDS


MOE = {"type": "moe", "moe": {"experts": 8, "top_k": 2}}


def test_heads_are_the_models():
    attention = mixer()
    assert (attention.n_heads, attention.n_kv_heads, attention.head_dim) == (4, 2, 16)
    assert attention.scale == 0.25
    assert attention.rope_theta == 10_000.0


def test_a_template_may_have_heads_of_its_own():
    attention = mixer(n_heads=8, n_kv_heads=1, head_dim=32, rope_theta=5e5)
    assert (attention.n_heads, attention.n_kv_heads, attention.head_dim) == (8, 1, 32)
    assert attention.scale == 32**-0.5
    assert attention.rope_theta == 5e5


def test_more_heads_go_on_tiling_the_width_and_stay_plain():
    attention = mixer(replace(DIMS, n_kv_heads=4), n_heads=8)
    assert (attention.n_kv_heads, attention.head_dim) == (8, 8)


def test_more_heads_keep_a_head_dim_that_the_model_writes():
    assert mixer(replace(DIMS, head_dim=24), n_heads=8).head_dim == 24


def test_a_window_slides():
    assert mixer(window=8).window_mode == mixer(window=8, window_mode="standard").window_mode == "sliding"
    assert mixer().window_mode == "standard"
    assert mixer(window=8).window_dilation is None


@pytest.mark.parametrize(("mode", "dilation"), [("dilated", 1), ("nsa", 4)])
def test_a_dilation_has_its_published_default(mode, dilation):
    assert mixer(window=8, window_mode=mode).window_dilation == dilation
    assert mixer(window=8, window_mode=mode, window_dilation=3).window_dilation == 3


@pytest.mark.parametrize("positional", ["none", "alibi", "learned"])
def test_nothing_is_rotated_where_positions_are_not_rotary(positional):
    attention = mixer(replace(DIMS, positional=positional))
    assert attention.rope is False
    assert attention.rope_theta is None


def test_dropout_is_the_models_unless_written():
    assert mixer(replace(DIMS, attn_dropout=0.1)).attn_drop == 0.1
    assert mixer(replace(DIMS, attn_dropout=0.1), attn_drop=0).attn_drop == 0.0


def test_latent_dim_is_short_for_mla():
    assert mixer(latent_dim=24) == mixer(mla={"kv_rank": 24})
    assert as_plain(mixer(latent_dim=24).mla) == {
        "kv_rank": 24,
        "q_rank": None,
        "rope_dim": 8,
        "nope_dim": 16,
        "v_dim": 16,
        "norm_eps": 1e-5,
    }
    assert mixer(latent_dim=24).scale == 24**-0.5
    assert mixer(latent_dim=24).n_kv_heads == 4
    assert mixer(replace(DIMS, positional="none"), latent_dim=24).mla.rope_dim == 0


def test_compression_has_a_sliding_window():
    hca = {"type": "hca", "m_block": 4}
    assert (mixer(compression=hca).window, mixer(compression=hca).window_mode) == (128, "sliding")
    assert mixer(compression=hca, window=16).window == 16


def test_no_sinks_per_head_are_no_sinks():
    assert mixer(attention_sinks={"n_per_head": 0}).attention_sinks is None
    assert as_plain(mixer(attention_sinks={}).attention_sinks) == {"n_per_head": 1, "learnable": True}


def test_a_branch_prints_with_its_type():
    branched = mixer(type="branched", branches={"a": {"type": "attention"}, "b": {"type": "ttt_layer"}})
    printed = as_plain(branched)["branches"]
    assert printed["a"] == tagged(mixer())
    assert printed["b"]["type"] == "ttt_layer"
    assert printed["b"]["ttt"]["n_heads"] == 4


@pytest.mark.parametrize(
    ("written_", "cls", "activation"),
    [
        ({"type": "mlp"}, Mlp, "gelu"),
        ({"type": "mlp", "activation": "relu2"}, Mlp, "relu2"),
        ({"type": "mlp", "activation": "swiglu"}, GatedMlp, "silu"),
        ({"type": "mlp", "activation": "geglu"}, GatedMlp, "gelu"),
        ({"type": "gated_mlp"}, GatedMlp, "silu"),
        ({"type": "gated_mlp", "activation": "silu"}, GatedMlp, "silu"),
        ({"type": "gated_mlp", "activation": "geglu"}, GatedMlp, "gelu"),
        ({"type": "gated_mlp", "activation": "gelu_tanh"}, GatedMlp, "gelu_tanh"),
        ({"type": "gated_mlp", "activation": "relu"}, GatedMlp, "relu"),
    ],
)
def test_the_activation_decides_the_gate(written_, cls, activation):
    resolved = ffn(**written_)
    assert type(resolved) is cls
    assert resolved.activation == activation
    gated_by_activation = written_["type"] == "mlp" and cls is GatedMlp
    assert is_gated_by_activation(FfnKeys.model_validate(written_)) is gated_by_activation


@pytest.mark.parametrize(
    ("activation", "gated"), [(None, True), ("swiglu", True), ("geglu", True), ("gelu", False), ("silu", False)]
)
def test_experts_are_gated_by_swiglu_and_geglu(activation, gated):
    assert ffn(**MOE, activation=activation).gated is gated


def test_experts_may_be_gated_by_any_function():
    moe = {"experts": 8, "top_k": 2, "gated": True}
    assert ffn(type="moe", activation="silu", moe=moe) == ffn(type="moe", activation="swiglu", moe=moe)
    assert ffn(type="moe", activation="relu2", moe=moe).activation == "relu2"


def test_no_ffn_is_none():
    assert ffn(type="none") is None


def test_width_comes_from_the_nearest_place():
    assert ffn(type="mlp").d_ff == 256
    assert ffn(type="mlp", d_ff=48).d_ff == 48
    moe = {"experts": 8, "top_k": 2}
    assert ffn(type="moe", moe=moe).d_expert == 256
    assert ffn(type="moe", d_ff=48, moe=moe).d_expert == 48
    assert ffn(type="moe", d_ff=48, moe={**moe, "d_expert": 24}).d_expert == 24
    assert ffn(type="moe", moe={**moe, "d_expert": 24}).d_shared == 24
    assert ffn(type="moe", moe={**moe, "d_expert": 24, "d_shared": 40}).d_shared == 40


@pytest.mark.parametrize(
    ("router", "affinity", "resolved"),
    [
        (None, None, "softmax"),
        ("sigmoid", None, "sigmoid"),
        ("softmax", "sqrt_softplus", "sqrt_softplus"),
        (None, "sigmoid", "sigmoid"),
    ],
)
def test_a_written_affinity_counts(router, affinity, resolved):
    assert ffn(type="moe", moe={"experts": 8, "top_k": 2, "router": router, "affinity": affinity}).affinity == resolved


def test_one_expert_keeps_its_own_weight():
    assert ffn(type="moe", moe={"experts": 8, "top_k": 1}).norm_top_k is False
    assert ffn(type="moe", moe={"experts": 8, "top_k": 2}).norm_top_k is True
    assert ffn(type="moe", moe={"experts": 8, "top_k": 1, "norm_top_k": True}).norm_top_k is True


def test_a_group_limit_has_deepseeks_groups():
    assert ffn(type="moe", moe={"experts": 16, "top_k": 2, "balance": {"group_limit": 4}}).n_groups == 8
    assert ffn(type="moe", moe={"experts": 16, "top_k": 2}).n_groups == 1


def test_each_mamba_has_its_own_numbers():
    first, second = mixer(type="mamba", variant="mamba1"), mixer(type="mamba")
    assert (first.dt_rank, first.head_dim, first.n_groups, first.chunk_size) == (4, None, None, None)
    assert (second.dt_rank, second.head_dim, second.n_groups, second.chunk_size) == (None, 64, 1, 64)
    assert mixer(replace(DIMS, d_model=65), type="mamba", variant="mamba1").dt_rank == 5
