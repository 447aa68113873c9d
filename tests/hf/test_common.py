"""transformers' common model tests on tiny models of every kind.

They are unittest's, and are fetched when the test runs: one test here runs all of theirs on one kind of model, and says
which of them were skipped. A test that is skipped and not listed here fails, and so does one that is listed and runs.
"""

import fnmatch
import importlib
import re
import unittest
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from transformers import MODEL_MAPPING
from transformers.models.auto import modeling_auto

from eulerstack.compiler import config_dict
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM, EulerStackModel
from tests.hf.fetch import NAME, TESTS, fetch
from tests.runtime.models.building import to_ir, tokens
from tests.runtime.models.layers import (
    attention,
    branched,
    compressed,
    delta,
    hyena,
    hyper,
    layer,
    mamba,
    moe,
    remembering,
    retnet,
    ttt,
)
from tests.runtime.models.sections import TWO, gated, integrator, mtp, spec, streams
from tests.runtime.models.specs import SPECS

DEEPSEEK = moe(
    experts=8,
    affinity="sigmoid",
    bias_correction={"enabled": True},
    shared_experts=1,
    n_groups=4,
    balance={"group_limit": 2},
)


def two(**templates: dict) -> dict:
    """A model of two layers, one of each template or twice the only one."""
    names = list(templates)
    return spec(templates, [{"template": names[0]}, {"template": names[-1]}])


KINDS = {
    "llama": two(a=layer(attention(n_kv_heads=2))),
    "gpt2": SPECS["gpt2"],
    "windows": two(a=layer(attention(window=6)), b=layer(attention(window=4, window_mode="dilated"))),
    "mixtral": two(a=layer(ffn=moe())),
    "deepseek": two(a=layer(attention(mla={"kv_rank": 12, "rope_dim": 4}), DEEPSEEK), b=layer(ffn=DEEPSEEK)),
    "streams": spec(TWO, [{"template": "a"}, streams({"type": "gated"})]),
    "hyper_connections": two(a=hyper(layer()), b=hyper(layer(ffn=moe()), mixing="learned_lowrank")),
    "depth": spec(TWO, [{"template": "a"}, gated("b")]),
    "mamba1": two(a=layer(mamba(variant="mamba1"))),
    "mamba2": two(a=layer(mamba())),
    "retnet": two(a=layer(retnet())),
    "hyena": two(a=layer(hyena())),
    "delta": two(a=layer(delta())),
    "ttt": two(a=layer(ttt())),
    "csa": two(a=layer(compressed("csa")), b=layer(compressed("hca"))),
    "nsa": two(a=layer(compressed("nsa_learned"))),
    "branched": two(a=layer(branched(local=attention(window=6), ssm=mamba()))),
    "memory": two(a=remembering("neural_memory"), b=remembering("associative")),
    "ode": spec(TWO, [{"template": "a"}, integrator("ode_rk4", body="b")]),
    "mtp": spec(TWO, [{"template": "a"}, {"template": "b"}], head=mtp()),
    "hybrid": two(a=layer(mamba()), b=layer(ffn=moe())),
}
"""A model of every kind: two entries of the schedule, as many layers as transformers lets its test models have."""

RECURRENT = {"mamba1", "mamba2", "retnet", "hyena", "delta", "ttt"}
"""Kinds without any attention."""

UNTURNED = {*RECURRENT, "gpt2"}
"""Kinds without rotary embeddings."""

SPARSE = {"mixtral", "deepseek", "hyper_connections", "hybrid"}
"""Kinds with experts."""

CONSTANT = {"deepseek", "hyper_connections", "mamba1", "mamba2", "hybrid", "delta", "branched"}
"""Kinds with state constants, which keep fp32."""


class Skip(NamedTuple):
    """Tests that are skipped, by name or glob, why, and for which kinds (None: all)."""

    reason: str
    tests: tuple[str, ...]
    kinds: set[str] | None = None


