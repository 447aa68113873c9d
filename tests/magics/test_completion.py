"""Completion as JupyterLab asks for it: the whole cell and the cursor."""

from collections.abc import Iterator

import pytest
from IPython.core.completer import provisionalcompleter

from eulerstack import preset_index
from eulerstack.arguments import Place, build
from eulerstack.magics.calls import commands
from eulerstack.parser import Parser
from tests.magics.test_magic import SPEC, run


def complete(shell, text: str) -> list[str]:
    """What is offered at the `|` in the text."""
    at = text.index("|")
    with provisionalcompleter():
        return [found.text for found in shell.Completer.completions(text.replace("|", "", 1), at)]


CALLS = {
    "%eulerstack exp|": ["explain"],
    "%%eulerstack val|": ["validate"],
    "%eulerstack compile --over|": ["--overwrite"],
    "%eulerstack explain --preset arch_intermediate_m|": ["arch_intermediate_mistral"],
    "%eulerstack draw arch_beginner_ll|": ["arch_beginner_llama"],
    "%eulerstack compile llm_0p1b_simple --tokenizer re|": ["require"],
    "%eulerstack presets sh|": ["show"],
    "%eulerstack presets show arch_advanced_mo|": ["arch_advanced_mod"],
    "%eulerstack schema mixer.hyena.filter_d|": ["mixer.hyena.filter_decay"],
    "%eulerstack lang j|": ["ja"],
    "%eulerstack bro|": ["browse"],
    "%%eulerstack --sa|": ["--save"],
}


@pytest.mark.parametrize(("text", "expected"), CALLS.items())
def test_words_of_a_call(shell, text, expected):
    assert complete(shell, text) == expected


def every_parser(place: Place) -> Iterator[tuple[str, Parser]]:
    """Each command of a place, those below another one too, as it is called, and what reads it."""
    pending = [(str(place), build(place))]
    while pending:
        call, parser = pending.pop()
        inner = commands(parser)
        pending += [(f"{call} {name}", below) for name, below in inner.items()]
        yield call, parser


@pytest.mark.parametrize("place", [Place.LINE, Place.CELL])
def test_every_option_and_choice_of_every_command(shell, place):
    for call, parser in every_parser(place):
        offered = complete(shell, f"{call} --|")
        assert {*offered} >= {name for name in parser._option_string_actions if name.startswith("--")}, call
        for option, action in parser._option_string_actions.items():
            if action.choices and option.startswith("--"):
                assert complete(shell, f"{call} {option} |") == [*map(str, action.choices)], (call, option)


BODY = "%%eulerstack\n" + SPEC
BODIES = {
    "%%eulerstack\nmodel:\n  d_|": ["d_model: ", "d_ff: "],
    "%%eulerstack\nmodel: { name: x, n_k|": ["n_kv_heads: "],
    "%%eulerstack\nmodel: { dtype: bf|": ["bfloat16"],
    "%%eulerstack\ntraining_hints: { scaling: { parametrization: m|": ["mup"],
    "%%eulerstack\nextends: arch_beginner_g|": ["arch_beginner_gpt2"],
    BODY.replace("activation: swiglu", "activation: swi|"): ["swiglu"],
    BODY.replace("activation: swiglu", "activ|: swiglu"): ["activation"],
    BODY.replace("template: decoder", "template: dec|"): ["decoder"],
    BODY.replace("repeat: 2", "ov|"): ["override: "],
    BODY + "tissue: { columns: [{ name: a, templates: [de|": ["decoder"],
    BODY + "tissue:\n  conn|": ["connectivity: "],
    BODY + "head: { tie_weights: tr|": ["true"],
    BODY.replace("{ type: attention, attention: {} }", "{ type: mamba, |"): ["mamba: "],
    "%%eulerstack\nlet: { w: {{ width }} }\nmodel:\n  max|": ["max_seq_len: "],
    "%%eulerstack\nmodel: { name: \"a{b\", vo|": ["vocab_size: "],
    "%%eulerstack\nextends: \"arch_beginner_g|": ["arch_beginner_gpt2"],
    "%%eulerstack\nextends: arch_beginner_g|\nmodel: {": ["arch_beginner_gpt2"],
    BODY.replace("{ template: decoder, repeat: 2 }", "{ group: [{ template: dec|"): ["decoder"],
    BODY.replace("{ template: decoder, repeat: 2 }", "group:\n      - template: dec|"): ["decoder"],
    BODY.replace("- { template: decoder, repeat: 2 }", "- templ|"): ["template: "],
    BODY.replace("{ template: decoder, repeat: 2 }", "{ group: [{ template: decoder, dep|"): ["depth_gating: "],
    BODY.replace("repeat: 2", "override: { ffn.act|"): ["ffn.activation: "],
    BODY.replace("repeat: 2", "override: { ffn.activation: swi|"): ["swiglu"],
    BODY.replace("{ type: causal_lm }", "{ type: causal_lm_mtp, mtp: { head_template: d|"): ["decoder"],
    "%%eulerstack\nexecution_modes:\n  - name: think\n    visib|": ["visible_to_user: "],
    "%%eulerstack\nexecution_modes: [{ kv_share: fa|": ["false"],
    "%%eulerstack\nmodel: { d_model: 64, dtype: |float32 }": ["float32", "float16", "bfloat16"],
    BODY.replace("{ type: byte }", "{").replace("positional: rope }", "scale: 1, pos|"): ["positional: "],
    "%%eulerstack\nmodel: [[[\nembedding: { posi|": ["positional: "],
    "%%eulerstack\nmodel:\n  d_model\n  dtype: bf|": ["bfloat16"],
    "%%eulerstack\nmodel: { name: \"open\nembedding:\n  posi|": ["positional: "],
    BODY.replace("activation: swiglu }", "activation: swiglu\n    no|"): ["norm: "],
    "%%eulerstack\n: ]\n}{\nhead:\n  logit_so|": ["logit_softcap: "],
    "%%eulerstack\nmodel: { d_model: {{ wid|": ["width_of_model"],
    "%%eulerstack\nlet: { w: {{width_|": ["width_of_model"],
    "%eulerstack explain {{ width_|": ["width_of_model"],
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BODIES.items())
def test_keys_and_values_of_the_body(shell, text, expected):
    shell.user_ns["width_of_model"] = 64
    assert complete(shell, text) == expected


def test_a_new_body_offers_the_sections(shell):
    offered = complete(shell, "%%eulerstack\n|")
    assert {"schema_version: ", "model: ", "head: "} <= set(offered)


def test_bound_specs_are_offered(shell):
    run(shell, f"%%eulerstack explain --out small_one\n{SPEC}")
    assert complete(shell, "%eulerstack explain --preset small_|") == ["small_one"]
    assert complete(shell, "%%eulerstack\nextends: small_|") == ["small_one"]


def test_every_preset_is_offered(shell):
    assert set(preset_index.names()) <= set(complete(shell, "%eulerstack explain |"))


def test_other_cells_are_left_alone(shell):
    shell.user_ns["modelled"] = 1
    assert complete(shell, "model|") == ["modelled"]
    run(shell, "%unload_ext eulerstack")
    assert complete(shell, "%%eulerstack\nmodel:\n  d_m|") == []
    run(shell, "%load_ext eulerstack")


def test_a_value_in_block_style(shell):
    cell = "%%eulerstack\nschema_version: 1\nmodel:\n  d_model: 64\n  dtype: bf|"
    assert complete(shell, cell) == ["bfloat16"]
