"""The model directory, end to end: from YAML to a model that transformers loads without this package."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from math import prod
from pathlib import Path

import pytest

from eulerstack import i18n
from eulerstack.compiler import CompileResult, Progress, compile_model, write_json_file
from eulerstack.compiler.directory import tensors_of
from eulerstack.compiler.runtime_files import relative_imports, runtime_files
from eulerstack.compiler.verify import faults, read_header
from eulerstack.diagnostics import CompileError
from tests.compiler.specs import HYBRID, LLAMA, compiled, model

LOAD = """
import importlib.abc, json, sys

class NoEulerStack(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "eulerstack":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoEulerStack())
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

def seen(directory):
    model, info = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True, output_loading_info=True)
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    with torch.no_grad():
        logits = model(**tokenizer("hello", return_tensors="pt")).logits
    return {
        "problems": sorted(str(name) for names in info.values() for name in names),
        "shape": list(logits.shape),
        "finite": bool(torch.isfinite(logits).all()),
        "dtype": str(model.dtype),
        "parameters": model.num_parameters(),
        "pad": [model.config.pad_token_id, tokenizer.pad_token_id, model.generation_config.pad_token_id],
        "stds": {name: value.float().std().item() for name, value in model.state_dict().items() if value.dim() > 1},
    }

print(json.dumps([seen(directory) for directory in sys.argv[1:]]))
"""


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> CompileResult:
    with i18n.speaking("en"):
        return compiled(LLAMA, tmp_path_factory.mktemp("compiled") / "llama")


@pytest.fixture(scope="module")
def loaded(llama: CompileResult, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[CompileResult, dict]]:
    """Three directories, and what a fresh process without eulerstack sees in them."""
    parent = tmp_path_factory.mktemp("loaded")
    results = {
        "llama": llama,
        "hybrid": compiled(HYBRID, parent / "hybrid"),
        "shards": compiled(LLAMA, parent / "shards", max_shard_size=40_000),
    }
    command = [sys.executable, "-P", "-c", LOAD, *(str(result.path) for result in results.values())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=parent, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    return dict(zip(results, zip(results.values(), seen, strict=True), strict=True))


@pytest.mark.parametrize("name", ["llama", "hybrid", "shards"])
def test_it_loads_in_a_process_without_eulerstack(loaded: dict[str, tuple[CompileResult, dict]], name: str) -> None:
    result, seen = loaded[name]
    assert seen["problems"] == []
    assert seen["finite"]
    assert seen["shape"] == [1, 5 if name == "hybrid" else 6, 300]
    assert seen["dtype"] == ("torch.bfloat16" if name == "hybrid" else "torch.float32")
    assert seen["parameters"] == result.parameters
    assert len(set(seen["pad"])) == 1


@pytest.mark.parametrize(("name", "text"), [("llama", LLAMA), ("hybrid", HYBRID)])
def test_the_loaded_matrices_follow_their_laws(loaded: dict, name: str, text: str) -> None:
    stds = loaded[name][1]["stds"]
    for tensor in tensors_of(model(text)):
        if len(tensor.shape) > 1:
            assert stds[tensor.name] == pytest.approx(tensor.law["std"], rel=0.25), tensor.name


def test_shards_hold_the_same_model(loaded: dict[str, tuple[CompileResult, dict]]) -> None:
    result, seen = loaded["shards"]
    assert "model.safetensors.index.json" in result.files
    assert seen == loaded["llama"][1]


def test_what_the_result_says(llama: CompileResult) -> None:
    assert set(llama.files) == {path.name for path in llama.path.iterdir()}
    assert llama.bytes == sum(path.stat().st_size for path in llama.path.iterdir())
    assert llama.warnings == ()
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= set(llama.files)
    assert set(runtime_files()) <= set(llama.files)


def test_the_spec_travels_resolved_and_as_written(llama: CompileResult) -> None:
    assert model((llama.path / "eulerstack.yml").read_text("utf-8")) == model(LLAMA)
    assert (llama.path / "eulerstack.source.yml").read_text("utf-8") == LLAMA


def test_the_card(llama: CompileResult) -> None:
    card = (llama.path / "README.md").read_text("utf-8")
    front = card.split("---")[1]
    assert "library_name: transformers" in front
    assert "pipeline_tag: text-generation" in front
    assert "license: apache-2.0" in front
    assert f"{llama.parameters:,}" in card
    assert "seed 7" in card
    assert "architecture.svg" not in card or (llama.path / "architecture.svg").exists()


def test_the_runtime_is_copied_byte_by_byte_and_closed(llama: CompileResult) -> None:
    for name, content in runtime_files().items():
        assert (llama.path / name).read_bytes() == content
        assert {f"{sibling}.py" for sibling in relative_imports(content.decode())} <= set(runtime_files())


def test_compiling_twice_gives_the_same_bytes(llama: CompileResult, tmp_path: Path) -> None:
    again = compiled(LLAMA, tmp_path / "llama")
    for name in llama.files:
        assert (again.path / name).read_bytes() == (llama.path / name).read_bytes(), name
    other = compiled(LLAMA, tmp_path / "other", seed=8)
    weights = "model.safetensors"
    assert (other.path / weights).read_bytes() != (llama.path / weights).read_bytes()


def test_progress_runs_to_the_end(tmp_path: Path) -> None:
    seen: list[Progress] = []
    compiled(LLAMA, tmp_path / "model", progress=seen.append)
    assert [step.stage for step in seen if step.total == 0] == ["tokenizer", "verification"]
    weights = [step for step in seen if step.total]
    assert [step.done for step in weights] == sorted(step.done for step in weights)
    assert weights[-1].done == weights[-1].total


def test_a_byte_tokenizer_compile_loads_no_torch(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[2]); from tests.compiler.specs import LLAMA, compiled\n"
        "compiled(LLAMA, sys.argv[1])\n"
        "print(sorted({'torch', 'transformers', 'huggingface_hub', 'IPython'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "model"), os.getcwd()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_no_gradient_trains_is_no_parameter(tmp_path: Path) -> None:
    memory = "memory: { type: associative, params: { hidden: 8 }, persistence: persistent }\n    mixer:"
    result = compiled(LLAMA.replace("mixer:", memory), tmp_path / "model")
    (tensors,) = (read_header(result.path / name) for name in result.files if name.endswith(".safetensors"))
    stored = sum(prod(tensor["shape"]) for tensor in tensors.values())
    assert stored - result.parameters == 2 * 8 * 32


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1000))
    with pytest.raises(CompileError) as caught:
        compiled(LLAMA, tmp_path / "model")
    assert caught.value.diagnostics[0].code == "disk-full"
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eulerstack.compiler.directory.write", no_space)
    with pytest.raises(CompileError) as caught:
        compiled(LLAMA, tmp_path / "model")
    assert caught.value.diagnostics[0].code == "write-failed"
    assert i18n.text("reasons", "ENOSPC") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CompileError):
        compiled(LLAMA.replace("vocab_size: 300", "vocab_size: 258"), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_overwriting_replaces_and_not_overwriting_refuses(tmp_path: Path) -> None:
    compiled(LLAMA, tmp_path / "model", seed=1)
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    with pytest.raises(CompileError):
        compiled(LLAMA, tmp_path / "model", seed=2)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before
    compiled(LLAMA, tmp_path / "model", seed=2, overwrite=True)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
sys.path.insert(0, sys.argv[2])
from tests.compiler.specs import LLAMA, compiled
def pause(step):
    if step.stage == "weights" and step.done:
        print("half", flush=True)
        time.sleep(60)
compiled(LLAMA, sys.argv[1], progress=pause)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_compile_ended_in_the_middle_leaves_nothing_that_looks_complete(tmp_path: Path, end: signal.Signals) -> None:
    command = [sys.executable, "-c", SLOW, str(tmp_path / "model"), os.getcwd()]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "half\n"
    child.send_signal(end)
    child.wait(30)
    assert not (tmp_path / "model").exists()
    assert not list(tmp_path.rglob("config.json"))
    compiled(LLAMA, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def damaged(llama: CompileResult, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama.path, tmp_path / "copy"))


def found_faults(directory: Path) -> list[str]:
    config = json.loads((directory / "config.json").read_text())
    return list(map(str, faults(directory, tensors_of(model(LLAMA)), config)))


def test_verification_passes_what_is_whole(llama: CompileResult) -> None:
    assert found_faults(llama.path) == []


def test_verification_sees_a_cut_file(llama: CompileResult, tmp_path: Path) -> None:
    copy = damaged(llama, tmp_path)
    os.truncate(copy / "model.safetensors", (copy / "model.safetensors").stat().st_size - 1)
    assert found_faults(copy) == ["model.safetensors is cut off"]


def test_verification_sees_another_models_weights(llama: CompileResult, tmp_path: Path) -> None:
    other = compiled(LLAMA.replace("repeat: 2", "repeat: 1").replace("n_kv_heads: 2", "n_kv_heads: 4"), tmp_path / "x")
    copy = damaged(llama, tmp_path)
    shutil.copy(other.path / "model.safetensors", copy / "model.safetensors")
    faults_ = found_faults(copy)
    assert "model.layers.1.mixer.q_proj.weight is missing" in faults_
    assert "model.layers.0.mixer.k_proj.weight is F32 [32, 32], not F32 [16, 32]" in faults_


def test_verification_sees_a_changed_runtime_file(llama: CompileResult, tmp_path: Path) -> None:
    copy = damaged(llama, tmp_path)
    (copy / "modeling_eulerstack.py").write_text("")
    assert found_faults(copy) == ["modeling_eulerstack.py is not the runtime's file"]


def test_a_failed_verification_is_a_compile_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eulerstack.compiler.directory.faults", lambda *_: iter(["q is missing"]))
    with pytest.raises(CompileError, match="q is missing"):
        compile_model(model(LLAMA), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_header_order_is_the_order_of_the_bytes(llama: CompileResult) -> None:
    header = read_header(llama.path / "model.safetensors")
    starts = [entry["data_offsets"][0] for entry in header.values()]
    assert starts == sorted(starts)


def test_a_json_file_is_complete_or_absent(tmp_path: Path) -> None:
    write_json_file(tmp_path / "runtime.json", {"a": 1})
    write_json_file(tmp_path / "runtime.json", {"a": 2})
    assert json.loads((tmp_path / "runtime.json").read_text()) == {"a": 2}
    with pytest.raises(ValueError, match="nan"):
        write_json_file(tmp_path / "runtime.json", {"a": float("nan")})
    assert json.loads((tmp_path / "runtime.json").read_text()) == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["runtime.json"]


@pytest.mark.parametrize(("place", "code"), [(".", "target-is-directory"), ("no/file", "target-parent-missing")])
def test_where_a_json_file_cannot_stand(tmp_path: Path, place: str, code: str) -> None:
    with pytest.raises(CompileError) as caught:
        write_json_file(tmp_path / place, {})
    assert caught.value.diagnostics[0].code == code
