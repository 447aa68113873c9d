"""The magics in an IPython shell: results, bound names, errors without a traceback, languages, braces."""

import json
import re

import pytest

from eulerstack import api
from eulerstack.results.compilation import Compilation
from eulerstack.results.explanation import Explanation
from eulerstack.results.preset_list import PresetList
from eulerstack.results.report import Report
from eulerstack.results.spec_text import SpecText

SPEC = """\
schema_version: 1
model: { name: "small", d_model: 128, vocab_size: 512, max_seq_len: 256, n_heads: 2 }
tokenizer_contract: { type: byte }
embedding: { type: learned, positional: rope }
layer_templates:
  decoder:
    mixer: { type: attention, attention: {} }
    ffn: { type: gated_mlp, activation: swiglu }
layer_schedule:
  - { template: decoder, repeat: 2 }
head: { type: causal_lm }
"""
WRONG = SPEC.replace("activation:", "activaton:")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def run(shell, text):
    """Run one cell; gives the result and what the error shows, without colour."""
    result = shell.run_cell(text)
    failure = result.error_in_exec
    return result, [] if failure is None else [ESCAPES.sub("", line) for line in failure._render_traceback_()]


def test_the_bare_magic_validates_explains_and_draws(shell):
    result, _ = run(shell, f"%%eulerstack\n{SPEC}")
    assert result.success
    assert isinstance(result.result, Explanation)
    html = result.result._repr_html_()
    assert "<svg" in html
    assert "gated_mlp" in html


@pytest.mark.parametrize(
    ("command", "kind"),
    [("validate", Report), ("explain", Explanation), ("compile", Compilation), ("shrink", SpecText)],
)
def test_each_command_gives_a_result_with_html_and_text(shell, command, kind):
    result, _ = run(shell, f"%%eulerstack {command}\n{SPEC}")
    assert isinstance(result.result, kind)
    formatted, _ = shell.display_formatter.format(result.result)
    assert formatted["text/html"].startswith("<div")
    assert formatted["text/plain"] == str(result.result)
    assert "\x1b" not in formatted["text/plain"]


def test_a_wrong_spec_shows_three_lines_the_source_and_a_caret(shell, capsys):
    result, lines = run(shell, f"%%eulerstack validate\n{WRONG}")
    assert not result.success
    assert lines[0].startswith("ValidationError: <cell>:9:29 ")
    assert lines[1] == "Fix: did you mean 'activation'? Keys of ffn: activation, bias, d_ff, moe, type"
    assert lines[2] == "See: eulerstack schema ffn"
    assert lines[3].endswith("ffn: { type: gated_mlp, activaton: swiglu }")
    assert lines[4].index("^") == lines[3].index("activaton")
    shown = ESCAPES.sub("", capsys.readouterr().out)
    assert "Traceback" not in shown
    assert "\n".join(lines) in shown


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%eulerstack explan", "did you mean 'explain'?"),
        ("%eulerstack explain --preset arch_beginer_llama", "did you mean 'arch_beginner_llama'?"),
        ("%eulerstack explain 'x", "a quotation mark is not closed"),
        ("%eulerstack explain llm_0p1b_simple --out 3d", "'3d' is not a name for a variable"),
        ("%eulerstack explain llm_0p1b_simple --out class", "'class' is not a name for a variable"),
        ("%eulerstack explain --lang xx", "'xx' is not a value of --lang"),
        ("%eulerstack explain {{ nothing }}", "the notebook has no variable 'nothing'"),
        ("%%eulerstack validate --strct\nx", "did you mean '--strict'?"),
        ("%%eulerstack\n \n", "the cell holds no spec"),
    ],
)
def test_a_wrong_call_is_told_like_a_wrong_spec(shell, capsys, line, told):
    result, lines = run(shell, line)
    assert not result.success
    assert lines[0].startswith("ValidationError: ")
    assert told in "\n".join(lines[:3])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err


def test_out_binds_the_result_and_its_spec(shell):
    run(shell, f"%%eulerstack explain --out small\n{SPEC}")
    assert isinstance(shell.user_ns["small"], Explanation)
    result, _ = run(shell, "%eulerstack explain --preset small")
    assert result.result.to_dict() == shell.user_ns["small"].to_dict()
    child, _ = run(shell, "%%eulerstack explain\nextends: small\nmodel: { d_model: 256, n_heads: 4 }")
    assert child.result.to_dict()["d_model"] == 256


def test_an_error_in_a_bound_parent_bears_its_name(shell):
    api.bindings["parent"] = api.Source("parent", WRONG)
    _, lines = run(shell, "%%eulerstack\nextends: parent")
    assert lines[0].startswith("ValidationError: parent:8:29 ")


