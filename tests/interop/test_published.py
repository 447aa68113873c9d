"""The config.json files of published models, old keys included: every one can be imported, and has the right size."""

import json
from pathlib import Path

import pytest
from transformers import DeepseekV4Config

from eulerstack.interop import import_spec
from eulerstack.ir import count

PUBLISHED = Path(__file__).parent / "published"

PARAMETERS = {
    "gpt2": 124_439_808,
    "opt-350m": 331_196_416,
    "llama-3.2-1b": 1_235_814_400,
    "mistral-7b": 7_241_732_096,
    "qwen2.5-0.5b": 494_032_768,
    "qwen3-0.6b": 596_049_920,
    "gemma-2-2b": 2_614_341_888,
    "olmo-2-7b": 7_298_617_344,
    "deepseek-v2-lite": 15_706_484_224,
    "mixtral-8x7b": 46_702_792_704,
    "qwen3-next-80b-a3b": 79_674_391_296,
    "mamba-130m-hf": 129_135_360,
    "mamba-codestral-7b": 7_285_403_648,
    "jamba-v0.1": 51_570_323_328,
    "falcon-h1-0.5b": 521_411_104,
}
"""Of each published model, as its checkpoint has them."""


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_configs(name: str, tmp_path: Path) -> None:
    text = (PUBLISHED / f"{name}.json").read_text("utf-8")
    (tmp_path / "config.json").write_text(text, "utf-8")
    reading = import_spec(tmp_path)
    reading.assignments()
    # OPT's two unused position rows are not taken over
    unused = 2 * json.loads(text)["hidden_size"] if name == "opt-350m" else 0
    assert count(reading.model).total == PARAMETERS[name] - unused


def test_deepseek_v4s_older_keys_mean_the_newer_ones(tmp_path: Path) -> None:
    kinds = ["sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"]
    yarn = {"factor": 16, "original_max_position_embeddings": 65536}
    older = {
        "compress_ratios": [0, 4, 128, 0],
        "compress_rate_csa": 8,
        "num_hash_layers": 1,
        "qk_rope_head_dim": 32,
        "rope_scaling": {"type": "yarn", **yarn},
    }
    part = {"partial_rotary_factor": 32 / 512}
    newer = {
        "layer_types": kinds,
        "compress_rates": {kinds[1]: 8, kinds[2]: 128},
        "mlp_layer_types": ["hash_moe", "moe", "moe"],
        "rope_parameters": {
            "main": {"rope_type": "default", "rope_theta": 10000, **part},
            "compress": {"rope_type": "yarn", "rope_theta": 160000, "attention_factor": 1.0, **yarn, **part},
        },
    }
    read = []
    for keys in (older, newer):
        config = {"model_type": "deepseek_v4", "num_hidden_layers": 3, **keys}
        (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
        read.append(import_spec(tmp_path).model)
    assert read[0] == read[1]
    made = DeepseekV4Config(num_hidden_layers=3, **older)
    assert made.layer_types == newer["layer_types"]
    assert made.mlp_layer_types == newer["mlp_layer_types"]
    assert made.rope_parameters["compress"]["attention_factor"] == 1.0
