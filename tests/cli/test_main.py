"""The command line in process: what each command prints, where, and its exit code."""

import json
import os

import pytest

from eulerstack import api, cli, i18n
from eulerstack.diagnostics.cells import cells
from eulerstack.preset_index import parameter_count

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


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Runs a call in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(i18n.VARIABLE, raising=False)
    (tmp_path / "small.yml").write_text(SPEC)
    (tmp_path / "wrong.yml").write_text(SPEC.replace("activation:", "activaton:").replace("d_model: 128", "d_model: x"))
    (tmp_path / "narrow.yml").write_text(SPEC.replace("n_heads: 2", "n_heads: 8"))

    def call(*words, lang="en"):
        code = cli.main([*words, *(["--lang", lang] if lang else [])])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


def test_korean_is_the_default(run, monkeypatch):
    assert "유효합니다" in run("validate", "small.yml", lang=None)[1]
    monkeypatch.setenv(i18n.VARIABLE, "en")
    assert "is valid" in run("validate", "small.yml", lang=None)[1]
    assert "유효합니다" in run("validate", "small.yml", lang="ko")[1]


def test_an_environment_that_names_no_language_is_a_wrong_call(run, monkeypatch):
    monkeypatch.setenv(i18n.VARIABLE, "xx")
    code, out, err = run("validate", "small.yml", lang=None)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 3
    assert "'xx'" in err
    assert "ko, en, zh, ja, es" in err
    assert run("validate", "small.yml", lang="en")[0] == 0
    for value in ("", "en_US.UTF-8", "ES"):
        monkeypatch.setenv(i18n.VARIABLE, value)
        assert run("validate", "small.yml", lang=None)[0] == 0


def test_the_language_ends_with_the_call(run):
    run("validate", "small.yml", lang="en")
    assert i18n.language() == "ko"


def test_validate_reports_every_error_and_fails(run):
    code, out, err = run("validate", "wrong.yml")
    assert (code, err) == (1, "")
    assert out.count("ValidationError: wrong.yml:") == 2
    assert out.splitlines()[-1] == "wrong.yml is wrong (errors: 2)"


def test_the_spec_may_be_named_in_three_ways(run):
    assert run("validate", "small.yml")[0] == 0
    assert run("validate", "--preset", "small.yml")[0] == 0
    assert run("validate", "--preset", "llm_0p1b_simple", "--validate-only")[0] == 0


def test_strict_makes_warnings_fail(run):
    code, out, _ = run("validate", "narrow.yml")
    assert code == 0
    assert "Warning: narrow.yml:2:" in out
    code, out, _ = run("validate", "narrow.yml", "--strict")
    assert code == 1
    assert out.splitlines()[-1] == "fails: --strict counts warnings as errors"
    assert "--strict" not in run("validate", "small.yml", "--strict")[1]


def test_a_report_tells_findings_size_and_verdict_in_this_order(run):
    assert "Parameters" not in run("validate", "small.yml")[1]
    _, out, _ = run("validate", "narrow.yml", "--report")
    assert out.index("Warning: ") < out.index("Parameters") < out.index("narrow.yml is valid (warnings: 1)")
    assert out.endswith("narrow.yml is valid (warnings: 1)\n")
    _, out, _ = run("validate", "wrong.yml", "--report")
    assert "Parameters" not in out
    assert out.endswith("wrong.yml is wrong (errors: 2)\n")


def test_json_stands_alone_on_standard_output(run):
    code, out, err = run("validate", "wrong.yml", "--format", "json")
    report = json.loads(out)
    assert (code, err, report["ok"]) == (1, "", False)
    assert {error["line"] for error in report["errors"]} == {2, 8}
    code, out, err = run("explain", "small.yml", "--format", "json")
    explained = json.loads(out)
    assert (code, err) == (0, "")
    assert len(explained["layers"]) == 2
    params = explained["params"]
    assert params["total"] == params["embedding"] + params["non_embedding"]
    assert explained["cache"]["bytes_per_token"] == 2 * 2 * 128 * 2


