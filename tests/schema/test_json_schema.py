"""The JSON Schema for editors: it takes what the language takes and refuses what it can see is wrong."""

import json
import re
from copy import deepcopy

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from eulerstack import api, i18n
from eulerstack.diagnostics import EulerStackError, Severity, Source
from eulerstack.dsl import parse
from eulerstack.ir.yaml_text import dump
from eulerstack.schema.describe import every_path
from eulerstack.schema.json_schema import json_schema
from tests.schema.root import EVERYTHING, TEN_LINES
from tests.strategies.specs import specs

with i18n.speaking("en"):
    SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def faults(spec) -> list[str]:
    return [fault.json_path for fault in VALIDATOR.iter_errors(spec)]


def by_language(text: str) -> bool:
    """Whether the whole check finds no error in a spec."""
    report = api.validate(Source("spec.yml", text))
    return not any(found.severity is Severity.ERROR for found in report.diagnostics)


def changed(path: tuple[str | int, ...], value: object) -> dict:
    """The spec with every section, with one value changed."""
    spec = deepcopy(parse(Source("everything.yml", EVERYTHING)).plain())
    holder = spec
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return spec


def test_it_is_a_schema_and_every_reference_resolves():
    Draft202012Validator.check_schema(SCHEMA)
    names = re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(SCHEMA))
    assert set(names) == set(SCHEMA["$defs"])


@pytest.mark.parametrize("preset", api.presets(), ids=lambda preset: preset.name)
def test_every_preset_passes_as_written_and_as_resolved(preset):
    assert faults(parse(preset.source).plain()) == []
    assert faults(parse(Source("resolved.yml", api.load(preset.source).yaml)).plain()) == []


def test_every_key_of_the_language_is_in_it_with_its_meaning():
    for lang in ("en", "ko"):
        with i18n.speaking(lang):
            texts = json.dumps(json_schema(), ensure_ascii=False)
            for path in every_path():
                assert f'"title": "{path}"' in texts
                assert json.dumps(i18n.text("schema", path), ensure_ascii=False)[1:-1] in texts


BROKEN = [
    (("modle",), {}, "$"),
    (("model", "d_modle"), 64, "$.model"),
    (("model", "d_model"), 0, "$.model.d_model"),
    (("model", "d_model"), "wide", "$.model.d_model"),
    (("model", "d_model"), 6.5, "$.model.d_model"),
    (("model", "target_params"), "1.1 apples", "$.model.target_params"),
    (("model", "dtype"), "fp8", "$.model.dtype"),
    (("schema_version",), 2, "$.schema_version"),
    (("training_hints", "betas"), [0.9], "$.training_hints.betas"),
    (("training_hints", "betas"), [0.9, 1.0], "$.training_hints.betas[1]"),
    (("training_hints", "dropout"), -0.1, "$.training_hints.dropout"),
    (("layer_templates", "attn", "mixer", "type"), "atention", "$.layer_templates.attn.mixer.type"),
    (("layer_templates", "attn", "mixer", "mamba"), {}, "$.layer_templates.attn.mixer.mamba"),
    (("layer_templates", "ssm", "ffn", "moe"), {"experts": 4, "top_k": 1}, "$.layer_templates.ssm.ffn.moe"),
    (("layer_templates", "attn", "ffn", "moe", "top_k"), None, "$.layer_templates.attn.ffn.moe.top_k"),
    (("layer_templates",), {}, "$.layer_templates"),
    (("layer_schedule",), [], "$.layer_schedule"),
    (("layer_schedule", 0), {"repeat": 2}, "$.layer_schedule[0]"),
    (("layer_schedule", 0), {"template": "attn", "reapet": 2}, "$.layer_schedule[0]"),
    (("layer_schedule", 0), {"group": [{"template": "attn", "repeat": 0}]}, "$.layer_schedule[0]"),
    (("layer_schedule", 0), {"template": "attn", "override": {"norm": {"type": "x"}}}, "$.layer_schedule[0]"),
    (("head",), None, "$.head"),
]


@pytest.mark.parametrize(("path", "value", "place"), BROKEN, ids=lambda part: str(part))
def test_what_is_wrong_is_refused_where_it_stands(path, value, place):
    spec = changed(path, value)
    assert place in faults(spec)
    assert not by_language(dump(spec))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("model", "target_params"), "350M"),
        (("model", "d_ff"), None),
        (("model", "d_ff"), "${ let.wide * 2 }"),
        (("experimental.note",), "kept"),
        (("model", "vendor.acme.x"), [1]),
        (("layer_schedule", 0), {"template": "attn", "override": {"norm": {"type": "rmsnorm"}}}),
        (("layer_schedule", 0), {"template": "attn", "override": {"norm.type": "rmsnorm"}}),
        (("training_hints",), None),
    ],
    ids=lambda part: str(part),
)
def test_what_an_author_may_write_passes(path, value):
    spec = {"let": {"wide": 256}, **changed(path, value)}
    assert by_language(dump(spec))
    assert faults(spec) == []


@pytest.mark.parametrize("section", ["model", "tokenizer_contract", "embedding", "layer_templates", "head"])
def test_nothing_is_required_of_a_spec_that_extends_another(section):
    spec = parse(Source("spec.yml", TEN_LINES)).plain()
    del spec[section]
    assert faults(spec) == ["$"]
    assert faults({"extends": "arch_beginner_llama", **spec}) == []
    child = {"schema_version": 1, "extends": "arch_beginner_llama", "model": {"n_heads": 8}}
    assert faults(child) == []
    assert faults({**child, "layer_schedule": [{"repeat": 2}]}) == ["$.layer_schedule[0]"]


@given(specs())
@settings(max_examples=25, deadline=None)
def test_generated_specs_pass(spec):
    assert faults(spec) == []


def test_a_place_can_be_exported_alone():
    part = Draft202012Validator(json_schema("layer_templates.x.ffn.moe"))
    assert part.is_valid({"experts": 4, "top_k": 2})
    assert not part.is_valid({"experts": 4, "topk": 2})
    assert not Draft202012Validator(json_schema("model.d_model")).is_valid(0)
    with pytest.raises(EulerStackError):
        json_schema("model.zzz")
