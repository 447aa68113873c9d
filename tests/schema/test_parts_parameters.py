"""Stated tensors against the equations of the papers, and against published counts."""

from dataclasses import replace

import pytest

from eulerstack.schema.memory import MemoryKeys, resolve_memory
from tests.schema.parts import DIMS, elements, ffn, mixer, shapes

d, H, K, D, f, E = 64, 4, 2, 16, 256, 8


def test_attention():
    assert elements(mixer()) == d * H * D + 2 * d * K * D + H * D * d
    assert shapes(mixer()) == {
        "q_proj.weight": (H * D, d),
        "k_proj.weight": (K * D, d),
        "v_proj.weight": (K * D, d),
        "o_proj.weight": (d, H * D),
    }


@pytest.mark.parametrize(
    ("keys", "extra"),
    [
        ({"qkv_bias": True}, H * D + 2 * K * D),
        ({"out_bias": True}, d),
        ({"qk_norm": "head"}, 2 * D),
        ({"qk_norm": "full"}, H * D + K * D),
        ({"gate": True}, d * H * D),
        ({"v_from_k": True}, -d * K * D),
        ({"attention_sinks": {"n_per_head": 2}}, 2 * H),
        ({"attention_sinks": {"n_per_head": 2, "learnable": False}}, 0),
        ({"n_kv_heads": 1}, -2 * d * D),
        ({"n_kv_heads": 4}, 4 * d * D),
        ({"head_dim": 32}, 2 * d * H * D + 2 * d * K * D),
        ({"window": 8}, 0),
    ],
)
def test_what_an_attentions_key_costs(keys, extra):
    assert elements(mixer(**keys)) - elements(mixer()) == extra


def test_mla_is_deepseek_v3s():
    dims = replace(DIMS, d_model=7168, n_heads=128, n_kv_heads=128, head_dim=128)
    mla = {"kv_rank": 512, "q_rank": 1536, "rope_dim": 64, "nope_dim": 128, "v_dim": 128}
    assert elements(mixer(dims, mla=mla), 7168) == 187_107_328
    assert mixer(dims, mla={"kv_rank": 512, "q_rank": 1536}) == mixer(dims, mla=mla)


def test_dense():
    assert elements(ffn(type="mlp")) == 2 * d * f
    assert elements(ffn(type="mlp", bias=True)) == 2 * d * f + f + d
    assert elements(ffn(type="gated_mlp")) == 3 * d * f
    assert elements(ffn(type="gated_mlp", bias=True)) == 3 * d * f + 2 * f + d


def moe(**keys):
    outer = {name: keys.pop(name) for name in ("bias", "activation") if name in keys}
    return ffn(type="moe", moe={"experts": E, "top_k": 2, **keys}, **outer)


def test_moe():
    assert shapes(moe()) == {
        "router.weight": (E, d),
        "experts.gate_up_proj": (E, 2 * f, d),
        "experts.down_proj": (E, d, f),
    }
    assert shapes(moe(activation="gelu"))["experts.up_proj"] == (E, f, d)
    assert elements(moe(d_expert=24)) == E * 3 * d * 24 + d * E
    shared = 3 * d * 2 * 40
    assert elements(moe(shared_experts=2, d_shared=40)) - elements(moe()) == shared
    assert elements(moe(router_bias=True)) - elements(moe()) == E
    assert elements(moe(bias=True)) - elements(moe()) == E * (2 * f + d)


def test_a_token_uses_its_top_k_experts():
    dense = 2 * 3 * d * f
    assert sum(p.active_count for p in moe().parameters(d)) == dense + d * E
    with_shared = moe(shared_experts=1)
    assert sum(p.active_count for p in with_shared.parameters(d)) == dense + d * E + 3 * d * f


def test_the_balancing_bias_is_no_parameter():
    corrected = moe(bias_correction={"enabled": True})
    assert elements(corrected) == elements(moe())
    bias = next(p for p in corrected.parameters(d) if p.name == "router.e_score_correction_bias")
    assert (bias.shape, bias.buffer, bias.fp32) == ((E,), True, True)


@pytest.mark.parametrize(
    ("part", "kinds"),
    [
        (mixer(gate=True), {"q_proj": "hidden", "g_proj": "hidden", "o_proj": "residual"}),
        (ffn(type="gated_mlp"), {"gate_proj": "hidden", "up_proj": "hidden", "down_proj": "residual"}),
        (moe(), {"router": "router", "experts.gate_up_proj": "hidden", "experts.down_proj": "residual"}),
    ],
)
def test_what_writes_to_the_stream_is_named_so(part, kinds):
    found = {p.name.removesuffix(".weight"): p.init.kind for p in part.parameters(d)}
    assert kinds.items() <= found.items()