def test_bytes_that_are_no_text_are_reported_in_the_format_asked_for(run, tmp_path):
    (tmp_path / "binary.yml").write_bytes(b"schema_version: 1\n\x00")
    code, out, err = run("validate", "binary.yml", "--format", "json")
    report = json.loads(out)
    assert (code, err, report["ok"]) == (1, "", False)
    assert [(error["code"], error["line"]) for error in report["errors"]] == [("binary", 2)]
    assert run("validate", "binary.yml")[1].splitlines()[-1] == "binary.yml is wrong (errors: 1)"


def test_explain_folds_the_schedule(run):
    _, out, _ = run("explain", "arch_intermediate_gemma2")
    lines = out.splitlines()
    assert any(line.startswith("10 ×") for line in lines)
    assert sum("gated_mlp" in line for line in lines) == 2


def test_explain_loses_no_letter_in_a_common_terminal():
    explained = api.explain("arch_expert_dsv4_flash_mini")
    assert "hyper_connection" in explained.terminal(200, color=False)
    assert "…" not in explained.terminal(80, color=False)


@pytest.mark.parametrize("command", ["explain", "compile", "shrink", "draw"])
def test_a_wrong_spec_is_told_on_standard_error(run, command):
    code, out, err = run(command, "wrong.yml")
    assert (code, out) == (1, "")
    assert err.startswith("ValidationError: wrong.yml:2:")


@pytest.mark.parametrize(
    "words",
    [
        ["validate", "none.yml"],
        ["validate", "arch_beginer_llama"],
        ["validate", "."],
        ["validate", "a\0b.yml"],
        ["validate", "x" * 5000],
        ["validate"],
        ["nothing"],
        ["presets", "show", "nothing"],
        ["presets", "copy", "llm_0p1b_simple", "no/such/folder.yml"],
        ["import", "none", "--output-dir", "x"],
        ["import", "none"],
        ["draw", "small.yml", "-o", "x.gif"],
        ["draw", "small.yml", "-o", "no/such/folder.svg"],
        ["compile", "small.yml", "-o", "no/such/folder.json"],
        ["compile", "small.yml", "--output-dir", "no/such/folder"],
        ["schema", "mixer.atention"],
        ["compile", "small.yml", "-o", ""],
        ["compile", "small.yml", "--output-dir", ""],
        ["import", "", "--yaml-only"],
        ["presets", "copy", "llm_0p1b_simple", ""],
        ["draw", "small.yml", "-o", ""],
    ],
)
def test_a_wrong_call_is_2_and_three_lines(run, words):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    first, fix, see = err.splitlines()
    assert first.split(": ")[0] in ("ValidationError", "CompileError")
    assert fix.startswith("Fix: ")
    assert see.startswith("See: eulerstack ")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["explain", "none.yml"], "explain"),
        (["presets", "copy", "llm_0p1b_simple", "small.yml"], "presets copy"),
        (["draw", "small.yml", "-o", "x.gif"], "draw"),
        (["draw", "small.yml", "-o", ""], "draw"),
        (["train", "small.yml", "--steps", "many"], "train"),
        (["train", "small.yml", "--tokens", "many"], "train"),
        (["shrink"], "shrink"),
        (["shrink", "small.yml", "-o", "small.yml"], "shrink"),
        (["explain", "small.yml", "--steps"], "explain"),
    ],
)
def test_a_wrong_call_points_to_the_help_of_its_command(run, words, command):
    assert run(*words)[2].splitlines()[2] == f"See: eulerstack {command} --help"


def test_no_words_are_help(run):
    code, out, _ = run()
    assert code == 0
    assert "compile" in out


def test_an_unwritable_extends_is_the_specs_fault(run, tmp_path):
    (tmp_path / "child.yml").write_text("extends: none.yml\n")
    code, out, _ = run("validate", "child.yml")
    assert code == 1
    assert "child.yml:1:10 " in out