LACKING = (
    Skip(
        "an accelerator",
        (
            "test_can_load_with_device_context_manager",
            "test_can_load_with_global_device_set",
            "test_cpu_offload",
            "test_disk_offload_bin",
            "test_disk_offload_safetensors",
            "test_flex_attention_with_grads",
            "test_sdpa_can_compile_dynamic",
            "test_sdpa_can_dispatch_on_flash",
        ),
    ),
    Skip("several accelerators", ("test_model_parallelism",)),
    Skip("an accelerator, and RUN_SLOW: test_compile.py stands in for it", ("test_torch_compile_for_training",)),
    Skip("flash-attn", ("test_flash_attn_[234]_*",)),
    Skip("the kernels library or MPS", ("test_flash_attn_kernels_*", "test_kernels_can_load_without_crashing")),
    Skip("deepspeed", ("test_resize_*_with_deepspeed*",)),
)
"""What a machine may lack. transformers skips these tests where it does."""

THEIRS = (
    Skip(
        "the model is not made of several models",
        (
            "test_attn_implementation_composite_models",
            "test_can_set_attention_dynamically_composite_model",
            "test_internal_model_config_and_subconfig_are_same",
            "test_sdpa_can_dispatch_composite_models",
        ),
    ),
    Skip(
        "weights load under the names they are saved by",
        ("test_can_load_from_already_mapped_keys", "test_reverse_loading_mapping"),
    ),
    Skip("there is no encoder", ("test_encoder_decoder_loss_no_double_shift",)),
    Skip("there are no pictures", ("test_vision_axial_rope",)),
    Skip(
        "no plan for tensor parallelism is given", ("test_tied_head_has_a_tp_plan_entry", "test_tp_plan_matches_params")
    ),
    Skip("windows are a layer's own, not the config's", ("test_sliding_window_mask",)),
    Skip("forward takes output_attentions among **kwargs", ("test_eager_matches_sdpa_inference_24_*",)),
    Skip("heads are turned whole", ("test_model_rope_with_partial_rotation",)),
    Skip("the table of learned positions has one size", ("test_resize_position_vector_embeddings",)),
    Skip("nothing is kept in fp32", ("test_keep_in_fp32_modules*",), KINDS.keys() - CONSTANT),
    Skip("there are no rotary embeddings", ("test_model_rope_scaling_frequencies",), UNTURNED),
    Skip(
        "there is no attention",
        (
            "test_attention_outputs",
            "test_eager_matches_sdpa_inference_*",
            "test_sdpa_can_dispatch_non_composite_models",
        ),
        RECURRENT,
    ),
)
"""What these models do not have. transformers skips these tests by itself."""

OURS = (
    Skip("there are no rotary embeddings", ("test_model_rope_scaling_from_config_*",), UNTURNED),
    Skip(
        "there are no experts, though the class can have some",
        ("test_eager_matches_batched_and_grouped_inference_*", "test_output_router_logits_from_config"),
        KINDS.keys() - SPARSE,
    ),
    Skip(
        "a layer has one attention there: these have several, none, or one over other keys than the sequence",
        ("test_attention_outputs",),
        {"streams", "hybrid", "depth", "ode", "csa"},
    ),
    Skip(
        "left padding is refused: blocks are counted from the start of a row",
        ("test_eager_matches_sdpa_inference_*_pad_left", "test_eager_matches_sdpa_inference_*_pad_left_sdpa_kernels"),
        {"csa", "nsa"},
    ),
)
"""What would fail, since transformers' own classes are each of one kind; skipped here."""


