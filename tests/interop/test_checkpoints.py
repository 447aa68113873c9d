"""Weights in every form on disk, other files of the directory, and checkpoints that do not fit."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from eulerstack.diagnostics import EulerStackError
from eulerstack.interop import import_model, import_spec
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from tests.interop.configs import CLASSES, settings
from tests.interop.models import assert_close, build, tokens


def directory(family: str, at: Path, **changes: Any) -> Path:
    build(family, settings(family, 0) | changes).save_pretrained(at)
    return at


def weights(at: Path) -> dict[str, torch.Tensor]:
    return load_file(at / "model.safetensors")


def rewrite(at: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, at / "model.safetensors")


def load(at: Path, **arguments: Any) -> torch.nn.Module:
    return EulerStackForCausalLM.from_pretrained(at, **arguments).eval()


def assert_same_logits(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    ids = tokens(1, 9)
    with torch.no_grad():
        assert_close(ours(ids).logits, theirs(ids).logits)


def refusal(source: Path, target: Path) -> str:
    with pytest.raises(EulerStackError) as caught:
        import_model(source, target)
    assert not target.exists()
    return str(caught.value)


@pytest.mark.parametrize("family", CLASSES)
def test_shards_in_and_out(family: str, tmp_path: Path) -> None:
    original = build(family, settings(family, 0))
    original.save_pretrained(tmp_path / "original", max_shard_size=4000)
    assert (tmp_path / "original" / "model.safetensors.index.json").exists()
    import_model(tmp_path / "original", tmp_path / "twin", max_shard_size=5000)
    assert len([*(tmp_path / "twin").glob("model-*.safetensors")]) > 1
    assert_same_logits(load(tmp_path / "twin"), original)


def test_experts_fused_as_in_memory(tmp_path: Path) -> None:
    original = build("mixtral", settings("mixtral", 0))
    original.save_pretrained(tmp_path / "original")
    assert any(".experts.1.w3." in name for name in weights(tmp_path / "original"))
    rewrite(tmp_path / "original", dict(original.state_dict()))
    assert any(name.endswith("experts.gate_up_proj") for name in weights(tmp_path / "original"))
    import_model(tmp_path / "original", tmp_path / "twin")
    assert_same_logits(load(tmp_path / "twin"), original)


def test_layers_that_predict_further_tokens_are_left_out(tmp_path: Path) -> None:
    source = directory("deepseek_v3", tmp_path / "original", num_hidden_layers=2)
    tensors = weights(source)
    rewrite(source, tensors | {"model.layers.2.eh_proj.weight": torch.zeros(2, 4)})
    import_model(source, tmp_path / "twin")
    assert_same_logits(load(tmp_path / "twin"), CLASSES["deepseek_v3"][1].from_pretrained(source))
    rewrite(source, tensors | {"model.layers.1.eh_proj.weight": torch.zeros(2, 4)})
    assert "model.layers.1.eh_proj.weight" in refusal(source, tmp_path / "other")


@pytest.mark.parametrize("family", CLASSES)
def test_a_checkpoint_of_the_bare_model(family: str, tmp_path: Path) -> None:
    original = build(family, settings(family, 0) | {"tie_word_embeddings": True})
    original.base_model.save_pretrained(tmp_path / "original")
    import_model(tmp_path / "original", tmp_path / "twin")
    assert_same_logits(load(tmp_path / "twin"), original)


def test_a_readout_without_its_embedding(tmp_path: Path) -> None:
    source = directory("llama", tmp_path / "original", tie_word_embeddings=True)
    tensors = weights(source)
    tensors["lm_head.weight"] = tensors.pop("model.embed_tokens.weight")
    rewrite(source, tensors)
    import_model(source, tmp_path / "twin")
    assert_same_logits(load(tmp_path / "twin"), CLASSES["llama"][1].from_pretrained(source))


def test_a_tie_that_the_weights_deny(tmp_path: Path) -> None:
    source = directory("llama", tmp_path / "original", tie_word_embeddings=True)
    tensors = weights(source)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] * 2
    rewrite(source, tensors)
    imported = import_model(source, tmp_path / "twin")
    assert [warning.code for warning in imported.warnings] == ["import-untied"]
    assert not imported.model.head.tie_weights
    assert_same_logits(load(tmp_path / "twin"), CLASSES["llama"][1].from_pretrained(source))


def test_a_tie_written_twice(tmp_path: Path) -> None:
    source = directory("gpt2", tmp_path / "original", tie_word_embeddings=True)
    tensors = weights(source)
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone()
    tensors["transformer.h.0.attn.bias"] = torch.ones(1, 1, 4, 4)
    tensors["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
    rewrite(source, tensors)
    imported = import_model(source, tmp_path / "twin")
    assert imported.model.head.tie_weights
    assert not imported.warnings


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_stored_types_are_kept(dtype: torch.dtype, tmp_path: Path) -> None:
    original = build("gemma2", settings("gemma2", 0)).to(dtype)
    original.save_pretrained(tmp_path / "original")
    tensors = weights(tmp_path / "original")
    norm = "model.norm.weight"
    tensors[norm] = tensors[norm].float() + 1e-6
    rewrite(tmp_path / "original", tensors)
    imported = import_model(tmp_path / "original", tmp_path / "twin")
    stored = weights(tmp_path / "twin")
    assert imported.model.dtype == str(dtype).removeprefix("torch.")
    assert torch.equal(stored.pop(norm), tensors[norm])
    assert all(tensor.dtype is dtype for tensor in stored.values())
    assert torch.equal(stored["model.embed_tokens.weight"], tensors["model.embed_tokens.weight"])
    with torch.no_grad():
        ours = load(tmp_path / "twin", attn_implementation="eager")(tokens(1, 9)).logits
        theirs = CLASSES["gemma2"][1].from_pretrained(tmp_path / "original")(tokens(1, 9)).logits
    assert ours.dtype is theirs.dtype is dtype
    assert torch.equal(ours, theirs)


def test_the_type_that_config_json_leaves_out_is_the_checkpoint_s(tmp_path: Path) -> None:
    source = tmp_path / "original"
    build("llama", settings("llama", 0)).to(torch.bfloat16).save_pretrained(source)
    config = json.loads((source / "config.json").read_text("utf-8"))
    del config["dtype"]
    (source / "config.json").write_text(json.dumps(config), "utf-8")
    assert import_spec(source).model.dtype == "bfloat16"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("model.layers.1.self_attn.q_proj.weight"), "lacks model.layers.1.self_attn.q_proj.weight"),
        (lambda t: t.update({"score.weight": torch.ones(2, 2)}), "does not call for: score.weight"),
        (lambda t: t.update({"model.norm.weight": torch.ones(3)}), "model.norm.weight has shape [3]"),
        (lambda t: t.update({"model.norm.weight": torch.ones(3).double()}), "model.norm.weight is stored as F64"),
        (lambda t: t.update({"model.norm.weight": torch.ones(3).to(torch.int8)}), "model.norm.weight is stored as I8"),
    ],
    ids=["missing", "unexpected", "shape", "double", "integer"],
)
def test_checkpoints_that_do_not_fit(change: Any, words: str, tmp_path: Path) -> None:
    source = directory("llama", tmp_path / "original")
    tensors = weights(source)
    change(tensors)
    rewrite(source, tensors)
    assert words in refusal(source, tmp_path / "twin")


def test_pickles_are_refused(tmp_path: Path) -> None:
    source = directory("llama", tmp_path / "original")
    (source / "model.safetensors").unlink()
    assert "neither model.safetensors nor" in refusal(source, tmp_path / "twin")
    (source / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    assert "is a pickle" in refusal(source, tmp_path / "twin")
    assert import_spec(source).source.text.startswith("# Imported from")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 40, b'{"weight_map": {"a": "../model.safetensors"}}', b'{"weight_map": []}', b"[]"],
    ids=["empty", "noise", "outside", "list", "not-an-object"],
)
def test_broken_weights(content: bytes, tmp_path: Path) -> None:
    source = directory("llama", tmp_path / "original")
    (source / "model.safetensors").write_bytes(content)
    assert "cannot be read" in refusal(source, tmp_path / "twin")
    (source / "model.safetensors").unlink()
    (source / "model.safetensors.index.json").write_bytes(content)
    assert "cannot be read" in refusal(source, tmp_path / "twin")


def test_a_missing_shard(tmp_path: Path) -> None:
    source = tmp_path / "original"
    build("llama", settings("llama", 0)).save_pretrained(source, max_shard_size=4000)
    next(source.glob("model-00002-*")).unlink()
    assert "cannot be read" in refusal(source, tmp_path / "twin")


def test_never_onto_its_own_source(tmp_path: Path) -> None:
    source = directory("llama", tmp_path / "original")
    for target in (source, tmp_path):
        with pytest.raises(EulerStackError, match="holds the model that is to be imported"):
            import_model(source, target, overwrite=True)
    assert (source / "model.safetensors").exists()


def test_the_other_files_come_along(tmp_path: Path) -> None:
    source = directory("llama", tmp_path / "original")
    generation = {"eos_token_id": [2, 7], "temperature": 0.6, "do_sample": True, "cache_implementation": "hybrid"}
    (source / "generation_config.json").write_text(json.dumps(generation), "utf-8")
    files = {
        "tokenizer.json": b"{}",
        "tokenizer_config.json": b'{"add_bos_token": false}',
        "merges.txt": b"a b",
        "LICENSE": b"terms",
    }
    for name, content in files.items():
        (source / name).write_bytes(content)
    (source / "modeling_llama.py").write_text("raise SystemExit", "utf-8")
    imported = import_model(source, tmp_path / "twin")
    assert all((tmp_path / "twin" / name).read_bytes() == content for name, content in files.items())
    written = json.loads((tmp_path / "twin" / "generation_config.json").read_text("utf-8"))
    assert written == {"eos_token_id": [2, 7], "temperature": 0.6, "do_sample": True}
    assert not (tmp_path / "twin" / "modeling_llama.py").exists()
    assert "license: other" in (tmp_path / "twin" / "README.md").read_text("utf-8")
    assert imported.model.tokenizer["add_bos"] is False
    assert (tmp_path / "twin" / "eulerstack.source.yml").read_text("utf-8") == imported.yaml


@pytest.mark.slow
def test_in_a_fresh_process_without_this_package(tmp_path: Path) -> None:
    original = build("qwen3", settings("qwen3", 1))
    original.save_pretrained(tmp_path / "original")
    import_model(tmp_path / "original", tmp_path / "twin")
    shutil.rmtree(tmp_path / "original")
    program = (
        "import sys, torch; sys.modules['eulerstack'] = None\n"
        "from transformers import AutoModelForCausalLM\n"
        "model = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True)\n"
        "ids = torch.tensor([[5, 6, 7, 8, 9]])\n"
        "torch.save(model(ids).logits.detach(), sys.argv[2])\n"
    )
    result = tmp_path / "logits.pt"
    command = [sys.executable, "-c", program, str(tmp_path / "twin"), str(result)]
    subprocess.run(command, check=True, timeout=300, cwd=tmp_path, capture_output=True)
    with torch.no_grad():
        assert_close(torch.load(result), original(torch.tensor([[5, 6, 7, 8, 9]])).logits)
