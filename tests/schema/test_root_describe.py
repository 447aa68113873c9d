"""The language describes itself, wholly and in both languages."""

import json

import pytest

from eulerstack import api, i18n
from eulerstack.diagnostics import EulerStackError
from eulerstack.diagnostics.cells import cells
from eulerstack.schema.describe import describe, every_path
from eulerstack.schema.facts import named_fields
from eulerstack.schema.names import SYNONYMS
from eulerstack.schema.sources import SOURCES
from eulerstack.schema.spec import RootKeys


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_every_key_has_a_meaning_and_no_meaning_lacks_its_key(lang):
    assert set(i18n.catalogue(lang, "schema")) == {*every_path(), "root"}


def test_the_root_lists_the_sections():
    assert [row.path for row in describe().rows] == [name for name, _ in named_fields(RootKeys)]


@pytest.mark.parametrize(
    ("path", "place", "names"),
    [
        ("ffn", "ffn", ["type", "activation", "bias", "d_ff", "moe"]),
        ("layer_templates.x.ffn", "ffn", ["type", "activation", "bias", "d_ff", "moe"]),
        (
            "layer_templates",
            "layer_templates",
            ["mixer", "ffn", "norm", "residual", "state", "memory", "shape_change", "ffn_factors"],
        ),
        ("model.d_model", "model.d_model", ["d_model"]),
        ("layer_schedule[3].merge", "layer_schedule.merge", ["type", "projection", "from", "to"]),
        ("layer_schedule.parallel.body", "layer_schedule.parallel.body", None),
        ("layer_schedule.group.group.repeat", "layer_schedule.repeat", ["repeat"]),
        ("layer_schedule.override.attention.window", "layer_schedule.override.attention.window", ["attention.window"]),
        ("mixer.branched.branches.left.attention.window", "mixer.attention.window", ["window"]),
        ("tissue.columns", "tissue.columns", ["name", "templates", "role"]),
        ("let", "let", ["let"]),
    ],
)
def test_paths(path, place, names):
    described = describe(path)
    assert described.path == place
    assert names is None or [row.name for row in described.rows] == names
    assert described.meaning != place


def test_every_path_of_the_language_can_be_asked_for():
    for path in every_path():
        described = describe(path)
        assert described.path == path
        assert described.rows
        assert all(row.meaning != row.path for row in described.rows)


def test_a_row_tells_type_range_and_default():
    rows = {row.name: row for row in describe("training_hints").rows}
    assert rows["betas"].to_dict() == {
        "path": "training_hints.betas",
        "type": "[number, …]",
        "choices": [],
        "range": "∈ [0, 1); 2 ×",
        "required": False,
        "default": [0.9, 0.95],
        "nested": False,
        "meaning": i18n.text("schema", "training_hints.betas"),
        "source": "",
    }
    assert rows["optimizer"].choices == ("adamw", "muon", "hybrid")
    assert rows["muon"].nested
    assert describe("model.d_model").rows[0].required


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("d_model", "model.d_model"),
        ("hidden_size", "model.d_model"),
        ("modle", "model"),
        ("ffn.activaton", "ffn.activation"),
        ("mixer.mambo", "mixer.mamba"),
        ("model.d_model.x", None),
        ("zzz", None),
    ],
)
def test_an_unknown_path_is_a_call_error_with_the_nearest(path, nearest):
    with pytest.raises(EulerStackError) as caught:
        describe(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "unknown-schema-path"
    assert diagnostic.params["nearest"] == nearest
    assert len(str(diagnostic).splitlines()) == 3


def test_a_source_belongs_to_a_path_and_to_all_below_it():
    assert set(SOURCES) <= set(every_path())
    assert "1706.03762" in describe("mixer.attention.out_bias").rows[0].source
    assert "2305.13245" in describe("mixer.attention.n_kv_heads").rows[0].source
    assert describe("model.d_model").rows[0].source == ""


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_table_shows_every_key_with_range_default_and_meaning(lang):
    with i18n.speaking(lang):
        for path in ["", *every_path()]:
            shown = api.schema(path)
            (heading, *lines) = shown.lines(500, color=False)
            assert heading == (path or "EulerStack YAML")
            for row in describe(path).rows:
                (line,) = [line for line in lines if line.split()[0:1] == [row.name] and row.meaning in line]
                assert row.type in line
                assert row.range in line
                assert row.default is None or isinstance(row.default, dict) or json.dumps(row.default) in line
                assert row.source in "\n".join([line, *lines])


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("width", [72, 80, 120])
def test_a_table_fits_the_terminal(lang, width):
    with i18n.speaking(lang):
        for path in ("", "ffn", "training_hints", "mixer.attention", "layer_schedule"):
            assert max(cells(line) for line in api.schema(path).lines(width, color=False)) <= width


def test_synonyms_name_keys_that_exist():
    known = set(every_path())
    assert {path for path in SYNONYMS.values() if path not in known} == set()
