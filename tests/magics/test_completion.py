"""Completion as JupyterLab asks for it: the whole cell and the cursor."""

import pytest
from IPython.core.completer import provisionalcompleter

from eulerstack import preset_index
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
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BODIES.items())
def test_keys_and_values_of_the_body(shell, text, expected):
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
