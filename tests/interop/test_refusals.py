"""What cannot be imported exactly is refused by the name it bears in config.json; every key is accounted for."""

import json
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from transformers import GenerationConfig, PreTrainedConfig

from eulerstack import i18n
from eulerstack.diagnostics import EulerStackError
from eulerstack.interop import FAMILIES, import_spec
from eulerstack.interop.config import GENERATION
from eulerstack.interop.families.mamba import TRAINED_LENGTH
from eulerstack.interop.rope import KNOWN
from tests.interop.configs import CLASSES, settings
from tests.languages import english

TRANSLATED = [lang for lang in i18n.LANGUAGES if lang != "en"]


def write(directory: Path, config: dict[str, Any]) -> Path:
    (directory / "config.json").write_text(json.dumps(config, indent=1), "utf-8")
    return directory


def saved(family: str, directory: Path, **changes: Any) -> Path:
    """A random config of the family as transformers saves it, and then changed."""
    CLASSES[family][0](**settings(family, 0)).save_pretrained(directory)
    config = json.loads((directory / "config.json").read_text("utf-8"))
    return write(directory, {key: value for key, value in (config | changes).items() if value != "absent"})


def refusal(directory: Path) -> str:
    with pytest.raises(EulerStackError) as caught:
        import_spec(directory)
    text = str(caught.value)
    assert text.count("\n") % 3 == 2, text
    for lang in TRANSLATED:
        with i18n.speaking(lang), pytest.raises(EulerStackError) as again:
            import_spec(directory)
        assert not english(str(again.value), lang)
    return text


