"""Mixture of experts: the choice against transformers and plain loops, balance, capacity, tables, several processes."""

import subprocess
import sys
from collections import Counter

import pytest
import torch
from transformers import DeepseekV3Config
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter

from eulerstack.compiler.values import draw_block
from eulerstack.compiler.weights import Tensor
from eulerstack.runtime.initialization import hash_experts
from eulerstack.runtime.mixture_of_experts import MixtureOfExperts, rank_in_expert
from eulerstack.runtime.router_losses import Routing, sequence_balance_loss
from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.layers import layer, moe
from tests.runtime.models.sections import spec
from tests.runtime.models.specs import SPECS


def mixture(**keys) -> MixtureOfExperts:
    return build(spec({"d": layer(ffn=moe(**keys))})).model.layers[0].ffn


def test_grouped_sigmoid_choice_is_deepseek_v3s():
    ours = build(SPECS["moe_deepseek"]).model.layers[0].ffn.router
    config = DeepseekV3Config(
        hidden_size=32, n_routed_experts=8, num_experts_per_tok=2, n_group=4, topk_group=2, routed_scaling_factor=2.5
    )
    theirs = DeepseekV3TopkRouter(config)
    theirs.weight.data.copy_(ours.weight)
    bias = torch.randn(8, generator=torch.Generator().manual_seed(0)) * 0.1
    theirs.e_score_correction_bias.copy_(bias)
    ours.e_score_correction_bias.copy_(bias)
    x = torch.randn(200, 32, generator=torch.Generator().manual_seed(1))
    logits, weight, index = ours(x)
    their_logits, their_weight, their_index = theirs(x)
    dense = torch.zeros(200, 8).scatter(1, index, weight)
    assert gap(logits, their_logits) < 1e-6
    assert gap(dense, torch.zeros(200, 8).scatter(1, their_index, their_weight)) < 1e-6


@pytest.mark.parametrize("kind", ["softmax", "sigmoid", "sqrt_softplus"])
def test_affinities_and_normalisation(kind):
    router = mixture(affinity=kind, norm_top_k=False, routed_scale=3.0).router
    x = torch.randn(50, 32, generator=torch.Generator().manual_seed(1))
    logits, weight, index = router(x)
    score = {
        "softmax": logits.softmax(-1),
        "sigmoid": 1 / (1 + (-logits).exp()),
        "sqrt_softplus": (1 + logits.exp()).log().sqrt(),
    }[kind]
    assert gap(weight, 3 * score.gather(1, index)) < 1e-6
    router.normalise = True
    assert torch.allclose(router(x)[1].sum(-1), torch.full((50,), 3.0))


def test_bias_moves_after_the_optimizer_step_and_only_then():
    model = build(SPECS["moe_deepseek"]).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    router = model.model.layers[0].ffn.router
    mask = torch.ones(2, 41, dtype=torch.long)
    mask[0, 20:] = 0
    load = torch.zeros(8)
    for seed in (1, 2):
        ids = tokens(seed=seed)
        out = model.model(ids, attention_mask=mask)
        load += torch.bincount(out.routings[0].index[mask.bool()].flatten(), minlength=8)
        out.last_hidden_state.sum().mul(1.0).backward()
        assert torch.equal(router.e_score_correction_bias, torch.zeros(8))
    optimizer.step()
    assert torch.allclose(router.e_score_correction_bias, 0.01 * (load.mean() - load).sign())
    before = router.e_score_correction_bias.clone()
    optimizer.step()
    assert torch.equal(router.e_score_correction_bias, before)
    with torch.no_grad():
        model(ids)
    model.eval()(ids)
    optimizer.step()
    assert torch.equal(router.e_score_correction_bias, before)


def test_checkpointing_counts_loads_once():
    loads = []
    for checkpointed in (False, True):
        model = build(SPECS["moe_deepseek"]).train()
        if checkpointed:
            model.gradient_checkpointing_enable()
        ids = tokens()
        model(ids, labels=ids, use_cache=False).loss.backward()
        loads.append(model.model.layers[1].ffn.router.pending_load)
    assert torch.equal(*loads)
    assert loads[0].sum() == 2 * 41 * 2


def test_target_imbalance_leaves_small_differences_alone():
    router = mixture(bias_correction={"enabled": True, "update_rate": 0.5, "target_imbalance": 0.3}).router
    from eulerstack.runtime.expert_balance import update_biases

    router.pending_load = torch.tensor([100, 120, 60, 120])
    update_biases([router])
    assert router.e_score_correction_bias.tolist() == [0.0, 0.0, 0.5, 0.0]


