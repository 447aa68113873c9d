"""The editor without a browser: sliders, undo, faults at their lines, numbers, files, compilation."""

import re
from html import unescape

import pytest

from eulerstack import api, i18n, preset_index
from eulerstack.diagnostics import EulerStackError
from eulerstack.ir import count
from eulerstack.widgets import SpecEditor
from eulerstack.widgets.view import NOTHING, label
from tests.languages import english
from tests.magics.test_languages import words_of

SPEC = """\
schema_version: 1
# kept
model: { name: "small", d_model: 128, vocab_size: 512, max_seq_len: 256, n_heads: 4, n_kv_heads: 2 }
tokenizer_contract: { type: byte }
embedding: { type: learned, positional: rope }
layer_templates:
  one: { mixer: { type: attention, attention: {} }, ffn: { type: moe, moe: { experts: 4, top_k: 2 } } }
layer_schedule:
  - { template: one, repeat: 2 }
head: { type: causal_lm }
"""


@pytest.fixture
def editor() -> SpecEditor:
    return SpecEditor(SPEC)


def test_a_valid_spec_is_explained_and_drawn(editor):
    assert editor.report.ok
    assert editor.spec is not None
    assert f"{count(editor.model).total:,}" in editor.numbers.value
    assert "<svg" in editor.picture.value
    assert list(editor.sliders) == ["d_model", "n_heads", label("editor.layers", entry="one"), "experts", "max_seq_len"]


@pytest.mark.parametrize(
    ("index", "value", "written"),
    [
        (0, 256, "d_model: 256"),
        (1, 8, "n_heads: 8, n_kv_heads: 4"),
        (2, 5, "repeat: 5"),
        (3, 8, "experts: 8"),
        (4, 1024, "max_seq_len: 1024"),
    ],
)
def test_a_slider_changes_the_text_and_what_follows(editor, index, value, written):
    before = editor.numbers.value + editor.picture.value
    list(editor.sliders.values())[index].value = value
    assert written in editor.yaml
    assert "# kept" in editor.yaml
    assert editor.report.ok
    assert editor.numbers.value + editor.picture.value != before
    assert editor.cost.params == count(editor.model)


def test_typing_moves_the_sliders(editor):
    editor.yaml = SPEC.replace("d_model: 128", "d_model: 192")
    assert editor.sliders["d_model"].value == 192
    editor.yaml = SPEC.replace("moe, moe: { experts: 4, top_k: 2 }", "gated_mlp")
    assert "experts" not in editor.sliders


def test_undo_and_redo(editor):
    assert editor.undo_button.disabled
    editor.sliders["d_model"].value = 256
    editor.sliders["max_seq_len"].value = 512
    editor.undo()
    assert "d_model: 256" in editor.yaml
    assert editor.sliders["max_seq_len"].value == 256
    editor.undo()
    assert editor.yaml == SPEC
    editor.redo()
    assert editor.model.d_model == 256
    editor.sliders["experts"].value = 8
    assert editor.redo_button.disabled


def test_a_fault_stands_at_its_line_and_the_numbers_stay(editor):
    before = editor.numbers.value
    editor.yaml = SPEC.replace("positional: rope", "positional: ropes")
    assert editor.spec is None
    assert editor.model is None
    assert re.search(r"✗ 5</b>", editor.lines.value)
    assert "ropes" in editor.found.value
    assert editor.numbers.value == before
    assert editor.panel.button.disabled
    editor.yaml = SPEC
    assert "✗" not in editor.lines.value
    assert not editor.panel.button.disabled


def test_a_text_that_is_no_yaml_is_a_fault_like_others(editor):
    editor.yaml = "model: {"
    assert not editor.report.ok
    editor.yaml = ""
    assert not editor.report.ok


def test_training_is_held_against_a_gpu():
    editor = SpecEditor("llm_16b_simple")
    editor.gpu.value = 24 * 10**9
    assert i18n.text("explain", "fits", available="24 GB (22.4 GiB)") in editor.numbers.value
    editor.gpu.value = NOTHING
    assert "24 GB" not in editor.numbers.value


def test_repeats_unfold(editor):
    assert "one ×2" in editor.picture.value
    editor.unfold.value = True
    assert "one ×2" not in editor.picture.value


def test_save_writes_the_text(editor, tmp_path):
    editor.file.value = str(tmp_path / "mine.yml")
    editor.sliders["d_model"].value = 256
    editor.save()
    assert api.load(tmp_path / "mine.yml").model.d_model == 256
    editor.file.value = str(tmp_path / "none" / "mine.yml")
    editor.save()
    assert "Fix: " in editor.note.value


def test_compile_writes_a_directory(editor, tmp_path):
    editor.panel.directory.value = str(tmp_path / "out")
    editor.panel.start()
    editor.panel.wait()
    assert (tmp_path / "out" / "model.safetensors").exists()
    assert editor.panel.result.path == tmp_path / "out"
    assert not editor.panel.button.disabled
    editor.panel.start()
    editor.panel.wait()
    assert "Fix: " in editor.panel.outcome.value  # it is there already


def test_an_extending_spec_is_edited_in_its_own_text():
    editor = SpecEditor("schema_version: 1\nextends: arch_beginner_llama\n")
    editor.sliders["d_model"].value = 1024
    assert "model: { d_model: 1024 }" in editor.yaml
    assert editor.model.d_model == 1024


def test_nothing_to_read_raises():
    with pytest.raises(EulerStackError):
        SpecEditor("no_such_preset")


def test_the_static_form_has_the_text_the_cost_and_the_picture(editor):
    html = editor._repr_mimebundle_()["text/html"]
    assert "<svg" in html
    assert "d_model" in html
    assert f"{count(editor.model).total:,}" in html


@pytest.mark.parametrize("lang", [lang for lang in i18n.LANGUAGES if lang != "en"])
def test_every_word_is_the_language_s(lang):
    with i18n.speaking(lang):
        editor = SpecEditor(SPEC)
    editor.yaml = SPEC.replace("positional: rope", "positional: ropes")  # in a callback, the same language
    for text in (editor.found.value, editor.numbers.value, editor.save_button.description, editor.gpu.description):
        assert not english(words_of(text), lang)
    with i18n.speaking(lang):
        assert editor.report.summary in unescape(editor.found.value)


@pytest.mark.parametrize("name", preset_index.names())
def test_every_preset_opens_with_sliders_that_stand_where_the_spec_says(name):
    editor = SpecEditor(name)
    assert editor.report.ok
    assert editor.sliders["d_model"].value == editor.model.d_model
    assert editor.sliders["n_heads"].value == editor.model.n_heads
    assert editor.sliders["max_seq_len"].value == editor.model.max_seq_len
    assert editor.yaml == preset_index.find(name).source.text