ANY_FAMILY = [
    ("quantization_config", {"quant_method": "gptq"}),
    ("per_layer_config", {"0": {"head_dim": 4}}),
    ("is_encoder_decoder", True),
    ("add_cross_attention", True),
    ("is_causal", False),
    ("chunk_size_feed_forward", 2),
    ("pruned_heads", {"0": [1]}),
    ("a_key_of_tomorrow", 1),
    ("dtype", "float64"),
    ("vocab_size", "53"),
    ("vocab_size", 0),
    ("vocab_size", True),
    ("tie_word_embeddings", 1),
    ("architectures", ["SomethingForSequenceClassification"]),
    ("auto_map", {"AutoModelForCausalLM": "modeling.Model"}),
    ("eos_token_id", "2"),
]
BEYOND_THE_LANGUAGE = [("head_dim", 5), ("rms_norm_eps", 1.0), ("num_hidden_layers", 10_001)]
ROPED = [
    ("rope_type", {"rope_parameters": {"rope_type": "proportional", "rope_theta": 1e4, "factor": 2.0}}),
    ("rope_type", {"rope_parameters": None, "rope_scaling": {"type": "su", "factor": 2.0}}),
    ("mrope_section", {"rope_parameters": {"rope_type": "default", "mrope_section": [2, 2]}}),
    ("partial_rotary_factor", {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}),
    ("partial_rotary_factor", {"partial_rotary_factor": 0.5}),
    ("factor", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4}}),
    ("factor", {"rope_parameters": {"rope_type": "linear", "factor": "2"}}),
    ("short_factor", {"rope_parameters": {"rope_type": "longrope", "long_factor": [1.0]}}),
    ("full_attention", {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e4}}}),
    ("rope_parameters", {"rope_parameters": [1]}),
    ("rope_theta", {"rope_theta": -1.0}),
]
ONE_FAMILY = [
    ("llama", "hidden_act", {"hidden_act": "quick_gelu"}),
    ("llama", "num_key_value_heads", {"num_attention_heads": 4, "num_key_value_heads": 3}),
    ("llama", "sliding_window", {"sliding_window": 4}),
    ("llama", "attention_dropout", {"attention_dropout": 1.0}),
    ("llama", "rms_norm_eps", {"rms_norm_eps": 0.0}),
    ("mistral", "layer_types", {"sliding_window": 4, "layer_types": ["full_attention", "sliding_attention"]}),
    ("mistral", "attention_bias", {"attention_bias": True}),
    ("mistral", "sliding_window", {"sliding_window": 0}),
    ("qwen2", "attention_bias", {"attention_bias": False}),
    ("qwen2", "layer_types", {"layer_types": ["chunked_attention"] * 4}),
    ("qwen3", "layer_types", {"layer_types": ["full_attention"]}),
    (
        "qwen3",
        "sliding_window",
        {"num_hidden_layers": 1, "layer_types": ["sliding_attention"], "use_sliding_window": False},
    ),
    ("gemma2", "use_bidirectional_attention", {"use_bidirectional_attention": True}),
    ("gemma2", "sliding_window", {"sliding_window": None, "layer_types": None}),
    ("gemma2", "attn_logit_softcapping", {"attn_logit_softcapping": 0.0}),
    ("gemma2", "hidden_act", {"hidden_activation": "silu", "hidden_act": "gelu"}),
    ("gemma2", "query_pre_attn_scalar", {"query_pre_attn_scalar": 0}),
    ("opt", "layerdrop", {"layerdrop": 0.1}),
    ("opt", "activation_dropout", {"activation_dropout": 0.1}),
    ("opt", "num_attention_heads", {"hidden_size": 30, "num_attention_heads": 4}),
    ("opt", "head_dim", {"head_dim": 8}),
    ("gpt2", "n_head", {"n_embd": 30, "n_head": 4}),
    ("gpt2", "hidden_size", {"hidden_size": -1}),
    ("gpt2", "activation_function", {"activation_function": "tanh"}),
    ("qwen3_next", "hidden_act", {"hidden_act": "gelu"}),
    ("qwen3_next", "attention_bias", {"attention_bias": True}),
    ("qwen3_next", "layer_types", {"layer_types": ["sliding_attention"]}),
    ("qwen3_next", "mlp_only_layers", {"mlp_only_layers": 1}),
    ("qwen3_next", "num_experts_per_tok", {"num_experts": 2, "num_experts_per_tok": 3}),
    ("qwen3_next", "linear_num_value_heads", {"linear_num_key_heads": 2, "linear_num_value_heads": 3}),
    ("qwen3_next", "partial_rotary_factor", {"rope_parameters": {"partial_rotary_factor": 0.1}}),
    ("qwen3_next", "partial_rotary_factor", {"rope_parameters": "absent", "partial_rotary_factor": 1.5}),
    ("deepseek_v2", "num_key_value_heads", {"num_attention_heads": 2, "num_key_value_heads": 1}),
    ("deepseek_v2", "attention_bias", {"q_lora_rank": None, "attention_bias": True}),
    ("deepseek_v2", "mlp_bias", {"mlp_bias": True, "first_k_dense_replace": 1}),
    ("deepseek_v2", "topk_group", {"topk_method": "group_limited_greedy", "n_group": 4, "topk_group": None}),
    ("deepseek_v2", "topk_method", {"topk_method": "noaux_tc"}),
    ("deepseek_v3", "n_group", {"n_group": 3, "topk_group": 1}),
    ("deepseek_v3", "topk_group", {"n_group": 4, "topk_group": 1, "num_experts_per_tok": 3}),
    ("deepseek_v3", "qk_rope_head_dim", {"qk_rope_head_dim": 5}),
    ("deepseek_v3", "num_experts_per_tok", {"num_experts_per_tok": 9}),
    ("deepseek_v4", "layer_types", {"layer_types": ["full_attention"] * 4}),
    ("deepseek_v4", "mlp_layer_types", {"mlp_layer_types": ["moe"]}),
    ("deepseek_v4", "compress_rates", {"compress_rates": [4, 128]}),
    ("deepseek_v4", "index_head_dim", {"index_head_dim": 2}),
    ("deepseek_v4", "o_groups", {"o_groups": 3}),
    ("deepseek_v4", "scoring_func", {"scoring_func": "softmax"}),
    ("deepseek_v4", "hc_eps", {"hc_eps": 1e-3}),
    ("deepseek_v4", "mlp_bias", {"mlp_bias": True}),
    ("deepseek_v4", "output_router_logits", {"output_router_logits": True}),
    ("gpt_oss", "num_experts_per_tok", {"num_local_experts": 2, "num_experts_per_tok": 3}),
    ("gpt_oss", "swiglu_limit", {"swiglu_limit": 0.0}),
    ("gpt_oss", "sliding_window", {"sliding_window": None, "layer_types": None}),
    ("mixtral", "num_experts_per_tok", {"num_local_experts": 2, "num_experts_per_tok": 3}),
    ("mixtral", "num_experts", {"num_experts": "8"}),
    ("mixtral", "router_jitter_noise", {"router_jitter_noise": -0.1}),
]


@pytest.mark.parametrize(("key", "value"), ANY_FAMILY, ids=lambda case: str(case)[:30])
@pytest.mark.parametrize("family", CLASSES)
def test_in_every_family(family: str, key: str, value: Any, tmp_path: Path) -> None:
    text = refusal(saved(family, tmp_path, **{key: value}))
    assert key in text.split("\n")[0]


@pytest.mark.parametrize(("key", "changes"), ROPED, ids=lambda case: str(case)[:40])
@pytest.mark.parametrize("family", ["llama", "gemma2", "mixtral"])
def test_of_rotary_positions(family: str, key: str, changes: dict[str, Any], tmp_path: Path) -> None:
    without = {"rope_parameters": "absent", "rope_scaling": "absent", "rope_theta": "absent"}
    assert key in refusal(saved(family, tmp_path, **(without | changes))).split("\n")[0]


