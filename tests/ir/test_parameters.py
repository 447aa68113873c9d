"""The parameter table's names and shapes, the initialisation laws, the totals, and what the runtime lacks."""

from math import isclose, sqrt

import pytest

from eulerstack.ir import count, laws, number_modules, parameter_table
from tests.ir.specs import llama

ATTENTION = "mixer: {type: attention, attention: {}}"
GATED = "ffn: {type: gated_mlp}"


def table(**replaced) -> dict[str, tuple[int, ...]]:
    return {parameter.name: parameter.shape for parameter in parameter_table(llama(**replaced))}


def below_first_layer(**replaced) -> list[str]:
    prefix = "model.layers.0."
    return [name.removeprefix(prefix) for name in table(**replaced) if name.startswith(prefix)]


def template(norm: str = "{}", rest: str = "", ffn: str = GATED) -> str:
    return f"{{decoder: {{{ATTENTION}, {ffn}, norm: {norm}{rest}}}}}"


def test_a_llama_has_these_tensors():
    found = table(layer_schedule="[{template: decoder}]", head="{type: causal_lm, tie_weights: false}")
    assert found == {
        "model.embed_tokens.weight": (300, 64),
        "model.layers.0.mixer_norm.weight": (64,),
        "model.layers.0.mixer.q_proj.weight": (64, 64),
        "model.layers.0.mixer.k_proj.weight": (32, 64),
        "model.layers.0.mixer.v_proj.weight": (32, 64),
        "model.layers.0.mixer.o_proj.weight": (64, 64),
        "model.layers.0.ffn_norm.weight": (64,),
        "model.layers.0.ffn.gate_proj.weight": (256, 64),
        "model.layers.0.ffn.up_proj.weight": (256, 64),
        "model.layers.0.ffn.down_proj.weight": (64, 256),
        "model.norm.weight": (64,),
        "lm_head.weight": (300, 64),
    }


@pytest.mark.parametrize(
    ("position", "sequential", "parallel"),
    [
        ("pre", ["mixer_norm", "ffn_norm"], ["mixer_norm"]),
        ("post", ["mixer_post_norm", "ffn_post_norm"], ["mixer_post_norm"]),
        (
            "sandwich",
            ["mixer_norm", "mixer_post_norm", "ffn_norm", "ffn_post_norm"],
            ["mixer_norm", "mixer_post_norm", "ffn_post_norm"],
        ),
        ("output", ["mixer_post_norm", "ffn_post_norm"], ["mixer_post_norm", "ffn_post_norm"]),
    ],
)
def test_norms_stand_where_the_position_says(position, sequential, parallel):
    def norms(rest: str) -> list[str]:
        names = below_first_layer(layer_templates=template(f"{{position: {position}}}", rest))
        return [name.removesuffix(".weight") for name in names if "_norm." in name]

    assert norms("") == sequential
    assert norms(", residual: {type: parallel}") == parallel


def test_layernorms_have_biases_and_an_absent_ffn_has_no_norm():
    names = below_first_layer(layer_templates=template("{type: layernorm}", ffn="ffn: {type: none}"))
    assert [name for name in names if "norm" in name] == ["mixer_norm.weight", "mixer_norm.bias"]
    assert "model.norm.bias" in table(layer_templates=template("{type: layernorm}"))


def test_a_norm_without_affine_has_no_tensors():
    assert not [name for name in table(layer_templates=template("{affine: false}")) if "norm" in name]


def test_learned_positions_are_a_table():
    found = table(embedding="{type: learned, positional: learned}")
    assert found["model.embed_positions.weight"] == (128, 64)


def test_a_narrow_embedding_is_projected_in_and_out():
    found = table(
        embedding="{type: learned, positional: rope, d_embed: 8}", head="{type: causal_lm, tie_weights: false}"
    )
    assert found["model.embed_tokens.weight"] == (300, 8)
    assert found["model.embed_in.weight"] == (64, 8)
    assert found["model.embed_out.weight"] == (8, 64)
    assert found["lm_head.weight"] == (300, 8)