@pytest.mark.parametrize("policy", ["drop", "pad"])
def test_capacity_keeps_each_experts_heaviest_tokens(policy):
    ffn = mixture(capacity_drop_policy=policy, capacity_factor=0.5).train()
    x = torch.randn(3, 10, 32, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(3, 10, dtype=torch.long)
    mask[2, 4:] = 0
    out, _, index, _ = ffn(x, token_mask=mask)
    _, weight, _ = ffn.router(x.flatten(0, 1))
    capacity = 8  # ceil(0.5 * 30 * 2 / 4)
    expected = torch.zeros(30, 32)
    for expert in range(4):
        claims = [
            (bool(mask.flatten()[t]), weight[t, k].item(), -(2 * t + k))
            for t in range(30)
            for k in range(2)
            if index.flatten(0, 1)[t, k] == expert
        ]
        for _, w, place in sorted(claims, reverse=True)[:capacity]:
            token = -place // 2
            row = x.flatten(0, 1)[token][None]
            gate, up = (row @ ffn.experts.gate_up_proj[expert].T).chunk(2, -1)
            expected[token] += (w * (torch.nn.functional.silu(gate) * up) @ ffn.experts.down_proj[expert].T)[0]
    assert gap(out.flatten(0, 1), expected) < 1e-5
    assert gap(ffn.eval()(x)[0], out) > 1e-3  # nothing is dropped in evaluation


def test_rank_in_expert():
    index = torch.tensor([[0, 1], [0, 1], [1, 0]])
    weight = torch.tensor([[0.5, 0.9], [0.7, 0.1], [0.3, 0.6]])
    assert rank_in_expert(index, weight, None, 2).tolist() == [[2, 0], [0, 2], [1, 1]]


@pytest.mark.parametrize(("vocab", "top_k", "experts", "salt"), [(259, 2, 4, 7), (1000, 6, 8, 0), (97, 3, 5, 123456)])
def test_hash_tables_are_balanced_and_the_same_in_writer_and_runtime(vocab, top_k, experts, salt):
    table = hash_experts(vocab, top_k, experts, salt)
    assert all(len(set(row)) == top_k for row in table.tolist())
    for column in table.T.tolist():
        counts = Counter(column)
        assert max(counts.values()) - min(counts[e] for e in range(experts)) <= 1 + vocab // experts // 2
    first = Counter(table[:, 0].tolist())
    assert max(first.values()) - min(first.values()) <= 1
    assert not torch.equal(table, hash_experts(vocab, top_k, experts, salt + 1))
    law = {"law": "hash_experts", "experts": experts, "salt": salt}
    written = draw_block(Tensor("t", (vocab, top_k), law, "int64"), 0, seed=0)
    assert written.tolist() == table.flatten().tolist()


def test_hash_routing_reads_the_token_alone_and_grows_with_the_vocabulary():
    model = build(SPECS["moe_hash"])
    router = model.model.layers[0].ffn.router
    ids = tokens()
    index = model.model(ids).routings[0].index
    assert torch.equal(index, router.expert_of_token[ids])
    with pytest.raises(ValueError, match="input_ids"):
        model(inputs_embeds=model.get_input_embeddings()(ids))
    before = router.expert_of_token.clone()
    model.resize_token_embeddings(120)
    assert model.model.layers[0].ffn.router.expert_of_token.shape == (120, 2)
    assert torch.equal(model.model.layers[0].ffn.router.expert_of_token[: len(before)], before)
    assert model(torch.full((1, 4), 119)).logits.shape == (1, 4, 120)


def test_shared_experts_are_always_on():
    ffn = mixture(shared_experts=2, d_shared=10)
    x = torch.randn(1, 5, 32)
    shared = ffn.shared
    assert shared.up_proj.weight.shape == (20, 32)
    without = ffn(x)[0] - shared(x)[0]
    ffn.shared = None
    assert gap(ffn(x)[0], without) < 1e-5


def test_jitter_shakes_in_training_only():
    ffn = mixture(router_jitter=0.2)
    x = torch.randn(1, 5, 32)
    assert torch.equal(ffn(x)[0], ffn(x)[0])
    ffn.train()
    assert not torch.equal(ffn(x)[0], ffn(x)[0])


def test_sequence_balance_against_a_plain_loop():
    generator = torch.Generator().manual_seed(0)
    logits, index = torch.randn(2, 6, 4, generator=generator), torch.randint(0, 4, (2, 6, 2), generator=generator)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    expected = 0.0
    for b, length in ((0, 6), (1, 3)):
        score = logits[b, :length].sigmoid()
        share = score / score.sum(-1, keepdim=True)
        for e in range(4):
            frequency = 4 / (2 * length) * (index[b, :length] == e).sum()
            expected += frequency * share[:, e].mean() / 2
    assert sequence_balance_loss(Routing(None, logits, index, mask), "sigmoid").item() == pytest.approx(expected.item())


TWO_PROCESSES = """
import sys, torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from tests.runtime.models.building import build, tokens
from tests.runtime.models.specs import SPECS
rank = int(sys.argv[1])
distributed.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
model = build(SPECS["moe_deepseek"]).train()
wrapped = DistributedDataParallel(model, find_unused_parameters=True)
optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.0)
ids = tokens(batch=4)[2 * rank : 2 * rank + 2]
wrapped(ids, labels=ids).loss.backward()
optimizer.step()
print([router.tolist() for n, router in model.named_buffers() if "correction" in n])
"""


@pytest.mark.slow
def test_two_processes_move_the_biases_as_one_would(tmp_path):
    model = build(SPECS["moe_deepseek"]).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    ids = tokens(batch=4)
    model(ids, labels=ids).loss.backward()
    optimizer.step()
    alone = [buffer.tolist() for name, buffer in model.named_buffers() if "correction" in name]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_PROCESSES, str(rank), str(tmp_path / "meet")], stdout=subprocess.PIPE, text=True
        )
        for rank in (0, 1)
    ]
    told = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert told == [str(alone)] * 2
