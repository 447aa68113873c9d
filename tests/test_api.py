"""The api: how specs are named, what explain says against the built model, `register`, the lazy public names."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

import eulerstack
from eulerstack import api, preset_index
from eulerstack.diagnostics import EulerStackError, Source
from eulerstack.training.writer import kept_bytes
from tests.presets.selection import marked

SPEC = api.preset("llm_0p1b_simple").source.text
TOKENS = 40


def code_of(ref) -> str:
    with pytest.raises(EulerStackError) as caught:
        api.source(ref)
    return caught.value.diagnostics[0].code


def test_a_spec_is_named_by_path_preset_text_or_bound_name(tmp_path, monkeypatch):
    path = tmp_path / "mine.yml"
    path.write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(api.bindings, "bound", Source("bound", SPEC))
    for ref in ("mine.yml", str(path), path, "./mine.yml", "llm_0p1b_simple", SPEC, Source("x", SPEC), "bound"):
        assert api.source(ref).text == SPEC
    assert api.load(api.shrink("bound")).model.name == "llm-0p1b-simple-tiny"


def test_a_file_without_a_suffix_gives_way_to_a_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("llm_0p1b_simple", "mine"):
        Path(name).write_text("other: 1\n")
    assert api.source("llm_0p1b_simple").text == SPEC
    assert api.source("./llm_0p1b_simple").text == "other: 1\n"
    assert api.source("mine").text == "other: 1\n"


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("nothing", "unknown-preset"),
        ("nothing.yml", "file-missing"),
        (Path("nothing"), "file-missing"),
        ("no/thing", "file-missing"),
        (".", "file-directory"),
        ("x" * 5000, "unknown-preset"),
        ("a\0b", "unknown-preset"),
        ("", "unknown-preset"),
    ],
)
def test_what_names_nothing(ref, code):
    assert code_of(ref) == code


def test_extends_finds_presets_files_and_bound_specs(tmp_path, monkeypatch):
    monkeypatch.setitem(api.bindings, "bound", Source("bound", SPEC))
    (tmp_path / "base.yml").write_text(SPEC)
    child = tmp_path / "child.yml"
    for base in ("llm_0p1b_simple", "bound", "base.yml", "./base.yml"):
        child.write_text(f"extends: {base}\nmodel: {{ name: child }}\n")
        assert api.load(child).model.name == "child"


def test_the_canonical_spec_means_the_same():
    loaded = api.load("arch_intermediate_gemma2")
    assert api.load(loaded.yaml).model == loaded.model


@pytest.mark.parametrize("name", preset_index.names())
def test_the_canonical_spec_is_judged_as_the_authors_own(name):
    authored, canonical = api.validate(name), api.validate(api.load(name).yaml)
    assert [d.code for d in canonical.diagnostics] == [d.code for d in authored.diagnostics]


def test_errors_of_the_text_and_of_the_schema_come_together():
    text = SPEC.replace("d_model:", "d_modell:") + "\nhead: { type: causal_lm }\n"
    codes = [d.code for d in api.validate(text).errors]
    assert len(codes) >= 2
    assert len(set(codes)) >= 2


@pytest.mark.parametrize("name", [marked(name) for name in preset_index.names()])
def test_explain_says_what_is_built(name, tmp_path):
    twin = api.shrink(name)
    explained = api.explain(twin).to_dict()
    api.compile(twin, output_dir=tmp_path / "model", tokenizer="skip")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model", trust_remote_code=True).eval()
    assert explained["params"]["total"] == model.num_parameters()
    scheduled = (model.model.layers, model.model.merges, model.model.times)
    assert sum(explained["params"]["per_layer"]) == sum(p.numel() for part in scheduled for p in part.parameters())
    with torch.no_grad():
        cache = model(torch.zeros(1, TOKENS, dtype=torch.long), use_cache=True).past_key_values
    told = sum(api.explain(twin).cache_at(TOKENS))
    gated = any(layer.depth is not None for layer in model.model.layers)
    assert kept_bytes(cache) <= told if gated else kept_bytes(cache) == told


@pytest.mark.slow
def test_registered_classes_need_no_trust(tmp_path):
    api.compile(api.shrink("llm_0p1b_simple"), output_dir=tmp_path / "model", tokenizer="skip")
    script = (
        "import sys, eulerstack; eulerstack.register()\n"
        "from transformers import AutoConfig, AutoModel, AutoModelForCausalLM\n"
        "kinds = [kind.from_pretrained(sys.argv[1]) for kind in (AutoConfig, AutoModel, AutoModelForCausalLM)]\n"
        "print(*(type(kind).__module__ for kind in kinds))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert all(module.startswith("eulerstack.runtime.") for module in done.stdout.split())


def test_importing_a_published_model(tmp_path):
    config = LlamaConfig(
        vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2
    )
    original = LlamaForCausalLM(config).eval()
    original.save_pretrained(tmp_path / "llama")
    spec = api.import_spec(tmp_path / "llama")
    assert api.validate(spec).ok
    result = api.import_model(tmp_path / "llama", tmp_path / "ours")
    assert result.model == api.load(spec).model
    ours = AutoModelForCausalLM.from_pretrained(tmp_path / "ours", trust_remote_code=True).eval()
    tokens = torch.arange(12)[None]
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens).logits, original(tokens).logits, rtol=0, atol=1e-5)


def test_the_public_names_are_the_apis():
    for name in set(eulerstack.__all__) - {"__version__"}:
        assert getattr(eulerstack, name) is getattr(api, name)
    assert "nothing" not in dir(eulerstack)
    with pytest.raises(AttributeError):
        eulerstack.nothing  # noqa: B018
