"""layered_safe: norms and routers stay in fp32, on disk and in memory, whatever the mixer."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForCausalLM

from eulerstack.compiler import compile_model, tensors_of
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from tests.runtime.models.building import build, to_ir, tokens
from tests.runtime.models.specs import SPECS


def layered(name: str) -> dict:
    """The spec in bf16, its norms and routers in fp32."""
    plain = SPECS[name]
    return {
        **plain,
        "model": {**plain["model"], "dtype": "bfloat16"},
        "compatibility": {"dtype_policy": "layered_safe"},
    }


@pytest.mark.parametrize("name", SPECS)
def test_loaded_tensors_have_the_written_types_and_the_model_runs(name, tmp_path):
    plain = layered(name)
    build(plain).save_pretrained(tmp_path)
    model = EulerStackForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16).train()
    written = {tensor.name: tensor.dtype for tensor in tensors_of(to_ir(plain))}
    loaded = {n: str(t.dtype).removeprefix("torch.") for n, t in model.state_dict().items() if n in written}
    assert loaded == written
    ids = tokens()
    out = model(ids, labels=ids)
    out.loss.backward()
    assert out.logits.dtype is torch.bfloat16
    assert out.logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    model.eval()
    assert model.generate(ids[:, :5], max_new_tokens=4, pad_token_id=0, do_sample=False).shape == (2, 9)


def test_norms_and_routers_are_what_stays(tmp_path):
    compile_model(to_ir({**layered("moe_deepseek"), "tokenizer_contract": {"type": "hf", "pretrained": "none"}}),
                  tmp_path / "m", tokenizer="skip")  # fmt: skip
    on_disk = load_file(tmp_path / "m" / "model.safetensors")
    wide = {n for n, tensor in on_disk.items() if tensor.dtype is torch.float32}
    assert wide == {n for n in on_disk if "norm" in n or "router" in n}
    for auto, prefix in ((AutoModelForCausalLM, ""), (AutoModel, "model.")):
        model = auto.from_pretrained(tmp_path / "m", dtype="auto", trust_remote_code=True)
        for n, tensor in model.state_dict().items():
            if prefix + n in on_disk:
                assert tensor.dtype is on_disk[prefix + n].dtype, n


def test_uniform_keeps_only_state_constants():
    plain = SPECS["mamba2"]
    plain = {**plain, "model": {**plain["model"], "dtype": "bfloat16"}}
    wide = {t.name.rpartition(".")[2] for t in tensors_of(to_ir(plain)) if t.dtype == "float32"}
    assert wide == {"A_log", "D", "dt_bias"}