def test_compile_writes_json_a_directory_both_or_neither(run, tmp_path):
    code, out, err = run("compile", "small.yml")
    assert (code, err) == (0, "")
    config = json.loads(out)
    assert config["config"]["model_type"] == "eulerstack"
    code, out, _ = run("compile", "small.yml", "-o", "a.json", "--output-dir", "model")
    assert code == 0
    assert json.loads((tmp_path / "a.json").read_text()) == config
    assert (tmp_path / "model" / "model.safetensors").is_file()
    assert (tmp_path / "model" / "eulerstack.source.yml").read_text() == SPEC
    assert "model" in out


def test_of_the_code_a_compilation_tells_the_number_alone(run, tmp_path):
    _, out, _ = run("compile", "small.yml", "--output-dir", "model")
    code = [path.name for path in (tmp_path / "model").glob("*.py")]
    told = " ".join(out.split())
    assert f"tokenizer_config.json and {len(code)} files of code" in told
    assert not any(name in told for name in code)


def test_json_is_written_only_where_the_directory_could_be(run, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").write_text("x")
    assert run("compile", "small.yml", "-o", "a.json", "--output-dir", "model")[0] == 2
    assert run("compile", "small.yml", "-o", "no/a.json", "--output-dir", "other")[0] == 2
    assert not (tmp_path / "a.json").exists()
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("twin", [[], ["--twin"]])
def test_json_never_takes_the_specs_place(run, tmp_path, twin):
    (tmp_path / "link.yml").symlink_to("small.yml")
    for target in ("small.yml", "link.yml", "./small.yml"):
        code, _, err = run("compile", "small.yml", "-o", target, *twin)
        assert code == 2
        assert "is the spec itself" in err
    assert (tmp_path / "small.yml").read_text() == SPEC


@pytest.mark.parametrize("option", ["--validate-only", "--print-config", "--dry-run"])
def test_what_only_looks_writes_nothing(run, tmp_path, option):
    before = sorted(os.listdir(tmp_path))
    assert run("compile", "small.yml", "-o", "a.json", "--output-dir", "model", option)[0] == 0
    assert sorted(os.listdir(tmp_path)) == before


def test_a_full_directory_is_replaced_only_when_told(run, tmp_path):
    words = ("compile", "small.yml", "--output-dir", "model", "--seed", "7")
    assert run(*words)[0] == 0
    assert run(*words)[0] == 2
    assert run(*words, "--overwrite")[0] == 0


def test_the_twin_is_smaller(run):
    small = json.loads(run("compile", "llm_0p1b_mistral", "--twin")[1])
    whole = json.loads(run("compile", "llm_0p1b_mistral")[1])
    assert small["parameters"]["total"] < whole["parameters"]["total"] / 100


def test_compile_keeps_to_itself_what_is_only_good_to_know(run, tmp_path):
    (tmp_path / "noted.yml").write_text(f"{SPEC}training_hints: {{ scaling: {{ base_width: 64 }} }}\n")
    assert "notes: 1" in run("validate", "noted.yml")[1]
    assert run("compile", "noted.yml")[2] == ""


def test_shrink_prints_or_writes_a_valid_spec(run, tmp_path):
    _, out, _ = run("shrink", "llm_0p1b_mistral")
    assert run("shrink", "llm_0p1b_mistral", "-o", "twin.yml")[0] == 0
    assert (tmp_path / "twin.yml").read_text() == out
    assert run("validate", "twin.yml")[0] == 0
    assert run("shrink", "llm_0p1b_mistral", "-o", "twin.yml")[0] == 2
    assert run("shrink", "llm_0p1b_mistral", "-o", "twin.yml", "--overwrite")[0] == 0


def test_presets_list_show_copy(run, tmp_path):
    listed = json.loads(run("presets", "list", "--format", "json")[1])["presets"]
    assert [preset["name"] for preset in listed] == [preset.name for preset in api.presets()]
    assert run("presets", "list")[1].count("llm_0p1b_simple") == 1
    text = api.preset("llm_0p1b_simple").source.text
    assert run("presets", "copy", "llm_0p1b_simple", "mine.yml")[0] == 0
    assert (tmp_path / "mine.yml").read_text() == text
    assert run("presets", "copy", "llm_0p1b_simple", "small.yml")[0] == 2
    assert (tmp_path / "small.yml").read_text() == SPEC
    assert run("presets", "copy", "llm_0p1b_simple", "mine.yml", "--overwrite")[0] == 0


def test_a_file_that_exists_asks_for_overwrite(run):
    for words in (["presets", "copy", "llm_0p1b_simple"], ["shrink", "small.yml", "-o"]):
        assert "add --overwrite" in run(*words, "wrong.yml")[2]


def test_show_tells_what_a_preset_is_and_costs_and_stays_yaml(run, tmp_path):
    preset = api.preset("llm_0p1b_simple")
    _, out, _ = run("presets", "show", preset.name)
    with i18n.speaking("en"):
        assert out.startswith(f"# {preset.description}\n# llm_0p1b_simple\n# Parameters")
        assert out.endswith(f"\n\n{preset.source.text}")
    (tmp_path / "shown.yml").write_text(out)
    assert run("validate", "shown.yml")[:2] == (0, "shown.yml is valid\n")
    shown = json.loads(run("presets", "show", preset.name, "--format", "json")[1])
    assert shown["yaml"] == preset.source.text
    assert shown["cost"] == json.loads(run("explain", preset.name, "--format", "json")[1])
    assert (shown["tier"], shown["mixers"]) == (1, ["attention"])


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        (["--tier", "3"], lambda p: p["tier"] == 3),
        (["--level", "beginner"], lambda p: p["level"] == "beginner"),
        (["--mixer", "hyena"], lambda p: "hyena" in p["mixers"]),
        (["--max-params", "1B"], lambda p: (size := p["target_params"]) and parameter_count(size) <= 10**9),
        (["--min-params", "16_000_000_000"], lambda p: p["target_params"] == "16B"),
        (["--tier", "2", "--mixer", "mamba", "--level", "advanced", "--max-params", "1.1B"],
         lambda p: p["name"] == "arch_advanced_samba"),
    ],
)  # fmt: skip
def test_a_list_may_be_narrowed(run, words, fits):
    whole = json.loads(run("presets", "list", "--format", "json")[1])["presets"]
    found = json.loads(run("presets", "list", *words, "--format", "json")[1])["presets"]
    assert found == [preset for preset in whole if fits(preset)]
    assert found
    assert len(found) < len(whole)


