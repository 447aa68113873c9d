"""Compressed attentions against DeepSeek-V4's and plain equations; what the indexer learns from, and what it sees."""

import pytest
import torch
from transformers import DeepseekV4Config
from transformers.models.deepseek_v4 import modeling_deepseek_v4 as v4

from eulerstack.runtime.block_indexer import FP4_VALUES, rounded
from eulerstack.runtime.positions import RopeSettings, RotaryEmbedding
from tests.reference.native_sparse_attention import native_sparse_attention, pooled
from tests.runtime.models.building import build, gap, tokens
from tests.runtime.models.layers import attention, compressed, layer
from tests.runtime.models.sections import spec

WIDTH, LENGTH, WINDOW = 32, 37, 6
POSITIONS = torch.arange(LENGTH)[None]
CLOSE = 1e-5
KINDS = {"sliding": "sliding_attention", "csa": "compressed_sparse_attention", "hca": "heavily_compressed_attention"}
BLOCKS = {"csa": 4, "hca": 8}
V4 = {
    "n_kv_heads": 1, "v_from_k": True, "q_rank": 12, "qk_norm": "head", "q_norm_weight": False, "attention_sinks": {},
    "o_groups": 2, "o_rank": 5, "rope_dim": 4, "rope_interleaved": True,
}  # fmt: skip


def mixer_of(mixer: dict, **sections):
    return build(spec({"d": layer(mixer)}, **sections)).model.layers[0].mixer


def inputs(batch: int = 2, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(batch, LENGTH, WIDTH, generator=torch.Generator().manual_seed(3)).to(dtype)


def causal_mask(window: int | None, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    distance = torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)
    seen = (distance >= 0) & (distance < (window or LENGTH))
    return torch.zeros(1, 1, LENGTH, LENGTH, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)


def run(mixer, x: torch.Tensor, rope: dict | None = None) -> tuple:
    embeddings = {}
    if mixer.rope:
        parameters = {"rope_type": "default", **(rope or {}), "rope_theta": mixer.rope.theta}
        embeddings["r"] = RotaryEmbedding(RopeSettings(parameters, mixer.rope.dim, 64))(x, POSITIONS)
        mixer.rope.key = "r"
    return mixer(x, {mixer.mask_kind.key: causal_mask(mixer.mask_kind.window, x.dtype)}, embeddings)


def deepseek_v4(kind: str, rope: dict) -> v4.DeepseekV4Attention:
    """transformers' attention of one kind, its sizes those of `V4`, every parameter random."""
    config = DeepseekV4Config(
        hidden_size=WIDTH, num_attention_heads=4, head_dim=8, q_lora_rank=12, num_hidden_layers=1,
        layer_types=[KINDS[kind]], compress_rates={KINDS["csa"]: 4, KINDS["hca"]: 8}, sliding_window=WINDOW,
        o_groups=2, o_lora_rank=5, index_n_heads=16, index_head_dim=6, index_topk=3, partial_rotary_factor=0.5,
        rms_norm_eps=1e-5, max_position_embeddings=64, attn_implementation="eager",
        rope_parameters={
            "main": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
            "compress": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.5, **rope},
        },
    )  # fmt: skip
    return v4.DeepseekV4Attention(config, 0)


def theirs_of(ours: str) -> str:
    """DeepSeek-V4's name of one of our tensors."""
    ours = ours.replace("indexer.compressor.", "compressor.indexer.").replace("k_proj", "kv_proj")
    if ours.startswith("indexer."):
        ours = "compressor." + ours.replace("q_proj", "q_b_proj").replace("weights_proj", "scorer.weights_proj")
    return "kv_norm.weight" if ours == "k_norm.weight" else ours


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("yarn", [False, True])
def test_it_is_deepseek_v4s_attention(kind, yarn):
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "attention_factor": 1.0}
    rope = rope if yarn and kind != "sliding" else {}
    keys = {**V4, "rope_theta": 10000.0 if kind == "sliding" else 500.0}
    ours = mixer_of(attention(window=WINDOW, **keys) if kind == "sliding" else compressed(kind, BLOCKS[kind], **keys))
    theirs = deepseek_v4(kind, rope)
    theirs.load_state_dict({theirs_of(name): tensor for name, tensor in ours.state_dict().items()})
    x = inputs()
    embeddings = v4.DeepseekV4RotaryEmbedding(theirs.config)
    by_type = {name: embeddings(x, POSITIONS, layer_type=name) for name in ("main", "compress")}
    their_output = theirs(x, by_type, POSITIONS.expand(2, -1), causal_mask(WINDOW).expand(2, -1, -1, -1))[0]
    our_output = run(ours, x, rope)[0]
    assert gap(our_output, their_output) < CLOSE
    direction = torch.randn(our_output.shape, generator=torch.Generator().manual_seed(5))
    (our_output * direction).sum().backward()
    (their_output * direction).sum().backward()
    wanted = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        expected = wanted.pop(theirs_of(name))
        if "indexer" in name:
            assert parameter.grad is None  # the choice has no gradient; the indexer learns from its own loss
            assert expected is None
        else:
            assert gap(parameter.grad, expected) < CLOSE, name
    assert not wanted