class ModelTester:
    """What the common tests ask of a model's own tests: configurations and inputs."""

    batch_size, seq_length, is_training = 4, 13, True

    def __init__(self, plain: dict):
        self.plain = plain
        config = self.get_config()
        self.num_hidden_layers = config.num_hidden_layers
        self.hidden_size = config.hidden_size
        self.num_attention_heads = config.num_attention_heads
        self.vocab_size = config.vocab_size

    def get_config(self) -> EulerStackConfig:
        """The model's configuration, new each time: tests change it."""
        return EulerStackConfig(**config_dict(to_ir(self.plain)))

    def prepare_config_and_inputs_for_common(self) -> tuple[EulerStackConfig, dict[str, torch.Tensor]]:
        """A configuration, and the arguments of a forward."""
        ids = tokens(self.batch_size, self.seq_length)
        return self.get_config(), {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


class Result(unittest.TestResult):
    """What each test did, by its name."""

    def __init__(self):
        super().__init__()
        self.reasons: dict[str, str] = {}

    def addSkip(self, test, reason):
        self.reasons[_name(test)] = reason

    def report(self) -> str:
        """The failures, with their tracebacks."""
        return "\n".join(f"{_name(test)}\n{trace}" for test, trace in self.failures + self.errors)


def _name(test: Any) -> str:
    """The method's name, of a subtest too."""
    return getattr(test, "test_case", test)._testMethodName


def case_for(kind: str, common: ModuleType) -> type[unittest.TestCase]:
    """The common tests on one kind of model."""

    class Case(common.ModelTesterMixin, common.GenerationTesterMixin, unittest.TestCase):
        all_model_classes = (EulerStackModel, EulerStackForCausalLM)
        test_can_init_all_missing_weights_before_2023 = True
        has_attentions = kind not in RECURRENT

        def setUp(self):
            self.model_tester = ModelTester(KINDS[kind])

    for name, reason in listed(OURS, kind, names_of(Case)).items():
        setattr(Case, name, unittest.skip(reason)(getattr(Case, name)))
    return Case


def names_of(case: type[unittest.TestCase]) -> Sequence[str]:
    """The methods that are tests."""
    return unittest.TestLoader().getTestCaseNames(case)


def listed(skips: tuple[Skip, ...], kind: str, names: Sequence[str]) -> dict[str, str]:
    """Of these tests, those to be skipped for a kind, with the reason."""
    applying = [skip for skip in skips if skip.kinds is None or kind in skip.kinds]
    return {name: s.reason for s in applying for glob in s.tests for name in fnmatch.filter(names, glob)}


def soften_norms(config: EulerStackConfig) -> None:
    """What transformers' tests do to an epsilon where rounding is compared; ours stand in the blocks."""
    norms = [block["norm"] for block in config.blocks] + [config.head["final_norm"]]
    for norm in norms:
        norm["eps"] = 1.0


@pytest.fixture
def common(request, monkeypatch) -> ModuleType:
    """The common tests, with our models known to transformers as its own are."""
    root = fetch(request.config.cache.mkdir("transformers-tests"))
    for mark in re.findall(r"mark\.(\w+)", (root / NAME / f"{TESTS}.py").read_text("utf-8")):
        request.config.addinivalue_line("markers", f"{mark}: transformers' own")
    monkeypatch.syspath_prepend(root)
    module = importlib.import_module(f"{NAME}.{TESTS}")
    monkeypatch.setattr(module, "set_config_for_less_flaky_test", soften_norms)
    monkeypatch.setitem(MODEL_MAPPING._extra_content, EulerStackConfig, EulerStackModel)
    monkeypatch.setitem(modeling_auto.MODEL_MAPPING_NAMES, "eulerstack", "EulerStackModel")
    monkeypatch.setitem(modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, "eulerstack", "EulerStackForCausalLM")
    return module


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_transformers_common_tests_pass(kind, common):
    case, result = case_for(kind, common), Result()
    names = names_of(case)
    unittest.TestSuite(map(case, names)).run(result)
    assert result.wasSuccessful(), result.report()
    expected = listed((*THEIRS, *OURS), kind, names)
    skipped = {name: why for name, why in result.reasons.items() if name not in listed(LACKING, kind, names)}
    assert skipped.keys() == expected.keys(), skipped
