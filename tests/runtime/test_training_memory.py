"""Stated memory of training against tensors that are really there: weights, gradients, optimizers, activations."""

import pytest
import torch

from eulerstack import api
from eulerstack.compiler import config_dict
from eulerstack.ir import Model, parameter_table
from eulerstack.ir.activations import Activations, activations
from eulerstack.ir.cost import Workload
from eulerstack.ir.training_memory import takes_muon, training_memory
from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from eulerstack.schema.saved import together
from eulerstack.schema.work import Call
from tests.runtime.models.building import build, to_ir, tokens
from tests.runtime.models.specs import SPECS
from tests.runtime.saved import saved_bytes

BATCH, LENGTH = 2, 64
BOUND = 0.15

KEPT = [
    "llama", "gpt2", "post_norm", "sandwich_softcap", "qk_norm_head_gate", "windows", "alibi", "parallel", "mixtral",
    "moe_deepseek", "mtp", "streams_concat", "discrete", "ode_rk4", "mhc", "hc", "hourglass", "sinks", "v_from_k",
    "memory_neural", "memory_associative", "memory_retrieval", "ttt_linear", "ttt_mlp", "ttt_adamw", "csa", "hca",
    "nsa", "mamba1", "mamba2", "retnet", "hyena", "delta", "branched", "objectives",
]  # fmt: skip
"""A spec for each kind of part but mla: torch has no kernel on the CPU that hides scores of keys wider than values."""

TWINS = ["arch_beginner_llama", "arch_expert_mixtral_moe", "llm_0p1b_jamba", "arch_advanced_retnet"]


def built(ir: Model, dtype: torch.dtype = torch.float32) -> EulerStackForCausalLM:
    return EulerStackForCausalLM(EulerStackConfig(**config_dict(ir))).to(dtype).train()


def measured(model: EulerStackForCausalLM) -> int:
    """What a forward with labels keeps; the gradient of the readout's matrix, known then already, left out."""
    ids = tokens(BATCH, LENGTH) % model.config.vocab_size
    kept = saved_bytes(model, lambda: model(ids, labels=ids, use_cache=False, skip_logits=True))
    return kept - 4 * model.lm_head.weight.numel()


def stated(ir: Model) -> Activations:
    return activations(ir, Call(batch=BATCH, tokens=LENGTH, training=True))


@pytest.mark.parametrize(("dtype", "element"), [(torch.float32, 4), (torch.bfloat16, 2)])
@pytest.mark.parametrize("name", KEPT)
def test_activations(name: str, dtype: torch.dtype, element: int) -> None:
    kept = stated(to_ir(SPECS[name]))
    expected = together([*kept.entries, kept.ahead, kept.around, kept.head]).size(element)
    assert expected == pytest.approx(measured(build(SPECS[name]).to(dtype).train()), rel=BOUND)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", TWINS)
def test_activations_of_twins(name: str, checkpointing: bool) -> None:
    ir = api.load(api.shrink(name).source).model
    model, kept = built(ir), stated(ir)
    layers = [*kept.entries, kept.ahead]
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        layers = [kept.inputs]
    expected = together([*layers, kept.around, kept.head]).size(4)
    assert expected == pytest.approx(measured(model), rel=BOUND)


def test_checkpointing_keeps_one_layer_anew() -> None:
    ir = to_ir(SPECS["llama"])
    kept = stated(ir)
    assert kept.largest == kept.entries[0]
    load = Workload.of(ir, batch=BATCH, seq=LENGTH)
    plain, again = (training_memory(ir, Workload.of(ir, batch=8, seq=64, checkpointing=flag)) for flag in (False, True))
    assert again.activations < plain.activations
    assert training_memory(ir, load).weights == plain.weights


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["llama", "deepseek_v4", "moe_hash", "hc", "memory_learned"])
def test_weights_gradients_and_adamw(name: str, dtype: str, tmp_path) -> None:
    ir = to_ir(SPECS[name])
    build(SPECS[name]).save_pretrained(tmp_path)
    model = EulerStackForCausalLM.from_pretrained(tmp_path, dtype=getattr(torch, dtype))
    memory = training_memory(ir, Workload.of(ir, batch=1, seq=8, dtype=dtype, optimizer="adamw"))
    own = {tensor.data_ptr(): tensor.nbytes for tensor in model.state_dict().values()}
    assert memory.weights == sum(own.values())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    assert memory.gradients == sum(parameter.grad.nbytes for parameter in model.parameters())
    optimizer = torch.optim.AdamW(model.parameters())
    optimizer.step()
    moments = [tensor for state in optimizer.state.values() for key, tensor in state.items() if key != "step"]
    assert memory.optimizer == sum(tensor.nbytes for tensor in moments)


def test_muon_keeps_one_moment() -> None:
    ir = to_ir(SPECS["llama"])
    model = built(ir)
    matrices = [
        parameter for name, parameter in model.named_parameters() if ".layers." in name and parameter.dim() == 2
    ]
    others = [parameter for parameter in model.parameters() if all(parameter is not matrix for matrix in matrices)]
    optimizers = torch.optim.Muon(matrices), torch.optim.AdamW(others)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for optimizer in optimizers:
        optimizer.step()
    states = [state for optimizer in optimizers for state in optimizer.state.values()]
    kept = sum(tensor.nbytes for state in states for key, tensor in state.items() if key != "step")
    assert training_memory(ir, Workload.of(ir, batch=1, seq=8, optimizer="muon")).optimizer == kept


@pytest.mark.parametrize(
    "hints",
    [
        {"optimizer": "muon"},
        {"optimizer": "hybrid"},
        {"optimizer": "hybrid", "optimizer_groups": {"muon": ["*.mixer.*"], "adamw": ["*"]}},
        {"optimizer": "muon", "optimizer_groups": {"adamw": ["*.mixer.*"]}},
    ],
)
@pytest.mark.parametrize("policy", ["uniform", "layered_safe"])
@pytest.mark.parametrize("name", ["mod_moe", "mhc", "mamba_hybrid"])
def test_muon_takes_what_the_model_gives_it(name: str, policy: str, hints: dict) -> None:
    ir = to_ir({**SPECS[name], "training_hints": hints, "compatibility": {"dtype_policy": policy}})
    groups = built(ir).optimizer_param_groups(1e-3)
    taken = {name for group in groups if group["optimizer"] == "muon" for name in group["names"]}
    assert taken == {p.name for p in parameter_table(ir) if not p.buffer and takes_muon(ir, p, hints["optimizer"])}
    if "optimizer_groups" not in hints:  # a depthwise convolution [C, 1, K] is no stack of matrices
        assert not any("conv" in name for name in taken)