@pytest.mark.parametrize("word", ["3X", "B", "", "nan", "inf", "1.5.2B", "many"])
def test_what_is_no_size_is_refused(run, word):
    code, _, err = run("presets", "list", "--max-params", word)
    assert (code, len(err.splitlines())) == (2, 3)


def test_diff_tells_keys_layers_and_places(run, tmp_path):
    (tmp_path / "other.yml").write_text(
        SPEC.replace("vocab_size: 512", "vocab_size: 320").replace("attention: {}", "attention: { window: 64 }")
    )
    code, out, err = run("diff", "small.yml", "other.yml")
    assert (code, err) == (0, "")
    title, *lines = out.splitlines()
    assert title == "small.yml → other.yml"
    assert [line.split() for line in lines] == [
        ["~", "model.vocab_size", "512", "→", "320", "small.yml:2:51", "→", "other.yml:2:51"],
        ["~", "layers", "0–1"],
        ["~", "mixer.attention.window_mode", "standard", "→", "sliding"],
        ["+", "mixer.attention.window", "64", "other.yml:7:52"],
    ]
    told = json.loads(run("diff", "small.yml", "other.yml", "--format", "json")[1])
    (vocabulary,) = told["settings"]
    assert vocabulary == {
        "path": "model.vocab_size",
        "kind": "changed",
        "before": 512,
        "after": 320,
        "before_at": "small.yml:2:51",
        "after_at": "other.yml:2:51",
    }
    (layers,) = told["layers"]
    assert (layers["before"], layers["after"]) == ([0, 1], [0, 1])
    html = api.diff("small.yml", "other.yml")._repr_html_()
    assert "model.vocab_size" in html
    assert "other.yml:7:52" in html


