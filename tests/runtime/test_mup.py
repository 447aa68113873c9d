"""μP: initialisation, learning rates and the readout follow the width; then activations do not."""

import math

import pytest
import torch

from eulerstack.compiler import config_dict
from eulerstack.ir.laws import laws
from eulerstack.ir.width import UnevenWidth, at_width, growing_fan_in
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from eulerstack.training.coordinates import LOGITS, check_coordinates, spread
from tests.peers import fetch
from tests.runtime.models.building import build, gap, to_ir, tokens
from tests.runtime.models.layers import attention, layer, mamba, moe
from tests.runtime.models.sections import spec
from tests.runtime.models.specs import SPECS

BASE, WIDE = 32, 256
SLOW = (
    "moe_deepseek", "mamba2", "untied", "mla", "mamba1", "retnet", "hyena", "delta", "ttt_linear", "csa", "nsa",
    "branched", "memory_neural", "mhc", "hc", "mod_gate", "moe_hash", "deepseek_v4", "streams_gated", "objectives",
)  # fmt: skip


def at_base(sections: dict, **hints) -> dict:
    """The spec under μP, 32 being the base width."""
    scaling = {"parametrization": "mup", "base_width": BASE}
    return {**sections, "training_hints": {**sections.get("training_hints", {}), "scaling": scaling, **hints}}


def built(sections: dict, width: int) -> EulerStackForCausalLM:
    torch.manual_seed(0)
    return EulerStackForCausalLM(EulerStackConfig(**config_dict(at_width(to_ir(sections), width))))