@pytest.mark.parametrize("part", [mixer(), mixer(mla={"kv_rank": 8}), ffn(type="mlp"), moe(activation="relu")])
def test_fan_in_is_what_one_output_reads(part):
    for p in part.parameters(d):
        if len(p.shape) >= 2:
            assert p.init.fan_in == p.shape[-1], p.name
            assert p.init.fan_out == p.shape[-2], p.name


def test_a_router_may_start_its_own_way():
    router = next(p for p in moe(router_init_std=0.006).parameters(d) if p.name == "router.weight")
    assert dict(router.init.arguments) == {"std": 0.006}


def test_mamba_1_is_hfs():
    wide = replace(DIMS, d_model=768)
    assert elements(mixer(wide, type="mamba", variant="mamba1", d_state=16), 768) == 3_770_880


def test_mamba_2():
    inner, groups, state = 2 * d, 2, 32
    heads, convolved = inner // 16, inner + 2 * groups * state
    mamba = mixer(type="mamba", head_dim=16, n_groups=groups, d_state=state)
    expected = d * (inner + convolved + heads) + convolved * 4 + convolved + 3 * heads + inner + inner * d
    assert elements(mamba) == expected


def test_retention_is_eight_squares():
    assert elements(mixer(type="retnet")) == 8 * d * d
    assert elements(mixer(type="retnet", v_expand=1)) == 5 * d * d


def test_ttt():
    rest = 4 * d * d + H * d + H + 2 * H * D + 16 + 2 * d
    linear = mixer(type="ttt_layer", inner_model={"type": "linear"})
    assert elements(linear) == rest + H * (D * D + D)
    four = mixer(type="ttt_layer", inner_model={"type": "mlp", "hidden": 4 * D})
    assert elements(four) == rest + H * (8 * D * D + 5 * D)


def memory(kind, **keys):
    return resolve_memory(MemoryKeys.model_validate({"type": kind, "params": {"hidden": 24}, **keys}), DIMS)


@pytest.mark.parametrize(
    ("kind", "around", "kept", "copies"),
    [
        ("neural_memory", 4 * d * d + 5 * d + 4, 2 * d * 24, 3),
        ("associative", 2 * d * d + 2 * d * 24 + 2 * d + 2, d * 24, 1),
        ("retrieval", 4 * d * d + d + 2, 2 * d * 24, 1),
    ],
)
def test_memories(kind, around, kept, copies):
    assert elements(memory(kind)) == around + kept
    persistent = memory(kind, persistence="persistent")
    assert elements(persistent) == elements(memory(kind))
    assert sum(p.count for p in persistent.parameters(d) if p.buffer and p.fp32) == kept
    assert memory(kind).state_elements(d, 100) == {}
    assert memory(kind, update_at_inference=True).state_elements(d, 100) == {"fp32": copies * kept}


def test_gated_deltanet():
    key, value = H * 16, H * 32
    part = mixer(type="gated_deltanet", d_key=16, d_value=32)
    assert elements(part) == d * (2 * key + 2 * value + 2 * H) + (2 * key + value) * 4 + 2 * H + 32 + value * d


def test_branches_are_counted_together():
    branched = mixer(type="branched", branches={"a": {"type": "attention"}, "b": {"type": "retnet"}})
    assert elements(branched) == elements(mixer()) + elements(mixer(type="retnet")) + 2 * d
    assert "branch_a.q_proj.weight" in shapes(branched)


@pytest.mark.parametrize("depth", [2, 3])
def test_hyena(depth):
    width = 24
    part = mixer(type="hyena", depth=depth, filter_hidden=width)
    projections = (depth + 2) * d * d + (depth + 2) * d
    network = 4 * width + width + 2 * (width * width + width) + width * (depth - 1) * d
    assert elements(part) == projections + 4 * (depth + 1) * d + network + (depth - 1) * d


def test_deepseek_v4s_attention():
    dims = replace(DIMS, d_model=4096, n_heads=64, n_kv_heads=1, head_dim=512)
    shared = {"q_rank": 1024, "qk_norm": "head", "q_norm_weight": False, "v_from_k": True, "attention_sinks": {}}
    keys = {**shared, "o_groups": 8, "o_rank": 1024, "window": 128, "rope_dim": 64}
    indexer = {"arch": "relu_mha", "n_heads": 64, "d_per_head": 128}
    csa = {"type": "csa", "m_block": 4, "indexer": indexer, "top_k_blocks": 512}
    sliding = elements(mixer(dims, **keys), 4096)
    assert sliding == 106_956_352
    assert elements(mixer(dims, **keys, compression={"type": "hca", "m_block": 128}), 4096) - sliding == 4_260_352
    assert elements(mixer(dims, **keys, compression=csa), 4096) - sliding == 19_142_272
