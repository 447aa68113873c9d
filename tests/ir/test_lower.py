"""Lowering fills defaults, expands the schedule, and refuses what only shows then."""

import pytest

from eulerstack import i18n
from eulerstack.diagnostics import EulerStackError
from eulerstack.ir import Integrator, Layer, Parallel
from tests.ir.specs import LLAMA, llama, llama_text, model_of

WAIST = """
  wide: {mixer: {type: attention, attention: {}}, ffn: {type: gated_mlp}}
  down: {mixer: {type: attention, attention: {}}, ffn: {type: gated_mlp}, shape_change: {d_out: 32}}
  up: {mixer: {type: attention, attention: {}}, ffn: {type: gated_mlp}, shape_change: {d_out: 64}}
"""


LAYERNORMED = "{template: decoder, override: {norm.type: layernorm}}"


def names(model) -> list[str]:
    return [layer.block for layer in model.schedule]


def refused(text: str) -> EulerStackError:
    with pytest.raises(EulerStackError) as caught:
        model_of(text)
    return caught.value


def first_line(text: str) -> str:
    with i18n.speaking("en"):
        return str(refused(text)).splitlines()[0]


def test_sizes_come_from_the_model():
    model = llama()
    assert (model.head_dim, model.n_kv_heads, model.d_ff) == (16, 2, 256)
    block = model.block("decoder")
    assert (block.mixer.n_heads, block.mixer.n_kv_heads, block.mixer.head_dim) == (4, 2, 16)
    assert block.ffn.d_ff == 256
    assert names(model) == ["decoder"] * 3


def test_groups_repeat_their_entries():
    inner = "{group: [{template: decoder, repeat: 2}], repeat: 2}"
    model = llama(layer_schedule=f"[{{group: [{{template: decoder}}, {inner}], repeat: 3}}]")
    assert names(model) == ["decoder"] * 15


def test_an_override_makes_a_variant_with_a_name_of_its_own():
    model = llama(
        layer_schedule="[{template: decoder, override: {attention.window: 8}}, {template: decoder}, "
        "{template: decoder, override: {attention: {window: 8}}}]"
    )
    assert names(model) == ["decoder", "decoder_2", "decoder"]
    assert [block.mixer.window for block in model.blocks] == [8, None]


def test_a_variant_avoids_the_names_of_the_author():
    template = "{mixer: {type: attention, attention: {}}, ffn: {type: mlp}}"
    model = llama(
        layer_templates=f"{{decoder: {template}, decoder_2: {template}}}",
        layer_schedule=f"[{{template: decoder}}, {LAYERNORMED}, {{template: decoder_2}}]",
    )
    assert names(model) == ["decoder", "decoder_3", "decoder_2"]


def test_an_override_that_changes_nothing_makes_no_variant():
    model = llama(layer_schedule="[{template: decoder}, {template: decoder, override: {norm.type: rmsnorm}}]")
    assert names(model) == ["decoder", "decoder"]


def test_a_written_null_lifts_a_window():
    model = llama(
        layer_templates="{decoder: {mixer: {type: attention, attention: {window: 8}}, ffn: {type: mlp}}}",
        layer_schedule="[{template: decoder}, {template: decoder, override: {attention.window: null}}]",
    )
    assert [block.mixer.window for block in model.blocks] == [8, None]


def test_an_unused_template_is_gone():
    template = "{mixer: {type: attention, attention: {}}, ffn: {type: mlp}}"
    model = llama(layer_templates=f"{{decoder: {template}, spare: {template}}}")
    assert [block.name for block in model.blocks] == ["decoder"]


def test_shape_change_alters_the_width_of_later_layers():
    model = llama(
        layer_templates=WAIST,
        layer_schedule="[{template: wide}, {template: down}, {template: wide, repeat: 2}, {template: up}, "
        "{template: wide}]",
    )
    assert names(model) == ["wide", "down", "wide_2", "wide_2", "up", "wide"]
    assert [(block.d_in, block.d_model) for block in model.blocks] == [(64, 64), (64, 32), (32, 32), (32, 64)]
    assert [block.mixer.head_dim for block in model.blocks] == [16, 8, 8, 16]
    assert [block.ffn.d_ff for block in model.blocks] == [256, 128, 128, 256]