def test_a_shared_module_stands_once():
    schedule = "[{template: decoder, share: s, repeat: 3}, {template: decoder}, {template: decoder, share: s}]"
    model = llama(layer_schedule=schedule)
    assert [entry.module for entry in number_modules(model.schedule)] == [0, 0, 0, 1, 0]
    assert {name.split(".")[2] for name in table(layer_schedule=schedule) if ".layers." in name} == {"0", "1"}
    per_layer = count(model).per_layer
    assert per_layer[0] == per_layer[3] > 0
    assert per_layer[1] == per_layer[2] == per_layer[4] == 0


def test_a_layer_that_reads_another_ones_keys_has_none_of_its_own():
    model = llama(
        layer_templates="{decoder: {mixer: {type: attention, attention: {qk_norm: head}}, ffn: {type: none}}}",
        layer_schedule="[{template: decoder}, {template: decoder, kv_from: -1}]",
    )
    names = [parameter.name for parameter in parameter_table(model)]
    assert [name for name in names if ".layers.1.mixer." in name] == [
        "model.layers.1.mixer.q_proj.weight",
        "model.layers.1.mixer.o_proj.weight",
        "model.layers.1.mixer.q_norm.weight",
    ]


def test_totals_are_the_table_summed():
    model = llama()
    totals = count(model)
    layer = 2 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 256
    assert totals.per_layer == (layer,) * 3
    assert totals.embedding == 300 * 64
    assert totals.total == totals.active == 3 * layer + 300 * 64 + 64
    assert totals.non_embedding == totals.total - totals.embedding


def test_only_chosen_experts_are_active():
    moe = "ffn: {type: moe, moe: {experts: 8, top_k: 2, d_expert: 16}}"
    totals = count(llama(layer_templates=template(ffn=moe)))
    assert totals.total - totals.active == 3 * 6 * 3 * 64 * 16


def drawn(**replaced) -> dict[str, dict]:
    return laws(llama(**replaced))


def test_every_tensor_has_a_law():
    assert drawn().keys() == table().keys()


def test_the_default_is_normal():
    found = drawn()
    assert found["model.layers.2.mixer.o_proj.weight"] == {"law": "normal", "std": 0.02}
    assert found["model.embed_tokens.weight"] == {"law": "normal", "std": 0.02}
    assert found["model.norm.weight"] == {"law": "ones"}


def test_norms_stored_as_offsets_start_at_zero():
    assert drawn(layer_templates=template("{unit_offset: true}"))["model.norm.weight"] == {"law": "zeros"}


def test_scaled_divides_what_writes_to_the_stream():
    found = drawn(training_hints="{init: scaled}")
    for name in ("mixer.o_proj", "ffn.down_proj"):
        assert isclose(found[f"model.layers.0.{name}.weight"]["std"], 0.02 / sqrt(6))
    assert found["model.layers.0.ffn.up_proj.weight"]["std"] == 0.02


def test_xavier_is_uniform_by_fans():
    law = drawn(training_hints="{init: xavier}")["model.layers.0.ffn.up_proj.weight"]
    assert law["law"] == "uniform"
    assert isclose(law["high"], sqrt(6 / (64 + 256)))
    assert law["low"] == -law["high"]


def test_small_depends_on_the_width():
    found = drawn(training_hints="{init: small}")
    assert isclose(found["model.layers.0.ffn.up_proj.weight"]["std"], sqrt(2 / (5 * 64)))


def test_a_router_may_have_a_deviation_of_its_own():
    moe = "ffn: {type: moe, moe: {experts: 4, top_k: 2, router_init_std: 0.5}}"
    assert drawn(layer_templates=template(ffn=moe))["model.layers.0.ffn.router.weight"] == {"law": "normal", "std": 0.5}