@pytest.mark.parametrize(("family", "key", "changes"), ONE_FAMILY, ids=lambda case: str(case)[:40])
def test_in_one_family(family: str, key: str, changes: dict[str, Any], tmp_path: Path) -> None:
    assert key in refusal(saved(family, tmp_path, **changes)).split("\n")[0]


@pytest.mark.parametrize(("key", "value"), BEYOND_THE_LANGUAGE)
def test_what_the_language_refuses(key: str, value: Any, tmp_path: Path) -> None:
    longrope = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}, "rope_scaling": "absent"}
    assert "config.json" in refusal(saved("llama", tmp_path, **longrope, **{key: value}))


def test_all_mistakes_at_once_with_their_places(tmp_path: Path) -> None:
    text = refusal(saved("llama", tmp_path, hidden_act="tanh", mystery=1, mlp_bias="no"))
    assert text.count("Fix: ") == 3
    lines = (tmp_path / "config.json").read_text("utf-8").splitlines()
    number = next(i for i, line in enumerate(lines, 1) if '"hidden_act"' in line)
    assert f"config.json:{number}:2 hidden_act" in text


def test_a_directory_of_ours_has_its_spec_beside_it(tmp_path: Path) -> None:
    written = write(tmp_path, {"model_type": "eulerstack"})
    assert f"its spec is {written / 'eulerstack.yml'}" in refusal(written)


@pytest.mark.parametrize("model_type", ["bert", "llama4", None, 7, ["llama"]])
def test_unknown_families(model_type: Any, tmp_path: Path) -> None:
    assert "model_type" in refusal(write(tmp_path, {"model_type": model_type}))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"llama"', "\ufeff{}", "[" * 100_000, '{"model_type": "llama", "vocab_size": NaN}'],
    ids=["empty", "cut", "list", "string", "bom", "deep", "nan"],
)
def test_a_file_that_is_no_config(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text, "utf-8")
    assert "config.json" in refusal(tmp_path)


def test_no_directory_and_no_config(tmp_path: Path) -> None:
    assert "is not a directory" in refusal(tmp_path / "nowhere")
    assert "has no config.json" in refusal(tmp_path)


@pytest.mark.parametrize("family", CLASSES)
def test_every_field_of_the_config_class_is_accounted_for(family: str, tmp_path: Path) -> None:
    make = CLASSES[family][0]
    names = {field.name for field in fields(make)} | {field.name for field in fields(PreTrainedConfig)}
    whole = make(**settings(family, 1)).to_dict()
    names = {make.attribute_map.get(name, name) for name in names}
    assert names <= whole.keys() | {"transformers_version"}
    write(tmp_path, whole)
    assert import_spec(tmp_path).family is FAMILIES[family]


@pytest.mark.parametrize("family", CLASSES)
def test_a_bare_file_means_the_family_s_defaults(family: str, tmp_path: Path) -> None:
    default = CLASSES[family][0]()
    model = import_spec(write(tmp_path, {"model_type": family})).model
    assert model.d_model == default.hidden_size
    assert len(model.schedule) == default.num_hidden_layers
    n_heads = getattr(default, "num_attention_heads", 1)
    assert model.n_heads == n_heads
    assert model.n_kv_heads == getattr(default, "num_key_value_heads", n_heads)
    assert model.head.tie_weights == default.tie_word_embeddings
    assert model.max_seq_len == getattr(default, "max_position_embeddings", TRAINED_LENGTH)
    assert model.vocab_size == default.vocab_size
    tokens = import_spec(tmp_path).tokens
    assert all(value == getattr(default, key) for key, value in tokens.items())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@settings_of_hypothesis(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_at_any_key_is_read_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    family = data.draw(st.sampled_from(sorted(CLASSES)))
    config = CLASSES[family][0](**settings(family, data.draw(st.integers(0, 20)))).to_dict()
    config.setdefault("rope_scaling", None)
    if data.draw(st.booleans()) and isinstance(config.get("rope_parameters"), dict):
        key = data.draw(st.sampled_from([*sorted(KNOWN), "partial_rotary_factor", "x"]))
        config["rope_parameters"][key] = data.draw(ANYTHING)
    else:
        config[data.draw(st.sampled_from(sorted(config)))] = data.draw(ANYTHING)
    write(tmp_path, config)
    with suppress(EulerStackError):
        import_spec(tmp_path)


def test_generation_parameters_are_those_of_transformers() -> None:
    assert set(GenerationConfig._get_default_generation_params()) <= GENERATION
