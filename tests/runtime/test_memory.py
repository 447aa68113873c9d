"""Memories against their papers' definitions in fp64; how long they live; what they write and when."""

import pytest
import torch

from eulerstack.runtime import neural_memory, retrieval_memory
from eulerstack.runtime.cache import EulerStackCache
from eulerstack.runtime.memories import MEMORIES
from eulerstack.runtime.memory_base import Memory
from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM
from eulerstack.schema.memory import FORGETTING, MOMENTUM, plain_memory
from tests.reference import memory as reference
from tests.runtime.models.building import build, gap, randomise, to_ir, tokens
from tests.runtime.models.layers import layer, remembering
from tests.runtime.models.sections import spec

M = 16


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Chunks and neighbourhoods that short sequences cross."""
    monkeypatch.setattr(neural_memory, "CHUNK", 4)
    monkeypatch.setattr("eulerstack.runtime.associative_memory.CHUNK", 5)
    monkeypatch.setattr(retrieval_memory, "NEAREST", 3)
    monkeypatch.setattr(retrieval_memory, "BLOCK", 4)


def memory(kind: str, **keys) -> Memory:
    """The memory in fp64, every parameter random."""
    template = remembering(kind, hidden=6, **keys)
    resolved = to_ir(spec({"a": template}, model={"d_model": M})).blocks[0].memory
    made = MEMORIES[kind]({"d_model": M, "memory": plain_memory(resolved)})
    with torch.no_grad():
        for tensor in (*made.parameters(), *made.buffers()):
            tensor.zero_()
    made = randomise(made).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)
    return made


def defined(made: Memory, x: torch.Tensor, writes: bool) -> torch.Tensor:
    """What the definition says."""
    w = dict(made.named_parameters())
    match made:
        case neural_memory.NeuralMemory():
            return reference.neural_memory(w, x, made.rate, neural_memory.CHUNK, neural_memory.NORM_EPS, writes)
        case retrieval_memory.RetrievalMemory():
            return reference.retrieval_memory(w, x, retrieval_memory.NEAREST, writes)
    return reference.associative_memory(w, x, made.rate, writes)


def inputs(batch: int = 1, length: int = 14) -> torch.Tensor:
    return torch.randn(batch, length, M, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("kind", MEMORIES)
@pytest.mark.parametrize("writes", [True, False])
def test_reading_and_gradient_are_the_papers(kind, writes):
    made, x = memory(kind, update_at_inference=writes).eval(), inputs().requires_grad_()
    mine, expected = made(x)[0], defined(made, x[0], writes)
    assert gap(mine, expected) < 1e-10
    names, parameters = zip(*made.named_parameters(), strict=True)
    weights = torch.randn(mine.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    ours = torch.autograd.grad((mine * weights).sum(), (*parameters, x), allow_unused=True)
    theirs = torch.autograd.grad((expected * weights).sum(), (*parameters, x), allow_unused=True)
    for name, a, b in zip((*names, "input"), ours, theirs, strict=True):
        assert (a is None) == (b is None), name
        assert a is None or gap(a, b) < 1e-8, name
    assert writes == all(gradient is not None for gradient in ours)


@pytest.mark.parametrize("kind", MEMORIES)
def test_training_writes_whatever_evaluation_does(kind):
    made, x = memory(kind, update_at_inference=False).train(), inputs()
    assert gap(made(x)[0], defined(made, x[0], True)) < 1e-10


@pytest.mark.parametrize("kind", MEMORIES)
@torch.no_grad()
def test_any_split_and_any_padding_is_the_whole(kind):
    made, x = memory(kind).eval(), inputs(3, 23)
    whole = made(x)
    mask = torch.ones(3, 30, dtype=torch.long)
    padded = torch.zeros(3, 30, M, dtype=torch.float64)
    for row, before in enumerate((0, 3, 7)):  # on the left, on both sides, on the right
        mask[row, :before] = mask[row, before + 23 :] = 0
        padded[row, before : before + 23] = x[row]
    for ends in ([30], [6, 7, 20, 30], list(range(1, 31))):
        joined = in_pieces(made, padded, ends, mask)
        for row, before in enumerate((0, 3, 7)):
            assert gap(joined[row, before : before + 23], whole[row]) < 1e-10
    for ends in ([1, 2, 9, 10, 17, 23], list(range(1, 24))):
        assert gap(in_pieces(made, x, ends), whole) < 1e-10


def in_pieces(made: Memory, x: torch.Tensor, ends: list[int], mask: torch.Tensor | None = None) -> torch.Tensor:
    """The readings of `x`, handed over up to each of `ends` with one cache."""
    cache, start, parts = EulerStackCache(made.state_layers()), 0, []
    for end in ends:
        own = None if mask is None else mask[:, start:end]
        parts.append(made(x[:, start:end], token_mask=own, past_key_values=cache, cache_index=0))
        start = end
    return torch.cat(parts, dim=1)


def test_memory_learns_under_no_grad():
    made, x = memory("neural_memory").eval(), inputs()
    with torch.no_grad():
        still = made(x)
    assert torch.equal(still, made(x))


def model(kind: str, **keys) -> EulerStackForCausalLM:
    return build(spec({"a": remembering(kind, **keys), "b": layer()}))


def states(cache) -> dict[str, torch.Tensor]:
    return cache.layers[1].tensors


@pytest.mark.parametrize("kind", MEMORIES)
@pytest.mark.parametrize("persistence", ["session", "per_query"])
@torch.no_grad()
def test_a_session_goes_on_and_a_query_begins_anew(kind, persistence):
    """The memory lies in the first layer, so that what it holds depends on the tokens alone."""
    made = model(kind, persistence=persistence)
    cache = made.model.build_cache()
    options = {"max_new_tokens": 3, "do_sample": False, "pad_token_id": 0}
    first = made.generate(tokens(length=9), past_key_values=cache, **options)
    asked = torch.cat([first, tokens(length=7, seed=4)], dim=1)
    read = made.generate(asked, past_key_values=cache, **options)[:, :-1]
    assert cache.get_seq_length() == read.shape[1]
    fresh = made.model.build_cache()
    made(read if persistence == "session" else read[:, first.shape[1] - 1 :], past_key_values=fresh)
    for name, tensor in states(cache).items():
        assert gap(tensor, states(fresh)[name]) < 1e-5, name


@pytest.mark.parametrize("kind", MEMORIES)
def test_a_persistent_memory_is_committed_when_generate_ends_and_saved(kind, tmp_path):
    made = model(kind, persistence="persistent")
    own = made.model.layers[0].memory
    ids = tokens(length=9)
    with torch.no_grad():
        before = made(ids).logits
        cache = made.model.build_cache()
        made(ids, past_key_values=cache)
        assert torch.equal(made(ids).logits, before)
        assert all((buffer == 0).all() for buffer in own.buffers())
        made.commit_memory(cache)
        for name in own.contents:
            expected = cache.layers[1].tensors[name].mean(dim=0) - getattr(own, name)
            assert torch.equal(getattr(own, f"committed_{name}"), expected)
            assert (expected != 0).any()
        after = made(ids).logits
        assert gap(after, before) > 1e-3
    made.save_pretrained(tmp_path)
    loaded = EulerStackForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        assert gap(loaded(ids).logits, after) < 1e-6
        again = build(spec({"a": remembering(kind, persistence="persistent"), "b": layer()}))
        cache = again.model.build_cache()
        again.generate(ids, past_key_values=cache, max_new_tokens=1, do_sample=False, pad_token_id=0)
        for name in own.contents:
            assert torch.equal(
                getattr(again.model.layers[0].memory, f"committed_{name}"), getattr(own, f"committed_{name}")
            )


def test_what_is_not_persistent_is_never_committed():
    made = model("neural_memory", persistence="session")
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    made.generate(tokens(length=5), max_new_tokens=3, do_sample=False, pad_token_id=0)
    assert all(torch.equal(before[name], tensor) for name, tensor in made.state_dict().items())


def test_a_depth_gated_or_shared_memory_is_committed_from_all_its_places():
    gating = {"depth_gating": {"enabled": True, "capacity": 0.5}}
    template = remembering("associative", persistence="persistent")
    made = build(spec({"a": template}, [{"template": "a", **gating}, {"template": "a", "share": "x", "repeat": 2}]))
    cache = made.model.build_cache()
    with torch.no_grad():
        made(tokens(length=9), past_key_values=cache)
        made.commit_memory(cache)
    rows = [row.layers[1].tensors["M"] for row in cache.layers[0].rows if row.layers[1].tensors]
    shared = [cache.layers[2].tensors["M"], cache.layers[4].tensors["M"]]
    for module, found in ((0, rows), (1, shared)):
        own = made.model.layers[module].memory
        assert gap(own.committed_M + own.M, torch.cat(found).mean(dim=0)) < 1e-6


def test_a_fresh_neural_memory_learns_without_exploding(monkeypatch):
    """The same few tokens again and again: it errs less and less, and gradients stay of one size."""
    monkeypatch.setattr(neural_memory, "CHUNK", 32)
    keys = {"update_at_inference": True, "persistence": "session", "inner_lr": 1e-3, "params": {"hidden": 64}}
    made = MEMORIES["neural_memory"]({"d_model": 64, "memory": keys})
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.normal_(std=0.02) if parameter.dim() > 1 else parameter.fill_(float(name == "norm_weight"))
        made.rates.bias.copy_(torch.tensor([0.0, MOMENTUM, FORGETTING]))
        x = torch.randn(1, 8, 64).repeat(1, 120, 1)
        _, key, value, rates = made.project(x)
        reading, _ = made.write((key, key, value * 20, rates), None, None)
        error = (reading - value * 20).square().sum(-1)[0]
    assert error[-8:].mean() < 0.9 * error[:8].mean()
    gradients = torch.autograd.grad(made(x).sum(), tuple(made.parameters()))
    assert max(gradient.abs().max().item() for gradient in gradients) < 1e3
