"""What the keys of one part must say of each other."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eulerstack import i18n
from eulerstack.diagnostics import Diagnostic
from eulerstack.diagnostics.catalogue import CATALOGUE
from tests.schema.parts import DIMS, ffn_findings, mixer_findings, mixer_plain

INDEXER = {"arch": "relu_mha", "n_heads": 4, "d_per_head": 8}
CSA = {"type": "csa", "m_block": 4, "indexer": INDEXER, "top_k_blocks": 8}
NO_ROPE = replace(DIMS, positional="alibi")
TWO = {"a": {"type": "attention"}, "b": {"type": "mamba"}}


def without(mapping: dict, name: str) -> dict:
    return {key: value for key, value in mapping.items() if key != name}


MIXERS = [
    ("heads-not-grouped", "attention", {"n_kv_heads": 3}, DIMS, "n_kv_heads"),
    ("heads-not-grouped", "attention", {"n_heads": 8}, replace(DIMS, n_kv_heads=3), "n_heads"),
    ("attention-heads-not-dividing", "attention", {"n_heads": 6}, DIMS, "n_heads"),
    ("head-dim-odd", "attention", {"head_dim": 15}, DIMS, "head_dim"),
    ("head-dim-odd", "attention", {"n_heads": 64}, DIMS, "n_heads"),
    ("rope-without-positions", "attention", {"rope": True}, NO_ROPE, "rope"),
    ("rope-theta-unused", "attention", {"rope_theta": 1e5}, NO_ROPE, "rope_theta"),
    ("rope-theta-unused", "attention", {"rope": False, "rope_theta": 1e5}, DIMS, "rope_theta"),
    ("rope-key-unused", "attention", {"rope": False, "rope_interleaved": True}, DIMS, "rope_interleaved"),
    ("rope-key-unused", "attention", {"rope_scaled": False}, NO_ROPE, "rope_scaled"),
    ("rope-dim-above-head-dim", "attention", {"rope_dim": 32}, DIMS, "rope_dim"),
    ("rope-dim-odd", "attention", {"rope_dim": 5}, DIMS, "rope_dim"),
    ("qk-norm-key-unused", "attention", {"q_norm_weight": False}, DIMS, "q_norm_weight"),
    ("qk-norm-key-unused", "attention", {"qk_norm_unit_offset": True}, DIMS, "qk_norm_unit_offset"),
    ("grouped-output-half", "attention", {"o_groups": 2}, DIMS, "o_groups"),
    ("output-groups-not-dividing", "attention", {"o_groups": 3, "o_rank": 8}, DIMS, "o_groups"),
    ("window-mode-without-window", "attention", {"window_mode": "sliding"}, DIMS, "window_mode"),
    ("window-mode-without-window", "attention", {"window_mode": "dilated"}, DIMS, "window_mode"),
    ("dilation-without-dilated", "attention", {"window": 8, "window_dilation": 2}, DIMS, "window_dilation"),
    ("compression-window-mode", "attention", {"compression": CSA, "window_mode": "dilated"}, DIMS, "window_mode"),
    ("latent-twice", "attention", {"latent_dim": 8, "mla": {"kv_rank": 9}}, DIMS, "latent_dim"),
    ("mla-with-kv-heads", "attention", {"latent_dim": 8, "n_kv_heads": 2}, DIMS, "n_kv_heads"),
    ("mla-excludes", "attention", {"latent_dim": 8, "qk_norm": "head"}, DIMS, "qk_norm"),
    ("mla-excludes", "attention", {"latent_dim": 8, "v_from_k": True}, DIMS, "v_from_k"),
    ("mla-excludes", "attention", {"latent_dim": 8, "compression": CSA}, DIMS, "compression"),
    ("mla-excludes", "attention", {"latent_dim": 8, "rope_dim": 4}, DIMS, "rope_dim"),
    ("rope-dim-odd", "attention", {"mla": {"kv_rank": 8, "rope_dim": 5}}, DIMS, "mla.rope_dim"),
    ("mla-rope-dim-unused", "attention", {"mla": {"kv_rank": 8, "rope_dim": 4}}, NO_ROPE, "mla.rope_dim"),
    ("compression-needs", "attention", {"compression": without(CSA, "indexer")}, DIMS, "compression.type"),
    ("compression-needs", "attention", {"compression": without(CSA, "top_k_blocks")}, DIMS, "compression.type"),
    (
        "compression-needs",
        "attention",
        {"compression": {"type": "nsa_learned", "m_block": 4}},
        DIMS,
        "compression.type",
    ),
    (
        "compression-forbids",
        "attention",
        {"compression": {"type": "hca", "m_block": 4, "indexer": INDEXER}},
        DIMS,
        "compression.indexer",
    ),
    (
        "compression-forbids",
        "attention",
        {"compression": {"type": "hca", "m_block": 4, "top_k_blocks": 2}},
        DIMS,
        "compression.top_k_blocks",
    ),
    ("heads-not-dividing", "retnet", {"n_heads": 6}, DIMS, "n_heads"),
    ("heads-not-dividing", "retnet", {}, replace(DIMS, n_heads=6), ""),
    ("retnet-head-odd", "retnet", {"n_heads": 64}, DIMS, "n_heads"),
    ("heads-not-dividing", "ttt_layer", {"n_heads": 6}, DIMS, "n_heads"),
    ("ttt-head-odd", "ttt_layer", {"n_heads": 64}, DIMS, "n_heads"),
    ("ttt-hidden-unused", "ttt_layer", {"inner_model": {"type": "linear", "hidden": 8}}, DIMS, "inner_model.hidden"),
    (
        "selector-width",
        "branched",
        {"branches": TWO, "selector": {"input": "embedding"}},
        replace(DIMS, d_embedded=2 * DIMS.d_model),
        "selector.input",
    ),
    ("value-heads-not-shared", "gated_deltanet", {"n_heads": 2, "n_value_heads": 5}, DIMS, "n_value_heads"),
    ("hyena-order-too-small", "hyena", {"depth": 1}, DIMS, "depth"),
    ("mamba-key-of-other-variant", "mamba", {"dt_rank": 4}, DIMS, "dt_rank"),
    ("mamba-key-of-other-variant", "mamba", {"norm_dt_b_c": True}, DIMS, "norm_dt_b_c"),
    ("mamba-key-of-other-variant", "mamba", {"variant": "mamba1", "head_dim": 8}, DIMS, "head_dim"),
    ("mamba-key-of-other-variant", "mamba", {"variant": "mamba1", "gated_norm": "none"}, DIMS, "gated_norm"),
    ("mamba-two-widths", "mamba", {"d_inner": 64, "expand": 2}, DIMS, "d_inner"),
    ("mamba-bounds-crossed", "mamba", {"dt_min": 0.2, "dt_max": 0.1}, DIMS, "dt_max"),
    ("mamba-heads-not-dividing", "mamba", {"head_dim": 48}, DIMS, "head_dim"),
    ("mamba-groups-not-dividing", "mamba", {"n_groups": 3}, DIMS, "n_groups"),
    ("branches-too-few", "branched", {"branches": {"a": {"type": "attention"}}}, DIMS, "branches"),
    ("branch-name", "branched", {"branches": {**TWO, "a.b": {"type": "retnet"}}}, DIMS, "branches.a.b"),
    ("factors-of-no-branch", "branched", {"branches": TWO, "factors": {"c": {"input": 2.0}}}, DIMS, "factors.c"),
    (
        "selector-input-unused",
        "branched",
        {"branches": TWO, "selector": {"type": "sum", "input": "embedding"}},
        DIMS,
        "selector.input",
    ),
    ("selector-top-k-unused", "branched", {"branches": TWO, "selector": {"top_k": 1}}, DIMS, "selector.top_k"),
    (
        "top-k-above-branches",
        "branched",
        {"branches": TWO, "selector": {"type": "top_k", "top_k": 3}},
        DIMS,
        "selector.top_k",
    ),
    (
        "hyena-order-too-small",
        "branched",
        {"branches": {**TWO, "c": {"type": "hyena", "hyena": {"depth": 1}}}},
        DIMS,
        "branches.c.hyena.depth",
    ),
]

FFNS = [
    ("moe-missing", {"type": "moe"}, "type"),
    ("moe-elsewhere", {"type": "mlp", "moe": {"experts": 4, "top_k": 2}}, "moe"),
    ("mlp-gated-by-activation", {"type": "mlp", "activation": "geglu"}, "activation"),
    ("ffn-none-with-keys", {"type": "none", "activation": "gelu"}, "activation"),
    ("ffn-none-with-keys", {"type": "none", "d_ff": 8}, "d_ff"),
    (
        "gating-without-gate",
        {"type": "moe", "activation": "gelu", "moe": {"experts": 4, "top_k": 2, "gating": {}}},
        "moe.gating",
    ),
    (
        "slope-without-silu",
        {"type": "moe", "activation": "geglu", "moe": {"experts": 4, "top_k": 2, "gating": {"slope": 1.7}}},
        "moe.gating.slope",
    ),
]

MOES = [
    ("top-k-above-experts", {"top_k": 9}, "top_k"),
    ("router-against-affinity", {"router": "softmax", "affinity": "sigmoid"}, "router"),
    ("experts-gated-by-activation", {"gated": False}, "gated"),
    ("shared-gate-unused", {"shared_gate": True}, "shared_gate"),
    ("d-shared-unused", {"d_shared": 8}, "d_shared"),
    ("hash-salt-missing", {"routing": {"type": "hash"}}, "routing.type"),
    ("hash-salt-unused", {"routing": {"hash_salt": 3}}, "routing.hash_salt"),
    (
        "hash-with-bias-correction",
        {"routing": {"type": "hash", "hash_salt": 3}, "bias_correction": {"enabled": True}},
        "bias_correction.enabled",
    ),
    ("experts-not-grouped", {"n_groups": 3, "balance": {"group_limit": 1}}, "n_groups"),
    ("group-limit-above-groups", {"balance": {"group_limit": 9}}, "balance.group_limit"),
    ("top-k-above-groups", {"n_groups": 4, "top_k": 3, "balance": {"group_limit": 1}}, "top_k"),
    ("groups-without-limit", {"n_groups": 4}, "n_groups"),
    ("group-score-unused", {"balance": {"group_score": "max"}}, "balance.group_score"),
]

FITTING = [
    mixer_plain("attention", {}),
    mixer_plain("attention", {"window": 8, "window_mode": "dilated", "window_dilation": 2}),
    mixer_plain("attention", {"compression": CSA, "attention_sinks": {}}),
    mixer_plain("attention", {"compression": {"type": "hca", "m_block": 8}}),
    mixer_plain("attention", {"mla": {"kv_rank": 8, "q_rank": 16}, "latent_dim": 8}),
    mixer_plain("attention", {"n_heads": 6, "head_dim": 32}),
    {"type": "attention"},
    {"type": "mamba"},
    {"type": "retnet"},
    {"type": "hyena"},
    {"type": "ttt_layer"},
    {"type": "gated_deltanet"},
    mixer_plain("branched", {"branches": TWO, "selector": {"type": "top_k", "top_k": 2}}),
]


def only(found, code, place):
    """The one finding, which must be `code` at `place`; its texts are complete in both languages."""
    assert [(finding[0], ".".join(map(str, finding[1]))) for finding in found] == [(code, place)]
    params = {"path": place, **found[0][2]}
    for lang in i18n.LANGUAGES:
        with i18n.speaking(lang):
            assert all("{" not in line.replace("{ experts: 8, top_k: 2 }", "") for line in
                       Diagnostic(code=code, params=params).lines())  # fmt: skip


@pytest.mark.parametrize(("code", "type_", "keys", "dims", "place"), MIXERS)
def test_a_mixer_contradicts_itself(code, type_, keys, dims, place):
    plain = mixer_plain(type_, keys)
    below = next(key for key in plain if key != "type")
    only(mixer_findings(plain, dims), code, f"{below}.{place}".rstrip("."))


@pytest.mark.parametrize(("code", "plain", "place"), FFNS)
def test_an_ffn_contradicts_itself(code, plain, place):
    only(ffn_findings(plain), code, place)


@pytest.mark.parametrize(("code", "keys", "place"), MOES)
def test_a_moe_contradicts_itself(code, keys, place):
    plain = {"type": "moe", "activation": "swiglu", "moe": {"experts": 8, "top_k": 2, **keys}}
    only(ffn_findings(plain), code, f"moe.{place}")


def test_another_mixers_keys_may_not_stand_here():
    only(mixer_findings({"type": "mamba", "attention": {"window": 8}}), "mixer-of-other-type", "attention")


def test_a_branched_mixer_needs_its_branches():
    only(mixer_findings({"type": "branched"}), "branches-too-few", "type")


@pytest.mark.parametrize("plain", FITTING)
def test_what_fits_is_let_pass(plain):
    assert mixer_findings(plain) == []


@pytest.mark.parametrize("keys", [{}, {"balance": {"group_limit": 4}}, {"shared_experts": 1, "d_shared": 8}])
def test_a_moe_that_fits_is_let_pass(keys):
    assert ffn_findings({"type": "moe", "moe": {"experts": 8, "top_k": 2, **keys}}) == []


def test_every_text_of_a_part_is_tested_here():
    texts = json.loads((Path(__file__).parents[2] / "locales/en/diagnostics/parts.json").read_text("utf-8"))
    told = {row[0] for row in (*MIXERS, *FFNS, *MOES)} | {"mixer-of-other-type"}
    assert set(texts) == told
    assert told <= set(CATALOGUE)