@pytest.mark.parametrize("rope", [True, False])
def test_native_sparse_attention_is_its_equations(rope):
    """With K = V off and one query head per key head; rotary positions by the reference's own hands."""
    block, top_k = 5, 2
    keys = {"rope": False} if not rope else {}
    ours = mixer_of(compressed("nsa_learned", block, **keys)).double()
    ours.indexer.top_k = top_k
    x = inputs(1, torch.float64)
    output = run(ours, x)[0]
    score = scores_of(ours, x)[0]
    heads = {n: getattr(ours, f"{n}_proj")(x)[0].unflatten(-1, (4, 8)) for n in ("q", "k", "v")}
    pool = ours.compressor
    entries = pooled(x[0], pool.kv_proj.weight, pool.gate_proj.weight, pool.position_bias, block).unflatten(-1, (8, 8))
    entry_key, entry_value = pool.kv_norm(entries[:, :4]), entries[:, 4:]
    if rope:
        heads["q"], heads["k"] = (turned(heads[n], torch.arange(LENGTH)) for n in ("q", "k"))
        entry_key = turned(entry_key, torch.arange(len(entry_key)) * block)
    gates = ours.branch_proj(x)[0].sigmoid().unflatten(-1, (4, 3))
    expected = native_sparse_attention(
        heads["q"], heads["k"], heads["v"], entry_key, entry_value, score, gates, block, top_k, WINDOW, 8**-0.5
    )
    expected = ours.o_proj(expected.flatten(1))
    assert gap(output[0], expected) < (1e-5 if rope else 1e-12)
    trained = {n: p for n, p in ours.named_parameters() if "indexer" not in n}
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    ours_grads, their_grads = (
        torch.autograd.grad((y * direction).sum(), list(trained.values()), retain_graph=True)
        for y in (output[0], expected)
    )
    for name, one, other in zip(trained, ours_grads, their_grads, strict=True):
        assert gap(one, other) < CLOSE, name


def turned(x_THD: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Rotated by position, halves paired, as complex numbers."""
    width = x_THD.shape[-1]
    angle = positions[:, None].double() * 10000.0 ** (-torch.arange(0, width, 2).double() / width)
    pairs = torch.complex(x_THD[..., : width // 2], x_THD[..., width // 2 :])
    out = pairs * torch.polar(torch.ones_like(angle), angle)[:, None]
    return torch.cat([out.real, out.imag], dim=-1)


def scores_of(mixer, x: torch.Tensor) -> torch.Tensor:
    """The indexer's scores [B, T, n]."""
    angles = None
    if mixer.rope:
        parameters = {"rope_type": "default", "rope_theta": mixer.rope.theta}
        rotary = RotaryEmbedding(RopeSettings(parameters, mixer.rope.dim, 64))
        angles = tuple(angle.expand(x.shape[0], -1, -1) for angle in rotary(x, POSITIONS))
    index = mixer.compressed(x, angles, None)[1]
    seen = mixer.finished(0, LENGTH, index.shape[1], x.device)
    return mixer.indexer.scores(x, mixer.latent(x), index, seen, angles)


@pytest.mark.parametrize("arch", ["relu_mha", "dot_product", "learned_block_sel"])
@torch.no_grad()
def test_scores_are_their_equations(arch):
    mixer = mixer_of(compressed("csa", 4, indexer={"arch": arch}, rope=False)).double()
    x = inputs(1, torch.float64)
    keys = mixer.compressed(x, None, None)[1][0]
    queries = mixer.indexer.q_proj(x)[0].unflatten(-1, (16, 6))
    scores = scores_of(mixer, x)[0]
    for t in (3, 17, LENGTH - 1):
        finished = (t + 1) // 4
        products = torch.stack([keys[i] @ queries[t].T for i in range(finished)]) / 6**0.5
        if arch == "learned_block_sel":
            expected = products.softmax(dim=0).sum(dim=1)
        else:
            weights = mixer.indexer.weights_proj(x[0, t]) / 16**0.5
            expected = ((products.relu() if arch == "relu_mha" else products) * weights).sum(dim=1)
        assert gap(scores[t, :finished], expected) < 1e-12
        assert (scores[t, finished:] == -torch.inf).all()


@pytest.mark.parametrize("kind", ["csa", "nsa_learned"])
@pytest.mark.parametrize("arch", ["relu_mha", "learned_block_sel"])
def test_the_indexer_learns_the_attentions_distribution(kind, arch):
    """Its loss is the KL divergence, sends no gradient elsewhere, and falls."""
    mixer = mixer_of(compressed(kind, 4, indexer={"arch": arch, "loss_coef": 0.5}, rope=False)).train()
    x = inputs()
    loss = run(mixer, x)[4]
    with torch.no_grad():
        scores = scores_of(mixer, x)
        entry_key, _ = mixer.entry_keys_and_values(mixer.compressed(x, None, None)[0])
        logits = mixer.queries(x, {}) @ entry_key.mT * 8**-0.5
        terms = []
        for t in range(3, LENGTH):
            n = (t + 1) // 4
            p = logits[:, :, t, :n].softmax(-1).mean(1)
            own = scores[:, t, :n]
            q = own / 16 if arch == "learned_block_sel" else own.softmax(-1)
            terms.append((p * (p / q).log()).sum(-1))
        assert loss.item() == pytest.approx(0.5 * torch.stack(terms).mean().item(), rel=1e-4)
    loss.backward()
    assert {n.split(".")[0] for n, p in mixer.named_parameters() if p.grad is not None} == {"indexer"}
    optimizer = torch.optim.Adam(mixer.indexer.parameters(), lr=0.02)
    for _ in range(30):
        optimizer.zero_grad()
        later = run(mixer, x)[4]
        later.backward()
        optimizer.step()
    assert later < 0.7 * loss


def test_a_fixed_indexer_stays_as_it_is():
    model = build(spec({"a": layer(compressed("csa", indexer={"learnable": False}))})).train()
    ids = tokens()
    model(ids, labels=ids).loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters() if ".indexer." in n}
    assert grads
    assert all(grad is None for grad in grads.values())