@pytest.mark.parametrize("name", SPECS)
def test_at_the_base_width_it_is_the_standard_parametrisation(name):
    standard, ours = to_ir(SPECS[name]), to_ir(at_base(SPECS[name]))
    assert laws(ours) == laws(standard)
    assert config_dict(ours)["readout_multiplier"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("tied", [True, False])
def test_learning_rates_and_decays_are_those_of_mup(tied, request):
    """Yang's own package, on a transformer; its matrices learn with lr/m and decay with m·wd."""
    mup = fetch("mup", "1.0.0", request.config.cache.mkdir("peers"))
    sections = at_base(spec({"d": layer(attention(n_kv_heads=2, qkv_bias=True))}, head={"tie_weights": tied}))
    models = [built(sections, width) for width in (WIDE, BASE, 2 * BASE)]
    for model in models:
        d_model, vocabulary = model.config.hidden_size, model.config.vocab_size
        if tied:
            model.lm_head = mup.MuSharedReadout(model.model.embed_tokens.weight, bias=False)
        else:
            model.lm_head = mup.MuReadout(d_model, vocabulary, bias=False)
    ours, base, delta = models
    mup.set_base_shapes(ours, base, delta=delta)
    theirs = mup.MuAdamW(ours.parameters(), lr=0.5, weight_decay=0.25)
    wanted = {id(p): (group["lr"], group["weight_decay"]) for group in theirs.param_groups for p in group["params"]}
    seen = 0
    for group in ours.optimizer_param_groups(0.5, 0.25):
        for parameter in group["params"]:
            lr, decay = wanted[id(parameter)]
            assert group["lr"] == pytest.approx(lr)
            assert group["weight_decay"] == pytest.approx(decay if parameter.dim() > 1 else 0.0)
            seen += 1
    assert seen == len(wanted)


def test_a_matrix_starts_smaller_by_the_root_of_the_width():
    sections = at_base(SPECS["untied"])
    narrow, wide = laws(to_ir(sections)), laws(at_width(to_ir(sections), WIDE))
    query, readout = "model.layers.0.mixer.q_proj.weight", "lm_head.weight"
    assert wide[query] == {
        "law": "normal", "std": pytest.approx(narrow[query]["std"] / math.sqrt(WIDE / BASE)), "lr_scale": BASE / WIDE
    }  # fmt: skip
    assert wide[readout] == narrow[readout]
    assert wide["model.embed_tokens.weight"] == narrow["model.embed_tokens.weight"]


@pytest.mark.parametrize("policy", ["xavier", "small", "scaled"])
def test_every_policy_sets_its_scale_at_the_base_width(policy):
    sections = at_base(SPECS["llama"], init=policy)
    narrow, wide = laws(to_ir(sections)), laws(at_width(to_ir(sections), WIDE))
    for name, law in wide.items():
        factor = math.sqrt(BASE / WIDE) if "lr_scale" in law else 1.0
        size = "high" if law["law"] == "uniform" else "std"
        assert law.get(size, 0.0) == pytest.approx(factor * narrow[name].get(size, 0.0)), name


def test_logits_are_divided_by_the_width():
    model = built(at_base(SPECS["llama"]), WIDE).eval()
    states = model.model(tokens()).last_hidden_state
    assert gap(model(tokens()).logits, model.lm_head(states) * BASE / WIDE) < 1e-6


def test_heads_change_their_number_and_states_keep_their_size():
    wide = at_width(to_ir(SPECS["mamba_hybrid"]), 128)
    assert (wide.n_heads, wide.head_dim, wide.d_ff) == (16, 8, 192)
    assert {block.mixer.d_state for block in wide.blocks if block.mixer.type == "mamba"} == {8}


def test_a_wide_models_heads_forget_as_a_narrow_ones_do():
    name = "model.layers.0.mixer.A_log"
    sections = at_base(SPECS["mamba2"])
    decays = [built(sections, width).state_dict()[name].exp() for width in (BASE, 4 * BASE)]
    assert torch.allclose(decays[1], decays[0].repeat_interleave(4))


def test_a_size_that_cannot_follow_is_named():
    with pytest.raises(UnevenWidth) as caught:
        at_width(to_ir(SPECS["qk_norm_head_gate"]), 16)
    assert (caught.value.key, caught.value.size) == ("n_kv_heads", 1)


def test_what_grows_is_what_sums_over_the_stream():
    grown = growing_fan_in(to_ir(SPECS["mod_moe"]))
    assert {name.rsplit(".", 2)[-2] for name in grown} >= {"q_proj", "router", "experts", "depth"}
    assert not any("norm" in name or "embed" in name for name in grown)


def test_routers_take_a_multiplied_rate_and_constants_never_decay():
    sections = spec({"m": layer(ffn=moe()), "s": layer(mamba())})
    model = build({**sections, "training_hints": {"router_lr_multiplier": 0.25}})
    by_name = {name: group for group in model.optimizer_param_groups(0.5) for name in group["names"]}
    assert by_name["model.layers.0.ffn.router.weight"]["lr"] == 0.125
    assert by_name["model.layers.0.ffn.experts.down_proj"]["lr"] == 0.5
    constants = [name for name in by_name if name.endswith(("A_log", ".D", "dt_bias", "norm.weight"))]
    assert constants
    assert {by_name[name]["weight_decay"] for name in constants} == {0.0}


def test_muon_takes_matrices_inside_layers_or_what_globs_name():
    def by(**hints) -> set[str]:
        groups = build({**SPECS["mixtral"], "training_hints": hints}).optimizer_param_groups(0.5)
        return {name.split("layers.0.")[-1] for g in groups if g["optimizer"] == "muon" for name in g["names"]}

    assert by(optimizer="adamw") == set()
    assert {"ffn.experts.down_proj", "mixer.q_proj.weight", "ffn.router.weight"} <= by(optimizer="muon")
    assert not {"mixer_norm.weight", "model.embed_tokens.weight"} & by(optimizer="muon")
    assert by(optimizer="muon") - by(optimizer="hybrid") == {"ffn.router.weight", "model.layers.1.ffn.router.weight"}
    named = by(optimizer="hybrid", optimizer_groups={"muon": ["*_proj.weight"], "adamw": ["*"]})
    assert named == {name for name in named if name.endswith("_proj.weight")} != set()


@pytest.mark.parametrize("name", ["llama", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_activations_do_not_grow_with_the_width(name):
    """Within twice, from the base width to eight times it. Random logits shrink by √8, what is learned does not."""
    after = spread(check_coordinates(to_ir(at_base(SPECS[name])), (BASE, WIDE)), step=10)
    assert 1 / 3 < after.pop(LOGITS) < 2
    assert all(0.5 < ratio < 2 for ratio in after.values()), after


def test_under_the_standard_parametrisation_they_grow():
    after = spread(check_coordinates(to_ir(SPECS["llama"]), (BASE, WIDE)), step=10)
    assert after[LOGITS] > 2
    assert min(ratio for place, ratio in after.items() if place != LOGITS) > 10
