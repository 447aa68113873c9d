"""config.json: HuggingFace's names, and the whole spec, which comes back out of it."""

import json

import pytest

from eulerstack import api
from eulerstack.compiler import config_dict, runtime_config, runtime_json, spec_from_config
from eulerstack.compiler.tokenizer import SpecialIds
from eulerstack.ir import Model, laws, to_plain
from eulerstack.ir.yaml_text import dump
from tests.compiler.specs import HYBRID, LLAMA, model

PRESETS = [preset.name for preset in api.presets()]

EVERYTHING = """\
schema_version: 1
model: { name: everything, d_model: 64, vocab_size: 300, max_seq_len: 64, n_heads: 4, target_params: "1M" }
tokenizer_contract: { type: hf, pretrained: gpt2 }
embedding:
  type: learned
  positional: rope
  rope_scaling: { type: yarn, factor: 4.0, original_max_seq_len: 16 }
layer_templates:
  plain: { mixer: { type: attention, attention: {} }, ffn: { type: none }, state: { kv_cache: true } }
  ssm: { mixer: { type: mamba, mamba: { variant: mamba2, head_dim: 32 } }, ffn: { type: gated_mlp } }
  both:
    mixer:
      type: branched
      branched:
        branches: { a: { type: attention, attention: { window: 8 } }, b: { type: retnet, retnet: {} } }
        selector: { type: top_k, top_k: 1 }
    ffn: { type: mlp }
layer_schedule:
  - { template: plain, depth_gating: { enabled: true, capacity: 0.5 } }
  - { template: plain, share: again, repeat: 2 }
  - { template: plain, kv_from: -1 }
  - parallel:
      - { stream: left, body: [{ template: ssm }, { template: plain, repeat: 2 }] }
      - { stream: right, body: [{ template: both }] }
    merge: { type: gated }
  - integrator: { type: ode_rk4, steps: 2, body: plain, output: hidden }
head: { type: causal_lm_mtp, mtp: { n_predict: 1, head_layers: 1, head_template: plain, train_loss_weight: 0.3 } }
compatibility: { dtype_policy: layered_safe }
execution_modes: [{ name: think, max_tokens: 8 }, { name: answer, max_tokens: 8, visible_to_user: true }]
transition: { type: budget_exhausted }
vendor.lab.note: { any: [1, "two"] }
"""


def through_json(lowered: Model) -> dict:
    return json.loads(json.dumps(config_dict(lowered)))


@pytest.mark.parametrize("text", [LLAMA, HYBRID])
def test_the_spec_comes_back_out_of_its_config(text: str) -> None:
    lowered = model(text)
    assert model(dump(spec_from_config(through_json(lowered)))) == lowered


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_comes_back_out_of_its_config(name: str) -> None:
    lowered = api.load(name).model
    assert model(dump(spec_from_config(through_json(lowered)))) == lowered


def test_the_whole_language_comes_back() -> None:
    lowered = model(EVERYTHING)
    found = through_json(lowered)
    assert found["v1_extensions"]["schedule_kinds"] == ["integrator", "parallel", "plain"]
    assert model(dump(spec_from_config(found))) == lowered


def test_huggingface_names() -> None:
    found = config_dict(model(LLAMA), SpecialIds(bos=1, eos=2, pad=None))
    expected = {
        "model_type": "eulerstack",
        "architectures": ["EulerStackForCausalLM"],
        "hidden_size": 32,
        "vocab_size": 300,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "intermediate_size": 128,
        "max_position_embeddings": 64,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "dtype": "float32",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
    }
    assert expected.items() <= found.items()


def test_rope_scaling_bears_transformers_names() -> None:
    found = config_dict(model(EVERYTHING))["rope_parameters"]
    expected = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16}
    assert expected.items() <= found.items()
    assert "original_max_seq_len" not in found


@pytest.mark.parametrize("text", [LLAMA, HYBRID])
def test_every_tensor_has_its_law_in_exactly_one_place(text: str) -> None:
    lowered = model(text)
    found = config_dict(lowered)
    stated = dict(found["init"])
    for entry in found["schedule"]:
        block = found["blocks"][entry["block"]]
        stated |= {f"model.layers.{entry['module']}.{name}": law for name, law in block["init"].items()}
    assert stated == laws(lowered)


def test_metadata_stands_in_v1_extensions() -> None:
    lowered = model(HYBRID)
    extensions = config_dict(lowered)["v1_extensions"]
    plain = to_plain(lowered)
    assert extensions["tissue"] == plain["tissue"]
    assert extensions["compatibility"] == plain["compatibility"]
    assert extensions["tokenizer_contract"] == plain["tokenizer_contract"]
    assert extensions["reserved"] == {"experimental.note": "kept"}


def test_the_runtime_json_counts_what_the_config_describes() -> None:
    lowered = model(LLAMA)
    found = json.loads(runtime_json(lowered))
    assert found == json.loads(json.dumps(runtime_config(lowered)))
    assert found["config"] == through_json(lowered)
    d, d_ff, vocab = 32, 128, 300
    layer = 2 * d * d + 2 * d * d // 2 + 3 * d * d_ff + 2 * d
    assert found["parameters"] == {
        "total": vocab * d + 2 * layer + d,
        "active": vocab * d + 2 * layer + d,
        "embedding": vocab * d,
        "per_layer": [layer, layer],
    }