def test_line_forms(shell, capsys):
    listed, _ = run(shell, "%eulerstack presets list")
    assert isinstance(listed.result, PresetList)
    assert "arch_beginner_llama" in listed.result._repr_html_()
    shown, _ = run(shell, "text = %eulerstack presets show llm_0p1b_simple")
    assert shown.success
    assert shell.user_ns["text"].yaml == api.preset("llm_0p1b_simple").source.text
    capsys.readouterr()
    run(shell, "%eulerstack explain llm_0p1b_simple --format json")
    assert json.loads(capsys.readouterr().out)["params"]["total"] > 10**8


def test_a_cell_is_compared_with_another_spec(shell):
    run(shell, "%%eulerstack --out small\n" + SPEC)
    wider = SPEC.replace("d_model: 128", "d_model: 256")
    found, _ = run(shell, "%%eulerstack diff small\n" + wider)
    paths = {change["path"]: (change["before"], change["after"]) for change in found.result.to_dict()["settings"]}
    assert paths["model.d_model"] == (128, 256)
    beside, _ = run(shell, "%%eulerstack explain small\n" + wider)
    assert [spec["d_model"] for spec in beside.result.to_dict()["specs"]] == [256, 128]
    line, _ = run(shell, "%eulerstack diff llm_0p1b_simple small")
    assert line.result.before.name == "llm_0p1b_simple.yml"
    assert "model.d_model" in line.result._repr_html_()


def test_help_prints_and_is_no_error(shell, capsys):
    for words in ("", "--help", "explain --help", "--version"):
        result, _ = run(shell, f"%eulerstack {words}")
        assert result.success
        assert "eulerstack" in capsys.readouterr().out


def test_only_double_braces_expand(shell):
    shell.user_ns.update(width=64, model="never this", NAME="llm_0p1b_simple")
    result, _ = run(shell, "%%eulerstack explain\n" + SPEC.replace("d_model: 128", "d_model: {{ width }}"))
    assert result.result.to_dict()["d_model"] == 64
    named, _ = run(shell, "%eulerstack explain {{NAME}}")
    assert named.result.to_dict()["name"] == "llm-0p1b-simple"


def test_a_missing_variable_is_placed_in_the_cell(shell):
    _, lines = run(shell, "%%eulerstack\n" + SPEC.replace("d_model: 128", "d_model: {{ wdth }}"))
    assert lines[0].startswith("ValidationError: <cell>:3:34 ")


def test_a_call_may_speak_another_language(shell):
    result, _ = run(shell, f"%%eulerstack validate --lang ko\n{SPEC}")
    assert "유효합니다" in str(result.result)
    assert "유효합니다" in result.result._repr_html_()
    _, lines = run(shell, f"%%eulerstack validate --lang ko\n{WRONG}")
    assert "뜻하셨나요" in lines[1] or "activation" in lines[1]
    english, _ = run(shell, f"%%eulerstack validate\n{SPEC}")
    assert "<cell> is valid" in str(english.result)


def test_strict_fails_on_warnings(shell):
    narrow = SPEC.replace("n_heads: 2", "n_heads: 8")
    assert run(shell, f"%%eulerstack validate\n{narrow}")[0].success
    result, lines = run(shell, f"%%eulerstack validate --strict\n{narrow}")
    assert not result.success
    assert lines[0].startswith("Warning: <cell>:")


def test_compile_writes_a_directory(shell, tmp_path):
    result, _ = run(shell, f"%%eulerstack compile --output-dir '{tmp_path}/model' --out made\n{SPEC}")
    assert result.success
    assert shell.user_ns["made"].path == tmp_path / "model"
    assert (tmp_path / "model" / "config.json").is_file()
    html = result.result._repr_html_()
    assert "config.json" in html
    assert "modeling_eulerstack.py" not in html
    # labels of two or three Hangul syllables would break after each beside a long value
    assert all("nowrap" in row for row in re.findall(r"<tr><td [^>]*>", html))


def test_unloading_takes_everything_back(shell):
    run(shell, f"%%eulerstack --out small\n{SPEC}")
    shell.run_line_magic("unload_ext", "eulerstack")
    assert "eulerstack" not in shell.magics_manager.magics["line"]
    assert "eulerstack" not in shell.magics_manager.magics["cell"]
    assert not api.bindings
    shell.run_line_magic("load_ext", "eulerstack")


def test_warnings_about_what_was_written_are_shown(shell, tmp_path):
    published = SPEC.replace("{ type: byte }", "{ type: hf, pretrained: no/such-tokenizer }")
    result, _ = run(shell, f"%%eulerstack compile --output-dir '{tmp_path}/model'\n{published}")
    assert result.success
    assert "Warning" in result.result._repr_html_()