def test_diff_of_what_is_written_tells_no_default(run, tmp_path):
    (tmp_path / "other.yml").write_text(SPEC.replace("repeat: 2", "repeat: 2, share: one"))
    written = json.loads(run("diff", "small.yml", "other.yml", "--level", "authored", "--format", "json")[1])
    assert written["layers"] == []
    assert [change["path"] for change in written["settings"]] == ["layer_schedule[0].share"]
    assert run("diff", "small.yml", "small.yml")[1].splitlines()[1:] == ["no difference"]
    assert not api.diff("small.yml", "small.yml")
    assert run("diff", "small.yml", "wrong.yml")[0] == 1
    assert run("diff", "small.yml", "none.yml")[0] == 2
    assert run("diff", "small.yml")[0] == 2


def test_two_specs_are_explained_side_by_side(run):
    code, out, err = run("explain", "llm_0p8b_simple", "llm_0p8b_mistral")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["d_model", "1536", "1536"] in lines
    told = json.loads(run("explain", "llm_0p8b_simple", "llm_0p8b_mistral", "--format", "json")[1])
    for spec in told["specs"]:
        alone = json.loads(run("explain", spec["spec"].removesuffix(".yml"), "--format", "json")[1])
        assert spec["params"]["total"] == alone["params"]["total"]
        assert spec["layers"] == len(alone["layers"])
        assert spec["mixers"] == {"attention": 28}
    first, second = told["specs"]
    assert second["cache"]["bytes_at_tokens"] < first["cache"]["bytes_at_tokens"]
    assert second["flops_per_token"]["decode"] < first["flops_per_token"]["decode"]
    html = api.compare("llm_0p8b_simple", "arch_expert_kitchen_sink")._repr_html_()
    assert "discrete × 2" in html


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_the_list_of_presets_is_aligned_and_cuts_no_word(run, lang):
    with i18n.speaking(lang):
        lines = api.presets().lines(100, color=False)
        words = {word for preset in api.presets() for word in preset.description.split()}
    assert max(cells(line) for line in lines) <= 100
    column = cells(lines[0][: lines[0].rindex("  ") + 2])
    cut = [line for line in lines if cells(line) > column and "  " not in line[:-1]]
    assert cut == []
    if lang in ("en", "es", "ko"):  # the others write without spaces
        shown = {word for line in lines[1:] for word in after(line, column).split()}
        assert shown == words


def after(line, column):
    """What stands from a terminal cell on."""
    return next(line[n:] for n in range(len(line) + 1) if cells(line[:n]) >= min(column, cells(line)))


@pytest.mark.parametrize(("name", "start"), [("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.dot", b"digraph")])
def test_draw_writes_what_the_ending_says(run, tmp_path, name, start):
    assert run("draw", "small.yml", "--output", name)[0] == 0
    assert (tmp_path / name).read_bytes().lstrip(b"// \n").startswith(start)


def test_draw_prints_dot(run):
    assert "digraph" in run("draw", "small.yml")[1]


def test_an_interrupt_ends_it_quietly(run, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "validate", interrupted)
    assert run("validate", "small.yml") == (130, "", "")


def test_schema_tells_type_default_and_meaning(run):
    _, out, _ = run("schema", "ffn.moe")
    assert "top_k" in out
    keys = {key["path"]: key for key in json.loads(run("schema", "ffn.moe", "--format", "json")[1])["keys"]}
    assert keys["ffn.moe.top_k"]["required"]
    assert keys["ffn.moe.shared_experts"]["default"] == 0


def test_the_language_is_exported_for_editors(run):
    code, out, err = run("schema", "--format", "json-schema", lang="ko")
    exported = json.loads(out)
    assert (code, err) == (0, "")
    assert exported["$schema"].endswith("2020-12/schema")
    assert exported["properties"]["model"]["description"] == i18n.template_of("schema", "model", "ko")
    assert json.loads(run("schema", "ffn", "--format", "json-schema")[1])["title"] == "ffn"
