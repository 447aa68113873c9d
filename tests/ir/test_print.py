"""spec → IR → YAML → IR is a fixed point, over the whole language."""

import json

import yaml
from hypothesis import given, settings

from eulerstack.ir import print_yaml, to_plain
from tests.ir.specs import LLAMA, llama, model_of
from tests.strategies.specs import as_text, specs


@settings(max_examples=60)
@given(specs())
def test_printing_and_lowering_again_is_a_fixed_point(spec):
    model = model_of(as_text(spec))
    printed = print_yaml(model)
    assert model_of(printed) == model
    assert print_yaml(model_of(printed)) == printed


@settings(max_examples=25)
@given(specs())
def test_the_plain_form_is_json_and_reads_the_same_in_any_yaml(spec):
    model = model_of(as_text(spec))
    plain = to_plain(model)
    assert json.loads(json.dumps(plain)) == plain
    assert yaml.safe_load(print_yaml(model)) == plain


def test_what_fits_on_a_line_stands_on_one():
    printed = print_yaml(llama())
    assert "layer_schedule: [{template: decoder, repeat: 3}]" in printed
    assert max(len(line) for line in printed.splitlines()) <= 112


def test_names_that_yaml_misreads_are_quoted():
    for name in ("1e-5", "on", "null", "a: b", "# c", "ㄱ", "\u2028", "😀", "''", " x "):
        model = model_of(LLAMA.replace("name: m", f"name: {json.dumps(name, ensure_ascii=not name.isprintable())}"))
        assert model.name == name
        assert model_of(print_yaml(model)) == model