def test_a_repeated_group_that_changes_the_width_enters_wide_only_once():
    model = llama(
        layer_templates=WAIST,
        layer_schedule="[{group: [{template: wide}, {template: down}], repeat: 3}, {template: up}]",
    )
    assert names(model) == ["wide", "down", "wide_2", "down_2", "wide_2", "down_2", "up"]


def test_parallel_streams_and_integrators_hold_plain_layers():
    model = llama(
        layer_schedule="[{parallel: [{stream: a, body: [{template: decoder, repeat: 2}]}, "
        "{stream: b, body: [{template: decoder}]}]}, "
        "{integrator: {type: discrete, steps: 4, body: decoder}}]"
    )
    parallel, integrator = model.schedule
    assert isinstance(parallel, Parallel)
    assert [len(stream.body) for stream in parallel.streams] == [2, 1]
    assert parallel.merge.type == "concat"
    assert isinstance(integrator, Integrator)
    assert (integrator.steps, integrator.body, integrator.output) == (4, (Layer(block="decoder"),), "hidden")


@pytest.mark.parametrize(
    ("embedding", "head", "tied"),
    [(None, None, True), (False, None, False), (None, False, False), (True, None, True), (True, False, False)],
)
def test_the_tie_takes_the_written_value_and_a_contradiction_unties(embedding, head, tied):
    extra = "" if embedding is None else f", tie_word_embeddings: {str(embedding).lower()}"
    other = "" if head is None else f", tie_weights: {str(head).lower()}"
    model = llama(embedding=f"{{type: learned, positional: rope{extra}}}", head=f"{{type: causal_lm{other}}}")
    assert (model.embedding.tie_word_embeddings, model.head.tie_weights) == (tied, tied)


@pytest.mark.parametrize(
    ("norm", "written", "expected"),
    [
        ("{}", "", "rmsnorm"),
        ("{type: layernorm}", "", "layernorm"),
        ("{type: layernorm, position: post}", "", None),
        ("{position: post}", ", final_norm: {eps: 0.1}", "rmsnorm"),
        ("{}", ", final_norm: {type: none}", None),
        ("{}", ", final_norm: {type: layernorm}", "layernorm"),
    ],
)
def test_the_final_norm_follows_the_last_layer(norm, written, expected):
    model = llama(
        layer_templates=f"{{decoder: {{mixer: {{type: attention}}, ffn: {{type: mlp}}, norm: {norm}}}}}",
        head=f"{{type: causal_lm{written}}}",
    )
    assert (model.head.final_norm and model.head.final_norm.type) == expected


def test_target_params_may_be_spelled():
    assert model_of(LLAMA.replace("name: m,", 'name: m, target_params: "1.1B",')).target_params == 1_100_000_000


def test_tissue_follows_its_templates_into_their_variants():
    model = llama(
        layer_schedule="[{template: decoder}, {template: decoder, override: {norm.type: layernorm}}]",
        tissue="{columns: [{name: c, templates: [decoder]}]}",
    )
    assert model.tissue["columns"][0]["templates"] == ["decoder", "decoder_2"]


def test_reserved_keys_keep_their_place_where_the_canonical_spec_has_it():
    model = llama(
        layer_schedule="[{template: decoder, vendor.lab.note: 1}]", head="{type: causal_lm, experimental.x: [1, 2]}"
    )
    assert model.reserved == {
        "head.experimental.x": [1, 2],
        "experimental.layer_schedule[0].vendor.lab.note": 1,
    }