@torch.no_grad()
def test_the_indexers_loss_is_added_in_training_only():
    losses = []
    for coefficient in (1.0, 3.0):
        model = build(spec({"a": layer(compressed("csa", indexer={"loss_coef": coefficient}))}))
        ids = tokens()
        plain = model(ids, labels=ids).loss
        losses.append(model.train()(ids, labels=ids).loss - plain)
    assert losses[0] > 0
    assert losses[1].item() == pytest.approx(3 * losses[0].item(), rel=1e-3)


def test_lower_precisions_hold_the_numbers_they_have():
    x = torch.tensor([[0.1, -0.6, 1.3, 6.0], [448.0, 1.0, 3.3, 0.0]], requires_grad=True)
    assert torch.equal(rounded(x, "fp32"), x)
    assert torch.equal(rounded(x, "bf16"), x.bfloat16().float())
    assert rounded(x, "fp4")[0].tolist() == [0.0, -0.5, 1.5, 6.0]
    assert rounded(x, "fp8")[1].tolist() == pytest.approx([448.0, 1.0, 3.25, 0.0])
    assert set((rounded(torch.linspace(-6, 6, 97), "fp4").abs()).tolist()) == set(FP4_VALUES)
    rounded(x, "fp4").sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


@pytest.mark.parametrize("precision", ["fp8", "fp4"])
@torch.no_grad()
def test_precision_changes_what_is_chosen_only(precision):
    fine, coarse = (
        build(spec({"a": layer(compressed("csa", 4, indexer={"dtype": dtype}))})) for dtype in ("fp32", precision)
    )
    ids = tokens()
    assert torch.equal(fine(ids[:, :15]).logits, coarse(ids[:, :15]).logits)  # three blocks: all are chosen
    assert not torch.equal(fine(ids).logits, coarse(ids).logits)


@torch.no_grad()
def test_equal_scores_choose_the_earlier_blocks():
    indexer = mixer_of(compressed("csa", 4)).indexer
    scores = torch.tensor([[[0.0, 1.0, 0.0, 0.0, -torch.inf]]])
    assert indexer.choose(scores)[0, 0].tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("length", [LENGTH, 6 * WINDOW])
@pytest.mark.parametrize("keys", [V4, {"logit_softcap": 2.0, "n_kv_heads": 2}])
@torch.no_grad()
def test_a_sequence_in_blocks_of_a_window_is_the_one_at_once(kind, length, keys):
    model = build(spec({"d": layer(compressed(kind, BLOCKS[kind], window=WINDOW, **keys))}))
    in_blocks = model(tokens(length=length), use_cache=False).logits
    model.set_attn_implementation("eager")
    assert gap(in_blocks, model(tokens(length=length), use_cache=False).logits) < CLOSE