def test_more_layers_than_may_be_are_refused_before_they_are_made():
    huge = "[{group: [{group: [{template: decoder, repeat: 2000000000}], repeat: 2000000000}], repeat: 2000000000}]"
    line = first_line(llama_text(layer_schedule=huge))
    column = len("layer_schedule: ") + huge.index("2000000000") + 1
    assert line.startswith(f"NormalizationError: spec.yml:10:{column} ")
    assert "2000000000 layers" in line
    steps = "{integrator: {type: discrete, steps: 20, body: decoder}}"
    assert "10010 layers" in first_line(llama_text(layer_schedule=f"[{{template: decoder, repeat: 9990}}, {steps}]"))


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        (
            {"model": "{name: m, d_model: 64, vocab_size: 300, max_seq_len: 128, n_heads: 4, mlp_ratio: 2.7}"},
            "d_ff comes to",
        ),
        (
            {"layer_templates": WAIST, "layer_schedule": "[{template: wide}, {template: down}]"},
            "ends 32 wide, 64 is needed",
        ),
        (
            {
                "layer_templates": WAIST,
                "layer_schedule": "[{parallel: [{stream: a, body: [{template: down}]}, "
                "{stream: b, body: [{template: wide}]}]}]",
            },
            "ends 32 wide",
        ),
        (
            {
                "layer_templates": WAIST,
                "layer_schedule": "[{template: down}, {integrator: {type: ode_euler, steps: 2, body: wide, "
                "output: token}}, {template: up}]",
            },
            "the stream is 32 wide here and the readout 64",
        ),
        ({"layer_schedule": "[{template: decoder, kv_from: -1}]"}, "leads to before the first layer"),
        (
            {"layer_templates": WAIST, "layer_schedule": "[{template: down}, {template: up, kv_from: -1}]"},
            "head_dim is 8 there, 16 here",
        ),
        (
            {
                "layer_schedule": "[{template: decoder, override: {attention.window: 4}}, "
                "{template: decoder, kv_from: -1}]"
            },
            "keeps only 4 tokens",
        ),
        (
            {
                "layer_schedule": "[{integrator: {type: discrete, steps: 2, body: decoder}}, "
                "{template: decoder, kv_from: -1}]"
            },
            "'integrator' is none",
        ),
        (
            {
                "layer_schedule": "[{template: decoder, share: s}, "
                "{template: decoder, share: s, override: {norm.type: layernorm}}]"
            },
            "joins layers that differ",
        ),
        (
            {
                "layer_schedule": "[{template: decoder, share: s}, {integrator: {type: discrete, steps: 2, "
                "body: [{template: decoder, share: s, override: {norm.type: layernorm}}]}}]"
            },
            "joins layers that differ",
        ),
    ],
)
def test_what_shows_only_when_expanded_is_refused_with_its_place(replaced, words):
    line = first_line(llama_text(**replaced))
    assert line.startswith("NormalizationError: spec.yml:")
    assert words in line


def test_a_width_that_breaks_a_mixer_is_found_where_it_arises():
    text = llama_text(
        layer_templates="""
  mix: {mixer: {type: mamba, mamba: {head_dim: 128}}, ffn: {type: none}}
  down: {mixer: {type: hyena}, ffn: {type: none}, shape_change: {d_out: 32}}
  up: {mixer: {type: hyena}, ffn: {type: none}, shape_change: {d_out: 64}}
""",
        layer_schedule="[{template: mix}, {template: down}, {template: mix}, {template: up}]",
    )
    assert first_line(text).startswith("CompatibilityError: spec.yml:")


def test_all_faults_of_a_kind_are_told_in_one_run():
    text = llama_text(
        layer_schedule="[{template: decoder, kv_from: -1}, {template: decoder, share: a}, "
        "{template: decoder, share: a, override: {norm.type: layernorm}}, {template: decoder, kv_from: -9}]"
    )
    assert [found.code for found in refused(text).diagnostics] == ["kv-from-before-first"] * 2


def test_keys_may_be_shared_along_a_chain():
    model = llama(layer_schedule="[{template: decoder}, {template: decoder, kv_from: -1, repeat: 2}]")
    assert [layer.kv_from for layer in model.schedule] == [None, -1, -1]
